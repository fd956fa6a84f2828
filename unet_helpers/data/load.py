"""From a name to `Samples`: the embedded set, and through the catalogue every other one."""

import importlib

from unet_helpers.data.samples import Samples

CELLS_SLIDES, CELLS_FIELDS = 30, 3


def load(name: str, download: bool = False) -> Samples:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        ``"cells"``, drawn on the spot and offline (90 fields of 30 blood smears), or a set of the
        catalogue, such as ``"membranes"``: read from the folder that ``UNET_DATA_HOME`` names.
    download : bool
        Get a set of the catalogue that is not there, after printing its size and its terms; by
        default that is an error which names the command that gets it.

    Returns
    -------
    Samples
        Nothing is decoded yet, apart from a look at the folder's file names.

    Raises
    ------
    ValueError
        If no set has this name.
    DataError
        If the set's folder is absent or unfit, or its release cannot be got.

    Examples
    --------
    >>> load("cells")
    Samples 'cells': 90 images in 30 groups; classes background, cytoplasm, nucleus
    """
    # Both are looked up by name: the core is what every set needs, and no set's own code.
    if name == "cells":
        drawn = importlib.import_module("unet_helpers.data.drawn")
        cells: Samples = drawn.draw_samples(CELLS_SLIDES, CELLS_FIELDS)
        return cells
    catalogue = importlib.import_module("unet_helpers.data.catalogue")
    samples: Samples = catalogue.load_public(name, download)
    return samples

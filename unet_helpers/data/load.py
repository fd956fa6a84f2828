"""From a name to `Samples`: the embedded set, and through the catalogue every other one."""

import importlib
from functools import partial

from unet_helpers.data.samples import Arrays, Record, Samples

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
        return _load_cells()
    catalogue = importlib.import_module("unet_helpers.data.catalogue")
    samples: Samples = catalogue.load_public(name, download)
    return samples


def _load_cells() -> Samples:
    cells = importlib.import_module("unet_helpers.data.cells")

    def draw(slide: int, field: int) -> Arrays:
        return Arrays(*cells.draw_field(slide, field))

    records = tuple(
        Record(
            f"slide {slide:02d} field {field}", f"slide {slide:02d}", partial(draw, slide, field)
        )
        for slide in range(CELLS_SLIDES)
        for field in range(CELLS_FIELDS)
    )
    return Samples(
        name="cells",
        records=records,
        class_names=cells.CLASS_NAMES,
        foreground=("cytoplasm", "nucleus"),
        rule="the masks are drawn as class ids",
    )

"""From a name to `Samples`: the embedded set, and through the catalogue every other one."""

import dataclasses
import importlib
from functools import partial

from unet_helpers.data import cells
from unet_helpers.data.samples import Arrays, Record, Samples

CELLS_SLIDES, CELLS_FIELDS = 30, 3


def load(name: str) -> Samples:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        ``"cells"``, drawn on the spot and offline (90 fields of 30 blood smears), or a set of the
        catalogue, such as ``"membranes"``: read from ``UNET_DATA_HOME`` where it lies there.

    Returns
    -------
    Samples
        Nothing is decoded yet, apart from a look at the folder's file names.

    Raises
    ------
    ValueError
        If no set has this name.
    DataError
        If the set's folder is absent or unfit.

    Examples
    --------
    >>> load("cells")
    Samples 'cells': 90 images in 30 groups; classes background, cytoplasm, nucleus
    """
    if name == "cells":
        return _load_cells()
    # Looked up by name: the core stays free of what only some need.
    catalogue = importlib.import_module("unet_helpers.data.catalogue")
    return dataclasses.replace(catalogue.load_public(name), name=name)


def _load_cells() -> Samples:
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

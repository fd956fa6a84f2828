"""Which objects of the truth a prediction found, and how big they are: a report's table of objects.

A mask of classes does not part objects that touch. So a truth object is compared with whatever
connected piece of the predicted foreground fits it best, and how much of it was covered stands
beside: a cell that is covered and yet not found was merged with its neighbour.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.samples import Arrays
from unet_helpers.evaluation.objects import label_objects
from unet_helpers.evaluation.overlaps import overlaps

FOUND_ABOVE = 0.5  # of IoU; above it, at most one predicted object can fit a true one
MOST_BINS = 6


class ObjectRow(NamedTuple):
    """One object of the truth.

    Attributes
    ----------
    image, group : str
        The image it lies in, and that image's group.
    object : int
        Its number in the image: the instance id, or the connected piece's number.
    pixels : int
        Its size.
    row, column : float
        Its centre of mass, in pixels from the upper left corner.
    iou : float
        IoU with the connected piece of the predicted foreground that fits best; 0 if none does.
    covered : float
        Share of its pixels that the prediction calls foreground.
    found : bool
        Whether the IoU is above 0.5.
    """

    image: str
    group: str
    object: int
    pixels: int
    row: float
    column: float
    iou: float
    covered: float
    found: bool


class SizeBin(NamedTuple):
    """Objects of similar size: from `low` to `high` pixels, how many, and how many were found."""

    low: int
    high: int
    objects: int
    found: int


def object_rows(
    truth: Arrays,
    prediction: NDArray[Any],
    foreground: Sequence[int],
    ignore_value: int | None = None,
    image: str = "",
    group: str = "",
) -> list[ObjectRow]:
    """Look up every object of one image's truth in a predicted mask.

    Parameters
    ----------
    truth : Arrays
        Its mask, shape (height, width), and its instances, where the sample has them; connected
        pieces of the foreground otherwise.
    prediction : ndarray of int, shape (height, width)
        Class ids.
    foreground : sequence of int
        The class ids that objects are made of.
    ignore_value : int, optional
        Pixels with this truth belong to no object.
    image, group : str
        What the rows say of where they come from.

    Returns
    -------
    list of ObjectRow
        In the order of the objects' numbers.

    Examples
    --------
    >>> mask = np.array([[1, 1, 0, 1]], np.uint8)
    >>> rows = object_rows(Arrays(mask, mask), np.array([[1, 0, 0, 0]]), [1])
    >>> [(row.pixels, row.iou, row.covered, row.found) for row in rows]
    [(2, 0.5, 0.5, False), (1, 0.0, 0.0, False)]
    """
    ignored = np.zeros(truth.mask.shape, bool)
    if ignore_value is not None:
        ignored = truth.mask == ignore_value
    real = np.isin(truth.mask, foreground) & ~ignored
    guess = np.isin(prediction, foreground) & ~ignored
    objects = label_objects(real) if truth.instances is None else np.where(real, truth.instances, 0)
    table = overlaps(objects, label_objects(guess))
    best = np.zeros(len(table.areas))
    np.maximum.at(best, table.rows, table.iou)
    numbers, rows, columns, found = _where(objects, guess)
    covered = found / table.areas
    parts = (numbers, table.areas, rows, columns, best, covered, best > FOUND_ABOVE)
    lists = (part.tolist() for part in parts)
    return [ObjectRow(image, group, *values) for values in zip(*lists, strict=True)]


def _where(objects: NDArray[Any], guess: NDArray[np.bool_]) -> tuple[NDArray[Any], ...]:
    """Numbers of the objects, their centres' rows and columns, and how many pixels were found."""
    rows, columns = np.nonzero(objects)
    labels = objects[rows, columns]
    sizes = np.bincount(labels)
    numbers = np.flatnonzero(sizes)
    sums = (np.bincount(labels, w)[numbers] for w in (rows, columns, guess[rows, columns]))
    row_sum, column_sum, found = sums
    return numbers, row_sum / sizes[numbers], column_sum / sizes[numbers], found


def size_bins(rows: Sequence[ObjectRow], most: int = MOST_BINS) -> list[SizeBin]:
    """Sort objects into bins of size, small ones first; bins without an object are left out.

    Parameters
    ----------
    rows : sequence of ObjectRow
    most : int
        Bins at most. Their edges are evenly spaced, on a logarithmic scale where the largest object
        is more than ten times the smallest.

    Returns
    -------
    list of SizeBin

    Examples
    --------
    >>> rows = [ObjectRow("", "", i, i, 0, 0, 0.1 * i, 1, i > 5) for i in range(1, 10)]
    >>> size_bins(rows, most=2)
    [SizeBin(low=1, high=5, objects=5, found=0), SizeBin(low=6, high=9, objects=4, found=4)]
    """
    if not rows:
        return []
    sizes = np.array([row.pixels for row in rows])
    found = np.array([row.found for row in rows])
    spaced = np.geomspace if is_wide(rows) else np.linspace
    edges = spaced(sizes.min(), sizes.max(), min(most, max(1, len(rows) // 4)) + 1)
    where = np.clip(np.searchsorted(edges, sizes, "left") - 1, 0, len(edges) - 2)
    return [
        SizeBin(
            int(sizes[where == b].min()),
            int(sizes[where == b].max()),
            int((where == b).sum()),
            int(found[where == b].sum()),
        )
        for b in np.unique(where)
    ]


def is_wide(rows: Sequence[ObjectRow]) -> bool:
    """Whether sizes differ so much that a logarithmic scale shows them better."""
    sizes = [row.pixels for row in rows]
    return bool(rows) and max(sizes) > 10 * min(sizes)

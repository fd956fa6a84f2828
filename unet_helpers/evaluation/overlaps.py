"""Which true object shares pixels with which predicted one: a sparse table, and who gets whom."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize


@dataclasses.dataclass(frozen=True)
class Overlaps:
    """The pairs of a true and a predicted object that share pixels.

    Attributes
    ----------
    rows, columns : ndarray of int64, shape (pairs,)
        Positions of the pair's true object in `areas` and of its predicted one in `excused`.
    iou : ndarray of float64, shape (pairs,)
        Intersection over union of the pair.
    areas : ndarray of int64, shape (true objects,)
        Labelled pixels of each true object, by rising number.
    excused : ndarray of bool, shape (predicted objects,)
        True where more than half of a predicted object lies on ignored pixels.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    iou: NDArray[np.float64]
    areas: NDArray[np.int64]
    excused: NDArray[np.bool_]


def overlaps(truth: ArrayLike, prediction: ArrayLike, ignore: ArrayLike | None = None) -> Overlaps:
    """Table of the overlapping pairs, in one pass over the pixels.

    Parameters
    ----------
    truth, prediction : array_like of int, shape (height, width)
        0 for background, one number for each object.
    ignore : array_like of bool, shape (height, width), optional
        True where pixels do not count.

    Returns
    -------
    Overlaps
        The pairs by rising numbers of the true, then of the predicted object.

    Raises
    ------
    ValueError
        If the shapes differ, or a label is negative or no whole number.
    """
    true, guess = _labels(truth, "truth"), _labels(prediction, "prediction")
    counted = np.ones(true.shape, bool) if ignore is None else ~np.asarray(ignore, bool)
    for name, array in (("prediction", guess), ("ignore", counted)):
        if array.shape != true.shape:
            raise ValueError(
                f"{name} must have the truth's shape {true.shape}, found {array.shape}: give label "
                "images of the same image"
            )
    predicted, whole = np.unique(guess[guess > 0], return_counts=True)
    true, guess = true[counted], guess[counted]
    ids, areas = np.unique(true[true > 0], return_counts=True)
    left = _areas(guess, predicted)
    both = (true > 0) & (guess > 0)
    rows, columns = np.searchsorted(ids, true[both]), np.searchsorted(predicted, guess[both])
    pairs, shared = np.unique(rows * len(predicted) + columns, return_counts=True)
    rows, columns = np.divmod(pairs, max(len(predicted), 1))
    iou = shared / (areas[rows] + left[columns] - shared)
    return Overlaps(rows, columns, iou, areas, 2 * left < whole)


def _areas(labels: NDArray[np.integer], ids: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.bincount(np.searchsorted(ids, labels[labels > 0]), minlength=len(ids))


def _labels(labels: ArrayLike, name: str) -> NDArray[np.integer]:
    array = np.asarray(labels)
    if array.ndim != 2:
        raise ValueError(
            f"{name} must have the shape (height, width), found {array.shape}: give one image at "
            "a time, without a channel axis"
        )
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"{name} must hold whole numbers, one for each object, found {array.dtype}: number a "
            "mask's objects with label_objects()"
        )
    if array.size and array.min() < 0:
        raise ValueError(
            f"{name} must not hold negative numbers, found {array.min()}: use 0 for background"
        )
    return array


def assign(table: Overlaps, threshold: float) -> NDArray[np.intp]:
    """Which pairs of the table are matches: one to one, with an IoU above the threshold.

    Parameters
    ----------
    table : Overlaps
        The overlapping pairs.
    threshold : float
        IoU that a pair must exceed.

    Returns
    -------
    ndarray of int, shape (matches,)
        Positions in the table: as many pairs as can be, and of all such choices the one with the
        largest sum of IoU.
    """
    able = np.flatnonzero(table.iou > threshold)
    if threshold >= 0.5:
        # Two objects cannot both share more than half of a third: there is no choice to make.
        return able
    rows, row = np.unique(table.rows[able], return_inverse=True)
    columns, column = np.unique(table.columns[able], return_inverse=True)
    # One more match outweighs any sum of IoU, which stays below the number of pairs.
    worth = np.zeros((len(rows), len(columns)))
    worth[row, column] = len(able) + table.iou[able]
    position = np.full(worth.shape, -1)
    position[row, column] = able
    chosen = position[optimize.linear_sum_assignment(worth, maximize=True)]
    return np.sort(chosen[chosen >= 0])

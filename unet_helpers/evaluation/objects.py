"""Scores of objects instead of pixels: which true objects were found, and how well.

Objects are counted as pixels are: true positives, false positives and false negatives are whole
numbers that can be added over images before anything is divided.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from unet_helpers.evaluation.binary import binary_mask
from unet_helpers.evaluation.overlaps import Overlaps, assign, overlaps

# IoU thresholds of the Data Science Bowl 2018, and of COCO: 0.5, 0.55, ..., 0.95.
AP_THRESHOLDS: tuple[float, ...] = tuple(percent / 100 for percent in range(50, 100, 5))


def label_objects(mask: ArrayLike, connectivity: int = 4) -> NDArray[np.int32]:
    """Number the objects of a mask: each connected piece of the class becomes one object.

    Objects that touch become one: a mask cannot tell them apart.

    Parameters
    ----------
    mask : array_like of bool or int, shape (height, width)
        0 for background, 1 for the class.
    connectivity : int
        4: pixels that share an edge belong together; 8: those that share a corner too.

    Returns
    -------
    ndarray of int32, shape (height, width)
        0 for background, then 1, 2, ... in the order of each object's first pixel.

    Raises
    ------
    ValueError
        If the mask holds another value, or the connectivity is another.

    Examples
    --------
    >>> mask = [[1, 0, 0], [0, 1, 1]]
    >>> label_objects(mask).tolist(), label_objects(mask, connectivity=8).tolist()
    ([[1, 0, 0], [0, 2, 2]], [[1, 0, 0], [0, 1, 1]])
    """
    if connectivity not in (4, 8):
        raise ValueError(f"connectivity must be 4 or 8, found {connectivity}: choose one of them")
    neighbours = ndimage.generate_binary_structure(2, 1 if connectivity == 4 else 2)
    labels, _ = ndimage.label(binary_mask(mask) == 1, structure=neighbours)
    return np.asarray(labels, np.int32)


@dataclasses.dataclass(frozen=True)
class Matches:
    r"""Objects counted by outcome at one IoU threshold or at several.

    ``first + second``, and ``sum(list_of_matches)``, add the counts of images: the scores of the
    sum are pooled over all objects.

    Attributes
    ----------
    threshold : ndarray of float64
        IoU that a pair must exceed; a number, or one for each of several thresholds.
    tp, fp, fn : ndarray of int64, of the threshold's shape
        Matched pairs, predicted objects without a partner, true objects without a partner.
    iou_sum : ndarray of float64, of the threshold's shape
        IoU of the matched pairs, added.

    Notes
    -----
    Every score is NaN where it is undefined: `precision` without predicted objects, `recall`
    without true ones, `segmentation_quality` without a match, the others without any object.
    """

    threshold: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]
    iou_sum: NDArray[np.float64]

    def __add__(self, other: "Matches") -> "Matches":
        """The counts of both, as if their images were one."""
        if not np.array_equal(self.threshold, other.threshold):
            raise ValueError(
                f"matches must have one threshold to be added, found {self.threshold} and "
                f"{other.threshold}: match all images at the same"
            )
        parts = ("tp", "fp", "fn", "iou_sum")
        return Matches(self.threshold, *(getattr(self, p) + getattr(other, p) for p in parts))

    def __radd__(self, other: int) -> "Matches":
        """So that ``sum`` works: it begins with 0."""
        return self if other == 0 else NotImplemented

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the predicted objects that are matched: TP / (TP + FP)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the true objects that are matched: TP / (TP + FN)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def average_precision(self) -> NDArray[np.float64]:
        r"""TP / (TP + FP + FN), what the Data Science Bowl 2018 calls average precision [1]_.

        Its score is the mean of this over `AP_THRESHOLDS`, then over images. COCO's AP is something
        else: the area under a curve of precision over recall, drawn by falling confidence, with
        pairs that reach the threshold (IoU at least, not above). Masks carry no confidence.

        References
        ----------
        .. [1] Caicedo et al. (2019), Nucleus segmentation across imaging experiments: the 2018 Data
           Science Bowl, Nature Methods 16, doi:10.1038/s41592-019-0612-7.
        """
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def segmentation_quality(self) -> NDArray[np.float64]:
        """SQ, the mean IoU of the matched pairs."""
        return _ratio(self.iou_sum, self.tp)

    @property
    def recognition_quality(self) -> NDArray[np.float64]:
        """RQ, which is the F1 score."""
        return self.f1

    @property
    def panoptic_quality(self) -> NDArray[np.float64]:
        r"""PQ = SQ RQ, the matched pairs' IoU over TP + FP / 2 + FN / 2 [1]_; defined at IoU > 0.5.

        References
        ----------
        .. [1] Kirillov et al. (2019), Panoptic segmentation, CVPR, equation 1, arXiv:1801.00868.
        """
        return _ratio(2 * self.iou_sum, 2 * self.tp + self.fp + self.fn)


def _ratio(above: ArrayLike, below: ArrayLike) -> NDArray[np.float64]:
    numerator, denominator = np.asarray(above, np.float64), np.asarray(below, np.float64)
    result = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result[()]


def match(
    truth: ArrayLike,
    prediction: ArrayLike,
    threshold: float | Sequence[float] = 0.5,
    ignore: ArrayLike | None = None,
) -> Matches:
    r"""Match predicted to true objects, one to one, where their IoU exceeds a threshold.

    Above 0.5 an object can have only one partner [1]_, and every such pair is a match. Below, the
    assignment is the one with the most matches, and of those the one with the largest sum of IoU.

    Parameters
    ----------
    truth, prediction : array_like of int, shape (height, width)
        0 for background, one number for each object (`label_objects` numbers those of a mask).
    threshold : float or sequence of float
        IoU that a pair must exceed, 0 or more and below 1; `AP_THRESHOLDS` for average precision.
    ignore : array_like of bool, shape (height, width), optional
        True where pixels do not count.

    Returns
    -------
    Matches
        Counted objects, for each threshold.

    Raises
    ------
    ValueError
        If the shapes differ, a label is negative or no whole number, or a threshold is not in
        [0, 1).

    Notes
    -----
    The IoU must be above the threshold, not equal to it: so say [1]_ and the Data Science Bowl
    2018; COCO, and StarDist's ``matching``, count equal as a match.

    Ignored pixels are taken out of all objects. A predicted object without a partner that had more
    than half of its pixels there is no false positive, as in [1]_, section 4; a true object that
    lies there altogether is none.

    References
    ----------
    .. [1] Kirillov et al. (2019), Panoptic segmentation, CVPR, section 4, arXiv:1801.00868.

    Examples
    --------
    >>> truth = [[1, 1, 1, 0, 2, 2]]
    >>> prediction = [[5, 5, 0, 0, 0, 7]]  # IoU 2/3 and 1/2
    >>> found = match(truth, prediction)
    >>> found.tp, found.fp, found.fn
    (np.int64(1), np.int64(1), np.int64(1))
    >>> match(truth, prediction, AP_THRESHOLDS).average_precision.mean().round(3)
    np.float64(0.133)
    """
    levels = _check_thresholds(threshold)
    table = overlaps(truth, prediction, ignore)
    counted = [_count(table, float(level)) for level in levels.ravel()]
    tp, fp, fn = (
        np.array([row[i] for row in counted], np.int64).reshape(levels.shape)[()] for i in range(3)
    )
    iou_sum = np.array([row[3] for row in counted], np.float64).reshape(levels.shape)[()]
    return Matches(levels[()], tp, fp, fn, iou_sum)


def _check_thresholds(threshold: float | Sequence[float]) -> NDArray[np.float64]:
    levels = np.asarray(threshold, np.float64)
    if not ((levels >= 0) & (levels < 1)).all():
        raise ValueError(f"threshold must be 0 or more and below 1, found {threshold}: give an IoU")
    return levels


def _count(table: Overlaps, threshold: float) -> tuple[int, int, int, float]:
    """TP, FP, FN and the matched pairs' IoU at one threshold."""
    chosen = assign(table, threshold)
    extra = ~table.excused
    extra[table.columns[chosen]] = False
    tp = chosen.size
    fn = table.areas.size - tp
    return tp, int(np.count_nonzero(extra)), fn, float(table.iou[chosen].sum())


@dataclasses.dataclass(frozen=True)
class SizedObjects:
    """True objects with their size and how well each was found; ``+`` joins those of two images.

    Attributes
    ----------
    areas : ndarray of int64, shape (objects,)
        Labelled pixels of each true object.
    best_iou : ndarray of float64, shape (objects,)
        IoU with the predicted object that overlaps it best; 0 if none does.
    found : ndarray of bool, shape (objects,)
        Whether `match` gave it a partner.
    """

    areas: NDArray[np.int64]
    best_iou: NDArray[np.float64]
    found: NDArray[np.bool_]

    def __add__(self, other: "SizedObjects") -> "SizedObjects":
        """The objects of both."""
        parts = ("areas", "best_iou", "found")
        return SizedObjects(
            *(np.concatenate([getattr(x, p) for x in (self, other)]) for p in parts)
        )

    def __radd__(self, other: int) -> "SizedObjects":
        """So that ``sum`` works: it begins with 0."""
        return self if other == 0 else NotImplemented

    def recall(self, edges: Sequence[float]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """How many objects each range of areas holds, and which share of them was found.

        Parameters
        ----------
        edges : sequence of float
            Rising bounds of the ranges, in pixels; each lower bound belongs to its range.

        Returns
        -------
        objects : ndarray of int64, shape (ranges,)
            True objects in each range.
        recall : ndarray of float64, shape (ranges,)
            Share of them that was found; NaN for a range without objects.
        """
        ranges = np.searchsorted(np.asarray(edges, float), self.areas, side="right") - 1
        inside = (ranges >= 0) & (ranges < len(edges) - 1)
        total = np.bincount(ranges[inside], minlength=len(edges) - 1)
        found = np.bincount(ranges[inside & self.found], minlength=len(edges) - 1)
        return total, _ratio(found, total)


def objects_by_size(
    truth: ArrayLike, prediction: ArrayLike, threshold: float = 0.5, ignore: ArrayLike | None = None
) -> SizedObjects:
    """For each true object its area, its best IoU and whether it was found.

    Parameters
    ----------
    truth, prediction : array_like of int, shape (height, width)
        0 for background, one number for each object.
    threshold : float
        IoU that a pair must exceed, as in `match`.
    ignore : array_like of bool, shape (height, width), optional
        True where pixels do not count.

    Returns
    -------
    SizedObjects
        The true objects by rising number; add those of several images with ``+`` or ``sum``.

    Raises
    ------
    ValueError
        As `match` does.

    Examples
    --------
    >>> objects = objects_by_size([[1, 1, 1, 0, 2, 2]], [[5, 5, 0, 0, 0, 7]])
    >>> objects.areas.tolist(), objects.best_iou.round(2).tolist(), objects.found.tolist()
    ([3, 2], [0.67, 0.5], [True, False])
    """
    _check_thresholds(threshold)
    table = overlaps(truth, prediction, ignore)
    best = np.zeros(table.areas.size)
    np.maximum.at(best, table.rows, table.iou)
    found = np.zeros(table.areas.size, bool)
    found[table.rows[assign(table, threshold)]] = True
    return SizedObjects(table.areas, best, found)

"""Counts first: true and false positives and negatives for each image and class; IoU and Dice.

Everything is derived from whole numbers that can be added up: a pooled score adds the counts of all
images and divides once, a mean over images divides first. A score that is undefined (a class that
neither the truth nor the prediction holds) is NaN: it is left out of a mean, and told.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unet_helpers.data.samples import Samples


@dataclasses.dataclass(frozen=True)
class Counts:
    """Pixels counted by outcome; each array is int64 of one shape, classes on the last axis.

    Attributes
    ----------
    tp, fp, fn, tn : ndarray of int64
        True positives, false positives, false negatives, true negatives.
    """

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]
    tn: NDArray[np.int64]

    def pooled(self) -> "Counts":
        """Add up over the first axis (images)."""
        return Counts(*(part.sum(axis=0) for part in dataclasses.astuple(self)))

    def of_class(self, class_id: int) -> "Counts":
        """The counts of one class; the last axis goes away."""
        return Counts(*(part[..., class_id] for part in dataclasses.astuple(self)))


def count(
    truth: ArrayLike, prediction: ArrayLike, num_classes: int = 2, ignore_value: int | None = None
) -> Counts:
    """Count one image's pixels by outcome, for every class.

    Parameters
    ----------
    truth, prediction : array_like of int or bool, same shape
        Class ids 0..num_classes-1; `truth` may also hold `ignore_value`.
    num_classes : int
        Number of classes, the background counted.
    ignore_value : int, optional
        Pixels with this truth do not count.

    Returns
    -------
    Counts
        Each of shape (num_classes,).

    Raises
    ------
    ValueError
        If the shapes differ or a value is not a class id.

    Examples
    --------
    >>> result = count([[1, 1, 0, 0]], [[1, 0, 1, 0]])
    >>> result.tp[1], result.fp[1], result.fn[1], result.tn[1]
    (np.int64(1), np.int64(1), np.int64(1), np.int64(1))
    """
    true, guess = np.asarray(truth), np.asarray(prediction)
    if true.shape != guess.shape:
        raise ValueError(
            f"prediction must have the truth's shape {true.shape}, found {guess.shape}: "
            "compare masks of the same image, without a channel axis"
        )
    if ignore_value is not None:
        labelled = true != ignore_value
        true, guess = true[labelled], guess[labelled]
    for name, values in (("truth", true), ("prediction", guess)):
        _check_ids(name, values, num_classes)
    pairs = true.astype(np.int64).ravel() * num_classes + guess.astype(np.int64).ravel()
    confusion = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    tp = confusion.diagonal().astype(np.int64)
    fp, fn = confusion.sum(axis=0) - tp, confusion.sum(axis=1) - tp
    return Counts(tp, fp, fn, true.size - tp - fp - fn)


def _check_ids(name: str, values: NDArray[np.generic], num_classes: int) -> None:
    odd = values[~np.isin(values, np.arange(num_classes))]
    if odd.size:
        raise ValueError(
            f"{name} must hold class ids 0 to {num_classes - 1}, found {odd.flat[0]!s}: turn "
            "probabilities into a mask with to_mask(), and 0/255 masks into 0/1"
        )


def iou(counts: Counts) -> NDArray[np.float64]:
    r"""Intersection over union, the Jaccard index: :math:`TP / (TP + FP + FN)` [1]_.

    Parameters
    ----------
    counts : Counts
        Of any shape.

    Returns
    -------
    ndarray of float64
        0 to 1, of the counts' shape; NaN where neither truth nor prediction has the class.

    References
    ----------
    .. [1] Jaccard (1912), The distribution of the flora in the alpine zone, New Phytologist 11,
       doi:10.1111/j.1469-8137.1912.tb05611.x.

    Examples
    --------
    >>> iou(count([1, 1, 0, 0], [1, 0, 1, 0])).tolist()
    [0.3333333333333333, 0.3333333333333333]
    """
    return _ratio(counts.tp, counts.tp + counts.fp + counts.fn)


def dice(counts: Counts) -> NDArray[np.float64]:
    r"""Dice coefficient, the F1 score: :math:`2 TP / (2 TP + FP + FN)` [1]_.

    Parameters
    ----------
    counts : Counts
        Of any shape.

    Returns
    -------
    ndarray of float64
        0 to 1, of the counts' shape; NaN where neither truth nor prediction has the class.

    References
    ----------
    .. [1] Dice (1945), Measures of the amount of ecologic association between species, Ecology 26,
       doi:10.2307/1932409.

    Examples
    --------
    >>> dice(count([1, 1, 0, 0], [1, 0, 1, 0])).tolist()
    [0.5, 0.5]
    """
    return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def _ratio(above: ArrayLike, below: ArrayLike) -> NDArray[np.float64]:
    numerator, denominator = np.asarray(above, np.float64), np.asarray(below, np.float64)
    result = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


@dataclasses.dataclass(frozen=True)
class Scores:
    """Counts of every image and class, with the scores that follow from them.

    Attributes
    ----------
    names : tuple of str
        The images' names.
    class_names : tuple of str
        The classes' names.
    counts : Counts
        Of shape (images, classes).
    """

    names: tuple[str, ...]
    class_names: tuple[str, ...]
    counts: Counts

    def iou(self, class_id: int = 1) -> float:
        """Pooled IoU of one class: counts added over all images, divided once."""
        return float(iou(self.counts.pooled().of_class(class_id)))

    def dice(self, class_id: int = 1) -> float:
        """Pooled Dice of one class: counts added over all images, divided once."""
        return float(dice(self.counts.pooled().of_class(class_id)))

    def iou_per_image(self, class_id: int = 1) -> NDArray[np.float64]:
        """IoU of each image; NaN where truth and prediction are both empty."""
        return iou(self.counts.of_class(class_id))

    def dice_per_image(self, class_id: int = 1) -> NDArray[np.float64]:
        """Dice of each image; NaN where truth and prediction are both empty."""
        return dice(self.counts.of_class(class_id))

    def worst(self, how_many: int, class_id: int = 1) -> list[int]:
        """Indices of the images with the lowest IoU, worst first; undefined ones left out."""
        per_image = self.iou_per_image(class_id)
        defined = np.flatnonzero(~np.isnan(per_image))
        return defined[np.argsort(per_image[defined], kind="stable")][:how_many].tolist()

    def table(self) -> str:
        """Plain-text table: for each class the pooled and the mean per-image IoU and Dice."""
        lines = [
            f"{'class':<14}{'IoU pooled':>12}{'IoU mean':>12}{'Dice pooled':>13}{'Dice mean':>12}"
        ]
        for class_id, name in enumerate(self.class_names):
            cells = (
                self.iou(class_id),
                _mean(self.iou_per_image(class_id)),
                self.dice(class_id),
                _mean(self.dice_per_image(class_id)),
            )
            shown = [
                f"≈ {value:.3f}".rjust(width)
                for value, width in zip(cells, (12, 12, 13, 12), strict=True)
            ]
            lines.append(f"{name:<14}{''.join(shown)}")
        return "\n".join([*lines, self._left_out()])

    def _left_out(self) -> str:
        undefined = np.isnan(iou(self.counts)).sum(axis=0)
        told = [
            f"≈ {number} of {len(self.names)} images for {name}"
            for name, number in zip(self.class_names, undefined.tolist(), strict=True)
            if number
        ]
        left_out = "; ".join(told) or "none"
        return (
            f"left out of the means, because neither truth nor prediction has the class: {left_out}"
        )


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


def score_images(samples: Samples, predictions: Sequence[ArrayLike]) -> Scores:
    """Score predicted masks against the truth, image by image.

    Parameters
    ----------
    samples : Samples
        The labelled images.
    predictions : sequence of array_like of int, each (height, width)
        One mask of class ids for each sample, in the same order.

    Returns
    -------
    Scores
        Counts by image and class.

    Raises
    ------
    ValueError
        If the numbers differ, or a prediction has another shape or other values than the truth.
    """
    if len(samples) != len(predictions):
        raise ValueError(
            f"predictions must hold one mask for each of the {len(samples)} samples, found "
            f"{len(predictions)}: predict every sample once"
        )
    counted = [
        count(samples.arrays(i).mask, mask, samples.num_classes, samples.ignore_value)
        for i, mask in enumerate(predictions)
    ]
    parts = (np.stack([getattr(c, part) for c in counted]) for part in ("tp", "fp", "fn", "tn"))
    return Scores(tuple(samples.names), samples.class_names, Counts(*parts))

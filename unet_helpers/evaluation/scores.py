"""Counts first: one confusion matrix for each image, in whole numbers; all scores follow from it.

Counts can be added up: a pooled score adds the counts of all images and divides once, a mean over
images divides first. A score that is undefined (0 / 0: a class that neither the truth nor the
prediction holds) is NaN: it is left out of a mean, and told.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unet_helpers.data.samples import Samples

# Pixels counted at a time: what bincount makes of them, 8 bytes each, stays in the cache.
SLICE = 1 << 15


@dataclasses.dataclass(frozen=True)
class Counts:
    """Pixels counted by outcome; each array is int64 of one shape, classes on the last axis.

    Attributes
    ----------
    tp, fp, fn, tn : ndarray of int64
        True positives, false positives, false negatives, true negatives: each class against all
        others.

    Examples
    --------
    >>> Counts.of_confusion([[5, 2], [1, 4]]).fp.tolist()
    [1, 2]
    """

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]
    tn: NDArray[np.int64]

    @classmethod
    def of_confusion(cls, table: ArrayLike) -> "Counts":
        """The outcomes of confusion matrices (..., classes, classes), rows the truth."""
        whole = np.asarray(table, np.int64)
        tp = whole.diagonal(axis1=-2, axis2=-1)
        fp, fn = whole.sum(axis=-2) - tp, whole.sum(axis=-1) - tp
        return cls(tp, fp, fn, whole.sum(axis=(-2, -1))[..., None] - tp - fp - fn)

    def pooled(self) -> "Counts":
        """Add up over the first axis (images)."""
        return Counts(*(part.sum(axis=0) for part in self._parts()))

    def of_class(self, class_id: int) -> "Counts":
        """The counts of one class; the last axis goes away."""
        classes = self.tp.shape[-1]
        if not 0 <= class_id < classes:
            raise ValueError(
                f"class_id must be one of 0 to {classes - 1}, found {class_id}: the classes are "
                "numbered as in class_names"
            )
        return Counts(*(part[..., class_id] for part in self._parts()))

    def _parts(self) -> tuple[NDArray[np.int64], ...]:
        return self.tp, self.fp, self.fn, self.tn


def confusion(
    truth: ArrayLike, prediction: ArrayLike, num_classes: int = 2, ignore_value: int | None = None
) -> NDArray[np.int64]:
    """Count one image's pixels by true and predicted class.

    Parameters
    ----------
    truth, prediction : array_like of int, bool or whole float, same shape
        Class ids 0..num_classes-1; `truth` may also hold `ignore_value`.
    num_classes : int
        Number of classes, the background counted.
    ignore_value : int, optional
        Pixels with this truth do not count, whatever is predicted there.

    Returns
    -------
    ndarray of int64, shape (num_classes, num_classes)
        Rows are the true class, columns the predicted one.

    Raises
    ------
    ValueError
        If the shapes differ or a value is not a class id.

    Examples
    --------
    >>> confusion([[1, 1, 0, 255]], [[1, 0, 0, 1]], ignore_value=255).tolist()
    [[1, 0], [1, 1]]
    """
    true, guess = np.asarray(truth), np.asarray(prediction)
    if true.shape != guess.shape:
        raise ValueError(
            f"prediction must have the truth's shape {true.shape}, found {guess.shape}: "
            "compare masks of the same image, without a channel axis"
        )
    true, guess = true.ravel(), guess.ravel()
    if ignore_value is not None:
        labelled = true != ignore_value
        true, guess = true[labelled], guess[labelled]
    _check_ids("truth", true, num_classes)
    _check_ids("prediction", guess, num_classes)
    # A pair of ids is one number, in the smallest type that holds it: quicker than 8 bytes.
    pair = np.min_scalar_type(num_classes**2 - 1)
    table = np.zeros(num_classes**2, np.int64)
    for start in range(0, true.size, SLICE):
        part = slice(start, start + SLICE)
        pairs = true[part].astype(pair) * pair.type(num_classes) + guess[part].astype(pair)
        table += np.bincount(pairs, minlength=table.size)
    return table.reshape(num_classes, num_classes)


def _check_ids(name: str, values: NDArray[np.generic], num_classes: int) -> None:
    is_number = values.dtype.kind in "buif"
    is_whole = is_number and (values.dtype.kind != "f" or (values == np.floor(values)).all())
    # The extremes are quicker than a look at each value; NaN is not whole.
    if is_whole and values.min(initial=0) >= 0 and values.max(initial=0) < num_classes:
        return
    odd = values[~np.isin(values, np.arange(num_classes))] if is_number else values
    raise ValueError(
        f"{name} must hold class ids 0 to {num_classes - 1}, found {odd.flat[0]!s}: turn "
        "probabilities into a mask with to_mask(), and 0/255 masks into 0/1"
    )


def count(
    truth: ArrayLike, prediction: ArrayLike, num_classes: int = 2, ignore_value: int | None = None
) -> Counts:
    """Count one image's pixels by outcome, for every class.

    Parameters
    ----------
    truth, prediction, num_classes, ignore_value
        As in `confusion`, with the same errors.

    Returns
    -------
    Counts
        Each of shape (num_classes,).

    Examples
    --------
    >>> result = count([[1, 1, 0, 0]], [[1, 0, 1, 0]])
    >>> result.tp[1], result.fp[1], result.fn[1], result.tn[1]
    (np.int64(1), np.int64(1), np.int64(1), np.int64(1))
    """
    return Counts.of_confusion(confusion(truth, prediction, num_classes, ignore_value))


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


def precision(counts: Counts) -> NDArray[np.float64]:
    r"""Share of what was found that is right: :math:`TP / (TP + FP)` [1]_.

    Parameters
    ----------
    counts : Counts
        Of any shape.

    Returns
    -------
    ndarray of float64
        0 to 1, of the counts' shape; NaN where the prediction does not have the class.

    References
    ----------
    .. [1] Taha and Hanbury (2015), Metrics for evaluating 3D medical image segmentation, BMC
       Medical Imaging 15:29, doi:10.1186/s12880-015-0068-x, equation 13.

    Examples
    --------
    >>> float(precision(count([1, 1, 1, 0], [1, 0, 0, 0]))[1])
    1.0
    """
    return _ratio(counts.tp, counts.tp + counts.fp)


def recall(counts: Counts) -> NDArray[np.float64]:
    r"""Share of what is there that was found, the sensitivity: :math:`TP / (TP + FN)` [1]_.

    Its mean over the classes is the balanced accuracy.

    Parameters
    ----------
    counts : Counts
        Of any shape.

    Returns
    -------
    ndarray of float64
        0 to 1, of the counts' shape; NaN where the truth does not have the class.

    References
    ----------
    .. [1] Taha and Hanbury (2015), as for `precision`, equation 10.

    Examples
    --------
    >>> float(recall(count([1, 1, 0, 0], [1, 0, 0, 0]))[1])
    0.5
    """
    return _ratio(counts.tp, counts.tp + counts.fn)


def specificity(counts: Counts) -> NDArray[np.float64]:
    r"""Share of what is not there that was not found: :math:`TN / (TN + FP)` [1]_.

    Parameters
    ----------
    counts : Counts
        Of any shape.

    Returns
    -------
    ndarray of float64
        0 to 1, of the counts' shape; NaN where the truth is this class everywhere.

    References
    ----------
    .. [1] Taha and Hanbury (2015), as for `precision`, equation 11.

    Examples
    --------
    >>> float(specificity(count([1, 1, 0, 0], [1, 0, 1, 0]))[1])
    0.5
    """
    return _ratio(counts.tn, counts.tn + counts.fp)


def accuracy(counts: Counts) -> NDArray[np.float64]:
    r"""Share of the pixels that are right, :math:`(TP + TN) / (TP + FP + FN + TN)` [1]_.

    Each class is held against all others; with two classes that is the pixel accuracy.

    Parameters
    ----------
    counts : Counts
        Of any shape.

    Returns
    -------
    ndarray of float64
        0 to 1, of the counts' shape; NaN where no pixel counts.

    References
    ----------
    .. [1] Taha and Hanbury (2015), as for `precision`.

    Examples
    --------
    >>> float(accuracy(count([1, 1, 0, 0], [0, 0, 0, 0]))[1])
    0.5
    """
    right = counts.tp + counts.tn
    return _ratio(right, right + counts.fp + counts.fn)


def _ratio(above: ArrayLike, below: ArrayLike) -> NDArray[np.float64]:
    numerator, denominator = np.asarray(above, np.float64), np.asarray(below, np.float64)
    result = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


Measure = Callable[[Counts], NDArray[np.float64]]


@dataclasses.dataclass(frozen=True)
class Scores:
    """One confusion matrix for each image, with the scores that follow from them.

    Attributes
    ----------
    names : tuple of str
        The images' names.
    groups : tuple of str
        The images' groups (slides, patients), over which intervals are made; may be empty.
    class_names : tuple of str
        The classes' names.
    confusion : ndarray of int64, shape (images, classes, classes)
        Pixels; rows are the true class, columns the predicted one.

    Examples
    --------
    >>> tables = np.array([[[7, 1], [0, 2]], [[9, 0], [1, 0]]])
    >>> scores = Scores(("a", "b"), ("a", "b"), ("background", "cell"), tables)
    >>> scores.iou(), scores.mean(recall)
    (0.5, 0.5)
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    class_names: tuple[str, ...]
    confusion: NDArray[np.int64]

    @functools.cached_property
    def counts(self) -> Counts:
        """Outcomes of shape (images, classes)."""
        return Counts.of_confusion(self.confusion)

    def by_group(self) -> Counts:
        """Outcomes of shape (groups, classes), the groups in the order in which they come."""
        numbers = {group: i for i, group in enumerate(dict.fromkeys(self.groups))}
        tables = np.zeros((len(numbers), *self.confusion.shape[1:]), np.int64)
        np.add.at(tables, [numbers[group] for group in self.groups], self.confusion)
        return Counts.of_confusion(tables)

    def subset(self, indices: Iterable[int]) -> "Scores":
        """The scores of some of the images, in the order given."""
        chosen = list(indices)
        return Scores(
            tuple(self.names[i] for i in chosen),
            tuple(self.groups[i] for i in chosen if self.groups),
            self.class_names,
            self.confusion[chosen],
        )

    def pooled(self, measure: Measure = iou, class_id: int = 1) -> float:
        """Score of one class: counts added over all images, divided once."""
        return float(measure(self.counts.pooled().of_class(class_id)))

    def per_image(self, measure: Measure = iou, class_id: int = 1) -> NDArray[np.float64]:
        """Score of one class on each image; NaN where it is undefined."""
        return measure(self.counts.of_class(class_id))

    def mean(self, measure: Measure = iou, class_id: int = 1) -> float:
        """Mean over the images of the scores of one class, undefined ones left out."""
        return _mean(self.per_image(measure, class_id))

    def over_classes(self, measure: Measure = iou, background: bool = True) -> float:
        """Mean over the classes of their pooled scores, undefined ones left out.

        ``over_classes(recall)`` is the balanced accuracy; ``background=False`` leaves class 0 out.
        """
        return _mean(measure(self.counts.pooled())[0 if background else 1 :])

    def undefined(self, class_id: int = 1, measure: Measure = iou) -> int:
        """On how many images the score is undefined."""
        return int(np.isnan(self.per_image(measure, class_id)).sum())

    def iou(self, class_id: int = 1) -> float:
        """Pooled IoU of one class."""
        return self.pooled(iou, class_id)

    def dice(self, class_id: int = 1) -> float:
        """Pooled Dice of one class."""
        return self.pooled(dice, class_id)

    def iou_per_image(self, class_id: int = 1) -> NDArray[np.float64]:
        """IoU of each image; NaN where truth and prediction are both empty."""
        return self.per_image(iou, class_id)

    def dice_per_image(self, class_id: int = 1) -> NDArray[np.float64]:
        """Dice of each image; NaN where truth and prediction are both empty."""
        return self.per_image(dice, class_id)

    def worst(self, how_many: int, class_id: int = 1) -> list[int]:
        """Indices of the images with the lowest IoU, worst first; undefined ones left out."""
        per_image = self.iou_per_image(class_id)
        defined = np.flatnonzero(~np.isnan(per_image))
        return defined[np.argsort(per_image[defined], kind="stable")][:how_many].tolist()

    def table(self) -> str:
        """Plain-text table: for each class the pooled and the mean per-image IoU and Dice.

        Pooled scores come with their intervals over the groups, or a sentence says why not.
        """
        rows = [["class", "IoU pooled", "IoU mean", "Dice pooled", "Dice mean"]]
        notes: dict[str, dict[str, None]] = {}
        for class_id, name in enumerate(self.class_names):
            rows.append([name])
            for measure in (iou, dice):
                cell, note = self._pooled_cell(measure, class_id)
                rows[-1] += [cell, _shown(self.mean(measure, class_id))]
                notes.setdefault(note, {})[name] = None
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([name.ljust(widths[0]), *map(str.rjust, cells, widths[1:])])
            for name, *cells in rows
        ]
        lines += [note.format(", ".join(names)) for note, names in notes.items() if note]
        return "\n".join([*lines, *self._over_classes_told(), self._left_out()])

    def _pooled_cell(self, measure: Measure, class_id: int) -> tuple[str, str]:
        """The pooled score with its interval, and what to say about that below the table."""
        value = _shown(self.pooled(measure, class_id))
        if not self.groups:
            return value, ""
        from unet_helpers.evaluation.intervals import interval

        found = interval(self, measure, class_id)
        if found.reason:
            return value, f"no interval for {{}}: {found.reason}"
        told = f"in brackets: {100 * found.level:g} % intervals over the groups of images"
        return f"{value} ({_shown(found.low)} to {_shown(found.high)})", told

    def _over_classes_told(self) -> list[str]:
        if len(self.class_names) == 2:
            return []
        means = (_shown(self.over_classes(measure)) for measure in (iou, dice))
        return ["mean over classes of the pooled scores: IoU {}, Dice {}".format(*means)]

    def _left_out(self) -> str:
        undefined = np.isnan(iou(self.counts)).sum(axis=0).tolist()
        told = [
            f"≈ {number} of {len(self.names)} images for {name}"
            for name, number in zip(self.class_names, undefined, strict=True)
            if number
        ]
        return (
            "left out of the means, because neither truth nor prediction has the class: "
            f"{'; '.join(told) or 'none'}"
        )


def _shown(value: float) -> str:
    return "undefined" if np.isnan(value) else f"≈ {value:.3f}"


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


def score_images(samples: Samples, predictions: Iterable[ArrayLike]) -> Scores:
    """Score predicted masks against the truth, image by image.

    Parameters
    ----------
    samples : Samples
        The labelled images.
    predictions : iterable of array_like of int, each (height, width)
        One mask of class ids for each sample, in the same order. A generator is taken one mask at
        a time, so that no more than one is kept in memory.

    Returns
    -------
    Scores
        One confusion matrix for each image.

    Raises
    ------
    ValueError
        If the numbers differ, or a prediction has another shape or other values than the truth.
    """
    tables, masks = [], iter(predictions)
    for index, mask in zip(range(len(samples)), masks, strict=False):
        truth = samples.arrays(index).mask
        try:
            tables.append(confusion(truth, mask, samples.num_classes, samples.ignore_value))
        except ValueError as error:
            raise ValueError(f"{samples.names[index]}: {error}") from None
    is_more = next(masks, None) is not None
    if is_more or len(tables) < len(samples):
        raise ValueError(
            f"predictions must hold one mask for each of the {len(samples)} samples, found "
            f"{'more' if is_more else len(tables)}: predict every sample once"
        )
    stacked = np.array(tables, np.int64).reshape(-1, samples.num_classes, samples.num_classes)
    return Scores(tuple(samples.names), tuple(samples.groups), samples.class_names, stacked)

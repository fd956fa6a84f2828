"""Checks of the exercises about scores; like all `checks`, each prints a verdict, none raises."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.classroom.checks import (
    _is_close,
    _is_nan,
    _no_answer,
    _no_number,
    _plain,
    _verdict,
)

# Per image: tp, fp, fn. In the second nothing is there and nothing found; the third is a false
# alarm, whose score is 0.
TP, FP, FN = np.array([6, 0, 0, 3]), np.array([2, 0, 5, 1]), np.array([2, 0, 0, 0])


def confusion_iou(answer: Any, matrix: NDArray[Any]) -> None:
    """Notebook 04: the IoU of the last class, from a matrix with a row for each true class."""
    one, found, there = matrix[2, 2], matrix[:, 2].sum(), matrix[2].sum()
    hits, union = np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1) - np.diag(matrix)
    right = float(one / (found + there - one))
    hints = (
        (one / there, "that is the recall: the column holds what was wrongly called a nucleus."),
        (one / found, "that is the precision: the row holds nuclei that were missed."),
        (2 * one / (found + there), "that is Dice; IoU counts the overlap once."),
        (one / (found + there), "the overlap stands in row and column: take it off once below."),
        (hits.sum() / matrix.sum(), "that is the accuracy, of all classes."),
        ((hits / union).mean(), "that is the mean over classes; asked for is the nucleus."),
        ((hits / union)[0], "that is the background's; the nucleus is the last row and column."),
        ((hits / union)[1], "that is the cytoplasm's: class 1. Python counts from 0."),
        (one / matrix.sum(), "divide by the union of nuclei, not by all pixels."),
        (100 * right, "that is in percent; IoU runs from 0 to 1."),
    )

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if _is_close(answer, right):
            return None
        told = next((hint for wrong, hint in hints if _is_close(answer, float(wrong))), None)
        return told or "divide what both call nucleus by what either does, and do not round."

    _verdict(attempt)


def interval_width(answer: Any) -> None:
    """Notebook 04: the width of an interval from four times as many slides, as a ratio."""

    def attempt() -> str | None:
        if (gap := _no_number(answer)) is not None:
            return gap
        number = _plain(answer)
        if 0.4 <= number <= 0.6:
            return None
        if 1.6 <= number <= 4.5:
            return "turn it over: divide the new width by the old one."
        if 0.2 <= number < 0.4:
            return "so much it would be if the width fell with the number; it falls with its root."
        if 0.6 < number <= 0.8:
            return "that is what twice as many slides bring; here they are four times as many."
        return "the width falls with the square root of the number: what is the root of 4?"

    _verdict(attempt)


def dice_from_counts(function: Callable[..., Any]) -> None:
    """Notebook 04: Dice from true positives, false positives and false negatives."""

    def attempt() -> str | None:
        result = function(6, 2, 4)
        if (gap := _no_answer(result)) is not None:
            return gap
        hints = (
            (6 / 12, "that is the IoU; Dice counts the overlap twice."),
            (12 / 18 / 2, "the factor 2 is missing above the line."),
            (12 / 12, "below the line the true positives count twice, too."),
            (6 / 8, "that is the precision: the missed pixels (fn) do not count yet."),
            (6 / 10, "that is the recall: the false alarms (fp) do not count yet."),
        )
        for wrong, hint in hints:
            if _is_close(result, wrong):
                return hint
        if not _is_close(result, 12 / 18):
            return f"for tp=6, fp=2, fn=4 it must give {12 / 18:.3f}."
        if not _is_close(function(0, 5, 0), 0):
            return "something was found that is not there (tp=0, fp=5, fn=0): that is 0."
        return _empty_fault(function)

    _verdict(attempt)


def _empty_fault(function: Callable[..., Any]) -> str | None:
    """What is wrong with the answer to nothing there and nothing found."""
    try:
        empty = function(0, 0, 0)
    except ZeroDivisionError:
        return "it divides by zero when there is nothing to find and nothing was found: return nan."
    if _is_nan(empty):
        return None
    return f"with nothing to find and nothing found Dice is undefined, not {empty}: return np.nan."


def pooled_iou(function: Callable[..., Any]) -> None:
    """Notebook 04: one IoU for many images, from their counts."""
    tp, fp, fn = np.array([90, 1]), np.array([5, 4]), np.array([5, 5])
    each = tp / (tp + fp + fn)
    hints = (
        (each.mean(), "that is the mean of the images' scores; pooled: add up first, then divide."),
        (2 * 91 / (2 * 91 + 19), "that is the pooled Dice; the task asks for IoU."),
        (91 / 100, "the missed pixels (fn) are not in it: that is the pooled precision."),
        (91 / 101, "the false alarms (fp) are not in it: that is the pooled recall."),
        (each.max(), "that is the best image's score; all images count."),
    )

    def attempt() -> str | None:
        result = function(tp.copy(), fp.copy(), fn.copy())
        if (gap := _no_answer(result)) is not None:
            return gap
        if np.size(result) != 1:
            return "that is one score an image; pooled means: add up the counts, then divide once."
        told = next((hint for wrong, hint in hints if _is_close(result, float(wrong))), None)
        return told or (None if _is_close(result, 91 / 110) else f"it must give {91 / 110:.3f}.")

    _verdict(attempt)


def score_spread(function: Callable[..., Any]) -> None:
    """Notebook 04: how far the pooled IoU moves when slides are drawn again, with replacement."""
    groups, tp, fp, fn = _slides()

    def attempt() -> str | None:
        result = function(tp.copy(), fp.copy(), fn.copy(), groups.copy(), 0)
        if (gap := _no_answer(result)) is not None:
            return gap
        if np.size(result) != 1:
            return "return one number, the standard deviation of the scores of all draws."
        first, *more = (
            float(np.asarray(function(tp.copy(), fp.copy(), fn.copy(), groups.copy(), seed)).item())
            for seed in (0, 0, 1, 2, 3)
        )
        right = float(np.std(_drawn_scores(groups, tp, fp, fn)))
        found = float(np.mean(more))  # 500 draws scatter by 5 %, four times 500 by half of it
        if abs(found - right) > 0.12 * right:
            return _spread_fault(found, right)
        return None if first == more[0] else "the same seed must give the same draws: use `seed`."

    _verdict(attempt)


def _slides() -> tuple[NDArray[Any], ...]:
    """Twelve slides of four images that are alike: their groups, tp, fp and fn."""
    size = np.array([20, 1, 21, 19, 2, 22, 18, 1, 20, 17, 2, 21]) * 100
    iou = np.array([90, 30, 84, 93, 50, 88, 82, 40, 91, 79, 45, 86]) / 100
    tp = np.rint(size * iou).astype(int)
    groups = np.arange(48) % 12  # the images of one slide do not stand side by side
    return groups, tp[groups], ((size - tp) // 2)[groups], (size - tp - (size - tp) // 2)[groups]


def _drawn_scores(groups: NDArray[Any], *counts: NDArray[Any], once: bool = False) -> NDArray[Any]:
    """Pooled IoU of 4000 draws of whole slides, as many as there are; each counted once, if so."""
    slides = len(np.unique(groups))
    tp, fp, fn = (np.bincount(groups, count, slides) for count in counts)
    drawn = np.random.default_rng(0).integers(slides, size=(4000, slides))
    times = np.stack([np.bincount(draw, minlength=slides) for draw in drawn])
    times = np.minimum(times, 1) if once else times
    return np.asarray(times @ tp / (times @ (tp + fp + fn)))


def _spread_fault(found: float, right: float) -> str:
    """Say by which mistake one comes to a spread."""
    _, *counts = _slides()
    tp, union = counts[0], np.sum(counts, axis=0)
    images = _drawn_scores(np.arange(48), *counts)
    hints = (
        (
            float(np.std(images)),
            "you drew images, or more slides than there are; draw slides, as many as the set has.",
        ),
        (
            float(np.std(_drawn_scores(*_slides(), once=True))),
            "a slide that is drawn twice counts once here; its images must come in twice.",
        ),
        (3.92 * right, "that is the width of an interval; asked for is the standard deviation."),
        (right / math.sqrt(500), "do not divide by the root of the number of draws."),
        (right**2, "that is the variance; take its root, the standard deviation."),
        (
            float(np.std(tp / union)),
            "that is the spread of single slides; a draw has as many slides as the set.",
        ),
        (
            float(np.std(_mean_scores(tp / union))),
            "score each draw pooled: counts first, then IoU.",
        ),
        (float(tp.sum() / union.sum()), "that is the score; asked for is how far it moves."),
    )
    if found < 1e-9:
        return "all draws are alike: draw with replacement, so that a slide may come twice."
    off, told = min((abs(found / wrong - 1), hint) for wrong, hint in hints)
    return told if off < 0.12 else f"here it must be about {right:.3f}, not {found:.3f}."


def _mean_scores(each: NDArray[Any]) -> NDArray[Any]:
    """Means over images of 4000 draws of whole slides."""
    drawn = np.random.default_rng(0).integers(12, size=(4000, 12))
    return np.asarray(each[:12][drawn].mean(axis=1))


def mean_over_images(function: Callable[..., Any]) -> None:
    """Notebook 04b: the mean IoU over the images that have one, and how many have none."""

    def attempt() -> str | None:
        with np.errstate(all="ignore"):  # a division by zero gets a sentence, not a warning
            result = function(TP.copy(), FP.copy(), FN.copy())
        if (gap := _no_answer(result)) is not None:
            return gap
        if not (isinstance(result, (tuple, list)) and len(result) == 2):
            return "return two things, the mean and the number of images left out."
        mean, left_out = result
        return _mean_fault(mean) or _left_out_fault(left_out)

    _verdict(attempt)


def _mean_fault(mean: Any) -> str | None:
    union = TP + FP + FN
    each: NDArray[np.float64] = TP / np.maximum(union, 1)
    hints = (
        (each.mean(), "the image with 0 / 0 counts as 0: a perfect answer, punished."),
        ((each.sum() + 1) / 4, "the image with 0 / 0 counts as 1; it has no score: leave it out."),
        (each[[0, 3]].mean(), "the false alarm (tp=0, fp=5, fn=0) has a score, 0: let it count."),
        (TP.sum() / union.sum(), "that is the pooled IoU; divide for each image, then average."),
    )
    for wrong, hint in hints:
        if _is_close(mean, float(wrong)):
            return hint
    if _is_nan(mean):
        return "the mean is nan: leave out the image with tp=fp=fn=0 before you average."
    right = float(each.sum() / 3)
    return None if _is_close(mean, right) else f"here the mean must be {right:.3f}."


def _left_out_fault(left_out: Any) -> str | None:
    if _is_close(left_out, 1):
        return None
    if _is_close(left_out, 3):
        return "the second number is how many images were left out, not how many were used."
    return f"one of these images has no score, so 1 is left out, not {left_out}."


def honest_threshold(function: Callable[..., Any]) -> None:
    """Notebook 04b: the threshold chosen on validation, and the score it has on the test set."""
    thresholds, on_val, on_test = (
        [0.3, 0.4, 0.5, 0.6],
        [0.70, 0.80, 0.78, 0.60],
        [0.6, 0.7, 0.9, 0.5],
    )

    def attempt() -> str | None:
        result = function(list(thresholds), list(on_val), list(on_test))
        if (gap := _no_answer(result)) is not None:
            return gap
        if not (isinstance(result, (tuple, list)) and len(result) == 2):
            return "return two things, the threshold and the score."
        threshold, score = result
        if _is_close(threshold, 0.5):
            return "that threshold was chosen on the test set, the one thing not to do."
        if _is_close(threshold, 1):
            return "that is its place in the list: return the threshold itself."
        if not _is_close(threshold, 0.4):
            return "use the threshold whose validation score is the highest."
        if _is_close(score, 0.8):
            return "that is the score on validation, on which you chose: it flatters, too."
        if _is_close(score, 0.9):
            return "that is the best score on the test set, not the one at your threshold."
        return None if _is_close(score, 0.7) else "report the test score at your threshold."

    _verdict(attempt)

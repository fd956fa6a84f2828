"""Checks of the exercises about scores; like all `checks`, each prints a verdict, none raises."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.classroom.checks import _is_close, _no_answer, _verdict

# Per image: tp, fp, fn. In the second nothing is there and nothing found; the third is a false
# alarm, whose score is 0.
TP, FP, FN = np.array([6, 0, 0, 3]), np.array([2, 0, 5, 1]), np.array([2, 0, 0, 0])


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
    if isinstance(mean, (float, np.floating)) and np.isnan(mean):
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

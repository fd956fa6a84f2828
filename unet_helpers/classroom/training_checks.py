"""Checks of the exercises in notebook 03; like all `checks`, each prints a verdict, none raises."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.classroom.checks import _is_close, _no_answer, _no_number, _plain, _verdict

LOSSES = ("cross-entropy", "Dice", "both, added", "focal", "Tversky", "border-weighted")
VERDICTS = ("better", "worse", "cannot tell")


def loss_of_share(answer: Any, share: float) -> None:
    """Notebook 03: the cross-entropy of a model that gives every pixel the foreground's share."""
    right = float(-share * np.log(share) - (1 - share) * np.log(1 - share))

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if _is_close(answer, right):
            return None
        if (gap := _no_number(answer)) is not None:
            return gap
        for wrong, hint in _wrong_losses(share, right):
            if _is_close(answer, wrong):
                return hint
        if abs(_plain(answer) - right) < 0.01:
            return "very close: do not round."
        return f"for a share of {share} it must lie between 0 and {np.log(2):.2f}."

    _verdict(attempt)


def _wrong_losses(share: float, right: float) -> list[tuple[float, str]]:
    """What one gets by a mistake, and what to say to it."""
    one, zero = -math.log(share), -math.log(1 - share)  # of a foreground, of a background pixel
    return [
        (-right, "the sign: the logarithm of a probability is negative, a loss is not."),
        (right / math.log(2), "use the natural logarithm, np.log."),
        (math.log(2), "that is the loss of a model that says one half; this one knows the share."),
        (share * one, "that is the foreground's part; the background pixels have a loss, too."),
        ((1 - share) * zero, "that is the background's part; add that of the foreground."),
        (one, "that is the loss of one foreground pixel; most pixels are background."),
        (zero, "that is the loss of one background pixel; some pixels are foreground."),
        ((one + zero) / 2, "the two kinds are not equally many: weigh each by its share."),
        (one + zero, "weigh the two losses by the shares of their pixels before you add."),
        (share * zero + (1 - share) * one, "the weights are exchanged: `share` goes with its log."),
        (1 - share, "that is its accuracy; the loss is a mean of logarithms."),
    ]


def minds_the_blob(answer: Any) -> None:
    """Notebook 03: the loss that likes a blob over two objects less than an empty answer."""
    hints = {
        "cross-entropy": "cross-entropy counts each pixel alike, and the gap is 2 % of them.",
        "focal": "focal weighs what is sure and wrong, but the gap is 2 % of the pixels only.",
        "dice": "Dice asks for overlap, and the blob has nearly all there can be.",
        "tversky": "to Tversky a false alarm costs less than a miss, and the blob misses nothing.",
        "both, added": "both are content with the blob: few pixels are wrong, most overlap.",
    }

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        said = str(answer).strip().lower().replace("border weighted", "border-weighted")
        if said == "border-weighted":
            return None
        names = ", ".join(f'"{name}"' for name in LOSSES)
        return hints.get(said, f"answer with one of the names: {names}.")

    _verdict(attempt)


def cross_entropy(function: Callable[..., Any]) -> None:
    """Notebook 03: mean binary cross-entropy."""
    truth, guess = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.2, 0.6, 0.5])
    each = -np.where(truth == 1, np.log(guess), np.log(1 - guess))
    right = float(each.mean())
    hints = (
        (-right, "the sign: the logarithm of a probability is negative, a loss is not."),
        (each.sum(), "that is the sum; take the mean, or the loss grows with the image."),
        ((each * truth).mean(), "only the foreground pixels count so far; what about truth 0?"),
        (right / np.log(2), "use the natural logarithm, np.log."),
    )

    def attempt() -> str | None:
        result = function(truth.copy(), guess.copy())
        if (gap := _no_answer(result)) is not None:
            return gap
        if np.size(result) != 1:
            return "that is one number a pixel; take their mean."
        found = np.asarray(result).item()
        told = next((hint for wrong, hint in hints if _is_close(found, float(wrong))), None)
        return told or (None if _is_close(found, right) else f"expected {right:.4f} here.")

    _verdict(attempt)


def best_epoch(answer: Any, training: Sequence[float], validation: Sequence[float]) -> None:
    """Notebook 03: the epoch, counted from 1, whose weights one should keep."""
    best = int(np.argmin(validation)) + 1

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if _is_close(answer, best):
            return None
        if (gap := _no_number(answer)) is not None:
            return gap
        number = _plain(answer)
        if number == best - 1:
            return "right place, but epochs are counted from 1 here."
        if number in (len(training), int(np.argmin(training)) + 1):
            return "that is where the training loss is lowest; the model has begun to memorise."
        if number < 1 and any(_is_close(number, float(loss)) for loss in validation):
            return "that is a loss; asked for is the epoch at which it stands."
        if abs(number - best) <= 2:
            return "close by: the figure is too coarse, so ask np.argmin."
        return "look for the lowest point of the validation curve."

    _verdict(attempt)


def learning_rate(function: Callable[[int, int, float], Any]) -> None:
    """Notebook 03: a rate that rises for a tenth of the steps, then falls along half a cosine."""

    def attempt() -> str | None:
        first = function(0, 100, 3.0)
        if (gap := _no_answer(first)) is not None:
            return gap
        if any(np.size(function(step, 100, 3.0)) != 1 for step in (0, 5, 50)):
            return "one step has one rate: return a number."
        parts = (0, 5, 10, 40, 55, 100)
        at = {step: float(np.asarray(function(step, 100, 3.0)).item()) / 3 for step in parts}
        return _rise_fault(at) or _fall_fault(at) or _scale_fault(function)

    _verdict(attempt)


def _rise_fault(at: dict[int, float]) -> str | None:
    """What is wrong with the first ten of a hundred steps, as shares of the peak, 3."""
    if _is_close(at[0], 1):
        return "it starts at the peak: there is no warm-up. Climb during the first tenth."
    if not _is_close(at[0], 0):
        return f"the first step's rate must be 0, not {at[0]:g} of the peak."
    if _is_close(at[5], 0.5 / 3):
        return "it climbs to 1 and not to `peak`."
    if not _is_close(at[5], 0.5):
        return f"of 100 steps the tenth has the peak, so step 5 has half of it, not {at[5]:g}."
    return None


def _fall_fault(at: dict[int, float]) -> str | None:
    """What is wrong with the last ninety of a hundred steps, as shares of the peak."""
    if _is_close(at[100], 1):
        return "the last step is at the peak: after the warm-up the rate must fall to 0."
    if _is_close(at[10], 0.5 + 0.5 * math.cos(0.1 * math.pi)):
        return "it jumps at step 10: the fall begins there, so count its steps from there."
    if not _is_close(at[10], 1):
        return f"after a tenth of the steps it must be the peak, not {at[10]:g} of it."
    if at[100] < -1e-6:
        return "at the end it is below 0, and the loss would climb: (1 + cos) / 2 stays above."
    if at[100] > 1e-6:
        return f"at the last step it must be 0, not {at[100]:g} of the peak."
    if _is_close(at[55], math.cos(math.pi / 4)):
        return "that is a quarter of a cosine, still steep at its end: take half of one, 0 to pi."
    if _is_close(at[55], 0.5) and _is_close(at[40], 2 / 3):
        return "that falls in a straight line; half a cosine leaves and arrives gently."
    right = _is_close(at[55], 0.5) and _is_close(at[40], 0.75)
    return None if right else "a third of the way down it must be three quarters of the peak."


def _scale_fault(function: Callable[[int, int, float], Any]) -> str | None:
    """Whether it depends on the number of steps and the peak that are given."""
    if not _is_close(function(20, 200, 3.0), 3):
        return "right for 100 steps; of 200 steps the warm-up takes 20: use `steps`."
    if not _is_close(function(110, 200, 0.002), 0.001):
        return "right for one peak and wrong for another: multiply by `peak`."
    return None


def experiment(plan: Callable[[int], Any], verdict: Callable[..., Any]) -> None:
    """Notebook 03: trainings in pairs of one seed, and a verdict from their differences."""

    def attempt() -> str | None:
        planned = plan(8)
        if (gap := _no_answer(planned)) is not None:
            return gap
        if (fault := _plan_fault(planned, 8) or _plan_fault(plan(12), 12)) is not None:
            return fault
        if _said(verdict, [0.02, 0.02, 0.02, 0.02]) is Ellipsis:
            return "the plan is good; now replace the dots in `verdict`."
        return _verdict_fault(verdict)

    _verdict(attempt)


def _plan_fault(planned: Any, trainings: int) -> str | None:
    """What is wrong with a list of trainings."""
    try:
        made = [(seed, bool(changed)) for seed, changed in planned]
    except (TypeError, ValueError):
        return "plan must give a list of pairs, such as [(0, False), (0, True)]."
    without = {seed for seed, changed in made if not changed}
    both = without & {seed for seed, changed in made if changed}
    if len(made) > trainings:
        return f"these are {len(made)} trainings, and there is time for {trainings}."
    if len(set(made)) < len(made):
        return "one training stands there twice: the same seed gives the same weights again."
    if not without or len(without) == len(made):
        return "all are of one kind: train with the change and without it, or nothing compares."
    if not both:
        return "no seed is trained both ways, so luck and change cannot be told apart: make pairs."
    if 2 * len(both) < len(made):
        return "some seed is trained one way only, and has no partner to be compared with."
    if len(both) < trainings // 2:
        return f"{trainings} trainings make {trainings // 2} pairs, you have {len(both)}: use them."
    return None


def _said(verdict: Callable[..., Any], gains: list[float]) -> Any:
    without = np.array([0.70, 0.86, 0.78, 0.91])
    return verdict(without.copy(), without + gains)


def _verdict_fault(verdict: Callable[..., Any]) -> str | None:
    """Judge by a change that helps, one that harms, and one that is luck."""
    helps: NDArray[np.float64] = np.array([0.021, 0.018, 0.024, 0.019])
    luck = np.array([0.05, -0.03, 0.04, -0.02])
    up, down, unsure = (_said(verdict, each.tolist()) for each in (helps, -helps, luck))
    for said in (up, down, unsure):
        if (gap := _no_answer(said)) is not None:
            return f"verdict: {gap}"
        if said not in VERDICTS:
            return f'verdict must say "better", "worse" or "cannot tell", not {said!r}.'
    if (up, down) == ("worse", "better"):
        return "the difference is the wrong way round: subtract `without` from `changed`."
    if up != "better":
        return (
            "each of four seeds gained about 0.02: subtract seed by seed, then look at the spread."
        )
    if unsure != "cannot tell":
        return (
            f"differences of {', '.join(f'{each:+.2f}' for each in luck)} are luck: ask `spread`."
        )
    return None if down == "worse" else "each of four seeds lost about 0.02, and that is worse."

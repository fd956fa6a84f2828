"""Checks of the exercises: each prints a verdict and never raises, so that "Run All" goes on.

A verdict is "not attempted yet", "correct", or a hint about the particular mistake.
"""

import math
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.samples import Samples

UNTOUCHED = "Not attempted yet: replace the dots in the cell above, run it, then run this cell."


def _verdict(attempt: Callable[[], str | None], right: str = "Correct.") -> None:
    """Print what `attempt` finds wrong, `right` if nothing, or how the answer fails to run."""
    try:
        fault = attempt()
    except Exception as error:  # whatever the learner's code raises is a hint, not a crash
        fault = f"it stops with {type(error).__name__}: {error}"
    if fault == UNTOUCHED:
        print(UNTOUCHED)
    else:
        print(right if fault is None else f"Not yet: {fault}")


def _no_answer(answer: Any) -> str | None:
    """What to say where there is nothing to judge yet; None if there is something."""
    if answer is Ellipsis:
        return UNTOUCHED
    return "it is None: did you forget `return`?" if answer is None else None


def _is_close(answer: Any, expected: float) -> bool:
    return isinstance(answer, (int, float, np.number)) and math.isclose(
        float(answer), expected, rel_tol=1e-3, abs_tol=1e-9
    )


def foreground_share(answer: Any, mask: NDArray[Any]) -> None:
    """Notebook 00: the share of a mask's pixels that is foreground, 0 to 1."""
    share = float((np.asarray(mask) > 0).mean())

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if _is_close(answer, share):
            return None
        if not isinstance(answer, (int, float, np.number)):
            return f"one number is expected, found a {type(answer).__name__}."
        if abs(float(answer) - share) < 0.01:
            return "very close: do not round."
        if _is_close(answer, 100 * share):
            return "that is in percent; a share runs from 0 to 1."
        if _is_close(answer, 1 - share):
            return "that is the share of the background."
        if _is_close(answer, share * np.size(mask)):
            return "that is the number of pixels; divide by how many there are in all."
        return "the mean of a mask of zeros and ones is what you need."

    _verdict(attempt)


def threshold_effect(answer: Any) -> None:
    """Notebook 00: what a higher threshold does to the predicted area."""

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if str(answer).strip().lower() == "smaller":
            return None
        if str(answer).strip().lower() == "larger":
            return "fewer pixels have a probability above 0.9 than above 0.5."
        return 'answer with one of the two words, "smaller" or "larger".'

    _verdict(attempt)


def flip_both(function: Callable[..., Any]) -> None:
    """Notebook 01: flip an image and its mask left to right, together."""
    image = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    mask = np.arange(8, dtype=np.uint8).reshape(2, 4)

    def attempt() -> str | None:
        result = function(image.copy(), mask.copy())
        if (gap := _no_answer(result)) is not None:
            return gap
        if not (isinstance(result, (tuple, list)) and len(result) == 2):
            return "return two things, the image and the mask."
        new_image, new_mask = (np.asarray(part) for part in result)
        if new_image.shape == image.shape and (new_image == image[..., ::-1]).all():
            return "you reversed the last axis of the image: that swaps its colours, not its sides."
        if new_image.shape == image.shape and (new_image == image[::-1]).all():
            return "that flips top to bottom; left to right is the second axis."
        if new_image.shape != image.shape or not (new_image == image[:, ::-1]).all():
            return "the image is not flipped left to right."
        if new_mask.shape == mask.shape and (new_mask == mask).all():
            return (
                "the image is flipped and the mask is not: now every label is in the wrong place."
            )
        if new_mask.shape != mask.shape or not (new_mask == mask[:, ::-1]).all():
            return "the mask is not flipped left to right."
        return None

    _verdict(attempt)


def leaking_groups(function: Callable[..., Any]) -> None:
    """Notebook 01: the groups that two parts of a split share."""
    ours, theirs = ["slide 1", "slide 2", "slide 2"], ["slide 2", "slide 3"]

    def attempt() -> str | None:
        result = function(ours, theirs)
        if (gap := _no_answer(result)) is not None:
            return gap
        if isinstance(result, (bool, int, np.bool_)):
            return "return the groups themselves, so that one can look at them."
        found = set(result)
        if found == {"slide 1", "slide 2", "slide 3"}:
            return "that is the union: all groups; a leak is a group on both sides."
        if found == {"slide 1"}:
            return "that is what only the first part has; a leak is a group on both sides."
        if found != {"slide 2"}:
            return f"for {ours} and {theirs} the answer is slide 2."
        return None if not set(function(ours, ["slide 9"])) else "without a leak it must be empty."

    _verdict(attempt)


def stranger_masks(answer: Any) -> None:
    """Notebook 01: arguments of `read_folder` for masks of 0, 7 and, undecided, 255."""

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if not isinstance(answer, dict):
            return f"a dict of arguments is expected, found a {type(answer).__name__}."
        if not all(isinstance(name, str) for name in answer):
            return "name the arguments, as in dict(mask_values=...), for there are several."
        if not isinstance(answer.get("mask_values", {}), dict):
            return "mask_values is a dict, from the value in the file to the class id."
        if answer.get("mask_values", {}).get(255) == 255:
            return "255 is no class id: leave it out of mask_values, and name it as ignore_value."
        try:
            samples = _read_strange_mask(answer)
        except TypeError as error:  # an argument that read_folder does not have
            return f"{error}; help(read_folder) lists the arguments."
        except ValueError as error:
            if answer.get("mask_values") == {0: 0, 7: 1}:
                return "0 and 7 are settled; say which value marks the undecided pixels."
            said = re.sub(r"\S*a\.npy", "the mask", str(error)).rstrip(".")
            return f"read_folder refuses: {said}."
        if samples.num_classes > 2:
            return "there are two classes; undecided pixels are no class: name their value instead."
        if samples.ignore_value is None:
            return "the undecided pixels are read as a class; name their value as ignore_value."
        if samples[0].mask.tolist() != [[0, 1], [1, 255]]:
            return "background must become class 0 and foreground class 1: look at mask_values."
        return None

    _verdict(attempt)


def _read_strange_mask(arguments: dict[str, Any]) -> Samples:
    """Read a folder with one mask of the values 0, 7 and 255, and decode it."""
    with tempfile.TemporaryDirectory() as folder:
        for kind, pixels in (("images", [[0, 9], [9, 0]]), ("masks", [[0, 7], [7, 255]])):
            (Path(folder) / kind).mkdir()
            np.save(Path(folder) / kind / "a.npy", np.array(pixels, np.uint8))
        samples = read_folder(Path(folder) / "images", Path(folder) / "masks", **arguments)
        _ = samples[0]  # decoded while the files are there, and kept
        return samples


def conv_parameters(function: Callable[..., Any]) -> None:
    """Notebook 02: the number of parameters of a convolution with a bias."""

    def attempt() -> str | None:
        result = function(3, 16, 32)
        if (gap := _no_answer(result)) is not None:
            return gap
        hints = {
            3 * 3 * 16 * 32: "the bias is missing: one more number for each output channel.",
            3 * 16 * 32 + 32: "a kernel is kernel x kernel pixels, not kernel.",
            3 * 3 * 16 * 32 + 16: "the bias belongs to the output channels, not to the input's.",
            3 * 3 * 16 + 32: "each output channel has a kernel of its own.",
            3 * 3 * 32 + 32: "each kernel looks at every input channel.",
        }
        if result != 3 * 3 * 16 * 32 + 32:
            return hints.get(result, "for kernel 3, 16 channels in and 32 out it must give 4640.")
        if function(1, 8, 1) != 9:
            return "it is right for a 3x3 kernel and wrong for a 1x1 kernel: use `kernel`."
        return None

    _verdict(attempt)


def padded_size(function: Callable[..., Any]) -> None:
    """Notebook 02: the next size that 2**depth divides."""

    def attempt() -> str | None:
        result = function(250, 4)
        if (gap := _no_answer(result)) is not None:
            return gap
        if function(250, 3) == 252:
            return "that divides by 2 * depth; it must be 2 to the power of depth, 2**depth."
        if result == 240:
            return "that rounds down, so part of the image would be cut off."
        if result == 256 and function(256, 4) == 272:
            return "256 is already a multiple of 16 and needs no padding, yet you add 16."
        for size, depth, right in ((250, 4, 256), (256, 4, 256), (5, 1, 6), (250, 3, 256)):
            if (found := function(size, depth)) != right:
                return f"size {size} at depth {depth} must give {right}, not {found}."
        return None

    _verdict(attempt)


def cross_entropy(function: Callable[..., Any]) -> None:
    """Notebook 03: mean binary cross-entropy."""
    truth, guess = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.2, 0.6, 0.5])
    each = -np.where(truth == 1, np.log(guess), np.log(1 - guess))
    half = -(truth * np.log(guess))

    def attempt() -> str | None:
        result = function(truth, guess)
        if (gap := _no_answer(result)) is not None:
            return gap
        if np.size(result) != 1:
            return "that is one number a pixel; take their mean."
        hints = (
            (-each.mean(), "the sign: the logarithm of a probability is negative, a loss is not."),
            (each.sum(), "that is the sum; take the mean, or the loss grows with the image."),
            (half.mean(), "only the foreground pixels count so far; what about truth 0?"),
            ((each / np.log(2)).mean(), "use the natural logarithm, np.log."),
        )
        result = np.asarray(result).item()
        for wrong, hint in hints:
            if _is_close(result, float(wrong)):
                return hint
        return (
            None if _is_close(result, float(each.mean())) else f"expected {each.mean():.4f} here."
        )

    _verdict(attempt)


def best_epoch(answer: Any, training: Sequence[float], validation: Sequence[float]) -> None:
    """Notebook 03: the epoch, counted from 1, whose weights one should keep."""
    best = int(np.argmin(validation)) + 1

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if answer == best:
            return None
        if answer == best - 1:
            return "right place, but epochs are counted from 1 here."
        if answer in (len(training), int(np.argmin(training)) + 1):
            return "that is where the training loss is lowest; the model has begun to memorise."
        return "look for the lowest point of the validation curve."

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
    try:
        empty = function(0, 0, 0)
    except ZeroDivisionError:
        return "it divides by zero when there is nothing to find and nothing was found: return nan."
    if isinstance(empty, (float, np.floating)) and math.isnan(empty):
        return None
    return f"with nothing to find and nothing found Dice is undefined, not {empty}: return np.nan."


def pooled_iou(function: Callable[..., Any]) -> None:
    """Notebook 04: one IoU for many images, from their counts."""
    tp, fp, fn = np.array([90, 1]), np.array([5, 4]), np.array([5, 5])
    each = tp / (tp + fp + fn)

    def attempt() -> str | None:
        result = function(tp, fp, fn)
        if (gap := _no_answer(result)) is not None:
            return gap
        if np.size(result) != 1:
            return "that is one score an image; pooled means: add up the counts, then divide once."
        if _is_close(result, float(each.mean())):
            return (
                "that is the mean of the images' scores; pooled means: add up first, then divide."
            )
        if _is_close(result, 2 * 91 / (2 * 91 + 19)):
            return "that is the pooled Dice; the task asks for IoU."
        return None if _is_close(result, 91 / 110) else f"here it must give {91 / 110:.3f}."

    _verdict(attempt)

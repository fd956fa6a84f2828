"""Checks of the exercises: each prints a verdict and never raises, so that "Run All" goes on.

A verdict is "not attempted yet", "correct", or a hint about the particular mistake.
"""

import math
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.pipeline import orient
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


def _no_number(answer: Any) -> str | None:
    """What to say where there is no number to judge; None if there is one."""
    if (gap := _no_answer(answer)) is not None or isinstance(_plain(answer), float):
        return gap
    return f"one number is expected, found a {type(answer).__name__}."


def _plain(answer: Any) -> Any:
    """Take the one number out of an array, a tensor or a list; leave anything else as it is."""
    if isinstance(answer, (str, bytes)) or np.size(answer) != 1:
        return answer
    try:
        return float(np.asarray(answer).item())
    except (TypeError, ValueError):
        return answer


def _is_close(answer: Any, expected: float) -> bool:
    """Compare a number with the right one; an array or a tensor of one number is one, too."""
    number = _plain(answer)
    return isinstance(number, float) and math.isclose(number, expected, rel_tol=1e-3, abs_tol=1e-9)


def _is_nan(answer: Any) -> bool:
    """Tell whether the answer is one number, but nan."""
    number = _plain(answer)
    return isinstance(number, float) and math.isnan(number)


def foreground_share(answer: Any, mask: NDArray[Any]) -> None:
    """Notebook 00: the share of a mask's pixels that is foreground, 0 to 1."""
    share = float((np.asarray(mask) > 0).mean())

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if _is_close(answer, share):
            return None
        if (gap := _no_number(answer)) is not None:
            return gap
        if abs(_plain(answer) - share) < 0.01:
            return "very close: do not round."
        if _is_close(answer, 100 * share):
            return "that is in percent; a share runs from 0 to 1."
        if _is_close(answer, 1 - share):
            return "that is the share of the background."
        if _is_close(answer, share * np.size(mask)):
            return "that is the number of pixels; divide by how many there are in all."
        if _is_close(answer, share * np.size(mask) / len(mask)):
            return "you divided by the number of rows; mask.size counts all pixels."
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


def mask_iou(function: Callable[..., Any]) -> None:
    """Notebook 00: the IoU of a predicted mask and the true one."""
    guess, truth = np.zeros((2, 5, 8), np.uint8)
    truth.flat[:6], guess.flat[2:9] = 1, 1  # 4 pixels agree, 3 are too many, 2 are missed
    hints = (
        (4, "that is the number of pixels on which both agree; divide it by what either covers."),
        (4 / 13, "you added up both areas, so their overlap counts twice below the line."),
        (8 / 13, "that is Dice, which counts the overlap twice; for the IoU it counts once."),
        (4 / 7, "you divided by the predicted area only; count what *either* mask covers."),
        (4 / 6, "you divided by the true area only; count what *either* mask covers."),
        (35 / 40, "that is the share of right pixels; background on both sides must not count."),
        (35 / 9, "above the line background counts, too: & is what both cover, == is not."),
        (4 / 40, "you divided by all pixels; background on both sides must not count."),
        (4 / 5, "below the line is only what is wrong; what both cover belongs to it, too."),
        (5 / 9, "that is the wrong part; the IoU is the part on which both agree."),
    )

    def attempt() -> str | None:
        result = function(guess.copy(), truth.copy())
        if (gap := _no_answer(result)) is not None:
            return gap
        if np.size(result) != 1:
            return "one number is expected for the two masks: count their pixels with .sum()."
        for wrong, hint in hints:
            if _is_close(np.asarray(result).item(), wrong):
                return hint
        if not _is_close(np.asarray(result).item(), 4 / 9):
            return "with 4 pixels in both masks and 9 in either it must give 0.444."
        if not _is_close(np.asarray(function(truth.copy(), truth.copy())).item(), 1):
            return "a perfect prediction must give 1."
        return None

    _verdict(attempt)


def one_pixel_off(function: Callable[..., Any]) -> None:
    """Notebook 00: the IoU of a square and the same square, moved by one pixel."""
    hints = (
        (1, "a square and its copy in the same place give 1: the copy is to be moved."),
        (9 / 23, "the copy is moved along both axes; move it to the right only."),
        (2 / 6, "the copy is moved by two pixels; one is asked for."),
        (2 / 5, "that is the part that is wrong; the IoU is the part on which both agree."),
        (3 / 4, "you divided the overlap by one square; divide by all that either covers."),
        (12, "that is the overlap in pixels; divide it by all that either covers."),
    )

    def attempt() -> str | None:
        small = function(4)
        if (gap := _no_answer(small)) is not None:
            return gap
        if 0.76 < float(small) < 1:
            return "background on which both agree must not count: then nearly all would be right."
        for wrong, hint in hints:
            if _is_close(small, wrong):
                return hint
        large = function(40)
        if _is_close(large, small):
            return "it gives the same for 4 and for 40: draw the square with `side`."
        if not _is_close(small, 3 / 5):
            return f"for side 4 it must give 0.6, not {small:.3g}."
        if not _is_close(large, 39 / 41):
            return "it is right for side 4, not for side 40: is your image large enough?"
        return None

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
        if new_image.shape == image.shape and (new_image == image[::-1, ::-1]).all():
            return "that flips top to bottom as well; only the second axis is asked for."
        if new_image.shape == mask.shape:
            return "return the image first, then the mask."
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


def turned_labels(answer: Any, mask: NDArray[Any]) -> None:
    """Notebook 01: whether most labels are still right if only the image is turned."""
    there = np.asarray(mask) > 0
    still = float((np.rot90(mask) == mask)[there].mean()) if there.any() else 0.0
    right = "more" if still > 0.5 else "less"

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if str(answer).strip().lower() == right:
            return None
        if str(answer).strip().lower() not in ("more", "less"):
            return 'answer with one of the two words, "more" or "less".'
        return (
            f"{still:.0%} are. A label stays right only where the turned foreground happens to lie "
            "on the old one."
        )

    _verdict(attempt)


def labels_out_of_step(answer: Any, mask: NDArray[Any]) -> None:
    """Notebook 01: mean share of the foreground labels that survive a turn of the image alone."""

    def attempt() -> str | None:
        if (gap := _no_number(answer)) is not None:
            return gap
        right, hints = _step_hints(np.asarray(mask))
        if _is_close(answer, right):
            return None
        for wrong, hint in hints:
            if _is_close(answer, wrong):
                return hint
        if abs(_plain(answer) - right) < 0.01:
            return "very close: do not round."
        return "for each of 1 to 7: orient(mask, which) == mask, and of that the foreground's mean."

    _verdict(attempt)


def _step_hints(mask: NDArray[Any]) -> tuple[float, list[tuple[float, str]]]:
    """The mean share, and what one gets by a mistake with what to say to it."""
    turned = [orient(mask, which) for which in range(8)]
    same = [one == mask for one in turned]
    each = np.array([one[mask > 0].mean() for one in same])
    everywhere = np.mean([one.mean() for one in same[1:]])
    ious = [((one > 0) & (mask > 0)).sum() / ((one > 0) | (mask > 0)).sum() for one in turned]
    right = float(each[1:].mean())
    return right, [
        (float(everywhere), "you counted the background, too: take only where mask is 1."),
        (float(each.mean()), "orientation 0 changes nothing and does not count: 1 to 7."),
        (float(each[1]), "that is one orientation; take the mean over all seven."),
        (float(each[1:4].mean()), "those are the three turns; the four flips belong to it, too."),
        (float(each[1:7].mean()), "that is the mean over 1 to 6: `range(1, 7)` stops before 7."),
        (float(each[4:].mean()), "those are the four flips; the three turns belong to it, too."),
        (float(each[1:].sum()), "that is the sum over the orientations; divide by how many."),
        (float(each[1:].max()), "that is the luckiest of the seven; take their mean."),
        (float(each[1:].min()), "that is the worst of the seven; take their mean."),
        (100 * right, "that is in percent; a share runs from 0 to 1."),
        (1 - right, "that is the share of labels that are wrong now."),
        (float(np.mean(ious[1:])), "that is the IoU; divide by the foreground of mask alone."),
    ]

"""Checks of the exercises in notebooks 06 and 07; like all `checks`, each prints a verdict."""

from collections import Counter
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


def mean_area(answer: Any, areas: NDArray[Any], width: float) -> None:
    """Notebook 06: the mean area in square micrometres, of areas in pixels."""
    pixels = float(areas.mean())
    right = pixels * width**2
    hints = (
        (pixels, "those are pixels; each covers `micrometres` times `micrometres`."),
        (pixels * width, "a pixel is an area: its width counts twice, once for each side."),
        (pixels / width**2, "multiply: an area in pixels times the area of one pixel."),
        (pixels / width, "multiply by the area of a pixel, which is its width squared."),
        (right * len(areas), "that is the area of all of them; asked for is the mean."),
        (float(np.median(areas)) * width**2, "that is the median; asked for is the mean."),
        ((pixels * width) ** 2, "square the width of a pixel, not the area."),
        (width**2, "that is the area of one pixel; how many does a cell have, on average?"),
        (float(np.sqrt(areas).mean()) * width, "that is a length; an area is asked for."),
    )

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if np.size(answer) != 1:
            return "one number is expected, the mean over all of them."
        if _is_close(answer, right):
            return None
        told = next((hint for wrong, hint in hints if _is_close(answer, wrong)), None)
        return told or "take the mean of `areas`, times the area of one pixel; do not round."

    _verdict(attempt)


def last_doubling(answer: Any) -> None:
    """Notebook 06: what the doubling from 16 to 32 images brings, in IoU."""

    def attempt() -> str | None:
        if (gap := _no_number(answer)) is not None:
            return gap
        number = _plain(answer)
        if 0 <= number <= 0.05:
            return None
        if number < 0:
            return "a doubling can seem to harm by chance, by what seeds differ; expect a gain."
        if number >= 1:
            return "IoU runs from 0 to 1, and so does what can be gained: no percent."
        if number >= 0.2:
            return "as much as the first doubling? By then the IoU would be above 1."
        return "too much: what comes easily has been gained long before, and the curve is flat."

    _verdict(attempt)


def scaling(function: Callable[[NDArray[Any]], Any]) -> None:
    """Notebook 06: whole numbers of 8 or 16 bits to floats from 0 to 1."""
    eight = np.array([[0, 51, 255]], np.uint8)
    sixteen = np.array([[0, 13107, 65535]], np.uint16)
    dark = np.array([[0, 3, 20]], np.uint8)  # its own maximum would brighten it

    def attempt() -> str | None:
        made = [function(pixels.copy()) for pixels in (eight, sixteen, dark)]
        if (gap := _no_answer(made[0])) is not None:
            return gap
        found = [np.asarray(one, dtype=float) for one in made]
        if np.allclose(found[0].max(), 255):
            return "255 is still 255: divide by the largest number that the type can hold."
        if found[1].max() > 2:
            return f"16 bits go up to {found[1].max():.0f} now: their largest number is 65535."
        if found[1].max() < 0.9 or np.allclose(found[0].max(), 255 / 65535):
            return "not every type holds the same numbers: ask np.iinfo(pixels.dtype)."
        if np.isclose(found[2].max(), 1):
            return "a dark image must stay dark: divide by what the type can hold, not by its max."
        if not np.allclose(found[2], dark / 255):
            return f"20 of 8 bits must become {20 / 255:.4f}, not {found[2].max():.4f}."
        if np.asarray(made[0]).dtype != np.float32:
            return f"the model wants float32, this is {np.asarray(made[0]).dtype}."
        return None

    _verdict(attempt)


def covered_share(function: Callable[..., Any]) -> None:
    """Notebook 06: the share of true objects that the prediction covers by more than half."""
    there, found = np.zeros((10, 10), int), np.zeros((10, 10), int)
    there[0:2, 0:2], there[4:6, 0:4], there[8:10, 0:4] = 1, 2, 5  # the numbers have gaps
    found[0:2, 0:2], found[4:6, 0:2], found[8:10, 1:4] = 1, 3, 2
    found[0:6, 7:10] = 4  # found where nothing is

    def attempt() -> str | None:
        answer = function(there.copy(), found.copy())
        if (gap := _no_answer(answer)) is not None:
            return gap
        if _is_close(answer, 2 / 3):
            return None
        hints = (
            (2, "that is how many; divide by the number of true objects."),
            (1.0, "one object is covered by exactly half: more than half is asked for."),
            (0.75, "the background, 0, is no object: leave it out."),
            (2 / 4, "divide by the number of *true* objects, not of those found."),
            (2 / 5, "the numbers have gaps: count the numbers there are, not up to the largest."),
            (14 / 20, "that is the share of pixels: decide object by object."),
        )
        told = next((hint for wrong, hint in hints if _is_close(answer, wrong)), None)
        return told or f"here 2 of 3 objects are covered, 0.667, not {answer!r}."

    _verdict(attempt)


def label_next(function: Callable[..., Any]) -> None:
    """Notebook 06: the images to label next, spread over the slides as evenly as possible."""
    slides, labelled = ["a", "a", "a", "b", "a", "b", "c", "b", "c", "d"], [0, 1]

    def attempt() -> str | None:
        if (gap := _no_answer(first := function(list(slides), list(labelled), 3))) is not None:
            return gap
        if (fault := _choice_fault(first, slides, labelled, 3)) is not None:
            return fault
        more = function(list(slides), list(labelled), 5)
        if (fault := _choice_fault(more, slides, labelled, 5)) is not None:
            return f"for a budget of 5, {fault}"
        others = [*slides[:3], "e", "e"]
        return _choice_fault(function(list(others), [3], 1), others, [3], 1)

    _verdict(attempt)


def _choice_fault(chosen: Any, slides: list[str], labelled: list[int], budget: int) -> str | None:
    """What is wrong with a choice of images."""
    if isinstance(chosen, (int, np.integer)) or any(isinstance(one, str) for one in chosen):
        return "return a list of images, by their places in `slides`, not of slides."
    places = [int(one) for one in chosen]
    if set(places) & set(labelled):
        return f"image {min(set(places) & set(labelled))} has a mask already: leave out `labelled`."
    if len(set(places)) < len(places):
        return "an image stands there twice: once chosen it is no longer to be had."
    if len(places) != budget:
        return f"choose {budget} images, as many as the budget allows, not {len(places)}."
    if not set(places) <= set(range(len(slides))):
        return f"there are images 0 to {len(slides) - 1} only."
    return _unevenness(places, slides, labelled)


def _unevenness(places: list[int], slides: list[str], labelled: list[int]) -> str | None:
    """Name the slide that got a label too many."""
    after = Counter(slides[place] for place in [*labelled, *places])
    left = Counter(slides) - after
    for place in places:
        slide = slides[place]
        least = min(left, key=lambda other: after[other], default=slide)
        if after[slide] > after[least] + 1:
            return f"slide {slide} gets label {after[slide]} while {least} has {after[least]}."
    return None


def halo_on_grid(function: Callable[[int, int], Any]) -> None:
    """Notebook 07: the reach of a net, rounded up to whole steps of its pooling grid."""

    def attempt() -> str | None:
        first = function(13, 8)
        if (gap := _no_answer(first)) is not None:
            return gap
        if _is_close(first, 13):
            return "13 is the reach; a window must begin on the grid, at a multiple of 8."
        if _is_close(first, 8):
            return "8 is less than the reach, 13: seams are left. Round up."
        if not _is_close(first, 16):
            return f"for a reach of 13 and a step of 8 it must be 16, not {first!r}."
        if _is_close(function(16, 8), 24):
            return "16 is a multiple of 8 already, and needs no further step: 16, not 24."
        for reach, step, right in ((16, 8, 16), (44, 4, 44), (93, 16, 96), (0, 4, 0)):
            if not _is_close(function(reach, step), right):
                return f"for a reach of {reach} and a step of {step} it must be {right}."
        return None

    _verdict(attempt)


def fed_for_one(function: Callable[[int, int], Any]) -> None:
    """Notebook 07: pixels computed for each one that is kept, of a square tile and its halo."""

    def attempt() -> str | None:
        answer = function(64, 32)
        if (gap := _no_answer(answer)) is not None:
            return gap
        hints = (
            (2.0, "that is along one side; an image has two."),
            (2.25, "the halo lies on both sides of a tile: twice 32 in each direction."),
            (3.0, "that is what is thrown away for each pixel kept; count the kept one too."),
            (0.25, "that is the share that is kept; turn it over."),
            (128 * 128, "divide by the pixels of the tile."),
        )
        for wrong, hint in hints:
            if _is_close(answer, wrong):
                return hint
        right = all(
            _is_close(function(tile, halo), ((tile + 2 * halo) / tile) ** 2)
            for tile, halo in ((64, 32), (256, 44), (100, 0))
        )
        return None if right else "a tile of 64 with a halo of 32 is a window of 128 x 128 pixels."

    _verdict(attempt)


def seams_of_norm(answer: Any) -> None:
    """Notebook 07: which normalisation leaves seams however wide the halo is?"""

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if answer == "batch":
            return "after training, batch normalisation uses numbers that are fixed."
        return None if answer == "group" else f'write "batch" or "group", not {answer!r}.'

    _verdict(attempt)


def reach_from(function: Callable[..., Any]) -> None:
    """Notebook 07: how far a model looks, from its answers before and after one pixel changed."""
    down, right, rim = _answers(7, 4, -0.4), _answers(2, 9, 1e-4), _answers(20, 4, 0.4)
    where = (20, 15)

    def attempt() -> str | None:
        answer = function(*(one.copy() for one in down), *where)
        if (gap := _no_answer(answer)) is not None:
            return gap
        if not _is_close(answer, 7):
            return _reach_fault(answer, int((np.abs(down[1] - down[0]) > 1e-6).sum()))
        wide = function(*(one.copy() for one in right), *where)
        if _is_close(wide, 3):
            return "another model looks 3 up and 9 to the right: take the farthest of all sides."
        if not _is_close(wide, 9):
            return f"a change of 0.0001 is one, too: another model looks 9 far, not {wide}."
        far = function(*(one.copy() for one in rim), *where)
        if not np.isnan(far):
            return f"the change reaches the rim, so {far} is a lower bound only: return np.nan."
        return None

    _verdict(attempt)


def _answers(down: int, right: int, last: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Answers before and after pixel (20, 15) of 41 x 41 changed; the farthest by `last`."""
    rng = np.random.default_rng(0)
    before = rng.random((41, 41))
    after = before + 1e-9 * rng.standard_normal(before.shape)  # as rounding does
    after[17:21, 12:16] += 0.4
    after[20 : 20 + down, 15 : 15 + right] += 0.3
    after[20 + down, 15 + right] += last
    return before, after


def _reach_fault(answer: Any, number: int) -> str:
    """Say by which mistake one comes to another reach than 7."""
    hints = (
        (11, "that is the height of the whole field; asked for is the reach to one side."),
        (5, "half the height is right only where it looks as far up as down: measure each side."),
        (5.5, "half the height is right only where it looks as far up as down: measure each side."),
        (6, "a pixel may also fall: take the absolute difference."),
        (4, "that is how far it looks to the right; look up and down, too."),
        (3, "that is how far it looks up or left; look down and right, too."),
        (8, "you measured from the middle of the image: measure from (row, column)."),
        (27, "that is a row; asked for is how far from `row` it lies."),
        (65**0.5, "that is the distance of a corner; count rows or columns, whichever is more."),
        (number, "that is the number of pixels that changed; how far away is the farthest?"),
        (25, "every pixel changes a little, by rounding: ignore what is below 1e-6."),
    )
    for wrong, hint in hints:
        if _is_close(answer, wrong):
            return hint
    if _is_nan(answer):
        return "here the rim changes by rounding only: ignore what is below 1e-6."
    return f"here the farthest change is 7 rows down, not {answer!r}."

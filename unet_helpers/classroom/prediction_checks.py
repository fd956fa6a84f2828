"""Checks of the exercises in notebooks 06 and 07; like all `checks`, each prints a verdict."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.classroom.checks import _is_close, _no_answer, _verdict


def interval_of_few(answer: Any) -> None:
    """Notebook 06: is there an interval for nine test images of three patients?"""

    def attempt() -> str | None:
        if (gap := _no_answer(answer)) is not None:
            return gap
        if not isinstance(answer, (bool, np.bool_)):
            return f"write True or False, not {answer!r}."
        if answer:
            return "count the patients in the test part, not the images: a fifth of 14."
        return None

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

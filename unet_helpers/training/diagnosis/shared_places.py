"""Recognise the same piece of picture in two images, wherever it lies and however it is turned.

Every pixel's surroundings are hashed in a way that turning and flipping does not change; those
pixels whose hash is a multiple of a fixed number are the image's fingerprint. Two crops that share
a part share its fingerprints, exactly and without a search (the idea of winnowing [1]_).

References
----------
.. [1] Schleimer, Wilkerson, Aiken (2003), Winnowing: Local Algorithms for Document Fingerprinting,
   SIGMOD, doi:10.1145/872757.872770.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_EVERY = 128  # one pixel of so many is kept
_LEAST = 4  # fingerprints that two images must share
_REACH = 2  # surroundings are 5 x 5 pixels
_TONES = 6  # different numbers among these 25 that make them an image's own

# Pixels at one distance from the middle, which turning and flipping exchange with each other.
_ORBITS = (
    ((0, 0),),
    ((0, 1), (1, 0), (0, -1), (-1, 0)),
    ((1, 1), (1, -1), (-1, 1), (-1, -1)),
    ((0, 2), (2, 0), (0, -2), (-2, 0)),
    ((1, 2), (1, -2), (-1, 2), (-1, -2), (2, 1), (2, -1), (-2, 1), (-2, -1)),
    ((2, 2), (2, -2), (-2, 2), (-2, -2)),
)
_FACTORS = np.random.default_rng(1).integers(1, 2**63, (3, 25), np.uint64) | np.uint64(1)


class Prints(NamedTuple):
    """Fingerprints of an image: from a hash that knows no direction to one that does."""

    found: dict[int, int]


def prints(image: NDArray[np.generic]) -> Prints:
    """Take an image's fingerprints.

    Parameters
    ----------
    image : ndarray, shape (height, width[, channels])

    Returns
    -------
    Prints

    Examples
    --------
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    >>> turned = np.rot90(image)
    >>> same_scene(prints(image), prints(image[8:])), same_scene(prints(image), prints(turned))
    ((True, False), (True, True))
    """
    pixels = np.ascontiguousarray(np.asarray(image, np.float32))
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if min(pixels.shape[:2]) <= 2 * _REACH:
        return Prints({})
    mixed = _mix(pixels.view(np.uint32).astype(np.uint64))
    height, width = (length - 2 * _REACH for length in mixed.shape)

    def moved(offset: tuple[int, int]) -> NDArray[np.uint64]:
        top, left = offset[0] + _REACH, offset[1] + _REACH
        return mixed[top : top + height, left : left + width]

    whole = np.zeros((height, width), np.uint64)
    for factor, orbit in zip(_FACTORS[1], _ORBITS, strict=False):
        whole += _stir(np.add.reduce([moved(o) for o in orbit])) * factor
    whole = _stir(whole)
    textured = _textured(pixels)[_REACH : _REACH + height, _REACH : _REACH + width]
    rows, columns = np.nonzero((whole % np.uint64(_EVERY) == 0) & textured)
    offsets = [offset for orbit in _ORBITS for offset in orbit]
    own = _many_tones(pixels[..., 0], rows, columns, offsets)
    rows, columns = rows[own], columns[own]
    directed = np.zeros(len(rows), np.uint64)
    for factor, (down, right) in zip(_FACTORS[2], offsets, strict=True):
        directed += mixed[rows + _REACH + down, columns + _REACH + right] * factor
    keys, values = whole[rows, columns].tolist(), directed.tolist()
    return Prints(dict(zip(keys, values, strict=True)))


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = np.zeros(bits.shape[:2], np.uint64)
    for channel in range(bits.shape[2]):
        mixed += _stir(bits[..., channel] + np.uint64(channel + 1)) * _FACTORS[0, channel % 25]
    return _stir(mixed)


def _stir(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread the bits, so that sums of different pixels hardly ever agree."""
    stirred = values * np.uint64(0x9E3779B97F4A7C15)
    return stirred ^ (stirred >> np.uint64(29))


def _textured(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where neighbours differ: even ground has no print of its own."""
    plane = pixels[..., 0]
    textured = np.zeros(plane.shape, bool)
    differs = (plane[1:-1, 1:-1] != plane[:-2, 1:-1]) & (plane[1:-1, 1:-1] != plane[1:-1, 2:])
    differs &= (plane[1:-1, 1:-1] != plane[2:, 1:-1]) & (plane[1:-1, 1:-1] != plane[1:-1, :-2])
    textured[1:-1, 1:-1] = differs
    return textured


def _many_tones(
    plane: NDArray[np.float32],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    offsets: list[tuple[int, int]],
) -> NDArray[np.bool_]:
    """Where the surroundings hold many different numbers.

    The dark ground of an 8-bit image flickers between a few numbers, and then two images agree on
    5 x 5 pixels by chance.
    """
    tones = [plane[rows + _REACH + down, columns + _REACH + right] for down, right in offsets]
    ordered = np.sort(np.stack(tones), axis=0)
    different: NDArray[np.bool_] = 1 + (np.diff(ordered, axis=0) != 0).sum(axis=0) >= _TONES
    return different


def same_scene(one: Prints, other: Prints) -> tuple[bool, bool]:
    """Whether two images share a part, and whether it is turned or mirrored in the second.

    Parameters
    ----------
    one, other : Prints

    Returns
    -------
    shared, turned : bool
    """
    common = one.found.keys() & other.found.keys()
    if len(common) < _LEAST:
        return False, False
    straight = sum(one.found[key] == other.found[key] for key in common)
    return True, straight < len(common) / 2


def shared_with(images: Iterable[Prints], others: Sequence[Prints]) -> list[int]:
    """Which of some images show a part of any of the others.

    Parameters
    ----------
    images, others : sequence of Prints

    Returns
    -------
    list of int
    """
    known = {key for other in others for key in other.found}
    return [n for n, one in enumerate(images) if len(one.found.keys() & known) >= _LEAST]


def turned_pairs(images: Sequence[Prints]) -> tuple[int, int]:
    """Count pairs of images that share a part, and those where it is turned in one of them.

    Parameters
    ----------
    images : sequence of Prints

    Returns
    -------
    shared, turned : int
    """
    holders: dict[int, list[int]] = {}
    for number, one in enumerate(images):
        for key in one.found:
            holders.setdefault(key, []).append(number)
    # Each with the next that shows the place: all pairs of many crops would be too many.
    pairs = {pair for held in holders.values() for pair in itertools.pairwise(held)}
    told = [same_scene(images[a], images[b]) for a, b in sorted(pairs)]
    return sum(shared for shared, _ in told), sum(turned for _, turned in told)

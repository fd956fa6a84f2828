"""How well predicted and given class maps agree: as they are, shifted, turned, reversed, swapped.

All scores are normalised cross-correlations (Lewis 1995, "Fast normalized cross-correlation",
Vision Interface 95:120-123), pooled over the classes: 1 is perfect agreement up to contrast.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Floats = NDArray[np.float32]

REACH = 1 / 8  # of a side: the largest shift that is looked for
_SURROUNDINGS = 0.05  # of the longer side; measured on four real sets
_TINY = np.float32(1e-6)

# What may have been done to a mask, what undoes it, and the undoing on the last two axes.
TURNS: dict[str, tuple[str, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    "mirrored left-right": ("mask[:, ::-1]", lambda m: m[..., ::-1]),
    "mirrored top-bottom": ("mask[::-1]", lambda m: m[..., ::-1, :]),
    "rotated by 180 degrees": ("mask[::-1, ::-1]", lambda m: m[..., ::-1, ::-1]),
    "rotated by 90 degrees counter-clockwise": (
        "numpy.rot90(mask, -1)",
        lambda m: np.rot90(m, -1, (-2, -1)),
    ),
    "rotated by 90 degrees clockwise": ("numpy.rot90(mask)", lambda m: np.rot90(m, 1, (-2, -1))),
    "transposed": ("mask.T", lambda m: m.swapaxes(-1, -2)),
    "transposed over the other diagonal": (
        "mask[::-1, ::-1].T",
        lambda m: m[..., ::-1, ::-1].swapaxes(-1, -2),
    ),
}
TURNS_OF_OBLONGS = 3  # the first of them keep any size


def centred(maps: Floats, labelled: Floats) -> Floats:
    """Subtract each map's mean over the labelled pixels; 0 elsewhere.

    Parameters
    ----------
    maps : ndarray of float32, shape (pairs, classes, height, width)
    labelled : ndarray of float32, shape (pairs, 1, height, width)
        Share of pixels that have a label.

    Returns
    -------
    ndarray of float32, shape (pairs, classes, height, width)
    """
    count = labelled.sum(axis=(2, 3), keepdims=True) + _TINY
    return (maps - (maps * labelled).sum(axis=(2, 3), keepdims=True) / count) * labelled


def outlines(maps: Floats, labelled: Floats) -> Floats:
    """Subtract from centred maps their mean over the surroundings, which leaves what is local.

    Road is below and sky is above in most pictures of streets; only the outlines tell which mask
    belongs to which of them, and where.

    Parameters
    ----------
    maps : ndarray of float32, shape (pairs, classes, height, width)
        Centred maps.
    labelled : ndarray of float32, shape (pairs, 1, height, width)
        Share of pixels that have a label.

    Returns
    -------
    ndarray of float32, shape (pairs, classes, height, width)
    """
    width = _SURROUNDINGS * max(maps.shape[2:])
    sigma = (0, 0, width, width)
    blurred = ndimage.gaussian_filter(maps, sigma, mode="constant", truncate=2.5)
    weight = ndimage.gaussian_filter(labelled, sigma, mode="constant", truncate=2.5)
    return np.asarray((maps - blurred / (weight + _TINY)) * labelled)


def agreement(a: Floats, b: Floats) -> Floats:
    """Correlate stacks of centred maps, pair by pair, pooled over the classes.

    Parameters
    ----------
    a, b : ndarray of float32, shape (pairs, classes, height, width)

    Returns
    -------
    ndarray of float32, shape (pairs,)
        -1 to 1; 0 where one of both is constant.

    Examples
    --------
    >>> a = np.zeros((1, 1, 2, 2), np.float32)
    >>> a[0, 0] = [[1, -1], [1, -1]]
    >>> agreement(a, a).tolist(), agreement(a, -a).tolist()
    ([1.0], [-1.0])
    """
    product = np.einsum("nkhw,nkhw->n", a, b)
    energy = np.einsum("nkhw,nkhw->n", a, a) * np.einsum("nkhw,nkhw->n", b, b)
    return np.asarray(product / np.sqrt(energy + _TINY**2))


def best_shift(predicted: Floats, given: Floats, labelled: Floats) -> tuple[Floats, Floats]:
    """Find the offset at which the given maps agree best with the predicted ones.

    Parameters
    ----------
    predicted, given : ndarray of float32, shape (pairs, classes, height, width)
        Centred maps.
    labelled : ndarray of float32, shape (pairs, 1, height, width)
        Share of the mask's pixels that have a label.

    Returns
    -------
    offsets : ndarray of float32, shape (pairs, 2)
        Rows and columns: what the image has at (y, x) is found in the mask at (y + dy, x + dx).
        Between whole pixels by a parabola through the peak.
    scores : ndarray of float32, shape (pairs,)
        The agreement there, over the part where both overlap.
    """
    surface, reach = shift_surface(predicted, given, labelled)
    flat = surface.reshape(len(surface), -1)
    rows, columns = np.unravel_index(flat.argmax(axis=1), surface.shape[1:])
    offsets = np.stack([rows - reach[0], columns - reach[1]], axis=1).astype(np.float32)
    for n, (row, column) in enumerate(zip(rows, columns, strict=True)):
        offsets[n, 0] += _vertex(surface[n, :, column], row)
        offsets[n, 1] += _vertex(surface[n, row, :], column)
    return offsets, flat.max(axis=1)


def _vertex(line: Floats, at: int) -> float:
    """Where a parabola through three neighbours has its top, relative to the middle one."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, middle, after = line[at - 1 : at + 2].tolist()
    bend = before - 2 * middle + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def shift_surface(
    predicted: Floats, given: Floats, labelled: Floats
) -> tuple[Floats, tuple[int, int]]:
    """Agreement at every offset up to an eighth of the sides.

    Parameters
    ----------
    predicted, given, labelled : ndarray of float32
        As for `best_shift`.

    Returns
    -------
    surface : ndarray of float32, shape (pairs, 2 * reach[0] + 1, 2 * reach[1] + 1)
        No offset in the middle.
    reach : tuple of int
        Largest offset in rows and columns.
    """
    height, width = predicted.shape[2:]
    reach = int(height * REACH), int(width * REACH)
    shape = tuple(
        fft.next_fast_len(n + r, real=True) for n, r in zip((height, width), reach, strict=True)
    )

    def correlate(a: Floats, b: Floats) -> Floats:
        """Sum over pixels and classes of a at p times b at p + offset."""
        product = fft.rfft2(a, shape).conj() * fft.rfft2(b, shape)
        full = np.roll(fft.irfft2(product.sum(axis=1), shape), reach, axis=(1, 2))
        return np.asarray(full[:, : 2 * reach[0] + 1, : 2 * reach[1] + 1])

    ones = np.ones((1, 1, height, width), np.float32)
    mass = correlate((predicted**2).sum(axis=1, keepdims=True), labelled)
    energy = mass * correlate(ones, (given**2).sum(axis=1, keepdims=True))
    floor = np.float32(0.05) * energy.max(axis=(1, 2), keepdims=True) + _TINY
    return correlate(predicted, given) / np.sqrt(np.maximum(energy, floor)), reach


def turned(predicted: Floats, given: Floats, square: bool) -> Floats:
    """Agreement after each of `TURNS` was undone on the given maps.

    Parameters
    ----------
    predicted, given : ndarray of float32, shape (pairs, classes, height, width)
        Centred maps.
    square : bool
        Whether the pairs themselves are squares; if not, only three turns keep their size.

    Returns
    -------
    ndarray of float32, shape (7 or 3, pairs)
    """
    count = len(TURNS) if square else TURNS_OF_OBLONGS
    undo = [function for _, function in TURNS.values()][:count]
    return np.stack([agreement(predicted, turn(given)) for turn in undo])


def reversed_ids(maps: Floats) -> Floats:
    """The centred maps that a mask has when class id k is written as K - 1 - k."""
    return -maps if maps.shape[1] == 1 else maps[:, ::-1]

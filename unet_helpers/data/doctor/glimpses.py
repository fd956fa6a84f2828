"""Small summaries of pairs, so that thousands of them can be compared in memory."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_CLASSES = 8
MAX_SIDE = 128  # pixels; more showed no more
BUDGET = 120_000_000  # bytes of all glimpses together
_LEAST = 8  # pixels: what is narrower has no surroundings
_PLANES = 6  # of a usual pair: three colours and three classes


class Glimpse(NamedTuple):
    """A pair made small: what `judge` compares.

    Attributes
    ----------
    image : ndarray of uint8, shape (channels, height, width)
        Area means, stretched over the image's own range; 1 channel if grey, 3 otherwise.
    maps : ndarray of uint8, shape (classes, height, width)
        Share of each class in each small pixel, 255 for all of it. A mask of ids 0 and 1 has one
        map, that of id 1.
    labelled : ndarray of uint8, shape (height, width), or None
        Share of pixels that have a label; None if all have one.
    size : tuple of int
        Height and width of the pair itself.
    has_image, has_mask : bool
        Whether there is anything to compare: a constant image or mask fits all or none.
    """

    image: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    labelled: NDArray[np.uint8] | None
    size: tuple[int, int]
    has_image: bool
    has_mask: bool


def glimpse_side(count: int) -> int:
    """Pixels on the longer side of each glimpse, so that `count` of them fit into the memory.

    Parameters
    ----------
    count : int
        Number of pairs.

    Returns
    -------
    int
        From 128 for small sets down to 44 for 10,000 pairs and more.

    Examples
    --------
    >>> glimpse_side(30), glimpse_side(10_000)
    (128, 44)
    """
    return int(np.clip(np.sqrt(BUDGET / (_PLANES * max(count, 1))), 40, MAX_SIDE))


def glimpse(
    image: NDArray[Any],
    mask: NDArray[np.uint8],
    side: int,
    classes: int = 2,
    ignore_value: int | None = None,
) -> Glimpse:
    """Make a pair small by area means.

    Parameters
    ----------
    image : ndarray of uint8, uint16 or float, shape (height, width) or (height, width, channels)
        Grey or RGB; a fourth channel is taken for alpha and left out.
    mask : ndarray of uint8, shape (height, width)
        Class ids, and the ignore value where there is one.
    side : int
        Pixels on the longer side of the result, see `glimpse_side`; smaller pairs keep theirs.
    classes : int
        How many class ids the set has. With more than 8, the first 7 have a map each and the
        others share one.
    ignore_value : int, optional
        Mask value of pixels without a label.

    Returns
    -------
    Glimpse

    Examples
    --------
    >>> mask = np.zeros((60, 80), np.uint8)
    >>> mask[:30] = 1
    >>> small = glimpse(mask * 90, mask, side=40)
    >>> small.image.shape, small.maps.shape, int(small.maps[0, 0, 0])
    ((1, 30, 40), (1, 30, 40), 255)
    """
    height, width = mask.shape
    factor = min(1.0, side / max(height, width))
    small = max(1, round(height * factor)), max(1, round(width * factor))
    picture = _stretched(_planes(image, small))
    ids = (1,) if classes <= 2 else range(min(classes, MAX_CLASSES))
    chosen = [mask == k for k in ids]
    if classes > MAX_CLASSES:
        chosen[-1] = mask >= MAX_CLASSES - 1
    labelled = None
    if ignore_value is not None:
        known = mask != ignore_value
        if not known.all():
            labelled = _shrunk(known.view(np.uint8) * np.uint8(255), small)
            chosen = [part & known for part in chosen]
    maps = np.stack([_shrunk(part.view(np.uint8) * np.uint8(255), small) for part in chosen])
    has_mask = min(small) >= _LEAST and any(_varies(m, labelled) for m in maps)
    has_image = picture is not None and min(small) >= _LEAST
    if picture is None:
        picture = np.zeros((1, *small), np.uint8)
    return Glimpse(picture, maps, labelled, (height, width), has_image, has_mask)


def stacked(
    glimpses: Sequence[Glimpse],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Stack class maps of one size, and where they have a label.

    Parameters
    ----------
    glimpses : sequence of Glimpse

    Returns
    -------
    maps : ndarray of float32, shape (pairs, classes, height, width)
        Shares, 0 to 1.
    labelled : ndarray of float32, shape (pairs, 1, height, width)
        Share of pixels that have a label.
    """
    maps = np.stack([g.maps for g in glimpses]).astype(np.float32) / np.float32(255)
    labelled = np.ones((len(maps), 1, *maps.shape[2:]), np.float32)
    for n, g in enumerate(glimpses):
        if g.labelled is not None:
            labelled[n, 0] = g.labelled / np.float32(255)
    return maps, labelled


def _varies(plane: NDArray[np.uint8], labelled: NDArray[np.uint8] | None) -> bool:
    """Whether a class is both present and absent among the labelled pixels."""
    full = 255 if labelled is None else labelled
    return bool((plane > 0).any() and (plane < full).any())


def _planes(image: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Shrink to (1, height, width) if grey, else to (3, height, width)."""
    channels = 1 if image.ndim == 2 else min(image.shape[2], 3)
    if channels == 3 and image.dtype == np.uint8:
        planes = np.moveaxis(_shrunk(image[..., :3], size), 2, 0)
    else:
        parts = [image] if image.ndim == 2 else [image[..., c] for c in range(channels)]
        planes = np.stack([_shrunk(_finite(part), size) for part in parts])
    grey = channels < 3 or bool((planes == planes[:1]).all())
    return planes[: 1 if grey else 3].astype(np.float32)


def _shrunk(plane: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Area means; the dtype stays, uint8 (grey or RGB) or float32 (grey)."""
    if plane.shape[:2] == size:
        return np.asarray(plane)
    picture = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(picture.resize(size[::-1], Image.Resampling.BOX))


def _stretched(planes: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    """Spread the values over 0 to 255, all channels alike; None if they are constant."""
    low, high = np.percentile(planes, [0.2, 99.8]).tolist()
    if not high > low:
        low, high = float(planes.min()), float(planes.max())
    if not high > low:
        return None
    scaled = (planes - low) * np.float32(255 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _finite(plane: NDArray[Any]) -> NDArray[Any]:
    if plane.dtype == np.uint8:
        return plane
    return np.nan_to_num(plane.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)

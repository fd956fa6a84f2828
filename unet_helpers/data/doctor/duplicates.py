"""Images that are there twice: exactly, nearly, or at another resolution.

A thumbnail is one small grey picture in a square frame, whatever the image's size. Two images are
alike if their thumbnails correlate, also after a shift of a fraction of a small pixel; and since
smooth pictures correlate by chance, their fine details must correlate as well.
"""

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Floats = NDArray[np.float32]

SIDE = 32  # pixels of a thumbnail
_ALIKE = 0.935  # correlation of the details of thumbnails, at the best shift
_PROMISING = 0.80  # the same without a shift: only such pairs are compared closely
_BLOCK = 1024  # thumbnails in one matrix product
_SCALE = 1.2  # ratio of the sides from which on it is another resolution
_SHIFTS = (-0.6, -0.3, 0.0, 0.3, 0.6)  # small pixels
_ZOOMS = (0.98, 1.0, 1.02)


class Twin(NamedTuple):
    """Two images that show the same.

    Attributes
    ----------
    kind : str
        ``near-duplicate`` or ``other-resolution``.
    first, second : int
        The images, in their order.
    similarity : float
        Correlation of their details, up to 1.
    scale : float
        Side of the second over that of the first.
    across_groups : bool
        Whether their groups differ, so that a split by group could part them.
    """

    kind: str
    first: int
    second: int
    similarity: float
    scale: float
    across_groups: bool


def pixel_hash(image: NDArray[Any]) -> bytes:
    """Hash an image's pixels, so that files of equal content have equal hashes.

    Parameters
    ----------
    image : ndarray
        Any shape and dtype; an alpha channel counts.

    Returns
    -------
    bytes
        SHA-256 over shape, dtype and values.

    Examples
    --------
    >>> a = np.zeros((2, 3), np.uint8)
    >>> pixel_hash(a) == pixel_hash(a.copy()), pixel_hash(a) == pixel_hash(a.T)
    (True, False)
    """
    digest = hashlib.sha256(f"{image.shape} {image.dtype.str}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def thumbnail(image: NDArray[Any]) -> NDArray[np.float16]:
    """Make a small grey picture of an image, comparable over sizes, brightness and contrast.

    Parameters
    ----------
    image : ndarray of uint8, uint16 or float, shape (height, width) or (height, width, channels)
        Of channels, the first three are averaged.

    Returns
    -------
    ndarray of float16, shape (32, 32)
        Mean 0 and spread 1; all 0 for a constant image.

    Examples
    --------
    >>> ramp = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    >>> bool(np.abs(thumbnail(ramp) - thumbnail(2 * ramp + 7)).max() < 0.01)
    True
    """
    small = _shrunk(image if image.ndim == 2 else image[..., :3])
    spread = float(small.std())
    if not spread > 1e-6 * (1 + abs(float(small.mean()))):
        return np.zeros((SIDE, SIDE), np.float16)
    return ((small - small.mean()) / spread).astype(np.float16)


def _shrunk(image: NDArray[Any]) -> Floats:
    """Shrink to SIDE x SIDE and average the channels."""
    # In two steps, for uint8 results would be rounded: to 4 times the side, then in floats.
    height, width = image.shape[:2]
    coarse = min(4 * SIDE, width), min(4 * SIDE, height)
    if image.dtype == np.uint8 and image.shape[2:] in ((), (3,)):
        parts = [_resized(image, coarse)]  # colours in one go, which is quickest
    else:
        image = np.nan_to_num(image.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        planes = np.atleast_3d(image)
        parts = [_resized(planes[..., c], coarse) for c in range(planes.shape[2])]
    planes = np.dstack(parts).astype(np.float32)
    grey = planes @ np.full(planes.shape[2], 1 / planes.shape[2], np.float32)
    return _resized(grey, (SIDE, SIDE))


def _resized(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    # Pillow averages whole factors several times as fast once it is told that it may.
    whole = picture.width % size[0] == 0 and picture.height % size[1] == 0
    gap = 1.0 if whole else None
    return np.asarray(picture.resize(size, Image.Resampling.BOX, reducing_gap=gap))


def near_duplicates(
    thumbnails: Sequence[NDArray[np.float16]],
    sizes: Sequence[tuple[int, int]],
    groups: Sequence[Hashable] = (),
) -> list[Twin]:
    """Find pairs of images that show the same.

    Parameters
    ----------
    thumbnails : sequence of ndarray
        From `thumbnail`, of different images: leave exact copies out, see `pixel_hash`.
    sizes : sequence of tuple of int
        Height and width of each image.
    groups : sequence of hashable, optional
        The images' groups; by default each is a group of its own.

    Returns
    -------
    list of Twin
        In order of the images.

    Examples
    --------
    >>> from unet_helpers.data.cells import draw_field
    >>> a, b = draw_field(0, 1)[0], draw_field(0, 2)[0]
    >>> images = [a, b, a[1:, 2:], b[::2, ::2]]
    >>> found = near_duplicates([thumbnail(i) for i in images], [i.shape[:2] for i in images])
    >>> [(twin.kind, twin.first, twin.second) for twin in found]
    [('near-duplicate', 0, 2), ('other-resolution', 1, 3)]
    """
    if len(thumbnails) < 2:
        return []
    details = _details(np.stack(thumbnails).astype(np.float32))
    found = []
    for first, second in _promising(details, sizes):
        likeness = _likeness(thumbnails[first], thumbnails[second])
        if likeness >= _ALIKE:
            scale = float(np.sqrt(np.prod(sizes[second]) / np.prod(sizes[first])))
            kind = "near-duplicate" if 1 / _SCALE < scale < _SCALE else "other-resolution"
            apart = not groups or groups[first] != groups[second]
            found.append(Twin(kind, first, second, round(likeness, 3), round(scale, 3), apart))
    return found


def _details(thumbnails: Floats) -> Floats:
    """Subtract the surroundings, so that light and layout no longer count; to length 1."""
    fine = thumbnails - ndimage.gaussian_filter(thumbnails, (0, 3, 3), mode="reflect")
    flat = fine.reshape(len(fine), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.where(length > 1e-3, length, np.inf), np.float32)


def _promising(details: Floats, sizes: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Pairs of one aspect ratio whose details correlate, by blockwise matrix products."""
    aspect = np.array([height / width for height, width in sizes])
    for top in range(0, len(details), _BLOCK):
        rows = details[top : top + _BLOCK]
        for left in range(top, len(details), _BLOCK):
            hits = np.argwhere(rows @ details[left : left + _BLOCK].T > _PROMISING)
            for i, j in (hits + (top, left)).tolist():
                if i < j and abs(np.log(aspect[i] / aspect[j])) < 0.1:
                    yield i, j


def _likeness(a: NDArray[np.float16], b: NDArray[np.float16]) -> float:
    """Correlation of the details at the best small shift and zoom."""
    target, source = a.astype(np.float32), b.astype(np.float32)
    middle = (SIDE - 1) / 2
    moved = [
        ndimage.affine_transform(
            source,
            (zoom, zoom),
            offset=(middle * (1 - zoom) + dy, middle * (1 - zoom) + dx),
            order=3,
            mode="nearest",
        )
        for zoom in _ZOOMS
        for dy in _SHIFTS
        for dx in _SHIFTS
    ]
    fine = _details(np.stack([target, *moved]))
    return float((fine[1:] @ fine[0]).max())

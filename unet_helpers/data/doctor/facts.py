"""What is kept of each pair after one look: a few hundred numbers instead of its pixels."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.doctor.glimpses import Glimpse

MOST_VALUES = 512
_RARE = 0.05  # share of the pixels; above it, patches meet the class anyway
_GRID = 8  # pixels; presence of a class is kept on a grid of this step


@dataclasses.dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image in numbers.

    Attributes
    ----------
    size : tuple of int
        Height and width, as viewers show it.
    channels : int
        Without alpha.
    mode, dtype : str
        As the file stores it.
    low, high : float
        Extremes of the finite values.
    coarse : bool
        Whether a 16-bit image holds only 256 levels: all values multiples of 256 or of 257.
    burnt : float
        Share of pixels with every channel at the top of the dtype's range.
    crushed : float
        The same for the bottom.
    broken : int
        How many values are NaN or infinite.
    constant : bool
        Whether each channel has one value only.
    orientation : int
        The Exif mark, 1 to 8.
    key : bytes
        Digest of the pixels.
    thumbnail : ndarray of float16 or None
        For near duplicates.
    """

    size: tuple[int, int]
    channels: int
    mode: str
    dtype: str
    low: float
    high: float
    coarse: bool
    burnt: float
    crushed: float
    broken: int
    constant: bool
    orientation: int
    key: bytes
    thumbnail: NDArray[np.float16] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class MaskFacts:
    """A mask in numbers.

    Attributes
    ----------
    size : tuple of int
        Height and width, as viewers show it.
    mode : str
        As the file stores it.
    values : dict of int to int
        Value (24-bit colour if `coloured`) to pixels, the most frequent `MOST_VALUES`.
    distinct : int
        How many values there are.
    ramp : float
        Share of the border pixels whose value lies between those of both neighbours.
    coloured : bool
        Whether red, green and blue differ anywhere.
    alpha : str
        ``""`` without alpha, ``"full"`` if opaque, ``"varies"`` if not, ``"only"`` if nothing but
        the alpha varies.
    palette : bool
        Whether the file has a palette.
    lossy : bool
        Whether the file's compression mixes values.
    orientation : int
        The Exif mark, 1 to 8.
    chances : dict of int to float
        Class id to the chance that a random patch meets it.
    """

    size: tuple[int, int]
    mode: str
    values: dict[int, int]
    distinct: int
    ramp: float
    coloured: bool = False
    alpha: str = ""
    palette: bool = False
    lossy: bool = False
    orientation: int = 1
    chances: dict[int, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """A file that could not be read: which side, what kind of finding, and the decoder's words."""

    side: str
    kind: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class PairFacts:
    """All that is kept of one pair; `number` is its place among the sources."""

    number: int
    image: ImageFacts | None
    mask: MaskFacts | None
    glimpse: Glimpse | None = None
    faults: tuple[Fault, ...] = ()


def image_facts(
    pixels: NDArray[Any],
    mode: str = "",
    orientation: int = 1,
    key: bytes = b"",
    thumbnail: NDArray[np.float16] | None = None,
) -> ImageFacts:
    """Measure an image.

    Parameters
    ----------
    pixels : ndarray, shape (height, width) or (height, width, channels)
        As stored; alpha already left out.
    mode : str
        The file's own word for its kind.
    orientation : int
        The Exif mark.
    key, thumbnail
        See `ImageFacts`.

    Returns
    -------
    ImageFacts

    Examples
    --------
    >>> facts = image_facts(np.full((4, 6), 255, np.uint8))
    >>> facts.size, facts.constant, facts.burnt
    ((4, 6), True, 1.0)
    """
    stack = pixels if pixels.ndim == 3 else pixels[..., None]
    broken = 0
    finite = stack
    if stack.dtype.kind == "f":
        good = np.isfinite(stack)
        broken = int(stack.size - good.sum())
        finite = stack[good] if broken else stack
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    bottom, top = _range(stack.dtype, float(high))
    return ImageFacts(
        size=(stack.shape[0], stack.shape[1]),
        channels=stack.shape[2],
        mode=mode or ("RGB" if stack.shape[2] == 3 else "L"),
        dtype=str(stack.dtype),
        low=float(low),
        high=float(high),
        coarse=stack.dtype == np.uint16 and high > 255 and _is_coarse(stack),
        burnt=_share(stack, top, high),
        crushed=_share(stack, bottom, low),
        broken=broken,
        constant=not broken and _is_constant(stack),
        orientation=orientation,
        key=key,
        thumbnail=thumbnail,
    )


def _range(dtype: np.dtype[Any], high: float) -> tuple[float, float]:
    """Return the ends of an image's range; for 16 bits those of the bits in use (10, 12, 14)."""
    if dtype.kind == "f":
        return 0.0, 1.0
    if dtype.kind == "b":
        return 0.0, 2.0
    top = float(np.iinfo(dtype).max)
    used = [2.0**bits - 1 for bits in (8, 10, 12, 14) if high == 2.0**bits - 1]
    return 0.0, used[0] if used and top > used[0] else top


def _share(stack: NDArray[Any], end: float, extreme: float) -> float:
    if extreme != end:
        return 0.0
    at_end = stack[..., 0] == end
    for channel in range(1, stack.shape[2]):
        at_end &= stack[..., channel] == end
    return float(np.count_nonzero(at_end)) / at_end.size


def _is_constant(stack: NDArray[Any]) -> bool:
    # A sparse look first: it ends the question for all but constant images.
    first = stack[:1, :1]
    return bool((stack[::9, ::9] == first).all() and (stack == first).all())


def _is_coarse(stack: NDArray[Any]) -> bool:
    return any(not (stack % step).any() for step in (256, 257))


def count_values(plane: NDArray[Any]) -> tuple[dict[int, int], int]:
    """Count a mask's values.

    Returns
    -------
    values : dict of int to int
        The most frequent `MOST_VALUES` values and how many pixels have them.
    distinct : int
        How many values there are.

    Examples
    --------
    >>> count_values(np.array([[0, 0, 7]], np.uint8))
    ({0: 2, 7: 1}, 2)
    """
    if plane.dtype.kind == "b" or plane.dtype == np.uint8:
        counts = np.bincount(plane.ravel().view(np.uint8), minlength=1)
        values = np.flatnonzero(counts)
        counts = counts[values]
    else:
        values, counts = np.unique(plane, return_counts=True)
    distinct = len(values)
    if distinct > MOST_VALUES:
        kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_VALUES])
        values, counts = values[kept], counts[kept]
    return dict(zip(values.tolist(), counts.tolist(), strict=True)), distinct


def ramp_share(plane: NDArray[Any]) -> float:
    """Share of the border pixels with a value strictly between those of their two neighbours.

    A class that lies between two others is seldom one pixel wide everywhere. Values made by smooth
    resizing or JPEG are: they form a ramp. Drawn masks stay below 0.04 (measured on four real
    sets), JPEG gives 0.13 and more, bilinear resizing 0.2 and more.

    Examples
    --------
    >>> plane = np.zeros((9, 9), np.uint8)
    >>> plane[:, 5:] = 200
    >>> ramp_share(plane)
    0.0
    >>> plane[:, 4] = 100
    >>> ramp_share(plane) > 0.3
    True
    """
    if min(plane.shape) < 3:
        return 0.0
    centre = plane[1:-1, 1:-1]
    ramp, border = np.zeros(centre.shape, bool), np.zeros(centre.shape, bool)
    beside = (plane[1:-1, :-2], plane[1:-1, 2:]), (plane[:-2, 1:-1], plane[2:, 1:-1])
    for before, after in beside:
        below, above = before < centre, before > centre
        ramp |= (below & (centre < after)) | (above & (centre > after))
        border |= below | above | (after != centre)
    edges = np.count_nonzero(border)
    return float(np.count_nonzero(ramp) / edges) if edges else 0.0


def patch_chances(ids: NDArray[np.uint8], patch: int) -> dict[int, float]:
    """Chance that a random square patch meets each class that the mask holds.

    Classes that cover a twentieth of the mask or more count as met. The others are looked up on
    a grid of 8 pixels, so that the chance is right to a few per cent.

    Parameters
    ----------
    ids : ndarray of uint8, shape (height, width)
        Class ids.
    patch : int
        The patch's side in pixels; a smaller mask is taken whole.

    Returns
    -------
    dict of int to float
        Class id to chance, for the ids in the mask.

    Examples
    --------
    >>> ids = np.zeros((256, 256), np.uint8)
    >>> ids[:4, :4] = 1
    >>> chances = patch_chances(ids, 128)
    >>> chances[0], chances[1] < 0.01
    (1.0, True)
    """
    counts = np.bincount(ids.ravel(), minlength=1)
    chances = {}
    for class_id in np.flatnonzero(counts).tolist():
        rare = counts[class_id] < _RARE * ids.size and min(ids.shape) > patch
        chances[class_id] = _chance(ids == class_id, patch) if rare else 1.0
    return chances


def _chance(region: NDArray[np.bool_], patch: int) -> float:
    """Slide the patch over the grid; prefix sums tell whether it meets the region."""
    height, width = region.shape
    rows, columns = -(-height // _GRID), -(-width // _GRID)
    padded = np.zeros((rows * _GRID, columns * _GRID), bool)
    padded[:height, :width] = region
    grid = padded.reshape(rows, _GRID, columns, _GRID).any(axis=(1, 3))
    sums = np.zeros((rows + 1, columns + 1), np.int32)
    sums[1:, 1:] = grid.cumsum(0).cumsum(1)
    side = max(1, round(patch / _GRID))
    down, across = min(side, rows), min(side, columns)
    inside = (
        sums[down:, across:] - sums[:-down, across:] - sums[down:, :-across]
        + sums[:-down, :-across]
    )  # fmt: skip
    return float((inside > 0).mean())

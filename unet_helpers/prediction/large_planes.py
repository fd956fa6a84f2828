"""One image out of an array of any number of axes, on disk or in memory, read part by part."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.samples import DataError

CHUNK_BYTES = 2**28
"""Most bytes that one chunk may take when it is decoded; a window needs one at least."""

ARRAY = "image"
"""What an array that comes from no file is called in messages."""


class PixelSize(NamedTuple):
    """Width and height of a pixel, and their unit as OME writes it."""

    x: float
    y: float
    unit: str = "µm"


def guessed_axes(shape: tuple[int, ...], channels: int) -> str:
    """Axes of an array that does not name them: a channel axis is as long as the model's.

    Examples
    --------
    >>> guessed_axes((50, 40), 1), guessed_axes((50, 40, 3), 3), guessed_axes((3, 50, 40), 3)
    ('YX', 'YXC', 'CYX')
    """
    if len(shape) == 3 and shape[-1] == channels:
        return "YXC"
    if len(shape) == 3 and shape[0] == channels:
        return "CYX"
    return ("?" * len(shape) + "YX")[2 : 2 + len(shape)]


@dataclasses.dataclass(frozen=True)
class Plane:
    """One image of height, width and channels within an array.

    Attributes
    ----------
    array : array-like
        Takes one integer or slice for each axis.
    axes : str
        A letter for each axis: Y, X, C where there are channels; others are held at one place.
    held : dict of int to int
        The place of each other axis.
    name : str
        For messages: the file.
    channels : int
        How many of the channels are read; an alpha behind them is not.
    turn : callable, optional
        Applied to what is read.
    pixel_size : PixelSize, optional
    """

    array: Any
    axes: str
    held: dict[int, int]
    name: str
    channels: int
    turn: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    pixel_size: PixelSize | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        down, right = (self.array.shape[self.axes.index(letter)] for letter in "YX")
        return int(down), int(right), self.channels

    @property
    def index(self) -> tuple[int | slice, ...]:
        """What picks the whole image out of the array."""
        return self._index(slice(None), slice(None))

    def _index(self, rows: slice, columns: slice) -> tuple[int | slice, ...]:
        parts = {"Y": rows, "X": columns, "C": slice(0, self.channels)}
        return tuple(parts.get(a, self.held.get(i, 0)) for i, a in enumerate(self.axes))

    def read(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Part of the image, shape (rows, columns, channels), in the array's own dtype."""
        part = np.asarray(self.array[self._index(rows, columns)])
        letters = [letter for letter in self.axes if letter in "YXC"]
        part = part.transpose([letters.index(a) for a in "YXC" if a in letters])
        part = part if part.ndim == 3 else part[..., None]
        return part if self.turn is None else self.turn(part)

    def bounds(self, letter: str) -> NDArray[np.int64] | None:
        """Where the chunks along Y or X begin and the last ends; None without chunks."""
        axis = self.axes.index(letter)
        chunks, length = getattr(self.array, "chunks", None), self.array.shape[axis]
        if not chunks or self.chunk_bytes > CHUNK_BYTES:
            return None
        one = chunks[axis]
        if isinstance(one, tuple):  # dask's chunks differ in length
            return np.cumsum((0, *one))
        return np.array([*range(0, length, one), length])

    @property
    def chunk_bytes(self) -> int:
        """Bytes that the largest chunk takes when it is decoded."""
        chunks = getattr(self.array, "chunks", None) or ()
        sides = [max(one) if isinstance(one, tuple) else one for one in chunks]
        return int(np.prod(sides, dtype=np.float64)) * self.array.dtype.itemsize


def chosen_plane(
    array: Any,
    axes: str,
    name: str,
    wanted: int,
    page: int | None = None,
    alpha: bool = False,
) -> Plane:
    """Find the image in an array, or tell why there is not just one.

    Parameters
    ----------
    array : array-like
        Has ``shape`` and ``dtype``, and slices.
    axes : str
        A letter for each axis.
    name : str
        For messages.
    wanted : int
        Channels that the model takes.
    page : int, optional
        The place on the one axis besides Y, X and C that is longer than 1.
    alpha : bool
        Whether the last channel is opacity, which no image in training has.

    Returns
    -------
    Plane

    Raises
    ------
    DataError
        If axes, channels or numbers are others than can be predicted.
    """
    shape = tuple(array.shape)
    told = f"axes {axes} of {' x '.join(map(str, shape))}"
    if any(axes.count(letter) != 1 for letter in "YX") or axes.count("C") > 1:
        raise DataError(f"{name}: the axes YX, YXC or CYX are expected, found {told}: convert it")
    if array.dtype.kind not in "biuf" or 0 in shape:
        raise DataError(
            f"{name}: pixels that are numbers are expected, found {array.dtype}, {told}: convert it"
        )
    held = _held(shape, axes, name, page, told)
    found = shape[axes.index("C")] - alpha if "C" in axes else 1
    if found != wanted:
        raise DataError(
            f"{name}: an image of {wanted} channels is expected, as in training, found {found} "
            f"({told}): convert it, or train on images of this kind"
        )
    return Plane(array, axes, held, name, wanted)


def _held(
    shape: tuple[int, ...], axes: str, name: str, page: int | None, told: str
) -> dict[int, int]:
    others = [i for i, (a, n) in enumerate(zip(axes, shape, strict=True)) if a not in "YXC"]
    long = [i for i in others if shape[i] > 1]
    if len(long) > 1 or (long and page is None):
        fix = "choose one with page=0" if len(long) == 1 else "save each image by itself"
        raise DataError(f"{name}: one image is expected, found a stack, {told}: {fix}")
    count = shape[long[0]] if long else 1
    if page is not None and not 0 <= page < count:
        raise DataError(
            f"{name}: page must be 0 to {count - 1}, found {page!r} ({told}): choose one of these"
        )
    return dict.fromkeys(long, page or 0)

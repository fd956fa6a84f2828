"""Where the tiles of an image lie, what the model is fed for each, and how they are put together.

A tile is the square that one run of the model adds to the result. The model is fed a window: the
tile with a halo around it, as wide as the receptive field needs. Windows lie on the pooling grid of
the whole image and never cross its border by more than the whole image's own padding does, so that
each pixel of a tile is computed from the very numbers it is computed from in the whole image.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.model.geometry import Sizes, halo, sizes


@dataclasses.dataclass(frozen=True)
class Span:
    """A tile along one axis, in pixels of the image.

    Attributes
    ----------
    start, stop : int
        The tile; `stop` is at most the image's length.
    fed, length : int
        Where the window starts, which may be before the image, and how long it is.
    skip : int
        Pixels of the window's output before the tile.
    """

    start: int
    stop: int
    fed: int
    length: int
    skip: int


def spans(
    length: int, tile: int | None, rule: Sizes, around: int, side: int | None = None
) -> list[Span]:
    """Cut one axis of an image into tiles.

    Parameters
    ----------
    length : int
        Of the image.
    tile : int or None
        Of a tile; rounded up to whole steps of the model. None for one tile, the whole image.
    rule : Sizes
        Which sizes the model takes.
    around : int
        The halo: whole steps.
    side : int, optional
        The one size that the model takes, if it was built for one.

    Returns
    -------
    list of Span
        All windows are of one length, so that the model is set up for one size.

    Raises
    ------
    ValueError
        If the one size leaves no room for a tile inside the halo.

    Examples
    --------
    >>> from unet_helpers.model.geometry import Sizes
    >>> for span in spans(100, 32, Sizes(step=4, least=4, margin=0), around=8):
    ...     print(span)
    Span(start=0, stop=32, fed=0, length=48, skip=0)
    Span(start=32, stop=64, fed=24, length=48, skip=8)
    Span(start=64, stop=96, fed=52, length=48, skip=12)
    Span(start=96, stop=100, fed=52, length=48, skip=44)
    """
    whole = max(rule.fitting(length), side or 0)
    core = whole if tile is None else -(-tile // rule.step) * rule.step
    if side is not None and whole > side:
        room = (side - 2 * rule.margin - 2 * around) // rule.step * rule.step
        if room < rule.step:
            raise ValueError(
                f"model must take windows of more than {side - room} pixels a side to predict "
                f"tiles of a larger image, found {side}: build it with input_size=(None, None, "
                "channels)"
            )
        core = min(core, room)
    window = side or min(rule.fitting(core + 2 * around), whole)
    cut = []
    for start in range(0, length, core):
        # At the image's end the window moves inwards, so that it ends where the whole image would.
        fed = start if rule.margin else max(0, min(start - around, whole - window))
        stop = min(start + core, length)
        cut.append(Span(start, stop, fed - rule.margin, window, start - fed))
    return cut


def mirrored(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Indices from `start` to `stop`, those outside the image mirrored at its borders.

    Examples
    --------
    >>> mirrored(-2, 7, 4).tolist()
    [1, 0, 0, 1, 2, 3, 3, 2, 1]
    """
    places = np.arange(start, stop) % (2 * length)
    return np.minimum(places, 2 * length - 1 - places)


class Source:
    """An image from which windows are read; of anything that slices like an array.

    Parameters
    ----------
    pixels : array-like with ``shape`` and slicing, shape (height, width, channels)
        In memory or on disk: only the rows and columns of one window are read at a time.
    """

    def __init__(self, pixels: Any) -> None:
        self.pixels = pixels
        self.height, self.width = pixels.shape[:2]

    def window(self, down: Span, right: Span) -> NDArray[np.generic]:
        """The pixels of a window, mirrored where it lies outside the image."""
        rows = mirrored(down.fed, down.fed + down.length, self.height)
        columns = mirrored(right.fed, right.fed + right.length, self.width)
        top, left = rows.min(), columns.min()
        part = np.asarray(self.pixels[top : rows.max() + 1, left : columns.max() + 1])
        return part[rows - top][:, columns - left]


@dataclasses.dataclass(frozen=True)
class Tile:
    """A tile's place in the image: its rows and its columns."""

    down: Span
    right: Span

    @property
    def place(self) -> tuple[slice, slice]:
        """The slices of the image."""
        return slice(self.down.start, self.down.stop), slice(self.right.start, self.right.stop)

    @property
    def inside(self) -> tuple[slice, slice]:
        """The slices of the window's output."""
        return (
            slice(self.down.skip, self.down.skip + self.down.stop - self.down.start),
            slice(self.right.skip, self.right.skip + self.right.stop - self.right.start),
        )


def tiles(model: keras.Model, height: int, width: int, tile: int | None) -> list[Tile]:
    """Cut an image into tiles, row by row.

    Parameters
    ----------
    model : keras.Model
    height, width : int
        Of the image.
    tile : int or None
        Pixels a side; None for the whole image in one.

    Returns
    -------
    list of Tile
    """
    around = 0 if tile is None else halo(model)
    return cut((height, width), tile, sizes(model), around, model.input_shape[1:3])


def cut(
    shape: tuple[int, int],
    tile: int | None,
    rule: Sizes,
    around: int,
    sides: tuple[int | None, int | None] = (None, None),
) -> list[Tile]:
    """Cut an image into tiles by what is known of a model; `tiles` finds that out by itself.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the image.
    tile, rule, around
        As for `spans`.
    sides : tuple
        The height and the width that the model takes, if it was built for one.

    Returns
    -------
    list of Tile
    """
    down, right = (
        spans(length, tile, rule, around, side) for length, side in zip(shape, sides, strict=True)
    )
    return [Tile(one, other) for one in down for other in right]


class Predictor(Protocol):
    """What runs on a batch: a Keras model, or an exported file."""

    def predict_on_batch(self, x: Any) -> Any:
        """Probabilities of windows, both of shape (batch, height, width, channels)."""


def predict_tiles(
    model: Predictor,
    source: Source,
    chosen: list[Tile],
    *,
    batch_size: int = 1,
    symmetries: int = 1,
) -> Iterator[tuple[Tile, NDArray[np.float32]]]:
    """Predict tiles, a few at a time.

    Parameters
    ----------
    model : keras.Model
    source : Source
        Pixels scaled as in training.
    chosen : list of Tile
        From `tiles`.
    batch_size : int
        Windows in one run of the model.
    symmetries : int
        Over how many ways to turn and mirror a window the probabilities are averaged, 1, 4 or 8.

    Yields
    ------
    tile : Tile
    probabilities : ndarray of float32, shape (rows, columns, outputs)
    """
    for first in range(0, len(chosen), batch_size):
        some = chosen[first : first + batch_size]
        windows = np.stack([source.window(tile.down, tile.right) for tile in some])
        made = _averaged(model, windows.astype(np.float32, copy=False), symmetries)
        for tile, output in zip(some, made, strict=True):
            yield tile, output[tile.inside]


def _averaged(
    model: Predictor, windows: NDArray[np.float32], symmetries: int
) -> NDArray[np.float32]:
    total = np.zeros((), np.float32)
    for number in range(symmetries):
        given = np.ascontiguousarray(_turn(windows, number))
        made = keras.ops.convert_to_numpy(_answer(model, given))
        total = total + _turn_back(made.astype(np.float32, copy=False), number)
    return np.asarray(total / np.float32(symmetries))


def _answer(model: Predictor, given: NDArray[np.float32]) -> Any:
    """Ask the model; with bilinear up-sampling, if need be in a new graph for this size alone.

    After the first size, Keras' graph leaves height or width open, and its bilinear up-sampling
    cannot always be built so with TensorFlow.
    """
    try:
        return model.predict_on_batch(given)
    except Exception:
        if "bilinear" not in getattr(model, "to_json", str)():
            raise
        model.make_predict_function(force=True)  # type: ignore[attr-defined]
        return model.predict_on_batch(given)


def _turn(batch: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """One of the eight ways to turn and mirror a square; the first four only mirror."""
    if number & 4:
        batch = batch.swapaxes(1, 2)
    return batch[:, :: -1 if number & 1 else 1, :: -1 if number & 2 else 1]


def _turn_back(batch: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    batch = batch[:, :: -1 if number & 1 else 1, :: -1 if number & 2 else 1]
    return batch.swapaxes(1, 2) if number & 4 else batch

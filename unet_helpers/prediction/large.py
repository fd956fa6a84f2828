"""Images larger than memory: predicted as they are read from a file and written to another."""

import contextlib
import dataclasses
import itertools
import math
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from unet_helpers import keras
from unet_helpers.prediction.large_files import Layout, Sink, check_target, replaced, sink_of
from unet_helpers.prediction.large_images import opened
from unet_helpers.prediction.large_pixels import Pixels
from unet_helpers.prediction.large_threads import Ahead, Behind
from unet_helpers.prediction.predict import _check_numbers, global_norm, to_mask, warn_of_global
from unet_helpers.prediction.tiles import Tile, predict_tiles, tiles

_LEAST = 256  # pixels a side of what is written in one piece
_STEP = 16  # sides of a TIFF's tiles are multiples of it


@dataclasses.dataclass(frozen=True)
class LargePrediction:
    """What `predict_large` has done.

    Attributes
    ----------
    path : Path
        The result.
    height, width : int
        Of the image, in pixels.
    tiles : int
        Runs of the model, if each is given one window and no symmetries are averaged.
    window : tuple of int
        Height and width of a window: a tile and the halo around it.
    seconds : float
        From opening the image to the whole result.
    chunks, chunks_decoded : int
        Of the image's file (0 if it has none), and how many were decoded, some of them again.
    """

    path: Path
    height: int
    width: int
    tiles: int
    window: tuple[int, int]
    seconds: float
    chunks: int = 0
    chunks_decoded: int = 0

    @property
    def pixels_fed(self) -> int:
        """Pixels of all windows, the halos included."""
        return self.tiles * self.window[0] * self.window[1]

    @property
    def halo_share(self) -> float:
        """Pixels fed for each pixel of the image: 1 without halos; it falls with larger tiles."""
        return self.pixels_fed / (self.height * self.width)


def predict_large(
    model: keras.Model,
    image: Any,
    out: str | Path,
    *,
    what: Literal["mask", "probabilities"] = "mask",
    dtype: Literal["float32", "float16"] = "float32",
    tile: int = 1024,
    batch_size: int = 1,
    threshold: float = 0.5,
    symmetries: int = 1,
    level: int = 0,
    series: int = 0,
    page: int | None = None,
    progress: bool = False,
    overwrite: bool = False,
) -> LargePrediction:
    """Predict an image of any size from disk to disk; memory goes with the tile, not the image.

    The result is what `predict` gives for the whole image. Tiles are read ahead of the model and
    written behind it. The file gets its name when it is whole: on an error, with Ctrl-C or on a
    full disk nothing is left, and what was there before still is.

    Parameters
    ----------
    model : keras.Model
        A U-Net, best built with ``input_size=(None, None, channels)``.
    image : path-like or array-like
        A TIFF, BigTIFF or OME-TIFF file; a folder that is a Zarr array (version 2 or 3) or an
        OME-Zarr group; or an array of dask, Zarr, HDF5 or NumPy, of height x width, height x width
        x channels or channels x height x width. Pixels are scaled as in training: 8 bits by 255,
        16 bits by 65535, floats from 0 to 1 as they are.
    out : path-like
        Ends with ``.zarr``: an array in chunks of the tile. Ends with ``.tif`` or ``.ome.tif``: an
        OME-TIFF, tiled, compressed, with a pyramid of every second pixel and the image's physical
        pixel size; beyond 4 GB a BigTIFF.
    what : {"mask", "probabilities"}
        Class ids as uint8, shape (height, width); or probabilities, shape (height, width, outputs),
        for ``.zarr`` only.
    dtype : {"float32", "float16"}
        Of probabilities; float16 halves the file and keeps three digits.
    tile : int
        Pixels a side of a tile, without the halo around it. Larger ones waste less on halos and
        take more memory; rounded up to whole steps of the model and to a multiple of 16.
    batch_size : int
        Tiles in one run of the model.
    threshold : float
        With one output, pixels above it become 1. With several, the likeliest class counts.
    symmetries : int
        As for `predict`: 1, 4 or 8.
    level : int
        Of a file's pyramid, 0 for the finest.
    series : int
        Which of several images of a file.
    page : int, optional
        Which plane of a stack.
    progress : bool
        Whether to show a bar that counts tiles.
    overwrite : bool
        Whether to replace what is there.

    Returns
    -------
    LargePrediction
        Where it is, how long it took, and the halo's share.

    Warns
    -----
    UserWarning
        If the model normalises by the whole image: then seams may show.

    Raises
    ------
    ValueError
        If an argument is out of range, or the image is damaged, no single image, or has other
        channels than the model takes (`DataError`).
    OSError
        If the result is there already, or the disk is full.

    Examples
    --------
    >>> import tempfile, tifffile
    >>> from unet_helpers import unet
    >>> model = unet((None, None, 1), filters=2, depth=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     image = Path(folder) / "slide.tif"
    ...     tifffile.imwrite(image, np.zeros((600, 400), np.uint8), tile=(256, 256))
    ...     done = predict_large(model, image, Path(folder) / "mask.ome.tif", tile=256)
    ...     tifffile.imread(done.path).shape, done.tiles, round(done.halo_share, 2)
    ((600, 400), 6, 1.85)
    """
    _check(what, dtype, tile, batch_size, symmetries, threshold)
    begun, target = time.perf_counter(), Path(out)
    source = Path(image) if isinstance(image, str | Path) else None
    check_target(target, what, overwrite, source)
    wanted, outputs = model.input_shape[-1], model.output_shape[-1]
    with opened(image, wanted, level=level, series=series, page=page) as plane:
        height, width, _ = plane.shape
        grid = Grid.of(model, height, width, tile)
        if len(grid.tiles) > 1:
            warn_of_global(global_norm(model))
        pixels = Pixels(plane, grid.window)
        is_mask = what == "mask"
        layout = Layout(
            (height, width) if is_mask else (height, width, outputs),
            grid.block,
            np.dtype(np.uint8 if is_mask else dtype),
            plane.pixel_size,
        )
        with replaced(target, overwrite) as path:
            sink = sink_of(path, layout, target.suffix.lower())
            settings = {"batch_size": batch_size, "symmetries": symmetries}
            stream = Stream(model, pixels, grid, layout, threshold)
            stream.run(sink, settings, progress)
    seconds = time.perf_counter() - begun
    counts = (pixels.chunks, pixels.decoded)
    return LargePrediction(target, height, width, len(grid.tiles), grid.window, seconds, *counts)


def _check(
    what: str, dtype: str, tile: int, batch_size: int, symmetries: int, threshold: float
) -> None:
    _check_numbers(tile, batch_size, symmetries)
    for name, value, allowed in (
        ("what", what, ("mask", "probabilities")),
        ("dtype", dtype, ("float32", "float16")),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be {' or '.join(allowed)}, found {value!r}: correct it")
    if tile is None:
        raise ValueError("tile must be a whole number of at least 1, found None: try 1024")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be 0 to 1, found {threshold!r}: try 0.5")


@dataclasses.dataclass(frozen=True)
class Grid:
    """Tiles in groups, each of which fills one block of the result; blocks come row by row."""

    block: tuple[int, int]
    groups: list[list[Tile]]

    @classmethod
    def of(cls, model: keras.Model, height: int, width: int, tile: int) -> "Grid":
        """Cut an image: a block is one tile, unless that is small or no multiple of 16."""
        cut = tiles(model, height, width, -(-tile // _STEP) * _STEP)
        first = cut[0]
        block = (
            _side(first.down.stop - first.down.start, height),
            _side(first.right.stop - first.right.start, width),
        )

        def spot(one: Tile) -> tuple[int, int]:
            return one.down.start // block[0], one.right.start // block[1]

        ordered = sorted(cut, key=spot)
        return cls(block, [list(some) for _, some in itertools.groupby(ordered, spot)])

    @property
    def tiles(self) -> list[Tile]:
        """All tiles, in the order of prediction."""
        return list(itertools.chain(*self.groups))

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of every window."""
        first = self.groups[0][0]
        return first.down.length, first.right.length


def _side(tile: int, length: int) -> int:
    """The smallest multiple of the tile that is one of 16 too and not tiny."""
    once = tile * (_STEP // math.gcd(_STEP, tile))
    side = once * -(-_LEAST // once)
    return min(side, -(-length // _STEP) * _STEP)


@dataclasses.dataclass(frozen=True)
class Stream:
    """Pixels through the model into blocks of the result."""

    model: keras.Model
    pixels: Pixels
    grid: Grid
    layout: Layout
    threshold: float

    def run(self, sink: Sink, settings: dict[str, int], progress: bool) -> None:
        """Predict everything, and wait until it is written."""
        chosen = self.grid.tiles
        with contextlib.ExitStack() as stack:
            behind = stack.enter_context(Behind[NDArray[Any]](sink))
            ahead = Ahead(self.pixels, chosen, settings["batch_size"] + 1)
            stack.enter_context(ahead)
            parts = predict_tiles(self.model, ahead, chosen, **settings)
            told = iter(tqdm(parts, "tiles", len(chosen), disable=not progress))
            for group in self.grid.groups:
                block = np.zeros((*self.layout.block, *self.layout.shape[2:]), self.layout.dtype)
                for _ in group:
                    tile, output = next(told)
                    block[self._within(tile)] = self._converted(output)
                behind.put(block)

    def _within(self, tile: Tile) -> tuple[slice, slice]:
        """Where a tile lies in its block."""
        down, right = (
            slice(span.start % side, span.start % side + span.stop - span.start)
            for span, side in zip((tile.down, tile.right), self.layout.block, strict=True)
        )
        return down, right

    def _converted(self, output: NDArray[np.float32]) -> NDArray[Any]:
        is_mask = len(self.layout.shape) == 2
        return to_mask(output, self.threshold) if is_mask else output.astype(self.layout.dtype)

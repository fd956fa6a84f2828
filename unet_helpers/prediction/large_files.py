"""Results larger than memory: a Zarr array, or an OME-TIFF with a pyramid, written piece by piece.

Both are written under a temporary name beside the target, which takes the target's name when it is
whole.
"""

import contextlib
import dataclasses
import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.prediction.large_planes import PixelSize
from unet_helpers.training.state_files import _sync_folder

Block = NDArray[Any]
Sink = Callable[[Iterator[Block], threading.Event], None]

TIFF_ENDINGS = (".tif", ".tiff")
SMALLEST = 512  # pixels of the longer side from which on a pyramid has no further level
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)
_CLASSIC = 0.98 * 2**32  # bytes that a TIFF may have whose offsets have 32 bits


@dataclasses.dataclass(frozen=True)
class Layout:
    """What is written, and in which pieces.

    Attributes
    ----------
    shape : tuple of int
        Height and width, and outputs where there are any.
    block : tuple of int
        Height and width of a piece, multiples of 16; they come row by row, each whole, whatever
        of it lies outside the image.
    dtype : dtype
    pixel_size : PixelSize or None
    """

    shape: tuple[int, ...]
    block: tuple[int, int]
    dtype: np.dtype[Any]
    pixel_size: PixelSize | None


def check_target(target: Path, what: str, overwrite: bool, image: Path | None) -> None:
    """Refuse a target before any work is done.

    Parameters
    ----------
    target : Path
    what : str
        ``"mask"`` or ``"probabilities"``.
    overwrite : bool
        Whether what is there may be replaced.
    image : Path or None
        The input, which never may.

    Raises
    ------
    ValueError
        If the name's ending does not fit.
    OSError
        If the folder is not there, or the target is.
    """
    ending = target.suffix.lower()
    if ending not in (".zarr", *TIFF_ENDINGS):
        raise ValueError(
            f"out must end with .zarr, .tif or .ome.tif, found {str(target)!r}: name it so"
        )
    if what == "probabilities" and ending != ".zarr":
        raise ValueError(
            f"out must end with .zarr for probabilities, found {str(target)!r}: name it so, or "
            'write a mask with what="mask"'
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"{target}: its folder must be there, found none: make {target.parent} first"
        )
    if image is not None and _is_within(image, target):
        raise FileExistsError(
            f"{target}: the result must not replace the image, found them in one place: choose "
            "another name"
        )
    _check_free(target, overwrite)


def _is_within(image: Path, target: Path) -> bool:
    place = target.resolve()
    return place == image.resolve() or place in image.resolve().parents


def _check_free(target: Path, overwrite: bool) -> None:
    if not overwrite and os.path.lexists(target):
        raise FileExistsError(
            f"{target}: the result must not be there yet, found one: choose another name, or "
            "replace it with overwrite=True"
        )


@contextlib.contextmanager
def replaced(target: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary name beside `target`, whose file or folder takes its place at the end.

    Parameters
    ----------
    target : Path
    overwrite : bool
        Whether what is there may be replaced.

    Yields
    ------
    Path
        If the body raises, what is there is removed, and the target is as it was.

    Raises
    ------
    OSError
        If the disk is full.
    """
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    _remove(unfinished)  # of a process of the same number that was killed
    try:
        yield unfinished
        _check_free(target, overwrite)
        _moved(unfinished, target)
    except OSError as error:
        if error.errno in _FULL:
            raise OSError(
                f"{target}: the result must fit on the disk, found it full ({error}): make room, "
                "or write to another disk"
            ) from error
        raise
    finally:
        _remove(unfinished)
    _sync_folder(target.parent)


def _moved(unfinished: Path, target: Path) -> None:
    """Move a file in one step; a folder, after what was there has been moved aside."""
    if not (unfinished.is_dir() or target.is_dir()) or not os.path.lexists(target):
        unfinished.replace(target)
        return
    aside = target.with_name(f".{target.name}.{os.getpid()}.old")
    target.rename(aside)
    try:
        unfinished.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sink_of(path: Path, layout: Layout, ending: str) -> Sink:
    """What writes blocks to `path`, by the ending of the final name.

    Parameters
    ----------
    path : Path
        The temporary name.
    layout : Layout
    ending : str
        ``".zarr"`` or a TIFF's.

    Returns
    -------
    callable
        Takes an iterator over blocks, row by row, and an event that tells it to stop early.
    """
    write = _write_zarr if ending == ".zarr" else _write_tiff
    return lambda blocks, stop: write(path, layout, blocks, stop)


# --- Zarr -----------------------------------------------------------------------------------------


def _write_zarr(path: Path, layout: Layout, blocks: Iterator[Block], stop: threading.Event) -> None:
    import zarr

    size = layout.pixel_size
    array = zarr.create_array(
        str(path),
        shape=layout.shape,
        chunks=(*layout.block, *layout.shape[2:]),
        dtype=layout.dtype,
        dimension_names=("y", "x", "output")[: len(layout.shape)],
        attributes={"pixel_size": size._asdict()} if size else {},
    )
    for (rows, columns), block in zip(_places(layout), blocks, strict=True):
        array[rows, columns] = block[: rows.stop - rows.start, : columns.stop - columns.start]


def _places(layout: Layout) -> Iterator[tuple[slice, slice]]:
    (height, width), (down, right) = layout.shape[:2], layout.block
    for top in range(0, height, down):
        for left in range(0, width, right):
            yield slice(top, min(top + down, height)), slice(left, min(left + right, width))


# --- TIFF -----------------------------------------------------------------------------------------


def _write_tiff(path: Path, layout: Layout, blocks: Iterator[Block], stop: threading.Event) -> None:
    from tifffile import TiffWriter

    shapes = _pyramid(layout.shape[:2])
    is_big = sum(height * width for height, width in shapes) > _CLASSIC
    settings = {
        "dtype": layout.dtype,
        "tile": layout.block,
        "compression": "zlib",
        "photometric": "minisblack",
        "maxworkers": 1,  # more would hold back as many blocks
    }
    with path.open("w+b") as file:
        with TiffWriter(file, bigtiff=is_big, ome=True) as writer:
            told = _ome(layout.pixel_size)
            levels = len(shapes) - 1
            writer.write(blocks, shape=shapes[0], subifds=levels, metadata=told, **settings)
            for number, shape in enumerate(shapes[1:]):
                made = _halved(path, number, stop)
                writer.write(made, shape=shape, subfiletype=1, metadata=None, **settings)
        file.flush()
        os.fsync(file.fileno())


def _pyramid(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Height and width of each level: half of the one before, rounded up."""
    shapes = [(shape[0], shape[1])]
    while max(shapes[-1]) > SMALLEST:
        shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
    return shapes


def _ome(size: PixelSize | None) -> dict[str, Any]:
    told: dict[str, Any] = {"axes": "YX"}
    if size:
        told |= {"PhysicalSizeX": size.x, "PhysicalSizeXUnit": size.unit}
        told |= {"PhysicalSizeY": size.y, "PhysicalSizeYUnit": size.unit}
    return told


def _halved(path: Path, level: int, stop: threading.Event) -> Iterator[Block]:
    """Tiles of the next level: every second row and column, since class ids have no average."""
    from tifffile import TiffFile

    with TiffFile(path) as file:  # what is being written; this level is whole
        first = file.pages[0]
        page = first if level == 0 else first.pages[level - 1]
        side = page.tilelength, page.tilewidth
        rows, columns = page.chunked[:2]
        for i in range(0, rows, 2):
            for j in range(0, columns, 2):
                if stop.is_set():
                    return
                made = np.zeros(side, page.dtype)
                for down, right in np.ndindex(min(2, rows - i), min(2, columns - j)):
                    number = (i + down) * columns + j + right
                    place = tuple(
                        slice(n * half // 2, (n + 1) * half // 2)
                        for n, half in zip((down, right), side, strict=True)
                    )
                    made[place] = _tile(file, page, number)[::2, ::2]
                yield made


def _tile(file: Any, page: Any, number: int) -> Block:
    file.filehandle.seek(page.dataoffsets[number])
    stored = file.filehandle.read(page.databytecounts[number])
    made: Block = page.decode(stored, number, _fullsize=True)[0].reshape(
        page.tilelength, page.tilewidth
    )
    return made

"""TIFF, BigTIFF and OME-TIFF with their pyramids, opened without reading the pixels."""

import contextlib
import dataclasses
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.limits import FileError, one_line
from unet_helpers.data.formats.tiffs import (
    _COMPRESSIONS,
    _DEFLATE,
    _JPEG,
    _ORIENTATION,
    _PALETTE,
    _WHITE_IS_ZERO,
    _jpeg_area,
    _opened,
    ends_early,
)
from unet_helpers.data.samples import DataError
from unet_helpers.prediction.large_planes import CHUNK_BYTES, PixelSize, Plane, chosen_plane

_HEAD = 4096  # bytes of a JPEG stream in which its size stands as a rule


@contextlib.contextmanager
def opened_tiff(
    path: Path, wanted: int, *, level: int = 0, series: int = 0, page: int | None = None
) -> Iterator[Plane]:
    """Open one image of a TIFF file and check that all its strips or tiles are there.

    Parameters
    ----------
    path : Path
    wanted : int
        Channels that the model takes.
    level : int
        Of the pyramid; 0 is the finest.
    series : int
        Which image of the file, as tifffile and Bio-Formats count them.
    page : int, optional
        Which plane of a stack.

    Yields
    ------
    Plane

    Raises
    ------
    DataError
        If the file is cut off or damaged, or of a kind that is not read.
    """
    with contextlib.ExitStack() as stack:
        with _told(path):
            if ends_early(path):
                raise _cut_off(path, "a page's tags lie beyond the end")
            file = stack.enter_context(_opened(path))
            plane = _plane(file, path, wanted, level, series, page)
        yield plane


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what tifffile raises about a damaged file into a sentence."""
    try:
        yield
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a damaged file can fail anywhere
        said = one_line(str(error) or type(error).__name__)
        raise FileError(
            *("unreadable", path, "a readable TIFF file", f"one that does not open ({said})"),
            "copy or download it again, or replace the file",
        ) from error


def _plane(file: Any, path: Path, wanted: int, level: int, series: int, page: int | None) -> Plane:
    images = file.series
    if not 0 <= series < len(images):
        raise _no_such(path, "series", len(images), series)
    levels = images[series].levels
    if not 0 <= level < len(levels):
        raise _no_such(path, "level", len(levels), level)
    chosen = levels[level]
    first = chosen.keyframe
    _check_kind(first, path)
    array = _mapped(file, path, chosen) or _zarr(chosen)
    axes = chosen.axes.replace("S", "C") if "C" not in chosen.axes else chosen.axes
    alpha = any(int(extra) in (1, 2) for extra in first.extrasamples)
    plane = chosen_plane(array, axes, str(path), wanted, page, alpha)
    if not isinstance(array, Mapped):
        _check_segments(chosen, plane, path)
    finest = levels[0]
    scale = tuple(finest.shape[finest.axes.index(a)] / plane.shape["YX".index(a)] for a in "YX")
    size = _pixel_size(file.ome_metadata, series, scale)
    return dataclasses.replace(plane, turn=_turn(first), pixel_size=size)


def _no_such(path: Path, what: str, count: int, found: int) -> DataError:
    return DataError(
        f"{path}: {what} must be 0 to {count - 1}, found {found!r}: choose one that is there"
    )


def _check_kind(page: Any, path: Path) -> None:
    """Refuse what training would read otherwise, or not at all."""
    tag = page.tags.get(_ORIENTATION)
    faults = (
        (page.dtype is None, f"samples of {page.bitspersample} bits", "save it in 8 or 16 bits"),
        (page.compression not in _COMPRESSIONS, f"the compression {page.compression}", _DEFLATE),
        (page.photometric == _PALETTE, "a palette of colours", "save it as RGB or grey"),
        (page.imagedepth != 1, f"a volume of depth {page.imagedepth}", "save slices as pages"),
        (tag is not None and tag.value != 1, "an image that is not upright", "turn and save it"),
    )
    for is_so, found, fix in faults:
        if is_so:
            what = "a TIFF file of a sort that is read here"
            raise FileError("unsupported", path, what, found, fix)
    held = math.prod(page.chunks) * page.dtype.itemsize
    if held > CHUNK_BYTES and not page.is_final:
        raise FileError(
            *("too-large", path, f"strips or tiles of at most {CHUNK_BYTES >> 20} MiB"),
            *(f"one of {held >> 20} MiB", "save it in tiles of 512 pixels a side"),
        )


def _turn(page: Any) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
    """Black as zero, under the conditions under which the small files' reader does it."""
    is_plain = page.dtype == bool and page.software == "tifffile.py"
    if page.photometric != _WHITE_IS_ZERO or is_plain or page.parent.is_imagej:
        return None
    if page.dtype.kind not in "bu":
        return None
    top = 2 ** min(page.bitspersample, 64) - 1
    return lambda part: ~part if part.dtype == bool else (top - part).astype(part.dtype)


# --- pixels ---------------------------------------------------------------------------------------


class Mapped:
    """Pixels that lie uncompressed in one piece: parts of it are mapped, and let go of at once."""

    def __init__(self, path: Path, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]):
        self.path, self.offset, self.dtype, self.shape = path, offset, dtype, shape

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        """A copy of a part."""
        whole = np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        return np.array(whole[index])


def _mapped(file: Any, path: Path, level: Any) -> Mapped | None:
    offset = level.dataoffset
    if offset is None or level.keyframe.parent is not file:  # an OME-TIFF may name other files
        return None
    dtype = np.dtype(level.dtype).newbyteorder(file.byteorder)
    needed = offset + math.prod(level.shape) * dtype.itemsize
    held = path.stat().st_size
    if needed > held:
        row = (held - offset) * level.shape[level.axes.index("Y")] // (needed - offset)
        raise _cut_off(path, f"{held} of {needed} bytes, up to about row {max(0, row)}")
    return Mapped(path, offset, dtype, level.shape)


def _zarr(level: Any) -> Any:
    import zarr

    # One worker: chunks are read in a thread of their own as it is.
    return zarr.open(level.aszarr(level=0, maxworkers=1), mode="r")


def _check_segments(level: Any, plane: Plane, path: Path) -> None:
    """All strips or tiles of the image must lie within the file; a sparse file may lack some."""
    page_axes = len(level.keyframe.axes)
    leading = level.shape[: len(level.shape) - page_axes]
    numbers = np.arange(math.prod(leading)).reshape(leading)
    for number in np.ravel(numbers[plane.index[: len(leading)]]):
        page = level.pages[int(number)]
        if page is None:
            raise _cut_off(path, f"no page {number}")
        offsets, counts = (np.array(n, np.int64) for n in (page.dataoffsets, page.databytecounts))
        if not len(offsets) or len(offsets) != len(counts) or not counts.any():
            raise _cut_off(path, f"no strips or tiles in page {number}")
        size = page.parent.filehandle.size
        beyond = np.flatnonzero((counts > 0) & ((offsets <= 0) | (offsets + counts > size)))
        if len(beyond):
            spot = _segment(level.keyframe, int(beyond[0]))
            raise _cut_off(path, f"{len(beyond)} of {len(counts)} strips or tiles, from {spot}")
        if level.keyframe.compression == _JPEG:
            _check_jpegs(level.keyframe, page.parent.filehandle, offsets, counts, path)


def _segment(page: Any, number: int) -> str:
    """Where a strip or tile lies in the image."""
    spot = np.unravel_index(number % math.prod(page.chunked), page.chunked)
    found = {}
    for letter, place, side in zip(page.axes, spot, page.chunks, strict=True):
        found[letter] = f"{place * side} to {(place + 1) * side}"
    return f"rows {found['Y']}, columns {found['X']}"


def _check_jpegs(page: Any, handle: Any, offsets: Any, counts: Any, path: Path) -> None:
    """A JPEG stream has a size of its own: it must not exceed that of its strip or tile."""
    area = max(math.prod(page.chunks) // page.samplesperpixel, 1)
    for number, (offset, count) in enumerate(zip(offsets.tolist(), counts.tolist(), strict=True)):
        if not count:
            continue
        handle.seek(offset)
        found = _jpeg_area(handle.read(min(count, _HEAD)))
        if not found and count > _HEAD:
            handle.seek(offset)
            found = _jpeg_area(handle.read(count))
        if found > area and found * page.samplesperpixel > 2**20:
            raise FileError(
                *("unreadable", path, "JPEG tiles of the size that the file tells"),
                f"a larger one at {_segment(page, number)}",
                "replace the file",
            )


def _cut_off(path: Path, found: str) -> FileError:
    return FileError(
        *("truncated", path, "a whole TIFF file", f"one that ends early ({found})"),
        "copy or download it again, or replace the file",
    )


def _pixel_size(text: str | None, series: int, scale: tuple[float, ...]) -> PixelSize | None:
    """The physical size of a pixel out of OME-XML; None where it is not told."""
    if not text:
        return None
    with contextlib.suppress(ElementTree.ParseError, IndexError, ValueError, TypeError):
        image = ElementTree.fromstring(text.encode()).findall("{*}Image")[series]
        told = image.find("{*}Pixels")
        found = {} if told is None else told.attrib
        x, y = float(found.get("PhysicalSizeX", 0)), float(found.get("PhysicalSizeY", 0))
        units = {found.get(f"PhysicalSize{axis}Unit", "µm") for axis in "XY"}
        if x > 0 and y > 0 and len(units) == 1:
            return PixelSize(x * scale[1], y * scale[0], units.pop())
    return None

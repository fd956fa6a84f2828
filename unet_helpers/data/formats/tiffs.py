"""TIFF of 1 to 64 bits, compressed, tiled or of many pages, through tifffile."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.limits import Decoded, EndsEarly, Unsupported, check_size

_ORIENTATION = 274
_WHITE_IS_ZERO, _RGB, _PALETTE, _MASK, _YCBCR = 0, 2, 3, 4, 6
_JPEG = 7
# None; CCITT (2 to 4); LZW; Deflate (two codes); PackBits; LZMA; Zstandard; JPEG. The decoders of
# the others believe the size fields inside their own data, whatever the file's tags say.
_COMPRESSIONS = (1, 2, 3, 4, 5, 8, 32946, 32773, 34925, 50000, _JPEG)
_DEFLATE = "save it again with the compression Deflate or LZW, or as PNG"


def decode_tiff(path: Path, size: int, page: int | None, count_only: bool = False) -> Decoded:
    """Decode one page; see `unet_helpers.data.formats.decode.decode`.

    Parameters
    ----------
    path : Path
        The file.
    size : int
        Its bytes.
    page : int, optional
        Number of the page; the first by default.
    count_only : bool
        Leave the pixels out.
    """
    if ends_early(path):
        raise EndsEarly("a page's tags lie beyond the end")
    with _opened(path) as file:
        pages = len(file.pages)
        if not pages:
            raise ValueError("no page in it")
        if not 0 <= (page or 0) < pages:
            raise Unsupported(f"{pages} pages and no page {page}", "choose one that is there")
        if count_only:
            return Decoded(np.empty((0, 0)), "tiff", "", pages=pages)
        chosen = file.pages[page or 0]
        _check_page(chosen, size)
        pixels = _arranged(chosen, chosen.asarray(maxworkers=1))
        return Decoded(
            pixels,
            "tiff",
            f"{_channels(chosen, pixels)} {pixels.dtype}",
            _palette(chosen),
            _orientation(chosen),
            pages,
            chosen.compression == _JPEG,
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from tifffile import TiffFile

    # Without a handler Python prints its log to stderr; whoever listens still hears it.
    log = logging.getLogger("tifffile")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    with TiffFile(path) as file:
        yield file


def _check_page(page: Any, size: int) -> None:
    """Refuse what is too large, cut off or of a sort unknown before pixels are allocated."""
    if page.dtype is None:
        raise Unsupported(f"samples of {page.bitspersample} bits", "save it in 8 or 16 bits")
    if page.compression not in _COMPRESSIONS:
        raise Unsupported(f"the compression {int(page.compression)}", _DEFLATE)
    if page.photometric not in range(_MASK + 1) and (page.photometric, page.compression) != (
        _YCBCR,
        _JPEG,
    ):
        raise Unsupported(f"the colour space {int(page.photometric)}", "save it as RGB or grey")
    if page.imagedepth != 1:
        raise Unsupported(f"a volume of depth {page.imagedepth}", "save each slice as a page")
    itemsize = page.dtype.itemsize
    check_size(math.prod(page.shaped) * itemsize, size)
    check_size(_segment_area(page) * page.samplesperpixel * itemsize, size)
    if 0 in page.shaped:
        raise ValueError("no pixels in it")
    _check_segments(page, size)


def _segment_area(page: Any) -> int:
    """Pixels of a tile, or of a strip."""
    if page.is_tiled:
        return int(page.tilelength) * int(page.tilewidth)
    return min(int(page.rowsperstrip), int(page.imagelength)) * int(page.imagewidth)


def _check_segments(page: Any, size: int) -> None:
    offsets, counts = page.dataoffsets, page.databytecounts
    needed = math.prod(page.chunked)
    if len(offsets) < needed or len(counts) < needed:
        raise EndsEarly(f"{min(len(offsets), len(counts))} of {needed} strips or tiles")
    if page.compression == 1 and page.nbytes > size and page.bitspersample >= 8:
        raise EndsEarly(f"{size} bytes for {page.nbytes} bytes of pixels")
    for offset, count in zip(offsets, counts, strict=False):
        if offset <= 0 or count <= 0 or offset + count > size:
            raise EndsEarly(f"a strip or tile at byte {offset} beyond the {size} bytes of file")
    if page.compression == _JPEG:
        _check_jpegs(page, offsets, counts)


def _check_jpegs(page: Any, offsets: Any, counts: Any) -> None:
    """A JPEG stream has a size of its own: it must not exceed that of its strip or tile."""
    handle = page.parent.filehandle
    area = (
        page.tilelength * page.tilewidth if page.is_tiled else page.rowsperstrip * page.imagewidth
    )
    for offset, count in zip(offsets, counts, strict=False):
        handle.seek(offset)
        found = _jpeg_area(handle.read(count))
        if found > max(area, 1) and found * page.samplesperpixel > 2**20:
            raise ValueError("a JPEG strip that is larger than the strip may be")


def _jpeg_area(stream: bytes) -> int:
    """Pixels by the frame header (SOF) of a JPEG stream, ITU-T T.81 section B.2.2."""
    largest, at = 0, 2
    while at + 9 <= len(stream) and stream[at] == 0xFF:
        marker, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = int.from_bytes(stream[at + 5 : at + 7], "big")
            largest = max(largest, height * int.from_bytes(stream[at + 7 : at + 9], "big"))
        if marker == 0xDA:
            break
        at += 2 + max(length, 2)
    return largest


def _arranged(page: Any, pixels: NDArray[Any]) -> NDArray[Any]:
    """Channels last; black as zero, except where white as zero is but a way of showing.

    ImageJ stores a mask's inside as 255 whatever its lookup table; if that is an inverting one,
    as *Create Mask* gives by default, it declares white to be zero and leaves the values alone.
    """
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, 2)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[2] <= 64):
        raise Unsupported(
            f"an array of shape {pixels.shape}", "save one grey, RGB or RGBA image in each page"
        )
    # tifffile (so scikit-image) marks its arrays of bool so, although they hold 1 for True.
    is_plain = pixels.dtype == bool and page.software == "tifffile.py"
    is_shown = page.parent.is_imagej  # told by the first page alone
    is_turned = page.photometric == _WHITE_IS_ZERO and not (is_plain or is_shown)
    if is_turned and pixels.dtype.kind in "bu":
        top = 1 if pixels.dtype == bool else 2 ** min(page.bitspersample, 64) - 1
        pixels = ~pixels if pixels.dtype == bool else (top - pixels).astype(pixels.dtype)
    return np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("="), copy=False))


def _channels(page: Any, pixels: NDArray[Any]) -> str:
    if page.photometric == _PALETTE:
        return "palette"
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    has_alpha = any(int(extra) in (1, 2) for extra in page.extrasamples)  # 0: one more band
    if page.photometric in (_RGB, _YCBCR) and samples in (3, 4):
        return "RGB" if samples == 3 else "RGBA" if has_alpha else "4 channels"
    if samples == 1:
        return "grey"
    return "grey and alpha" if samples == 2 and has_alpha else f"{samples} channels"


def _palette(page: Any) -> NDArray[np.uint8] | None:
    if page.photometric != _PALETTE or page.colormap is None:
        return None
    colours = np.asarray(page.colormap).reshape(3, -1).T
    # TIFF colours have 16 bits; some writers leave them at 8.
    return (colours >> 8 if colours.max(initial=0) > 255 else colours).astype(np.uint8)


def _orientation(page: Any) -> int:
    tag = page.tags.get(_ORIENTATION)
    value = tag.value if tag is not None else 1
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


def ends_early(path: Path) -> bool:
    """Whether the chain of pages (TIFF 6.0, section 2; BigTIFF) leads beyond the file's end.

    tifffile would pass over the pages that are cut off, as if they had never been.
    """
    data_size, seen = path.stat().st_size, set()
    with path.open("rb") as file:
        head = file.read(16)
        order: Any = "little" if head[:2] == b"II" else "big"
        is_big = int.from_bytes(head[2:4], order) == 43
        count, entry, link = (8, 20, 8) if is_big else (2, 12, 4)
        offset = int.from_bytes(head[8:16] if is_big else head[4:8], order)
        while offset and offset not in seen:
            seen.add(offset)
            file.seek(min(offset, data_size))
            entries = int.from_bytes(file.read(count), order)
            at_link = offset + count + entries * entry
            if at_link + link > data_size:
                return True
            file.seek(at_link)
            offset = int.from_bytes(file.read(link), order)
    return len(head) < 8

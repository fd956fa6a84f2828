"""PNG, JPEG, BMP, GIF and WebP, through Pillow."""

import io
import struct
import zlib
from typing import Any

import numpy as np

from unet_helpers.data.formats.limits import Decoded, Unsupported, check_size

PLUGINS = {
    "png": ("PngImagePlugin", "PngImageFile"),
    "jpeg": ("JpegImagePlugin", "JpegImageFile"),
    "bmp": ("BmpImagePlugin", "BmpImageFile"),
    "gif": ("GifImagePlugin", "GifImageFile"),
    "webp": ("WebPImagePlugin", "WebPImageFile"),
}
_BYTES = {"I": 4, "F": 4, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2, "L": 1, "P": 1, "1": 1}
_EXIF = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")


def decode_raster(data: bytes, kind: str, page: int, count_only: bool = False) -> Decoded:
    """Decode one page; see `unet_helpers.data.formats.decode.decode`."""
    if kind == "webp":
        width, height = _webp_size(data)
        check_size(width * height * 4, len(data))  # its decoder allocates when it is opened
    with _opened(data, kind) as file:
        check_size(file.size[0] * file.size[1] * _BYTES.get(file.mode, 4), len(data))
        pages = getattr(file, "n_frames", 1)
        if not 0 <= page < pages:
            raise Unsupported(f"{pages} pages and no page {page}", "choose one that is there")
        if count_only:
            return Decoded(np.empty((0, 0)), kind, file.mode, pages=pages)
        if page:
            file.seek(page)
        if kind == "png" and page == 0 and _is_deep_colour(data):
            pixels = _png16(data, file.size)
        else:
            if file.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
                file = file.convert("RGB")
            pixels = _native(np.asarray(file))
        if not pixels.size:
            raise ValueError("no pixels in it")
        palette = file.getpalette("RGB") if file.mode == "P" else None
        colours = np.array(palette, np.uint8).reshape(-1, 3) if palette else None
        turn = _orientation(file)
        return Decoded(pixels, kind, file.mode, colours, turn, pages, _is_lossy(data, kind))


def _opened(data: bytes, kind: str) -> Any:
    """Open with the one plugin that fits, past the limits of Pillow that are replaced by ours."""
    import importlib

    module, name = PLUGINS[kind]
    return getattr(importlib.import_module(f"PIL.{module}"), name)(io.BytesIO(data))


def _native(pixels: np.ndarray) -> np.ndarray:
    """Bytes in the machine's order, which `np.unique` and TensorFlow want."""
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _is_deep_colour(data: bytes) -> bool:
    """Whether a PNG holds 16 bits in several channels, which Pillow would cut down to 8."""
    return data[24] == 16 and data[25] in (2, 4, 6)


def _png16(data: bytes, size: tuple[int, int]) -> np.ndarray:
    from imagecodecs import png_decode

    # libpng prints what it finds damaged and goes on; so it is looked for here.
    channels = {2: 3, 4: 2, 6: 4}[data[25]]
    most = size[1] * (size[0] * channels * 2 + 1) + 1
    at, inflate, found = 8, zlib.decompressobj(), 0
    while at + 12 <= len(data) and (chunk := data[at + 4 : at + 8]) != b"IEND":
        length = int.from_bytes(data[at : at + 4], "big")
        body, check = data[at + 8 : at + 8 + length], data[at + 8 + length : at + 12 + length]
        if zlib.crc32(chunk + body).to_bytes(4, "big") != check:
            raise ValueError(f"a wrong checksum at byte {at}")
        if chunk == b"IDAT":
            found += len(inflate.decompress(body, most))
        at += 12 + length
    is_interlaced = data[28] == 1  # whose rows are more and shorter
    if not inflate.eof or inflate.unused_data or (found != most - 1 and not is_interlaced):
        raise ValueError("its compressed data do not fit its size")
    return np.asarray(png_decode(data))


def _orientation(file: Any) -> int:
    """Read the Exif orientation; damaged Exif data is as good as none, viewers pass over it."""
    if not any(key in file.info for key in _EXIF):
        return 1
    try:
        value = int(file.getexif().get(0x0112, 1))
    except Exception:
        return 1
    return value if 1 <= value <= 8 else 1


def _is_lossy(data: bytes, kind: str) -> bool:
    """JPEG is; a WebP is if its first picture lies in a chunk "VP8 " and not "VP8L"."""
    lossy, lossless = data.find(b"VP8 "), data.find(b"VP8L")
    return kind == "jpeg" or (kind == "webp" and lossy >= 0 and not 0 <= lossless < lossy)


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height in the header; RFC 9649, sections 2.5 to 2.7."""
    chunk, body = data[12:16], data[20:]
    if chunk == b"VP8X":
        width = int.from_bytes(body[4:7], "little") + 1
        return width, int.from_bytes(body[7:10], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("no picture in the first chunk")


def ends_early(data: bytes, kind: str) -> bool:
    """Whether a file that begins rightly lacks its end."""
    if kind == "png":
        return not _has_last_chunk(data)
    if kind == "jpeg":
        return b"\xff\xd9" not in data[-1024:]
    if kind == "gif":
        return not data.rstrip(b"\0").endswith(b";")
    if kind == "webp":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    return len(data) < max(int.from_bytes(data[2:6], "little"), 54)  # bmp


def _has_last_chunk(data: bytes) -> bool:
    """Walk over a PNG's chunks, by their lengths, to the last one."""
    at = 8
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return False

"""NumPy files, ``.npy`` and ``.npz``, without pickle and within the limits of size."""

import io
import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.limits import (
    MAX_BYTES,
    Decoded,
    EndsEarly,
    TooLarge,
    Unsupported,
    check_size,
)

_CHANNELS = (1, 2, 3, 4)
_FIX = "save arrays of shape (height, width) or (height, width, 3)"


def decode_array(
    path: Path, kind: str, size: int, page: int | None, key: str | None, count_only: bool = False
) -> Decoded:
    """Decode an array or one page of it; see `unet_helpers.data.formats.decode.decode`.

    Parameters
    ----------
    path : Path
        The file.
    kind : {"npy", "npz"}
        Its format.
    size : int
        Its bytes.
    page : int, optional
        Number of the page.
    key : str, optional
        Name of the array in an ``.npz``.
    count_only : bool
        Leave the pixels out.
    """
    with path.open("rb") as file:
        if kind == "npz":
            array = _read_member(file, size, key)
        else:
            _check_header(file, size)
            array = np.lib.format.open_memmap(path, mode="r")  # a page may be all that is wanted
    pixels, pages = _one_page(array, 0 if count_only else page)
    if count_only:
        return Decoded(np.empty((0, 0)), kind, "", pages=pages)
    pixels = np.array(pixels, pixels.dtype.newbyteorder("="), order="C", subok=False)
    channels = "grey" if pixels.ndim == 2 else f"{pixels.shape[2]} channels"
    return Decoded(pixels, kind, f"{channels} {pixels.dtype}", pages=pages)


def _check_header(file: BinaryIO, size: int) -> None:
    """Refuse a header that claims more than the `size` bytes there are."""
    form = np.lib.format
    version = form.read_magic(file)
    readers = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
    if version not in readers:
        raise Unsupported(f"version {version} of the format", "save it again with numpy.save")
    shape, _, dtype = readers[version](file)
    if dtype.hasobject or dtype.kind not in "buif":
        raise Unsupported(f"an array of {dtype}", "save whole numbers or floats")
    if any(length < 1 for length in shape):
        raise ValueError(f"no pixels in an array of shape {shape}")
    claimed, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if claimed > MAX_BYTES:
        check_size(claimed, size)
    if claimed > there:
        raise EndsEarly(f"{there} bytes for the {claimed} of shape {shape}")


def _read_member(file: BinaryIO, size: int, key: str | None) -> NDArray[Any]:
    with zipfile.ZipFile(file) as archive:
        names = {name.removesuffix(".npy"): name for name in archive.namelist()}
        if key is None and len(names) == 1:
            key = next(iter(names))
        if key not in names:
            what = f"{len(names)} arrays" if key is None else f"no array {key!r}"
            listed = ", ".join(map(repr, list(names)[:6])) or "nothing"
            raise Unsupported(f"{what} among {listed}", "name one as image_key or mask_key")
        info = archive.getinfo(names[key])
        if info.file_size > MAX_BYTES + 4096:
            raise TooLarge(f"an array of {info.file_size} bytes")
        check_size(info.file_size, info.compress_size)
        with archive.open(info) as member:
            data = member.read()  # never more than file_size, and checked by its CRC
    file = io.BytesIO(data)
    _check_header(file, len(data))
    file.seek(0)
    return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _one_page(array: NDArray[Any], page: int | None) -> tuple[NDArray[Any], int]:
    """Tell pages from channels by the shape, and cut out one page."""
    pages = 1
    is_stack = array.ndim == 3 and array.shape[2] not in _CHANNELS
    if is_stack and page is None and array.shape[0] in _CHANNELS:
        is_stack = False  # channels first
    if is_stack or array.ndim == 4:
        pages = len(array)
    if not 0 <= (page or 0) < pages:
        raise Unsupported(f"{pages} pages and no page {page}", "choose one that is there")
    if is_stack or array.ndim == 4:
        array = array[page or 0]
    if array.ndim == 3 and array.shape[2] not in _CHANNELS and array.shape[0] in _CHANNELS:
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in _CHANNELS):
        raise Unsupported(f"an array of shape {array.shape}", _FIX)
    return array, pages


def lacks_directory(path: Path) -> bool:
    """Whether a zip archive lacks the directory at its end, as when a copy was cut off."""
    return not zipfile.is_zipfile(path)

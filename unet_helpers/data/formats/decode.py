"""From a file to its pixels: formats are told apart by their content, and limits hold for all."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats import arrayfiles, rasters, tiffs
from unet_helpers.data.formats.limits import (
    MAX_BYTES,
    Decoded,
    EndsEarly,
    FileError,
    TooLarge,
    Unsupported,
    quiet,
)

__all__ = ["SUFFIXES", "Decoded", "FileError", "Pages", "count_pages", "decode", "read_pixels"]

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"),
    *(".tif", ".tiff", ".npy", ".npz"),
)
"""File names that are taken for images and masks, in any case."""

Pages = int | Literal["stack", "channels"] | None

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"BM", "bmp"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\x93NUMPY", "npy"),
    (b"PK", "npz"),
)


def decode(path: Path, *, page: int | None = None, key: str | None = None) -> Decoded:
    """Decode a file to its stored pixels, and tell what else is known of it.

    Nothing is applied: palette indices stay indices, alpha stays a channel, the Exif orientation
    is told and not carried out. Only TIFF files of white-is-zero are turned to the usual sense,
    except ImageJ's, whose values have that sense already.

    Parameters
    ----------
    path : Path
        A PNG, JPEG, BMP, GIF, WebP, TIFF, ``.npy`` or ``.npz`` file.
    page : int, optional
        The page to decode, from 0; the first by default (``pages`` tells how many there are). A
        ``.npy`` array of shape (n, height, width) has n pages, unless n is 1, 3 or 4, which
        is taken for channels if no page is named.
    key : str, optional
        The array's name in an ``.npz`` file, needed where there are several.

    Returns
    -------
    Decoded

    Raises
    ------
    FileError
        If the file cannot be read; its ``kind`` says why.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.npy"
    >>> np.save(path, np.eye(3, 4, dtype=np.uint8))
    >>> found = decode(path)
    >>> found.kind, found.mode, found.pages, found.pixels.shape
    ('npy', 'grey uint8', 1, (3, 4))
    """
    return _guarded(Path(path), page, key)


def count_pages(path: Path, *, key: str | None = None) -> int:
    """Count a file's pages without decoding them where the format allows it.

    Parameters
    ----------
    path : Path
        The file.
    key : str, optional
        The array's name in an ``.npz`` file.

    Returns
    -------
    int
        1 or more; the first axis of a ``.npy`` array of three axes whose last is above 4.

    Raises
    ------
    FileError
        If the file cannot be read.
    """
    return _guarded(Path(path), None, key, count_only=True).pages


def read_pixels(path: Path, *, pages: Pages = None, key: str | None = None) -> NDArray[Any]:
    """Read a file of one page the right way up.

    Parameters
    ----------
    path : Path
        The file.
    pages : int or "channels", optional
        For files of several pages: the page to take, or all pages as the channels of one image.
    key : str, optional
        The array's name in an ``.npz`` file.

    Returns
    -------
    ndarray of bool, integer or float, shape (height, width) or (height, width, channels)
        In the file's own depth, turned as viewers show it; the indices of a palette file.

    Raises
    ------
    FileError
        If the file cannot be read, or has several pages and `pages` does not say which.
    """
    return oriented(decode_one(path, pages=pages, key=key))


def decode_one(path: Path, *, pages: Pages = None, key: str | None = None) -> Decoded:
    """Like `decode`, for a file that is to give one image; `pages` as in `read_pixels`."""
    if pages == "channels":
        planes = [decode(path, key=key)]
        count = planes[0].pages
        if count > 4:
            raise FileError(
                *("unsupported", path, "at most 4 pages for pages='channels'", f"{count} pages"),
                "read it as a stack with pages='stack', or choose one with pages=0",
            )
        planes += [decode(path, page=i, key=key) for i in range(1, count)]
        return planes[0] if count == 1 else _stacked(path, planes)
    found = decode(path, page=pages if isinstance(pages, int) else None, key=key)
    if found.pages > 1 and not isinstance(pages, int):
        shape = " x ".join(map(str, found.pixels.shape[:2]))
        raise FileError(
            *("unsupported", path, "one page", f"{found.pages} pages of {shape}"),
            "choose one with pages=0, take each as a sample with pages='stack', or all as the "
            "channels of one image with pages='channels'",
        )
    return found


def _stacked(path: Path, planes: list[Decoded]) -> Decoded:
    if any(
        plane.pixels.ndim != 2 or plane.pixels.shape != planes[0].pixels.shape for plane in planes
    ):
        shapes = ", ".join(str(plane.pixels.shape) for plane in planes)
        raise FileError(
            *("unsupported", path, "grey pages of one size for pages='channels'", shapes),
            "choose a page with pages=0",
        )
    first = planes[0]
    pixels = np.stack([plane.pixels for plane in planes], axis=2)
    mode = f"{len(planes)} pages {pixels.dtype}"
    return Decoded(pixels, first.kind, mode, None, first.orientation, 1, first.lossy)


def oriented(found: Decoded, pixels: NDArray[Any] | None = None) -> NDArray[Any]:
    """Turn pixels the way the Exif orientation asks for, as viewers and annotation tools do.

    Parameters
    ----------
    found : Decoded
        Its ``orientation`` is used.
    pixels : ndarray, optional
        What to turn; ``found.pixels`` by default.

    Returns
    -------
    ndarray
        Rotated or mirrored; rows and columns change places for orientations 5 to 8.

    Notes
    -----
    The eight values are defined in the Exif standard, CIPA DC-008, tag 0112.
    """
    array = found.pixels if pixels is None else pixels
    if found.orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    # After the transposition what is left to do is a flip of rows, of columns, or of both.
    if found.orientation in (3, 4, 7, 8):
        array = array[::-1]
    if found.orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def _guarded(path: Path, page: int | None, key: str | None, count_only: bool = False) -> Decoded:
    """Decode; whatever goes wrong becomes a `FileError` of one kind."""
    name = path.suffix[1:].upper() or "image"
    size, kind = 0, ""
    try:
        size = path.stat().st_size
        if size == 0:
            raise FileError(
                *("empty-file", path, f"a readable {name} file", "an empty one (0 bytes)"),
                "it does not decode, replace the file",
            )
        with quiet():
            with path.open("rb") as file:
                kind = sniff(file.read(16))
            return _dispatch(path, kind, size, page, key, count_only)
    except FileError:
        raise
    except Unsupported as error:
        what = f"a {name} file of a sort that is read here"
        raise FileError("unsupported", path, what, str(error), error.fix) from error
    except (TooLarge, MemoryError) as error:
        if not (isinstance(error, TooLarge) and size <= MAX_BYTES and _ends_early(path, kind)):
            what, found = f"a {name} file of a usual size", str(error) or "too little memory"
            fix = "check the file, or cut it into parts"
            raise FileError("too-large", path, what, found, fix) from error
        raise _broken(path, name, kind, error, early=True) from error
    except Exception as error:  # decoders raise many kinds; the learner needs one sentence
        early = isinstance(error, EndsEarly) or (size <= MAX_BYTES and _ends_early(path, kind))
        raise _broken(path, name, kind, error, early) from error


def _broken(path: Path, name: str, kind: str, error: Exception, early: bool) -> FileError:
    said = str(error) or type(error).__name__
    if early:
        return FileError(
            *("truncated", path, f"a readable {name} file"),
            f"one that does not decode because it ends early ({said})",
            "copy or download it again, or replace the file",
        )
    if not kind:
        said = "its first bytes are those of no known format"
    return FileError(
        *("unreadable", path, f"a readable {name} file"),
        f"one that does not decode ({said})",
        "replace the file",
    )


def sniff(head: bytes) -> str:
    """Name a format by a file's first 16 bytes; "" if it is none that is read here.

    Examples
    --------
    >>> sniff(b"BM......"), sniff(b"hello")
    ('bmp', '')
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), "")


def _dispatch(
    path: Path, kind: str, size: int, page: int | None, key: str | None, count_only: bool
) -> Decoded:
    if kind == "tiff":
        return tiffs.decode_tiff(path, size, page, count_only)
    if kind in ("npy", "npz"):
        return arrayfiles.decode_array(path, kind, size, page, key, count_only)
    if not kind:
        raise ValueError("no known format")
    if size > MAX_BYTES:
        raise TooLarge(f"a file of {size} bytes")
    return rasters.decode_raster(path.read_bytes(), kind, page or 0, count_only)


def _ends_early(path: Path, kind: str) -> bool:
    if kind in rasters.PLUGINS:
        return rasters.ends_early(path.read_bytes(), kind)
    if kind == "tiff":
        return tiffs.ends_early(path)
    return kind == "npz" and arrayfiles.lacks_directory(path)

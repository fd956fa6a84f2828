"""What every decoder shares: the record of a decoded file, its errors, and limits of size."""

import dataclasses
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.samples import DataError

Kind = Literal["empty-file", "truncated", "unreadable", "too-large", "unsupported"]

MAX_BYTES = 2**30
"""Most bytes that one file's pixels may take: 32768 x 32768 in 8 bit grey."""

FREE_BYTES = 2**26
"""Up to here any file may claim its size; beyond, its bytes must make the claim credible."""

MAX_RATIO = 2000
"""Most bytes of pixels for one byte of file; deflate and LZW cannot give more."""


class FileError(DataError):
    """A file that cannot be read.

    Attributes
    ----------
    kind : str
        ``"empty-file"``; ``"truncated"``: it begins well and ends early; ``"unreadable"``: damaged
        or something else; ``"too-large"``: it claims more pixels than the limit;
        ``"unsupported"``: sound, but of a sort that is not read here.
    path : Path
        The file.
    """

    def __init__(self, kind: Kind, path: Path, expected: str, found: str, fix: str) -> None:
        super().__init__(f"{path}: {expected} is expected, found {one_line(found)}: {fix}")
        self.kind: Kind = kind
        self.path = path


class TooLarge(Exception):
    """Raised by a decoder: the claimed size is above the limit."""


class Unsupported(Exception):
    """Raised by a decoder: what was found, and what to do."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found)
        self.fix = fix


class EndsEarly(Exception):
    """Raised by a decoder: the file is shorter than it says."""


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A file's pixels as they are stored: no rule, rotation or palette is applied.

    Attributes
    ----------
    pixels : ndarray of bool, integer or float, shape (height, width) or (height, width, channels)
        In the file's own depth; 2 to 4 channels; palette files give indices.
    kind : str
        The format by its content, whatever the name says: ``png``, ``jpeg``, ``bmp``, ``gif``,
        ``webp``, ``tiff``, ``npy`` or ``npz``.
    mode : str
        Pillow's word for the channels (``1 L LA P RGB RGBA I;16 CMYK ...``); for TIFF and arrays
        ``grey``, ``palette``, ``grey and alpha``, ``RGB``, ``RGBA`` or ``5 channels`` and the
        dtype, as in ``grey uint16``.
    palette : ndarray of uint8 or None, shape (entries, 3)
        RGB of each index.
    orientation : int
        The Exif tag, 1 (as stored) to 8; see `oriented`.
    pages : int
        How many pages, frames or slices the file holds.
    lossy : bool
        Whether the compression changes values (JPEG, lossy WebP), which ruins a mask.
    """

    pixels: NDArray[Any]
    kind: str
    mode: str
    palette: NDArray[np.uint8] | None = None
    orientation: int = 1
    pages: int = 1
    lossy: bool = False

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is opacity."""
        return self.mode.startswith(("LA", "La", "PA", "RGBA", "RGBa", "grey and alpha"))


def one_line(text: str) -> str:
    """Keep a decoder's words to one short line."""
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:157] + "..."


def check_size(size: int, of_file: int) -> None:
    """Refuse a claimed size before anything is allocated.

    Parameters
    ----------
    size : int
        Bytes that the pixels would take.
    of_file : int
        Bytes of the file that they would come from.

    Raises
    ------
    TooLarge
        Above `MAX_BYTES`, or above `FREE_BYTES` and `MAX_RATIO` times the file.

    Examples
    --------
    >>> check_size(10_000, of_file=100)
    >>> check_size(2**31, of_file=2**31)
    Traceback (most recent call last):
    unet_helpers.data.formats.limits.TooLarge: 2.0 GiB of pixels, above the limit of 1.0 GiB
    """
    if size > MAX_BYTES:
        raise TooLarge(f"{_size(size)} of pixels, above the limit of {_size(MAX_BYTES)}")
    if size > FREE_BYTES and size > MAX_RATIO * of_file:
        raise TooLarge(f"{_size(size)} of pixels claimed by {_size(of_file)} of file")


def _size(number: int) -> str:
    exact = float(number)
    for unit in ("B", "KiB", "MiB"):
        if exact < 1024:
            return f"{exact:.4g} {unit}"
        exact /= 1024
    return f"{exact:.1f} GiB"


_lock = threading.Lock()
_inside = 0
_saved: Any = None


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the decoders' warnings: what matters is raised, the rest is noise to a learner.

    Threads may overlap: the filters are changed by the first in and restored by the last out,
    where ``warnings.catch_warnings`` alone would leave another thread's filters behind.
    """
    global _inside, _saved
    with _lock:
        if _inside == 0:
            _saved = warnings.catch_warnings()
            _saved.__enter__()
            warnings.simplefilter("ignore")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _saved.__exit__(None, None, None)

"""The values or colours of a mask file, before any rule says what they mean."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.decode import Decoded, oriented
from unet_helpers.data.formats.images import coloured, without_alpha
from unet_helpers.data.samples import DataError

Colour = tuple[int, int, int]


def mask_plane(found: Decoded, path: Path) -> NDArray[Any]:
    """The values of a decoded mask, before any rule.

    Palette files give their indices, except GIF, whose writers renumber palettes as they like:
    there the colours count. Alpha is left out, and three equal channels are one grey one.

    Returns
    -------
    ndarray of integers, shape (height, width), or uint8, shape (height, width, 3)
        Grey values, or colours.

    Raises
    ------
    DataError
        If values are not whole numbers.
    """
    pixels = coloured(found) if found.kind == "gif" else found.pixels
    plane = oriented(found, without_alpha(found, pixels))
    if plane.ndim == 3 and all((plane[..., i] == plane[..., 0]).all() for i in (1, -1)):
        plane = plane[..., 0]
    if plane.dtype.kind == "f":
        plane = _whole(plane, path)
    if plane.dtype == bool:
        return plane.astype(np.uint8)
    if plane.ndim == 3 and (plane.shape[2] != 3 or plane.dtype != np.uint8):
        raise DataError(
            f"{path}: a mask must have one channel of whole numbers or colours of 8 bits, found "
            f"{plane.shape[2]} channels of {plane.dtype}: save it as a grey image of class ids"
        )
    return plane


def _whole(plane: NDArray[Any], path: Path) -> NDArray[np.int64]:
    exact = plane.astype(np.float64)
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(exact) & (exact == np.rint(exact)) & (np.abs(exact) < 2**53)
    if not whole.all():
        odd = ", ".join(f"{value:g}" for value in np.unique(plane[~whole])[:4].tolist())
        raise DataError(
            f"{path}: a mask must hold whole numbers, found dtype {plane.dtype} with values such "
            f"as {odd} in {int((~whole).sum())} pixels: save it as class ids, without smoothing "
            "(nearest neighbour)"
        )
    return plane.astype(np.int64)


def packed(plane: NDArray[Any]) -> NDArray[np.int64]:
    """One number for each colour, red times 65536 and so on; grey values are colours, too."""
    if plane.ndim == 2:
        return plane.astype(np.int64) * 0x010101
    return plane.astype(np.int64) @ np.array([65536, 256, 1])


def unpacked(number: int) -> Colour:
    """The colour that `packed` made into a number.

    Examples
    --------
    >>> unpacked(65536 * 255 + 128)
    (255, 0, 128)
    """
    return number >> 16, number >> 8 & 255, number & 255

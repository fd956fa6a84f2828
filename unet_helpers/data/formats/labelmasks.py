"""Masks inside LabelMe files: a PNG as text, in a box of the image."""

import base64
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.decode import sniff
from unet_helpers.data.formats.jsonfiles import unfit
from unet_helpers.data.formats.limits import quiet
from unet_helpers.data.formats.rasters import decode_raster

_EXPECTED = "a mask that is a PNG image in base64, as large as the box of its two points"


class BoxedMask(NamedTuple):
    """A mask that is not decoded yet.

    Attributes
    ----------
    data : bytes
        The PNG file.
    left, top : int
        The pixel of the image where its first pixel lies.
    width, height : int
        Its size.
    """

    data: bytes
    left: int
    top: int
    width: int
    height: int


def boxed_mask(text: Any, corners: list[tuple[float, float]], path: Path, where: str) -> BoxedMask:
    """Check a mask by its first bytes; its pixels are left for `mask_pixels`.

    Parameters
    ----------
    text : Any
        The field ``mask``: a PNG in base64.
    corners : list of tuple of float
        Its first and its last pixel as ``(x, y)``, both within the mask.
    path, where
        The file and the place in it, for messages.

    Returns
    -------
    BoxedMask

    Raises
    ------
    DataError
        If the text is no PNG, or the PNG says that it is of another size than the box.
    """
    (x, y), (last_x, last_y) = corners
    # Corners are whole until a mask is moved, which moves both by the same fraction.
    left, top = int(np.floor(x + 1e-6)), int(np.floor(y + 1e-6))
    width, height = round(last_x - x) + 1, round(last_y - y) + 1
    try:
        data = base64.b64decode(text)
    except (TypeError, ValueError) as error:
        raise unfit(path, where, _EXPECTED, text) from error
    size = tuple(int.from_bytes(data[at : at + 4], "big") for at in (16, 20))  # of chunk IHDR
    if sniff(data[:16]) != "png" or size != (width, height):
        raise unfit(path, where, f"{_EXPECTED} ({width} x {height})", text)
    return BoxedMask(data, left, top, width, height)


def mask_pixels(boxed: BoxedMask, size: tuple[int, int], path: Path, where: str) -> NDArray[Any]:
    """Decode a mask.

    Parameters
    ----------
    boxed : BoxedMask
        The mask.
    size : tuple of int
        Height and width of the image, which no mask can exceed.
    path, where
        The file and the place in it, for messages.

    Returns
    -------
    ndarray of bool, shape (height, width)
        True where the object is.

    Raises
    ------
    DataError
        If the PNG is damaged, holds colours, or is larger than the image.
    """
    if boxed.height > size[0] or boxed.width > size[1]:
        found = f"{boxed.height} x {boxed.width}"
        raise unfit(path, where, f"a mask within the image of {size[0]} x {size[1]}", found)
    try:
        with quiet():
            pixels = decode_raster(boxed.data, "png", 0).pixels
    except Exception as error:  # as in `decode`: decoders raise many kinds
        raise unfit(path, where, "a mask that decodes", str(error)) from error
    if pixels.shape != (boxed.height, boxed.width):
        raise unfit(path, where, "a mask of one channel", f"one of shape {pixels.shape}")
    return pixels != 0

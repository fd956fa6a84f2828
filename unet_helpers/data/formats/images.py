"""From decoded pixels to an image as `Samples` keep it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.decode import Decoded, oriented
from unet_helpers.data.samples import DataError

Range = tuple[float, float] | None
_SLACK = 1e-4  # what rounding adds to floats from 0 to 1


def without_alpha(found: Decoded, pixels: NDArray[Any]) -> NDArray[Any]:
    """Leave out the opacity, if there is one, and an axis of length 1."""
    if found.has_alpha and pixels.ndim == 3:
        pixels = pixels[..., :-1]
    return pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels


def coloured(found: Decoded) -> NDArray[Any]:
    """Look a palette's colours up; grey if all that are used are grey.

    Returns
    -------
    ndarray of uint8, shape (height, width) or (height, width, 3)
        ``found.pixels`` unchanged if there is no palette.
    """
    if found.palette is None or found.pixels.ndim != 2:
        return found.pixels
    colours = np.zeros((max(256, int(found.pixels.max()) + 1), 3), np.uint8)
    colours[: len(found.palette)] = found.palette
    used = colours[np.unique(found.pixels)]
    if (used == used[:, :1]).all():
        return colours[found.pixels, 0]
    return colours[found.pixels]


def image_array(found: Decoded, path: Path, image_range: Range = None) -> NDArray[Any]:
    """Make an image out of a decoded file: the right way up, in colours, without alpha.

    Parameters
    ----------
    found : Decoded
        The file.
    path : Path
        Its name, for messages.
    image_range : tuple of two float, optional
        The values that become 0 and 1; what lies beyond is cut off.

    Returns
    -------
    ndarray of uint8, uint16 or float32, shape (height, width, channels)
        8 and 16 bit values as they are stored; 32 bit integers as uint16; floats from 0 to 1.

    Raises
    ------
    DataError
        If values fit none of these, with an `image_range` that would do.
    """
    image = oriented(found, without_alpha(found, coloured(found)))
    if image.ndim == 2:
        image = image[..., None]
    if image_range is not None:
        low, high = image_range
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = (image.astype(np.float64) - low) / (high - low)
        image = np.clip(scaled, 0, 1).astype(np.float32)
    if image.dtype in (np.uint8, np.uint16):
        return image
    if image.dtype == bool:
        return image.astype(np.uint8) * np.uint8(255)
    return _whole(image, path) if image.dtype.kind in "iu" else _float(image, path)


def _whole(image: NDArray[Any], path: Path) -> NDArray[np.uint16]:
    low, high = int(image.min()), int(image.max())
    if low < 0 or high > 65535:
        raise DataError(
            f"{path}: an image of {image.dtype} must hold values from 0 to 65535, found {low} to "
            f"{high}: say which become black and white, for instance image_range=({low}, {high})"
        )
    return image.astype(np.uint16)


def _float(image: NDArray[Any], path: Path) -> NDArray[np.float32]:
    if not np.isfinite(image).all():
        odd = int((~np.isfinite(image)).sum())
        raise DataError(
            f"{path}: an image must hold finite numbers, found NaN or infinity in {odd} values: "
            "fill them in, or leave the image out"
        )
    low, high = float(image.min()), float(image.max())
    if low < -_SLACK or high > 1 + _SLACK:
        raise DataError(
            f"{path}: an image of floats must hold values from 0 to 1, found {low:g} to {high:g}: "
            f"say which become black and white, for instance image_range=({low:g}, {high:g})"
        )
    return np.clip(image, 0, 1).astype(np.float32)

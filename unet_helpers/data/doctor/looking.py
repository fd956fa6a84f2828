"""One look at one pair: decode it, measure it, and let its pixels go."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.doctor.duplicates import pixel_hash, thumbnail
from unet_helpers.data.doctor.encoding import Encoding
from unet_helpers.data.doctor.facts import (
    Fault,
    ImageFacts,
    MaskFacts,
    PairFacts,
    count_values,
    image_facts,
    patch_chances,
    ramp_share,
)
from unet_helpers.data.doctor.glimpses import Glimpse, glimpse
from unet_helpers.data.doctor.sources import Source
from unet_helpers.data.formats.decode import Decoded, decode_one, oriented
from unet_helpers.data.samples import DataError


class Plan(NamedTuple):
    """What to measure in each pair.

    Attributes
    ----------
    encoding : Encoding
        How masks store classes, as far as it is known before the look.
    side : int
        Pixels on the longer side of a glimpse.
    patch : int
        Side of the training's patches.
    """

    encoding: Encoding
    side: int
    patch: int


class Plane(NamedTuple):
    """A mask's one channel, and what was found out on the way to it."""

    values: NDArray[Any]
    coloured: bool = False
    alpha: str = ""


class _Read(NamedTuple):
    """A file's pixels the right way up, with the record that they came with."""

    pixels: NDArray[Any]
    mode: str = ""
    orientation: int = 1
    palette: bool = False
    lossy: bool = False


def look(number: int, source: Source, plan: Plan) -> PairFacts:
    """Measure one pair; nothing that its files hold makes this raise.

    Parameters
    ----------
    number : int
        The pair's place among the sources.
    source : Source
        The pair.
    plan : Plan
        What to measure.

    Returns
    -------
    PairFacts
    """
    image, mask, faults = _read(source)
    image_part = None if image is None else _image_facts(image)
    plane = mask_part = None
    if mask is not None:
        try:
            plane = mask_plane(mask.pixels)
            mask_part = _mask_facts(mask, plane)
        except DataError as error:
            faults.append(Fault("mask", "unsupported", str(error)))
    small = None
    if plane is not None and mask_part is not None:
        ids = plan.encoding.ids(plane.values, plane.coloured)
        mask_part.chances.update(patch_chances(ids, plan.patch))
        if image is not None and image.pixels.shape[:2] == ids.shape:
            small = _glimpse(image.pixels, ids, plan)
    return PairFacts(number, image_part, mask_part, small, tuple(faults))


def _glimpse(pixels: NDArray[Any], ids: NDArray[np.uint8], plan: Plan) -> Glimpse:
    encoding = plan.encoding
    return glimpse(pixels, ids, plan.side, encoding.classes, encoding.ignore)


def _read(source: Source) -> tuple[_Read | None, _Read | None, list[Fault]]:
    """Read the files, and class ids from the samples where there are any."""
    faults: list[Fault] = []
    image = _file("image", source.image, faults)
    if source.read is None:
        return image, _file("mask", source.mask, faults), faults
    try:
        arrays = source.read()
    except Exception as error:  # whatever a reader of the user's own raises
        return image, _unread_mask(source, image, faults, error), faults
    # Whole numbers that were scaled as the user said are judged by what came out.
    if image is None or (arrays.image.dtype.kind == "f") != (image.pixels.dtype.kind == "f"):
        image = _Read(arrays.image)
    return image, _Read(arrays.mask), faults


def _unread_mask(
    source: Source, image: _Read | None, faults: list[Fault], error: Exception
) -> _Read | None:
    """Find out why samples did not read: give the mask back if only its size is wrong."""
    if faults:
        return None
    mask = _file("mask", source.mask, faults)
    if mask and image and mask.pixels.shape[:2] != image.pixels.shape[:2]:
        return mask
    if not faults:
        faults.append(Fault("mask", getattr(error, "kind", "unreadable"), str(error)))
    return None


def _file(side: str, path: Path | None, faults: list[Fault]) -> _Read | None:
    if path is None:
        return None
    try:
        found = decode_one(path)
    except DataError as error:
        faults.append(Fault(side, getattr(error, "kind", "unsupported"), str(error)))
        return None
    return _upright(found, side)


def _upright(found: Decoded, side: str) -> _Read:
    pixels = _ones(oriented(found))
    if side == "image" and pixels.ndim == 3:
        pixels = pixels[..., 0] if pixels.shape[2] == 2 else pixels[..., :3]
    if side == "image" and found.palette is not None and pixels.ndim == 2:
        pixels = found.palette[np.minimum(pixels, len(found.palette) - 1)]
    return _Read(pixels, found.mode, found.orientation, found.palette is not None, found.lossy)


def _image_facts(image: _Read) -> ImageFacts:
    pixels = image.pixels
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]  # samples in memory and files alike
    key = pixel_hash(pixels)
    small = thumbnail(pixels)
    return image_facts(pixels, image.mode, image.orientation, key, small)


def _mask_facts(mask: _Read, plane: Plane) -> MaskFacts:
    values, distinct = count_values(plane.values)
    ramp = 0.0
    if distinct > 2:
        ramp = ramp_share(_luma(plane.values) if plane.coloured else plane.values)
    return MaskFacts(
        size=(mask.pixels.shape[0], mask.pixels.shape[1]),
        mode=mask.mode,
        values=values,
        distinct=distinct,
        ramp=ramp,
        coloured=plane.coloured,
        alpha=plane.alpha,
        palette=mask.palette,
        lossy=mask.lossy,
        orientation=mask.orientation,
    )


def _luma(colours: NDArray[np.int32]) -> NDArray[np.int32]:
    return 2 * (colours >> 16 & 255) + 5 * (colours >> 8 & 255) + (colours & 255)


def mask_plane(pixels: NDArray[Any]) -> Plane:
    """Bring a mask to one channel of whole numbers.

    Parameters
    ----------
    pixels : ndarray, shape (height, width) or (height, width, channels)
        As the file stores them: grey, RGB, either with alpha; bool is read as 0 and 1.

    Returns
    -------
    Plane
        Grey as it is, also where it was saved as RGB; colours as 24-bit numbers; the alpha channel
        where nothing else varies.

    Raises
    ------
    DataError
        If the values are no whole numbers.

    Examples
    --------
    >>> red = np.zeros((2, 2, 3), np.uint8)
    >>> red[0, 0, 0] = 255
    >>> plane = mask_plane(red)
    >>> hex(plane.values[0, 0]), plane.coloured
    ('0xff0000', True)
    """
    if pixels.dtype.kind == "f":
        pixels = _whole(pixels)
    pixels = _ones(pixels)
    if pixels.ndim == 2:
        return Plane(pixels)
    alpha = ""
    if pixels.shape[2] in (2, 4):
        opacity, pixels = pixels[..., -1], pixels[..., :-1]
        alpha = "full" if (opacity == opacity[:1, :1]).all() else "varies"
        if alpha == "varies" and (pixels == pixels[:1, :1]).all():
            return Plane(opacity, alpha="only")
    first = pixels[..., 0]
    if all((first == pixels[..., k]).all() for k in range(1, pixels.shape[2])):
        return Plane(first, alpha=alpha)
    if pixels.dtype.itemsize > 1:
        pixels = (pixels >> 8).astype(np.uint8)
    colours = pixels.astype(np.int32)
    packed = colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]
    return Plane(packed, True, alpha)


def _ones(pixels: NDArray[Any]) -> NDArray[Any]:
    """Store True as 1: of PNG files of 1 bit, Pillow makes arrays that hold a byte of 255."""
    return (pixels.view(np.uint8) != 0).view(np.uint8) if pixels.dtype.kind == "b" else pixels


def _whole(pixels: NDArray[Any]) -> NDArray[np.int64]:
    whole = np.nan_to_num(pixels, nan=-1.0, posinf=-1.0, neginf=-1.0)
    if (whole != np.rint(whole)).any() or np.abs(whole).max(initial=0) > 2**31:
        odd = float(pixels[whole != np.rint(whole)][0]) if np.isfinite(pixels).all() else "NaN"
        raise DataError(
            f"a mask must hold whole numbers, found {odd}: save class ids as 8-bit integers"
        )
    return whole.astype(np.int64)


def look_at_mask(source: Source) -> tuple[MaskFacts, NDArray[Any]] | None:
    """Read a mask alone, to learn how masks are encoded; None if it cannot be read.

    Parameters
    ----------
    source : Source
        A pair with a mask file.

    Returns
    -------
    tuple of MaskFacts and ndarray, or None
    """
    mask = _file("mask", source.mask, [])
    if mask is None:
        return None
    try:
        plane = mask_plane(mask.pixels)
    except DataError:
        return None
    return _mask_facts(mask, plane), plane.values


def show_pair(
    source: Source, encoding: Encoding
) -> tuple[NDArray[Any] | None, NDArray[np.uint8] | None]:
    """Read a pair once more, to show it.

    Parameters
    ----------
    source : Source
        The pair.
    encoding : Encoding
        How masks store classes.

    Returns
    -------
    image : ndarray or None
        As stored; None if it cannot be read.
    ids : ndarray of uint8 or None
        Class ids; None if the mask cannot be read.
    """
    image, mask, _ = _read(source)
    ids = None
    if mask is not None:
        try:
            plane = mask_plane(mask.pixels)
            ids = encoding.ids(plane.values, plane.coloured)
        except DataError:
            pass
    return None if image is None else image.pixels, ids


def show_mask(source: Source) -> NDArray[Any] | None:
    """Read a mask's values once more, as the file stores them; None if that is impossible."""
    _, mask, _ = _read(source)
    return None if mask is None else mask.pixels

"""Opening an image that may be larger than memory: a TIFF, a Zarr store, or what slices."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unet_helpers.data.formats.decode import sniff
from unet_helpers.data.formats.limits import FileError, one_line
from unet_helpers.data.samples import DataError, Sample, Samples
from unet_helpers.prediction.large_planes import (
    ARRAY,
    CHUNK_BYTES,
    PixelSize,
    Plane,
    chosen_plane,
    guessed_axes,
)
from unet_helpers.prediction.large_tiffs import opened_tiff

# OME-Zarr spells units out, OME-TIFF abbreviates them.
_UNITS = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "centimeter": "cm",
          "angstrom": "Å", "meter": "m"}  # fmt: skip


@contextlib.contextmanager
def opened(
    image: Any, wanted: int, *, level: int = 0, series: int = 0, page: int | None = None
) -> Iterator[Plane]:
    """Open an image without reading its pixels.

    Parameters
    ----------
    image : path-like or array-like
        A TIFF file, a folder that is a Zarr array or an OME-Zarr group, or what has ``shape``,
        ``dtype`` and slicing: an array of dask, Zarr, HDF5 or NumPy.
    wanted : int
        Channels that the model takes.
    level, series : int
        Of a file: the pyramid's level, and which of several images.
    page : int, optional
        Which plane of a stack.

    Yields
    ------
    Plane

    Raises
    ------
    DataError
        If it cannot be read, or is no one image of these channels.
    """
    for name, number in (("level", level), ("series", series), ("page", page or 0)):
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise ValueError(
                f"{name} must be a whole number from 0 on, found {number!r}: correct it"
            )
    if not isinstance(image, str | Path):
        yield _array(image, wanted, level or series, page)
        return
    path = Path(image)
    if path.is_dir():
        yield _zarr(path, wanted, level, series, page)
        return
    _check_tiff(path)
    with opened_tiff(path, wanted, level=level, series=series, page=page) as plane:
        yield plane


def _check_tiff(path: Path) -> None:
    if not path.is_file():
        raise DataError(
            f"{path}: a TIFF file or a Zarr folder is expected, found nothing: correct the path"
        )
    with path.open("rb") as file:
        head = file.read(16)
    if sniff(head) != "tiff":
        found = f"a file of {sniff(head) or 'no known format'}" if head else "an empty file"
        raise FileError(
            *("unsupported", path, "a TIFF file or a Zarr folder", found),
            "give one, or an array with shape, dtype and slicing; predict() takes small images",
        )


def _array(image: Any, wanted: int, chosen: int, page: int | None) -> Plane:
    is_array = all(hasattr(image, name) for name in ("shape", "dtype", "__getitem__"))
    if not is_array or isinstance(image, Sample | Samples):
        raise ValueError(
            "image must be a path, or an array with shape, dtype and slicing, found "
            f"{type(image).__name__}: give one of these"
        )
    if chosen:
        raise ValueError(
            "level and series must be 0 for an array, found another: they choose within a file"
        )
    return chosen_plane(image, guessed_axes(tuple(image.shape), wanted), ARRAY, wanted, page)


# --- Zarr -----------------------------------------------------------------------------------------


def _zarr(path: Path, wanted: int, level: int, series: int, page: int | None) -> Plane:
    try:
        array, axes, size = _zarr_array(path, level, series)
        if axes is None:
            axes = guessed_axes(array.shape, wanted)
        plane = chosen_plane(array, axes, str(path), wanted, page)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a damaged store can fail anywhere
        said = one_line(str(error) or type(error).__name__)
        raise FileError(
            *("unreadable", path, "a Zarr array or an OME-Zarr group"),
            f"a folder that does not open as one ({said})",
            "name the folder with .zarray, zarr.json or .zgroup in it, or copy it again",
        ) from error
    if plane.chunk_bytes > CHUNK_BYTES:
        raise FileError(
            *("too-large", path, f"chunks of at most {CHUNK_BYTES >> 20} MiB"),
            *(f"one of {plane.chunk_bytes >> 20} MiB", "save it in chunks of 512 pixels a side"),
        )
    return dataclasses.replace(plane, pixel_size=size)


def _zarr_array(path: Path, level: int, series: int) -> tuple[Any, str | None, PixelSize | None]:
    """The array, its axes if they have names, and the size of its pixels if that is told."""
    import zarr

    found = zarr.open(str(path), mode="r")
    if isinstance(found, zarr.Array):
        if level or series:
            raise DataError(
                f"{path}: a group with several levels is expected, found one array: use level=0 "
                "and series=0"
            )
        names = getattr(found.metadata, "dimension_names", None)
        return found, _letters(names or found.attrs.get("_ARRAY_DIMENSIONS")), None
    scales = _multiscales(found)
    if not scales and str(series) in found:  # as bioformats2raw lays several images out
        found = found[str(series)]
        scales = _multiscales(found)
    elif series >= len(scales) > 0:
        raise DataError(f"{path}: series must be below {len(scales)}, found {series}: choose one")
    if not scales:
        inside = ", ".join(sorted(found.array_keys())[:5]) or "none"
        raise DataError(
            f"{path}: a Zarr array or an OME-Zarr group is expected, found a group of arrays "
            f"without multiscales ({inside}): name the array's own folder"
        )
    scale = scales[min(series, len(scales) - 1)]
    sets = scale["datasets"]
    if level >= len(sets):
        raise DataError(
            f"{path}: level must be 0 to {len(sets) - 1}, found {level}: choose one that is there"
        )
    array = found[sets[level]["path"]]
    return array, _letters(scale.get("axes") or "tczyx"[-array.ndim :]), _size(scale, level)


def _multiscales(group: Any) -> list[dict[str, Any]]:
    """As OME-Zarr 0.5 writes them, or 0.1 to 0.4."""
    attributes = dict(group.attrs)
    return list(attributes.get("ome", attributes).get("multiscales", []))


def _letters(axes: Any) -> str | None:
    """Y, X and C by the names of axes, a question mark for another; None if no Y and X are told."""
    names = [each["name"] if isinstance(each, dict) else each for each in axes or ()]
    known = {"y": "Y", "x": "X", "c": "C", "channel": "C", "z": "Z", "t": "T"}
    letters = "".join(known.get(str(name).lower(), "?") for name in names)
    return letters if {"Y", "X"} <= set(letters) else None


def _size(scale: dict[str, Any], level: int) -> PixelSize | None:
    axes = [each for each in scale.get("axes", []) if isinstance(each, dict)]
    steps = [
        each["scale"]
        for told in (scale["datasets"][level], scale)
        for each in told.get("coordinateTransformations", [])
        if each.get("type") == "scale" and len(each.get("scale", [])) == len(axes)
    ]
    places = {str(axis["name"]).lower(): i for i, axis in enumerate(axes)}
    if not steps or not {"x", "y"} <= set(places):
        return None
    x, y = (math.prod(float(step[places[name]]) for step in steps) for name in "xy")
    units = {axes[places[name]].get("unit") for name in "xy"}
    unit = _UNITS.get(str(units.pop())) if len(units) == 1 else None
    return PixelSize(x, y, unit) if unit and x > 0 and y > 0 else None

"""Regions of COCO annotations: polygons and run lengths become pixels."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.jsonfiles import is_count, points, unfit
from unet_helpers.data.formats.limits import quiet

Window = tuple[slice, slice]


def segment(
    segmentation: Any, size: tuple[int, int], path: Path, where: str
) -> tuple[Window, NDArray[np.bool_]]:
    """Turn polygons or run lengths into pixels.

    Parameters
    ----------
    segmentation : list of list of float, or dict
        Polygons ``[[x, y, x, y, ...], ...]``, or run lengths ``{"size": [height, width],
        "counts": ...}``, as a list or packed into a string.
    size : tuple of int
        Height and width of the image.
    path, where
        The file and the place in it, for messages.

    Returns
    -------
    window : tuple of slice
        The part of the image that holds the object.
    region : ndarray of bool
        Its pixels in that window.

    Raises
    ------
    DataError
        If it is neither, or does not fit the image.

    Examples
    --------
    >>> square = [[1, 1, 3, 1, 3, 3, 1, 3]]
    >>> window, region = segment(square, (5, 5), Path("a.json"), "annotations[0]")
    >>> int(region.sum())
    4
    """
    if isinstance(segmentation, dict):
        return (slice(0, size[0]), slice(0, size[1])), _from_runs(segmentation, size, path, where)
    reach = 2.0 * max(size) + 16
    polygons = segmentation if isinstance(segmentation, list) else []
    checked = [points(polygon, reach) for polygon in polygons]
    if not checked or not all(polygon and len(polygon) >= 6 for polygon in checked):
        raise unfit(
            path, where, "polygons of 3 or more points near the image, or run lengths", segmentation
        )
    return _filled([polygon for polygon in checked if polygon], size)


def _filled(polygons: list[list[float]], size: tuple[int, int]) -> tuple[Window, NDArray[np.bool_]]:
    """Fill in a window around the polygons: a thousand small objects stay cheap."""
    from pycocotools import mask as coco_mask

    flat = np.array([value for polygon in polygons for value in polygon]).reshape(-1, 2)
    limits = np.array([size[1], size[0]])
    low = np.clip(np.floor(flat.min(axis=0)).astype(int) - 1, 0, limits - 1)
    high = np.clip(np.ceil(flat.max(axis=0)).astype(int) + 2, low + 1, limits)
    width, height = (high - low).tolist()
    moved = [(np.reshape(polygon, (-1, 2)) - low).ravel().tolist() for polygon in polygons]
    with quiet():  # NumPy about pycocotools
        runs = coco_mask.frPyObjects(moved, height, width)
        region = np.asarray(coco_mask.decode(coco_mask.merge(runs)), bool)
    return (slice(low[1], high[1]), slice(low[0], high[0])), region


def _from_runs(
    runs: dict[str, Any], size: tuple[int, int], path: Path, where: str
) -> NDArray[np.bool_]:
    """Run lengths of background and object in turn, column by column.

    They are checked and laid out here and not by pycocotools, which trusts them.
    """
    counts = runs.get("counts")
    if runs.get("size") != list(size):
        raise unfit(path, where, f"run lengths of size {list(size)}", runs.get("size"))
    total = size[0] * size[1]
    if isinstance(counts, str):
        counts = unpack_runs(counts) if len(counts) <= 2 * total + 64 else None
    if not isinstance(counts, list) or not all(is_count(count) for count in counts):
        counts = []
    if sum(counts) != total or len(counts) > 2 * total + 1:
        raise unfit(path, where, f"run lengths that add up to {total}", runs.get("counts"))
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(size[::-1]).T


def unpack_runs(text: str) -> list[int] | None:
    """Unpack the run lengths that COCO files hold as a string.

    Each number is cut into groups of 5 bits, lowest first, plus a bit that more follow, plus 48;
    from the fourth number on, it is the difference to the one two places before.

    Parameters
    ----------
    text : str
        The field ``counts``.

    Returns
    -------
    list of int or None
        None if the text cannot be one.

    Examples
    --------
    >>> unpack_runs("52203")
    [5, 2, 2, 2, 5]
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - 48
        if not 0 <= code < 64 or shift > 35:
            return None
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts if shift == 0 else None

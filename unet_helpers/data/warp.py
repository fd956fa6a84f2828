"""Reading an image or a mask along a field of coordinates."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def interpolate(image: NDArray[Any], field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Read an image between its pixels, bilinearly; beyond the edge it is mirrored.

    Parameters
    ----------
    image : ndarray, shape (height, width, channels)
    field : ndarray of float32, shape (2, rows, columns)
        Row and column to read for each pixel of the result.

    Returns
    -------
    ndarray of float32, shape (rows, columns, channels)
        In the image's own range.

    Examples
    --------
    >>> image = np.array([[[0.0], [10.0]]])
    >>> interpolate(image, np.array([[[0, 0]], [[0.25, 1]]], np.float32))[..., 0].tolist()
    [[2.5, 10.0]]
    """
    floor = np.floor(field)
    down, right = field - floor
    box, place = _box(image, floor.astype(np.int64), reach=1)
    across = box.shape[1]
    result = np.empty((*field.shape[1:], image.shape[2]), np.float32)
    # Channel by channel: long runs of plain numbers are several times quicker than runs of three.
    for channel in range(image.shape[2]):
        flat = box[..., channel].astype(np.float32).ravel()
        corners = (flat[start:].take(place) for start in (0, 1, across, across + 1))
        upper_left, upper_right, lower_left, lower_right = corners
        upper = upper_left + (upper_right - upper_left) * right
        lower = lower_left + (lower_right - lower_left) * right
        result[..., channel] = upper + (lower - upper) * down
    return result


def pick(
    labels: NDArray[Any], field: NDArray[np.float32], outside: int | None = None
) -> NDArray[Any]:
    """Read a mask, or instance ids, at the nearest pixel: values are moved, never mixed.

    Parameters
    ----------
    labels : ndarray, shape (height, width, ...)
    field : ndarray of float32, shape (2, rows, columns)
        Row and column to read for each pixel of the result.
    outside : int, optional
        The value beyond the edge; mirrored there by default.

    Returns
    -------
    ndarray of the dtype of `labels`, shape (rows, columns, ...)

    Examples
    --------
    >>> field = np.array([[[0, 0, 0]], [[0.4, 0.6, 5]]], np.float32)
    >>> pick(np.array([[1, 2]]), field, outside=255).tolist()
    [[1, 2, 255]]
    """
    nearest = np.floor(field + np.float32(0.5)).astype(np.int64)
    box, place = _box(labels, nearest, reach=0)
    result = box.reshape(-1, *labels.shape[2:]).take(place, axis=0)
    if outside is not None:
        (row, column), (height, width) = nearest, labels.shape[:2]
        result[(row < 0) | (row >= height) | (column < 0) | (column >= width)] = outside
    return result


def _box(
    array: NDArray[Any], pixels: NDArray[np.int64], reach: int
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The part of an array that `pixels` and `reach` more lie in, and their places in it.

    It is mirrored where it goes beyond the array's edges: ... 1 0 | 0 1 2 | 2 1 ...
    """
    (top, left), (bottom, right) = (
        [int(edge(axis)) for axis in pixels] for edge in (np.min, np.max)
    )
    bottom, right = bottom + 1 + reach, right + 1 + reach
    place = pixels[0] * (right - left) + (pixels[1] - (top * (right - left) + left))
    height, width = array.shape[:2]
    if min(top, left) >= 0 and bottom <= height and right <= width:
        return array[top:bottom, left:right], place
    rows, columns = _mirrored(top, bottom, height), _mirrored(left, right, width)
    return array[rows[:, None], columns], place


def _mirrored(first: int, last: int, length: int) -> NDArray[np.int64]:
    folded = np.arange(first, last) % (2 * length)
    return np.minimum(folded, 2 * length - 1 - folded)

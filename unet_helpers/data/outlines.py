"""Outlines of cells, and what follows them: shapes as the depth inside them.

A shape is an array of depths in pixels: above 0 inside, 0 on the outline, below 0 outside. Shapes
are joined, cut and softened by arithmetic on depths. Lengths are in pixels at magnification 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

Rng = np.random.Generator


class Window(NamedTuple):
    """A part of the field, with coordinates relative to a point in it."""

    at: tuple[slice, slice]
    y: np.ndarray  # (h, 1)
    x: np.ndarray  # (1, w)


def window(size: int, y: float, x: float, reach: float, scale: float) -> Window:
    """Cut the part of the field within `reach` of a point; they must meet.

    Drawing each cell in its window instead of on the whole field is what makes a field cheap.
    `size` counts the field's own pixels, of which `scale` make one pixel at magnification 1.
    """
    top, left = max(0, int((y - reach) * scale)), max(0, int((x - reach) * scale))
    bottom = min(size, int((y + reach) * scale) + 2)
    right = min(size, int((x + reach) * scale) + 2)
    rows, columns = np.arange(top, bottom) / scale - y, np.arange(left, right) / scale - x
    return Window((slice(top, bottom), slice(left, right)), rows[:, None], columns[None, :])


def blob(rng: Rng, y: np.ndarray, x: np.ndarray, r: float, rough: float) -> np.ndarray:
    """Return the depth inside a wavy ellipse of mean radius `r` around y, x = 0, 0."""
    turn, e = rng.uniform(0, np.pi), 1 + rng.uniform(-1.2, 1.2) * rough
    u, v = (x * np.cos(turn) + y * np.sin(turn)) * e, (y * np.cos(turn) - x * np.sin(turn)) / e
    distance = np.sqrt(u * u + v * v) + 1e-9
    # The waves are Fourier terms of the angle. Powers of a unit complex number are their cosines
    # without a call of cos or arctan2 for each pixel.
    z = (u + 1j * v) / distance
    a = rng.normal(0, rough, 4) / np.arange(2, 6) * np.exp(1j * rng.uniform(0, 2 * np.pi, 4))
    wave = (((a[3] * z + a[2]) * z + a[1]) * z + a[0]) * z * z
    return r * (1 + wave.real) - distance


def join(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    """Return the union of two shapes, with the crease between them filled over `k` pixels."""
    overlap = np.maximum(k - np.abs(a - b), 0)
    return np.maximum(a, b) + overlap * overlap / (4 * k)


def cover(depth: np.ndarray, width: float = 1.6) -> np.ndarray:
    """Return 1 inside, 0 outside and 0.5 on the outline: the edge of the labels."""
    t = np.clip(0.5 + depth / width, 0, 1)
    return t * t * (3 - 2 * t)


def line(depth: np.ndarray, at: float, width: float) -> np.ndarray:
    """Return a soft line, 1 high, that follows the outline at the depth `at`."""
    t = np.clip(1 - np.abs(depth - at) / width, 0, 1)
    return t * t * (3 - 2 * t)


def noise(rng: Rng, shape: tuple[int, ...], width: float) -> np.ndarray:
    """Return smooth noise of unit variance; `width` in pixels of the field."""
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), width, mode="wrap", truncate=3)
    return smooth * (2 * np.sqrt(np.pi) * width)  # what the filter takes from white noise

"""The embedded set: stained blood smears, drawn from three numbers, without a download.

A field holds white blood cells on a carpet of red ones. The task is to tell background,
cytoplasm and nucleus of the *white* cells apart; red cells, platelets and stain precipitate are
background, although they share their colours with the cells that are sought.

Everything is drawn as *absorbance*, the way a stain works: light passes the slide and every layer
takes away its share, so that a pixel is ``lamp * exp(-absorbance)``. Overlapping red cells become
darker all by themselves, and one lamp colours everything it shines through.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

CLASS_NAMES = ("background", "cytoplasm", "nucleus")

_Rng = np.random.Generator

_SIDE = 256  # pixels: counts of cells below are meant for a field of this side
_EMPTY_SHARE = 1 / 12  # of the fields, to have masks without any cell
_RED_RADIUS = 17.0  # pixels; the yardstick of a smear, white cells are 1.2 to 2.4 times as wide


class _Kind(NamedTuple):
    """One kind of white cell; lengths in cell radii unless said otherwise."""

    share: float  # of all white cells
    radius: tuple[float, float]  # pixels
    stain: tuple[float, float, float]  # absorbance of the cytoplasm in R, G, B
    eosin: float  # share of the red cells' own stain in the cytoplasm
    granule: tuple[float, float]  # width in pixels, contrast
    lobes: tuple[int, int]  # of the nucleus, fewest and most
    lobe: tuple[float, float, float]  # distance from the centre, radius, angle between two (rad)
    density: float  # of the nucleus


# Proportions follow textbook smears, but rare kinds are drawn more often than blood holds them:
# a learner should meet every kind in a handful of fields.
_KINDS = (
    # neutrophil: nucleus of several lobes on an arc, pale pink cytoplasm with fine grains
    _Kind(0.40, (28, 35), (0.15, 0.27, 0.12), 0.1, (0.9, 0.28), (3, 4), (0.43, 0.28, 1.25), 1.0),
    # lymphocyte: a round nucleus that leaves a thin rim of blue
    _Kind(0.25, (21, 27), (0.42, 0.29, 0.09), 0.0, (2.5, 0.10), (1, 1), (0.10, 0.74, 0.0), 1.1),
    # monocyte: the largest, a pale kidney in grey-blue ground glass
    _Kind(0.20, (33, 40), (0.33, 0.34, 0.17), 0.0, (1.6, 0.20), (4, 5), (0.36, 0.33, 0.60), 0.8),
    # eosinophil: two lobes among coarse grains that take the colour of the red cells
    _Kind(0.15, (29, 35), (0.04, 0.10, 0.06), 0.8, (1.3, 0.45), (2, 2), (0.37, 0.32, 2.05), 0.95),
)


class _Slide(NamedTuple):
    """What all fields of one slide share: chemistry, microscope, crowd."""

    lamp: np.ndarray  # (3,) light through bare glass, 0..255
    red: np.ndarray  # (3,) absorbance of a red cell
    nucleus: np.ndarray  # (3,) absorbance of a nucleus
    cytoplasm: np.ndarray  # (3,) factor on the cytoplasm's absorbance
    pallor: float  # how pale red cells are in their middle, 0..1
    crowd: float  # attempts to place a red cell per 256 x 256 pixels
    tilt: np.ndarray  # (2,) fall of the light along y and x
    vignette: float  # loss of light in the corners
    focus: float  # blur in pixels
    grain: float  # camera noise, grey levels at full light


class _Cells(NamedTuple):
    """Round things placed on a field; arrays of length n."""

    y: np.ndarray
    x: np.ndarray
    r: np.ndarray


class _Canvas(NamedTuple):
    """The growing picture, and the truth about it."""

    absorbance: np.ndarray  # (size, size, 3) float64
    mask: np.ndarray  # (size, size) uint8
    instances: np.ndarray  # (size, size) uint16


class _Window(NamedTuple):
    """A square part of the canvas, with coordinates relative to its centre."""

    at: tuple[slice, slice]
    y: np.ndarray  # (h, 1)
    x: np.ndarray  # (1, w)


def draw_field(
    slide: int, field: int, size: int = 256, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one field of view of one stained slide.

    Fields of one slide share stain, light and focus, and differ in their cells; slides differ in
    all of it, like slides of different laboratories. The result depends on the four arguments
    alone. Cells keep their size in pixels: a larger field shows more of them.

    Parameters
    ----------
    slide : int
        Number of the slide, 0 or more.
    field : int
        Number of the field on that slide, 0 or more.
    size : int, optional
        Height and width in pixels, 64 or more. Fields of two sizes show different cells.
    seed : int, optional
        Number of the collection of slides, 0 or more.

    Returns
    -------
    image : np.ndarray
        Shape (size, size, 3), uint8, RGB, 0..255.
    mask : np.ndarray
        Shape (size, size), uint8: 0 background, 1 cytoplasm, 2 nucleus, see `CLASS_NAMES`.
        About one field in twelve holds no white cell, its mask is all 0.
    instances : np.ndarray
        Shape (size, size), uint16: 0 background, 1..n the number of the white cell. Positive
        exactly where `mask` is.

    Raises
    ------
    ValueError
        If an argument is no whole number or too small.

    Examples
    --------
    >>> image, mask, instances = draw_field(slide=0, field=1)
    >>> image.shape, image.dtype, mask.dtype, instances.dtype
    ((256, 256, 3), dtype('uint8'), dtype('uint8'), dtype('uint16'))
    >>> [CLASS_NAMES[k] for k in np.unique(mask)]
    ['background', 'cytoplasm', 'nucleus']
    >>> bool(((instances > 0) == (mask > 0)).all())
    True
    """
    for name, value in {"slide": slide, "field": field, "size": size, "seed": seed}.items():
        least = 64 if name == "size" else 0
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, found {value!r}.")
    # The second number keeps the two streams apart: NumPy pads short seeds with zeros, so that
    # [seed, slide] and [seed, slide, 0] would be one stream.
    look = _make_slide(np.random.default_rng([seed, 0, slide]))
    rng = np.random.default_rng([seed, 1, slide, field])
    empty = np.zeros((size, size))
    canvas = _Canvas(_plasma(rng, size), empty.astype(np.uint8), empty.astype(np.uint16))
    kinds, white = _place_white(rng, size)
    red = _place_red(rng, size, look.crowd, white)
    _draw_red(rng, canvas, look, red, white)
    _draw_debris(rng, canvas, look, red)
    for i, kind in enumerate(kinds):  # last, for they lie on top of what they touch
        _draw_white(rng, canvas, look, _KINDS[kind], white, i)
    return _photograph(rng, canvas.absorbance, look), canvas.mask, canvas.instances


def _make_slide(rng: _Rng) -> _Slide:
    """Draw the look of a slide."""
    # The acidity of the buffer decides how the two dyes share out: acid slides have orange red
    # cells and blue nuclei, alkaline ones greyish red cells and dark magenta nuclei.
    buffer, strength = rng.uniform(0, 1), rng.uniform(0.8, 1.25)
    red = np.array([0.06, 0.42, 0.50]) + buffer * np.array([0.28, 0.08, -0.14])
    hue = np.clip(buffer + rng.uniform(-0.4, 0.4), 0, 1)
    nucleus = np.array([1.05, 1.20, 0.42]) + hue * np.array([-0.33, 0.35, 0.30])
    # A lamp is yellow without its blue filter, and cold with too much of it.
    warmth = rng.uniform(-0.4, 1)
    lamp = np.array([236 + 8 * warmth, 229.0, 228 - 34 * warmth]) + rng.normal(0, 4, 3)
    return _Slide(
        lamp=lamp * rng.uniform(0.84, 1.04),
        red=strength * red * rng.uniform(0.85, 1.15, 3),
        nucleus=strength**0.5 * nucleus * rng.uniform(0.9, 1.1, 3),
        cytoplasm=strength * rng.uniform(0.8, 1.2, 3),
        pallor=rng.uniform(0.4, 0.85),
        crowd=rng.uniform(45, 140),
        tilt=rng.uniform(-0.16, 0.16, 2),
        vignette=rng.uniform(0, 0.22),
        focus=rng.uniform(0.5, 1.2),
        grain=rng.uniform(2.5, 5.5),
    )


def _plasma(rng: _Rng, size: int) -> np.ndarray:
    """Return the absorbance of the dried plasma between the cells: faint, slow waves."""
    t = np.arange(size) / _SIDE
    film = np.zeros((size, size))
    for _ in range(3):
        (fy, fx), (py, px) = rng.uniform(1, 9, 2), rng.uniform(0, 2 * np.pi, 2)
        film += np.outer(np.cos(fy * t + py), np.cos(fx * t + px))  # separable, hence cheap
    return (0.035 + 0.012 * film)[..., None] * np.array([0.7, 1.3, 0.8])


# --- where the cells lie -------------------------------------------------------------------------


def _place_white(rng: _Rng, size: int) -> tuple[np.ndarray, _Cells]:
    """Choose kinds and places of the white cells, 1 to 4 per 256 x 256 pixels, or none."""
    count = max(1, int(rng.uniform(1.5, 5) * (size / _SIDE) ** 2))
    if rng.uniform() < _EMPTY_SHARE:
        count = 0
    kinds = rng.choice(len(_KINDS), count, p=[k.share for k in _KINDS])
    low, high = np.array([k.radius for k in _KINDS])[kinds].reshape(-1, 2).T
    radii = rng.uniform(low, high)
    placed: list[tuple[float, float, float]] = []
    kept = []
    for number, r in enumerate(radii):
        spot = _find_spot(rng, size, placed, float(r))
        if spot is not None:
            placed.append(spot)
            kept.append(number)
    return kinds[kept], _Cells(*np.array(placed).reshape(-1, 3).T)


def _find_spot(
    rng: _Rng, size: int, placed: list[tuple[float, float, float]], r: float
) -> tuple[float, float, float] | None:
    """Find a place that hides no placed cell; every third one looks for a cell to touch."""
    sociable = rng.uniform() < 0.35
    for _ in range(30):
        y, x = rng.uniform(0.05 * size, 0.95 * size, 2)
        if sociable and placed:
            py, px, pr = placed[rng.integers(len(placed))]
            reach, turn = rng.uniform(0.89, 0.99) * (pr + r), rng.uniform(0, 2 * np.pi)
            y, x = py + reach * np.sin(turn), px + reach * np.cos(turn)
        inside = min(y, x) >= 0 and max(y, x) < size
        # At this distance a cell hides no more than the edge of a neighbour.
        if inside and all(np.hypot(y - b, x - a) > 0.88 * (r + q) for b, a, q in placed):
            return float(y), float(x), r
    return None


def _place_red(rng: _Rng, size: int, crowd: float, white: _Cells) -> _Cells:
    """Scatter red cells: they press against each other and against white ones, or overlap."""
    attempts = int(crowd * ((size + 2 * _RED_RADIUS) / _SIDE) ** 2)
    y, x = rng.uniform(-_RED_RADIUS, size + _RED_RADIUS, (2, attempts))
    r = _RED_RADIUS * rng.normal(1, 0.06, attempts)
    gap = rng.uniform(0.78, 1.0, attempts)  # 1: just touching
    kept: list[int] = []
    for i in range(attempts):
        near_red = np.hypot(y[kept] - y[i], x[kept] - x[i]) < gap[i] * (r[kept] + r[i])
        near_white = np.hypot(white.y - y[i], white.x - x[i]) < 0.9 * (white.r + r[i])
        if not near_red.any() and not near_white.any():
            kept.append(i)
    return _Cells(y[kept], x[kept], r[kept])


# --- shapes: depth in pixels, > 0 inside, 0 on the outline ----------------------------------------


def _window(size: int, y: float, x: float, reach: float) -> _Window:
    """Cut the part of the field within `reach` of a point; they must meet.

    Drawing each cell in its window instead of on the whole field is what makes a field cheap.
    """
    top, left = max(0, int(y - reach)), max(0, int(x - reach))
    bottom, right = min(size, int(y + reach) + 2), min(size, int(x + reach) + 2)
    rows, columns = np.arange(top, bottom) - y, np.arange(left, right) - x
    return _Window((slice(top, bottom), slice(left, right)), rows[:, None], columns[None, :])


def _blob(rng: _Rng, y: np.ndarray, x: np.ndarray, r: float, rough: float) -> np.ndarray:
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


def _join(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    """Return the union of two shapes, with the crease between them filled over `k` pixels."""
    overlap = np.maximum(k - np.abs(a - b), 0)
    return np.maximum(a, b) + overlap * overlap / (4 * k)


def _cover(depth: np.ndarray, width: float = 1.6) -> np.ndarray:
    """Return 1 inside, 0 outside and 0.5 on the outline: the edge of the labels."""
    t = np.clip(0.5 + depth / width, 0, 1)
    return t * t * (3 - 2 * t)


def _line(depth: np.ndarray, at: float, width: float) -> np.ndarray:
    """Return a soft line, 1 high, that follows the outline at the depth `at`."""
    t = np.clip(1 - np.abs(depth - at) / width, 0, 1)
    return t * t * (3 - 2 * t)


def _noise(rng: _Rng, shape: tuple[int, ...], width: float) -> np.ndarray:
    """Return smooth noise of unit variance."""
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), width, mode="wrap", truncate=3)
    return smooth * (2 * np.sqrt(np.pi) * width)  # what the filter takes from white noise


# --- drawing -------------------------------------------------------------------------------------


def _draw_red(rng: _Rng, canvas: _Canvas, look: _Slide, red: _Cells, white: _Cells) -> None:
    """Draw the red cells: discs, thin in the middle, flattened where they meet a neighbour."""
    other = _Cells(*(np.concatenate(pair) for pair in zip(red, white, strict=True)))
    on_top = np.append(rng.uniform(size=len(red.r)) < 0.25, np.zeros(len(white.r), bool))
    for i, (y, x, r) in enumerate(zip(*red, strict=True)):
        w = _window(len(canvas.mask), y, x, 1.3 * r)
        thickness, pallor = rng.normal(1, 0.07), look.pallor * rng.uniform(0.7, 1.2)
        depth = _blob(rng, w.y, w.x, r, 0.055)
        distance = np.hypot(other.y - y, other.x - x)
        near = (distance < r + other.r) & (distance > 0) & ~on_top & ~on_top[i]
        for j in np.flatnonzero(near):  # the chord of two circles is where two cells push
            chord = (distance[j] ** 2 + r**2 - other.r[j] ** 2) / (2 * distance[j]) - 0.7
            along = (w.y * (other.y[j] - y) + w.x * (other.x[j] - x)) / distance[j]
            depth = -_join(-depth, along - chord, 4.0)
        dip = _cover(depth - 0.5 * r, 0.7 * r)
        body = _cover(depth) * (thickness * (1 - pallor * dip)) + 0.22 * _line(depth, 1.2, 2.0)
        body -= 0.10 * _line(depth, -1.8, 2.0)  # edges bend light: a fine bright seam outside
        canvas.absorbance[w.at] += body[..., None] * look.red


def _draw_debris(rng: _Rng, canvas: _Canvas, look: _Slide, red: _Cells) -> None:
    """Draw what has the colour of nuclei and is none: platelets and precipitated stain."""
    size = len(canvas.mask)
    area = (size / _SIDE) ** 2
    for _ in range(int(rng.uniform(3, 10) * area + 1)):
        y, x = rng.uniform(0, size, 2)
        # A platelet upon a red cell looks like a nucleus in its cytoplasm, to beginners as well.
        if len(red.r) and rng.uniform() < 0.22:
            i = rng.integers(len(red.r))
            y, x = red.y[i] + rng.normal(0, 4), red.x[i] + rng.normal(0, 4)
        _draw_speck(rng, canvas, look, (y, x, rng.uniform(3, 6.5)), rng.uniform(0.3, 0.75))
    for _ in range(int(rng.uniform(0, 2.2) * area)):  # precipitate comes in swarms of fine dots
        y, x = rng.uniform(0, size, 2)
        for dy, dx in rng.normal(0, 9, (rng.integers(4, 14), 2)):
            _draw_speck(rng, canvas, look, (y + dy, x + dx, rng.uniform(0.8, 2.2)), 0.9)


def _draw_speck(
    rng: _Rng, canvas: _Canvas, look: _Slide, spot: tuple[float, float, float], density: float
) -> None:
    """Draw one small, grainy spot (y, x, radius) in the stain of the nuclei."""
    y, x = np.clip(spot[:2], 0, len(canvas.mask) - 1)
    w = _window(len(canvas.mask), y, x, 2 * spot[2] + 2)
    depth = _blob(rng, w.y, w.x, spot[2], 0.25)
    grain = 1 + 0.25 * _noise(rng, depth.shape, 1.0)
    canvas.absorbance[w.at] += (density * _cover(depth, 2.4) * grain)[..., None] * look.nucleus


def _draw_white(
    rng: _Rng, canvas: _Canvas, look: _Slide, kind: _Kind, white: _Cells, i: int
) -> None:
    """Draw a white cell over what lies there, and label it."""
    r = float(white.r[i])
    w = _window(len(canvas.mask), white.y[i], white.x[i], 1.4 * r)
    body = _blob(rng, w.y, w.x, r, 0.07)
    nucleus = np.minimum(_draw_lobes(rng, w, kind, r), body - 2.0)
    cytoplasm = _stain_cytoplasm(rng, look, kind, body, nucleus)
    clumps = 0.13 * _noise(rng, body.shape, 1.6) + 0.09 * _noise(rng, body.shape, 3.5)
    dark = kind.density * rng.uniform(0.88, 1.08) * (1 + clumps + 0.18 * _line(nucleus, 1.2, 2.2))
    inner = _cover(nucleus)[..., None]
    filled = cytoplasm * (1 - inner) + inner * dark[..., None] * look.nucleus
    outer = _cover(body)[..., None]
    below = canvas.absorbance[w.at]
    below -= 0.05 * _line(body, -2.0, 2.2)[..., None]
    below[...] = below * (1 - outer) + outer * filled
    canvas.instances[w.at][body > 0] = i + 1
    canvas.mask[w.at][body > 0] = 1
    canvas.mask[w.at][nucleus > 0] = 2


def _draw_lobes(rng: _Rng, w: _Window, kind: _Kind, r: float) -> np.ndarray:
    """Return the depth inside a nucleus: lobes along an arc, melted into one."""
    count = rng.integers(kind.lobes[0], kind.lobes[1] + 1)
    ring, lobe, step = kind.lobe
    angles = rng.uniform(0, 2 * np.pi) + step * np.arange(count) + rng.normal(0, 0.15, count)
    depth = np.full(np.broadcast_shapes(w.y.shape, w.x.shape), -2 * r)
    for angle in angles:
        out = r * ring * rng.uniform(0.85, 1.1)
        y, x = w.y - out * np.sin(angle), w.x - out * np.cos(angle)
        piece = _blob(rng, y, x, r * lobe * rng.uniform(0.85, 1.12), 0.09)
        depth = _join(depth, piece, 0.14 * r)
    return depth


def _stain_cytoplasm(
    rng: _Rng, look: _Slide, kind: _Kind, body: np.ndarray, nucleus: np.ndarray
) -> np.ndarray:
    """Return the cytoplasm's absorbance, shape (h, w, 3): base, grains, rim and a clear zone."""
    width, contrast = kind.granule
    colour = np.array(kind.stain) * look.cytoplasm + kind.eosin * look.red
    level = rng.uniform(0.8, 1.2) * (1 + contrast * _noise(rng, body.shape, width))
    # The rim keeps even the palest cell visible, also where it touches another.
    level += 0.40 * _line(body, 1.2, 2.2) - 0.20 * _cover(nucleus + 3.0, 6.0)
    return np.maximum(level, 0.15)[..., None] * colour


def _photograph(rng: _Rng, absorbance: np.ndarray, look: _Slide) -> np.ndarray:
    """Return the camera's picture, uint8: lamp, focus, noise of light and camera."""
    # float64 throughout: machines differ in the last bits of exp and cos, and in double precision
    # such a difference does not reach the rounded grey level.
    t = np.linspace(-1, 1, len(absorbance))
    light = 1 + look.tilt[0] * t[:, None] + look.tilt[1] * t[None, :]
    light = light - look.vignette * (t[:, None] ** 2 + t[None, :] ** 2) / 2
    image = np.exp(-absorbance) * light[..., None] * look.lamp
    blur = look.focus * rng.uniform(0.85, 1.25)  # the stage is never quite level
    image = ndimage.gaussian_filter(image, (blur, blur, 0), truncate=3)
    image += look.grain * np.sqrt(np.maximum(image, 0) / 255) * rng.standard_normal(image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)

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

from .knobs import Knobs
from .outlines import Rng, Window, blob, cover, join, line, noise, window
from .slides import Slide, make_slide, photograph

CLASS_NAMES = ("background", "cytoplasm", "nucleus")

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
    scale: float  # magnification: cells are placed and shaped in pixels at magnification 1

    @property
    def extent(self) -> float:
        """Side of the field in pixels at magnification 1."""
        return len(self.mask) / self.scale

    def window(self, y: float, x: float, reach: float) -> Window:
        """The part around a point."""
        return window(len(self.mask), y, x, reach, self.scale)

    def noise(self, rng: Rng, like: np.ndarray, width: float) -> np.ndarray:
        """Smooth noise of unit variance in the shape of an array."""
        return noise(rng, like.shape, width * self.scale)


def draw_field(
    slide: int, field: int, size: int = 256, seed: int = 0, knobs: Knobs | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one field of view of one stained slide.

    Fields of one slide share stain, light and focus, and differ in their cells; slides differ in
    all of it, like slides of different laboratories. The result depends on the arguments alone.
    Cells keep their size in pixels: a larger field shows more of them.

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
    knobs : Knobs, optional
        What is to differ from the usual look: density, stain, light, blur, noise, variety.

    Returns
    -------
    image : np.ndarray
        Shape (size, size, 3), uint8, RGB, 0..255.
    mask : np.ndarray
        Shape (size, size), uint8: 0 background, 1 cytoplasm, 2 nucleus, see `CLASS_NAMES`.
        About one field in twelve holds no white cell, its mask is all 0, unless
        ``knobs.white`` says how many there are.
    instances : np.ndarray
        Shape (size, size), uint16: 0 background, 1..n the number of the white cell. Positive
        exactly where `mask` is.

    Raises
    ------
    ValueError
        If a number is no whole number or too small, or `knobs` are no `Knobs`.

    Examples
    --------
    >>> image, mask, instances = draw_field(slide=0, field=1)
    >>> image.shape, image.dtype, mask.dtype, instances.dtype
    ((256, 256, 3), dtype('uint8'), dtype('uint8'), dtype('uint16'))
    >>> [CLASS_NAMES[k] for k in np.unique(mask)]
    ['background', 'cytoplasm', 'nucleus']
    >>> bool(((instances > 0) == (mask > 0)).all())
    True
    >>> blurred = draw_field(slide=0, field=1, knobs=Knobs(blur=4))[0]
    >>> bool(np.diff(blurred / 255, axis=0).std() < np.diff(image / 255, axis=0).std())
    True
    """
    knobs = Knobs() if knobs is None else knobs
    _check(knobs, slide=slide, field=field, size=size, seed=seed)
    # The second number keeps the streams apart: NumPy pads short seeds with zeros, so that
    # [seed, slide] and [seed, slide, 0] would be one stream.
    look = make_slide(seed, slide, knobs)
    rng = np.random.default_rng([seed, 1, slide, field])
    mask, instances = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint16)
    plasma = _plasma(rng, size, look.extra.scale)
    canvas = _Canvas(plasma, mask, instances, look.extra.scale)
    if look.extra.mottle:  # by a stream of its own, so that the cells stay as they are
        stain = np.random.default_rng([seed, 3, slide, field])
        canvas.absorbance[...] += _mottle(stain, canvas, look)
    kinds, white = _place_white(rng, canvas.extent, knobs)
    red = _place_red(rng, canvas.extent, look.crowd, white)
    _draw_red(rng, canvas, look, red, white)
    _draw_debris(rng, canvas, look, red, knobs)
    for i, kind in enumerate(kinds):  # last, for they lie on top of what they touch
        _draw_white(rng, canvas, look, _KINDS[kind], white, i)
    return photograph(rng, canvas.absorbance, look), mask, instances


def _check(knobs: object, **numbers: object) -> None:
    if not isinstance(knobs, Knobs):
        raise ValueError(f"knobs must be Knobs, found {knobs!r}: write Knobs(blur=2), say")
    for name, value in numbers.items():
        least = 64 if name == "size" else 0
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, found {value!r}.")


def _plasma(rng: Rng, size: int, scale: float) -> np.ndarray:
    """Return the absorbance of the dried plasma between the cells: faint, slow waves."""
    t = np.arange(size) / _SIDE / scale
    film = np.zeros((size, size))
    for _ in range(3):
        (fy, fx), (py, px) = rng.uniform(1, 9, 2), rng.uniform(0, 2 * np.pi, 2)
        film += np.outer(np.cos(fy * t + py), np.cos(fx * t + px))  # separable, hence cheap
    return (0.035 + 0.012 * film)[..., None] * np.array([0.7, 1.3, 0.8])


def _mottle(rng: Rng, canvas: _Canvas, look: Slide) -> np.ndarray:
    """Return the absorbance of stained protein on a slide that was not rinsed well."""
    fine, coarse = (canvas.noise(rng, canvas.mask, width) for width in rng.uniform(1.2, 4.0, 2))
    spots = look.extra.mottle * (fine + coarse) / np.sqrt(2)
    return np.maximum(spots, -0.03)[..., None] * np.array([0.8, 1.2, 1.0])


# --- where the cells lie -------------------------------------------------------------------------


def _place_white(rng: Rng, size: float, knobs: Knobs) -> tuple[np.ndarray, _Cells]:
    """Choose kinds and places of the white cells, 1 to 4 per 256 x 256 pixels, or none."""
    area, usual, chance = (size / _SIDE) ** 2, rng.uniform(1.5, 5), rng.uniform()
    count = 0 if chance < _EMPTY_SHARE else max(1, int(usual * area))
    if knobs.white is not None:
        count = int(knobs.white * area + chance)  # right on average, also for 0.5 cells
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
    rng: Rng, size: float, placed: list[tuple[float, float, float]], r: float
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


def _place_red(rng: Rng, size: float, crowd: float, white: _Cells) -> _Cells:
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


# --- drawing -------------------------------------------------------------------------------------


def _draw_red(rng: Rng, canvas: _Canvas, look: Slide, red: _Cells, white: _Cells) -> None:
    """Draw the red cells: discs, thin in the middle, flattened where they meet a neighbour."""
    other = _Cells(*(np.concatenate(pair) for pair in zip(red, white, strict=True)))
    on_top = np.append(rng.uniform(size=len(red.r)) < 0.25, np.zeros(len(white.r), bool))
    for i, (y, x, r) in enumerate(zip(*red, strict=True)):
        w = canvas.window(y, x, 1.3 * r)
        thickness, pallor = rng.normal(1, 0.07), look.pallor * rng.uniform(0.7, 1.2)
        depth = blob(rng, w.y, w.x, r, 0.055)
        distance = np.hypot(other.y - y, other.x - x)
        near = (distance < r + other.r) & (distance > 0) & ~on_top & ~on_top[i]
        for j in np.flatnonzero(near):  # the chord of two circles is where two cells push
            chord = (distance[j] ** 2 + r**2 - other.r[j] ** 2) / (2 * distance[j]) - 0.7
            along = (w.y * (other.y[j] - y) + w.x * (other.x[j] - x)) / distance[j]
            depth = -join(-depth, along - chord, 4.0)
        dip = cover(depth - 0.5 * r, 0.7 * r)
        body = cover(depth) * (thickness * (1 - pallor * dip)) * (1 - look.extra.ghost)
        body += 0.22 * look.extra.rim * line(depth, 1.2, 2.0)
        body -= 0.10 * line(depth, -1.8, 2.0)  # edges bend light: a fine bright seam outside
        canvas.absorbance[w.at] += body[..., None] * look.red


def _draw_debris(rng: Rng, canvas: _Canvas, look: Slide, red: _Cells, knobs: Knobs) -> None:
    """Draw what has the colour of nuclei and is none: platelets and precipitated stain."""
    size = canvas.extent
    area = (size / _SIDE) ** 2
    platelets = int(rng.uniform(3, 10) * area + 1)
    if knobs.debris is not None:
        platelets = int(knobs.debris * area + 0.5)
    for _ in range(platelets):
        y, x = rng.uniform(0, size, 2)
        # A platelet upon a red cell looks like a nucleus in its cytoplasm, to beginners as well.
        if len(red.r) and rng.uniform() < 0.22:
            i = rng.integers(len(red.r))
            y, x = red.y[i] + rng.normal(0, 4), red.x[i] + rng.normal(0, 4)
        _draw_speck(rng, canvas, look, (y, x, rng.uniform(3, 6.5)), rng.uniform(0.3, 0.75))
    swarms = int(rng.uniform(0, 2.2) * area)
    if knobs.debris is not None:
        swarms = int(knobs.debris / 6 * area + 0.5)
    for _ in range(swarms):  # precipitate comes in swarms of fine dots
        y, x = rng.uniform(0, size, 2)
        for dy, dx in rng.normal(0, 9, (rng.integers(4, 14), 2)):
            _draw_speck(rng, canvas, look, (y + dy, x + dx, rng.uniform(0.8, 2.2)), 0.9)


def _draw_speck(
    rng: Rng, canvas: _Canvas, look: Slide, spot: tuple[float, float, float], density: float
) -> None:
    """Draw one small, grainy spot (y, x, radius) in the stain of the nuclei."""
    y, x = np.clip(spot[:2], 0, canvas.extent - 1)
    w = canvas.window(y, x, 2 * spot[2] + 2)
    depth = blob(rng, w.y, w.x, spot[2], 0.25)
    grain = 1 + 0.25 * canvas.noise(rng, depth, 1.0)
    canvas.absorbance[w.at] += (density * cover(depth, 2.4) * grain)[..., None] * look.nucleus


def _draw_white(rng: Rng, canvas: _Canvas, look: Slide, kind: _Kind, white: _Cells, i: int) -> None:
    """Draw a white cell over what lies there, and label it."""
    r = float(white.r[i])
    w = canvas.window(white.y[i], white.x[i], 1.4 * r)
    body = blob(rng, w.y, w.x, r, 0.07)
    nucleus = np.minimum(_draw_lobes(rng, w, look, kind, r), body - 2.0)
    cytoplasm = _stain_cytoplasm(rng, canvas, look, kind, (body, nucleus))
    clumps = 0.13 * canvas.noise(rng, body, 1.6) + 0.09 * canvas.noise(rng, body, 3.5)
    dark = kind.density * rng.uniform(0.88, 1.08) * (1 + clumps + 0.18 * line(nucleus, 1.2, 2.2))
    inner = cover(nucleus)[..., None]
    filled = cytoplasm * (1 - inner) + inner * dark[..., None] * look.nucleus
    outer = cover(body)[..., None]
    below = canvas.absorbance[w.at]
    below -= 0.05 * line(body, -2.0, 2.2)[..., None]
    below[...] = below * (1 - outer) + outer * filled
    canvas.instances[w.at][body > 0] = i + 1
    canvas.mask[w.at][body > 0] = 1
    canvas.mask[w.at][nucleus > 0] = 2


def _draw_lobes(rng: Rng, w: Window, look: Slide, kind: _Kind, r: float) -> np.ndarray:
    """Return the depth inside a nucleus: lobes along an arc, melted into one."""
    extra = look.extra
    count = rng.integers(kind.lobes[0], kind.lobes[1] + 1) + (extra.lobes if kind.lobe[2] else 0)
    ring, lobe, step = kind.lobe[0] * extra.reach, kind.lobe[1] * extra.lobe, kind.lobe[2]
    angles = rng.uniform(0, 2 * np.pi) + step * np.arange(count) + rng.normal(0, 0.15, count)
    depth = np.full(np.broadcast_shapes(w.y.shape, w.x.shape), -2 * r)
    for angle in angles:
        out = r * ring * rng.uniform(0.85, 1.1)
        y, x = w.y - out * np.sin(angle), w.x - out * np.cos(angle)
        piece = blob(rng, y, x, r * lobe * rng.uniform(0.85, 1.12), 0.09)
        depth = join(depth, piece, 0.14 * extra.bridge * r)
    return depth


def _stain_cytoplasm(
    rng: Rng, canvas: _Canvas, look: Slide, kind: _Kind, depths: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return the cytoplasm's absorbance, shape (h, w, 3): base, grains, rim and a clear zone."""
    body, nucleus = depths
    width, contrast = kind.granule
    colour = np.array(kind.stain) * look.cytoplasm + kind.eosin * look.red
    level = rng.uniform(0.8, 1.2) * (1 + contrast * canvas.noise(rng, body, width))
    # The rim keeps even the palest cell visible, also where it touches another.
    level += 0.40 * look.extra.rim * line(body, 1.2, 2.2) - 0.20 * cover(nucleus + 3.0, 6.0)
    return np.maximum(level, 0.15)[..., None] * colour

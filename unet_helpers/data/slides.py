"""What the fields of one slide share: stain, light, camera, crowd; and the camera's picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .knobs import Knobs

_SHARPEN_WIDTH = 1.5  # pixels: how coarse the detail is that sharpening brings out


class Slide(NamedTuple):
    """Chemistry, microscope, crowd; lengths in pixels."""

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
    extra: Extra


class Extra(NamedTuple):
    """What is the same on all usual slides, and differs where variety is above 1."""

    scale: float = 1.0  # magnification
    ghost: float = 0.0  # share of their colour that red cells have lost
    sharpen: float = 0.0
    saturation: float = 1.0
    reach: float = 1.0  # factor on the distance of a nucleus's lobes from the centre
    lobe: float = 1.0  # factor on their radius
    lobes: int = 0  # more of them than usual
    bridge: float = 1.0  # factor on the width of what connects them
    rim: float = 1.0  # factor on the dark outline of the cells
    mottle: float = 0.0  # spread of the plasma's absorbance from spot to spot


class _Dice:
    """Random numbers whose spread the variety widens or narrows."""

    def __init__(self, rng: np.random.Generator, variety: float) -> None:
        self.rng, self.variety = rng, variety

    def uniform(
        self,
        low: float,
        high: float,
        count: int | None = None,
        within: tuple[float, float] = (-np.inf, np.inf),
    ) -> np.ndarray:
        """Return numbers around the middle of the range, at most `within`."""
        value = self.rng.uniform(low, high, count)
        if self.variety == 1:  # left alone to the last bit
            return value
        middle = (low + high) / 2
        return np.clip(middle + self.variety * (value - middle), *within)


def make_slide(seed: int, slide: int, knobs: Knobs) -> Slide:
    """Draw the look of a slide; knobs replace what was drawn, so that the rest stays as it was."""
    variety = knobs.given("variety", 1.0)
    dice = _Dice(np.random.default_rng([seed, 0, slide]), variety)
    # The acidity of the buffer decides how the two dyes share out: acid slides have orange red
    # cells and blue nuclei, alkaline ones greyish red cells and dark magenta nuclei.
    buffer = knobs.given("buffer", dice.uniform(0, 1, within=(0, 1)))
    strength = knobs.given("strength", dice.uniform(0.8, 1.25, within=(0.4, 1.7)))
    red = np.array([0.06, 0.42, 0.50]) + buffer * np.array([0.28, 0.08, -0.14])
    hue = knobs.given("hue", np.clip(buffer + dice.uniform(-0.4, 0.4), 0, 1))
    nucleus = np.array([1.05, 1.20, 0.42]) + hue * np.array([-0.33, 0.35, 0.30])
    # A lamp is yellow without its blue filter, and cold with too much of it.
    warmth = knobs.given("warmth", dice.uniform(-0.4, 1, within=(-1, 4)))
    tint = variety * dice.rng.normal(0, 4, 3)
    lamp = np.array([236 + 8 * warmth, 229.0, 228 - 34 * warmth]) + tint
    return Slide(
        lamp=lamp * knobs.given("light", dice.uniform(0.84, 1.04, within=(0.5, 1.3))),
        red=strength * red * dice.uniform(0.85, 1.15, 3),
        nucleus=strength**0.5 * nucleus * dice.uniform(0.9, 1.1, 3),
        cytoplasm=strength * dice.uniform(0.8, 1.2, 3),
        pallor=float(dice.uniform(0.4, 0.85, within=(0, 1))),
        crowd=knobs.given("red", dice.uniform(45, 140, within=(0, 400))),
        tilt=dice.uniform(-0.16, 0.16, 2),
        vignette=float(dice.uniform(0, 0.22, within=(0, 0.5))),
        focus=knobs.given("blur", dice.uniform(0.5, 1.2, within=(0.2, 8))),
        grain=knobs.given("noise", dice.uniform(2.5, 5.5, within=(0, 60))),
        extra=_make_extra(np.random.default_rng([seed, 2, slide]), knobs, max(0, variety - 1)),
    )


def _make_extra(rng: np.random.Generator, knobs: Knobs, excess: float) -> Extra:
    """Draw what only variety above 1 brings; `excess` is how far above."""
    # A stream of its own: what is drawn here moves nothing that usual slides are made of.
    odds = rng.uniform(-1, 1, 9)
    factors = np.exp(excess * odds[:6] * [0.20, 0.25, 0.15, 0.08, 0.5, 0.4])
    return Extra(
        scale=knobs.given("magnification", factors[0]),
        ghost=knobs.given("ghost", np.clip(excess * odds[6], 0, 1)),
        sharpen=knobs.given("sharpen", np.clip(excess * odds[7], 0, 3)),
        saturation=knobs.given("saturation", factors[1]),
        reach=factors[2],
        lobe=factors[3],
        lobes=int(rng.uniform(0, 1 + 0.6 * excess)),
        bridge=factors[4],
        rim=factors[5],
        mottle=knobs.given("mottle", np.clip(0.04 * excess * odds[8], 0, 0.3)),
    )


def photograph(rng: np.random.Generator, absorbance: np.ndarray, slide: Slide) -> np.ndarray:
    """Return the camera's picture, uint8: lamp, focus, noise of light and camera."""
    # float64 throughout: machines differ in the last bits of exp and cos, and in double precision
    # such a difference does not reach the rounded grey level.
    t = np.linspace(-1, 1, len(absorbance))
    light = 1 + slide.tilt[0] * t[:, None] + slide.tilt[1] * t[None, :]
    light = light - slide.vignette * (t[:, None] ** 2 + t[None, :] ** 2) / 2
    image = np.exp(-absorbance) * light[..., None] * slide.lamp
    blur = slide.focus * rng.uniform(0.85, 1.25)  # the stage is never quite level
    image = ndimage.gaussian_filter(image, (blur, blur, 0), truncate=3)
    image += slide.grain * np.sqrt(np.maximum(image, 0) / 255) * rng.standard_normal(image.shape)
    return np.clip(np.rint(_develop(image, slide.extra)), 0, 255).astype(np.uint8)


def _develop(image: np.ndarray, extra: Extra) -> np.ndarray:
    """Apply what a camera's software does to a picture; usually nothing."""
    if extra.sharpen:
        width = (_SHARPEN_WIDTH, _SHARPEN_WIDTH, 0)
        soft = ndimage.gaussian_filter(image, width, truncate=3)
        image = image + extra.sharpen * (image - soft)
    if extra.saturation != 1:
        # Luma of ITU-R BT.601. Not as a matrix product: its order of sums differs by machine.
        grey = 0.299 * image[..., :1] + 0.587 * image[..., 1:2] + 0.114 * image[..., 2:]
        image = grey + extra.saturation * (image - grey)
    return image

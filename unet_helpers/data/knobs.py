"""The knobs of the embedded set: what a drawn smear looks like, and how far slides differ."""

import dataclasses
import math
import numbers
from typing import Any


def _knob(least: float, most: float, unit: str) -> Any:
    return dataclasses.field(default=None, metadata={"range": (least, most), "unit": unit})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Knobs:
    """How the fields of `draw_field` are to look; what is left out is as the slide has it.

    Every knob does one thing, and more of it when it is turned up. The usual range is where the
    slides lie by themselves. The knobs of the stain, the light and the camera leave the cells in
    their places; `white`, `red` and `debris` draw others.

    Attributes
    ----------
    white : float, optional
        White cells per 256 x 256 pixels at magnification 1, 0 to 12; usually 1 to 4, or none.
    red : float, optional
        Attempts to place a red cell per 256 x 256 pixels, 0 to 400; usually 45 to 140. The more
        cells there are, the more attempts fail.
    debris : float, optional
        Platelets per 256 x 256 pixels, 0 to 100; usually 3 to 10. Precipitated stain comes with
        them: one swarm of fine dots for every six platelets.
    mottle : float, optional
        Standard deviation of the absorbance of the dried plasma from spot to spot, 0 to 0.3;
        usually 0, a clean glass.
    magnification : float, optional
        Pixels of the field for one pixel of the usual picture, 0.4 to 3; usually 1, which gives
        red cells a diameter of 34 pixels and white ones of 42 to 80.
    buffer : float, optional
        Acidity of the stain's buffer, from 0, acid with orange red cells and blue nuclei, to 1,
        alkaline with greyish red cells and magenta nuclei; usually all of it.
    strength : float, optional
        Factor on the stain's absorbance, 0.2 to 2; usually 0.8 to 1.25.
    hue : float, optional
        Colour of the nuclei, from 0, blue, to 1, magenta; usually near `buffer`.
    ghost : float, optional
        Share of their colour that red cells have lost, 0 to 1; usually 0. At 1 only outlines are
        left.
    light : float, optional
        Factor on the lamp's light, 0.3 to 1.5; usually 0.84 to 1.04. Above 1.1 bare glass is
        overexposed.
    warmth : float, optional
        Colour of the light, from -1, cold, to 4, deep yellow; usually -0.4 to 1.
    blur : float, optional
        Standard deviation of the blur, 0 to 8 pixels; usually 0.5 to 1.2, a little more or less
        for each field.
    sharpen : float, optional
        Share of the fine detail that the camera's software adds again, 0 to 3; usually 0.
    saturation : float, optional
        Factor on the distance of all colours from grey, 0 (a grey picture) to 2.5; usually 1.
    noise : float, optional
        Standard deviation of the camera's noise at full light, 0 to 60 grey levels; usually 2.5
        to 5.5.
    variety : float, optional
        How far slides differ from each other, 0 to 3: at 0 they all look the same, at 1 as usual.
        Above 1 the usual ranges widen and the rest joins in: slides differ in magnification,
        ghosts, mottle, sharpening, saturation, and the shapes of nuclei, as do those of other
        laboratories.

    Raises
    ------
    ValueError
        If a knob is no number or out of its range.

    Examples
    --------
    >>> Knobs(blur=2.5).blur
    2.5
    >>> Knobs(blur=-1)
    Traceback (most recent call last):
    ...
    ValueError: blur must be a number from 0 to 8 (pixels), found -1: choose one in this range
    """

    white: float | None = _knob(0, 12, "cells per 256 x 256 pixels")
    red: float | None = _knob(0, 400, "attempts per 256 x 256 pixels")
    debris: float | None = _knob(0, 100, "platelets per 256 x 256 pixels")
    mottle: float | None = _knob(0, 0.3, "absorbance")
    magnification: float | None = _knob(0.4, 3, "a factor")
    buffer: float | None = _knob(0, 1, "acid to alkaline")
    strength: float | None = _knob(0.2, 2, "a factor")
    hue: float | None = _knob(0, 1, "blue to magenta")
    ghost: float | None = _knob(0, 1, "a share")
    light: float | None = _knob(0.3, 1.5, "a factor")
    warmth: float | None = _knob(-1, 4, "cold to yellow")
    blur: float | None = _knob(0, 8, "pixels")
    sharpen: float | None = _knob(0, 3, "a share")
    saturation: float | None = _knob(0, 2.5, "a factor")
    noise: float | None = _knob(0, 60, "grey levels")
    variety: float | None = _knob(0, 3, "1 is usual")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, (least, most) = getattr(self, field.name), field.metadata["range"]
            if value is None:
                continue
            number = isinstance(value, numbers.Real) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or not least <= value <= most:
                raise ValueError(
                    f"{field.name} must be a number from {least} to {most} "
                    f"({field.metadata['unit']}), found {value!r}: choose one in this range"
                )

    def given(self, name: str, value: Any) -> Any:
        """Return the knob `name` where it is set, else `value`."""
        knob = getattr(self, name)
        return value if knob is None else float(knob)

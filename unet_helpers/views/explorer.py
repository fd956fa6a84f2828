"""The augmentation explorer: turn one knob at a time, and see image and mask move together."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from unet_helpers.data.augment import Geometry
from unet_helpers.data.photometry import Photometry
from unet_helpers.data.samples import Samples
from unet_helpers.data.warp import interpolate, pick
from unet_helpers.views import figures
from unet_helpers.views.widgets import Panel, slider

LINES = 32  # pixels between the lines of the grid
SHOWN = 256  # pixels a side at most: more would only be shrunk for the page


def explorer(samples: Samples, **start: float) -> Panel:
    """Augmentation explorer: a slider for each change, the image, its outline and the mask.

    Left the original, in the middle the changed image, right its mask. The dashed grid is fixed to
    the image: it shows the one field that moves image and mask. Where the image has ended, it is
    mirrored, and the mask is ignored if the set has an ignore value.

    Parameters
    ----------
    samples : Samples
        Grey or RGB images.
    **start : float
        Where sliders begin, by name: ``number`` (which sample), ``angle=20``, ``elastic=3``, ...;
        elsewhere they change nothing.

    Returns
    -------
    Panel
        The widget; its controls are in ``controls``, by name.

    Raises
    ------
    ValueError
        If there are no samples, or `start` names no slider or no value of its range.
    """

    def draw(number: int, **values: Any) -> tuple[Figure, str]:
        sample = samples[number]
        moves = {name: values[name] for name in MOVES}
        looks = {name: value for name, value in values.items() if name not in (*MOVES, "red")}
        colour = (1 + values["red"] / 100, 1.0, 1.0) if channels == 3 else ()
        geometry = Geometry(**moves, seed=number)
        photometry = Photometry(colour=colour, **looks)
        fig = _picture(samples, number, geometry, photometry)
        changed = [name for name, value in values.items() if value != KNOBS[name][2]]
        text = ", ".join(f"{KNOBS[name][0]} {values[name]:g}{KNOBS[name][1]}" for name in changed)
        return fig, f"<b>{sample.name}</b>: {text or 'nothing changed yet'}"

    if not len(samples):
        raise ValueError("samples must hold at least one image, found none: check the split")
    channels = samples[0].image.shape[-1]
    usable = {n: k for n, k in KNOBS.items() if channels == 3 or n not in ("hue", "red")}
    ranges = {name: knob[3:5] for name, knob in usable.items()} | {"number": (0, len(samples) - 1)}
    _check_start(start, ranges)
    controls = {
        name: slider(
            f"{label} ({unit.strip()})" if unit else label, start.get(name, rest_value), *rest
        )
        for name, (label, unit, rest_value, *rest) in usable.items()
    }
    first = int(start.get("number", 0))
    return Panel(
        {"number": slider("sample", first, 0, len(samples) - 1), **controls},
        draw,
        f"an image of {samples.name} and the same image augmented, with the mask's outline and a "
        "grid that is bent along, and beside them the mask, moved by the same field",
    )


def _check_start(start: Mapping[str, float], ranges: Mapping[str, tuple[float, float]]) -> None:
    """Refuse a slider that is not there, or a value beyond its ends."""
    for name, value in start.items():
        if name not in ranges:
            raise ValueError(
                f"a slider to start must be one of {', '.join(ranges)}, found {name!r}: correct "
                "the name"
            )
        low, high = ranges[name]
        if not isinstance(value, (int, float)) or not low <= value <= high:
            raise ValueError(f"{name} must be from {low} to {high}, found {value!r}: correct it")


# Label, unit, value that changes nothing, lowest and highest value, step.
KNOBS: dict[str, tuple[str, str, float, float, float, float]] = {
    "orientation": ("orientation", "", 0, 0, 7, 1),
    "angle": ("angle", "°", 0, -180, 180, 5),
    "scale": ("scale", "", 1.0, 0.5, 2.0, 0.05),
    "shear": ("shear", "°", 0, -30, 30, 1),
    "elastic": ("elastic", " px", 0.0, 0.0, 4.0, 0.25),
    "brightness": ("brightness", "", 0.0, -0.4, 0.4, 0.05),
    "contrast": ("contrast", "", 1.0, 0.4, 2.0, 0.05),
    "gamma": ("gamma", "", 1.0, 0.4, 2.5, 0.05),
    "red": ("red", " %", 0, -50, 50, 5),
    "hue": ("hue", "°", 0, -60, 60, 5),
    "noise": ("noise", "", 0.0, 0.0, 0.2, 0.01),
    "blur": ("blur", " px", 0.0, 0.0, 4.0, 0.25),
}
MOVES = ("orientation", "angle", "scale", "shear", "elastic")


def _picture(samples: Samples, number: int, geometry: Geometry, photometry: Photometry) -> Figure:
    sample = samples[number]
    height, width = sample.mask.shape
    side = min(height, width, SHOWN)
    middle = np.array([(height - 1) / 2, (width - 1) / 2], np.float32)[:, None, None]
    fig, panels = figures.grid(1, 3, cell=3.2)
    for ax, chosen, look, title in (
        (panels[0, 0], Geometry(), Photometry(), "original"),
        (panels[0, 1], geometry, photometry, "augmented"),
    ):
        field = chosen.offsets((side, side)) + middle
        image = look(interpolate(sample.image, field))
        mask = pick(sample.mask, field, samples.ignore_value)
        figures.draw_image(ax, image, title)
        _draw_grid(ax, field - middle)
        figures.draw_outlines(ax, mask, samples.num_classes)
    figures.draw_mask(panels[0, 2], mask, samples.num_classes, "its mask, moved by the same field")
    _draw_grid(panels[0, 2], field - middle)
    _draw_ignored(panels[0, 2], mask, samples.ignore_value)
    handles: list[Any] = figures.outline_legend(samples.class_names)
    handles.append(
        Line2D([], [], color="#333333", linewidth=1, dashes=(4, 3), label="grid fixed to the image")
    )
    if samples.ignore_value is not None:
        handles.append(Patch(facecolor="white", edgecolor="#666666", hatch="xxx", label="ignored"))
    figures.key(fig, handles, columns=6)
    return fig


def _draw_grid(ax: Axes, offsets: NDArray[np.float32]) -> None:
    """Lines of equal row and of equal column of the original, every `LINES` pixels."""
    reach = int(np.abs(offsets).max()) // LINES + 1
    places = [np.arange(0, length, 4) for length in offsets.shape[:0:-1]]
    for axis in offsets[:, ::4, ::4]:
        levels = np.arange(-reach, reach + 1) * LINES
        # A light line below a dark one is seen on dark and on bright ground.
        ax.contour(*places, axis, levels, colors="white", linewidths=1.6, linestyles="-", alpha=0.4)
        dashes = [(0, (4, 3))]
        ax.contour(*places, axis, levels, colors="#333333", linewidths=0.7, linestyles=dashes)


def _draw_ignored(ax: Axes, mask: NDArray[Any], ignore_value: int | None) -> None:
    region = mask == ignore_value
    if region.any():
        ax.contourf(region, [0.5, 1.5], colors=["white"])
        ax.contourf(region, [0.5, 1.5], colors="none", hatches=["xxx"])

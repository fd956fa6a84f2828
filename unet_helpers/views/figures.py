"""The course's figures. Each function returns a Matplotlib figure; `show` puts it on the page.

Nothing is told by colour alone: classes differ in line style, errors in hatching. The colours are
those of Okabe and Ito, which colour-blind readers can tell apart
(https://jfly.uni-koeln.de/color/).
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle
from numpy.typing import NDArray
from PIL import Image

from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.scores import count, iou

BLUE, ORANGE, GREEN, PINK, BLACK = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#222222"
OUTLINES = (("#E69F00", "-"), ("#0072B2", "--"), ("#009E73", "-."), ("#D55E00", ":"))
LINE_COLOURS = (BLUE, ORANGE, GREEN, PINK, BLACK, "#D55E00", "#FFFFFF")
DPI = 90


def png(fig: Figure) -> bytes:
    """Render a figure to PNG bytes of 256 colours: a third of the size, the same to the eye."""
    rendered, small = io.BytesIO(), io.BytesIO()
    fig.savefig(rendered, format="png", dpi=DPI, facecolor="white")
    picture = Image.open(rendered).convert("RGB")
    # The line colours cover few pixels, so a palette made for the photograph would lose them.
    lines = b"".join(bytes.fromhex(colour[1:]) for colour in LINE_COLOURS)
    shades = bytes(picture.quantize(256 - len(LINE_COLOURS)).getpalette() or [])
    palette = Image.new("P", (1, 1))
    # A picture of few colours gives a short palette; the line colours keep their places at its end.
    palette.putpalette(shades[: 768 - len(lines)].ljust(768 - len(lines), b"\0") + lines)
    reduced = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    # Pillow picks a near colour, not the nearest: keep the page's white white (the last entry).
    reduced.paste(255, mask=Image.fromarray((np.asarray(picture) == 255).all(axis=-1)))
    reduced.save(small, format="png", optimize=True)
    return small.getvalue()


class Picture:
    """A figure ready for display, with a text for those who cannot see it."""

    def __init__(self, fig: Figure, alt: str) -> None:
        self.png, self.alt = png(fig), alt

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        data = {
            "image/png": base64.b64encode(self.png).decode(),
            "text/plain": f"Figure: {self.alt}",
        }
        return data, {"image/png": {"alt": self.alt}}


def show(fig: Figure, alt: str) -> None:
    """Display a figure with a text for those who cannot see it.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    alt : str
        What the figure shows, in one sentence.
    """
    display(Picture(fig, alt))


def grid(
    rows: int, columns: int, cell: float = 2.4, legend: bool = True, title: float = 0.28
) -> tuple[Figure, NDArray[Any]]:
    """A figure of square panels without axes, `cell` inches each, and its array of panels."""
    height = rows * (cell + title) + (0.4 if legend else 0.0)
    fig = Figure(figsize=(columns * cell, height), layout="constrained")
    panels = fig.subplots(rows, columns, squeeze=False)
    for ax in panels.flat:
        ax.set_axis_off()
    return fig, panels


def key(fig: Figure, handles: Sequence[Any], columns: int) -> None:
    """Put a legend below all panels."""
    fig.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)


def draw_image(ax: Axes, image: NDArray[Any], title: str = "") -> None:
    """Draw a grey or RGB image with values from 0 to 1; further channels are left out."""
    shown = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    ax.imshow(np.clip(shown, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()


def draw_outlines(ax: Axes, mask: NDArray[Any], num_classes: int) -> None:
    """Draw the border of each class but 0, every class in its own colour and line style."""
    width = 1.5 if max(mask.shape) <= 300 else 0.9  # large images hold finer structures
    for class_id in range(1, num_classes):
        region = mask == class_id
        if region.any() and not region.all():
            colour, style = OUTLINES[(class_id - 1) % len(OUTLINES)]
            # A white line below keeps the outline visible on dark and on bright ground.
            ax.contour(region, [0.5], colors="white", linewidths=1.7 * width)
            ax.contour(region, [0.5], colors=colour, linestyles=style, linewidths=width)


def draw_mask(ax: Axes, mask: NDArray[Any], num_classes: int, title: str = "") -> None:
    """Draw class ids as greys from white (0) to dark."""
    ax.imshow(
        mask, cmap="gray_r", vmin=0, vmax=max(num_classes - 1, 1) * 1.3, interpolation="nearest"
    )
    ax.add_patch(Rectangle((0, 0), 1, 1, transform=ax.transAxes, fill=False, edgecolor="#999999"))
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()


def outline_legend(class_names: Sequence[str]) -> list[Line2D]:
    """Legend entries for `draw_outlines`."""
    return [
        Line2D([], [], color=colour, linestyle=style, linewidth=2, label=name)
        for name, (colour, style) in zip(class_names[1:], OUTLINES, strict=False)
    ]


def samples(chosen: Samples) -> Figure:
    """Images above, the same images with their masks' outlines below."""
    fig, panels = grid(2, len(chosen))
    for column, sample in zip(panels.T, chosen, strict=True):
        own = sample.group == sample.name  # a group of its own needs no second line
        draw_image(column[0], sample.image, sample.name + f"\ngroup: {sample.group}" * (not own))
        draw_image(column[1], sample.image)
        draw_outlines(column[1], sample.mask, chosen.num_classes)
    key(fig, outline_legend(chosen.class_names), columns=4)
    return fig


def image_and_mask(image: NDArray[Any], mask: NDArray[Any], class_names: Sequence[str]) -> Figure:
    """One image, its mask in greys with a key, and both together."""
    fig, panels = grid(1, 3, cell=3.2)
    draw_image(panels[0, 0], image, "image")
    draw_mask(panels[0, 1], mask, len(class_names), "mask")
    levels = np.arange(len(class_names)) / (max(len(class_names) - 1, 1) * 1.3)
    keys = [
        Patch(facecolor=str(1 - level), edgecolor="#999999", label=f"{i} {name}")
        for i, (level, name) in enumerate(zip(levels, class_names, strict=True))
    ]
    draw_image(panels[0, 2], image, "outline of the mask on the image")
    draw_outlines(panels[0, 2], mask, len(class_names))
    keys_and_lines = [*keys, *outline_legend(class_names)]
    key(fig, keys_and_lines, columns=6)
    return fig


def batch(images: NDArray[Any], masks: NDArray[Any], class_names: Sequence[str]) -> Figure:
    """A training batch as the model gets it, with outlines; four crops to a row."""
    columns = min(4, len(images))
    rows = -(-len(images) // columns)
    fig, panels = grid(rows, columns, cell=2.2, title=0.0)
    for ax, image, mask in zip(panels.flat, images, masks, strict=False):
        draw_image(ax, image)
        draw_outlines(ax, mask[..., 0], len(class_names))
    key(fig, outline_legend(class_names), columns=4)
    return fig


def draw_errors(ax: Axes, image: NDArray[Any], truth: NDArray[Any], guess: NDArray[Any]) -> None:
    """Hatch the wrongly found pixels (orange, ///) and the missed ones (blue, ...) on the image."""
    grey = image[..., :3].mean(axis=-1)
    ax.imshow(0.55 + 0.45 * grey, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    if (truth > 0).any():  # first, so that it does not hide an error along the border
        ax.contour(truth > 0, [0.5], colors=BLACK, linewidths=0.6)
    for region, colour, hatch in (
        ((guess > 0) & (truth == 0), ORANGE, "/////"),
        ((guess == 0) & (truth > 0), BLUE, "....."),
    ):
        if region.any():
            ax.contourf(region, [0.5, 1.5], colors=[colour], alpha=0.55)
            ax.contourf(region, [0.5, 1.5], colors="none", hatches=[hatch])
    ax.set_axis_off()


def error_legend() -> list[Patch | Line2D]:
    """Legend entries for `draw_errors`."""
    return [
        Patch(facecolor=ORANGE, alpha=0.6, hatch="////", label="found, but not there"),
        Patch(facecolor=BLUE, alpha=0.6, hatch="....", label="there, but missed"),
        Line2D([], [], color=BLACK, linewidth=0.8, label="border of the truth"),
    ]


def predictions(chosen: Samples, masks: Sequence[NDArray[Any]]) -> Figure:
    """For each sample a column: image with the truth, predicted mask, and map of the errors."""
    fig, panels = grid(3, len(chosen))
    for column, sample, mask in zip(panels.T, chosen, masks, strict=True):
        known = sample.mask != (-1 if chosen.ignore_value is None else chosen.ignore_value)
        score = float(iou(count(sample.mask[known] > 0, mask[known] > 0))[1])
        draw_image(column[0], sample.image, sample.name)
        draw_outlines(column[0], sample.mask, chosen.num_classes)
        draw_mask(column[1], mask, chosen.num_classes, "predicted mask")
        draw_errors(column[2], sample.image, sample.mask, mask)
        column[2].set_title(f"errors: IoU {score:.2f}".replace("nan", "undefined"), fontsize=9)
    truth = outline_legend(
        [chosen.class_names[0], *(f"truth: {c}" for c in chosen.class_names[1:])]
    )
    key(fig, [*truth, *error_legend()], columns=2)
    return fig


# Line style, marker and colour of the first, second, ... curve of a panel.
LINE_LOOKS = (("-", "o", BLUE), ("--", "s", ORANGE), ("-.", "^", GREEN), (":", "D", PINK))


def curves(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    xlabel: str,
    ylabel: str,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Named curves (x values, y values) in one panel, each with its own line style and marker."""
    fig = Figure(figsize=(7.5, 3.4), layout="constrained")
    ax = fig.subplots()
    for (name, (x, y)), look in zip(series.items(), LINE_LOOKS, strict=False):
        style, marker, colour = look
        every = max(1, len(x) // 12)
        ax.plot(x, y, style, marker=marker, markevery=every, color=colour, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, ylim=limits)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return fig


def bars(
    values: Mapping[str, float], xlabel: str, limit: float | None = None, digits: int = 2
) -> Figure:
    """Horizontal bars, each with its number written beside it."""
    fig = Figure(figsize=(7.5, 0.5 * len(values) + 0.9), layout="constrained")
    ax = fig.subplots()
    drawn = ax.barh(list(values), list(values.values()), color=BLUE, height=0.6)
    ax.bar_label(drawn, fmt=f"{{:.{digits}f}}", padding=4)
    ax.invert_yaxis()
    ax.set(xlabel=xlabel, xlim=(0, limit or max(values.values()) * 1.15))
    if limit:  # a share ends at 1; the room beyond is for the numbers
        ax.set_xticks(np.linspace(0, 1, 6))
        ax.spines["bottom"].set_bounds(0, 1)
    ax.spines[["top", "right"]].set_visible(False)
    return fig


def field_of_view(model: Any, image: NDArray[Any], row: int, column: int) -> Figure:
    """The image with one pixel marked, and the square that the model's output there depends on."""
    from unet_helpers.model.geometry import trace_back  # loads Keras, which no other figure needs

    top, bottom = trace_back(model, row)
    left, right = trace_back(model, column)
    fig = Figure(figsize=(4.6, 4.8), layout="constrained")
    ax = fig.subplots()
    size = f"{bottom - top + 1} x {right - left + 1}"
    draw_image(ax, image, f"the output at the cross depends on {size} pixels")
    x, y = [left, right, right, left, left], [top, top, bottom, bottom, top]
    ax.plot(x, y, color="white", linewidth=3.5)  # to be seen on dark ground, too
    ax.plot(x, y, "--", color=BLACK, linewidth=2)
    ax.plot([column], [row], "X", color=ORANGE, markeredgecolor="black", markersize=11)
    ax.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
    return fig


_LAST = ("1x1 conv\noutput", "transposed\nconv, output")


def architecture(model: Any, size: int = 256) -> Figure:
    """Draw a `unet` model as a U, from its own layers, labelled with its shapes.

    Parameters
    ----------
    model : keras.Model
        Built by `unet`, or by hand with the same layer names.
    size : int
        Height and width that the labels speak of.
    """
    stages = {
        name.removesuffix("_relu2"): model.get_layer(name).output.shape[-1]
        for name in (layer.name for layer in model.layers)
        if name.endswith("_relu2")
    }
    depth = sum(name.startswith("down") for name in stages)
    stem = next((layer.strides[0] for layer in model.layers if layer.name == "stem"), 1)
    fig = Figure(figsize=(max(8.5, 2.7 * (depth + 1)), depth + 1.6), layout="constrained")
    ax = fig.subplots()
    place: dict[str, tuple[float, float]] = {}
    for name in stages:
        level = depth if name == "bottom" else int(name.removeprefix("down").removeprefix("up"))
        x = level if name.startswith("down") else 2 * depth - level
        place[name] = (float(x), float(-level))
        side = size // (stem * 2**level)
        _stage(ax, place[name], f"{side} x {side} x {stages[name]}", name)
    _arrows(ax, place, depth)
    ends = (
        (-1.0, 0, "image", model.input_shape),
        (2 * depth + 1.0, 0, _LAST[stem > 1], model.output_shape),
    )
    for x, y, name, shape in ends:
        ax.text(
            x, y, f"{name}\n{size} x {size} x {shape[-1]}", ha="center", va="center", fontsize=8.5
        )
    ax.set(xlim=(-1.45, 2 * depth + 1.45), ylim=(-depth - 0.85, 0.4))
    ax.set_axis_off()
    _architecture_legend(ax)
    return fig


def _stage(ax: Axes, at: tuple[float, float], label: str, name: str) -> None:
    colour = {"d": "#D6E9F5", "b": "#E8E8E8", "u": "#FCEBCB"}[name[0]]
    x, y = at
    ax.add_patch(
        FancyBboxPatch(
            (x - 0.4, y - 0.26),
            0.8,
            0.52,
            boxstyle="round,pad=0.02",
            facecolor=colour,
            edgecolor=BLACK,
        )
    )
    ax.text(x, y + 0.03, label, ha="center", va="bottom", fontsize=8, fontweight="bold")
    ax.text(x, y - 0.01, f"{name}\n2 x conv 3x3", ha="center", va="top", fontsize=7)


def _arrows(ax: Axes, place: Mapping[str, tuple[float, float]], depth: int) -> None:
    def arrow(x0: float, y0: float, x1: float, y1: float, **look: Any) -> None:
        ax.annotate("", (x1, y1), (x0, y0), arrowprops={"arrowstyle": "-|>", **look})

    for level in range(depth):
        (x0, y0), (x1, y1) = place[f"down{level}"], place[f"up{level}"]
        arrow(x0 + 0.43, y0, x1 - 0.43, y1, color="#555555", linestyle=(0, (4, 3)))
        (x2, y2) = place.get(f"down{level + 1}", place["bottom"])
        (x3, y3) = place.get(f"up{level + 1}", place["bottom"])
        arrow(x0 + 0.1, y0 - 0.29, x2 - 0.43, y2 + 0.05, color=BLUE, linewidth=1.8)
        arrow(x3 + 0.43, y3 + 0.05, x1 - 0.1, y1 - 0.29, color=ORANGE, linewidth=1.8)
    arrow(-0.62, 0, -0.42, 0, color=BLACK)
    arrow(2 * depth + 0.42, 0, 2 * depth + 0.62, 0, color=BLACK)


def _architecture_legend(ax: Axes) -> None:
    handles = [
        Line2D([], [], color=BLUE, linewidth=2, label="max pooling 2x2 (blue, going down)"),
        Line2D(
            [], [], color="#555555", linestyle="--", label="skip connection: copy and concatenate"
        ),
        Line2D([], [], color=ORANGE, linewidth=2, label="up-sampling x2 (orange, going up)"),
    ]
    ax.legend(handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=8)

"""Figures of notebooks 06 and 07: objects, curves over the number of images, seams, formats."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from unet_helpers.views.figures import (
    BLACK,
    BLUE,
    LINE_LOOKS,
    ORANGE,
    draw_image,
    grid,
)

FILLS = ("#56B4E9", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2")


def objects(image: NDArray[Any], labels: NDArray[Any], title: str = "") -> Figure:
    """An image, and the numbered objects found in it, each with its number.

    Parameters
    ----------
    image : ndarray of float, shape (height, width, channels)
        0 to 1.
    labels : ndarray of int, shape (height, width)
        From `find_objects`.
    title : str
        Above the image.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, panels = grid(1, 2, cell=3.7, legend=False)
    total = int(labels.max(initial=0))
    draw_image(panels[0, 0], image, title)
    draw_image(panels[0, 1], 0.5 + 0.5 * image, f"{total} object{'s' * (total != 1)}")
    for number in range(1, total + 1):
        inside = labels == number
        colour = FILLS[(number - 1) % len(FILLS)]
        panels[0, 1].contourf(inside, [0.5, 1.5], colors=[colour], alpha=0.5)
        panels[0, 1].contour(inside, [0.5], colors=BLACK, linewidths=0.8)
        row, column = np.argwhere(inside).mean(axis=0)
        panels[0, 1].text(column, row, str(number), ha="center", va="center", fontsize=8)
    return fig


def over_images(
    arms: Mapping[str, Mapping[int, Sequence[float]]],
    ylabel: str,
    reference: tuple[str, float] | None = None,
) -> Figure:
    """Scores over the number of training images: a line through the medians, a dot a training.

    Parameters
    ----------
    arms : mapping of str to mapping
        For each way to train, the scores (one a seed, 0 to 1) by number of images.
    ylabel : str
        What the scores are.
    reference : (str, float), optional
        A score that needs no training, drawn as a line.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = Figure(figsize=(7.5, 3.4), layout="constrained")
    ax = fig.subplots()
    for (name, scores), (style, marker, colour) in zip(arms.items(), LINE_LOOKS, strict=False):
        middles = [float(np.median(values)) for values in scores.values()]
        ax.plot(list(scores), middles, style, color=colour, marker=marker, label=name)
        for number, values in scores.items():
            ax.plot([number] * len(values), values, ".", color=colour, markersize=4, alpha=0.7)
    if reference:
        ax.axhline(reference[1], color="#666666", linestyle=":", label=reference[0])
    ticks = sorted({number for scores in arms.values() for number in scores})
    ax.set_xscale("log")
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set(xlabel="training images (each step to the right doubles them or more)", ylabel=ylabel)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return fig


def seams(
    image: NDArray[Any],
    whole: NDArray[Any],
    pieces: Mapping[str, NDArray[Any]],
    tile: int,
    largest: float = 0.5,
) -> Figure:
    """An image with the cuts of its tiles, and where predictions in pieces differ from the whole.

    Parameters
    ----------
    image : ndarray of float, shape (height, width, channels)
    whole : ndarray of float, shape (height, width, 1)
        Probabilities of the whole image at once.
    pieces : mapping of str to ndarray
        Probabilities put together of tiles, by how they were made.
    tile : int
        Pixels a side.
    largest : float
        The difference that is drawn black.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, panels = grid(1, 1 + len(pieces), cell=3.2, legend=False)
    draw_image(panels[0, 0], image, f"the image, cut into tiles of {tile}")
    height, width = whole.shape[:2]
    for row in range(0, height, tile):
        for column in range(0, width, tile):
            place = (column - 0.5, row - 0.5)
            box = Rectangle(place, tile, tile, fill=False, edgecolor=ORANGE, linewidth=1.2)
            panels[0, 0].add_patch(box)
    for panel, (name, made) in zip(panels[0, 1:], pieces.items(), strict=True):
        off = np.abs(made - whole)[..., 0]
        panel.imshow(off, cmap="gray_r", vmin=0, vmax=largest, interpolation="nearest")
        edge = Rectangle((0, 0), 1, 1, transform=panel.transAxes, fill=False, edgecolor="#999999")
        panel.add_patch(edge)
        panel.set_title(f"{name}: off by up to ≈ {off.max():.2g}", fontsize=9)
        panel.set_axis_off()
    return fig


def costs_of_tiles(
    tiles: Sequence[int], reaches: Mapping[str, int], marked: int | None = None
) -> Figure:
    """How many pixels are computed for one that is kept, over the size of a tile.

    Parameters
    ----------
    tiles : sequence of int
        Pixels a side.
    reaches : mapping of str to int
        The halo of each net, in pixels.
    marked : int, optional
        The tile size that is usual, drawn as a line.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = Figure(figsize=(7.5, 3.4), layout="constrained")
    ax = fig.subplots()
    for (name, reach), (style, marker, colour) in zip(reaches.items(), LINE_LOOKS, strict=False):
        fed = [((tile + 2 * reach) / tile) ** 2 for tile in tiles]
        ax.plot(tiles, fed, style, color=colour, marker=marker, label=f"{name}: halo {reach}")
    if marked:
        ax.axvline(marked, color="#666666", linestyle=":", label=f"tiles of {marked}")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    ax.set_xticks(tiles, [str(tile) for tile in tiles])
    ax.set_yticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    ax.minorticks_off()
    ax.set(xlabel="tile, pixels a side", ylabel="pixels computed for one kept")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return fig


def formats(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Milliseconds for an image, and megabytes on disk, of each format; 8 bits are hatched.

    Parameters
    ----------
    rows : sequence of mapping
        Each with ``format``, ``milliseconds`` and ``bytes``, as benchmarks/export_formats.py
        stores them.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = Figure(figsize=(8.0, 0.42 * len(rows) + 1.3), layout="constrained")
    left, right = fig.subplots(1, 2, sharey=True)
    names = [row["format"] for row in rows]
    kinds = ["8 bits" in name for name in names]
    columns = ((left, "milliseconds", 1.0, "{:.0f}"), (right, "bytes", 1e-6, "{:.2f}"))
    for ax, key, scale, digits in columns:
        values = [row[key] * scale for row in rows]
        drawn = ax.barh(names, values, height=0.6)
        for bar, is_int8 in zip(drawn, kinds, strict=True):
            bar.set(facecolor="#BBD9EC" if is_int8 else BLUE, edgecolor=BLUE)
            bar.set_hatch("///" if is_int8 else "")
        ax.bar_label(drawn, fmt=digits, padding=4)
        ax.set_xlim(0, max(values) * 1.25)
        ax.spines[["top", "right"]].set_visible(False)
    left.invert_yaxis()
    left.set_xlabel("milliseconds for an image")
    right.set_xlabel("megabytes on disk")
    kinds_key = [
        Patch(facecolor=BLUE, label="32-bit floats"),
        Patch(facecolor="#BBD9EC", edgecolor=BLUE, hatch="///", label="8-bit whole numbers"),
    ]
    fig.legend(handles=kinds_key, loc="outside lower center", ncols=2, frameon=False)
    return fig

"""Figures of notebook 02: what shrinking costs, bridges, what a pixel sees, what a border does."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from unet_helpers.data.samples import Sample
from unet_helpers.views import figures

Square = tuple[int, int, int, int]  # first and last row, first and last column
FLOOR = 1e-4  # of the largest value: below it a logarithmic scale shows nothing


def by_size(scores: Mapping[str, Mapping[str, float]]) -> Figure:
    """Scores of a mask that was shrunk and enlarged again: a group of bars for each size.

    Parameters
    ----------
    scores : dict of str to dict of str to float
        For each score its values, 0 to 1, by the size to which the mask was shrunk, such as "1/8";
        every score has the same sizes.

    Returns
    -------
    matplotlib.figure.Figure
        One panel; a number stands on each bar.
    """
    fig = Figure(figsize=(7.5, 3.2), layout="constrained")
    ax = fig.subplots()
    sizes = list(next(iter(scores.values())))
    at, width = np.arange(len(sizes)), 0.8 / len(scores)
    looks = ((figures.BLUE, ""), (figures.ORANGE, "///"))
    for place, (name, values) in enumerate(scores.items()):
        colour, hatch = looks[place % len(looks)]
        x = at + (place - (len(scores) - 1) / 2) * width
        heights = [values[size] for size in sizes]
        look: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "white"}
        drawn = ax.bar(x, heights, 0.94 * width, label=name, **look)
        ax.bar_label(drawn, fmt="{:.2f}", padding=2, fontsize=9)
    ax.set_xticks(at, sizes)
    ax.set(xlabel="mask shrunk to", ylabel="agreement with the original", ylim=(0, 1.1))
    ax.set_yticks(np.linspace(0, 1, 6))
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    ax.spines[["top", "right"]].set_visible(False)
    return fig


def compared(sample: Sample, masks: Mapping[str, NDArray[Any]], zoom: int = 72) -> Figure:
    """Image, truth and two predictions; below, the window in which the two differ most.

    Parameters
    ----------
    sample : Sample
        The image and its mask, background 0.
    masks : dict of str to ndarray of int, shape (height, width)
        Two predictions by name.
    zoom : int
        Side of the window in pixels.

    Returns
    -------
    matplotlib.figure.Figure
        Eight panels; in the lower row the predictions' errors are marked.
    """
    fig, panels = figures.grid(2, 4)
    figures.draw_image(panels[0, 0], sample.image, sample.name)
    figures.draw_mask(panels[0, 1], sample.mask > 0, 2, "truth")
    for ax, (name, mask) in zip(panels[0, 2:], masks.items(), strict=True):
        figures.draw_mask(ax, mask, 2, name)
    one, other = masks.values()
    rows, columns = _differ_most(one, other, zoom)
    for ax in panels[0]:
        corner = (columns.start - 0.5, rows.start - 0.5)
        for colour, width in (("white", 3.0), (figures.BLACK, 1.2)):
            ax.add_patch(Rectangle(corner, zoom, zoom, fill=False, ec=colour, lw=width))
    image, truth = sample.image[rows, columns], sample.mask[rows, columns]
    figures.draw_image(panels[1, 0], image, "the square, enlarged")
    figures.draw_mask(panels[1, 1], truth > 0, 2, "truth")
    for ax, (name, mask) in zip(panels[1, 2:], masks.items(), strict=True):
        figures.draw_errors(ax, image, truth, mask[rows, columns])
        ax.set_title(f"errors {name}", fontsize=9)
    figures.key(fig, figures.error_legend(), columns=3)
    return fig


def _differ_most(one: NDArray[Any], other: NDArray[Any], side: int) -> tuple[slice, slice]:
    """Rows and columns of the window that holds the most pixels on which two masks disagree."""
    total = np.pad((one != other).astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    inside += total[:-side, :-side]
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    return slice(int(row), int(row) + side), slice(int(column), int(column) + side)


def over_seeds(groups: Mapping[str, Mapping[str, Sequence[float]]], ylabel: str) -> Figure:
    """Scores of trainings in pairs: a line joins the two that began with the same random numbers.

    Parameters
    ----------
    groups : dict of str to dict of str to sequence of float
        For each group two named sequences, such as ``without`` and ``with``, one score a seed.
    ylabel : str
        What the scores are.

    Returns
    -------
    matplotlib.figure.Figure
        One panel; the groups stand side by side.
    """
    fig = Figure(figsize=(8.0, 3.6), layout="constrained")
    ax = fig.subplots()
    ticks: list[float] = []
    labels: list[str] = []
    for place, (group, pair) in enumerate(groups.items()):
        (first, low), (second, high) = pair.items()
        x = np.array([2.4 * place, 2.4 * place + 1])
        for scores in zip(low, high, strict=True):
            ax.plot(x, scores, color="#777777", linewidth=1, zorder=1)
        ax.scatter(np.full(len(low), x[0]), low, color=figures.ORANGE, marker="s", zorder=2)
        ax.scatter(np.full(len(high), x[1]), high, color=figures.BLUE, marker="o", zorder=2)
        ticks.extend(x)
        labels.extend([first, second])
        ax.text(x.mean(), 1.02, group, ha="center", transform=ax.get_xaxis_transform(), fontsize=9)
    ax.set_xticks(ticks, labels)
    ax.set(ylabel=ylabel, ylim=(0, None), xlim=(-0.7, ticks[-1] + 0.7))
    ax.grid(axis="y", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return fig


def influence(
    image: NDArray[Any],
    strength: NDArray[Any],
    pixel: tuple[int, int],
    can_see: Square,
    listens_to: Square,
    share: float,
) -> Figure:
    """An image, and beside it how strongly each of its pixels moves one output pixel.

    Parameters
    ----------
    image : ndarray, shape (height, width, channels)
        Grey or RGB, values 0 to 1.
    strength : ndarray, shape (height, width)
        At least 0, as the size of a gradient.
    pixel : tuple of int
        Row and column of the output pixel.
    can_see, listens_to : tuple of int
        First and last row, first and last column of two squares: the theoretical field, dashed,
        and the part that matters, solid.
    share : float
        How much of the influence comes from the solid square, 0 to 1: for the legend.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels with both squares, and a scale of shades in powers of ten.
    """
    fig, panels = figures.grid(1, 2, cell=4.0)
    figures.draw_image(panels[0, 0], image, "the image")
    relative = np.ma.masked_less(strength / strength.max(), FLOOR)
    drawn = panels[0, 1].imshow(relative, cmap="viridis_r", norm=LogNorm(FLOOR, 1))
    panels[0, 1].set_title("influence on the output at the cross (largest is 1)", fontsize=9)
    fig.colorbar(drawn, ax=panels[0, 1], shrink=0.7)
    row, column = (can_see[0] + can_see[1]) / 2, (can_see[2] + can_see[3]) / 2
    reach = (can_see[1] - can_see[0]) / 2 + 8
    for ax in panels[0]:
        _square(ax, can_see, "--")
        _square(ax, listens_to, "-")
        ax.plot(*pixel[::-1], "X", color=figures.ORANGE, markeredgecolor="black", markersize=8)
        ax.set(xlim=(column - reach, column + reach), ylim=(row + reach, row - reach))
    solid = f"where {share * 100:.0f} % of the influence comes from"
    lines = [
        Line2D([], [], color=figures.BLACK, linestyle="--", label="what it can see"),
        Line2D([], [], color=figures.BLACK, label=solid),
    ]
    figures.key(fig, lines, columns=2)
    return fig


def _square(ax: Axes, square: Square, style: str) -> None:
    top, bottom, left, right = square
    corner, sides = (left - 0.5, top - 0.5), (right - left + 1, bottom - top + 1)
    # The solid white line below keeps either style visible on dark ground.
    for colour, width, dashes in (("white", 3.2, "-"), (figures.BLACK, 1.6, style)):
        ax.add_patch(Rectangle(corner, *sides, fill=False, ec=colour, lw=width, linestyle=dashes))


def border_effect(difference: NDArray[Any], reach: int) -> Figure:
    """How an output changes where the picture ends: as a map, and by the distance from the edge.

    Parameters
    ----------
    difference : ndarray, shape (height, width)
        Size of the change of each output pixel, at least 0.
    reach : int
        How many pixels the zeros beyond the edge can reach: a dashed square marks it on the map,
        if it fits in, and a dashed line on the curve.

    Returns
    -------
    matplotlib.figure.Figure
        The map and the curve, both with a logarithmic scale.
    """
    distance = edge_distance(*difference.shape)
    at = np.arange(distance.max() + 1)
    mean = np.array([difference[distance == d].mean() for d in at])
    fig = Figure(figsize=(9.2, 3.8), layout="constrained")
    left, right = fig.subplots(1, 2, width_ratios=[1, 1.25])
    norm = LogNorm(FLOOR, 1)
    drawn = left.imshow(np.ma.masked_less(difference, FLOOR), cmap="viridis_r", norm=norm)
    fig.colorbar(drawn, ax=left, shrink=0.8)
    left.add_patch(Rectangle((0, 0), 1, 1, transform=left.transAxes, fill=False, ec="#999999"))
    left.set_axis_off()
    height, width = difference.shape
    if 2 * reach < min(height, width):
        _square(left, (reach, height - 1 - reach, reach, width - 1 - reach), "--")
    left.set_title(f"change of the probability (white: less than {FLOOR:.4f})", fontsize=9)
    shown = mean >= FLOOR / 10
    right.semilogy(at[shown], mean[shown], color=figures.BLUE, marker="o", markersize=3)
    right.axvline(reach, color=figures.BLACK, linestyle="--")
    beside = {"ha": "right", "va": "top", "transform": right.get_xaxis_transform(), "fontsize": 9}
    right.text(reach - 1, 0.97, "no zero reaches farther", **beside)
    right.set(xlabel="distance from the edge in pixels", ylabel="mean change", xlim=(-1, at[-1]))
    right.grid(alpha=0.3)
    right.spines[["top", "right"]].set_visible(False)
    return fig


def edge_distance(height: int, width: int) -> NDArray[np.int64]:
    """Each pixel's distance from the nearest edge of the picture, 0 for the outermost.

    Parameters
    ----------
    height, width : int
        Of the picture.

    Returns
    -------
    ndarray of int64, shape (height, width)
        The distances in pixels.

    Examples
    --------
    >>> edge_distance(3, 5)
    array([[0, 0, 0, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 0, 0, 0]])
    """
    rows, columns = np.arange(height), np.arange(width)
    down, right = (np.minimum(place, place[::-1]) for place in (rows, columns))
    return np.minimum(down[:, None], right[None])

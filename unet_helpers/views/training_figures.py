"""Figures of the sanity tools, and of a recipe that is mended one change at a time."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from unet_helpers.evaluation.seeds import spread
from unet_helpers.training.sanity import Overfit, RateRange
from unet_helpers.views.figures import BLACK, BLUE, ORANGE

GREY = "#767676"


def overfit(result: Overfit) -> Figure:
    """Loss and Dice of one batch, learned by heart; each in its own panel.

    Parameters
    ----------
    result : Overfit
        Of `overfit_one_batch`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = Figure(figsize=(8.4, 2.9), layout="constrained")
    times = np.arange(len(result.losses))
    curves = (("loss", result.losses, BLUE, "-"), ("Dice", result.dices, ORANGE, "-"))
    for ax, (name, values, colour, style) in zip(fig.subplots(1, 2), curves, strict=True):
        ax.plot(times, values, style, color=colour, linewidth=2)
        ax.set(xlabel="times it saw the batch", ylabel=name)
        ax.set_ylim(bottom=min(0, np.nanmin(values, initial=0)))
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
        if name == "Dice":
            ax.set_ylim(0, 1.02)
    return fig


def learning_rates(result: RateRange) -> Figure:
    """Loss over the learning rate, its running mean, and the suggested rate.

    Parameters
    ----------
    result : RateRange
        Of `learning_rate_range`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = Figure(figsize=(7.5, 3.4), layout="constrained")
    ax = fig.subplots()
    ax.plot(result.rates, result.losses, ".", color=GREY, markersize=5, label="loss of a batch")
    ax.plot(result.rates, result.smoothed, "-", color=BLUE, linewidth=2, label="running mean")
    if result.suggested is not None:
        ax.axvline(
            result.suggested, color=ORANGE, linestyle="--", linewidth=2,
            label=f"suggested: {result.suggested:.0e}",
        )  # fmt: skip
    finite = result.losses[np.isfinite(result.losses)]
    if finite.size:
        # Where the loss blows up, the fall before it must still be seen.
        low, start = finite.min(), float(np.median(finite[:5]))
        top = min(finite.max(), max(1.6 * start, start + 0.5 * (start - low)))
        room = 0.06 * (top - low or 1)
        ax.set_ylim(low - room, top + room)
    ax.set(xscale="log", xlabel="learning rate", ylabel="loss")
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=True, framealpha=0.85, edgecolor="none", loc="lower left")
    ax.tick_params(colors=BLACK)
    return fig


def repairs(
    scores: Mapping[str, Sequence[float]],
    xlabel: str,
    seconds: Mapping[str, Sequence[float]] | None = None,
) -> Figure:
    """Scores of several variants of a training, one row each, from top to bottom.

    Parameters
    ----------
    scores : dict of str to sequence of float
        For each variant one score a seed, 0 to 1: a dot each. From three seeds on, a bar shows the
        interval of their mean, and a stroke the mean.
    xlabel : str
        What the scores are.
    seconds : dict of str to sequence of float, optional
        What the trainings took; their medians are written at the right.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = Figure(figsize=(8.4, 0.46 * len(scores) + 1.0), layout="constrained")
    ax = fig.subplots()
    for row, (name, values) in enumerate(scores.items()):
        found = spread(values)
        if np.isfinite(found.low):
            ends = np.clip([found.low, found.high], 0, 1)  # as no score lies beyond
            ax.hlines(row, *ends, color="#BBBBBB", linewidth=9, zorder=1)
            ax.plot([found.mean], [row], "|", color=BLACK, markersize=13, zorder=2)
        ax.plot(values, np.full(len(values), row), "o", color=BLUE, markersize=5, zorder=3)
        if seconds:
            took = f"{np.median(seconds[name]):.0f} s"
            ax.text(1.13, row, took, ha="right", va="center", fontsize=9)
    ax.set_yticks(range(len(scores)), list(scores))
    ax.set(xlabel=xlabel, xlim=(-0.02, 1.14 if seconds else 1.02), ylim=(len(scores) - 0.5, -0.5))
    ax.set_xticks(np.linspace(0, 1, 6))
    ax.spines["bottom"].set_bounds(0, 1)
    ax.grid(axis="x", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return fig

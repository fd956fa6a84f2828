"""Figures of scores: cases, confusion, object size, calibration, intervals, the threshold's curve.

Each function returns a Matplotlib figure; `figures.show` puts it on the page. Nothing is told by
colour alone.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.calibration import Reliability
from unet_helpers.evaluation.intervals import Interval
from unet_helpers.evaluation.report import ScoreReport
from unet_helpers.evaluation.report_objects import FOUND_ABOVE, is_wide, size_bins
from unet_helpers.evaluation.scores import Scores
from unet_helpers.evaluation.thresholds import Threshold
from unet_helpers.views import figures
from unet_helpers.views.figures import BLACK, BLUE, ORANGE, PINK

GREY = "#767676"
_FEW = 5  # classes whose outlines can be told apart; more are drawn as numbered areas


def _panel(width: float = 7.5, height: float = 3.6) -> tuple[Figure, Axes]:
    fig = Figure(figsize=(width, height), layout="constrained")
    ax = fig.subplots()
    ax.spines[["top", "right"]].set_visible(False)
    return fig, ax


# --- worst, median and best ---------------------------------------------------------------------


def cases(
    report: ScoreReport,
    samples: Samples,
    predictions: Sequence[ArrayLike] | Mapping[int, ArrayLike],
) -> Figure:
    """The worst, the median and the best image: truth, prediction and errors, one below the other.

    Parameters
    ----------
    report : ScoreReport
        Of these samples.
    samples : Samples
    predictions : sequence or mapping of int to array_like, each (height, width)
        Masks of class ids by the samples' numbers; only those of the cases are asked for.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no image has a score.

    Examples
    --------
    ``show(score_figures.cases(report, test, masks), "worst, median and best image")``
    """
    if not report.cases:
        raise ValueError(
            "report must hold an image with a score, found none: neither truth nor prediction "
            "has a class on any image, so look at the data"
        )
    few = samples.num_classes <= _FEW
    shapes = [samples.arrays(index).mask.shape for index in report.cases.values()]
    tall = min(max(max(height / width for height, width in shapes), 0.4), 1.6)
    fig, panels = figures.grid(3 if few else 4, len(report.cases), cell=2.9, title=0.2)
    fig.set_figheight(len(panels) * (2.9 * tall + 0.2) + 0.55 + (0.25 if few else 0.9))
    for column, (case, index) in zip(panels.T, report.cases.items(), strict=True):
        sample, guess = samples[index], np.asarray(predictions[index])
        title = f"{case}: IoU {report.image_scores[index]:.2f}\n{_cut(sample.name)}"
        title += ": truth" * few
        figures.draw_image(column[0], sample.image, title)
        if few:
            figures.draw_outlines(column[0], sample.mask, samples.num_classes)
            figures.draw_image(column[1], sample.image, "prediction")
            figures.draw_outlines(column[1], guess, samples.num_classes)
        else:
            _draw_areas(column[1], sample.mask, samples.num_classes, "truth")
            _draw_areas(column[2], guess, samples.num_classes, "prediction")
        _draw_errors(column[-1], sample.image, sample.mask, guess, samples.num_classes)
    lines = figures.outline_legend(samples.class_names) if few else _areas_legend(samples)
    _key(fig, [*lines, *_error_legend(samples)])
    return fig


def _key(fig: Figure, handles: Sequence[Any]) -> None:
    """A legend in as many columns, four at most, as fit the figure's width."""
    longest = max(len(handle.get_label()) for handle in handles)
    fit = int(fig.get_figwidth() / (0.078 * longest + 0.7))  # inches: a letter; handle and gap
    figures.key(fig, handles, columns=min(max(fit, 1), 4))


def _cut(name: str, most: int = 30) -> str:
    return name if len(name) <= most else f"{name[: most - 11]}...{name[-8:]}"


def _draw_areas(ax: Axes, mask: NDArray[Any], classes: int, title: str) -> None:
    """Class ids as shades, each numbered where its largest piece is thickest."""
    from scipy import ndimage

    known = np.ma.masked_greater_equal(mask, classes)
    ax.imshow(known, cmap="viridis", vmin=0, vmax=classes - 1, interpolation="nearest")
    for class_id in np.unique(known.compressed()):
        # The frame counts as border, so that no number is cut off.
        depth = ndimage.distance_transform_edt(np.pad(mask == class_id, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        ax.text(
            *(column, row, str(class_id)),
            fontsize=7,
            ha="center",
            va="center",
            bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "linewidth": 0, "alpha": 0.8},
        )
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()


def _areas_legend(samples: Samples) -> list[Patch]:
    shades = colormaps["viridis"](np.linspace(0, 1, samples.num_classes))
    entries = [
        Patch(facecolor=shade, label=f"{i} {name}")
        for i, (name, shade) in enumerate(zip(samples.class_names, shades, strict=True))
    ]
    if samples.ignore_value is not None:
        entries.append(Patch(facecolor="white", edgecolor=GREY, label="not labelled"))
    return entries


def _draw_errors(
    ax: Axes, image: NDArray[Any], truth: NDArray[Any], guess: NDArray[Any], classes: int
) -> None:
    """Hatch errors by their kind, or all alike where classes are many; not what has no label."""
    known = truth < classes
    wrong = known & (truth != guess)
    ax.set_title(f"errors: {100 * wrong.sum() / max(known.sum(), 1):.1f} % of pixels", fontsize=9)
    if classes <= _FEW:
        figures.draw_errors(ax, image, np.where(known, truth, 0), np.where(known, guess, 0))
        mixed, colour, hatch = wrong & (guess > 0) & (truth > 0), PINK, "xxxxx"
    else:
        nothing = np.zeros_like(truth)
        figures.draw_errors(ax, image, nothing, nothing)
        mixed, colour, hatch = wrong, ORANGE, "/////"
    if mixed.any():
        ax.contourf(mixed, [0.5, 1.5], colors=[colour], alpha=0.55)
        ax.contourf(mixed, [0.5, 1.5], colors="none", hatches=[hatch])


def _error_legend(samples: Samples) -> list[Patch | Line2D]:
    if samples.num_classes > _FEW:
        return [Patch(facecolor=ORANGE, alpha=0.6, hatch="////", label="wrong class")]
    entries = figures.error_legend()
    if samples.num_classes == 2:
        return entries
    first = samples.class_names[0]
    entries[0].set_label(f"{first} taken for another class")
    entries[1].set_label(f"another class taken for {first}")
    mixed = Patch(facecolor=PINK, alpha=0.6, hatch="xxxx", label="one other class for another")
    return [*entries[:2], mixed, entries[2]]


# --- confusion ----------------------------------------------------------------------------------


def confusion(report: ScoreReport | Scores) -> Figure:
    """Pooled confusion matrix: of each true class (row), the share predicted as each class.

    Parameters
    ----------
    report : ScoreReport or Scores

    Returns
    -------
    matplotlib.figure.Figure
        Each cell tells its share and its number of pixels.

    Examples
    --------
    ``show(score_figures.confusion(report), "what is taken for what")``
    """
    scores = report.scores if isinstance(report, ScoreReport) else report
    table = scores.confusion.sum(axis=0)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    classes = len(table)
    cell = 1.0 if classes <= 4 else 0.66
    names = [f"{i} {name}" for i, name in enumerate(scores.class_names)]
    side = cell * classes + 0.085 * max(map(len, names))
    fig, ax = _panel(max(side + 0.6, 3.6), side + 0.5)
    ax.spines[:].set_visible(False)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
    for (row, column), share in np.ndenumerate(shares):
        told = f"{100 * share:.1f} %" if table[row].any() else "-"
        ax.text(
            *(column, row, f"{told}\n{_short(int(table[row, column]))}"),
            ha="center",
            va="center",
            fontsize=9 if classes <= 4 else 7,
            color="white" if share > 0.6 else BLACK,
        )
    ax.set_xticks(range(classes), names, rotation=0 if classes <= 3 else 45)
    if classes > 3:
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    ax.set_yticks(range(classes), names)
    ax.set_xticks(np.arange(classes - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(classes - 1) + 0.5, minor=True)
    ax.grid(which="minor", color="#BBBBBB", linewidth=0.6)
    ax.tick_params(which="both", length=0)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    ax.set_title("share of the true class, and pixels", fontsize=9)
    return fig


def _short(number: int) -> str:
    """A count in few characters: 950, 12.3 k, 4.1 M."""
    for size, unit in ((10**9, " G"), (10**6, " M"), (10**3, " k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number)


# --- object size --------------------------------------------------------------------------------


def by_size(report: ScoreReport) -> Figure:
    """Left, IoU of every object against its size; right, the share found among objects by size.

    Parameters
    ----------
    report : ScoreReport
        With objects.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the truth holds no object.

    Examples
    --------
    ``show(score_figures.by_size(report), "small objects are missed more often")``
    """
    objects = report.objects
    if not objects:
        raise ValueError(
            "report must hold an object, found none: the truth has no foreground on any image"
        )
    fig = Figure(figsize=(8.6, 3.8), layout="constrained")
    left, right = fig.subplots(1, 2)
    sizes, scores = (np.array([getattr(o, part) for o in objects]) for part in ("pixels", "iou"))
    found = np.array([o.found for o in objects])
    alpha = 0.75 if len(objects) <= 300 else 0.35
    for chosen, marker, colour, label in (
        (found, "o", BLUE, "found"),
        (~found, "x", ORANGE, "not found"),
    ):
        left.scatter(
            sizes[chosen], scores[chosen], 22, colour, marker, alpha=alpha, label=label, zorder=3
        )
    left.axhline(
        FOUND_ABOVE, color=GREY, linewidth=0.8, linestyle="--", label=f"IoU {FOUND_ABOVE:g}"
    )
    left.set(xlabel="size of the object in pixels", ylabel="best IoU", ylim=(-0.04, 1.04))
    if is_wide(objects):
        left.set_xscale("log")
    figures.key(fig, left.get_legend_handles_labels()[0], columns=3)
    _draw_bins(right, size_bins(objects))
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    return fig


def _draw_bins(ax: Axes, bins: Sequence[Any]) -> None:
    shares = [part.found / part.objects for part in bins]
    bars = ax.bar(range(len(bins)), shares, color="#A6CEE3", edgecolor=BLACK, linewidth=0.6)
    ax.bar_label(bars, [f"{b.found} of {b.objects}" for b in bins], padding=2, fontsize=8)
    ends = [(_short(b.low), _short(b.high)) for b in bins]
    labels = [low if low == high else f"{low}\nto {high}" for low, high in ends]
    ax.set_xticks(range(len(bins)), labels, fontsize=8)
    ax.set(xlabel="size of the object in pixels", ylabel="share found", ylim=(0, 1.1))
    ax.set_yticks(np.linspace(0, 1, 6))
    ax.spines["left"].set_bounds(0, 1)


# --- calibration and threshold ------------------------------------------------------------------


def reliability(found: Reliability) -> Figure:
    """Reliability diagram: how often came true what was said, and how often it was said.

    Parameters
    ----------
    found : Reliability
        What `unet_helpers.reliability` returns.

    Returns
    -------
    matplotlib.figure.Figure
        Above, the share that came true against the probability, with the diagonal on which both
        agree; below, the pixels in each bin, on a logarithmic scale.

    Examples
    --------
    ``show(score_figures.reliability(report.reliability), "the model is too sure")``
    """
    fig = Figure(figsize=(5.2, 5.6), layout="constrained")
    above, below = fig.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1, label="perfectly calibrated")
    above.vlines(found.confidence, found.confidence, found.frequency, color=ORANGE, linewidth=2)
    above.plot(found.confidence, found.frequency, "-o", color=BLUE, markersize=5, label="the model")
    above.plot([], [], color=ORANGE, linewidth=2, label="gap")
    above.set(ylabel="share that came true", ylim=(-0.03, 1.03), xlim=(-0.02, 1.02))
    above.set_title(f"expected calibration error {found.ece:.3f}", fontsize=9)
    above.legend(frameon=False, loc="upper left")
    width = np.diff(found.edges)
    below.bar(
        found.edges[:-1], found.counts, width, align="edge", color="#A6CEE3", edgecolor=BLACK,
        linewidth=0.6,
    )  # fmt: skip
    below.set_yscale("log")
    below.set_ylim(0.5, None)
    below.set(ylabel="pixels")
    below.set_xlabel(f"probability of {found.what}")
    for ax in (above, below):
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
        ax.set_axisbelow(True)
    return fig


def threshold_curve(threshold: Threshold) -> Figure:
    """The score at every threshold that was tried, and the one that was chosen.

    Parameters
    ----------
    threshold : Threshold
        What `unet_helpers.choose_threshold` returns.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    ``show(score_figures.threshold_curve(threshold), "a flat top from 0.3 to 0.6")``
    """
    fig, ax = _panel()
    measure = {"iou": "IoU", "dice": "Dice"}.get(threshold.measure, threshold.measure)
    ax.plot(threshold.thresholds, threshold.scores, color=BLUE)
    ax.vlines(threshold.value, 0, threshold.score, color=BLACK, linestyle=":", linewidth=1)
    ax.plot([threshold.value], [threshold.score], "D", color=ORANGE, markeredgecolor=BLACK)
    is_left = threshold.value < 0.55
    ax.annotate(
        f"chosen: {threshold.value:.2f}\n{measure} {threshold.score:.3f} on these images",
        (threshold.value, 0),
        (8 if is_left else -8, 8),
        textcoords="offset points",
        ha="left" if is_left else "right",
        va="bottom",
        fontsize=9,
    )
    images = len(threshold.images)
    told = f"pooled {measure} on {images} validation image" + "s" * (images != 1)
    ax.set(xlabel="threshold", ylabel=told, xlim=(0, 1), ylim=(0, 1.02))
    ax.grid(alpha=0.3)
    return fig


# --- intervals ----------------------------------------------------------------------------------


def intervals(
    entries: Mapping[str, Interval], xlabel: str = "score", reference: float | None = None
) -> Figure:
    """Scores as dots with their intervals as whiskers; an open dot where there is no interval.

    Parameters
    ----------
    entries : mapping of str to Interval
        What to call each, and what `unet_helpers.interval` returns.
    xlabel : str
        What the scores are.
    reference : float, optional
        Draw a line at this score, such as that of a baseline.

    Returns
    -------
    matplotlib.figure.Figure
        The reasons for missing intervals stand below.

    Examples
    --------
    ``show(score_figures.intervals({"my model": interval(scores)}, "IoU"), "one model")``
    """
    missing = [e for e in entries.values() if e.reason and not np.isnan(e.value)]
    reasons = list(dict.fromkeys(entry.reason for entry in missing))
    marks = {reason: f" ({i})" * (len(reasons) > 1) for i, reason in enumerate(reasons, 1)}
    notes = [textwrap.fill(f"no interval{marks[r]}: {r}", 110) for r in reasons]
    below = sum(note.count("\n") + 1 for note in notes)
    fig, ax = _panel(7.5, 0.42 * len(entries) + 0.9 + 0.2 * below)
    for row, entry in enumerate(entries.values()):
        if not entry.reason:
            ax.plot([entry.low, entry.high], [row, row], "-|", color=BLUE, markersize=9)
        ax.plot(
            [entry.value], [row], "o", color=BLUE, markersize=7,
            markerfacecolor="white" if entry.reason else BLUE,
        )  # fmt: skip
        ax.text(
            *(1.02, row, _told(entry) + marks.get(entry.reason, "")),
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=9,
        )
    if reference is not None:
        ax.axvline(reference, color=GREY, linestyle="--", linewidth=1)
    ax.set_yticks(range(len(entries)), list(entries))
    ax.set_ylim(len(entries) - 0.5, -0.5)
    level = next((entry.level for entry in entries.values() if not entry.reason), None)
    ax.set_xlabel(xlabel if level is None else f"{xlabel}, with {100 * level:g} % intervals")
    ax.grid(axis="x", alpha=0.3)
    if notes:
        fig.supxlabel("\n".join(notes), fontsize=8, color=GREY, ha="left", x=0.02)
    return fig


def _told(entry: Interval) -> str:
    if np.isnan(entry.value):
        return "undefined"
    if entry.reason:
        return f"{entry.value:.3f}, no interval"
    return f"{entry.value:.3f} ({entry.low:.3f} to {entry.high:.3f})"

"""The picture that `LiveFigure` shows: made once, then only its data are exchanged."""

import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from unet_helpers.views import figures
from unet_helpers.views.figures import BLACK, BLUE, GREEN, ORANGE

GREY = "#767676"
SHOWN = 3  # images at most: more would be too small to see anything in
Point = tuple[float, float]


@dataclasses.dataclass
class Progress:
    """What there is to tell about a training.

    Attributes
    ----------
    epochs : int
        Epochs planned.
    head : str
        The line above the figure.
    losses, scores : dict of str to list of (epoch, value)
        Curves by the names that the legend shows.
    running : (epoch, value) or None
        Mean training loss since the epoch began.
    rates : list of (epoch, value)
        The learning rate.
    """

    epochs: int = 1
    head: str = ""
    losses: dict[str, list[Point]] = dataclasses.field(default_factory=dict)
    scores: dict[str, list[Point]] = dataclasses.field(default_factory=dict)
    running: Point | None = None
    rates: list[Point] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Shot:
    """What is watched of one image: pixels (height, width, channels), class ids, and its name."""

    image: NDArray[np.float32]
    mask: NDArray[np.uint8]
    name: str


class Drawing:
    """Curves on the left, images on the right; fixed places, so that nothing jumps.

    Parameters
    ----------
    shots : sequence of Shot
        One row of two panels each: the image, and the probability of the foreground.
    """

    def __init__(self, shots: Sequence[Shot]) -> None:
        # Inches, so that panels stay square and texts keep their room.
        rows, cell = len(shots), (2.95, 2.1, 1.75)[len(shots) - 1]
        height, left = max(rows * (cell + 0.32) + 0.75, 4.0), 5.1
        width = left + 2 * cell + 0.35
        self.figure = Figure(figsize=(width, height))
        self.canvas = FigureCanvasAgg(self.figure)
        self.head = self.figure.text(0.012, 1 - 0.12 / height, "", va="top", fontsize=10.5)
        self._make_curves(width, height, left)
        self._maps: list[Any] = []
        top = height - 0.72 - max(0.0, (height - 0.9 - rows * (cell + 0.32)) / 2)
        for row, shot in enumerate(shots):
            bottom = top - row * (cell + 0.32) - cell
            places = (left + column * (cell + 0.14) for column in (0, 1))
            boxes = [(x / width, bottom / height, cell / width, cell / height) for x in places]
            self._make_images(shot, *map(self.figure.add_axes, boxes))

    def _make_curves(self, width: float, height: float, left: float) -> None:
        room = height - 0.45 - 0.52  # below the head, above the axis' name
        shares = {"loss": (0.57, 0.43), "score": (0.2, 0.33), "rate": (0.0, 0.14)}
        self.axes: dict[str, Axes] = {}
        for name, (start, share) in shares.items():
            box = (0.85, 0.52 + start * room, left - 0.85 - 0.32, share * room)
            box = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
            ax = self.figure.add_axes(box, sharex=self.axes.get("loss"))
            ax.spines[["top", "right"]].set_visible(False)
            ax.tick_params(labelsize=8, labelbottom=name == "rate")
            ax.grid(alpha=0.25)
            self.axes[name] = ax
        self.axes["loss"].set_ylabel("loss", fontsize=9)
        self.axes["score"].set_ylabel("score", fontsize=9)
        self.axes["score"].set(ylim=(-0.02, 1.02), yticks=[0, 0.5, 1])
        self.axes["rate"].set_xlabel("epoch", fontsize=9)
        self.axes["rate"].xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        self.axes["rate"].set_ylabel("learning\nrate", fontsize=8)
        for ax in self.axes.values():
            ax.yaxis.set_label_coords(-0.135, 0.5)
        self.waiting = self.axes["score"].text(
            0.5, 0.5, "comes with the first epoch's end", transform=self.axes["score"].transAxes,
            ha="center", va="center", fontsize=8.5, color=GREY,
        )  # fmt: skip
        self.lines: dict[tuple[str, str], Line2D] = {}
        (self.running,) = self.axes["loss"].plot([], [], "o", mfc="none", color=BLUE, ms=5)
        self.running_note = self.axes["loss"].annotate(
            "this epoch so far", (0, 0), (8, 0), textcoords="offset points", va="center",
            fontsize=8, color=BLACK, visible=False,
        )  # fmt: skip
        (self.rate,) = self.axes["rate"].plot([], [], "-", color=BLACK, linewidth=1.2)

    def _make_images(self, shot: Shot, left: Axes, right: Axes) -> None:
        classes = max(int(shot.mask[shot.mask < 255].max(initial=1)), 1) + 1
        figures.draw_image(left, shot.image, f"{shot.name}: the truth")
        _outline(left, shot.mask, classes, halo=True)
        blank = np.zeros(shot.mask.shape, np.float32)
        self._maps.append(right.imshow(blank, cmap="gray", vmin=0, vmax=1, interpolation="nearest"))
        # No white below this one: it would pass for a probability of 1.
        _outline(right, shot.mask, classes, halo=False)
        right.set_title("predicted probability (white: 1)", fontsize=9)
        right.set_axis_off()

    def update(self, progress: Progress, maps: Sequence[NDArray[np.float32]]) -> None:
        """Show this progress, and these probabilities of the foreground, 0 to 1."""
        self.head.set_text(progress.head)
        self._curves("loss", progress.losses, "upper right")
        self._curves("score", progress.scores, "lower right")
        self.waiting.set_visible(not progress.scores)
        self._point_at(progress.running, progress.epochs)
        self.rate.set_data(*_columns(progress.rates))
        highest = max((rate for _, rate in progress.rates), default=0)
        if highest > 0 and np.isfinite(highest):
            self.axes["rate"].set(
                ylim=(-0.08 * highest, 1.15 * highest), yticks=[0, highest],
                yticklabels=["0", f"{highest:.2g}"],
            )  # fmt: skip
        self.axes["loss"].set_xlim(0, max(progress.epochs, 1) * 1.02)
        _fit_losses(self.axes["loss"], progress)
        for picture, probability in zip(self._maps, maps, strict=True):
            picture.set_data(probability)

    def _point_at(self, point: Point | None, epochs: int) -> None:
        shown = point is not None and bool(np.isfinite(point[1]))
        self.running.set_data(*([v] for v in point) if point and shown else ([], []))
        self.running_note.set_visible(shown)
        if point and shown:
            late = point[0] > 0.6 * epochs
            self.running_note.xy = point
            self.running_note.set(ha="right" if late else "left")
            self.running_note.set_position((-8 if late else 8, 0))

    def _curves(self, panel: str, curves: dict[str, list[Point]], place: str) -> None:
        ax, looks = self.axes[panel], (("-", "o", BLUE), ("--", "s", ORANGE), ("-.", "^", GREEN))
        names = list(curves)[: len(looks)]
        new = [name for name in names if (panel, name) not in self.lines]
        for name in new:
            style, marker, colour = looks[names.index(name)]
            (line,) = ax.plot(
                [], [], style, marker=marker, color=colour, ms=4, linewidth=1.6, label=name
            )
            self.lines[panel, name] = line
        if new:
            ax.legend(loc=place, fontsize=8, frameon=True, framealpha=0.85, edgecolor="none")
        for name in names:
            line = self.lines[panel, name]
            line.set_data(*_columns(curves[name]))
            line.set_markevery(max(1, len(curves[name]) // 12))

    def png(self) -> bytes:
        """PNG bytes, made quickly rather than small."""
        self.figure.set_dpi(figures.DPI)
        self.canvas.draw()
        written = io.BytesIO()
        picture = Image.fromarray(np.asarray(self.canvas.buffer_rgba())[..., :3])
        picture.save(written, format="png", compress_level=1)
        return written.getvalue()


def _outline(ax: Axes, mask: NDArray[np.uint8], classes: int, halo: bool) -> None:
    """As `figures.draw_outlines`, but fine enough not to hide a membrane in a small panel."""
    for class_id in range(1, classes):
        region = mask == class_id
        if region.any() and not region.all():
            colour, style = figures.OUTLINES[(class_id - 1) % len(figures.OUTLINES)]
            if halo:
                ax.contour(region, [0.5], colors="white", linewidths=1.8)
            ax.contour(region, [0.5], colors=colour, linestyles=style, linewidths=1.0)


def _columns(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _fit_losses(ax: Axes, progress: Progress) -> None:
    """From the losses' lowest to their highest; what is no number has no place."""
    values = [y for curve in progress.losses.values() for _, y in curve]
    values += [progress.running[1]] if progress.running else []
    finite = [value for value in values if np.isfinite(value)]
    if finite:
        low, high = min(finite), max(finite)
        room = 0.08 * (high - min(low, 0) or 1)
        ax.set_ylim(min(low - room, 0) if low < 0 else 0, high + room)

"""The model explorer: what filters, depth and image size cost, in total and level by level."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unet_helpers import keras
from unet_helpers.model.geometry import receptive_field
from unet_helpers.model.unet import unet
from unet_helpers.model.work import LayerWork, count_work
from unet_helpers.views import figures
from unet_helpers.views.widgets import Panel, slider

MEGABYTES = 4e-6  # of a number in float32


def model_explorer(channels: int = 3, classes: int = 1) -> Panel:
    """Parameter and operation explorer: a U-Net drawn with its shapes, and what each level costs.

    Parameters
    ----------
    channels : int
        Of the images.
    classes : int
        Of the output, as in `unet`.

    Returns
    -------
    Panel
        The widget, with sliders for depth, filters and image size, which the arrow keys move; the
        caption tells the totals for one image.
    """

    def draw(depth: int, filters: int, size: int) -> tuple[Figure, str]:
        model = unet((None, None, channels), classes, filters, depth, upsampling="transpose")
        rows = count_work(model, size)
        return _picture(model, rows, size), totals(model, rows)

    controls = {
        "depth": slider("depth", 3, 1, 4),
        "filters": slider("filters", 8, 8, 64, 8),
        "size": slider("image size", 256, 64, 512, 64),
    }
    return Panel(controls, draw, "a U-Net drawn with its shapes, and bars of what each level costs")


def totals(model: keras.Model, rows: Sequence[LayerWork]) -> str:
    """What a model costs in all, as one line.

    Parameters
    ----------
    model : keras.Model
        Built by `unet`.
    rows : sequence of LayerWork
        From `count_work`.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> model = unet((None, None, 1), filters=8, depth=1)
    >>> totals(model, count_work(model, 64))[:62]
    '<b>6,673 parameters</b>, <b>0.03 billion operations</b>, 2.7 M'
    """
    operations = sum(row.operations for row in rows) / 1e9
    megabytes = sum(row.activations for row in rows) * MEGABYTES
    field = receptive_field(model)
    return (
        f"<b>{model.count_params():,} parameters</b>, <b>{operations:,.2f} billion operations</b>, "
        f"{megabytes:,.1f} MB of activations an image; one pixel sees at most {field.widest} "
        "pixels across"
    )


def _picture(model: keras.Model, rows: Sequence[LayerWork], size: int) -> Figure:
    """The model as a U, and below it three panels of bars, one bar a level."""
    fig = figures.architecture(model, size)
    above = fig.axes[0]
    width, height = fig.get_size_inches()
    levels = list(dict.fromkeys(_level(row) for row in rows))
    lower = 0.21 * len(levels) + 0.6
    grid = fig.add_gridspec(2, 3, height_ratios=[height, lower])
    above.set_subplotspec(grid[0, :])
    fig.set_size_inches(width, height + lower)
    for column, (title, values) in enumerate(_bars(rows, levels).items()):
        _draw_bars(fig.add_subplot(grid[1, column]), title, levels, values, names=column == 0)
    return fig


def _level(row: LayerWork) -> str:
    return row.name.split("_")[0]


def _bars(rows: Sequence[LayerWork], levels: Sequence[str]) -> dict[str, list[float]]:
    """For each panel its title and its bars' values."""
    per_level = [[row for row in rows if _level(row) == level] for level in levels]
    return {
        "parameters, thousands": [sum(r.parameters for r in part) / 1e3 for part in per_level],
        "operations, billions": [sum(r.operations for r in part) / 1e9 for part in per_level],
        "activations, MB": [sum(r.activations for r in p) * MEGABYTES for p in per_level],
    }


def _draw_bars(
    ax: Axes, title: str, levels: Sequence[str], values: Sequence[float], names: bool
) -> None:
    drawn = ax.barh(levels, values, color=figures.BLUE, height=0.65)
    labels = [f"{value:,.1f}" if value >= 1 else f"{value:.2f}" for value in values]
    ax.bar_label(drawn, labels, padding=3, fontsize=7)
    ax.invert_yaxis()
    ax.set_title(title, fontsize=9)
    ax.set(xlim=(0, max(values) * 1.25), xticks=[])
    ax.tick_params(axis="y", labelsize=7.5, length=0, labelleft=names)
    ax.spines[["top", "right", "bottom"]].set_visible(False)

"""The notebooks by what you came for, as a map: ``python -m unet_helpers.views.course_map``.

It lies in ``docs/figures``; ``docs/learning_path.md`` has the same routes in words, and a test
holds the two together.
"""

import textwrap
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unet_helpers.views.figures import BLACK, BLUE
from unet_helpers.views.printed import renew

STATIONS = {
    "00": "start here",
    "01": "data loading",
    "01b": "drawing data",
    "02": "model definition",
    "03": "training",
    "04": "evaluation",
    "04b": "metric clinic",
    "06": "your own images",
    "07": "large images, sharing",
}


class Route(NamedTuple):
    """What somebody came for, and the notebooks for it: whole ones, and such with parts to read."""

    goal: str
    whole: tuple[str, ...]
    parts: tuple[str, ...] = ()


ROUTES = (
    Route("I want all of it", tuple(STATIONS)),
    Route("I have one evening", ("00", "03"), ("01", "04")),
    Route("I must judge a paper's score", ("00", "04", "04b"), ("01",)),
    Route("I have my own images", ("00", "01", "06"), ("04",)),
    Route("I have large microscope images", ("00", "06", "07"), ("02",)),
    Route("I want to copy code tonight", ("00",), ("01", "02", "03", "04", "06", "07")),
    Route("I teach", ("00", "01", "02", "03", "04"), ("04b", "06", "07")),
)
LEFT, STEP, ROW = 2.35, 0.98, 0.52  # inches: room for the goals, between stations, between rows


def course_map() -> Figure:
    """Draw the map.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each route, a column for each notebook.
    """
    width = LEFT + STEP * len(STATIONS) + 0.15
    height = 1.0 + ROW * len(ROUTES) + 0.45
    fig = Figure(figsize=(width, height))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    places = {number: LEFT + STEP * (i + 0.5) for i, number in enumerate(STATIONS)}
    _draw_heads(ax, places, height)
    for row, route in enumerate(ROUTES):
        _draw_route(ax, route, 1.0 + ROW * (row + 0.5), places)
    _draw_key(ax, height - 0.22)
    return fig


def _draw_heads(ax: Axes, places: dict[str, float], height: float) -> None:
    """Draw the notebooks' numbers and titles, and a faint line down from each."""
    for number, x in places.items():
        ax.text(x, 0.28, number, fontsize=12, weight="bold", color=BLUE, ha="center", va="center")
        for line, words in enumerate(textwrap.wrap(STATIONS[number], 12)):
            y = 0.58 + 0.15 * line
            ax.text(x, y, words, fontsize=8.5, color=BLACK, ha="center", va="baseline")
        ax.plot([x, x], [0.95, height - 0.5], color="#DDDDDD", linewidth=1, zorder=0)


def _draw_route(ax: Axes, route: Route, y: float, places: dict[str, float]) -> None:
    """Draw one row: the goal, a line, and a dot for each notebook."""
    ax.text(0.15, y, route.goal, fontsize=9.5, color=BLACK, va="center_baseline")
    stops = [places[number] for number in (*route.whole, *route.parts)]
    ax.plot([min(stops), max(stops)], [y, y], color=BLACK, linewidth=1.6, zorder=1)
    for numbers, fill in ((route.whole, BLUE), (route.parts, "white")):
        xs = [places[number] for number in numbers]
        look: dict[str, Any] = {"edgecolors": BLACK, "linewidths": 1.6, "zorder": 2}
        ax.scatter(xs, [y] * len(xs), s=95, facecolors=fill, **look)


def _draw_key(ax: Axes, y: float) -> None:
    """Say what the dots mean."""
    for x, fill, text in ((LEFT + 0.49, BLUE, "read it"), (LEFT + 1.75, "white", "a part of it")):
        ax.scatter([x], [y], s=70, facecolors=fill, edgecolors=BLACK, linewidths=1.4)
        ax.text(x + 0.15, y, text, fontsize=8.5, color=BLACK, va="center_baseline")


if __name__ == "__main__":
    renew(course_map, "map")

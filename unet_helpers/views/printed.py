"""Pages to print: boxes of text and code at exact sizes, and files that are the same each time."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unet_helpers.views.figures import BLACK, BLUE

PRINT_DPI = 150
INCH = 72  # points; all sizes below are points
TEXT, CODE, TITLE = 8.2, 7.2, 9.6
LEADING = {"text": 12.6, "code": 11.4, "formula": 22.0, "gap": 5.0}
PAD, BAR = 8.0, 17.0

# What stands in a box, line by line: a kind (a key of `LEADING`) and its text. A tab in a text
# parts a word, printed bold, from what is said about it.
Line = tuple[str, str]
LOOKS: dict[str, dict[str, Any]] = {
    "text": {"fontsize": TEXT},
    "code": {"fontsize": CODE, "family": "monospace"},
    "formula": {"fontsize": 10.5},
}


def height_of(lines: Sequence[Line]) -> float:
    """Points that a box with these lines is high."""
    return BAR + 2 * PAD + sum(LEADING[kind] for kind, _ in lines)


def rectangle(
    fig: Figure, left: float, top: float, width: float, height: float, **look: Any
) -> None:
    """Draw a rectangle; in points from the top left of the page."""
    page_width, page_height = fig.get_size_inches() * INCH
    corner = (left / page_width, 1 - (top + height) / page_height)
    size = (width / page_width, height / page_height)
    # Behind all axes, which may lie on it.
    fig.add_artist(Rectangle(corner, *size, transform=fig.transFigure, zorder=-1, **look))


def box(
    fig: Figure, left: float, top: float, width: float, height: float, title: str, note: str
) -> None:
    """Draw an empty box with a title and a note at its right; in points from the top left."""
    rectangle(fig, left, top, width, height, facecolor="white", edgecolor=BLUE, linewidth=0.9)
    rectangle(fig, left, top, width, BAR, facecolor=BLUE, edgecolor=BLUE, linewidth=0.9)
    look = {"color": "white", "va": "center_baseline", "weight": "bold"}
    middle = top + BAR / 2
    write(fig, left + PAD, middle, title, fontsize=TITLE, **look)
    write(fig, left + width - PAD, middle, note, fontsize=TEXT, ha="right", **look)


def write(fig: Figure, left: float, top: float, text: str, **look: Any) -> Any:
    """Write at a place in points from the top left of the page."""
    page_width, page_height = fig.get_size_inches() * INCH
    return fig.text(left / page_width, 1 - top / page_height, text, **{"color": BLACK, **look})


def write_lines(
    fig: Figure, left: float, top: float, width: float, lines: Sequence[Line], tab: float
) -> None:
    """Write the lines of a box below its title; explanations begin `tab` points from the left."""
    down = top + BAR + PAD
    for kind, text in lines:
        middle = down + LEADING[kind] / 2
        if kind == "code":
            look = {"facecolor": "#F0F0F0", "linewidth": 0}
            rectangle(fig, left + 3, down, width - 6, LEADING[kind], **look)
        word, parted, said = text.rpartition("\t")
        place = {"va": "center_baseline", **LOOKS.get(kind, {})}
        if word:
            write(fig, left + PAD, middle, word, weight="bold", **place)
        if said:
            write(fig, left + (tab if parted else PAD), middle, said, **place)
        down += LEADING[kind]


def save(fig: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and as SVG, without dates: the same figure gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    fig.savefig(paths[0], dpi=PRINT_DPI, facecolor="white", metadata={"Software": None})
    about = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        fig.savefig(paths[1], facecolor="white", metadata=about)
    return paths


def renew(draw: Callable[[], Figure], name: str) -> None:
    """Write a page into the folder that the command line names."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m unet_helpers.views.{Path(sys.argv[0]).stem} FOLDER")
    for path in save(draw(), Path(sys.argv[1]), name):
        print(path)

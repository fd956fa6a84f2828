"""The doctor's findings as pictures: what is wrong beside what it would be like put right."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from unet_helpers.data.doctor.encoding import Encoding
from unet_helpers.data.doctor.findings import Finding
from unet_helpers.data.doctor.looking import show_mask, show_pair
from unet_helpers.data.doctor.matching import TURNS
from unet_helpers.data.doctor.report import Report, cut
from unet_helpers.data.doctor.sources import Source
from unet_helpers.views.figures import draw_image, draw_mask, draw_outlines, grid

_CELL, _ALONE = 2.3, 3.2  # inches a panel: of several findings, of one
_ROOM = 0.2  # inches above a row
_WINDOW = 24  # pixels of a mask shown enlarged, to see single values


class Shown(NamedTuple):
    """A pair ready to be drawn.

    Attributes
    ----------
    image : ndarray of float32, shape (height, width, 1 or 3)
        Stretched to 0..1, as many a microscope's image is nearly black.
    mask : ndarray of uint8 or None, shape (height, width)
    classes : int
    """

    image: NDArray[np.float32]
    mask: NDArray[np.uint8] | None
    classes: int


Panel = Callable[[Axes], None]


def evidence(report: Report, limit: int = 4) -> Figure:
    """Show findings, two panels to each: on the left the pair, on the right what tells the fault.

    Errors come first, and each kind of finding before a second one of the same kind. Findings that
    nothing can be seen of, such as files that do not decode, are left out.

    Parameters
    ----------
    report : Report
        From `check`.
    limit : int
        How many findings at most.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no finding can be shown.
    """
    rows: list[tuple[Panel, Panel]] = []
    for finding in _in_turn(report):
        row = _row(finding, report)
        if row is not None:
            rows.append(row)
        if len(rows) == limit:
            break
    if not rows:
        raise ValueError(
            f"report must hold a finding that can be seen, found {len(report)} findings and none "
            "of that kind: print the report instead"
        )
    # Two findings side by side, where there are several.
    across = min(len(rows), 2)
    fig, panels = grid(
        -(-len(rows) // across), 2 * across, cell=_CELL if across > 1 else _ALONE, legend=False
    )
    fig.set_figheight(fig.get_figheight() + _ROOM * len(panels))  # titles of two lines
    fig.set_layout_engine("constrained", h_pad=_ROOM / 2)
    for row, axes in zip(rows, panels.reshape(-1, 2), strict=False):
        for draw, ax in zip(row, axes, strict=True):
            draw(ax)
    return fig


def _in_turn(report: Report) -> Iterator[Finding]:
    """Deal out the findings: the first of each kind, then the second of each, and so on."""
    kinds = [list(report[name]) for name in report.names]
    for number in range(max(map(len, kinds), default=0)):
        yield from (found[number] for found in kinds if number < len(found))


def _row(finding: Finding, report: Report) -> tuple[Panel, Panel] | None:
    """Choose what to show of a finding; None if there is nothing to see."""
    names = [name for name in finding.samples if name in report.sources]
    if not names or report.encoding is None:
        return None
    sources = [report.sources[name] for name in names]
    shown = _shown(sources[0], report.encoding)
    if shown is None:
        return None
    title = f"{cut(sources[0].name)}: {finding.name}\n({finding.severity})"
    left = _outlined(shown, title)
    if finding.name in _PAIRWISE and len(sources) > 1:
        return left, _second(finding, shown, sources[1], report.encoding)
    right = _RIGHT.get(finding.name, _as_it_is)(finding, shown, sources[0])
    return None if right is None else (left, right)


def _shown(source: Source, encoding: Encoding) -> Shown | None:
    image, mask = show_pair(source, encoding)
    if image is None:
        return None
    stack = np.nan_to_num(np.asarray(image, np.float32))
    stack = stack[..., None] if stack.ndim == 2 else stack[..., :3]
    low, high = np.percentile(stack, [0.5, 99.5])
    stretched = np.clip((stack - low) / max(high - low, 1e-6), 0, 1)
    return Shown(stretched.astype(np.float32), mask, encoding.classes)


def _outlined(shown: Shown, title: str, mask: NDArray[np.uint8] | None = None) -> Panel:
    """Image with the outlines of a mask, its own by default, if the sizes agree."""
    drawn = shown.mask if mask is None else mask

    def draw(ax: Axes) -> None:
        draw_image(ax, shown.image, title)
        if drawn is not None and drawn.shape == shown.image.shape[:2]:
            draw_outlines(ax, drawn, shown.classes)

    return draw


def _second(finding: Finding, first: Shown, source: Source, encoding: Encoding) -> Panel:
    """The twin, or the image that the mask belongs to."""
    other = _shown(source, encoding) or first
    if finding.name == "pairs-swapped":
        return _outlined(other, f"the same mask on\n{cut(source.name)}", first.mask)
    part = f" ({source.part})" if source.part else ""
    return _outlined(other, f"its copy\n{cut(source.name)}{part}")


def _as_it_is(finding: Finding, shown: Shown, source: Source) -> Panel | None:
    """The mask in greys: as class ids, one step a class."""
    mask = shown.mask
    if mask is None:
        return None
    size = f"{mask.shape[0]} x {mask.shape[1]}"
    title = f"its mask\n{size}, {len(np.unique(mask))} classes"
    return lambda ax: draw_mask(ax, mask, shown.classes, title)


def _put_right(finding: Finding, shown: Shown, source: Source) -> Panel | None:
    """The image with the mask moved or turned back."""
    mask = shown.mask
    if mask is None:
        return None
    if finding.name == "mask-shifted":
        down, right = (int(value) for value in finding.values[:2])
        # What left the picture is lost: nothing is drawn there.
        mask = ndimage.shift(mask, (-down, -right), order=0, mode="constant", cval=0)
    elif finding.values and finding.values[0] in TURNS:
        undo: Any = TURNS[str(finding.values[0])][1]
        mask = np.ascontiguousarray(undo(mask))
    else:
        return _as_it_is(finding, shown, source)
    return _outlined(shown, "the mask put right\n", mask)


def _enlarged(finding: Finding, shown: Shown, source: Source) -> Panel | None:
    """A small part of the mask's own values, where most of them differ."""
    raw = show_mask(source)
    if raw is None:
        return None
    plane = np.asarray(raw if raw.ndim == 2 else raw[..., :3].mean(axis=2), np.float32)
    spread = ndimage.uniform_filter(np.hypot(*np.gradient(plane)), _WINDOW)
    row, column = np.unravel_index(int(spread.argmax()), spread.shape)
    top = int(np.clip(row - _WINDOW // 2, 0, max(plane.shape[0] - _WINDOW, 0)))
    left = int(np.clip(column - _WINDOW // 2, 0, max(plane.shape[1] - _WINDOW, 0)))
    part = plane[top : top + _WINDOW, left : left + _WINDOW]
    title = f"{_WINDOW} x {_WINDOW} pixels of the mask\n{len(np.unique(part))} values"

    def draw(ax: Axes) -> None:
        ax.imshow(part, cmap="gray_r", interpolation="nearest")
        ax.set_title(title, fontsize=9)
        ax.set_axis_off()

    return draw


def _histogram(finding: Finding, shown: Shown, source: Source) -> Panel | None:
    """How often each of the image's values occurs."""

    def draw(ax: Axes) -> None:
        ax.set_axis_on()
        ax.hist(shown.image.ravel(), bins=64, color="#0072B2")
        ax.set_title("its values, dark to bright\nas shown on the left", fontsize=9)
        ax.set_yticks([])
        ax.spines[["top", "right", "left"]].set_visible(False)

    return draw


_PAIRWISE = ("duplicate-image", "near-duplicate", "image-in-two-splits", "pairs-swapped",
             "other-resolution", "group-in-two-splits")  # fmt: skip
_RIGHT = {
    "mask-shifted": _put_right,
    "mask-turned": _put_right,
    "mask-in-between-values": _enlarged,
    "unexpected-value": _as_it_is,
    "constant-image": _histogram,
    "saturated-image": _histogram,
    "sixteen-bit-using-eight": _histogram,
}

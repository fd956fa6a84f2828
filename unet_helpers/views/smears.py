"""The knobs of the embedded set: turn them and see what is drawn, or many settings at once."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import ipywidgets as ipw
import numpy as np
from matplotlib.figure import Figure

from unet_helpers.data.cells import CLASS_NAMES, draw_field
from unet_helpers.data.knobs import Knobs
from unet_helpers.data.samples import to_float
from unet_helpers.views import figures
from unet_helpers.views.widgets import Panel, slider

SLIDES, FIELDS = 30, 10  # to choose from; there are as many as one asks for
AS_IT_IS = "as it is"  # a slider cannot hold None

# What a slider offers beside "as it is": closer together where slides usually lie.
SETTINGS: dict[str, tuple[float, ...]] = {
    "white": (0, 1, 2, 4, 8, 12),
    "red": (0, 20, 45, 90, 140, 250, 400),
    "debris": (0, 3, 10, 25, 50, 100),
    "buffer": (0, 0.25, 0.5, 0.75, 1),
    "strength": (0.2, 0.5, 0.8, 1, 1.25, 1.6, 2),
    "light": (0.3, 0.6, 0.84, 0.95, 1.04, 1.2, 1.5),
    "magnification": (0.5, 0.7, 1, 1.4, 2, 3),
    "blur": (0, 0.5, 1.2, 2, 3, 5, 8),
    "noise": (0, 2.5, 5.5, 12, 25, 60),
    "variety": (0, 0.5, 1, 1.5, 2, 3),
}


def smear_explorer(slide: int = 0, field: int = 1, seed: int = 0, **start: float) -> Panel:
    """Smear explorer: a slider for each main knob, and the field as it is beside the changed one.

    Unless told otherwise, a knob begins at "as it is", which leaves its value to the slide. The
    caption is the code that draws the right picture.

    Parameters
    ----------
    slide, field : int
        Which field of which slide to begin with: 0 to 29, and 0 to 9.
    seed : int
        Number of the collection of slides, 0 or more.
    **start : float
        Where knobs begin, by the names of `Knobs`: ``blur=3``, ``debris=50``, ...

    Returns
    -------
    Panel
        The widget; its controls are in ``controls``, by name.

    Raises
    ------
    ValueError
        If a number is out of its range, or `start` names no knob that has a slider.

    Examples
    --------
    >>> smear_explorer(slide=3, blur=3).caption.value
    '<b>draw_field(3, 1, knobs=Knobs(blur=3))</b>: 1 white cell, 6% of the pixels'
    """
    _check(slide, field, start)

    def draw(slide: int, field: int, **values: float | str) -> tuple[Figure, str]:
        given: dict[str, Any] = {n: value for n, value in values.items() if value != AS_IT_IS}
        as_it_is = draw_field(slide, field, seed=seed)
        image, mask, instances = draw_field(slide, field, seed=seed, knobs=Knobs(**given))
        written = ", ".join(f"{name}={value:g}" for name, value in given.items())
        arguments = [f"{slide}, {field}", f"seed={seed}" * bool(seed)]
        arguments.append(f"knobs=Knobs({written})" * bool(given))
        call = f"draw_field({', '.join(filter(None, arguments))})"
        cells = len(np.unique(instances[instances > 0]))
        text = f"{cells} white cell{'s' * (cells != 1)}, {(mask > 0).mean():.0%} of the pixels"
        return _picture((as_it_is[0], as_it_is[1]), (image, mask)), f"<b>{call}</b>: {text}"

    return Panel(
        {
            "slide": slider("slide", slide, 0, SLIDES - 1),
            "field": slider("field", field, 0, FIELDS - 1),
            **{name: _knob_slider(name, start.get(name, AS_IT_IS)) for name in SETTINGS},
        },
        draw,
        "a drawn field of a blood smear as its slide has it, and beside it the same field with "
        "the knobs turned, both with the outlines of cytoplasm and nucleus",
    )


def smear_rows(
    rows: Sequence[Sequence[tuple[int, Knobs]]], field: int = 1, size: int = 128, seed: int = 0
) -> Figure:
    """Draw fields of several slides or settings, each titled with its knobs, with outlines.

    Parameters
    ----------
    rows : sequence of sequences of (int, Knobs)
        For each panel the slide and its knobs; every row has as many panels.
    field, size, seed : int
        As in `draw_field`, the same for all panels.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no panel, the rows differ in length, or a field cannot be drawn.

    Examples
    --------
    >>> figure = smear_rows([[(0, Knobs(blur=1)), (0, Knobs(blur=5))]])
    >>> [panel.get_title() for panel in figure.axes]
    ['blur = 1', 'blur = 5']
    """
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1 or lengths[0] == 0:
        raise ValueError(f"rows must be of one length, at least 1, found {lengths}: fill them up")
    fig, panels = figures.grid(len(rows), lengths[0], cell=1.5)
    for ax, (slide, knobs) in zip(panels.flat, (one for row in rows for one in row), strict=True):
        image, mask, _ = draw_field(slide, field, size, seed, knobs)
        given = {name: v for name, v in dataclasses.asdict(knobs).items() if v is not None}
        title = ", ".join(f"{name} = {value:g}" for name, value in given.items())
        figures.draw_image(ax, to_float(image), title)
        figures.draw_outlines(ax, mask, len(CLASS_NAMES))
    figures.key(fig, figures.outline_legend(CLASS_NAMES), columns=2)
    return fig


def _check(slide: int, field: int, start: dict[str, float]) -> None:
    for name, value, count in (("slide", slide, SLIDES), ("field", field, FIELDS)):
        if value not in range(count):
            raise ValueError(
                f"{name} must be a whole number from 0 to {count - 1}, found {value!r}: choose one"
            )
    unknown = set(start) - set(SETTINGS)
    if unknown:
        raise ValueError(
            f"a knob to start must be one of {', '.join(SETTINGS)}, found {min(unknown)!r}: "
            "correct the name"
        )
    Knobs(**start)  # tells what is wrong with a value


def _knob_slider(name: str, value: float | str) -> ipw.Widget:
    """A slider over the settings of one knob, with `AS_IT_IS` at its left end."""
    (knob,) = (field for field in dataclasses.fields(Knobs) if field.name == name)
    settings = sorted({*SETTINGS[name], *([] if isinstance(value, str) else [value])})
    options = [(AS_IT_IS, AS_IT_IS), *((f"{setting:g}", setting) for setting in settings)]
    return ipw.SelectionSlider(
        options=options, value=value, description=name, continuous_update=False,
        description_tooltip=knob.metadata["unit"],
        style={"description_width": "7em"}, layout={"width": "28em"},
    )  # fmt: skip


def _picture(*drawn: tuple[Any, Any]) -> Figure:
    fig, panels = figures.grid(1, len(drawn), cell=3.6)
    titles = ("as the slide has it", "with the knobs turned")
    for ax, (image, mask), title in zip(panels.flat, drawn, titles, strict=True):
        figures.draw_image(ax, to_float(image), title)
        figures.draw_outlines(ax, mask, len(CLASS_NAMES))
    figures.key(fig, figures.outline_legend(CLASS_NAMES), columns=2)
    return fig

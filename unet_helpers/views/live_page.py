"""What `LiveFigure` puts on the page beside its drawing, and what it knows about the time."""

import base64
import threading
from typing import Any

import ipywidgets as ipw
from IPython import get_ipython
from IPython.display import display

ALT = (
    "curves of the loss, the scores and the learning rate over the epochs; beside them a "
    "validation image with the outline of the truth, and the probability the model predicts there"
)


def has_kernel() -> bool:
    """Whether this runs in a notebook's kernel, where a figure has a page to live on."""
    return getattr(get_ipython(), "kernel", None) is not None


def clock_time(seconds: float) -> str:
    """Seconds as minutes and seconds, with hours where there are any.

    Examples
    --------
    >>> clock_time(7), clock_time(83.4), clock_time(7384)
    ('0:07', '1:23', '2:03:04')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Frame:
    """One state of the figure; its text is always the same, so that stored outputs compare."""

    def __init__(self, png: bytes) -> None:
        self.png = png

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        data = {"image/png": base64.b64encode(self.png).decode(), "text/plain": f"Figure: {ALT}"}
        return data, {"image/png": {"alt": ALT}}


class _Bundle:
    """Something displayed whose static form is an empty place."""

    def __init__(self, widget: ipw.Widget | None) -> None:
        self.widget = widget

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        data = {} if self.widget is None else dict(self.widget._repr_mimebundle_(**kwargs))
        # Static pages prefer HTML to text: nothing is seen of a button that cannot be pressed.
        return {**data, "text/plain": "Button: stop training", "text/html": ""}


def _reach_busy_kernel(comm: Any) -> None:
    """Let clicks run in the subshell that the page sends them to.

    JupyterLab sends a widget's messages to a subshell, a second thread of the kernel. But
    ipykernel 7.4 hands them to the thread that spoke to the widget last, which is the one that
    trains: a click would wait there until the cell ends. Other versions do not ask this.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default


class StopButton:
    """A button and a line of text, until they are removed.

    Parameters
    ----------
    asked : threading.Event
        Set by a click: from another thread than the one that trains, which is busy.
    """

    def __init__(self, asked: threading.Event) -> None:
        self.asked = asked
        self.button = ipw.Button(
            description="Stop training",
            icon="stop",
            tooltip="ends after the next batch; if nothing happens, interrupt the kernel",
        )
        self.text = ipw.HTML()
        self.button.on_click(self._clicked)
        _reach_busy_kernel(self.button.comm)
        self.handle = display(_Bundle(ipw.HBox([self.button, self.text])), display_id=True)

    def _clicked(self, _: ipw.Button) -> None:
        self.asked.set()
        self.button.disabled = True
        self.button.description = "Stopping"

    def tell(self, text: str) -> None:
        """Say where the training is."""
        self.text.value = text

    def remove(self) -> None:
        """Leave an empty place on the page."""
        self.handle.update(_Bundle(None))


class Pace:
    """How long a training will take, judged by what it took so far.

    Parameters
    ----------
    began : float
        Time at the beginning, in seconds.
    """

    def __init__(self, began: float) -> None:
        self.began = began
        self.first: tuple[float, float] | None = None
        self.last = (began, 0.0)
        self.notes = 0

    def note(self, now: float, place: float) -> None:
        """Note that `place` epochs, in fractions, are done now."""
        if place <= self.last[1] and self.first is not None:
            return
        self.notes += 1
        # The first step also builds the graph, so the pace is taken from the second on.
        if self.notes == 2 and self.first is None:
            self.first = (now, place)
        self.last = (now, place)

    def _seconds_each(self) -> float | None:
        """Seconds that an epoch takes; None before there is anything to judge by."""
        if self.first is None or self.notes < 8 or self.last[1] <= self.first[1]:
            return None
        return (self.last[0] - self.first[0]) / (self.last[1] - self.first[1])

    def left(self, now: float, total: float) -> float | None:
        """Seconds until `total` epochs are done."""
        each = self._seconds_each()
        return None if each is None else max((total - self.last[1]) * each, 0.0)

    def planned(self, now: float, total: float) -> float | None:
        """Seconds of the whole training, from its beginning to its end."""
        left = self.left(now, total)
        return None if left is None else now - self.began + left

"""Compare the notebooks in an order, and only those that will be through in time; name the others.

`make notebooks` compares them all. A run that must end by some second, as in continuous
integration, says so in ``NOTEBOOKS_UNTIL`` (seconds, as ``date +%s`` gives them): then a notebook
that trains for long is begun only if it will be through by then, judged by how long those before it
took. Those that train little, of all rooms of the package, come first and are always compared.
"""

import os
import time
from typing import Any

import pytest

# Seconds beside another notebook on two cores with AVX2 only, where training is slow.
TRAINING = {"02": 276, "04": 293, "00": 291, "01b": 294, "03": 517}
OTHERS = {"01": 98, "06": 74, "07": 133, "04b": 8}
SECONDS = OTHERS | TRAINING
UNTIL = float(os.environ.get("NOTEBOOKS_UNTIL", "inf"))


class Schedule:
    """Decide for each notebook, once, when its first cell is due."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.running = ""
        self.since = 0.0
        self.taken = self.expected = 0.0  # seconds, of the notebooks before
        self.left_out: set[str] = set()

    def begins(self, number: str, now: float) -> bool:
        """Whether a cell of this notebook is to run; cells of a notebook come one after another."""
        if number != self.running:
            if self.running in SECONDS and self.running not in self.left_out:
                self.taken += now - self.since
                self.expected += SECONDS[self.running]
            self.running, self.since = number, now
            pace = self.taken / self.expected if self.expected else 1.0
            if number in TRAINING and now + SECONDS[number] * pace > self.until:
                self.left_out.add(number)
        return number not in self.left_out


SCHEDULE = Schedule(UNTIL)
LEFT_OUT = "no time left for "


def number_of(item: Any) -> str:
    """The number in the name of a cell's notebook."""
    return str(item.path.name).split("_")[0]


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Those that train little first; the longest last."""
    order = list(SECONDS)
    items.sort(key=lambda item: order.index(n) if (n := number_of(item)) in order else -1)


@pytest.hookimpl(tryfirst=True)  # before the kernel is started
def pytest_runtest_setup(item: Any) -> None:
    """Leave a notebook out for which no time is left."""
    if not SCHEDULE.begins(number_of(item), time.time()):
        pytest.skip(LEFT_OUT + item.path.name)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name what was not compared."""
    skipped = {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])}
    for reason in sorted(skipped):
        if LEFT_OUT in reason:
            terminalreporter.write_line(f"not compared: {reason.removeprefix('Skipped: ')}")

"""Which notebooks are compared when time is short; the numbers by hand."""

import math

from tests.notebooks.conftest import NOTEBOOKS
from tests.notebooks.in_time import OTHERS, SECONDS, TRAINING, Schedule


def run(until: float, pace: float) -> tuple[list[str], float]:
    """Go through the notebooks, each taking `pace` times what is expected, from second 0."""
    schedule, now, ran = Schedule(until), 0.0, []
    for number, seconds in SECONDS.items():
        if schedule.begins(number, now):
            assert schedule.begins(number, now + pace * seconds / 2)  # its other cells, too
            now += pace * seconds
            ran.append(number)
    return ran, now


def test_all_are_compared_where_nothing_is_said() -> None:
    assert run(math.inf, pace=9)[0] == list(SECONDS)


def test_on_a_fast_machine_all_are_compared_and_on_a_slow_one_those_that_will_be_through() -> None:
    assert run(1000, pace=0.4)[0] == list(SECONDS)  # 1984 seconds expected, 794 taken
    ran, end = run(1000, pace=1)
    assert ran == [*OTHERS, "02", "04"]  # 313 + 276 + 293 = 882; 291 more would be too late
    assert end == 882


def test_the_pace_is_measured_and_not_hoped_for() -> None:
    ran, end = run(1000, pace=2)
    assert ran == list(OTHERS)  # 626 seconds; 02 would take 552 more, though 276 are expected
    assert end <= 1000


def test_what_trains_little_is_compared_in_any_case() -> None:
    assert run(0, pace=1)[0] == list(OTHERS)


def test_each_notebook_has_its_place() -> None:
    assert {path.name.split("_")[0] for path in NOTEBOOKS.glob("*.ipynb")} == {*SECONDS}
    assert not set(TRAINING) & set(OTHERS)

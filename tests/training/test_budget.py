"""Minutes into steps, by a clock that the test turns; steps into rounds."""

from typing import Any

import numpy as np
import pytest
from builders import some_slow
from hypothesis import given
from hypothesis import strategies as some

from unet_helpers import keras
from unet_helpers.model.unet import unet
from unet_helpers.training import budget
from unet_helpers.training.budget import ROUNDS, cut, set_length, steps_in, variable_length
from unet_helpers.training.checkpoint import take_variables
from unet_helpers.training.recipe import BceDice, adamw


@given(some.integers(2, 100_000), some.none() | some.integers(1, 50))
def test_rounds_hold_all_steps_and_are_cut_the_same_again(steps: int, rounds: int | None) -> None:
    number, length = cut(steps, rounds)
    assert steps <= number * length
    assert number * length - steps < 2 * number  # rounded up, and no further
    assert cut(number * length, rounds) == (number, length)
    assert number == rounds if rounds else 1 <= number <= ROUNDS
    assert rounds or number == 1 or length >= budget.ROUND


@pytest.mark.parametrize(("made_for", "steps"), [(2, 500), (900, 20), (40, 40)])
def test_a_stretched_schedule_is_that_of_the_recipe(made_for: int, steps: int) -> None:
    optimizer = variable_length(made_for)
    set_length(optimizer, steps)
    wanted = adamw(steps)
    for step in np.linspace(0, steps, 17).astype(int):
        found = float(optimizer._learning_rate(int(step)))
        assert found == pytest.approx(float(wanted._learning_rate(int(step))), rel=1e-6), step


@pytest.mark.slow
def test_it_is_stretched_after_the_step_was_traced_too() -> None:
    """Trained by hand with the two optimizers, the second after being traced as a short one."""
    image = np.ones((1, 16, 16, 1), np.float32)
    found = []
    for stretched in (False, True):
        keras.utils.set_random_seed(0)
        model = unet((16, 16, 1), filters=2, depth=1)
        model.compile(variable_length(2) if stretched else adamw(8), BceDice())
        model.optimizer.build(model.trainable_variables)
        if stretched:
            before = take_variables(model)
            model.fit(image, image, verbose=0)
            budget.put_variables(model, before)
            set_length(model.optimizer, 8)
        for _ in range(4):
            model.train_on_batch(image, image)
        found.append([each.tobytes() for each in model.get_weights()])
    assert found[0] == found[1]


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


def estimated(
    monkeypatch: pytest.MonkeyPatch, seconds: float, step: float, validation: float, trace: float
) -> tuple[int, float]:
    """Steps that a probe finds, and the seconds that were gone by then."""
    clock = Clock()
    monkeypatch.setattr(budget, "time", clock)
    model = unet((16, 16, 1), filters=2, depth=1, dropout=0.2)
    model.compile(variable_length(2), BceDice())
    model.optimizer.build(model.trainable_variables)
    before = [each.tobytes() for each in take_variables(model)]
    image = np.ones((1, 16, 16, 1), np.float32)
    scored = []

    def fit(number: int, clocks: list[Any]) -> None:
        for place in range(number):
            model.train_on_batch(image, image)
            clock.now += trace if place == 0 else step
            for each in clocks:
                each.on_train_batch_end(place)

    def validate() -> None:
        clock.now += validation if scored else trace
        scored.append(True)

    found = steps_in(seconds, model, fit, validate, began=99.0)
    assert [each.tobytes() for each in take_variables(model)] == before
    return found, clock.now - 99.0


@pytest.mark.parametrize(
    ("seconds", "step", "validation", "trace"),
    some_slow(
        [(60, 0.05, 0.2, 5), (60, 0.5, 2, 10), (600, 0.05, 3, 8), (3000, 0.1, 1, 5)],
        {(600, 0.05, 3, 8), (3000, 0.1, 1, 5)},
    ),
)
def test_the_time_is_used_and_not_overrun(
    monkeypatch: pytest.MonkeyPatch, seconds: float, step: float, validation: float, trace: float
) -> None:
    steps, gone = estimated(monkeypatch, seconds, step, validation, trace)
    rounds, length = cut(steps)
    needed = gone + rounds * (length * step + validation)
    assert 0.93 * seconds < needed < 1.03 * seconds


def test_no_time_left_gives_the_fewest_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert estimated(monkeypatch, 1, 0.5, 1, 10)[0] == 2


def test_a_slow_beginning_leaves_half_of_the_time_to_train(monkeypatch: pytest.MonkeyPatch) -> None:
    steps, gone = estimated(monkeypatch, 60, 0.05, 0.2, 80)
    assert gone > 60
    rounds, length = cut(steps)
    assert 0.93 * 30 < rounds * (length * 0.05 + 0.2) < 1.05 * 30


def test_one_slow_step_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(budget, "time", clock)
    model = unet((16, 16, 1), filters=2, depth=1)
    model.compile(variable_length(2), BceDice())

    def fit(number: int, clocks: list[Any]) -> None:
        for place in range(number):
            clock.now += 3.0 if place == 4 else 0.1
            for each in clocks:
                each.on_train_batch_end(place)

    found = steps_in(60, model, fit, lambda: None, began=100.0)
    assert found * 0.1 == pytest.approx(60 - (clock.now - 100), rel=0.01)

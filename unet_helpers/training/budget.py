"""From minutes, which people plan in, to training steps, which can be repeated."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from unet_helpers import keras
from unet_helpers.training.checkpoint import put_variables, take_variables
from unet_helpers.training.recipe import adamw

ROUNDS = 20  # at most; a round ends with a validation and a checkpoint
ROUND = 40  # steps of a round, at least
PROBED = 8
LEAST = 0.5  # share of the time that is trained in any case


def cut(steps: int, rounds: int | None = None) -> tuple[int, int]:
    """How many rounds a training has, and the steps of each; their product gives the same again.

    Parameters
    ----------
    steps : int
        At least this many in all.
    rounds : int, optional
        So many rounds; from the steps by default.

    Returns
    -------
    rounds, steps : int
        Rounds are equally long, so the steps are rounded up to a whole number of rounds.

    Examples
    --------
    >>> cut(20), cut(400), cut(401), cut(439), cut(8000), cut(20, rounds=5)
    ((1, 20), (10, 40), (10, 41), (11, 40), (20, 400), (5, 4))
    """
    number = rounds or min(ROUNDS, max(1, steps // ROUND))
    length = -(-steps // number)
    return (number, length) if number * length == steps else cut(number * length, rounds)


class CosineDecay(keras.optimizers.schedules.CosineDecay):
    """Keras' own, which can say its settings as numbers while they are variables.

    With TensorFlow Keras reads them by itself; with its other backends it does not.
    """

    def get_config(self) -> dict[str, Any]:
        """Give the settings, as Keras' own does."""
        told = super().get_config().items()
        return {n: int(v) if isinstance(v, keras.Variable) else v for n, v in told}


def variable_length(steps: int, peak: float = 3e-3) -> keras.optimizers.Optimizer:
    """`adamw` whose number of steps can be set after the training step has been traced.

    Tracing takes seconds, and bakes numbers in; these two stay variables.
    """
    optimizer = adamw(steps, peak)
    schedule = CosineDecay.from_config(optimizer._learning_rate.get_config())
    optimizer._learning_rate = schedule
    for name in ("decay_steps", "warmup_steps"):
        value = keras.Variable(getattr(schedule, name), trainable=False, dtype="int32", name=name)
        setattr(schedule, name, value)
    return optimizer


def set_length(optimizer: keras.optimizers.Optimizer, steps: int) -> None:
    """Stretch the learning rate's course, of an optimizer of `variable_length`, over `steps`."""
    wanted = adamw(steps)._learning_rate
    for name in ("decay_steps", "warmup_steps"):
        getattr(optimizer._learning_rate, name).assign(getattr(wanted, name))


class _Clock(keras.callbacks.Callback):
    """When each training step ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ends.append(time.perf_counter())


def steps_in(
    seconds: float,
    model: keras.Model,
    fit: Callable[[int, list[keras.callbacks.Callback]], Any],
    validate: Callable[[], object],
    began: float,
) -> int:
    """Find out how many steps fit into a time, and leave the model as it was.

    Parameters
    ----------
    seconds : float
        For all: what has passed since `began`, tracing, this probe, steps and validations. Half of
        it at least is for steps and validations, even if the rest has taken longer.
    model : keras.Model
        Compiled.
    fit : callable
        Trains for a number of steps, with callbacks.
    validate : callable
        Scores the model once.
    began : float
        ``time.perf_counter()`` when the time began to run.

    Returns
    -------
    int
        At least 2.
    """
    model.optimizer.build(model.trainable_variables)
    before = take_variables(model)
    clock = _Clock()
    fit(1 + PROBED, [clock])
    step = float(np.median(np.diff(clock.ends)))
    validate()  # traces
    start = time.perf_counter()
    validate()
    validation = time.perf_counter() - start
    put_variables(model, before)
    # Reading many images, or a machine that was busy just now, must not leave a net untrained.
    left = max(seconds - (time.perf_counter() - began), LEAST * seconds)
    # Short trainings validate every ROUND steps, long ones ROUNDS times: both are upper bounds.
    often, seldom = left / (step + validation / ROUND), (left - ROUNDS * validation) / step
    return max(2, int(max(often, seldom)))

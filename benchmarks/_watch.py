"""A clock that stands still while a model is scored, and the scores that it was read at."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import Samples, isbi_scores, load, score_images

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
TEST_SLICES = 6
OURS_VAL = 4


def membranes() -> tuple[Samples, Samples]:
    """Slices 0 to 23 for training, 24 to 29 for the test; decoded, so that no clock hears it."""
    everything = load("membranes").binary()
    parts = everything[: len(everything) - TEST_SLICES], everything[-TEST_SLICES:]
    for part in parts:
        for index in range(len(part)):
            part.arrays(index)
    return parts


@dataclasses.dataclass
class Watch:
    """Scores a model at fixed marks of its training time.

    `predict` takes one image (height, width, channels) and gives the membrane's probability
    (height, width). A recipe may offer several ways to predict: the best one counts.

    Attributes
    ----------
    test : Samples
        What it is scored on.
    marks : sequence of float
        Seconds of training at which to score, in order; training ends with the last.
    target : float
        Pooled Dice that ends the training; above 1 for never.
    isbi : sequence of float
        Marks at which V_rand is measured too.
    now : callable
        The clock; ``time.process_time`` counts the processor's seconds, all threads added up.
    """

    test: Samples
    marks: Sequence[float]
    target: float = 2.0
    isbi: Sequence[float] = ()
    now: Callable[[], float] = time.perf_counter
    rows: list[dict[str, float]] = dataclasses.field(default_factory=list)
    steps: int = 0
    reached: dict[str, float] | None = None
    first_step: float | None = None
    _ran: float = 0.0
    _since: float | None = None
    _next: int = 0

    def start(self) -> None:
        """Let the clock run, from now or again."""
        self._since = self.now()

    def stop(self) -> None:
        """Let the clock stand still."""
        self._ran, self._since = self.seconds, None

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return self._ran + (0 if self._since is None else self.now() - self._since)

    def step(self, *predicts: Predict) -> bool:
        """After a training step: score if a mark is passed; whether to go on."""
        self.steps += 1
        if self.seconds < self.marks[self._next]:
            return True
        self.score(*predicts)
        return self.reached is None and self._next < len(self.marks)

    def score(self, *predicts: Predict, last: bool = False) -> None:
        """Score now, with the clock stopped; the last time with V_rand if it is asked for."""
        self.stop()
        row: dict[str, float] = {"seconds": round(self._ran, 2), "steps": self.steps}
        best: list[NDArray[np.float32]] = []
        for predict in predicts:
            maps = [predict(sample.image) for sample in self.test]
            dice = score_images(self.test, [m > 0.5 for m in maps]).dice()
            dice = 0.0 if dice != dice else round(dice, 4)
            if not best or dice > row["dice"]:
                best, row["dice"] = maps, dice
        due = any(mark <= self._ran and not self._measured(mark) for mark in self.isbi)
        if due or (last and self.isbi):
            row["v_rand"] = round(isbi_scores([s.mask for s in self.test], best).v_rand, 4)
        self.rows.append(row)
        if row["dice"] >= self.target and self.reached is None:
            self.reached = row
        while self._next < len(self.marks) and self.marks[self._next] <= self._ran:
            self._next += 1
        self.start()

    def _measured(self, mark: float) -> bool:
        return any("v_rand" in row and row["seconds"] >= mark for row in self.rows)

    def result(self) -> dict[str, Any]:
        """What is stored of a training."""
        scores = [row["dice"] for row in self.rows]
        return {
            "reached_after": self.reached and self.reached["seconds"],
            "trained_for": round(self.seconds, 1),
            "steps": self.steps,
            "best_dice": max(scores, default=0.0),
            "rows": self.rows,
        }

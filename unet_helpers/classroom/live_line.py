"""A training told in one line, for a terminal or a log."""

import sys
import time
from typing import Any, TextIO

from unet_helpers import keras


class LiveLine(keras.callbacks.Callback):
    """Tell steps, loss, validation Dice and the time left, anew after every second or so.

    In a terminal the line is written over; elsewhere, such as in a log file, each round has one.

    Parameters
    ----------
    file : text stream, optional
        Where it is written; standard error by default.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        super().__init__()
        self.file = file or sys.stderr
        self.overwrites = self.file.isatty()
        self._began = self._said = 0.0
        self._done = self._steps = self._first = 0
        self._dice = ""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._began = time.perf_counter()
        self._first = -1

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember where this round begins; a training that goes on does not begin at 0."""
        steps = self.params["steps"]
        self._done, self._steps = epoch * steps, self.params["epochs"] * steps
        if self._first < 0:
            self._first = self._done

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """In a terminal, tell the step."""
        self._done += 1
        now = time.perf_counter()
        if self.overwrites and now - self._said > 0.5:
            self._said = now
            self._write(float((logs or {}).get("loss", float("nan"))))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell the round's validation."""
        logs = logs or {}
        if "val_dice" in logs:
            self._dice = f" · validation Dice {logs['val_dice']:.3f}"
        self._write(float(logs.get("loss", float("nan"))), end="" if self.overwrites else "\n")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leave the last line standing."""
        if self.overwrites:
            self.file.write("\n")

    def _write(self, loss: float, end: str = "") -> None:
        spent = time.perf_counter() - self._began
        left = spent / max(self._done - self._first, 1) * (self._steps - self._done)
        line = (
            f"step {self._done} of {self._steps} · loss {loss:.3f}{self._dice} · {left:.0f} s left"
        )
        self.file.write(f"\r\x1b[K{line}" if self.overwrites else line)
        self.file.write(end)
        self.file.flush()

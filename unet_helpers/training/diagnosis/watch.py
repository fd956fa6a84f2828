"""A Keras callback that says, while a model trains, that something is wrong."""

import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.training.diagnosis.batch import probing_batch
from unet_helpers.training.diagnosis.probe import predict_with
from unet_helpers.training.diagnosis.setup import read_setup
from unet_helpers.training.diagnosis.static_rules import head_rules
from unet_helpers.training.diagnosis.stream import Pair, shown
from unet_helpers.training.diagnosis.training_rules import APART, foreground_probability, judged

_SETTLED = 50  # steps after which something should have been learnt
_PART = 0.2  # and this share of the training: a schedule's warm-up is over by then
_EVERY = 5  # steps between two looks, at least
_FALLS = 0.03  # by which share the loss should have fallen
_MOVED = 1e-3  # of its size: by how much the last layer's weights change in a training that learns
_ASK = "diagnose(model, data) says more"


class TrainingWarning(UserWarning):
    """What `WarnWhileTraining` says."""


class WarnWhileTraining(keras.callbacks.Callback):
    """A Keras callback that warns of a training that goes wrong, once of each fault.

    It looks at the loss, at the last layer's weights and, if it is given some data, at predictions
    of a small batch of them: now and then, so that all looks together take at most `share` of the
    time. Its warnings are Python's, of the category `TrainingWarning`; a sound training gives none.

    Parameters
    ----------
    data : tuple of arrays, Samples or iterable of batches, optional
        Images and masks to predict now and then, such as ``validation_data``. Without it,
        predictions of nothing but background are told from a Dice, IoU or recall of 0.
    threshold : float
        Where a probability counts as foreground.
    share : float
        Share of the training time that looking may take, above 0 and at most 1.
    clock : callable
        Gives the time in seconds.

    Attributes
    ----------
    said : dict of str to str
        Each warning by the name of its fault: ``loss-not-finite``, ``relu-before-output``,
        ``no-gradient``, ``all-background-predicted``, ``learning-rate-too-low``, ``plateau``.
    spent : float
        Seconds that looking took.

    Raises
    ------
    ValueError
        If a setting is out of range, or the data are none of the above.

    Examples
    --------
    >>> from unet_helpers import BceDice, load, unet
    >>> samples = load("cells").binary()
    >>> model = unet((64, 64, 3), filters=4, depth=1)
    >>> model.compile("adam", BceDice())
    >>> watch = WarnWhileTraining(samples[:2])
    >>> _ = model.fit(*samples[:2].stack(64), callbacks=[watch], verbose=0)
    >>> watch.said
    {}
    """

    def __init__(
        self,
        data: Any = None,
        *,
        threshold: float = 0.5,
        share: float = 0.01,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__()
        if not 0 < share <= 1:
            raise ValueError(
                f"share must be above 0 and at most 1, found {share}: leave it out for 0.01"
            )
        if not 0 < threshold < 1:
            raise ValueError(
                f"threshold must be a probability above 0 and below 1, found {threshold}: leave "
                "it out for 0.5"
            )
        self._shown = None if data is None else shown(data, "data", most=16)
        self.threshold, self.share, self.clock = threshold, share, clock
        self._begin()

    def _begin(self) -> None:
        self.said: dict[str, str] = {}
        self.spent, self._steps, self._looked = 0.0, 0, 0
        self._started, self._cost = self.clock(), 0.0
        self._first: float | None = None  # loss
        self._sums = (0.0, 0.0)
        self._dark, self._zeros = 0, 0  # looks, and epochs, that saw nothing but background
        self._batch: Pair | None = None
        self._start: list[NDArray[Any]] = []
        self._fresh = True

    # --- what Keras calls ---------------------------------------------------------------------

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Start afresh, and say what the model itself tells."""
        self._begin()
        self._setup = read_setup(self.model)
        # A model that has learnt before may well stay where it is.
        self._fresh = self._setup.iterations == 0
        for found in head_rules(self._setup):
            if found.severity == "error":
                self._say(found.name, f"{found.message}; {found.fix.split('  #')[0]} instead")
        if self._shown is not None:
            self._batch = probing_batch(self.model, self._shown.pairs)
        self._start = self._last_weights()
        self._started = self.clock()

    # The begin of a batch, not its end: Keras would fetch every batch's loss for the latter.
    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Look, if there is time for it."""
        self._steps += 1
        # JAX keeps weights and metrics of a running epoch to itself.
        if keras.backend.backend() == "jax" or self._steps - self._looked < _EVERY:
            return
        passed = self.clock() - self._started
        if self.spent + self._cost <= self.share * passed:
            self._look(self._recent_loss())

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Look at the loss, and at scores that are 0."""
        logs = logs or {}
        scores = [v for n, v in logs.items() if any(k in n for k in ("dice", "iou", "recall"))
                  and "loss" not in n]  # fmt: skip
        self._zeros = self._zeros + 1 if scores and max(scores) <= 1e-6 else 0
        if self._zeros >= 2 and self._settled():
            self._say_background("its scores are 0 for the second epoch")
        loss = logs.get("loss")
        self._look_at_loss(None if loss is None else float(loss))
        self._sums = (0.0, 0.0)  # Keras begins each epoch's mean anew

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Look a last time."""
        self._look(None)

    # --- what it sees -------------------------------------------------------------------------

    def _look(self, loss: float | None) -> None:
        begun = self.clock()
        self._looked = self._steps
        self._look_at_loss(loss)
        if self._settled():
            self._look_at_weights()
            if "all-background-predicted" not in self.said:
                self._look_at_predictions()
        took = self.clock() - begun
        self.spent, self._cost = self.spent + took, took

    def _settled(self) -> bool:
        """Whether so much of the training is over that it should show."""
        settings = self.params or {}
        total = (settings.get("epochs") or 1) * (settings.get("steps") or 0)
        return self._steps >= max(_SETTLED, _PART * total)

    def _recent_loss(self) -> float | None:
        """Mean loss of the steps since the last look."""
        tracker = next((m for m in self.model.metrics if m.name == "loss"), None)
        if tracker is None or not hasattr(tracker, "total"):
            return None
        total, count = (float(keras.ops.convert_to_numpy(v)) for v in
                        (tracker.total, tracker.count))  # fmt: skip
        before, self._sums = self._sums, (total, count)
        if count <= before[1]:
            return None
        return (total - before[0]) / (count - before[1])

    def _look_at_loss(self, loss: float | None) -> None:
        if loss is None or "loss-not-finite" in self.said:
            return
        if not math.isfinite(loss):
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            self._say(
                "loss-not-finite",
                f"the loss is {loss} since step {self._steps} or shortly before, and will stay so: "
                f"the learning rate, {rate:.2g}, is too high, or an image holds NaN; build the "
                f"model anew, then {_ASK}",
            )
            return
        self._first = loss if self._first is None else self._first
        if self._fresh and self._settled() and loss > (1 - _FALLS) * self._first:
            self._stays(loss)

    def _stays(self, loss: float) -> None:
        moved = _moved(self._start, self._last_weights())
        told = (
            f"after {self._steps} steps the loss is {loss:.3g}, at first it was {self._first:.3g}"
        )
        if {"learning-rate-too-low", "no-gradient", "relu-before-output"} & self.said.keys():
            return
        if 0 < moved < _MOVED:
            self._say(
                "learning-rate-too-low",
                f"{told}, and the last layer's weights have changed by {moved:.1e} of their size: "
                "the learning rate is too low; try 30 times as much",
            )
        elif not _still(self._start, self._last_weights()):
            self._say("plateau", f"{told}: it does not fall; {_ASK}")

    def _look_at_weights(self) -> None:
        if self._start and _still(self._start, self._last_weights()):
            self._say(
                "no-gradient",
                f"after {self._steps} steps layer {self._setup.last!r} has the weights that it had "
                f"at first, to the bit: no gradient reaches it; {_ASK}",
            )

    def _look_at_predictions(self) -> None:
        if self._batch is None:
            return
        images, masks = self._batch
        said = foreground_probability(self._setup, predict_with(self.model, images))
        seen = judged(said, masks, self.threshold)
        dark = seen is not None and seen.highest < self.threshold and seen.apart < APART
        self._dark = self._dark + 1 if dark else 0
        if self._dark >= 2 or (dark and self._looked == self._steps and self._is_over()):
            assert seen is not None
            self._say_background(f"98 % of the pixels are below {seen.highest:.2f}")

    def _is_over(self) -> bool:
        settings = self.params or {}
        return self._steps >= (settings.get("epochs") or 1) * (settings.get("steps") or math.inf)

    def _say_background(self, evidence: str) -> None:
        self._say(
            "all-background-predicted",
            f"after {self._steps} steps the model predicts nothing but background ({evidence}), "
            f"though there is foreground: {_ASK}",
        )

    def _last_weights(self) -> list[NDArray[Any]]:
        """A copy of the weights of the last layer that has any and may learn."""
        layers = [each for each in self.model.layers if each.trainable_variables]
        own = [each for each in layers if each.name == self._setup.last] or layers[-1:]
        weights = own[0].trainable_variables if own else []
        return [np.array(keras.ops.convert_to_numpy(w.value)) for w in weights]

    def _say(self, name: str, text: str) -> None:
        if name in self.said:
            return
        self.said[name] = text
        # Named by the step: a line of this file or of Keras would tell nobody anything.
        warnings.warn_explicit(text, TrainingWarning, "training", self._steps)


def _moved(before: list[NDArray[Any]], after: list[NDArray[Any]]) -> float:
    """How far weights have moved, as a share of their size."""
    size = math.sqrt(sum(float(np.square(b, dtype=np.float64).sum()) for b in before))
    way = math.sqrt(sum(float(np.square(b - a, dtype=np.float64).sum())
                        for b, a in zip(before, after, strict=True)))  # fmt: skip
    return way / max(size, 1e-12)


def _still(before: list[NDArray[Any]], after: list[NDArray[Any]]) -> bool:
    """Whether no gradient has come: a bias of 0 tells, for weight decay moves everything else."""
    pairs = list(zip(before, after, strict=True))
    biases = [(b, a) for b, a in pairs if b.ndim == 1 and not b.any()]
    return all(np.array_equal(b, a) for b, a in biases or pairs)

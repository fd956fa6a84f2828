"""`KeepTraining`: a Keras callback after which a killed training goes on as if nothing had been."""

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.data.pipeline import batches
from unet_helpers.data.samples import Samples
from unet_helpers.training.fingerprints import fingerprint, model_facts, plain, refuse_others
from unet_helpers.training.state_files import State, newest_state, write_state

if TYPE_CHECKING:
    import tensorflow as tf

Logs = dict[str, Any] | None


class KeepTraining(keras.callbacks.Callback):
    """Keep a training in a folder, epoch by epoch, and take it up from there.

    After a kill, run the same lines again: they go on behind the last epoch that was completed, and
    end with the very weights and history of a training without a break, on the same machine. Kept
    are the weights, the optimizer with its step count (on which the learning rate depends), the
    seed states of all layers, such as dropout, the history, the place in the data, and the best
    weights so far.

    Parameters
    ----------
    folder : path-like
        One training's own folder; made if need be.
    best_by : str
        Entry of the training log whose highest value marks the best weights: ``"val_dice"`` is
        the pooled Dice where the model is compiled with ``metrics=[Dice()]`` and gets
        ``validation_data``. Where the log has no such entry, no best weights are kept.

    Attributes
    ----------
    epoch, step : int
        Epochs and training steps that are done: give ``initial_epoch=keep.epoch`` to ``fit``.
    history : dict of str to list of float
        The log of those epochs.
    best : tuple of (float, int) or None
        Highest value of `best_by`, and the epoch it was reached in, from 1.
    seconds : float
        Time that those epochs took in ``fit``.

    Raises
    ------
    ValueError
        Here, if the folder is a file or holds only damaged checkpoints; in ``fit``, if the model,
        the optimizer, the loss, the samples or the settings are not those of the checkpoint.

    Notes
    -----
    An epoch is what can be lost: many short epochs lose little. If the disk is full, a warning says
    so, the older checkpoint stays, and training goes on. After an interrupted kernel,
    ``keep.load_best(model)`` gives the model its best weights so far.

    Bit-identical needs batches that depend on their number only, as `batches` makes them: arrays
    with ``shuffle=True`` come in another order after a break. Put this callback last, so that it
    sees what others add to the log.

    Examples
    --------
    >>> import tempfile
    >>> from unet_helpers import BceDice, adamw, load, unet
    >>> folder, train = tempfile.mkdtemp(), load("cells").binary()[:2]
    >>> def cell():
    ...     model = unet((None, None, 3), filters=4, depth=1)
    ...     model.compile(adamw(steps=4), BceDice())
    ...     keep = KeepTraining(folder)
    ...     crops = keep.batches(train, size=32, batch_size=2)
    ...     log = model.fit(crops, steps_per_epoch=2, epochs=2, initial_epoch=keep.epoch,
    ...                     callbacks=[keep], shuffle=False, verbose=0)
    ...     return keep.step, log.history
    >>> cell() == cell()  # the second time, all epochs are done
    True
    """

    def __init__(self, folder: str | Path, best_by: str = "val_dice") -> None:
        super().__init__()
        self.folder, self.best_by = Path(folder), best_by
        self.settings: dict[str, str] = {}
        self.unsaved = ""
        self._stream_step: int | None = None
        self._state = newest_state(self.folder) or State({}, {})

    def _fact(self, name: str, default: Any) -> Any:
        return self._state.facts.get(name, default)

    # All are read from the one state that the last whole epoch left, which is replaced in a single
    # step: an interrupt finds it either before or behind that epoch.

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return int(self._fact("epoch", 0))

    @property
    def step(self) -> int:
        """Training steps that are done."""
        return int(self._fact("step", 0))

    @property
    def history(self) -> dict[str, list[float]]:
        """The log of those epochs."""
        return {name: list(values) for name, values in self._fact("history", {}).items()}

    @property
    def best(self) -> tuple[float, int] | None:
        """Highest value of `best_by`, and the epoch it was reached in, from 1."""
        best = self._fact("best", None)
        return (best[0], best[1]) if best else None

    @property
    def seconds(self) -> float:
        """Time that those epochs took in ``fit``."""
        return float(self._fact("seconds", 0.0))

    def batches(self, samples: Samples, **settings: Any) -> "tf.data.Dataset":
        """`batches`, from the place where the training stopped.

        Parameters
        ----------
        samples : Samples
        **settings
            Those of `batches`, but for `start`. They and the samples must stay as they are.

        Returns
        -------
        tf.data.Dataset
            Pairs (images, masks), endless.
        """
        told = {name: plain(value) for name, value in settings.items() if name != "workers"}
        self.settings.update(told, samples=fingerprint(samples))
        self._stream_step = self.step
        return batches(samples, start=self.step, **settings)

    def load_best(self, model: keras.Model) -> None:
        """Give a model the best weights so far.

        Parameters
        ----------
        model : keras.Model
            Of the same architecture.

        Raises
        ------
        ValueError
            If no epoch with a `best_by` has been completed.
        """
        if self.best is None:
            raise ValueError(
                f"{self.folder}: best weights need an epoch that logs {self.best_by!r}, found "
                "none: give fit() validation_data, or name another entry of the log as best_by"
            )
        model.set_weights(_numbered(self._state, "best"))

    # --- what Keras calls ------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs = None) -> None:
        """Check that this is the same training, and put everything back."""
        self._began, self._before = time.monotonic(), self.seconds
        self._first = True
        self._facts = {
            **model_facts(self.model),
            "steps_per_epoch": (self.params or {}).get("steps"),
            **self.settings,
        }
        if self._stream_step not in (None, self.step):
            raise ValueError(
                f"keep.batches() must be called anew before each fit(), found a stream that "
                f"begins at step {self._stream_step} where the training stands at {self.step}: "
                "run the lines from KeepTraining() on again"
            )
        self.model.optimizer.build(self.model.trainable_variables)
        if self._state.arrays:
            refuse_others(self.folder, self._fact("facts", {}), self._facts)
            put_variables(self.model, _numbered(self._state, "variable"))
        else:  # after a break in the first epoch, begin with these very weights again
            self._save({"epoch": 0, "step": 0}, [])

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Check the place, and give Keras' own history the epochs of before."""
        if epoch != self.epoch:
            raise ValueError(
                f"initial_epoch must be {self.epoch}, where the training in {self.folder} stands, "
                f"found {epoch}: give fit() initial_epoch=keep.epoch"
            )
        self._seen = 0
        self._complete_history()

    def _complete_history(self) -> None:
        if self._first:
            self.model.history.epoch[:] = range(self.epoch)
            self.model.history.history.update({k: list(v) for k, v in self.history.items()})
        self._first = False

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Count, since an epoch that was stopped half way is none."""
        self._seen = batch + 1

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write everything down."""
        expected = (self.params or {}).get("steps")
        if expected is not None and self._seen < expected:
            return
        log = {name: float(value) for name, value in (logs or {}).items()}
        best, best_weights = self.best, _numbered(self._state, "best")
        value = log.get(self.best_by, float("nan"))
        if value > (best[0] if best else -np.inf):
            best, best_weights = (value, epoch + 1), self.model.get_weights()
        history = self.history
        self._save(
            {
                "epoch": epoch + 1,
                "step": self.step + self._seen,
                "history": {name: [*history.get(name, []), log[name]] for name in log},
                "best": best,
                "seconds": self._before + time.monotonic() - self._began,
            },
            best_weights,
        )

    def on_train_end(self, logs: Logs = None) -> None:
        """Say whether the last epochs are only in memory."""
        self._complete_history()
        if self.unsaved:
            warnings.warn(self.unsaved, stacklevel=2)

    def _save(self, told: dict[str, Any], best_weights: list[NDArray[Any]]) -> None:
        arrays = {f"variable {i:05d}": a for i, a in enumerate(take_variables(self.model))}
        arrays |= {f"best {i:05d}": np.asarray(a) for i, a in enumerate(best_weights)}
        self._state = State(arrays, {**told, "facts": self._facts})
        try:
            write_state(self.folder, self.epoch, self._state)
            self.unsaved = ""
        except OSError as error:
            first, self.unsaved = not self.unsaved, not_written(self.folder, error)
            if first:
                warnings.warn(self.unsaved, stacklevel=2)


def not_written(place: Path, error: OSError) -> str:
    """What to tell when a checkpoint or model could not be written."""
    reason = (error.strerror or str(error)).lower()
    return (
        f"{place}: room to write was expected, found {reason!r}: what was kept before is still "
        "there; make room, then run the same lines again, and they go on from there"
    )


def _numbered(state: State, kind: str) -> list[NDArray[Any]]:
    return [state.arrays[name] for name in sorted(state.arrays) if name.startswith(f"{kind} ")]


def variables_of(model: keras.Model) -> list[Any]:
    """All that a training step reads and changes, metrics aside: they begin anew each epoch.

    Unlike ``model.weights``, ``model.variables`` has the seed states of dropout and the like.
    """
    metrics = {id(variable) for variable in model.metrics_variables}
    mine = [variable for variable in model.variables if id(variable) not in metrics]
    return [*mine, *model.optimizer.variables]


def take_variables(model: keras.Model) -> list[NDArray[Any]]:
    """Copies of `variables_of`, in order."""
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in variables_of(model)]


def put_variables(model: keras.Model, values: list[NDArray[Any]]) -> None:
    """Put back what `take_variables` took; the optimizer must be built."""
    for variable, value in zip(variables_of(model), values, strict=True):
        variable.assign(value)

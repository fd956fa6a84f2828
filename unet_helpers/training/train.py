"""`train`: the course's recipe as one call, on any labelled images, which a kill cannot undo.

`carry_out` is what `train` and `fine_tune` share: they differ in the model that they begin with.
"""

import contextlib
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from unet_helpers import keras
from unet_helpers.data.pipeline import batches
from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.scores import score_images
from unet_helpers.model.unet import unet
from unet_helpers.training import budget
from unet_helpers.training.checkpoint import KeepTraining, not_written
from unet_helpers.training.plan import (
    asked,
    check_arguments,
    check_size,
    default_minutes,
    earlier_record,
    make_plan,
    parts,
)
from unet_helpers.training.recipe import BceDice, fast_precision
from unet_helpers.training.run_log import tensorboard_log
from unet_helpers.training.run_record import (
    KIND,
    Run,
    read_model,
    score_record,
    versions,
    write_model,
    write_record,
)
from unet_helpers.training.sanity import set_seed
from unet_helpers.training.state_files import state_paths
from unet_helpers.training.validation import Validate, masks

NET = {
    "filters": 16,
    "depth": 2,
    "upsampling": "transpose",
    "norm": "batch",
    "dropout": 0.0,
    "stem": 4,
}
RATE = {"peak": 6e-3}
CROPS = {"size": 128, "batch_size": 8, "colour": 0.05, "augment": True, "meet": None, "reuse": 1}
RECIPE = {**NET, **RATE, **CROPS}
TOLD = ("start", "asked", "settings", "data")  # what the record tells of the plan
SCALING = "0 to 1: whole numbers divided by the largest that their type holds"
THRESHOLD = 0.5


def train(
    samples: Samples,
    val: Samples | None = None,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    rounds: int | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    precision: str | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tensorboard: str | Path | None = None,
    **recipe: Any,
) -> Run:
    """Train the course's U-Net on labelled images, by the course's recipe.

    Random crops, `unet`, `BceDice`, `adamw`; two classes get one output, more classes a softmax.
    A training is cut into up to 20 rounds of 40 steps or more. After each one it is validated by
    the pooled Dice of whole images (of many, some), the best weights are remembered, and everything
    is kept in `folder`: after a kill, the same call goes on from there and ends with the same
    model, bit by bit, on the same machine.

    Parameters
    ----------
    samples : Samples
        Training images; or all images, if `val` is not given: then ``samples.split()`` says which
        of them serve, and its test images are not looked at.
    val : Samples, optional
        Validation images, none of them in `samples`.
    minutes : float, optional
        Time for it all: tracing, training and validation, the scores at the end not counted. A
        short probe turns it into steps, once; what is recorded and counted from then on are
        steps. 1 where neither `minutes` nor `steps` is given.
    steps : int, optional
        Training steps in place of minutes, rounded up to whole rounds.
    rounds : int, optional
        Into how many rounds the steps are cut: more of them lose less and take longer.
    seed : int
        Seed of weights, crops and dropout: see `set_seed`, which is called with it.
    folder : path-like, optional
        Keeps this run: checkpoints while it is trained, in the end ``model.keras``, which plain
        Keras opens, and ``run.json``. A finished run in it is read and given back. Without it
        nothing is kept.
    precision : str, optional
        Keras dtype policy of the training; `fast_precision` by default.
    callbacks : sequence of keras.callbacks.Callback
        Called after the validation of each round, such as a live figure.
    tensorboard : path-like, optional
        Folder for a TensorBoard log, if that package is installed.
    **recipe
        ``filters`` (16), ``depth`` (2), ``stem`` (4), ``upsampling`` ("transpose"), ``norm``
        ("batch") and ``dropout`` (0) of `unet`; ``peak`` (0.006) of `adamw`; ``size`` (128, a
        multiple of stem * 2**depth), ``batch_size`` (8), ``colour`` (0.05), ``augment`` (True),
        ``meet`` (None) and ``reuse`` (1) of `batches`.

    Returns
    -------
    Run
        The model, float32 and not compiled, and the record. Interrupted (or stopped by a callback)
        it is not `finished`, and has the best weights so far.

    Raises
    ------
    ValueError
        If an argument does not fit, or the folder holds a run of other samples or settings.
    OSError
        If the disk is full before the first step; later a warning says so, the older checkpoint
        stays, and the run goes on in memory.
    ImportError
        If `tensorboard` is asked for and not installed.

    Examples
    --------
    >>> from unet_helpers import load
    >>> run = train(load("cells").binary()[:9], steps=2, filters=4, depth=1, size=32, batch_size=2)
    >>> run.finished, run.model.output_shape, sorted(run.record["scores"]["cell"])
    (True, (None, None, None, 1), ['dice', 'iou'])
    """
    began = time.perf_counter()
    minutes = default_minutes(minutes, steps)
    check_arguments(minutes, steps, rounds, recipe, RECIPE)
    set_seed(seed)
    train_part, val_part = parts(samples, val)
    extra = [tensorboard_log(tensorboard)] if tensorboard is not None else []
    precision = precision or fast_precision()
    chosen = {**RECIPE, **recipe}
    check_size(chosen)
    plan = make_plan(
        train_part, val_part, chosen, asked(minutes, steps, rounds), seed=seed, precision=precision
    )
    net = Net(lambda: _build(train_part, chosen))
    return carry_out(train_part, val_part, plan, net, folder, [*callbacks, *extra], began)


class Net(NamedTuple):
    """The model that a training begins with.

    Attributes
    ----------
    build : callable
        Makes it, under Keras' dtype policy of the moment; all its layers can be trained.
    freeze : callable
        Sets the layers aside that this training must not change.
    """

    build: Callable[[], keras.Model]
    freeze: Callable[[keras.Model], object] = lambda model: None


def carry_out(
    samples: Samples,
    val: Samples,
    plan: dict[str, Any],
    net: Net,
    folder: str | Path | None,
    callbacks: list[keras.callbacks.Callback],
    began: float,
) -> Run:
    """Carry out a training that is planned, or go on with the one that the folder holds.

    Parameters
    ----------
    samples, val : Samples
    plan : dict
        As `make_plan` makes it.
    net : Net
    folder, callbacks
        As in `train`.
    began : float
        ``time.perf_counter()`` when the minutes began to run.

    Returns
    -------
    Run
    """
    with contextlib.ExitStack() as stack:
        place = Path(folder) if folder is not None else None
        earlier = earlier_record(place, plan) if place else None
        if place and earlier and earlier["finished"]:
            return _finished(place, earlier)
        kept = place or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(_policy(plan["settings"]["precision"]))
        trainer = _Trainer(samples, val, plan, net, kept, began)
        trainer.train(earlier["steps"] if earlier else plan["asked"].get("steps"), callbacks)
    return _outcome(trainer, place)


def _finished(folder: Path, record: dict[str, Any]) -> Run:
    """The run that a folder holds."""
    print(f"{folder}: this run is finished; it is read and not trained again")
    _forget_states(folder)  # a kill may have come in between
    return Run(read_model(folder), record, folder)


def _forget_states(folder: Path) -> None:
    for path in state_paths(folder):
        path.unlink()


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    """Keras' dtype policy for the while."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _build(samples: Samples, recipe: Mapping[str, Any]) -> keras.Model:
    channels = samples.arrays(0).image.shape[-1]
    outputs = 1 if samples.num_classes == 2 else samples.num_classes
    return unet((None, None, channels), outputs, **{name: recipe[name] for name in NET})


class _Trainer:
    """One training: its model, its data, and its place in the folder."""

    def __init__(
        self,
        samples: Samples,
        val: Samples,
        plan: dict[str, Any],
        net: Net,
        folder: Path,
        began: float,
    ) -> None:
        self.samples, self.val, self.plan, self.net = samples, val, plan, net
        self.began = began
        self.crops = {name: plan["recipe"][name] for name in CROPS}
        self.keep = KeepTraining(folder)
        self.model = net.build()
        net.freeze(self.model)
        self.validate = Validate(val)
        self.validate.set_model(self.model)
        self.steps = 0

    def train(self, steps: int | None, callbacks: list[keras.callbacks.Callback]) -> None:
        """Train until the end, an interrupt, or a callback that stops it."""
        optimizer = budget.variable_length(steps or 2, self.plan["recipe"]["peak"])
        self.model.compile(optimizer, BceDice(ignore_value=self.samples.ignore_value))
        steps = steps or self._probe()
        rounds, length = self.cut(steps)
        self.steps = rounds * length
        budget.set_length(self.model.optimizer, self.steps)
        # Not finished before the model is written, even if all steps are done.
        try:
            write_record(self.keep.folder, {**self.record({}), "finished": False})
        except OSError as error:
            raise OSError(not_written(self.keep.folder, error)) from None
        stream = self.keep.batches(self.samples, seed=self.plan["settings"]["seed"], **self.crops)
        if self.keep.step:
            print(f"going on after step {self.keep.step} of {self.steps}")
        with contextlib.suppress(KeyboardInterrupt):
            self.model.fit(
                stream,
                epochs=rounds,
                initial_epoch=self.keep.epoch,
                steps_per_epoch=length,
                callbacks=[self.validate, *callbacks, self.keep],
                shuffle=False,
                verbose=0,
            )
        if not self.finished:
            print(self._stopped())

    def _probe(self) -> int:
        stream = batches(self.samples, seed=self.plan["settings"]["seed"], **self.crops)

        def fit(number: int, clocks: list[keras.callbacks.Callback]) -> object:
            return self.model.fit(
                stream, steps_per_epoch=number, callbacks=clocks, shuffle=False, verbose=0
            )

        minutes = self.plan["asked"]["minutes"]
        steps = budget.steps_in(60 * minutes, self.model, fit, self.validate.score, self.began)
        print(f"{minutes:g} minute{'s' * (minutes != 1)}: about {steps} steps here")
        return steps

    def cut(self, steps: int) -> tuple[int, int]:
        """Rounds, and the steps of each."""
        return budget.cut(steps, self.plan["asked"]["rounds"])

    @property
    def finished(self) -> bool:
        return self.keep.step == self.steps

    def _stopped(self) -> str:
        kept = "has the weights it had then, since none have been validated yet"
        if self.keep.best:
            value, rounds = self.keep.best
            at = self._step_of(rounds)
            kept = f"has its best weights so far, validation Dice ≈ {value:.3f} after step {at}"
        return (
            f"stopped before step {self.steps}: the model {kept}; with a folder, the same call "
            f"goes on after step {self.keep.step}"
        )

    def _step_of(self, rounds: int) -> int:
        return rounds * self.cut(self.steps)[1]

    def record(self, scores: Mapping[str, Any]) -> dict[str, Any]:
        """What ``run.json`` tells."""
        keep, samples = self.keep, self.samples
        ends = [self._step_of(1 + number) for number in range(keep.epoch)]
        best = keep.best and {"val_dice": keep.best[0], "step": self._step_of(keep.best[1])}
        return {
            "kind": KIND,
            "finished": self.finished,
            "steps": self.steps,
            "steps_done": keep.step,
            **{name: self.plan[name] for name in TOLD if name in self.plan},
            "class_names": list(samples.class_names),
            "ignore_value": samples.ignore_value,
            "input_scaling": SCALING,
            "look": self.plan["look"],
            "threshold": THRESHOLD,
            "seconds": keep.seconds,
            "best": best,
            "scores": scores,
            "history": {"step": ends, **keep.history},
            "versions": versions(),
        }


def _outcome(trainer: _Trainer, folder: Path | None) -> Run:
    """The float32 model with the best weights, its scores and its files."""
    if trainer.keep.best:
        trainer.keep.load_best(trainer.model)
    with _policy("float32"):  # another machine may be slow at anything else
        model = trainer.net.build()
    model.set_weights(trainer.model.get_weights())
    scores = score_images(trainer.val, masks(model, trainer.val))
    record = trainer.record(score_record(scores))
    if folder is not None:
        try:
            write_model(folder, model)
            write_record(folder, record)
        except OSError as error:  # the model in memory is worth more than an exception
            warnings.warn(not_written(folder, error), stacklevel=4)
            return Run(model, record)
        if record["finished"]:
            _forget_states(folder)
    return Run(model, record, folder)

"""Rules on what a few steps on copies of the weights show: gradients, rates, predictions."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.data.doctor.findings import Finding
from unet_helpers.training.diagnosis.balance import class_shares, guessing_loss
from unet_helpers.training.diagnosis.kinds import fault
from unet_helpers.training.diagnosis.probe import Prober, Trial, dead_units, predict_with
from unet_helpers.training.diagnosis.setup import Setup
from unet_helpers.training.diagnosis.stream import Pair

STEPS = 10  # of a trial
_LEARNT = 0.75  # of the guessing loss: whoever is below has learnt
_FALLS, _STAYS = 0.05, 0.02  # gain of a trial that learns, and of one that does not
_JUMPS = 1.2  # times the first loss: an overshoot
_USUAL = {True: 1e-3, False: 1e-2}  # learning rates of adaptive optimisers, and of others
_FAR = 50  # times the usual rate
_REPLACES = 2  # times the weights' own size: a step that leaves nothing of them
_SETTLED = 30  # steps after which predictions should show something
APART = 0.1  # mean probabilities of foreground and background in a model that tells them apart


@dataclasses.dataclass(frozen=True)
class Case:
    """What the rules on the training are about.

    Attributes
    ----------
    prober : Prober
        With the batch that is tried.
    rate : float
        The learning rate at which the model learns now, or will at its highest.
    threshold : float
        Where predictions are cut.
    until : float
        Time (`time.perf_counter`) at which trials stop.
    """

    prober: Prober
    rate: float
    threshold: float
    until: float

    @property
    def setup(self) -> Setup:
        """The model's setup."""
        return self.prober.setup

    @property
    def masks(self) -> NDArray[Any]:
        """Masks of the batch."""
        return np.asarray(self.prober.masks)


def make_case(model: keras.Model, setup: Setup, batch: Pair, until: float, cut: float) -> Case:
    """Put together what the rules need.

    Parameters
    ----------
    model : keras.Model
    setup : Setup
    batch : tuple of (images, masks)
    until : float
        Time (`time.perf_counter`) at which trials stop.
    cut : float
        Threshold of predictions.

    Returns
    -------
    Case
    """
    begun = setup.iterations > 0
    now = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    return Case(Prober(model, setup, *batch), now if begun else setup.learning_rate, cut, until)


def training_rules(case: Case) -> tuple[list[Finding], str]:
    """Try the model on a batch.

    Parameters
    ----------
    case : Case

    Returns
    -------
    findings : list of Finding
    tried : str
        What was seen, as a sentence.
    """
    loss, slopes = case.prober.slopes()
    if not math.isfinite(loss):
        return [_no_number(loss)], ""
    found = [*gradient_rules(case.setup, slopes), *dead_rules(case), *prediction_rules(case)]
    if found:
        return list(_by_rate(case, found)), ""
    shares = class_shares(list(case.masks), case.setup.channels, case.setup.ignore_value)
    if loss < _LEARNT * guessing_loss(case.setup, case.masks, shares):
        return [], "It has already learnt: its loss is below that of the best constant guess."
    return rate_rules(case)


def _no_number(loss: float) -> Finding:
    return fault(
        "loss-not-finite",
        f"the loss of the first batch is {loss}, before any step, though weights and images are "
        "numbers",
        "loss=BceDice()  # or look for a logarithm or a division by 0 in your own loss",
    )


def gradient_rules(setup: Setup, slopes: dict[str, float]) -> Iterator[Finding]:
    """Whether a gradient comes back to the weights.

    Parameters
    ----------
    setup : Setup
    slopes : dict of str to float
        From `Prober.slopes`.

    Yields
    ------
    Finding
    """
    without = [name for name, size in slopes.items() if size == 0]
    head = [name for name in without if name.split("/")[-2:-1] == [setup.last]]
    if slopes and (len(without) > 0.9 * len(slopes) or head):
        yield fault(
            "no-gradient",
            f"{len(without)} of {len(slopes)} weights get a gradient of exactly 0 from a batch "
            f"with foreground{', the last layer among them' if head else ''}: no step changes them",
            "look at the last activation and the loss, then build the model anew: weights that "
            "are stuck stay so",
            weights=len(without),
        )


def dead_rules(case: Case) -> Iterator[Finding]:
    """Whole layers of ReLUs that give 0 for every pixel.

    Parameters
    ----------
    case : Case

    Yields
    ------
    Finding
    """
    shares = dead_units(case.prober.model, np.asarray(case.prober.images))
    dead = [name for name, share in shares.items() if share == 1]
    if dead:
        yield fault(
            "dead-units",
            f"layer {dead[-1]!r}{f' and {len(dead) - 1} more' if len(dead) > 1 else ''} of "
            f"{len(shares)} ReLU layers give 0 for every pixel of a batch: nothing is learnt "
            "before them",
            "build the model anew, with a tenth of the learning rate and normalisation "
            '(unet(norm="batch"))',
            layers=len(dead),
        )


def prediction_rules(case: Case) -> Iterator[Finding]:
    """Predictions of a model that has trained a while: background, or the same, everywhere.

    Parameters
    ----------
    case : Case

    Yields
    ------
    Finding
    """
    if case.setup.iterations < _SETTLED:
        return
    said = foreground_probability(case.setup, predict_with(case.prober.model, case.prober.images))
    seen = judged(said, case.masks, case.threshold)
    if seen is None:
        return
    if seen.highest < case.threshold and seen.apart < APART:
        yield fault(
            "all-background-predicted",
            f"after {case.setup.iterations} steps 98 % of the pixels have a foreground "
            f"probability below {seen.highest:.2f}, and the {seen.share:.0%} that are foreground "
            "no higher one than the rest: everything is predicted as background",
            "build the model anew and train it with loss=BceDice(), adamw(steps) and "
            "normalisation; show it batches with foreground",
            highest=seen.highest,
            steps=case.setup.iterations,
        )
    elif seen.spread < 0.01:
        yield fault(
            "constant-prediction",
            f"after {case.setup.iterations} steps all predictions of a batch lie within "
            f"{seen.spread:.3f} of each other, whatever the pixels are",
            "build the model anew, with a tenth of the learning rate",
            spread=seen.spread,
        )


@dataclasses.dataclass(frozen=True)
class Seen:
    """Predicted probabilities of foreground, in figures.

    The value that 98 % of the pixels stay below (a few at the border may be anything), the range,
    the mean over the foreground minus that over the background, and the true share of foreground.
    """

    highest: float
    spread: float
    apart: float
    share: float


def foreground_probability(setup: Setup, output: NDArray[Any]) -> NDArray[np.float32]:
    """Probability of foreground in a model's output, logits or not, one channel or several.

    Parameters
    ----------
    setup : Setup
    output : ndarray, shape (batch, height, width, channels)

    Returns
    -------
    ndarray of float32, shape (batch, height, width)

    """
    values = np.asarray(output, np.float32)
    if setup.from_logits and setup.final == "linear":
        act = keras.ops.sigmoid if setup.channels == 1 else keras.ops.softmax
        values = keras.ops.convert_to_numpy(act(values))
    return values[..., 0] if setup.channels == 1 else 1 - values[..., 0]


def judged(said: NDArray[np.float32], masks: NDArray[Any], threshold: float) -> Seen | None:
    """Compare probabilities with the masks; None where there is no foreground to predict.

    Parameters
    ----------
    said : ndarray of float32, shape (batch, height, width)
    masks : ndarray, shape (batch, height, width[, 1 or classes])
    threshold : float

    Returns
    -------
    Seen or None

    Examples
    --------
    >>> seen = judged(np.full((1, 2, 2), 0.1, np.float32), np.array([[[0, 1], [1, 1]]]), 0.5)
    >>> seen.share, seen.spread
    (0.75, 0.0)
    """
    truth = masks
    if truth.ndim == 4:
        truth = truth[..., 0] if truth.shape[-1] == 1 else truth.argmax(axis=-1)
    inside = truth > 0
    if not inside.any() or not np.isfinite(said).all():
        return None
    outside = said[~inside].mean() if not inside.all() else said.min()
    return Seen(
        float(np.quantile(said, 0.98)), float(np.ptp(said)), float(said[inside].mean() - outside),
        float(inside.mean()),
    )  # fmt: skip


def _by_rate(case: Case, found: list[Finding]) -> Iterator[Finding]:
    """What a far too high rate has brought about has that rate as its most probable cause."""
    usual = _USUAL[case.setup.is_adaptive]
    if case.setup.iterations and case.rate >= _FAR * usual:
        yield _too_high(
            case, f"after {case.setup.iterations} steps at it the weights are spoilt", usual
        )
    yield from found


def rate_rules(case: Case) -> tuple[list[Finding], str]:
    """Try the learning rate, and another one where it does not learn.

    Parameters
    ----------
    case : Case

    Returns
    -------
    findings : list of Finding
    tried : str
    """
    prober, usual = case.prober, _USUAL[case.setup.is_adaptive]
    size = prober.weight_size
    if case.setup.is_adaptive and case.rate > _REPLACES * size:
        return [_too_high(case, _replaced(case, size), usual)], ""
    trial = prober.trial(case.rate, STEPS, case.until)
    first, last = trial.losses[0], min(trial.losses[-3:])
    steps = len(trial.losses) - 1
    told = f"{steps} steps on one batch took the loss from ≈ {first:.3f} to ≈ {last:.3f}."
    if not trial.finite:
        return [_too_high(case, f"after {steps} steps the loss is {trial.losses[-1]}", usual)], ""
    stuck = trial.gain < _STAYS and case.rate > usual
    if max(trial.losses[1:]) > _JUMPS * first or trial.gain < 0 or stuck:
        other = prober.trial(min(case.rate / 30, usual), STEPS, case.until)
        if other.gain > max(trial.gain + _FALLS, 0) and other.gain > _STAYS:
            return [_too_high(case, _beside(trial, other), other.rate)], told
    if trial.gain < _STAYS and case.rate < usual:
        other = prober.trial(max(case.rate * 30, usual), STEPS, case.until)
        if other.gain > max(5 * trial.gain, _FALLS):
            return [_too_low(case, trial, other)], told
    return [], told


def _replaced(case: Case, size: float) -> str:
    return (
        f"{case.setup.optimizer} moves every weight by about that in its first step, where the "
        f"weights themselves are about {size:.2g}: what the initialisation chose is lost"
    )


def _beside(trial: Trial, other: Trial) -> str:
    losses = trial.losses
    return (
        f"within {len(losses) - 1} steps on one batch the loss goes from {losses[0]:.3g} to "
        f"{max(losses):.3g} and then {losses[-1]:.3g}; with {other.rate:.2g} it falls to "
        f"{other.losses[-1]:.3g}"
    )


def _too_high(case: Case, evidence: str, better: float) -> Finding:
    name = case.setup.optimizer
    return fault(
        "learning-rate-too-high",
        f"the learning rate is {case.rate:.3g}, and {evidence}",
        f"keras.optimizers.{name}({better:.1g}), and build the model anew: its weights may be "
        "spoilt",
        rate=case.rate,
        better=better,
    )


def _too_low(case: Case, trial: Trial, other: Trial) -> Finding:
    return fault(
        "learning-rate-too-low",
        f"the learning rate is {case.rate:.3g}: {len(trial.losses) - 1} steps on one batch change "
        f"the loss by {max(trial.gain, 0):.2%}, and as many with {other.rate:.2g} by "
        f"{other.gain:.0%}",
        f"keras.optimizers.{case.setup.optimizer}({other.rate:.1g})",
        rate=case.rate,
        better=other.rate,
    )

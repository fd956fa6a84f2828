"""Checks of a few seconds before a training of many minutes; the model comes back as it was.

Each check gives a small record that prints its numbers and its verdict.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.training.bench import Batch, Bench, check_compiled, opened


def set_seed(seed: int) -> None:
    """Set, once and for all, the seed of every random number a training draws.

    Python's ``random``, NumPy's global generator, Keras and its backend. Not covered: the crops of
    `batches`, which have a ``seed`` of their own and depend on nothing else; Python's hashes of
    strings (``PYTHONHASHSEED``, to be set before Python starts); and the order in which several
    threads or a GPU add numbers up. On one processor with one number of threads, a run gives the
    same bits again; on another machine it drifts away by a percent or two.

    Parameters
    ----------
    seed : int
        0 to 2**32 - 1.

    Raises
    ------
    ValueError
        If it is another number.

    Examples
    --------
    >>> set_seed(7)
    >>> first = float(np.random.rand())  # noqa: NPY002
    >>> set_seed(7)
    >>> float(np.random.rand()) == first  # noqa: NPY002
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(
            f"seed must be a whole number from 0 to 2**32 - 1, found {seed!r}: choose one, and "
            "note it down"
        )
    keras.utils.set_random_seed(seed)


# --- one batch by heart -------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Overfit:
    """What came of `overfit_one_batch`.

    Attributes
    ----------
    losses : ndarray of float, shape (steps,)
        Loss of the batch before each step; shorter if it stopped being a number.
    dices : ndarray of float, shape (steps,)
        Dice of the foreground (all classes but 0) before each step; NaN without any.
    learned : bool
        Whether the final Dice reached the target.
    verdict : str
        What that means, in a sentence.
    """

    losses: NDArray[np.float64]
    dices: NDArray[np.float64]
    learned: bool
    verdict: str

    def __str__(self) -> str:
        return (
            f"loss ≈ {self.losses[0]:.3f} to ≈ {self.losses[-1]:.3f}, Dice ≈ {self.dices[0]:.2f} "
            f"to ≈ {self.dices[-1]:.2f}: {self.verdict}"
        )


def overfit_one_batch(
    model: keras.Model,
    batch: Batch,
    steps: int = 60,
    *,
    rate: float = 1e-2,
    target: float = 0.95,
    ignore_value: int | None = None,
) -> Overfit:
    """Can the model learn one batch by heart? If not, no amount of data will help.

    Trained with its own loss and plain Adam at a constant rate, since a schedule made for the
    whole training would be in its warm-up. Weights, optimiser and random numbers of the model are
    afterwards what they were, to the bit.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    batch : tuple of (images, masks) or (images, masks, weights)
        A few images of shape (batch, height, width, channels), and class ids beside them.
    steps : int
        How often it sees the batch, at least 2.
    rate : float
        Learning rate.
    target : float
        Dice from which on the batch counts as learned.
    ignore_value : int, optional
        Mask value of pixels that do not count for the Dice.

    Returns
    -------
    Overfit

    Raises
    ------
    ValueError
        If the model is not compiled, the batch is none, or a setting is out of range.

    Examples
    --------
    >>> from unet_helpers import BceDice, unet
    >>> set_seed(0)
    >>> model = unet((16, 16, 1), filters=4, depth=1)
    >>> model.compile("sgd", BceDice())
    >>> image = np.zeros((2, 16, 16, 1), np.float32)
    >>> image[:, 4:9, 3:11] = 1
    >>> overfit_one_batch(model, (image, image > 0)).learned
    True
    """
    check_compiled(model)
    if steps < 2 or not 0 < rate < math.inf or not 0 < target <= 1:
        raise ValueError(
            "steps must be at least 2, rate above 0 and target up to 1, found "
            f"{steps}, {rate} and {target}: leave them out for the defaults"
        )
    images, masks, weights = opened(batch)
    with Bench(model, keras.optimizers.Adam(rate), ignore_value) as bench:
        found = []
        for _ in range(steps):
            found.append(bench.step(images, masks, weights))
            if not math.isfinite(found[-1][0]):
                break
    losses, dices = np.array(found).T
    return Overfit(losses, dices, *_judged(losses, dices, target))


def _judged(losses: NDArray[Any], dices: NDArray[Any], target: float) -> tuple[bool, str]:
    if not math.isfinite(losses[-1]):
        return False, (
            "the loss is no number any more: look for NaN in the images and for values other than "
            "class ids in the masks, and try a lower rate"
        )
    if math.isnan(dices[-1]):
        return False, "the batch has no foreground to learn: choose one that has some"
    if dices[-1] >= target:
        return True, "learned by heart; masks, loss and gradients are connected"
    if losses[-1] > 0.9 * losses[0]:
        return False, (
            "nothing was learned: look at the masks' values, the loss, the output's activation and "
            "whether the layers are trainable"
        )
    return False, (
        "learned in part only: try more steps or another rate, then look whether images and masks "
        "belong together"
    )


# --- the range of learning rates ----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class RateRange:
    """What came of `learning_rate_range`.

    Attributes
    ----------
    rates : ndarray of float, shape (steps,)
        Learning rates, each a constant factor above the one before; ends where the loss blew up.
    losses : ndarray of float, shape (steps,)
        Loss of each step's batch.
    smoothed : ndarray of float, shape (steps,)
        Their running mean.
    suggested : float or None
        A rate for the highest point of a schedule; None where no rate made the loss fall.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    suggested: float | None

    def __str__(self) -> str:
        tried = f"tried ≈ {self.rates[0]:.0e} to ≈ {self.rates[-1]:.0e}"
        if self.suggested is None:
            return f"{tried}: no learning rate made the loss fall; overfit one batch first"
        best = self.rates[int(np.nanargmin(self.smoothed))]
        return f"{tried}: the loss falls up to ≈ {best:.0e}; suggested ≈ {self.suggested:.0e}"


def learning_rate_range(
    model: keras.Model,
    data: Iterable[Batch],
    lowest: float = 1e-5,
    highest: float = 1.0,
    steps: int = 60,
) -> RateRange:
    """Learning-rate range test [1]_: raise the rate at every step and watch the loss.

    Trained with the model's own loss and a fresh optimiser of its own kind; afterwards weights,
    optimiser and random numbers are what they were, to the bit. The suggested rate is where the
    smoothed loss falls most steeply over the logarithm of the rate, but at most a tenth of the
    rate with the lowest: a rule of thumb, for one step at a rate shows less than many.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    data : iterable of (images, masks) or (images, masks, weights)
        Batches such as `batches` makes; begun again when they run out.
    lowest, highest : float
        First and last learning rate.
    steps : int
        Steps in all, at least 10.

    Returns
    -------
    RateRange

    Raises
    ------
    ValueError
        If the model is not compiled, there is no batch, or a setting is out of range.

    References
    ----------
    .. [1] Smith (2017), Cyclical Learning Rates for Training Neural Networks, WACV,
       arXiv:1506.01186, section 3.3.

    Examples
    --------
    >>> from unet_helpers import BceDice, unet
    >>> set_seed(0)
    >>> model = unet((16, 16, 1), filters=4, depth=1)
    >>> model.compile("adam", BceDice())
    >>> image = np.zeros((2, 16, 16, 1), np.float32)
    >>> image[:, 4:9, 3:11] = 1
    >>> found = learning_rate_range(model, [(image, image > 0)], steps=40)
    >>> 1e-4 < found.suggested < 0.5
    True
    """
    if not (0 < lowest < highest < math.inf) or steps < 10:
        raise ValueError(
            "lowest must be above 0 and below highest, with at least 10 steps, found "
            f"{lowest}, {highest} and {steps}: leave them out for the defaults"
        )
    check_compiled(model)
    rates = np.geomspace(lowest, highest, steps)
    losses: list[float] = []
    with Bench(model, _fresh(model.optimizer, lowest)) as bench:
        for rate, batch in zip(rates, _endless(data), strict=False):
            bench.learning_rate = float(rate)
            losses.append(bench.step(*opened(batch))[0])
            # Far above the best: the rates beyond can only be worse.
            if not math.isfinite(losses[-1]) or losses[-1] > 4 * min(losses):
                break
    return _rated(rates[: len(losses)], np.array(losses))


def _fresh(optimizer: Any, rate: float) -> Any:
    """An optimiser of the same kind that has not seen a step, at a constant rate."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # mixed float16 wraps it
    return type(inner).from_config({**inner.get_config(), "learning_rate": rate})


def _endless(data: Iterable[Batch]) -> Iterator[Batch]:
    while True:
        found = False
        for batch in data:
            found = True
            yield batch
        if not found:
            raise ValueError("data must hold at least one batch, found none: give batches(...)")


def _rated(rates: NDArray[Any], losses: NDArray[Any]) -> RateRange:
    smoothed = _smooth(losses)
    best = int(np.nanargmin(smoothed))
    # The fall before its lowest point; a slope needs a few points on each side.
    if best < 4 or smoothed[best] > 0.95 * smoothed[:3].mean():
        return RateRange(rates, losses, smoothed, None)
    slope = np.gradient(smoothed[: best + 1], np.log(rates[: best + 1]))
    suggested = min(float(rates[int(slope.argmin())]), float(rates[best]) / 10)
    return RateRange(rates, losses, smoothed, suggested)


def _smooth(losses: NDArray[Any]) -> NDArray[np.float64]:
    """Mean over each point and its neighbours, about a sixth of them all: batches differ."""
    reach = max(len(losses) // 12, 1)
    around = [losses[max(i - reach, 0) : i + reach + 1] for i in range(len(losses))]
    return np.array([np.mean(values) for values in around])


# --- loss at initialisation ---------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class StartLoss:
    """What came of `loss_at_start`.

    Attributes
    ----------
    measured : float
        The model's loss on the batch.
    expected : float
        The same loss when every class gets the same probability.
    best_constant : float
        The same loss when every pixel gets the batch's shares of the classes.
    verdict : str
        What the comparison means, in a sentence.
    """

    measured: float
    expected: float
    best_constant: float
    verdict: str

    def __str__(self) -> str:
        return (
            f"loss at the start ≈ {self.measured:.3f}; of a model that knows nothing "
            f"≈ {self.expected:.3f}, that knows the shares of the classes "
            f"≈ {self.best_constant:.3f}: {self.verdict}"
        )


def loss_at_start(
    model: keras.Model,
    batch: Batch,
    *,
    tolerance: float = 0.5,
    ignore_value: int | None = None,
) -> StartLoss:
    r"""Compare the loss of an untrained model with what theory says.

    A model that knows nothing gives each of :math:`K` classes the probability :math:`1/K`. Its
    cross-entropy is :math:`\ln K` on every batch, :math:`\ln 2 \approx 0.693` for one sigmoid
    output; that of another loss, such as `BceDice`, is worked out by asking the loss itself about
    such a prediction.

    Parameters
    ----------
    model : keras.Model
        Compiled, not trained yet.
    batch : tuple of (images, masks) or (images, masks, weights)
    tolerance : float
        How far from `expected` is still normal, as a share of it: random weights are not zero.
    ignore_value : int, optional
        Mask value of pixels that do not count for the shares of the classes.

    Returns
    -------
    StartLoss

    Raises
    ------
    ValueError
        If the model is not compiled or the batch is none.

    Examples
    --------
    >>> from unet_helpers import unet
    >>> model = unet((16, 16, 1), filters=4, depth=1)
    >>> model.compile("sgd", "binary_crossentropy")
    >>> found = loss_at_start(model, (np.zeros((1, 16, 16, 1)), np.zeros((1, 16, 16, 1))))
    >>> round(found.expected, 3)
    0.693
    """
    check_compiled(model)
    images, masks, weights = opened(batch)
    with Bench(model, None) as bench:
        said = bench.predict(images)
        shares = _shares(masks, said.shape[-1], ignore_value)
        constant = [np.full(shares.size, 1 / shares.size), shares]
        told = [said, *(bench.as_output(p, said.shape) for p in constant)]
        measured, expected, best = (bench.loss(masks, each, weights) for each in told)
    verdict = _compared(measured, expected, best, tolerance, images, masks, said)
    return StartLoss(measured, expected, best, verdict)


def _shares(masks: NDArray[Any], outputs: int, ignore_value: int | None) -> NDArray[np.float64]:
    """Share of each class, none quite 0; class ids beyond the last count as the last."""
    labels = masks[masks != ignore_value] if ignore_value is not None else masks.ravel()
    classes = max(outputs, 2)
    counts = np.bincount(np.clip(labels, 0, classes - 1).astype(int), minlength=classes)
    return np.maximum(counts / max(counts.sum(), 1), 1e-4)


def _compared(
    measured: float,
    expected: float,
    best: float,
    tolerance: float,
    images: NDArray[Any],
    masks: NDArray[Any],
    said: NDArray[Any],
) -> str:
    if not math.isfinite(measured):
        return "no number: look for NaN in the images, and for masks that hold no class ids"
    if measured < 0:
        return f"negative: the masks hold values up to {masks.max():g}, where class ids belong"
    if abs(measured - expected) <= tolerance * expected:
        return "as it should be"
    if measured <= max(best, (1 - tolerance) * expected):
        return "lower than chance: the model is trained already, or its output's bias is set"
    reasons = ["the model is sure and wrong before it has learned anything"]
    if np.abs(images).max() > 10:
        reasons.append(f"the images reach {np.abs(images).max():g}, scale them to 0 to 1")
    if masks.max() > max(said.shape[-1] - 1, 1):
        reasons.append(f"the masks reach {masks.max():g}, which is no class id")
    if np.ptp(said) == 0:
        reasons.append(f"the output is {said.flat[0]:g} everywhere, look at its activation")
    if len(reasons) == 1:
        reasons.append("look at the initialisation, and whether output and loss fit each other")
    return "far too high: " + "; ".join(reasons)


def set_prior(model: keras.Model, shares: float | Sequence[float]) -> None:
    r"""Let an untrained model begin with the classes' shares, by the bias of its output [1]_.

    With rare foreground, the first steps then need not be spent on learning that it is rare. The
    bias becomes :math:`\ln(p / (1 - p))` for one sigmoid output, :math:`\ln p` for softmax.

    Parameters
    ----------
    model : keras.Model
        Its last layer with weights must have a bias, as that of `unet` has.
    shares : float or sequence of float
        Share of the foreground, between 0 and 1; with several outputs one for each class.

    Raises
    ------
    ValueError
        If a share is out of range, their number differs from the outputs, or there is no bias.

    References
    ----------
    .. [1] Lin, Goyal, Girshick, He, Dollár (2017), Focal Loss for Dense Object Detection, ICCV,
       arXiv:1708.02002, section 3.3.

    Examples
    --------
    >>> from unet_helpers import unet
    >>> model = unet((16, 16, 1), filters=4, depth=1)
    >>> set_prior(model, 0.1)
    >>> round(float(model.get_layer("output").bias.numpy()[0]), 3)
    -2.197
    """
    share = np.atleast_1d(np.asarray(shares, float))
    if not ((share > 0) & (share < 1)).all():
        raise ValueError(
            f"shares must lie between 0 and 1, found {shares}: take those of samples.class_share()"
        )
    layers = [layer for layer in model.layers if layer.weights]
    bias = getattr(layers[-1], "bias", None) if layers else None
    if bias is None or tuple(bias.shape) != share.shape:
        found = "none" if bias is None else str(bias.shape[0])
        raise ValueError(
            f"model must end in a layer with a bias for each of {share.size} shares, found "
            f"{found}: give a share for each output, or a layer with use_bias=True"
        )
    bias.assign(np.log(share / (1 - share)) if share.size == 1 else np.log(share))

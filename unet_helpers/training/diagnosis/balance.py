"""How much foreground the masks hold, whether the loss can bear that, and what guessing costs."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.data.doctor.findings import Finding
from unet_helpers.training.diagnosis.kinds import fault
from unet_helpers.training.diagnosis.setup import Setup
from unet_helpers.training.diagnosis.stream import Shown

_RARE = 0.02  # share of the foreground below which a plain pixel loss is content without it
_RARE_CLASS = 0.005  # and of one class among several
_PIXELWISE = ("binary", "categorical", "sparse", "regression", "hinge")
_GUESSES = (0.01, 0.05, 0.2, 0.5, 0.8, 0.99)


def class_shares(
    masks: Sequence[NDArray[Any]], channels: int, ignore_value: int | None = None
) -> NDArray[np.float64]:
    """Share of the pixels that each class has.

    Parameters
    ----------
    masks : sequence of ndarray, shape (height, width) or (height, width, 1 or classes)
        Class ids, or one-hot.
    channels : int
        Outputs of the model.
    ignore_value : int, optional
        Mask value that does not count.

    Returns
    -------
    ndarray of float, shape (classes,)
        Sums to 1; all NaN where no pixel counts.

    Examples
    --------
    >>> class_shares([np.array([[0, 0, 0, 1]])], channels=1).tolist()
    [0.75, 0.25]
    """
    classes = max(channels, 2)
    total = np.zeros(classes)
    for mask in masks:
        ids = mask.argmax(axis=-1) if mask.ndim == 3 and mask.shape[-1] > 1 else mask
        ids = np.rint(ids[ids != ignore_value] if ignore_value is not None else ids).astype(int)
        total += np.bincount(np.clip(ids, 0, classes - 1).ravel(), minlength=classes)
    with np.errstate(invalid="ignore"):
        return total / total.sum()


def balance_rules(shown: Shown, setup: Setup) -> Iterator[Finding]:
    """Foreground that is too rare for a loss that judges every pixel alone.

    Parameters
    ----------
    shown : Shown
    setup : Setup

    Yields
    ------
    Finding
    """
    if setup.family not in _PIXELWISE or setup.weighted or shown.weighted:
        return
    shares = class_shares(shown.masks, setup.channels, setup.ignore_value)
    rarest = 1 + int(np.argmin(np.where(shares[1:] > 0, shares[1:], np.inf)))
    share = float(shares[rarest])
    if not 0 < share < (_RARE if len(shares) == 2 else _RARE_CLASS):
        return
    what = "foreground" if len(shares) == 2 else f"class {rarest}"
    yield fault(
        "imbalance",
        f"{what} makes up {share:.2%} of the pixels, and {setup.loss_name} judges each pixel "
        f"alone: a model that never predicts it is right on {1 - share:.1%} of them",
        "model.compile(..., loss=BceDice())  # judges the overlap too; and "
        f"batches(..., meet=Meet({{{rarest}: 0.5}})) shows more of it",
        share=share,
    )


def guessing_loss(setup: Setup, masks: NDArray[Any], shares: NDArray[np.float64]) -> float:
    """Loss of the best model that says the same of every pixel: who is below it has learnt.

    Parameters
    ----------
    setup : Setup
    masks : ndarray, shape (batch, height, width[, classes])
    shares : ndarray of float, shape (classes,)
        From `class_shares`.

    Returns
    -------
    float
        NaN where the loss gives no number.
    """
    truth = keras.ops.convert_to_tensor(np.asarray(masks, np.float32))
    size = (*masks.shape[:3], setup.channels)
    losses = []
    for guess in _guesses(setup, shares):
        said = np.broadcast_to(np.asarray(guess, np.float32), size)
        loss = keras.ops.mean(setup.loss(truth, keras.ops.convert_to_tensor(said)))
        losses.append(float(keras.ops.convert_to_numpy(loss)))
    finite = [loss for loss in losses if math.isfinite(loss)]
    return min(finite, default=math.nan)


def _guesses(setup: Setup, shares: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    known = np.clip(np.nan_to_num(shares, nan=0.5), 1e-4, 1 - 1e-4)
    if setup.channels == 1:
        options = [np.array([p]) for p in (*_GUESSES, known[1])]
        linear = [np.log(p / (1 - p)) for p in options]
    else:
        sure = np.eye(len(known)) * 0.97 + 0.03 / len(known)
        options = [known / known.sum(), *sure]
        linear = [np.log(p) for p in options]
    yield from linear if setup.from_logits else options

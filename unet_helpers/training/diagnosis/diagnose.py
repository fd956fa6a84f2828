"""`diagnose`: why does this training not learn? One call with what `fit` is given."""

import contextlib
import math
import random
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from unet_helpers import keras
from unet_helpers.data.doctor.findings import Finding
from unet_helpers.training.diagnosis.balance import balance_rules
from unet_helpers.training.diagnosis.batch import probing_batch
from unet_helpers.training.diagnosis.data_rules import (
    PLACES,
    doctor_rules,
    image_rules,
    target_rules,
)
from unet_helpers.training.diagnosis.kinds import fault, ordered
from unet_helpers.training.diagnosis.setup import Setup, read_setup
from unet_helpers.training.diagnosis.static_rules import (
    frozen_rules,
    head_rules,
    loss_rules,
    threshold_rules,
)
from unet_helpers.training.diagnosis.stream import Shown, shown
from unet_helpers.training.diagnosis.training_rules import make_case, training_rules
from unet_helpers.training.diagnosis.validation_rules import validation_rules
from unet_helpers.training.diagnosis.verdict import Diagnosis

_PIXELS = 800_000  # that the doctor looks at


def diagnose(
    model: keras.Model,
    data: Any,
    masks: Any = None,
    *,
    validation_data: Any = None,
    threshold: float | None = None,
    seconds: float = 10,
) -> Diagnosis:
    """Find out why a training does not learn: give it what you give to ``fit``.

    It reads what the model is compiled with, looks at some of the data, and makes a few steps on
    copies of the weights. Model, optimiser and seeds are afterwards what they were, to the bit;
    call it before a training or after one that went wrong.

    Parameters
    ----------
    model : keras.Model
        Compiled, with one output.
    data : array, tuple of arrays, Samples or iterable of batches
        Images of shape (n, height, width, channels) beside `masks`; or (images, masks) with or
        without weights; or samples; or a stream of batches such as `batches` makes. A stream is
        begun anew; one that shuffles anew each time it is begun has then been begun once more.
    masks : array, shape (n, height, width[, 1 or classes]), optional
        Class ids or one-hot, where `data` is the images alone.
    validation_data : as data, optional
        Is compared with `data`: images of both, and augmented ones.
    threshold : float, optional
        Where you cut predictions, if you do so yourself.
    seconds : float
        Time for the steps: none begins later than this. The rest takes a few seconds.

    Returns
    -------
    Diagnosis
        Findings, the most probable cause first, each with its evidence and what to do; print it.
        Where something is wrong with program or data, no steps are made: mend that first.

    Raises
    ------
    ValueError
        If the model is not compiled or has several outputs, or an argument is none of the above.

    Examples
    --------
    >>> from unet_helpers import load, unet
    >>> images, masks = load("cells").binary()[:8].stack(64)
    >>> model = unet((64, 64, 3), filters=4, depth=1)
    >>> model.compile("adam", "binary_crossentropy")
    >>> diagnose(model, images, masks * 255)[0].name
    'mask-0-255'
    """
    begun = time.perf_counter()
    _check(threshold, seconds)
    setup = read_setup(model)
    with _same_random_numbers():
        train = shown(data if masks is None else (data, masks), "data", model)
        val = None
        if validation_data is not None:
            val = shown(validation_data, "validation_data", model)
        found = [*program_rules(setup, model, threshold), *_data_rules(train, setup)]
        if val is not None and not any(each.name == "nan-or-infinite" for each in found):
            found += validation_rules(train, val)
        tried = ""
        if all(each.severity != "error" for each in found) and _can_step():
            batch = probing_batch(model, train.pairs)
            cut = 0.5 if threshold is None or setup.from_logits else threshold
            case = make_case(model, setup, batch, begun + 0.7 * seconds, cut)
            seen, tried = training_rules(case)
            found += seen
    took = time.perf_counter() - begun
    return Diagnosis(ordered(_causes(found)), len(train.pairs), tried, took)


def _check(threshold: float | None, seconds: float) -> None:
    if threshold is not None and not isinstance(threshold, (int, float)):
        raise ValueError(
            f"threshold must be a number, found {threshold!r}: give the one that you cut "
            "predictions at, such as 0.5"
        )
    if not (isinstance(seconds, (int, float)) and 0 < seconds < math.inf):
        raise ValueError(f"seconds must be above 0, found {seconds!r}: leave it out for 10")


def _can_step() -> bool:
    # The steps on copies are written for TensorFlow; all other rules serve every backend.
    return bool(keras.backend.backend() == "tensorflow")


@contextlib.contextmanager
def _same_random_numbers() -> Iterator[None]:
    """Give Python's and NumPy's random numbers back as they were: a stream may draw some."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


def program_rules(
    setup: Setup, model: keras.Model, threshold: float | None = None
) -> Iterator[Finding]:
    """All rules that need no data.

    Parameters
    ----------
    setup : Setup
    model : keras.Model
    threshold : float, optional

    Yields
    ------
    Finding
    """
    yield from head_rules(setup)
    yield from threshold_rules(setup, threshold)
    yield from loss_rules(setup)
    yield from frozen_rules(setup, model)
    bad = [v.path for v in model.weights if _has_nan(v)]
    if bad:
        yield fault(
            "weights-not-finite",
            f"{len(bad)} of {len(model.weights)} weights of the model hold NaN or infinity, "
            f"{bad[0]} first: an earlier step was too large, or an image was not finite",
            "build the model anew; diagnose it before training: that tries the learning rate",
            weights=len(bad),
        )


def _has_nan(variable: Any) -> bool:
    value = keras.ops.convert_to_numpy(variable.value)
    return bool(value.dtype.kind == "f" and not np.isfinite(value).all())


def _data_rules(train: Shown, setup: Setup) -> list[Finding]:
    found = [*image_rules(train, setup), *target_rules(train, setup)]
    if any(each.name in ("nan-or-infinite", "no-foreground") for each in found):
        return found
    side = max(train.pairs[0][0].shape[:2])
    rare = list(balance_rules(train, setup))
    doctors = doctor_rules(train, setup, max(12, _PIXELS // side**2))
    if rare:  # specks of foreground cannot tell where a mask belongs
        doctors = [each for each in doctors if each.name not in PLACES]
    return [*found, *doctors, *rare]


def _causes(found: list[Finding]) -> list[Finding]:
    """Leave out what only follows from something else that was found."""
    names = {each.name for each in found}
    if "imbalance" in names:  # is then why nothing but background is predicted
        return [each for each in found if each.name != "all-background-predicted"]
    return found

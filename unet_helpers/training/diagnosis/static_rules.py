"""Rules that need no more than the compiled model: last layers, loss, metrics, frozen layers."""

import math
from collections.abc import Iterator
from typing import Any

from unet_helpers import keras
from unet_helpers.data.doctor.findings import Finding
from unet_helpers.training.diagnosis.kinds import fault
from unet_helpers.training.diagnosis.setup import Setup, all_layers

PROBABILITY_LOSSES = ("binary", "categorical", "sparse", "focal", "mixed", "overlap")
_PROBABILITIES = ("sigmoid", "softmax", "hard_sigmoid")
_RECTIFIERS = ("relu", "relu6")
_MOSTLY = 0.9  # share of the weights that are frozen


def head_rules(setup: Setup) -> Iterator[Finding]:
    """Last activation against loss.

    Parameters
    ----------
    setup : Setup

    Yields
    ------
    Finding
    """
    if setup.head is None:
        return
    if "softmax" in setup.head and setup.channels == 1:
        yield fault(
            "softmax-of-one",
            "the output is a softmax over 1 channel, which is 1 for every pixel, whatever the "
            "weights: nothing can be learnt",
            'keras.layers.Conv2D(1, 1, activation="sigmoid")  # or two channels with softmax',
            outputs=1,
        )
        return
    if any(name in _RECTIFIERS for name in setup.head):
        yield _rectified(setup)
        return
    yield from _logits(setup)


def _rectified(setup: Setup) -> Finding:
    after = f", so that {setup.head[0]} of it" if setup.head and len(setup.head) > 1 else ""
    at_least = after if after else ", so that the output"
    low = "0.5" if after and setup.final == "sigmoid" else "0"
    return fault(
        "relu-before-output",
        f"a ReLU stands between layer {setup.last!r} and the output{at_least} is never below "
        f"{low}, and where the ReLU gives 0 no gradient comes back",
        'keras.layers.Conv2D(1, 1, activation="sigmoid")  # no ReLU after the last convolution'
        if setup.channels == 1
        else f'keras.layers.Conv2D({setup.channels}, 1, activation="softmax")',
    )


def _logits(setup: Setup) -> Iterator[Finding]:
    if setup.family not in PROBABILITY_LOSSES:
        return
    wanted = "sigmoid" if setup.channels == 1 else "softmax"
    if setup.final in _PROBABILITIES and setup.from_logits:
        yield fault(
            "activation-twice",
            f"the model ends in {setup.final}, and {setup.loss_name} with from_logits=True applies "
            "it again: the loss sees values from 0.5 to 0.73 and can never become small",
            f"{_class_name(setup)}(from_logits=False)  # or no activation in the last layer",
        )
    if setup.final in ("linear", "tanh") and not setup.from_logits:
        yield fault(
            "logits-as-probabilities",
            f"the model ends without {wanted} (found {setup.final}), but {setup.loss_name} "
            "expects probabilities: values outside 0..1 are clipped there and get no gradient",
            f'keras.layers.Conv2D({setup.channels}, 1, activation="{wanted}")  '
            f"# or {_class_name(setup)}(from_logits=True)",
        )


def _class_name(setup: Setup) -> str:
    if isinstance(setup.loss, keras.losses.Loss):
        return type(setup.loss).__name__
    return "".join(part.capitalize() for part in setup.loss_name.split("_"))


def threshold_rules(setup: Setup, threshold: float | None) -> Iterator[Finding]:
    """Logits that are cut where probabilities would be.

    Parameters
    ----------
    setup : Setup
    threshold : float or None
        Where the user cuts predictions; None if not told.

    Yields
    ------
    Finding
    """
    if setup.final != "linear" or not setup.from_logits or setup.channels > 1:
        return
    cutting = [m for m in setup.metrics if _cuts_probabilities(m)]
    if not cutting and not (threshold is not None and 0 < threshold < 1):
        yield fault(
            "logits-output",
            "the model gives logits, not probabilities: 0 is the border between the classes",
            "keras.ops.sigmoid(model.predict(images)) > 0.5  # the same as logits > 0",
        )
        return
    cut = float(threshold) if threshold is not None else _threshold(cutting[0])
    who = f"the metric {cutting[0].name!r}" if cutting else "you"
    share = 1 / (1 + math.exp(-cut))
    yield fault(
        "logits-thresholded",
        f"the model gives logits, and {who} cut{'s' if cutting else ''} them at {cut:g} as if they "
        f"were probabilities: that is a probability of {share:.2f}, so foreground is lost",
        "probabilities = keras.ops.sigmoid(logits)  # or logits > 0, or a metric with "
        "from_logits=True",
        threshold=cut,
        probability=share,
    )


def _threshold(metric: Any) -> float:
    value = getattr(metric, "threshold", None)
    if value is None:
        value = getattr(metric, "_fn_kwargs", {}).get("threshold")
    if value is None:
        value = (getattr(metric, "thresholds", None) or [0.5])[0]
    return float(value)


def _cuts_probabilities(metric: Any) -> bool:
    """Whether a metric thresholds what it is given; Keras' own do so at 0.5."""
    if getattr(metric, "from_logits", False) or getattr(metric, "_from_logits", False):
        return False
    kind = type(metric).__name__
    has = any(getattr(metric, name, None) is not None for name in ("threshold", "thresholds"))
    named = kind in ("BinaryAccuracy", "BinaryIoU", "Precision", "Recall")
    told = kind in ("Precision", "Recall") and getattr(metric, "thresholds", None) == [0.0]
    return (has or named) and not told and 0 < _threshold(metric) < 1


def loss_rules(setup: Setup) -> Iterator[Finding]:
    """Loss against the number of outputs.

    Parameters
    ----------
    setup : Setup

    Yields
    ------
    Finding
    """
    several = setup.channels > 1
    name, count = setup.loss_name, setup.channels
    if several and setup.family in ("binary", "regression", "hinge") and setup.final == "softmax":
        sure = setup.family == "binary"
        yield fault(
            "wrong-loss",
            f"the model gives {count} classes through a softmax, and {name} judges every output "
            "alone, as if a pixel could be of several classes at once",
            'model.compile(..., loss="sparse_categorical_crossentropy")  # masks hold class ids',
            "error" if sure else "warning",
            outputs=count,
        )
    if not several and setup.family in ("categorical", "sparse") and setup.final != "softmax":
        yield fault(
            "wrong-loss",
            f"the model gives 1 output, and {name} is made for one output a class: over a single "
            "class it is constant, so nothing is learnt",
            'model.compile(..., loss="binary_crossentropy")',
            outputs=count,
        )
    if not several and setup.family == "regression":
        yield fault(
            "wrong-loss",
            f"{name} on probabilities learns, but its gradient vanishes where a pixel is surely "
            "wrong",
            'model.compile(..., loss="binary_crossentropy")  # or BceDice()',
            "note",
        )


def frozen_rules(setup: Setup, model: keras.Model) -> Iterator[Finding]:
    """Layers with ``trainable=False``.

    Parameters
    ----------
    setup : Setup
    model : keras.Model

    Yields
    ------
    Finding
    """
    layers = [each for each in all_layers(model) if each.weights and not _inner(each)]
    frozen = [each for each in layers if not each.trainable]
    if not frozen:
        return
    total = sum(each.count_params() for each in layers)
    share = sum(each.count_params() for each in frozen) / max(total, 1)
    head = any(each.name == setup.last for each in frozen)
    heavy = share >= _MOSTLY or head
    where = f", the last one, {setup.last!r}, among them" if head else ""
    yield fault(
        "frozen-layers",
        f"{len(frozen)} of {len(layers)} layers with {share:.0%} of the weights are frozen "
        f"(trainable=False){where}",
        "model.trainable = True; model.compile(...)  # compile again, or fit goes on as before",
        None if heavy else "note",
        layers=len(frozen),
        share=share,
    )


def _inner(layer: Any) -> bool:
    """Whether a layer only holds others, which count for themselves."""
    return bool(list(layer._flatten_layers(include_self=False)))

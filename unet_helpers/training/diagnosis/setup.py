"""What a compiled model was told: its last layers, its loss, its optimiser, its metrics."""

import dataclasses
from typing import Any

from unet_helpers import keras

_FAMILIES = {  # words in a loss's name, the first that fits; underscores are left out
    "bcedice": "mixed",
    "focal": "focal",
    "tversky": "overlap",
    "dice": "overlap",
    "iou": "overlap",
    "jaccard": "overlap",
    "sparsecategorical": "sparse",
    "categoricalcrossentropy": "categorical",
    "binarycrossentropy": "binary",
    "meansquared": "regression",
    "meanabsolute": "regression",
    "mse": "regression",
    "mae": "regression",
    "hinge": "hinge",
}
_RESHAPING = ("Reshape", "Permute", "Dropout", "SpatialDropout2D", "Cast", "Identity", "Resizing",
              "Cropping2D", "ZeroPadding2D", "UpSampling2D")  # fmt: skip
_SCALING = ("Rescaling", "Normalization")
_FARTHEST = 20_000  # steps: no schedule of a course is longer


@dataclasses.dataclass(frozen=True)
class Setup:
    """A compiled model as the rules see it.

    Attributes
    ----------
    channels : int
        Outputs for each pixel.
    head : tuple of str or None
        Activations from the output back to the last layer with weights; None where they cannot be
        read off, as in a model that is no graph of layers.
    last : str
        Name of the last layer with weights.
    family : str
        ``binary``, ``categorical``, ``sparse``, ``focal``, ``overlap``, ``mixed``,
        ``regression``, ``hinge`` or ``other``.
    loss_name : str
    loss : callable
        Takes truth and prediction.
    from_logits : bool
        Whether the loss applies the last activation itself.
    ignore_value : int or None
        The truth value that the loss leaves out.
    weighted : bool
        Whether the loss has a weight for rare classes.
    optimizer : str
    learning_rate : float
        The highest of the schedule, where there is one.
    iterations : int
        Steps that the optimiser has made.
    metrics : tuple
        The compiled metrics.
    scales : bool
        Whether the model scales its input itself.
    """

    channels: int
    head: tuple[str, ...] | None
    last: str
    family: str
    loss_name: str
    loss: Any
    from_logits: bool
    ignore_value: int | None
    weighted: bool
    optimizer: str
    learning_rate: float
    iterations: int
    metrics: tuple[Any, ...]
    scales: bool

    @property
    def final(self) -> str:
        """The last activation; "linear" where there is none, "" where it is not known."""
        if self.head is None:
            return ""
        return self.head[0] if self.head else "linear"

    @property
    def is_adaptive(self) -> bool:
        """Whether the optimiser scales its steps by the gradient's size, as Adam does."""
        name = self.optimizer.lower()
        return any(word in name for word in ("adam", "rmsprop", "nadam", "adafactor", "lion"))


def read_setup(model: keras.Model) -> Setup:
    """Read off what the rules need.

    Parameters
    ----------
    model : keras.Model
        Compiled, with one output.

    Returns
    -------
    Setup

    Raises
    ------
    ValueError
        If the model is not compiled, or has several outputs or losses.

    Examples
    --------
    >>> from unet_helpers.model.unet import unet
    >>> model = unet((None, None, 1), filters=2, depth=1)
    >>> model.compile("adam", "binary_crossentropy")
    >>> setup = read_setup(model)
    >>> setup.final, setup.family, setup.from_logits, setup.optimizer
    ('sigmoid', 'binary', False, 'Adam')
    """
    if not getattr(model, "compiled", False) or model.optimizer is None:
        raise ValueError(
            "model must be compiled, found one without a loss: call model.compile(...) as you "
            "do before fit; for a model from train(), model.compile('adam', BceDice())"
        )
    if isinstance(model.loss, (list, tuple, dict)) or model.loss is None:
        raise ValueError(
            f"model must have one output and one loss, found loss={model.loss!r}: diagnose a "
            "model with the one output that looks wrong"
        )
    loss = keras.losses.get(model.loss)
    name = getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)
    kind = type(loss).__name__ if isinstance(loss, keras.losses.Loss) else name
    head, last = _head(model)
    return Setup(
        channels=_channels(model),
        head=head,
        last=last,
        family=_family(f"{kind} {name}"),
        loss_name=str(name),
        loss=loss,
        from_logits=bool(_argument(loss, "from_logits")),
        ignore_value=_ignored(loss),
        weighted=any(_argument(loss, a) is not None for a in ("pos_weight", "class_weights")),
        optimizer=type(model.optimizer).__name__,
        learning_rate=highest_rate(model.optimizer),
        iterations=int(keras.ops.convert_to_numpy(model.optimizer.iterations)),
        metrics=_metrics(model),
        scales=any(type(layer).__name__ in _SCALING for layer in all_layers(model)),
    )


def all_layers(model: keras.Model) -> list[Any]:
    """All layers of a model, those of models inside it too.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    list of keras.layers.Layer
    """
    return list(model._flatten_layers(include_self=False))


def highest_rate(optimizer: Any) -> float:
    """The learning rate, of a schedule the highest that it reaches.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer

    Returns
    -------
    float

    Examples
    --------
    >>> from unet_helpers.training.recipe import adamw
    >>> round(highest_rate(adamw(steps=100)), 4)
    0.003
    """
    rate = getattr(optimizer, "_learning_rate", None)
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    steps = {0}
    for exponent in range(45):
        steps.add(min(round(1.25**exponent), _FARTHEST))
    return max(float(keras.ops.convert_to_numpy(rate(step))) for step in sorted(steps))


def _argument(loss: Any, name: str) -> Any:
    """An argument that a loss was made with, however it keeps it."""
    value = getattr(loss, name, None)
    if value is None:
        value = getattr(loss, "_fn_kwargs", {}).get(name)
    return getattr(loss, "keywords", {}).get(name) if value is None else value


def _ignored(loss: Any) -> int | None:
    for name in ("ignore_value", "ignore_class"):
        value = _argument(loss, name)
        if value is not None:
            return int(value)
    return None


def _family(names: str) -> str:
    plain = names.lower().replace("_", "")
    return next((family for word, family in _FAMILIES.items() if word in plain), "other")


def _channels(model: keras.Model) -> int:
    shape = getattr(model, "output_shape", None)
    if isinstance(shape, tuple) and shape and isinstance(shape[-1], int):
        return shape[-1]
    raise ValueError(
        f"model must have one output of known shape, found {shape!r}: build the model first, "
        "by calling it on one batch of images"
    )


def _metrics(model: keras.Model) -> tuple[Any, ...]:
    """The metrics as they were given to compile, whether or not they have met a batch yet."""
    compiled = getattr(model, "_compile_metrics", None)
    given = getattr(compiled, "_user_metrics", None) or ()
    flat = given if isinstance(given, (list, tuple)) else [given]
    named = {"accuracy": "binary_accuracy", "acc": "binary_accuracy"}
    found = [named.get(m, m) if isinstance(m, str) else m for m in flat]
    return tuple(keras.metrics.get(m) if isinstance(m, str) else m for m in found)


def _head(model: keras.Model) -> tuple[tuple[str, ...] | None, str]:
    """Activations from the output back to the last weights, and the layer that holds these."""
    found: list[str] = []
    inner: Any = model
    try:
        tensor = model.outputs[0]
    except (AttributeError, TypeError, IndexError):
        return None, ""
    for _ in range(20):
        operation, node, _ = tensor._keras_history
        if isinstance(operation, keras.Model):
            inner = operation
            tensor = inner.outputs[0]
            continue
        activation = _activation(operation)
        if activation:
            found.append(activation)
        if getattr(operation, "weights", None):
            return tuple(found), operation.name
        inputs = operation._inbound_nodes[node].input_tensors
        known = activation is not None or type(operation).__name__ in _RESHAPING
        if len(inputs) != 1 or not known:
            return None, ""
        tensor = inputs[0]
    return None, ""


def _activation(operation: Any) -> str | None:
    """Name of an operation's activation; "" for a linear one, None where it has none."""
    kind = type(operation).__name__
    if kind in ("Sigmoid", "Softmax", "Relu", "ReLU", "LeakyReLU", "Relu6", "Tanh"):
        return {"relu6": "relu", "leakyrelu": "leaky_relu"}.get(kind.lower(), kind.lower())
    function = getattr(operation, "activation", None)
    if function is None:
        return None
    name = getattr(function, "__name__", type(function).__name__)
    return "" if name == "linear" else str(name)

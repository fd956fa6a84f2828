"""A few training steps on copies of the weights: nothing of the model is touched.

Weights, optimiser state and seeds are copied, and the model is called with the copies' values, so
there is nothing to restore: its own variables are only read.
"""

import dataclasses
import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.training.diagnosis.setup import Setup

ops = keras.ops

_LEAST = 6  # steps of a trial, even where time is short


@dataclasses.dataclass(frozen=True)
class Trial:
    """Some steps on one batch at one learning rate.

    Attributes
    ----------
    rate : float
    losses : list of float
        Before each step, and after the last.
    """

    rate: float
    losses: list[float]

    @property
    def finite(self) -> bool:
        """Whether every loss is a number."""
        return all(map(math.isfinite, self.losses))

    @property
    def gain(self) -> float:
        """By which share of itself the loss has fallen; negative where it has risen."""
        if not self.finite:
            return -math.inf
        first = self.losses[0]
        return (first - min(self.losses[-3:])) / max(abs(first), 1e-9)


class Prober:
    """Steps of a compiled model's training, on copies.

    Parameters
    ----------
    model : keras.Model
    setup : Setup
    images, masks : ndarray
        One batch.
    """

    def __init__(
        self, model: keras.Model, setup: Setup, images: NDArray[Any], masks: NDArray[Any]
    ) -> None:
        import tensorflow as tf

        self.model, self.setup = model, setup
        self.images = tf.constant(np.asarray(images, np.float32))
        self.masks = tf.constant(np.asarray(masks, np.float32))
        self.trained = [_copy(v) for v in model.trainable_variables]
        self.others = [_copy(v) for v in model.non_trainable_variables]
        # Making an optimiser draws nothing at random; its state is then set to the model's own.
        # Under float16 the model's is wrapped in one that scales the loss.
        self._own = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        config = {**self._own.get_config(), "learning_rate": 1.0}
        self.optimizer = type(self._own).from_config(config)
        self.optimizer.build(self.trained)
        self._graph = tf.function(self._slopes, autograph=False)

    def _slopes(self) -> tuple[Any, list[Any], list[Any]]:
        import tensorflow as tf

        trained, others = ([v.value for v in of] for of in (self.trained, self.others))
        with tf.GradientTape() as tape:
            trained = [tf.convert_to_tensor(value) for value in trained]
            tape.watch(trained)
            output, after = self.model.stateless_call(trained, others, self.images, training=True)
            loss = ops.mean(ops.cast(self.setup.loss(self.masks, output), "float32"))
        # A weight that the loss does not depend on has a gradient of zero.
        return loss, tape.gradient(loss, trained, unconnected_gradients="zero"), after

    def _step(self) -> tuple[Any, list[Any]]:
        loss, slopes, after = self._graph()
        # Not in the graph: tracing the optimiser takes longer than a few dozen of its steps.
        self.optimizer.apply(slopes, self.trained)
        for variable, value in zip(self.others, after, strict=True):
            variable.assign(value)
        return loss, slopes

    def _start(self, rate: float) -> None:
        """Set the copies to what the model holds, and the learning rate."""
        model = self.model
        for copies, own in (
            (self.trained, model.trainable_variables),
            (self.others, model.non_trainable_variables),
        ):
            for copy, variable in zip(copies, own, strict=True):
                copy.assign(variable.value)
        self._set_moments()
        self.optimizer.learning_rate = rate

    def _set_moments(self) -> None:
        """The optimiser's moments are the model's own where it has trained, else zero."""
        rate = self.optimizer._learning_rate
        states = [v for v in self.optimizer.variables if v is not rate]
        told = getattr(self._own, "_learning_rate", None)
        own = [v for v in self._own.variables if v is not told]
        alike = len(own) == len(states) and all(
            a.shape == b.shape for a, b in zip(own, states, strict=True)
        )
        for number, state in enumerate(states):
            state.assign(own[number].value if alike else ops.zeros_like(state.value))

    def trial(self, rate: float, steps: int, until: float = math.inf) -> Trial:
        """Train on the batch, from the model's weights, with copies.

        Parameters
        ----------
        rate : float
            Learning rate.
        steps : int
        until : float
            Time (`time.perf_counter`) at which to stop, after six steps at least.

        Returns
        -------
        Trial
        """
        self._start(rate)
        losses: list[float] = []
        for number in range(steps + 1):
            begun = time.perf_counter()
            loss, _ = self._step()
            losses.append(float(loss))
            if not math.isfinite(losses[-1]) or (begun > until and number >= _LEAST):
                break
        return Trial(rate, losses)

    @property
    def weight_size(self) -> float:
        """Root mean square of a kernel's weights, the median over the kernels; infinite if none."""
        kernels = [v for v in self.model.trainable_variables if len(v.shape) > 1]
        sizes = [float(np.sqrt(np.mean(ops.convert_to_numpy(k.value) ** 2))) for k in kernels]
        return float(np.median(sizes)) if sizes else math.inf

    def slopes(self) -> tuple[float, dict[str, float]]:
        """Loss, and size of each weight's gradient beside the weight's own.

        Returns
        -------
        loss : float
        sizes : dict of str to float
            Root mean square of the gradient, by the weight's path.
        """
        self._start(0.0)
        loss, slopes = self._step()
        names = [v.path for v in self.model.trainable_variables]
        sizes = [float(ops.sqrt(ops.mean(ops.square(ops.cast(s, "float32"))))) for s in slopes]
        return float(loss), dict(zip(names, sizes, strict=True))


def _copy(variable: Any) -> Any:
    # By way of NumPy: a variable made of another's value would be the very same memory.
    value = ops.convert_to_numpy(variable.value)
    return keras.Variable(value, dtype=variable.dtype, trainable=variable.trainable, name="copy")


def predict_with(model: keras.Model, images: Any) -> NDArray[np.float32]:
    """Predict a batch of any size; the model's own check of sizes is passed by.

    Parameters
    ----------
    model : keras.Model
    images : array, shape (batch, height, width, channels)

    Returns
    -------
    ndarray of float32, shape (batch, height, width, outputs)
    """
    batch = ops.convert_to_tensor(np.asarray(images, np.float32))
    output = model.call(batch, training=False)
    return np.asarray(ops.convert_to_numpy(ops.cast(output, "float32")))


def dead_units(model: keras.Model, images: NDArray[Any]) -> dict[str, float]:
    """Share of the units of each ReLU that are 0 for every pixel of every image.

    Parameters
    ----------
    model : keras.Model
        A graph of layers; for any other the answer is empty.
    images : ndarray, shape (batch, height, width, channels)

    Returns
    -------
    dict of str to float
        By the layer's name.
    """
    if not getattr(model, "inputs", None):
        return {}
    layers = [layer for layer in model.layers if _is_relu(layer)]
    if not layers:
        return {}
    # Named, for a name that Keras makes up would count up those of the models that follow.
    inner = keras.Model(model.inputs, [layer.output for layer in layers], name="relus")
    outputs = inner.call(ops.convert_to_tensor(np.asarray(images, np.float32)), training=False)
    shares = {}
    for layer, output in zip(layers, outputs, strict=True):
        most = ops.convert_to_numpy(ops.max(ops.cast(output, "float32"), axis=(0, 1, 2)))
        shares[layer.name] = float((most <= 0).mean())
    return shares


def _is_relu(layer: Any) -> bool:
    if len(getattr(layer, "output", np.empty(0)).shape) != 4:
        return False
    function = getattr(layer, "activation", None)
    return getattr(function, "__name__", "") == "relu" or type(layer).__name__ == "ReLU"

"""Recipes that differ in one setting from the course's, and a training of a given time.

What is tried here is built beside the package, so that a candidate costs the course no line.
"""

import contextlib
import dataclasses
import math
from typing import Any

import numpy as np
from _watch import Watch
from numpy.typing import NDArray

from unet_helpers import (
    BceDice,
    Focal,
    Meet,
    Samples,
    SoftDice,
    Tversky,
    WeightedCrossentropy,
    batches,
    fast_precision,
    keras,
    weighted,
)

layers = keras.layers


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Every setting that the ablation varies; the defaults are the course's recipe.

    Attributes
    ----------
    stem : int
        The net works on pixels of this many input pixels a side: a strided convolution before it,
        a transposed one behind it.
    folds, unfolds : int
        Side of these two kernels in strides: 1 cuts the image into patches, with 2 they overlap.
    norm : {"batch", "no scale", "fused", "group", "instance", "layer", "rms", "none"}
        "fused" is TensorFlow's own kernel in a custom layer: a yardstick, not a candidate, since a
        custom layer does not load elsewhere.
    per_block : int
        Normalisations in a block of two convolutions, 1 or 2.
    ema : float
        Momentum of the average over the weights that is scored; 0 for none.
    chunk : int
        ``steps_per_execution``.
    schedule : {"cosine", "one-cycle", "constant"}
        Over the planned time, so that it ends when the clock does.
    meet : float
        Share of the crops that are centred on foreground.
    border : bool
        Whether pixels between close objects weigh more, as in the paper.
    """

    filters: int = 16
    depth: int = 2
    stem: int = 4
    folds: int = 1
    unfolds: int = 2
    norm: str = "batch"
    per_block: int = 2
    conv: str = "full"
    init: str = "glorot_uniform"
    activation: str = "relu"
    upsampling: str = "transpose"
    patch: int = 128
    batch: int = 8
    loss: str = "bce_dice"
    optimiser: str = "adamw"
    schedule: str = "cosine"
    peak: float = 6e-3
    warmup: float = 0.1
    xla: bool = False
    precision: str = "auto"
    ema: float = 0.0
    chunk: int = 1
    fixed_size: bool = False
    colour: float = 0.05
    meet: float = 0.0
    border: bool = False


def build(recipe: Recipe, channels: int) -> keras.Model:
    """The recipe's network."""
    size = recipe.patch if recipe.fixed_size else None
    inputs = keras.Input((size, size, channels))
    x, skips = inputs, []
    if recipe.stem > 1:
        kernel, same = recipe.folds * recipe.stem, {"strides": recipe.stem, "padding": "same"}
        x = layers.Conv2D(recipe.filters, kernel, **same)(x)
    for level in range(recipe.depth):
        x = _block(recipe, x, recipe.filters * 2**level)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = _block(recipe, x, recipe.filters * 2**recipe.depth)
    for level in reversed(range(recipe.depth)):
        if recipe.upsampling == "transpose":
            x = layers.Conv2DTranspose(recipe.filters * 2**level, 2, strides=2)(x)
        else:
            x = layers.UpSampling2D(2, interpolation=recipe.upsampling)(x)
        x = _block(recipe, layers.Concatenate()([skips[level], x]), recipe.filters * 2**level)
    head = {"activation": "sigmoid", "dtype": "float32"}
    if recipe.stem > 1:
        x = layers.Conv2DTranspose(1, recipe.unfolds * recipe.stem, **same, **head)(x)
    else:
        x = layers.Conv2D(1, 1, **head)(x)
    return keras.Model(inputs, x)


def _block(recipe: Recipe, x: Any, filters: int) -> Any:
    for part in (1, 2):
        normed = recipe.norm != "none" and (recipe.per_block == 2 or part == 2)
        # A convolution of one to three channels has nothing to separate.
        separable = recipe.conv == "separable" and x.shape[-1] > 3
        initial = "depthwise_initializer" if separable else "kernel_initializer"
        kind = layers.SeparableConv2D if separable else layers.Conv2D
        settings = {"padding": "same", "use_bias": not normed, initial: recipe.init}
        x = kind(filters, 3, **settings)(x)
        if normed:
            x = _norm(recipe.norm, filters)(x)
        x = layers.Activation(recipe.activation)(x)
    return x


def _norm(kind: str, filters: int) -> Any:
    if kind == "batch":
        return layers.BatchNormalization(momentum=0.9)
    if kind == "no scale":  # the convolution after the ReLU can take the scale over
        return layers.BatchNormalization(momentum=0.9, scale=False)
    if kind == "fused":
        return Fused()
    if kind in ("group", "instance"):
        return layers.GroupNormalization(filters if kind == "instance" else math.gcd(8, filters))
    return {"layer": layers.LayerNormalization, "rms": layers.RMSNormalization}[kind]()


class Fused(keras.layers.Layer):
    """Batch normalisation by TensorFlow's fused kernel, which Keras 3 does not call."""

    def build(self, shape: Any) -> None:
        """Weights as in Keras' layer."""
        kinds = (("ones", True), ("zeros", True), ("zeros", False), ("ones", False))
        self.parts = [
            self.add_weight(shape=shape[-1:], initializer=i, trainable=t, autocast=False)
            for i, t in kinds
        ]

    def call(self, x: Any, training: bool = False) -> Any:
        """Normalise by the batch, or by the running mean and variance."""
        import tensorflow as tf

        kernel = tf.compat.v1.nn.fused_batch_norm
        scale, offset, mean, variance = (part.value for part in self.parts)
        if not training:
            return kernel(x, scale, offset, mean, variance, 1e-3, is_training=False)[0]
        y, now, spread = kernel(x, scale, offset, epsilon=1e-3, is_training=True)[:3]
        for part, new in zip(self.parts[2:], (now, spread), strict=True):
            part.assign(0.9 * part + 0.1 * new)
        return y


def loss_of(name: str) -> Any:
    """A loss by name; one of the package's own, or Keras' cross-entropy."""
    if name == "bce":
        return keras.losses.BinaryCrossentropy()
    kinds = {
        "bce_dice": BceDice,
        "dice": SoftDice,
        "focal": Focal,
        "tversky": Tversky,
        "weighted": WeightedCrossentropy,
    }
    return kinds[name]()


def optimiser_of(recipe: Recipe) -> keras.optimizers.Optimizer:
    """The optimiser, its rate still to be set before every step."""
    kinds = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "lion": keras.optimizers.Lion,
        "sgd": lambda **k: keras.optimizers.SGD(momentum=0.9, nesterov=True, **k),
    }
    more = {"use_ema": True, "ema_momentum": recipe.ema} if recipe.ema else {}
    return kinds[recipe.optimiser](learning_rate=recipe.peak, **more)


def rate(recipe: Recipe, share: float) -> float:
    """Learning rate at this share of the planned time."""
    if recipe.schedule == "constant":
        return recipe.peak
    warmup = 0.4 if recipe.schedule == "one-cycle" else recipe.warmup
    if share < warmup:
        return recipe.peak * max(share / warmup, 0.01)
    return recipe.peak * 0.5 * (1 + math.cos(math.pi * min((share - warmup) / (1 - warmup), 1)))


class _Timed(keras.callbacks.Callback):
    """The watch, and a learning rate that follows the clock, so that any step time fits."""

    def __init__(self, recipe: Recipe, watch: Watch, seconds: float, predict: Any) -> None:
        super().__init__()
        self.recipe, self.watch, self.planned, self.predict = recipe, watch, seconds, predict
        self.first_step: float | None = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the rate of the step to come."""
        if self.first_step is None:
            share = 0.0
        else:  # the schedule spans what is left after the first, traced step
            share = (self.watch.seconds - self.first_step) / (self.planned - self.first_step)
        self.model.optimizer.learning_rate.assign(rate(self.recipe, share))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Hand the step to the watch; end when it says so, or when the planned time is over."""
        if self.first_step is None:
            self.first_step = self.watch.seconds
        if not self.watch.step(self.predict):
            raise TimeoutError
        if self.watch.seconds >= self.planned:
            self.watch.score(self.predict)
            raise TimeoutError


def train_for(
    recipe: Recipe, samples: Samples, seed: int, watch: Watch, seconds: float
) -> keras.Model:
    """Train for these seconds of the watch, building and tracing included."""
    auto = recipe.precision == "auto"
    keras.config.set_dtype_policy(fast_precision() if auto else recipe.precision)
    keras.utils.set_random_seed(seed)
    watch.start()
    model = build(recipe, samples.arrays(0).image.shape[-1])
    model.compile(
        optimizer=optimiser_of(recipe),
        loss=loss_of(recipe.loss),
        jit_compile=recipe.xla,
        steps_per_execution=recipe.chunk,
    )
    settings = {"size": recipe.patch, "batch_size": recipe.batch, "seed": seed}
    meet = Meet({samples.class_names[1]: recipe.meet}) if recipe.meet else None
    stream = batches(samples, colour=recipe.colour, meet=meet, **settings)
    if recipe.border:
        stream = weighted(stream)

    def probability(image: NDArray[np.float32]) -> NDArray[np.float32]:
        unit = recipe.stem * 2**recipe.depth
        high, wide = image.shape[:2]
        around = [(0, -high % unit), (0, -wide % unit), (0, 0)]
        padded = np.pad(image, around, mode="symmetric")
        found = np.asarray(averaged.predict_on_batch(padded[None]), np.float32)
        return found[0, :high, :wide, 0]

    averaged = _averaged(model, recipe)
    timed = _Timed(recipe, watch, seconds, probability)
    swap = _Swap(model, averaged) if recipe.ema else None
    if swap:
        timed.predict = swap.before(probability)
    with contextlib.suppress(TimeoutError):
        model.fit(stream, steps_per_epoch=10**6, shuffle=False, verbose=0, callbacks=[timed])
    watch.first_step = timed.first_step
    return averaged


def _averaged(model: keras.Model, recipe: Recipe) -> keras.Model:
    """The model to score: the trained one itself, or a twin for the averaged weights."""
    return keras.models.clone_model(model) if recipe.ema else model


class _Swap:
    """Copies the averaged weights into the twin before it predicts."""

    def __init__(self, model: keras.Model, twin: keras.Model) -> None:
        self.model, self.twin = model, twin

    def before(self, predict: Any) -> Any:
        def fresh(image: NDArray[np.float32]) -> NDArray[np.float32]:
            self.twin.set_weights(self.model.get_weights())
            averages = self.model.optimizer._model_variables_moving_average
            for weight, value in zip(self.twin.trainable_variables, averages, strict=True):
                weight.assign(value)
            return predict(image)

        return fresh

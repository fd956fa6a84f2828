"""A model on loan: trained for a few steps, then put back exactly as it was."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unet_helpers import keras

ops = keras.ops
Batch = tuple[ArrayLike, ...]


def check_compiled(model: keras.Model) -> None:
    """Refuse a model without a loss."""
    if not getattr(model, "compiled", False):
        raise ValueError(
            f"model must be compiled with a loss, found {model.name!r} without: call "
            "model.compile(optimizer, loss) first"
        )


def opened(batch: Batch) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """Images, masks and weights, if any, as arrays."""
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        raise ValueError(
            f"batch must be (images, masks) or (images, masks, weights), found {_told(batch)}: "
            "take one from crop_batch(), or next(iter(batches(...)))"
        )
    images, masks, *weights = (
        np.asarray(ops.convert_to_numpy(part) if ops.is_tensor(part) else part) for part in batch
    )
    if images.ndim != 4 or not images.size or masks.shape[:3] != images.shape[:3]:
        raise ValueError(
            "batch must hold images (batch, height, width, channels) and their masks, found "
            f"{images.shape} and {masks.shape}: give both from the same crop_batch()"
        )
    return images, masks, weights[0] if weights else None


def _told(batch: Any) -> str:
    if isinstance(batch, (tuple, list)):
        return f"{len(batch)} parts"
    return f"one {type(batch).__name__}"


class _Overlap(keras.metrics.Metric):
    """Dice of what was predicted in the training step itself; takes whatever masks there are."""

    def __init__(self, ignore_value: int | None) -> None:
        super().__init__(name="overlap")
        self.ignore_value = ignore_value
        self.counts = self.add_variable((3,), initializer="zeros", name="counts")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        said = y_pred[..., 0] > 0.5 if y_pred.shape[-1] == 1 else ops.argmax(y_pred, axis=-1) > 0
        truth = ops.reshape(ops.cast(y_true, "float32"), ops.shape(said))
        known = ops.ones_like(said)
        if self.ignore_value is not None:
            known = ops.not_equal(truth, self.ignore_value)
        there, said = (ops.logical_and(each, known) for each in (truth > 0, said))
        counted = (ops.logical_and(there, said), there, said)
        self.counts.assign_add(ops.stack([ops.sum(ops.cast(c, "float32")) for c in counted]))

    def result(self) -> Any:
        both, there, said = ops.unstack(ops.convert_to_tensor(self.counts), 3)
        # Without foreground there is nothing to learn; 0 / 0 is NaN.
        return 2 * both / ops.where(there > 0, there + said, float("nan"))


class _Wrapped(keras.Model):
    """The lent model with another optimiser, so that its own is left alone."""

    def __init__(self, lent: keras.Model) -> None:
        super().__init__(name="bench")
        self.lent = lent

    def call(self, images: Any, training: bool | None = None) -> Any:
        return self.lent(images, training=training)


class Bench:
    """Borrow a model for a few steps; on leaving, all its variables are what they were.

    Parameters
    ----------
    model : keras.Model
        Compiled: its loss is used, its optimiser is not touched.
    optimizer : keras.optimizers.Optimizer or None
        For `step`.
    ignore_value : int, optional
        Truth value of pixels that do not count for the Dice.
    """

    def __init__(self, model: keras.Model, optimizer: Any, ignore_value: int | None = None) -> None:
        self.model, self.optimizer = model, optimizer
        self.ignore_value = ignore_value

    def __enter__(self) -> "Bench":
        # Weights, running means and the states of dropout alike.
        self._kept = [(v, ops.convert_to_numpy(v.value)) for v in self.model.variables]
        self._wrapped = _Wrapped(self.model)
        self._wrapped.compile(
            self.optimizer or "sgd",
            # A loss of its own: the model's tracks what it has seen.
            self.model.loss,
            metrics=[_Overlap(self.ignore_value)],
            jit_compile=False,
        )
        return self

    def __exit__(self, *_: object) -> None:
        for variable, value in self._kept:
            variable.assign(value)

    @property
    def learning_rate(self) -> float:
        """Rate of the next step."""
        return float(ops.convert_to_numpy(self.optimizer.learning_rate))

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.optimizer.learning_rate = rate

    def step(
        self, images: NDArray[Any], masks: NDArray[Any], weights: NDArray[Any] | None
    ) -> tuple[float, float]:
        """One training step; loss and Dice of the batch before it."""
        self._wrapped.reset_metrics()  # Keras would give the mean since the last reset
        logs = self._wrapped.train_on_batch(images, masks, weights, return_dict=True)
        return float(logs["loss"]), float(logs["overlap"])

    def predict(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """What the model says in training, when normalisation goes by the batch."""
        return ops.convert_to_numpy(self.model(ops.convert_to_tensor(images), training=True))

    def loss(self, masks: NDArray[Any], said: NDArray[Any], weights: NDArray[Any] | None) -> float:
        """The model's loss of any prediction, without what its layers add to it."""
        loss = self._wrapped.compute_loss(
            y=ops.convert_to_tensor(masks),
            y_pred=ops.convert_to_tensor(said),
            sample_weight=None if weights is None else ops.convert_to_tensor(weights),
        )
        added = sum(float(each) for each in self._wrapped.losses)
        return float(np.mean(ops.convert_to_numpy(loss))) - added

    def as_output(self, shares: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
        """An output of the model's shape that gives every pixel these probabilities."""
        values = shares if shape[-1] > 1 else shares[1:]
        if getattr(self.model.loss, "from_logits", False):
            values = np.log(values / (1 - values)) if shape[-1] == 1 else np.log(values)
        return np.broadcast_to(np.asarray(values, np.float32), shape).copy()

"""IoU and Dice as Keras metrics: counted in whole numbers over all batches, divided once.

A mean of per-batch scores depends on the batch size; these do not.
"""

import math
from typing import Any

from unet_helpers import keras

ops = keras.ops

# Counts live in two int32 numbers, low + high * BASE: exact to 2**50 pixels on every backend,
# where float32 stops at 2**24 and int32, all that JAX and PyTorch keep, wraps at 2**31.
BASE = 1 << 20


class _Overlap(keras.metrics.Metric):
    """Count true positives, false positives and false negatives, and what is not fit to count."""

    def __init__(
        self,
        name: str,
        threshold: float = 0.5,
        class_id: int | None = None,
        from_logits: bool = False,
        ignore_value: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if not 0 < threshold < 1:
            raise ValueError(
                f"threshold must lie between 0 and 1, found {threshold}: it is a probability, "
                "also with from_logits=True"
            )
        self.threshold, self.class_id = threshold, class_id
        self.from_logits, self.ignore_value = from_logits, ignore_value
        self._last = 1
        self.low = self._counter("low")
        self.high = self._counter("high")

    def _counter(self, name: str) -> Any:
        # Five counts: tp, fp, fn, truths that are no class id, predictions that are no probability.
        return self.add_variable((5,), initializer="zeros", dtype="int32", name=name)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch: class ids (batch, height, width, 1), and what the model makes of it."""
        if sample_weight is not None:
            raise ValueError(
                "sample_weight must be None, found weights: pixels are counted whole, so mark "
                "those that shall not count with ignore_value"
            )
        # float32 on every backend and under every policy: another type rounds the threshold.
        prediction = ops.cast(ops.convert_to_tensor(y_pred), "float32")
        truth = _ids(ops.cast(ops.convert_to_tensor(y_true), "float32"), prediction.shape)
        self._last = _last_class(prediction, self.class_id)
        counted = [ops.sum(ops.cast(each, "int32")) for each in self._maps(truth, prediction)]
        hits, reals, said, odd, unfit = counted
        total = self.low + ops.stack([hits, said - hits, reals - hits, odd, unfit])
        self.high.assign(self.high + total // BASE)
        self.low.assign(total % BASE)
        self._refuse_on_tensorflow(odd)

    def _maps(self, truth: Any, prediction: Any) -> list[Any]:
        """Five maps (batch, height, width): hits, real, predicted, odd truth, unfit prediction."""
        guess, unfit = self._guess(prediction)
        real, said = (
            ids > 0 if self.class_id is None else ops.equal(ids, self.class_id)
            for ids in (truth, guess)
        )
        is_id = ops.logical_and(truth >= 0, truth <= self._last)
        odd = ops.logical_not(ops.logical_and(is_id, ops.equal(truth, ops.floor(truth))))
        maps = [real, said, odd, unfit]
        if self.ignore_value is not None:
            labelled = ops.not_equal(truth, self.ignore_value)
            maps = [ops.logical_and(each, labelled) for each in maps]
        return [ops.logical_and(maps[0], maps[1]), *maps]

    def _guess(self, prediction: Any) -> tuple[Any, Any]:
        """Predicted class ids, and where the prediction is none: NaN, or no probability."""
        total = ops.sum(prediction, axis=-1)
        if prediction.shape[-1] > 1:
            return ops.argmax(prediction, axis=-1), ops.isnan(total)
        if self.from_logits:
            limit = math.log(self.threshold / (1 - self.threshold))
            return ops.cast(total > limit, "int32"), ops.isnan(total)
        is_share = ops.logical_and(total >= 0, total <= 1)
        return ops.cast(total > self.threshold, "int32"), ops.logical_not(is_share)

    def _refuse_on_tensorflow(self, odd: Any) -> None:
        """Raise at once, or in a graph when that runs; XLA leaves the assertion out."""
        if keras.backend.backend() != "tensorflow":
            return
        import tensorflow as tf

        message = (
            f"y_true must hold class ids 0 to {self._last}, found pixels with other values: turn "
            "0/255 masks into 0/1, and name pixels that do not count with ignore_value"
        )
        if not tf.executing_eagerly():
            tf.debugging.assert_equal(odd, 0, message)
        elif int(odd):
            raise ValueError(message)

    def result(self) -> Any:
        """The score, 0 to 1."""
        # Once more, for Keras asks outside the graph when an epoch ends: what XLA let pass.
        self._refuse_on_tensorflow(self.low[3] + self.high[3])
        # Each count is rounded once, to 24 bits, and none is subtracted: 1e-6 is kept.
        total = ops.cast(self.low, "float32") + ops.cast(self.high, "float32") * BASE
        # Wrong input must not give a score that looks right.
        hits = ops.where(total[3] + total[4] > 0, float("nan"), total[0])
        return self._score(hits, total[1] + total[2])

    def _score(self, hits: Any, errors: Any) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the metric."""
        own = ("threshold", "class_id", "from_logits", "ignore_value")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def _ids(truth: Any, shape: Any) -> Any:
    """The truth without its channel axis, of the prediction's shape."""
    found = tuple(truth.shape)
    if len(truth.shape) == len(shape) and truth.shape[-1] in (1, None):
        truth = truth[..., 0]
    pairs = zip(truth.shape, shape[:-1], strict=False)
    if len(truth.shape) != len(shape) - 1 or any(None not in p and p[0] != p[1] for p in pairs):
        raise ValueError(
            f"y_true must hold one class id for each pixel of y_pred {tuple(shape)}, found the "
            f"shape {found}: give masks (batch, height, width, 1), not one-hot"
        )
    return truth


def _last_class(prediction: Any, class_id: int | None) -> int:
    last = max(prediction.shape[-1] - 1, 1)
    if class_id is not None and not 0 <= class_id <= last:
        raise ValueError(
            f"class_id must be one of 0 to {last}, the classes that the model tells apart, found "
            f"{class_id}: choose another class, or give the model more outputs"
        )
    return last


@keras.saving.register_keras_serializable("unet_helpers")
class IoU(_Overlap):
    """IoU over all pixels seen since the last reset: TP / (TP + FP + FN).

    Parameters
    ----------
    name : str
        Name in the training log.
    threshold : float
        Probability above which a pixel counts as foreground (one output channel); with several
        output channels the likeliest class counts.
    class_id : int, optional
        The class to score; by default the foreground, which is every class but 0 together.
    from_logits : bool
        Whether the model gives logits, without sigmoid or softmax, in place of probabilities.
    ignore_value : int, optional
        Truth value of pixels that do not count.

    Raises
    ------
    ValueError
        If an argument or a shape does not fit, if weights are given, and, on TensorFlow, if the
        truth holds a value that is not a class id, such as 255 or 0.4 (inside a graph as an
        ``InvalidArgumentError``, in a graph that XLA compiles at the end of the epoch).

    Notes
    -----
    The result is NaN if neither truth nor prediction has the class; on JAX and PyTorch if the truth
    holds a value that is not a class id; on every backend if a prediction is NaN or, without
    `from_logits`, a single channel holds a value outside 0 to 1.

    Formula and source: `unet_helpers.iou`.

    Examples
    --------
    >>> metric = IoU()
    >>> metric.update_state([[[[1], [1], [0]]]], [[[[0.9], [0.2], [0.7]]]])
    >>> round(float(metric.result()), 3)
    0.333
    """

    def __init__(self, name: str = "iou", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def _score(self, hits: Any, errors: Any) -> Any:
        return hits / (hits + errors)


@keras.saving.register_keras_serializable("unet_helpers")
class Dice(_Overlap):
    """Dice over all pixels seen since the last reset: 2 TP / (2 TP + FP + FN).

    Parameters
    ----------
    name, threshold, class_id, from_logits, ignore_value
        As in `IoU`, with the same errors and the same cases of NaN.

    Notes
    -----
    Formula and source: `unet_helpers.dice`.

    Examples
    --------
    >>> metric = Dice()
    >>> metric.update_state([[[[1], [1], [0]]]], [[[[0.9], [0.2], [0.7]]]])
    >>> round(float(metric.result()), 3)
    0.5
    """

    def __init__(self, name: str = "dice", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def _score(self, hits: Any, errors: Any) -> Any:
        return 2 * hits / (2 * hits + errors)

"""IoU and Dice as Keras metrics: counted in whole numbers over all batches, divided once.

A mean of per-batch scores depends on the batch size; these do not.
"""

from typing import Any

from unet_helpers import keras

ops = keras.ops

# Counts live in two int32 numbers, low + high * BASE: exact to 2**50 pixels on every backend,
# where float32 stops at 2**24 and int32, all that JAX and PyTorch keep, wraps at 2**31.
BASE = 1 << 20


class _Overlap(keras.metrics.Metric):
    """Count the foreground's true positives, false positives and false negatives."""

    def __init__(
        self, name: str, threshold: float = 0.5, ignore_value: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.threshold, self.ignore_value = threshold, ignore_value
        self.low = self._counter("low")
        self.high = self._counter("high")

    def _counter(self, name: str) -> Any:
        # Four counts: tp, fp, fn, and pixels whose truth is not a class id.
        return self.add_variable((4,), initializer="zeros", dtype="int32", name=name)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch: truth (batch, height, width, 1) in class ids, probabilities beside it."""
        truth = ops.cast(ops.convert_to_tensor(y_true), "float32")
        prediction = ops.convert_to_tensor(y_pred)
        classes = prediction.shape[-1]
        if len(truth.shape) == len(prediction.shape) - 1:
            truth = truth[..., None]
        if classes == 1:
            guess = prediction > self.threshold
        else:
            guess = ops.argmax(prediction, axis=-1, keepdims=True) > 0
        labelled = ops.ones_like(truth, dtype="bool")
        if self.ignore_value is not None:
            labelled = ops.not_equal(truth, self.ignore_value)
        real = truth > 0
        odd = ops.logical_or(truth < 0, truth > max(classes - 1, 1))
        odd = ops.logical_or(odd, ops.not_equal(truth, ops.floor(truth)))
        outcomes = (
            ops.logical_and(real, guess),
            ops.logical_and(ops.logical_not(real), guess),
            ops.logical_and(real, ops.logical_not(guess)),
            odd,
        )
        counted = [ops.sum(ops.cast(ops.logical_and(o, labelled), "int32")) for o in outcomes]
        total = self.low + ops.stack(counted)
        self.high.assign(self.high + total // BASE)
        self.low.assign(total % BASE)

    def _counts(self) -> tuple[Any, Any, Any, Any]:
        total = ops.cast(self.low, "float32") + ops.cast(self.high, "float32") * BASE
        # A wrong mask must not give a score that looks right: it gives NaN.
        valid = ops.where(total[3] > 0, float("nan"), 1.0)
        return total[0], total[1], total[2], valid

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the metric."""
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "ignore_value": self.ignore_value,
        }


@keras.saving.register_keras_serializable("unet_helpers")
class IoU(_Overlap):
    """Foreground IoU over all pixels seen since the last reset: TP / (TP + FP + FN).

    Parameters
    ----------
    threshold : float
        Probability above which a pixel counts as foreground (one output channel); with several
        output channels, every class but 0 is foreground.
    ignore_value : int, optional
        Truth value of pixels that do not count.
    name : str
        Name in the training log.

    Notes
    -----
    The result is NaN if neither truth nor prediction has foreground, and also if the truth holds a
    value that is not a class id, such as 255.

    Examples
    --------
    >>> metric = IoU()
    >>> metric.update_state([[[[1], [1], [0]]]], [[[[0.9], [0.2], [0.7]]]])
    >>> round(float(metric.result()), 3)
    0.333
    """

    def __init__(self, name: str = "iou", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def result(self) -> Any:
        """The IoU, 0 to 1."""
        tp, fp, fn, valid = self._counts()
        return valid * tp / (tp + fp + fn)


@keras.saving.register_keras_serializable("unet_helpers")
class Dice(_Overlap):
    """Foreground Dice over all pixels seen since the last reset: 2 TP / (2 TP + FP + FN).

    Parameters
    ----------
    threshold, ignore_value, name
        As in `IoU`.

    Examples
    --------
    >>> metric = Dice()
    >>> metric.update_state([[[[1], [1], [0]]]], [[[[0.9], [0.2], [0.7]]]])
    >>> round(float(metric.result()), 3)
    0.5
    """

    def __init__(self, name: str = "dice", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def result(self) -> Any:
        """The Dice coefficient, 0 to 1."""
        tp, fp, fn, valid = self._counts()
        return valid * 2 * tp / (2 * tp + fp + fn)

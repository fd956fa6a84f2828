"""The loss and the optimiser of the course's recipe, as plain Keras objects."""

from pathlib import Path
from typing import Any

from unet_helpers import keras

ops = keras.ops


@keras.saving.register_keras_serializable("unet_helpers")
class BceDice(keras.losses.Loss):
    r"""Cross-entropy plus soft Dice loss, for one or several output channels.

    Cross-entropy judges each pixel alone and gives a gradient everywhere; the soft Dice loss [1]_
    judges the overlap, so that a small foreground is not outvoted by the background:

    .. math:: 1 - \frac{2 \sum p y + s}{\sum p + \sum y + s}

    The sums run over the batch. With several channels it is the mean over all classes but 0.

    Parameters
    ----------
    smooth : float
        :math:`s`, in pixels: keeps the fraction defined when a batch has no foreground.
    ignore_value : int, optional
        Truth value of pixels that do not count.

    References
    ----------
    .. [1] Milletari, Navab, Ahmadi (2016), V-Net, 3DV, doi:10.1109/3DV.2016.79, equation 1, with
       plain sums in the denominator instead of squares.

    Examples
    --------
    >>> loss = BceDice()
    >>> float(loss([[[[1.0]]]], [[[[0.99]]]])) < 0.1 < float(loss([[[[1.0]]]], [[[[0.2]]]]))
    True
    """

    def __init__(
        self,
        smooth: float = 1.0,
        ignore_value: int | None = None,
        name: str = "bce_dice",
        **kwargs: Any,
    ) -> None:
        # The batch's mean is taken in `call`; Keras has nothing left to reduce.
        super().__init__(name=name, **{"reduction": None, **kwargs})
        self.smooth, self.ignore_value = smooth, ignore_value

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of a batch: truth (batch, height, width, 1), probabilities beside it."""
        truth = ops.cast(ops.convert_to_tensor(y_true), "float32")
        y_pred = ops.convert_to_tensor(y_pred)
        if len(truth.shape) == len(y_pred.shape) - 1:
            truth = truth[..., None]
        weight = ops.ones_like(truth)
        if self.ignore_value is not None:
            weight = ops.cast(ops.not_equal(truth, self.ignore_value), "float32")
            truth = truth * weight  # an ignored pixel becomes class 0 with weight 0
        classes = y_pred.shape[-1]
        if classes == 1:
            entropy = keras.losses.binary_crossentropy(truth, y_pred)
            foreground, probability = truth, y_pred
        else:
            entropy = keras.losses.sparse_categorical_crossentropy(truth, y_pred)
            hot = ops.one_hot(ops.cast(truth[..., 0], "int32"), classes)
            foreground, probability = hot[..., 1:], y_pred[..., 1:]
        over = tuple(range(len(y_pred.shape) - 1))
        overlap = ops.sum(foreground * probability * weight, axis=over)
        total = ops.sum((foreground + probability) * weight, axis=over)
        overlap_loss = 1 - (2 * overlap + self.smooth) / (total + self.smooth)
        mean_entropy = ops.sum(entropy * weight[..., 0]) / ops.maximum(ops.sum(weight), 1)
        return mean_entropy + ops.mean(overlap_loss)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the loss."""
        return {
            **super().get_config(),
            "smooth": self.smooth,
            "ignore_value": self.ignore_value,
        }


def adamw(steps: int, peak: float = 3e-3, warmup: float = 0.1) -> keras.optimizers.Optimizer:
    """AdamW [1]_ whose learning rate rises, then falls to 0 along a cosine [2]_ at the last step.

    Parameters
    ----------
    steps : int
        Training steps in all, at least 2.
    peak : float
        Highest learning rate.
    warmup : float
        Share of the steps spent rising.

    Returns
    -------
    keras.optimizers.Optimizer

    Raises
    ------
    ValueError
        If there are fewer than two steps, or the warm-up leaves none to fall.

    References
    ----------
    .. [1] Loshchilov, Hutter (2019), Decoupled Weight Decay Regularization, arXiv:1711.05101.
    .. [2] Loshchilov, Hutter (2017), SGDR, arXiv:1608.03983.

    Examples
    --------
    >>> optimizer = adamw(steps=100)
    >>> [round(float(optimizer._learning_rate(step)), 5) for step in (0, 10, 55, 100)]
    [0.0, 0.003, 0.0015, 0.0]
    """
    if steps < 2:
        raise ValueError(
            f"steps must be at least 2, found {steps}: give the whole training's steps"
        )
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup must be from 0 to below 1, found {warmup}: try 0.1")
    rising = max(1, round(steps * warmup))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=steps - rising, warmup_target=peak, warmup_steps=rising
    )
    return keras.optimizers.AdamW(schedule)


def fast_precision() -> str:
    """The Keras dtype policy that trains fastest on this machine without losing quality.

    Returns
    -------
    str
        ``"mixed_bfloat16"`` where the processor multiplies bfloat16 in hardware (AVX512-BF16 or
        AMX; without it bfloat16 is slower than float32), else ``"float32"``.

    Examples
    --------
    >>> fast_precision() in ("mixed_bfloat16", "float32")
    True
    """
    # Linux tells the processor's abilities in a file; elsewhere float32 is right everywhere.
    about = Path("/proc/cpuinfo")
    flags = about.read_text() if about.exists() else ""
    able = any(flag in flags for flag in ("avx512_bf16", "amx_bf16"))
    return "mixed_bfloat16" if able else "float32"

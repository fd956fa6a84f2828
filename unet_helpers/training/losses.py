"""Other losses than the recipe's, for learners who want to compare: plain Keras objects.

All take class ids and probabilities, leave ignored pixels out, and take weights: ``fit`` hands them
on when batches are triples (images, masks, weights), or from its ``sample_weight``.
"""

from collections.abc import Sequence
from typing import Any

from unet_helpers import keras

ops = keras.ops


class _PixelLoss(keras.losses.Loss):
    """Turns what Keras gives into one-hot truth, probabilities and weights; subclasses judge."""

    def __init__(self, name: str, ignore_value: int | None = None, **kwargs: Any) -> None:
        # The batch's mean is taken here; Keras has nothing left to reduce.
        super().__init__(name=name, **{**kwargs, "reduction": None})
        self.ignore_value = ignore_value

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Loss of a batch, a number.

        Keras' own method would multiply the finished number by every weight: the weights belong
        inside the sums.
        """
        # float32 under every policy: bfloat16 cannot tell 0.999 from 1, whose logarithm is 0.
        said = ops.cast(ops.convert_to_tensor(y_pred), "float32")
        truth = ops.cast(ops.convert_to_tensor(y_true), "float32")
        if len(truth.shape) == len(said.shape):
            truth = truth[..., 0]
        labelled = ops.ones_like(truth)
        if self.ignore_value is not None:
            labelled = ops.cast(ops.not_equal(truth, self.ignore_value), "float32")
            truth = truth * labelled  # an ignored pixel becomes class 0 with weight 0
        weight = labelled
        if sample_weight is not None:
            weight = labelled * _like(sample_weight, truth)
        return self._judge(*_one_hot(truth, said), weight, labelled)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of a batch without weights."""
        return self(y_true, y_pred)

    def _judge(self, hot: Any, said: Any, weight: Any, labelled: Any) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the loss."""
        return {**super().get_config(), "ignore_value": self.ignore_value}


def _like(sample_weight: Any, truth: Any) -> Any:
    """Weights of images (batch,) or of pixels (batch, height, width[, 1]), fit for the truth."""
    weight = ops.cast(ops.convert_to_tensor(sample_weight), "float32")
    if len(weight.shape) > len(truth.shape):
        return weight[..., 0]
    missing = len(truth.shape) - len(weight.shape)
    return ops.reshape(weight, (*ops.shape(weight), *[1] * missing))


def _one_hot(truth: Any, said: Any) -> tuple[Any, Any]:
    """Truth and probabilities with one channel for each class; one output means two classes."""
    if said.shape[-1] == 1:
        return (
            ops.stack([1 - truth, truth], axis=-1),
            ops.concatenate([1 - said, said], axis=-1),
        )
    return ops.one_hot(ops.cast(truth, "int32"), said.shape[-1], dtype="float32"), said


def _log_of_truth(hot: Any, said: Any) -> tuple[Any, Any]:
    """Probability given to the true class of each pixel, kept from 0 and 1, and its logarithm."""
    tiny = keras.config.epsilon()
    given = ops.clip(ops.sum(hot * said, axis=-1), tiny, 1 - tiny)
    return given, ops.log(given)


def _mean(loss: Any, weight: Any, labelled: Any) -> Any:
    return ops.sum(loss * weight) / ops.maximum(ops.sum(labelled), 1)


@keras.saving.register_keras_serializable("unet_helpers")
class WeightedCrossentropy(_PixelLoss):
    r"""Cross-entropy in which every pixel has its own weight, as in the U-Net paper [1]_.

    .. math:: -\frac{1}{N} \sum_x w(x) \log p_{\mathrm{truth}}(x)

    over the :math:`N` labelled pixels; the paper's equation 1 is the sum instead of the mean.
    Without weights it is plain cross-entropy. `border_weights` makes the paper's weights.

    Parameters
    ----------
    ignore_value : int, optional
        Truth value of pixels that do not count.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox (2015), U-Net: Convolutional Networks for Biomedical Image
       Segmentation, MICCAI, doi:10.1007/978-3-319-24574-4_28, equation 1.

    Examples
    --------
    >>> loss = WeightedCrossentropy()
    >>> truth, said = [[[[1.0]], [[0.0]]]], [[[[0.5]], [[0.5]]]]
    >>> round(float(loss(truth, said)), 3)
    0.693
    >>> round(float(loss(truth, said, sample_weight=[[[3.0], [1.0]]])), 3)
    1.386
    """

    def __init__(
        self, ignore_value: int | None = None, name: str = "weighted_crossentropy", **kwargs: Any
    ) -> None:
        super().__init__(name, ignore_value, **kwargs)

    def _judge(self, hot: Any, said: Any, weight: Any, labelled: Any) -> Any:
        return _mean(-_log_of_truth(hot, said)[1], weight, labelled)


@keras.saving.register_keras_serializable("unet_helpers")
class Focal(_PixelLoss):
    r"""Focal loss [1]_: cross-entropy in which pixels that are nearly right hardly count.

    .. math:: -\frac{1}{N} \sum \alpha_t (1 - p_t)^\gamma \log p_t

    with :math:`p_t` the probability given to the pixel's true class. The mean runs over all
    labelled pixels, where [1]_ divides by the number of objects.

    Parameters
    ----------
    gamma : float
        At least 0: how strongly pixels that are nearly right are held back; 0 is cross-entropy.
    alpha : float or sequence of float, optional
        Weight of the foreground, 0 to 1, the background's being ``1 - alpha`` ([1]_ takes 0.25);
        or one weight for each class. All 1 by default.
    ignore_value : int, optional
        Truth value of pixels that do not count.

    Raises
    ------
    ValueError
        If `gamma` is negative or `alpha` no weight.

    References
    ----------
    .. [1] Lin, Goyal, Girshick, He, Dollár (2017), Focal Loss for Dense Object Detection, ICCV,
       arXiv:1708.02002, equation 5.

    Examples
    --------
    >>> loss = Focal(gamma=2)
    >>> sure, unsure = (float(loss([[[[1.0]]]], [[[[p]]]])) for p in (0.9, 0.6))
    >>> round(unsure / sure)  # plain cross-entropy: 5
    78
    """

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float | Sequence[float] | None = None,
        ignore_value: int | None = None,
        name: str = "focal",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, ignore_value, **kwargs)
        if not gamma >= 0:
            raise ValueError(f"gamma must be at least 0, found {gamma}: try 2, as the paper does")
        self.gamma, self.alpha = gamma, alpha if alpha is None else _class_weights(alpha)

    def _judge(self, hot: Any, said: Any, weight: Any, labelled: Any) -> Any:
        given, log = _log_of_truth(hot, said)
        if self.alpha is not None:
            if len(self.alpha) != hot.shape[-1]:
                raise ValueError(
                    f"alpha must hold one weight for each of the {hot.shape[-1]} classes, found "
                    f"{len(self.alpha)}: give as many as the model has outputs"
                )
            weight = weight * ops.sum(hot * ops.convert_to_tensor(self.alpha, "float32"), axis=-1)
        return _mean(-((1 - given) ** self.gamma) * log, weight, labelled)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the loss."""
        return {**super().get_config(), "gamma": self.gamma, "alpha": self.alpha}


def _class_weights(alpha: float | Sequence[float]) -> list[float]:
    weights = [1 - alpha, alpha] if isinstance(alpha, (int, float)) else [float(a) for a in alpha]
    if not all(weight >= 0 for weight in weights):
        raise ValueError(
            f"alpha must be from 0 to 1, or one weight for each class, found {alpha}: try "
            "0.25, as the paper does"
        )
    return weights


@keras.saving.register_keras_serializable("unet_helpers")
class Tversky(_PixelLoss):
    r"""Tversky loss [1]_: an overlap in which false alarms and misses have their own weights.

    .. math:: 1 - \frac{TP + s}{TP + \alpha FP + \beta FN + s}

    with soft counts, summed over the batch's probabilities; with several channels the mean over
    all classes but 0. ``alpha = beta = 0.5`` is the Dice loss, ``1`` and ``1`` that of the IoU.
    A `gamma` above 1 gives the focal Tversky loss [2]_, its :math:`1/\gamma`-th power.

    Parameters
    ----------
    alpha, beta : float
        Weights of false alarms and of misses; [1]_ found 0.3 and 0.7 best for small lesions.
    gamma : float
        1, or above it for the focal Tversky loss; [2]_ takes 4/3.
    smooth : float
        :math:`s`, in pixels: keeps the fraction defined when a batch has no foreground.
    ignore_value : int, optional
        Truth value of pixels that do not count.

    Raises
    ------
    ValueError
        If a weight is negative, `gamma` not above 0 or `smooth` not above 0.

    References
    ----------
    .. [1] Salehi, Erdogmus, Gholipour (2017), Tversky Loss Function for Image Segmentation Using
       3D Fully Convolutional Deep Networks, MLMI, arXiv:1706.05721.
    .. [2] Abraham, Khan (2019), A Novel Focal Tversky Loss Function with Improved Attention U-Net
       for Lesion Segmentation, ISBI, arXiv:1810.07842.

    Examples
    --------
    >>> loss = Tversky(smooth=1e-6)
    >>> alarm = float(loss([[[[1.0]], [[0.0]]]], [[[[1.0]], [[1.0]]]]))
    >>> miss = float(loss([[[[1.0]], [[1.0]]]], [[[[1.0]], [[0.0]]]]))
    >>> round(alarm, 3), round(miss, 3)
    (0.231, 0.412)
    """

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        gamma: float = 1.0,
        smooth: float = 1.0,
        ignore_value: int | None = None,
        name: str = "tversky",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, ignore_value, **kwargs)
        if not (alpha >= 0 and beta >= 0 and gamma > 0 and smooth > 0):
            raise ValueError(
                "alpha and beta must be at least 0, gamma and smooth above 0, found "
                f"{alpha}, {beta}, {gamma} and {smooth}: leave them out for the defaults"
            )
        self.alpha, self.beta, self.gamma, self.smooth = alpha, beta, gamma, smooth

    def _judge(self, hot: Any, said: Any, weight: Any, labelled: Any) -> Any:
        hot, said, weight = hot[..., 1:], said[..., 1:], weight[..., None]
        over = tuple(range(len(hot.shape) - 1))
        hits, alarms, misses = (
            ops.sum(part * weight, axis=over)
            for part in (hot * said, (1 - hot) * said, hot * (1 - said))
        )
        wrong = self.alpha * alarms + self.beta * misses
        # The error's own fraction, not 1 minus the overlap's: no digits are lost near 0.
        loss = wrong / (hits + wrong + self.smooth)
        if self.gamma != 1:
            # A root is infinitely steep at 0.
            loss = ops.maximum(loss, keras.config.epsilon()) ** (1 / self.gamma)
        return ops.mean(loss)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the loss."""
        own = ("alpha", "beta", "gamma", "smooth")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


@keras.saving.register_keras_serializable("unet_helpers")
class SoftDice(_PixelLoss):
    r"""Soft Dice loss alone: the second half of `BceDice`, with the same sums.

    Its gradient fades where all probabilities are near 0 or 1; cross-entropy beside it helps.

    Parameters
    ----------
    smooth : float
        In pixels: keeps the fraction defined when a batch has no foreground.
    ignore_value : int, optional
        Truth value of pixels that do not count.

    Notes
    -----
    Formula and source: `BceDice`.

    Examples
    --------
    >>> round(float(SoftDice(smooth=1e-6)([[[[1.0]], [[0.0]]]], [[[[0.5]], [[0.5]]]])), 3)
    0.5
    """

    def __init__(
        self,
        smooth: float = 1.0,
        ignore_value: int | None = None,
        name: str = "soft_dice",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, ignore_value, **kwargs)
        if not smooth > 0:
            raise ValueError(f"smooth must be above 0, found {smooth}: leave it out for 1 pixel")
        self.smooth = smooth

    def _judge(self, hot: Any, said: Any, weight: Any, labelled: Any) -> Any:
        hot, said, weight = hot[..., 1:], said[..., 1:], weight[..., None]
        over = tuple(range(len(hot.shape) - 1))
        overlap = ops.sum(hot * said * weight, axis=over)
        total = ops.sum((hot + said) * weight, axis=over)
        return ops.mean(1 - (2 * overlap + self.smooth) / (total + self.smooth))

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the loss."""
        return {**super().get_config(), "smooth": self.smooth}

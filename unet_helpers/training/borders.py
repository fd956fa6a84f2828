"""The U-Net paper's weights: pixels between two close cells count more than others."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from unet_helpers.evaluation.objects import label_objects

if TYPE_CHECKING:
    import tensorflow as tf


def border_weights(
    mask: ArrayLike,
    instances: ArrayLike | None = None,
    *,
    w0: float = 10.0,
    sigma: float = 5.0,
    class_weights: Sequence[float] | None = None,
    ignore_value: int | None = None,
) -> NDArray[np.float32]:
    r"""Weights that make a net learn the narrow gaps between objects (U-Net paper, equation 2).

    .. math:: w(x) = w_c(x) + w_0 \exp\left(-\frac{(d_1(x) + d_2(x))^2}{2 \sigma^2}\right)

    where :math:`d_1` and :math:`d_2` are the distances from a background pixel to the nearest and
    the second nearest object. Inside objects, and with fewer than two, only :math:`w_c` is left.

    Parameters
    ----------
    mask : array_like of int, shape (height, width)
        Class ids, 0 for background.
    instances : array_like of int, shape (height, width), optional
        0 for background, then one number for each object. Without it each connected piece of the
        foreground is an object: two that touch then count as one.
    w0 : float
        Weight added in the narrowest gap, at least 0.
    sigma : float
        In pixels, above 0: gaps up to about this width get a high weight.
    class_weights : sequence of float, optional
        :math:`w_c`, one for each class; all 1 by default. The paper balances the classes:
        ``1 / (classes * share)`` with the shares of ``samples.class_share()`` does that.
    ignore_value : int, optional
        Mask value of pixels that do not count: they get weight 0.

    Returns
    -------
    ndarray of float32, shape (height, width)
        Exact but for contributions below ``w0 * 2e-8``, from gaps wider than six sigma.

    Raises
    ------
    ValueError
        If the shapes differ or are not flat, a setting is out of range, or a class has no weight.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox (2015), U-Net: Convolutional Networks for Biomedical Image
       Segmentation, MICCAI, doi:10.1007/978-3-319-24574-4_28, equation 2.

    Examples
    --------
    >>> border_weights([[1, 0, 1, 1, 1]]).round(2).tolist()
    [[1.0, 10.229999542236328, 1.0, 1.0, 1.0]]
    """
    ids = np.asarray(mask)
    _check(ids, instances, w0, sigma)
    ignored = np.zeros(ids.shape, bool) if ignore_value is None else ids == ignore_value
    ids = np.where(ignored, 0, ids)
    weights = _of_classes(ids, class_weights)
    objects = label_objects(ids > 0) if instances is None else np.asarray(instances)
    near, next_near = _two_nearest(objects, math.ceil(6 * sigma))
    gap = (objects == 0) & (ids == 0)
    weights += np.where(gap, w0 * np.exp(-((near + next_near) ** 2) / (2 * sigma**2)), 0)
    return np.where(ignored, 0, weights).astype(np.float32)


def weighted(dataset: "tf.data.Dataset", *, workers: int = 2, **settings: Any) -> "tf.data.Dataset":
    """Give the batches of a pipeline their `border_weights`, for ``fit``.

    The objects are the connected pieces of each crop's foreground.

    Parameters
    ----------
    dataset : tf.data.Dataset
        Pairs (images, masks), as `batches` makes them.
    workers : int
        Batches in the making at once.
    **settings
        Of `border_weights`: ``w0``, ``sigma``, ``class_weights``, ``ignore_value``.

    Returns
    -------
    tf.data.Dataset
        Triples (images, masks, weights); weights are float32, (batch, height, width, 1).

    Examples
    --------
    >>> from unet_helpers import batches, load
    >>> crops = weighted(batches(load("cells")[:1], size=32, batch_size=2))
    >>> [tuple(part.shape) for part in next(iter(crops))]
    [(2, 32, 32, 3), (2, 32, 32, 1), (2, 32, 32, 1)]
    """
    import tensorflow as tf

    def weigh(masks: NDArray[Any]) -> NDArray[np.float32]:
        return np.stack([border_weights(m[..., 0], **settings) for m in masks])[..., None]

    def prepare(images, masks):  # type: ignore[no-untyped-def]
        weights = tf.numpy_function(weigh, [masks], tf.float32)
        return images, masks, tf.ensure_shape(weights, masks.shape)

    return dataset.map(prepare, num_parallel_calls=workers, deterministic=True).prefetch(2)


def _check(ids: NDArray[Any], instances: ArrayLike | None, w0: float, sigma: float) -> None:
    if ids.ndim != 2:
        raise ValueError(
            f"mask must have the shape (height, width), found {ids.shape}: give one mask at a time"
        )
    if instances is not None and np.shape(instances) != ids.shape:
        raise ValueError(
            f"instances must have the mask's shape {ids.shape}, found {np.shape(instances)}: give "
            "those of the same image"
        )
    if not (w0 >= 0 and sigma > 0):
        raise ValueError(
            f"w0 must be at least 0 and sigma above 0, found {w0} and {sigma}: the paper takes 10 "
            "and 5 pixels"
        )


def _of_classes(ids: NDArray[Any], class_weights: Sequence[float] | None) -> NDArray[np.float64]:
    if class_weights is None:
        return np.ones(ids.shape)
    if ids.size and not 0 <= ids.min() <= ids.max() < len(class_weights):
        raise ValueError(
            f"class_weights must hold a weight for each class id up to {ids.max()}, found "
            f"{len(class_weights)}: add the missing ones, or name pixels that do not count with "
            "ignore_value"
        )
    return np.asarray(class_weights, float)[ids]


def _two_nearest(objects: NDArray[Any], reach: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Distance from each pixel to the nearest and second nearest object; infinite beyond `reach`.

    Each object is looked at in a window of its own, so that many small ones stay cheap.
    """
    near = np.full(objects.shape, np.inf)
    next_near = np.full(objects.shape, np.inf)
    # Ids may have holes, and a mask of one-based ids without any costs find_objects its length.
    numbers = np.unique(objects, return_inverse=True)[1].reshape(objects.shape)
    numbers += int(objects.size > 0 and objects.min() > 0)  # no background at all
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        window = tuple(slice(max(s.start - reach, 0), s.stop + reach) for s in box)
        away = ndimage.distance_transform_edt(numbers[window] != number)
        away = np.where(away <= reach, away, np.inf)
        first, second = near[window], next_near[window]  # views
        np.minimum(second, np.maximum(first, away), out=second)
        np.minimum(first, away, out=first)
    return near, next_near

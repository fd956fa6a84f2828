"""A trained model's prediction for images of any size: pad, predict, crop."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unet_helpers import keras
from unet_helpers.data.samples import Sample, Samples
from unet_helpers.model.padding import run_padded


def predict(model: keras.Model, image: ArrayLike) -> NDArray[np.float32]:
    """Predict the class probabilities of one image, whatever its height and width.

    The image is mirrored at its lower and right edges up to the next size that the model takes,
    and the prediction is cropped back.

    Parameters
    ----------
    model : keras.Model
        A U-Net, best built with ``input_size=(None, None, channels)``.
    image : array_like of float, shape (height, width, channels) or (height, width)
        Scaled as in training, 0 to 1.

    Returns
    -------
    ndarray of float32, shape (height, width, outputs)
        Probabilities.

    Raises
    ------
    ValueError
        If the image has another number of axes or channels than the model takes, is not scaled
        (whole numbers, or floats up to 255), holds NaN, or is larger than a model of fixed size
        takes.
    """
    if isinstance(image, (Sample, Samples, str)):
        raise ValueError(
            f"image must be one array of pixels, found a {type(image).__name__}: give "
            "sample.image, or use predict_samples() for a collection"
        )
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    _check(model, pixels)
    return run_padded(model, pixels)


def _check(model: keras.Model, pixels: NDArray[np.generic]) -> None:
    channels = model.input_shape[-1]
    if pixels.ndim != 3 or pixels.shape[2] != channels or not pixels.size:
        raise ValueError(
            f"image must have the shape (height, width, {channels}) that the model was built for, "
            f"found {pixels.shape}: convert the image, or build the model for its channels"
        )
    if pixels.dtype.kind != "f":
        raise ValueError(
            f"image must hold floats from 0 to 1, found dtype {pixels.dtype}: divide by its "
            "largest possible value, 255 for uint8 (Samples do that for you)"
        )
    if not np.isfinite(pixels).all() or pixels.max() > 10:
        raise ValueError(
            f"image must hold numbers from 0 to 1, found a maximum of {pixels.max():g}: divide by "
            "the largest possible value, 255 for 8 bits, and look for NaN"
        )
    fixed = model.input_shape[1:3]
    if any(f is not None and length > f for f, length in zip(fixed, pixels.shape, strict=False)):
        raise ValueError(
            f"image must fit into the {fixed[0]} x {fixed[1]} pixels that the model was built for, "
            f"found {pixels.shape[0]} x {pixels.shape[1]}: build it with "
            f"input_size=(None, None, {channels})"
        )


def predict_samples(model: keras.Model, samples: Samples) -> list[NDArray[np.float32]]:
    """Predict every sample; a list, because sizes may differ.

    Parameters
    ----------
    model : keras.Model
    samples : Samples

    Returns
    -------
    list of ndarray of float32, each of shape (height, width, outputs)
    """
    return [predict(model, sample.image) for sample in samples]


def to_mask(probabilities: ArrayLike, threshold: float = 0.5) -> NDArray[np.uint8]:
    """Turn probabilities into class ids.

    Parameters
    ----------
    probabilities : array_like of float, shape (height, width, outputs)
        As `predict` gives them.
    threshold : float
        With one output, pixels above it become 1. With several, the likeliest class counts.

    Returns
    -------
    ndarray of uint8, shape (height, width)

    Raises
    ------
    ValueError
        If there is no output axis.

    Examples
    --------
    >>> to_mask([[[0.2], [0.7]]]).tolist()
    [[0, 1]]
    """
    values = np.asarray(probabilities)
    if values.ndim != 3:
        raise ValueError(
            f"probabilities must have the shape (height, width, outputs), found {values.shape}: "
            "give what predict() returns"
        )
    if values.shape[-1] == 1:
        return (values[..., 0] > threshold).astype(np.uint8)
    return values.argmax(axis=-1).astype(np.uint8)

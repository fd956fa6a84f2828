"""A trained model's prediction for images of any size, at once or in tiles."""

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from unet_helpers import keras
from unet_helpers.data.samples import Sample, Samples
from unet_helpers.model.geometry import GLOBAL_NORMS
from unet_helpers.prediction.tiles import Source, predict_tiles, tiles

SYMMETRIES = (1, 4, 8)


def predict(
    model: keras.Model,
    image: ArrayLike,
    tile: int | None = None,
    *,
    batch_size: int = 1,
    symmetries: int = 1,
    progress: bool = False,
) -> NDArray[np.float32]:
    """Predict the class probabilities of one image, whatever its height and width.

    The image is mirrored at its edges up to the next size that the model takes, and the prediction
    is cropped back. Cut into tiles, it gives the same probabilities in less memory: each tile is
    predicted with as much around it as the model looks at.

    Parameters
    ----------
    model : keras.Model
        A U-Net, best built with ``input_size=(None, None, channels)``.
    image : array_like of float, shape (height, width, channels) or (height, width)
        Scaled as in training, 0 to 1.
    tile : int, optional
        Pixels a side of a tile, without what is around it; rounded up to whole steps of the model.
        By default the whole image is predicted at once.
    batch_size : int
        Tiles in one run of the model.
    symmetries : int
        Average over this many ways to hold the image: 4 mirror it in both directions, 8 turn it by
        a quarter too. It takes as many times as long.
    progress : bool
        Whether to show a bar that counts tiles.

    Returns
    -------
    ndarray of float32, shape (height, width, outputs)
        Probabilities.

    Warns
    -----
    UserWarning
        If tiles are asked for and the model normalises by the whole image (``norm="group"`` or
        ``"instance"``): then each tile is normalised by itself, and seams may show.

    Raises
    ------
    ValueError
        If the image has another number of axes or channels than the model takes, is not scaled
        (whole numbers, or floats up to 255), holds NaN, or is larger than a model of fixed size
        takes and no tiles are asked for; if another argument is out of range.

    Examples
    --------
    >>> from unet_helpers import unet
    >>> model = unet((None, None, 1), filters=4, depth=2)
    >>> image = np.random.default_rng(0).random((300, 201))
    >>> whole, tiled = predict(model, image), predict(model, image, tile=64)
    >>> whole.shape, bool(np.allclose(whole, tiled, atol=1e-5))
    ((300, 201, 1), True)
    """
    pixels = image_pixels(image)
    _check_numbers(tile, batch_size, symmetries)
    _check(model, pixels, tile)
    height, width = pixels.shape[:2]
    chosen = tiles(model, height, width, tile)
    if len(chosen) > 1:
        warn_of_global(global_norm(model))
    source, settings = Source(pixels), {"batch_size": batch_size, "symmetries": symmetries}
    made = np.empty((height, width, model.output_shape[-1]), np.float32)
    parts = predict_tiles(model, source, chosen, **settings)
    for part, output in tqdm(parts, "tiles", len(chosen), disable=not progress):
        made[part.place] = output
    return made


def image_pixels(image: ArrayLike) -> NDArray[np.generic]:
    """An image as an array with an axis for its channels."""
    if isinstance(image, (Sample, Samples, str)):
        raise ValueError(
            f"image must be one array of pixels, found a {type(image).__name__}: give "
            "sample.image, or use predict_samples() for a collection"
        )
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def global_norm(model: keras.Model) -> str | None:
    """The first layer that normalises by the whole image, if there is one."""
    named = (layer.name for layer in model.layers if isinstance(layer, GLOBAL_NORMS))
    return next(named, None)


def warn_of_global(layer: str | None) -> None:
    """Tell that tiles of such a model cannot be what the whole image would give."""
    if layer is not None:
        warnings.warn(
            f"model normalises by the whole image (layer {layer!r}), in tiles by each tile "
            'alone: expect seams, or train with norm="batch" and predict with tile=None',
            stacklevel=3,
        )


def _check_numbers(tile: int | None, batch_size: int, symmetries: int) -> None:
    for name, number in (("tile", tile), ("batch_size", batch_size)):
        if number is not None and (not isinstance(number, int | np.integer) or number < 1):
            raise ValueError(
                f"{name} must be a whole number of at least 1, found {number!r}: correct it"
            )
    if symmetries not in SYMMETRIES:
        raise ValueError(
            f"symmetries must be 1, 4 or 8, found {symmetries!r}: 4 mirrors, 8 turns too"
        )


def check_image(pixels: NDArray[np.generic], channels: int) -> None:
    """Refuse what is no image of so many channels, scaled to 0 to 1."""
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


def _check(model: keras.Model, pixels: NDArray[np.generic], tile: int | None) -> None:
    channels = model.input_shape[-1]
    check_image(pixels, channels)
    fixed = model.input_shape[1:3]
    if tile is None and any(
        f is not None and length > f for f, length in zip(fixed, pixels.shape, strict=False)
    ):
        raise ValueError(
            f"image must fit into the {fixed[0]} x {fixed[1]} pixels that the model was built for, "
            f"found {pixels.shape[0]} x {pixels.shape[1]}: build it with "
            f"input_size=(None, None, {channels}), or ask for tiles (tile={min(fixed)})"
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

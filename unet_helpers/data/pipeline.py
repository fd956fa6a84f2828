"""Batches for training: random crops, joint flips and quarter turns, fed through ``tf.data``.

A batch is a pure function of (samples, seed, batch number). That makes a run repeatable, and one
that was interrupted can go on with exactly the batches that it would have seen.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.samples import DataError, Samples, to_float

if TYPE_CHECKING:
    import tensorflow as tf

ORIENTATIONS = 8


def orient(array: NDArray[Any], which: int) -> NDArray[Any]:
    """Turn and flip an array: the eight ways to lay a square on itself (the dihedral group).

    Parameters
    ----------
    array : ndarray, shape (height, width, ...)
    which : int
        0 to 7: quarter turns ``which % 4``, and a left-right flip from 4 on. 0 changes nothing.

    Returns
    -------
    ndarray
        A view; pixel values are moved, never mixed, so masks stay class ids.

    Examples
    --------
    >>> orient(np.array([[1, 2], [3, 4]]), 1).tolist()
    [[2, 4], [1, 3]]
    """
    turned = np.rot90(array, which % 4)
    return turned[:, ::-1] if which >= 4 else turned


def crop_batch(
    samples: Samples,
    number: int,
    *,
    size: int = 128,
    batch_size: int = 8,
    seed: int = 0,
    augment: bool = True,
    colour: float = 0.0,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Batch `number` of an endless sequence of random crops.

    Every image serves once before any serves twice; the order is shuffled anew in each round.

    Parameters
    ----------
    samples : Samples
        Where to cut from. An image smaller than `size` is mirrored at its edges first.
    number : int
        Which batch, from 0.
    size : int
        Pixels a side; a U-Net of depth d needs a multiple of 2**d.
    batch_size : int
        Crops in a batch.
    seed : int
        The same seed gives the same batches.
    augment : bool
        Whether to flip and turn image and mask, together.
    colour : float
        How far the brightness of each channel may vary, as a share, below 1; the mask stays.

    Returns
    -------
    images : ndarray of float32, shape (batch_size, size, size, channels)
        Values from 0 to 1.
    masks : ndarray of uint8, shape (batch_size, size, size, 1)
        Class ids.

    Raises
    ------
    ValueError
        If there are no samples.
    DataError
        If the images differ in their number of channels.

    Examples
    --------
    >>> from unet_helpers import load
    >>> images, masks = crop_batch(load("cells")[:2], 0, size=64, batch_size=2)
    >>> images.shape, masks.shape
    ((2, 64, 64, 3), (2, 64, 64, 1))
    """
    if not len(samples):
        raise ValueError("samples must hold at least one image, found none: check the split")
    rounds: dict[int, NDArray[np.int64]] = {}
    images, masks = [], []
    for position in range(number * batch_size, (number + 1) * batch_size):
        turn, place = divmod(position, len(samples))
        if turn not in rounds:
            rounds[turn] = np.random.default_rng([seed, 0, turn]).permutation(len(samples))
        rng = np.random.default_rng([seed, 1, position])
        image, mask = _crop(samples, int(rounds[turn][place]), size, rng)
        which = int(rng.integers(ORIENTATIONS)) if augment else 0
        images.append(_tint(to_float(orient(image, which)), colour, rng))
        masks.append(orient(mask, which)[..., None])
    _check_channels(images, samples)
    return np.stack(images), np.stack(masks)


def _crop(
    samples: Samples, index: int, size: int, rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any]]:
    image, mask, _ = samples.arrays(index)
    lack = [max(0, size - length) for length in mask.shape]
    if any(lack):
        around = [(missing // 2, missing - missing // 2) for missing in lack]
        image = np.pad(image, [*around, (0, 0)], mode="symmetric")
        mask = np.pad(mask, around, mode="symmetric")
    top, left = (int(rng.integers(length - size + 1)) for length in mask.shape)
    window = np.s_[top : top + size, left : left + size]
    return image[window], mask[window]


def _tint(
    image: NDArray[np.float32], strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Another lamp, another stain: multiply each channel by a factor within 1 +- `strength`."""
    if not strength:
        return image
    gain = np.asarray(rng.uniform(1 - strength, 1 + strength, image.shape[-1]), np.float32)
    return np.clip(image * gain, 0, 1)


def _check_channels(images: list[NDArray[np.float32]], samples: Samples) -> None:
    channels = {image.shape[-1] for image in images}
    if len(channels) > 1:
        raise DataError(
            f"images of {samples.name!r} must all have the same number of channels, found "
            f"{' and '.join(map(str, sorted(channels)))}: convert them all to grey or all to RGB"
        )


def batches(
    samples: Samples,
    *,
    size: int = 128,
    batch_size: int = 8,
    seed: int = 0,
    augment: bool = True,
    colour: float = 0.0,
    start: int = 0,
) -> "tf.data.Dataset":
    """An endless ``tf.data`` pipeline of `crop_batch`, prepared while the model works.

    Give ``model.fit`` its ``steps_per_epoch``, since the sequence never ends.

    Parameters
    ----------
    samples, size, batch_size, seed, augment, colour
        As in `crop_batch`.
    start : int
        Number of the first batch.

    Returns
    -------
    tf.data.Dataset
        Pairs (images, masks) as `crop_batch` returns them.

    Raises
    ------
    ValueError
        If there are no samples, at once and not when training starts.
    DataError
        As `crop_batch`, when the batch comes up.
    """
    import tensorflow as tf

    settings: dict[str, Any] = {
        "size": size,
        "batch_size": batch_size,
        "seed": seed,
        "augment": augment,
        "colour": colour,
    }
    images, masks = crop_batch(samples, start, **settings)

    def generate():  # type: ignore[no-untyped-def]
        number = start
        while True:
            yield crop_batch(samples, number, **settings)
            number += 1

    signature = (
        tf.TensorSpec(images.shape, tf.float32),
        tf.TensorSpec(masks.shape, tf.uint8),
    )
    return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(2)

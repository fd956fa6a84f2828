"""Batches for training: random crops, image and mask moved together, fed through ``tf.data``.

A batch is a pure function of (samples, seed, batch number). That makes a run repeatable, and one
that was interrupted can go on with exactly the batches that it would have seen.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.samples import DataError, Samples, to_float

if TYPE_CHECKING:
    import tensorflow as tf

ORIENTATIONS = 8
LAG = 4  # images that are dealt from one crop of an image to the next
Augment = bool | Callable[..., tuple[NDArray[np.float32], NDArray[Any]]]
Place = Callable[[Samples, int, int, np.random.Generator], tuple[int, tuple[int, int] | None]]


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

    Raises
    ------
    ValueError
        If `which` is not 0 to 7.

    Examples
    --------
    >>> orient(np.array([[1, 2], [3, 4]]), 1).tolist()
    [[2, 4], [1, 3]]
    """
    if not 0 <= which < ORIENTATIONS:
        raise ValueError(f"which must be 0 to 7, found {which}: there are eight orientations")
    turned = np.rot90(array, which % 4)
    return turned[:, ::-1] if which >= 4 else turned


def crop_batch(
    samples: Samples,
    number: int,
    *,
    size: int = 128,
    batch_size: int = 8,
    seed: int = 0,
    augment: Augment = True,
    colour: float = 0.0,
    meet: Place | None = None,
    reuse: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Batch `number` of an endless sequence of random crops.

    Every image serves once (`reuse` times) in each round; the order is shuffled anew every round.

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
    augment : bool or callable
        Whether to flip and turn image and mask, together; or an object such as `Augmentation`,
        called as ``augment(image, mask, seed=..., size=..., near=..., ignore_value=...)``.
    colour : float
        How far the brightness of each channel may vary, as a share, below 1; the mask stays.
    meet : callable, optional
        An object such as `Meet`, which centres a share of the crops on pixels of rare classes;
        called as ``meet(samples, image number, crop number, rng)``.
    reuse : int
        Crops to cut from an image before it is forgotten, for sets larger than memory: each image
        comes up this often, every ``LAG`` (4) newly dealt images, and is decoded once for all of
        them; about ``4 * reuse`` decoded images are kept meanwhile. 8 suits images of 1024 x 1024.

    Returns
    -------
    images : ndarray of float32, shape (batch_size, size, size, channels)
        Values from 0 to 1.
    masks : ndarray of uint8, shape (batch_size, size, size, 1)
        Class ids.

    Raises
    ------
    ValueError
        If there are no samples, `reuse` is below 1, or `colour` is not a share below 1.
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
    if reuse < 1:
        raise ValueError(f"reuse must be at least 1, found {reuse}: 1 cuts one crop an image")
    if not 0 <= colour < 1:
        raise ValueError(f"colour must be from 0 to below 1, found {colour}: 0.05 varies by 5 %")
    images, masks = [], []
    for position in range(number * batch_size, (number + 1) * batch_size):
        index = _dealt(position, len(samples), seed, reuse)
        rng = np.random.default_rng([seed, 1, position])
        index, near = meet(samples, index, position, rng) if meet else (index, None)
        image, mask, _ = samples.stored(index)
        if callable(augment):
            image, mask = augment(
                image, mask, seed=rng, size=size, near=near, ignore_value=samples.ignore_value
            )
        else:
            image, mask = _crop(image, mask, size, near, rng)
            which = int(rng.integers(ORIENTATIONS)) if augment else 0
            image, mask = to_float(orient(image, which)), orient(mask, which)
        images.append(_tint(image, colour, rng))
        masks.append(samples.relabel(mask)[..., None])
    _check_channels(images, samples)
    return np.stack(images), np.stack(masks)


def _dealt(position: int, total: int, seed: int, reuse: int) -> int:
    """The image that a crop is cut from.

    Every `reuse` crops a new image is dealt. The crops beside its first are second, third, ...
    crops of images dealt `LAG`, twice `LAG`, ... turns before, which are still in memory.
    """
    row, visit = divmod(position, reuse)
    turn, place = divmod(row + (reuse - 1 - visit) * LAG, total)
    return int(_order(seed, turn, total)[place])


@lru_cache(maxsize=8)
def _order(seed: int, turn: int, total: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 0, turn]).permutation(total)


def _crop(
    image: NDArray[Any],
    mask: NDArray[Any],
    size: int,
    near: tuple[int, int] | None,
    rng: np.random.Generator,
) -> tuple[NDArray[Any], NDArray[Any]]:
    lack = [max(0, size - length) for length in mask.shape]
    if any(lack):
        around = [(missing // 2, missing - missing // 2) for missing in lack]
        image = np.pad(image, [*around, (0, 0)], mode="symmetric")
        mask = np.pad(mask, around, mode="symmetric")
    if near is None:
        top, left = (int(rng.integers(length - size + 1)) for length in mask.shape)
    else:
        starts = [
            pixel + missing // 2 - size // 2 for pixel, missing in zip(near, lack, strict=True)
        ]
        top, left = (min(max(s, 0), n - size) for s, n in zip(starts, mask.shape, strict=True))
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
    augment: Augment = True,
    colour: float = 0.0,
    meet: Place | None = None,
    reuse: int = 1,
    start: int = 0,
    workers: int = 2,
) -> "tf.data.Dataset":
    """An endless ``tf.data`` pipeline of `crop_batch`, prepared while the model works.

    Give ``model.fit`` its ``steps_per_epoch``, since the sequence never ends.

    Parameters
    ----------
    samples, size, batch_size, seed, augment, colour, meet, reuse
        As in `crop_batch`.
    start : int
        Number of the first batch.
    workers : int
        Batches in the making at once. The order and the batches do not depend on it.

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
        "meet": meet,
        "reuse": reuse,
    }

    def make(number: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        return crop_batch(samples, int(number), **settings)

    shapes = [batch.shape for batch in make(start)]

    def prepare(number):  # type: ignore[no-untyped-def]
        batch = tf.numpy_function(make, [number], [tf.float32, tf.uint8])
        return tuple(map(tf.ensure_shape, batch, shapes))

    numbers = tf.data.Dataset.counter(start)
    return numbers.map(prepare, num_parallel_calls=workers, deterministic=True).prefetch(2)

"""What `fit` was given, as a few pairs in memory: from arrays, Samples or a stream of batches."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.data.pipeline import crop_batch
from unet_helpers.data.samples import Samples
from unet_helpers.model.geometry import size_multiple

Pair = tuple[NDArray[Any], NDArray[Any]]

MOST = 40  # pairs to look at
_BYTES = 3 << 26  # and no more than this of them
_CROP = 128
_ENDLESS = 400  # batches: more are taken for an endless stream


@dataclasses.dataclass(frozen=True)
class Shown:
    """Pairs of image and mask, just as a model would get them.

    Attributes
    ----------
    pairs : list of (image, mask)
        Shapes (height, width, channels) and (height, width[, classes]).
    samples : Samples or None
        Where they come from, if that is known.
    kind : str
        ``arrays``, ``samples`` or ``stream``.
    source : object
        What was given.
    """

    pairs: list[Pair]
    samples: Samples | None
    kind: str
    source: Any

    @property
    def weighted(self) -> bool:
        """Whether each batch brings weights of its pixels or images."""
        if isinstance(self.source, (tuple, list)):
            return len(self.source) == 3
        spec = getattr(self.source, "element_spec", None)
        if spec is None and isinstance(self.source, keras.utils.PyDataset):
            spec = self.source[0]
        return isinstance(spec, (tuple, list)) and len(spec) == 3

    @property
    def masks(self) -> list[NDArray[Any]]:
        """The masks."""
        return [mask for _, mask in self.pairs]

    @property
    def images(self) -> list[NDArray[Any]]:
        """The images."""
        return [image for image, _ in self.pairs]


def shown(data: Any, argument: str, model: keras.Model | None = None, most: int = MOST) -> Shown:
    """Take some pairs from what `fit` was given, spread over it where that is possible.

    Parameters
    ----------
    data : tuple of arrays, Samples, or iterable of batches
        Streams are begun anew, never continued.
    argument : str
        What it is called in messages.
    model : keras.Model, optional
        Tells the size of crops of Samples.
    most : int
        Pairs at most.

    Returns
    -------
    Shown

    Raises
    ------
    ValueError
        If it is none of these, is empty, or could be read only once.
    """
    if isinstance(data, Samples):
        return Shown(_of_samples(data, model, most), data, "samples", data)
    if isinstance(data, (tuple, list)) and 2 <= len(data) <= 3 and _is_array(data[0]):
        return Shown(_of_arrays(data[0], data[1], argument, most), None, "arrays", data)
    if isinstance(data, Iterator):
        raise ValueError(
            f"{argument} must be something that can be begun anew, found {type(data).__name__}, "
            "whose batches would be lost to the training: give the data set that makes it"
        )
    if isinstance(data, str) or not isinstance(data, Iterable):
        raise ValueError(
            f"{argument} must be (images, masks), Samples or a stream of batches, found "
            f"{type(data).__name__}: give what you give to fit"
        )
    return Shown(_of_stream(batches_of(data), argument, most), None, "stream", data)


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and hasattr(value, "shape") and len(value.shape) >= 3


def batches_of(stream: Any) -> Iterator[Pair]:
    """Batches of a stream as pairs of arrays (images, masks); sample weights are left out.

    Parameters
    ----------
    stream : iterable of (images, masks) or (images, masks, weights)

    Yields
    ------
    images, masks : ndarray
    """
    if isinstance(stream, keras.utils.PyDataset):
        number = stream.num_batches
        total = _ENDLESS if number is None else number
        stream = (stream[index] for index in range(total))
    for batch in stream:
        images, masks = batch[:2]
        yield np.asarray(images), np.asarray(masks)


def _of_samples(samples: Samples, model: keras.Model | None, most: int) -> list[Pair]:
    if not len(samples):
        raise ValueError("samples must hold at least one image, found none: check the split")
    size = crop_size(model)
    chosen = samples[spread(len(samples), most)]
    count = len(chosen)
    images, masks = crop_batch(chosen, 0, size=size, batch_size=count, augment=False)
    return list(zip(images, masks, strict=True))


def crop_size(model: keras.Model | None) -> int:
    """Side of the crops that a model is probed with: its own, or 128 rounded to what it divides."""
    shape = getattr(model, "input_shape", None)
    fixed = [s for s in (shape or ())[1:3] if isinstance(s, int)]
    if fixed:
        return min(fixed)
    try:
        step = size_multiple(model) if model is not None else 1
    except (AttributeError, TypeError):
        step = 16
    return max(_CROP // step, 1) * step


def spread(total: int, most: int) -> list[int]:
    """At most so many indices, evenly spread.

    Examples
    --------
    >>> spread(3, 5), spread(10, 4)
    ([0, 1, 2], [0, 3, 6, 9])
    """
    if total <= most:
        return list(range(total))
    return [round(i * (total - 1) / (most - 1)) for i in range(most)]


def _of_arrays(images: Any, masks: Any, argument: str, most: int) -> list[Pair]:
    if not len(images) or len(images) != len(masks):
        raise ValueError(
            f"{argument} must hold as many masks as images and at least one, found {len(images)} "
            f"images and {len(masks)} masks: give the arrays that you give to fit"
        )
    size = max(int(np.prod(images.shape[1:])) * 4, 1)
    most = max(2, min(most, _BYTES // size))
    return [(np.asarray(images[i]), np.asarray(masks[i])) for i in spread(len(images), most)]


def _of_stream(batches: Iterator[Pair], argument: str, most: int) -> list[Pair]:
    pairs: list[Pair] = []
    used = 0
    for images, masks in batches:
        if images.ndim < 3 or len(images) != len(masks):
            raise ValueError(
                f"{argument} must give batches (images, masks) of equal length, found shapes "
                f"{images.shape} and {masks.shape}: batch the stream first"
            )
        pairs += list(zip(images, masks, strict=True))
        used += images.nbytes
        if len(pairs) >= most or used > _BYTES:
            break
    if not pairs:
        raise ValueError(f"{argument} must hold at least one batch, found none: check the stream")
    return pairs[:most]


def first_batches(stream: Any, count: int) -> list[Pair]:
    """The first batches of a stream, begun anew.

    Parameters
    ----------
    stream : iterable
    count : int

    Returns
    -------
    list of (images, masks)
    """
    return list(itertools.islice(batches_of(stream), count))


def as_batch(pairs: Sequence[Pair], count: int) -> Pair:
    """A batch of the pairs that show most foreground, for one step needs something to learn.

    Parameters
    ----------
    pairs : sequence of (image, mask)
    count : int

    Returns
    -------
    images, masks : ndarray
        Of the first pair's size; pairs of other sizes are left out.
    """
    alike = [
        p for p in pairs if p[0].shape == pairs[0][0].shape and p[1].shape == pairs[0][1].shape
    ]
    order = sorted(range(len(alike)), key=lambda i: -float(np.mean(alike[i][1] > 0)))
    chosen = [alike[i] for i in sorted(order[: max(count // 2, 1)])]
    rest = [alike[i] for i in range(len(alike)) if i not in order[: max(count // 2, 1)]]
    chosen += rest[: count - len(chosen)]
    images, masks = (np.stack([pair[k] for pair in chosen]) for k in (0, 1))
    return images, masks

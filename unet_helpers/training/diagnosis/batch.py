"""The batch that a model is tried on: small enough for a dozen steps within seconds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.training.diagnosis.probe import predict_with
from unet_helpers.training.diagnosis.stream import Pair, as_batch

_LARGE = 3_000_000  # weights: a step of such a model takes seconds
_SIDE, _COUNTS = 64, {False: 8, True: 2}  # pixels a side, and images for small and large models


def probing_batch(model: keras.Model, pairs: Sequence[Pair]) -> Pair:
    """Put a batch together: those with most foreground and some others, cut where that helps.

    Parameters
    ----------
    model : keras.Model
    pairs : sequence of (image, mask)

    Returns
    -------
    images, masks : ndarray
    """
    count = _COUNTS[model.count_params() > _LARGE]
    cut = [_window(image, mask, _SIDE) for image, mask in pairs]
    batch = as_batch(cut, count)
    if _takes(model, batch[0]):
        return batch
    return as_batch(pairs, 2)


def _window(image: NDArray[Any], mask: NDArray[Any], side: int) -> Pair:
    """The window, of four in each direction, that holds most foreground."""
    height, width = image.shape[:2]
    if height <= side and width <= side:
        return image, mask
    tops, lefts = (
        np.unique(np.linspace(0, max(length - side, 0), 4).astype(int))
        for length in (height, width)
    )
    hot = mask.ndim == 3 and mask.shape[-1] > 1
    plane = np.asarray(mask[..., 1:].any(-1) if hot else mask > 0)
    places = [(top, left) for top in tops for left in lefts]
    top, left = max(places, key=lambda p: plane[p[0] : p[0] + side, p[1] : p[1] + side].mean())
    window = np.s_[top : top + side, left : left + side]
    return image[window], mask[window]


def _takes(model: keras.Model, images: NDArray[Any]) -> bool:
    """Whether a model made for other sizes works on this one, as all but dense layers do."""
    try:
        output = predict_with(model, images[:1])
    except Exception:  # whatever its layers say
        return False
    return output.shape[:3] == (1, *images.shape[1:3])

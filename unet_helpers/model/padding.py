"""A model run on an image of any size: mirrored up to a size that it takes, and cropped back."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.model.geometry import sizes


def run_padded(
    model: keras.Model,
    image: NDArray[np.floating[Any]],
    call: Callable[[NDArray[np.float32]], Any] | None = None,
) -> NDArray[np.float32]:
    """Run the model on one image, mirrored at its edges up to the next size that it takes.

    A model with padding of its own needs more rows and columns only at the lower and right edges;
    one without needs its margin on every side.

    Parameters
    ----------
    model : keras.Model
        A U-Net; of fixed size, its size is the one taken.
    image : ndarray of float, shape (height, width, channels)
        Scaled as in training.
    call : callable, optional
        Runs the model on a batch of one; ``model.predict_on_batch`` by default, which is fast once
        it has traced its graph.

    Returns
    -------
    ndarray of float32, shape (height, width, outputs)

    Examples
    --------
    >>> from unet_helpers import unet
    >>> run_padded(unet((None, None, 1), filters=4, depth=2), np.zeros((5, 7, 1))).shape
    (5, 7, 1)
    """
    rule = sizes(model)
    padding = [(0, 0)] * 3
    for axis, fixed in enumerate(model.input_shape[1:3]):
        whole = fixed or rule.fitting(image.shape[axis])
        padding[axis] = (rule.margin, whole - image.shape[axis] - rule.margin)
    padded = np.pad(image.astype(np.float32, copy=False), padding, mode="symmetric")
    output = (call or model.predict_on_batch)(padded[None])
    found: NDArray[np.float32] = keras.ops.convert_to_numpy(output).astype(np.float32, copy=False)
    return found[0, : image.shape[0], : image.shape[1]]

"""What a recipe is held against: the common recipe of tutorials, for a given time."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import Samples, Scores, keras, predict_samples, score_images, to_mask, unet

BATCH, SIZE = 8, 256


class _Until(keras.callbacks.Callback):
    """Ends a training after these seconds."""

    def __init__(self, end: float) -> None:
        super().__init__()
        self.end, self.steps = end, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count, and look at the clock."""
        self.steps += 1
        if time.perf_counter() >= self.end:
            self.model.stop_training = True


def common(
    train_part: Samples, test: Samples, seconds: float, filters: int, seed: int = 0
) -> tuple[Scores, int]:
    """The common tutorial recipe, for a time: no normalisation, adam, cross-entropy, batches of 8.

    Returns its scores on `test` and the number of steps that it made.
    """
    images, masks = _squares(train_part)
    keras.utils.set_random_seed(seed)
    until = _Until(time.perf_counter() + seconds)
    model = unet((None, None, images.shape[-1]), filters=filters, norm=None)
    model.compile(optimizer="adam", loss="binary_crossentropy")
    model.fit(images, masks, batch_size=BATCH, epochs=10_000, callbacks=[until], verbose=0)
    found = [to_mask(p) for p in predict_samples(model, test)]
    return score_images(test, found), until.steps


def _squares(samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The middle of every image, mirrored where it is smaller; ignored pixels are background."""
    longest = max(max(sample.mask.shape) for sample in samples)
    side = min(SIZE, -(-longest // 16) * 16)

    def square(array: NDArray[Any]) -> NDArray[Any]:
        lack = [max(0, side - length) for length in array.shape[:2]]
        around = [(n // 2, n - n // 2) for n in lack] + [(0, 0)] * (array.ndim - 2)
        array = np.pad(array, around, mode="symmetric")
        top, left = ((length - side) // 2 for length in array.shape[:2])
        return array[top : top + side, left : left + side]

    images = np.stack([square(sample.image) for sample in samples])
    masks = np.stack([square(sample.mask) for sample in samples])[..., None]
    return images, np.where(masks == samples.ignore_value, 0, masks).astype(np.uint8)

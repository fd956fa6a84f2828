"""Scores while training runs: pooled over the validation images, counted in whole numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.scores import Scores, dice, score_images
from unet_helpers.model.geometry import run_padded

PIXELS = 1 << 21  # about 32 images of 256 x 256: enough to choose by, in a second or so


def masks(model: keras.Model, samples: Samples) -> Iterator[NDArray[np.uint8]]:
    """Predict class ids for whole images, one at a time.

    Parameters
    ----------
    model : keras.Model
        One output: foreground above 0.5. Several: the likeliest class.
    samples : Samples

    Yields
    ------
    ndarray of uint8, shape (height, width)
    """
    for sample in samples:
        values = run_padded(model, sample.image)
        ids = values[..., 0] > 0.5 if values.shape[-1] == 1 else values.argmax(axis=-1)
        yield ids.astype(np.uint8)


def pooled_dice(scores: Scores) -> float:
    """Pooled Dice of the foreground; of several classes, their mean without the background."""
    if len(scores.class_names) == 2:
        return scores.dice()
    return scores.over_classes(dice, background=False)


def spread_out(samples: Samples, pixels: int = PIXELS) -> Samples:
    """At most so many images, spread over the set, that they hold about `pixels` pixels."""
    first = samples.arrays(0).mask.size
    number = min(len(samples), max(1, pixels // first))
    places = np.linspace(0, len(samples) - 1, number).round().astype(int)
    chosen: Samples = samples[sorted(set(places.tolist()))]
    return chosen


class Validate(keras.callbacks.Callback):
    """Add the pooled Dice of validation images, ``val_dice``, to the log of each epoch.

    Parameters
    ----------
    samples : Samples
        Whole images of any size; of many, some that are spread over the set.
    """

    def __init__(self, samples: Samples) -> None:
        super().__init__()
        self.samples = spread_out(samples)

    def score(self) -> float:
        """Pooled Dice of the model as it is, 0 to 1; NaN where nothing is foreground."""
        return pooled_dice(score_images(self.samples, masks(self.model, self.samples)))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Score the epoch that has just ended."""
        if logs is not None:
            logs["val_dice"] = self.score()

"""Whole numbers of 8 bits instead of floats: windows to calibrate with, and what it costs."""

import math

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.scores import score_images
from unet_helpers.model.geometry import sizes
from unet_helpers.prediction.export import Exported, usual_side
from unet_helpers.prediction.predict import predict, to_mask
from unet_helpers.prediction.tiles import Source, Span

WINDOWS = 100


def calibration_windows(
    model: keras.Model, samples: Samples, number: int = WINDOWS, side: int | None = None
) -> NDArray[np.float32]:
    """Cut windows from training images, evenly from all of them.

    A converter runs the model on them and notes the range of every activation; 8 bits are then
    spread over that range [1]_.

    Parameters
    ----------
    model : keras.Model
    samples : Samples
        Training images: what is scored later must not serve here.
    number : int
        How many windows.
    side : int, optional
        Their height and width; what `export` would choose by default.

    Returns
    -------
    ndarray of float32, shape (number, side, side, channels)

    References
    ----------
    .. [1] Jacob et al. (2018), Quantization and Training of Neural Networks for Efficient
       Integer-Arithmetic-Only Inference, CVPR, doi:10.1109/CVPR.2018.00286.

    Examples
    --------
    >>> from unet_helpers import load, unet
    >>> model = unet((None, None, 3), filters=4, depth=1)
    >>> calibration_windows(model, load("cells")[:2], number=5, side=32).shape
    (5, 32, 32, 3)
    """
    if number < 1:
        raise ValueError(f"number must be at least 1, found {number}: 100 will do")
    side = side or usual_side(model)
    margin, rng = sizes(model).margin, np.random.default_rng(0)
    each = math.ceil(number / len(samples))
    windows: list[NDArray[np.generic]] = []
    for sample in samples:
        source = Source(sample.image)
        lengths = (source.height, source.width)
        for _ in range(min(each, number - len(windows))):
            # The same places that a prediction feeds: those of a padded model stay inside.
            first = [rng.integers(0, max(1, n - side + 2 * margin + 1)) - margin for n in lengths]
            down, right = (Span(0, 0, int(start), side, 0) for start in first)
            windows.append(source.window(down, right))
    return np.stack(windows).astype(np.float32)


def quantization_loss(
    model: keras.Model, exported: Exported, samples: Samples
) -> dict[str, dict[str, float]]:
    """How much Dice a file of 8 bits loses against the float model.

    Parameters
    ----------
    model : keras.Model
        The float model.
    exported : Exported
        Its export.
    samples : Samples
        Labelled images that neither training nor calibration has seen.

    Returns
    -------
    dict
        By class name: ``float``, ``int8`` (pooled Dice, 0 to 1) and ``lost``, their difference.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from unet_helpers import load, unet
    >>> from unet_helpers.prediction.export import export
    >>> model, some = unet((None, None, 3), filters=2, depth=1), load("cells").binary()[:1]
    >>> with TemporaryDirectory() as folder:
    ...     made = export(model, Path(folder) / "m.keras")
    ...     print(quantization_loss(model, made, some)["cell"]["lost"])
    0.0
    """
    file = exported.open()
    ways = {"float": lambda image: predict(model, image), "int8": file.predict}
    found = {
        name: score_images(samples, (to_mask(way(sample.image)) for sample in samples))
        for name, way in ways.items()
    }
    return {
        name: _loss({way: scores.dice(class_id) for way, scores in found.items()})
        for class_id, name in enumerate(samples.class_names)
        if class_id
    }


def _loss(told: dict[str, float]) -> dict[str, float]:
    return {**told, "lost": told["float"] - told["int8"]}

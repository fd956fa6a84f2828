"""Pixelwise classification with U-Net: the code that the course's notebooks share.

Every public name is listed in ``_HOME`` with the file it lives in, and is loaded on first use: so
``import unet_helpers`` takes milliseconds and does not load TensorFlow. ``from unet_helpers import
keras`` gives plain Keras, imported without TensorFlow's start-up messages.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "DataError": "data.samples",
    "Sample": "data.samples",
    "Samples": "data.samples",
    "load": "data.load",
    "read_folder": "data.load",
    "draw_field": "data.cells",
    "batches": "data.pipeline",
    "crop_batch": "data.pipeline",
    "orient": "data.pipeline",
    "unet": "model.unet",
    "receptive_field": "model.unet",
    "size_multiple": "model.unet",
    "Counts": "evaluation.scores",
    "Scores": "evaluation.scores",
    "count": "evaluation.scores",
    "iou": "evaluation.scores",
    "dice": "evaluation.scores",
    "score_images": "evaluation.scores",
    "IoU": "evaluation.metrics",
    "Dice": "evaluation.metrics",
    "BceDice": "training.recipe",
    "adamw": "training.recipe",
    "fast_precision": "training.recipe",
    "predict": "prediction.predict",
    "predict_samples": "prediction.predict",
    "to_mask": "prediction.predict",
    "figures": "views",
    "widgets": "views",
    "show": "views.figures",
    "checks": "classroom",
    "reached": "classroom.targets",
    "check_installation": "classroom.installation",
}

__all__ = [*_HOME, "keras"]


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Point file descriptor 2 at nothing: TensorFlow's C++ start-up lines bypass ``sys.stderr``."""
    sys.stderr.flush()
    saved = os.dup(2)
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _import_keras() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silent_stderr():
        keras = importlib.import_module("keras")
        # The first tensor makes TensorFlow print about the processor: let it do so unheard.
        keras.ops.convert_to_tensor(0.0)
    return keras


def __getattr__(name: str) -> Any:
    if name == "keras":
        value = _import_keras()
    elif name in _HOME:
        home = importlib.import_module(f"{__name__}.{_HOME[name]}")
        whole_module = name in ("figures", "widgets", "checks")
        value = (
            importlib.import_module(f"{home.__name__}.{name}")
            if whole_module
            else getattr(home, name)
        )
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

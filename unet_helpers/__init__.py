"""Pixelwise classification with U-Net: the code that the course's notebooks share.

Every public name is listed in ``_FILES`` with the file it lives in, and is loaded on first use: so
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

# The file that each public name lives in; a name that is a file itself stands beside its room.
_FILES = {
    "data.samples": ("DataError", "Sample", "Samples"),
    "data.load": ("load",),
    "data.formats.folder": ("read_folder",),
    "data.formats.coco": ("read_coco",),
    "data.formats.labelme": ("read_labelme",),
    "data.doctor.check": ("check",),
    "data.splits": (
        "keep_split",
        "read_split",
        "split_blocks",
        "split_by_hash",
        "split_stratified",
    ),
    "data.augment": ("Augmentation",),
    "data.meet": ("Meet",),
    "data.cells": ("draw_field",),
    "data.drawn": ("draw_samples",),
    "data.knobs": ("Knobs",),
    "data.pipeline": ("batches", "crop_batch", "orient"),
    "model.unet": ("unet",),
    "model.geometry": ("receptive_field", "size_multiple"),
    "model.work": ("count_work",),
    "evaluation.scores": (
        "Counts",
        "Scores",
        "accuracy",
        "confusion",
        "count",
        "dice",
        "iou",
        "precision",
        "recall",
        "score_images",
        "specificity",
    ),
    "evaluation.metrics": ("IoU", "Dice"),
    "evaluation.boundaries": ("boundary_iou", "hausdorff95", "score_boundaries", "surface_dice"),
    "evaluation.objects": ("AP_THRESHOLDS", "label_objects", "match", "objects_by_size"),
    "evaluation.membranes": ("isbi_scores",),
    "evaluation.intervals": ("interval",),
    "evaluation.comparison": ("compare",),
    "evaluation.seeds": ("spread",),
    "evaluation.thresholds": ("choose_threshold",),
    "evaluation.calibration": ("reliability",),
    "evaluation.annotators": ("redraw",),
    "evaluation.report": ("score_report",),
    "training.recipe": ("BceDice", "adamw", "fast_precision"),
    "training.train": ("train",),
    "training.fine_tune": ("fine_tune",),
    "training.diagnosis.diagnose": ("diagnose",),
    "training.diagnosis.watch": ("TrainingWarning", "WarnWhileTraining"),
    "training.run_record": ("Run",),
    "training.run_log": ("runs", "tensorboard_log"),
    "training.checkpoint": ("KeepTraining",),
    "training.losses": ("Focal", "SoftDice", "Tversky", "WeightedCrossentropy"),
    "training.borders": ("border_weights", "weighted"),
    "training.sanity": (
        "learning_rate_range",
        "loss_at_start",
        "overfit_one_batch",
        "set_prior",
        "set_seed",
    ),
    "prediction.predict": ("predict", "predict_samples", "to_mask"),
    "prediction.objects": ("find_objects", "measure_objects"),
    "prediction.card": ("model_card",),
    "prediction.otsu": ("otsu_scores",),
    "prediction.export": ("export",),
    "prediction.int8": ("calibration_windows", "quantization_loss"),
    "prediction.large": ("predict_large",),
    "prediction.loading": ("load_model",),
    "prediction.runtimes": ("ModelFile",),
    "prediction.outlines": ("outlines",),
    "prediction.object_files": ("write_labels", "write_imagej", "write_geojson", "write_coco"),
    "views.figures": ("show",),
    "views.live": ("LiveFigure",),
    "views.explorer": ("explorer",),
    "views.model_explorer": ("model_explorer",),
    "views.smears": ("smear_explorer", "smear_rows"),
    "views.segmenter": ("segmenter",),
    "data.look": ("look", "looks", "unlike"),
    "views.findings": ("evidence",),
    "views": ("figures", "model_figures", "prediction_figures", "score_figures", "widgets"),
    "classroom": (
        "checks",
        "model_checks",
        "network_checks",
        "prediction_checks",
        "score_checks",
        "training_checks",
    ),
    "classroom.quiz": ("quiz",),
    "classroom.sample_folder": ("make_sample_folder",),
    "classroom.targets": ("reached",),
    "classroom.installation": ("check_installation",),
}
_HOME = {name: file for file, names in _FILES.items() for name in names}

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
        file = f"{__name__}.{_HOME[name]}"
        is_file = "." not in _HOME[name]
        value = (
            importlib.import_module(f"{file}.{name}")
            if is_file
            else getattr(importlib.import_module(file), name)
        )
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

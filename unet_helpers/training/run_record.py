"""What a training leaves behind: `Run`, with its model and its record, and their files."""

import dataclasses
import json
import os
import platform
import sys
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from unet_helpers import __version__, keras
from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.intervals import interval
from unet_helpers.evaluation.report_files import as_json, without_nan
from unet_helpers.evaluation.scores import Scores, dice, iou
from unet_helpers.training.state_files import write_whole

KIND = "unet_helpers run"
RECORD, MODEL = "run.json", "model.keras"
MEASURES = {"iou": iou, "dice": dice}


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A training and its outcome.

    Attributes
    ----------
    model : keras.Model
        With the weights that did best on the validation images; float32, not compiled.
    record : dict
        What ``run.json`` holds: ``settings``, ``steps``, ``seconds``, ``history``, ``best`` (the
        Dice that chose the weights, and the step), ``scores`` on the validation images,
        ``class_names``, ``input_scaling``, ``threshold``, ``data``, ``versions``, ``finished``.
    folder : Path or None
        Where ``model.keras`` and ``run.json`` are, if they were kept.
    """

    model: keras.Model
    record: dict[str, Any]
    folder: Path | None = None

    @property
    def history(self) -> dict[str, list[float]]:
        """The log, a number for each round; ``step`` says where the rounds ended."""
        found: dict[str, list[float]] = self.record["history"]
        return found

    @property
    def finished(self) -> bool:
        """Whether all steps were trained."""
        return bool(self.record["finished"])

    def __str__(self) -> str:
        record = self.record
        state = "" if self.finished else f", stopped after {record['steps_done']}"
        head = f"≈ {record['steps']} steps{state} in ≈ {record['seconds']:.0f} s"
        chosen = f"; best weights after step {record['best']['step']}" if record["best"] else ""
        told = [
            f"  {name}: {measure} {shown(found)}"
            for name, scores in record["scores"].items()
            for measure, found in scores.items()
        ]
        return "\n".join(
            [head + chosen, f"on {record['data']['val']['images']} validation images:", *told]
        )


def score_record(scores: Scores) -> dict[str, dict[str, dict[str, Any]]]:
    """Pooled IoU and Dice of every class but the background, with their intervals.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    dict
        By class name and measure: value, low, high, level, groups, reason. None for NaN.
    """
    return {
        name: {
            key: without_nan(dataclasses.asdict(interval(scores, measure, class_id)))
            for key, measure in MEASURES.items()
        }
        for class_id, name in enumerate(scores.class_names)
        if class_id
    }


def data_record(samples: Samples, told: str) -> dict[str, Any]:
    """Which samples served, in a few words; `told` is their fingerprint."""
    groups = len(set(samples.groups))
    return {"name": samples.name, "images": len(samples), "groups": groups, "fingerprint": told}


def versions() -> dict[str, str]:
    """Versions of what trained."""
    found = {"python": platform.python_version(), "unet_helpers": __version__}
    backend = keras.backend.backend()
    for package in ("numpy", "keras", backend):
        if package in sys.modules:
            found[package] = metadata.version(package)
    return {**found, "system": platform.system(), "machine": platform.machine()}


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write ``run.json``, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / RECORD, as_json(without_nan(record)).encode())


def read_record(folder: Path) -> dict[str, Any] | None:
    """The folder's ``run.json``, or None if it has none.

    Raises
    ------
    ValueError
        If the file is there and is not one of ours.
    """
    path = folder / RECORD
    if not path.exists():
        return None
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        is_ours = record["kind"] == KIND
    except (ValueError, TypeError, KeyError):
        is_ours = False
    if not is_ours:
        raise ValueError(
            f"{path}: the record of a run was expected, found another file: choose another folder"
        )
    return record


def write_model(folder: Path, model: keras.Model) -> None:
    """Write ``model.keras``, whole or not at all."""
    unfinished = folder / ".model.part.keras"
    try:
        model.save(unfinished)
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(folder / MODEL)
    finally:
        unfinished.unlink(missing_ok=True)


def read_model(folder: Path) -> keras.Model:
    """The folder's ``model.keras``, not compiled.

    Raises
    ------
    ValueError
        If it is not there or cannot be read.
    """
    path = folder / MODEL
    try:
        return keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        found = "none" if not path.exists() else f"a damaged one ({type(error).__name__})"
        raise ValueError(
            f"{path}: the model of a finished run was expected, found {found}: bring it back from "
            "a copy, or delete the folder to train again"
        ) from None


def shown(found: Mapping[str, Any]) -> str:
    """A score with its interval, if it has one.

    Examples
    --------
    >>> shown({"value": 0.8, "low": 0.75, "high": 0.84}), shown({"value": 0.8, "low": None})
    ('≈ 0.800 (0.750 to 0.840)', '≈ 0.800')
    """
    if found["value"] is None:
        return "undefined"
    value = f"≈ {found['value']:.3f}"
    return value if found["low"] is None else f"{value} ({found['low']:.3f} to {found['high']:.3f})"

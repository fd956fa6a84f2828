"""The learner's own experiments side by side, and the log for TensorBoard."""

import importlib.util
from pathlib import Path
from typing import Any

from unet_helpers import keras
from unet_helpers.evaluation.report_text import columns
from unet_helpers.training.run_record import MEASURES, RECORD, read_record, shown

ALWAYS = ("run", "steps", "seconds", "train", "val")
SCORES = tuple(f" {measure}" for measure in MEASURES)
ENDS = (" low", " high")


class Runs(list[dict[str, Any]]):
    """Rows, one for each run; printed as a table of the settings that differ and the scores."""

    def __str__(self) -> str:
        if not self:
            return "no runs yet"
        names = list(dict.fromkeys(name for row in self for name in row))
        told = [name for name in names if self._is_told(name)]
        rows = [[_cell(row, name) for name in told] for row in self]
        return "\n".join(columns([told, *rows]))

    def _is_told(self, name: str) -> bool:
        if name.endswith(ENDS):
            return False
        differs = len({repr(row.get(name)) for row in self}) > 1
        return differs or name in ALWAYS or name.endswith(SCORES)


def _cell(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if name.endswith(SCORES):
        ends = {end.strip(): row.get(name + end) for end in ENDS}
        return shown({"value": value, **ends}) if name in row else ""
    if value is None:
        return ""
    return f"≈ {value:.0f}" if name == "seconds" else str(value)


def runs(folder: str | Path) -> Runs:
    """Read all runs in a folder, to compare them.

    Parameters
    ----------
    folder : path-like
        The folder that holds the runs' own folders, as `train` was given them; or one of those.

    Returns
    -------
    list of dict
        Sorted by name: the run, its settings, steps, seconds, the fingerprints of its data, and
        for each class the pooled IoU and Dice on the validation images with the ends of their
        intervals (None where there is none). Printed, it is a table that leaves out the settings
        which all runs share.

    Raises
    ------
    ValueError
        If the folder is not there, or a ``run.json`` in it is not the record of a run.

    Examples
    --------
    >>> import tempfile
    >>> print(runs(tempfile.mkdtemp()))
    no runs yet
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(
            f"{root}: runs are looked for in a folder, found none of that name: give the folder "
            "that train(folder=...) wrote into, or the one above"
        )
    places = sorted({path.parent for path in (*root.glob(RECORD), *root.glob(f"*/{RECORD}"))})
    records = [(place, read_record(place)) for place in places]
    return Runs(_row(place, record) for place, record in records if record)


def _row(place: Path, record: dict[str, Any]) -> dict[str, Any]:
    row = {"run": place.resolve().name, **record["settings"]}
    row |= {"steps": record["steps"], "seconds": record["seconds"]}
    row["state"] = "finished" if record["finished"] else f"at step {record['steps_done']}"
    row |= {part: f"{of['name']} {of['fingerprint']}" for part, of in record["data"].items()}
    for name, scores in record["scores"].items():
        for measure, found in scores.items():
            row[f"{name} {measure}"] = found["value"]
            row |= {f"{name} {measure}{end}": found[end.strip()] for end in ENDS}
    return row


def tensorboard_log(folder: str | Path) -> keras.callbacks.Callback:
    """Keras' own callback that writes the log of each epoch for TensorBoard.

    Parameters
    ----------
    folder : path-like
        What ``tensorboard --logdir`` is given.

    Returns
    -------
    keras.callbacks.TensorBoard

    Raises
    ------
    ImportError
        If the package ``tensorboard``, which the course does without, is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError(
            "tensorboard=... needs the package tensorboard, found none installed: run "
            "pip install tensorboard, or leave it out and look at runs()"
        )
    return keras.callbacks.TensorBoard(str(folder), write_graph=False)

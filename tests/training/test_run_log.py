"""The record of a run, and the table that puts runs side by side."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import assert_says, make_samples

from unet_helpers import keras
from unet_helpers.evaluation.intervals import interval
from unet_helpers.evaluation.scores import dice, iou, score_images
from unet_helpers.training import run_log
from unet_helpers.training.run_log import runs, tensorboard_log
from unet_helpers.training.run_record import (
    KIND,
    Run,
    data_record,
    read_record,
    score_record,
    versions,
    write_model,
    write_record,
)


def record(**changed: Any) -> dict[str, Any]:
    score = {"value": 0.8, "low": 0.75, "high": 0.84, "level": 0.95, "groups": 12, "reason": None}
    data = {"name": "cells", "images": 12, "groups": 12, "fingerprint": "0123456789abcdef"}
    return {
        "kind": KIND,
        "finished": True,
        "steps": 300,
        "steps_done": 300,
        "asked": {"steps": 300, "rounds": None},
        "settings": {"filters": 8, "seed": 0},
        "data": {"train": {**data, "images": 36}, "val": data},
        "seconds": 12.3,
        "best": {"val_dice": 0.8, "step": 250},
        "scores": {"cell": {"iou": {**score, "value": 0.7, "low": None}, "dice": score}},
        "history": {"step": [300], "loss": [0.2]},
        **changed,
    }


def lines(table: object) -> list[list[str]]:
    return [[cell for cell in line.split("  ") if cell] for line in str(table).splitlines()]


def test_the_table_shows_what_differs_and_the_scores(tmp_path: Path) -> None:
    write_record(tmp_path / "b wide", record(settings={"filters": 16, "seed": 0}))
    write_record(tmp_path / "a", record(seconds=20.0))
    (tmp_path / "notes").mkdir()
    found = runs(tmp_path)
    assert [row["run"] for row in found] == ["a", "b wide"]
    assert found[0]["cell dice"] == 0.8
    assert (found[0]["cell dice low"], found[0]["cell dice high"]) == (0.75, 0.84)
    assert (found[0]["filters"], found[0]["seed"], found[0]["steps"]) == (8, 0, 300)
    header, first, second = (" ".join(line) for line in lines(found))
    for name in ("run", "filters", "steps", "seconds", "train", "val", "cell iou", "cell dice"):
        assert name in header
    for hidden in ("seed", "state", "low", "high"):
        assert hidden not in header
    assert "≈ 0.800 (0.750 to 0.840)" in first
    assert "≈ 0.700" in first
    assert "≈ 20" in first
    assert "16" in second
    assert "cells 0123456789abcdef" in second


def test_a_run_that_is_not_finished_says_so(tmp_path: Path) -> None:
    write_record(tmp_path / "a", record())
    write_record(tmp_path / "b", record(finished=False, steps_done=120, scores={}))
    assert [row["state"] for row in runs(tmp_path)] == ["finished", "at step 120"]
    assert "at step 120" in str(runs(tmp_path))


def test_a_single_runs_own_folder_will_do(tmp_path: Path) -> None:
    write_record(tmp_path / "a", record())
    assert [row["run"] for row in runs(tmp_path / "a")] == ["a"]


def test_no_folder_and_no_runs(tmp_path: Path) -> None:
    assert str(runs(tmp_path)) == "no runs yet"
    with pytest.raises(ValueError) as error:
        runs(tmp_path / "missing")
    assert_says(error, tmp_path / "missing", "none of that name")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": "other"}', "\x00\xff"])
def test_a_file_that_is_no_record_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError) as error:
        read_record(tmp_path)
    assert_says(error, tmp_path / "run.json", "another file")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    write_record(tmp_path / "new", record(best=None))
    assert read_record(tmp_path / "new") == record(best=None)
    write_record(tmp_path / "new", record(history={"val_dice": [float("nan"), 0.5]}))
    text = (tmp_path / "new" / "run.json").read_text()
    assert json.loads(text)["history"] == {"val_dice": [None, 0.5]}  # JSON has no word for NaN


def test_the_scores_are_pooled_and_have_the_interval_of_the_images() -> None:
    rng = np.random.default_rng(0)
    pairs = [(np.zeros((8, 8, 1), np.uint8), rng.integers(0, 3, (8, 8)).astype("u1"))] * 12
    samples = make_samples(pairs, class_names=["ground", "a", "b"])
    scores = score_images(samples, [rng.integers(0, 3, (8, 8)).astype("u1") for _ in pairs])
    found = score_record(scores)
    assert list(found) == ["a", "b"]
    for label, name in ((1, "a"), (2, "b")):
        for key, measure in (("iou", iou), ("dice", dice)):
            expected = interval(scores, measure, label)
            told = found[name][key]
            assert told["value"] == scores.pooled(measure, label)
            assert (told["low"], told["high"]) == (expected.low, expected.high)
            assert told["low"] < told["value"] < told["high"]
    json.dumps(found, allow_nan=False)


def test_a_run_tells_its_story() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    run = Run(model, record())
    assert run.finished
    assert run.history == {"step": [300], "loss": [0.2]}
    text = str(run)
    assert "≈ 300 steps in ≈ 12 s; best weights after step 250" in text
    assert "on 12 validation images" in text
    assert "cell: dice ≈ 0.800 (0.750 to 0.840)" in text
    assert "stopped after 120" in str(Run(model, record(finished=False, steps_done=120)))


def test_the_data_record_counts_images_and_groups() -> None:
    pairs = [(np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4), np.uint8))] * 3
    samples = make_samples(pairs, groups=["a", "a", "b"])
    assert data_record(samples, "f") == {
        "name": "things",
        "images": 3,
        "groups": 2,
        "fingerprint": "f",
    }


def test_versions_name_what_trained() -> None:
    found = versions()
    assert {"python", "numpy", "keras", "tensorflow", "unet_helpers", "system"} <= set(found)
    assert found["keras"] == keras.__version__


def test_a_model_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    write_model(tmp_path, model)
    before = (tmp_path / "model.keras").read_bytes()

    def half(path: Path) -> None:
        Path(path).write_bytes(before[:50])
        raise OSError("full")

    monkeypatch.setattr(model, "save", half)
    with pytest.raises(OSError, match="full"):
        write_model(tmp_path, model)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("model.keras", before)]


def test_tensorboard_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError) as error:
        tensorboard_log(tmp_path)
    assert_says(error, "tensorboard", "none installed", "pip install tensorboard")
    monkeypatch.setattr(run_log.importlib.util, "find_spec", lambda name: object())
    assert isinstance(tensorboard_log(tmp_path / "log"), keras.callbacks.TensorBoard)

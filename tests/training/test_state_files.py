"""Checkpoint files: whole or not at all, and a damaged one is never taken for whole."""

import errno
import os
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from builders import assert_says
from small_runs import broken

from unet_helpers.training import state_files
from unet_helpers.training.state_files import (
    State,
    newest_state,
    read_state,
    state_paths,
    write_state,
    write_whole,
)

RNG = np.random.default_rng(0)
ARRAYS = {
    "weights": RNG.normal(size=(2, 3)).astype(np.float32),
    "half": RNG.normal(size=4).astype(ml_dtypes.bfloat16),
    "seed": np.array([7, 2**32 - 1], np.uint32),
    "step": np.array(12, np.int64),
    "odd": np.array([np.nan, -0.0, np.inf], np.float32),
    "none": np.zeros((0, 3), np.float32),
}
STATE = State(ARRAYS, {"epoch": 3, "history": {"loss": [0.1, float("nan")]}, "name": "Zellgröße"})


def test_what_was_written_is_read_to_the_bit(tmp_path: Path) -> None:
    found = read_state(write_state(tmp_path / "new" / "folder", 3, STATE))
    assert list(found.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype, name
        assert found.arrays[name].shape == array.shape, name
        assert found.arrays[name].tobytes() == array.tobytes(), name
    assert repr(found.facts) == repr(STATE.facts)


def test_numpy_opens_it_too(tmp_path: Path) -> None:
    with np.load(write_state(tmp_path, 1, STATE)) as file:
        np.testing.assert_array_equal(file["array/weights"], ARRAYS["weights"])


def test_every_single_damaged_byte_is_found(tmp_path: Path) -> None:
    path = write_state(tmp_path, 1, State({"a": np.arange(3)}, {"epoch": 1}))
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError):
            read_state(path)


def test_every_cut_is_found(tmp_path: Path) -> None:
    path = write_state(tmp_path, 1, State({"a": np.arange(3)}, {"epoch": 1}))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError):
            read_state(path)


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    (tmp_path / "state-of-the-art.npz").write_text("mine")
    for number in (8, 9, 10, 11):
        write_state(tmp_path, number, STATE)
    assert [path.name for path in state_paths(tmp_path)] == [
        "state-000011.npz",
        "state-000010.npz",
    ]
    assert (tmp_path / "state-of-the-art.npz").read_text() == "mine"


@pytest.mark.parametrize("owner_and_name", [(os, "fsync"), (Path, "replace"), (Path, "open")])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    owner_and_name: tuple[object, str], error: BaseException, tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"old")
    with broken(*owner_and_name, 1, error), pytest.raises(type(error)):
        write_whole(path, b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("run.json", b"old")]


def test_the_content_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda h: (happened.append("sync"), fsync(h))[1])
    monkeypatch.setattr(Path, "replace", lambda a, b: (happened.append("name"), replace(a, b))[1])
    write_whole(tmp_path / "file", b"new")
    assert happened[:2] == ["sync", "name"]
    assert (tmp_path / "file").read_bytes() == b"new"


def test_without_checkpoints_there_is_none(tmp_path: Path) -> None:
    assert newest_state(tmp_path) is None
    assert newest_state(tmp_path / "missing") is None


def test_what_a_kill_left_half_written_is_swept_away(tmp_path: Path) -> None:
    write_state(tmp_path, 1, STATE)
    (tmp_path / ".state-000002.npz.123.part").write_bytes(b"half")
    found = newest_state(tmp_path)
    assert found is not None
    assert found.facts["epoch"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["state-000001.npz"]


def test_a_damaged_newest_one_is_told_and_the_older_used(tmp_path: Path) -> None:
    write_state(tmp_path, 1, State({}, {"epoch": 1}))
    newest = write_state(tmp_path, 2, State({}, {"epoch": 2}))
    newest.write_bytes(newest.read_bytes()[:-9])
    with pytest.warns(UserWarning, match=r"state-000002.npz: .* the older state-000001.npz is"):
        found = newest_state(tmp_path)
    assert found is not None
    assert found.facts == {"epoch": 1}


def test_only_damaged_ones_are_an_error(tmp_path: Path) -> None:
    for number in (1, 2):
        write_state(tmp_path, number, STATE).write_bytes(b"")
    with pytest.raises(ValueError) as error:
        newest_state(tmp_path)
    assert_says(error, tmp_path, "only damaged ones", "delete the folder")
    assert len(state_paths(tmp_path)) == 2


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(ValueError) as error:
        newest_state(tmp_path / "run")
    assert_says(error, tmp_path / "run", "a file", "another one")


def test_a_folder_that_cannot_be_forced_to_the_disk_is_no_error(tmp_path: Path) -> None:
    with broken(state_files.os, "fsync", 2, OSError(errno.EINVAL, "no")):
        write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"

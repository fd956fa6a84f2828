"""Checkpoint files: NumPy's npz with a checksum behind it, written whole or not at all.

A file is written beside its place, forced to the disk and moved there in one step, so that a kill
at any moment leaves the older one. Two are kept: a damaged newest one falls back to the one before.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
KEPT = 2
NAME = re.compile(r"state-(\d{6})\.npz")
DIGEST = hashlib.sha256().digest_size


class State(NamedTuple):
    """What a checkpoint holds: arrays by name, and facts that JSON can tell."""

    arrays: Arrays
    facts: dict[str, Any]


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file such that, whatever happens, either the old or the new one is there, whole.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    content : bytes or memoryview

    Raises
    ------
    OSError
        If the disk is full or refuses; what was there is still there, and nothing else.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Force the folder's list of names to the disk; Windows cannot open folders, and need not."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network disks refuse
            os.fsync(handle)
    finally:
        os.close(handle)


def state_paths(folder: Path) -> list[Path]:
    """The folder's checkpoints, newest first."""
    found = [path for path in folder.glob("state-*.npz") if NAME.fullmatch(path.name)]
    return sorted(found, reverse=True)


def write_state(folder: Path, number: int, state: State) -> Path:
    """Write checkpoint `number`, then forget all but the newest two.

    Parameters
    ----------
    folder : Path
        Made if need be.
    number : int
        Grows from checkpoint to checkpoint.
    state : State
        Arrays of any number type, and facts for JSON.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OSError
        As `write_whole`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    members: dict[str, Any] = {f"array/{k}": _plain(array) for k, array in state.arrays.items()}
    types = {name: array.dtype.name for name, array in state.arrays.items()}
    about = json.dumps({"facts": state.facts, "types": types})
    members["about"] = np.frombuffer(about.encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **members)
    buffer.write(hashlib.sha256(buffer.getbuffer()).digest())
    path = folder / f"state-{number:06d}.npz"
    write_whole(path, buffer.getbuffer())
    for old in state_paths(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Bits of a type that NumPy's files do not know, such as bfloat16, as whole numbers."""
    if array.dtype.kind in "biufc":
        return array
    return array.view(f"u{array.dtype.itemsize}")


def read_state(path: Path) -> State:
    """Read a checkpoint, if it is whole.

    Raises
    ------
    OSError or ValueError
        If it cannot be read, or its checksum differs.
    """
    content = path.read_bytes()
    # Before anything is parsed: a damaged archive can raise about any error.
    if hashlib.sha256(content[:-DIGEST]).digest() != content[-DIGEST:]:
        raise ValueError(f"{path}: the checksum of what was written was expected, found another")
    with np.load(io.BytesIO(content[:-DIGEST]), allow_pickle=False) as file:
        members = {name: file[name] for name in file.files}
    about = json.loads(members.pop("about").tobytes())
    arrays = {name.removeprefix("array/"): array for name, array in members.items()}
    typed = {name: _typed(array, about["types"][name]) for name, array in arrays.items()}
    return State(typed, about["facts"])


def _typed(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.dtype.name == name:
        return array
    import ml_dtypes

    return array.view(getattr(ml_dtypes, name))


def newest_state(folder: Path) -> State | None:
    """The newest checkpoint that is whole, or None where there is none at all.

    What a kill left half written is swept away. A damaged checkpoint is told by a warning.

    Raises
    ------
    ValueError
        If the folder is a file, or there are checkpoints and all are damaged.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(
            f"{folder}: a training is kept in a folder, found a file: name another one"
        )
    for unfinished in folder.glob(".*.part"):
        unfinished.unlink(missing_ok=True)
    paths = state_paths(folder)
    for state, path in _readable(paths):
        if path != paths[0]:
            warnings.warn(
                f"{paths[0]}: a whole checkpoint was expected, found a damaged one: the older "
                f"{path.name} is used",
                stacklevel=3,
            )
        return state
    if paths:
        raise ValueError(
            f"{folder}: a whole checkpoint was expected, found only damaged ones: delete the "
            "folder to begin anew, or bring back a copy"
        )
    return None


def _readable(paths: list[Path]) -> Iterator[tuple[State, Path]]:
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            yield read_state(path), path

"""A real ``kill -9`` at random moments, then the same command again: as if nothing had been.

A short version of ``benchmarks/kills.py``, on a small net.
"""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import json, os, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from small_runs import small_train, weights
from unet_helpers import keras

class Tell(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        os.write(1, b"tracing\\n")
    def on_train_batch_end(self, batch, logs=None):
        os.write(1, b"step\\n")

run = small_train(Path(sys.argv[1]), steps=60, rounds=30, callbacks=[Tell()])
story = [run.history, run.record["best"], [each.hex() for each in weights(run.model)]]
Path(sys.argv[1], "story.json").write_text(json.dumps(story))
"""
HERE = Path(__file__).parent


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(folder), str(HERE), str(HERE.parent)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_after(folder: Path, lines: int, seconds: float) -> None:
    """Kill so long after so many lines: where in the training that is, is up to chance."""
    process = start(folder)
    assert process.stdout is not None
    for _ in range(lines):
        assert process.stdout.readline()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def to_the_end(folder: Path) -> object:
    process = start(folder)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    with (folder / "story.json").open() as file:
        return json.load(file)


@pytest.mark.slow
def test_three_kills_at_random_moments_leave_no_trace(tmp_path: Path) -> None:
    rng = random.Random(5)
    kill_after(tmp_path / "killed", lines=1, seconds=rng.uniform(0, 1))  # while it traces
    kill_after(tmp_path / "killed", lines=rng.randint(2, 20), seconds=rng.uniform(0, 0.2))
    assert list((tmp_path / "killed").glob("state-*.npz"))
    kill_after(tmp_path / "killed", lines=rng.randint(2, 20), seconds=rng.uniform(0, 0.2))
    assert not (tmp_path / "killed" / "model.keras").exists()
    assert to_the_end(tmp_path / "killed") == to_the_end(tmp_path / "whole")

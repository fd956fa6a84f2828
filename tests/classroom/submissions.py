"""Submissions as a class hands them in: right, wrong, and out to do harm."""

import copy
import os
from functools import cache

import nbformat

from tests.notebooks.conftest import NOTEBOOKS
from unet_helpers.classroom.canonical import to_bytes
from unet_helpers.classroom.grading.sheets import Sheet
from unet_helpers.classroom.teaching.copies import solution_notebook, student_notebook

NOTEBOOK = NOTEBOOKS / "04_evaluation.ipynb"

# What stands in the first answer cell, and a piece of what the report says.
BREAKS_ITS_BOUNDS = {
    "loops": ("while True:\n    pass", "took more than"),
    "sleeps": ("import time\ntime.sleep(10**6)", "took more than"),
    "forks": ("import os\nwhile True:\n    os.fork()", "os.fork"),
    "starts programs": ("import subprocess\nsubprocess.run(['ls'])", "subprocess.Popen"),
    "fills its disk": (
        """
n = 0
while True:
    n += 1
    try:
        open(f"f{n}", "wb").write(b"x" * 10**7)
    except OSError:
        break
""",
        "filled its disk",
    ),
    "exits": ("import os\nos._exit(0)", "ended its own process"),
    "exits politely": ("exit()", "exit"),
    "crashes": ("import ctypes\nctypes.string_at(0)", "ended its own process"),
    "kills its parent": ("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)", "os.kill"),
    "calls home": ("import socket\nsocket.create_connection(('127.0.0.1', 9))", "socket.connect"),
    "talks too much": (
        """
import os
for n in range(3, 60):
    try:
        os.write(n, b"{}")
    except OSError:
        pass
""",
        "meddled",
    ),
}

# Code in the first answer's place that is meant to make wrong answers pass.
CHEATS = {
    "patches the check": """
import unet_helpers.classroom.checks as checks, unet_helpers.classroom.score_checks as scores
checks._verdict = lambda *_: print("Correct.")
for name in dir(scores):
    if not name.startswith("__") and callable(getattr(scores, name)):
        setattr(scores, name, lambda *_: print("Correct."))
""",
    "prints the verdict": "print('Correct.')",
    "equals everything": """
class Yes(float):
    def __eq__(self, other): return True
    def __hash__(self): return 0
""",
    "patches numpy": """
import math, numpy as np
np.allclose = np.isclose = math.isclose = lambda *_, **__: True
""",
    "reads the neighbour": """
import os
found = [f for _, _, files in os.walk("/") for f in files if f.endswith(".ipynb")]
assert not found, found
assert not os.path.exists("/home")
""",
    "takes all memory": "x = bytearray(10**11)",
}


@cache
def sheet():
    return Sheet.read(NOTEBOOK)


def right(number=0):
    """A notebook with all exercises solved, as a student would save it."""
    return solution_notebook(nbformat.read(NOTEBOOK, as_version=4), number)


def untouched(number=0):
    return student_notebook(nbformat.read(NOTEBOOK, as_version=4), number)


def answered(code, which=0, start=None):
    """A copy of `start` (nothing solved, by default) with one answer replaced."""
    made = copy.deepcopy(start or untouched())
    exercise = sheet().exercises[which]
    name = sheet().cell(exercise.stub)["id"]
    cell = next(cell for cell in made["cells"] if cell["id"] == name)
    cell["source"] = code
    return made


def hand_in(folder, student, notebook, name=NOTEBOOK.name):
    path = folder / student / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(notebook if isinstance(notebook, bytes) else to_bytes(notebook))
    return path


def snapshot(folder):
    """Every file below a folder, with its content and the time it was last written."""
    return {
        path.relative_to(folder): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
    }

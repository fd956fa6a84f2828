"""The notebook itself, at which an exercise is answered again and again; see `test_exercises`."""

import contextlib
import copy
import io
import tomllib
import warnings
from functools import cache
from pathlib import Path

import nbformat

from tests.notebooks.conftest import NOTEBOOKS
from unet_helpers.classroom.exercises import read_exercises
from unet_helpers.classroom.grading.sheets import Sheet

ANSWERS = Path(__file__).with_name("answers")


def number_of(path):
    return path.name.split("_")[0]


def content_of(path):
    return nbformat.read(path, as_version=4)


def answers_of(path):
    return tomllib.loads((ANSWERS / f"{number_of(path)}.toml").read_text(encoding="utf-8"))


PATHS = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if read_exercises(content_of(path))]


sheet_of = cache(Sheet.read)


class Desk:
    """One exercise: the cells it needs are run, and answers take the place of its stub."""

    def __init__(self, path, number, student=0):
        sheet = sheet_of(path)
        self.cells = sheet.notebook["cells"]
        self.exercise = next(e for e in sheet.exercises if e.number == number)
        self.names = sheet.names(student)

    def verdict(self, code):
        """What the check says to a code in the stub's place."""
        names = copy.copy(self.names)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a wrong answer may well divide by zero
            exec(code, names)
            said.truncate(0)
            said.seek(0)
            exec(self.cells[self.exercise.check]["source"], names)
        self.answered = names
        return said.getvalue().strip()

"""The folder for a room without internet holds all that its notebooks read and link to."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.notebooks.conftest import NOTEBOOKS
from unet_helpers.classroom.working_copies import refresh

ROOT = NOTEBOOKS.parent
OUTSIDE = re.compile(r"""[("'](\.\./[^)#"']+)""")  # read by code, or linked in text


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The stick's course, made by `make stick` but for the packages, with its working copies."""
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    stick = tmp_path_factory.mktemp("media") / "stick"
    # ``true`` stands for pip: what it fetches is no part of the course.
    given = [f"STICK={stick}", f"PY={sys.executable}", "PIP=true", "LEARNER="]
    settings = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    subprocess.run(["make", "-C", str(ROOT), "stick", *given], check=True, env=settings)
    refresh(stick / "course" / "notebooks", stick / "course" / "work", announce=pytest.fail)
    return stick / "course"


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_what_a_notebook_names_lies_beside_it(course, name):
    copy = course / "work" / name
    cells = nbformat.read(copy, as_version=4)["cells"]
    named = {path for cell in cells for path in OUTSIDE.findall(cell["source"])}
    there = {path: (copy.parent / path.replace("{DATASET}", "cells")).exists() for path in named}
    assert [path for path, is_there in there.items() if not is_there] == []


def test_notebooks_do_read_results(course):
    text = "".join(Path(path).read_text() for path in (course / "work").glob("*.ipynb"))
    assert text.count("../benchmarks/results/") >= 8

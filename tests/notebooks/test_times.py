"""The README promises of each notebook the reading time that the notebook itself states.

And the teacher's page of minutes is that of the stored measurement, which knows every section.
"""

import json
import re
import runpy
from pathlib import Path

import nbformat
import pytest

from tests.notebooks.conftest import NOTEBOOKS

README = NOTEBOOKS.parent / "README.md"
ROW = re.compile(r"^\| \**(?P<number>\d\db?) [^|]*\|[^|]*\| (?P<minutes>\d+) min \|", re.MULTILINE)


def promised() -> dict[str, int]:
    return {row["number"]: int(row["minutes"]) for row in ROW.finditer(README.read_text())}


def stated(path: Path) -> int:
    found = re.search(
        r"\*\*Time\*\* \| (\d+) minutes", nbformat.read(path, 4)["cells"][0]["source"]
    )
    assert found is not None, path.name
    return int(found[1])


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_readme_promises_the_time_that_the_notebook_states(path: Path) -> None:
    assert promised()[path.name.split("_")[0]] == stated(path)


@pytest.fixture
def lesson_minutes(monkeypatch):
    monkeypatch.syspath_prepend(str(NOTEBOOKS.parent / "benchmarks"))
    return runpy.run_path(str(NOTEBOOKS.parent / "benchmarks" / "lesson_minutes.py"))


def test_the_page_of_minutes_is_the_stored_measurement(lesson_minutes) -> None:
    stored = json.loads((NOTEBOOKS.parent / "benchmarks/results/lesson_minutes.json").read_text())
    assert lesson_minutes["PAGE"].read_text(encoding="utf-8") == lesson_minutes["page"](stored)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        now = [each["section"] for each in lesson_minutes["sections"](nbformat.read(path, 4), {})]
        assert [each["section"] for each in stored["notebooks"][path.stem]] == now

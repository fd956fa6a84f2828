"""The README promises of each notebook the reading time that the notebook itself states."""

import re
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

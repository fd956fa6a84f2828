"""The README promises of each notebook the reading time that the notebook itself states."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ROW = re.compile(r"^\| \**(?P<number>\d\db?) [^|]*\|[^|]*\| (?P<minutes>\d+) min \|", re.MULTILINE)


def promised() -> dict[str, int]:
    return {
        row["number"]: int(row["minutes"]) for row in ROW.finditer((ROOT / "README.md").read_text())
    }


def stated(path: Path) -> int:
    found = re.search(
        r"\*\*Time\*\* \| (\d+) minutes", nbformat.read(path, 4)["cells"][0]["source"]
    )
    assert found is not None, path.name
    return int(found[1])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_readme_promises_the_time_that_the_notebook_states(path: Path) -> None:
    assert promised()[path.name.split("_")[0]] == stated(path)

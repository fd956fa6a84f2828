import json
import re

import pytest

from unet_helpers.classroom.execution import NotebookFailed, write_in_place
from unet_helpers.classroom.files import UserError
from unet_helpers.classroom.running import check_data_home, run_series

SCORED = """\
from unet_helpers.classroom.targets import reached
reached('cell IoU', 0.7, at_least=0.5, record='iou')
reached('cell IoU', 0.9, at_least=0.85, record='iou')
reached('cell Dice', 0.95, at_least=0.9, record='dice')
reached('loss', 0.2, at_most=0.5)"""

LOADED = re.compile(r"<script[^>]*src=|<link[^>]*href=|@import|url\(['\"]?https?:|import\(")


@pytest.fixture
def series(tmp_path, write_notebook):
    """Three notebooks, the second of which fails, and where their pages go."""
    course = tmp_path / "notebooks"
    write_notebook(course / "00_first.ipynb", "import os\nprint('on', os.environ['UNET_DATASET'])")
    write_notebook(course / "01_fails.ipynb", "print('so far so good')", "raise ValueError('oh')")
    title = "Maths $x^2$, [first](00_first.ipynb), [mask](../docs/glossary.md#mask)"
    write_notebook(course / "02_scored.ipynb", SCORED, title=title)
    return course, tmp_path / "build"


def test_a_failure_is_told_and_the_others_run(series, capsys):
    course, build = series
    before = {path: path.read_bytes() for path in course.iterdir()}
    assert run_series(course, build) == 1
    out = capsys.readouterr().out
    rows = [line.split(" | ") for line in out.splitlines() if " | " in line]
    assert [[row[0].strip(), row[-1]] for row in rows[1:]] == [
        ["00_first", "-"],
        ["01_fails", "FAILED"],
        ["02_scored", "yes"],
    ]
    assert [text.strip() for text in rows[3][3:6]] == [
        "0.900",
        "0.950",
        "IoU >= 0.85, Dice >= 0.9",
    ]
    assert "01_fails stopped at code cell 2 of 2: ValueError: oh" in out
    assert {path: path.read_bytes() for path in course.iterdir()} == before
    check_what_was_written(build / "cells")


def check_what_was_written(pages):
    index = (pages / "index.html").read_text()
    for name, shown in (
        ("00_first", "on cells"),
        ("01_fails", "so far so good"),
        ("02_scored", ""),
    ):
        page = (pages / f"{name}.html").read_text()
        assert shown in page and f'href="{name}.html"' in index
        # The template's own script for live figures is inline; nothing is fetched.
        assert LOADED.search(page) is None
    assert '<a href="00_first.html">first</a>, mask' in page
    report = json.loads((pages / "run.json").read_text())
    assert [entry["name"] for entry in report["notebooks"]] == ["00_first", "01_fails", "02_scored"]
    assert report["notebooks"][2]["records"][1]["value"] == 0.9


def test_only_some_run(series, capsys):
    course, build = series
    assert run_series(course, build, only="00") == 0
    pages = sorted(path.name for path in (build / "cells").iterdir())
    assert pages == ["00_first.html", "index.html", "run.json"]


def test_a_missed_target_and_nan_are_in_the_table(tmp_path, write_notebook, capsys):
    code = SCORED.splitlines()[0] + "\nreached('IoU', float('nan'), at_least=0.5, record='iou')"
    write_notebook(tmp_path / "notebooks" / "04.ipynb", code)
    assert run_series(tmp_path / "notebooks", tmp_path / "build") == 1
    assert "| nan | -    | IoU >= 0.5 | FAILED" in capsys.readouterr().out
    report = json.loads((tmp_path / "build" / "cells" / "run.json").read_text())
    assert report["notebooks"][0]["records"][0]["value"] is None


def test_a_file_that_is_no_notebook_fails_alone(tmp_path, write_notebook, capsys):
    write_notebook(tmp_path / "notebooks" / "00.ipynb", "1")
    (tmp_path / "notebooks" / "01.ipynb").write_text("no JSON")
    assert run_series(tmp_path / "notebooks", tmp_path / "build") == 1
    assert (
        "01 stopped at reading it: Notebook does not appear to be JSON" in capsys.readouterr().out
    )


@pytest.mark.parametrize("home", [None, "nowhere", ""])
def test_a_real_set_needs_its_folder(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("UNET_DATA_HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("UNET_DATA_HOME", home)
    check_data_home("cells")
    said = "'membranes' is expected in this folder, which does not exist.*data fetch membranes"
    with pytest.raises(UserError, match=said):
        check_data_home("membranes")
    folder = tmp_path / (home or "unet-data") / "isbi2012_membrane"
    folder.mkdir(parents=True)
    check_data_home("membranes")


def test_an_unknown_set_is_told_before_anything_runs(series):
    with pytest.raises(UserError, match=r"one of cells, membranes, .*, found 'brains'"):
        run_series(*series, "brains")
    assert not series[1].exists()


def test_pictures_that_may_not_be_stored_are_not(tmp_path, write_notebook, monkeypatch):
    """Even where the set lies in the default folder, which no variable names."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "unet-data" / "camvid").mkdir(parents=True)
    path = tmp_path / "notebooks" / "05.ipynb"
    write_notebook(path, "from unet_helpers import load", "load('streets')")
    before = path.read_bytes()
    with pytest.raises(NotebookFailed, match="whose terms do not allow it"):
        write_in_place([path])
    assert path.read_bytes() == before

import os
import re

import nbformat
import pytest

from unet_helpers.classroom.canonical import code_cells, to_bytes
from unet_helpers.classroom.execution import (
    NotebookFailed,
    attempt,
    execute,
    kernel_environment,
    storing_environment,
    write_in_place,
)

SLIDER = "import ipywidgets\nipywidgets.IntSlider(3)"
PRINTS = "for i in range(3):\n    print(i, flush=True)\nprint(hash('a'))"


def texts(notebook):
    return [o["text"] for cell in code_cells(notebook) for o in cell["outputs"] if "text" in o]


def test_executing_twice_gives_the_same_bytes_and_only_reads(tmp_path, write_notebook):
    path = write_notebook(tmp_path / "toy.ipynb", SLIDER, PRINTS)
    before, seen = path.read_bytes(), []
    first = execute(path, on_cell=lambda done, total: seen.append((done, total)))
    assert to_bytes(first) == to_bytes(execute(path))
    assert [cell["execution_count"] for cell in code_cells(first)] == [1, 2]
    assert seen == [(1, 2), (2, 2)]
    assert path.read_bytes() == before


def test_the_kernel_gets_the_environment_and_works_in_the_notebooks_folder(
    tmp_path, write_notebook, monkeypatch
):
    code = "import os, pathlib\nprint(pathlib.Path.cwd().name, os.environ['UNET_DATASET'])"
    path = write_notebook(tmp_path / "course" / "toy.ipynb", code)
    monkeypatch.chdir(tmp_path)
    execution = attempt(path.relative_to(tmp_path), env=kernel_environment("membranes"))
    assert texts(execution.notebook) == ["course membranes\n"]
    assert execution.peak_bytes is None or execution.peak_bytes > 1e6


def test_an_error_is_named_and_what_came_before_is_kept(tmp_path, write_notebook):
    path = write_notebook(tmp_path / "toy.ipynb", "print('fine')", "int('x')", "print('never')")
    execution = attempt(path)
    assert execution.error.startswith("code cell 2 of 3: ValueError: invalid literal")
    assert texts(execution.notebook) == ["fine\n"]
    with pytest.raises(NotebookFailed, match=r"^toy\.ipynb, code cell 2 of 3: ValueError"):
        execute(path)


def test_a_kernel_that_dies_is_named(tmp_path, write_notebook):
    path = write_notebook(tmp_path / "toy.ipynb", "1", "import os\nos._exit(1)")
    assert re.match("code cell 2 of 2: the kernel died", attempt(path).error)


def test_writing_in_place_replaces_only_what_ran(tmp_path, write_notebook, monkeypatch):
    monkeypatch.setenv("UNET_DATASET", "membranes")
    monkeypatch.setenv("UNET_DATA_HOME", "somewhere")
    shown = "import os\nprint({'UNET_DATASET', 'UNET_DATA_HOME'} & set(os.environ))"
    good = write_notebook(tmp_path / "good.ipynb", shown)
    bad = write_notebook(tmp_path / "bad.ipynb", "1 / 0")
    before, said = bad.read_bytes(), []
    with pytest.raises(NotebookFailed, match="ZeroDivisionError"):
        write_in_place([good, bad], said.append)
    write_in_place([good], said.append)
    assert said == ["good.ipynb: outputs renewed", "good.ipynb: unchanged"]
    assert texts(nbformat.read(good, as_version=4)) == ["set()\n"]
    assert bad.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["bad.ipynb", "good.ipynb"]


def test_the_environment_of_a_kernel(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNET_DATASET", "streets")
    monkeypatch.setenv("UNET_DATA_HOME", "data")
    monkeypatch.setenv("UNET_RUN_RECORD", "records")
    variables = kernel_environment(EXTRA="1")
    assert variables["UNET_DATA_HOME"] == str(tmp_path.resolve() / "data")
    assert variables["PYTHONHASHSEED"] == "0" and variables["EXTRA"] == "1"
    assert not {"UNET_DATASET", "UNET_RUN_RECORD"} & set(variables)
    assert "UNET_DATA_HOME" not in storing_environment()
    assert os.environ["UNET_DATASET"] == "streets"

"""The command line."""

import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from unet_helpers.__main__ import main


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A folder with two notebooks as the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNET_DATA_HOME", raising=False)
    (tmp_path / "notebooks").mkdir()
    for name, code in (("00_start_here", "print('hello')"), ("03_training", "1 / 0")):
        cells = [new_code_cell(code, id="cell-0")]
        nbformat.write(new_notebook(cells=cells), tmp_path / "notebooks" / f"{name}.ipynb")
    return tmp_path


def test_help_names_the_commands_and_loads_no_tensorflow():
    code = (
        "import sys, unet_helpers.__main__ as m\n"
        "try: m.main(['--help'])\n"
        "finally: assert not {'tensorflow', 'keras', 'nbclient'} & set(sys.modules)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    for command in ("lab", "run", "refresh", "reset", "execute", "data", "doctor", "evaluate"):
        assert f"\n    {command} " in outcome.stdout


@pytest.mark.parametrize(
    "command", ["lab", "run", "refresh", "reset", "execute", "data", "doctor", "evaluate"]
)
def test_the_help_of_each_command_ends_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"python -m unet_helpers {command}" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--only", "07"], "no notebook's name starts with '07'"),
        (["run", "--dataset", "membranes"], "UNET_DATA_HOME"),
        (["run", "--dataset", "mebranes"], "found 'mebranes'; correct the name"),
        (["reset", "0"], "fits 2 notebooks"),
        (["lab", "--port", "0"], "from 1 to 65535"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(arguments, said, course, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and error.count("\n") == 1


def test_execute_renews_what_it_is_told_and_a_failure_is_exit_1(course, capsys):
    assert main(["execute", "00"]) == 0
    assert main(["execute", "00", "03"]) == 1
    out, error = capsys.readouterr()
    assert out.splitlines() == [
        "00_start_here.ipynb: outputs renewed",
        "00_start_here.ipynb: unchanged",
    ]
    assert error.startswith("error: 03_training.ipynb, code cell 1 of 1: ZeroDivisionError")


def test_run_refresh_and_reset_do_their_work(course, capsys):
    assert main(["run", "--only", "00"]) == 0
    assert (course / "build" / "cells" / "index.html").exists()
    assert main(["refresh"]) == 0
    copy = course / "work" / "03_training.ipynb"
    copy.write_text("mine")
    assert main(["reset", "03"]) == 0
    assert copy.read_bytes() == (course / "notebooks" / "03_training.ipynb").read_bytes()
    assert (course / "work" / "03_training.yours-1.ipynb").read_text() == "mine"

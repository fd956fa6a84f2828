"""The notebooks run on real data sets as they stand, targets included, without a network."""

import os
from pathlib import Path

import pytest

from unet_helpers.classroom.canonical import stderr_outputs
from unet_helpers.classroom.execution import execute, kernel_environment

ONLY = ("01_", "02_", "03_", "04_", "04b_")
FOLDERS = {"membranes": "isbi2012_membrane", "blood": "wbc_tecom"}


def run(notebook: Path, name: str, no_network: dict[str, str]) -> None:
    home = os.environ.get("UNET_DATA_HOME")
    if not home:
        pytest.skip("UNET_DATA_HOME is not set, so there are no real data sets to run on")
    if not (Path(home).expanduser() / FOLDERS[name]).is_dir():
        pytest.skip(f"the folder that UNET_DATA_HOME names holds no '{FOLDERS[name]}'")
    executed = execute(notebook, env=kernel_environment(name, **no_network))
    assert stderr_outputs(executed) == []


@pytest.mark.real_data
@pytest.mark.notebooks
def test_it_runs_on_membranes(notebook, no_network):
    run(notebook, "membranes", no_network)


@pytest.mark.real_data
@pytest.mark.notebooks
def test_the_evaluation_runs_on_blood(notebook, no_network):
    if not notebook.name.startswith("04"):
        pytest.skip("only the notebooks on evaluation promise to run on 'blood'")
    run(notebook, "blood", no_network)

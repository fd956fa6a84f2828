"""The notebooks run on a real data set as they stand, targets included, without a network."""

import os
from pathlib import Path

import pytest

from unet_helpers.classroom.canonical import stderr_outputs
from unet_helpers.classroom.execution import execute, kernel_environment

ONLY = ("01_", "02_", "03_", "04_", "04b_")


@pytest.fixture
def membranes():
    home = os.environ.get("UNET_DATA_HOME")
    if not home:
        pytest.skip("UNET_DATA_HOME is not set, so there are no real data sets to run on")
    if not (Path(home).expanduser() / "isbi2012_membrane").is_dir():
        pytest.skip("the folder that UNET_DATA_HOME names holds no 'isbi2012_membrane'")
    return "membranes"


@pytest.mark.real_data
@pytest.mark.notebooks
def test_it_runs_on_membranes(notebook, membranes, no_network):
    executed = execute(notebook, env=kernel_environment(membranes, **no_network))
    assert stderr_outputs(executed) == []

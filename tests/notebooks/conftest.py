"""A network that is not there, for the tests that execute notebooks."""

from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
BLOCKER = Path(__file__).with_name("sitecustomize_dir")


@pytest.fixture
def no_network(tmp_path):
    """The variables that keep a kernel off the network; any attempt fails the test at its end."""
    log = tmp_path / "network.log"
    yield {"PYTHONPATH": str(BLOCKER), "UNET_NETWORK_LOG": str(log)}
    assert not log.exists(), f"a cell wanted to reach {log.read_text().split()}"


def pytest_generate_tests(metafunc):
    """Give each test that takes `notebook` the committed notebooks, and one skip if none."""
    if "notebook" not in metafunc.fixturenames:
        return
    only = getattr(metafunc.module, "ONLY", ("",))
    paths = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if path.name.startswith(only)]
    none = pytest.param(None, marks=pytest.mark.skip(reason="no such notebooks are committed yet"))
    metafunc.parametrize("notebook", paths or [none], ids=[path.stem for path in paths] or ["none"])

"""Executing a notebook gives the bytes that are committed, each time."""

import pytest

from unet_helpers.classroom.canonical import to_bytes
from unet_helpers.classroom.execution import execute, storing_environment


@pytest.mark.repeat
@pytest.mark.notebooks
def test_executing_twice_gives_the_same_bytes(notebook, no_network):
    environment = storing_environment(**no_network)
    first, second = (to_bytes(execute(notebook, env=environment)) for _ in range(2))
    assert first == second
    assert first == notebook.read_bytes(), "run: make execute"

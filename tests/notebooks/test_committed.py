"""What holds for every committed notebook, as its file stands."""

import re

import nbformat
import pytest

from unet_helpers.classroom.canonical import METADATA, WIDGET_VIEW, code_cells, stderr_outputs
from unet_helpers.classroom.exercises import tags

CORE = tuple(f"0{number}_" for number in range(5))
NETWORK = re.compile(
    r"urllib|\brequests\b|https?://|\bhttpx\b|aiohttp|\bsocket\b|get_file\("
    r"|^\s*[!%]\s*(pip|conda|uv|wget|curl)\b",
    re.MULTILINE,
)


@pytest.fixture
def content(notebook):
    return nbformat.read(notebook, as_version=4)


def outputs(content):
    return [output for cell in code_cells(content) for output in cell["outputs"]]


def test_it_is_valid(content):
    nbformat.validate(content)


def test_every_code_cell_was_executed_in_order(content):
    counts = [cell["execution_count"] for cell in code_cells(content)]
    assert counts == list(range(1, len(counts) + 1)), "run: make execute"


def test_nothing_was_written_to_stderr(content):
    assert stderr_outputs(content) == []


def test_no_cell_raised(content):
    assert [o for o in outputs(content) if o["output_type"] == "error"] == []


def test_it_is_in_canonical_form(content):
    assert dict(content["metadata"]) == METADATA, "run: make execute"
    assert not any(WIDGET_VIEW in output.get("data", {}) for output in outputs(content))
    assert not any("execution" in cell["metadata"] for cell in content["cells"])


def test_it_is_small(notebook):
    assert notebook.stat().st_size < 1.5e6


def test_every_figure_has_alt_text(content):
    figures = [output for output in outputs(content) if "image/png" in output.get("data", {})]
    texts = [figure["metadata"].get("image/png", {}).get("alt", "") for figure in figures]
    assert [text for text in texts if len(text) < 20] == []


def test_no_code_cell_is_long(content):
    # A cell to copy into a project of one's own is complete, and so may be longer.
    limits = [39 if "copy-this" in tags(cell) else 20 for cell in code_cells(content)]
    lengths = [len(cell["source"].split("\n")) for cell in code_cells(content)]
    assert [n for n, limit in zip(lengths, limits, strict=True) if n > limit] == []


def test_no_code_cell_hides_its_value_with_a_semicolon(content):
    # JupyterLab then stores no value, nbval sees one, and the strict comparison fails.
    assert [c["source"] for c in code_cells(content) if c["source"].rstrip().endswith(";")] == []


def test_no_code_cell_names_the_network(content):
    assert [c["source"] for c in code_cells(content) if NETWORK.search(c["source"])] == []


def test_the_parameters_cell_names_the_data_set(notebook, content):
    if not notebook.name.startswith(CORE):
        pytest.skip("only notebooks 00 to 04 take any data set")
    tagged = [c for c in code_cells(content) if "parameters" in c["metadata"].get("tags", [])]
    assert len(tagged) == 1
    assert 'os.environ.get("UNET_DATASET", "cells")' in tagged[0]["source"]

"""Small notebooks for the tests of the classroom."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


@pytest.fixture
def write_notebook():
    """Write a notebook of code cells to a path, the same bytes each time, and return the path."""

    def write(path, *sources, title="A notebook"):
        cells = [new_markdown_cell(f"# {title}"), *map(new_code_cell, sources)]
        for number, cell in enumerate(cells):
            cell["id"] = f"cell-{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=cells), path)
        return path

    return write

"""The canonical form of an executed notebook: its outputs, and nothing that chance decides."""

from typing import Any

import nbformat
from nbformat import NotebookNode

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# No patch version of Python and no name of an environment: they differ between people.
METADATA: dict[str, dict[str, str]] = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def clear_outputs(notebook: NotebookNode) -> None:
    """Remove what an earlier execution left in the code cells.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Changed in place.
    """
    for cell in code_cells(notebook):
        cell["outputs"] = []
        cell["execution_count"] = None


def canonicalise(notebook: NotebookNode) -> None:
    """Remove from an executed notebook all that differs between two executions.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Changed in place: metadata become `METADATA`; timings, the state of widgets and their
        random ids go; consecutive pieces of one stream become one output.
    """
    notebook["metadata"] = nbformat.from_dict(METADATA)
    for cell in notebook["cells"]:
        for volatile in ("execution", "ExecuteTime", "trusted"):
            cell["metadata"].pop(volatile, None)
    for cell in code_cells(notebook):
        for output in cell["outputs"]:
            output.get("data", {}).pop(WIDGET_VIEW, None)
        cell["outputs"] = merge_streams(cell["outputs"])


def merge_streams(outputs: list[Any]) -> list[Any]:
    """Join consecutive pieces of the same stream.

    How a kernel cuts its prints into messages depends on timing alone.

    Parameters
    ----------
    outputs : list of nbformat.NotebookNode
        One cell's outputs.

    Returns
    -------
    list of nbformat.NotebookNode
        The outputs in the same order; text printed after a figure stays after it.
    """
    merged: list[Any] = []
    for output in outputs:
        is_stream = output["output_type"] == "stream"
        if is_stream and merged and merged[-1].get("name") == output["name"]:
            merged[-1]["text"] += output["text"]
        else:
            merged.append(output)
    return merged


def code_cells(notebook: NotebookNode) -> list[Any]:
    """List the code cells of a notebook.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The notebook.

    Returns
    -------
    list of nbformat.NotebookNode
        Its code cells, from the top.
    """
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def stderr_outputs(notebook: NotebookNode) -> list[str]:
    """List what a notebook's cells wrote to stderr, such as warnings and TensorFlow's log.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The notebook.

    Returns
    -------
    list of str
        One text an output; the course's notebooks have none.
    """
    return [
        output["text"]
        for cell in code_cells(notebook)
        for output in cell["outputs"]
        if output["output_type"] == "stream" and output["name"] == "stderr"
    ]


def to_bytes(notebook: NotebookNode) -> bytes:
    """Turn a notebook into the bytes of its file.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The notebook.

    Returns
    -------
    bytes
        UTF-8 JSON with sorted keys and one newline at the end, on every system.
    """
    return (nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n").encode()

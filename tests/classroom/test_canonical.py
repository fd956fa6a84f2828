from nbformat.v4 import new_code_cell, new_notebook, new_output

from unet_helpers.classroom.canonical import (
    METADATA,
    WIDGET_VIEW,
    canonicalise,
    stderr_outputs,
    to_bytes,
)


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def executed(*outputs):
    cell = new_code_cell("...", id="cell-0", outputs=list(outputs), metadata={"tags": ["kept"]})
    cell["metadata"]["execution"] = {"iopub.status.busy": "2020-01-01T00:00:00Z"}
    return new_notebook(cells=[cell], metadata={"widgets": {}, "title": "T"})


def test_noise_goes_and_the_rest_stays():
    view = new_output("display_data", {WIDGET_VIEW: {"model_id": "f00"}, "text/plain": "IntSlider"})
    notebook = executed(view)
    canonicalise(notebook)
    cell = notebook["cells"][0]
    assert dict(notebook["metadata"]) == METADATA
    assert dict(cell["metadata"]) == {"tags": ["kept"]}
    assert dict(cell["outputs"][0]["data"]) == {"text/plain": "IntSlider"}


def test_only_consecutive_pieces_of_one_stream_are_joined():
    figure = new_output("display_data", {"text/plain": "<Figure>"})
    pieces = [stream("a"), stream("b"), stream("!", "stderr"), stream("c"), figure, stream("d")]
    notebook = executed(*pieces)
    canonicalise(notebook)
    texts = [output.get("text", "figure") for output in notebook["cells"][0]["outputs"]]
    assert texts == ["ab", "!", "c", "figure", "d"]
    assert stderr_outputs(notebook) == ["!"]


def test_how_the_kernel_cut_its_prints_leaves_no_trace():
    whole, cut = executed(stream("ab")), executed(stream("a"), stream("b"))
    canonicalise(whole)
    canonicalise(cut)
    assert to_bytes(whole) == to_bytes(cut)
    assert to_bytes(whole).endswith(b"}\n")

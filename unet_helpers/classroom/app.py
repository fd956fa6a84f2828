"""The command ``app``: the segmenter of notebook 06 as a page of its own, served by voila."""

import json
import os
import sys
import tempfile
from pathlib import Path

import nbformat

from .evaluating import needed_model
from .execution import with_absolute_data_home
from .lab import check_port, serve

PORT = 8866
LARGEST_UPLOAD = 256 * 2**20

TITLE = """\
# What does the model find?

Choose an image from your disk. It stays on this computer. Pixels above the threshold count as
found; mask and table can be downloaded below the picture."""
CODE = """\
from unet_helpers import segmenter

segmenter({model!r})"""


def app(run: Path, *, browser: bool = True, port: int | None = None) -> int:
    """Serve the page until it is stopped.

    Parameters
    ----------
    run : Path
        A run's folder, or a ``.keras`` file.
    browser : bool
        Whether to open a browser; the address is printed in any case.
    port : int, optional
        8866, or the next one free, by default.

    Returns
    -------
    int
        The server's exit status, 0 after Ctrl-C.

    Raises
    ------
    UserError
        If there is no model.
    """
    check_port(port)
    file = needed_model(run)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "segment.ipynb"
        nbformat.write(page_of(file), page)
        print("Starting the page; Ctrl-C here ends it.", flush=True)
        return serve(app_command(page, browser=browser, port=port), _environment(page.parent))


def _environment(folder: Path) -> dict[str, str]:
    """Variables of the server and its kernels, and the settings that one of them points to."""
    settings = {"Voila": {"tornado_settings": {"websocket_max_message_size": LARGEST_UPLOAD}}}
    (folder / "voila.json").write_text(json.dumps(settings))
    paths = [str(folder), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    return {
        **with_absolute_data_home(os.environ),
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths)),
    }


def page_of(model: Path) -> nbformat.NotebookNode:
    """The notebook behind the page."""
    cells = [
        nbformat.v4.new_markdown_cell(TITLE),
        nbformat.v4.new_code_cell(CODE.format(model=str(model.resolve()))),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


def app_command(page: Path, *, browser: bool, port: int | None) -> list[str]:
    """The command line of the server, which listens on this computer only."""
    command = [
        *(sys.executable, "-m", "voila", str(page)),
        "--Voila.ip=127.0.0.1",
        "--Voila.log_level=ERROR",
        f"--port={port or PORT}",
    ]
    if port is not None:
        command.append("--Voila.port_retries=0")
    if not browser:
        command.append("--no-browser")
    return command

"""JupyterLab on the working copies."""

import json
import os
import subprocess
import sys
from pathlib import Path

from .execution import with_absolute_data_home
from .files import UserError, write_atomically
from .working_copies import refresh

FIRST_NOTEBOOK = "00_start_here.ipynb"
SECONDS_TO_END = 10

# JupyterLab would ask each learner whether to fetch its news, over the first notebook.
NO_NOTICES = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}
}


def lab(
    notebooks_dir: Path, work_dir: Path, *, browser: bool = True, port: int | None = None
) -> int:
    """Refresh the working copies and show them in JupyterLab until it is stopped.

    Parameters
    ----------
    notebooks_dir : pathlib.Path
        The folder of the originals.
    work_dir : pathlib.Path
        The folder of the working copies.
    browser : bool, optional
        Whether to open a browser; the address is printed in any case.
    port : int, optional
        The port to listen on; JupyterLab's own choice if left out.

    Returns
    -------
    int
        JupyterLab's exit status, 0 after Ctrl-C.
    """
    check_port(port)
    refresh(notebooks_dir, work_dir)
    command = lab_command(work_dir, browser=browser, port=port)
    print("Starting JupyterLab on your working copies; Ctrl-C here ends it.", flush=True)
    return serve(command, lab_environment(work_dir))


def check_port(port: int | None) -> None:
    """Refuse a port that there is not."""
    if port is not None and not 1 <= port <= 65535:
        raise UserError(f"expected a port from 1 to 65535, found {port}; leave it out to get one")


def serve(command: list[str], environment: dict[str, str]) -> int:
    """Run a server until it ends or is told to by Ctrl-C; its exit status."""
    with subprocess.Popen(command, env=environment) as server:
        try:
            return server.wait()
        except KeyboardInterrupt:
            _await_end(server)
            return 0


def lab_command(work_dir: Path, *, browser: bool = True, port: int | None = None) -> list[str]:
    """Build the command line that starts JupyterLab.

    It listens on this computer only and asks for its token.

    Parameters
    ----------
    work_dir : pathlib.Path
        The folder of the working copies. The folder above it is the root, so that paths such
        as ``../benchmarks`` lead from a copy to the same place as from its original.
    browser : bool, optional
        Whether to open a browser.
    port : int, optional
        The port to listen on and no other.

    Returns
    -------
    list of str
        The program and its arguments.
    """
    work_dir = work_dir.resolve()
    first = work_dir / FIRST_NOTEBOOK
    shown = f"/{work_dir.name}/{first.name}" if first.exists() else f"/{work_dir.name}"
    command = [
        *(sys.executable, "-m", "jupyterlab"),
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={work_dir.parent}",
        f"--LabApp.default_url=/lab/tree{shown}",
        "--ServerApp.log_level=WARN",
        # One Ctrl-C is enough: without this, Jupyter asks back, and waits for an answer.
        "--ServerApp.answer_yes=True",
    ]
    if port is not None:
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not browser:
        command.append("--no-browser")
    # Containers and some classroom servers run as root, where Jupyter wants to be told so.
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return command


def lab_environment(work_dir: Path) -> dict[str, str]:
    """Build JupyterLab's environment variables, and the settings that one of them points to.

    The settings are defaults: they leave a learner's own, in the home folder, alone.

    Parameters
    ----------
    work_dir : pathlib.Path
        The folder of the working copies; the settings go into its hidden folder ``.jupyter``.

    Returns
    -------
    dict of str to str
        This process's variables, with ``JUPYTER_CONFIG_PATH`` lengthened and
        ``UNET_DATA_HOME`` absolute.
    """
    settings = work_dir.resolve() / ".jupyter"
    overrides = settings / "labconfig" / "default_setting_overrides.json"
    write_atomically(overrides, (json.dumps(NO_NOTICES, indent=1) + "\n").encode())
    paths = [str(settings), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    return {
        **with_absolute_data_home(os.environ),
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths)),
    }


def _await_end(server: "subprocess.Popen[bytes]") -> None:
    """Wait while the server stops its kernels; a terminal sends Ctrl-C to it as well."""
    try:
        server.wait(timeout=SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        server.terminate()

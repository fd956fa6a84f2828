"""Execute a notebook in a kernel of its own and keep its outputs in canonical form."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from unet_helpers.data.catalogue import STORING

from .canonical import canonicalise, clear_outputs, code_cells, to_bytes
from .files import write_atomically

CELL_TIMEOUT = 900  # seconds; the slowest cell of the course takes less than a minute

OnCell = Callable[[int, int], None]


class NotebookFailed(RuntimeError):
    """A notebook did not run to its end; the message names it, the cell and the error."""


@dataclass
class Execution:
    """One execution of one notebook.

    Attributes
    ----------
    notebook : nbformat.NotebookNode
        The notebook with the outputs it came to, in canonical form.
    seconds : float
        Wall-clock time with the kernel's start.
    peak_bytes : int or None
        The most memory the kernel's process held; None where the system does not tell.
    done : int
        How many code cells ran to their end.
    error : str or None
        Where and why it stopped; None if it ran to its end.
    """

    notebook: NotebookNode
    seconds: float = 0.0
    peak_bytes: int | None = None
    done: int = 0
    error: str | None = None


class _ThisPythonsKernel(AsyncKernelManager):
    """Start kernels with the Python that runs now.

    A kernel that someone once registered as ``python3`` for their user account would otherwise
    win over this environment's.
    """

    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return KernelSpecManager(kernel_dirs=[], parent=self)


def kernel_environment(dataset: str | None = None, **more: str) -> dict[str, str]:
    """Build the environment variables of a kernel.

    Parameters
    ----------
    dataset : str, optional
        The data set the notebooks are to run on, read from ``UNET_DATASET``; their default if
        left out, whatever the variable holds now.
    **more : str
        Further variables.

    Returns
    -------
    dict of str to str
        This process's variables with these changes, a fixed hash seed, and ``UNET_DATA_HOME``
        as an absolute path.
    """
    environment = with_absolute_data_home(os.environ) | {"PYTHONHASHSEED": "0"}
    for ours in ("UNET_DATASET", "UNET_RUN_RECORD", STORING):
        environment.pop(ours, None)
    if dataset is not None:
        environment["UNET_DATASET"] = dataset
    return {**environment, **more}


def with_absolute_data_home(environment: Mapping[str, str]) -> dict[str, str]:
    """Make ``UNET_DATA_HOME`` mean the same folder to every process.

    A kernel works in its notebook's folder, where a relative path would lead elsewhere.

    Parameters
    ----------
    environment : mapping of str to str
        Environment variables.

    Returns
    -------
    dict of str to str
        The same variables, with an absolute path if there is one at all.
    """
    home = environment.get("UNET_DATA_HOME")
    if not home:
        return dict(environment)
    return {**environment, "UNET_DATA_HOME": str(Path(home).expanduser().resolve())}


def storing_environment(**more: str) -> dict[str, str]:
    """Build the environment in which the stored outputs of the notebooks are made.

    Parameters
    ----------
    **more : str
        Further variables.

    Returns
    -------
    dict of str to str
        As `kernel_environment` without a data set, and without ``UNET_DATA_HOME``: what is
        stored must not depend on which real data somebody happens to have. In it, `load` refuses
        sets whose terms do not allow to store pictures of them.
    """
    environment = kernel_environment(**more)
    environment.pop("UNET_DATA_HOME", None)
    return {**environment, STORING: "1"}


def attempt(
    path: Path, *, env: Mapping[str, str] | None = None, on_cell: OnCell | None = None
) -> Execution:
    """Execute a notebook as far as it goes.

    Parameters
    ----------
    path : pathlib.Path
        The notebook, which is only read; its folder is the kernel's current one.
    env : mapping of str to str, optional
        All environment variables of the kernel; by default `kernel_environment()`.
    on_cell : callable, optional
        Called with the number of code cells done and the number there are, after each.

    Returns
    -------
    Execution
        The outputs, and the error if there was one.
    """
    notebook = nbformat.read(path, as_version=4)
    execution = Execution(notebook)
    clear_outputs(notebook)
    started = time.perf_counter()
    try:
        _run_cells(execution, path, env, on_cell)
    except CellExecutionError as error:
        execution.error = f"{_stopped_at(execution)}: {error.ename}: {_last_line(error.evalue)}"
    except CellTimeoutError:
        execution.error = f"{_stopped_at(execution)}: took more than {CELL_TIMEOUT} s"
    except DeadKernelError:
        execution.error = f"{_stopped_at(execution)}: the kernel died, perhaps for lack of memory"
    execution.seconds = time.perf_counter() - started
    canonicalise(notebook)
    return execution


def execute(
    path: Path, *, env: Mapping[str, str] | None = None, on_cell: OnCell | None = None
) -> NotebookNode:
    """Execute a notebook to its end.

    Parameters
    ----------
    path : pathlib.Path
        The notebook, which is only read; its folder is the kernel's current one.
    env : mapping of str to str, optional
        All environment variables of the kernel; by default `kernel_environment()`.
    on_cell : callable, optional
        Called with the number of code cells done and the number there are, after each.

    Returns
    -------
    nbformat.NotebookNode
        The notebook with its outputs, the same at each execution on one machine.

    Raises
    ------
    NotebookFailed
        If a cell raises, takes too long, or ends the kernel.
    """
    execution = attempt(path, env=env, on_cell=on_cell)
    if execution.error is not None:
        raise NotebookFailed(f"{path.name}, {execution.error}")
    return execution.notebook


def write_in_place(paths: Iterable[Path], announce: Callable[[str], None] = print) -> None:
    """Execute notebooks on their default data set and store the outputs in their own files.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        The notebooks. A file is replaced in one step, and only after its notebook ran to its
        end.
    announce : callable, optional
        Called with a line a notebook.

    Raises
    ------
    NotebookFailed
        At the first notebook that does not run to its end; its file stays as it was.
    """
    environment = storing_environment()
    for path in paths:
        before = path.read_bytes()
        after = to_bytes(execute(path, env=environment))
        if after != before:
            write_atomically(path, after)
        announce(f"{path.name}: {'unchanged' if after == before else 'outputs renewed'}")


def _run_cells(
    execution: Execution, path: Path, env: Mapping[str, str] | None, on_cell: OnCell | None
) -> None:
    """Send the cells one by one to a fresh kernel, noting its memory on the way."""
    cells = execution.notebook["cells"]
    total = len(code_cells(execution.notebook))
    client = NotebookClient(
        execution.notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        kernel_manager_class=_ThisPythonsKernel,
        record_timing=False,
        # ipykernel's own log would warn that it talks in the clear, if only to this computer.
        extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
    )
    environment = dict(kernel_environment() if env is None else env)
    # Cell by cell rather than `client.execute()`, which would catch Ctrl-C and go on.
    with client.setup_kernel(env=environment, cwd=str(path.resolve().parent)):
        for index, cell in enumerate(cells):
            if cell["cell_type"] != "code":
                continue
            try:
                client.execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
            finally:
                execution.peak_bytes = _peak_memory(client) or execution.peak_bytes
            execution.done += 1
            if on_cell is not None:
                on_cell(execution.done, total)


def _peak_memory(client: Any) -> int | None:
    """Read the high-water mark of the kernel's memory, which Linux keeps under /proc."""
    pid = getattr(getattr(client.km, "provisioner", None), "pid", None)
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) * 1024 if peaks else None


def _stopped_at(execution: Execution) -> str:
    return f"code cell {execution.done + 1} of {len(code_cells(execution.notebook))}"


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "(no message)"

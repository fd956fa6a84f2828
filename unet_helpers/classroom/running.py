"""Run the series without a browser: a page a notebook, and a table of what they came to."""

import sys
import tempfile
from pathlib import Path

from nbformat import ValidationError
from tqdm import tqdm

from unet_helpers.data.catalogue import ENTRIES, absence, data_home

from .execution import Execution, OnCell, attempt, kernel_environment
from .files import UserError, choose_notebooks
from .pages import write_index, write_page
from .results import Result, as_table, write_json
from .targets import RECORD_FILE, read_records

EMBEDDED = "cells"


def run_series(
    notebooks_dir: Path, build_dir: Path, dataset: str = EMBEDDED, only: str | None = None
) -> int:
    """Run the notebooks in the order of their names, each in a kernel of its own.

    Parameters
    ----------
    notebooks_dir : pathlib.Path
        The folder of the notebooks, which are only read.
    build_dir : pathlib.Path
        Where the pages, ``index.html`` and ``run.json`` go, in a folder named after `dataset`.
    dataset : str, optional
        The data set to run on.
    only : str, optional
        Run only the notebooks whose name starts so, such as ``03``.

    Returns
    -------
    int
        0, or 1 if a notebook failed; the others run all the same.

    Raises
    ------
    UserError
        If there is no such notebook, or the data set is unknown or not there.
    """
    check_data_home(dataset)
    pages = build_dir / dataset
    results = []
    for path in choose_notebooks(notebooks_dir, only):
        results.append(_run_one(path, pages, dataset))
        _report(results[-1])
        # After each notebook, so that a run that is stopped leaves what it has.
        write_json(pages / "run.json", dataset, results)
        write_index(pages / "index.html", dataset, results)
    print(f"\n{as_table(results)}\n\nThe pages are listed in {pages / 'index.html'}")
    return int(any(result.error is not None for result in results))


def check_data_home(dataset: str) -> None:
    """Check that a data set is known and, unless embedded, that its folder is there.

    Parameters
    ----------
    dataset : str
        The data set's name.

    Raises
    ------
    UserError
        If there is no such set, or no folder of it under the data home; the message says how to
        get it.
    """
    if dataset == EMBEDDED:
        return
    if dataset not in ENTRIES:
        known = ", ".join([EMBEDDED, *ENTRIES])
        raise UserError(f"the data set must be one of {known}, found '{dataset}'; correct the name")
    absent = absence(ENTRIES[dataset], data_home())
    if absent:
        raise UserError(absent)


def _run_one(path: Path, pages: Path, dataset: str) -> Result:
    """Run one notebook and write its page, whole or as far as it came."""
    page = pages / f"{path.stem}.html"
    page.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        records = Path(scratch) / "records.jsonl"
        environment = kernel_environment(dataset, **{RECORD_FILE: str(records)})
        try:
            execution = _with_progress(path, environment)
        except (OSError, ValueError, ValidationError) as error:
            return Result(path.stem, 0.0, error=f"reading it: {str(error).splitlines()[0]}")
        scores = read_records(records)
    write_page(execution.notebook, page, path.parent)
    return Result(path.stem, execution.seconds, execution.peak_bytes, scores, execution.error)


def _with_progress(path: Path, environment: dict[str, str]) -> Execution:
    """Execute a notebook under a progress bar over its cells, where there is a terminal."""
    layout = "{desc} |{bar:24}| {n_fmt}/{total_fmt} cells, {elapsed}"
    with tqdm(
        desc=path.stem,
        total=0,
        ascii=True,
        leave=False,
        disable=not sys.stderr.isatty(),
        bar_format=layout,
    ) as bar:
        return attempt(path, env=environment, on_cell=_advance(bar))


def _advance(bar: "tqdm[None]") -> OnCell:
    def on_cell(done: int, total: int) -> None:
        bar.total = total
        bar.n = done
        bar.refresh()

    return on_cell


def _report(result: Result) -> None:
    outcome = "done" if result.error is None else f"FAILED at {result.error}"
    print(f"{result.name}: {outcome} ({result.seconds:.0f} s)", flush=True)

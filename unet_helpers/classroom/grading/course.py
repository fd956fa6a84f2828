"""The marks, kept by nbgrader: assignments, submissions with their verdicts, points and feedback.

What a submission's cells gave is written into a clean copy of the released notebook; nbgrader reads
points and feedback from that copy, and runs nothing itself.
"""

import copy
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

from unet_helpers.classroom.canonical import clear_outputs
from unet_helpers.classroom.exercises import HEADING, mark_for_nbgrader, without_solutions
from unet_helpers.classroom.files import UserError
from unet_helpers.classroom.grading.marking import Marked
from unet_helpers.classroom.grading.sheets import Sheet
from unet_helpers.classroom.teaching.formulas import with_mathml

_SCRIPT = re.compile(r"<script[^>]*src=[^>]*>\s*</script>")
MISSING = "# Nothing was handed in for this cell."


def graded_notebook(sheet: Sheet) -> NotebookNode:
    """Make the notebook that nbgrader knows: the exercises alone, stubs and checks marked as such.

    Parameters
    ----------
    sheet : Sheet
        The notebook as released.

    Returns
    -------
    nbformat.NotebookNode
        A copy without outputs and solutions.
    """
    notebook = copy.deepcopy(sheet.notebook)
    kept: dict[int, Any] = {}
    for exercise in sheet.exercises:
        assert exercise.stub is not None and exercise.check is not None
        stub, check = notebook["cells"][exercise.stub], notebook["cells"][exercise.check]
        mark_for_nbgrader(stub)
        mark_for_nbgrader(check)
        kept |= {exercise.stub: stub, exercise.check: check}
    for place, cell in enumerate(notebook["cells"]):
        heading = HEADING.search(cell["source"]) if cell["cell_type"] == "markdown" else None
        if heading is not None:
            kept[place] = cell
            text = without_solutions(cell["source"][heading.start() :])
            cell["source"] = with_mathml(text)
    notebook["cells"] = [kept[place] for place in sorted(kept)]
    clear_outputs(notebook)
    return notebook


def with_verdicts(sheet: Sheet, marked: Marked) -> NotebookNode:
    """Fill a student's answers and the verdicts into the graded notebook.

    Parameters
    ----------
    sheet : Sheet
        The notebook as released.
    marked : Marked
        What became of the submission.

    Returns
    -------
    nbformat.NotebookNode
        A verdict is the output of its check cell; one that is not "correct" is an error there, by
        which nbgrader knows it.
    """
    notebook = graded_notebook(sheet)
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    for exercise in sheet.exercises:
        stub = cells[sheet.cell(exercise.stub)["id"]]
        check = cells[sheet.cell(exercise.check)["id"]]
        stub["source"] = marked.code.get(exercise.number) or MISSING
        said = marked.said.get(exercise.number, "Not reached.")
        if marked.failed is not None:
            said = f"Not marked, for the submission {marked.failed}."
        check["outputs"] = [
            new_output("stream", name="stdout", text=said + "\n")
            if marked.passed(exercise.number)
            else new_output("error", ename="NotYet", evalue=said, traceback=[said])
        ]
    return notebook


class Course:
    """A folder in which nbgrader keeps a course.

    Parameters
    ----------
    folder : pathlib.Path
        An empty folder.

    Raises
    ------
    UserError
        If nbgrader is not installed, or cannot do its part.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from nbgrader.apps import NbGraderAPI
            from traitlets.config import Config
        except ImportError as error:
            raise UserError(
                "grading needs nbgrader, which is not installed: pip install -e '.[teacher]'"
            ) from error
        self.folder = folder.resolve()
        # nbgrader calls the program `alembic`, which lies beside this Python.
        os.environ["PATH"] = (
            f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        )
        settings = Config()
        settings.CourseDirectory.root = str(self.folder)
        settings.Execute.enabled = False  # the cells have run already, contained
        settings.ClearOutput.enabled = False
        settings.NbGraderAPI.log_level = logging.ERROR
        self.api = NbGraderAPI(config=settings)
        self.api.log.setLevel(logging.ERROR)

    def release(self, sheets: Iterable[Sheet]) -> None:
        """Tell nbgrader of the notebooks, one assignment each."""
        for sheet in sheets:
            self._write("source", "", sheet.name, graded_notebook(sheet))
            self._do("generate_assignment", sheet.name, force=True, create=True)

    def enter(self, sheet: Sheet, marked: Marked) -> tuple[float, float]:
        """Enter a submission and take the points that nbgrader gives it.

        Parameters
        ----------
        sheet : Sheet
            The notebook as released.
        marked : Marked
            What became of the submission.

        Returns
        -------
        tuple of float
            The points, and the most there are.
        """
        self._write("submitted", marked.student, sheet.name, with_verdicts(sheet, marked))
        self._do("autograde", sheet.name, marked.student, force=True, create=True)
        self._do("generate_feedback", sheet.name, marked.student, force=True)
        with self.api.gradebook as book:
            submission = book.find_submission(sheet.name, marked.student)
            return float(submission.score), float(submission.max_score)

    def feedback(self, sheet: Sheet, student: str, to: Path) -> None:
        """Copy nbgrader's page of feedback to where it needs no network."""
        page = self.folder / "feedback" / student / sheet.name / f"{sheet.name}.html"
        to.mkdir(parents=True, exist_ok=True)
        text = _SCRIPT.sub("", page.read_text(encoding="utf-8"))
        (to / page.name).write_text(text, encoding="utf-8")

    def _write(self, step: str, student: str, name: str, notebook: NotebookNode) -> None:
        path = self.folder / step / student / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)

    def _do(self, what: str, *names: str, **options: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own libraries, on its own use of them
            outcome = getattr(self.api, what)(*names, **options)
        if not outcome["success"]:
            raise UserError(f"nbgrader could not do '{what}' for {names}: {_last(outcome)}")


def _last(outcome: dict[str, Any]) -> str:
    text = str(outcome.get("error") or outcome.get("log") or "").strip()
    return text.splitlines()[-1] if text else "it gives no reason"

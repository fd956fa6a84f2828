"""From one submission to its verdicts."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from unet_helpers.classroom.exercises import Exercise, tags
from unet_helpers.classroom.grading.asking import verdict
from unet_helpers.classroom.grading.contained import Contained, Failed, Limits
from unet_helpers.classroom.grading.sheets import (
    Sheet,
    cell_id,
    check_was_changed,
    read_submission,
)

RIGHT = "Correct"


@dataclass
class Marked:
    """What became of one submitted notebook.

    Attributes
    ----------
    student, notebook : str
        Whose, and which.
    said : dict of int to str
        What the checks said, by the exercise's number.
    code : dict of int to str
        The answers, as handed in.
    failed : str or None
        How it broke its bounds; then no exercise counts.
    seconds : float
        How long it took.
    """

    student: str
    notebook: str
    said: dict[int, str] = field(default_factory=dict)
    code: dict[int, str] = field(default_factory=dict)
    failed: str | None = None
    seconds: float = 0.0

    def passed(self, exercise: int) -> bool:
        """Tell whether an exercise is solved."""
        return self.failed is None and self.said.get(exercise, "").startswith(RIGHT)


def mark(
    sheet: Sheet, student: str, path: Path, number: int, limits: Limits, *, trust: bool = False
) -> Marked:
    """Run a submission's answers and check them.

    Only the cells that the exercises need are run: imports and data, as released; the answers; and
    cells that the student has added. Trainings are not repeated.

    Parameters
    ----------
    sheet : Sheet
        The notebook as released.
    student : str
        The student's name.
    path : pathlib.Path
        The file handed in, which is only read.
    number : int
        The student's own number, from which the numeric exercises have their data.
    limits : Limits
        What it may take.
    trust : bool, optional
        Whether to run it without walls.

    Returns
    -------
    Marked
        The verdicts.
    """
    marked, started = Marked(student, sheet.name), time.monotonic()
    try:
        submission = read_submission(path)
        marked.code = _answers(sheet, submission)
        if (changed := check_was_changed(sheet, submission)) is not None:
            raise Failed(changed)
        with Contained(limits, trust) as desk:
            for source in sheet.needed(number):
                desk.ask(run=source, trusted=True)
            _run_cells(desk, sheet, submission, number, marked)
    except Failed as failure:
        marked.failed = str(failure)
    marked.seconds = time.monotonic() - started
    return marked


def _answers(sheet: Sheet, submission: NotebookNode) -> dict[int, str]:
    """Give the code that stands in the stubs, by exercise."""
    theirs = {cell_id(cell): str(cell["source"]) for cell in submission["cells"]}
    stubs = {e.number: sheet.cell(e.stub) for e in sheet.exercises}
    return {number: theirs.get(stub["id"], "") for number, stub in stubs.items()}


def _run_cells(
    desk: Contained, sheet: Sheet, submission: NotebookNode, number: int, marked: Marked
) -> None:
    """Run the student's cells in their order, and the checks where they stand."""
    released = {cell["id"]: cell for cell in sheet.notebook["cells"]}
    checks = {sheet.cell(e.check)["id"]: e for e in sheet.exercises}
    waiting = list(sheet.exercises)
    errors: dict[str, Any] = {}
    for cell in submission["cells"]:
        if cell["cell_type"] != "code":
            continue
        name = cell_id(cell)
        if (exercise := checks.get(name)) in waiting and exercise is not None:
            marked.said[exercise.number] = _judge(desk, sheet, exercise, number, errors)
            waiting.remove(exercise)
        elif _is_theirs(cell, released.get(name)):
            errors[name] = desk.ask(run=str(cell["source"])).get("error")
    for exercise in waiting:  # their check cells are missing
        marked.said[exercise.number] = _judge(desk, sheet, exercise, number, errors)


def _is_theirs(cell: Any, released: Any) -> bool:
    """Tell whether a cell is an answer, or one that the student added, or changed among imports."""
    if released is None or "exercise" in tags(released):
        return True
    changed = str(cell["source"]).strip() != released["source"].strip()
    return "needed" in tags(released) and "student" not in tags(released) and changed


def _judge(
    desk: Contained, sheet: Sheet, exercise: Exercise, number: int, errors: dict[str, Any]
) -> str:
    stub, check = sheet.cell(exercise.stub), sheet.cell(exercise.check)
    if (error := errors.get(stub["id"])) is not None:
        return f"Not yet: the cell stops with {error[0]}: {error[1]}"[:600]
    if stub["id"] not in errors:
        return "Not yet: the cell of this exercise is missing."
    return verdict(desk, check["source"], sheet.answered(exercise), sheet.names(number))

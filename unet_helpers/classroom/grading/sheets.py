"""A notebook as its author released it, and a student's copy of it, cell beside cell."""

import contextlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from unet_helpers.classroom.exercises import Exercise, read_exercises, tags, with_number
from unet_helpers.classroom.files import UserError
from unet_helpers.classroom.grading.asking import defined_names
from unet_helpers.classroom.grading.contained import Failed

LARGEST = 20 * 2**20  # bytes of a submitted notebook


@dataclass
class Sheet:
    """A notebook with exercises, as it was released.

    Attributes
    ----------
    name : str
        The file's name without its ending.
    notebook : nbformat.NotebookNode
        Its content.
    exercises : list of Exercise
        Those that have a stub and a check.
    """

    name: str
    notebook: NotebookNode
    exercises: list[Exercise] = field(default_factory=list)
    _names: dict[int, dict[str, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: Path) -> "Sheet":
        """Read a committed notebook."""
        notebook = nbformat.read(path, as_version=4)
        coded = [e for e in read_exercises(notebook) if e.stub is not None and e.check is not None]
        return cls(path.stem, notebook, coded)

    def cell(self, place: int | None) -> Any:
        """Give the cell at a place."""
        assert place is not None
        return self.notebook["cells"][place]

    def needed(self, number: int) -> list[str]:
        """Give the code that exercises need, with the student's number in it."""
        cells = [c for c in self.notebook["cells"] if "needed" in tags(c)]
        return [with_number(cell, number) for cell in cells]

    def names(self, number: int) -> dict[str, Any]:
        """Give the names that the needed cells define, run here, once for each number."""
        if number not in self._names:
            names: dict[str, Any] = {"__name__": "__main__"}
            for source in self.needed(number):
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(source, names)
            self._names[number] = names
        return dict(self._names[number])

    def answered(self, exercise: Exercise) -> list[str]:
        """Give the names that the learner is to define in an exercise."""
        return defined_names(exercise.solution or self.cell(exercise.stub)["source"])


def read_submission(path: Path) -> NotebookNode:
    """Read a notebook that somebody handed in.

    Parameters
    ----------
    path : pathlib.Path
        The file, which may be anything.

    Returns
    -------
    nbformat.NotebookNode
        Its content.

    Raises
    ------
    Failed
        If it is no notebook, or larger than `LARGEST`.
    """
    if path.is_symlink() or not path.is_file():
        raise Failed("is no ordinary file")
    if path.stat().st_size > LARGEST:
        raise Failed(f"is larger than {LARGEST / 2**20:.0f} MB")
    try:
        notebook = nbformat.read(path, as_version=4)
        return [notebook, *(str(cell["source"]) for cell in notebook["cells"])][0]
    except Exception as error:  # a broken file breaks the reader in many ways
        raise Failed(f"is no notebook that can be read ({type(error).__name__})") from error


def cell_id(cell: Any) -> str:
    """Give the name by which a cell is known again: nbgrader's if it has one, or its id."""
    marked = cell["metadata"].get("nbgrader")
    grade_id = marked.get("grade_id") if isinstance(marked, dict) else None
    return str(grade_id or cell.get("id", ""))


def check_was_changed(sheet: Sheet, submission: NotebookNode) -> str | None:
    """Tell which check cell a student has changed.

    Parameters
    ----------
    sheet : Sheet
        The notebook as released.
    submission : nbformat.NotebookNode
        As handed in.

    Returns
    -------
    str or None
        A sentence, or None if all are as released; one that is missing is no change.
    """
    theirs = {cell_id(cell): str(cell["source"]) for cell in submission["cells"]}
    for exercise in sheet.exercises:
        ours = sheet.cell(exercise.check)
        if theirs.get(ours["id"], ours["source"]).strip() != ours["source"].strip():
            return f"changed the check cell of exercise {exercise.number}"
    return None


def find_submissions(folder: Path, sheets: list[Sheet]) -> dict[str, list[tuple[Sheet, Path]]]:
    """Find what the students handed in.

    Parameters
    ----------
    folder : pathlib.Path
        One folder a student in it, named after the student; the notebooks in it, by their names.
    sheets : list of Sheet
        The notebooks that are graded.

    Returns
    -------
    dict of str to list of (Sheet, pathlib.Path)
        By student; a student without a notebook has an empty list.

    Raises
    ------
    UserError
        If the folder is not there, or holds no student's folder.
    """
    if not folder.is_dir():
        raise UserError(f"expected a folder of submissions at {folder}, found none")
    students = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not students:
        raise UserError(
            f"expected one folder for each student in {folder}, found none: put each student's "
            "notebooks into a folder with the student's name"
        )
    return {
        student.name: [
            (sheet, path)
            for sheet in sheets
            if (path := student / f"{sheet.name}.ipynb").exists() or path.is_symlink()
        ]
        for student in students
    }

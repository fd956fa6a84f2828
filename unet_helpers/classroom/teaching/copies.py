"""Students' notebooks and solution notebooks, from the committed ones."""

import copy
import hashlib

import nbformat
from nbformat import NotebookNode

from unet_helpers.classroom.canonical import METADATA, clear_outputs
from unet_helpers.classroom.exercises import (
    mark_for_nbgrader,
    read_exercises,
    tags,
    with_number,
    without_solutions,
)

NUMBERS = 10_000  # students' numbers have four digits


def number_for(student: str, seed: int) -> int:
    """Draw a student's own number, from which the numeric exercises have their data.

    Parameters
    ----------
    student : str
        The student's name, as in the list of the class.
    seed : int
        The class's: another seed gives other numbers.

    Returns
    -------
    int
        From 1 to 9999, the same whenever it is asked for.

    Examples
    --------
    >>> number_for("Ada", 2026) == number_for("Ada", 2026) != number_for("Ada", 2027)
    True
    """
    digest = hashlib.sha256(f"{seed}/{student}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (NUMBERS - 1) + 1


def numbers_for(students: list[str], seed: int) -> dict[str, int]:
    """Draw numbers for a class, no two alike.

    Parameters
    ----------
    students : list of str
        Their names, no two alike.
    seed : int
        The class's.

    Returns
    -------
    dict of str to int
        By name.
    """
    numbers: dict[str, int] = {}
    for student in students:
        number = number_for(student, seed)
        while number in numbers.values():
            number = number % (NUMBERS - 1) + 1
        numbers[student] = number
    return numbers


def student_notebook(notebook: NotebookNode, number: int = 0) -> NotebookNode:
    """Make the notebook that a student gets.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The committed one, which stays as it is.
    number : int, optional
        The student's own number, written where the notebook asks for it.

    Returns
    -------
    nbformat.NotebookNode
        Without outputs, solutions and answers; hints and checks are there, and check cells can be
        neither edited nor deleted in JupyterLab. nbgrader knows its cells.
    """
    made = _copy(notebook)
    clear_outputs(made)
    for cell in made["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = without_solutions(cell["source"])
        else:
            cell["source"] = with_number(cell, number)
        mark_for_nbgrader(cell)
        if "check" in tags(cell):
            cell["metadata"] |= {"editable": False, "deletable": False}
    made["cells"] = [cell for cell in made["cells"] if cell["source"].strip()]
    return made


def solution_notebook(notebook: NotebookNode, number: int = 0) -> NotebookNode:
    """Make the notebook with the solutions in the stubs' places.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The committed one, which stays as it is.
    number : int, optional
        The number that goes with the data of numeric exercises.

    Returns
    -------
    nbformat.NotebookNode
        Without outputs; running it prints "Correct" below every check.
    """
    made = _copy(notebook)
    clear_outputs(made)
    for exercise in read_exercises(made):
        if exercise.stub is not None and exercise.solution:
            made["cells"][exercise.stub]["source"] = exercise.solution.strip()
    for cell in made["cells"]:
        cell["source"] = with_number(cell, number)
    return made


def _copy(notebook: NotebookNode) -> NotebookNode:
    made = copy.deepcopy(notebook)
    made["metadata"] = nbformat.from_dict(METADATA)
    return made

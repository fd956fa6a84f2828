"""The exercises of a notebook, read from its cells: where each stub, check and solution stands.

An exercise begins with a heading, ``## Exercise 2: pooled``. A coded one goes on with a stub (tags
``exercise`` and its kind), a check cell (tag ``check``), and a hint and a solution in
``<details>``; one to think about has its answer in ``<details>`` below the question. Cells that
stubs and checks cannot do without are tagged ``needed``: with them alone, exercises run in seconds.
"""

import re
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

KINDS = ("code", "predict", "read")  # to write, to guess before a figure, to read from a result
HEADING = re.compile(r"^## Exercise (\d+): (.+)$", re.MULTILINE)
FOLD = re.compile(r"<details><summary>(Hint|Solution|Answer)</summary>\n(.*?)</details>\n?", re.S)
STUDENT = "STUDENT = 0"
POINTS = 1  # for an exercise with a check
BLOCK = re.compile(r"```python\n(.*?)```", re.S)


@dataclass
class Exercise:
    """One exercise of one notebook.

    Attributes
    ----------
    number : int
        Counted from 1 in its notebook.
    title : str
        What stands in its heading.
    kind : str
        One of `KINDS`.
    stub, check : int or None
        Where these cells stand in the notebook; None where a question has none.
    solution : str
        The code that the learner finds folded; empty where there is none.
    """

    number: int
    title: str
    kind: str = "read"
    stub: int | None = None
    check: int | None = None
    solution: str = ""


def tags(cell: Any) -> set[str]:
    """Give the tags of a cell.

    Parameters
    ----------
    cell : nbformat.NotebookNode
        One cell.

    Returns
    -------
    set of str
        Its tags; empty if it has none.
    """
    return set(cell["metadata"].get("tags", []))


def read_exercises(notebook: NotebookNode) -> list[Exercise]:
    r"""Find the exercises of a notebook.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The notebook, which is only read.

    Returns
    -------
    list of Exercise
        In their order.

    Examples
    --------
    >>> from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
    >>> stub = new_code_cell("two = ...", metadata={"tags": ["exercise", "code"]})
    >>> text = "<details><summary>Solution</summary>\n\n```python\ntwo = 2\n```\n</details>"
    >>> cells = [new_markdown_cell("## Exercise 1: count"), stub, new_markdown_cell(text)]
    >>> read_exercises(new_notebook(cells=cells))
    [Exercise(number=1, title='count', kind='code', stub=1, check=None, solution='two = 2\n')]
    """
    found: list[Exercise] = []
    for place, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "markdown":
            _read_text(found, cell["source"])
        elif found and "exercise" in tags(cell):
            found[-1].stub = place
            found[-1].kind = next(iter(tags(cell).intersection(KINDS)), "code")
        elif found and "check" in tags(cell):
            found[-1].check = place
    return found


def _read_text(found: list[Exercise], text: str) -> None:
    """Take in a Markdown cell: solutions of the exercise that is open, and headings of new ones."""
    before, *rest = re.split(r"(?=^## Exercise \d+: )", text, flags=re.MULTILINE)
    for part in (before, *rest):
        if (heading := HEADING.match(part)) is not None:
            found.append(Exercise(int(heading[1]), heading[2].strip()))
        if found and not found[-1].solution:
            found[-1].solution = "\n".join(
                block
                for label, fold in FOLD.findall(part)
                if label == "Solution"
                for block in BLOCK.findall(fold)
            )


def without_solutions(text: str) -> str:
    r"""Take solutions and answers out of a Markdown text; hints stay.

    Parameters
    ----------
    text : str
        Markdown with ``<details>``.

    Returns
    -------
    str
        The text without them, with a word on where they are.

    Examples
    --------
    >>> without_solutions("Why?\n\n<details><summary>Answer</summary>\n\nSo.\n</details>\n")
    'Why?\n\n*Answer: in class.*\n'
    """
    kept = FOLD.sub(lambda f: f[0] if f[1] == "Hint" else f"*{f[1]}: in class.*\n", text)
    return re.sub(r"\n{3,}", "\n\n", kept).rstrip() + ("\n" if text.endswith("\n") else "")


def with_number(cell: Any, number: int) -> str:
    """Give a cell's code, with the student's own number where it stands.

    Parameters
    ----------
    cell : nbformat.NotebookNode
        A code cell.
    number : int
        The number.

    Returns
    -------
    str
        Its code; changed only in the cell that is tagged ``student``.
    """
    source = str(cell["source"])
    return source.replace(STUDENT, f"STUDENT = {number}") if "student" in tags(cell) else source


def mark_for_nbgrader(cell: Any) -> None:
    """Tell nbgrader what a cell is, if it is a stub or a check.

    Parameters
    ----------
    cell : nbformat.NotebookNode
        One cell; a stub becomes a solution cell in its metadata, a check a cell with points.
    """
    stub, check = "exercise" in tags(cell), "check" in tags(cell)
    if not (stub or check) or cell["cell_type"] != "code":
        return
    marks: dict[str, Any] = {"grade": check, "solution": stub, "locked": check, "task": False}
    marks |= {"grade_id": cell["id"], "schema_version": 3} | ({"points": POINTS} if check else {})
    cell["metadata"]["nbgrader"] = marks

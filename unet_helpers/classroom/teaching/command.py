"""The command ``classroom``: what a teacher makes, and grading."""

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from unet_helpers.classroom.canonical import to_bytes
from unet_helpers.classroom.files import (
    UserError,
    choose_notebooks,
    find_notebooks,
    write_atomically,
)

KIT = "kit.json"
WHAT = ("students", "solutions", "slides", "handouts")


def run(options: argparse.Namespace) -> int:
    """Carry out the command.

    Parameters
    ----------
    options : argparse.Namespace
        What `arguments` lists.

    Returns
    -------
    int
        The exit status.
    """
    chosen = choose_notebooks(find_notebooks(), options.only or "")
    if options.what == "grade":
        return _grade(options, chosen)
    if options.out is None:
        raise UserError(f"'classroom {options.what}' needs a folder to write to: --out FOLDER")
    makers: dict[str, Callable[[argparse.Namespace, list[Path]], None]] = {
        "students": _students,
        "solutions": _solutions,
        "slides": _slides,
        "handouts": _handouts,
    }
    for what in WHAT if options.what == "kit" else (options.what,):
        makers[what](options, chosen)
    return 0


def _read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def _write_new(path: Path, content: bytes) -> None:
    """Write a file; one of other content that is there already may be somebody's work."""
    if path.exists() and path.read_bytes() != content:
        raise UserError(
            f"{path} is there already with other content, perhaps a student's work: "
            "name another folder, or move it away"
        )
    write_atomically(path, content)


def _students(options: argparse.Namespace, notebooks: list[Path]) -> None:
    from unet_helpers.classroom.teaching.copies import numbers_for, student_notebook

    folder = options.out / "students"
    students = read_roster(options.roster) if options.roster else []
    numbers = numbers_for(students, options.seed)
    for path in notebooks:
        notebook = _read(path)
        for student, number in numbers.items() if students else [("", 0)]:
            made = student_notebook(notebook, number)
            _write_new(folder / student / path.name, to_bytes(made))
    if students:
        note = {"seed": options.seed, "numbers": numbers}
        _write_new(options.out / KIT, (json.dumps(note, indent=2) + "\n").encode())
        print(f"{options.out / KIT}: the students' numbers; grading asks for it, keep it")
    print(f"{folder}: {len(notebooks)} notebooks for {len(students) or 'all'} students")


def read_roster(path: Path) -> list[str]:
    """Read the list of a class: one name a line, or the first column of a CSV file.

    Parameters
    ----------
    path : pathlib.Path
        The file, in UTF-8; a heading ``student`` or ``name`` is left out.

    Returns
    -------
    list of str
        The names.

    Raises
    ------
    UserError
        If it cannot be read, holds a name twice, or one that cannot name a folder.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            names = [row[0].strip() for row in csv.reader(file) if row and row[0].strip()]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"the roster {path} cannot be read: {error}") from error
    names = names[1:] if names and names[0].lower() in ("student", "name") else names
    if not names:
        raise UserError(f"expected names in the roster {path}, one a line, found none")
    for name in names:
        if name in (".", "..") or name.startswith(".") or any(c in name for c in '/\\:*?"<>|\0'):
            raise UserError(
                f'the name {name!r} in {path} cannot name a folder: leave out / \\ : * ? " < > | '
                "and a dot at its start"
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{twice[0]!r} stands twice in {path}: give each student another name")
    return names


def _solutions(options: argparse.Namespace, notebooks: list[Path]) -> None:
    from unet_helpers.classroom.teaching.copies import solution_notebook

    for path in notebooks:
        made = to_bytes(solution_notebook(_read(path)))
        write_atomically(options.out / "solutions" / path.name, made)
    print(f"{options.out / 'solutions'}: {len(notebooks)} notebooks with the solutions in place")


def _slides(options: argparse.Namespace, notebooks: list[Path]) -> None:
    from unet_helpers.classroom.teaching.slides import slides_page

    _pages(options.out / "slides", notebooks, slides_page)


def _handouts(options: argparse.Namespace, notebooks: list[Path]) -> None:
    from unet_helpers.classroom.teaching.handout import handout_page

    def page(notebook: NotebookNode, title: str, folder: Path) -> str:
        return handout_page(notebook, title, folder, _questions)

    _pages(options.out / "handouts", notebooks, page)


def _questions(name: str) -> str:
    from unet_helpers.classroom.quiz import as_markdown, read_quiz

    return as_markdown(read_quiz(name), answers=False)


def _pages(folder: Path, notebooks: list[Path], page: Callable[..., str]) -> None:
    for path in notebooks:
        made = page(_read(path), path.stem, path.parent)
        write_atomically(folder / f"{path.stem}.html", made.encode())
    print(f"{folder}: {len(notebooks)} pages that open without a network")


def _grade(options: argparse.Namespace, notebooks: list[Path]) -> int:
    from unet_helpers.classroom.grading.contained import Limits
    from unet_helpers.classroom.grading.grade import grade

    if options.submissions is None or options.out is None:
        raise UserError("'classroom grade' needs two folders: grade SUBMISSIONS --out MARKS")
    limits = Limits(seconds=options.seconds, memory=int(options.memory * 2**30))
    marked = grade(
        notebooks,
        options.submissions,
        options.out,
        numbers=_numbers(options.kit),
        limits=limits,
        trust=options.trust,
    )
    failed = sum(one.failed is not None for one in marked)
    print(f"{options.out}: marks.html, marks.csv, verdicts.csv and feedback/ for the students")
    if failed:
        print(f"{failed} of {len(marked)} notebooks were not marked; marks.csv says why")
    return 0


def _numbers(kit: Path | None) -> dict[str, int]:
    if kit is None:
        return {}
    path = kit / KIT if kit.is_dir() else kit
    try:
        numbers: Any = json.loads(path.read_text(encoding="utf-8"))["numbers"]
        return {str(name): int(number) for name, number in numbers.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"expected the note of the students' numbers in {path}, as 'classroom students "
            f"--roster' writes it, and cannot read it ({error}): name the folder of the kit"
        ) from error

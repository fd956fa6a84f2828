"""The first answer to each question of a quiz, kept in a file on the learner's own machine."""

import json
from pathlib import Path
from typing import Any

from .files import write_atomically

FILE = "quiz_results.json"

# By the question's words, not by its number: a question that was changed is another question.
Given = dict[str, dict[str, Any]]


def read_answers(path: Path) -> dict[str, Given]:
    """Read what was answered before.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    dict of str to dict
        By quiz, then by question: ``{"chosen": text, "right": bool}``. Empty without a file.

    Raises
    ------
    ValueError
        If it is not such a file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if not isinstance(content, dict) or not all(_is_given(one) for one in content.values()):
        raise ValueError(f"{path}: expected first answers by quiz and question, found other JSON")
    return content


def _is_given(given: Any) -> bool:
    return isinstance(given, dict) and all(
        isinstance(one, dict)
        and isinstance(one.get("chosen"), str)
        and isinstance(one.get("right"), bool)
        for one in given.values()
    )


def keep_answer(path: Path, quiz: str, asks: str, chosen: str, right: bool) -> Path | None:
    """Write one answer down, unless the question was answered before.

    Parameters
    ----------
    path : pathlib.Path
        The file; made if need be. It is replaced in one step.
    quiz, asks, chosen : str
        The quiz's name, the question, and the option chosen.
    right : bool
        Whether that was right.

    Returns
    -------
    pathlib.Path or None
        Where a damaged file was put aside, if there was one.

    Raises
    ------
    OSError
        If the file cannot be read or written.
    """
    aside = None
    try:
        answers = read_answers(path)
    except ValueError:
        aside = _free_name(path)
        path.replace(aside)
        answers = {}
    given = answers.setdefault(quiz, {})
    if asks not in given:
        given[asks] = {"chosen": chosen, "right": right}
        text = json.dumps(answers, indent=2, ensure_ascii=False) + "\n"
        write_atomically(path, text.encode())
    return aside


def _free_name(path: Path) -> Path:
    """Give a name beside the file that is not taken."""
    number = 1
    while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    return aside

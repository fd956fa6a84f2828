"""The questions of a quiz, read from a TOML file, and shown as Markdown, as HTML and as text.

A file holds questions of this form; between two and six options, one of them right, and an
explanation with every option::

    [[question]]
    asks = "What does `np.zeros(3).sum()` give?"

    [[question.option]]
    text = "0"
    right = true
    because = "Three zeros add up to zero."

    [[question.option]]
    text = "3"
    because = "That is how many there are."
"""

import html
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .files import UserError

QUIZZES = Path(__file__).with_name("quizzes")
LETTERS = "ABCDEF"
VERDICTS = {True: "Right.", False: "Not quite."}


@dataclass(frozen=True)
class Option:
    """One answer to choose.

    Attributes
    ----------
    text : str
        The answer; ``code`` between backticks.
    right : bool
        Whether it is the right one.
    because : str
        Why it is right, or what the mistake in it is.
    """

    text: str
    right: bool
    because: str


@dataclass(frozen=True)
class Question:
    """One question with its options.

    Attributes
    ----------
    asks : str
        The question; ``code`` between backticks, an empty line between paragraphs.
    options : tuple of Option
        In the order in which they are shown; exactly one is right.
    """

    asks: str
    options: tuple[Option, ...]


def find_quiz(name: str | Path) -> Path:
    """Find the file of a quiz.

    Parameters
    ----------
    name : str or pathlib.Path
        The name of one of the course's own, such as ``03``, or the path of a TOML file.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    UserError
        If there is none.
    """
    own = sorted(path.stem for path in QUIZZES.glob("*.toml"))
    if str(name) in own:
        return QUIZZES / f"{name}.toml"
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return path
    found = "there is no such file" if path.suffix == ".toml" else "it is neither"
    raise UserError(
        f"expected the name of a quiz ({', '.join(own)}) or the path of a TOML file, "
        f"found {str(name)!r}: {found}; choose one of the names, or correct the path"
    )


def read_quiz(name: str | Path) -> list[Question]:
    """Read the questions of a quiz.

    Parameters
    ----------
    name : str or pathlib.Path
        The name of one of the course's own, such as ``03``, or the path of a TOML file.

    Returns
    -------
    list of Question
        At least one.

    Raises
    ------
    UserError
        If there is no such quiz, or something is wrong in its file; tells what, where, and what to
        do.

    Examples
    --------
    >>> [option.right for option in read_quiz("00")[0].options].count(True)
    1
    """
    path = find_quiz(name)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            f"{path}: expected a TOML file in UTF-8, found: {error}; mend that place, or compare "
            f"with {QUIZZES / '00.toml'}"
        ) from error
    _expect(set(content) <= {"question"}, f"{path}", "nothing but [[question]]", content)
    questions = _tables(content.get("question"), f"{path}", "[[question]]")
    return [_question(one, f"{path}, question {i}") for i, one in enumerate(questions, start=1)]


def _expect(fine: Any, where: str, expected: str, found: Any) -> None:
    """Raise one sentence unless all is fine; of a table, its keys are told."""
    if fine:
        return
    if isinstance(found, dict):
        found = ", ".join(found) or "nothing"
    raise UserError(f"{where}: expected {expected}, found {found}; change that in the file")


def _tables(value: Any, where: str, expected: str) -> list[Any]:
    """Expect a list of tables; a table alone was written with one pair of brackets."""
    _expect(not isinstance(value, dict), where, expected, f"{expected[1:-1]}: one pair is too few")
    _expect(isinstance(value, list) and value, where, expected, "none")
    return list(value)


def _question(table: Any, where: str) -> Question:
    _expect(isinstance(table, dict), where, "a [[question]] with `asks` and options", repr(table))
    _expect(set(table) <= {"asks", "option"}, where, "`asks` and [[question.option]]", table)
    options = _tables(table.get("option"), where, "[[question.option]]")
    many = f"2 to {len(LETTERS)} options"
    _expect(2 <= len(options) <= len(LETTERS), where, many, len(options))
    made = tuple(
        _option(one, f"{where}, option {letter}")
        for letter, one in zip(LETTERS, options, strict=False)
    )
    right = [letter for letter, one in zip(LETTERS, made, strict=False) if one.right]
    said = f"{len(right)} ({', '.join(right)})" if right else "none"
    _expect(len(right) == 1, where, "exactly one option with `right = true`", said)
    texts = [one.text for one in made]
    alike = sorted({text for text in texts if texts.count(text) > 1})
    _expect(not alike, where, "options that differ", f"{alike and alike[0]!r} more than once")
    return Question(_text(table, "asks", where), made)


def _option(table: Any, where: str) -> Option:
    _expect(isinstance(table, dict), where, "a [[question.option]]", repr(table))
    keys = {"text", "right", "because"}
    _expect(set(table) <= keys, where, "only `text`, `right` and `because`", table)
    right = table.get("right", False)
    _expect(isinstance(right, bool), where, "`right` to be true or false", repr(right))
    return Option(_text(table, "text", where), right, _text(table, "because", where))


def _text(table: dict[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    found = "nothing" if value in (None, "") else repr(value)
    _expect(isinstance(value, str) and value.strip(), where, f"a text as `{key}`", found)
    return str(value).strip()


def as_markdown(questions: Sequence[Question], answers: bool) -> str:
    """Write questions as Markdown, for a handout.

    Parameters
    ----------
    questions : sequence of Question
        What `read_quiz` gives.
    answers : bool
        Whether each option is followed by its explanation.

    Returns
    -------
    str
        Numbered questions, with a lettered list of options each.

    Examples
    --------
    >>> question = Question("2 + 2?", (Option("4", True, "Count."), Option("5", False, "No.")))
    >>> print(as_markdown([question], answers=True), end="")
    **1.** 2 + 2?
    <BLANKLINE>
    - **A.** 4 *(Right. Count.)*
    - **B.** 5 *(Not quite. No.)*
    """
    pieces = []
    for number, question in enumerate(questions, start=1):
        options = [
            f"- **{letter}.** {option.text}"
            + (f" *({VERDICTS[option.right]} {option.because})*" if answers else "")
            for letter, option in zip(LETTERS, question.options, strict=False)
        ]
        pieces.append(f"**{number}.** {question.asks}\n\n" + "\n".join(options) + "\n")
    return "\n".join(pieces)


def as_html(text: str) -> str:
    """Turn a question's or an option's text into HTML.

    Parameters
    ----------
    text : str
        Plain text with ``code`` between backticks, an empty line between paragraphs.

    Returns
    -------
    str
        HTML in which everything else stands as it was typed.

    Examples
    --------
    >>> as_html("Is `a < b`?")
    'Is <code>a &lt; b</code>?'
    """
    paragraphs = re.split(r"\n\s*\n", html.escape(text, quote=False))
    return "<br><br>".join(re.sub(r"`([^`]+)`", r"<code>\1</code>", p) for p in paragraphs)


def as_text(text: str) -> str:
    """Turn a text into one line without backticks, for a label that shows neither.

    Parameters
    ----------
    text : str
        A question's or an option's text.

    Returns
    -------
    str
        The words.
    """
    return " ".join(text.replace("`", "").split())


def as_page(questions: Sequence[Question]) -> str:
    """Write questions as HTML that needs no kernel: each explanation folded below its option.

    Parameters
    ----------
    questions : sequence of Question
        What `read_quiz` gives.

    Returns
    -------
    str
        HTML, the same for the same questions.
    """
    pieces = []
    for number, question in enumerate(questions, start=1):
        options = "\n".join(
            f"<li>{as_html(option.text)}\n<details><summary>Is it this one?</summary>"
            f"<b>{VERDICTS[option.right]}</b> {as_html(option.because)}</details></li>"
            for option in question.options
        )
        pieces.append(
            f'<p><b>{number}.</b> {as_html(question.asks)}</p>\n<ol type="A">\n{options}\n</ol>'
        )
    return "\n".join(pieces)

"""A quiz in a notebook: questions, options to choose, and why each of them is right or not."""

import contextlib
import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as ipw

from .quiz_answers import FILE, Given, keep_answer, read_answers
from .quiz_questions import (
    QUIZZES,
    VERDICTS,
    Option,
    Question,
    as_html,
    as_markdown,
    as_page,
    as_text,
    find_quiz,
    read_quiz,
)

__all__ = ["QUIZZES", "Option", "Question", "Quiz", "as_markdown", "quiz", "read_quiz"]

# A label of a radio button is one line of fixed height otherwise; its button stands behind it.
_STYLE = """<style>
.unet-quiz { max-width: 46em; }
.unet-quiz .widget-html-content { line-height: 1.45; }
.unet-quiz .widget-radio { height: auto; margin: 1px 2px; }
.unet-quiz .widget-radio-box { margin: 0; }
.unet-quiz .widget-radio-box label {
  display: flex; align-items: flex-start; gap: 0.6em; width: auto; height: auto; margin: 0;
  line-height: 1.45; white-space: normal; overflow-wrap: anywhere;
}
.unet-quiz .widget-radio-box input[type="radio"] {
  flex: none; order: -1; position: static; margin: 0;
}
</style>"""
_KEYS = "With the keyboard: Tab goes on, the space bar chooses and presses."


class _Asked(ipw.VBox):
    """One question: choose, press Check, read why."""

    def __init__(
        self, number: int, question: Question, answered: Callable[[Question, Option], None]
    ) -> None:
        self.question, self._answered = question, answered
        self.words = ipw.HTML(f"<b>Question {number}.</b> {as_html(question.asks)}")
        # A group of its own for each: within a group only the arrow keys lead from one to the next,
        # and JupyterLab takes those for itself, to go to another cell.
        self.choices = [
            ipw.RadioButtons(
                options=[(as_text(option.text), place)], value=None, layout={"width": "auto"}
            )
            for place, option in enumerate(question.options)
        ]
        self.button = ipw.Button(description="Check", tooltip=f"Check question {number}")
        self.verdict = ipw.HTML()
        for choice in self.choices:
            choice.observe(self._choose, "value")
        self.button.on_click(self._check)
        super().__init__(
            [self.words, *self.choices, self.button, self.verdict],
            layout={"margin": "0 0 1.2em 0"},
        )

    def _choose(self, change: Any) -> None:
        """Of the options one is chosen; what was said of another goes."""
        if change["new"] is None:
            return
        self.verdict.value = ""
        for choice in self.choices:
            if choice is not change["owner"]:
                choice.value = None

    def _check(self, _: Any) -> None:
        chosen = [choice.value for choice in self.choices if choice.value is not None]
        if not chosen:
            self.verdict.value = _spoken("Choose an answer first, then press Check.")
            return
        option = self.question.options[chosen[0]]
        self.verdict.value = _spoken(f"<b>{VERDICTS[option.right]}</b> {as_html(option.because)}")
        self._answered(self.question, option)


class Quiz(ipw.VBox):
    """Questions one below the other, and how many were right at the first try; see `quiz`."""

    def __init__(self, questions: Sequence[Question], name: str, keep: Path | None) -> None:
        self.questions, self.name, self.keep = tuple(questions), name, keep
        self.first = self._kept()
        self.asked = [
            _Asked(number, question, self._count)
            for number, question in enumerate(self.questions, start=1)
        ]
        self.score, self.note = ipw.HTML(), ipw.HTML(_note(keep))
        self._tell()
        super().__init__([ipw.HTML(_STYLE), *self.asked, self.score, self.note])
        self.add_class("unet-quiz")

    def _kept(self) -> dict[str, bool]:
        """Whether the first answer was right, by question, of those answered before."""
        given: Given = {}
        if self.keep is not None:
            # A damaged file is told of when there is an answer to keep.
            with contextlib.suppress(OSError, ValueError):
                given = read_answers(self.keep).get(self.name, {})
        asked = {question.asks for question in self.questions}
        return {asks: one["right"] for asks, one in given.items() if asks in asked}

    def _count(self, question: Question, option: Option) -> None:
        """Take in an answer; only the first one counts, and is kept."""
        if question.asks in self.first:
            return
        self.first[question.asks] = option.right
        self._tell()
        if self.keep is None:
            return
        try:
            aside = keep_answer(self.keep, self.name, question.asks, option.text, option.right)
        except OSError as error:
            self.note.value = f"Your answers could not be kept: {html.escape(str(error))}"
            return
        if aside is not None:
            self.note.value = (
                f"{html.escape(self.keep.name)} was damaged, so it was put aside as "
                f"{html.escape(aside.name)} and a new one begun. {_note(self.keep)}"
            )

    def _tell(self) -> None:
        left = len(self.questions) - len(self.first)
        more = f"; {left} not answered yet" if left else ""
        right = sum(self.first.values())
        self.score.value = _spoken(
            f"<b>{right} of {len(self.questions)} right at the first try</b>{more}."
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """A page without a kernel gets the questions, the explanations folded."""
        data = dict(super()._repr_mimebundle_(**kwargs))
        data["text/html"] = as_page(self.questions)
        data["text/plain"] = as_markdown(self.questions, answers=False)
        return data


def _spoken(text: str) -> str:
    """HTML that a screen reader reads out when it appears."""
    return f'<div role="status">{text}</div>'


def _note(keep: Path | None) -> str:
    if keep is None:
        return f"Your answers are not kept, and nothing is sent anywhere. {_KEYS}"
    shown = keep.name if keep.parent == Path.cwd() else str(keep)
    return (
        f"Your first answers are kept on this computer, in <code>{html.escape(shown)}</code>; "
        f"nothing is sent anywhere. Delete the file to begin anew. {_KEYS}"
    )


def quiz(name: str | Path, keep: str | Path | None = FILE) -> Quiz:
    """Ask the questions of a quiz in the notebook.

    Choose an answer, press Check, and read why it is right or what the mistake in it is. You may
    try again; only the first answer to a question counts. Nothing is sent anywhere.

    Parameters
    ----------
    name : str or pathlib.Path
        The name of one of the course's own, such as ``03``, or the path of a TOML file of yours.
    keep : str or pathlib.Path or None
        The file that keeps the first answers, by default in the notebook's folder. It is
        written when a question is answered, not before. None keeps nothing.

    Returns
    -------
    Quiz
        A widget; a page without a kernel shows the questions with the explanations folded.

    Raises
    ------
    UserError
        If there is no such quiz, or something is wrong in its file.
    """
    path = find_quiz(name)
    return Quiz(read_quiz(path), path.stem, None if keep is None else Path(keep).absolute())

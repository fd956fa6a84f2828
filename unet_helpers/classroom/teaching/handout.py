"""A handout of a notebook, to print: prose, code and figures, room to write, no solutions."""

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from unet_helpers.classroom.exercises import Exercise, read_exercises, tags
from unet_helpers.classroom.teaching.markup import (
    FOLD,
    code_html,
    code_style,
    pictures,
    said,
    text_html,
)

MOST_LINES = 30  # of printed text below a cell
QUIZ = re.compile(r"""^quiz\(["'](.+?)["']\)""", re.MULTILINE)
SKIPPED = {"parameters", "check"}
ROOM = {"code": 8, "predict": 2, "read": 6}  # lines to write on

_STYLE = """\
@page { size: A4; margin: 18mm 16mm; }
body { font: 10.5pt/1.4 serif; max-width: 178mm; margin: 0 auto; color: #000; }
h1, h2, h3 { font-family: sans-serif; line-height: 1.2; break-after: avoid; }
h1 { font-size: 18pt; } h2 { font-size: 13pt; margin-top: 1.4em; }
pre { font-size: 8.5pt; line-height: 1.3; white-space: pre-wrap; margin: 0.4em 0; }
.highlight pre { border-left: 3px solid #000; padding-left: 0.7em; }
pre.said { border-left: 3px dotted #000; padding-left: 0.7em; }
figure { margin: 0.6em 0; break-inside: avoid; }
figure img { max-width: 100%; max-height: 105mm; display: block; }
figcaption { font-size: 9pt; font-style: italic; }
table { border-collapse: collapse; font-size: 9.5pt; break-inside: avoid; }
th, td { border-bottom: 0.5pt solid #000; padding: 1mm 2mm; text-align: left; vertical-align: top; }
blockquote { border: 1pt solid #000; margin: 0.6em 0; padding: 0 1em; break-inside: avoid; }
.room div { border-bottom: 0.5pt solid #777; height: 8mm; }
.room { break-inside: avoid; }
a { color: inherit; }
.mine { text-align: right; font-family: sans-serif; font-size: 9pt; }
"""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>{styles}</style>
</head>
<body>
<p class="mine">Name: ______________________________ &nbsp; Number: ____________</p>
{body}
</body>
</html>
"""


def handout_page(
    notebook: NotebookNode, title: str, folder: Path | None = None, quiz: Callable[[str], str] = str
) -> str:
    """Write a notebook's handout as one page that opens and prints without a network.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The committed notebook, with its stored outputs.
    title : str
        The page's title.
    folder : pathlib.Path, optional
        Where the pictures lie that its text names.
    quiz : callable, optional
        From a quiz's name to its questions in Markdown, put where the notebook asks them.

    Returns
    -------
    str
        HTML.
    """
    exercises = {e.check if e.check is not None else -1: e for e in read_exercises(notebook)}
    pieces = []
    for place, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "markdown":
            pieces.append(_text(cell["source"], folder))
        elif place in exercises:
            pieces.append(_room(exercises[place]))
        elif (asked := QUIZ.search(cell["source"])) is not None:
            pieces.append(text_html(quiz(asked[1])))
        elif not SKIPPED & tags(cell):
            pieces.append(_code(cell))
    return _PAGE.format(
        title=html.escape(title), styles=code_style() + _STYLE, body="\n".join(pieces)
    )


def _text(source: str, folder: Path | None) -> str:
    """Give the text without what is folded; a question whose answer is folded gets room."""
    answers = source.count("<details><summary>Answer</summary>")
    made = text_html(FOLD.sub("", source), folder)
    return made + (_lines(ROOM["read"]) if answers else "")


def _room(exercise: Exercise) -> str:
    return _lines(ROOM[exercise.kind])


def _lines(many: int) -> str:
    return f'<div class="room">{"<div></div>" * many}</div>'


def _code(cell: Any) -> str:
    printed = said(cell).strip().split("\n")
    shown = "\n".join(printed[:MOST_LINES]) + ("\n..." if len(printed) > MOST_LINES else "")
    words = f'<pre class="said">{html.escape(shown)}</pre>' if shown else ""
    figures = "".join(
        f"<figure>{picture}<figcaption>{html.escape(alt)}</figcaption></figure>"
        for picture, alt in pictures(cell)
    )
    return code_html(cell["source"]) + words + figures

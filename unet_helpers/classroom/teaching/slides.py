"""Slides from a notebook: what is shown while the teacher talks, and what there is to say.

A heading begins a section; its first paragraph, its lists and tables, questions to guess, code and
figures are slides; the rest of the prose is in the speaker's notes (key S). One file a notebook,
reveal.js and pictures within.
"""

import html
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from unet_helpers.classroom.exercises import tags
from unet_helpers.classroom.files import UserError
from unet_helpers.classroom.teaching.markup import (
    FOLD,
    code_html,
    code_style,
    pictures,
    said,
    text_html,
)

MOST_LINES = 18  # of code, or of printed text, on one slide
SKIPPED = {"parameters", "check", "student", "copy-this"}
BLOCKS = re.compile(r"\n\s*\n(?=(?:[^`]|`(?!``)|```.*?```)*\Z)", re.DOTALL)  # not within fences
GUESS = re.compile(r"\*\*(Predict|Guess|Before you run)", re.IGNORECASE)

_STYLE = """\
.reveal { font-size: 30px; font-family: sans-serif; }
.reveal h1, .reveal h2, .reveal h3 { text-transform: none; font-family: sans-serif; }
.reveal h1 { font-size: 1.9em; } .reveal h2 { font-size: 1.4em; } .reveal h3 { font-size: 1em; }
.reveal .slides section { text-align: left; }
.reveal .slides section img { display: block; margin: 0 auto; max-height: 560px; max-width: 100%; }
.reveal p.sees { font-size: 0.7em; color: #333; margin-top: 0.6em; }
.reveal .highlight pre, .reveal pre.said { font-size: 0.62em; line-height: 1.35; width: 100%;
  box-sizing: border-box; box-shadow: none; border: 1px solid #bbb; white-space: pre-wrap;
  padding: 0.6em; margin: 0.5em 0; }
.reveal pre.said { border-left: 4px solid #555; }
.reveal table { font-size: 0.7em; }
.reveal blockquote { width: 100%; box-sizing: border-box; }
.reveal .slide-number { left: 8px; right: auto; }
.reveal .guess { border: 3px solid #000; padding: 0.6em 1em; }
"""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{styles}</style>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script>{scripts}</script>
<script>
Reveal.initialize({{ hash: true, width: 1100, height: 700, margin: 0.04, center: false,
  slideNumber: "c/t", plugins: [RevealNotes] }});
</script>
</body>
</html>
"""


@dataclass
class Slide:
    """One slide: its HTML, and the notes to it in Markdown."""

    body: str
    notes: list[str] = field(default_factory=list)


def sections(notebook: NotebookNode, folder: Path | None = None) -> list[list[Slide]]:
    """Cut a notebook into sections of slides.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The committed notebook, with its stored outputs.
    folder : pathlib.Path, optional
        Where the pictures lie that its text names.

    Returns
    -------
    list of list of Slide
        By section.
    """
    made: list[list[Slide]] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            _add_text(made, FOLD.sub("", cell["source"]), folder)
        elif not SKIPPED & tags(cell):
            made[-1] += _code_slides(cell, _title(made))
    return made


def _title(made: list[list[Slide]]) -> str:
    """Give the heading that further slides of a section repeat, small."""
    heading = re.search(r"<h[12][^>]*>(.*?)</h[12]>", made[-1][0].body, re.DOTALL)
    return f"<h3>{heading[1]}</h3>" if heading else ""


def _add_text(made: list[list[Slide]], text: str, folder: Path | None) -> None:
    for part in re.split(r"(?=^##? )", text, flags=re.MULTILINE):
        if not part.strip():
            continue
        heading, body = _headed(part)
        if heading:
            first, rest = _first_paragraph(body)
            made.append([Slide(text_html(f"{heading}\n\n{first}", folder))])
        else:
            rest = body
        for block in BLOCKS.split(rest.strip()):
            _add_block(made[-1], block, _title(made), folder)


def _headed(part: str) -> tuple[str, str]:
    if not part.startswith("#"):
        return "", part
    heading, _, body = part.partition("\n")
    return heading, body


def _first_paragraph(body: str) -> tuple[str, str]:
    first, _, rest = body.strip().partition("\n\n")
    return (first, rest) if len(first.split()) <= 90 else ("", body)


def _add_block(section: list[Slide], block: str, title: str, folder: Path | None) -> None:
    """Put a paragraph where it belongs: a slide of its own, or the notes of the one before."""
    if not block.strip():
        return
    if block.startswith("```"):
        section[-1].body += text_html(block, folder)
    elif GUESS.search(block):
        section.append(Slide(f'{title}<div class="guess">{text_html(block, folder)}</div>'))
    elif re.match(r"\s*([-*|>]|\d+\.|!\[|\$\$)", block):
        section.append(Slide(title + text_html(block, folder)))
    else:
        section[-1].notes.append(block)


def _code_slides(cell: Any, title: str) -> list[Slide]:
    lines, printed = cell["source"].count("\n") + 1, said(cell).strip().split("\n")
    shown = "\n".join(printed[:MOST_LINES])
    if len(printed) > MOST_LINES:
        shown += f"\n... ({len(printed) - MOST_LINES} lines more in the notebook)"
    words = f'<pre class="said">{html.escape(shown)}</pre>' if shown else ""
    code = title + code_html(cell["source"])
    fits = lines + len(shown.split("\n")) <= MOST_LINES + 4
    slides = [Slide(code + words)] if fits or not words else [Slide(code), Slide(title + words)]
    for picture, alt in pictures(cell):
        slides.append(Slide(f'{title}{picture}<p class="sees">{html.escape(alt)}</p>'))
    return slides


def slides_page(notebook: NotebookNode, title: str, folder: Path | None = None) -> str:
    """Write a notebook's slides as one page that opens without a network.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The committed notebook.
    title : str
        The page's title.
    folder : pathlib.Path, optional
        Where the pictures lie that its text names.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    UserError
        If the package that carries reveal.js is not installed.
    """
    reveal = _reveal_folder()
    styles = [
        _read(reveal / "dist" / "reset.css"),
        _read(reveal / "dist" / "reveal.css"),
        re.sub(r"@import url\([^)]*\);", "", _read(reveal / "dist" / "theme" / "white.css")),
        code_style(),
        _STYLE,
    ]
    scripts = [_read(reveal / "dist" / "reveal.js"), _read(reveal / "plugin/notes/notes.js")]
    body = "\n".join(
        "<section>" + "\n".join(map(_slide_html, section)) + "</section>"
        for section in sections(notebook, folder)
    )
    return _PAGE.format(
        title=html.escape(title), styles="\n".join(styles), slides=body, scripts="\n".join(scripts)
    )


def _slide_html(slide: Slide) -> str:
    notes = text_html("\n\n".join(slide.notes)) if slide.notes else ""
    aside = f'<aside class="notes">{notes}</aside>' if notes else ""
    return f"<section>{slide.body}{aside}</section>"


def _reveal_folder() -> Path:
    try:
        import sphinx_revealjs
    except ImportError as error:
        raise UserError(
            "slides need reveal.js, which comes with the teacher's packages: "
            "python -m pip install -e '.[teacher]', in the project's folder"
        ) from error
    return Path(sphinx_revealjs.__file__).parent / "_static" / "revealjs"


def _read(path: Path) -> str:
    # Within a page, this would end the script or the style in which it stands.
    return path.read_text(encoding="utf-8").replace("</script", "<\\/script")

"""Pieces of a notebook as HTML: text with formulas, code with colours, outputs with pictures."""

import base64
import html
import re
from pathlib import Path
from typing import Any

from nbconvert.filters import Highlight2HTML
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from pygments.formatters import HtmlFormatter

from unet_helpers.classroom.page_links import links_of_pages
from unet_helpers.classroom.teaching.formulas import with_mathml

FOLD = re.compile(r"<details>.*?</details>\s*", re.DOTALL)
PICTURES = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}


def text_html(text: str, folder: Path | None = None) -> str:
    """Turn Markdown into HTML that needs no network.

    Parameters
    ----------
    text : str
        Markdown, with formulas.
    folder : pathlib.Path, optional
        Where the pictures lie that it names; they are put into the page.

    Returns
    -------
    str
        HTML, in which links to notebooks lead to their pages.
    """
    made = links_of_pages(str(markdown2html_mistune(with_mathml(text))))
    made = re.sub(r'<a class="anchor-link".*?</a>', "", made)
    return (
        made if folder is None else re.sub(r'src="([^":]+)"', lambda m: _inlined(m, folder), made)
    )


def _inlined(match: re.Match[str], folder: Path) -> str:
    path = folder / match[1]
    if not path.is_file() or path.suffix not in PICTURES:
        return match[0]
    return (
        f'src="data:{PICTURES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"'
    )


def code_html(source: str) -> str:
    """Turn Python code into coloured HTML."""
    return str(Highlight2HTML()(source, language="ipython3"))


def code_style() -> str:
    """Give the style sheet of `code_html`; its colours differ in grey, too."""
    return str(HtmlFormatter(style="friendly").get_style_defs(".highlight"))


def said(cell: Any) -> str:
    """Give what a code cell's stored outputs say in words."""
    texts = []
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            texts.append(output["text"])
        elif "image/png" not in output.get("data", {}):
            texts.append(output.get("data", {}).get("text/plain", ""))
    return "".join(text if text.endswith("\n") else text + "\n" for text in texts if text)


def pictures(cell: Any) -> list[tuple[str, str]]:
    """Give a code cell's stored figures: HTML, and what each shows in words."""
    found = []
    for output in cell["outputs"]:
        data = output.get("data", {}).get("image/png")
        if data is not None:
            alt = output["metadata"].get("image/png", {}).get("alt", "")
            source = f"data:image/png;base64,{''.join(data.split())}"
            found.append((f'<img src="{source}" alt="{html.escape(alt, quote=True)}">', alt))
    return found

"""Notebooks as web pages that open without a network."""

import html
from pathlib import Path

from nbconvert import HTMLExporter
from nbformat import NotebookNode

from .files import write_atomically
from .page_links import links_of_pages
from .results import HEADINGS, Result
from .table_page import table_page

# nbconvert's page loads require.js, MathJax and Mermaid from the network; none is needed to read
# the text, the code and the figures. Formulas stay visible as their TeX source.
_OFFLINE_TEMPLATE = """\
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
"""


def write_page(notebook: NotebookNode, path: Path, resources: Path) -> None:
    """Write an executed notebook as one self-contained page, with links to the others' pages.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The notebook.
    path : pathlib.Path
        The page's file; its stem is the page's title.
    resources : pathlib.Path
        The notebook's folder, where the pictures lie that its text names; they are put in.
    """
    exporter = HTMLExporter(raw_template=_OFFLINE_TEMPLATE, embed_images=True)
    page, _ = exporter.from_notebook_node(
        notebook, resources={"metadata": {"name": path.stem, "path": str(resources)}}
    )
    write_atomically(path, links_of_pages(page).encode())


def write_index(path: Path, dataset: str, results: list[Result]) -> None:
    """Write the page that lists a run's pages and its results.

    Parameters
    ----------
    path : pathlib.Path
        The file, in the folder of the other pages.
    dataset : str
        The data set the notebooks ran on.
    results : list of Result
        One row a notebook.
    """
    failures = (f"{result.name} stopped at {result.error}" for result in results if result.error)
    page = table_page(
        f"The course on the data set '{dataset}'",
        HEADINGS,
        [_row(result, path.parent) for result in results],
        "\n".join(f"<p>{html.escape(failure)}</p>" for failure in failures),
    )
    write_atomically(path, page.encode())


def _row(result: Result, folder: Path) -> list[str]:
    name, *others = map(html.escape, result.cells())
    if (folder / f"{result.name}.html").exists():
        name = f'<a href="{name}.html">{name}</a>'
    return [name, *others]

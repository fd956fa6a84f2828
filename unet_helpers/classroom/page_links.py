"""Links of a notebook's text, once it is a web page that lies among pages and not in the course."""

import re

LINK = re.compile(r'<a href="([^"]*)"([^>]*)>(.*?)</a>', re.DOTALL)
NOTEBOOK = re.compile(r"([\w-]+)\.ipynb(#.*)?")


def links_of_pages(page: str) -> str:
    """Make the links of a notebook hold on its page.

    Parameters
    ----------
    page : str
        HTML.

    Returns
    -------
    str
        The same with links to notebooks leading to their pages. Links out of the notebooks' folder
        (``../docs``) are plain words: a page is read where the course's documents may not be.

    Examples
    --------
    >>> links_of_pages('<a href="03_training.ipynb#The-loss">03</a>')
    '<a href="03_training.html#The-loss">03</a>'
    >>> links_of_pages('the <a href="../docs/glossary.md#mask">mask</a>')
    'the mask'
    """
    return LINK.sub(_led, page)


def _led(link: re.Match[str]) -> str:
    target, rest, words = link.groups()
    if target.startswith("../"):
        return words
    notebook = NOTEBOOK.fullmatch(target)
    if notebook is None:
        return link[0]
    return f'<a href="{notebook[1]}.html{notebook[2] or ""}"{rest}>{words}</a>'

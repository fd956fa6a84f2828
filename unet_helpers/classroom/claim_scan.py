"""Completeness: the numbers and comparisons in a notebook's prose that nothing vouches for.

What counts as a number: digits; a number word before something that one counts or measures
(`UNITS`); and what puts one amount against another (`COMPARISONS`). What needs no claim by itself:
code, links, references, headings' and notebooks' numbers, years of publications, formulas, the
widths of number types (16-bit), and the folded hints, solutions and answers of exercises.
"""

import re
from collections.abc import Iterator

from unet_helpers.classroom.claims import Book, Claims

NEEDS_NO_CLAIM = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"(?s)<details><summary>(?:Hint|Solution|Answer)</summary>.*?</details>",
        r"(?s)^```.*?^```",
        r"`[^`\n]+`",
        r"\$[^$\n]+\$",
        r"\[(?:doi|arXiv):[^\]]*\]",
        r"\]\([^)\s]*\)|https?://[^\s)]+",
        r"^\*\*References?\.\*\*.*$",
        r"^#+ (?:\d+b? · |(?:Exercise|Part) \d+)",
        r"^\s*\d+\. |^\*\*\d+\.\*\*",
        r"\b(?:Exercise|Part) \d+\b",
        r"(?<![\w.])0\d[ab]?\b(?!\.\d)",
        r"[\w-]*#\d+",
        r"(?:\bal\.,?|\b[A-Z][\w-]+?|\bsince|\bin)[ -]\(?(?:18|19|20)\d\d\b\)?",
        r"\b\d+[- ]bits?\b",
    )
)
WORDS = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|sixteen|twenty|thirty|"
    "fifty|dozen|hundreds?|thousands?"
)
UNITS = (
    "times|per cent|seconds|minutes|hours|pixels|steps|epochs|images|crops|trainings|pairs|seeds|"
    "slides|cells|objects|points|tiles|groups|patients|faults|false alarms|losses"
)
NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?")
COUNTED = re.compile(rf"(?i)\b(?:{WORDS})(?: (?:of )?[\w-]+)? (?:{UNITS})\b")
COMPARATIVES = (
    "more|less|fewer|better|worse|larger|smaller|higher|lower|faster|slower|quicker|longer|shorter|"
    "wider|narrower|cheaper|farther|deeper|stronger|weaker"
)
COMPARISONS = re.compile(
    r"(?i)\b(?:"
    r"twice|thrice|\w+fold(?= )|half (?:as|of|the|again)\b|than half|a half\b"
    r"|(?:a|one|two) (?:thirds?|quarters?|fifths?|tenths?|hundredths?)\b"
    r"|times as|times (?:smaller|larger|faster|slower|cheaper|more|less|better)"
    r"|faster|slower|quicker|by far"
    rf"|(?:{COMPARATIVES}) than"
    r")"
)


def without_the_exempt(text: str) -> str:
    """Blank what needs no claim; every character that is left keeps its place.

    Parameters
    ----------
    text : str
        Markdown.

    Returns
    -------
    str
        A text of the same length.

    Examples
    --------
    >>> without_the_exempt("## 1 · Of 3").split()
    ['Of', '3']
    """
    for pattern in NEEDS_NO_CLAIM:
        text = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    return text


def tokens(text: str) -> Iterator[tuple[int, int]]:
    """Find the numbers and comparisons of a Markdown text that need a claim.

    Parameters
    ----------
    text : str
        Markdown.

    Yields
    ------
    tuple of int
        Where one begins and ends.
    """
    left = without_the_exempt(text)
    found = {
        match.span() for each in (NUMBER, COUNTED, COMPARISONS) for match in each.finditer(left)
    }
    yield from sorted(found)


def _vouched(cell: str, text: str, claims: Claims) -> list[tuple[int, int]]:
    """The pieces of a cell's text that claims and exemptions speak about."""
    spans = [
        match.span(1)
        for claim in claims.claims
        if claim.cell == cell
        for match in re.finditer(claim.says, text)
    ]
    for fixed in claims.fixed:
        for piece in fixed.says if fixed.cell == cell else ():
            if (first := text.find(piece)) >= 0:
                spans.append((first, first + len(piece)))
    return spans


def unbound(book: Book, claims: Claims, only: str | None = None) -> list[str]:
    """List the numbers and comparisons of a notebook's prose that nothing vouches for.

    Parameters
    ----------
    book : Book
        The notebook.
    claims : Claims
        What is listed for it.
    only : str, optional
        Id of the one cell to look at.

    Returns
    -------
    list of str
        One sentence each, with the words around it.
    """
    told = []
    for cell, text in book.prose.items():
        if only not in (None, cell):
            continue
        spans = _vouched(cell, text, claims)
        for first, last in tokens(text):
            if not any(low < last and first < high for low, high in spans):
                around = " ".join(text[max(0, first - 40) : last + 30].split())
                told.append(f"{cell}: no claim speaks of {text[first:last]!r} in {around!r}")
    return told


def stale(book: Book, claims: Claims) -> list[str]:
    """List the exemptions that the prose no longer needs.

    Parameters
    ----------
    book : Book
        The notebook.
    claims : Claims
        What is listed for it.

    Returns
    -------
    list of str
        One sentence each: the words are not there, or not once.
    """
    return [
        f"{fixed.cell} should say {piece!r} once, which is fixed, and says it {times} times"
        for fixed in claims.fixed
        for piece in fixed.says
        if (times := book.prose.get(fixed.cell, "").count(piece)) != 1
    ]

"""Formulas as MathML, which browsers show by themselves: no MathJax, no network."""

import re

# Not within code: fences first, then code spans, then formulas on lines of their own and in lines.
_PARTS = re.compile(
    r"(```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|(?<![\\$])\$([^$\n]+?)\$(?!\d)", re.DOTALL
)


def with_mathml(text: str) -> str:
    """Replace TeX formulas in Markdown by MathML.

    Parameters
    ----------
    text : str
        Markdown with ``$...$`` and ``$$...$$``.

    Returns
    -------
    str
        The same text with ``<math>`` elements; code stays as it is.

    Examples
    --------
    >>> with_mathml("`$HOME` stays, $x$ does not")[:21]
    '`$HOME` stays, <math '
    """
    from latex2mathml.converter import convert

    def replaced(part: re.Match[str]) -> str:
        if part[1] is not None:
            return part[1]
        kind = "block" if part[2] is not None else "inline"
        return str(convert(part[2] or part[3], display=kind))

    return _PARTS.sub(replaced, text)

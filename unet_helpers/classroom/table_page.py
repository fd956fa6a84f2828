"""A page that shows a table, and opens without a network."""

import html
from collections.abc import Iterable, Sequence

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; margin: 2rem auto; max-width: {width}rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; }}
th, td {{ border-bottom: 1px solid #bbb; padding: 0.4rem 0.8rem; text-align: left; }}
</style>
</head>
<body>
<h1>{title}</h1>
<table>
<thead><tr>{headings}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
{below}
</body>
</html>
"""


def table_page(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], below: str, width: int = 60
) -> str:
    """Write a page with one table.

    Parameters
    ----------
    title : str
        The page's title and first heading, as text.
    headings : sequence of str
        Of the columns, as text.
    rows : iterable of sequence of str
        The cells, as HTML.
    below : str
        What stands below the table, as HTML.
    width : int, optional
        The page's largest width in rem.

    Returns
    -------
    str
        HTML.
    """
    return _PAGE.format(
        title=html.escape(title),
        width=width,
        headings="".join(f"<th>{html.escape(heading)}</th>" for heading in headings),
        rows="\n".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows),
        below=below,
    )

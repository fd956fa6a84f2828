"""The table of marks and what else a teacher reads after grading."""

import csv
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from unet_helpers.classroom.files import write_atomically
from unet_helpers.classroom.grading.marking import Marked
from unet_helpers.classroom.grading.sheets import Sheet
from unet_helpers.classroom.table_page import table_page

Points = Mapping[tuple[str, str], tuple[float, float]]


def table(students: Sequence[str], sheets: Sequence[Sheet], points: Points) -> list[list[str]]:
    """Build the table of marks.

    Parameters
    ----------
    students : sequence of str
        Everyone who has a folder, in the order of the rows.
    sheets : sequence of Sheet
        The notebooks, in the order of the columns.
    points : mapping of (str, str) to (float, float)
        Points and most points, by student and notebook; nothing where nothing was handed in.

    Returns
    -------
    list of list of str
        The headings, then one row a student.
    """
    most = {sheet.name: len(sheet.exercises) for sheet in sheets}
    rows = [["student", *(f"{name} (of {many})" for name, many in most.items()), "points", "of"]]
    for student in students:
        own = {name: points.get((student, name)) for name in most}
        cells = ["none" if pair is None else f"{pair[0]:g}" for pair in own.values()]
        total = sum(pair[0] for pair in own.values() if pair is not None)
        rows.append([student, *cells, f"{total:g}", str(sum(most.values()))])
    return rows


def write_marks(
    folder: Path, students: Sequence[str], sheets: Sequence[Sheet], points: Points,
    marked: Sequence[Marked],
) -> None:  # fmt: skip
    """Write ``marks.csv``, ``verdicts.csv`` and the page ``marks.html``.

    Parameters
    ----------
    folder : pathlib.Path
        Where to.
    students, sheets, points
        As in `table`.
    marked : sequence of Marked
        What became of each submission.
    """
    rows = table(students, sheets, points)
    broke = {(m.student, m.notebook): m.failed for m in marked if m.failed is not None}
    notes = [
        "; ".join(f"{name}: {why}" for (who, name), why in broke.items() if who == student)
        for student in students
    ]
    rows = [[*rows[0], "note"], *([*row, note] for row, note in zip(rows[1:], notes, strict=True))]
    write_atomically(folder / "marks.csv", _as_csv(rows))
    verdicts = [["student", "notebook", "exercise", "passed", "said"]]
    for each in marked:
        said = {n: each.failed or text for n, text in each.said.items()} or {0: each.failed or ""}
        verdicts += [
            [each.student, each.notebook, str(n), "yes" if each.passed(n) else "no", text]
            for n, text in sorted(said.items())
        ]
    write_atomically(folder / "verdicts.csv", _as_csv(verdicts))
    headings, *body = rows
    page = table_page(
        "Marks",
        headings,
        [list(map(html.escape, row)) for row in body],
        f"<h2>What most got wrong</h2>\n{_common(sheets, marked)}",
        width=70,
    )
    write_atomically(folder / "marks.html", page.encode())


def _as_csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_harmless(c) for c in row] for row in rows)
    return text.getvalue().encode()


def _harmless(cell: str) -> str:
    """Keep a spreadsheet from taking a student's text for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell


def _common(sheets: Sequence[Sheet], marked: Sequence[Marked]) -> str:
    """List, by exercise, how many solved it and what was said most often to the others."""
    lines = []
    for sheet in sheets:
        own = [m for m in marked if m.notebook == sheet.name and m.failed is None]
        for exercise in sheet.exercises:
            wrong = [m.said.get(exercise.number, "") for m in own if not m.passed(exercise.number)]
            told = max(set(wrong), key=wrong.count) if wrong else "everyone solved it"
            lines.append(
                f"<li>{html.escape(sheet.name)}, exercise {exercise.number} "
                f"({html.escape(exercise.title)}): {len(own) - len(wrong)} of {len(own)} solved; "
                f"{html.escape(told)}</li>"
            )
    return f"<ul>{''.join(lines)}</ul>"

"""A report as plain text: scores, confusion matrix, cases, objects by size, calibration.

Numbers that a model made stand behind the sign for "almost equal", by which notebooks know what
may differ a little from one machine to the next.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from unet_helpers.evaluation.report_objects import FOUND_ABOVE, size_bins
from unet_helpers.evaluation.scores import precision, recall, specificity

if TYPE_CHECKING:
    from unet_helpers.evaluation.report import ScoreReport


def as_text(report: "ScoreReport") -> str:
    """The whole report, its parts separated by empty lines."""
    parts = (_head, _tables, _confusion, _cases, _objects, _calibration)
    blocks = ("\n".join(part(report)) for part in parts)
    return "\n\n".join(block for block in blocks if block)


def _number(value: float) -> str:
    return "undefined" if np.isnan(value) else f"≈ {value:.3f}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def columns(rows: Sequence[Sequence[str]], texts: int = 1) -> list[str]:
    """Lines of a table: the first columns, which hold texts, to the left, the others to the right.

    Examples
    --------
    >>> columns([["class", "IoU"], ["a", "1"]])
    ['class  IoU', 'a        1']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < texts else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _head(report: "ScoreReport") -> Iterator[str]:
    scores = report.scores
    groups = len(set(scores.groups)) or len(scores.names)
    yield (
        f"{report.subject or 'scores'}: {_counted(len(scores.names), 'image')} in "
        f"{_counted(groups, 'group')}; classes {', '.join(scores.class_names)}"
    )
    if report.rule:
        yield f"masks are read as: {report.rule}"
    if report.threshold is not None:
        sign = "≈ " * report.threshold_from.startswith("chosen")  # by a model's probabilities
        above = f"{sign}{report.threshold:g} ({report.threshold_from})"
        yield f"foreground where the probability is above {above}"
    yield from report.notes


def _tables(report: "ScoreReport") -> Iterator[str]:
    scores = report.scores
    yield scores.table()
    yield ""
    rows = [["class", "precision", "recall", "specificity", "share of the true pixels"]]
    true = scores.confusion.sum(axis=(0, 2))
    for i, name in enumerate(scores.class_names):
        rates = [_number(scores.pooled(measure, i)) for measure in (precision, recall, specificity)]
        rows.append([name, *rates, f"{100 * true[i] / max(true.sum(), 1):.1f} %"])
    yield from columns(rows)


def _confusion(report: "ScoreReport") -> Iterator[str]:
    table = report.scores.confusion.sum(axis=0)
    yield "of each true class (row), the share predicted as class ... in %"
    numbered = [f"{i} {name}" for i, name in enumerate(report.scores.class_names)]
    rows = [["", *map(str, range(len(table)))]]
    for name, row in zip(numbered, table, strict=True):
        shares = [f"≈ {100 * n / row.sum():.1f}" if row.sum() else "-" for n in row]
        rows.append([name, *shares])
    yield from columns(rows)


def _cases(report: "ScoreReport") -> Iterator[str]:
    several = len(report.scores.class_names) > 2
    kind = "mean IoU over the image's classes" if several else "IoU"
    rows = [
        [case, report.scores.names[i], _number(float(report.image_scores[i]))]
        for case, i in report.cases.items()
    ]
    if rows:
        yield from columns([["case", "image", kind], *rows], texts=2)
    if report.without_score:
        yield (
            f"left out: ≈ {report.without_score} of {_counted(len(report.scores.names), 'image')}, "
            "where neither truth nor prediction has a class"
        )


def _objects(report: "ScoreReport") -> Iterator[str]:
    objects = report.objects
    if not objects:
        return
    found = sum(row.found for row in objects)
    yield (
        f"objects of {' and '.join(report.foreground)}: ≈ {found} of {len(objects)} found (IoU "
        f"above {FOUND_ABOVE:g} with a connected piece of the prediction)"
    )
    rows = [["size in pixels", "objects", "found"]]
    for part in size_bins(objects):
        size = f"{part.low} to {part.high}" if part.high > part.low else f"{part.low}"
        rows.append([size, f"{part.objects}", f"≈ {part.found}"])
    yield from columns(rows)


def _calibration(report: "ScoreReport") -> Iterator[str]:
    if report.reliability is not None:
        yield f"calibration: {report.reliability}"

"""What a run of the series came to: one row a notebook, as a table and as JSON."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .files import write_atomically
from .targets import Record

HEADINGS = ("notebook", "seconds", "peak memory", "IoU", "Dice", "target", "reached")
LABELS = {"iou": "IoU", "dice": "Dice"}


@dataclass
class Result:
    """One notebook's row.

    Attributes
    ----------
    name : str
        The notebook's name without its suffix.
    seconds : float
        Wall-clock time.
    peak_bytes : int or None
        The most memory the kernel held, where known.
    records : list of Record
        The scores it measured against targets, in order.
    error : str or None
        Why it did not run to its end, if so.
    """

    name: str
    seconds: float
    peak_bytes: int | None = None
    records: list[Record] = field(default_factory=list)
    error: str | None = None

    def last(self, column: str) -> Record | None:
        """Find the last score meant for a column of the table.

        Parameters
        ----------
        column : {"iou", "dice"}
            The column.

        Returns
        -------
        Record or None
            The score, if there is one.
        """
        return next((r for r in reversed(self.records) if r.record == column), None)

    def cells(self) -> tuple[str, ...]:
        """Put the row into words.

        Returns
        -------
        tuple of str
            One text a heading, ``-`` where there is nothing to say.
        """
        shown = {column: self.last(column) for column in LABELS}
        targets = [_target(LABELS[column], record) for column, record in shown.items() if record]
        return (
            self.name,
            f"{self.seconds:.0f}",
            "-" if self.peak_bytes is None else f"{self.peak_bytes / 1e9:.1f} GB",
            *(_score(record) for record in shown.values()),
            ", ".join(targets) or "-",
            self._verdict(),
        )

    def _verdict(self) -> str:
        if self.error is not None:
            return "FAILED"
        if not self.records:
            return "-"
        return "yes" if all(record.reached for record in self.records) else "NO"


def as_table(results: list[Result]) -> str:
    """Lay the rows out as a table of plain text.

    Parameters
    ----------
    results : list of Result
        The rows.

    Returns
    -------
    str
        The table, followed by a sentence for each notebook that failed.

    Examples
    --------
    >>> print(as_table([Result("01_data", 4.2, error="code cell 2 of 9: ValueError: no")]))
    notebook | seconds | peak memory | IoU | Dice | target | reached
    ---------+---------+-------------+-----+------+--------+--------
    01_data  | 4       | -           | -   | -    | -      | FAILED
    <BLANKLINE>
    01_data stopped at code cell 2 of 9: ValueError: no
    """
    rows = [HEADINGS, *(result.cells() for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    failures = [f"{r.name} stopped at {r.error}" for r in results if r.error is not None]
    return "\n".join([*lines, *([""] if failures else []), *failures])


def write_json(path: Path, dataset: str, results: list[Result]) -> None:
    """Write a run's results for programs to read.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    dataset : str
        The data set the notebooks ran on.
    results : list of Result
        The rows.
    """
    report = {"dataset": dataset, "notebooks": [_without_nan(asdict(r)) for r in results]}
    write_atomically(path, (json.dumps(report, indent=1) + "\n").encode())


def _target(label: str, record: Record) -> str:
    signs = ((">=", record.at_least), ("<=", record.at_most))
    return " and ".join(f"{label} {sign} {bound:g}" for sign, bound in signs if bound is not None)


def _score(record: Record | None) -> str:
    return "-" if record is None else f"{record.value:.3f}"


def _without_nan(entry: dict[str, Any]) -> dict[str, Any]:
    """Replace NaN, which is no JSON, by null."""
    for record in entry["records"]:
        record["value"] = record["value"] if math.isfinite(record["value"]) else None
    return entry

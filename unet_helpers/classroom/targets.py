"""Stated targets: a notebook says how good a score must be, and stops where it is not."""

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

RECORD_FILE = "UNET_RUN_RECORD"
COLUMNS = ("iou", "dice")


@dataclass(frozen=True)
class Record:
    """One score that a notebook measured against its target.

    Attributes
    ----------
    name : str
        What was measured.
    value : float
        The score, NaN if it is not defined.
    at_least, at_most : float or None
        The target's bounds.
    record : {"iou", "dice"} or None
        The column of the run's table that shows the score.
    """

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    record: str | None = None

    @property
    def reached(self) -> bool:
        """Whether the score keeps within its bounds; NaN never does."""
        return (
            not math.isnan(self.value)
            and (self.at_least is None or self.value >= self.at_least)
            and (self.at_most is None or self.value <= self.at_most)
        )


def reached(
    score_name: str,
    value: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    record: str | None = None,
) -> None:
    """Print that a score reached its target, or stop.

    The measured value is not printed: it differs a little between processors, and the stored
    outputs are compared with new ones. If the environment variable ``UNET_RUN_RECORD`` names a
    file, the score is added to it, for the table that ends a run of the series.

    Parameters
    ----------
    score_name : str
        What was measured, for people: "cell IoU".
    value : float
        The score.
    at_least, at_most : float, optional
        The target: one bound, or both.
    record : {"iou", "dice"}, optional
        The column of the run's table that is to show this score.

    Raises
    ------
    AssertionError
        If the score is out of its bounds or not a number.

    Examples
    --------
    >>> reached("cell IoU", 0.91, at_least=0.85)
    cell IoU: target 0.85 reached
    >>> reached("calibration error", 0.02, at_most=0.1)
    calibration error: target of at most 0.1 reached
    >>> reached("cell IoU", 0.8, at_least=0.85)
    Traceback (most recent call last):
    AssertionError: cell IoU is 0.8, expected at least 0.85; restart the kernel, run all cells \
from the top, and compare what you changed with the original notebook
    """
    if at_least is None and at_most is None:
        raise ValueError(
            f"the target of '{score_name}' has no bound; give at_least=, at_most= or both"
        )
    if record is not None and record not in COLUMNS:
        raise ValueError(f"record must be 'iou', 'dice' or None, found {record!r}")
    result = Record(score_name, float(value), at_least, at_most, record)
    if file_name := os.environ.get(RECORD_FILE):
        _append(Path(file_name), result)
    target = describe_bounds(at_least, at_most)
    if not result.reached:
        raise AssertionError(
            f"{score_name} is {_distinct(result)}, expected {target}; restart the kernel, run all "
            "cells from the top, and compare what you changed with the original notebook"
        )
    print(f"{score_name}: target {f'{at_least:g}' if at_most is None else f'of {target}'} reached")


def describe_bounds(at_least: float | None, at_most: float | None) -> str:
    """Put a target's bounds into words.

    Parameters
    ----------
    at_least, at_most : float or None
        The bounds.

    Returns
    -------
    str
        The words.

    Examples
    --------
    >>> describe_bounds(0.2, 0.4)
    'at least 0.2 and at most 0.4'
    """
    parts = [
        f"{word} {bound:g}"
        for word, bound in (("at least", at_least), ("at most", at_most))
        if bound is not None
    ]
    return " and ".join(parts)


def read_records(path: Path) -> list[Record]:
    """Read the scores that a notebook's run left behind.

    Parameters
    ----------
    path : pathlib.Path
        The file that ``UNET_RUN_RECORD`` named; it need not exist.

    Returns
    -------
    list of Record
        The scores in the order they were measured.

    Examples
    --------
    >>> read_records(Path("no-such-file"))
    []
    """
    if not path.exists():
        return []
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    # JSON has no NaN: a score that is not defined is stored as null.
    return [
        Record(**{**entry, "value": math.nan if entry["value"] is None else entry["value"]})
        for entry in entries
    ]


def _append(path: Path, result: Record) -> None:
    entry = asdict(result)
    entry["value"] = result.value if math.isfinite(result.value) else None
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def _distinct(result: Record) -> str:
    """Write a score short, yet so that it does not look equal to the bound it missed."""
    bounds = [f"{bound:g}" for bound in (result.at_least, result.at_most) if bound is not None]
    short = f"{result.value:.4g}"
    return repr(result.value) if short in bounds else short

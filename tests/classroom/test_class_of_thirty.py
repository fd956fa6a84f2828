"""Thirty submissions, right, wrong and hostile, graded in one run: `make test-all` (minutes)."""

import csv
import time

import pytest

from tests.classroom.submissions import (
    BREAKS_ITS_BOUNDS,
    CHEATS,
    NOTEBOOK,
    answered,
    hand_in,
    right,
    sheet,
    snapshot,
    untouched,
)
from tests.notebooks.desk import answers_of
from unet_helpers.classroom.grading.contained import Limits, can_contain
from unet_helpers.classroom.grading.grade import grade
from unet_helpers.classroom.teaching.copies import numbers_for

pytestmark = [
    pytest.mark.repeat,
    pytest.mark.skipif(not can_contain(), reason="this system cannot contain a process"),
]
ALL = len(sheet().exercises)


def wrong_answers():
    """One wrong answer in the second exercise of an otherwise right notebook, five times."""
    second = sheet().exercises[1]
    wrong = answers_of(NOTEBOOK)[str(second.number)]["wrong"]
    return [answered(each["code"], 1, right()) for each in wrong[:5]]


def the_class(folder):
    """Hand in for thirty students; the points that each must get."""
    points, numbers = {}, {}
    names = [f"right {n}" for n in range(6)]
    numbers = numbers_for(names, seed=7)
    for name in names:
        hand_in(folder, name, right(numbers[name]))
        points[name] = ALL
    for n, notebook in enumerate(wrong_answers()):
        hand_in(folder, f"wrong {n}", notebook)
        points[f"wrong {n}"] = ALL - 1
    hand_in(folder, "untouched", untouched())
    for what, (code, _) in BREAKS_ITS_BOUNDS.items():
        hand_in(folder, f"hostile: {what}", answered(code, start=right()))
    for what, code in CHEATS.items():
        hand_in(folder, f"cheat: {what}", answered(code))
    hand_in(folder, "broken", b"\x00 no notebook")
    points |= {p.name: 0 for p in folder.iterdir() if p.name not in points}
    return points, numbers


def test_a_class_of_thirty(tmp_path):
    folder, outside = tmp_path / "class" / "in", tmp_path / "outside"
    outside.mkdir()
    (outside / "marks of last year.csv").write_text("Ada,1\n")
    points, numbers = the_class(folder)
    assert len(points) == 30
    before = snapshot(tmp_path)
    started = time.monotonic()
    marked = grade(
        [NOTEBOOK], folder, tmp_path / "marks", numbers=numbers, limits=Limits(seconds=15)
    )
    seconds = time.monotonic() - started
    print(f"30 submissions, {len(marked)} notebooks: {seconds:.0f} s")
    assert seconds < 600
    after = {path: what for path, what in snapshot(tmp_path).items() if path.parts[0] != "marks"}
    assert after == before
    with (tmp_path / "marks" / "marks.csv").open() as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert {name: float(row["points"]) for name, row in rows.items()} == points
    for what, (_, said) in BREAKS_ITS_BOUNDS.items():
        assert said in rows[f"hostile: {what}"]["note"]
    for name in points:
        page = tmp_path / "marks" / "feedback" / name / f"{NOTEBOOK.stem}.html"
        assert page.stat().st_size > 1000
    assert (tmp_path / "marks" / "course" / "gradebook.db").exists()

"""One submission at a time: what passes, what does not, and what breaks its bounds."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.classroom.submissions import (
    BREAKS_ITS_BOUNDS,
    CHEATS,
    NOTEBOOK,
    answered,
    hand_in,
    right,
    sheet,
    untouched,
)
from unet_helpers.classroom.files import UserError
from unet_helpers.classroom.grading import contained
from unet_helpers.classroom.grading.asking import defined_names
from unet_helpers.classroom.grading.contained import Limits, can_contain
from unet_helpers.classroom.grading.grade import grade
from unet_helpers.classroom.grading.marking import mark
from unet_helpers.classroom.grading.values import NoForm, decode, encode

LIMITS = Limits(seconds=30)
SHORT = Limits(seconds=4)
needs_walls = pytest.mark.skipif(not can_contain(), reason="this system cannot contain a process")


def marked(tmp_path, notebook, limits=LIMITS, number=0):
    return mark(sheet(), "Ada", hand_in(tmp_path, "Ada", notebook), number, limits)


def passed(one):
    return [exercise.number for exercise in sheet().exercises if one.passed(exercise.number)]


ALL = [exercise.number for exercise in sheet().exercises]


@needs_walls
def test_the_solutions_pass(tmp_path):
    one = marked(tmp_path, right(7), number=7)
    assert one.failed is None
    assert passed(one) == ALL, one.said


@needs_walls
def test_an_untouched_notebook_passes_nothing_and_fails_at_nothing(tmp_path):
    one = marked(tmp_path, untouched())
    assert (one.failed, passed(one)) == (None, [])
    assert len(one.said) == len(ALL)


@needs_walls
def test_a_wrong_answer_gets_the_checks_own_hint(tmp_path):
    code = "def my_dice(tp, fp, fn):\n    return tp / (tp + fp + fn)"
    one = marked(tmp_path, answered(code, which=ALL.index(number_of_dice()), start=right()))
    assert passed(one) == [n for n in ALL if n != number_of_dice()]
    assert "IoU" in one.said[number_of_dice()]


def number_of_dice():
    return next(e.number for e in sheet().exercises if "def my_dice" in e.solution)


@needs_walls
def test_an_error_in_a_cell_is_told_and_costs_that_exercise_only(tmp_path):
    one = marked(tmp_path, answered("1 / 0", which=1, start=right()))
    assert passed(one) == [ALL[0], *ALL[2:]]
    assert "ZeroDivisionError" in one.said[ALL[1]]


@needs_walls
def test_a_cell_that_the_student_added_counts(tmp_path):
    notebook = answered("my_dice = my_own_dice", which=ALL.index(number_of_dice()), start=right())
    place = next(i for i, c in enumerate(notebook["cells"]) if c["source"].startswith("my_dice ="))
    helper = next(e.solution for e in sheet().exercises if e.number == number_of_dice())
    added = dict(notebook["cells"][place]) | {
        "id": "mine", "source": helper.replace("my_dice", "my_own_dice"), "metadata": {},
    }  # fmt: skip
    notebook["cells"].insert(place, type(notebook["cells"][place])(added))
    assert passed(marked(tmp_path, notebook)) == ALL


@needs_walls
def test_a_missing_check_cell_is_put_back(tmp_path):
    notebook = right()
    checks = {sheet().cell(e.check)["id"] for e in sheet().exercises}
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] not in checks]
    assert passed(marked(tmp_path, notebook)) == ALL


@needs_walls
@pytest.mark.parametrize("what", BREAKS_ITS_BOUNDS)
def test_what_breaks_its_bounds_fails(tmp_path, what):
    code, said = BREAKS_ITS_BOUNDS[what]
    one = marked(tmp_path, answered(code, start=right()), SHORT)
    assert said in str(one.failed), one
    assert passed(one) == []


@needs_walls
@pytest.mark.parametrize("what", CHEATS)
def test_no_trick_makes_a_wrong_answer_pass(tmp_path, what):
    notebook = answered(CHEATS[what])
    for which, exercise in enumerate(sheet().exercises[1:], start=1):
        name = defined_names(exercise.solution)[-1]
        code = f"def {name}(*_, **__):\n    return Yes(0) if 'Yes' in globals() else 0.123"
        notebook = answered(code, which, notebook)
    assert passed(marked(tmp_path, notebook)) == []


def test_an_edited_check_fails(tmp_path):
    notebook = right()
    name = sheet().cell(sheet().exercises[0].check)["id"]
    cell = next(cell for cell in notebook["cells"] if cell["id"] == name)
    cell["source"] = "print('Correct.')"
    one = marked(tmp_path, notebook)
    assert one.failed == f"changed the check cell of exercise {ALL[0]}"


@pytest.mark.parametrize(
    "content",
    [b"", b"no notebook", b"[" * 100_000, b'{"cells": 3}', b'{"nbformat": 4, "cells": [{}]}',
     json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": 1}]}
                ).encode(), b"\xff\xfe\x00" * 50],
)  # fmt: skip
def test_a_file_that_is_no_notebook_fails(tmp_path, content):
    assert "notebook" in str(marked(tmp_path, content).failed)


def test_a_link_out_of_the_folder_fails(tmp_path):
    (tmp_path / "Ada").mkdir()
    link = tmp_path / "Ada" / NOTEBOOK.name
    link.symlink_to("/etc/passwd")
    assert mark(sheet(), "Ada", link, 0, LIMITS).failed == "is no ordinary file"


def test_without_walls_grading_refuses(tmp_path, monkeypatch):
    monkeypatch.setattr(contained, "can_contain", lambda: False)
    hand_in(tmp_path / "in", "Ada", right())
    with pytest.raises(UserError, match="--trust"):
        grade([NOTEBOOK], tmp_path / "in", tmp_path / "marks")
    assert not (tmp_path / "marks").exists()


@pytest.mark.parametrize(
    ("there", "says"), [("file", "expected a folder"), ("empty", "one folder")]
)
def test_a_folder_without_submissions_is_told(tmp_path, there, says):
    folder = tmp_path / "in"
    folder.mkdir() if there == "empty" else folder.write_text("")
    with pytest.raises(UserError, match=says):
        grade([NOTEBOOK], folder, tmp_path / "marks", trust=True)
    assert not (tmp_path / "marks").exists()


def test_marks_are_never_written_over(tmp_path):
    (tmp_path / "marks").mkdir()
    with pytest.raises(UserError, match="there already"):
        grade([NOTEBOOK], tmp_path, tmp_path / "marks")


SIMPLE = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
)
PLAIN = st.recursive(
    SIMPLE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)
NUMBERS = npst.boolean_dtypes() | npst.integer_dtypes() | npst.floating_dtypes(sizes=(32, 64))
ARRAYS = npst.arrays(NUMBERS, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
WORDS = st.sampled_from(["list", "array", "dict", "float", "set", "<O", "|O", "<f8", "dots"])
FORGED = st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["is", "of", "type", "shape", "x"]), inner, max_size=4)
    ),
)


@given(PLAIN)
def test_plain_values_cross_the_wall_unchanged(value):
    assert decode(json.loads(json.dumps(encode(value)))) == value


@given(ARRAYS)
def test_arrays_cross_the_wall_unchanged(array):
    back = decode(json.loads(json.dumps(encode(array))))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    "value", [object(), np.array([object()]), {1: lambda: 0}, type("T", (), {})()]
)
def test_what_has_no_form_is_refused(value):
    with pytest.raises(NoForm):
        encode(value)


@given(FORGED)
def test_a_forged_answer_is_refused_or_harmless(form):
    with contextlib.suppress(ValueError):
        decode(form)

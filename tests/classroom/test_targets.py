import doctest
import math

import numpy as np
import pytest

from unet_helpers.classroom import results, targets
from unet_helpers.classroom.targets import Record, reached, read_records


@pytest.fixture
def record_file(tmp_path, monkeypatch):
    monkeypatch.setenv("UNET_RUN_RECORD", str(tmp_path / "records.jsonl"))
    return tmp_path / "records.jsonl"


@pytest.mark.parametrize("module", [targets, results])
def test_the_examples_hold(module, monkeypatch):
    monkeypatch.delenv("UNET_RUN_RECORD", raising=False)
    outcome = doctest.testmod(module)
    assert outcome.attempted and not outcome.failed


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (0.84, {"at_least": 0.85}),
        (math.nan, {"at_least": 0.85}),
        (math.nan, {"at_most": 0.85}),
        (-math.inf, {"at_least": 0.0}),
        (0.3, {"at_most": 0.2}),
        (0.5, {"at_least": 0.6, "at_most": 0.7}),
    ],
)
def test_a_score_out_of_its_bounds_stops(value, bounds, record_file):
    with pytest.raises(AssertionError, match="expected at"):
        reached("score", value, **bounds)
    assert not read_records(record_file)[0].reached


def test_a_missed_target_names_both_numbers_and_never_twice_the_same():
    with pytest.raises(AssertionError, match=r"IoU is 0\.8499999, expected at least 0\.85;"):
        reached("IoU", 0.8499999, at_least=0.85)


def test_the_printed_line_does_not_show_the_value(capsys):
    reached("cell IoU", 0.912345, at_least=0.85)
    assert capsys.readouterr().out == "cell IoU: target 0.85 reached\n"


def test_a_bound_itself_is_reached():
    reached("share", 1.0, at_least=1.0, at_most=1.0)


def test_records_come_back_in_order(record_file, capsys):
    reached("cell IoU", np.float32(0.5), at_least=0.25, record="iou")
    reached("error", 0.5, at_most=1)
    assert read_records(record_file) == [
        Record("cell IoU", 0.5, 0.25, None, "iou"),
        Record("error", 0.5, None, 1),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({}, "no bound"), ({"at_least": 0.5, "record": "f1"}, "'iou', 'dice' or None, found 'f1'")],
)
def test_a_call_that_means_nothing_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        reached("score", 1.0, **arguments)

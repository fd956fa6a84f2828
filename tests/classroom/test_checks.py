"""Checks of 00 to 02, beyond what their answers show: what they do with other data and with code.

Right and wrong answers stand in ``tests/notebooks/answers``.
"""

import numpy as np
import pytest

from unet_helpers import (
    checks,
    count_work,
    network_checks,
    orient,
    prediction_checks,
    receptive_field,
    score_checks,
    training_checks,
    unet,
)
from unet_helpers.model.geometry import ReceptiveField

FIELDS = {1: ReceptiveField(50, 50, 25), 2: ReceptiveField(400, 410, 210)}
FUNCTIONS = [
    (checks.mask_iou, ()),
    (checks.one_pixel_off, ()),
    (checks.flip_both, ()),
    (checks.leaking_groups, ()),
    (network_checks.padded_size, ()),
    (network_checks.residual_block, ()),
    (network_checks.depth_for, (FIELDS,)),
]


@pytest.mark.parametrize(("check", "more"), FUNCTIONS)
def test_code_that_raises_is_told_and_does_not_stop_the_notebook(check, more, capsys):
    check(lambda *_: undefined_name, *more)  # noqa: F821
    assert "NameError" in capsys.readouterr().out


@pytest.mark.parametrize(("check", "more"), FUNCTIONS)
def test_a_function_that_gives_dots_is_not_an_attempt(check, more, capsys):
    check(lambda *_: ..., *more)
    assert capsys.readouterr().out.startswith("Not attempted yet")


@pytest.mark.parametrize(("check", "more"), FUNCTIONS)
@pytest.mark.parametrize("answer", ["many", {}, (1, 2, 3)], ids=str)
def test_a_thing_of_another_kind_is_wrong_and_stops_nothing(check, more, answer, capsys):
    check(lambda *_: answer, *more)
    assert capsys.readouterr().out.startswith("Not yet: ")


@pytest.mark.parametrize(
    "wrap",
    [np.array, lambda number: np.array([[number]]), lambda number: [number]],
    ids=["0-d", "2-d", "list"],
)
def test_an_array_of_one_number_is_judged_as_that_number(wrap, capsys):
    mask = np.eye(4, dtype=np.uint8)
    mask[0, 1] = 1
    rights = {
        checks.foreground_share: (5 / 16, (mask,)),
        checks.labels_out_of_step: (_still_right(mask), (mask,)),
        training_checks.best_epoch: (3, ([5, 4, 3, 2], [5, 4, 3, 6])),
    }
    for check, (right, more) in rights.items():
        for answer in (wrap(right), wrap(right - 0.004), right - 0.004, wrap(np.nan), np.nan):
            check(answer, *more)
    said = capsys.readouterr().out.splitlines()
    for correct, close, same_close, lost, same_lost in zip(*[iter(said)] * 5, strict=True):
        assert correct == "Correct."
        assert close == same_close
        assert close.startswith(("Not yet: very close", "Not yet: close by"))
        assert lost == same_lost
        assert lost.startswith("Not yet: ")
    assert len(said) == 5 * len(rights)


@pytest.mark.parametrize("wrap", [np.array, lambda number: [number]], ids=["0-d", "list"])
@pytest.mark.parametrize(
    ("check", "more"),
    [
        (network_checks.conv_parameters, (3, 2, 4)),
        (prediction_checks.last_doubling, ()),
        (score_checks.interval_width, ()),
        (training_checks.loss_of_share, (0.1,)),
    ],
)
def test_wherever_a_number_is_asked_for_one_in_an_array_says_the_same(check, more, wrap, capsys):
    for number in (76, 72, 0.5, 0.03, -0.1, 2.0, np.nan):
        check(number, *more)
        check(wrap(number), *more)
        plain, wrapped = capsys.readouterr().out.splitlines()
        assert wrapped == plain


def _still_right(mask):
    """Mean share of the foreground that keeps its label as the image alone is turned, 1 to 7."""
    return np.mean([(orient(mask, which) == mask)[mask > 0].mean() for which in range(1, 8)])


def test_whether_most_labels_stay_depends_on_the_mask(capsys):
    middle, corner = np.zeros((2, 9, 9), np.uint8)
    middle[3:6, 3:6], corner[:3, :3] = 1, 2
    for mask, right, wrong in ((middle, "more", "less"), (corner, "less", "more")):
        checks.turned_labels(right, mask)
        checks.turned_labels(wrong, mask)
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["Correct.", "Not yet", "Correct.", "Not yet"]
    assert "100% are." in said[1]
    assert "0% are." in said[3]


def test_whether_most_labels_stay_can_be_asked_of_an_empty_mask(capsys):
    checks.turned_labels("less", np.zeros((4, 4), np.uint8))
    assert capsys.readouterr().out == "Correct.\n"


def test_the_depth_is_judged_by_the_fields_that_were_measured(capsys):
    network_checks.depth_for(lambda size, margin: 1 + (size + 2 * margin > 50), FIELDS)
    assert capsys.readouterr().out == "Correct.\n"


def prices(filters):
    model = unet((None, None, 3), 1, filters, depth=3, upsampling="transpose")
    rows = count_work(model, 64)
    work = sum(row.operations for row in rows), sum(row.activations for row in rows)
    return np.array([model.count_params(), *work])


def test_twice_the_filters_cost_what_the_check_says(capsys):
    network_checks.twice_the_filters(prices(16) / prices(8))
    assert capsys.readouterr().out == "Correct.\n"


def test_the_objects_that_depths_are_asked_for_tell_the_real_fields_apart(capsys):
    fields = {
        depth: receptive_field(unet((None, None, 1), 1, 1, depth, upsampling="transpose"))
        for depth in range(1, 6)
    }
    for width in ("narrowest", "widest"):
        network_checks.depth_for(
            lambda size, margin, width=width: min(
                d for d, field in fields.items() if getattr(field, width) >= size + 2 * margin
            ),
            fields,
        )
    right, wrong = capsys.readouterr().out.splitlines()
    assert right == "Correct."
    assert "luckiest" in wrong

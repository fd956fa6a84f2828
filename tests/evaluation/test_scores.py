"""Counts, IoU and Dice against tables made by hand and against counting pixel by pixel."""

import math

import numpy as np
import pytest
from builders import assert_says, make_samples
from hypothesis import given
from hypothesis import strategies as st

from unet_helpers.evaluation.scores import Counts, Scores, count, dice, iou, score_images

TRUTH = [[1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]]
GUESS = [[0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]]  # class 1: 3 right, 2 too many, 1 missed


def whole(counts: Counts) -> list[list[int]]:
    return [getattr(counts, part).tolist() for part in ("tp", "fp", "fn", "tn")]


# --- by hand ------------------------------------------------------------------------------------


def test_counts_of_a_table_made_by_hand() -> None:
    assert whole(count(TRUTH, GUESS)) == [[6, 3], [1, 2], [2, 1], [3, 6]]
    assert count(TRUTH, GUESS).tp.dtype == np.int64


def test_iou_and_dice_of_a_table_made_by_hand() -> None:
    counts = count(TRUTH, GUESS)
    assert iou(counts).tolist() == pytest.approx([6 / 9, 3 / 6])
    assert dice(counts).tolist() == pytest.approx([12 / 15, 6 / 9])


@pytest.mark.parametrize(
    ("truth", "guess", "expected_iou", "expected_dice"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], 1, 1),
        ([1, 1, 0, 0], [0, 0, 1, 1], 0, 0),
        ([1, 1, 0, 0], [0, 0, 0, 0], 0, 0),
        ([0, 0, 0, 0], [1, 0, 0, 0], 0, 0),
        ([1, 1, 1, 0], [1, 0, 0, 0], 1 / 3, 1 / 2),
        ([0, 0, 0, 0], [0, 0, 0, 0], math.nan, math.nan),
    ],
)
def test_scores_of_the_foreground(
    truth: list[int], guess: list[int], expected_iou: float, expected_dice: float
) -> None:
    counts = count(truth, guess)
    assert iou(counts)[1] == pytest.approx(expected_iou, nan_ok=True)
    assert dice(counts)[1] == pytest.approx(expected_dice, nan_ok=True)


def test_three_classes_by_hand() -> None:
    counts = count([0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 2, 2], num_classes=3)
    assert whole(counts) == [[1, 1, 2], [0, 1, 1], [1, 1, 0], [4, 3, 3]]
    assert iou(counts).tolist() == pytest.approx([1 / 2, 1 / 3, 2 / 3])
    assert dice(counts).tolist() == pytest.approx([2 / 3, 1 / 2, 4 / 5])


def test_a_class_that_nobody_holds_is_undefined() -> None:
    counts = count([0, 1], [0, 1], num_classes=3)
    assert np.isnan([iou(counts)[2], dice(counts)[2]]).all()
    assert iou(counts)[:2].tolist() == [1, 1]


def test_ignored_pixels_do_not_count_whatever_is_predicted_there() -> None:
    truth = [1, 1, 0, 0, 255, 255]
    for there in ([0, 0], [1, 1], [7, 200]):
        assert whole(count(truth, [1, 0, 1, 0, *there], ignore_value=255)) == [[1, 1]] * 4


def test_truth_of_bools_and_other_integers() -> None:
    for dtype in (bool, np.uint8, np.int64, np.uint16):
        counts = count(np.array(TRUTH, dtype), np.array(GUESS, dtype))
        assert whole(counts) == [[6, 3], [1, 2], [2, 1], [3, 6]]


# --- pixel by pixel -----------------------------------------------------------------------------


def slow_count(truth: list[int], guess: list[int], classes: int) -> list[list[int]]:
    table = [[0] * classes for _ in range(4)]
    for true, said in zip(truth, guess, strict=True):
        for class_id in range(classes):
            if true == 255:
                continue
            row = {(1, 1): 0, (0, 1): 1, (1, 0): 2, (0, 0): 3}[true == class_id, said == class_id]
            table[row][class_id] += 1
    return table


pixel_lists = st.integers(2, 5).flatmap(
    lambda classes: st.tuples(
        st.just(classes),
        st.lists(
            st.tuples(
                st.sampled_from([*range(classes), 255]),
                st.integers(0, classes - 1),
            ),
            max_size=40,
        ),
    )
)


@given(pixel_lists)
def test_counts_are_those_of_counting_pixel_by_pixel(case: tuple) -> None:
    classes, pixels = case
    truth, guess = [p[0] for p in pixels], [p[1] for p in pixels]
    counts = count(np.array(truth, int), np.array(guess, int), classes, ignore_value=255)
    assert whole(counts) == slow_count(truth, guess, classes)


@given(pixel_lists)
def test_scores_are_those_of_sets_of_pixels(case: tuple) -> None:
    classes, pixels = case
    pixels = [p for p in pixels if p[0] != 255]
    counts = count(np.array([p[0] for p in pixels], int), [p[1] for p in pixels], classes)
    for class_id in range(classes):
        true = {i for i, p in enumerate(pixels) if p[0] == class_id}
        said = {i for i, p in enumerate(pixels) if p[1] == class_id}
        if not true | said:
            assert np.isnan(iou(counts)[class_id]) and np.isnan(dice(counts)[class_id])
            continue
        jaccard, both = len(true & said) / len(true | said), len(true) + len(said)
        assert iou(counts)[class_id] == pytest.approx(jaccard)
        assert dice(counts)[class_id] == pytest.approx(2 * len(true & said) / both)


big = st.integers(0, 10**12)


@given(big, big, big)
def test_dice_is_twice_iou_over_one_plus_iou(tp: int, fp: int, fn: int) -> None:
    counts = Counts(*(np.array(number) for number in (tp, fp, fn, 0)))
    if tp + fp + fn:
        overlap = float(iou(counts))
        assert float(dice(counts)) == pytest.approx(2 * overlap / (1 + overlap))
        assert 0 <= overlap <= float(dice(counts)) <= 1


# --- many images --------------------------------------------------------------------------------


def scores() -> Scores:
    """IoU of the foreground: 1/2 (small), 9/10 (large), undefined (empty), 0 (missed)."""
    tp, fp, fn = [1, 9, 0, 0], [1, 0, 0, 0], [0, 1, 0, 2]
    tn = [12 - sum(parts) for parts in zip(tp, fp, fn, strict=True)]
    # The background's hits are the foreground's true negatives, and so on.
    columns = [np.array(pair).T for pair in ((tn, tp), (fn, fp), (fp, fn), (tp, tn))]
    return Scores(tuple("slem"), ("background", "cell"), Counts(*columns))


def test_pooled_scores_divide_once_and_means_divide_first() -> None:
    assert scores().iou() == pytest.approx(10 / 14)
    assert scores().dice() == pytest.approx(20 / 24)
    per_image = scores().iou_per_image()
    assert per_image.tolist() == pytest.approx([1 / 2, 9 / 10, math.nan, 0], nan_ok=True)
    dices = scores().dice_per_image().tolist()
    assert dices == pytest.approx([2 / 3, 18 / 19, math.nan, 0], nan_ok=True)
    assert np.nanmean(per_image) == pytest.approx((1 / 2 + 9 / 10) / 3)


def test_scores_of_another_class() -> None:
    assert scores().iou(0) == pytest.approx((10 + 2 + 12 + 10) / 38)
    assert scores().iou_per_image(0)[2] == 1


@pytest.mark.parametrize(
    ("how_many", "expected"), [(1, [3]), (2, [3, 0]), (3, [3, 0, 1]), (9, [3, 0, 1]), (0, [])]
)
def test_the_worst_images_come_first_and_undefined_ones_never(
    how_many: int, expected: list[int]
) -> None:
    assert scores().worst(how_many) == expected


def test_the_table_tells_pooled_mean_and_what_was_left_out() -> None:
    head, background, cell, left_out = scores().table().splitlines()
    assert " ".join(head.split()) == "class IoU pooled IoU mean Dice pooled Dice mean"
    assert " ".join(cell.split()) == "cell ≈ 0.714 ≈ 0.467 ≈ 0.833 ≈ 0.538"
    assert background.startswith("background ")
    assert left_out.endswith("1 of 4 images for cell")
    assert len(head) == len(cell) == len(background)


def test_the_table_of_a_class_that_no_image_holds() -> None:
    nothing = Counts(*(np.array([[4, 0]]), np.zeros((1, 2)), np.zeros((1, 2)), np.array([[0, 4]])))
    rows = Scores(("a",), ("background", "cell"), nothing).table().splitlines()
    assert rows[2].count("nan") == 4
    assert rows[3].endswith("1 of 1 images for cell")


def test_the_table_says_none_where_nothing_is_left_out() -> None:
    full = scores()
    some = Scores(full.names[:2], full.class_names, Counts(*(
        getattr(full.counts, part)[:2] for part in ("tp", "fp", "fn", "tn")
    )))  # fmt: skip
    assert some.table().endswith("none")


def masks_with_ignored() -> list[np.ndarray]:
    return [np.array(m, np.uint8) for m in ([[1, 0, 255]], [[1, 1], [0, 0]], [[0, 0, 0]])]


def test_score_images_counts_each_image_with_the_sets_classes_and_ignore_value() -> None:
    masks = masks_with_ignored()
    samples = make_samples([(m[..., None], m) for m in masks], ignore_value=255)
    guesses = [np.array(g) for g in ([[1, 1, 1]], [[1, 0], [0, 0]], [[0, 0, 0]])]
    got = score_images(samples, guesses)
    assert (got.names, got.class_names) == (tuple(samples.names), ("background", "foreground"))
    assert got.counts.tp.shape == (3, 2)
    per_image = got.iou_per_image().tolist()
    assert per_image == pytest.approx([1 / 2, 1 / 2, math.nan], nan_ok=True)
    assert got.iou() == pytest.approx(2 / 4)


def test_score_images_wants_a_prediction_for_each_sample() -> None:
    masks = masks_with_ignored()
    samples = make_samples([(m[..., None], m) for m in masks], ignore_value=255)
    with pytest.raises(ValueError) as error:
        score_images(samples, masks[:2])
    assert_says(error, "predictions", "each of the 3 samples", "found 2", "every sample once")


# --- unfit input --------------------------------------------------------------------------------


def test_masks_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError) as error:
        count(np.zeros((2, 3), int), np.zeros((2, 3, 1), int))
    assert_says(error, "prediction", "(2, 3)", "found (2, 3, 1)", "without a channel axis")


@pytest.mark.parametrize(
    ("truth", "guess", "argument", "found"),
    [
        ([0, 255], [0, 1], "truth", "255"),
        ([0, 1], [0, 255], "prediction", "255"),
        ([0, 1], [0.0, 0.7], "prediction", "0.7"),
        ([0, -1], [0, 1], "truth", "-1"),
        ([0, 1], [0, 2], "prediction", "2"),
        ([0.0, np.nan], [0, 1], "truth", "nan"),
    ],
)
def test_values_that_are_no_class_ids_are_refused(
    truth: list, guess: list, argument: str, found: str
) -> None:
    with pytest.raises(ValueError) as error:
        count(truth, guess)
    assert_says(error, f"{argument} must hold class ids 0 to 1", f"found {found}", "to_mask()")

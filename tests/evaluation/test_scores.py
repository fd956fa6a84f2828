"""Counts, IoU and Dice against tables made by hand and against counting pixel by pixel."""

import dataclasses
import math
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from builders import assert_says, make_samples
from hypothesis import given
from hypothesis import strategies as st

from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.intervals import interval
from unet_helpers.evaluation.scores import (
    Counts,
    Scores,
    accuracy,
    confusion,
    count,
    dice,
    iou,
    precision,
    recall,
    score_images,
    specificity,
)

TRUTH = [[1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]]
GUESS = [[0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]]  # class 1: 3 right, 2 too many, 1 missed


def whole(counts: Counts) -> list[list[int]]:
    return [getattr(counts, part).tolist() for part in ("tp", "fp", "fn", "tn")]


# --- by hand ------------------------------------------------------------------------------------


def test_counts_of_a_table_made_by_hand() -> None:
    assert whole(count(TRUTH, GUESS)) == [[6, 3], [1, 2], [2, 1], [3, 6]]
    assert count(TRUTH, GUESS).tp.dtype == np.int64


def test_the_confusion_matrix_has_the_truth_in_its_rows() -> None:
    table = confusion([0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 2, 2, 2, 0], num_classes=3)
    assert table.tolist() == [[1, 1, 0], [0, 1, 1], [1, 0, 2]]
    assert (table.dtype, confusion([], []).tolist()) == (np.int64, [[0, 0], [0, 0]])


def test_the_other_measures_of_a_table_made_by_hand() -> None:
    counts = count(TRUTH, GUESS).of_class(1)  # tp 3, fp 2, fn 1, tn 6
    measures = (precision, recall, specificity, accuracy)
    assert [float(m(counts)) for m in measures] == pytest.approx([3 / 5, 3 / 4, 6 / 8, 9 / 12])


@pytest.mark.parametrize(
    ("measure", "truth", "guess"),
    [
        (iou, [0, 0], [0, 0]),
        (dice, [0, 0], [0, 0]),
        (precision, [1, 0], [0, 0]),
        (recall, [0, 0], [1, 0]),
        (specificity, [1, 1], [1, 0]),
        (accuracy, [], []),
    ],
)
def test_nothing_over_nothing_is_undefined(measure: object, truth: list, guess: list) -> None:
    assert np.isnan(measure(count(truth, guess))[1])


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
    for dtype in (bool, np.uint8, np.int64, np.uint16, np.float16, np.float32, np.float64):
        counts = count(np.array(TRUTH, dtype), np.array(GUESS, dtype))
        assert whole(counts) == [[6, 3], [1, 2], [2, 1], [3, 6]]


@pytest.mark.parametrize("classes", [1, 2, 15, 16, 17, 200, 256, 257])
def test_the_last_of_any_number_of_classes_is_counted(classes: int) -> None:
    last = classes - 1
    truth, guess = np.array([0, last, last, last]), np.array([last, 0, last, last])
    for dtype in (np.uint16, np.int64, np.float32):
        table = confusion(truth.astype(dtype), guess.astype(dtype), classes)
        assert table.sum() == 4
        assert table[last, last] == (4 if classes == 1 else 2)


def test_more_pixels_than_one_slice_in_any_order_of_memory() -> None:
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 11, (2, 301, 257)).astype(np.uint8)
    expected = np.zeros((11, 11), int)
    np.add.at(expected, (truth, guess), 1)
    for one, other in [(truth, guess), (np.asfortranarray(truth), guess)]:
        assert (confusion(one, other, 11) == expected).all()
    assert (confusion(truth[::-1, ::2], guess[::-1, ::2], 11).sum()) == 301 * 129


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


def scores(groups: str = "") -> Scores:
    """IoU of the foreground: 1/2 (small), 9/10 (large), undefined (empty), 0 (missed)."""
    tables = [[[10, 1], [0, 1]], [[2, 0], [1, 9]], [[12, 0], [0, 0]], [[10, 0], [2, 0]]]
    return Scores(tuple("slem"), tuple(groups), ("background", "cell"), np.array(tables))


def test_pooled_scores_divide_once_and_means_divide_first() -> None:
    assert scores().iou() == pytest.approx(10 / 14)
    assert scores().dice() == pytest.approx(20 / 24)
    per_image = scores().iou_per_image()
    assert per_image.tolist() == pytest.approx([1 / 2, 9 / 10, math.nan, 0], nan_ok=True)
    dices = scores().dice_per_image().tolist()
    assert dices == pytest.approx([2 / 3, 18 / 19, math.nan, 0], nan_ok=True)
    assert np.nanmean(per_image) == pytest.approx((1 / 2 + 9 / 10) / 3)


def test_any_measure_pooled_and_by_image() -> None:
    assert scores().pooled(recall) == pytest.approx(10 / 13)
    assert scores().per_image(recall)[[0, 1, 3]].tolist() == pytest.approx([1, 9 / 10, 0])
    assert scores().mean(recall) == pytest.approx((1 + 9 / 10) / 3)
    assert scores().mean() == pytest.approx((1 / 2 + 9 / 10) / 3)
    assert scores().mean(iou, 0) == pytest.approx((10 / 11 + 2 / 3 + 1 + 10 / 12) / 4)


def test_undefined_scores_are_counted() -> None:
    assert (scores().undefined(), scores().undefined(0)) == (1, 0)
    assert scores().undefined(measure=precision) == 2  # nothing found: in the empty and the missed


def test_the_mean_over_classes_leaves_out_what_no_image_holds() -> None:
    table = np.zeros((1, 3, 3), int)
    table[0, :2, :2] = [[6, 1], [1, 2]]
    three = Scores(("a",), (), ("background", "cell", "tear"), table)
    assert three.over_classes() == pytest.approx((6 / 8 + 2 / 4) / 2)
    assert three.over_classes(background=False) == pytest.approx(2 / 4)
    assert three.over_classes(recall) == pytest.approx((6 / 7 + 2 / 3) / 2)
    assert np.isnan(Scores(("a",), (), ("a", "b"), np.zeros((1, 2, 2), int)).over_classes())


def test_counts_by_group_come_in_the_order_of_first_appearance() -> None:
    by_group = scores("zaza").by_group()
    assert by_group.tp.tolist() == [[22, 1], [12, 9]]
    assert (by_group.fp[:, 1].tolist(), by_group.fn[:, 1].tolist()) == ([1, 0], [0, 3])
    assert by_group.tp.dtype == np.int64


@pytest.mark.parametrize("class_id", [-1, 2])
def test_a_class_that_is_not_there_is_refused(class_id: int) -> None:
    with pytest.raises(ValueError) as error:
        scores().iou(class_id)
    assert_says(error, "class_id", "0 to 1", f"found {class_id}", "class_names")


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
    rows = Scores(("a",), (), ("background", "cell"), np.array([[[4, 0], [0, 0]]])).table()
    assert rows.splitlines()[2].split() == ["cell", *["undefined"] * 4]
    assert rows.endswith("1 of 1 images for cell")


def test_the_table_says_none_where_nothing_is_left_out() -> None:
    some = Scores(("s", "l"), (), ("background", "cell"), scores().confusion[:2])
    assert some.table().endswith("none")


def many_scores(classes: tuple[str, ...], images: int = 12) -> Scores:
    tables = np.random.default_rng(1).integers(20, 60, (images, len(classes), len(classes)))
    tables += 200 * np.eye(len(classes), dtype=tables.dtype)
    names = tuple(f"image {i}" for i in range(images))
    return Scores(names, names, classes, tables)


def test_the_table_shows_the_intervals_over_groups() -> None:
    many = many_scores(("background", "cell"))
    head, background, cell, note, left_out = many.table().splitlines()
    found = interval(many, iou, 1)
    assert f"≈ {found.value:.3f} (≈ {found.low:.3f} to ≈ {found.high:.3f})" in cell
    assert cell.count("(") == background.count("(") == 2
    assert note == "in brackets: 95 % intervals over the groups of images"
    assert len(head) == len(cell) == len(background) <= 100
    assert left_out.endswith("none")


def test_the_table_says_once_why_there_is_no_interval() -> None:
    text = scores("slem").table()
    assert "(" not in text
    assert text.count("no interval for cell: 3 groups, at least 10 are needed") == 1
    both = Scores(("a",), ("a",), ("background", "cell"), scores().confusion[:1]).table()
    assert both.count("no interval") == both.count("no interval for background, cell: 1 group") == 1


def test_the_table_of_many_classes_tells_their_mean_too() -> None:
    names = ("void", "a road and its pavement", *(f"class {i}" for i in range(9)))
    many = many_scores(names)
    lines = many.table().splitlines()
    assert len({len(line) for line in lines[:12]}) == 1
    assert [line[: len(names[1])].rstrip() for line in lines[1:12]] == list(names)
    told = f"IoU ≈ {many.over_classes():.3f}, Dice ≈ {many.over_classes(dice):.3f}"
    assert f"mean over classes of the pooled scores: {told}" in lines


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


def ignoring_samples() -> Samples:
    return make_samples([(m[..., None], m) for m in masks_with_ignored()], ignore_value=255)


@pytest.mark.parametrize(("number", "found"), [(2, "2"), (0, "0"), (4, "more")])
@pytest.mark.parametrize("kind", [list, iter])
def test_score_images_wants_a_prediction_for_each_sample(
    number: int, found: str, kind: type
) -> None:
    masks = [np.zeros_like(m) for m in masks_with_ignored()]
    with pytest.raises(ValueError) as error:
        score_images(ignoring_samples(), kind([*masks, masks[0]][:number]))
    assert_says(
        error, "predictions", "each of the 3 samples", f"found {found}", "every sample once"
    )


def test_score_images_names_the_image_that_does_not_fit() -> None:
    masks = [np.zeros_like(m) for m in masks_with_ignored()]
    with pytest.raises(ValueError) as error:
        score_images(ignoring_samples(), [masks[0], masks[1][..., None], masks[2]])
    assert_says(error, "image 1: prediction", "(2, 2)", "found (2, 2, 1)", "channel axis")


def test_scores_keep_the_groups_and_names_of_the_samples() -> None:
    masks = [np.zeros_like(m) for m in masks_with_ignored()]
    got = score_images(ignoring_samples(), masks)
    assert got.groups == ("group 0", "group 1", "group 2")
    assert got.confusion.shape == (3, 2, 2)


def peak_of_scoring(images: int) -> int:
    """Most bytes held at once while a generator's masks are scored."""
    mask = np.zeros((256, 256), np.uint8)
    samples = make_samples([(mask[..., None], mask)] * images)

    def predictions() -> Iterator[np.ndarray]:
        for index in range(images):
            yield np.full((256, 256), index % 2, np.uint8)

    score_images(samples, predictions())  # whatever is made once is made now
    tracemalloc.start()
    score_images(samples, predictions())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_the_memory_of_scoring_does_not_grow_with_the_images() -> None:
    few, many = peak_of_scoring(20), peak_of_scoring(200)
    assert many < few + 65536  # 180 more masks would be 11.8 million bytes
    assert few > 65536  # the tracing saw at least one mask


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
        ([0.0, np.inf], [0, 1], "truth", "inf"),
        ([0, 1], [0.4, 1.0], "prediction", "0.4"),
        ([0, 1], ["cell", "cell"], "prediction", "cell"),
    ],
)
def test_values_that_are_no_class_ids_are_refused(
    truth: list, guess: list, argument: str, found: str
) -> None:
    with pytest.raises(ValueError) as error:
        count(truth, guess)
    assert_says(error, f"{argument} must hold class ids 0 to 1", f"found {found}", "to_mask()")


def test_a_subset_holds_the_images_asked_for_in_that_order() -> None:
    tables = np.arange(12).reshape(3, 2, 2)
    scores = Scores(("a", "b", "c"), ("g", "g", "h"), ("background", "cell"), tables)
    part = scores.subset([2, 0])
    assert part.names == ("c", "a")
    assert part.groups == ("h", "g")
    assert np.array_equal(part.confusion, tables[[2, 0]])
    without = dataclasses.replace(scores, groups=()).subset(range(2))
    assert (without.names, without.groups) == (("a", "b"), ())

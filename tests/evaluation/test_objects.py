"""Object scores against tables made by hand, all possible matchings, torchmetrics and MONAI."""

import itertools
import math

import numpy as np
import pytest
from builders import assert_says
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from unet_helpers.evaluation.objects import (
    AP_THRESHOLDS,
    Matches,
    label_objects,
    match,
    objects_by_size,
)

labels = some.arrays(np.int64, (4, 5), elements=st.integers(0, 4))
pairs = st.tuples(labels, labels)
ignores = some.arrays(bool, (4, 5))

# One row of 20 pixels: object 1 of 10, object 2 of 5, object 3 of 2.
TRUTH = np.array([[1] * 10 + [2] * 5 + [0] * 3 + [3] * 2])
# Of object 1 eight pixels (IoU 8/10), object 2 in two halves (3/5 and 2/5), one beside object 3.
GUESS = np.array([[9] * 8 + [0] * 2 + [4] * 3 + [5] * 2 + [7] + [0] * 4])


def whole(found: Matches) -> tuple[list[int], list[int], list[int]]:
    return tuple(np.atleast_1d(part).tolist() for part in (found.tp, found.fp, found.fn))


def simple_ious(truth: np.ndarray, guess: np.ndarray) -> dict[tuple[int, int], float]:
    """IoU of every true with every predicted object, from sets of pixels."""
    return {
        (int(t), int(g)): np.sum((truth == t) & (guess == g)) / np.sum((truth == t) | (guess == g))
        for t in np.unique(truth[truth > 0])
        for g in np.unique(guess[guess > 0])
    }


def best_matching(ious: dict[tuple[int, int], float], threshold: float) -> tuple[int, float]:
    """Most pairs, then the largest sum of IoU, out of all matchings there are."""
    able = [pair for pair, iou in ious.items() if iou > threshold]
    best = (0, 0.0)
    for number in range(1, len(able) + 1):
        for chosen in itertools.combinations(able, number):
            if all(len(set(side)) == number for side in zip(*chosen, strict=True)):
                best = max(best, (number, sum(ious[pair] for pair in chosen)))
    return best


# --- against other ways to count ------------------------------------------------------------------


@given(pairs, st.sampled_from([0, 0.1, 0.25, 0.4, 0.5, 0.75]))
def test_the_assignment_is_the_best_of_all_there_are(
    pair: tuple[np.ndarray, np.ndarray], threshold: float
) -> None:
    truth, guess = pair
    tp, iou_sum = best_matching(simple_ious(truth, guess), threshold)
    number = [len(np.unique(part[part > 0])) for part in pair]
    found = match(truth, guess, threshold)
    assert whole(found) == ([tp], [number[1] - tp], [number[0] - tp])
    assert found.iou_sum == pytest.approx(iou_sum)


def test_a_greedy_assignment_would_find_one_pair_less() -> None:
    truth = np.array([[1] * 6 + [2] * 3])
    guess = np.array([[1] * 2 + [2] * 6 + [0]])  # 2 takes 4/8 of 1, and 2/7 of 2; 1 takes 2/6 of 1
    found = match(truth, guess, threshold=0.2)
    assert whole(found) == ([2], [0], [0])
    assert found.iou_sum == pytest.approx(2 / 6 + 2 / 7)


def test_below_one_half_an_object_still_gets_one_partner() -> None:
    truth, guess = np.ones((1, 10), int), np.array([[1] * 5 + [2] * 5])
    for threshold in (0, 0.3, 0.49):
        assert whole(match(truth, guess, threshold)) == ([1], [1], [0])
        assert whole(match(guess, truth, threshold)) == ([1], [0], [1])


@given(pairs)
def test_torchmetrics_and_the_panoptic_quality_agree(pair: tuple[np.ndarray, np.ndarray]) -> None:
    torch = pytest.importorskip("torch", reason="make peers installs it")
    peer = pytest.importorskip("torchmetrics.detection", reason="make peers installs it")
    truth, guess = (np.stack([part > 0, part], axis=-1).astype(int)[None] for part in pair)
    metric = peer.PanopticQuality(
        things={1}, stuffs={0}, return_per_class=True, return_sq_and_rq=True
    )
    if not (pair[0].any() or pair[1].any()):
        return  # there it says 0
    metric.update(torch.from_numpy(guess), torch.from_numpy(truth))
    pq, sq, rq = metric.compute()[0].tolist()
    found = match(*pair)
    assert found.panoptic_quality == pytest.approx(pq, abs=1e-6)
    assert found.recognition_quality == pytest.approx(rq, abs=1e-6)
    if found.tp:
        assert found.segmentation_quality == pytest.approx(sq, abs=1e-6)


@given(pairs, ignores)
def test_torchmetrics_agrees_about_ignored_pixels(
    pair: tuple[np.ndarray, np.ndarray], ignore: np.ndarray
) -> None:
    torch = pytest.importorskip("torch", reason="make peers installs it")
    peer = pytest.importorskip("torchmetrics.functional.detection", reason="make peers installs it")
    truth, guess = (np.stack([part > 0, part], axis=-1).astype(int)[None] for part in pair)
    truth[0][ignore] = (5, 0)  # a category that it does not know is void
    found = match(*pair, ignore=ignore)
    if not found.tp + found.fp + found.fn:
        return
    quality = peer.panoptic_quality(
        torch.from_numpy(guess),
        torch.from_numpy(truth),
        things={1},
        stuffs={0},
        allow_unknown_preds_category=True,
        return_per_class=True,
    )
    assert found.panoptic_quality == pytest.approx(float(quality[0, 0]), abs=1e-6)


@given(pairs)
def test_monai_counts_the_same(pair: tuple[np.ndarray, np.ndarray]) -> None:
    torch = pytest.importorskip("torch", reason="make peers installs it")
    peer = pytest.importorskip("monai.metrics", reason="make peers installs it")
    truth, guess = (np.unique(part, return_inverse=True)[1].reshape(4, 5) for part in pair)
    if truth.min() or guess.min() or not (truth.any() and guess.any()):
        return  # it needs background, and an object in each
    table = peer.compute_panoptic_quality(
        torch.from_numpy(guess), torch.from_numpy(truth), output_confusion_matrix=True
    )
    found = match(truth, guess)
    mine = [found.tp, found.fp, found.fn, found.iou_sum]
    assert table.tolist() == pytest.approx([float(part) for part in mine], abs=1e-5)


# --- by hand --------------------------------------------------------------------------------------


def test_scores_of_a_table_made_by_hand() -> None:
    found = match(TRUTH, GUESS)
    assert whole(found) == ([2], [2], [1])
    assert found.tp.dtype == np.int64
    assert found.precision == pytest.approx(2 / 4)
    assert found.recall == pytest.approx(2 / 3)
    assert found.f1 == found.recognition_quality == pytest.approx(4 / 7)
    assert found.average_precision == pytest.approx(2 / 5)
    assert found.segmentation_quality == pytest.approx(1.4 / 2)
    assert found.panoptic_quality == pytest.approx(1.4 / 2 * 4 / 7)


def test_average_precision_over_the_thresholds_of_the_data_science_bowl() -> None:
    assert AP_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    found = match(TRUTH, GUESS, AP_THRESHOLDS)
    # IoU 0.6 is above 0.5 and 0.55 only, IoU 0.8 above 0.75 but not 0.8.
    assert whole(found)[0] == [2, 2, 1, 1, 1, 1, 0, 0, 0, 0]
    assert found.average_precision.mean() == pytest.approx((2 * 2 / 5 + 4 * 1 / 6) / 10)
    assert whole(match(TRUTH, TRUTH, AP_THRESHOLDS))[0] == [3] * 10


def test_an_iou_equal_to_the_threshold_is_no_match() -> None:
    truth, guess = [[1, 1, 0]], [[1, 0, 0]]
    assert whole(match(truth, guess, 0.5)) == ([0], [1], [1])
    assert whole(match(truth, guess, 0.499)) == ([1], [0], [0])
    for percent in range(1, 100):
        truth = np.ones((1, 100), int)
        guess = np.arange(100)[None] < percent
        found = match(truth, guess.astype(int), percent / 100)
        assert found.tp == 0, percent


def test_adding_counts_pools_the_scores() -> None:
    first, second = match(TRUTH, GUESS, AP_THRESHOLDS), match(TRUTH, TRUTH, AP_THRESHOLDS)
    both = sum([first, second])
    assert whole(both) == tuple(
        [a + b for a, b in zip(*parts, strict=True)]
        for parts in zip(whole(first), whole(second), strict=True)
    )
    assert both.panoptic_quality[0] == pytest.approx((1.4 + 3) / (5 + 1.5))


@given(pairs, ignores, st.permutations([1, 2, 3, 4]))
def test_numbers_and_gaps_in_them_do_not_matter(
    pair: tuple[np.ndarray, np.ndarray], ignore: np.ndarray, order: list[int]
) -> None:
    names = np.array([0, *(1000 * np.array(order) + 7)])
    found, renamed = match(*pair, 0.3, ignore), match(pair[0], names[pair[1]], 0.3, ignore)
    assert whole(found) == whole(renamed)
    assert found.iou_sum == pytest.approx(renamed.iou_sum)


def test_undefined_scores_are_nan() -> None:
    nothing = match(TRUTH * 0, GUESS * 0)
    assert all(
        math.isnan(getattr(nothing, name))
        for name in ("precision", "recall", "f1", "average_precision", "panoptic_quality")
    )
    missed = match(TRUTH, GUESS * 0)
    assert math.isnan(missed.precision) and math.isnan(missed.segmentation_quality)
    assert (missed.recall, missed.f1, missed.average_precision, missed.panoptic_quality) == (0,) * 4
    invented = match(TRUTH * 0, GUESS)
    assert math.isnan(invented.recall)
    assert invented.precision == 0


# --- ignored pixels -------------------------------------------------------------------------------


def test_ignored_pixels_are_taken_out_of_objects() -> None:
    truth = np.array([[1, 1, 1, 1, 2, 2, 0, 0, 0, 0]])
    guess = np.array([[1, 1, 0, 0, 0, 2, 2, 3, 3, 4]])
    ignore = np.array([[0, 0, 1, 1, 1, 0, 0, 1, 1, 0]], bool)
    # 1 is whole without what is ignored; 2 has IoU 1/2; 3 is excused, 4 is not.
    found = match(truth, guess, ignore=ignore)
    assert whole(found) == ([1], [2], [1])
    assert found.segmentation_quality == 1


@given(pairs, ignores)
def test_a_match_has_the_iou_of_what_is_not_ignored(
    pair: tuple[np.ndarray, np.ndarray], ignore: np.ndarray
) -> None:
    tp, iou_sum = best_matching(simple_ious(*(part * ~ignore for part in pair)), 0.3)
    found = match(*pair, 0.3, ignore)
    assert (found.tp, found.iou_sum) == (tp, pytest.approx(iou_sum))


@pytest.mark.parametrize(("ignored", "extra"), [(2, 1), (3, 0)])
def test_an_object_is_excused_if_more_than_half_of_it_is_ignored(ignored: int, extra: int) -> None:
    guess = np.array([[0, 0, 8, 8, 8, 8]])
    ignore = np.arange(6)[None] >= 6 - ignored
    assert match(guess * 0, guess, ignore=ignore).fp == extra


def test_a_true_object_that_is_ignored_is_none() -> None:
    assert whole(match(TRUTH, GUESS, ignore=TRUTH == 3))[2] == [0]
    assert objects_by_size(TRUTH, GUESS, ignore=TRUTH == 3).areas.tolist() == [10, 5]


# --- by size --------------------------------------------------------------------------------------


def test_objects_by_size_of_a_table_made_by_hand() -> None:
    objects = objects_by_size(TRUTH, GUESS)
    assert objects.areas.tolist() == [10, 5, 2]
    assert objects.best_iou.tolist() == pytest.approx([0.8, 0.6, 0])
    assert objects.found.tolist() == [True, True, False]
    assert objects_by_size(TRUTH, GUESS, threshold=0.7).found.tolist() == [True, False, False]


def test_recall_by_size_of_two_images() -> None:
    objects = sum([objects_by_size(TRUTH, GUESS), objects_by_size(TRUTH, TRUTH)])
    total, recall = objects.recall([2, 5, 8, 11])  # 2 to 4, 5 to 7, 8 to 10
    assert total.tolist() == [2, 2, 2]
    assert recall.tolist() == [0.5, 1, 1]
    total, recall = objects.recall([0, 2, 10])
    assert total.tolist() == [0, 4]
    assert recall.tolist() == pytest.approx([math.nan, 0.75], nan_ok=True)


@given(pairs, st.sampled_from([0.2, 0.5, 0.8]))
def test_as_many_objects_are_found_as_match_counts(
    pair: tuple[np.ndarray, np.ndarray], threshold: float
) -> None:
    objects, found = objects_by_size(*pair, threshold), match(*pair, threshold)
    assert objects.found.sum() == found.tp
    assert objects.found.size == found.tp + found.fn
    assert (objects.best_iou[objects.found] > threshold).all()
    assert not (objects.best_iou > max(threshold, 0.5))[~objects.found].any()


# --- numbering the objects of a mask --------------------------------------------------------------


def test_label_objects() -> None:
    mask = np.array([[1, 1, 0, 1], [0, 0, 1, 0], [1, 0, 1, 0]])
    assert label_objects(mask).tolist() == [[1, 1, 0, 2], [0, 0, 3, 0], [4, 0, 3, 0]]
    assert label_objects(mask, connectivity=8).tolist() == [
        [1, 1, 0, 1],
        [0, 0, 1, 0],
        [2, 0, 1, 0],
    ]
    assert label_objects(mask == 1).dtype == np.int32
    assert not label_objects(mask * 0).any()


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: match(TRUTH, GUESS[:, :5]), ("prediction", "(1, 20)", "(1, 5)")),
        (lambda: match(TRUTH, GUESS, ignore=[[True]]), ("ignore", "(1, 20)", "(1, 1)")),
        (lambda: match(TRUTH > 0, GUESS), ("truth", "bool", "label_objects()")),
        (lambda: match(TRUTH, GUESS / 2), ("prediction", "float64")),
        (lambda: match(TRUTH, GUESS - 1), ("prediction", "-1")),
        (lambda: match(TRUTH[0], GUESS[0]), ("truth", "(20,)")),
        (lambda: match(TRUTH, GUESS, 1), ("threshold", "1")),
        (lambda: match(TRUTH, GUESS, math.nan), ("threshold", "nan")),
        (lambda: match(TRUTH, GUESS, [0.5, -0.1]), ("threshold", "-0.1")),
        (lambda: objects_by_size(TRUTH, GUESS, 50), ("threshold", "50")),
        (lambda: match(TRUTH, GUESS) + match(TRUTH, GUESS, 0.6), ("0.5", "0.6")),
        (lambda: label_objects([[0, 255]]), ("mask", "255")),
        (lambda: label_objects([[0, 1]], connectivity=6), ("connectivity", "6")),
    ],
)
def test_bad_input_is_refused(call, parts: tuple) -> None:
    with pytest.raises(ValueError) as error:
        call()
    assert_says(error, *parts)

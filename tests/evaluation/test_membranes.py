"""The ISBI-2012 scores against the formulas written out pixel by pixel, and tables made by hand."""

import math
import os
from collections import Counter, deque
from pathlib import Path

import numpy as np
import pytest
from builders import assert_says
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as some
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu
from skimage.metrics import adapted_rand_error, variation_of_information

from unet_helpers.data.load import load
from unet_helpers.evaluation.membranes import ISBI_THRESHOLDS, IsbiScores, isbi_scores
from unet_helpers.evaluation.segments import information_scores, joint, pair_sums, rand_scores, thin

SHAPE = (6, 7)
masks = some.arrays(np.uint8, SHAPE, elements=st.integers(0, 1))
maps = some.arrays(np.float64, SHAPE, elements=st.sampled_from([0, 0.05, 0.35, 0.55, 0.75, 1]))
segments = some.arrays(np.int64, SHAPE, elements=st.integers(0, 3))
STEPS = [(0, 1), (1, 0), (0, -1), (-1, 0)]


# --- the formulas once more, pair by pair and with dictionaries -----------------------------------


def pieces(inside: np.ndarray) -> np.ndarray:
    """4-connected pieces, found by walking."""
    result = np.zeros(inside.shape, int)
    number = 0
    for start in np.argwhere(inside):
        if result[tuple(start)]:
            continue
        number += 1
        waiting = deque([tuple(start)])
        while waiting:
            y, x = waiting.popleft()
            in_image = 0 <= y < inside.shape[0] and 0 <= x < inside.shape[1]
            if in_image and inside[y, x] and not result[y, x]:
                result[y, x] = number
                waiting.extend((y + u, x + v) for u, v in STEPS)
    return result


def simple_rand(truth: np.ndarray, proposal: np.ndarray) -> tuple[float, float, float]:
    """From all ordered pairs of pixels; a line pixel is together with itself alone."""
    pixels = [(int(t), int(s)) for t, s in zip(truth.flat, proposal.flat, strict=True) if t]
    if not pixels:
        return (math.nan,) * 3
    both = true = guess = 0
    for i, (t, s) in enumerate(pixels):
        for j, (u, r) in enumerate(pixels):
            together = i == j or (s == r and s > 0)
            both += t == u and together
            true += t == u
            guess += together
    precision, recall = both / guess, both / true
    return precision, recall, 2 * precision * recall / (precision + recall)


def simple_information(truth: np.ndarray, proposal: np.ndarray) -> tuple[float, float, float]:
    """S_A, S_B and S_AB as the challenge's definition has them."""
    pixels = [(int(t), int(s)) for t, s in zip(truth.flat, proposal.flat, strict=True) if t]
    n = len(pixels)
    if len({t for t, _ in pixels}) < 2:
        return (math.nan,) * 3
    lines = sum(s == 0 for _, s in pixels) / n * math.log(n)
    rows, columns = Counter(t for t, _ in pixels), Counter(s for _, s in pixels if s)
    shared = Counter((t, s) for t, s in pixels if s)
    s_a, s_b, s_ab = (
        sum(size / n * math.log(size / n) for size in part.values())
        for part in (rows, columns, shared)
    )
    s_b, s_ab = s_b - lines, s_ab - lines
    recall = (-s_a - (s_b - s_ab)) / -s_a
    if abs(recall) < 1e-12:
        return 1.0, 0.0, 0.0
    precision = (-s_b - (s_a - s_ab)) / -s_b
    return precision, recall, 2 * precision * recall / (precision + recall)


@given(segments, segments)
def test_rand_scores_are_those_of_all_pairs_of_pixels(
    truth: np.ndarray, proposal: np.ndarray
) -> None:
    scores = rand_scores(pair_sums(joint(truth, proposal)))
    assert scores == pytest.approx(simple_rand(truth, proposal), nan_ok=True)


@given(segments, segments)
def test_information_scores_are_those_of_the_definition(
    truth: np.ndarray, proposal: np.ndarray
) -> None:
    scores = information_scores(joint(truth, proposal))
    assert scores == pytest.approx(simple_information(truth, proposal), nan_ok=True)


@settings(max_examples=25)
@given(st.lists(st.tuples(masks, maps), min_size=1, max_size=3))
def test_isbi_scores_are_the_procedure_step_by_step(
    slices: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    scores = isbi_scores(*zip(*slices, strict=True))
    rand, information, errors, pooled = [], [], [], []
    for threshold in scores.thresholds:
        rows, bits, wrong, pairs = [], [], [], np.zeros(3)
        for mask, chance in slices:
            cells, inside = pieces(mask == 0), 1 - chance > threshold
            rows.append(simple_rand(cells, thin(inside)))
            bits.append(simple_information(cells, thin(inside)))
            wrong.append(np.mean(inside != (mask == 0)))
            pairs += pair_sums(joint(cells, pieces(inside)))
        rand.append([row[2] for row in rows if not math.isnan(row[2])])
        information.append([row[2] for row in bits if not math.isnan(row[2])])
        errors.append(np.mean(wrong))
        pooled.append(1 - 2 * pairs[0] / (pairs[1] + pairs[2]) if pairs[1] else math.nan)
    expected = [max(map(np.mean, part)) if part[0] else math.nan for part in (rand, information)]
    found = [scores.v_rand, scores.v_info, scores.pixel_error, scores.rand_error]
    assert found == pytest.approx([*expected, min(errors), min(pooled)], nan_ok=True)


# --- against scikit-image, where it says the same -------------------------------------------------


@given(segments, segments)
def test_scikit_image_agrees_without_lines_but_for_each_pixels_pair_with_itself(
    truth: np.ndarray, proposal: np.ndarray
) -> None:
    truth, proposal = truth + 1, proposal + 1  # no background, no lines
    both, true, guess = (pair_sums(joint(truth, proposal)) - truth.size).tolist()
    if guess and true:
        error, precision, recall = adapted_rand_error(truth, proposal, ignore_labels=())
        # It calls precision what the challenge's program and everybody else call recall.
        assert (both / guess, both / true) == pytest.approx((recall, precision))
        assert error == pytest.approx(1 - 2 * both / (true + guess))


@given(segments, segments)
def test_scikit_image_agrees_about_entropies_without_lines(
    truth: np.ndarray, proposal: np.ndarray
) -> None:
    truth, proposal = truth + 1, proposal + 1
    split, merged = variation_of_information(truth, proposal)  # H(S|T) and H(T|S), in bits
    sizes = [np.unique(part, return_counts=True)[1] / truth.size for part in (truth, proposal)]
    entropies = [-np.sum(share * np.log2(share)) for share in sizes]
    if min(entropies) > 0:
        expected = [1 - split / entropies[1], 1 - merged / entropies[0]]
        assert information_scores(joint(truth, proposal))[:2] == pytest.approx(expected, abs=1e-9)


# --- by hand --------------------------------------------------------------------------------------

TRUTH = np.zeros((9, 9), np.uint8)
TRUTH[:, 4] = 1  # two cells of 36 pixels


def changed(*places: tuple, to: float) -> np.ndarray:
    mask = TRUTH.astype(float)
    for place in places:
        mask[place] = to
    return mask


def test_the_truth_scores_one() -> None:
    scores = isbi_scores([TRUTH] * 2, [TRUTH] * 2)
    assert (scores.v_rand, scores.v_info) == (1, 1)
    assert (scores.v_rand_precision, scores.v_rand_recall) == (1, 1)
    assert (scores.pixel_error, scores.rand_error) == (0, 0)


def test_one_gap_merges_two_cells() -> None:
    scores = isbi_scores([TRUTH], [changed((4, 4), to=0)])
    assert scores.v_rand_precision == pytest.approx(2 * 36**2 / 72**2)  # half of the pairs
    assert scores.v_rand_recall == 1
    assert scores.v_rand == pytest.approx(2 / 3)
    assert scores.v_info == 0
    assert scores.pixel_error == pytest.approx(1 / 81)
    assert scores.rand_error == pytest.approx(1 / 3)


def test_a_false_membrane_splits_a_cell() -> None:
    scores = isbi_scores([TRUTH], [changed((4, slice(0, 4)), to=1)])
    # The left cell becomes two pieces of 16 and 4 single pixels.
    both, true = 36**2 + 2 * 16**2 + 4, 2 * 36**2
    assert scores.v_rand_precision == 1
    assert scores.v_rand_recall == pytest.approx(both / true)
    assert scores.v_rand == pytest.approx(2 * both / (both + true))
    piece, single = 16 / 72 * math.log(72 / 16), 1 / 72 * math.log(72)
    entropy = 0.5 * math.log(2) + 2 * piece + 4 * single
    assert scores.v_info == pytest.approx(2 * math.log(2) / (math.log(2) + entropy))
    assert scores.rand_error == pytest.approx(1 - scores.v_rand)  # already one pixel thin


def test_a_thick_membrane_costs_nothing_after_thinning() -> None:
    scores = isbi_scores([TRUTH], [changed((slice(None), slice(3, 6)), to=1)])
    assert scores.v_rand == scores.v_info == 1
    assert scores.pixel_error == pytest.approx(18 / 81)
    both, true = 2 * 27**2 + 18, 2 * 36**2
    assert scores.rand_error == pytest.approx(1 - 2 * both / (both + true))


def test_no_membrane_at_all_and_nothing_but_membrane_are_one_piece() -> None:
    for everywhere in (0, 1):
        scores = isbi_scores([TRUTH], [changed(..., to=everywhere)])
        assert (scores.v_rand, scores.v_info) == (pytest.approx(2 / 3), 0)


def test_the_best_threshold_is_told() -> None:
    weak_gap = changed((4, 4), to=0.45)  # interior 0.55 there: closed from 0.6 on
    scores = isbi_scores([TRUTH], [weak_gap * 0.8])  # all membranes 0.8, the gap 0.36
    assert scores.v_rand == 1
    assert scores.v_rand_threshold == scores.v_info_threshold == pytest.approx(0.7)
    assert scores.rand_error_threshold == scores.pixel_error_threshold == pytest.approx(0.7)
    assert scores.rand[0, :, 2] == pytest.approx([2 / 3] * 7 + [1] * 4)


def test_the_best_threshold_is_one_for_all_slices() -> None:
    early, late = changed((4, 4), to=0.75), changed((slice(None), 0), to=0.25)
    late[4, 4] = 0.15  # closed only where the false membrane at the side is there too
    alone = [isbi_scores([TRUTH], [part]).v_rand for part in (early, late)]
    together = isbi_scores([TRUTH] * 2, [early, late])
    assert together.v_rand <= np.mean(alone)
    assert together.v_rand == pytest.approx(together.rand[..., 2].mean(axis=0).max())


def test_the_rand_error_adds_the_pairs_of_all_slices() -> None:
    large = np.kron(TRUTH, np.ones((3, 3), np.uint8))
    gap = changed((4, 4), to=0)
    scores = isbi_scores([TRUTH, large], [gap, large])
    small, true = 2 * 36**2, 2 * 324**2
    assert scores.rand_error == pytest.approx(1 - 2 * (small + true) / (3 * small + 2 * true))
    assert scores.v_rand == pytest.approx((2 / 3 + 1) / 2)


def test_one_is_above_the_last_threshold() -> None:
    assert len(ISBI_THRESHOLDS) == 11
    assert 1 - 1e-9 < ISBI_THRESHOLDS[-1] < 1
    scores = isbi_scores([TRUTH], [TRUTH * 0.5], thresholds=ISBI_THRESHOLDS[-1:])
    assert scores.v_rand == 1  # where no membrane is, the interior's probability is 1


def test_undefined_slices_are_left_out_and_told() -> None:
    nothing, one_cell = np.ones((9, 9), int), np.zeros((9, 9), int)
    scores = isbi_scores([TRUTH, nothing, one_cell], [TRUTH, nothing, one_cell])
    assert scores.undefined == (1, 2)
    assert (scores.v_rand, scores.v_info) == (1, 1)
    assert "left out, as undefined: 1 of V_rand, 2 of V_info" in scores.table()
    alone = isbi_scores([nothing], [nothing])
    assert all(map(math.isnan, (alone.v_rand, alone.v_info, alone.rand_error)))
    assert all(map(math.isnan, (alone.v_rand_threshold, alone.rand_error_threshold)))
    assert alone.pixel_error == 0


def test_the_table() -> None:
    lines = isbi_scores([TRUTH], [changed((4, 4), to=0)]).table().splitlines()
    assert [line.split() for line in lines[1:5]] == [
        ["V_rand", "≈", "0.6667", "≈", "0.0"],
        ["V_info", "≈", "0.0000", "≈", "0.0"],
        ["pixel", "error", "≈", "0.0123", "≈", "0.0"],
        ["Rand", "error", "≈", "0.3333", "≈", "0.0"],
    ]


# --- thinning -------------------------------------------------------------------------------------


@given(masks)
def test_thinning_keeps_the_pieces_and_parts_them_by_lines(mask: np.ndarray) -> None:
    thinned, parts = thin(mask == 1), pieces(mask == 1)
    if not mask.any():
        assert (thinned == 1).all()
        return
    names = {(int(a), int(b)) for a, b in zip(parts.flat, thinned.flat, strict=True) if a}
    assert len(names) == parts.max() == thinned.max()  # each piece keeps one number
    assert (pieces(thinned > 0) > 0).sum() == (thinned > 0).sum()
    for first, second in ((thinned[1:], thinned[:-1]), (thinned[:, 1:], thinned[:, :-1])):
        assert ((first == second) | (first == 0) | (second == 0)).all()


def test_lines_are_thin_and_run_in_the_middle() -> None:
    inside = np.zeros((5, 11), bool)
    inside[:, :2] = inside[:, 9:] = True
    assert thin(inside)[2].tolist() == [1, 1, 1, 1, 1, 0, 2, 2, 2, 2, 2]


def test_pieces_that_touch_at_a_corner_are_two_or_one() -> None:
    inside = np.array([[True, False], [False, True]])
    assert thin(inside).max() == 2
    assert thin(inside, connectivity=8).max() == 1


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: isbi_scores([TRUTH * 255], [TRUTH]), ("truth", "255")),
        (lambda: isbi_scores([TRUTH], [TRUTH * 255]), ("probability", "0 to 255")),
        (lambda: isbi_scores([TRUTH], [changed((0, 0), to=math.nan)]), ("probability", "nan")),
        (lambda: isbi_scores([TRUTH], [TRUTH[1:]]), ("(9, 9)", "(8, 9)")),
        (lambda: isbi_scores([TRUTH], [TRUTH[..., None]]), ("(9, 9)", "(9, 9, 1)")),
        (lambda: isbi_scores([TRUTH] * 2, [TRUTH]), ("more truths than maps",)),
        (lambda: isbi_scores([TRUTH], [TRUTH] * 2), ("more maps than truths",)),
        (lambda: isbi_scores([], []), ("truths", "none")),
        (lambda: isbi_scores([TRUTH], [TRUTH], []), ("thresholds", "[]")),
        (lambda: isbi_scores([TRUTH], [TRUTH], [0.5, 0.2]), ("thresholds", "[0.5, 0.2]")),
        (lambda: isbi_scores([TRUTH], [TRUTH], [50]), ("thresholds", "[50]")),
        (lambda: isbi_scores([TRUTH], [TRUTH], connectivity=6), ("connectivity", "6")),
    ],
)
def test_bad_input_is_refused(call, parts: tuple) -> None:
    with pytest.raises(ValueError) as error:
        call()
    assert_says(error, *parts)


# --- real slices ----------------------------------------------------------------------------------


def otsu_scores() -> tuple[IsbiScores, IsbiScores]:
    """Of the truth against itself, and of dark pixels as membrane."""
    home = os.environ.get("UNET_DATA_HOME", "")
    if not (home and (Path(home) / "isbi2012_membrane").is_dir()):
        pytest.skip("UNET_DATA_HOME names no folder that holds isbi2012_membrane")
    test = load("membranes").split()[2]
    truths = [sample.mask for sample in test]
    smooth = [gaussian_filter(sample.image[..., 0], 1) for sample in test]
    dark = [(image < threshold_otsu(image)).astype(float) for image in smooth]
    return isbi_scores(truths, truths), isbi_scores(truths, dark)


@pytest.mark.real_data
def test_real_slices_score_one_against_themselves_and_otsu_much_less() -> None:
    # Thinning only moves the pieces' rims into the truth's membrane, which does not count.
    same, otsu = otsu_scores()
    assert (same.v_rand, same.v_info, same.pixel_error, same.rand_error) == (1, 1, 0, 0)
    assert same.rand.shape == (6, 11, 3)
    assert otsu.v_rand < 0.9
    assert otsu.v_info < 0.93
    assert otsu.pixel_error > 0.2
    assert otsu.rand_error > 0.2

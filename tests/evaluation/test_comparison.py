"""Paired comparison: by brute force, by SciPy, under the null, and what it will not say."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from builders import assert_says
from scipy import stats

from unet_helpers.evaluation.comparison import (
    Comparison,
    compare,
    compare_counts,
    permutation_p,
)
from unet_helpers.evaluation.scores import Counts, Scores, dice, iou, precision


def two_models(groups: int, gain: float = 0.0, seed: int = 0) -> np.ndarray:
    """Counts (2, groups, 4) of two models on the same truth; the first gains on the logit scale."""
    rng = np.random.default_rng(seed)
    truth = np.round(rng.lognormal(8, 0.7, groups))
    shared = 1.5 + 0.6 * rng.normal(size=groups)
    both = np.zeros((2, groups, 4))
    for model, table in enumerate(both):
        score = 1 / (1 + np.exp(-shared - gain * (model == 0) - 0.5 * rng.normal(size=groups)))
        table[:, 0] = np.round(truth * score)
        table[:, 1] = np.round((truth - table[:, 0]) * rng.random(groups))
        table[:, 2] = truth - table[:, 0]
        table[:, 3] = 4 * truth - table[:, 1]
    return both


def scores_of(table: np.ndarray, groups: list[str] | None = None) -> Scores:
    confusion = table[:, [3, 1, 2, 0]].reshape(-1, 2, 2).astype(np.int64)
    names = tuple(f"image {i}" for i in range(len(table)))
    return Scores(names, tuple(groups or names), ("background", "cell"), confusion)


def pooled_difference(both: np.ndarray, measure=iou) -> float:  # type: ignore[no-untyped-def]
    first, second = (float(measure(Counts(*table.sum(axis=0)))) for table in both)
    return first - second


# --- oracles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", [iou, dice, precision])
@pytest.mark.parametrize("gain", [0, 0.4])
def test_the_p_value_is_that_of_all_exchanges_by_brute_force(measure, gain: float) -> None:  # type: ignore[no-untyped-def]
    both = two_models(7, gain)
    observed = abs(pooled_difference(both, measure))
    found = []
    for exchange in itertools.product([False, True], repeat=7):
        turned = both.copy()
        turned[:, list(exchange)] = both[::-1][:, list(exchange)]
        found.append(abs(pooled_difference(turned, measure)) >= observed - 1e-12)
    assert len(found) == 128
    assert permutation_p(both, measure, seed=0) == np.mean(found)


@pytest.mark.parametrize("gain", [0, 0.3])
def test_the_p_value_is_scipys(gain: float) -> None:
    both = two_models(9, gain, seed=4)
    rows = both.reshape(-1, 4)

    def statistic(a: np.ndarray, b: np.ndarray) -> float:
        tables = np.stack([rows[np.asarray(a, int)], rows[np.asarray(b, int)]])
        return pooled_difference(tables)

    expected = stats.permutation_test(
        (np.arange(9), np.arange(9, 18)),
        statistic,
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=False,
    )
    assert compare_counts(both).difference == pytest.approx(expected.statistic, rel=1e-12)
    assert permutation_p(both, iou, seed=0) == pytest.approx(expected.pvalue, abs=1e-9)


def test_random_exchanges_come_close_to_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    both = two_models(14, 0.25, seed=2)
    exact = permutation_p(both, iou, seed=0)
    monkeypatch.setattr("unet_helpers.evaluation.comparison.EXACT_GROUPS", 0)
    monkeypatch.setattr("unet_helpers.evaluation.comparison.BLOCK", 1000)
    random = permutation_p(both, iou, seed=0)
    assert random == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / 9999))
    assert random != exact


def test_a_p_value_is_never_0() -> None:
    assert permutation_p(two_models(40, 5), iou, seed=0) == 1 / 10_000
    assert permutation_p(two_models(10, 5), iou, seed=0) == 1 / 512


# --- error rates --------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [10, 24])
def test_alike_models_are_told_apart_in_one_of_twenty(groups: int) -> None:
    found = [compare_counts(two_models(groups, seed=s)) for s in range(300)]
    # 5 % of 300 are 15, with a standard deviation of 3.8.
    assert 4 <= sum(one.p <= 0.05 for one in found) <= 27
    assert sum(one.better is not None for one in found) <= 27
    share = np.mean([one.low <= 0 <= one.high for one in found])
    assert 0.915 <= share <= 0.99


def test_a_real_gain_is_found_and_given_to_the_right_one() -> None:
    found = [compare_counts(two_models(24, 1, seed=s)).better for s in range(60)]
    assert found.count("A") >= 48
    assert found.count("B") == 0


# --- what is said -------------------------------------------------------------------------------


def test_turning_the_two_round_turns_the_verdict_round() -> None:
    both = two_models(20, 0.8)
    one = compare(scores_of(both[0]), scores_of(both[1]), names=("new", "old"))
    other = compare(scores_of(both[1]), scores_of(both[0]), names=("old", "new"))
    assert one.better == other.better == "new"
    assert one.difference == -other.difference > 0
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.verdict.startswith("new is better than old on these 20 groups: ≈ 0.")
    assert other.verdict.startswith("new is better than old on these 20 groups: ≈ 0.")
    assert "95 % interval" in str(one) and "p ≈" in str(one)


def test_what_is_not_supported_is_not_said() -> None:
    found = compare_counts(two_models(20, seed=3))
    assert found.better is None
    assert found.verdict.startswith("Not shown that A or B is better on these 20 groups")


@pytest.mark.parametrize(
    ("p", "low", "high", "better"),
    [
        (0.01, 0.02, 0.1, "A"),
        (0.01, -0.02, 0.1, None),
        (0.2, 0.02, 0.1, None),
        (0.01, math.nan, math.nan, None),
        (math.nan, math.nan, math.nan, None),
    ],
)
def test_a_verdict_needs_the_test_and_the_interval(
    p: float, low: float, high: float, better: str | None
) -> None:
    found = Comparison(("A", "B"), (0.9, 0.84), 0.06, low, high, p, 0.95, 12)
    assert found.better == better


def test_the_same_predictions_twice_are_not_told_apart() -> None:
    both = two_models(20)[[0, 0]]
    found = compare_counts(both)
    assert (found.difference, found.p, found.better) == (0, 1, None)
    assert "interval not given" in found.verdict


def test_few_groups_give_no_verdict() -> None:
    both = two_models(40, 2)
    groups = [f"slide {i % 8}" for i in range(40)]
    found = compare(*(scores_of(table, groups) for table in both))
    assert found.groups == 8 and found.difference > 0
    assert math.isnan(found.p) and math.isnan(found.low)
    assert found.better is None
    assert found.verdict.startswith("No verdict on A and B: 8 groups, at least 10 are needed")


def test_a_model_without_a_score_gives_no_verdict() -> None:
    both = two_models(20)
    both[1, :, 2] += both[1, :, 0]
    both[1, :, 3] += both[1, :, 1]
    both[1, :, :2] = 0  # predicts nothing: its precision is undefined
    found = compare(*(scores_of(table) for table in both), precision)
    assert math.isnan(found.difference) and found.better is None
    assert "no score" in found.verdict


def test_groups_without_the_class_do_not_count() -> None:
    both = two_models(12, 0.5)
    longer = np.concatenate([both, np.full((2, 5, 4), [0, 0, 0, 70.0])], axis=1)
    assert compare_counts(longer) == compare_counts(both)


# --- what is refused ----------------------------------------------------------------------------


def test_only_scores_of_the_same_images_are_compared() -> None:
    a, b = (scores_of(table) for table in two_models(12))
    other = a.names[:-1] + ("another",)
    cases = [
        (dataclasses.replace(b, names=other), "images", "'image 11' beside 'another'"),
        (dataclasses.replace(b, groups=other), "groups", "'another'"),
        (dataclasses.replace(b, class_names=("background", "nucleus")), "classes", "'nucleus'"),
        (dataclasses.replace(b, names=b.names[::-1]), "images", "same order"),
        (
            Scores(b.names[:9], b.groups[:9], b.class_names, b.confusion[:9]),
            "images",
            "12 beside 9",
        ),
    ]
    for wrong, *said in cases:
        with pytest.raises(ValueError) as error:
            compare(a, wrong)
        assert_says(error, *said)


def test_another_truth_is_refused() -> None:
    a, b = (scores_of(table) for table in two_models(12))
    changed = b.confusion.copy()
    changed[3, 1, 0] += 1
    with pytest.raises(ValueError) as error:
        compare(a, dataclasses.replace(b, confusion=changed))
    assert_says(error, "same truth", "1 images", "'image 3'")


def test_a_level_in_percent_is_refused() -> None:
    a, b = (scores_of(table) for table in two_models(12))
    with pytest.raises(ValueError) as error:
        compare(a, b, level=95)
    assert_says(error, "level", "found 95")

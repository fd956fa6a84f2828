"""Intervals over groups: what they cover in simulation, invariants, and refusals."""

import dataclasses
import math
import time

import numpy as np
import pytest
from builders import assert_says
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from unet_helpers.evaluation import intervals
from unet_helpers.evaluation.intervals import Interval, by_group, interval, resample
from unet_helpers.evaluation.scores import (
    Counts,
    Scores,
    accuracy,
    dice,
    iou,
    precision,
    recall,
    specificity,
)

MEASURES = [iou, dice, precision, recall, specificity, accuracy]


def random_counts(groups: int, seed: int = 0, typical: float = 6.0) -> Counts:
    """Groups of unlike size and score."""
    rng = np.random.default_rng(seed)
    size = rng.lognormal(7, 0.8, groups)
    tp = np.round(size * rng.beta(typical, 1.5, groups)).astype(np.int64)
    fp, fn = rng.poisson((size - tp) / 2 + 1, (2, groups))
    return Counts(tp, fp, fn, np.round(3 * size).astype(np.int64))


def as_scores(counts: Counts, groups: list[str] | None = None) -> Scores:
    table = np.stack([counts.tn, counts.fp, counts.fn, counts.tp], axis=-1).reshape(-1, 2, 2)
    names = tuple(f"image {i}" for i in range(len(table)))
    return Scores(names, tuple(groups or names), ("background", "cell"), table)


def ends(found: Interval) -> tuple[float, float, float]:
    return found.low, found.value, found.high


# --- what it covers -----------------------------------------------------------------------------


def draw(groups: int, rng: np.random.Generator) -> Counts:
    """Groups of several images that are alike in size and score, some of them failures."""
    images = np.minimum(1 + rng.geometric(0.4, groups), 8)
    of = np.repeat(np.arange(groups), images)
    size = np.exp(9 + (0.5 * rng.normal(size=groups))[of] + 0.7 * rng.normal(size=len(of)))
    shift = (0.6 * rng.normal(size=groups))[of] + 0.5 * rng.normal(size=len(of))
    right = np.round(size / (1 + np.exp(-1.7 - shift - 0.3 * np.log(size / np.exp(9)))))
    wrong = np.round(size - right)
    tp, fp = (np.bincount(of, values, groups) for values in (right, wrong))
    return Counts(tp, fp, 0 * fp, 0 * fp)


@pytest.mark.parametrize("over", ["pooled", "images"])
def test_nominal_95_percent_covers_92_to_98(over: str) -> None:
    rng = np.random.default_rng(20)
    many = draw(300_000, rng)
    # One row a group, so the mean over images is one over groups here.
    true = float(iou(many.pooled()) if over == "pooled" else iou(many).mean())
    for groups in (10, 25):
        found = [interval(draw(groups, rng), over=over) for _ in range(400)]
        share = np.mean([one.low <= true <= one.high for one in found])
        # Three standard errors of 400 draws lie on either side of 95 %.
        assert 0.915 <= share <= 0.985, (groups, share)


def test_percentiles_would_cover_too_little() -> None:
    """The plain method, which is not ours, on the same draws: so the simulation can tell."""
    rng = np.random.default_rng(20)
    true = float(iou(draw(300_000, rng).pooled()))
    hits = []
    for _ in range(300):
        counts = draw(10, rng)
        values, _ = resample(
            lambda totals: iou(Counts(*totals)), by_group(counts, iou, 1)[0], seed=0
        )
        low, high = np.quantile(values[1:], [0.025, 0.975])
        hits.append(low <= true <= high)
    assert np.mean(hits) < 0.915


def test_many_alike_groups_give_what_the_normal_distribution_gives() -> None:
    """Equal sizes make the pooled score a plain mean, whose interval is in every textbook."""
    rng = np.random.default_rng(1)
    right = rng.integers(700, 900, 400)
    found = interval(Counts(right, 1000 - right, 0 * right, 0 * right))
    share = right / 1000
    expected = stats.norm.interval(0.95, share.mean(), stats.sem(share))
    assert (found.low, found.high) == pytest.approx(expected, abs=0.15 * stats.sem(share))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.99])
def test_a_higher_level_gives_a_wider_interval_around_the_same_score(level: float) -> None:
    counts = random_counts(20)
    narrow, wide = interval(counts, level=level - 0.2), interval(counts, level=level)
    assert wide.low < narrow.low < narrow.value == wide.value < narrow.high < wide.high


# --- the jackknife, by brute force --------------------------------------------------------------


def test_errors_are_jackknife_errors_of_the_groups_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = by_group(random_counts(11), dice, 1)[0]
    monkeypatch.setattr(intervals, "BLOCK", 64)  # blocks must not show
    values, errors = resample(lambda totals: dice(Counts(*totals)), counts, seed=3)
    drawn = np.random.default_rng(3).multinomial(11, np.full(11, 1 / 11), intervals.RESAMPLES)
    for row in (0, 1, 17, 2000):
        chosen = counts if row == 0 else np.repeat(counts, drawn[row - 1], axis=0)
        left = [float(dice(Counts(*np.delete(chosen, i, axis=0).sum(axis=0)))) for i in range(11)]
        assert values[row] == pytest.approx(float(dice(Counts(*chosen.sum(axis=0)))), rel=1e-12)
        assert errors[row] == pytest.approx(math.sqrt(10 * np.var(left)), rel=1e-9)
    assert len(values) == 1 + intervals.RESAMPLES


# --- invariants ---------------------------------------------------------------------------------


@given(st.integers(10, 30), st.integers(0, 1000), st.sampled_from(MEASURES))
def test_the_score_lies_in_its_interval_and_that_in_0_to_1(groups: int, seed: int, measure) -> None:  # type: ignore[no-untyped-def]
    counts = random_counts(groups, seed)
    found = interval(counts, measure)
    assert found.value == pytest.approx(float(measure(counts.pooled())), abs=1e-12)
    assert 0 <= found.low < found.value < found.high <= 1
    assert (found.groups, found.reason) == (groups, "")


def test_the_order_of_the_images_plays_no_part() -> None:
    rng = np.random.default_rng(0)
    groups = [f"slide {i}" for i in rng.integers(0, 14, 60)]
    scores = as_scores(random_counts(60), groups)
    order = rng.permutation(60)
    shuffled = Scores(
        tuple(scores.names[i] for i in order),
        tuple(groups[i] for i in order),
        scores.class_names,
        scores.confusion[order],
    )
    for over in ("pooled", "images"):
        assert ends(interval(shuffled, over=over)) == pytest.approx(
            ends(interval(scores, over=over)), rel=1e-9
        )


def test_scores_are_added_up_by_group() -> None:
    counts = random_counts(40)
    scores = as_scores(counts, [f"slide {i // 2:02}" for i in range(40)])
    added = Counts(*(getattr(counts, p).reshape(20, 2).sum(1) for p in ("tp", "fp", "fn", "tn")))
    assert interval(scores) == interval(added)
    assert interval(scores).groups == 20
    assert interval(scores).value == pytest.approx(scores.iou())


def test_the_background_has_an_interval_of_its_own() -> None:
    counts = random_counts(20)
    turned = Counts(counts.tn, counts.fn, counts.fp, counts.tp)
    assert interval(as_scores(counts), class_id=0) == interval(as_scores(turned), class_id=1)


def test_the_mean_over_images_leaves_undefined_ones_out() -> None:
    counts = random_counts(30)
    for part in (counts.tp, counts.fp, counts.fn):
        part[[3, 4, 20]] = 0
    scores = as_scores(counts, [f"slide {i // 2:02}" for i in range(30)])
    found = interval(scores, dice, over="images")
    assert found.value == pytest.approx(np.nanmean(dice(counts)), rel=1e-12)
    assert found.groups == 15  # slide 01 keeps one image, slide 10 too, slide 02 as well


def test_groups_that_say_nothing_do_not_count() -> None:
    counts = random_counts(12)
    longer = Counts(
        *(
            np.concatenate([part, [filler] * 8])
            for part, filler in zip(
                (counts.tp, counts.fp, counts.fn, counts.tn), (0, 0, 0, 500), strict=True
            )
        )
    )
    assert interval(longer) == interval(counts)
    assert interval(longer, specificity).groups == 20


def test_the_same_seed_gives_the_same_interval_and_another_one_much_the_same() -> None:
    counts = random_counts(15)
    assert interval(counts, seed=5) == interval(counts, seed=5) != interval(counts, seed=6)
    one, other = interval(counts, seed=5), interval(counts, seed=6)
    assert ends(one) == pytest.approx(ends(other), abs=0.15 * (one.high - one.low))


# --- where none is given ------------------------------------------------------------------------


@pytest.mark.parametrize(("groups", "said"), [(9, "9 groups"), (1, "1 group,")])
def test_too_few_groups_give_none_and_say_why(groups: int, said: str) -> None:
    found = interval(random_counts(groups))
    assert math.isnan(found.low) and math.isnan(found.high) and found.value > 0
    assert said in found.reason and "at least 10 are needed" in found.reason
    assert "several seeds" in str(found) and "no interval" in str(found)


def test_ten_groups_give_one() -> None:
    assert interval(random_counts(10)).reason == ""


def test_images_of_few_groups_do_not_make_up_for_groups() -> None:
    scores = as_scores(random_counts(60), [f"slide {i % 6}" for i in range(60)])
    assert interval(scores).groups == 6
    assert math.isnan(interval(scores).low)


@pytest.mark.parametrize("odd_ones", [0, 1, 2])
def test_groups_that_all_score_alike_give_none(odd_ones: int) -> None:
    tp = np.full(20, 100)
    wrong = np.where(np.arange(20) < odd_ones, 7, 0)
    found = interval(Counts(tp, wrong, wrong, tp))
    assert math.isnan(found.low) and math.isnan(found.high)
    assert "no spread" in found.reason
    assert 0.9 < found.value <= 1


def test_a_class_that_is_nowhere_has_neither_score_nor_interval() -> None:
    nothing = np.zeros(20, np.int64)
    found = interval(Counts(nothing, nothing, nothing, nothing + 9))
    assert math.isnan(found.value) and math.isnan(found.low)
    assert found.groups == 0 and "0 groups" in found.reason


# --- words and refusals -------------------------------------------------------------------------


def test_it_reads_as_a_sentence() -> None:
    assert str(Interval(0.9381, 0.9212, 0.9503, 0.95, 18)) == (
        "≈ 0.938 (95 % interval ≈ 0.921 to ≈ 0.950, 18 groups)"
    )
    assert str(interval(as_scores(random_counts(6)))).endswith(
        "(no interval: 6 groups, at least 10 are needed; score more of them, for several seeds "
        "tell the luck of the training only)"
    )


def test_arguments_are_checked() -> None:
    counts = random_counts(12)
    with pytest.raises(ValueError) as error:
        interval(counts, level=95)
    assert_says(error, "level", "found 95")
    with pytest.raises(ValueError) as error:
        interval(counts, over="slides")
    assert_says(error, "over", "found 'slides'")
    with pytest.raises(ValueError) as error:
        interval(dataclasses.replace(as_scores(counts), groups=()))
    assert_says(error, "groups", "12 images", "found 0")


def test_it_takes_milliseconds() -> None:
    counts = random_counts(50)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        interval(counts)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.2  # about 10 ms on an idle core

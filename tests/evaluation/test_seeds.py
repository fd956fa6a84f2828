"""Spread over seeds, against NumPy and SciPy."""

import math

import numpy as np
import pytest
from builders import assert_says
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from unet_helpers.evaluation.seeds import spread


@given(
    st.dictionaries(st.integers(0, 99), st.floats(0, 1), min_size=3, max_size=12),
    st.sampled_from([0.8, 0.95, 0.99]),
)
def test_the_numbers_are_numpys_and_the_interval_scipys(values: dict, level: float) -> None:
    found, scores = spread(values, level), list(values.values())
    assert found.mean == pytest.approx(np.mean(scores))
    assert found.median == np.median(scores)
    assert (found.lowest, found.highest) == (min(scores), max(scores))
    assert found.deviation == pytest.approx(np.std(scores, ddof=1))
    assert found.seeds == tuple(values) and found.values == tuple(scores)
    error = stats.sem(scores)
    expected = stats.t.interval(level, len(scores) - 1, np.mean(scores), error or 1e-300)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)


def test_a_sequence_numbers_its_seeds() -> None:
    assert spread([0.8, 0.9, 0.7]) == spread({0: 0.8, 1: 0.9, 2: 0.7})
    assert spread(np.array([0.8, 0.9])).seeds == (0, 1)


def test_it_says_that_it_speaks_of_training_luck_only() -> None:
    assert str(spread({0: 0.91, 1: 0.93, 2: 0.92})) == (
        "≈ 0.920 on average over 3 seeds, from ≈ 0.910 to ≈ 0.930, standard deviation ≈ 0.010; "
        "95 % interval of the mean ≈ 0.895 to ≈ 0.945: for other seeds, not for other images"
    )


def test_two_seeds_have_no_interval_and_one_no_spread() -> None:
    two, one = spread([0.9, 0.8]), spread([0.9])
    assert math.isnan(two.low) and math.isnan(two.high) and two.deviation > 0
    assert "no interval" in str(two)
    assert math.isnan(one.deviation) and math.isnan(one.low)
    assert "at least two more" in str(one)


@pytest.mark.parametrize("values", [[], {}, [0.9, float("nan")], {1: float("inf")}, [[0.9, 0.8]]])
def test_what_is_no_score_for_each_seed_is_refused(values: object) -> None:
    with pytest.raises(ValueError) as error:
        spread(values)
    assert_says(error, "values_by_seed")


def test_a_level_in_percent_is_refused() -> None:
    with pytest.raises(ValueError) as error:
        spread([0.9, 0.8, 0.7], level=95)
    assert_says(error, "level", "found 95")

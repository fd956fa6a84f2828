"""The figures of the sanity tools show the numbers that the tools found."""

import numpy as np
import pytest

from unet_helpers.training.sanity import Overfit, RateRange
from unet_helpers.views import figures, training_figures

RATES = np.geomspace(1e-5, 1, 41)
LOSSES = 1 / (1 + (RATES / 1e-3) ** 2) + 0.1 + np.where(RATES > 0.3, 50, 0)


def test_one_batch_by_heart() -> None:
    losses, dices = np.array([1.0, 0.4, 0.1]), np.array([0.2, 0.7, 0.99])
    fig = training_figures.overfit(Overfit(losses, dices, True, "learned"))
    left, right = fig.axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), losses)
    np.testing.assert_array_equal(right.lines[0].get_ydata(), dices)
    assert (left.get_ylabel(), right.get_ylabel()) == ("loss", "Dice")
    assert left.get_ylim()[0] == 0
    assert right.get_ylim() == (0, 1.02)
    assert figures.png(fig)[:4] == b"\x89PNG"


@pytest.mark.parametrize("losses", [[1.0, np.nan], [np.nan], [-3.0, -4.0]])
def test_a_broken_training_can_be_drawn(losses: list[float]) -> None:
    result = Overfit(np.array(losses), np.full(len(losses), np.nan), False, "no number")
    assert figures.png(training_figures.overfit(result))[:4] == b"\x89PNG"


def test_learning_rates() -> None:
    fig = training_figures.learning_rates(RateRange(RATES, LOSSES, LOSSES * 1.01, 1e-3))
    (ax,) = fig.axes
    labels = [line.get_label() for line in ax.lines]
    assert labels == ["loss of a batch", "running mean", "suggested: 1e-03"]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), LOSSES)
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), LOSSES * 1.01)
    assert set(ax.lines[2].get_xdata()) == {1e-3}
    assert ax.get_xscale() == "log"
    low, high = ax.get_ylim()
    assert low < LOSSES.min() < 1.1 < high < 3  # the explosion at the end does not flatten the fall
    assert figures.png(fig)[:4] == b"\x89PNG"


def test_without_a_suggestion_there_is_no_line_for_it() -> None:
    flat = np.ones(41)
    (ax,) = training_figures.learning_rates(RateRange(RATES, flat, flat, None)).axes
    assert len(ax.lines) == 2


def test_repairs_show_every_seed_and_the_interval_of_the_mean() -> None:
    scores = {"before": [0.0, 0.1, 0.05], "after": [0.7, 0.9, 0.8]}
    seconds = {"before": [10, 30, 20], "after": [5, 6, 4]}
    (ax,) = training_figures.repairs(scores, "IoU", seconds).axes
    dots = [line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "o"]
    assert dots == list(scores.values())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["before", "after"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first one on top
    assert [text.get_text() for text in ax.texts] == ["20 s", "5 s"]
    ends = np.array([c.get_segments()[0][:, 0] for c in ax.collections])
    # By hand: mean 0.8, deviation 0.1, and Student's 4.3027 for two degrees of freedom.
    np.testing.assert_allclose(ends[1], [0.8 - 0.24841, 1.0], atol=1e-4)
    assert ends[0][0] == 0  # no score lies below


def test_repairs_of_two_seeds_have_no_interval() -> None:
    (ax,) = training_figures.repairs({"one": [0.4, 0.5]}, "IoU").axes
    assert not ax.collections
    assert not ax.texts
    assert len(ax.lines) == 1

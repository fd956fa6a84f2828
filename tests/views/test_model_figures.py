"""The figures of notebook 02, seen through what they are made of."""

import io

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from unet_helpers.data.samples import Sample
from unet_helpers.views import figures, model_figures

RNG = np.random.default_rng(0)


def renders(fig: Figure) -> bool:
    with Image.open(io.BytesIO(figures.png(fig))) as picture:
        picture.load()
        return picture.format == "PNG" and min(picture.size) > 80


def sample() -> Sample:
    mask = np.zeros((40, 48), np.uint8)
    mask[10:30, 10:30] = 1
    image = RNG.uniform(size=(40, 48, 3)).astype(np.float32)
    return Sample(image=image, mask=mask, instances=None, name="one", group="one")


# --- what shrinking costs -----------------------------------------------------------------------


def test_each_size_has_a_bar_for_each_score() -> None:
    scores = {"IoU": {"1/2": 0.9, "1/4": 0.8}, "boundary IoU": {"1/2": 0.6, "1/4": 0.25}}
    fig = model_figures.by_size(scores)
    (ax,) = fig.axes
    heights = [[bar.get_height() for bar in group] for group in ax.containers]
    assert heights == [[0.9, 0.8], [0.6, 0.25]]
    assert [text.get_text() for text in ax.texts] == ["0.90", "0.80", "0.60", "0.25"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1/2", "1/4"]
    first, second = ([bar.get_x() for bar in group] for group in ax.containers)
    assert all(a < b for a, b in zip(first, second, strict=True))  # side by side
    hatches = {bar.get_hatch() for group in ax.containers for bar in group}
    assert len(hatches) == 2  # told apart without colour
    assert ax.get_xlabel() == "mask shrunk to"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(scores)
    assert renders(fig)


# --- with and without bridges -------------------------------------------------------------------


def test_the_enlarged_square_is_where_the_two_differ_most() -> None:
    one, other = np.zeros((2, 30, 40), bool)
    one[3:5, 3:5] = True  # 4 pixels here
    other[20:24, 30:33] = True  # and 12 there
    for first, second in ((one, other), (other, one)):
        rows, columns = model_figures._differ_most(first, second, 8)
        assert rows.start <= 20 and rows.stop >= 24 and rows.stop - rows.start == 8
        assert columns.start <= 30 and columns.stop >= 33 and columns.stop - columns.start == 8


def test_the_square_keeps_within_the_image() -> None:
    one, other = np.zeros((2, 30, 40), bool)
    other[-1, -1] = True
    assert model_figures._differ_most(one, other, 8) == (slice(22, 30), slice(32, 40))


def test_two_predictions_are_shown_beside_the_truth_and_enlarged_below() -> None:
    one = sample()
    exact, shifted = one.mask.copy(), np.roll(one.mask, 3, axis=1)
    fig = model_figures.compared(one, {"without": shifted, "with": exact}, zoom=16)
    titles = [ax.get_title() for ax in fig.axes]
    assert titles[:4] == ["one", "truth", "without", "with"]
    assert titles[4:] == ["the square, enlarged", "truth", "errors without", "errors with"]
    for ax, mask in zip(fig.axes[1:4], (one.mask, shifted, exact), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), mask)
    frames = [patch for patch in fig.axes[0].patches if isinstance(patch, Rectangle)]
    assert {(frame.get_width(), frame.get_height()) for frame in frames} == {(16, 16)}
    x, y = frames[0].get_xy()
    rows, columns = slice(int(y + 0.5), int(y + 16.5)), slice(int(x + 0.5), int(x + 16.5))
    np.testing.assert_allclose(fig.axes[4].images[0].get_array(), one.image[rows, columns])
    np.testing.assert_array_equal(fig.axes[5].images[0].get_array(), one.mask[rows, columns] > 0)
    wrong, right = (len(ax.collections) for ax in fig.axes[6:8])
    assert wrong > right  # the exact one has the truth's border and no errors
    assert renders(fig)


def test_trainings_with_the_same_seed_are_joined() -> None:
    groups = {"cells": {"without": [0.2, 0.3, 0.1], "with": [0.4, 0.35, 0.3]},
              "roads": {"without": [0.5], "with": [0.4]}}  # fmt: skip
    fig = model_figures.over_seeds(groups, "score")
    (ax,) = fig.axes
    joined = [tuple(map(float, line.get_ydata())) for line in ax.lines]
    assert joined == [(0.2, 0.4), (0.3, 0.35), (0.1, 0.3), (0.5, 0.4)]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["without", "with"] * 2
    assert [text.get_text() for text in ax.texts] == ["cells", "roads"]
    markers = [c for c in ax.collections if isinstance(c, PathCollection)]
    shapes = [marker.get_paths()[0].vertices.shape for marker in markers]
    assert shapes[0] != shapes[1]  # told apart without colour
    assert ax.get_ylim()[0] == 0 and ax.get_ylabel() == "score"
    assert renders(fig)


# --- what a pixel listens to --------------------------------------------------------------------


def test_influence_is_shown_relative_to_the_largest_and_nothing_where_there_is_none() -> None:
    strength = np.zeros((40, 48))
    strength[18:23, 20:27] = 4.0
    strength[20, 23] = 8.0
    fig = model_figures.influence(
        sample().image, strength, (20, 23), (5, 35, 8, 38), (15, 25, 18, 28), 0.95
    )
    shown = fig.axes[1].images[0].get_array()
    assert shown[20, 23] == 1 and shown[18, 20] == 0.5
    assert np.ma.getmaskarray(shown).sum() == strength.size - 35
    for ax in fig.axes[:2]:
        frames = {(p.get_xy(), p.get_width(), p.get_height()) for p in ax.patches}
        assert frames == {((7.5, 4.5), 31, 31), ((17.5, 14.5), 11, 11)}
        assert [tuple(line.get_xydata()[0]) for line in ax.lines] == [(23, 20)]
        low, high = ax.get_xlim()
        assert low < 8 and high > 38  # both squares are in the picture
    named = [text.get_text() for text in fig.legends[0].get_texts()]
    assert named == ["what it can see", "where 95 % of the influence comes from"]
    assert renders(fig)


# --- what a border does -------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 6), (7, 5)])
def test_the_distance_from_the_edge_is_the_smallest_of_four(height: int, width: int) -> None:
    found = model_figures.edge_distance(height, width)
    for row in range(height):
        for column in range(width):
            sides = (row, column, height - 1 - row, width - 1 - column)
            assert found[row, column] == min(sides)


def test_the_curve_is_the_mean_at_each_distance() -> None:
    difference = np.full((8, 8), 0.5)
    difference[1:-1, 1:-1] = 0.1
    difference[2:-2, 2:-2] = 0.0
    fig = model_figures.border_effect(difference, reach=2)
    curve, line = fig.axes[1].lines
    np.testing.assert_allclose(curve.get_xydata(), [(0, 0.5), (1, 0.1)])
    assert list(line.get_xdata()) == [2, 2]
    assert np.ma.getmaskarray(fig.axes[0].images[0].get_array()).sum() == 16
    frames = {(p.get_xy(), p.get_width(), p.get_height()) for p in fig.axes[0].patches[1:]}
    assert frames == {((1.5, 1.5), 4, 4)}  # the four pixels whose distance is at least 2
    assert "less than 0.0001" in fig.axes[0].get_title()
    assert renders(fig)


def test_where_the_zeros_reach_everything_there_is_no_square() -> None:
    fig = model_figures.border_effect(np.full((8, 8), 0.5), reach=4)
    assert len(fig.axes[0].patches) == 1  # the map's own frame

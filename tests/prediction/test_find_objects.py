"""Objects out of probabilities, and their measures, against counting by hand."""

import numpy as np
import pytest
from builders import assert_says
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unet_helpers.prediction.objects import find_objects, measure_objects


def disc(shape: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def test_touching_discs_are_one_object_and_two_once_parted() -> None:
    one, two = disc((60, 100), 30, 30, 18), disc((60, 100), 30, 62, 18)
    both = (one | two) * 0.9
    assert find_objects(both).max() == 1
    parted = find_objects(both, split=1)
    assert parted.max() == 2
    # The cut runs at the neck, half way between the middles.
    assert set(np.unique(parted[:, :45])) <= {0, 1}
    assert set(np.unique(parted[:, 48:])) <= {0, 2}
    np.testing.assert_array_equal(parted > 0, both > 0.5)


@pytest.mark.parametrize(("split", "count"), [(1, 2), (2, 2), (4, 1), (8, 1)])
def test_only_a_neck_of_that_depth_parts(split: float, count: int) -> None:
    # Middles 18 pixels deep; half way, at a distance of 10, the depth is sqrt(18^2 - 10^2) = 15.
    waisted = disc((60, 100), 30, 40, 18) | disc((60, 100), 30, 60, 18)
    assert find_objects(waisted, split=split).max() == count


@given(arrays(np.float32, (9, 11), elements=st.sampled_from([0, 0.25, 0.5, 0.75, 1])),
       st.sampled_from([None, 0.5, 1, 5]), st.integers(1, 4))  # fmt: skip
def test_objects_are_the_foreground_numbered_in_order(
    values: np.ndarray, split: float | None, least: int
) -> None:
    found = find_objects(values, split=split, min_area=least)
    areas = np.bincount(found.ravel())[1:]
    assert (areas >= least).all()
    first = [np.flatnonzero(found.ravel() == n)[0] for n in range(1, found.max() + 1)]
    assert first == sorted(first)
    if least == 1:
        np.testing.assert_array_equal(found > 0, values > 0.5)


def test_holes_are_filled_if_asked_for() -> None:
    ring = disc((30, 30), 15, 15, 10) & ~disc((30, 30), 15, 15, 4)
    assert (find_objects(ring) > 0).sum() == ring.sum()
    assert (find_objects(ring, fill_holes=True) > 0).sum() == disc((30, 30), 15, 15, 10).sum()


def test_measures_are_those_counted_by_hand() -> None:
    labels = np.zeros((10, 12), int)
    labels[2:5, 3:9] = 1  # 3 x 6
    labels[7:9, 1:3] = 4  # 2 x 2
    image = np.arange(120.0).reshape(10, 12)
    table = measure_objects(labels, image, pixel_size=0.5)
    assert table.index.tolist() == [1, 4]
    assert table["area"].tolist() == [18 * 0.25, 4 * 0.25]
    assert table[["top", "left", "bottom", "right"]].values.tolist() == [[2, 3, 5, 9], [7, 1, 9, 3]]
    assert table[["centroid_y", "centroid_x"]].values.tolist() == [[1.5, 2.75], [3.75, 0.75]]
    assert table["intensity_mean"].tolist() == [image[labels == n].mean() for n in (1, 4)]
    assert table["intensity_max"].tolist() == [image[labels == n].max() for n in (1, 4)]


def test_each_channel_is_measured() -> None:
    table = measure_objects(np.ones((2, 2), int), np.dstack([np.zeros((2, 2)), np.ones((2, 2))]))
    assert table[["intensity_mean_0", "intensity_mean_1"]].values.tolist() == [[0, 1]]


def test_no_object_gives_an_empty_table() -> None:
    table = measure_objects(np.zeros((4, 4), int))
    assert len(table) == 0
    assert "area" in table


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: find_objects(np.zeros((4, 4, 3))), ["(height, width)", "(4, 4, 3)", "[..., 1]"]),
        (lambda: find_objects(np.full((4, 4), 255)), ["0 to 1", "255"]),
        (lambda: find_objects(np.full((4, 4), np.nan)), ["0 to 1", "nan"]),
        (lambda: find_objects(np.zeros((4, 4)), 1.5), ["threshold", "1.5"]),
        (lambda: find_objects(np.zeros((4, 4)), split=0), ["split", "above 0"]),
        (lambda: find_objects(np.zeros((4, 4)), min_area=0), ["min_area", "at least 1"]),
        (lambda: measure_objects(np.zeros((4, 4))), ["labels", "float64"]),
        (lambda: measure_objects(np.zeros((4, 4), int), np.zeros((5, 4))), ["4 x 4", "5 x 4"]),
        (lambda: measure_objects(np.zeros((4, 4), int), pixel_size=0), ["pixel_size", "found 0"]),
    ],
)
def test_bad_arguments_are_named(call, parts: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        call()
    assert_says(error, *parts)

"""Outlines enclose just the pixels of their objects."""

import numpy as np
import pytest
from builders import assert_says
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from unet_helpers.prediction.outlines import outlines, polygons, ring_area

labels_of_any_kind = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)),
                            elements=st.integers(0, 3))  # fmt: skip


def filled(rings: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Even-odd filling, pixel by pixel: an oracle that knows nothing of tracing."""
    count = np.zeros(shape, int)
    for ring in rings:
        for (x, y), (x2, y2) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            assert (x == x2) != (y == y2)  # along pixel edges
            if x == x2:  # a pixel lies inside if an odd number of upright edges are to its right
                count[min(y, y2) : max(y, y2), :x] += 1
    return count % 2 == 1


@given(labels_of_any_kind)
def test_filled_outlines_are_the_objects(labels: np.ndarray) -> None:
    found = outlines(labels)
    assert set(found) == set(np.unique(labels)) - {0}
    for number, rings in found.items():
        np.testing.assert_array_equal(filled(rings, labels.shape), labels == number)
        assert sum(map(ring_area, rings)) == (labels == number).sum()


@given(labels_of_any_kind)
def test_each_piece_is_one_outer_ring_with_its_holes(labels: np.ndarray) -> None:
    from scipy import ndimage

    for number, rings in outlines(labels).items():
        pieces = polygons(rings)
        parts, count = ndimage.label(labels == number)
        assert len(pieces) == count
        masks = [filled(piece, labels.shape) for piece in pieces]
        for piece, mask in zip(pieces, masks, strict=True):
            assert ring_area(piece[0]) > 0
            assert all(ring_area(hole) < 0 for hole in piece[1:])
            assert len(np.unique(parts[mask])) == 1
        assert sum(mask.sum() for mask in masks) == (labels == number).sum()


def test_a_frame_and_an_island_in_its_hole() -> None:
    labels = np.ones((7, 7), int)
    labels[1:6, 1:6] = 0
    labels[3, 3] = 1
    pieces = polygons(outlines(labels)[1])
    assert [[ring_area(ring) for ring in piece] for piece in pieces] == [[49, -25], [1]]


def test_a_drawn_polygon_is_found_again_at_its_place() -> None:
    picture = Image.new("L", (40, 30))
    ImageDraw.Draw(picture).rectangle((5, 10, 20, 18), fill=4)
    ring = outlines(np.asarray(picture))[4][0]
    assert sorted(map(tuple, ring.tolist())) == [(5, 10), (5, 19), (21, 10), (21, 19)]


def test_labels_must_be_whole_numbers() -> None:
    with pytest.raises(ValueError) as error:
        outlines(np.zeros((3, 3)))
    assert_says(error, "labels", "whole numbers", "float64")

"""Drawn slides as samples."""

import pickle

import numpy as np
import pytest

from unet_helpers import Knobs, draw_field, draw_samples, load


def test_the_set_cells_is_thirty_slides_of_three_fields() -> None:
    assert draw_samples(30, fields=3).names == load("cells").names


def test_other_slides_are_drawn_as_draw_field_draws_them() -> None:
    drawn = draw_samples([31, 40], fields=2, size=64, seed=5, knobs=Knobs(blur=2))
    assert drawn.names == [f"slide {s} field {f}" for s in (31, 40) for f in (0, 1)]
    assert drawn.groups == ["slide 31"] * 2 + ["slide 40"] * 2
    image, mask, instances = draw_field(40, 1, 64, 5, Knobs(blur=2))
    stored = drawn.arrays(3)
    assert np.array_equal(stored.image, image)
    assert np.array_equal(stored.mask, mask)
    assert stored.instances is not None
    assert np.array_equal(stored.instances, instances)


def test_no_slide_and_no_field_are_refused() -> None:
    for slides, fields in (([], 1), (0, 1), (3, 0)):
        with pytest.raises(ValueError, match="at least one, found"):
            draw_samples(slides, fields)


def test_new_slides_share_no_field_with_the_set() -> None:
    assert not set(draw_samples(range(30, 40)).names) & set(load("cells").names)
    assert len(pickle.dumps(draw_samples(3)[0])) > 0

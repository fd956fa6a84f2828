"""Reading along a field agrees with SciPy, inside of the image and beyond its edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from unet_helpers.data.warp import interpolate, pick


def field_of(seed: int, height: int, width: int, beyond: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    span = np.array([height, width])[:, None, None]
    return rng.uniform(-beyond * span, (1 + beyond) * span - 1, (2, 7, 9)).astype(np.float32)


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0, 0.7, 3]))
def test_bilinear_reading_agrees_with_scipy(
    seed: int, height: int, width: int, beyond: float
) -> None:
    field = field_of(seed, height, width, beyond)
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 2), np.uint8)
    # SciPy's "reflect" mirrors about the pixels' edges, as ours does.
    expected = [
        map_coordinates(image[..., c].astype(float), field, order=1, mode="reflect")
        for c in range(2)
    ]
    got = interpolate(image, field)
    assert (got.shape, got.dtype) == ((7, 9, 2), np.float32)
    np.testing.assert_allclose(got, np.stack(expected, -1), atol=2e-2)


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0, 0.7, 3]))
def test_nearest_reading_agrees_with_scipy(
    seed: int, height: int, width: int, beyond: float
) -> None:
    field = field_of(seed, height, width, beyond)
    labels = np.random.default_rng(seed).permutation(height * width).reshape(height, width)
    labels = labels.astype(np.uint16)
    expected = map_coordinates(labels, field, order=0, mode="reflect")
    np.testing.assert_array_equal(pick(labels, field), expected)
    # The mirrored copies overlap nowhere with the image, so what is beyond the edge is known.
    rows, columns = np.floor(field + 0.5)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    got = pick(labels, field, outside=9999)
    np.testing.assert_array_equal(got, np.where(inside, expected, 9999))
    assert got.dtype == np.uint16


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_on_pixel_centres_nothing_is_changed(dtype: type) -> None:
    image = np.random.default_rng(0).integers(0, 250, (6, 5, 3)).astype(dtype)
    field = np.indices((6, 5)).astype(np.float32)
    np.testing.assert_array_equal(interpolate(image, field), image)
    np.testing.assert_array_equal(pick(image, field), image)


def test_views_that_are_turned_are_read_like_copies() -> None:
    image = np.random.default_rng(0).integers(0, 250, (6, 5, 3)).astype(np.uint8)
    field = field_of(0, 5, 6, 0.5)
    turned = np.rot90(image)
    np.testing.assert_array_equal(interpolate(turned, field), interpolate(turned.copy(), field))
    np.testing.assert_array_equal(pick(turned, field), pick(turned.copy(), field))

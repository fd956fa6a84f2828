"""Whether an image is of the kind that a set holds: alarms, and silence without a reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from unet_helpers import load
from unet_helpers.data.look import look, looks, unlike

CELLS = load("cells")
KNOWN = looks(CELLS[:40])


def test_the_numbers_are_those_of_the_definition() -> None:
    image = np.zeros((2, 2, 3))
    image[0, 0] = (0.9, 0.6, 0.3)
    found = look(image)
    assert found["brightness"] == pytest.approx(0.15)
    assert found["contrast"] == pytest.approx(np.std([0.6, 0, 0, 0]), rel=1e-6)
    assert found["detail"] == pytest.approx(0.3 / found["contrast"], rel=1e-6)
    assert found["colour"] == found["tint"] == pytest.approx(0.15)
    assert found["lean"] == pytest.approx(0.15 / found["contrast"], rel=1e-6)


def test_images_of_the_same_kind_are_left_in_peace() -> None:
    assert [unlike(KNOWN, sample.image) for sample in CELLS[40:60]] == [[]] * 20


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda image: image / 16, "mean brightness"),
        (lambda image: gaussian_filter(image, (6, 6, 0)), "from pixel to pixel"),
        (lambda image: 0.5 + (image - 0.5) / 8, "contrast"),
        (lambda image: np.random.default_rng(0).random(image.shape), "from pixel to pixel"),
        (lambda image: image.mean(axis=-1, keepdims=True).repeat(3, axis=-1) ** 4, "brightness"),
    ],
    ids=["12 bits", "blur", "contrast", "noise", "dark"],
)
def test_another_kind_is_noticed_with_evidence(spoil, word) -> None:
    found = unlike(KNOWN, spoil(CELLS[50].image))
    assert any(word in told and "there" in told and "median" in told for told in found)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.floats(0, 1))
def test_any_size_and_a_flat_image_have_numbers(
    h: int, w: int, channels: int, value: float
) -> None:
    found = look(np.full((h, w, channels), value))
    assert all(np.isfinite(list(found.values())))
    assert found["contrast"] == pytest.approx(0, abs=1e-6)

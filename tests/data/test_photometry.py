"""Brightness and colour: each change against its formula, written down once more."""

import colorsys

import numpy as np
import pytest
from builders import assert_says
from scipy.ndimage import gaussian_filter

from unet_helpers.data.photometry import Photometry

RNG = np.random.default_rng(0)
IMAGE = RNG.uniform(0.3, 0.6, (9, 8, 3)).astype(np.float32)


def test_nothing_asked_is_nothing_changed() -> None:
    np.testing.assert_array_equal(Photometry()(IMAGE), IMAGE)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"brightness": -0.1}, IMAGE - 0.1),
        ({"contrast": 1.5}, IMAGE.mean((0, 1)) + 1.5 * (IMAGE - IMAGE.mean((0, 1)))),
        ({"gamma": 1.7}, IMAGE.astype(float) ** 1.7),
        ({"colour": (0.5, 1.0, 1.25)}, IMAGE * np.array([0.5, 1.0, 1.25])),
        ({"hue": 120}, np.roll(IMAGE, 1, axis=-1)),
        ({"blur": 1.2}, gaussian_filter(IMAGE.astype(float), (1.2, 1.2, 0), truncate=3.0)),
        ({"brightness": 0.1, "colour": (0.5, 1.0, 0.5)}, (IMAGE + 0.1) * [0.5, 1.0, 0.5]),
        ({"brightness": 5.0}, np.ones_like(IMAGE)),
    ],
)
def test_each_change_follows_its_formula(settings: dict, expected: np.ndarray) -> None:
    got = Photometry(**settings)(IMAGE)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=2e-6)


def test_hue_turns_colours_and_leaves_greys_and_brightness() -> None:
    grey = np.full((2, 2, 3), 0.4, np.float32)
    np.testing.assert_allclose(Photometry(hue=37)(grey), grey, atol=1e-6)
    turned = Photometry(hue=20)(IMAGE)
    np.testing.assert_allclose(turned.mean(-1), IMAGE.mean(-1), atol=1e-6)
    before, after = (colorsys.rgb_to_hsv(*image[0, 0])[0] for image in (IMAGE, turned))
    assert 5 < (after - before) * 360 % 360 < 40


def test_one_channel_has_no_hue() -> None:
    grey = IMAGE[..., :1]
    np.testing.assert_array_equal(Photometry(hue=50)(grey), grey)


def test_noise_has_its_deviation_and_depends_on_the_seed_alone() -> None:
    flat = np.full((100, 100, 1), 0.5, np.float32)
    noisy = Photometry(noise=0.05, seed=3)(flat)
    assert noisy.std() == pytest.approx(0.05, rel=0.03)
    assert noisy.mean() == pytest.approx(0.5, abs=0.003)
    np.testing.assert_array_equal(noisy, Photometry(noise=0.05, seed=3)(flat))
    assert not np.array_equal(noisy, Photometry(noise=0.05, seed=4)(flat))


def test_values_stay_within_0_and_1_and_the_original_stays_as_it_was() -> None:
    before = IMAGE.copy()
    got = Photometry(0.4, 3, 0.5, (1.3, 0.7, 1), 30, 0.5, 1)(IMAGE)
    assert got.min() >= 0 and got.max() <= 1
    np.testing.assert_array_equal(IMAGE, before)


@pytest.mark.parametrize(
    "wrong", [{"contrast": 0}, {"gamma": -1}, {"noise": -0.1}, {"blur": -1}, {"gamma": np.nan}]
)
def test_numbers_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError) as error:
        Photometry(**wrong)
    assert_says(error, *wrong, f"found {next(iter(wrong.values()))}")

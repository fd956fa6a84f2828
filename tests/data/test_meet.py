"""Crops that are asked to meet a class do, as often as asked, and each from an image that can."""

from typing import Any

import numpy as np
import pytest
from builders import assert_says, make_samples
from hypothesis import given
from hypothesis import strategies as st

from unet_helpers.data.augment import Augmentation
from unet_helpers.data.meet import Meet
from unet_helpers.data.pipeline import batches, crop_batch
from unet_helpers.data.samples import DataError, Samples

NAMES = ("background", "common", "rare", "absent")


def rare_samples(number: int = 12) -> Samples:
    """Image i is marked with 10 + i in its image; images 3 and 7 hold one pixel of class 2."""
    pairs = []
    for index in range(number):
        mask = np.zeros((40, 50), np.uint8)
        mask[:, 25:] = 1
        if index in (3, 7):
            mask[index, 2 * index] = 2
        pairs.append((np.full((40, 50, 1), 10 + index, np.uint8), mask))
    return make_samples(pairs, class_names=NAMES)


SAMPLES = rare_samples()


def masks_of(number: int, meet: Meet, **settings: Any) -> np.ndarray:
    return crop_batch(SAMPLES, 0, size=16, batch_size=number, meet=meet, **settings)[1][..., 0]


@given(st.floats(0.05, 1), st.integers(0, 100))
def test_the_share_is_kept_in_any_stretch_of_crops(share: float, start: int) -> None:
    meet = Meet({"rare": share})
    rng = np.random.default_rng(0)
    asked = sum(meet(SAMPLES, 3, start + i, rng)[1] is not None for i in range(100))
    assert abs(asked - 100 * share) <= 2.5


@pytest.mark.parametrize("augment", [False, True, Augmentation(scale=1, blur=0)])
def test_every_crop_that_is_asked_to_meets_the_class(augment: Any) -> None:
    met = (masks_of(60, Meet({"rare": 1}), augment=augment) == 2).any(axis=(1, 2))
    # Bent by an elastic field, a single pixel may fall between those that are read.
    assert met.mean() >= (0.9 if callable(augment) else 1)


def test_several_classes_share_the_crops_and_the_rest_is_cut_anywhere() -> None:
    meet, rng = Meet({"rare": 0.2, "common": 0.3}), np.random.default_rng(0)
    found = [meet(SAMPLES, 3, position, rng)[1] for position in range(200)]
    classes = [None if at is None else int(SAMPLES[3].mask[at]) for at in found]
    counts = [classes.count(2), classes.count(1), classes.count(None)]
    np.testing.assert_allclose(counts, [40, 60, 100], atol=3)


def test_an_image_without_the_class_gives_its_place_to_one_that_has_it() -> None:
    meet, rng = Meet({"rare": 1}), np.random.default_rng(0)
    assert {meet(SAMPLES, 7, position, rng)[0] for position in range(20)} == {7}
    assert {meet(SAMPLES, 5, position, rng)[0] for position in range(40)} == {3, 7}
    images, _ = crop_batch(SAMPLES, 0, size=16, batch_size=30, meet=meet)
    assert set(np.rint(images[:, 0, 0, 0] * 255)) == {13, 17}


def test_pixels_of_the_class_are_chosen_alike_and_lie_in_the_middle() -> None:
    meet, rng = Meet({"common": 1}), np.random.default_rng(0)
    places = np.array([meet(SAMPLES, 0, i, rng)[1] for i in range(600)])
    assert places.min(axis=0).tolist() == [0, 25]
    assert places.max(axis=0).tolist() == [39, 49]
    np.testing.assert_allclose(places.mean(axis=0), [19.5, 37], atol=2)
    one = make_samples([(np.zeros((40, 40, 1), np.uint8), np.zeros((40, 40), np.uint8))])
    one.stored(0).mask.flags.writeable = True
    one.stored(0).mask[20, 22] = 1
    masks = crop_batch(one, 0, size=16, batch_size=4, augment=False, meet=Meet({"foreground": 1}))[
        1
    ]
    assert (np.argwhere(masks[..., 0] == 1)[:, 1:] == 8).all()


def test_small_images_and_pixels_at_the_edge_are_met_too() -> None:
    mask = np.zeros((6, 9), np.uint8)
    mask[0, 8] = 1
    samples = make_samples([(mask[..., None], mask)])
    for size in (4, 8, 20):
        for augment in (False, True):
            masks = crop_batch(
                samples, 0, size=size, batch_size=8, augment=augment, meet=Meet({"foreground": 1})
            )[1]
            assert (masks == 1).any(axis=(1, 2, 3)).all()


def test_masks_are_looked_through_once() -> None:
    reads: list[int] = []
    pairs = [(np.zeros((8, 8, 1), np.uint8), np.eye(8, dtype=np.uint8))] * 4
    samples, meet = make_samples(pairs, on_read=reads.append), Meet({"foreground": 0.5})
    for number in range(6):
        crop_batch(samples, number, size=4, batch_size=3, meet=meet)
    assert sorted(reads) == [0, 1, 2, 3]
    crop_batch(samples[:2], 0, size=4, batch_size=3, meet=meet)  # another set, another index


def test_batches_are_still_a_function_of_seed_and_number() -> None:
    settings: dict[str, Any] = {"size": 16, "batch_size": 5, "seed": 4}
    stream = batches(SAMPLES, meet=Meet({"rare": 0.5}), **settings).take(4).as_numpy_iterator()
    streamed = list(stream)
    for number in (3, 0, 2, 1):
        images, masks = crop_batch(SAMPLES, number, meet=Meet({"rare": 0.5}), **settings)
        np.testing.assert_array_equal(streamed[number][0], images)
        np.testing.assert_array_equal(streamed[number][1], masks)


@pytest.mark.parametrize("shares", [{"rare": 0}, {"rare": -0.1}, {"rare": 0.6, "common": 0.5}])
def test_shares_must_be_shares(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError) as error:
        Meet(shares)
    assert_says(error, "above 0 and together at most 1", f"found {shares}")


def test_a_class_that_is_not_there_is_refused_at_once() -> None:
    with pytest.raises(ValueError) as error:
        batches(SAMPLES, size=16, meet=Meet({"nucleus": 0.5}))
    assert_says(error, "background, common, rare, absent", "found 'nucleus'")
    with pytest.raises(DataError) as error:
        batches(SAMPLES, size=16, meet=Meet({"absent": 0.5}))
    assert_says(error, "things", "'absent'", "found none", "leave it out")

"""Batches: image and mask move together, and a batch is a function of its seed and number."""

import numpy as np
import pytest
from builders import assert_says, make_samples, telling_samples
from hypothesis import given
from hypothesis import strategies as st

from unet_helpers.data.pipeline import ORIENTATIONS, batches, crop_batch, orient
from unet_helpers.data.samples import DataError, Samples

SQUARE = np.arange(9).reshape(3, 3)
ALL = [orient(SQUARE, which).tolist() for which in range(ORIENTATIONS)]


def encoded(images: np.ndarray) -> np.ndarray:
    """The mask that `telling_samples` hid in its images."""
    return np.rint(images[..., :1] * 255).astype(np.uint8)


# --- orient -----------------------------------------------------------------------------------


def test_the_eight_orientations_differ_and_0_changes_nothing() -> None:
    assert len({str(turned) for turned in ALL}) == 8
    assert ALL[0] == SQUARE.tolist()


@pytest.mark.parametrize("first", range(8))
def test_orientations_are_a_group(first: int) -> None:
    once = orient(SQUARE, first)
    followed = [orient(once, second).tolist() for second in range(8)]
    assert sorted(followed) == sorted(ALL)  # closed, and each reached once
    assert ALL[0] in followed  # so there is an inverse


def test_orientations_from_4_on_are_mirror_images() -> None:
    assert orient(SQUARE, 4).tolist() == SQUARE[:, ::-1].tolist()
    turns = [orient(SQUARE, which).tolist() for which in range(4)]
    assert turns == [np.rot90(SQUARE, which).tolist() for which in range(4)]


@given(st.integers(0, 7), st.integers(1, 5), st.integers(1, 5))
def test_orient_moves_values_and_never_mixes_them(which: int, height: int, width: int) -> None:
    array = np.arange(height * width * 2).reshape(height, width, 2)
    turned = orient(array, which)
    assert turned.shape == ((height, width, 2) if which % 2 == 0 else (width, height, 2))
    pixels = turned.reshape(-1, 2).tolist()
    assert sorted(pixels) == array.reshape(-1, 2).tolist()


# --- crop_batch -------------------------------------------------------------------------------


@pytest.mark.parametrize("augment", [True, False])
@pytest.mark.parametrize("shapes", [[(16, 16)] * 3, [(20, 11), (9, 30)], [(5, 3), (16, 2)]])
def test_image_and_mask_move_together(augment: bool, shapes: list[tuple[int, int]]) -> None:
    samples = telling_samples(*shapes, channels=3)
    for number in range(6):
        images, masks = crop_batch(samples, number, size=8, batch_size=5, augment=augment)
        assert (images.shape, images.dtype) == ((5, 8, 8, 3), np.float32)
        assert (masks.shape, masks.dtype) == ((5, 8, 8, 1), np.uint8)
        np.testing.assert_array_equal(encoded(images), masks)


def test_without_augmentation_crops_are_windows_of_the_image() -> None:
    samples = telling_samples((12, 14))
    images, _ = crop_batch(samples, 3, size=4, batch_size=6, augment=False)
    windows = np.lib.stride_tricks.sliding_window_view(samples[0].image[..., 0], (4, 4))
    for image in images[..., 0]:
        assert (windows == image).all(axis=(2, 3)).any()


def test_every_place_and_every_orientation_comes_up() -> None:
    samples = telling_samples((3, 3))
    _, masks = crop_batch(samples, 0, size=3, batch_size=100)
    assert len({mask.tobytes() for mask in masks}) == 8
    _, masks = crop_batch(samples, 0, size=2, batch_size=100, augment=False)
    assert len({mask.tobytes() for mask in masks}) == 4


def test_only_values_of_the_masks_come_out() -> None:
    labels = np.array([[0, 7], [7, 255]], np.uint8).repeat(6, axis=0).repeat(6, axis=1)
    samples = make_samples([(labels[..., None], labels)], class_names="abcdefgh", ignore_value=255)
    _, masks = crop_batch(samples, 0, size=16, batch_size=20, colour=0.5)
    assert set(np.unique(masks)) == {0, 7, 255}


SAMPLES = telling_samples((16, 16), (16, 16), (16, 16))
SMALL = {"size": 8, "batch_size": 2}


@given(st.integers(0, 50), st.integers(0, 5))
def test_a_batch_is_a_function_of_seed_and_number(number: int, seed: int) -> None:
    first = crop_batch(SAMPLES, number, seed=seed, colour=0.2, **SMALL)
    crop_batch(SAMPLES, number + 1, seed=seed + 1, **SMALL)
    np.random.random()  # noqa: NPY002  # the global generator plays no part
    second = crop_batch(SAMPLES, number, seed=seed, colour=0.2, **SMALL)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("other", [{"number": 1}, {"seed": 1}])
def test_another_number_or_seed_gives_another_batch(other: dict[str, int]) -> None:
    usual = {"number": 0, "seed": 0}
    first = crop_batch(SAMPLES, **usual, **SMALL)[1]
    assert not np.array_equal(first, crop_batch(SAMPLES, **{**usual, **other}, **SMALL)[1])


def constant_samples(number: int) -> Samples:
    """Image i is all i, so a crop tells where it is from."""
    plain = [np.full((4, 4), i, np.uint8) for i in range(number)]
    return make_samples([(p[..., None], p) for p in plain], class_names=[str(i) for i in range(99)])


@pytest.mark.parametrize("batch_size", [1, 3, 7, 16])
def test_each_image_serves_once_before_any_serves_twice(batch_size: int) -> None:
    samples, rounds = constant_samples(7), 4
    seen: list[int] = []
    for number in range(-(-7 * rounds // batch_size)):
        masks = crop_batch(samples, number, size=2, batch_size=batch_size)[1]
        seen += masks[:, 0, 0, 0].tolist()
    dealt = [seen[7 * r : 7 * (r + 1)] for r in range(rounds)]
    assert all(sorted(each) == list(range(7)) for each in dealt)
    assert len({tuple(each) for each in dealt}) > 1  # shuffled anew


def test_small_images_are_mirrored_at_their_edges() -> None:
    samples = telling_samples((2, 3))
    images, masks = crop_batch(samples, 0, size=6, batch_size=1, augment=False)
    rows, columns = [1, 0, 0, 1, 1, 0], [0, 0, 1, 2, 2, 1]
    expected = samples[0].mask[np.ix_(rows, columns)]
    np.testing.assert_array_equal(masks[0, ..., 0], expected)
    np.testing.assert_array_equal(encoded(images), masks)


def test_colour_jitter_leaves_the_mask_and_the_range_alone() -> None:
    samples = telling_samples((16, 16), channels=3)
    plain, same = crop_batch(samples, 2, size=8, batch_size=16)
    tinted, masks = crop_batch(samples, 2, size=8, batch_size=16, colour=0.6)
    np.testing.assert_array_equal(same, masks)
    assert tinted.dtype == np.float32
    assert tinted.min() >= 0 and tinted.max() <= 1
    assert not np.array_equal(plain, tinted)


def test_colour_jitter_is_one_gain_for_each_channel_within_its_strength() -> None:
    samples = make_samples([(np.full((4, 4, 3), 100, np.uint8), np.zeros((4, 4), np.uint8))])
    plain = 100 / 255
    images, _ = crop_batch(samples, 0, size=4, batch_size=50, colour=0.3)
    gains = images[:, 0, 0] / plain
    np.testing.assert_allclose(images / plain, np.broadcast_to(gains[:, None, None], images.shape))
    assert 0.7 <= gains.min() < 0.75 and 1.25 < gains.max() <= 1.3
    assert np.ptp(gains, axis=1).min() > 0


def test_images_of_different_channels_are_refused() -> None:
    mask = np.zeros((4, 4), np.uint8)
    pairs = [(np.zeros((4, 4, channels), np.uint8), mask) for channels in (1, 3)]
    for make in (crop_batch, batches):
        arguments = (make_samples(pairs), 0) if make is crop_batch else (make_samples(pairs),)
        with pytest.raises(DataError) as error:
            make(*arguments, size=4, batch_size=2)
        assert_says(error, "'things'", "same number of channels", "found 1 and 3", "convert")


def test_no_samples_are_refused_at_once() -> None:
    for arguments in ((crop_batch, SAMPLES[:0], 0), (batches, SAMPLES[:0])):
        with pytest.raises(ValueError) as error:
            arguments[0](*arguments[1:])
        assert_says(error, "samples", "at least one image", "found none", "check the split")


# --- tf.data ----------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 5])
def test_batches_are_crop_batches_one_after_the_other(start: int) -> None:
    settings = {**SMALL, "seed": 3, "colour": 0.1, "augment": True}
    stream = batches(SAMPLES, start=start, **settings).take(4)
    got = list(stream.as_numpy_iterator())
    assert len(got) == 4
    for number, (images, masks) in enumerate(got, start):
        expected = crop_batch(SAMPLES, number, **settings)
        np.testing.assert_array_equal(images, expected[0])
        np.testing.assert_array_equal(masks, expected[1])


def test_batches_tell_their_shapes_to_keras() -> None:
    images, masks = batches(SAMPLES, **SMALL).element_spec
    assert (images.shape, images.dtype.name) == ((2, 8, 8, 1), "float32")
    assert (masks.shape, masks.dtype.name) == ((2, 8, 8, 1), "uint8")


def test_a_second_walk_begins_where_the_first_began() -> None:
    stream = batches(SAMPLES, **SMALL)
    first, second = (next(stream.as_numpy_iterator())[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)

"""Batches: image and mask move together, and a batch is a function of its seed and number."""

import dataclasses
import hashlib

import numpy as np
import pytest
from builders import assert_says, make_samples, telling_samples
from hypothesis import given
from hypothesis import strategies as st

from unet_helpers.data.pipeline import LAG, ORIENTATIONS, batches, crop_batch, orient
from unet_helpers.data.samples import DataError, Samples, _Cache

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


def test_any_object_may_augment_and_hears_what_it_needs() -> None:
    heard = []

    def augment(image, mask, *, seed, size, near, ignore_value):  # type: ignore[no-untyped-def]
        heard.append((image.dtype, image.shape, mask.shape, size, near, ignore_value))
        assert isinstance(seed, np.random.Generator)
        return np.full((size, size, 1), 0.5, np.float32), mask[:size, :size]

    def meet(samples, index, position, rng):  # type: ignore[no-untyped-def]
        return (index, (position, 1)) if position % 2 else (0, None)

    images, masks = crop_batch(
        telling_samples((9, 9)), 1, size=4, batch_size=2, augment=augment, meet=meet
    )
    assert (images == 0.5).all()
    assert (masks[0] == telling_samples((9, 9))[0].mask[:4, :4, None]).all()
    usual = (np.uint8, (9, 9, 1), (9, 9), 4)
    assert heard == [(*usual, None, None), (*usual, (3, 1), None)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "220b3e87f54d1332"),
        ({"colour": 0.05}, "d15fef987f77d5da"),
        ({"augment": False}, "4608520132b2eaf6"),
        ({"colour": 0.3, "seed": 4}, "809e7938962794ee"),
    ],
)
def test_the_usual_batches_are_those_of_the_stored_results(settings: dict, expected: str) -> None:
    """Hashes taken before augmentation objects, `meet` and `reuse` came in."""
    samples = telling_samples((16, 16), (20, 11), (5, 30), channels=3)
    digest = hashlib.sha256()
    for number in (0, 1, 7):
        for part in crop_batch(samples, number, size=8, batch_size=5, **settings):
            digest.update(part.tobytes())
    assert digest.hexdigest()[:16] == expected


# --- sets larger than memory ------------------------------------------------------------------


def drawn(samples: Samples, crops: int, **settings: int) -> list[int]:
    """The images that the first crops are cut from."""
    return crop_batch(samples, 0, size=2, batch_size=crops, **settings)[1][:, 0, 0, 0].tolist()


@pytest.mark.parametrize("reuse", [1, 2, 4, 8])
def test_with_reuse_each_image_serves_as_often_as_asked_before_it_is_forgotten(reuse: int) -> None:
    rows, before = 50, (reuse - 1) * LAG  # so many images are under way from the start
    counts = np.bincount(drawn(constant_samples(90), rows * reuse, reuse=reuse), minlength=90)
    assert counts.max() == reuse
    assert (counts == reuse).sum() >= rows - before
    assert (counts > 0).sum() == rows + before


@pytest.mark.parametrize("reuse", [2, 4, 8])
def test_with_reuse_a_batch_of_8_is_cut_from_8_images(reuse: int) -> None:
    dealt = drawn(constant_samples(90), 640, reuse=reuse)
    # Where one round ends and the next begins, an image may meet itself.
    alone = [len(set(dealt[i : i + 8])) for i in range(0, 640, 8)]
    assert np.mean(np.array(alone) == 8) > 0.9
    assert min(alone) >= 6


@pytest.mark.parametrize(("reuse", "at_most"), [(1, 1.0), (4, 0.27), (8, 0.145)])
def test_reuse_decodes_an_image_once_for_all_its_crops(reuse: int, at_most: float) -> None:
    reads: list[int] = []
    pairs = [(np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4), np.uint8))] * 400
    window = (reuse * LAG + 1) * 32  # bytes: what the docstring says is enough
    samples = make_samples(pairs, on_read=reads.append, _cache=_Cache(window))
    for number in range(200):
        crop_batch(samples, number, size=2, reuse=reuse)
    steady = reads[8 * reuse * LAG :]
    assert len(steady) / 1600 <= at_most


@pytest.mark.parametrize("reuse", [0, -1])
def test_reuse_below_1_is_refused(reuse: int) -> None:
    with pytest.raises(ValueError) as error:
        crop_batch(SAMPLES, 0, reuse=reuse, **SMALL)
    assert_says(error, "reuse", "at least 1", f"found {reuse}")


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


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_order_does_not_depend_on_the_workers(workers: int) -> None:
    small = constant_samples(20)
    small = dataclasses.replace(small, _cache=_Cache(100))  # the workers fight for six images
    settings = {"size": 2, "batch_size": 3, "seed": 1, "reuse": 2}
    stream = batches(small, workers=workers, **settings).take(30).as_numpy_iterator()
    for number, (images, masks) in enumerate(stream):
        expected = crop_batch(small, number, **settings)
        np.testing.assert_array_equal(images, expected[0])
        np.testing.assert_array_equal(masks, expected[1])


def test_what_fails_while_training_is_told() -> None:
    def read_on(index: int) -> None:
        if index == 2:
            raise DataError("image 2: a readable file is expected, found none: replace it")

    pairs = [(np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4), np.uint8))] * 3
    samples = make_samples(pairs, on_read=read_on)
    order = drawn(constant_samples(3), 3)
    start = next(n for n in range(3) if order[n] != 2)
    stream = batches(samples, size=4, batch_size=1, start=start)
    with pytest.raises(Exception, match="image 2: a readable file is expected"):
        list(stream.take(6).as_numpy_iterator())


def test_batches_tell_their_shapes_to_keras() -> None:
    images, masks = batches(SAMPLES, **SMALL).element_spec
    assert (images.shape, images.dtype.name) == ((2, 8, 8, 1), "float32")
    assert (masks.shape, masks.dtype.name) == ((2, 8, 8, 1), "uint8")


def test_a_second_walk_begins_where_the_first_began() -> None:
    stream = batches(SAMPLES, **SMALL)
    first, second = (next(stream.as_numpy_iterator())[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_there_are_eight_orientations() -> None:
    with pytest.raises(ValueError, match="which must be 0 to 7, found 9"):
        orient(np.zeros((2, 2)), 9)


def test_colour_is_a_share() -> None:
    with pytest.raises(ValueError, match="from 0 to below 1, found 5"):
        crop_batch(telling_samples((9, 9)), 0, size=4, batch_size=1, colour=5)

"""Samples: lazily decoded, cut into parts without tearing groups, and counted."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from builders import assert_says, make_samples
from hypothesis import given
from hypothesis import strategies as st

from unet_helpers.data.samples import DataError, Samples, _Cache, to_float

RNG = np.random.default_rng(0)
FIVE = [(RNG.integers(0, 256, (4, 6, 3), np.uint8), RNG.integers(0, 3, (4, 6), np.uint8))] * 5
THREE_CLASSES = ("background", "cytoplasm", "nucleus")


def counted(pairs: list = FIVE, **settings: object) -> tuple[Samples, list[int]]:
    reads: list[int] = []
    return make_samples(pairs, on_read=reads.append, **settings), reads


def test_an_integer_gives_a_sample_in_floats() -> None:
    samples, _ = counted(groups=list("aabbc"))
    image, mask, name, group, instances = samples[1]
    assert (image.dtype, image.shape) == (np.float32, (4, 6, 3))
    np.testing.assert_array_equal(image, FIVE[1][0].astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(mask, FIVE[1][1])
    assert (name, group, instances) == ("image 1", "a", None)


def test_negative_and_numpy_integers_count_as_in_a_list() -> None:
    samples, _ = counted()
    assert samples[-1].name == samples[np.int64(4)].name == "image 4"
    with pytest.raises(IndexError):
        samples[5]


@pytest.mark.parametrize(
    ("index", "names"),
    [
        (slice(1, 3), ["image 1", "image 2"]),
        (slice(None, None, -2), ["image 4", "image 2", "image 0"]),
        ([4, 0], ["image 4", "image 0"]),
        (np.array([2, 2]), ["image 2", "image 2"]),
        (slice(0, 0), []),
    ],
)
def test_slices_and_lists_give_smaller_samples(index: object, names: list[str]) -> None:
    samples, _ = counted()
    part = samples[index]
    assert isinstance(part, Samples)
    assert part.names == names == [sample.name for sample in part]
    assert part.class_names == samples.class_names


def test_nothing_is_decoded_before_it_is_asked_for() -> None:
    samples, reads = counted(class_names=THREE_CLASSES)
    repr(samples), len(samples), samples.names, samples.groups, samples[1:4], samples[[0]]
    samples.binary("nucleus")
    samples.split()
    assert reads == []
    samples[3]
    assert reads == [3]


def test_parts_and_binary_sets_share_the_decoded_images() -> None:
    samples, reads = counted(class_names=THREE_CLASSES)
    for part in (samples, samples[:3], samples[[0, 2]], samples.binary("nucleus")):
        part[0], part[0], part.arrays(0)
    assert reads == [0]


def test_over_its_budget_the_cache_forgets_the_least_recently_used() -> None:
    one = FIVE[0][0].nbytes + FIVE[0][1].nbytes
    samples, reads = counted(_cache=_Cache(2 * one))
    for index in (0, 1, 0, 2, 0, 1):
        samples[index]
    assert reads == [0, 1, 2, 1]
    assert samples._cache.used <= samples._cache.budget


def test_an_image_larger_than_the_budget_is_kept_alone() -> None:
    samples, reads = counted(_cache=_Cache(1))
    for index in (0, 0, 1, 1, 0):
        samples[index]
    assert reads == [0, 1, 0]
    assert samples._cache.used == sum(part.nbytes for part in FIVE[0])


def test_writing_into_a_sample_does_not_change_the_data() -> None:
    samples, _ = counted([(pair[0].copy(), pair[1].copy()) for pair in FIVE])
    before = [part.copy() for part in samples[0][:2]]
    for part in samples[0][:2]:
        try:
            part[...] = 0
        except ValueError:  # a read-only array protects as well as a copy
            assert not part.flags.writeable
    for old, new in zip(before, samples[0][:2], strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_repr_tells_images_groups_and_classes() -> None:
    samples, _ = counted(groups=list("aabbc"))
    assert repr(samples) == (
        "Samples 'things': 5 images in 3 groups; classes background, foreground"
    )


# --- binary -----------------------------------------------------------------------------------

LABELS = np.array([[0, 1, 2, 255], [2, 1, 0, 255]], np.uint8)


def three_classes(**settings: object) -> Samples:
    pair = (np.zeros((2, 4, 1), np.uint8), LABELS)
    return make_samples([pair], class_names=THREE_CLASSES, ignore_value=255, **settings)


@pytest.mark.parametrize(
    ("foreground", "expected", "name"),
    [
        ("nucleus", [0, 0, 1, 255], "nucleus"),
        (["cytoplasm", "nucleus"], [0, 1, 1, 255], "cytoplasm+nucleus"),
        (("background",), [1, 0, 0, 255], "background"),
        (None, [0, 1, 1, 255], "cytoplasm+nucleus"),
    ],
)
def test_binary_keeps_ignored_pixels(foreground: object, expected: list[int], name: str) -> None:
    binary = three_classes().binary(foreground)
    assert binary[0].mask[0].tolist() == expected
    assert binary[0].mask.dtype == np.uint8
    assert binary.class_names == ("background", name)
    assert binary.num_classes == 2


def test_binary_takes_the_usual_foreground_and_names_it_in_one_word() -> None:
    binary = three_classes(foreground=("cytoplasm", "nucleus")).binary()
    assert binary.class_names == ("background", "thing")
    assert binary[0].mask[0].tolist() == [0, 1, 1, 255]


def test_binary_twice_changes_nothing_more() -> None:
    once = three_classes().binary("nucleus")
    twice = once.binary()
    np.testing.assert_array_equal(once[0].mask, twice[0].mask)
    assert once.class_names == twice.class_names


def test_binary_refuses_a_class_that_is_not_there() -> None:
    with pytest.raises(ValueError) as error:
        three_classes().binary(["nucleus", "mitochondrion"])
    assert_says(error, "foreground", "background, cytoplasm, nucleus", "'mitochondrion'")


# --- split ------------------------------------------------------------------------------------


def empty_samples(groups: list[str], splits: list[str] | None = None) -> Samples:
    blank = (np.zeros((1, 1, 1), np.uint8), np.zeros((1, 1), np.uint8))
    return make_samples([blank] * len(groups), groups=groups, splits=splits)


group_lists = st.lists(st.sampled_from("abcdefghijklmnop"), min_size=3, max_size=60).filter(
    lambda groups: len(set(groups)) >= 3
)
shares = st.tuples(st.floats(0.05, 0.45), st.floats(0.05, 0.45))


@given(group_lists, shares, st.integers(0, 9))
def test_split_deals_out_every_image_once_and_tears_no_group(
    groups: list[str], share: tuple[float, float], seed: int
) -> None:
    samples = empty_samples(groups)
    parts = samples.split(*share, seed=seed)
    assert sorted(name for part in parts for name in part.names) == sorted(samples.names)
    assert all(len(part) for part in parts)
    owned = [set(part.groups) for part in parts]
    assert sum(map(len, owned)) == len(set(groups))
    again = samples.split(*share, seed=seed)
    assert [part.names for part in parts] == [part.names for part in again]


def test_split_of_single_images_meets_the_shares() -> None:
    parts = empty_samples([str(i) for i in range(100)]).split(val=0.15, test=0.25)
    assert [len(part) for part in parts] == [60, 15, 25]


def test_split_keeps_the_order_and_depends_on_the_seed() -> None:
    samples = empty_samples([str(i) for i in range(40)])
    train, val, test = samples.split(seed=1)
    order = {name: place for place, name in enumerate(samples.names)}
    for part in (train, val, test):
        assert part.names == sorted(part.names, key=order.__getitem__)
    assert samples.split(seed=2)[2].names != test.names


@given(st.permutations(range(12)))
def test_which_part_a_group_goes_to_does_not_depend_on_the_order(order: list[int]) -> None:
    groups = [f"group {i // 2}" for i in range(12)]
    usual = [set(part.groups) for part in empty_samples(groups).split()]
    shuffled = empty_samples([groups[i] for i in order]).split()
    assert [set(part.groups) for part in shuffled] == usual


def test_a_split_of_the_sets_own_is_kept() -> None:
    splits = ["test", "train", "val", "train"]
    train, val, test = empty_samples(list("aaaa"), splits).split(val=0.9, test=0.9, seed=5)
    assert (train.names, val.names, test.names) == (
        ["image 1", "image 3"],
        ["image 2"],
        ["image 0"],
    )


@pytest.mark.parametrize("groups", [[], ["a"], ["a", "b", "a", "b"]])
def test_split_needs_three_groups(groups: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        empty_samples(groups).split()
    assert_says(error, "at least 3 groups", f"found {len(set(groups))}", "finer groups")


@pytest.mark.parametrize("share", [(0, 0.2), (0.2, 0), (-0.1, 0.2), (0.5, 0.5), (0.9, 0.9)])
def test_split_refuses_shares_that_leave_a_part_without_images(share: tuple) -> None:
    with pytest.raises(ValueError) as error:
        empty_samples(list("abcde")).split(*share)
    assert_says(error, "val and test", f"found {share[0]} and {share[1]}")


# --- stack and class_share --------------------------------------------------------------------


def numbered(*shapes: tuple[int, int]) -> Samples:
    return make_samples(
        [
            (
                np.arange(h * w * 3, dtype=np.uint8).reshape(h, w, 3),
                np.arange(h * w, dtype=np.uint8).reshape(h, w),
            )
            for h, w in shapes
        ]
    )


def test_stack_gives_what_fit_takes() -> None:
    images, masks = numbered((4, 6), (4, 6)).stack()
    assert (images.shape, images.dtype) == ((2, 4, 6, 3), np.float32)
    assert (masks.shape, masks.dtype) == ((2, 4, 6, 1), np.uint8)
    assert masks[1, 2, 3, 0] == 2 * 6 + 3


def test_stack_cuts_the_same_middle_from_image_and_mask() -> None:
    samples = numbered((5, 8), (4, 4))
    images, masks = samples.stack(size=2)
    assert images.shape == (2, 2, 2, 3)
    assert masks[0, ..., 0].tolist() == [[11, 12], [19, 20]]
    np.testing.assert_array_equal(images[0], samples[0].image[1:3, 3:5])


def test_stack_refuses_different_shapes() -> None:
    with pytest.raises(DataError) as error:
        numbered((4, 6), (4, 5)).stack()
    assert_says(error, "image 1", "(4, 5, 3)", "(4, 6, 3)", "stack(size=...)", "batches()")


def test_stack_refuses_a_size_larger_than_an_image() -> None:
    with pytest.raises(DataError) as error:
        numbered((4, 6), (3, 9)).stack(size=4)
    assert_says(error, "image 1", "stack(size=4)", "at least 4", "3 x 9", "smaller size")


@given(st.lists(st.lists(st.sampled_from([0, 1, 2, 255]), min_size=1), min_size=1, max_size=5))
def test_class_share_counts_labelled_pixels_over_the_set(rows: list[list[int]]) -> None:
    pixels = [value for row in rows for value in row if value != 255]
    if not pixels:
        return
    pairs = [(np.zeros((1, len(row), 1), np.uint8), np.array([row], np.uint8)) for row in rows]
    samples = make_samples(pairs, class_names=THREE_CLASSES, ignore_value=255)
    expected = [pixels.count(i) / len(pixels) for i in range(3)]
    assert list(samples.class_share()) == list(THREE_CLASSES)
    assert list(samples.class_share().values()) == pytest.approx(expected)


@given(st.lists(st.lists(st.sampled_from([0, 1, 2, 255]), min_size=1), min_size=1, max_size=5))
def test_pixel_counts_are_those_of_each_mask(rows: list[list[int]]) -> None:
    pairs = [(np.zeros((1, len(row), 1), np.uint8), np.array([row], np.uint8)) for row in rows]
    samples = make_samples(pairs, class_names=THREE_CLASSES, ignore_value=255)
    for part in (samples, samples.binary(["nucleus"]), samples[::-1]):
        counts = part.pixel_counts()
        assert counts.shape == (len(rows), part.num_classes)
        for row, sample in zip(counts.tolist(), part, strict=True):
            assert row == [int((sample.mask == i).sum()) for i in range(part.num_classes)]


def test_counted_masks_are_not_decoded_again() -> None:
    samples, reads = counted(class_names=THREE_CLASSES, _cache=_Cache(1))
    samples.pixel_counts()
    samples[1:].binary("nucleus").pixel_counts()
    samples.class_share()
    assert reads == [0, 1, 2, 3, 4]


def test_a_part_of_a_mask_is_relabelled_like_the_whole() -> None:
    binary = three_classes().binary("nucleus")
    np.testing.assert_array_equal(
        binary.relabel(binary.stored(0).mask[:, 1:3]), binary[0].mask[:, 1:3]
    )


def test_threads_share_the_cache_without_losing_count() -> None:
    one = FIVE[0][0].nbytes + FIVE[0][1].nbytes
    samples, _ = counted(FIVE * 8, _cache=_Cache(3 * one))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(samples.arrays, list(range(40)) * 50))
    assert samples._cache.used == one * len(samples._cache.kept) == 3 * one


def test_class_share_of_a_binary_set_is_that_of_its_masks() -> None:
    samples = three_classes()
    assert samples.binary("nucleus").class_share()["nucleus"] == pytest.approx(2 / 6)
    relabelled = dataclasses.replace(samples, ignore_value=None)
    assert relabelled.class_share()["nucleus"] == pytest.approx(2 / 6)


# --- to_float ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_to_float_maps_the_range_of_the_dtype_to_0_and_1(dtype: type) -> None:
    top = np.iinfo(dtype).max
    scaled = to_float(np.array([0, top // 5, top], dtype))
    assert scaled.dtype == np.float32
    assert scaled.tolist() == pytest.approx([0, 0.2, 1])
    assert scaled[2] == 1


def test_to_float_leaves_floats_and_turns_truth_into_0_and_1() -> None:
    floats = np.array([-0.5, 0.25, 3.0])
    assert to_float(floats).tolist() == floats.tolist()
    assert to_float(floats).dtype == np.float32
    assert to_float(np.array([False, True])).tolist() == [0, 1]


# --- which part of a split --------------------------------------------------------------------


def test_samples_know_which_part_of_a_split_they_are() -> None:
    samples = make_samples(FIVE, class_names=THREE_CLASSES)
    parts = samples.split()
    assert samples.part is None
    assert [part.part for part in parts] == ["train", "val", "test"]
    for part in parts:
        assert {s.part for s in (part[:1], part[[0]], part.binary("nucleus"))} == {part.part}


def test_a_split_of_the_sets_own_tells_the_parts_too() -> None:
    samples = make_samples(FIVE, splits=["test", "train", "val", "val", "test"])
    assert [(part.part, len(part)) for part in samples.split()] == [
        ("train", 1),
        ("val", 2),
        ("test", 2),
    ]

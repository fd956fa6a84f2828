"""Splits: no group torn, each sample once, stable where that is promised, and kept in a file."""

import csv
import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from builders import assert_says, make_samples
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unet_helpers import read_folder
from unet_helpers.data.samples import DataError, Samples
from unet_helpers.data.splits import (
    keep_split,
    missing_classes,
    read_split,
    split_blocks,
    split_by_hash,
    split_stratified,
)

NAMES = st.text("abcdefgh", min_size=1, max_size=3)
GROUPS = st.lists(NAMES, min_size=60, max_size=120)


def of_groups(groups: list[str], masks: list[np.ndarray] | None = None) -> Samples:
    masks = masks or [np.zeros((2, 2), np.uint8)] * len(groups)
    pairs = [(mask[..., None], mask) for mask in masks]
    return make_samples(pairs, groups=groups, class_names=("background", "cell", "rare"))


def homes(parts: tuple[Samples, ...]) -> dict[str, str]:
    """The part of each group; fails if a group has two."""
    found: dict[str, str] = {}
    for name, part in zip(("train", "val", "test"), parts, strict=True):
        for group in part.groups:
            assert found.setdefault(group, name) == name
    return found


def all_names(parts: tuple[Samples, ...]) -> list[str]:
    return sorted(name for part in parts for name in part.names)


# --- by hash ----------------------------------------------------------------------------------


@given(GROUPS, st.integers(0, 50))
def test_by_hash_each_sample_is_in_one_part_and_no_group_is_torn(
    groups: list[str], seed: int
) -> None:
    samples = of_groups(groups)
    try:
        parts = split_by_hash(samples, 0.3, 0.3, seed)
    except ValueError as error:  # chance may leave a part empty
        assert "another seed" in str(error)
        return
    assert all_names(parts) == sorted(samples.names)
    assert set(homes(parts)) == set(groups)


@given(GROUPS, GROUPS, st.integers(0, 5))
def test_by_hash_new_groups_move_none_that_were_there(
    groups: list[str], more: list[str], seed: int
) -> None:
    many = [f"s{i}" for i in range(40)]  # so that no part is empty
    before = homes(split_by_hash(of_groups(many + groups), seed=seed))
    after = homes(split_by_hash(of_groups(more + groups[::-1] + many), seed=seed))
    assert {group: after[group] for group in before} == before


def test_by_hash_the_shares_are_approached() -> None:
    parts = split_by_hash(of_groups([str(i) for i in range(5000)]), val=0.1, test=0.3)
    assert [len(part) / 5000 for part in parts] == pytest.approx([0.6, 0.1, 0.3], abs=0.02)
    others = split_by_hash(of_groups([str(i) for i in range(5000)]), val=0.1, test=0.3, seed=1)
    same = set(parts[2].names) & set(others[2].names)
    assert len(same) / 5000 == pytest.approx(0.09, abs=0.02)  # independent of the first seed's


def test_by_hash_a_larger_test_set_holds_the_smaller_one() -> None:
    samples = of_groups([str(i) for i in range(300)])
    small, large = (set(split_by_hash(samples, test=share)[2].names) for share in (0.1, 0.3))
    assert small < large


# --- stratified -------------------------------------------------------------------------------


def uneven(seed: int, groups: int = 24) -> Samples:
    """Groups of 1 to 5 images; a third of the groups hold the rare class, some much of it."""
    rng = np.random.default_rng(seed)
    names, masks = [], []
    for group in range(groups):
        for _ in range(rng.integers(1, 6)):
            mask = np.zeros(rng.integers(8, 30, 2), np.uint8)
            mask[: rng.integers(1, 8)] = 1
            if group % 3 == 0:
                mask[:2, : rng.integers(1, 8)] = 2
            names.append(f"g{group}")
            masks.append(mask)
    return of_groups(names, masks)


@given(st.integers(0, 1000), st.integers(3, 24))
def test_stratified_each_sample_is_in_one_part_and_no_group_is_torn(seed: int, groups: int) -> None:
    samples = uneven(seed, groups)
    parts = split_stratified(samples, seed=seed)
    assert all_names(parts) == sorted(samples.names)
    assert set(homes(parts)) == set(samples.groups)
    assert all(len(part) for part in parts)
    again = split_stratified(samples, seed=seed)
    assert [part.names for part in parts] == [part.names for part in again]


def unevenness(samples: Samples, parts: tuple[Samples, ...]) -> float:
    """Largest distance of a part's share of images or of a class's pixels from its target."""
    total = samples.pixel_counts().sum(0)
    found = [[len(part) / len(samples), *part.pixel_counts().sum(0) / total] for part in parts]
    return float(np.abs(np.array(found) - np.array([[0.6], [0.2], [0.2]])).max())


def test_stratified_parts_are_more_alike_than_dealt_ones() -> None:
    sets = [uneven(seed) for seed in range(20)]
    balanced = [unevenness(s, split_stratified(s)) for s in sets]
    dealt = [unevenness(s, s.split()) for s in sets]
    assert np.median(balanced) < 0.5 * np.median(dealt)
    assert np.median(balanced) < 0.1
    assert not any(missing_classes(split_stratified(s)) for s in sets)
    assert any(missing_classes(s.split()) for s in sets)


def test_stratified_needs_three_groups() -> None:
    with pytest.raises(ValueError) as error:
        split_stratified(of_groups(list("aab")))
    assert_says(error, "at least 3 groups", "found 2", "finer groups")


# --- blocks -----------------------------------------------------------------------------------


@given(st.integers(3, 80), st.floats(0.05, 0.45), st.floats(0.05, 0.45), st.integers(0, 4))
def test_blocks_are_runs_of_neighbours_with_gaps_between(
    number: int, val: float, test: float, gap: int
) -> None:
    samples = of_groups(["volume"] * number)
    try:
        parts = split_blocks(samples, val, test, gap)
    except ValueError as error:
        usable = number - 2 * gap
        assert (
            usable < 3 or min(round(usable * val), round(usable * test)) == 0 or "gap" in str(error)
        )
        return
    places = [[samples.names.index(name) for name in part.names] for part in parts]
    for run in places:
        assert run == list(range(run[0], run[-1] + 1))
    assert places[0][0] == 0 and places[2][-1] == number - 1
    assert [b[0] - a[-1] - 1 for a, b in itertools.pairwise(places)] == [gap, gap]
    shares = [len(part) / (number - 2 * gap) for part in parts]
    assert shares == pytest.approx([1 - val - test, val, test], abs=1.01 / (number - 2 * gap))
    assert homes(parts) == {"train block": "train", "val block": "val", "test block": "test"}


@pytest.mark.parametrize(("number", "gap"), [(2, 0), (6, 2), (4, 1)])
def test_blocks_need_enough_slices(number: int, gap: int) -> None:
    with pytest.raises(ValueError) as error:
        split_blocks(of_groups(["a"] * number), gap=gap)
    assert_says(error, "blocks", f"found {number} images", "smaller gap")


def test_a_gap_below_0_is_refused() -> None:
    with pytest.raises(ValueError) as error:
        split_blocks(of_groups(["a"] * 9), gap=-1)
    assert_says(error, "gap", "found -1")


@pytest.mark.parametrize("split", [split_by_hash, split_stratified, split_blocks])
@pytest.mark.parametrize("share", [(0, 0.2), (0.2, -0.1), (0.5, 0.5)])
def test_shares_that_leave_a_part_without_images_are_refused(split, share: tuple) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError) as error:
        split(of_groups(list("abcdefgh")), *share)
    assert_says(error, "val and test", f"found {share[0]} and {share[1]}")


def test_chance_that_leaves_a_part_empty_is_told() -> None:
    with pytest.raises(ValueError) as error:
        split_by_hash(of_groups(list("aaa")))
    assert_says(error, "each part needs images", "another seed")


# --- classes that a part lacks ----------------------------------------------------------------


def test_missing_classes_are_named_by_part() -> None:
    masks = [np.array([[0, 1, 2]]), np.array([[0, 0, 1]]), np.array([[0, 0, 0]])]
    samples = of_groups(list("abc"), [mask.astype(np.uint8) for mask in masks])
    assert missing_classes((samples[:1], samples[1:2], samples[2:])) == {
        "val": ("rare",),
        "test": ("cell", "rare"),
    }
    assert missing_classes((samples, samples[:2], samples[:1])) == {}


# --- kept in a file ---------------------------------------------------------------------------


def same(one: tuple[Samples, ...], other: tuple[Samples, ...]) -> bool:
    def told(parts: tuple[Samples, ...]) -> list[list[tuple[str, str]]]:
        return [[(r.name, r.group) for r in part.records] for part in parts]

    return told(one) == told(other)


@given(st.integers(0, 100))
def test_a_split_that_was_kept_is_read_back_identical(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    samples = uneven(seed)
    path = tmp_path_factory.mktemp("kept") / "split.csv"
    for split in (split_stratified, split_blocks):
        parts = split(samples, 0.2, 0.2)
        path.unlink(missing_ok=True)
        keep_split(path, parts)
        assert same(read_split(path, samples), parts)
        assert same(read_split(path, samples[::-1]), parts)
        assert same(read_split(path, samples[::-1]), read_split(path, samples))
    np.testing.assert_array_equal(read_split(path, samples)[0][0].mask, samples[0].mask)


def test_the_manifest_names_files_relative_to_itself(tmp_path: Path) -> None:

    samples = of_groups(['say "a", b', "ü", "c"])
    records = [
        dataclasses.replace(r, files=(tmp_path / "images" / f"{i}.png", tmp_path / "m" / "x.tif"))
        for i, r in enumerate(samples.records)
    ]
    samples = dataclasses.replace(samples, records=tuple(records))
    path = keep_split(tmp_path / "lists" / "split.csv", split_blocks(samples, 0.3, 0.3))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[:2] == [
        ["name", "image", "mask", "group", "split"],
        ["image 0", "../images/0.png", "../m/x.tif", "train block", "train"],
    ]
    assert [p.name for p in path.parent.iterdir()] == ["split.csv"]  # nothing half-written
    assert b"\r" not in path.read_bytes()


def test_read_folder_takes_the_manifest(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        for i in range(6):
            pixels = np.full((4, 4), 255 * (i % 2), np.uint8)
            Image.fromarray(pixels).save(tmp_path / kind / f"{i}.png")
    samples = read_folder(tmp_path / "images", tmp_path / "masks")
    parts = split_blocks(samples)
    path = keep_split(tmp_path / "split.csv", parts)
    assert same(read_folder(path).split(), parts)


def test_a_kept_split_is_not_replaced_by_another(tmp_path: Path) -> None:
    samples = uneven(0)
    path = keep_split(tmp_path / "split.csv", split_stratified(samples))
    before = path.read_bytes()
    assert keep_split(path, split_stratified(samples)) == path  # the same again does no harm
    with pytest.raises(DataError) as error:
        keep_split(path, split_blocks(samples))
    assert_says(error, path, "not replaced", "read_split()")
    assert path.read_bytes() == before


def test_names_that_are_there_twice_cannot_be_kept(tmp_path: Path) -> None:
    samples = of_groups(list("abc"))
    with pytest.raises(DataError) as error:
        keep_split(tmp_path / "split.csv", (samples, samples[:1], samples[1:]))
    assert_says(error, "split.csv", "found 'image 0' twice")
    assert list(tmp_path.iterdir()) == []


def test_samples_that_came_or_went_are_told(tmp_path: Path) -> None:
    samples = uneven(1)
    path = keep_split(tmp_path / "split.csv", split_blocks(samples, gap=1))
    with pytest.raises(DataError) as error:
        read_split(path, samples)
    assert_says(error, path, "found 2 not in it", "partial=True")
    assert same(read_split(path, samples, partial=True), split_blocks(samples, gap=1))
    with pytest.raises(DataError) as error:
        read_split(path, samples[1:], partial=True)
    assert_says(error, path, "found 1 that the samples lack", "'image 0'", "the same samples")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"name,image,mask,group,split\n",
        b"name,group\na,b\n",
        b"name,group,split\na,b,train\na,b,test\n",
        b"name,group,split\na,b,prod\n",
        b"name,group,split\n,b,train\n",
        b"name,group,split\n\xff\xfe,b,train\n",
        b'name,group,split\n"a,b,train\n',
    ],
)
def test_a_file_that_is_no_such_manifest_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "split.csv"
    path.write_bytes(text)
    with pytest.raises(DataError) as error:
        read_split(path, of_groups(list("abc")))
    assert_says(error, path, "expected", "found")


def test_a_missing_manifest_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read_split(tmp_path / "no.csv", of_groups(list("abc")))
    assert_says(error, "no.csv", "found no file")


# --- which part is which ----------------------------------------------------------------------


def test_every_split_tells_the_parts_what_they_are(tmp_path: Path) -> None:
    samples = of_groups(list("abcdefghijklmnopqrst"))
    path = keep_split(tmp_path / "split.csv", split_stratified(samples))
    splits = [f(samples) for f in (split_by_hash, split_stratified, split_blocks)]
    for parts in [*splits, read_split(path, samples)]:
        assert [part.part for part in parts] == ["train", "val", "test"]

"""Splits that stay as they are: by the groups' names, balanced, in blocks, or kept in a file.

`Samples.split` deals the groups out once. Here are the ways that hold when files are added, when
classes are rare, or when the images are slices of one volume. No way tears a group apart.
"""

import csv
import dataclasses
import hashlib
import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.samples import PARTS, DataError, Record, Samples

COLUMNS = ("name", "image", "mask", "group", "split")
Parts = tuple[Samples, Samples, Samples]


def split_by_hash(samples: Samples, val: float = 0.2, test: float = 0.2, seed: int = 0) -> Parts:
    """Split by a hash of each group's name: what is added later moves nothing that was there.

    A group's part depends on its name and the seed alone, so the shares are met only on average.

    Parameters
    ----------
    samples : Samples
    val, test : float
        Chance of a group to go there, above 0 and together below 1.
    seed : int
        Another seed gives another split.

    Returns
    -------
    train, val, test : Samples
        In the samples' order. A split of the set's own is not looked at.

    Raises
    ------
    ValueError
        If the shares are not as said, or chance leaves a part without images.

    Examples
    --------
    >>> from unet_helpers import load
    >>> [len(part) for part in split_by_hash(load("cells"), seed=1)]
    [42, 33, 15]
    """
    _check_shares(val, test)

    def part(group: str) -> str:
        digest = hashlib.sha256(f"{seed}\n{group}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        return "test" if place < test else "val" if place < test + val else "train"

    return _parts(samples, [part(group) for group in samples.groups], "another seed, or split()")


def split_stratified(samples: Samples, val: float = 0.2, test: float = 0.2, seed: int = 0) -> Parts:
    """Split such that each part has its share of every class, and of small and large images.

    The groups that weigh most go first, each to the part that then comes closest to its share of
    images, of every class's pixels, of the images that hold the class, and of images of each
    quarter of the sizes: a greedy form of iterative stratification [1]_. All masks are decoded
    once. Since every file has its say, write the result down with `keep_split`.

    Parameters
    ----------
    samples : Samples
    val, test : float
        Shares, above 0 and together below 1.
    seed : int
        Decides between groups of equal weight.

    Returns
    -------
    train, val, test : Samples
        In the samples' order. A split of the set's own is not looked at.

    Raises
    ------
    ValueError
        If the shares are not as said, or there are under three groups.

    References
    ----------
    .. [1] Sechidis, Tsoumakas, Vlahavas (2011), On the stratification of multi-label data,
       ECML PKDD, doi:10.1007/978-3-642-23808-6_10.

    Examples
    --------
    >>> from unet_helpers import load
    >>> parts = split_stratified(load("cells")[:30])
    >>> [len(part) for part in parts], missing_classes(parts)
    ([18, 6, 6], {})
    """
    _check_shares(val, test)
    names, weights = _group_weights(samples)
    if len(names) < 3:
        raise ValueError(
            f"{samples.name}: a split needs at least 3 groups, one for each part, found "
            f"{len(names)}: give the samples finer groups"
        )
    targets = np.array([1 - val - test, val, test])
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-weights[order].max(axis=1), kind="stable")]
    held = np.zeros((3, weights.shape[1]))
    dealt: dict[str, str] = {}
    for left, index in zip(range(len(names), 0, -1), order, strict=True):
        # What each choice would make of the distance to the targets, relative to their size.
        before = (held - targets[:, None]) ** 2
        after = (held + weights[index] - targets[:, None]) ** 2
        change = ((after - before) / targets[:, None]).sum(axis=1)
        empty = [place for place, part in enumerate(PARTS) if part not in dealt.values()]
        allowed = empty if len(empty) >= left else range(3)
        place = min(allowed, key=lambda place: change[place])
        held[place] += weights[index]
        dealt[names[index]] = PARTS[place]
    return _parts(samples, [dealt[group] for group in samples.groups], "finer groups")


def split_blocks(samples: Samples, val: float = 0.2, test: float = 0.2, gap: int = 0) -> Parts:
    """Split slices of one volume, or frames of one film, into three runs of neighbours.

    Neighbouring slices look alike: a random split would test on what was trained on.

    Parameters
    ----------
    samples : Samples
        The slices of one volume, in order.
    val, test : float
        Shares, above 0 and together below 1; the last slices are for the test.
    gap : int
        Slices to leave out between two parts, because they look like both.

    Returns
    -------
    train, val, test : Samples
        Each a group of its own, whatever the groups were. ``2 * gap`` slices are in none of them.

    Raises
    ------
    ValueError
        If the shares are not as said, or there are too few slices for them and the gaps.

    Examples
    --------
    >>> from unet_helpers import load
    >>> [len(part) for part in split_blocks(load("cells")[:30], gap=2)]
    [16, 5, 5]
    """
    _check_shares(val, test)
    if gap < 0:
        raise ValueError(f"gap must be 0 or more slices, found {gap}: choose a small number")
    usable = len(samples) - 2 * gap
    for_test, for_val = round(usable * test), round(usable * val)
    lengths = [usable - for_val - for_test, for_val, for_test]
    if min(lengths) < 1:
        raise ValueError(
            f"{samples.name}: blocks need an image each beside {2 * gap} in the gaps, found "
            f"{len(samples)} images: use a smaller gap or other shares"
        )
    blocks, start = [], 0
    for part, length in zip(PARTS, lengths, strict=True):
        run = samples.records[start : start + length]
        blocks.append([dataclasses.replace(r, group=f"{part} block", split=part) for r in run])
        start += length + gap
    return _told([dataclasses.replace(samples, records=tuple(block)) for block in blocks])


def missing_classes(parts: Sequence[Samples]) -> dict[str, tuple[str, ...]]:
    """Which classes have no pixel in a part: it can neither teach nor test them.

    Parameters
    ----------
    parts : sequence of three Samples
        Training, validation and test set; all their masks are decoded once.

    Returns
    -------
    dict of str to tuple of str
        From ``"train"``, ``"val"``, ``"test"`` to names of classes; parts with all of them are
        left out.
    """
    found = {
        part: tuple(
            name
            for name, total in zip(samples.class_names, samples.pixel_counts().sum(0), strict=True)
            if not total
        )
        for part, samples in zip(PARTS, parts, strict=True)
    }
    return {part: names for part, names in found.items() if names}


def keep_split(path: str | Path, parts: Sequence[Samples]) -> Path:
    """Write a split down as a CSV manifest, once: a split that was kept is not replaced.

    Parameters
    ----------
    path : str or Path
        The file. Its columns are name, image, mask, group and split; image and mask are paths
        relative to its folder, and empty where samples do not come from files.
    parts : sequence of three Samples
        Training, validation and test set.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        If the file exists and holds another split, or a name is there twice.
    """
    path = Path(path)
    rows = [
        _row(record, part, path.parent)
        for part, samples in zip(PARTS, parts, strict=True)
        for record in samples.records
    ]
    twice = [name for name, number in Counter(row[0] for row in rows).items() if number > 1]
    if twice:
        raise DataError(
            f"{path}: a manifest tells samples by their names, found {twice[0]!r} twice: "
            "give every sample a name of its own"
        )
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    if path.exists():
        if path.read_bytes() != text.getvalue().encode():
            raise DataError(
                f"{path}: a split that is kept is not replaced, found another one in the file: "
                "read it with read_split(), or remove the file to start over"
            )
        return path
    _write(path, text.getvalue())
    return path


def read_split(path: str | Path, samples: Samples, *, partial: bool = False) -> Parts:
    """Split as the manifest says that `keep_split` wrote.

    Parameters
    ----------
    path : str or Path
        The file; of its columns, name, group and split are looked at.
    samples : Samples
        The same samples, in any order.
    partial : bool
        Whether samples that the manifest does not name, such as those in gaps between blocks, are
        left out. Otherwise they are an error.

    Returns
    -------
    train, val, test : Samples
        In the manifest's order and with its groups.

    Raises
    ------
    DataError
        If the file is missing or not such a manifest, or names differ from the samples'.
    """
    path = Path(path)
    rows = _rows(path)
    records = {record.name: record for record in samples.records}
    gone = [row["name"] for row in rows if row["name"] not in records]
    new = sorted(set(records) - {row["name"] for row in rows})
    if gone or (new and not partial):
        kind, names = ("that the samples lack", gone) if gone else ("not in it", new)
        raise DataError(
            f"{path}: the samples that the split was made for are expected, found {len(names)} "
            f"{kind}, such as {names[0]!r}: give the same samples, "
            + ("or split again" if gone else "add rows for them, or say partial=True")
        )
    chosen = [
        [
            dataclasses.replace(records[row["name"]], group=row["group"], split=part)
            for row in rows
            if row["split"] == part
        ]
        for part in PARTS
    ]
    return _told([dataclasses.replace(samples, records=tuple(part)) for part in chosen])


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise DataError(
            f"{path}: a manifest written by keep_split() is expected, found no file: "
            "correct the path, or split and keep"
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: a CSV file in UTF-8 is expected, found one that does not read ({error}): "
            "save it as CSV UTF-8"
        ) from error
    names = [row.get("name") for row in rows]
    fit = all(
        row.get("name") and row.get("group") is not None and row.get("split") in PARTS
        for row in rows
    )
    if not fit or not rows or len(set(names)) < len(names):
        raise DataError(
            f"{path}: rows with a name of their own, a group, and a split out of "
            f"{', '.join(PARTS)} are expected, found others or none: correct the file, or split "
            "again and keep"
        )
    return rows


def _row(record: Record, part: str, folder: Path) -> tuple[str, ...]:
    paths = [_relative(file, folder) for file in record.files[:2]]
    image, mask = [*paths, "", ""][:2]
    return record.name, image, mask, record.group, part


def _relative(file: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:  # another drive, on Windows
        return file.absolute().as_posix()


def _write(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _check_shares(val: float, test: float) -> None:
    if not (val > 0 and test > 0 and val + test < 1):
        raise ValueError(
            f"val and test must be above 0 and together below 1, found {val} and {test}: "
            "choose shares such as 0.2 and 0.2"
        )


def _parts(samples: Samples, parts: list[str], advice: str) -> Parts:
    chosen = [samples[[i for i, p in enumerate(parts) if p == part]] for part in PARTS]
    if not all(map(len, chosen)):
        raise ValueError(
            f"{samples.name}: each part needs images, found "
            f"{', '.join(str(len(part)) for part in chosen)} for {', '.join(PARTS)}: use {advice}"
        )
    return _told(chosen)


def _told(chosen: Sequence[Samples]) -> Parts:
    """Tell a training, a validation and a test set what they are."""
    train, val, test = (
        dataclasses.replace(samples, part=part) for samples, part in zip(chosen, PARTS, strict=True)
    )
    return train, val, test


def _group_weights(samples: Samples) -> tuple[list[str], NDArray[np.float64]]:
    """Each group's share of what is to be balanced; every column sums to 1."""
    counts = samples.pixel_counts()
    sizes = counts.sum(axis=1)  # labelled pixels, so no second look at the files
    quarter = np.searchsorted(np.quantile(sizes, [0.25, 0.5, 0.75]), sizes)
    features = np.column_stack(
        [np.ones(len(samples)), counts, counts > 0, quarter[:, None] == np.arange(4)]
    )
    features = features[:, features.any(axis=0)]
    names = sorted(set(samples.groups))
    rows = np.searchsorted(names, samples.groups)
    weights = np.zeros((len(names), features.shape[1]))
    np.add.at(weights, rows, features)
    return names, weights / weights.sum(axis=0)

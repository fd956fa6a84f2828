"""Deterministic faults of masks: how classes are stored."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from _filefaults import by_hash
from _placefaults import Pixels, read, some, stems, write
from PIL import Image

# The colours of the first classes of PASCAL VOC, and its way to go on.
COLOURS = np.array(
    [
        [128 * (k >> c & 1) + 64 * (k >> (c + 3) & 1) + 32 * (k >> (c + 6) & 1) for c in range(3)]
        for k in range(256)
    ],
    np.uint8,
)


def as_they_are(folder: Path, seed: int) -> list[str]:
    return []


def _ids(mask: Pixels) -> Pixels:
    """Class ids out of the values of the files; those of two classes count from 0 too."""
    if mask.ndim == 2 and set(np.unique(mask)) <= {0, 128, 255} and mask.max() > 20:
        return ((mask.astype(int) + 1) // 128).astype(np.uint8)
    return mask


def _ids_of(folder: Path) -> dict[Path, Pixels]:
    """Class ids of all masks, without gaps: 0 and 255 alone are 0 and 1."""
    found = {path: _ids(read(path)) for _, path in stems(folder).values()}
    values = sorted({int(v) for ids in found.values() for v in np.unique(ids)})
    table = np.zeros(max(values) + 1, np.uint8)
    table[values] = range(len(values))
    return {path: table[ids] for path, ids in found.items()}


def _rewrite(folder: Path, change: Callable[[Pixels], Pixels]) -> list[str]:
    for path, ids in _ids_of(folder).items():
        write(path, change(ids))
    return []


def class_only_in_train(folder: Path, seed: int) -> list[str]:
    """The last class is taken out of every mask that `by_hash` puts into val."""
    for stem, (_, path) in stems(folder).items():
        mask = read(path)
        if by_hash(stem) == "val":
            write(path, np.where(mask == _last(mask), 0, mask).astype(np.uint8))
    return []


def _last(mask: Pixels) -> int:
    """The value of the last of three classes, as ids or as levels of grey."""
    return 2 if mask.max() <= 2 else 255


def resized(folder: Path, seed: int) -> list[str]:
    """Some masks smoothed by being resized; three ids spread over the grey levels before.

    Of ids 0, 1 and 2, what lies between two of them is the third: a fault that no value shows.
    """
    if max(ids.max() for ids in _ids_of(folder).values()) == 2:
        grey_levels(folder, seed)
    chosen = some(folder, seed)
    for _, _, path in chosen:
        mask = Image.open(path)
        half = mask.resize((mask.width // 2, mask.height // 2), Image.Resampling.BILINEAR)
        half.resize(mask.size, Image.Resampling.BILINEAR).save(path)
    return [stem for stem, *_ in chosen]


def jpeg(folder: Path, seed: int) -> list[str]:
    """All masks saved as JPEG; ids spread over the grey levels, as one does to see them."""
    for path, ids in _ids_of(folder).items():
        path.unlink()
        spread = ids * np.uint8(255 // max(2, ids.max()))
        Image.fromarray(spread).save(path.with_suffix(".jpg"), quality=90)
    return []


def two_levels(folder: Path, seed: int) -> list[str]:
    return _rewrite(folder, lambda ids: (ids > 0).astype(np.uint8) * np.uint8(255))


def off_by_one(folder: Path, seed: int) -> list[str]:
    return _rewrite(folder, lambda ids: ids + np.uint8(1))


def one_off_by_one(folder: Path, seed: int) -> list[str]:
    """Class ids in all masks, and one of them counts from 1."""
    _rewrite(folder, lambda ids: ids)
    pairs = [(stem, path) for stem, _, path in some(folder, seed, 1.0) if read(path).max() == 2]
    write(pairs[0][1], read(pairs[0][1]) + np.uint8(1))
    return [pairs[0][0]]


def grey_levels(folder: Path, seed: int) -> list[str]:
    return _rewrite(folder, lambda ids: np.array([0, 128, 255], np.uint8)[ids])


def two_encodings(folder: Path, seed: int) -> list[str]:
    """Class ids in half of the masks, levels of grey in the others."""
    for number, (path, ids) in enumerate(_ids_of(folder).items()):
        write(path, ids if number % 2 else np.array([0, 128, 255], np.uint8)[ids])
    return []


def colours(folder: Path, seed: int) -> list[str]:
    return _rewrite(folder, lambda ids: COLOURS[ids])


def colours_as_grey(folder: Path, seed: int) -> list[str]:
    grey = np.asarray(Image.fromarray(COLOURS[None]).convert("L"))[0]
    return _rewrite(folder, lambda ids: grey[ids])


def palette(folder: Path, seed: int) -> list[str]:
    for path, ids in _ids_of(folder).items():
        picture = Image.fromarray(ids)
        picture.putpalette(COLOURS.tobytes())
        picture.save(path)
    return []


def alpha(folder: Path, seed: int) -> list[str]:
    return _rewrite(folder, lambda ids: np.dstack([ids] * 3 + [np.full_like(ids, 255)]))


def border_of_255(folder: Path, seed: int) -> list[str]:
    """Class ids, and a frame of 255."""
    return _rewrite(folder, lambda ids: np.pad(ids[2:-2, 2:-2], 2, constant_values=255))


def _fill(folder: Path, seed: int, value: Callable[[Pixels], int]) -> list[str]:
    stem, _, path = some(folder, seed)[0]
    mask = read(path)
    write(path, np.full_like(mask, value(mask)))
    return [stem]


def all_background(folder: Path, seed: int) -> list[str]:
    background = 255 if _dark_is_foreground(folder) else 0
    return _fill(folder, seed, lambda mask: background)


def all_foreground(folder: Path, seed: int) -> list[str]:
    if _dark_is_foreground(folder):
        return _fill(folder, seed, lambda mask: 0)
    return _fill(folder, seed, lambda mask: 1 if mask.max() < 20 else int(mask.max()))


def _dark_is_foreground(folder: Path) -> bool:
    """Whether 0 is the class that counts, as the thin dark membranes do between bright cells."""
    masks = [read(path) for _, path in stems(folder).values()]
    return all(set(np.unique(m)) == {0, 255} and (m == 255).mean() > 0.5 for m in masks)


def nothing_labelled(folder: Path, seed: int) -> list[str]:
    """Class ids; one mask holds nothing but 11, the ignore value of the set of streets."""
    _rewrite(folder, lambda ids: ids)
    return _fill(folder, seed, lambda mask: 11)


def unexpected(folder: Path, seed: int) -> list[str]:
    stem, _, path = some(folder, seed)[0]
    mask = read(path).copy()
    mask[5:9, 5:9] = 77
    write(path, mask)
    return [stem]


def rare(folder: Path, seed: int) -> list[str]:
    """The last class is left in one mask only, as four pixels."""
    for number, (_, path) in enumerate(stems(folder).values()):
        mask = read(path)
        last = _last(mask)
        mask = np.where(mask == last, last // 2 + (last == 255), mask).astype(np.uint8)
        if number == 0:
            mask[:2, :2] = last
        write(path, mask)
    return []

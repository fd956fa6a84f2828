"""Deterministic faults of masks: how classes are stored."""

from pathlib import Path

import numpy as np
from _placefaults import Pixels, read, some, stems, write
from PIL import Image

COLOURS = np.random.default_rng(3).integers(30, 255, (256, 3)).astype(np.uint8)
COLOURS[0] = 0


def as_they_are(folder: Path, seed: int) -> list[str]:
    return []


def _ids(mask: Pixels) -> Pixels:
    """Class ids out of the file's values, for the sets of this benchmark."""
    return (mask // 127).clip(0, 2).astype(np.uint8) if mask.max() > 20 else mask


def z_is_val(stem: str) -> str:
    """A split by name; `class_only_in_train` renames nothing and empties the masks of val."""
    return "val" if stem[-1] in "13579" else "train"


def class_only_in_train(folder: Path, seed: int) -> list[str]:
    for stem, (_, path) in stems(folder).items():
        mask = read(path)
        if z_is_val(stem) == "val":
            write(path, np.where(mask == (2 if mask.max() <= 2 else 255), 0, mask).astype(np.uint8))
    return []


def resized(folder: Path, seed: int) -> list[str]:
    chosen = some(folder, seed)
    for _, _, path in chosen:
        mask = Image.open(path)
        half = mask.resize((mask.width // 2, mask.height // 2), Image.Resampling.BILINEAR)
        half.resize(mask.size, Image.Resampling.BILINEAR).save(path)
    return [stem for stem, *_ in chosen]


def jpeg(folder: Path, seed: int) -> list[str]:
    for _, path in stems(folder).values():
        Image.open(path).convert("L").save(path.with_suffix(".jpg"), quality=90)
        path.unlink()
    return []


def _all(folder: Path, change: object) -> list[str]:
    for _, path in stems(folder).values():
        write(path, change(read(path)))  # type: ignore[operator]
    return []


def two_levels(folder: Path, seed: int) -> list[str]:
    return _all(folder, lambda mask: (mask > 0).astype(np.uint8) * np.uint8(255))


def off_by_one(folder: Path, seed: int) -> list[str]:
    return _all(folder, lambda mask: _ids(mask) + np.uint8(1))


def colours(folder: Path, seed: int) -> list[str]:
    return _all(folder, lambda mask: COLOURS[_ids(mask)])


def colours_as_grey(folder: Path, seed: int) -> list[str]:
    grey = np.asarray(Image.fromarray(COLOURS[None]).convert("L"))[0]
    return _all(folder, lambda mask: grey[_ids(mask)])


def palette(folder: Path, seed: int) -> list[str]:
    for _, path in stems(folder).values():
        picture = Image.fromarray(_ids(read(path))).convert("P")
        picture.putpalette(COLOURS.tobytes())
        picture.save(path)
    return []


def alpha(folder: Path, seed: int) -> list[str]:
    return _all(folder, lambda mask: np.dstack([_ids(mask)] * 3 + [np.full_like(_ids(mask), 255)]))


def _fill(folder: Path, seed: int, value: int | None) -> list[str]:
    stem, _, path = some(folder, seed)[0]
    mask = read(path)
    write(path, np.full_like(mask, mask.max() if value is None else value))
    return [stem]


def all_background(folder: Path, seed: int) -> list[str]:
    return _fill(folder, seed, 0)


def all_foreground(folder: Path, seed: int) -> list[str]:
    return _fill(folder, seed, None)


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
        last = 2 if mask.max() <= 2 else 255
        mask = np.where(mask == last, 1 if last == 2 else 128, mask).astype(np.uint8)
        if number == 0:
            mask[:2, :2] = last
        write(path, mask)
    return []

"""Small samples for the tests, and the check of what an error message says."""

import re
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unet_helpers.data.samples import Arrays, Record, Samples


def assert_says(error: pytest.ExceptionInfo[BaseException], *parts: object) -> None:
    """One sentence that names these parts: what was found and, after a colon, what to do."""
    text = str(error.value)
    assert "\n" not in text
    assert re.search(r"(found|not exist).*: \w+( \S+)+", text), text
    missing = [str(part) for part in parts if str(part) not in text]
    assert not missing, f"{missing} not in {text!r}"


def some_slow(cases: Iterable[Any], slow: Container[Any]) -> list[Any]:
    """Cases for `parametrize`, of which some are left to `make test-all`."""
    marks = {True: [pytest.mark.slow], False: []}
    return [
        pytest.param(*(each if isinstance(each, tuple) else (each,)), marks=marks[each in slow])
        for each in cases
    ]


def make_samples(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    groups: Sequence[str] | None = None,
    splits: Sequence[str | None] | None = None,
    class_names: Sequence[str] = ("background", "foreground"),
    on_read: Callable[[int], None] = lambda index: None,
    **settings: object,
) -> Samples:
    """Samples of arrays in memory; `on_read` hears of every decoding."""

    def reader(index: int) -> Callable[[], Arrays]:
        def read() -> Arrays:
            on_read(index)
            return Arrays(*pairs[index])

        return read

    records = tuple(
        Record(
            f"image {i}",
            groups[i] if groups else f"group {i}",
            reader(i),
            splits[i] if splits else None,
        )
        for i in range(len(pairs))
    )
    return Samples("things", records, tuple(class_names), **settings)


def telling_samples(*shapes: tuple[int, int], channels: int = 1) -> Samples:
    """Samples whose image holds, in every channel, the values of its mask: 0..199, all different.

    So wherever image and mask are cut and turned alike, ``image * 255 == mask``.
    """
    pairs = []
    for number, (height, width) in enumerate(shapes):
        mask = np.random.default_rng(number).permutation(height * width) % 200
        mask = mask.reshape(height, width).astype(np.uint8)
        pairs.append((np.repeat(mask[..., None], channels, axis=2), mask))
    return make_samples(pairs, class_names=[f"class {i}" for i in range(200)])


def blob_samples(number: int = 3, side: int = 32, channels: int = 3) -> Samples:
    """Bright squares on dark ground, easy to learn and quick to draw."""
    pairs = []
    for index in range(number):
        rng = np.random.default_rng(index)
        top, left = rng.integers(0, side // 2, 2)
        mask = np.zeros((side, side), np.uint8)
        mask[top : top + side // 2, left : left + side // 2] = 1
        image = 60 + 120 * mask[..., None] + rng.integers(0, 40, (side, side, channels))
        pairs.append((image.astype(np.uint8), mask))
    return make_samples(pairs)


def save_image(path: Path, array: np.ndarray) -> None:
    """Write an array as an image of 8 bits, in a folder that is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array.astype(np.uint8)).save(path)

"""Copies of the real sets and of `cells` as plain folders, for faults to be planted into."""

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from unet_helpers.data.cells import CLASS_NAMES, draw_field


class RealSet(NamedTuple):
    """A set's folder under UNET_DATA_HOME, and what `check` is told of it."""

    folder: str
    settings: dict[str, Any]

    def root(self) -> Path:
        return Path(os.environ.get("UNET_DATA_HOME", "~/unet-data")).expanduser() / self.folder

    def there(self) -> bool:
        return not self.folder or self.root().is_dir()


SETS: dict[str, RealSet] = {
    "membranes": RealSet("isbi2012_membrane", {"mask_values": {255: 0, 0: 1}}),
    "nuclei": RealSet("dsb2018_fluo", {"instances": True}),
    "blood": RealSet("wbc_tecom", {"mask_values": {0: 0, 128: 1, 255: 2}}),
    "streets": RealSet(
        "camvid", {"class_names": [f"class {k}" for k in range(11)], "ignore_value": 11}
    ),
    "cells": RealSet("", {"class_names": list(CLASS_NAMES)}),
}


def write_set(name: str, folder: Path, pairs: int) -> dict[str, Any]:
    """Write up to `pairs` pairs, spread over the set, to images/ and masks/; what to tell check."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    if name == "cells":
        _draw(folder, min(pairs, 90))
    else:
        _copy(SETS[name].root(), folder, pairs)
    return dict(SETS[name].settings)


def _draw(folder: Path, pairs: int) -> None:
    for number in range(pairs):
        image, mask, _ = draw_field(number % 30, number // 30)
        stem = f"slide{number % 30:02d}_field{number // 30}.png"
        Image.fromarray(image).save(folder / "images" / stem)
        Image.fromarray(mask).save(folder / "masks" / stem)


def _copy(root: Path, folder: Path, pairs: int) -> None:
    images = sorted((root / "images").iterdir(), key=_number_or_name)
    masks = {path.stem: path for path in (root / "masks").iterdir()}
    images = [path for path in images if path.stem in masks]
    step = max(1, len(images) // pairs)
    for path in images[::step][:pairs]:
        shutil.copyfile(path, folder / "images" / path.name)
        shutil.copyfile(masks[path.stem], folder / "masks" / masks[path.stem].name)


def _number_or_name(path: Path) -> tuple[int, str]:
    return (int(path.stem) if path.stem.isdigit() else 0, path.name)

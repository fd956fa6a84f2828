"""Small folders of drawn cells, healthy or with one fault planted, for the doctor's tests."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from unet_helpers.data.cells import draw_field

SIDE = 96


@functools.lru_cache
def field(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, mask of 0, 1, 2 and instances; fields that show cells of all classes."""
    chosen = []
    slide = 0
    while len(chosen) <= number:
        image, mask, instances = draw_field(slide, 0, size=SIDE)
        if len(np.unique(mask)) == 3:
            chosen.append((image, mask, instances))
        slide += 1
    return chosen[number]


def save(path: Path, array: np.ndarray, **settings: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **settings)


class Folder:
    """Two folders of pairs, ``images`` and ``masks``.

    Five pairs are too few for statistics of places, which keeps the tests of other rules quick.
    """

    def __init__(self, root: Path, count: int = 5) -> None:
        self.root, self.count = root, count
        self.images, self.masks = root / "images", root / "masks"
        for i in range(count):
            image, mask, _ = field(i)
            save(self.image(i), image)
            save(self.mask(i), mask)

    def image(self, i: int) -> Path:
        return self.images / f"cell_{i:02d}.png"

    def mask(self, i: int) -> Path:
        return self.masks / f"cell_{i:02d}.png"

    def masks_by(self, change: Callable[[np.ndarray], np.ndarray]) -> "Folder":
        """Save every mask anew."""
        for i in range(self.count):
            save(self.mask(i), change(field(i)[1]))
        return self

    def images_by(self, change: Callable[[np.ndarray], np.ndarray]) -> "Folder":
        for i in range(self.count):
            save(self.image(i), change(field(i)[0]))
        return self

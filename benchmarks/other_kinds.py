"""Is an image of another kind noticed, and is one of the same kind left in peace?

    python benchmarks/other_kinds.py

For each set, `looks` describes the training part of a split by group; the alarms on its test images
are false ones. Images of the other sets (with as many channels, grey ones made of colour ones and
the reverse), and its own test images spoilt in ways that happen, are the ones to notice.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from _results import machine, store
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from unet_helpers import load
from unet_helpers.data.look import looks, unlike

SETS = ("cells", "membranes", "nuclei", "blood", "streets")
Image = NDArray[np.floating[Any]]
SPOILT: dict[str, Callable[[Image], Image]] = {
    "inverted": lambda image: 1 - image,
    "12 bits read as 16": lambda image: image / 16,
    "8 bits read as 16": lambda image: image / 256,
    "blurred (sigma 4)": lambda image: gaussian_filter(image, (4, 4, 0)),
    "noise (0.2)": lambda image: np.clip(
        image + np.random.default_rng(0).normal(0, 0.2, image.shape), 0, 1
    ),
    "over-exposed (x 2)": lambda image: np.clip(2 * image, 0, 1),
    "red and blue swapped": lambda image: image[..., ::-1],
    "half the size": lambda image: image[::2, ::2],
}


@functools.cache
def parts(name: str) -> tuple[list[Image], list[Image]]:
    """Training and test images of a set."""
    train, _, test = load(name).split(seed=0)
    return [s.image for s in train], [s.image for s in test]


def with_channels(image: Image, channels: int) -> Image:
    """Grey of colour, or grey three times."""
    if image.shape[-1] == channels:
        return image
    grey = image.mean(axis=-1, keepdims=True)
    return np.repeat(grey, channels, axis=-1)


def main() -> None:
    """Count alarms, print and store them."""
    rows = []
    for name in SETS:
        train, _, _ = load(name).split(seed=0)
        known, own = looks(train), parts(name)[1]
        channels = own[0].shape[-1]
        others = {
            f"set {other}": [with_channels(image, channels) for image in parts(other)[1]]
            for other in SETS
            if other != name
        }
        spoilt = {kind: [spoil(image) for image in own] for kind, spoil in SPOILT.items()}
        for kind, images in {"its own test images": own, **others, **spoilt}.items():
            alarms = sum(bool(unlike(known, image)) for image in images)
            rows.append({"trained": name, "given": kind, "images": len(images), "alarms": alarms})
            print(f"{name:10} {kind:24} {alarms:4} of {len(images):4}", flush=True)
    store("other_kinds", {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()

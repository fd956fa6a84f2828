"""How fast pixels are counted, beside scikit-learn's confusion matrix on the same arrays.

    python benchmarks/counting.py [--images 1000] [--rounds 5]

Counts masks of 512 x 512 pixels with 11 classes: class ids in 8 bits, regions as in a segmented
scene, one pixel of ten wrong. In each round both count every mask, one after the other, and take
turns with blocks of ten, so that a busy moment of the machine falls on both. Also timed: with an
ignore value, and as `score_images` streams them. Writes
benchmarks/results/counting.json and prints a table. Some minutes; not run by the tests.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import sklearn
from _results import machine, store
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from unet_helpers import Samples, confusion, score_images
from unet_helpers.data.samples import Arrays, Record

SIDE, CLASSES, BLOCK, AT_LEAST = 512, 11, 10, 10.0

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def pair(seed: int) -> Pair:
    """A truth of square regions, and a prediction that is wrong on a tenth of the pixels."""
    rng = np.random.default_rng(seed)
    regions = rng.integers(0, CLASSES, (SIDE // 16, SIDE // 16), dtype=np.uint8)
    truth = regions.repeat(16, axis=0).repeat(16, axis=1)
    other = rng.integers(0, CLASSES, truth.shape, dtype=np.uint8)
    return truth, np.where(rng.random(truth.shape) < 0.1, other, truth).astype(np.uint8)


def by_sklearn(pairs: Sequence[Pair]) -> list[NDArray[np.int64]]:
    """Tables by scikit-learn."""
    ids = np.arange(CLASSES)
    return [confusion_matrix(t.ravel(), g.ravel(), labels=ids) for t, g in pairs]


def by_us(pairs: Sequence[Pair]) -> list[NDArray[np.int64]]:
    """Tables by `confusion`."""
    return [confusion(t, g, CLASSES) for t, g in pairs]


def ignoring(pairs: Sequence[Pair]) -> list[NDArray[np.int64]]:
    """Tables by `confusion` while class 10 plays the ignored one."""
    return [confusion(t, g, CLASSES, ignore_value=CLASSES - 1) for t, g in pairs]


def streamed(pairs: Sequence[Pair]) -> list[NDArray[np.int64]]:
    """Tables by `score_images`."""
    records = [
        Record(str(i), str(i), lambda t=t: Arrays(t[..., None], t))  # type: ignore[misc]
        for i, (t, _) in enumerate(pairs)
    ]
    samples = Samples("things", tuple(records), tuple(map(str, range(CLASSES))))
    return list(score_images(samples, (g for _, g in pairs)).confusion)


WAYS: dict[str, Callable[[Sequence[Pair]], list[NDArray[np.int64]]]] = {
    "scikit-learn confusion_matrix": by_sklearn,
    "confusion": by_us,
    "confusion, ignore value": ignoring,
    "score_images, a generator": streamed,
}


def one_round(pairs: Sequence[Pair]) -> dict[str, float]:
    """Seconds of each way for all masks."""
    spent = dict.fromkeys(WAYS, 0.0)
    for start in range(0, len(pairs), BLOCK):
        block = pairs[start : start + BLOCK]
        for name, way in WAYS.items():
            began = time.perf_counter()
            way(block)
            spent[name] += time.perf_counter() - began
    return spent


def main() -> None:
    """Measure, write, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    pairs = [pair(seed) for seed in range(chosen.images)]
    expected = by_sklearn(pairs[:BLOCK])
    for way in (by_us, streamed):
        assert np.array_equal(way(pairs[:BLOCK]), expected), way.__name__
    rounds = [one_round(pairs) for _ in range(chosen.rounds)]
    seconds = {name: statistics.median(spent[name] for spent in rounds) for name in WAYS}
    reference = next(iter(WAYS))
    times = {
        name: statistics.median(spent[reference] / spent[name] for spent in rounds) for name in WAYS
    }
    result = {
        "machine": machine(),
        "versions": {"numpy": np.__version__, "scikit-learn": sklearn.__version__},
        "images": chosen.images,
        "side": SIDE,
        "classes": CLASSES,
        "at_least": AT_LEAST,
        "seconds": seconds,
        "times_as_fast": times,
        "rounds": rounds,
    }
    store("counting", result)
    print(f"{chosen.images} masks of {SIDE} x {SIDE}, {CLASSES} classes; {chosen.rounds} rounds\n")
    print("| way | seconds | times as fast |\n|---|---|---|")
    for name in WAYS:
        print(f"| {name} | {seconds[name]:.2f} | {times[name]:.1f} |")
    print(f"\nasked for: {AT_LEAST:g} times; found: {times['confusion']:.1f}")


if __name__ == "__main__":
    main()

"""What do the skip connections bring? The same U-Net with and without them, over seeds.

    python benchmarks/skip_connections.py [--datasets cells membranes] [--depths 3 4] [--seeds 3]

Both nets have the same layers and as many parameters: where a bridge is removed, the way up gets
its own channels twice. Both see the same batches. Scores on the validation images: IoU, pooled over
all pixels, and the mean boundary IoU of the outermost WIDTH pixels of the objects. Writes
benchmarks/results/skip_connections.json, which notebook 02 shows. Takes about a minute a seed, set
and depth; not run by the tests.
"""

import argparse
import itertools
from typing import Any

import numpy as np
from _results import RESULTS, machine, read, store

from unet_helpers import (
    BceDice,
    Samples,
    adamw,
    batches,
    boundary_iou,
    fast_precision,
    keras,
    load,
    predict_samples,
    score_images,
    to_mask,
)

layers = keras.layers
STEPS, CROP, BATCH, FILTERS, WIDTH = 150, 128, 8, 8, 2


def block(x: Any, filters: int) -> Any:
    """Two convolutions, as in the notebook."""
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation("relu")(x)
    return x


def net(channels: int, depth: int, bridges: bool) -> Any:
    """The notebook's net."""
    x = inputs = keras.Input((None, None, channels))
    skips = []
    for level in range(depth):
        skips.append(block(x, FILTERS * 2**level))
        x = layers.MaxPooling2D(2)(skips[-1])
    x = block(x, FILTERS * 2**depth)
    for level in reversed(range(depth)):
        x = layers.Conv2DTranspose(FILTERS * 2**level, 2, strides=2)(x)
        x = layers.Concatenate()([skips[level] if bridges else x, x])
        x = block(x, FILTERS * 2**level)
    return keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid", dtype="float32")(x))


def scores(
    train: Samples, val: Samples, seed: int, depth: int, bridges: bool
) -> tuple[float, float]:
    """Train one net and return its IoU and boundary IoU on the validation images."""
    keras.utils.set_random_seed(seed)
    model = net(train[0].image.shape[-1], depth, bridges)
    model.compile(optimizer=adamw(STEPS), loss=BceDice())
    stream = batches(train, size=CROP, batch_size=BATCH, seed=seed, colour=0.05)
    model.fit(stream, steps_per_epoch=STEPS, shuffle=False, verbose=0)
    masks = [to_mask(p) for p in predict_samples(model, val)]
    pairs = zip(val, masks, strict=True)
    rims = [boundary_iou(one.mask, mask, WIDTH, val.ignore_value) for one, mask in pairs]
    return score_images(val, masks).iou(), float(np.nanmean(rims))


def measure(dataset: str, depth: int, seed: int, found: dict[str, dict[str, list[float]]]) -> None:
    """Add one seed's scores, without and with bridges, to those found so far."""
    train, val, _ = load(dataset).binary().split()
    for name, bridges in (("without", False), ("with", True)):
        values = scores(train, val, seed, depth, bridges)
        said = " ".join(f"{value:.3f}" for value in values)
        print(f"{dataset} depth {depth} seed {seed} {name:<8} {said}", flush=True)
        entry = found.setdefault(name, {"iou": [], "boundary_iou": []})
        for kind, value in zip(entry, values, strict=True):
            entry[kind].append(round(value, 4))


def keep(sets: dict[str, Any]) -> None:
    """Write all scores, and how they were measured."""
    settings = {
        "steps": STEPS, "crop": CROP, "batch": BATCH, "filters": FILTERS,
        "boundary_width": WIDTH, "precision": fast_precision(),
        "machine": machine(),
    }  # fmt: skip
    store("skip_connections", {**settings, "sets": sets})


def main() -> None:
    """Measure and store after each seed; what is not measured anew keeps its stored scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=["cells", "membranes"])
    parser.add_argument("--depths", nargs="+", type=int, default=[3, 4])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--resume", action="store_true", help="measure only seeds still missing")
    arguments = parser.parse_args()
    keras.config.set_dtype_policy(fast_precision())
    there = (RESULTS / "skip_connections.json").exists()
    sets = read("skip_connections")["sets"] if there else {}
    for dataset, depth in itertools.product(arguments.datasets, arguments.depths):
        depths = sets.setdefault(dataset, {})
        found = depths[str(depth)] = depths.get(str(depth), {}) if arguments.resume else {}
        done = len(found["with"]["iou"]) if found else 0
        for seed in range(done, arguments.seeds):
            measure(dataset, depth, seed, found)
            keep(sets)


if __name__ == "__main__":
    main()

"""Trained on drawn cells alone: how well does a U-Net find the parts of real ones?

    python benchmarks/drawn_to_real.py [--seeds 3] [--variants usual wide "wide + colour"]

The variants differ in what the net is shown: the usual look of `draw_field`, slides of wide
variety, and these with colours that change from crop to crop. All else is the same. The net is
tested on the 300 real cells of the set `blood` (folder ``wbc_tecom`` in UNET_DATA_HOME), IoU pooled
over all images; not one of them is used in training. What `variety` varies, its value and the
colour changes were chosen with the first 50 images and the scores on them in view, which is why the
other 250 are scored by themselves as well. Writes benchmarks/results/drawn_to_real.json and prints
a table. About two minutes a training on two cores.

X. Zheng, Y. Wang, G. Wang, J. Liu (2018), Fast and robust segmentation of white blood cell images
by self-supervised learning, Micron 107, doi:10.1016/j.micron.2018.01.010.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _results import machine, store
from PIL import Image

from unet_helpers import (
    BceDice,
    DataError,
    Samples,
    adamw,
    fast_precision,
    keras,
    predict_samples,
    score_images,
    to_mask,
    unet,
)
from unet_helpers.data.cells import CLASS_NAMES, Knobs, draw_field
from unet_helpers.data.photometry import Photometry
from unet_helpers.data.pipeline import ORIENTATIONS, orient
from unet_helpers.data.samples import Arrays, Record, to_float

FIELDS, CROP, BATCH, STEPS, FILTERS, DEPTH = 400, 128, 8, 300, 8, 4
LOOKED_AT = 50  # images that were in view when the knobs were chosen
WHITE = 4.0  # white cells per field: crops without any teach little
PARTS = {"all": slice(None), "not looked at": slice(LOOKED_AT, None)}
Batch = tuple[np.ndarray, np.ndarray]


class Variant(NamedTuple):
    """What the net is shown."""

    knobs: Knobs
    colour: bool


VARIANTS = {
    "usual": Variant(Knobs(white=WHITE), False),
    "usual + colour": Variant(Knobs(white=WHITE), True),
    "wide": Variant(Knobs(white=WHITE, variety=2), False),
    "wide + colour": Variant(Knobs(white=WHITE, variety=2), True),
}
DEFAULT = ("usual", "wide", "wide + colour")


def real_cells(folder: Path) -> Samples:
    """The set `blood`: masks of 0, 128, 255 become the class ids of drawn cells."""
    if not (folder / "images").is_dir():
        raise DataError(f"{folder}: expected the folder images, found none: get the set `blood`")

    def read(path: Path) -> Arrays:
        mask = np.array(Image.open(folder / "masks" / f"{path.stem}.png"))
        values = (0, 128, 255)
        if not np.isin(mask, values).all():
            raise DataError(f"{path.stem}: expected the mask values {values}, found others: update")
        image = np.array(Image.open(path).convert("RGB"))
        return Arrays(image, np.searchsorted(values, mask).astype(np.uint8))

    records = tuple(
        Record(path.stem, path.stem, lambda path=path: read(path))  # type: ignore[misc]
        for path in sorted((folder / "images").glob("*.bmp"))
    )
    return Samples("blood", records, CLASS_NAMES, ("cytoplasm", "nucleus"))


def other_colours(rng: np.random.Generator) -> Photometry:
    """Another lamp, stain, camera: wider than any one microscope, narrower than nonsense."""
    return Photometry(
        brightness=rng.uniform(-0.08, 0.08),
        contrast=float(np.exp(rng.uniform(-0.3, 0.3))),
        gamma=float(np.exp(rng.uniform(-0.35, 0.35))),
        colour=tuple(np.exp(rng.uniform(-0.3, 0.2) + rng.uniform(-0.25, 0.25, 3))),
        hue=rng.uniform(-20, 20),
    )


def crops(fields: list[Batch], seed: int, colour: bool) -> Iterator[Batch]:
    """Endless batches of random crops, flipped and turned, and perhaps recoloured."""
    rng = np.random.default_rng(seed)
    while True:
        images, masks = [], []
        for index in rng.integers(len(fields), size=BATCH):
            image, mask = fields[index]
            top, left = rng.integers(len(mask) - CROP + 1, size=2)
            which = int(rng.integers(ORIENTATIONS))
            window = np.s_[top : top + CROP, left : left + CROP]
            change = other_colours(rng) if colour else Photometry()
            images.append(change(to_float(orient(image[window], which))))
            masks.append(orient(mask[window], which)[..., None])
        yield np.stack(images), np.stack(masks)


def train(fields: list[Batch], seed: int, colour: bool) -> keras.Model:
    """Train a small U-Net of three classes with the course's recipe."""
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    model = unet((None, None, 3), num_classes=3, filters=FILTERS, depth=DEPTH)
    model.compile(optimizer=adamw(STEPS), loss=BceDice())
    signature = (
        tf.TensorSpec((BATCH, CROP, CROP, 3), tf.float32),
        tf.TensorSpec((BATCH, CROP, CROP, 1), tf.uint8),
    )
    stream = tf.data.Dataset.from_generator(
        lambda: crops(fields, seed, colour), output_signature=signature
    )
    model.fit(stream.prefetch(2), steps_per_epoch=STEPS, shuffle=False, verbose=0)
    return model


def measure(variant: Variant, seed: int, real: Samples) -> dict[str, Any]:
    """Train once, score on the real cells: all, and those that nobody looked at."""
    fields = [draw_field(slide, 0, knobs=variant.knobs)[:2] for slide in range(FIELDS)]
    start = time.perf_counter()
    model = train(fields, seed, variant.colour)
    seconds = time.perf_counter() - start
    masks = [to_mask(probabilities) for probabilities in predict_samples(model, real)]
    run: dict[str, Any] = {"seed": seed, "seconds": round(seconds, 1)}
    for name, part in PARTS.items():
        scores = score_images(real[part], masks[part])
        run[name] = {c: round(scores.iou(i), 4) for i, c in enumerate(CLASS_NAMES)}
    return run


def median(runs: list[dict[str, Any]], part: str, name: str) -> str:
    """Median over the seeds, and the range."""
    values = [run[part][name] for run in runs]
    return f"{statistics.median(values):.3f} ({min(values):.3f}-{max(values):.3f})"


def keep(table: dict[str, list[dict[str, Any]]], images: int) -> None:
    """Write what has been measured so far."""
    settings = {"fields": FIELDS, "steps": STEPS, "filters": FILTERS, "depth": DEPTH}
    settings |= {"crop": CROP, "batch_size": BATCH, "images": images, "looked_at": LOOKED_AT}
    result = {"machine": machine(), "precision": fast_precision(), **settings, "variants": table}
    store("drawn_to_real", result)


def show(table: dict[str, list[dict[str, Any]]], images: int) -> None:
    """Print medians and ranges over the seeds."""
    columns = [(part, name) for part in PARTS for name in ("nucleus", "cytoplasm")]
    heads = "".join(f"{name + '*' * (part != 'all'):>22}" for part, name in columns)
    print(f"{'shown':<16}{heads}")
    for name, runs in table.items():
        print(f"{name:<16}" + "".join(f"{median(runs, *column):>22}" for column in columns))
    print(f"* on the {images - LOOKED_AT} images that were not in view when knobs were chosen")


def main() -> None:
    """Measure the variants, print a table, store the figures."""
    parser = argparse.ArgumentParser(description="Drawn cells to real ones.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=DEFAULT)
    options = parser.parse_args()
    if "UNET_DATA_HOME" not in os.environ:
        raise SystemExit("UNET_DATA_HOME must name the folder of real sets, found no value: set it")
    real = real_cells(Path(os.environ["UNET_DATA_HOME"]) / "wbc_tecom")
    keras.config.set_dtype_policy(fast_precision())
    table: dict[str, list[dict[str, Any]]] = {name: [] for name in options.variants}
    for seed in range(options.seeds):  # each seed goes through all variants, side by side
        for name in options.variants:
            table[name].append(measure(VARIANTS[name], seed, real))
            keep(table, len(real))
    show(table, len(real))


if __name__ == "__main__":
    main()

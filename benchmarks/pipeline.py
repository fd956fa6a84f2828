"""Whether a training ever waits for its data, what augmentation costs, and what streaming needs.

    python benchmarks/pipeline.py [--rounds 12] [--files 10000] [--passes 1500]

The course's model trains on crops of 128 pixels, 8 in a batch. Each line compares the time of a
step with that of a step on one fixed batch, both measured in turns; `waits` is the share of a step
that passes in asking the pipeline for the next batch. The set larger than memory is made of hard
links to 20 drawn images of 1024 x 1024: every file is decoded as if it were another one. Writes
benchmarks/results/pipeline.json and prints tables. `membranes` is left out, with a word, where
UNET_DATA_HOME is not set.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from _results import machine, store
from PIL import Image

from unet_helpers import (
    BceDice,
    DataError,
    Samples,
    adamw,
    batches,
    crop_batch,
    fast_precision,
    keras,
    load,
    read_folder,
    unet,
)
from unet_helpers.data.augment import Augmentation
from unet_helpers.data.cells import draw_field
from unet_helpers.data.meet import Meet

WARM, STEPS, CONTENTS, TILES = 5, 15, 20, 4
REUSE, TRAINED = 8, 100
# One kind of change at a time, and all together.
OFF: dict[str, Any] = {
    "turn": False, "angle": 0, "scale": 1, "shear": 0, "elastic": 0, "brightness": 0,
    "contrast": 0, "gamma": 0, "colour": 0, "hue": 0, "noise": 0, "blur": 0,
}  # fmt: skip


def fixed(part: Samples) -> Any:
    """One batch again and again: what a step costs when nothing is to be done for its data."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(crop_batch(part, 0)).cache().repeat()


def steps(model: Any, iterator: Iterator[Any], number: int) -> list[tuple[float, float]]:
    """Seconds of some steps, and of these the seconds spent in asking for the batch."""
    taken = []
    for _ in range(number):
        start = time.perf_counter()
        batch = next(iterator)
        got = time.perf_counter()
        model.train_function(iter([batch]))
        taken.append((time.perf_counter() - start, got - start))
    return taken


def compare(part: Samples, streams: dict[str, Any], rounds: int) -> dict[str, dict[str, float]]:
    """Train on each stream in turns; each against the fixed batch of the same round."""
    model = unet((None, None, part[0].image.shape[-1]), filters=8, depth=3, upsampling="transpose")
    model.compile(optimizer=adamw(1000), loss=BceDice())
    iterators = {name: iter(stream) for name, stream in {"fixed": fixed(part), **streams}.items()}
    model.fit(fixed(part), steps_per_epoch=2, shuffle=False, verbose=0)  # trace
    seconds: dict[str, list[float]] = {name: [] for name in iterators}
    waits: dict[str, list[float]] = {name: [] for name in iterators}
    for _ in range(rounds):
        for name, iterator in iterators.items():
            steps(model, iterator, WARM)  # what was prepared while others had their turn
            taken = steps(model, iterator, STEPS)
            seconds[name].append(statistics.mean(t for t, _ in taken))
            waits[name].append(sum(w for _, w in taken) / sum(t for t, _ in taken))
    return {
        name: {
            "step_ms": 1000 * statistics.median(seconds[name]),
            "over_fixed": statistics.median(
                mine / plain - 1 for mine, plain in zip(times, seconds["fixed"], strict=True)
            ),
            "waits": statistics.median(waits[name]),
        }
        for name, times in seconds.items()
    }


def loader_rate(part: Samples, **settings: Any) -> float:
    """Milliseconds of processor time for a batch, made in this thread and nothing beside it."""
    taken = []
    for number in range(12):
        start = time.thread_time()
        crop_batch(part, number, **settings)
        taken.append(1000 * (time.thread_time() - start))
    return statistics.median(taken[2:])


def make_folder(root: Path, files: int) -> Path:
    """Images of 1024 x 1024, tiled of drawn fields, under `files` names."""
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    drawn = cache(draw_field)
    for number in range(CONTENTS):
        fields = [drawn((number + i) % 30, i % 3) for i in range(TILES**2)]
        for kind, place in (("images", 0), ("masks", 1)):
            tiles = [field[place] for field in fields]
            rows = [np.concatenate(tiles[i : i + TILES], 1) for i in range(0, TILES**2, TILES)]
            Image.fromarray(np.concatenate(rows)).save(root / kind / f"{number:05d}.png")
    for kind in ("images", "masks"):
        for number in range(CONTENTS, files):
            source = root / kind / f"{number % CONTENTS:05d}.png"
            (root / kind / f"{number:05d}.png").hardlink_to(source)
    return root


def large_set(root: Path) -> Samples:
    """The set larger than memory. Its rule is given, so no mask is opened before it is needed."""
    names = ("background", "cytoplasm", "nucleus")
    values = {0: 0, 1: 1, 2: 2}
    found = read_folder(root / "images", root / "masks", class_names=names, mask_values=values)
    return found.binary(("cytoplasm", "nucleus"))


def stream_through(root: Path, images: int) -> None:
    """In a process of its own: train while this many images pass; print peak memory and rate."""
    part = large_set(root)
    model = unet((None, None, 3), filters=8, depth=3, upsampling="transpose")
    model.compile(optimizer=adamw(1000), loss=BceDice())
    number = max(images * REUSE // 8, 2 * TRAINED)
    start = time.perf_counter()
    model.fit(batches(part, reuse=REUSE), steps_per_epoch=TRAINED, shuffle=False, verbose=0)
    trained = time.perf_counter() - start
    start = time.perf_counter()
    for batch in range(TRAINED, number):  # the rest without a model: memory is what counts
        crop_batch(part, batch, reuse=REUSE)
    took = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    crops = 8 * (number - TRAINED) / took
    told = {"peak_gib": peak, "images": number * 8 // REUSE, "crops_a_second": crops}
    print(json.dumps({**told, "fit_step_ms": 1000 * trained / TRAINED}))


def augmentation_costs(part: Samples) -> dict[str, float]:
    """Processor time of a batch with one kind of change at a time."""
    kinds: dict[str, Any] = {"none": False, "flips and turns as before": True}
    for names in (("turn",), ("angle",), ("elastic",), ("hue", "contrast"), ("noise",), ("blur",)):
        usual = Augmentation()
        kinds[" and ".join(names)] = Augmentation(
            **{**OFF, **{name: getattr(usual, name) for name in names}}
        )
    kinds["all"] = Augmentation()
    return {name: loader_rate(part, augment=augment) for name, augment in kinds.items()}


def keras_elastic_disagrees() -> float:
    """Share of pixels on which Keras' elastic layer moves an array and its own mask apart."""
    blobs = np.random.default_rng(0).integers(0, 3, (1, 16, 16, 1)).repeat(8, 1).repeat(8, 2)
    layer = keras.layers.RandomElasticTransform(factor=(1, 1), scale=1.0, interpolation="nearest")
    both = {"images": blobs.astype("float32"), "segmentation_masks": blobs.astype("float32")}
    moved = layer(both, training=True)
    pair = (np.asarray(moved[name]) for name in ("images", "segmentation_masks"))
    return float(np.mean(np.not_equal(*pair)))


def measure(rounds: int, files: int, passes: int) -> dict[str, Any]:
    """All figures, printed as they come."""
    result: dict[str, Any] = {"keras_elastic_disagrees": keras_elastic_disagrees()}
    print(f"Keras' RandomElasticTransform: {result['keras_elastic_disagrees']:.1%} disagree")
    part = load("cells").binary()
    for index in range(len(part)):
        part.arrays(index)
    result["augmentation_ms_a_batch"] = augmentation_costs(part)
    for name, cost in result["augmentation_ms_a_batch"].items():
        print(f"{name:>28} {cost:7.2f} ms processor time a batch")
    streams = {
        "augment=True": batches(part, colour=0.05),
        "Augmentation()": batches(part, augment=Augmentation()),
        "Meet nucleus 0.5": batches(load("cells"), meet=Meet({"nucleus": 0.5})),
    }
    result["cells"] = told("cells", compare(part, streams, rounds))
    try:
        part = load("membranes").binary()
        both = {
            "augment=True": batches(part, colour=0.05),
            "Augmentation()": batches(part, augment=Augmentation()),
        }
        result["membranes"] = told("membranes", compare(part, both, rounds))
    except DataError as error:
        print(f"membranes left out: {error}")
    with tempfile.TemporaryDirectory() as folder:
        root = make_folder(Path(folder), files)
        part = large_set(root)
        some = {f"reuse={reuse}": batches(part, reuse=reuse) for reuse in (1, REUSE, 2 * REUSE)}
        some["reuse=8, Augmentation()"] = batches(part, reuse=REUSE, augment=Augmentation())
        result["streaming"] = told(f"{len(part)} files", compare(part, some, rounds))
        command = [sys.executable, __file__, "--through", str(root), "--passes", str(passes)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        result["memory"] = json.loads(done.stdout.splitlines()[-1])
        print(result["memory"])
    return result


def told(title: str, rows: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Print a table and hand it on."""
    for name, row in rows.items():
        print(
            f"{title:>12} {name:>26} {row['step_ms']:7.1f} ms a step, {row['over_fixed']:+7.1%} "
            f"over the fixed batch, waits {row['waits']:6.1%}",
            flush=True,
        )
    return rows


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--passes", type=int, default=1500)
    parser.add_argument("--through", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    keras.config.set_dtype_policy(fast_precision())
    if given.through:
        stream_through(given.through, given.passes)
        return
    keras.utils.set_random_seed(0)
    result = {"machine": machine(), **measure(given.rounds, given.files, given.passes)}
    store("pipeline", result)


if __name__ == "__main__":
    main()

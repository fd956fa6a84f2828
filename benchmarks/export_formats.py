"""One trained net in every format: size of the file, time for an image, Dice, on this machine.

    python benchmarks/export_formats.py [--set membranes] [--steps 600] [--side 512] [--rounds 5]

The net is the course's, trained by its recipe. Each runtime gets a process of its own and the same
number of threads; in each round all are timed once, in a new order, by the median of ten images.
Dice is that of the set's test images; files of one size cut larger images into windows.
Writes benchmarks/results/export_formats.json.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _results import machine, store

from unet_helpers import ModelFile, calibration_windows, export, load, score_images, to_mask, train
from unet_helpers.prediction.runtimes import SUFFIXES

THREADS, TIMES = 2, 10
INT8 = ("onnx", "litert", "openvino")


def timed(path: str, side: int) -> float:
    """Median seconds for one image of ``side`` pixels, in this process."""
    file = ModelFile(path, THREADS)
    given = np.random.default_rng(0).random((1, side, side, file.facts["channels"]))
    batch = given.astype(np.float32)
    file.predict_on_batch(batch)
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        file.predict_on_batch(batch)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def in_process(path: Path, side: int) -> float:
    """The same in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--time", str(path), "--side", str(side)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def write_all(name: str, steps: int, side: int, folder: Path) -> tuple[dict[str, Any], Any]:
    """Train, and export to every format, as floats and in 8 bits."""
    train_part, val, test = load(name).binary().split()
    run = train(train_part, val, steps=steps)
    windows = calibration_windows(run.model, train_part, side=side)
    files = {}
    for kind, suffix in SUFFIXES.items():
        files[kind] = export(run.model, folder / f"model{suffix}", record=run.record)
    for kind in INT8:
        path = folder / f"int8{SUFFIXES[kind]}"
        files[f"{kind}, 8 bits"] = export(run.model, path, calibration=windows)
    return files, test


def main() -> None:
    """Train, export, time and score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="membranes")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--time", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time:
        print(json.dumps(timed(options.time, options.side)))
        return
    with tempfile.TemporaryDirectory() as held:
        files, test = write_all(options.set, options.steps, options.side, Path(held))
        taken: dict[str, list[float]] = {name: [] for name in files}
        for number in range(options.rounds):
            order = list(files)
            random.Random(number).shuffle(order)
            for name in order:
                taken[name].append(in_process(files[name].path, options.side))
        rows = []
        for name, made in files.items():
            file = made.open(THREADS)
            masks = [to_mask(file.predict(sample.image)) for sample in test]
            rows.append(
                {
                    "format": name,
                    "bytes": made.bytes,
                    "side": made.side,
                    "milliseconds": round(1000 * statistics.median(taken[name]), 1),
                    "range": [round(1000 * end, 1) for end in (min(taken[name]), max(taken[name]))],
                    "difference": made.difference,
                    "agreement": made.agreement,
                    "dice": round(score_images(test, masks).dice(), 4),
                }
            )
            print(rows[-1], flush=True)
    told = {name: getattr(options, name) for name in ("set", "steps", "side", "rounds")}
    store("export_formats", {"machine": machine(), "threads": THREADS, **told, "rows": rows})


if __name__ == "__main__":
    main()

"""How good the course's recipe gets, and how long that takes, on `cells` and `membranes`.

    python benchmarks/course_recipe.py [--seeds 3]

Trainings are counted in steps, so that their scores can be repeated; the clock covers building,
tracing and training, and leaves scoring out. Writes benchmarks/results/course_recipe.json and
prints a table. `membranes` needs UNET_DATA_HOME and is left out, with a word, where that is not
set. Otsu's threshold is measured on the same images.
"""

import argparse
import statistics
import time
from typing import Any

from _results import machine, store

from unet_helpers import (
    BceDice,
    DataError,
    Samples,
    adamw,
    batches,
    fast_precision,
    keras,
    load,
    predict_samples,
    score_images,
    to_mask,
    unet,
)
from unet_helpers.prediction.otsu import otsu_scores

# Data set, steps, seconds that these may take, the score that counts, its target.
TASKS = (
    ("cells", 300, 40, "iou", 0.85),
    ("cells", 450, 90, "iou", 0.90),
    ("membranes", 300, 60, "dice", 0.78),
)


def train(part: Samples, steps: int, seed: int) -> tuple[Any, float]:
    """Train the course's model; return it and the seconds that took."""
    start = time.perf_counter()
    keras.utils.set_random_seed(seed)
    channels = part[0].image.shape[-1]
    model = unet((None, None, channels), filters=8, depth=3, upsampling="transpose")
    model.compile(optimizer=adamw(steps), loss=BceDice())
    stream = batches(part, size=128, batch_size=8, seed=seed, colour=0.05)
    model.fit(stream, steps_per_epoch=steps, shuffle=False, verbose=0)
    return model, time.perf_counter() - start


def measure(dataset: str, steps: int, seeds: int) -> dict[str, Any]:
    """One task: train with several seeds, score on the test images."""
    train_part, val, test = load(dataset).binary().split()
    if dataset == "membranes":
        # Nothing is chosen here, so the slices for validation may serve training: 0 to 23.
        train_part = load(dataset).binary()[range(len(train_part) + len(val))]
    for index in range(len(train_part)):
        train_part.arrays(index)  # decode outside the clock
    runs = []
    for seed in range(seeds):
        model, took = train(train_part, steps, seed)
        scores = score_images(test, [to_mask(p) for p in predict_samples(model, test)])
        runs.append({"seed": seed, "seconds": took, "iou": scores.iou(), "dice": scores.dice()})
    return {
        "dataset": dataset,
        "steps": steps,
        "otsu_iou": otsu_scores(train_part, test).iou(),
        "runs": runs,
    }


def main() -> None:
    """Measure all tasks, print a table, store the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    keras.config.set_dtype_policy(fast_precision())
    rows = []
    heads = ("data", "steps", "allowed", "seconds", "median", "range", "target", "Otsu IoU")
    widths = (10, 7, 9, 9, 13, 17, 8, 10)
    print("".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)))
    for dataset, steps, seconds, score, target in TASKS:
        try:
            row = measure(dataset, steps, seeds)
        except DataError as error:
            print(f"{dataset:<10} left out: {error}")
            continue
        rows.append({**row, "at_most_seconds": seconds, "score": score, "target": target})
        values = [run[score] for run in row["runs"]]
        cells = (
            dataset,
            steps,
            f"{seconds} s",
            f"{statistics.median(run['seconds'] for run in row['runs']):.1f}",
            f"{score} {statistics.median(values):.3f}",
            f"{min(values):.3f}-{max(values):.3f}",
            target,
            f"{row['otsu_iou']:.3f}",
        )
        line = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        print(line, flush=True)
    result = {
        "machine": machine(),
        "precision": fast_precision(),
        "tasks": rows,
    }
    store("course_recipe", result)


if __name__ == "__main__":
    main()

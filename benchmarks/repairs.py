"""From the common recipe to ours, one change at a time: what does each of them bring?

    python benchmarks/repairs.py [--dataset cells] [--seeds 4] [--steps 200] [--out FILE]
        [--again "+ stem, twice the filters"]

Every variant has 8 filters and sees the same number of pixels, save for the last two: a stem folds
4 x 4 pixels into one, and what that saves is spent on twice the filters and then twice the steps.
Each seed goes through all of them, so that each change is a paired comparison: the same seed with
it and without. Seconds are those of the processor, all cores added up, tracing included and
validation not: they hardly depend on what else the machine does. Writes one JSON file to
benchmarks/results/, which notebook 03 shows. Takes three to five minutes a seed; not run by the
tests. `--again` measures the variants from this one on, and keeps what is stored of those above it.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _results import RESULTS, machine, read, store

from unet_helpers import (
    BceDice,
    Samples,
    adamw,
    batches,
    fast_precision,
    keras,
    load,
    predict_samples,
    score_images,
    spread,
    to_mask,
    unet,
)

STEPS, CROP, WHOLE, BATCH = 200, 128, 256, 8

# Each variant keeps the changes of those above it.
VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("common recipe", {}),
    ("+ random crops", {"crops": True}),
    ("+ batch normalisation", {"norm": "batch"}),
    ("+ Dice in the loss", {"dice": True}),
    ("+ rising, falling rate", {"schedule": True}),
    ("+ shallower, learned up-sampling", {"depth": 3, "upsampling": "transpose"}),
    ("+ stem, twice the filters", {"stem": 4, "depth": 2, "filters": 16}),
    ("+ twice the steps", {"times": 2}),
)
NET = ("norm", "depth", "upsampling", "stem", "filters")


def train(part: Samples, seed: int, steps: int, change: Mapping[str, Any]) -> tuple[Any, float]:
    """Train one variant; give its model, and the processor seconds it took."""
    keras.utils.set_random_seed(seed)
    whole, steps = part.stack(WHOLE), steps * change.get("times", 1)
    start = time.process_time()
    shape = {"norm": None, "filters": 8, **{name: change[name] for name in NET if name in change}}
    model = unet((None, None, part[0].image.shape[-1]), **shape)
    model.compile(
        optimizer=adamw(steps) if change.get("schedule") else "adam",
        loss=BceDice() if change.get("dice") else "binary_crossentropy",
    )
    if change.get("crops"):
        stream = batches(part, size=CROP, batch_size=BATCH, seed=seed, colour=0.05)
        model.fit(stream, steps_per_epoch=steps, shuffle=False, verbose=0)
    else:
        epochs = max(1, round(steps * BATCH * CROP**2 / (len(part) * WHOLE**2)))
        model.fit(*whole, batch_size=BATCH, epochs=epochs, verbose=0)
    return model, time.process_time() - start


def interval(values: Sequence[float]) -> list[float] | None:
    """Ends of the 95 % interval of the mean over seeds; None for fewer than 3."""
    found = spread(values)
    return None if len(values) < 3 else [round(found.low, 4), round(found.high, 4)]


def summary(scores: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Medians and intervals, of each variant and of each step to it from the one above.

    Examples
    --------
    >>> summary({"a": [0.1, 0.2, 0.3], "b": [0.2, 0.4, 0.6]})["gain"]["b"]
    {'values': [0.1, 0.2, 0.3], 'median': 0.2, 'interval': [-0.0484, 0.4484]}
    """
    names = list(scores)
    gains = {
        name: [round(new - old, 4) for new, old in zip(scores[name], scores[before], strict=True)]
        for before, name in itertools.pairwise(names)
    }
    return {
        "median": {name: round(statistics.median(values), 4) for name, values in scores.items()},
        "interval": {name: interval(values) for name, values in scores.items()},
        "gain": {
            name: {
                "values": values,
                "median": round(statistics.median(values), 4),
                "interval": interval(values),
            }
            for name, values in gains.items()
        },
    }


def measure(dataset: str, seeds: int, steps: int, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Validation scores and seconds of every variant and seed that is not stored."""
    part, val, _ = load(dataset).binary().split()
    old_scores, old_seconds = stored.get("val_iou", {}), stored.get("seconds", {})
    scores: dict[str, list[float]] = {n: list(old_scores.get(n, [])) for n, _ in VARIANTS}
    seconds: dict[str, list[float]] = {n: list(old_seconds.get(n, [])) for n, _ in VARIANTS}
    for seed in range(seeds):
        change: dict[str, Any] = {}
        for name, more in VARIANTS:
            change = {**change, **more}
            if len(scores[name]) > seed:
                continue
            model, took = train(part, seed, steps, change)
            masks = [to_mask(p) for p in predict_samples(model, val)]
            scores[name].append(round(score_images(val, masks).iou(), 4))
            seconds[name].append(round(took, 1))
            print(f"seed {seed} {name:<34} IoU {scores[name][-1]:.3f} {took:5.0f} s", flush=True)
            keras.backend.clear_session()
    return {
        "dataset": dataset,
        "steps": steps,
        "precision": fast_precision(),
        "machine": machine(),
        "val_iou": scores,
        "seconds": seconds,
        **summary(scores),
    }


def kept(target: Path, again: str | None, steps: int, seeds: int) -> dict[str, Any]:
    """What stays of the stored result: the variants above `again`; nothing without it."""
    if again is None:
        return {}
    stored = read(target)
    names = [name for name, _ in VARIANTS]
    if again not in names or stored["steps"] != steps:
        raise SystemExit(f"--again takes one of {', '.join(names)}, with the stored steps")
    above = names[: names.index(again)]
    return {
        key: {name: stored[key][name][:seeds] for name in above} for key in ("val_iou", "seconds")
    }


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="cells")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--again", metavar="VARIANT", help="measure from this variant on")
    arguments = parser.parse_args()
    keras.config.set_dtype_policy(fast_precision())
    target = arguments.out or RESULTS / f"repairs_{arguments.dataset}.json"
    stored = kept(target, arguments.again, arguments.steps, arguments.seeds)
    result = measure(arguments.dataset, arguments.seeds, arguments.steps, stored)
    store(target, result)


if __name__ == "__main__":
    main()

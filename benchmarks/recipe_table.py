"""The course's recipe on all sets: minutes, IoU and Dice with intervals, against simpler ways.

    python benchmarks/recipe_table.py [--minutes 1] [--sets cells membranes nuclei blood streets]

`train(samples, minutes=...)` with its defaults, the same for every set, beside Otsu's threshold
(the channel and polarity that suit the training images best) and the common tutorial recipe, which
gets the same minutes: with its 64 filters, and with 8. Foreground against background on every set;
where a set has more classes, our recipe is also trained on all of them, and their mean counts.
Intervals are over the set's own groups (slides, films, slices), where there are ten or more. Real
sets need UNET_DATA_HOME and are left out, with a word, where it is not set. Writes
benchmarks/results/recipe_table.json after every row.
"""

import argparse
import dataclasses
import json
import time
from typing import Any

from _baselines import common
from _results import machine, store

from unet_helpers import (
    DataError,
    Samples,
    Scores,
    dice,
    interval,
    iou,
    load,
    predict_samples,
    score_images,
    to_mask,
    train,
)
from unet_helpers.prediction.otsu import otsu_scores

SETS = ("cells", "membranes", "nuclei", "blood", "streets")
MEASURES = {"iou": iou, "dice": dice}


def described(scores: Scores) -> dict[str, Any]:
    """Pooled IoU and Dice of the foreground with intervals; of several classes, their means."""
    if len(scores.class_names) > 2:
        return {
            name: {"value": scores.over_classes(measure, background=False)}
            for name, measure in MEASURES.items()
        }
    return {name: dataclasses.asdict(interval(scores, m)) for name, m in MEASURES.items()}


def ours(samples: Samples, minutes: float, seed: int) -> dict[str, Any]:
    """Our recipe, as a learner calls it; the clock covers building, tracing, training and more."""
    train_part, val, test = samples.split()
    start = time.perf_counter()
    run = train(train_part, val, minutes=minutes, seed=seed)
    took = time.perf_counter() - start
    scores = score_images(test, [to_mask(p) for p in predict_samples(run.model, test)])
    return {"seconds": round(took, 1), "steps": run.record["steps"], **described(scores)}


def rows(dataset: str, options: argparse.Namespace) -> Any:
    """All rows of one set, one after the other."""
    everything = load(dataset)
    samples = everything.binary()
    train_part, _, test = samples.split()
    size = {"dataset": dataset, "trained_on": len(train_part), "tested_on": len(test)}
    yield {**size, "recipe": "ours", **ours(samples, options.minutes, options.seed)}
    yield {**size, "recipe": "Otsu", **described(otsu_scores(train_part, test))}
    for filters in (8, 64):
        scores, steps = common(train_part, test, 60 * options.minutes, filters, options.seed)
        name = f"common, {filters} filters"
        yield {**size, "recipe": name, "steps": steps, **described(scores)}
    if everything.num_classes > 2:
        name = f"ours, {everything.num_classes} classes"
        yield {**size, "recipe": name, **ours(everything, options.minutes, options.seed)}


def shown(found: dict[str, Any]) -> str:
    """A score, and its interval where there is one."""
    value = found["value"]
    if value is None or value != value:
        return "nothing found"
    low, high = found.get("low"), found.get("high")
    return f"{value:.3f}" + (f" ({low:.3f}-{high:.3f})" if low is not None else "")


def markdown(table: list[dict[str, Any]]) -> str:
    """The table."""
    lines = ["| set | recipe | seconds | steps | IoU | Dice |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {r['dataset']} | {r['recipe']} | {r.get('seconds', '')} | {r.get('steps', '')} "
        f"| {shown(r['iou'])} | {shown(r['dice'])} |"
        for r in table
    ]
    return "\n".join(lines)


def keep(table: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Write what has been measured so far, whole or not at all."""
    result = {"machine": machine(), "minutes": options.minutes, "seed": options.seed, "rows": table}
    text = json.dumps(result, default=str)  # JSON has no NaN: null stands for it
    store("recipe_table", json.loads(text.replace("NaN", "null")))


def main() -> None:
    """Measure, store, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sets", nargs="+", default=SETS)
    options = parser.parse_args()
    table: list[dict[str, Any]] = []
    for dataset in options.sets:
        try:
            for row in rows(dataset, options):
                table.append(row)
                print(markdown(table).splitlines()[-1], flush=True)
                keep(table, options)
        except DataError as error:
            print(f"{dataset}: left out: {error}")
    print(markdown(table))


if __name__ == "__main__":
    main()

"""One change at a time around the course's recipe: which gives the most Dice a second?

    python benchmarks/recipe_ablation.py [--sets membranes cells] [--seeds 2] [--seconds 30]
        [--only stem norm] [--budget 120] [--clock cpu]
    python benchmarks/recipe_ablation.py --try "stem=2 filters=16 peak=0.01" "norm=none"

Every variant trains for the same seconds, building and tracing included, imports and scoring not;
its learning rate follows the clock, so that it ends where it was planned to. Scored at a third, two
thirds and the end: pooled Dice on the validation images (`cells`) or on slices 24 to 29
(`membranes`, where the benchmark of time to quality scores too). Each training has a process of its
own; every seed goes through all variants in a new order. On a busy machine, `--clock cpu` counts
the processor's seconds instead (two cores have two of them a second). With `--try`, only the
course's recipe and the recipes that are written out are trained. The results go to
benchmarks/results/recipe_ablation.json after every training.
"""

import argparse
import importlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _results import RESULTS, machine, store

Change = dict[str, Any]

# One change each, except where one setting makes no sense without another.
GROUPS: dict[str, list[Change]] = {
    "stem": [
        {"stem": 1, "filters": 8, "depth": 3},
        {"stem": 1, "filters": 8, "depth": 3, "peak": 3e-3},
        {"stem": 2, "filters": 8, "depth": 3},
        {"stem": 2},
        {"stem": 8},
    ],
    "width": [{"filters": 8}, {"filters": 24}, {"filters": 32}],
    "depth": [{"depth": 1}, {"depth": 3}],
    "patch": [{"patch": 96}, {"patch": 192}, {"patch": 192, "batch": 4}],
    "batch": [{"batch": 4}, {"batch": 16}],
    "crops": [{"meet": 0.5}],
    "norm": [
        {"norm": "none", "init": "he_normal"},
        {"per_block": 1},
        {"norm": "no scale"},
        {"norm": "group"},
        {"norm": "instance"},
        {"norm": "fused"},
    ],
    "init": [{"init": "he_normal"}],
    "activation": [{"activation": "leaky_relu"}],
    "upsampling": [{"upsampling": "nearest"}, {"upsampling": "bilinear"}],
    "conv": [{"conv": "separable"}],
    "loss": [
        {"loss": "bce"},
        {"loss": "dice"},
        {"loss": "focal"},
        {"loss": "tversky"},
        {"loss": "weighted", "border": True},
    ],
    "rate": [{"peak": 3e-3}, {"peak": 1e-2}, {"peak": 2e-2}],
    "schedule": [{"schedule": "constant", "peak": 1e-3}, {"schedule": "one-cycle"}],
    "optimiser": [{"optimiser": "adam"}, {"optimiser": "lion", "peak": 5e-4}],
    "average": [{"ema": 0.98}, {"ema": 0.98, "schedule": "constant"}],
    "xla": [{"xla": True, "precision": "float32"}],
    "precision": [{"precision": "float32"}],
    "start": [{"chunk": 8}, {"fixed_size": True}],
    "colour": [{"colour": 0.0}],
}


def name_of(change: Change) -> str:
    """A variant's name: what differs from the course's recipe."""
    return ", ".join(f"{key} {value}" for key, value in change.items()) or "course"


def parse(text: str) -> Change:
    """Settings written as ``key=value key=value``; ``~`` stands for a blank."""
    import _candidates

    defaults = vars(_candidates.Recipe())
    change: Change = {}
    for part in text.split():
        key, _, value = part.partition("=")
        if key not in defaults or not value:
            raise SystemExit(f"--try takes {', '.join(defaults)}, found {part!r}: write key=value")
        kind = type(defaults[key])
        change[key] = value == "True" if kind is bool else kind(value.replace("~", " "))
    return change


def one(options: argparse.Namespace) -> None:
    """Train one variant once; write its scores."""
    importlib.import_module("tensorflow")  # imports stand outside the clock
    import _candidates
    from _watch import Watch, membranes

    from unet_helpers import load

    if options.dataset == "membranes":
        train, test = membranes()
    else:
        train, test, _ = load(options.dataset).binary().split()
        for part in (train, test):
            for index in range(len(part)):
                part.arrays(index)
    recipe = _candidates.Recipe(**json.loads(options.one))
    seconds = options.seconds
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    watch = Watch(test, [seconds / 3, seconds * 2 / 3, seconds * 10], now=clock)
    model = _candidates.train_for(recipe, train, options.seed, watch, seconds)
    result = {**watch.result(), "first_step": watch.first_step, "parameters": model.count_params()}
    Path(options.out).write_text(json.dumps(result))


def run(change: Change, dataset: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One training in a process of its own; a failure is kept as one."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run.json"
        told = {"one": json.dumps(change), "dataset": dataset, "seed": seed, "out": out}
        told |= {"seconds": options.seconds, "clock": options.clock}
        parts = [text for key, value in told.items() for text in (f"--{key}", str(value))]
        command = [sys.executable, __file__, *parts]
        done = subprocess.run(command, capture_output=True, text=True)
        row: dict[str, Any] = {"variant": name_of(change), "dataset": dataset, "seed": seed}
        if done.returncode or not out.exists():
            return {**row, "failed": done.stderr.strip().splitlines()[-1:]}
        return {**row, **json.loads(out.read_text())}


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians by set and variant, best Dice first."""
    table = []
    for dataset, variant in dict.fromkeys((r["dataset"], r["variant"]) for r in runs):
        mine = [r for r in runs if (r["dataset"], r["variant"]) == (dataset, variant)]
        mine = [r for r in mine if "failed" not in r]
        if not mine:
            continue
        ends = [r["rows"][-1]["dice"] for r in mine]
        middle = [r["rows"][min(1, len(r["rows"]) - 1)]["dice"] for r in mine]
        table.append(
            {
                "dataset": dataset,
                "variant": variant,
                "trainings": len(mine),
                "dice": statistics.median(ends),
                "lowest": min(ends),
                "highest": max(ends),
                "dice_at_two_thirds": statistics.median(middle),
                "steps": statistics.median(r["steps"] for r in mine),
                "first_step": statistics.median(r["first_step"] for r in mine),
            }
        )
    return sorted(table, key=lambda row: (row["dataset"], -row["dice"]))


def markdown(table: list[dict[str, Any]]) -> str:
    """The table, the best first."""
    lines = [
        "| set | variant | Dice | range | at two thirds | steps | first step after |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['dataset']} | {r['variant']} | {r['dice']:.3f} | {r['lowest']:.3f}-"
        f"{r['highest']:.3f} | {r['dice_at_two_thirds']:.3f} | {r['steps']:.0f} "
        f"| {r['first_step']:.1f} s |"
        for r in table
    ]
    return "\n".join(lines)


def keep(runs: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Write what has been measured so far, whole or not at all."""
    how = {"seconds": options.seconds, "clock": options.clock}
    result = {"machine": machine(), **how, "table": summary(runs), "runs": runs}
    store(Path(options.out), result)


def measure(options: argparse.Namespace, variants: list[Change], sets: list[str]) -> None:
    """All variants on all sets, seed by seed, until the budget is spent."""
    runs: list[dict[str, Any]] = []
    start = time.perf_counter()
    for seed in range(options.seeds):
        plan = [(dataset, change) for dataset in sets for change in variants]
        random.Random(seed).shuffle(plan)  # a slow quarter of an hour hits no variant twice
        for dataset, change in plan:
            if time.perf_counter() - start > options.budget * 60:
                print("the budget is spent: what follows is left out", flush=True)
                print(markdown(summary(runs)))
                return
            runs.append(run(change, dataset, seed, options))
            said = runs[-1].get("failed") or runs[-1]["rows"][-1]
            print(f"seed {seed} {dataset} {name_of(change)}: {said}", flush=True)
            keep(runs, options)
    print(markdown(summary(runs)))


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=["membranes", "cells"])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--only", nargs="+", choices=GROUPS)
    parser.add_argument("--try", nargs="+", dest="tried", help="recipes, as 'key=value key=value'")
    parser.add_argument("--budget", type=float, default=1e9, help="minutes; no training after")
    parser.add_argument(
        "--out", default=str(RESULTS / "recipe_ablation.json"), help="where the results go"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--dataset", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options)
        return
    sets = list(options.sets)
    if "membranes" in sets and "UNET_DATA_HOME" not in os.environ:
        sets.remove("membranes")
        print("membranes: left out, UNET_DATA_HOME does not name the folder of real sets")
    variants: list[Change] = [{}]
    if options.tried:
        variants += [parse(text) for text in options.tried]
    else:
        variants += [c for name in options.only or GROUPS for c in GROUPS[name]]
    each = options.seconds * 1.1 + 12
    minutes = options.seeds * len(sets) * len(variants) * each / 60
    print(f"{len(variants)} variants, about {minutes:.0f} minutes on two quiet cores", flush=True)
    measure(options, variants, sets)


if __name__ == "__main__":
    main()

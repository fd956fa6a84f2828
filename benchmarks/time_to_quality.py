"""How long until the held-out Dice on `membranes` is 0.80: the course's recipe against others.

    python benchmarks/time_to_quality.py [--seeds 5] [--cap 600] [--peers monai keras_unet common]
        [--tables race marks] [--marks 1 3 10]

The clock covers building, tracing and training; imports and scoring are left out. Slices 0 to 23
train, 24 to 29 test, whole (512 x 512), pooled Dice of the membrane at threshold 0.5, read every
2.5 seconds of training (of keras-unet every 10, since it is far away). Every training has a process
of its own, one at a time, and the recipes take turns. A recipe that does not get there within the
cap counts as the cap and more ("> 600").
The common recipe of tutorials is only run for two epochs, with one seed; how long its 50 epochs
would take is extrapolated from its steps. `--resume` keeps what an earlier call has stored.

The second table, `marks`, gives the best Dice and V_rand after these minutes, with one seed: the
best peer in one long training, ours in one training for each of the minutes, since it plans for its
end.

Writes benchmarks/results/time_to_quality.json (or ..._marks.json) after every training. Needs
UNET_DATA_HOME and `make peers`; a peer that is not installed is left out, with a word.
"""

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from _results import RESULTS, machine, read, store

TARGET, TRAIN_SLICES, SEED_EPOCHS, TUTORIAL_EPOCHS = 0.80, 24, 2, 50
OWN = ("ours", "bare")  # what is not a peer
NEEDS = {"monai": "monai", "monai_16": "monai", "keras_unet": "keras_unet"}
EVERY = {"ours": 2.5, "bare": 2.5, "monai": 2.5, "monai_16": 2.5, "keras_unet": 10}


# --- one training, in a process of its own --------------------------------------------------------


def ours(samples: Any, seed: int, watch: Any, seconds: float) -> None:
    """What a learner calls: `train`, planned for these seconds.

    It trains on all 24 slices, as the others do. Its own validation looks at four of these again;
    nothing that is read here depends on it, and it stands outside the clock as the watch's does.
    The probe that turns the time into steps stands inside.
    """
    from _peers import Enough
    from _watch import OURS_VAL

    helpers = importlib.import_module("unet_helpers")
    keras = helpers.keras

    def probability(image: Any) -> Any:
        return helpers.predict(step.model, image)[..., 0]

    class Step(keras.callbacks.Callback):  # type: ignore[name-defined]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if not watch.step(probability):
                raise Enough
            if batch + 1 == self.params["steps"]:
                watch.stop()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            watch.start()

    step = Step()
    watch.start()
    try:
        helpers.train(
            samples, samples[-OURS_VAL:], minutes=seconds / 60, seed=seed, callbacks=[step]
        )
    except Enough:
        return
    watch.score(probability, last=True)


def bare(samples: Any, seed: int, watch: Any, seconds: float) -> None:
    """The course's recipe without validation, checkpoints or probe; its rate follows the clock."""
    import _candidates

    _candidates.train_for(_candidates.Recipe(), samples, seed, watch, seconds)


def one(options: argparse.Namespace) -> None:
    """Train one recipe with one seed; write what the watch saw."""
    import _peers
    from _watch import Watch, membranes

    train, test = membranes()
    cap = options.cap
    marks = [m * 60 for m in options.marks or ()]
    if marks:
        times = sorted({*marks, *(m for m in range(30, int(max(marks)), 30))})
    else:
        every = EVERY.get(options.one, cap)
        times = [every * k for k in range(1, int(cap / every) + 1)] or [cap]
    watch = Watch(test, times, 2.0 if marks else TARGET, marks)
    if options.one in ("ours", "bare", "keras_unet", "common"):
        importlib.import_module("tensorflow")  # imports stand outside the clock
        importlib.import_module("unet_helpers.training.recipe")
    if options.one in ("ours", "bare"):
        {"ours": ours, "bare": bare}[options.one](train, options.seed, watch, options.plan)
    else:
        _peers.PEERS[options.one](train, options.seed, watch)
    Path(options.out).write_text(json.dumps(watch.result()))


def run(name: str, seed: int, *more: Any) -> dict[str, Any]:
    """Start a process for one training, wait, read what it wrote; a failure is kept as one."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run.json"
        command = [sys.executable, __file__, "--one", name, "--seed", seed, "--out", out, *more]
        start = time.perf_counter()
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        row = {"recipe": name, "seed": seed, "process_seconds": time.perf_counter() - start}
        if done.returncode or not out.exists():
            return {**row, "failed": done.stderr.strip().splitlines()[-1:]}
        return {**row, **json.loads(out.read_text())}


# --- tables ---------------------------------------------------------------------------------------
def summary(runs: list[dict[str, Any]], cap: float) -> dict[str, dict[str, Any]]:
    """Median and spread of the seconds, by recipe; not reached counts as infinitely long."""
    table: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(run["recipe"] for run in runs):
        mine = [r for r in runs if r["recipe"] == name and "failed" not in r]
        if not mine:
            continue
        times = [r["reached_after"] or float("inf") for r in mine]
        table[name] = {
            "trainings": len(mine),
            "reached": sum(t < float("inf") for t in times),
            "median": statistics.median(times),
            "lowest": min(times),
            "highest": max(times),
            "best_dice": max(r["best_dice"] for r in mine),
        }
        if name == "ours":  # it plans for its end, and stops there
            table[name]["planned"] = max(r["trained_for"] for r in mine)
        if name == "common":
            first = mine[0]
            steps = TUTORIAL_EPOCHS * TRAIN_SLICES * 4 / 8
            table[name]["epochs"] = first["steps"] / steps * TUTORIAL_EPOCHS
            table[name]["extrapolated_50_epochs"] = first["trained_for"] / first["steps"] * steps
    theirs = [row["median"] for name, row in table.items() if name not in OWN]
    if theirs and table.get("ours", {}).get("median", float("inf")) < float("inf"):
        # The best peer may only have a lower bound, the cap.
        table["ours"]["times_as_fast_as_best_peer"] = min([*theirs, cap]) / table["ours"]["median"]
    return table


def storable(table: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same with null for "not reached", since JSON has no infinity."""
    return {
        name: {key: None if value == float("inf") else value for key, value in row.items()}
        for name, row in table.items()
    }


def seconds(value: float, cap: float) -> str:
    """Seconds, or more than the cap."""
    return f"> {cap:.0f}" if value == float("inf") else f"{value:.1f}"


def markdown(table: dict[str, dict[str, Any]], cap: float) -> str:
    """The first table."""
    lines = [
        f"| recipe | trainings | reached {TARGET:.2f} | median s | range s | best Dice |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in table.items():
        until = row.get("planned", cap_of(name, cap))
        spread = " to ".join(seconds(row[end], until) for end in ("lowest", "highest"))
        if name == "common":
            spread = (
                f"{row['epochs']:.1f} epochs only; its {TUTORIAL_EPOCHS} would take "
                f"{row['extrapolated_50_epochs'] / 60:.0f} min"
            )
        lines.append(
            f"| {name} | {row['trainings']} | {row['reached']} "
            f"| {seconds(row['median'], until)} "
            f"| {spread} | {row['best_dice']:.3f} |"
        )
    ratio = table.get("ours", {}).get("times_as_fast_as_best_peer")
    if ratio is not None:
        lines += ["", f"ours: {ratio:.1f} times as fast as the best peer (bar 3, goal 6)"]
    return "\n".join(lines)


def marks_rows(runs: list[dict[str, Any]], minutes: list[float]) -> list[str]:
    """The second table: best Dice so far, and V_rand, at each mark."""
    lines = ["| recipe | minutes | Dice | V_rand |", "|---|---|---|---|"]
    for found in runs:
        for minute in minutes:
            planned = found.get("plan")
            if "failed" in found or planned not in (None, minute * 60):
                continue
            rows = found["rows"]
            before = [r for r in rows if r["seconds"] <= minute * 60 * 1.1] or rows[:1]
            # Ours plans for its mark and ends near it, with its last reading.
            due = minute * 50 if planned is None else 0
            rand = [r["v_rand"] for r in rows if "v_rand" in r and r["seconds"] >= due]
            lines.append(
                f"| {found['recipe']} | {minute:g} | {max(r['dice'] for r in before):.3f} "
                f"| {rand[0] if rand else float('nan'):.3f} |"
            )
    return lines


# --- all trainings --------------------------------------------------------------------------------
def keep(name: str, runs: list[dict[str, Any]], **more: Any) -> None:
    """Write what has been measured so far, whole or not at all."""
    result = {"machine": machine(), "target": TARGET, **more, "runs": runs}
    store(name, result)


def cap_of(name: str, cap: float) -> float:
    """Seconds after which a recipe is given up; the common one is only run for its two epochs."""
    return max(cap, 1800) if name == "common" else cap


def turns(options: argparse.Namespace, peers: list[str]) -> list[tuple[str, int]]:
    """Which training comes after which: ours and the first peer in turns, then the others."""
    seeds = range(options.seeds)
    first = [(name, seed) for seed in seeds for name in ("ours", *peers[:1])]
    rest = [(name, seed) for seed in seeds for name in peers[1:] if name != "common" or not seed]
    return first + rest


def stored_runs(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What an interrupted call has measured, if it is to go on."""
    if not options.resume or not (RESULTS / f"{name}.json").exists():
        return []
    return [run for run in read(name)["runs"] if "failed" not in run]


def race(options: argparse.Namespace, peers: list[str]) -> None:
    """First table: the recipes in turns, seed by seed."""
    runs = stored_runs("time_to_quality", options)
    done = {(run["recipe"], run["seed"]) for run in runs}
    start = time.perf_counter()
    for name, seed in turns(options, peers):
        if (name, seed) in done:
            continue
        if time.perf_counter() - start > options.budget * 60:
            print(f"seed {seed} {name}: left out, the budget is spent", flush=True)
            continue
        cap = cap_of(name, options.cap)
        runs.append(run(name, seed, "--cap", cap, "--plan", options.plan, "--marks"))
        said = runs[-1].get("failed") or (
            f"reached {runs[-1]['reached_after']}, best {runs[-1]['best_dice']}"
        )
        print(f"seed {seed} {name:<10} {said}", flush=True)
        table = storable(summary(runs, options.cap))
        keep("time_to_quality", runs, cap=options.cap, plan=options.plan, table=table)
    print(markdown(summary(runs, options.cap), options.cap))


def at_marks(options: argparse.Namespace, peers: list[str]) -> None:
    """Second table: one seed, fixed times."""
    runs = stored_runs("time_to_quality_marks", options)
    done = {(run["recipe"], run.get("plan")) for run in runs}
    for name in ("ours", *peers):
        for minutes in [[m] for m in options.marks] if name == "ours" else [options.marks]:
            plan = max(minutes) * 60
            if (name, plan if name == "ours" else None) in done:
                continue
            found = run(name, 0, "--cap", plan, "--plan", plan, "--marks", *minutes)
            runs.append({**found, "plan": plan} if name == "ours" else found)
            print(f"{name} {minutes} {found.get('failed') or found['best_dice']}", flush=True)
            lines = marks_rows(runs, options.marks)
            keep("time_to_quality_marks", runs, minutes=options.marks, table=lines)
    print("\n".join(marks_rows(runs, options.marks)))


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cap", type=float, default=600, help="seconds of training")
    parser.add_argument("--plan", type=float, default=34, help="seconds that ours plans for")
    parser.add_argument("--budget", type=float, default=1e9, help="minutes; no training after")
    parser.add_argument("--resume", action="store_true", help="keep what is stored, add the rest")
    parser.add_argument("--peers", nargs="*", default=["monai", "keras_unet", "common"])
    parser.add_argument("--tables", nargs="+", default=["race", "marks"], choices=["race", "marks"])
    parser.add_argument("--marks", nargs="*", type=float, default=[1, 3, 10], help="minutes")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options)
        return
    if "UNET_DATA_HOME" not in os.environ:
        print("left out: UNET_DATA_HOME must name the folder of real sets, found no value: set it")
        return
    peers = [name for name in options.peers if find_spec(NEEDS.get(name, "json"))]
    for name in set(options.peers) - set(peers):
        print(f"{name}: left out, {NEEDS[name]} is not installed (make peers)")
    if "race" in options.tables:
        race(options, peers)
    if "marks" in options.tables:
        at_marks(options, [name for name in peers if name == "monai"])


if __name__ == "__main__":
    main()

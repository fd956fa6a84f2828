"""From drawn cells to real ones: what does fine-tuning bring, with how many labelled images?

    python benchmarks/fine_tuning.py [--seeds 3] [--steps 300] [--numbers 1 2 5 10 20]
        [--grid-at 2 10] [--resume] [--quick]

A U-Net is trained once on drawn cells of slides of wide variety, with three classes. Then, for each
number of real images (the set `blood`, in UNET_DATA_HOME) and each seed, `train` begins anew and
`fine_tune` goes on from the drawn model, once with the settings that were chosen for it and once
with those of `train`: the same images, the same crops, the same few steps. All is scored on the
same half of the real cells, which serves for nothing else: mean over cytoplasm and nucleus of the
pooled IoU. Images of one group are never on two sides; the images of more are those of fewer and
some besides.

What to freeze and which peak rate to take is chosen before, by a grid at 2 and at 10 images, on
validation images that are neither trained on nor tested on. No training chooses its weights by
validation: a training has one round, and the last weights count.

Intervals are over groups of test images (bootstrap, the same draws for both arms, the seeds' mean
in each); the range is that of the seeds. Writes benchmarks/results/fine_tuning.json after every
training and prints the tables. About 40 minutes on two cores; with --resume, what is stored of the
grid is kept, and the curve too if the choice is the same.

Last, the drawn model is one of whole cells, and the real images have the three classes as before:
what a last layer that begins anew needs.
"""

import argparse
import itertools
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _results import machine, read, store
from numpy.typing import NDArray

from unet_helpers import (
    Augmentation,
    Knobs,
    Run,
    Samples,
    Scores,
    draw_samples,
    fast_precision,
    iou,
    keras,
    load,
    predict_samples,
    score_images,
    to_mask,
    train,
)
from unet_helpers.evaluation.scores import Counts
from unet_helpers.training.fine_tune import fine_tune
from unet_helpers.training.train import RATE

# What `drawn_to_real` found to carry over: many kinds of slides, other colours for each crop.
WIDE = Knobs(white=4, variety=2)
COLOURS = Augmentation(angle=180, scale=1.3, contrast=0.3, gamma=0.35, colour=0.25, hue=20)
Row = dict[str, Any]
SLIDES, TESTED, VALIDATED = 400, 150, 60
SCRATCH, TUNED, AS_TRAIN = "from scratch", "fine-tuned", "fine-tuned with train's settings"
VARIED = ("freeze", "statistics", "peak")
HELD: tuple[Row, ...] = (
    {"freeze": None, "statistics": "adapt"},
    {"freeze": None, "statistics": "keep"},
    {"freeze": "encoder", "statistics": "adapt"},
    {"freeze": "decoder", "statistics": "adapt"},
)
SHARES = {"full": 1, "third": 1 / 3, "tenth": 1 / 10}  # of the peak rate of `train`
RESAMPLES = 2000


def dealt(real: Samples) -> dict[str, Samples]:
    """Test, validation and training images; of each group of those to train on, the first."""
    places: dict[str, list[int]] = {}
    for index, group in enumerate(real.groups):
        places.setdefault(group, []).append(index)
    order = np.random.default_rng(0).permutation(sorted(places)).tolist()
    cuts = {
        "test": order[:TESTED],
        "val": order[TESTED : TESTED + VALIDATED],
        "pool": order[TESTED + VALIDATED :],
    }
    return {
        part: real[[i for group in groups for i in places[group][: 1 if part == "pool" else None]]]
        for part, groups in cuts.items()
    }


def some(pool: Samples, number: int, seed: int) -> Samples:
    """So many images; a larger number holds those of a smaller one."""
    chosen: Samples = pool[np.random.default_rng(seed).permutation(len(pool))[:number].tolist()]
    return chosen


def drawn(options: argparse.Namespace, folder: Path, binary: bool = False) -> Run:
    """A model of drawn cells; of whole cells, with one output, if `binary`."""
    cells = draw_samples(options.slides, knobs=WIDE)
    val = draw_samples(range(10_000, 10_000 + max(2, options.slides // 20)), knobs=WIDE)
    if binary:
        cells, val = cells.binary(), val.binary()
    run = train(cells, val, steps=options.drawn_steps, rounds=5, folder=folder, augment=COLOURS)
    print(f"drawn: {run}", flush=True)
    return run


def tested(model: keras.Model, test: Samples) -> Scores:
    """Scores on the test images."""
    return score_images(test, [to_mask(said) for said in predict_samples(model, test)])


def validated(run: Run) -> float:
    """Mean IoU over the classes but the background, on the validation images."""
    values = [found["iou"]["value"] or 0.0 for found in run.record["scores"].values()]
    return round(statistics.mean(values), 4)


def variants(numbers: list[int], stored: list[Row]) -> list[Row]:
    """Rows of the grid: those that are stored as they are, the others empty."""
    rows: list[Row] = [
        {"images": number, **held, "rate": name, "peak": round(RATE["peak"] * share, 6)}
        for number, held, (name, share) in itertools.product(numbers, HELD, SHARES.items())
    ]
    known = {tuple(row[k] for k in ("images", *VARIED)): row["mean_iou"] for row in stored}
    return [
        {**row, "mean_iou": list(known.get(tuple(row[k] for k in ("images", *VARIED)), []))}
        for row in rows
    ]


def grid(folder: Path, parts: dict[str, Samples], options: argparse.Namespace, result: Row) -> None:
    """Fill the grid: what is held and how fast, scored on the validation images."""
    for seed, row in itertools.product(range(options.grid_seeds), result["grid"]):
        if len(row["mean_iou"]) > seed:
            continue
        run = fine_tune(
            folder,
            some(parts["pool"], row["images"], 100 + seed),
            parts["val"],
            steps=options.steps,
            rounds=1,
            seed=seed,
            **{name: row[name] for name in VARIED},
        )
        row["mean_iou"].append(validated(run))
        print(f"grid: {row}", flush=True)
        store(options.out, result)


def chosen(rows: list[Row]) -> Row:
    """The variant with the best mean over all seeds and numbers of images."""
    values: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        values.setdefault(tuple(row[name] for name in VARIED), []).extend(row["mean_iou"])
    best = max(values, key=lambda variant: statistics.mean(values[variant]))
    return dict(zip(VARIED, best, strict=True))


def all_arms(
    folder: Path,
    samples: Samples,
    val: Samples,
    seed: int,
    settings: Row,
    options: argparse.Namespace,
) -> dict[str, Run]:
    """All arms, on the same images."""
    same: Row = {"steps": options.steps, "rounds": 1, "seed": seed}
    plain: Row = {**HELD[0], **RATE}
    return {
        SCRATCH: train(samples, val, **same),
        TUNED: fine_tune(folder, samples, val, **settings, **same),
        AS_TRAIN: fine_tune(folder, samples, val, **plain, **same),
    }


# --- scores --------------------------------------------------------------------------------------


def weights_of_groups(groups: int) -> NDArray[np.int64]:
    """How often each group is drawn, shape (resamples, groups): the same for all that is scored."""
    return np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), RESAMPLES)


def mean_iou(scores: Scores, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean IoU over all classes but the background, for each way to weigh the groups."""
    counts = scores.by_group()
    totals = [weights @ part for part in (counts.tp, counts.fp, counts.fn, counts.tn)]
    return iou(Counts(*totals))[:, 1:].mean(axis=1)


def ends(values: NDArray[np.float64]) -> list[float]:
    """A 95 % interval from redrawn values."""
    return [round(float(end), 4) for end in np.percentile(values, (2.5, 97.5))]


def summed_up(runs: list[Scores]) -> Row:
    """The seeds' mean IoU, its interval over groups, the seeds' range, and each class."""
    drawn_again = weights_of_groups(len(set(runs[0].groups)))
    values = [run.over_classes(iou, background=False) for run in runs]
    return {
        "mean_iou": round(statistics.mean(values), 4),
        "interval": ends(np.mean([mean_iou(run, drawn_again) for run in runs], axis=0)),
        "seeds": [round(value, 4) for value in values],
        "classes": {
            name: round(statistics.mean(run.iou(class_id) for run in runs), 4)
            for class_id, name in enumerate(runs[0].class_names)
            if class_id
        },
    }


def gained(tuned: list[Scores], fresh: list[Scores]) -> Row:
    """What fine-tuning adds to the mean IoU, with its interval; the draws are paired."""
    drawn_again = weights_of_groups(len(set(tuned[0].groups)))
    pairs = list(zip(tuned, fresh, strict=True))
    values = [
        one.over_classes(iou, background=False) - other.over_classes(iou, background=False)
        for one, other in pairs
    ]
    again = [mean_iou(one, drawn_again) - mean_iou(other, drawn_again) for one, other in pairs]
    return {"difference": round(statistics.mean(values), 4), "interval": ends(np.mean(again, 0))}


# --- tables --------------------------------------------------------------------------------------


def shown(row: Row, value: str = "mean_iou") -> str:
    """A score and its interval."""
    return f"{row[value]:.3f} ({row['interval'][0]:.3f} to {row['interval'][1]:.3f})"


def several(values: list[float]) -> str:
    """The seeds' scores."""
    return ", ".join(f"{value:.3f}" for value in values)


def markdown(result: Row) -> str:
    """All tables."""
    heads = ("images", "freeze", "statistics", "peak rate", "mean IoU on validation images")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [
        f"| {row['images']} | {row['freeze']} | {row['statistics']} | {row['peak']:g} "
        f"({row['rate']}) | {several(row['mean_iou'])} |"
        for row in result["grid"]
    ]
    lines += ["", f"chosen: {result['chosen']}", ""]
    heads = ("real images", SCRATCH, TUNED, "what that adds", AS_TRAIN)
    lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [f"| 0 | | {shown(result['as drawn'])} | | |"]
    lines += [
        f"| {row['images']} | {shown(row[SCRATCH])} | {shown(row[TUNED])} "
        f"| {shown(row['gained'], 'difference')} | {shown(row[AS_TRAIN])} |"
        for row in result["curve"]
    ]
    names = (SCRATCH, TUNED, AS_TRAIN)
    lines += ["", f"| images, a new last layer | {' | '.join(names)} |", "|---" * 4 + "|"]
    for number, row in result.get("new head", {}).items():
        lines += [f"| {number} | {' | '.join(several(row[name]) for name in names)} |"]
    return "\n".join(lines)


def measure(options: argparse.Namespace, folder: Path) -> Row:
    """All of it, stored as it goes."""
    parts = dealt(load("blood"))
    before = read(options.out) if options.resume else {}
    first = drawn(options, folder)
    result: Row = {
        "machine": machine(),
        "precision": fast_precision(),
        "settings": {name: value for name, value in vars(options).items() if name != "out"},
        "images": {part: len(samples) for part, samples in parts.items()},
        "drawn": {name: first.record[name] for name in ("steps", "seconds", "scores")},
        "as drawn": summed_up([tested(first.model, parts["test"])]),
        "grid": variants(options.grid_at, before.get("grid", [])),
    }
    grid(folder, parts, options, result)
    result["chosen"] = chosen(result["grid"])
    if result["chosen"] == before.get("chosen"):
        result |= {name: before[name] for name in ("drawn", "as drawn", "curve")}
    else:
        curve(folder, parts, options, result)
    result["new head"] = new_head(folder, parts, options, result["chosen"])
    store(options.out, result)
    return result


def new_head(
    folder: Path, parts: dict[str, Samples], options: argparse.Namespace, settings: Row
) -> Row:
    """From whole cells to three classes, so that the last layer is new; on validation images."""
    binary = folder.with_name("binary")
    drawn(options, binary, binary=True)
    found: Row = {}
    for seed, number in itertools.product(range(options.grid_seeds), options.grid_at):
        samples = some(parts["pool"], number, 100 + seed)
        row = found.setdefault(str(number), {})
        for name, run in all_arms(binary, samples, parts["val"], seed, settings, options).items():
            row.setdefault(name, []).append(validated(run))
        print(f"new last layer, seed {seed}: {found}", flush=True)
    return found


def curve(
    folder: Path, parts: dict[str, Samples], options: argparse.Namespace, result: Row
) -> None:
    """Both arms over the numbers of images, a seed after the other."""
    found: dict[int, dict[str, list[Scores]]] = {}
    for seed, number in itertools.product(range(options.seeds), options.numbers):
        runs = found.setdefault(number, {SCRATCH: [], TUNED: [], AS_TRAIN: []})
        samples, val = some(parts["pool"], number, seed), parts["val"][:4]
        made = all_arms(folder, samples, val, seed, result["chosen"], options)
        for name, run in made.items():
            runs[name].append(tested(run.model, parts["test"]))
        result["curve"] = [
            {
                "images": images,
                **{name: summed_up(scores) for name, scores in each.items()},
                "gained": gained(each[TUNED], each[SCRATCH]),
            }
            for images, each in found.items()
        ]
        store(options.out, result)
        print(
            f"seed {seed}, {number} images:",
            *markdown(result).splitlines()[-len(found) :],
            sep="\n",
            flush=True,
        )


def main() -> None:
    """Measure, store, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--grid-seeds", type=int, default=2)
    parser.add_argument("--grid-at", type=int, nargs="+", default=[2, 10])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--drawn-steps", type=int, default=1500)
    parser.add_argument("--slides", type=int, default=SLIDES)
    parser.add_argument("--numbers", type=int, nargs="+", default=[1, 2, 5, 10, 20])
    parser.add_argument("--resume", action="store_true", help="keep what is stored")
    parser.add_argument("--quick", action="store_true", help="tiny, stores nothing: does it run?")
    options = parser.parse_args()
    options.out = "fine_tuning"
    with tempfile.TemporaryDirectory() as folder:
        if options.quick:
            tiny: Row = {"seeds": 1, "grid_seeds": 1, "steps": 2, "drawn_steps": 5, "slides": 4}
            vars(options).update(tiny, numbers=[1, 2], grid_at=[2], out=Path(folder) / "quick.json")
        print(markdown(measure(options, Path(folder) / "drawn")))


if __name__ == "__main__":
    main()

"""How many labelled images are enough? Score over the number of training images, on your own data.

    python benchmarks/learning_curve.py IMAGES MASKS [--numbers 2 4 8 16 32] [--seeds 3]
        [--steps 300] [--values ...] [--instances] [--group REGEX] [--out curve.json]
    python benchmarks/learning_curve.py --set cells

Splits by group, keeps the test images for the score, and trains the course's recipe on the first n
of the shuffled training images, another choice for each seed, always for as many steps. If the
curve still rises at its end, label more; if it is flat, look elsewhere: better labels, a larger
net, longer training. Without IMAGES it runs on a set by name and stores learning_curve_NAME.json
beside the other results.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from _results import machine, store

from unet_helpers import Samples, load, predict_samples, score_images, to_mask, train
from unet_helpers.classroom.evaluating import read_labelled
from unet_helpers.classroom.files import UserError
from unet_helpers.data.formats.options import add_reading_options, names

NUMBERS = (1, 2, 4, 8, 16, 32)


def chosen(train_part: Samples, number: int, seed: int) -> Samples:
    """Some of the training images; a larger number of them holds the smaller one."""
    order = np.random.default_rng(seed).permutation(len(train_part))
    return train_part[[int(i) for i in order[:number]]]


def curve(samples: Samples, numbers: list[int], seeds: int, steps: int) -> list[dict[str, Any]]:
    """The score on the test images for each number of training images and seed."""
    train_part, val, test = samples.split()
    fitting = sorted({min(number, len(train_part)) for number in numbers})
    rows = []
    for number in fitting:
        for seed in range(seeds):
            some = chosen(train_part, number, seed)
            run = train(some, val, steps=steps, seed=seed)
            masks = [to_mask(said) for said in predict_samples(run.model, test)]
            scores = score_images(test, masks)
            rows.append(
                {"images": number, "seed": seed, "iou": scores.over_classes(background=False)}
            )
        told = [row["iou"] for row in rows if row["images"] == number]
        spread = f"{min(told):.3f} to {max(told):.3f}"
        print(f"{number:5} images: IoU {statistics.median(told):.3f} ({spread})", flush=True)
    return rows


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_reading_options(parser)
    parser.add_argument("--set", default="cells", help="a set by name, in place of folders")
    parser.add_argument("--foreground", type=names, metavar="A,B")
    parser.add_argument("--numbers", type=int, nargs="+", default=list(NUMBERS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", type=Path, help="a JSON file for the curve of your own data")
    return parser.parse_args()


def main() -> None:
    """Draw the curve in numbers, and store it."""
    options = parsed()
    is_own = bool(options.images or options.manifest)
    try:
        samples = read_labelled(options, "train") if is_own else load(options.set)
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
    if options.foreground or not is_own:
        samples = samples.binary(options.foreground)
    rows = curve(samples, options.numbers, options.seeds, options.steps)
    told = {"set": samples.name, "steps": options.steps, "seeds": options.seeds, "rows": rows}
    if options.out or not is_own:
        store(options.out or f"learning_curve_{options.set}", {"machine": machine(), **told})


if __name__ == "__main__":
    main()

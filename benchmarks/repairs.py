"""From the common recipe to ours, one change at a time: what does each of them bring?

    python benchmarks/repairs.py [--dataset cells] [--seeds 3]

Every variant has 8 filters and sees the same number of pixels. Each seed goes through all of them,
so that they are compared side by side. Writes one JSON file to benchmarks/results/, which
notebook 03 shows. Takes about three minutes a seed; not run by the tests.
"""

import argparse
import json
import os
import platform
import statistics
from pathlib import Path
from typing import Any

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
    to_mask,
    unet,
)

STEPS, CROP, WHOLE, BATCH = 300, 128, 256, 8

# Each variant keeps the changes of those above it.
VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("common recipe", {}),
    ("+ random crops", {"crops": True}),
    ("+ batch normalisation", {"norm": "batch"}),
    ("+ Dice in the loss", {"dice": True}),
    ("+ rising, falling rate", {"schedule": True}),
    ("+ shallower, learned up-sampling", {"shape": True}),
)


def train(part: Samples, seed: int, change: dict[str, Any]) -> Any:
    """Train one variant and return its model."""
    keras.utils.set_random_seed(seed)
    shape = {"depth": 3, "upsampling": "transpose"} if change.get("shape") else {"depth": 4}
    channels = part[0].image.shape[-1]
    model = unet((None, None, channels), filters=8, norm=change.get("norm"), **shape)
    model.compile(
        optimizer=adamw(STEPS) if change.get("schedule") else "adam",
        loss=BceDice() if change.get("dice") else "binary_crossentropy",
    )
    if change.get("crops"):
        stream = batches(part, size=CROP, batch_size=BATCH, seed=seed, colour=0.05)
        model.fit(stream, steps_per_epoch=STEPS, shuffle=False, verbose=0)
    else:
        epochs = round(STEPS * BATCH * CROP**2 / (len(part) * WHOLE**2))
        model.fit(*part.stack(WHOLE), batch_size=BATCH, epochs=epochs, verbose=0)
    return model


def measure(dataset: str, seeds: int) -> dict[str, Any]:
    """Validation scores of every variant and seed."""
    train_part, val, _ = load(dataset).binary().split()
    scores: dict[str, list[float]] = {name: [] for name, _ in VARIANTS}
    for seed in range(seeds):
        change: dict[str, Any] = {}
        for name, more in VARIANTS:
            change = {**change, **more}
            model = train(train_part, seed, change)
            masks = [to_mask(p) for p in predict_samples(model, val)]
            scores[name].append(round(score_images(val, masks).iou(), 4))
            print(f"seed {seed} {name:<34} IoU {scores[name][-1]:.3f}", flush=True)
    return {
        "dataset": dataset,
        "steps": STEPS,
        "precision": fast_precision(),
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        "val_iou": scores,
        "median": {name: statistics.median(values) for name, values in scores.items()},
    }


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="cells")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    keras.config.set_dtype_policy(fast_precision())
    result = measure(arguments.dataset, arguments.seeds)
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"repairs_{arguments.dataset}.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

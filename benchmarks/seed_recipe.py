"""What the common tutorial recipe gives at full size: 64 filters, no normalisation, adam, BCE.

    python benchmarks/seed_recipe.py [--dataset cells] [--epochs 3]

Trains on 256 x 256 squares from the middle of the training images, batch 8, and writes one JSON
file to benchmarks/results/, which notebook 03 shows. Takes minutes; not run by the tests.
"""

import argparse
import time
from pathlib import Path

from _results import machine, store

from unet_helpers import Dice, IoU, keras, load, unet

SIZE, BATCH = 256, 8


def measure(dataset: str, epochs: int) -> dict[str, object]:
    """Train epoch by epoch; time each without its validation."""
    train, val, _ = load(dataset).binary().split()
    images, masks = train.stack(SIZE)
    held_out = val.stack(SIZE)
    keras.utils.set_random_seed(0)
    model = unet((SIZE, SIZE, images.shape[-1]), norm=None)
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=[IoU(), Dice()])
    rows = []
    for number in range(1, epochs + 1):
        start = time.perf_counter()
        log = model.fit(images, masks, batch_size=BATCH, verbose=0).history
        seconds = time.perf_counter() - start
        loss, iou, dice = model.evaluate(*held_out, batch_size=BATCH, verbose=0)
        row = {
            "seconds": seconds,
            "loss": log["loss"][0],
            "val_loss": loss,
            # Undefined (nothing found, nothing there) is stored as zero found.
            "val_iou": 0.0 if iou != iou else iou,
            "val_dice": 0.0 if dice != dice else dice,
        }
        rows.append({name: round(float(value), 4) for name, value in row.items()})
        print(f"epoch {number}: {rows[-1]}", flush=True)
    return {
        "dataset": dataset,
        "images": len(images),
        "filters": 64,
        "batch_size": BATCH,
        "machine": machine(),
        "epochs": rows,
    }


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="cells")
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    result = measure(arguments.dataset, arguments.epochs)
    target = store(f"seed_recipe_{arguments.dataset}", result)
    print(target.relative_to(Path.cwd()) if target.is_relative_to(Path.cwd()) else target)


if __name__ == "__main__":
    main()

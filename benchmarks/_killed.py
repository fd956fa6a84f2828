"""The training that `kills.py` kills: says on stdout where it is, and in the end what came out."""

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unet_helpers import Augmentation, keras, load
from unet_helpers.training import state_files
from unet_helpers.training.train import train
from unet_helpers.training.validation import Validate

STEPS, ROUNDS = 240, 12  # so many that chance meets the steps as often as tracing


NOW = [""]


def tell(phase: str) -> None:
    """Straight to the pipe, so that a kill loses none of it."""
    NOW[:] = [phase]
    os.write(1, f"{phase}\n".encode())


def told(phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, announced."""

    def call(*arguments: Any) -> Any:
        before = NOW[0]
        tell(phase)
        result = function(*arguments)
        tell(before)
        return result

    return call


class Tell(keras.callbacks.Callback):
    """Announces tracing, which lasts until the first step is done."""

    def on_train_begin(self, logs: Any = None) -> None:
        tell("tracing")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        tell("training")


def main(name: str, folder: str) -> None:
    """Train a little, with every source of randomness switched on."""
    state_files.write_whole = told("writing", state_files.write_whole)
    Validate.score = told("validation", Validate.score)  # type: ignore[method-assign]
    part, val, _ = load(name).binary().split()
    tell("begin")
    run = train(
        part[:8],
        val[:2],
        steps=STEPS,
        rounds=ROUNDS,
        folder=folder,
        size=64,
        batch_size=4,
        augment=Augmentation(),
        dropout=0.2,
        callbacks=[Tell()],
    )
    weights = hashlib.sha256(b"".join(each.tobytes() for each in run.model.get_weights()))
    outcome = {"finished": run.finished, "history": run.history, "best": run.record["best"]}
    outcome["weights"] = weights.hexdigest()
    Path(folder, "outcome.json").write_text(json.dumps(outcome))
    tell("end")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What share of a training's time the live figure takes; at most 2 % are allowed.

    python benchmarks/live_figure.py [--pairs 3] [--steps 300] [--budget 270]

Trains the course's recipe on `cells` in a real notebook kernel, in turns with and without the
figure, tracing included; the first training warms up and does not count. Two answers: the seconds
inside the figure's own methods, as a share of the training (steady); and how much longer the
training with the figure took than its neighbour without (what a learner notices, but a busy machine
disturbs it). No pair begins that would not end within the budget, in seconds. Writes
benchmarks/results/live_figure.json.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from _results import machine, read, store

EPOCHS = 10


def timed_figure(sample: Any) -> Any:
    """A live figure that adds up the seconds spent in the methods that Keras calls."""
    from unet_helpers import LiveFigure

    class Timed(LiveFigure):
        inside = 0.0

    def timing(name: str) -> Any:
        plain = getattr(LiveFigure, name)

        def method(self: Any, *arguments: Any, **named: Any) -> None:
            start = time.perf_counter()
            plain(self, *arguments, **named)
            self.inside += time.perf_counter() - start

        return method

    for name in [name for name in vars(LiveFigure) if name.startswith("on_")]:
        setattr(Timed, name, timing(name))
    return Timed(sample)


def training(steps: int, seed: int, watched: bool) -> dict[str, float]:
    """One training of the course's recipe: its seconds, and those of the figure."""
    from unet_helpers import BceDice, Dice, IoU, adamw, batches, fast_precision, keras, load, unet

    train, val, _ = load("cells").binary().split()
    stream = batches(train, size=128, batch_size=8, seed=seed, colour=0.05)
    seen = val.stack(size=128)
    figure = timed_figure(val[0])
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(fast_precision())
    start = time.perf_counter()
    model = unet((None, None, 3), filters=8, depth=3, upsampling="transpose")
    model.compile(optimizer=adamw(steps), loss=BceDice(), metrics=[IoU(), Dice()])
    model.fit(
        stream, steps_per_epoch=max(steps // EPOCHS, 1), epochs=EPOCHS, validation_data=seen,
        callbacks=[figure] if watched else [], shuffle=False, verbose=0,
    )  # fmt: skip
    took = time.perf_counter() - start
    return {"seconds": took, "figure": figure.inside, "drawings": figure.drawings + watched}


def keep(steps: int, pairs: list[dict[str, Any]]) -> None:
    """Write what is known after some pairs."""
    shares = [pair["with"]["figure"] / pair["with"]["seconds"] for pair in pairs]
    longer = [pair["with"]["seconds"] / pair["without"]["seconds"] - 1 for pair in pairs]
    result = {
        "machine": machine(),
        "dataset": "cells",
        "steps": steps,
        "share": statistics.median(shares),
        "shares": shares,
        "longer": statistics.median(longer),
        "longer_each": longer,
        "pairs": pairs,
    }
    store("live_figure", result)


def measure(steps: int, pairs: int, budget: float) -> None:
    """Inside the kernel: train in turns, the order changing from pair to pair; store each pair."""
    start = time.perf_counter()
    training(20, 0, watched=False)
    found: list[dict[str, Any]] = []
    for pair in range(pairs):
        longest = max((r["seconds"] for runs in found for r in runs.values()), default=0.0)
        if time.perf_counter() - start + 2 * longest > budget:
            break
        order = (True, False) if pair % 2 else (False, True)
        runs = {watched: training(steps, pair, watched) for watched in order}
        found.append({"with": runs[True], "without": runs[False]})
        keep(steps, found)


def in_a_kernel(*numbers: float) -> None:
    """Run `measure` in a fresh kernel, as a notebook's cell."""
    import nbformat
    from nbclient import NotebookClient

    code = f"import live_figure\nlive_figure.measure{numbers}"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    where = {"metadata": {"path": str(Path(__file__).parent)}}
    NotebookClient(notebook, timeout=None, resources=where, kernel_name="python3").execute()


def main() -> None:
    """Measure, store, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--budget", type=float, default=270)
    chosen = parser.parse_args()
    in_a_kernel(chosen.steps, chosen.pairs, chosen.budget)
    result = read("live_figure")
    rows = zip(result["pairs"], result["shares"], result["longer_each"], strict=True)
    for pair, share, more in rows:
        run = pair["with"]
        print(
            f"{run['seconds']:5.1f} s, {run['drawings']:.0f} drawings, {run['figure']:.2f} s in "
            f"the figure: {share:.2%}; longer than without by {more:+.1%}"
        )
    print(f"median: {result['share']:.2%} of the time, {result['longer']:+.1%} longer")


if __name__ == "__main__":
    main()

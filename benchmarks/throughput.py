"""Images a second in training and prediction: one U-Net, four libraries, backends, precisions.

    python benchmarks/throughput.py [--rounds 5] [--images 12] [--only tensorflow torch]
        [--budget 30]

Base 32, depth 4, 256 x 256, one channel, batches of 4. Every configuration lives in a process of
its own and waits while another is timed; each round times all of them once, in a new order, so that
a busy minute hits all alike. Medians over the rounds. The share is that of the machine's best
measured matrix product in that precision (any library's), with the work counted from the shapes of
the convolutions. Building and tracing are left out here: the benchmark of time to quality has them.

With a GPU in sight of JAX or PyTorch (`KERAS_BACKEND`), the processes use it; its peak is not
measured, so only times are given. Writes benchmarks/results/throughput.json after every round. What
is not installed is left out, with a word.
"""

import argparse
import importlib
import json
import os
import random
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import _nets
import numpy as np
from _results import RESULTS, machine, store

KERAS_NETS = ("plain Keras", "ours", "ours, transpose", "keras-unet")
PRECISIONS = ("float32", "mixed_bfloat16")


class Config(NamedTuple):
    """What one process runs."""

    library: str
    backend: str
    precision: str


def configs() -> list[Config]:
    """Every library on its usual backend in both precisions, and ours on the other backends."""
    chosen = [Config(net, "tensorflow", kind) for kind in PRECISIONS for net in KERAS_NETS]
    chosen += [Config("ours", b, kind) for b in ("torch", "jax") for kind in PRECISIONS]
    return chosen + [Config("MONAI BasicUNet", "torch", kind) for kind in PRECISIONS]


# --- one configuration, in a process of its own -------------------------------------------------


def keras_steps(config: Config) -> tuple[Any, Any, dict[str, int]]:
    """Functions that train and predict on one batch, and what is known of the net."""
    from unet_helpers import keras

    keras.config.set_dtype_policy(config.precision)
    keras.utils.set_random_seed(0)
    model = _nets.keras_net(config.library)
    model.compile(optimizer="adam", loss="binary_crossentropy", jit_compile=None)
    rng = np.random.default_rng(0)
    shape = (_nets.BATCH, _nets.SIZE, _nets.SIZE, 1)
    images, masks = rng.random(shape, np.float32), (rng.random(shape) < 0.2).astype(np.float32)
    work = _nets.keras_work(model)
    about = {"parameters": model.count_params(), "forward": work.all, "step": work.step}
    return (
        lambda: float(model.train_on_batch(images, masks)),
        lambda: float(np.asarray(model.predict_on_batch(images)).mean()),
        about,
    )


def monai_steps(config: Config) -> tuple[Any, Any, dict[str, int]]:
    """The same in plain PyTorch."""
    import _peers

    torch = _peers.torch_threads()
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = _nets.basic_unet()
    work = _nets.torch_work(net, torch)
    net.to(device)
    optimizer = torch.optim.Adam(net.parameters())
    images = torch.rand(_nets.BATCH, 1, _nets.SIZE, _nets.SIZE, device=device)
    masks = (torch.rand_like(images) < 0.2).float()
    mixed = torch.autocast(device, torch.bfloat16, enabled=config.precision != "float32")

    def train() -> float:
        net.train()
        optimizer.zero_grad()
        with mixed:
            logits = net(images)
        torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), masks).backward()
        optimizer.step()
        return float(logits.detach().float().mean())

    def predict() -> float:
        net.eval()
        with torch.no_grad(), mixed:
            return float(net(images).sigmoid().float().mean())

    parameters = sum(p.numel() for p in net.parameters())
    return train, predict, {"parameters": parameters, "forward": work.all, "step": work.step}


def serve(config: Config, images: int) -> None:
    """Say what the net is; then time training and prediction whenever a line comes in."""
    make = monai_steps if config.library.startswith("MONAI") else keras_steps
    start = time.perf_counter()
    train, predict, about = make(config)
    for _ in range(2):
        train(), predict()
    answer({**about, "ready_after": time.perf_counter() - start})
    for _ in sys.stdin:
        answer({"train": rate(train, images), "predict": rate(predict, images)})


def rate(step: Any, images: int) -> float:
    """Images a second over about this many images."""
    repeats = max(1, round(images / _nets.BATCH))
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return repeats * _nets.BATCH / (time.perf_counter() - start)


def answer(found: dict[str, Any]) -> None:
    """One line of JSON that the parent reads."""
    print("ANSWER " + json.dumps(found), flush=True)


# --- the parent ---------------------------------------------------------------------------------


class Worker:
    """A process that holds one configuration."""

    def __init__(self, config: Config, images: int) -> None:
        self.config = config
        command = [sys.executable, __file__, "--serve", *config, "--images", str(images)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "KERAS_BACKEND": config.backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def listen(self) -> dict[str, Any]:
        """The next answer."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ANSWER "):
                return dict(json.loads(line.removeprefix("ANSWER ")))
        said = self.process.communicate()[1].strip().splitlines()
        raise RuntimeError(said[-1] if said else "ended without a word")

    def ask(self) -> dict[str, Any]:
        """Time it once."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.listen()

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


def start(chosen: list[Config], images: int) -> tuple[list[Worker], list[dict[str, Any]]]:
    """One process after the other, so that they do not trace all at once."""
    workers, rows = [], []
    for config in chosen:
        worker = Worker(config, images)
        try:
            about = worker.listen()
        except RuntimeError as error:
            print(f"{' / '.join(config)}: left out: {error}", flush=True)
            worker.close()
            continue
        print(f"{' / '.join(config)}: ready after {about['ready_after']:.0f} s", flush=True)
        workers.append(worker)
        rows.append({**config._asdict(), **about, "rounds": []})
    return workers, rows


def finish(rows: list[dict[str, Any]], best: dict[str, float]) -> None:
    """Medians, and the share of the peak."""
    for row in rows:
        for kind, work in (("train", "step"), ("predict", "forward")):
            rates = [found[kind] for found in row["rounds"]]
            row[kind] = statistics.median(rates)
            row[f"{kind}_range"] = [min(rates), max(rates)]
            ceiling = best.get(row["precision"].removeprefix("mixed_"))
            row[f"{kind}_share"] = row[kind] * row[work] / ceiling if ceiling else None


def markdown(rows: list[dict[str, Any]], best: dict[str, float]) -> str:
    """The table."""
    lines = [
        "| net | backend | precision | parameters | train img/s | of peak | predict img/s "
        "| of peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in sorted(rows, key=lambda row: -row["train"]):
        shares = [f"{r[k]:.0%}" if r[k] else "" for k in ("train_share", "predict_share")]
        lines.append(
            f"| {r['library']} | {r['backend']} | {r['precision']} | {r['parameters']:,} "
            f"| {r['train']:.2f} | {shares[0]} | {r['predict']:.2f} | {shares[1]} |"
        )
    ceilings = ", ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in best.items())
    return "\n".join([*lines, "", f"best matrix product: {ceilings or 'not measured'}"])


def where() -> dict[str, Any]:
    """Where it was measured."""
    wanted = ("tensorflow", "keras", "jax", "torch", "monai")
    metadata = importlib.import_module("importlib.metadata")
    versions = {name: metadata.version(name) for name in wanted if find_spec(name)}
    return {**machine(), "versions": versions}


def measure(options: argparse.Namespace) -> None:
    """Rounds over all configurations, stored after each."""
    found = [] if options.no_peak else json.loads(peaks_apart())
    best: dict[str, float] = {}
    for _, precision, speed in found:
        best[precision] = max(speed, best.get(precision, 0.0))
    chosen = [c for c in configs() if not options.only or c.backend in options.only]
    begun = time.perf_counter()
    workers, rows = start(chosen, options.images)
    try:
        for number in range(options.rounds):
            if number and time.perf_counter() - begun > options.budget * 60:
                print(f"the budget is spent after {number} rounds", flush=True)
                break
            order = list(zip(workers, rows, strict=True))
            random.Random(number).shuffle(order)
            for worker, row in order:
                row["rounds"].append(worker.ask())
            finish(rows, best)
            store(Path(options.out), {"machine": where(), "peaks": found, "rows": rows})
            print(f"round {number + 1} of {options.rounds}", flush=True)
    finally:
        for worker in workers:
            worker.close()
    print(markdown(rows, best))


def peaks_apart() -> str:
    """The peaks, measured in a process that ends before the others begin."""
    code = "import json, _nets; print(json.dumps(list(_nets.peaks())))"
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=True
    )
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=12, help="for one timing")
    parser.add_argument("--only", nargs="+", help="backends")
    parser.add_argument("--budget", type=float, default=1e9, help="minutes; no round after")
    parser.add_argument("--no-peak", action="store_true", help="no matrix products")
    parser.add_argument("--out", default=str(RESULTS / "throughput.json"))
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Config(*options.serve), options.images)
    else:
        measure(options)


if __name__ == "__main__":
    main()

"""How fast the embedded set is drawn, and whether it is the same picture everywhere.

    python benchmarks/draw_speed.py [--repeats 5]

Draws 100 images of 256 x 256 pixels, one after the other and in two processes, and compares images
and masks between NumPy's instruction sets and numbers of threads, each in a process of its own.
Writes benchmarks/results/draw_speed.json and prints a table. Half a minute; not run by the tests.
"""

import argparse
import importlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from _results import machine, store

from unet_helpers.data.cells import Knobs, draw_field

ROOT = Path(__file__).parents[1]
IMAGES, AT_MOST = 100, 5.0  # seconds, on two cores
LOOKS = {"usual": None, "wide": Knobs(variety=3, white=4)}

SAME = """
import sys, numpy as np
from unet_helpers.data.cells import Knobs, draw_field
looks = [None, Knobs(variety=3, white=4)]
fields = [draw_field(slide, 1, knobs=knobs) for knobs in looks for slide in range(20)]
np.savez(sys.argv[1], *[np.stack(part) for part in zip(*fields)])
"""


def draw(slide: int, knobs: Knobs | None) -> int:
    """Draw one image; return something small, so that no time goes into sending it."""
    return int(draw_field(slide, 0, knobs=knobs)[1].sum())


def seconds(knobs: Knobs | None, processes: int) -> float:
    """Seconds for all images; starting the processes is left out."""
    job = partial(draw, knobs=knobs)
    if processes == 1:
        start = time.perf_counter()
        list(map(job, range(IMAGES)))
        return time.perf_counter() - start
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(job, range(2 * processes)))
        start = time.perf_counter()
        list(pool.map(job, range(IMAGES), chunksize=5))
        return time.perf_counter() - start


def settings() -> dict[str, dict[str, str]]:
    """Environments that make NumPy and its libraries calculate in other ways."""
    core = importlib.import_module("numpy._core._multiarray_umath")  # the only place that tells
    enabled = [name for name in core.__cpu_dispatch__ if core.__cpu_features__[name]]
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    tried = {f"{n} threads": dict.fromkeys(threads, str(n)) for n in (1, 2, 4)}
    for i, name in enumerate(enabled):
        tried[f"without {name} and newer"] = {"NPY_DISABLE_CPU_FEATURES": " ".join(enabled[i:])}
    return tried


def fields(environment: dict[str, str]) -> list[np.ndarray]:
    """Images, masks and instances as a process with this environment draws them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fields.npz"
        command = [sys.executable, "-c", SAME, str(path)]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True)
        with np.load(path) as stored:
            return [stored[name] for name in stored.files]


def compare() -> list[dict[str, Any]]:
    """The largest difference of images and the number of different mask pixels, by setting."""
    reference, rows = fields({}), []
    for name, environment in settings().items():
        image, *labels = fields(environment)
        levels = int(np.abs(image.astype(int) - reference[0]).max())
        pairs = zip(labels, reference[1:], strict=True)
        wrong = sum(int((one != other).sum()) for one, other in pairs)
        rows.append({"setting": name, "grey_levels": levels, "label_pixels": wrong})
        print(f"{name:<34}{levels:>3} grey levels, {wrong} pixels of labels differ", flush=True)
    return rows


def main() -> None:
    """Time and compare, print a table, store the figures."""
    parser = argparse.ArgumentParser(description="Drawing speed.")
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    timed = []
    for look, knobs in LOOKS.items():
        for processes in (1, 2):
            taken = [seconds(knobs, processes) for _ in range(repeats)]
            middle = statistics.median(taken)
            row = {"look": look, "processes": processes, "median": round(middle, 3)}
            timed.append({**row, "range": [round(min(taken), 3), round(max(taken), 3)]})
            print(
                f"{look:<8}{processes} processes: {IMAGES} images in {middle:.2f} s "
                f"({min(taken):.2f}-{max(taken):.2f}), allowed {AT_MOST:g} s"
            )
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    result = {
        "machine": {**machine(), **versions, "scipy": scipy.__version__},
        "images": IMAGES,
        "at_most_seconds": AT_MOST,
        "timed": timed,
        "compared": compare(),
    }
    store("draw_speed", result)


if __name__ == "__main__":
    main()

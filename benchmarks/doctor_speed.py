"""How long the doctor takes over 10,000 pairs of 256 x 256 PNG, and how much memory.

The pairs are crops of drawn fields, each turned, recoloured and with noise of its own, so that no
two are alike. The command runs as a user would run it, in a process of its own, several times.

    python benchmarks/doctor_speed.py [--pairs 10000] [--repeats 3] [--folder KEPT]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from _results import RESULTS, store
from PIL import Image

from unet_helpers.data.cells import draw_field

SIDE, FIELD_SIDE, FIELDS = 256, 640, 100


def write_pairs(folder: Path, count: int) -> None:
    """Write distinct pairs into ``images`` and ``masks``."""
    fields = [draw_field(slide, 0, size=FIELD_SIDE)[:2] for slide in range(FIELDS)]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)

    def write(number: int) -> None:
        rng = np.random.default_rng(number)
        image, mask = fields[number % FIELDS]
        top, left = rng.integers(0, FIELD_SIDE - SIDE + 1, 2)
        window = slice(top, top + SIDE), slice(left, left + SIDE)
        turn = int(rng.integers(4))
        picture = np.rot90(image[window], turn) * rng.uniform(0.6, 1.0, 3)
        picture += rng.normal(0, 2, picture.shape)
        pixels = np.clip(picture, 0, 255).astype(np.uint8)
        name = f"{number:05d}.png"
        Image.fromarray(pixels).save(folder / "images" / name, compress_level=4)
        Image.fromarray(np.rot90(mask[window], turn).copy()).save(folder / "masks" / name)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(count)))


def measure(folder: Path) -> dict[str, object]:
    """Run the command once: wall time, processor time and peak memory of the process."""
    command = [sys.executable, "-m", "unet_helpers", "doctor"]
    command += [str(folder / "images"), str(folder / "masks"), "--json"]
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        report = json.load(out)
    return {
        "seconds": round(wall, 2),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        # The doctor starts no processes: its threads are all counted here. Linux counts KiB.
        "peak_mb": round(usage.ru_maxrss * 1024 / 1e6, 1),
        "pairs": report["pairs"],
        "counts": report["counts"],
        "found": sorted({found["name"] for found in report["findings"]}),
    }


def main() -> None:
    """Write the pairs, measure, and store the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the pairs here, and use them again")
    parser.add_argument("--out", type=Path, default=RESULTS / "doctor_speed.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "pairs"
        if not folder.exists():
            write_pairs(folder, options.pairs)
        runs = [measure(folder) for _ in range(options.repeats)]
    result = {
        "pairs": runs[0]["pairs"],
        "size": SIDE,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "median_seconds": statistics.median(float(str(r["seconds"])) for r in runs),
        "largest_peak_mb": max(float(str(r["peak_mb"])) for r in runs),
        "runs": runs,
    }
    print(json.dumps(result, indent=1))
    store(options.out, result)


if __name__ == "__main__":
    main()

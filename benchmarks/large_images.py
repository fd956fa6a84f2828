"""Images larger than memory: how much of the net's own speed is left from disk to disk.

    python benchmarks/large_images.py [--side 16384] [--tile 1024] [--batch 1]
        [--tiles 256 512 1024 2048] [--only ours monai]

A grey image of 16,384 x 16,384 pixels of 8 bits, as a compressed TIFF in tiles of 256 and as a Zarr
array in chunks of 256, through a U-Net of base 16 and depth 3 (untrained; its threshold is its own
median, so that the mask is no blank). Every run has a process of its own. Its raw rate
is that of `predict_on_batch` on batches of the same shape, the median of seven before and seven
after, in the same process; the share is pixels fed in all windows by seconds from opening the image
to the renamed result, of that rate. Memory is the process's peak above that of one that only builds
the net and runs one batch.

Beside it MONAI's `sliding_window_inference` with the same windows and overlap and its own
`BasicUNet`, held against its own raw rate; it wants the image and the result in memory.

First a quarter of the side is predicted with tiles of several sizes. Writes
benchmarks/results/large_images.json after every run.
"""

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from _large import CHUNK, DEPTH, FILTERS, Answer, ask
from _results import RESULTS, machine, store

RUNS = {
    "ours, TIFF to OME-TIFF": ("ours", "image.tif", "mask.ome.tif"),
    "ours, Zarr to Zarr": ("ours", "image.zarr", "mask.zarr"),
    "MONAI, TIFF to TIFF": ("monai", "image.tif", "monai.tif"),
}


def run(name: str, folder: Path, side: int, tile: int, batch: int) -> Answer:
    """One run, and the memory of the same process without the image."""
    task, image, out = RUNS[name]
    planned = ask("plan", side=side, tile=tile)
    options: dict[str, Any] = {
        "source": str(folder / image),
        "out": str(folder / f"{side}-{tile}-{out}"),
        "tile": tile,
        "batch": batch,
        "window": planned["window"],
    }
    found = ask(task, **options, alone=False)
    alone = ask(task, **options, alone=True)["peak_mb"]
    shape = {"side": side, "tile": tile, "batch": batch, "window": planned["window"]}
    return {
        "name": name,
        **shape,
        "halo": planned["halo"],
        **found,
        "alone_mb": alone,
        "above_mb": found["peak_mb"] - alone,
    }


def markdown(rows: list[Answer]) -> str:
    """A table of runs."""
    lines = [
        "| run | side | tile | window | s | Mpixel/s fed | of raw | fed for one | chunks decoded "
        "| peak MB | above the net |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        decoded = f"{r['decoded'] / r['chunks']:.2f}" if r.get("chunks") else ""
        lines.append(
            f"| {r['name']} | {r['side']:,} | {r['tile']} | {r['window']} | {r['seconds']:.1f} "
            f"| {r['fed_per_second'] / 1e6:.2f} | {r['share']:.1%} | {r['halo_share']:.2f} "
            f"| {decoded} | {r['peak_mb']:,.0f} | {r['above_mb']:,.0f} |"
        )
    return "\n".join(lines)


def measure(options: argparse.Namespace) -> None:
    """All runs, stored after each."""
    small = max(CHUNK, options.side // 4 // CHUNK * CHUNK)
    result: dict[str, Any] = {
        "machine": machine(),
        "net": {"filters": FILTERS, "depth": DEPTH},
        "tiles": [],
        "rows": [],
    }

    def keep(key: str, name: str, folder: Path, side: int, tile: int) -> None:
        result[key].append(run(name, folder, side, tile, options.batch))
        store(Path(options.out), result)
        print(markdown(result[key][-1:]).splitlines()[-1], flush=True)

    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        (folder / "small").mkdir()
        if options.tiles:
            ask("make", folder=str(folder / "small"), side=small)
        for tile in options.tiles:
            keep("tiles", "ours, TIFF to OME-TIFF", folder / "small", small, tile)
        ask("make", folder=str(folder), side=options.side)
        for each, (task, *_) in RUNS.items():
            if task not in options.only:
                continue
            if task == "monai" and not find_spec("monai"):
                print("MONAI: left out, it is not installed (make peers)")
                continue
            keep("rows", each, folder, options.side, options.tile)
    for rows in filter(None, (result["tiles"], result["rows"])):
        print(f"\n{markdown(rows)}")


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--side", type=int, default=16384, help=f"pixels, a multiple of {CHUNK}")
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--tiles", nargs="*", type=int, default=[256, 512, 1024, 2048])
    parser.add_argument("--only", nargs="+", default=["ours", "monai"], choices=["ours", "monai"])
    parser.add_argument("--folder", help="for the files, some 4 GB; the system's own by default")
    parser.add_argument("--out", default=str(RESULTS / "large_images.json"))
    options = parser.parse_args()
    if options.side % CHUNK:
        parser.error(f"--side must be a multiple of {CHUNK}, found {options.side}: try 16384")
    measure(options)


if __name__ == "__main__":
    main()

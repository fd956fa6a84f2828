"""What large images are predicted with: the image, the nets, and runs in processes of their own.

Each run is asked for by a line of JSON on the command line, and answers with one.
"""

import importlib
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILTERS, DEPTH, CHUNK = 16, 3, 256
REPEATS = 7  # windows whose median time is the raw rate

Answer = dict[str, Any]


def ask(task: str, **options: Any) -> Answer:
    """Run a task in a process of its own; what it tells, and the most memory it took."""
    command = [sys.executable, __file__, task, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def peak_mb() -> float:
    """The most memory that this process has taken."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if on_mac() else 2**10)


def on_mac() -> bool:
    """There the unit is a byte."""
    return sys.platform == "darwin"


# --- the image ------------------------------------------------------------------------------------


def texture() -> NDArray[np.uint8]:
    """Bright cells of two sizes on uneven ground, with noise; its edges meet."""
    ndimage = importlib.import_module("scipy.ndimage")
    rng = np.random.default_rng(0)
    fields = [
        ndimage.gaussian_filter(rng.standard_normal((1024, 1024)), width, mode="wrap")
        for width in (5, 20)
    ]
    cells = sum((field / field.std()).clip(0.5, 2) for field in fields)
    return np.asarray(50 * cells + rng.normal(0, 4, cells.shape)).clip(0, 255).astype(np.uint8)


def squares(side: int) -> Iterator[NDArray[np.uint8]]:
    """The image's chunks, row by row, no two of a row alike."""
    drawn = texture()
    for row in range(side // CHUNK):
        for column in range(side // CHUNK):
            yield np.roll(drawn, (37 * row, 91 * column), (0, 1))[:CHUNK, :CHUNK]


def make(folder: str, side: int) -> Answer:
    """Write the image as a TIFF and as a Zarr array, one chunk in memory at a time."""
    import tifffile
    import zarr

    path = Path(folder)
    written = tifffile.TiffWriter(path / "image.tif", bigtiff=True)
    with written as writer:
        writer.write(
            squares(side),
            shape=(side, side),
            dtype=np.uint8,
            tile=(CHUNK, CHUNK),
            compression="zlib",
            photometric="minisblack",
            maxworkers=1,
        )
    array = zarr.create_array(
        str(path / "image.zarr"), shape=(side, side), chunks=(CHUNK, CHUNK), dtype=np.uint8
    )
    across = side // CHUNK
    for number, square in enumerate(squares(side)):
        top, left = number // across * CHUNK, number % across * CHUNK
        array[top : top + CHUNK, left : left + CHUNK] = square
    return {"tiff_mb": (path / "image.tif").stat().st_size / 1e6}


# --- rates ----------------------------------------------------------------------------------------


def raw_rate(run: Callable[[], Any], pixels: int) -> float:
    """Pixels a second of one batch of windows, the median of several."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return pixels / statistics.median(times)


def told(before: float, after: float, fed: int, seconds: float, pixels: int) -> Answer:
    """What both sides tell alike."""
    return {
        "seconds": seconds,
        "fed": fed,
        "fed_per_second": fed / seconds,
        "raw": [before, after],
        "share": fed / seconds / statistics.mean([before, after]),
        "halo_share": fed / pixels,
    }


# --- ours -----------------------------------------------------------------------------------------


def ours(source: str, out: str, tile: int, batch: int, window: int, alone: bool) -> Answer:
    """`predict_large`; `alone`: only the model and one batch, for the memory that they take."""
    from unet_helpers import keras, unet
    from unet_helpers.prediction.large import predict_large

    keras.utils.set_random_seed(0)
    model = unet((None, None, 1), filters=FILTERS, depth=DEPTH)
    given = np.random.default_rng(0).random((batch, window, window, 1), np.float32)
    first = model.predict_on_batch(given)  # traced outside the clock, for the rates too
    if alone:
        return {}
    before = raw_rate(lambda: model.predict_on_batch(given), given.size)
    threshold = float(np.median(first))  # so that the mask is no blank
    done = predict_large(model, source, out, tile=tile, batch_size=batch, threshold=threshold)
    assert done.window == (window, window), done
    after = raw_rate(lambda: model.predict_on_batch(given), given.size)
    pixels = done.height * done.width
    decoded = {"chunks": done.chunks, "decoded": done.chunks_decoded}
    return told(before, after, done.pixels_fed, done.seconds, pixels) | decoded


def plan(side: int, tile: int) -> Answer:
    """The window that `predict_large` takes, and the halo."""
    from unet_helpers import unet
    from unet_helpers.model.geometry import halo
    from unet_helpers.prediction.tiles import tiles

    model = unet((None, None, 1), filters=FILTERS, depth=DEPTH)
    window = tiles(model, side, side, tile)[0].down.length
    return {"window": window, "halo": halo(model), "parameters": model.count_params()}


# --- MONAI ----------------------------------------------------------------------------------------


def monai(source: str, out: str, tile: int, batch: int, window: int, alone: bool) -> Answer:
    """``sliding_window_inference`` with the same windows and overlap, from file to file.

    Its ``BasicUNet`` has one level more than ours and as many channels at each level; the rate is
    held against its own. As in MONAI's tutorials the image is read into memory, and the mask is
    made there; here it is read and written by tifffile.
    """
    import _peers
    import tifffile

    torch = _peers.torch_threads()
    torch.manual_seed(0)
    features = tuple(FILTERS * 2**level for level in range(5)) + (FILTERS,)
    nets = importlib.import_module("monai.networks.nets")
    net = nets.BasicUNet(spatial_dims=2, in_channels=1, out_channels=1, features=features).eval()
    slide = importlib.import_module("monai.inferers").sliding_window_inference
    given = torch.rand(batch, 1, window, window)
    fed = [0]

    def run(windows: Any) -> Any:
        fed[0] += windows.numel()
        return net(windows).sigmoid()

    with torch.inference_mode():
        threshold = float(run(given).median())
        if alone:
            return {}
        before = raw_rate(lambda: run(given), given.numel())
        fed[0], start = 0, time.perf_counter()
        stored = tifffile.imread(source)
        image = torch.from_numpy(stored)[None, None].float() / 255
        made = slide(image, window, batch, run, overlap=1 - tile / window)
        mask = (made[0, 0] > threshold).numpy().astype(np.uint8)
        settings = {"tile": (512, 512), "compression": "zlib", "photometric": "minisblack"}
        tifffile.imwrite(out, mask, **settings)
        seconds, total = time.perf_counter() - start, fed[0]
        after = raw_rate(lambda: run(given), given.numel())
    return told(before, after, total, seconds, math.prod(stored.shape))


TASKS: dict[str, Callable[..., Answer]] = {"make": make, "plan": plan, "ours": ours, "monai": monai}

if __name__ == "__main__":
    found = TASKS[sys.argv[1]](**json.loads(sys.argv[2]))
    print(json.dumps({**found, "peak_mb": peak_mb()}))

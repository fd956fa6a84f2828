"""Damaged files of every format: a documented error or a correct read, and nothing else.

The files are mutated and read in a process of its own, whose memory is limited, so that a decoder
that crashes, hangs or allocates without measure is seen as such. ``UNET_FUZZ`` asks for more than
the usual number of files.
"""

import base64
import io
import json
import os
import random
import resource
import subprocess
import sys
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

FILES = int(os.environ.get("UNET_FUZZ", "600"))
SECONDS_A_FILE = 3.0
MORE_MEMORY = 768 << 20  # bytes of address space beyond what the libraries take
KINDS = {"empty-file", "truncated", "unreadable", "too-large", "unsupported"}


# --- sound files --------------------------------------------------------------------------------


def sound_files(folder: Path) -> list[Path]:
    """One small file of each format and flavour."""
    rng = np.random.default_rng(0)
    grey = (np.arange(40 * 32).reshape(40, 32) // 7 % 5).astype(np.uint8)
    rgb = rng.integers(0, 256, (40, 32, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = Image.fromarray(grey, mode="P")
    palette.putpalette(bytes(range(45)))
    Image.fromarray(rgb).save(folder / "rgb.png")
    Image.fromarray(grey).save(folder / "grey.png", exif=exif)
    Image.fromarray(grey > 2).save(folder / "bits.png")
    palette.save(folder / "palette.png")
    (folder / "deep.png").write_bytes(imagecodecs.png_encode(rgb.astype(np.uint16) * 200))
    Image.fromarray(rgb).save(folder / "a.jpg", exif=exif)
    Image.fromarray(rgb).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(rgb).save(folder / "progressive.jpg", progressive=True)
    Image.fromarray(rgb).save(folder / "a.bmp")
    palette.save(folder / "palette.bmp")
    palette.save(folder / "a.gif")
    palette.save(folder / "film.gif", save_all=True, append_images=[palette.rotate(180)] * 3)
    Image.fromarray(rgb).save(folder / "a.webp")
    Image.fromarray(rgb).save(folder / "lossless.webp", lossless=True, exif=exif)
    for compression in ("none", "lzw", "zlib", "packbits", "zstd", "jpeg", "lzma"):
        pixels = rgb if compression in ("jpeg", "none") else grey
        tifffile.imwrite(folder / f"{compression}.tif", pixels, compression=compression)
    tifffile.imwrite(folder / "float.tif", grey.astype(np.float32), predictor=True, compression=8)
    tifffile.imwrite(folder / "big.tif", rgb, bigtiff=True, tile=(16, 16), compression="zlib")
    tifffile.imwrite(folder / "stack.tif", np.stack([grey] * 4), photometric="minisblack")
    tifffile.imwrite(
        folder / "planes.tif", np.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate"
    )
    Image.fromarray(grey > 2).save(folder / "fax.tif", compression="group4")
    Image.fromarray(grey > 2).save(folder / "bits.tif")
    np.save(folder / "a.npy", rgb)
    np.save(folder / "float.npy", grey.astype(">f8"))
    np.savez(folder / "a.npz", image=rgb)
    np.savez_compressed(folder / "two.npz", image=rgb, mask=grey)
    write_json(folder)
    (folder / "pairs.csv").write_text("image,mask,group\nrgb.png,grey.png,a\na.jpg,bits.png,b\n")
    return sorted(path for path in folder.iterdir() if path.is_file())


def write_json(folder: Path) -> None:
    outline = [3, 3, 20.5, 4, 18, 30]
    coco = {
        "images": [{"id": 1, "file_name": "rgb.png", "height": 40, "width": 32}],
        "categories": [{"id": 7, "name": "cell"}, {"id": 9, "name": "nucleus"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "segmentation": [outline], "iscrowd": 0},
            {
                "id": 2,
                "image_id": 1,
                "category_id": 9,
                "iscrowd": 1,
                "segmentation": {"size": [40, 32], "counts": [100, 60, 1120]},
            },
            {
                "id": 3,
                "image_id": 1,
                "category_id": 9,
                "segmentation": {"size": [40, 32], "counts": "T3l1PS1"},
            },
        ],
    }
    png = io.BytesIO()
    Image.fromarray(np.eye(7, 6) > 0).save(png, "png")
    mask = base64.b64encode(png.getvalue()).decode()
    tilted = [[10, 2], [20, 9], [15.5, 18], [5, 11]]
    labelme = {
        "version": "5.0",
        "imagePath": "rgb.png",
        "imageData": None,
        "imageHeight": 40,
        "imageWidth": 32,
        "shapes": [
            {"label": "cell", "points": [[3, 3], [20.5, 4], [18, 30]], "shape_type": "polygon"},
            {"label": "cell", "points": [[3, 3], [9, 9]], "shape_type": "rectangle", "group_id": 1},
            {"label": "core", "points": [[15, 15], [19, 15]], "shape_type": "circle"},
            {"label": "core", "points": [[5, 6], [10, 12]], "shape_type": "mask", "mask": mask},
            {"label": "cell", "points": tilted, "shape_type": "oriented_rectangle"},
        ],
    }
    (folder / "coco.json").write_text(json.dumps(coco))
    (folder / "labelme.json").write_text(json.dumps(labelme))


# --- mutations ----------------------------------------------------------------------------------

Mutation = Callable[[random.Random, bytes, list[bytes]], bytes]


def flip_bits(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 40))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut_off(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    return data[: rng.randrange(len(data))]


def edit_header(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3))):
        changed[rng.randrange(min(len(changed), 80))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 42))
    return bytes(changed)


def splice(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    other = rng.choice(others)
    at, start = rng.randrange(len(data)), rng.randrange(len(other))
    middle = other[start : start + rng.randrange(1, 200)]
    return data[:at] + middle + data[at + rng.choice((0, len(middle))) :]


def blow_up(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Overwrite a field of 2, 4 or 8 bytes with a large number, in either order of bytes."""
    width = rng.choice((2, 4, 4, 8))
    number = rng.choice((2**31 - 1, 2**32 - 1, 0x7FFF, 0xFFFF, 10**6, 65_500, 2**62)) % 256**width
    at = rng.randrange(min(len(data), rng.choice((60, 300, 10**9))))
    field = number.to_bytes(width, rng.choice(("little", "big")))
    return data[:at] + field + data[at + width :]


def drop_or_repeat(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    start = rng.randrange(len(data))
    part = data[start : start + rng.randrange(1, 64)]
    return data[:start] + part * rng.choice((0, 2, 50)) + data[start + len(part) :]


def mutate_mask(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Damage a PNG that lies within JSON as text; its checksums are made to fit now and then."""
    loaded = json.loads(data)
    shape = next(shape for shape in loaded["shapes"] if shape["shape_type"] == "mask")
    png = rng.choice(MUTATIONS)(rng, base64.b64decode(shape["mask"]), others)
    if rng.random() < 0.5:
        png = with_checksums(png)
    if rng.random() < 0.5 and len(png) >= 24:  # the box follows what the PNG claims
        width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
        shape["points"][1] = [5 + width - 1, 6 + height - 1]
    shape["mask"] = base64.b64encode(png).decode()
    return json.dumps(loaded).encode()


def with_checksums(png: bytes) -> bytes:
    at, fixed = 8, bytearray(png)
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        if end + 4 <= len(png):
            fixed[end : end + 4] = zlib.crc32(png[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(fixed)


def mutate_json(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Change the structure: values of other types, keys that vanish, numbers blown up."""
    loaded = json.loads(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        places = list(walk(loaded))
        holder, key = rng.choice(places)
        if rng.random() < 0.2:
            del holder[key]
            if not loaded:
                break
        else:
            strange: list[Any] = [None, True, -1, 0, 2**31, 2**70, 1e308, 0.5, "", "x" * 99, [], {}]
            strange += [
                [[]],
                [holder[key]],
                "\0",
                "../../x",
                "P" * 400,
                [2**40],
                [1e30, 2, 3, 4, 5, 6],
            ]
            holder[key] = rng.choice([*strange, float("nan"), [1] * 3000])
    return json.dumps(loaded).encode()


def walk(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from walk(value[key])


MUTATIONS: list[Mutation] = [flip_bits, cut_off, edit_header, splice, blow_up, drop_or_repeat]


def mutants(folder: Path, count: int, seed: int) -> Iterator[tuple[str, Path, bytes]]:
    sound = {path: path.read_bytes() for path in sound_files(folder)}
    texts = [path for path in sound if path.suffix == ".json"]
    others, paths = list(sound.values()), [*sound, *texts * 3]
    for number in range(count):
        rng = random.Random(seed * 1_000_003 + number)
        path = paths[number % len(paths)]
        structural = path.suffix == ".json" and rng.random() < 0.8
        mutation = mutate_json if structural else rng.choice(MUTATIONS)
        if structural and path.name == "labelme.json" and rng.random() < 0.4:
            mutation = mutate_mask
        yield mutation.__name__, path, mutation(rng, sound[path], others)


# --- reading, in a process of its own -----------------------------------------------------------


def read(path: Path) -> None:
    """Read everything that the file can be read as; check what comes."""
    from unet_helpers.data.formats.coco import read_coco
    from unet_helpers.data.formats.decode import decode
    from unet_helpers.data.formats.encodings import mask_plane
    from unet_helpers.data.formats.folder import read_folder
    from unet_helpers.data.formats.images import image_array
    from unet_helpers.data.formats.labelme import read_labelme

    if path.suffix == ".json":
        if "coco" in path.name:
            samples = read_coco(path, path.parent)
        else:
            alone = path.parent / "alone"
            alone.mkdir(exist_ok=True)
            (alone / "a.json").write_bytes(path.read_bytes())
            samples = read_labelme(alone, path.parent)
        for sample in samples:
            assert sample.mask.shape == sample.image.shape[:2]
            assert sample.mask.max() < samples.num_classes or samples.ignore_value == 255
        return
    if path.suffix == ".csv":
        read_folder(path, instances=True)
        return
    found = decode(path, key="image" if "two" in path.name else None)
    assert found.pixels.ndim in (2, 3), found.pixels.shape
    assert found.pixels.size > 0
    assert found.pixels.dtype.kind in "buif"
    assert 1 <= found.orientation <= 8
    image = image_array(found, path, (0, 9) if found.pixels.dtype.kind == "f" else None)
    assert image.ndim == 3
    if path.name.removeprefix("mutant ") != "deep.png":  # colours of 16 bits are no mask
        assert mask_plane(found, path).shape[:2] == image.shape[:2]


def work(folder: Path, count: int, seed: int) -> None:
    """Read mutants; print what became of them as JSON, one failure a line before that."""
    from unet_helpers.data.formats.limits import FileError
    from unet_helpers.data.samples import DataError

    warnings.simplefilter("error")
    warm_up(folder)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MORE_MEMORY,) * 2)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for name, sound, data in mutants(folder, count, seed):
        bad = folder / f"mutant {sound.name}"
        bad.write_bytes(data)
        start = time.process_time()
        try:
            read(bad)
            outcome = "read"
        except FileError as error:
            outcome = error.kind if error.kind in KINDS else f"unknown kind {error.kind}"
        except DataError:
            outcome = "other DataError"
        except BaseException as error:
            kept = folder / f"failed {sum(outcomes.values())} {sound.name}"
            kept.write_bytes(data)
            outcome = "failure"
            print(f"FAILURE {name} {kept}: {type(error).__name__}: {error}", flush=True)
        slowest = max(slowest, time.process_time() - start)
        outcomes[outcome] += 1
        bad.unlink()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base
    print(json.dumps({"outcomes": outcomes, "slowest": slowest, "grown_mb": grown / 1024}))


def warm_up(folder: Path) -> None:
    """Every sound file is read once: what the libraries allocate themselves is not counted."""
    for path in sound_files(folder):
        read(path)


def test_damaged_files_give_documented_errors(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "faulthandler", __file__, str(tmp_path), str(FILES), "1"]
    start = time.perf_counter()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60 + FILES * 0.2,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *failures, last = done.stdout.splitlines()
    told = json.loads(last)
    print(told, f"{time.perf_counter() - start:.1f} s")
    assert failures == []
    assert done.stderr == ""
    assert sum(told["outcomes"].values()) == FILES
    assert {"read", "truncated", "unreadable"} <= set(told["outcomes"])
    assert told["slowest"] < SECONDS_A_FILE
    assert told["grown_mb"] < 512


def test_sound_files_are_read(tmp_path: Path) -> None:
    warm_up(tmp_path)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

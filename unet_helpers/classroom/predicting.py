"""The command ``predict``: masks, and objects if asked for, of images without labels."""

import argparse
import io
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from unet_helpers.data.formats.decode import decode_one
from unet_helpers.data.formats.images import image_array
from unet_helpers.data.formats.listing import list_files
from unet_helpers.data.samples import DataError, to_float
from unet_helpers.training.state_files import write_whole

from .evaluating import ask, needed_model, say
from .files import UserError

LARGE = 2**26  # numbers, pixels times channels; a Zarr array is taken for large whatever its size

# Blue, orange, green, ...: told apart by colour-blind people too (Okabe and Ito).
PALETTE = (
    (0, 0, 0), (86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (0, 114, 178),
    (213, 94, 0), (204, 121, 167), (255, 255, 255),
)  # fmt: skip


def predict(options: argparse.Namespace) -> int:
    """Predict what the options name.

    Parameters
    ----------
    options : argparse.Namespace
        As `predicting_arguments.add_arguments` makes it.

    Returns
    -------
    int
        0, or 1 if images were left out.

    Raises
    ------
    UserError
        If it cannot be done.
    """
    return ask(lambda: _predict(options), options.out)


def _predict(options: argparse.Namespace) -> int:
    files, out = _files(options.images), Path(options.out)
    targets = {
        path: out / f"{path.stem}{'.ome.tif' if is_large(path) else '.png'}" for path in files
    }
    _check_targets(targets, out, options.overwrite)
    model, record = _model(Path(options.run))
    out.mkdir(parents=True, exist_ok=True)
    threshold = options.threshold
    if threshold is None:
        threshold = float(record.get("threshold", 0.5))
    rows, left = [], []
    quiet = options.json or options.quiet or not sys.stderr.isatty()
    for path in tqdm(files, "predicting", unit="image", leave=False, disable=quiet):
        try:
            row = _one(model, path, targets[path], threshold, options, record.get("look"))
            rows.append(row)
            if row["unlike"]:
                told = "; ".join(row["unlike"])
                print(f"note: {path} is unlike the training images: {told}", file=sys.stderr)
                print("      look at its mask before you use it", file=sys.stderr)
        except (DataError, UserError, ValueError) as error:
            if not options.skip:
                done = f"{len(rows)} of {len(files)} masks are done"
                raise UserError(f"{error} (or leave such files out with --skip; {done})") from error
            left.append({"image": str(path), "error": str(error)})
            print(f"left out: {error}", file=sys.stderr)
    _tell(options, out, rows, left)
    return 1 if left else 0


def _tell(options: argparse.Namespace, out: Path, rows: list[Any], left: list[Any]) -> None:
    if options.json:
        say(json.dumps({"out": str(out), "images": rows, "left_out": left}, indent=1))
    elif not options.quiet:
        objects = sum(row.get("objects", 0) for row in rows)
        told = f", {objects} objects" if options.objects else ""
        missing = f", {len(left)} left out" if left else ""
        say(f"{len(rows)} mask{'s' * (len(rows) != 1)} in {out}{told}{missing}")


def _files(given: list[str]) -> list[Path]:
    """The images that files and folders name."""
    found: list[Path] = []
    for text in given:
        path = Path(text)
        if not path.exists():
            raise UserError(f"{path}: an image or a folder is expected, found nothing: correct it")
        is_folder = path.is_dir() and path.suffix != ".zarr"
        found += list_files(path, "IMAGES") if is_folder else [path]
    return list(dict.fromkeys(found))


def _check_targets(targets: dict[Path, Path], out: Path, overwrite: bool) -> None:
    twice = [name for name, number in Counter(targets.values()).items() if number > 1]
    if twice:
        same = [str(path) for path, target in targets.items() if target == twice[0]]
        raise UserError(
            f"{same[0]}: images must differ in their names, found {same[1]} beside it, and both "
            f"masks would be {twice[0].name}: predict them into two folders"
        )
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: --out must name a folder, found a file: choose another name")
    there = [target for target in targets.values() if target.exists()]
    if there and not overwrite:
        raise UserError(
            f"{there[0]}: the mask must not be there yet, found {len(there)} of {len(targets)}: "
            "choose another folder, or replace them with --overwrite"
        )
    images = {path.resolve() for path in targets}
    lost = [target for target in targets.values() if target.resolve() in images]
    if lost:
        raise UserError(
            f"{lost[0]}: a mask must not replace an image, found --out to be the images' own "
            "folder: choose another one"
        )


def _model(run: Path) -> tuple[Any, dict[str, Any]]:
    """The model, and what its run tells."""
    file = needed_model(run)
    from unet_helpers.prediction.loading import load_model
    from unet_helpers.training.run_record import read_record

    return load_model(file), read_record(file.parent) or {}


def _one(
    model: Any,
    path: Path,
    target: Path,
    threshold: float,
    options: argparse.Namespace,
    known: dict[str, Any] | None,
) -> dict[str, Any]:
    """Predict one image and write its files; `known` is what the training images looked like."""
    if is_large(path):
        return _one_large(model, path, target, threshold, options)
    from unet_helpers.data.look import unlike
    from unet_helpers.prediction.predict import predict as predict_image
    from unet_helpers.prediction.predict import to_mask

    pixels = image_array(decode_one(path), path)
    channels = model.input_shape[-1]
    if channels == 1 and pixels.shape[-1] == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]  # grey, saved as colours
    image = to_float(pixels)
    if image.shape[-1] != channels:
        raise UserError(
            f"{path}: an image of {channels} channel{'s' * (channels != 1)} is expected, as in "
            f"training, found {image.shape[-1]}: convert it, or train on images of this kind"
        )
    tile = options.tile if max(image.shape[:2]) > options.tile else None
    said = predict_image(model, image, tile, symmetries=options.symmetries)
    mask = to_mask(said, threshold)
    shares = (mask > 0).mean()
    row: dict[str, Any] = {"image": str(path), "mask": str(target)}
    row |= {"foreground": round(float(shares), 4), "unlike": unlike(known, image) if known else []}
    if row["unlike"] and pixels.dtype == np.uint16 and pixels.max() < 4096:
        row["unlike"].append(f"largest value {pixels.max()} of 65535, so 12 bits or fewer?")
    if options.objects:
        row["objects"] = _write_objects(target, mask > 0, image, options)
    write_whole(target, _png(mask))
    return row


def _mask_name(path: Path) -> str:
    return f"{path.stem}{'.ome.tif' if is_large(path) else '.png'}"


def is_large(path: Path) -> bool:
    """Whether an image is predicted from disk to disk: a Zarr folder, or a TIFF of 8192 squared."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return path.suffix == ".zarr"
    from tifffile import TiffFile, TiffFileError

    try:
        with TiffFile(path) as file:
            return int(np.prod(file.series[0].shape, dtype=np.int64)) > LARGE
    except (TiffFileError, OSError, ValueError, IndexError):  # whoever decodes it will say so
        return False


def _one_large(
    model: Any, path: Path, target: Path, threshold: float, options: argparse.Namespace
) -> dict[str, Any]:
    """Predict one image that need not fit into memory; its mask gets a pyramid."""
    from unet_helpers.prediction.large import predict_large

    if options.objects:
        raise UserError(
            f"{path}: --objects must be left out for images of more than {LARGE:,} numbers, found "
            "one: cut out the part that you want to measure"
        )
    settings = {"tile": options.tile, "threshold": threshold, "symmetries": options.symmetries}
    bar = not (options.json or options.quiet) and sys.stderr.isatty()
    predict_large(model, path, target, progress=bar, overwrite=options.overwrite, **settings)
    return {"image": str(path), "mask": str(target), "unlike": []}


def _write_objects(
    target: Path, inside: NDArray[np.bool_], image: NDArray[Any], options: argparse.Namespace
) -> int:
    from unet_helpers.prediction.object_files import write_labels
    from unet_helpers.prediction.objects import find_objects, measure_objects

    labels = find_objects(inside, split=options.split, min_area=options.min_area)
    write_labels(target.with_name(f"{target.stem}_objects.tif"), labels)
    table = measure_objects(labels, image).round(4).to_csv().encode()
    write_whole(target.with_name(f"{target.stem}_objects.csv"), table)
    return int(labels.max(initial=0))


def _png(mask: NDArray[np.uint8]) -> bytes:
    """A palette image: its numbers are class ids, its colours are for the eye."""
    from PIL import Image

    picture = Image.fromarray(mask)
    picture.putpalette([value for colour in PALETTE for value in colour])
    held = io.BytesIO()
    picture.save(held, "PNG", optimize=True)
    return held.getvalue()

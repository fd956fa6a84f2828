"""From a name or two folders to `Samples`: files are paired, checked and turned into class ids."""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data import cells
from unet_helpers.data.samples import Arrays, DataError, Record, Samples

SUFFIXES = (".png", ".tif", ".tiff")
CELLS_SLIDES, CELLS_FIELDS = 30, 3


def data_home() -> Path:
    """The folder that holds the real data sets: ``UNET_DATA_HOME``, else ``~/unet-data``."""
    return Path(os.environ.get("UNET_DATA_HOME", Path.home() / "unet-data")).expanduser()


def load(name: str) -> Samples:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        ``"cells"``, drawn on the spot and offline (90 fields of 30 blood smears), or
        ``"membranes"``, 30 electron micrographs read from ``UNET_DATA_HOME``.

    Returns
    -------
    Samples
        Nothing is decoded yet, apart from a look at the folder's file names.

    Raises
    ------
    ValueError
        If no set has this name.
    DataError
        If the set's folder is absent or unfit.

    Examples
    --------
    >>> load("cells")
    Samples 'cells': 90 images in 30 groups; classes background, cytoplasm, nucleus
    """
    if name not in LOADERS:
        known = ", ".join(LOADERS)
        raise ValueError(
            f"name must be one of {known}, found {name!r}: correct the name, or use read_folder() "
            "for folders of your own"
        )
    return dataclasses.replace(LOADERS[name](), name=name)


def _load_cells() -> Samples:
    def draw(slide: int, field: int) -> Arrays:
        return Arrays(*cells.draw_field(slide, field))

    records = tuple(
        Record(
            f"slide {slide:02d} field {field}", f"slide {slide:02d}", partial(draw, slide, field)
        )
        for slide in range(CELLS_SLIDES)
        for field in range(CELLS_FIELDS)
    )
    return Samples(
        name="cells",
        records=records,
        class_names=cells.CLASS_NAMES,
        foreground=("cytoplasm", "nucleus"),
        rule="the masks are drawn as class ids",
    )


def _load_membranes() -> Samples:
    root = data_home() / "isbi2012_membrane"
    if not root.is_dir():
        raise DataError(
            f"{root}: the data set 'membranes' is expected in this folder, which does not exist: "
            "set UNET_DATA_HOME to the folder that holds it, or use load('cells'), which needs no "
            "files"
        )

    def part(name: str) -> str:
        # Thirty consecutive slices of one volume: neighbours look alike, so blocks, no shuffle.
        return "train" if int(name) < 20 else "val" if int(name) < 24 else "test"

    return read_folder(
        root / "images",
        root / "masks",
        class_names=("interior", "membrane"),
        mask_values={255: 0, 0: 1},
        group=lambda name: f"{part(name)} block",
        split=part,
    )


LOADERS: dict[str, Callable[[], Samples]] = {"cells": _load_cells, "membranes": _load_membranes}


def read_folder(
    images: str | Path,
    masks: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    mask_values: Mapping[int, int] | None = None,
    ignore_value: int | None = None,
    group: Callable[[str], str] | None = None,
    split: Callable[[str], str] | None = None,
) -> Samples:
    """Pair images with masks of the same stem (``a.png`` with ``a.tif``) in two folders.

    Parameters
    ----------
    images, masks : str or Path
        Folders of PNG or TIFF files, 8 or 16 bit, grey or RGB (masks: one channel).
    class_names : sequence of str, optional
        Names of the class ids 0, 1, ...; made up from the mask values by default.
    mask_values : mapping of int to int, optional
        Mask file value to class id, such as ``{0: 0, 128: 1, 255: 2}``. By default the rule is
        inferred from all masks (0/1, 0/255, or class ids 0..K-1) and told in ``samples.rule``.
    ignore_value : int, optional
        The mask file value of pixels without a label, 0 to 255; it stays as it is.
    group, split : callable of str to str, optional
        The group and the part (train, val, test) of a file's stem; by default each image is a
        group of its own and there is no split.

    Returns
    -------
    Samples
        Images are decoded when they are asked for.

    Raises
    ------
    ValueError
        If `class_names` is no list, or `mask_values` leaves a gap in the class ids.
    DataError
        If a folder is missing, a file has no partner, or the masks' values follow no known rule;
        on decoding, if a file cannot be read, sizes differ or a mask value is unexpected.
    """
    if isinstance(class_names, str):
        raise ValueError(f"class_names must be a list, found {class_names!r}: use a list of names")
    known_ids = sorted(set((mask_values or {0: 0}).values()))
    if known_ids != list(range(len(known_ids))):
        raise ValueError(
            f"mask_values must map to class ids 0, 1, ... without gaps, found {known_ids}: write "
            "{0: 0, 255: 1}, for instance, for masks of 0 and 255"
        )
    pairs = _pair(_files(Path(images), "images"), _files(Path(masks), "masks"))
    rule = ""
    if mask_values is None:
        mask_values, rule = _infer_values([mask for _, mask in pairs], class_names, ignore_value)
    table = dict(mask_values)
    if ignore_value in table.values():
        ids = ", ".join(map(str, sorted(set(table.values()))))
        raise DataError(
            f"{masks}: ignore_value must not be a class id, found {ignore_value} among {ids}: "
            "give the classes other ids in mask_values, or save the masks with 255 there"
        )
    if ignore_value is not None:
        table[ignore_value] = ignore_value
    names = tuple(class_names or (f"class {i}" for i in range(max(mask_values.values()) + 1)))
    if class_names is None and len(names) == 2:
        names = ("background", "foreground")
    told = ", ".join(f"{value} is {names[id_]}" for value, id_ in mask_values.items())
    records = tuple(
        Record(
            image.stem,
            group(image.stem) if group else image.stem,
            partial(_read_pair, image, mask, table),
            split(image.stem) if split else None,
        )
        for image, mask in pairs
    )
    return Samples(
        name=Path(images).resolve().parent.name,
        records=records,
        class_names=names,
        foreground=names[1:],
        ignore_value=ignore_value,
        rule=f"mask value {told} ({rule or 'as given'})",
    )


def _files(folder: Path, argument: str) -> dict[str, Path]:
    """Image files of a folder by stem, in the order a person would count them (2 before 10)."""
    if not folder.is_dir():
        raise DataError(
            f"{folder}: {argument} must be a folder, found "
            f"{'a file' if folder.exists() else 'nothing'}: correct the path"
        )
    found = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != "."]
    if not found:
        raise DataError(
            f"{folder}: {argument} must hold PNG or TIFF files, found {_kinds(folder)}: "
            "correct the path or convert the files"
        )
    by_stem: dict[str, Path] = {}
    for path in sorted(found, key=_natural):
        if path.stem in by_stem:
            raise DataError(
                f"{path}: one file for each stem is expected, found {by_stem[path.stem].name} "
                "too: remove one of them"
            )
        by_stem[path.stem] = path
    return by_stem


def _kinds(folder: Path) -> str:
    kinds = sorted({path.suffix or path.name for path in folder.iterdir()})
    return f"only {', '.join(kinds[:4])}" if kinds else "an empty folder"


def _natural(path: Path) -> tuple[list[tuple[int, int | str]], str]:
    parts = re.split(r"(\d+)", path.name)
    key: list[tuple[int, int | str]] = [(0, int(p)) if p.isdigit() else (1, p) for p in parts if p]
    return key, path.name


def _pair(images: dict[str, Path], masks: dict[str, Path]) -> list[tuple[Path, Path]]:
    for ours, theirs, kind, partner in (
        (images, masks, "an image", "mask"),
        (masks, images, "a mask", "image"),
    ):
        alone = [path for stem, path in ours.items() if stem not in theirs]
        if alone:
            folder = next(iter(theirs.values())).parent
            raise DataError(
                f"{alone[0]}: {kind} needs {'a' if partner == 'mask' else 'an'} {partner} with the "
                f"stem {alone[0].stem!r} in {folder}, found names like "
                f"{next(iter(theirs.values())).name!r} ({len(alone)} without a partner): "
                "give both files of a pair the same stem, or add the missing one"
            )
    return [(path, masks[stem]) for stem, path in images.items()]


def _infer_values(
    masks: Sequence[Path], class_names: Sequence[str] | None, ignore_value: int | None
) -> tuple[dict[int, int], str]:
    """Find the rule that all masks together follow; refuse what could be read in two ways."""
    seen: dict[int, Path] = {}
    for path in masks:
        for value in np.unique(_read_mask(path)).tolist():
            seen.setdefault(value, path)
    values = sorted(set(seen) - {ignore_value})
    shown = ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")
    rule = f"inferred: {len(masks)} masks hold only the values {shown}"
    if set(values) <= {0, 255} and 255 in values:
        return {0: 0, 255: 1}, rule
    classes = len(class_names) if class_names else max(values, default=0) + 1
    if values and max(values) < classes and (class_names or len(values) == classes <= 32):
        return {value: value for value in range(max(classes, 2))}, rule
    example = {value: i for i, value in enumerate(values[:4])}
    advice = f"say what they mean, for instance mask_values={example} (value: class id)"
    if len(values) > 8:
        advice = (
            f"{len(values)} values look like a mask that was resized or saved as JPEG; "
            "export it again without smoothing (nearest neighbour, PNG)"
        )
    odd = next((value for value in values if value not in (0, 1, 255)), -1)
    raise DataError(
        f"{seen.get(odd, masks[0])}: mask values must be 0/1, 0/255 or class ids "
        f"0..K-1, found {shown or 'none but the ignore value'}: {advice}"
    )


def _read_pair(image_path: Path, mask_path: Path, table: Mapping[int, int]) -> Arrays:
    image, values = read_pixels(image_path), _read_mask(mask_path)
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[:2] != values.shape:
        raise DataError(
            f"{mask_path}: the mask must have the size of its image {image_path.name}, "
            f"{image.shape[0]} x {image.shape[1]}, found {values.shape[0]} x {values.shape[1]}: "
            "export the mask again at the image's size"
        )
    mask = np.zeros(values.shape, np.uint8)
    known = np.zeros(values.shape, bool)
    for value, class_id in table.items():
        here = values == value
        mask[here] = class_id
        known |= here
    if not known.all():
        odd = np.unique(values[~known])
        raise DataError(
            f"{mask_path}: mask values must be one of {', '.join(map(str, table))}, found "
            f"{', '.join(map(str, odd[:5].tolist()))} in {int((~known).sum())} pixels: "
            "correct the mask or name the value in mask_values"
        )
    return Arrays(image[..., :3], mask)


def _read_mask(path: Path) -> NDArray[np.generic]:
    pixels = read_pixels(path)
    if pixels.ndim == 3 and (pixels[..., :3] == pixels[..., :1]).all():
        pixels = pixels[..., 0]  # a grey mask that was saved as RGB
    if pixels.ndim != 2 or pixels.dtype.kind not in "bui":
        kind = f"{pixels.shape[2]} channels" if pixels.ndim == 3 else f"dtype {pixels.dtype}"
        raise DataError(
            f"{path}: a mask must have one channel of whole numbers, found {kind}: "
            "save it as a grey image of class ids"
        )
    return pixels.astype(np.int64)


def read_pixels(path: Path) -> NDArray[np.generic]:
    """Decode a PNG or TIFF file to (height, width) or (height, width, channels).

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ndarray of bool, uint8, uint16 or float32
        In the file's own depth; the indices of a palette image, not its colours.

    Raises
    ------
    DataError
        If the file cannot be decoded or holds more than one page.
    """
    # Imported here: learning a folder's file names needs no decoder.
    from imagecodecs import imread
    from PIL import Image
    from tifffile import TiffFile

    try:
        if path.suffix.lower() == ".png":
            with Image.open(path) as file:
                # Pillow would cut RGB of 16 bits down to 8.
                deep = file.mode in ("RGB", "RGBA") and path.read_bytes()[24] == 16
                plain = file.convert("L") if file.mode == "LA" else file  # drop the alpha
                pixels = imread(path) if deep else np.asarray(plain)
            pages = 1
        else:
            with TiffFile(path) as file:
                pages, pixels = len(file.pages), file.asarray()
        if not pixels.size:
            raise ValueError("no pixels in it")
    except Exception as error:  # decoders raise many kinds; the learner needs one sentence
        raise DataError(
            f"{path}: a readable {path.suffix[1:].upper()} file is expected, found one that does "
            f"not decode ({error or type(error).__name__}): replace the file"
        ) from error
    if pages == 1 and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
        return pixels
    found = f"{pages} pages" if pages > 1 else f"an array of shape {pixels.shape}"
    raise DataError(
        f"{path}: one grey or RGB page is expected, found {found}: "
        "save each page as a file of its own"
    )

"""From two folders to `Samples`: files are paired, checked and turned into class ids."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.decode import read_pixels
from unet_helpers.data.samples import Arrays, DataError, Record, Samples

SUFFIXES = (".png", ".tif", ".tiff")


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
            (image, mask),
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

"""Pairs by a CSV manifest: which image goes with which mask, and to which group and part."""

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from unet_helpers.data.formats.arguments import PARTS
from unet_helpers.data.formats.listing import is_file
from unet_helpers.data.formats.pairing import Matching, Pair
from unet_helpers.data.samples import DataError

_LIMIT = 2**26  # bytes: a million rows


def match_manifest(path: Path | str) -> Matching:
    """Read which files belong together from a CSV file with a header.

    Parameters
    ----------
    path : Path or str
        Columns ``image`` and ``mask``, and where wanted ``name``, ``group`` and ``split`` (train,
        val or test); others are passed over. UTF-8, separated by commas, semicolons or tabs. Paths
        are relative to the manifest's folder; they may lead out of it, which ``rule`` tells.

    Returns
    -------
    Matching
        In the manifest's order. Rows whose mask or image does not exist are alone; an image with
        several masks is ambiguous.

    Raises
    ------
    DataError
        If the manifest is missing or malformed, or two samples would have one name.
    """
    path = Path(path)
    rows = _rows(path)
    folder = path.parent
    files = [(folder / row["image"], folder / row["mask"]) for row in rows]
    wanted: dict[Path, list[Path]] = defaultdict(list)
    for image, mask in files:
        wanted[image].append(mask)
    pairs, images_alone, masks_alone = [], [], []
    for row, name, (image, mask) in zip(rows, _names(path, rows), files, strict=True):
        has_image, has_mask = is_file(image), is_file(mask)
        if len(wanted[image]) > 1:
            continue
        if has_image and has_mask:
            pairs.append(
                Pair(name, image, mask, row.get("group") or None, row.get("split") or None)
            )
        elif has_mask:
            masks_alone.append(mask)
        else:
            images_alone.append(image)
    home = folder.resolve()
    outside = sum(not p.resolve().is_relative_to(home) for pair in pairs for p in pair[1:3])
    rule = f"pairs are listed in {path.name}"
    if outside:
        rule += f"; {outside} of the files lie outside its folder"
    ambiguous = {image: masks for image, masks in wanted.items() if len(masks) > 1}
    return Matching(pairs, images_alone, masks_alone, ambiguous, [], rule)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        raise DataError(
            f"{path}: a CSV file, or a folder of images with one of masks, is expected, found "
            "nothing: correct the path"
        )
    try:
        if path.stat().st_size > _LIMIT:
            raise ValueError(f"more than {_LIMIT} bytes")
        text = path.read_text(encoding="utf-8-sig")
        header = text.partition("\n")[0]
        separator = max(",;\t", key=header.count)
        reader = csv.DictReader(text.splitlines(), delimiter=separator, strict=True)
        columns = [(name or "").strip().lower() for name in reader.fieldnames or []]
        reader.fieldnames = columns
        rows = [{k: (v or "").strip() for k, v in row.items() if k} for row in reader]
    except (OSError, ValueError, csv.Error, AttributeError) as error:
        raise DataError(
            f"{path}: a manifest in CSV, UTF-8, is expected, found one that cannot be read "
            f"({error}): correct the path or export the table again"
        ) from error
    if not {"image", "mask"} <= set(columns) or len(set(columns)) < len(columns):
        raise DataError(
            f"{path}: columns image and mask are expected, each once, found "
            f"{', '.join(columns[:8]) or 'none'}: correct the header"
        )
    _check_rows(path, rows)
    return rows


def _check_rows(path: Path, rows: list[dict[str, str]]) -> None:
    if not rows:
        raise DataError(f"{path}: a row for each pair is expected, found none: fill the table")
    for number, row in enumerate(rows, 2):
        if not row["image"] or not row["mask"] or "\0" in row["image"] + row["mask"]:
            raise DataError(
                f"{path}: line {number} must name an image and a mask, found {row['image']!r} and "
                f"{row['mask']!r}: fill in both or remove the line"
            )
    parts = Counter(row.get("split", "") for row in rows)
    if set(parts) - {""} and not set(parts) <= set(PARTS):
        odd = next(part for part in parts if part not in PARTS)
        raise DataError(
            f"{path}: split must be {', '.join(PARTS)} in every line, or empty in all, found "
            f"{odd!r} in {parts[odd]} lines: correct the column"
        )


def _names(path: Path, rows: list[dict[str, str]]) -> list[str]:
    """What each sample is called: the name column, else the stem, else the path if stems clash."""
    stems = Counter(Path(row["image"]).stem for row in rows)
    names = []
    for row in rows:
        image = Path(row["image"])
        short = stems[image.stem] == 1
        names.append(row.get("name") or (image.stem if short else image.as_posix()))
    by_name: Mapping[str, int] = Counter(names)
    twice = [
        name
        for name, count in by_name.items()
        if count > 1
        and len({r["image"] for r, n in zip(rows, names, strict=True) if n == name}) > 1
    ]
    if twice:
        raise DataError(
            f"{path}: names must differ, found {twice[0]!r} {by_name[twice[0]]} times: "
            "give each sample a name of its own in the column name"
        )
    return names

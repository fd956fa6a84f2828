"""How a report becomes files: JSON without NaN, CSV, and all of them replaced together."""

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

KIND = "unet_helpers score report"
MAIN = "report.json"
PARTS = (
    *("per_image.csv", "objects.csv"),
    *("cases.png", "confusion.png", "by_size.png", "reliability.png"),
)
"""The files that can belong to a report, besides the JSON document that names them."""


def without_nan(value: Any) -> Any:
    """Replace NaN and infinity, which JSON has no words for, by None; tuples become lists.

    Examples
    --------
    >>> without_nan({"iou": float("nan"), "images": (1, 0.5)})
    {'iou': None, 'images': [1, 0.5]}
    """
    if isinstance(value, Mapping):
        return {key: without_nan(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_json(value: Mapping[str, Any], indent: int | None = 1) -> str:
    """A JSON document; a number that is not finite is an error."""
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    r"""A table in UTF-8 with a header; what is undefined is an empty cell.

    Examples
    --------
    >>> as_csv(["image", "iou"], [("a", 0.5), ("b", float("nan"))])
    b'image,iou\na,0.5\nb,\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow("" if isinstance(x, float) and math.isnan(x) else x for x in row)
    return text.getvalue().encode()


def write_together(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write a report's files; until all are complete, an older report stays as it is.

    Parameters
    ----------
    folder : Path
        Made if need be. What else it holds is left alone.
    contents : mapping of str to bytes
        By file name: ``report.json`` and some of `PARTS`.

    Returns
    -------
    list of Path
        The files, as named by `contents`.

    Raises
    ------
    ValueError
        If the folder is a file, or its ``report.json`` is not one of ours.
    """
    former = former_parts(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # In the same folder, since a file cannot be moved in one step to another disk.
    waiting = {folder / name: folder / f".{name}.{os.getpid()}.tmp" for name in contents}
    try:
        for path, unfinished in waiting.items():
            unfinished.write_bytes(contents[path.name])
        # The document that names the others goes first and comes last.
        if former:
            (folder / MAIN).unlink()
        for name in former:
            if name not in contents:
                (folder / name).unlink(missing_ok=True)
        for path in sorted(waiting, key=lambda path: path.name == MAIN):
            waiting[path].replace(path)
    finally:
        for unfinished in waiting.values():
            unfinished.unlink(missing_ok=True)
    return list(waiting)


def former_parts(folder: Path) -> list[str]:
    """Which parts of an older report are there, to be replaced.

    Raises
    ------
    ValueError
        If the folder is a file, or its ``report.json`` is not one of ours.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: a report needs a folder, found a file: name another one")
    path = folder / MAIN
    if not path.exists():
        return []
    try:
        document = json.loads(path.read_bytes())
        named = set(document["files"]) if document["kind"] == KIND else None
    except (ValueError, TypeError, KeyError):
        named = None
    if named is None:
        raise ValueError(
            f"{path}: a report of this kind is replaced, found another file of that name: "
            "choose another folder"
        )
    return [name for name in PARTS if name in named]

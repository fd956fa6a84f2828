"""Annotation files in JSON: loaded within limits, and checked piece by piece."""

import json
import math
from pathlib import Path
from typing import Any

from unet_helpers.data.formats.limits import FileError
from unet_helpers.data.samples import DataError

MAX_JSON = 2**30  # bytes; the largest file of COCO itself has 0.45 GB


def load_json(path: Path) -> dict[str, Any]:
    """Load a JSON object.

    Raises
    ------
    FileError
        If the file is empty, cut off, too large or no JSON object.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise FileError("unreadable", path, "a JSON file", found, "correct the path")
    try:
        size = path.stat().st_size
        if size > MAX_JSON:
            raise FileError(
                *("too-large", path, "a JSON file of a usual size", f"{size} bytes"),
                "split the annotations into several files",
            )
        text = path.read_text(encoding="utf-8-sig")
        if not text.strip():
            raise FileError(
                *("empty-file", path, "a JSON file", "an empty one"), "export the annotations again"
            )
        loaded = json.loads(text)
    except FileError:
        raise
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        at_end = isinstance(error, json.JSONDecodeError) and _is_cut(text, error)
        raise FileError(
            *("truncated" if at_end else "unreadable", path, "a JSON file"),
            f"one that does not load{', it ends early' if at_end else ''} ({error})",
            "export the annotations again",
        ) from error
    if not isinstance(loaded, dict):
        raise FileError(
            *("unreadable", path, "a JSON object", f"a {type(loaded).__name__}"),
            "export the annotations again",
        )
    return loaded


def _is_cut(text: str, error: json.JSONDecodeError) -> bool:
    return "Unterminated" in error.msg or error.pos >= len(text.rstrip())


def unfit(path: Path, where: str, expected: str, found: Any) -> DataError:
    """The error of a piece of JSON that is not what it should be.

    Examples
    --------
    >>> str(unfit(Path("a.json"), "image 3", "a width", None))
    'a.json: image 3 needs a width, found None: correct it or export the annotations again'
    """
    shown = repr(found)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return DataError(
        f"{path}: {where} needs {expected}, found {shown}: "
        "correct it or export the annotations again"
    )


def is_count(value: Any, least: int = 0) -> bool:
    """Whether a piece of JSON is a whole number of a size that can be counted."""
    return type(value) is int and least <= value < 2**31


def objects(loaded: dict[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    """A list of JSON objects under a key; raises a `DataError` for anything else."""
    found = loaded.get(key)
    if not isinstance(found, list):
        raise unfit(path, "the file", f"a list {key!r}", found)
    for number, one in enumerate(found):
        if not isinstance(one, dict):
            raise unfit(path, f"{key}[{number}]", "to be an object", one)
    return found


def points(flat: Any, reach: float) -> list[float] | None:
    """Coordinates as floats, if all are numbers not absurdly far outside the image.

    Rasterisers allocate by the length of an outline, so a far point must not reach them.
    """
    if not isinstance(flat, list) or len(flat) % 2 or len(flat) > 2_000_000:
        return None
    if not all(type(value) in (int, float) for value in flat):
        return None
    if not all(math.isfinite(value) and abs(value) <= reach for value in flat):
        return None
    return [float(value) for value in flat]

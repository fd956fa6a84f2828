"""Where the measurements are stored, how, and on which machine they were made."""

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """What it was measured on.

    Returns
    -------
    dict
        ``cores``, as the system counts them, and ``processor``, its kind.
    """
    return {"cores": os.cpu_count(), "processor": platform.machine()}


def store(name: str | Path, result: Mapping[str, Any]) -> Path:
    """Write a result, whole or not at all; the folder is made if need be.

    Parameters
    ----------
    name : str or Path
        ``"counting"`` stands for counting.json among the results; a Path is taken as it is.
    result : mapping
        What JSON can hold.

    Returns
    -------
    Path
        Where it is now.
    """
    path = _place(name)
    text = json.dumps(result, indent=1) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.resolve()  # a link stays a link
    if target.exists() and not target.is_file():
        target.write_text(text)  # a device, such as /dev/null, must not be replaced
        return path
    half = target.with_name(f"{target.name}.part")
    half.write_text(text)
    half.replace(target)
    return path


def read(name: str | Path) -> dict[str, Any]:
    """Read a stored result.

    Parameters
    ----------
    name : str or Path
        As for `store`.

    Returns
    -------
    dict
        What was stored.
    """
    return dict(json.loads(_place(name).read_text()))


def _place(name: str | Path) -> Path:
    return name if isinstance(name, Path) else RESULTS / f"{name}.json"

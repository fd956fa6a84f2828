"""Working copies: learners change notebooks under ``work/``, and lose nothing to an update."""

import json
from collections.abc import Callable
from pathlib import Path

from .files import digest, list_notebooks, write_atomically

ORIGINS = ".origin.json"

Announce = Callable[[str], None]


def refresh(notebooks_dir: Path, work_dir: Path, announce: Announce = print) -> None:
    """Bring the working copies up to date with the originals.

    A missing copy is made. A copy that was not changed follows its original. A changed copy is
    never touched: if its original has changed as well, the new version is put beside it.

    Parameters
    ----------
    notebooks_dir : pathlib.Path
        The folder of the originals, which are only read.
    work_dir : pathlib.Path
        The folder of the working copies; it is made if need be.
    announce : callable, optional
        Called with a sentence for each new version that was put beside a changed copy.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    origins = _read_origins(work_dir)
    for original in list_notebooks(notebooks_dir):
        _refresh_one(original, work_dir, origins, announce)
    _write_origins(work_dir, origins)


def reset(original: Path, work_dir: Path, announce: Announce = print) -> None:
    """Put one original back into the working copies, keeping the learner's file beside it.

    Parameters
    ----------
    original : pathlib.Path
        The notebook to put back, which is only read.
    work_dir : pathlib.Path
        The folder of the working copies.
    announce : callable, optional
        Called with a sentence on what was done.
    """
    copy = work_dir / original.name
    if copy.exists() and digest(copy) == digest(original):
        announce(f"{original.name} is as the course has it; nothing to put back.")
        return
    if copy.exists():
        kept = _next_free(copy, "yours", first=1)
        copy.rename(kept)
        announce(f"{original.name} is as the course has it again; yours is kept as {kept.name}.")
    else:
        announce(f"{original.name} is back.")
    write_atomically(copy, original.read_bytes())
    _write_origins(work_dir, _read_origins(work_dir) | {original.name: digest(original)})


def _refresh_one(
    original: Path, work_dir: Path, origins: dict[str, str], announce: Announce
) -> None:
    copy = work_dir / original.name
    latest = digest(original)
    offered = origins.get(original.name)
    # Without a note of its origin (the file is lost, or is the learner's own) a copy counts as
    # changed: too many files are better than one too few.
    unchanged = not copy.exists() or digest(copy) in (offered, latest)
    if unchanged:
        if not copy.exists() or digest(copy) != latest:
            write_atomically(copy, original.read_bytes())
    elif offered != latest:
        beside = _place_beside(copy, origins)
        write_atomically(beside, original.read_bytes())
        origins[beside.name] = latest
        announce(
            f"{original.name} has a new version, and you have changed yours: "
            f"yours is as it was, the new one is {beside.name}."
        )
    # From now on the copy is compared with this version, so that it is offered only once.
    origins[original.name] = latest


def _place_beside(copy: Path, origins: dict[str, str]) -> Path:
    """Find the file for a new version: ``NAME.new.ipynb``, unless the learner works in that."""
    beside = copy.with_suffix(".new.ipynb")
    if not beside.exists() or digest(beside) == origins.get(beside.name):
        return beside
    return _next_free(copy, "new", first=2)


def _next_free(copy: Path, word: str, first: int) -> Path:
    number = first
    while (free := copy.with_suffix(f".{word}-{number}.ipynb")).exists():
        number += 1
    return free


def _read_origins(work_dir: Path) -> dict[str, str]:
    """Read which version each copy was made from; a damaged file counts as none."""
    try:
        origins = json.loads((work_dir / ORIGINS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return origins if isinstance(origins, dict) else {}


def _write_origins(work_dir: Path, origins: dict[str, str]) -> None:
    text = json.dumps(origins, indent=1, sort_keys=True) + "\n"
    write_atomically(work_dir / ORIGINS, text.encode())

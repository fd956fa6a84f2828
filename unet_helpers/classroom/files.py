"""Where the notebooks lie, how one is named on the command line, and how a file is written."""

import hashlib
import os
from pathlib import Path


class UserError(Exception):
    """A mistake that its message explains in one sentence; commands print it and exit with 2."""


def find_notebooks(start: Path | None = None) -> Path:
    """Find the course's notebooks.

    Parameters
    ----------
    start : pathlib.Path, optional
        The folder to look in first; the current one by default.

    Returns
    -------
    pathlib.Path
        ``notebooks`` in `start`, else beside the package, as in a checkout.

    Raises
    ------
    UserError
        If there is no such folder in either place.
    """
    here = Path.cwd() if start is None else start
    for parent in (here, Path(__file__).resolve().parents[2]):
        if (parent / "notebooks").is_dir():
            return (parent / "notebooks").resolve()
    raise UserError(
        f"expected a folder 'notebooks' in {here} and found none; "
        "change to the course's folder (the one with the Makefile) and run the command again"
    )


def list_notebooks(folder: Path) -> list[Path]:
    """List a folder's notebooks in the order of their names.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; its subfolders are not searched.

    Returns
    -------
    list of pathlib.Path
        One path a notebook, hidden files left out.
    """
    return sorted(path for path in folder.glob("*.ipynb") if not path.name.startswith("."))


def choose_notebooks(folder: Path, prefix: str | None = None) -> list[Path]:
    """Choose the notebooks whose name starts with a prefix.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the notebooks.
    prefix : str, optional
        The start of a name, such as ``03``, or a whole name; every notebook if left out. Where a
        notebook's number is the prefix, it is meant: ``01`` does not choose ``01b_more``.

    Returns
    -------
    list of pathlib.Path
        At least one notebook, in the order of their names.

    Raises
    ------
    UserError
        If no notebook fits.
    """
    notebooks = list_notebooks(folder)
    exact = [path for path in notebooks if path.name.startswith(f"{prefix}_")]
    chosen = exact or [path for path in notebooks if path.name.startswith(prefix or "")]
    if chosen:
        return chosen
    if not notebooks:
        raise UserError(f"expected notebooks (*.ipynb) in {folder} and found none")
    names = ", ".join(path.stem for path in notebooks)
    raise UserError(f"no notebook's name starts with '{prefix}'; choose one of: {names}")


def choose_one(folder: Path, prefix: str) -> Path:
    """Choose the one notebook that a prefix names.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the notebooks.
    prefix : str
        The start of its name, such as ``03``, or its whole name.

    Returns
    -------
    pathlib.Path
        The notebook.

    Raises
    ------
    UserError
        If none or several fit.
    """
    chosen = choose_notebooks(folder, prefix)
    if len(chosen) > 1:
        names = ", ".join(path.stem for path in chosen)
        raise UserError(f"'{prefix}' fits {len(chosen)} notebooks; name one of: {names}")
    return chosen[0]


def digest(path: Path) -> str:
    """Compute the SHA-256 of a file's bytes.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, meets the old content or the new, never half.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder is made if need be.
    content : bytes
        All of its new content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, since a file cannot be moved in one step to another disk.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)

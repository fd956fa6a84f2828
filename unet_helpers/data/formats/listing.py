"""The files of a folder, in a person's order, and when two names are one."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from unet_helpers.data.formats.decode import SUFFIXES
from unet_helpers.data.samples import DataError


def list_files(folder: Path, argument: str, suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """Image files of a folder, in the order in which a person counts; hidden ones left out.

    Parameters
    ----------
    folder : Path
        The folder; its subfolders are not searched.
    argument : str
        What the caller calls it, for the message.
    suffixes : sequence of str, optional
        The endings to look for, in lower case.

    Returns
    -------
    list of Path

    Raises
    ------
    DataError
        If it is no folder, or holds no such file.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: {argument} must be a folder, found "
            f"{'a file' if folder.exists() else 'nothing'}: correct the path"
        )
    found = [p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.name[0] != "."]
    if not found:
        kinds = sorted({path.suffix or path.name for path in folder.iterdir()})
        raise DataError(
            f"{folder}: {argument} must hold files of a known format, {' '.join(suffixes)}, found "
            f"{'only ' + ', '.join(kinds[:4]) if kinds else 'an empty folder'}: "
            "correct the path or convert the files"
        )
    return sorted(found, key=natural)


def is_file(path: Path) -> bool:
    """Whether a file is there; no for names that no file can have, such as too long ones."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def natural(path: Path) -> tuple[list[tuple[int, int | str]], str]:
    """Sort key by which 2 comes before 10."""
    parts = re.split(r"(\d+)", path.name)
    key: list[tuple[int, int | str]] = [
        (0, int(p)) if p.isdecimal() and len(p) < 4000 else (1, p) for p in parts if p
    ]
    return key, path.name


def same_name(text: str) -> str:
    r"""Give names that differ only in case or Unicode form one form.

    Examples
    --------
    >>> same_name("E\u0301tude") == same_name("\u00e9tude")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())

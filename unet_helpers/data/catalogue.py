"""Public data sets by name: what each is, whether it is here, and how it is read.

A set is a folder under the data home: ``images/``, ``masks/`` and, where the release has parts,
``splits.csv``. What lies there is used as it is; `unet_helpers.data.public.fetch` makes the folder
out of the official release.
"""

import csv
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.public import everyday, medicine, microscopy, tracking
from unet_helpers.data.public.entry import Entry, share_by_hash
from unet_helpers.data.samples import DataError, Samples

# In the order of a course: what is named in the issue of a lesson first, variants of it behind.
_ORDER = ("membranes", "nuclei", "blood", "streets", "pets", "vessels", "polyps")
_OTHERS = (*medicine.ENTRIES, *everyday.ENTRIES)
_ALL = {e.name: e for e in (*microscopy.ENTRIES, *tracking.ENTRIES, *_OTHERS)}
ENTRIES: dict[str, Entry] = {name: _ALL[name] for name in dict.fromkeys((*_ORDER, *_ALL))}

STORING = "UNET_STORING_OUTPUTS"
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def data_home() -> Path:
    """The folder that holds the real data sets: ``UNET_DATA_HOME``, else ``~/unet-data``."""
    return Path(os.environ.get("UNET_DATA_HOME") or Path.home() / "unet-data").expanduser()


def find_entry(name: str) -> Entry:
    """What the catalogue knows of a set.

    Parameters
    ----------
    name : str
        The set's name.

    Returns
    -------
    Entry
        Its entry.

    Raises
    ------
    ValueError
        If no set has this name.

    Examples
    --------
    >>> find_entry("pets").licence, find_entry("pets").size_text
    ('CC BY-SA 4.0', '811 MB')
    """
    if name not in ENTRIES:
        known = ", ".join(["cells", *ENTRIES])
        raise ValueError(
            f"name must be one of {known}, found {name!r}: correct the name, or use read_folder() "
            "for folders of your own"
        )
    return ENTRIES[name]


def load_public(name: str, download: bool = False) -> Samples:
    """Load a public set from its folder under the data home.

    Parameters
    ----------
    name : str
        Its name in the catalogue.
    download : bool
        Get it first if it is not there, after printing its size and its terms.

    Returns
    -------
    Samples
        Named after the set, with its classes, groups and parts.

    Raises
    ------
    ValueError
        If no set has this name.
    DataError
        If its folder is absent or unfit, or pictures of it would be stored that may not be.
    """
    entry = find_entry(name)
    if os.environ.get(STORING) and not entry.pictures_may_be_stored:
        raise DataError(
            f"load({name!r}): a set whose pictures may be stored in the course is expected, found "
            f"one whose terms do not allow it ({entry.licence}): run this notebook with 'cells'"
        )
    if download:
        from unet_helpers.data.public.fetch import fetch

        fetch(entry, data_home())
    return read_entry(entry, data_home())


def absence(entry: Entry, home: Path) -> str | None:
    """Why a set cannot be read, in a sentence that says how to get it; None if its folder is there.

    Parameters
    ----------
    entry : Entry
        The set.
    home : Path
        The folder that holds the sets.

    Returns
    -------
    str or None
        The sentence.
    """
    root = home / entry.folder
    if root.is_dir():
        return None
    way = f"get it by hand ({entry.by_hand}) and then run" if entry.by_hand else "run"
    return (
        f"{root}: the data set {entry.name!r} is expected in this folder, which does not exist: "
        f"{way} `{fetch_command(entry)}` ({entry.size_text}, licence: {entry.licence}), set "
        "UNET_DATA_HOME to the folder that holds it, or use load('cells'), which needs no files"
    )


def fetch_command(entry: Entry) -> str:
    """The command that gets a set."""
    files = "".join(f" --file {source.file}" for source in entry.sources) if entry.by_hand else ""
    return f"python -m unet_helpers data fetch {entry.name}{files}"


def read_entry(entry: Entry, home: Path) -> Samples:
    """Read a set's folder by its entry's rule.

    Parameters
    ----------
    entry : Entry
        The set.
    home : Path
        The folder that holds the sets.

    Returns
    -------
    Samples
        Nothing is decoded yet.

    Raises
    ------
    DataError
        If the folder is absent or unfit.
    """
    absent = absence(entry, home)
    if absent:
        raise DataError(absent)
    root = home / entry.folder
    if entry.mask_values is None:
        rule: dict[str, Any] = {"instances": True}
    else:
        rule = {"mask_values": dict(entry.mask_values), "ignore_value": entry.ignore_value}
    samples = read_folder(
        root / "images",
        root / "masks",
        class_names=entry.class_names,
        group=entry.group,
        split=_parts(entry, root),
        **rule,
    )
    return dataclasses.replace(samples, name=entry.name, foreground=entry.foreground)


def _parts(entry: Entry, root: Path) -> Callable[[str], str] | None:
    """The part of each image: the folder's own list goes before the entry's rule."""
    if (root / "splits.csv").is_file():
        return _listed_parts(root / "splits.csv")
    if entry.stratify:
        return _stratified(root / "images").__getitem__
    return entry.split


def _listed_parts(path: Path) -> Callable[[str], str]:
    with path.open(encoding="utf-8", newline="") as file:
        parts = {Path(row["file"]).stem: row["split"] for row in csv.DictReader(file)}

    def part(name: str) -> str:
        if name not in parts:
            raise DataError(
                f"{path}: a line for every image is expected, found none for {name!r}: add it, or "
                "remove the file to use the set's rule"
            )
        return parts[name]

    return part


def _stratified(images: Path, val: float = 0.2, test: float = 0.2) -> dict[str, str]:
    """Deal the images to the parts within each image size, in the order of their names' hashes.

    Images of one experiment share their size, so that each part meets each kind of image.
    """
    from PIL import Image

    by_size: dict[tuple[int, int], list[str]] = {}
    for path in sorted(images.iterdir()):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".":
            with Image.open(path) as file:
                by_size.setdefault(file.size, []).append(path.stem)
    parts = {}
    for names in by_size.values():
        for place, name in enumerate(sorted(names, key=share_by_hash)):
            share = (place + 0.5) / len(names)
            parts[name] = "test" if share < test else "val" if share < test + val else "train"
    return parts

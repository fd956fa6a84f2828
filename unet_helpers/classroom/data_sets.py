"""The command ``data``: what sets there are, what is known of one, and how to get it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from unet_helpers.data.catalogue import ENTRIES, data_home, fetch_command, find_entry
from unet_helpers.data.public.entry import Entry
from unet_helpers.data.public.fetch import describe, fetch
from unet_helpers.data.public.page import as_page
from unet_helpers.data.samples import DataError

from .files import UserError


def list_sets() -> int:
    """Print a line for each set: its name, its size, and whether it is here.

    Returns
    -------
    int
        0.
    """
    home = data_home()
    print(f"Sets in {home} are marked *; `python -m unet_helpers data show NAME` tells more.")
    for entry in ENTRIES.values():
        here = "*" if (home / entry.folder).is_dir() else " "
        size = "by hand" if entry.by_hand else entry.size_text
        print(f"{here} {entry.name:15} {size:20} {entry.title}")
    return 0


def show_set(name: str) -> int:
    """Print what is known of a set.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    int
        0.

    Raises
    ------
    UserError
        If no set has this name.
    """
    entry = _entry(name)
    print(describe(entry, entry.sources))
    print(f"  classes   {', '.join(entry.class_names)}")
    print(f"  images    {entry.images}")
    print(f"  good for  {entry.good_for}")
    root = data_home() / entry.folder
    if root.is_dir():
        print(f"  it is in  {root}")
    else:
        by_hand = f"{entry.by_hand}, then: " if entry.by_hand else ""
        print(f"  get it    {by_hand}{fetch_command(entry)}")
    return 0


def fetch_set(name: str, files: Sequence[Path] = ()) -> int:
    """Get a set, printing its size and terms first.

    Parameters
    ----------
    name : str
        Its name.
    files : sequence of Path, optional
        Files of its release that were got by hand.

    Returns
    -------
    int
        0 if it is there, 1 if it could not be got.

    Raises
    ------
    UserError
        If no set has this name.
    """
    entry = _entry(name)
    try:
        fetch(entry, data_home(), archives=files, progress=sys.stderr.isatty())
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def print_page() -> int:
    """Print the page of all sets, as ``docs/data_sets.md`` holds it.

    Returns
    -------
    int
        0.
    """
    print(as_page(ENTRIES.values()), end="")
    return 0


def _entry(name: str) -> Entry:
    try:
        return find_entry(name)
    except ValueError as error:
        raise UserError(str(error)) from None

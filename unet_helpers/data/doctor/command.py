"""The doctor in a shell: ``python -m unet_helpers doctor IMAGES MASKS``."""

import argparse
import io
import os
import re
import sys
from collections.abc import Callable

from unet_helpers.data.doctor.check import check
from unet_helpers.data.doctor.kinds import KINDS
from unet_helpers.data.doctor.report import explain


def run(options: argparse.Namespace) -> int:
    """Check what the options name and print the report.

    Parameters
    ----------
    options : argparse.Namespace
        ``images, masks, manifest, pattern, ignore, values, classes, instances, patch, group, json,
        colours, explain, list``.

    Returns
    -------
    int
        0 if there is no error, 1 if there is one.

    Raises
    ------
    ValueError
        If the options make no sense together, or a folder does not exist.
    """
    if options.list:
        kinds = (f"{kind.severity:8} {name:26} {kind.title}" for name, kind in KINDS.items())
        _print("\n".join(kinds))
        return 0
    if options.explain:
        _print(explain(options.explain))
        return 0
    if options.manifest and options.images:
        raise ValueError("IMAGES and --manifest were both given: name the pairs in one way")
    if not options.manifest and not options.masks:
        missing = "MASKS is" if options.images else "IMAGES and MASKS are"
        raise ValueError(f"{missing} missing: python -m unet_helpers doctor IMAGES MASKS")
    report = check(
        options.images,
        options.masks,
        manifest=options.manifest,
        pattern=options.pattern,
        class_names=options.classes.split(",") if options.classes else None,
        mask_values=_values(options.values) if options.values else None,
        ignore_value=options.ignore,
        colours=dict(options.colours) if options.colours else None,
        instances=options.instances,
        group=_group(options.group) if options.group else None,
        patch=options.patch,
    )
    _print(report.to_json() if options.json else str(report))
    return 0 if report.ok else 1


def _print(text: str) -> None:
    """Print, whatever characters file names hold and whoever stops reading (``| head``)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # What Python would flush at its end goes nowhere, so that it does not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _values(text: str) -> dict[int, int]:
    """Read ``0:0,128:1``."""
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return {int(value): int(class_id) for value, class_id in pairs}
    except ValueError as error:
        raise ValueError(
            f"--values must be pairs of mask value and class id, found {text!r}: write "
            "0:0,128:1,255:2, for instance"
        ) from error


def _group(text: str) -> Callable[[str], str]:
    """Take the group out of a name by a regular expression: its first group, or all it matches."""
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(
            f"--group must be a regular expression, found {text!r} ({error}): write '^(.*)_', for "
            "instance, for what stands before the last underscore"
        ) from error

    def group(name: str) -> str:
        found = pattern.search(name)
        return name if found is None else found.group(1) if pattern.groups else found.group()

    return group

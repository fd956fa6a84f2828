"""The doctor in a shell: ``python -m unet_helpers doctor IMAGES MASKS``."""

import argparse
import io
import os
import sys

from unet_helpers.data.doctor.check import check
from unet_helpers.data.doctor.kinds import KINDS
from unet_helpers.data.doctor.report import Report, explain
from unet_helpers.data.formats.options import reading_settings


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
    report = check_options(options, options.patch)
    _print(report.to_json() if options.json else str(report))
    return 0 if report.ok else 1


def check_options(options: argparse.Namespace, patch: int = 128) -> Report:
    """Examine what the reading options of a command name.

    Parameters
    ----------
    options : argparse.Namespace
        As `add_reading_options` makes it.
    patch : int
        The size of training crops, in pixels.

    Returns
    -------
    Report
    """
    return check(
        options.images,
        options.masks,
        manifest=options.manifest,
        **reading_settings(options),
        patch=patch,
    )


def _print(text: str) -> None:
    """Print, whatever characters file names hold and whoever stops reading (``| head``)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # What Python would flush at its end goes nowhere, so that it does not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

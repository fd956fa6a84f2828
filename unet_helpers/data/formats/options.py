"""How to read a folder, as options of a command: shared by all commands that read masks."""

import argparse
import ast
import re
from collections.abc import Callable
from typing import Any


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add what `read_folder` wants to know to a parser.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Its result gets ``images, masks, manifest, pattern, values, colours, classes, ignore,
        instances`` and ``group``, each None (or False) where it was not given.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> add_reading_options(parser)
    >>> parser.parse_args(["scans", "labels", "--values", "0:0,255:1"]).values
    {0: 0, 255: 1}
    """
    add = parser.add_argument
    add("images", nargs="?", metavar="IMAGES", help="the folder of the images")
    add("masks", nargs="?", metavar="MASKS", help="the folder of the true masks")
    add("--manifest", metavar="CSV", help="a table of pairs (image, mask, group, split) instead")
    add("--pattern", metavar="P", help='how masks are named, such as "{stem}_mask"')
    add(
        "--values",
        type=_values,
        metavar="V:ID,...",
        help="mask value to class id, such as 0:0,128:1,255:2",
    )
    add(
        "--colours",
        "--colors",
        nargs="+",
        type=_colour,
        metavar="R,G,B:ID",
        help="colour to class id, such as 0,0,0:0 255,0,0:1 (after the folders)",
    )
    add("--classes", type=names, metavar="A,B,...", help="names of the class ids 0, 1, ...")
    add("--ignore", type=int, metavar="N", help="the mask value of pixels without a label")
    add("--instances", action="store_true", help="the masks number objects, not classes")
    add("--group", type=_group, metavar="REGEX", help="the part of a name that tells its patient")


def reading_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The options of `add_reading_options` as arguments of `read_folder` and `check`.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> add_reading_options(parser)
    >>> reading_settings(parser.parse_args(["--ignore", "255"]))["ignore_value"]
    255
    """
    return {
        "pattern": options.pattern,
        "class_names": options.classes,
        "mask_values": options.values,
        "ignore_value": options.ignore,
        "colours": dict(options.colours) if options.colours else None,
        "instances": options.instances,
        "group": options.group,
    }


def _values(text: str) -> dict[int, int]:
    """Read ``0:0,128:1``."""
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return {int(value): int(class_id) for value, class_id in pairs}
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"pairs of mask value and class id are expected, found {text!r}: write "
            "0:0,128:1,255:2, for instance"
        ) from error


def _colour(text: str) -> tuple[tuple[int, int, int], int]:
    """Read ``255,0,0:1``."""
    try:
        colour, class_id = text.split(":")
        red, green, blue = map(int, colour.split(","))
        return (red, green, blue), int(class_id)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"a colour and its class id are expected, found {text!r}: write 0,0,0:0 255,0,0:1, "
            "for instance, after the folders"
        ) from error


def names(text: str) -> tuple[str, ...]:
    """Read ``A,B,C``."""
    return tuple(text.split(","))


def in_options(text: str) -> str:
    """Name the arguments of `read_folder` in a message as the options that a command has for them.

    Examples
    --------
    >>> in_options("say what they mean, for instance mask_values={0: 0, 128: 1} (value: class id)")
    'say what they mean, for instance --values 0:0,128:1 (value: class id)'
    >>> in_options("read them with instances=True, or give ignore_value=255")
    'read them with --instances, or give --ignore 255'
    >>> in_options("or mask_values={1: 1, 2: 0, 3: None} for a trimap")
    'or --values 1:1,2:0 --ignore 3 for a trimap'
    >>> in_options("for instance colours={(0, 0, 0): 0, (255, 0, 0): 1} (colour: class id)")
    'for instance --colours 0,0,0:0 255,0,0:1 (colour: class id)'
    """
    text = re.sub(r"(mask_values|colours)=(\{[^}]*\})", _in_option, text)
    text = text.replace("instances=True", "--instances")
    return re.sub(r"ignore_value=(\d+)", r"--ignore \1", text)


def _in_option(found: re.Match[str]) -> str:
    try:
        table: dict[Any, int | None] = ast.literal_eval(found[2])
    except (ValueError, SyntaxError):  # "..." in it
        return found[0]
    named = {
        ",".join(map(str, key)) if isinstance(key, tuple) else str(key): class_id
        for key, class_id in table.items()
    }
    pairs = [f"{key}:{class_id}" for key, class_id in named.items() if class_id is not None]
    if found[1] == "colours":
        return f"--colours {' '.join(pairs)}"
    unlabelled = [f" --ignore {key}" for key, class_id in named.items() if class_id is None]
    return f"--values {','.join(pairs)}{''.join(unlabelled)}"


def above_zero(text: str) -> float:
    """Read a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"a number above 0 is expected, found {text!r}: try 2")
    return number


def _group(text: str) -> Callable[[str], str]:
    """Take the group out of a name by a regular expression: its first group, or all it matches."""
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(
            f"a regular expression is expected, found {text!r} ({error}): write '^(.*)_', for "
            "instance, for what stands before the last underscore"
        ) from error

    def group(name: str) -> str:
        found = pattern.search(name)
        if found is None:  # to call such an image a group of its own would hide a typing error
            raise ValueError(
                f"--group must match the name of every image, found {name!r} beside {text!r}: "
                "correct the expression, or append '|$' to leave such names ungrouped"
            )
        return (found.group(1) if pattern.groups else found.group()) or name

    return group

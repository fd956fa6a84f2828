"""The arguments of ``python -m unet_helpers doctor``, kept apart so that help stays quick."""

import argparse

EPILOG = """\
exit status:  0 no error found, 1 at least one, 2 the command makes no sense
examples:     python -m unet_helpers doctor scans labels --pattern "{stem}_mask"
              python -m unet_helpers doctor photos labels --values 0:0,128:1,255:2 --json
              python -m unet_helpers doctor images masks"""


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the doctor's arguments to a parser.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add("images", nargs="?", metavar="IMAGES", help="the folder of the images")
    add("masks", nargs="?", metavar="MASKS", help="the folder of the masks")
    add("--manifest", metavar="CSV", help="a table of pairs (image, mask, group, split) instead")
    add("--pattern", metavar="P", help='how masks are named, such as "{stem}_mask"')
    add("--values", metavar="V:ID,...", help="mask value to class id, such as 0:0,128:1,255:2")
    add(
        "--colours",
        "--colors",
        nargs="+",
        type=_colour,
        metavar="R,G,B:ID",
        help="colour to class id, such as 0,0,0:0 255,0,0:1 (after the folders)",
    )
    add("--classes", metavar="A,B,...", help="names of the class ids 0, 1, ...")
    add("--ignore", type=int, metavar="N", help="the mask value of pixels without a label")
    add("--instances", action="store_true", help="the masks number objects, not classes")
    add("--group", metavar="REGEX", help="the part of a name that tells its patient or slide")
    add("--patch", type=int, default=128, metavar="N", help="side of training patches (128)")
    add("--json", action="store_true", help="print one JSON document and nothing else")
    add("--list", action="store_true", help="list all findings there are, and leave")
    add("--explain", metavar="NAME", help="tell what a finding means, and leave")

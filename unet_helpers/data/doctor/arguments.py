"""The arguments of ``python -m unet_helpers doctor``, kept apart so that help stays quick."""

import argparse

from unet_helpers.data.formats.options import add_reading_options

EPILOG = """\
exit status:  0 no error found, 1 at least one, 2 the command makes no sense
examples:     python -m unet_helpers doctor scans labels --pattern "{stem}_mask"
              python -m unet_helpers doctor photos labels --values 0:0,128:1,255:2 --json
              python -m unet_helpers doctor images masks"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the doctor's arguments to a parser.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add_reading_options(parser)
    add = parser.add_argument
    add("--patch", type=int, default=128, metavar="N", help="side of training patches (128)")
    add("--json", action="store_true", help="print one JSON document and nothing else")
    add("--list", action="store_true", help="list all findings there are, and leave")
    add("--explain", metavar="NAME", help="tell what a finding means, and leave")

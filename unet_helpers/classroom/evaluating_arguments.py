"""The arguments of ``python -m unet_helpers evaluate``, kept apart so that help stays quick."""

import argparse

from unet_helpers.data.formats.options import add_reading_options, names

EPILOG = """\
RUN is a model saved by model.save("model.keras"), a folder that holds a model.keras, or a folder
of predicted masks: one image file of class ids for each image, named like it.

exit status:  0 scored, 2 it cannot be done, for the reason that is told
examples:     python -m unet_helpers evaluate model.keras scans labels --out report
              python -m unet_helpers evaluate predicted scans labels --pattern "{stem}_mask"
              python -m unet_helpers evaluate model.keras photos labels --foreground road --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate` to a parser.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add("run", metavar="RUN", help="the model, or a folder of predicted masks")
    add_reading_options(parser)
    add("--part", metavar="NAME", help="only the images of this split, such as test")
    add("--foreground", type=names, metavar="A,B", help="these classes against all others")
    add("--threshold", type=float, metavar="T", help="probability of foreground (0.5)")
    add("--out", metavar="DIR", help="write report.json, two CSV tables and the figures there")
    add("--json", action="store_true", help="print one JSON document and nothing else")

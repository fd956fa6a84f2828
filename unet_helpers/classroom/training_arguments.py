"""The arguments of ``python -m unet_helpers train``, kept apart so that help stays quick."""

import argparse

from unet_helpers.data.formats.options import above_zero, add_reading_options, names

EPILOG = """\
Checks the images and masks, splits them by group (--group), trains the course's U-Net, and scores
it on images that it has not seen, against a plain threshold. RUN gets model.keras, which plain
Keras opens, run.json, split.csv, card.md, and test/ with scores and figures. After a kill or a
closed lid the same command with --resume goes on where it was.

--from FIRST goes on from a model that was trained on other images, which takes fewer images and
steps than a beginning from nothing; FIRST is not changed. Images that it was trained on must not be
among the new test images, or the scores flatter. --freeze keeps a part of the net as it is.

exit status:  0 trained, 1 the masks have errors that --anyway would pass over, 2 it cannot be
              done, for the reason that is told, 3 stopped before its end
examples:     python -m unet_helpers train scans labels --out run --minutes 2
              python -m unet_helpers train scans labels --out run --group '^(.*)_' --resume
              python -m unet_helpers train scans labels --out run --from first_run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `train` to a parser.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add_reading_options(parser)
    add("--out", required=True, metavar="RUN", help="the folder for the model and its scores")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=above_zero, metavar="M", help="time to train (2)")
    length.add_argument("--epochs", type=above_zero, metavar="E", help="rounds over the images")
    add("--seed", type=int, default=0, metavar="S", help="of the split and the training (0)")
    add("--from", dest="start", metavar="FIRST", help="begin with this run, or model.keras")
    add("--freeze", choices=("encoder", "decoder"), help="with --from: what is not to change")
    add("--resume", action="store_true", help="go on with the training that RUN holds")
    add("--foreground", type=names, metavar="A,B", help="these classes against all others")
    add("--anyway", action="store_true", help="train although a check found errors")
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    told.add_argument("--json", action="store_true", help="print one JSON document, nothing else")

"""The arguments of ``python -m unet_helpers predict``, kept apart so that help stays quick."""

import argparse

from unet_helpers.data.formats.options import above_zero

EPILOG = """\
RUN is the folder of a training, or a model.keras file. IMAGES are files, or folders of them. OUT
gets one mask for each image, named like it: a PNG of class ids, in colours for the eye. Pixels of
16 bits, of floats and of several channels are read as in training. TIFF files of more than 8192 x
8192 numbers, pyramids and Zarr folders are predicted from disk to disk, into an OME-TIFF.

exit status:  0 all predicted, 1 some were left out (with --skip), 2 it cannot be done, for the
              reason that is told; what was predicted before stays
examples:     python -m unet_helpers predict run new_scans --out masks
              python -m unet_helpers predict run a.tif b.tif --out masks --objects --split 1"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `predict` to a parser.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add("run", metavar="RUN", help="the training's folder, or a model.keras")
    add("images", nargs="+", metavar="IMAGES", help="files or folders")
    add("--out", required=True, metavar="DIR", help="the folder for the masks")
    add("--threshold", type=_share, metavar="T", help="probability of foreground (the run's, 0.5)")
    add("--objects", action="store_true", help="number the objects too: label TIFF and CSV table")
    add("--split", type=above_zero, metavar="PX", help="part touching objects at deeper necks")
    add("--min-area", type=int, default=1, metavar="PX", help="drop smaller objects (1)")
    add("--tile", type=int, default=1024, metavar="PX", help="side of a tile of large images")
    add("--symmetries", type=int, default=1, choices=(1, 4, 8), help="average over so many turns")
    add("--overwrite", action="store_true", help="replace masks that are there")
    add("--skip", action="store_true", help="leave out images that cannot be read, and go on")
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    told.add_argument("--json", action="store_true", help="print one JSON document, nothing else")


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"0 to below 1 is expected, found {text!r}: try 0.5")
    return number

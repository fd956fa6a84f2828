"""The arguments of ``python -m unet_helpers export``, kept apart so that help stays quick."""

import argparse

from unet_helpers.data.formats.options import add_reading_options, names

EPILOG = """\
RUN is the folder of a training, or a model.keras file. The file is kept only if its own runtime
computes what Keras does: probabilities to 0.0001, and 99.9 % of the mask. A JSON file beside it
tells scaling, class names, threshold, sizes and halo. A file of 8 bits (--int8) is not held to
that: IMAGES and MASKS, best those of the training, say which numbers the model meets, and its test
images how much Dice is lost. It takes windows of one size, halo included; --side sets it.

exit status:  0 written, 2 it cannot be done, for the reason that is told; nothing is left then
needs:        python -m pip install -e ".[export]" (in the project's folder), for all but keras
examples:     python -m unet_helpers export run --format onnx
              python -m unet_helpers export run scans labels --format litert --int8"""

FORMATS = ("onnx", "litert", "openvino", "keras")


def _format(text: str) -> str:
    """The name of a format; LiteRT by its older names too."""
    return {"tflite": "litert", "tensorflow-lite": "litert"}.get(text.lower(), text.lower())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export` to a parser.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add("run", metavar="RUN", help="the training's folder, or a model.keras")
    add("--format", required=True, type=_format, choices=FORMATS, help="which")
    add("--out", metavar="FILE", help="where to (RUN/model.onnx, .tflite, .xml, _plain.keras)")
    add("--side", type=int, metavar="PX", help="take images of this height and width only")
    add("--int8", action="store_true", help="compute in whole numbers of 8 bits")
    add("--overwrite", action="store_true", help="replace the file that is there")
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    told.add_argument("--json", action="store_true", help="print one JSON document, nothing else")
    add_reading_options(parser)
    add("--foreground", type=names, metavar="A,B", help="these classes against all others")

"""The command ``export``: a trained model as a file for another runtime."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from unet_helpers.data.samples import DataError, Samples

from .evaluating import ask, needed_model, read_labelled, say
from .files import UserError


def export(options: argparse.Namespace) -> int:
    """Export what the options name.

    Parameters
    ----------
    options : argparse.Namespace
        As `exporting_arguments.add_arguments` makes it.

    Returns
    -------
    int
        0.

    Raises
    ------
    UserError
        If it cannot be done.
    """
    return ask(lambda: _export(options), options.run)


def _export(options: argparse.Namespace) -> int:
    file = needed_model(Path(options.run))
    if options.images and not options.int8:
        raise UserError(
            f"IMAGES must come with --int8, found {options.images} without it: add it, or leave "
            "the images out"
        )
    if options.int8 and not (options.masks or options.manifest):
        raise UserError(
            "--int8 must come with IMAGES and MASKS, found none or one: 8 bits are fitted to the "
            "training images, and what they cost is counted on the others"
        )
    target = _target(options, file)
    told = _written(options, file, target)
    if options.json:
        say(json.dumps(told, indent=1))
    elif not options.quiet:
        say(told["text"])
        for name, found in told["dice"].items():
            say(
                f"{name}: Dice {found['float']:.4f} in float, {found['int8']:.4f} in 8 bits, "
                f"lost {found['lost']:.4f}, on {told['test_images']} test images"
            )
    return 0


def _target(options: argparse.Namespace, file: Path) -> Path:
    from unet_helpers.prediction.runtimes import SUFFIXES

    suffix = SUFFIXES[options.format]
    if options.out:
        if Path(options.out).suffix != suffix:
            raise UserError(
                f"{options.out}: the name of a file for {options.format} must end in {suffix}, "
                f"found another ending: write {Path(options.out).with_suffix(suffix)}"
            )
        return Path(options.out)
    if options.format == "keras" and options.int8:
        raise UserError("--int8 must come with another format, found keras: choose onnx or litert")
    # The run's own model stays as it is.
    stem = file.stem + "_plain" * (options.format == "keras") + "_int8" * options.int8
    return file.with_name(f"{stem}{suffix}")


def _written(options: argparse.Namespace, file: Path, target: Path) -> dict[str, Any]:
    from unet_helpers.prediction.export import export as export_model
    from unet_helpers.prediction.int8 import calibration_windows, quantization_loss
    from unet_helpers.prediction.loading import load_model
    from unet_helpers.training.run_record import read_record

    model, settings = load_model(file), {"side": options.side, "overwrite": options.overwrite}
    record = read_record(file.parent) or {}
    if not options.int8:
        made = export_model(model, target, record=record, **settings)
        return _told(made)
    train, test = _parts(options, file)
    windows = calibration_windows(model, train, side=options.side)
    made = export_model(model, target, record=record, calibration=windows, **settings)
    return _told(made, quantization_loss(model, made, test), len(test))


def _parts(options: argparse.Namespace, file: Path) -> tuple[Samples, Samples]:
    """Images to calibrate on, and images to score on: those of the training, where they are."""
    from unet_helpers.data.splits import read_split

    from .evaluating_runs import SPLIT, Model

    samples = read_labelled(options, "export")
    if samples.num_classes > 2 and options.foreground:
        samples = samples.binary(options.foreground)
    Model(file, samples)  # refuses samples that do not fit
    kept = file.with_name(SPLIT)
    try:
        train, _, test = read_split(kept, samples)
    except DataError:  # other images than those of the training, or a model without a run
        train, _, test = samples.split(seed=0)
    return train, test


def _told(made: Any, dice: Any = None, images: int = 0) -> dict[str, Any]:
    facts = dataclasses.asdict(made)
    facts["path"] = str(made.path)
    return {**facts, "dice": dice or {}, "test_images": images, "text": str(made)}

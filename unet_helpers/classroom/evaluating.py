"""The command ``evaluate``: score a saved model, or predicted masks, on labelled images.

TensorFlow is loaded only for a model.
"""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from tqdm import tqdm

from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.formats.options import in_options, reading_settings
from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.report import ScoreReport, score_report
from unet_helpers.evaluation.report_files import former_parts

from .evaluating_runs import SPLIT, Model, find_masks, seen_in_training
from .files import UserError

MODEL = "model.keras"


def evaluate(options: argparse.Namespace) -> int:
    """Score what the options name, print the report, and write it where they say.

    Parameters
    ----------
    options : argparse.Namespace
        As `evaluating_arguments.add_arguments` makes it.

    Returns
    -------
    int
        0.

    Raises
    ------
    UserError
        If it cannot be done.
    """
    return ask(lambda: _evaluate(options), options.run)


def ask(work: Callable[[], int], subject: str) -> int:
    """Do the work of a command; what it refuses becomes one line.

    Parameters
    ----------
    work : callable
        Gives the exit status.
    subject : str
        The path that an error of the system is about, where it names none.

    Returns
    -------
    int

    Raises
    ------
    UserError
        In place of ValueError and OSError.
    """
    try:
        return work()
    except ValueError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(f"{error.filename or subject}: {error.strerror or error}") from error


def _evaluate(options: argparse.Namespace) -> int:
    run = Path(options.run)
    model = model_file(run)
    out = Path(options.out) if options.out else None
    if out is not None:
        former_parts(out)  # before the work, so that it is not done in vain
    samples = _read(options)
    if model is None and options.threshold is not None:
        raise UserError(
            f"--threshold must be given with a model, found the folder of masks {run}: leave it out"
        )
    predictions = find_masks(run, samples) if model is None else Model(model, samples)
    bar = tqdm(
        predictions,
        desc="scoring",
        unit="image",
        leave=False,
        disable=options.json or not sys.stderr.isatty(),
    )
    notes = [*predictions.notes, *_ungrouped(options, samples), *_leaks(model, samples)]
    report = score_report(samples, bar, threshold=options.threshold, notes=notes)
    written = [] if out is None else report.write(out, figures_of(report, samples, predictions))
    say(report.to_json() if options.json else str(report))
    if written and not options.json:
        say(f"\nwritten to {out}: {', '.join(path.name for path in written)}")
    return 0


def model_file(run: Path) -> Path | None:
    """Find the file of a model; None for a folder that holds none, such as one of masks.

    Raises
    ------
    UserError
        If there is nothing, or a file of another kind.
    """
    if not run.exists():
        raise UserError(f"{run}: a model or a folder is expected, found nothing: correct the path")
    if run.is_dir():
        return run / MODEL if (run / MODEL).is_file() else None
    if run.suffix != ".keras":
        raise UserError(
            f"{run}: a model saved as a .keras file is expected, found a file of another kind: "
            "save it with model.save('model.keras'), or name a folder of predicted masks"
        )
    return run


def needed_model(run: Path) -> Path:
    """Find the file of a model where nothing else will do.

    Raises
    ------
    UserError
        If there is none.
    """
    file = model_file(run)
    if file is None:
        raise UserError(
            f"{run}: a run must hold {MODEL}, found none: name the folder that `train` wrote"
        )
    return file


def asked_for_images(options: argparse.Namespace, command: str) -> None:
    """Refuse options that name no images and masks, or name them in two ways."""
    if options.manifest and options.images:
        raise UserError("IMAGES and --manifest were both given: name the pairs in one way")
    if not options.manifest and not options.masks:
        missing = "MASKS is" if options.images else "IMAGES and MASKS are"
        run = "RUN " * (command in ("evaluate", "export"))
        raise UserError(f"{missing} missing: python -m unet_helpers {command} {run}IMAGES MASKS")


def read_labelled(options: argparse.Namespace, command: str) -> Samples:
    """Read the images and masks that a command's options name.

    Raises
    ------
    UserError
        If they name none, or in two ways.
    """
    asked_for_images(options, command)
    try:
        return read_folder(
            options.manifest or options.images,
            options.masks,
            **reading_settings(options),
        )
    except ValueError as error:  # it names the arguments of Python
        raise UserError(in_options(str(error))) from error


def _read(options: argparse.Namespace) -> Samples:
    samples = read_labelled(options, "evaluate")
    if options.part:
        samples = _part(samples, options.part)
    return samples.binary(options.foreground) if options.foreground else samples


def _part(samples: Samples, part: str) -> Samples:
    chosen = [i for i, record in enumerate(samples.records) if record.split == part]
    if not chosen:
        parts = sorted({record.split for record in samples.records if record.split})
        raise UserError(
            f"--part must name a split of the images, found {part!r} beside "
            f"{', '.join(parts) or 'no split at all'}: give the manifest a column 'split'"
        )
    return samples[chosen]


def _leaks(model: Path | None, samples: Samples) -> list[str]:
    """Say if images are scored that the model was trained on."""
    if model is None:
        return []
    split = model.with_name(SPLIT)
    seen = len(seen_in_training(split, samples))
    if not seen:
        return []
    return [
        f"{seen} of {len(samples)} images served the training ({split}), so these scores flatter: "
        f"for those of its test images put --manifest {split} --part test in place of the folders"
    ]


def _ungrouped(options: argparse.Namespace, samples: Samples) -> list[str]:
    """Say what an interval takes for granted where nobody told the groups."""
    if options.group or options.manifest or len(set(samples.groups)) < len(samples):
        return []
    return [
        "each image counts as a group of its own: if several are of one patient or slide, tell "
        "them apart with --group, or the intervals are too narrow"
    ]


# --- what comes out -----------------------------------------------------------------------------


def figures_of(
    report: ScoreReport, samples: Samples, predictions: Sequence[NDArray[Any]]
) -> dict[str, bytes]:
    """Draw what belongs to a report: file names and PNG images."""
    from unet_helpers.views import score_figures
    from unet_helpers.views.figures import png

    found = {"confusion.png": score_figures.confusion(report)}
    if report.cases:
        masks = {index: _mask(predictions[index], report) for index in report.cases.values()}
        found["cases.png"] = score_figures.cases(report, samples, masks)
    if report.objects:
        found["by_size.png"] = score_figures.by_size(report)
    if report.reliability is not None:
        found["reliability.png"] = score_figures.reliability(report.reliability)
    return {name: png(fig) for name, fig in found.items()}


def _mask(prediction: NDArray[Any], report: ScoreReport) -> NDArray[Any]:
    if prediction.ndim == 2:
        return prediction
    from unet_helpers.prediction.predict import to_mask  # loads Keras, which masks do not need

    return to_mask(prediction, 0.5 if report.threshold is None else report.threshold)


def say(text: str) -> None:
    """Print, whatever characters names hold and whoever stops reading (``| head``)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # What Python would flush at its end goes nowhere, so that it does not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

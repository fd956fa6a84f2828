"""The command ``train``: check a folder, train on it, score the outcome, leave files."""

import argparse
import contextlib
import io
import json
import math
import sys
from pathlib import Path
from typing import Any

from unet_helpers.classroom.evaluating import (
    ask,
    asked_for_images,
    figures_of,
    read_labelled,
    say,
)
from unet_helpers.classroom.evaluating_runs import SPLIT, seen_in_training
from unet_helpers.classroom.files import UserError
from unet_helpers.data.doctor.command import check_options
from unet_helpers.data.samples import Samples
from unet_helpers.data.splits import keep_split, read_split

TEST, MINUTES = "test", 2.0
ALONE = "each image a group of its own (if several come from one picture or patient, use --group)"


def train(options: argparse.Namespace) -> int:
    """Train as the options say.

    Parameters
    ----------
    options : argparse.Namespace
        As `training_arguments.add_arguments` makes it.

    Returns
    -------
    int
        0; 1 if the check found errors; 3 if it was stopped.

    Raises
    ------
    UserError
        If it cannot be done.
    """
    return ask(lambda: _train(options), options.out)


def _train(options: argparse.Namespace) -> int:
    out = Path(options.out)
    _check_place(out, options.resume)
    _check_start(options, out)
    with _told_to(options):
        asked_for_images(options, "train")
        if _examined(options):
            return 1
        samples = read_labelled(options, "train")
        if samples.num_classes > 2 and options.foreground:
            samples = samples.binary(options.foreground)
        if options.start:
            from unet_helpers.training.fine_tune import check_start

            check_start(options.start, samples, options.freeze)  # before anything is written
        parts = _split(samples, out, options)
        run = _trained(parts, out, options)
        if not run.finished:
            say(f"stopped: the same command with --resume goes on; so far\n{run}")
            return 3
        told = _scored(run, parts, out)
    if not options.quiet:
        say(json.dumps(told, indent=1) if options.json else told["text"])
    return 0


def _check_place(out: Path, resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: --out must name a folder, found a file: choose another name")
    if out.is_dir() and any(out.iterdir()) and not resume:
        raise UserError(
            f"{out}: --out must be a new or empty folder, found one with files: choose another, "
            "or add --resume to go on with the training that it holds"
        )


def _check_start(options: argparse.Namespace, out: Path) -> None:
    if options.start is None:
        if options.freeze:
            raise UserError(
                "--freeze must be given with --from, found it alone: name the run to begin with"
            )
        return
    start = Path(options.start)
    if out.resolve() in (start.resolve(), start.resolve().parent):
        raise UserError(
            f"{out}: --out must be another folder than that of --from, which is kept, found the "
            "same: name a new one"
        )
    if not start.exists():
        raise UserError(
            f"{start}: --from must name a run or a model.keras, found nothing: correct the path"
        )


def _refuse_seen(start: Path, test: Samples) -> None:
    """Refuse test images that the first training saw, as far as its split tells."""
    kept = (start if start.is_dir() else start.parent) / SPLIT
    found = seen_in_training(kept, test)
    if found:
        raise UserError(
            f"{found[0]}: test images must be new to the model of --from, found {len(found)} of "
            f"{len(test)} that {kept} names as trained or validated on: give the --seed and "
            "--group of that training, or pass over it with --anyway"
        )


def _told_to(options: argparse.Namespace) -> Any:
    """Where standard output is for one document, or for nothing, the rest is told elsewhere."""
    if options.json:
        return contextlib.redirect_stdout(sys.stderr)
    return contextlib.redirect_stdout(io.StringIO()) if options.quiet else contextlib.nullcontext()


def _examined(options: argparse.Namespace) -> bool:
    """Show what the doctor finds in the files; whether it keeps from training."""
    report = check_options(options)
    if {found.name for found in report if found.severity == "error"} == {"mask-instance-ids"}:
        print("the masks number objects, each one connected region: read as with --instances")
        options.instances = True
        report = check_options(options)
    if len(report):
        print(report)
    if report.ok or options.anyway:
        return False
    print(
        "error: the check found errors, and a net would learn them too: mend them, or pass over "
        "them with --anyway",
        file=sys.stderr,
    )
    return True


def _split(samples: Samples, out: Path, options: argparse.Namespace) -> tuple[Samples, ...]:
    """Training, validation and test images; those of a training that goes on are its own."""
    kept = out / SPLIT
    parts = read_split(kept, samples) if kept.exists() else samples.split(seed=options.seed)
    if options.start and not options.anyway:
        _refuse_seen(Path(options.start), parts[2])
    if options.resume and not kept.exists():
        print(f"{out} holds no training to go on with: a new one begins")
    out.mkdir(parents=True, exist_ok=True)
    keep_split(kept, parts)
    numbers = ", ".join(f"{len(part)} {part.part}" for part in parts)
    groups = len(set(samples.groups))
    told = f"{groups} groups" if groups < len(samples) else ALONE
    print(f"{len(samples)} images, {told}: {numbers}")
    return parts


def _trained(parts: tuple[Samples, ...], out: Path, options: argparse.Namespace) -> Any:
    from unet_helpers.classroom.live_line import LiveLine
    from unet_helpers.training.fine_tune import fine_tune
    from unet_helpers.training.train import CROPS
    from unet_helpers.training.train import train as train_model

    settings: dict[str, Any] = {"minutes": options.minutes or MINUTES}
    if options.epochs:
        batch = int(str(CROPS["batch_size"]))
        settings = {"steps": max(2, math.ceil(options.epochs * len(parts[0]) / batch))}
    settings |= {"folder": out, "seed": options.seed}
    settings["callbacks"] = [] if options.quiet else [LiveLine()]
    if not options.start:
        return train_model(parts[0], parts[1], **settings)
    return fine_tune(options.start, parts[0], parts[1], freeze=options.freeze, **settings)


def _scored(run: Any, parts: tuple[Samples, ...], out: Path) -> dict[str, Any]:
    """Score the test images, write the report and the card; tell it as JSON and as text."""
    from unet_helpers.evaluation.report import score_report
    from unet_helpers.prediction.card import model_card, write_card
    from unet_helpers.prediction.otsu import otsu_scores
    from unet_helpers.prediction.predict import predict_samples
    from unet_helpers.training.run_record import score_record

    test = parts[2]
    predictions = predict_samples(run.model, test)
    report = score_report(test, predictions)
    baseline = score_record(otsu_scores(parts[0], test)) if test.num_classes == 2 else None
    report.write(out / TEST, figures_of(report, test, predictions))
    found = score_record(report.scores)
    card = write_card(out, model_card(run.record, test=found, baseline=baseline))
    return {
        "run": str(out),
        "steps": run.record["steps"],
        "seconds": run.record["seconds"],
        "test": found,
        "otsu": baseline,
        "text": _text(out, found, baseline, card),
    }


def _text(out: Path, found: Any, baseline: Any, card: Path) -> str:
    from unet_helpers.training.run_record import shown

    lines = ["on test images, which neither the training nor the choice of weights has seen:"]
    for title, scores in (("U-Net", found), ("Otsu's threshold", baseline or {})):
        lines += [
            f"  {title}, {name}: IoU {shown(told['iou'])}, Dice {shown(told['dice'])}"
            for name, told in scores.items()
        ]
    return "\n".join(
        [*lines, f"written to {out}: model.keras, run.json, {SPLIT}, {card.name}, {TEST}/"]
    )

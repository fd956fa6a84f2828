"""A model card: what a model is for, what it was trained on, how good it is, and its limits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unet_helpers.training.run_record import shown
from unet_helpers.training.state_files import write_whole

CARD = "card.md"


def model_card(
    record: Mapping[str, Any],
    *,
    test: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
    baseline: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
    use: str = "",
    licence: str = "",
) -> str:
    """Write a run's model card [1]_ as Markdown.

    Parameters
    ----------
    record : mapping
        What ``run.json`` holds.
    test, baseline : mapping, optional
        Scores on images that training and choice never saw, the model's and Otsu's, as
        `score_record` gives them.
    use : str
        What the model is for; a line to fill in where it is not given.
    licence : str
        Of the training images; a line to fill in where it is not given.

    Returns
    -------
    str

    References
    ----------
    .. [1] Mitchell et al. (2019), Model Cards for Model Reporting, FAT*,
       doi:10.1145/3287560.3287596.
    """
    data, settings = record["data"], record["settings"]
    lines = [
        f"# U-Net for {', '.join(record['class_names'][1:])}",
        "",
        f"**For**: {use or '*write here what it is meant for, and what not*'}",
        "",
        "## How to use it",
        "",
        f"`model.keras` opens with plain Keras. Scale images to {record['input_scaling']}. "
        f"Pixels above {record['threshold']} are foreground; with several classes, the "
        "likeliest counts.",
        "",
        "## Training data",
        "",
        f"Licence: {licence or '*write here whose images these are, and under which licence*'}",
        "",
        "| part | set | images | groups | fingerprint |",
        "|---|---|---|---|---|",
        *(_data_row(part, data[part]) for part in ("train", "val")),
        "",
        "## Scores",
        "",
        *_scores(record, test, baseline),
        "",
        "## Training",
        "",
        f"{record['steps_done']} of {record['steps']} steps in {record['seconds']:.0f} s; "
        + ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)
        + ".",
        "",
        "Versions: " + ", ".join(f"{name} {value}" for name, value in record["versions"].items()),
        "",
        "## Limits",
        "",
        "The scores hold for images like those above. For another microscope, stain, camera or "
        "scale, score it on labelled images of that kind first.",
    ]
    return "\n".join(lines) + "\n"


def _data_row(part: str, told: Mapping[str, Any]) -> str:
    name = {"train": "training", "val": "validation"}[part]
    columns = (name, told["name"], told["images"], told["groups"], f"`{told['fingerprint']}`")
    return f"| {' | '.join(map(str, columns))} |"


def _scores(
    record: Mapping[str, Any],
    test: Mapping[str, Mapping[str, Mapping[str, Any]]] | None,
    baseline: Mapping[str, Mapping[str, Mapping[str, Any]]] | None,
) -> list[str]:
    told = (
        ("the model, on test images", test),
        ("Otsu's threshold, on test images", baseline),
        ("the model, on the validation images that chose its weights", record["scores"]),
    )
    rows = [
        f"| {title} | {name} | {shown(found['iou'])} | {shown(found['dice'])} |"
        for title, scores in told
        for name, found in (scores or {}).items()
    ]
    reasons = {
        found["reason"]
        for _, scores in told
        for measures in (scores or {}).values()
        for found in measures.values()
        if found["low"] is None and found.get("reason")
    }
    notes = [f"No interval: {reason}." for reason in sorted(reasons)]
    return ["| what | class | IoU | Dice |", "|---|---|---|---|", *rows, *([""] if notes else []),
            *notes]  # fmt: skip


def write_card(folder: Path, text: str) -> Path:
    """Write ``card.md`` if there is none: what somebody has filled in is never replaced.

    Parameters
    ----------
    folder : Path
        A run's folder.
    text : str

    Returns
    -------
    Path
        The file.
    """
    path = folder / CARD
    if not path.exists():
        write_whole(path, text.encode())
    return path

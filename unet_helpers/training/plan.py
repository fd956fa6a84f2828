"""What a training is defined by, settled before it begins, and compared when it goes on."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from unet_helpers.data.look import looks
from unet_helpers.data.samples import Samples
from unet_helpers.training.fingerprints import fingerprint, plain, refuse_others
from unet_helpers.training.run_record import data_record, read_record


def default_minutes(minutes: float | None, steps: int | None) -> float | None:
    """A minute, where no length is given."""
    return 1 if minutes is None and steps is None else minutes


def asked(minutes: float | None, steps: int | None, rounds: int | None) -> dict[str, Any]:
    """The length of a training as it was asked for, for its record."""
    return {**({"minutes": minutes} if steps is None else {"steps": steps}), "rounds": rounds}


def check_arguments(
    minutes: float | None,
    steps: int | None,
    rounds: int | None,
    recipe: Mapping[str, Any],
    known: Collection[str],
) -> None:
    """Refuse what `train` cannot train by; `known` are the recipe's settings.

    Raises
    ------
    ValueError
        If both or neither sense of length is given, a number is out of range, or a setting unknown.
    """
    if minutes is not None and steps is not None:
        raise ValueError(
            f"minutes or steps must be given, found both, {minutes} and {steps}: leave one out"
        )
    if minutes is not None and not (
        isinstance(minutes, (int, float)) and 0 < minutes < float("inf")
    ):
        raise ValueError(f"minutes must be a number above 0, found {minutes!r}: 1 is a start")
    if steps is not None and (not isinstance(steps, int) or steps < 2):
        raise ValueError(f"steps must be a whole number from 2, found {steps!r}: 300 is a start")
    if rounds is not None and (not isinstance(rounds, int) or rounds < 1):
        raise ValueError(f"rounds must be a whole number from 1, found {rounds!r}: leave it out")
    unknown = [name for name in recipe if name not in known]
    if unknown:
        raise ValueError(
            f"the recipe has the settings {', '.join(known)}, found {unknown[0]!r}: "
            "correct the name"
        )


def check_size(recipe: Mapping[str, Any]) -> None:
    """Refuse crops that the net cannot halve as often as it wants to.

    Raises
    ------
    ValueError
        If stem * 2**depth does not divide the size.
    """
    multiple = recipe["stem"] * 2 ** recipe["depth"]
    size = recipe["size"]
    if not isinstance(size, int) or size < 1 or size % multiple:
        near = max(round(size / multiple), 1) * multiple if isinstance(size, int) else 128
        raise ValueError(
            f"size must be a multiple of stem * 2**depth = {multiple}, found {size!r}: take {near}"
        )


def _check_samples(name: str, given: object) -> None:
    if isinstance(given, Samples):
        return
    if isinstance(given, (str, Path)):
        raise ValueError(
            f"{name} must be Samples, found the path {str(given)!r}: read images with "
            "read_folder(...) or load(...), and name the run's own folder as folder=..."
        )
    raise ValueError(
        f"{name} must be Samples, found {type(given).__name__}: make some with load(...) or "
        "read_folder(...)"
    )


def parts(samples: Samples, val: Samples | None) -> tuple[Samples, Samples]:
    """Training and validation images; the whole set is split as the notebooks split it.

    Raises
    ------
    ValueError
        If one is empty, their classes differ, or only one part of a split set is given.
    """
    _check_samples("samples", samples)
    if val is None:
        if samples.part is not None:
            raise ValueError(
                f"val must be given beside samples that a split has made, found none beside the "
                f"{samples.part} part of {samples.name!r}: give both parts, or the whole set"
            )
        samples, val, _ = samples.split()
    _check_samples("val", val)
    for name, part in (("samples", samples), ("val", val)):
        if not len(part):
            raise ValueError(f"{name} must hold at least one image, found none: check the split")
    if val.class_names != samples.class_names:
        raise ValueError(
            f"val must have the classes of samples, {', '.join(samples.class_names)}, found "
            f"{', '.join(val.class_names)}: make both from one set"
        )
    return samples, val


def make_plan(
    train_part: Samples,
    val: Samples,
    recipe: Mapping[str, Any],
    asked: Mapping[str, Any],
    **others: Any,
) -> dict[str, Any]:
    """What the run is defined by, as its record tells it.

    Parameters
    ----------
    train_part, val : Samples
    recipe : mapping
        All settings of the recipe.
    asked : mapping
        Minutes or steps, and rounds.
    **others
        Settings beside the recipe's: seed and precision, say.

    Returns
    -------
    dict
        ``recipe`` as given; ``settings``, ``data``, ``asked`` and ``look`` for ``run.json``.
    """
    told = {
        name: value if isinstance(value, (int, float, str, type(None))) else plain(value)
        for name, value in recipe.items()
    }
    return {
        "recipe": dict(recipe),
        "settings": {**told, **others},
        "data": {
            "train": data_record(train_part, fingerprint(train_part)),
            "val": data_record(val, fingerprint(val)),
        },
        "asked": dict(asked),
        "look": looks(train_part),
    }


def earlier_record(folder: Path, plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of the run that is in the folder, or None.

    Raises
    ------
    ValueError
        If it is another run's, with what differs; or no record of ours.
    """
    record = read_record(folder)
    if record is not None:
        refuse_others(folder, _facts(record, plan), _facts(plan, record))
    return record


def _facts(record: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What must not change; a set that was moved, and so has another name, is the same set."""
    data = {
        f"{part} samples": f"{of['name']} {of['fingerprint']}"
        for part, of in record["data"].items()
        if of["fingerprint"] != other["data"][part]["fingerprint"]
    }
    return {**record["settings"], **record["asked"], **data}

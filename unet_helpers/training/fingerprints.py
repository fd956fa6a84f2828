"""Fingerprints: is this the same model, the same data, the same settings as before?"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unet_helpers import keras
from unet_helpers.data.samples import Samples

EDGE = 1 << 19  # bytes at each end of a file that are read; all of a file below twice that


def fingerprint(samples: Samples) -> str:
    """Fingerprint of labelled images: equal for the same images, masks and classes.

    Parameters
    ----------
    samples : Samples
        Of files, their bytes count (of a file above 1 MiB its size and half a MiB at each end);
        otherwise the decoded arrays. Names and order count, folders do not.

    Returns
    -------
    str
        16 hexadecimal digits.

    Examples
    --------
    >>> from unet_helpers import load
    >>> cells = load("cells")[:2]
    >>> fingerprint(cells) == fingerprint(cells.binary()), len(fingerprint(cells))
    (False, 16)
    """
    told = hashlib.sha256()
    about = (samples.class_names, samples.ignore_value, samples.rule)
    told.update(repr((about, samples.relabel(np.arange(256, dtype=np.uint8)).tolist())).encode())
    known: dict[Path, bytes] = {}  # the slices of a stack share one file
    for index, record in enumerate(samples.records):
        told.update(f"\n{record.name}\n{record.group}\n".encode())
        for file in record.files:
            if file not in known:
                known[file] = _file_digest(file)
            told.update(known[file])
        if not record.files:
            for part in samples.stored(index)[:2]:
                told.update(f"{part.dtype.str} {part.shape}".encode())
                told.update(part.tobytes())
    return told.hexdigest()[:16]


def _file_digest(path: Path) -> bytes:
    size = path.stat().st_size
    with path.open("rb") as file:
        content = file.read(2 * EDGE if size <= 2 * EDGE else EDGE)
        if size > 2 * EDGE:
            file.seek(-EDGE, 2)
            content += file.read()
    return hashlib.sha256(str(size).encode() + b"\n" + content).digest()


def model_facts(model: keras.Model) -> dict[str, str]:
    """What must not change while a training goes on, of a compiled model, in words.

    Parameters
    ----------
    model : keras.Model
        Built and compiled.

    Returns
    -------
    dict of str to str
        Architecture, optimizer, loss.
    """
    weights = sum(int(np.prod(weight.shape)) for weight in model.weights)
    shapes = [[list(weight.shape), str(weight.dtype)] for weight in model.weights]
    digest = _short([_architecture(model), shapes])
    return {
        "architecture": f"{weights:,} weights, fingerprint {digest}",
        **_told("optimizer", model.optimizer),
        **_told("loss", model.loss),
    }


def _architecture(model: keras.Model) -> Any:
    """The model's config; its layers by number, for automatic names grow within a session."""
    try:
        config = model.get_config()
    except NotImplementedError:  # a model of the learner's own class: its weights must do
        return type(model).__name__
    names = {layer.name: f"layer {number}" for number, layer in enumerate(model.layers)}
    return _renamed(config, {**names, model.name: "model"})


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _renamed(part, names) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_renamed(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value


def _told(what: str, part: Any) -> dict[str, str]:
    """A Keras object as its class and its settings, one by one; anything else by its name."""
    if not hasattr(part, "get_config"):
        return {what: getattr(part, "__name__", None) or plain(part)}
    facts = {what: type(part).__name__}
    for name, value in part.get_config().items():
        if name == "learning_rate" and isinstance(value, Mapping):
            value = {"class": value["class_name"], **value["config"]}
        if isinstance(value, Mapping):
            facts |= {f"{what}'s {name} {key}": plain(v) for key, v in value.items()}
        elif name != "name":  # a name carries a number that grows within a session
            facts[f"{what}'s {name}"] = plain(value)
    return facts


def plain(value: Any) -> str:
    """The `repr` of a setting without memory addresses, which differ from run to run.

    Examples
    --------
    >>> plain(0.05), plain(object())
    ('0.05', '<object object>')
    """
    if isinstance(value, keras.Variable):
        value = keras.ops.convert_to_numpy(value.value).item()
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=plain)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def refuse_others(place: object, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with something else than a run began with.

    Parameters
    ----------
    place : path-like or str
        The run's folder, for the message.
    before, now : mapping of str to anything that JSON can tell
        Facts by name.

    Raises
    ------
    ValueError
        With the names and values of what differs.

    Examples
    --------
    >>> refuse_others("runs/a", {"seed": 0}, {"seed": 1})
    Traceback (most recent call last):
    ValueError: runs/a: a run goes on with what it began with (seed 0), found seed 1: use another \
folder for another run, or change this back
    """
    differ = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if not differ:
        return
    old, new = (
        ", ".join(f"{name} {facts.get(name)}" for name in differ) for facts in (before, now)
    )
    raise ValueError(
        f"{place}: a run goes on with what it began with ({old}), found {new}: use another folder "
        "for another run, or change this back"
    )

"""Exporting a model to files that others can open, each checked against Keras before it is kept."""

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.evaluation.report_files import as_json
from unet_helpers.model.geometry import halo, sizes
from unet_helpers.prediction.converting import AXES, INPUT, OUTPUT, Windows, convert
from unet_helpers.prediction.predict import global_norm, to_mask
from unet_helpers.prediction.runtimes import (
    KIND,
    SUFFIXES,
    ModelFile,
    facts_path,
    format_of,
    open_runtime,
)
from unet_helpers.training.run_record import versions

TOLERANCE, AGREEMENT = 1e-4, 0.999
SIDE = 256
USED = ("class_names", "input_scaling", "threshold")


@dataclasses.dataclass(frozen=True)
class Exported:
    """What an export wrote, and how it compares with the Keras model.

    Attributes
    ----------
    path : Path
        The file; its facts are in a JSON file beside it.
    format : str
    side : int or None
        The one height and width that the file takes; None if it takes any that fits.
    bytes : int
        Of the file, and of OpenVINO's weights beside it.
    difference : float
        The largest difference of a probability.
    agreement : float
        Share of pixels with the same class.
    int8 : bool
        Whether it computes in whole numbers of 8 bits.
    """

    path: Path
    format: str
    side: int | None
    bytes: int
    difference: float
    agreement: float
    int8: bool = False

    def __str__(self) -> str:
        size = "any size" if self.side is None else f"{self.side} x {self.side} pixels"
        kind = ", 8-bit whole numbers" if self.int8 else ""
        return (
            f"{self.path}: {self.format}, {size}, {self.bytes / 1e6:.2f} MB{kind}; probabilities "
            f"within {self.difference:.1e} of Keras, {100 * self.agreement:.2f} % of the mask the "
            "same"
        )

    def open(self, threads: int | None = None) -> ModelFile:
        """The file in its own runtime, ready to predict."""
        return ModelFile(self.path, threads)


def export(
    model: keras.Model,
    path: str | Path,
    *,
    side: int | None = None,
    record: Mapping[str, Any] | None = None,
    calibration: Windows | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a model for another runtime; the file is kept only if it computes what Keras does.

    A JSON file beside it tells what is needed to use it: scaling, class names, threshold, sizes,
    halo. ``.keras`` and ONNX and OpenVINO take every size that fits the model; LiteRT too where its
    converter can (not with ``upsampling="nearest"``), otherwise one.

    Parameters
    ----------
    model : keras.Model
        In float32, from one image to one map of probabilities.
    path : path-like
        Ends in ``.keras``, ``.onnx``, ``.tflite`` (LiteRT) or ``.xml`` (OpenVINO; the weights go
        into a ``.bin`` beside it).
    side : int, optional
        Height and width, if the file shall take one size only.
    record : mapping, optional
        What ``run.json`` tells (`Run.record`): class names, threshold and scaling come from it.
    calibration : ndarray of float32, shape (windows, height, width, channels), optional
        Windows of training images (`calibration_windows`): the file then computes in whole numbers
        of 8 bits. How much Dice that costs is for `quantization_loss` to say.
    overwrite : bool
        Whether to replace what is there.

    Returns
    -------
    Exported

    Raises
    ------
    ValueError
        If the model is not of this kind, the converter refuses it, or the file's probabilities are
        off by more than 1e-4, or more than 0.1 % of the mask's pixels (8 bits are not held to
        that): then nothing is left.
    FileExistsError
        If something is there already.
    ImportError
        If the format's packages are not installed.

    Examples
    --------
    >>> from unet_helpers import unet
    >>> model = unet((None, None, 1), filters=4, depth=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = export(model, Path(folder) / "model.keras")
    >>> made.format, made.side, made.difference <= 1e-6, made.agreement
    ('keras', None, True, 1.0)
    """
    target, name = Path(path), format_of(Path(path))
    _check_model(model, name)
    side = _chosen_side(model, side, calibration)
    taken = [place for place in (target, *_beside(target)) if place.exists()]
    if taken and not overwrite:
        raise FileExistsError(
            f"{taken[0]}: the file of an export must not be there yet, found one: choose another "
            "name, or replace it with overwrite=True (--overwrite)"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that it can be moved in one step.
    with tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent) as held:
        made, side = _converted(model, name, Path(held), target.stem, side, calibration)
        difference, agreement = parity(model, made, name, side)
        is_int8 = calibration is not None
        if not is_int8:
            _check_parity(target, difference, agreement)
        parts = [part for part in (made, *_beside(made)) if part.exists()]
        size = sum(part.stat().st_size for part in parts)
        told = Exported(target, name, side, size, difference, agreement, is_int8)
        facts_path(made).write_text(as_json(_facts(model, told, record or {})))
        for part in [*parts, facts_path(made)][::-1]:  # the one that is asked for comes last
            shutil.move(part, target.parent / part.name)
    return told


def _beside(path: Path) -> list[Path]:
    """Further files of a model, its facts not counted."""
    return [path.with_suffix(".bin")] if path.suffix == SUFFIXES["openvino"] else []


def _check_model(model: keras.Model, name: str) -> None:
    shapes = [tuple(tensor.shape) for tensor in (*model.inputs, *model.outputs)]
    if len(shapes) != 2 or any(len(shape) != 4 for shape in shapes):
        raise ValueError(
            f"model must lead from one image to one map of probabilities, found shapes "
            f"{', '.join(map(str, shapes))}: export a model such as unet()"
        )
    other = {layer.compute_dtype for layer in model.layers} - {"float32"}
    if other and name != "keras":
        raise ValueError(
            f"model must compute in float32, found {other.pop()}: build it under "
            'keras.config.set_dtype_policy("float32") and give it these weights by '
            "set_weights(model.get_weights())"
        )


def _chosen_side(model: keras.Model, side: int | None, calibration: Windows | None) -> int | None:
    """The one size that the file shall take, checked; None for any."""
    if calibration is not None:
        _check_windows(calibration, side)
        side = calibration.shape[1]
    rule, fixed = sizes(model), model.input_shape[1]
    if side is None:
        return fixed
    fits = fixed or rule.fitting(side - 2 * rule.margin)
    if side != fits:
        raise ValueError(f"side must fit the model, found {side}: choose {fits}, for instance")
    return side


def _check_windows(calibration: Windows, side: int | None) -> None:
    shape = calibration.shape
    if len(shape) != 4 or not shape[0] or len({*shape[1:3], side or shape[1]}) > 1:
        beside = f" beside a side of {side}" if side else ""
        raise ValueError(
            "calibration must be square windows, (number, side, side, channels), found the shape "
            f"{shape}{beside}: use calibration_windows(model, samples)"
        )


def usual_side(model: keras.Model) -> int:
    """A window of fixed size that leaves room between its halos.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    int
    """
    rule = sizes(model)
    fixed: int | None = model.input_shape[1]
    return fixed or rule.fitting(max(SIDE, 2 * halo(model) + SIDE // 2))


def _converted(
    model: keras.Model,
    name: str,
    folder: Path,
    stem: str,
    side: int | None,
    calibration: Windows | None,
) -> tuple[Path, int | None]:
    """The file, and the one size that it takes, if it takes only one."""
    if name != "litert" or side is not None:
        return convert(model, name, folder, stem, side, calibration), side
    try:
        return convert(model, name, folder, stem), None
    except ValueError:  # its converter loses the number of channels where an image is enlarged
        side = usual_side(model)
        return convert(model, name, folder, stem, side), side


def parity(model: keras.Model, path: Path, name: str, side: int | None) -> tuple[float, float]:
    """Compare a file with the Keras model, on drawn images of two sizes.

    Parameters
    ----------
    model : keras.Model
    path : Path
    name : str
        The format.
    side : int or None
        The one size that the file takes.

    Returns
    -------
    difference : float
        The largest difference of a probability.
    agreement : float
        Share of pixels with the same class.
    """
    call, rule = open_runtime(path, name), sizes(model)
    fits = [rule.fitting(length - 2 * rule.margin) for length in (160, 224)]
    shapes = [(side, side)] * 2 if side else [(fits[0], fits[1]), (fits[1], fits[0])]
    differences, same = [], []
    for seed, shape in enumerate(shapes):
        given = _drawn(seed, (1, *shape, model.input_shape[-1]))
        expected = keras.ops.convert_to_numpy(model(given, training=False))
        found = call(given)
        differences.append(float(np.abs(expected - found).max()))
        same.append(float((to_mask(expected[0]) == to_mask(found[0])).mean()))
    return max(differences), min(same)


def _drawn(seed: int, shape: Sequence[int]) -> NDArray[np.float32]:
    """Noise at several scales: it drives a model through all of its range."""
    rng, drawn = np.random.default_rng(seed), np.zeros(shape)
    for scale in (1, 8, 32):
        small = rng.random((shape[0], -(-shape[1] // scale), -(-shape[2] // scale), shape[3]))
        large = small.repeat(scale, axis=1).repeat(scale, axis=2)
        drawn += large[:, : shape[1], : shape[2]]
    return (drawn / 3).astype(np.float32)


def _check_parity(target: Path, difference: float, agreement: float) -> None:
    # Written so that NaN fails.
    if not (difference <= TOLERANCE and agreement >= AGREEMENT):
        raise ValueError(
            f"{target}: an export must compute what Keras does, to {TOLERANCE:g} and for "
            f"{100 * AGREEMENT:g} % of the mask, found {difference:.2g} and "
            f"{100 * agreement:.2f} %: nothing was kept; try another format"
        )


def _facts(model: keras.Model, told: Exported, record: Mapping[str, Any]) -> dict[str, Any]:
    """What the JSON file tells."""
    return {
        "kind": KIND,
        "format": told.format,
        "layout": [*AXES, "channels"],
        "input": INPUT,
        "output": OUTPUT,
        "channels": model.input_shape[-1],
        "outputs": model.output_shape[-1],
        "side": told.side,
        "sizes": sizes(model)._asdict(),
        "halo": halo(model),
        "global_norm": global_norm(model),
        **{name: record[name] for name in USED if name in record},
        "int8": told.int8,
        "parity": {"difference": told.difference, "agreement": told.agreement},
        "data": record.get("data"),
        "versions": versions(),
    }

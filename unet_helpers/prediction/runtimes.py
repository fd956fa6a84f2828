"""Exported models, each run by the runtime that its format is made for."""

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unet_helpers.model.geometry import Sizes
from unet_helpers.prediction.loading import first_line, load_model
from unet_helpers.prediction.predict import check_image, image_pixels, warn_of_global
from unet_helpers.prediction.quiet import quiet
from unet_helpers.prediction.tiles import Source, cut, predict_tiles

SUFFIXES = {"keras": ".keras", "onnx": ".onnx", "litert": ".tflite", "openvino": ".xml"}
PACKAGES = {"onnx": "onnxruntime", "litert": "ai_edge_litert.interpreter", "openvino": "openvino"}
KIND = "unet_helpers exported model"

Batch = NDArray[np.float32]
Call = Callable[[Batch], Batch]


class ModelFile:
    """An exported model, ready to predict; its own runtime does the work, not Keras.

    Parameters
    ----------
    path : path-like
        What `export` wrote: ``.onnx``, ``.tflite``, ``.xml`` (OpenVINO) or ``.keras``, with its
        JSON file of facts beside it.
    threads : int, optional
        Processor cores to use; all by default.

    Attributes
    ----------
    path : Path
    format : str
        ``"keras"``, ``"onnx"``, ``"litert"`` or ``"openvino"``.
    facts : dict
        What the JSON file tells: class names, scaling, threshold, sizes, halo, parity.

    Raises
    ------
    ValueError
        If the file or its facts are missing, damaged, or of another kind.
    ImportError
        If the runtime is not installed.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        self.path = Path(path)
        self.format = format_of(self.path)
        if not self.path.is_file():
            raise ValueError(
                f"{self.path}: an exported model is expected, found nothing: correct the path"
            )
        self.facts = read_facts(self.path)
        self._call = open_runtime(self.path, self.format, threads)

    def predict_on_batch(self, x: Batch) -> Batch:
        """Probabilities of a batch, shape (batch, height, width, channels), of a fitting size."""
        return self._call(np.ascontiguousarray(x, np.float32))

    def predict(self, image: ArrayLike, tile: int | None = None) -> Batch:
        """Predict one image of any height and width, as `unet_helpers.predict` does.

        Parameters
        ----------
        image : array_like of float, shape (height, width, channels) or (height, width)
            Scaled as in training.
        tile : int, optional
            Pixels a side of a tile. A file of fixed size cuts larger images by itself.

        Returns
        -------
        ndarray of float32, shape (height, width, outputs)
            Probabilities.

        Raises
        ------
        ValueError
            If the image does not fit, as in `predict`.
        """
        pixels = image_pixels(image)
        check_image(pixels, self.facts["channels"])
        rule, side = Sizes(**self.facts["sizes"]), self.facts["side"]
        is_cut = tile or (side and max(map(rule.fitting, pixels.shape[:2])) > side)
        around = self.facts["halo"] if is_cut else 0
        chosen = cut(pixels.shape[:2], tile, rule, around, (side, side))
        if len(chosen) > 1:
            warn_of_global(self.facts["global_norm"])
        made = np.empty((*pixels.shape[:2], self.facts["outputs"]), np.float32)
        for part, output in predict_tiles(self, Source(pixels), chosen):
            made[part.place] = output
        return made


def format_of(path: Path) -> str:
    """The format that a file's name tells.

    Examples
    --------
    >>> format_of(Path("model.tflite"))
    'litert'
    """
    for name, suffix in SUFFIXES.items():
        if path.suffix == suffix:
            return name
    raise ValueError(
        f"{path}: the name of an exported model must end in {', '.join(SUFFIXES.values())}, found "
        f"{path.suffix or 'none of them'}: rename it, or name another file"
    )


def facts_path(path: Path) -> Path:
    """Where the facts of a model file are: ``model.onnx.json`` beside ``model.onnx``."""
    return path.with_name(f"{path.name}.json")


def read_facts(path: Path) -> dict[str, Any]:
    """What is to be known of a model file to use it."""
    place = facts_path(path)
    try:
        facts: dict[str, Any] = json.loads(place.read_bytes())
        is_ours = facts["kind"] == KIND
    except (OSError, ValueError, TypeError, KeyError):
        is_ours = False
    if not is_ours:
        found = "another file" if place.exists() else "none"
        raise ValueError(
            f"{place}: the facts of the exported model are expected, found {found}: copy both "
            "files together, or export the model again"
        )
    return facts


def open_runtime(path: Path, name: str, threads: int | None = None) -> Call:
    """Give a model file to its runtime.

    Parameters
    ----------
    path : Path
    name : str
        The format.
    threads : int, optional

    Returns
    -------
    callable
        From a batch to its probabilities, float32 both.

    Raises
    ------
    ValueError
        If the runtime refuses the file.
    ImportError
        If the runtime is not installed.
    """
    if name == "keras":
        model = load_model(path)
        return lambda x: np.asarray(_only(model.predict_on_batch(x)), np.float32)
    opened = {"onnx": _onnx, "litert": _litert, "openvino": _openvino}[name]
    package = need(PACKAGES[name])
    try:
        return opened(package, path, threads)
    except Exception as error:  # each runtime has errors of its own
        raise ValueError(
            f"{path}: a model that {PACKAGES[name].split('.')[0]} can run is expected, found one "
            f"that it refuses ({first_line(error)}): export it again"
        ) from error


def _only(made: Any) -> Any:
    """A model of one output may give it in a list."""
    return made[0] if isinstance(made, list) else made


def need(package: str) -> Any:
    """Import a package that only exports use."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{package.split('.')[0]} must be installed for this format, found none: "
            "python -m pip install -e '.[export]', in the project's folder"
        ) from error


def _onnx(package: Any, path: Path, threads: int | None) -> Call:
    options = package.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    session = package.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: np.asarray(session.run(None, {name: x})[0])


def _litert(package: Any, path: Path, threads: int | None) -> Call:
    interpreter = package.Interpreter(str(path), num_threads=threads or os.cpu_count() or 1)
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    is_fixed = -1 not in given["shape_signature"][1:3]
    shape: list[tuple[int, ...]] = [()]

    def call(x: Batch) -> Batch:
        if is_fixed and len(x) > 1:  # such a file takes one window at a time
            return np.concatenate([call(one[None]) for one in x])
        if shape[0] != x.shape:
            with quiet():  # it announces its delegate
                interpreter.resize_tensor_input(given["index"], x.shape, strict=is_fixed)
                interpreter.allocate_tensors()
            shape[0] = x.shape
        interpreter.set_tensor(given["index"], x)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(made["index"]))

    return call


def _openvino(package: Any, path: Path, threads: int | None) -> Call:
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = str(threads)
    compiled = package.Core().compile_model(str(path), "CPU", settings)
    return lambda x: np.array(compiled(x)[0])

"""Writing a Keras model in the formats of other runtimes, through the converters made for it."""

import contextlib
import importlib
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.prediction.loading import first_line
from unet_helpers.prediction.quiet import quiet
from unet_helpers.prediction.runtimes import SUFFIXES, need

INPUT, OUTPUT = "image", "probabilities"
AXES = ("batch", "height", "width")

Windows = NDArray[np.float32]


def convert(
    model: keras.Model,
    name: str,
    folder: Path,
    stem: str,
    side: int | None = None,
    calibration: Windows | None = None,
) -> Path:
    """Write a model in one format.

    Parameters
    ----------
    model : keras.Model
        In float32, from one image to one map of probabilities.
    name : str
        ``"keras"``, ``"onnx"``, ``"litert"`` or ``"openvino"``.
    folder : Path
        Where it goes.
    stem : str
        The file's name without its suffix.
    side : int, optional
        The one height and width that the file shall take; any that fits by default.
    calibration : ndarray of float32, shape (windows, side, side, channels), optional
        Weights and activations become whole numbers of 8 bits, their ranges those that these
        windows cause.

    Returns
    -------
    Path
        The file; OpenVINO's has a ``.bin`` beside it.

    Raises
    ------
    ValueError
        If the converter refuses the model.
    ImportError
        If a converter is not installed.
    """
    path = folder / f"{stem}{SUFFIXES[name]}"
    if name == "keras":
        model.save(path)
        return path
    write = {"onnx": _write_onnx, "litert": _write_litert, "openvino": _write_openvino}[name]
    _check_packages(name)
    with quiet() as said:
        try:
            write(model, path, side, calibration)
        except Exception as error:
            raise ValueError(
                f"model must consist of layers that {name} knows, found one that its converter "
                f"refuses ({first_line(error)}): export it as another format; {said()}"
            ) from error
    return path


def _check_packages(name: str) -> None:
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"KERAS_BACKEND must be tensorflow for an export as {name}, found "
            f"{keras.backend.backend()}: set it before Python starts; the weights are the same"
        )
    wanted = {"onnx": ("tf2onnx", "onnx"), "openvino": ("tf2onnx", "onnx", "openvino")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of converters about their own future
        for package in wanted.get(name, ()):
            need(package)


def _signature(model: keras.Model, side: int | None) -> list[Any]:
    tensorflow = importlib.import_module("tensorflow")
    # One window at a time where the size is fixed: 8-bit files want every number known.
    shape = (1 if side else None, side, side, model.input_shape[-1])
    return [tensorflow.TensorSpec(shape, tensorflow.float32, name=INPUT)]


# --- ONNX -----------------------------------------------------------------------------------------


def _write_onnx(
    model: keras.Model, path: Path, side: int | None, calibration: Windows | None
) -> None:
    signature = _signature(model, side)
    with contextlib.redirect_stdout(sys.stderr):
        model.export(str(path), format="onnx", input_signature=signature, verbose=False)
    onnx = need("onnx")
    made = onnx.load(str(path))
    _rename(made.graph)
    onnx.save(made, str(path))
    if calibration is not None:
        _quantize_onnx(path, calibration)


def _rename(graph: Any) -> None:
    """Give the output and the free axes names that a reader of the file understands."""
    old = graph.output[0].name
    for node in graph.node:
        node.output[:] = [OUTPUT if name == old else name for name in node.output]
        node.input[:] = [OUTPUT if name == old else name for name in node.input]
    graph.output[0].name = OUTPUT
    for end, prefix in ((graph.input[0], ""), (graph.output[0], "out_")):
        for axis, dim in zip(AXES, end.type.tensor_type.shape.dim, strict=False):
            if not dim.dim_value:
                dim.dim_param = axis if axis == "batch" else prefix + axis


def _quantize_onnx(path: Path, calibration: Windows) -> None:
    quantization = need("onnxruntime.quantization")
    whole = path.with_name(f"{path.stem}_float.onnx")
    path.replace(whole)
    quantization.quantize_static(
        str(whole),
        str(path),
        _Reader(calibration),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        # Seven bits of the weights' eight: where a processor adds products of bytes in 16 bits (no
        # VNNI), full ones overflow without a word, and a tenth of the Dice was lost.
        reduce_range=True,
        op_types_to_quantize=["Conv", "ConvTranspose", "Concat", "MaxPool"],
    )
    whole.unlink()


class _Reader:
    """Windows one by one, as ONNX Runtime's calibration asks for them."""

    def __init__(self, windows: Windows) -> None:
        self.left = iter(windows)

    def get_next(self) -> dict[str, Windows] | None:
        """The next window as a batch, by the input's name; None after the last."""
        window = next(self.left, None)
        return None if window is None else {INPUT: window[None]}


# --- LiteRT ---------------------------------------------------------------------------------------


def _write_litert(
    model: keras.Model, path: Path, side: int | None, calibration: Windows | None
) -> None:
    lite = importlib.import_module("tensorflow").lite
    kind = lite.OpsSet.TFLITE_BUILTINS if calibration is None else lite.OpsSet.TFLITE_BUILTINS_INT8
    settings: dict[str, Any] = {"target_spec": {"supported_ops": [kind]}}
    if calibration is not None:
        settings["optimizations"] = [lite.Optimize.DEFAULT]
        settings["representative_dataset"] = lambda: ([window[None]] for window in calibration)
    with contextlib.redirect_stdout(sys.stderr):
        model.export(
            str(path),
            format="litert",
            input_signature=_signature(model, side),
            verbose=False,
            **settings,
        )


# --- OpenVINO -------------------------------------------------------------------------------------


def _write_openvino(
    model: keras.Model, path: Path, side: int | None, calibration: Windows | None
) -> None:
    between = path.with_suffix(".onnx")
    _write_onnx(model, between, side, calibration)
    openvino = need("openvino")
    made = openvino.convert_model(str(between))
    openvino.save_model(made, str(path), compress_to_fp16=False)
    between.unlink()

"""Exported files, run by the runtimes that they are made for, without this package."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import assert_says, some_slow

from unet_helpers import keras, load, predict, to_mask, unet
from unet_helpers.prediction import export as export_module
from unet_helpers.prediction.export import Exported, export
from unet_helpers.prediction.int8 import calibration_windows, quantization_loss
from unet_helpers.prediction.loading import load_model
from unet_helpers.prediction.runtimes import SUFFIXES, ModelFile, facts_path

for package in ("openvino", "ai_edge_litert", "onnxruntime"):
    pytest.importorskip(package)

FORMATS = list(SUFFIXES)
Array = np.ndarray[Any, Any]


def lively(**settings: Any) -> keras.Model:
    """A model whose probabilities are spread out, as after a training."""
    keras.utils.set_random_seed(3)
    model = unet((None, None, 3), **{"filters": 4, "depth": 2, **settings})
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.3, shape))
            layer.moving_variance.assign(rng.uniform(0.2, 1.0, shape))
    head = model.layers[-1]
    head.set_weights([8 * head.get_weights()[0], head.get_weights()[1]])
    return model


@pytest.fixture(scope="module")
def course_net() -> keras.Model:
    return lively(upsampling="transpose", stem=4)


@pytest.fixture(scope="module")
def small_net() -> keras.Model:
    return lively(upsampling="transpose", depth=1)


@pytest.fixture(scope="module")
def files(course_net: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    """The course's net in each format."""
    folder = tmp_path_factory.mktemp("files")
    return {name: export(course_net, folder / f"model{SUFFIXES[name]}") for name in FORMATS}


def image(height: int, width: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((1, height, width, 3)).astype(np.float32)


# Each runtime by its own interface, as the next user of the file will call it.
def onnxruntime(path: Path, x: Array) -> Array:
    import onnxruntime as runtime

    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"image": x})[0]


def litert(path: Path, x: Array) -> Array:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    given = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(given["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def openvino(path: Path, x: Array) -> Array:
    import openvino as runtime

    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    return np.array(runtime.Core().compile_model(str(path), "CPU", hint)(x)[0])


def plain_keras(path: Path, x: Array) -> Array:
    return keras.saving.load_model(path).predict(x, verbose=0)


RUN = {"keras": plain_keras, "onnx": onnxruntime, "litert": litert, "openvino": openvino}


@pytest.mark.parametrize("name", FORMATS)
def test_its_own_runtime_computes_what_keras_does(
    name: str, course_net: keras.Model, files: dict[str, Exported]
) -> None:
    made = files[name]
    assert made.side is None and made.difference <= 1e-5 and made.agreement == 1
    for x in (image(64, 96), image(112, 48, seed=1)):  # sizes and images that the export saw not
        expected, found = course_net.predict(x, verbose=0), RUN[name](made.path, x)
        assert expected.std() > 0.05  # not grey all over, which would agree with much
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert (to_mask(found[0]) == to_mask(expected[0])).mean() > 0.999


@pytest.mark.parametrize("name", some_slow(["onnx", "litert", "openvino"], {"litert", "openvino"}))
@pytest.mark.parametrize(
    ("outputs", "settings"),
    [
        (3, {"upsampling": "nearest", "depth": 1}),
        (1, {"norm": "group", "depth": 1}),
        (1, {"norm": None, "padding": "valid"}),
    ],
    ids=["softmax", "group", "valid"],
)
def test_other_nets_too(name: str, outputs: int, settings: dict[str, Any], tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    model = unet((None, None, 3), outputs, filters=4, **{"depth": 2, **settings})
    made = export(model, tmp_path / f"model{SUFFIXES[name]}")
    side = made.side or (76 if settings.get("padding") else 64)
    x = image(side, side)
    np.testing.assert_allclose(RUN[name](made.path, x), model.predict(x, verbose=0), atol=1e-4)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_predicts_images_of_any_size(
    name: str, course_net: keras.Model, files: dict[str, Exported]
) -> None:
    file = files[name].open()
    picture = image(75, 133)[0]
    expected = predict(course_net, picture)
    np.testing.assert_allclose(file.predict(picture), expected, atol=1e-5)
    np.testing.assert_allclose(file.predict(picture, tile=48), expected, atol=1e-5)


def test_a_file_of_one_size_cuts_what_is_larger(small_net: keras.Model, tmp_path: Path) -> None:
    made = export(small_net, tmp_path / "model.tflite", side=64)
    assert made.side == 64
    inputs = keras.Input((64, 64, 3))
    fixed = keras.Model(inputs, small_net(inputs))  # what fits into it is mirrored up to its size
    for height, width, other in ((80, 141, small_net), (64, 65, small_net), (20, 30, fixed)):
        picture = image(height, width)[0]
        expected = predict(other, picture)
        np.testing.assert_allclose(made.open().predict(picture), expected, atol=1e-5)


def test_the_facts_beside_a_file_are_enough_to_use_it(
    course_net: keras.Model, tmp_path: Path
) -> None:
    record = {"class_names": ["background", "cell"], "threshold": 0.4, "input_scaling": "0 to 1"}
    export(course_net, tmp_path / "model.onnx", record=record)
    facts = json.loads((tmp_path / "model.onnx.json").read_text())
    assert facts["class_names"] == ["background", "cell"] and facts["threshold"] == 0.4
    assert (facts["channels"], facts["outputs"], facts["side"]) == (3, 1, None)
    assert facts["sizes"] == {"step": 16, "least": 16, "margin": 0}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx", "model.onnx.json"]


# --- 8 bits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["onnx", "litert", "openvino"])
def test_eight_bits_compute_nearly_the_same_and_their_loss_is_measured(
    name: str, small_net: keras.Model, tmp_path: Path
) -> None:
    cells = load("cells").binary()
    windows = calibration_windows(small_net, cells[:3], number=6, side=96)
    path = tmp_path / f"model{SUFFIXES[name]}"
    made = export(small_net, path, calibration=windows)
    assert made.int8 and made.side == 96
    x = windows[:1]
    off = np.abs(RUN[name](path, x) - small_net.predict(x, verbose=0)).max()
    assert 1e-4 < off < 0.5  # coarser than floats, and no nonsense
    (told,) = quantization_loss(small_net, made, cells[4:5]).values()
    mask = to_mask(predict(small_net, cells[4].image))
    expected = 2 * (mask & cells[4].mask).sum() / (mask.sum() + cells[4].mask.sum())
    assert told["float"] == pytest.approx(expected)
    assert told["lost"] == told["float"] - told["int8"]


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_file_that_computes_something_else_is_not_kept(
    small_net: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = export_module.convert

    def other_weights(model: keras.Model, *more: Any) -> Path:
        other = keras.models.clone_model(model)
        return convert(other, *more)

    monkeypatch.setattr(export_module, "convert", other_weights)
    with pytest.raises(ValueError) as error:
        export(small_net, tmp_path / "model.onnx")
    assert_says(error, "model.onnx", "must compute what Keras does", "nothing was kept")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_numbers_do_not_pass(tmp_path: Path) -> None:
    model = lively(depth=1)
    head = model.layers[-1]
    head.set_weights([np.nan * weight for weight in head.get_weights()])
    with pytest.raises(ValueError, match="found nan"):
        export(model, tmp_path / "model.keras")


def test_what_is_there_stays(small_net: keras.Model, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"somebody's")
    with pytest.raises(FileExistsError) as error:
        export(small_net, tmp_path / "model.xml")
    assert_says(error, "model.bin", "must not be there yet")
    assert [p.name for p in tmp_path.iterdir()] == ["model.bin"]
    export(small_net, tmp_path / "model.xml", overwrite=True)
    assert ModelFile(tmp_path / "model.xml").predict(image(20, 20)[0]).shape == (20, 20, 1)


def test_a_full_disk_leaves_nothing(
    small_net: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_module, "_facts", full)
    with pytest.raises(OSError, match="No space left"):
        export(small_net, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("damage", [b"", b"PK and nonsense" * 50], ids=["empty", "foreign"])
def test_a_damaged_file_gets_a_sentence(
    name: str, damage: bytes, files: dict[str, Exported], tmp_path: Path
) -> None:
    path = tmp_path / files[name].path.name
    shutil.copy(facts_path(files[name].path), facts_path(path))
    path.write_bytes(damage)
    with pytest.raises(ValueError) as error:
        ModelFile(path)
    assert_says(error, path.name, "expected, found")


def test_facts_that_are_missing_or_of_another_kind(tmp_path: Path) -> None:
    path = export(lively(depth=1), tmp_path / "model.keras").path
    facts_path(path).write_text("{}")
    with pytest.raises(ValueError, match="found another file"):
        ModelFile(path)
    facts_path(path).unlink()
    with pytest.raises(ValueError, match="found none"):
        ModelFile(path)
    with pytest.raises(ValueError, match="must end in"):
        ModelFile("model.pkl")


def test_a_layer_with_code_in_it_is_not_loaded(tmp_path: Path) -> None:
    inputs = keras.Input((None, None, 1))
    model = keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs))
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError) as error:
        load_model(tmp_path / "model.keras")
    assert_says(error, "model.keras", "made of Keras' own layers")


def test_an_archive_of_something_else_is_not_loaded(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("payload.pkl", b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ValueError, match="found one that cannot be loaded"):
        load_model(tmp_path / "model.keras")


def test_arguments_are_checked(small_net: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        export(small_net, tmp_path / "m.onnx", side=101)
    assert_says(error, "side must fit", "found 101", "102")
    with pytest.raises(ValueError, match="square windows"):
        export(small_net, tmp_path / "m.onnx", calibration=np.zeros((2, 16, 32, 3), np.float32))
    two = keras.Model(small_net.input, [small_net.output, small_net.output])
    with pytest.raises(ValueError, match="one image to one map"):
        export(two, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match="number must be at least 1"):
        calibration_windows(small_net, load("cells")[:1], number=0)


def test_a_model_of_mixed_precision_is_told_what_to_do(tmp_path: Path) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = unet((None, None, 1), filters=2, depth=1)
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(ValueError) as error:
        export(model, tmp_path / "m.onnx")
    assert_says(error, "float32", "found bfloat16", "set_weights")

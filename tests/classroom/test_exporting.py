"""The command `export`, run for real on a small model and drawn cells."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import save_image

from unet_helpers import ModelFile, keras, load_model, predict, unet
from unet_helpers.__main__ import main
from unet_helpers.data.cells import draw_field

COUNT = 8


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    for i in range(COUNT):
        image, mask, _ = draw_field(i, 0, size=64)
        save_image(root / "scans" / f"cell_{i}.png", image)
        save_image(root / "labels" / f"cell_{i}.png", (mask > 0).astype(np.uint8) * 255)
    keras.utils.set_random_seed(0)
    (root / "run").mkdir()
    unet((None, None, 3), filters=4, depth=1, upsampling="transpose").save(root / "run/model.keras")
    return root


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("onnx", "model.onnx"),
        ("litert", "model.tflite"),
        ("openvino", "model.xml"),
        ("keras", "model_plain.keras"),
    ],
)
def test_each_format_is_written_and_runs(name: str, file: str, here: Path, capsys) -> None:
    pytest.importorskip({"litert": "ai_edge_litert"}.get(name, name))
    assert main(["export", "run", "--format", name]) == 0
    said = capsys.readouterr()
    assert f"{name}, any size" in said.out and "100.00 % of the mask the same" in said.out
    assert said.err == ""
    picture = np.random.default_rng(0).random((50, 33, 3))
    expected = predict(load_model(here / "run/model.keras"), picture)
    found = ModelFile(here / "run" / file).predict(picture)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_eight_bits_tell_what_they_cost(here: Path, capsys) -> None:
    arguments = ["export", "run", "scans", "labels", "--format", "onnx", "--int8", "--side", "32"]
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["int8"] and told["side"] == 32 and Path(told["path"]).name == "model_int8.onnx"
    (dice,) = told["dice"].values()
    assert dice["lost"] == pytest.approx(dice["float"] - dice["int8"])
    assert told["test_images"] == 2
    assert main(arguments) == 2
    assert "must not be there yet" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0
    assert "in 8 bits, lost" in capsys.readouterr().out


def test_quiet_says_nothing(here: Path, capsys) -> None:
    assert main(["export", "run/model.keras", "--format", "onnx", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scans"], "must hold model.keras, found none"),
        (["absent"], "found nothing"),
        (["run", "scans", "labels"], "IMAGES must come with --int8"),
        (["run", "--int8"], "--int8 must come with IMAGES and MASKS"),
        (["run", "scans", "--int8"], "found none or one: 8 bits"),
        (["run", "--out", "model.tflite"], "must end in .onnx"),
        (["run", "--side", "31"], "side must fit the model, found 31: choose 32"),
        (["broken"], "damaged or none of Keras"),
    ],
)
def test_what_cannot_be_done_is_told(arguments: list[str], words: str, here: Path, capsys) -> None:
    (here / "broken").mkdir()
    (here / "broken" / "model.keras").write_bytes(b"PK nonsense")
    before = sorted(here.rglob("*"))
    assert main(["export", "--format", "onnx", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and words in said.err
    assert sorted(here.rglob("*")) == before

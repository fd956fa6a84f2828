"""The command `predict`, run for real on drawn cells in files, and on wrong input."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from builders import save_image
from PIL import Image

from unet_helpers import Samples, keras, looks, predict, read_folder, unet
from unet_helpers.__main__ import main
from unet_helpers.data.cells import draw_field

COUNT = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    (root / "scans").mkdir()
    for i in range(COUNT):
        image, _, _ = draw_field(i, 0, size=70 + i)
        Image.fromarray(image).save(root / "scans" / f"cell_{i}.png")
    (root / "run").mkdir()
    model = bright((None, None, 3))
    model.save(root / "run" / "model.keras")
    return root


def bright(shape: tuple[int | None, int | None, int]) -> keras.Model:
    """A model without chance: foreground is where the image is darker than 0.6."""
    inputs = keras.Input(shape)
    layer = keras.layers.Conv2D(1, 1, activation="sigmoid")
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.full(layer.kernel.shape, -20 / shape[2]), np.array([12.0])])
    return model


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*more: str) -> int:
    return main(["predict", "run", "scans", "--out", "masks", *more])


def mask_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_each_image_gets_a_mask_of_class_ids_named_like_it(here: Path, capsys) -> None:
    assert run() == 0
    assert "3 masks in masks" in capsys.readouterr().out
    assert sorted(p.name for p in (here / "masks").iterdir()) == [f"cell_{i}.png" for i in range(3)]
    for i in range(COUNT):
        image = mask_of(here / "scans" / f"cell_{i}.png")
        expected = image.mean(axis=-1) / 255 < 0.6
        assert expected.any()
        np.testing.assert_array_equal(mask_of(here / "masks" / f"cell_{i}.png"), expected)


def test_our_own_reader_takes_the_masks_for_what_they_are(here: Path) -> None:
    run()
    samples = read_folder(here / "scans", here / "masks", mask_values={0: 0, 1: 1})
    for sample in samples:
        np.testing.assert_array_equal(sample.mask, mask_of(here / "masks" / f"{sample.name}.png"))


def test_objects_are_numbered_and_measured(here: Path, capsys) -> None:
    assert run("--objects", "--min-area", "5", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    for row in told["images"]:
        target = Path(row["mask"])
        labels = tifffile.imread(target.with_name(f"{target.stem}_objects.tif"))
        assert labels.max() == row["objects"] > 0
        table = target.with_name(f"{target.stem}_objects.csv").read_text().splitlines()
        assert len(table) == 1 + row["objects"]
        assert table[0].startswith("label,")


def test_sixteen_bits_and_tiles_give_the_same(here: Path) -> None:
    keras.utils.set_random_seed(0)
    model = unet((None, None, 1), filters=2, depth=2)
    model.save(here / "net.keras")
    image = np.random.default_rng(0).integers(0, 65536, (150, 90), np.uint16)
    (here / "deep").mkdir()
    tifffile.imwrite(here / "deep" / "a.tif", image)
    said = predict(model, image.astype(np.float32) / 65535)
    middle = float(np.median(said))
    command = ["predict", "net.keras", "deep", "--threshold", str(middle), "--out"]
    assert main([*command, "whole"]) == 0
    assert main([*command, "tiled", "--tile", "32"]) == 0
    expected = said[..., 0] > middle
    sure = np.abs(said[..., 0] - middle) > 1e-5
    for name in ("whole", "tiled"):
        np.testing.assert_array_equal(mask_of(here / name / "a.png")[sure], expected[sure])


def test_a_torn_file_in_the_middle_keeps_what_was_done_and_is_skipped_if_asked(
    here: Path, capsys
) -> None:
    torn = here / "scans" / "cell_1.png"
    torn.write_bytes(torn.read_bytes()[:300])
    assert run() == 2
    said = capsys.readouterr().err
    assert "cell_1.png" in said
    assert "leave such files out with --skip; 1 of 3 masks are done" in said
    assert [p.name for p in (here / "masks").iterdir()] == ["cell_0.png"]
    assert run("--skip", "--overwrite") == 1
    assert "left out" in capsys.readouterr().err
    assert sorted(p.name for p in (here / "masks").iterdir()) == ["cell_0.png", "cell_2.png"]


def test_masks_that_are_there_are_not_replaced_unless_asked(here: Path, capsys) -> None:
    assert run() == 0
    before = (here / "masks" / "cell_0.png").read_bytes()
    (here / "masks" / "cell_0.png").write_bytes(b"drawn by hand")
    assert run() == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (here / "masks" / "cell_0.png").read_bytes() == b"drawn by hand"
    assert run("--overwrite") == 0
    assert (here / "masks" / "cell_0.png").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "scans", "--out", "masks"], "nowhere"),
        (["run", "nowhere", "--out", "masks"], "nowhere"),
        (["scans", "scans", "--out", "masks"], "must hold model.keras"),
        (["run", "scans", "--out", "scans", "--overwrite"], "must not replace an image"),
        (["run", "scans", "--out", "run/model.keras"], "must name a folder"),
        (["run", "grey.png", "--out", "masks"], "3 channels is expected"),
        (["run", "scans", "other", "--out", "masks"], "must differ in their names"),
        (["broken.keras", "scans", "--out", "masks"], "broken.keras"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    here: Path, capsys, arguments: list[str], said: str
) -> None:
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(here / "grey.png")
    shutil.copytree(here / "scans", here / "other")
    (here / "broken.keras").write_bytes(b"no zip")
    before = {path: path.read_bytes() for path in here.rglob("*.png")}
    assert main(["predict", *arguments]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert said in told[0]
    assert before == {path: path.read_bytes() for path in here.rglob("*.png")}


def test_a_large_image_goes_from_disk_to_disk(here: Path, monkeypatch, capsys) -> None:
    import zarr

    image = draw_field(9, 0, size=140)[0]
    tifffile.imwrite(here / "slide.tif", image, tile=(64, 64), photometric="rgb")
    zarr.create_array(here / "slab.zarr", data=image, chunks=(64, 64, 3))
    monkeypatch.setattr("unet_helpers.classroom.predicting.LARGE", 10_000)
    files = ["slide.tif", "slab.zarr"]
    assert main(["predict", "run", *files, "--out", "masks", "--tile", "64"]) == 0
    expected = image.mean(axis=-1) / 255 < 0.6
    for name in ("slide", "slab"):
        np.testing.assert_array_equal(tifffile.imread(here / f"masks/{name}.ome.tif"), expected)
    assert main(["predict", "run", "slide.tif", "--out", "other", "--objects"]) == 2
    assert "--objects must be left out" in capsys.readouterr().err


def test_an_image_unlike_those_of_the_training_is_told(here: Path, capsys) -> None:
    known = looks(read_folder_images(here))
    record = {"kind": "unet_helpers run", "look": known}
    (here / "run" / "run.json").write_text(json.dumps(record))
    dark = mask_of(here / "scans" / "cell_0.png") // 16
    Image.fromarray(dark).save(here / "dark.png")
    assert main(["predict", "run", "scans", "dark.png", "--out", "masks"]) == 0
    said = capsys.readouterr().err
    assert said.count("is unlike the training images") == 1
    assert "note: dark.png is unlike the training images: mean brightness" in said


def read_folder_images(here: Path) -> Samples:
    """The scans as samples; their masks do not matter."""
    for path in (here / "scans").iterdir():
        save_image(here / "none" / path.name, np.zeros(mask_of(path).shape[:2], np.uint8))
    return read_folder(here / "scans", here / "none", mask_values={0: 0, 255: 1})

"""The command `evaluate`, run for real on drawn cells in files, on tiny models and wrong input."""

import csv
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from builders import save_image
from PIL import Image

from unet_helpers import keras
from unet_helpers.__main__ import main
from unet_helpers.data.cells import draw_field
from unet_helpers.data.formats.folder import read_folder
from unet_helpers.evaluation.scores import score_images
from unet_helpers.model.unet import unet
from unet_helpers.prediction.predict import predict_samples, to_mask

COUNT = 4
LAYERS = keras.layers
FIGURES = {"cases.png", "confusion.png", "by_size.png"}
TABLES = {"report.json", "per_image.csv", "objects.csv"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of images, masks and predictions, and models of one and of three outputs."""
    root = tmp_path_factory.mktemp("set")
    for i in range(COUNT):
        image, mask, _ = draw_field(i, 0, size=64)
        save_image(root / "images" / f"cell_{i}.png", image)
        save_image(root / "masks" / f"cell_{i}.png", mask)
        save_image(root / "whole" / f"cell_{i}.png", (mask > 0) * 255)
        save_image(root / "predicted" / f"cell_{i}.png", np.roll(mask, 2, axis=0))
        save_image(root / "bright" / f"cell_{i}.png", np.roll(mask > 0, 2, axis=0) * 255)
    for outputs in (1, 3):
        keras.utils.set_random_seed(1)
        model = unet((None, None, 3), num_classes=outputs, filters=2, depth=1)
        model.save(root / f"model{outputs}.keras")
    (root / "run").mkdir()
    shutil.copy(root / "model3.keras", root / "run" / "model.keras")
    return root


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of all that as the current folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluate(line: str) -> int:
    return main(["evaluate", *line.split()])


def document(capsys: pytest.CaptureFixture[str]) -> dict:
    """The one JSON document that was printed; NaN is an error."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    said = capsys.readouterr()
    assert said.err == ""
    return json.loads(said.out, parse_constant=refuse)


def test_predicted_masks_are_scored_and_everything_is_written(here: Path, capsys) -> None:
    assert evaluate("predicted images masks --out report") == 0
    said = capsys.readouterr()
    assert said.err == ""
    samples = read_folder("images", "masks")
    scores = score_images(samples, [np.roll(s.mask, 2, axis=0) for s in samples])
    assert f"≈ {scores.iou(2):.3f}" in said.out and "predictions are read as" in said.out
    assert {path.name for path in (here / "report").iterdir()} == FIGURES | TABLES
    assert "written to report: " in said.out
    with (here / "report" / "per_image.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["tp"]) for row in rows] == scores.counts.tp.ravel().tolist()
    for name in FIGURES:
        with Image.open(here / "report" / name) as picture:
            picture.load()


def test_json_is_one_document_without_nan(here: Path, capsys) -> None:
    empty = np.zeros((64, 64))
    save_image(here / "masks" / "cell_0.png", empty)
    save_image(here / "predicted" / "cell_0.png", empty)
    assert evaluate("predicted images masks --json --out report") == 0
    said = document(capsys)
    assert said["per_image"][1]["iou"] is None and said["images"] == COUNT
    written = json.loads((here / "report" / "report.json").read_text())
    assert written.pop("files") and written == said


@pytest.mark.parametrize("run", ["model3.keras", "run"])
def test_a_saved_model_is_scored(run: str, here: Path, capsys) -> None:
    assert evaluate(f"{run} images masks --json --out report") == 0
    said = document(capsys)
    samples = read_folder("images", "masks")
    model = keras.saving.load_model(here / "model3.keras", compile=False)
    masks = [to_mask(p) for p in predict_samples(model, samples)]
    assert said["confusion"] == score_images(samples, masks).confusion.sum(axis=0).tolist()
    assert said["calibration"]["ece"] > 0 and "tensorflow" in said["versions"]
    assert (here / "report" / "reliability.png").exists()


def test_a_model_of_one_output_needs_to_know_the_foreground(here: Path, capsys) -> None:
    assert evaluate("model1.keras images masks --classes bg,rim,core") == 2
    assert "--foreground core" in capsys.readouterr().err
    line = "model1.keras images masks --classes bg,rim,core --foreground rim,core --json"
    assert evaluate(f"{line} --threshold 0.48") == 0
    said = document(capsys)
    assert said["class_names"] == ["background", "rim+core"]
    assert said["threshold"] == {"value": 0.48, "chosen": "as given"}
    assert evaluate("model1.keras images whole --json --threshold 0.48") == 0
    assert document(capsys)["confusion"] == said["confusion"]


def test_two_classes_may_be_predicted_as_0_and_255(here: Path, capsys) -> None:
    assert evaluate("bright images whole --json") == 0
    said = document(capsys)
    assert "255 is foreground" in said["notes"][0]
    for path in (here / "bright").iterdir():
        save_image(path, np.asarray(Image.open(path)) // 255)
    assert evaluate("bright images whole --json") == 0
    assert document(capsys)["confusion"] == said["confusion"]


def test_predictions_without_an_image_are_left_out_and_told(here: Path, capsys) -> None:
    for folder in ("images", "masks"):
        (here / folder / "cell_3.png").unlink()
    assert evaluate("predicted images masks") == 0
    assert "left out: 1 prediction without an image here" in capsys.readouterr().out


def test_a_manifest_with_parts_and_groups(here: Path, capsys) -> None:
    rows = ["image,mask,group,split"]
    for i in range(COUNT):
        part = "test" if i > 1 else "train"
        rows.append(f"images/cell_{i}.png,masks/cell_{i}.png,slide {i // 2},{part}")
    (here / "pairs.csv").write_text("\n".join(rows))
    assert evaluate("predicted --manifest pairs.csv --part test --json") == 0
    said = document(capsys)
    assert (said["images"], said["groups"]) == (2, 1)
    assert evaluate("predicted --manifest pairs.csv --part validation") == 2
    assert "found 'validation' beside test, train" in capsys.readouterr().err


def test_what_the_user_tells_of_the_masks(here: Path, capsys) -> None:
    for i in range(COUNT):
        mask = np.asarray(Image.open(here / "masks" / f"cell_{i}.png")) * 100
        mask[:3] = 7
        save_image(here / "labels" / f"cell_{i}_m.png", mask)
    told = "--pattern {stem}_m --values 0:0,100:1,200:2 --ignore 7 --group ^(cell)_ --json"
    assert evaluate(f"predicted images labels {told}") == 0
    said = document(capsys)
    assert said["groups"] == 1 and np.sum(said["confusion"]) == COUNT * 61 * 64


def broken(here: Path) -> None:
    """Plant what is wrong."""
    save_image(here / "small" / "cell_0.png", np.zeros((60, 64)))
    for i in range(1, COUNT):
        save_image(here / "small" / f"cell_{i}.png", np.zeros((64, 64)))
    shutil.copytree(here / "predicted", here / "fewer")
    (here / "fewer" / "cell_2.png").unlink()
    for i in range(COUNT):
        save_image(here / "colourful" / f"cell_{i}.png", np.full((64, 64, 3), (9, 0, 0)))
        grey = Image.open(here / "images" / f"cell_{i}.png").convert("L")
        save_image(here / "grey" / f"cell_{i}.png", np.asarray(grey))
    whole = (here / "model3.keras").read_bytes()
    (here / "half.keras").write_bytes(whole[: len(whole) // 2])
    (here / "weights.h5").write_bytes(b"none")
    with zipfile.ZipFile(here / "zip.keras", "w") as archive:
        archive.writestr("a", "b")
    image = keras.Input((None, None, 3))
    code = LAYERS.Lambda(lambda x: x[..., :1])(image)
    keras.Model(image, code).save(here / "code.keras")
    keras.Model(image, LAYERS.Conv2D(3, 1)(image)).save(here / "logits.keras")
    vector = keras.Input((4,))
    keras.Model(vector, LAYERS.Dense(2)(vector)).save(here / "vector.keras")
    (here / "taken").mkdir()
    (here / "taken" / "report.json").write_text("{}")


WRONG = [
    ("nothing images masks", "nothing: a model or a folder is expected, found nothing"),
    ("predicted images nothing", "masks must be a folder, found nothing"),
    ("predicted images", "MASKS is missing"),
    ("predicted", "IMAGES and MASKS are missing"),
    ("predicted images masks --manifest a.csv", "in one way"),
    ("fewer images masks", "cell_2.png: every image needs a prediction in fewer, found none for 1"),
    ("small images masks", "cell_0: prediction must have the truth's shape (64, 64), found (60"),
    ("bright images masks", "class ids 0 to 2, found 0, 255"),
    ("colourful images masks", "class ids 0 to 2, found colours"),
    ("predicted images masks --threshold 0.4", "--threshold must be given with a model"),
    ("model1.keras images whole --threshold 40", "from 0 to below 1, found 40.0"),
    ("model3.keras images masks --threshold 0.4", "found 3 outputs"),
    ("model3.keras images whole", "the model tells 3 classes, found 2 in the masks"),
    ("model3.keras grey masks", "takes images of 3 channels, found 1 in cell_0"),
    ("model1.keras images masks --foreground nose", "found 'nose'"),
    ("half.keras images masks", "found a file that is damaged or none of Keras"),
    ("zip.keras images masks", "found one that cannot be loaded"),
    ("code.keras images whole", "found one that cannot be loaded (Requested the deserialization"),
    ("vector.keras images masks", "from one image to one map of classes is expected"),
    ("logits.keras images masks", "not masks or logits"),
    ("weights.h5 images masks", "saved as a .keras file is expected"),
    ("predicted images masks --out taken", "taken/report.json"),
    ("predicted images masks --out weights.h5", "a report needs a folder, found a file"),
    ("predicted images masks --out weights.h5/sub", "weights.h5"),
]


def test_wrong_input_is_one_sentence_exit_2_and_nothing_half_written(here: Path, capsys) -> None:
    broken(here)
    before = sorted(here.rglob("*"))
    for line, said in WRONG:
        assert evaluate(line if "--out" in line else f"{line} --out report") == 2, line
        spoken = capsys.readouterr()
        assert spoken.err.startswith("error: ") and said in spoken.err, (line, spoken.err)
        assert spoken.err.count("\n") == 1 and spoken.out == "", line
        assert sorted(here.rglob("*")) == before, line


@pytest.mark.parametrize("option", [["--values", "0:x"], ["--group", "("], ["--colours", "1"]])
def test_an_option_that_makes_no_sense_exits_2(option: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "a", "b", "c", *option])
    assert ended.value.code == 2 and "expected, found" in capsys.readouterr().err


def test_masks_are_scored_in_a_shell_without_tensorflow(here: Path) -> None:
    code = (
        "import sys\nfrom unet_helpers.__main__ import main\n"
        "code = main(['evaluate', 'predicted', 'images', 'masks', '--out', 'written'])\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\nsys.exit(code)"
    )
    root = Path(__file__).parents[2]
    outcome = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{code}"],
        capture_output=True,
        text=True,
        cwd=here,
        timeout=120,
    )
    assert outcome.returncode == 0 and outcome.stderr == "" and "IoU pooled" in outcome.stdout


def test_help_ends_with_an_example(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--help"])
    assert ended.value.code == 0
    assert "python -m unet_helpers evaluate" in capsys.readouterr().out.splitlines()[-1]


def test_intervals_say_what_they_take_for_granted(here: Path, capsys) -> None:
    assert evaluate("predicted images masks --json") == 0
    assert any("a group of its own" in note for note in document(capsys)["notes"])
    assert evaluate("predicted images masks --json --group .") == 0
    assert not any("a group of its own" in note for note in document(capsys)["notes"])


def test_a_group_that_fits_no_name_is_an_error(here: Path, capsys) -> None:
    assert evaluate("predicted images masks --group patient") == 2
    assert "--group must match the name of every image, found" in capsys.readouterr().err
    assert evaluate("predicted images masks --group patient|$") == 0

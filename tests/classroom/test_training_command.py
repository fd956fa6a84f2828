"""The command `train`, run for real on drawn cells in files, and on wrong input."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import save_image
from PIL import Image

from unet_helpers import keras, unet
from unet_helpers.__main__ import main
from unet_helpers.data.cells import draw_field
from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.splits import read_split

COUNT = 9
FILES = {"model.keras", "run.json", "split.csv", "card.md", "test"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    for i in range(COUNT):
        image, mask, _ = draw_field(i, 0, size=128)
        save_image(root / "scans" / f"slide{i // 3}_{i}.png", image)
        save_image(root / "labels" / f"slide{i // 3}_{i}.png", (mask > 0) * 255)
    return root


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("run"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*more: str) -> int:
    return main(["train", "scans", "labels", "--out", "run", *more])


@pytest.fixture(scope="module")
def trained(made: Path) -> tuple[Path, str]:
    """A run of a process of its own, beside the images, and what that printed."""
    out = made / "run"
    command = [sys.executable, "-m", "unet_helpers", "train", made / "scans", made / "labels"]
    command += ["--out", out, "--epochs", "4", "--group", "^(slide.)"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "step 2 of 2" in done.stderr  # one line a round where no terminal is
    return out, done.stdout


def test_the_run_holds_model_scores_figures_and_card(trained: tuple[Path, str]) -> None:
    out, said = trained
    assert {path.name for path in out.iterdir()} == FILES
    assert {"report.json", "cases.png", "confusion.png"} <= {
        p.name for p in (out / "test").iterdir()
    }
    assert keras.saving.load_model(out / "model.keras").output_shape == (None, None, None, 1)
    assert "9 images, 3 groups: 3 train, 3 val, 3 test" in said
    assert "U-Net, foreground: IoU" in said
    assert "Otsu's threshold, foreground: IoU" in said


def test_slides_are_not_torn_apart(trained: tuple[Path, str]) -> None:
    out, _ = trained
    rows = [line.split(",") for line in (out / "split.csv").read_text().splitlines()[1:]]
    parts = {row[3]: {r[4] for r in rows if r[3] == row[3]} for row in rows}
    assert sorted(parts) == ["slide0", "slide1", "slide2"]
    assert all(len(found) == 1 for found in parts.values())


def test_the_card_tells_the_scores_of_the_report(trained: tuple[Path, str]) -> None:
    out, _ = trained
    card = (out / "card.md").read_text()
    report = json.loads((out / "test" / "report.json").read_text())
    text = json.dumps(report)
    found = card.split("| the model, on test images | foreground | ≈ ")[1][:5]
    assert found in {f"{value:.3f}" for value in numbers(json.loads(text))}
    for told in ("Otsu's threshold", "fingerprint", "Licence", "No interval: 1 group"):
        assert told in card


def numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for each in value for number in numbers(each)]
    return [value] if isinstance(value, float) else []


def test_a_run_is_not_overwritten_and_resuming_a_finished_one_trains_nothing(
    trained: tuple[Path, str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained[0], here / "run")
    before = (here / "run" / "model.keras").read_bytes()
    assert train("--epochs", "4", "--group", "^(slide.)") == 2
    assert "--resume" in capsys.readouterr().err
    (here / "run" / "card.md").write_text("filled in by hand")
    assert train("--epochs", "4", "--group", "^(slide.)", "--resume") == 0
    assert "it is read and not trained again" in capsys.readouterr().out
    assert (here / "run" / "model.keras").read_bytes() == before
    assert (here / "run" / "card.md").read_text() == "filled in by hand"


@pytest.mark.slow
def test_json_is_one_document_and_quiet_says_nothing(
    trained: tuple[Path, str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained[0], here / "run")
    assert train("--epochs", "4", "--group", "^(slide.)", "--resume", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert 0 <= told["test"]["foreground"]["iou"]["value"] <= 1
    assert 0 <= told["otsu"]["foreground"]["iou"]["value"] <= 1
    assert train("--epochs", "4", "--group", "^(slide.)", "--resume", "--quiet") == 0
    assert capsys.readouterr().out == ""


def test_sick_masks_stop_the_training_before_it_begins(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (here / "labels").iterdir():
        mask = np.asarray(Image.open(path))
        Image.fromarray(np.roll(mask, 9, axis=1)).save(path)
        if path.stem.endswith(("1", "2", "3")):
            save_image(path, mask[:100])
    status = train("--epochs", "1")
    said = capsys.readouterr()
    assert status in (1, 2)
    assert "error" in said.err
    assert not (here / "run" / "model.keras").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "scans", "--out", "run"], "MASKS is missing"),
        (["train", "nowhere", "labels", "--out", "run"], "nowhere"),
        (["train", "scans", "labels", "--out", "scans/slide0_0.png"], "must name a folder"),
        (["train", "scans", "labels", "--out", "labels"], "must be a new or empty folder"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert said in told[0]


@pytest.mark.parametrize("length", [["--minutes", "0"], ["--epochs", "x"], ["--minutes", "nan"]])
def test_lengths_are_numbers_above_zero(
    here: Path, capsys: pytest.CaptureFixture[str], length: list[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        train(*length)
    assert error.value.code == 2
    assert "a number above 0 is expected" in capsys.readouterr().err


# --- from a model that is there -------------------------------------------------------------------


@pytest.fixture(scope="module")
def others(made: Path) -> Path:
    """Other slides, in a folder beside."""
    for i in range(COUNT):
        image, mask, _ = draw_field(50 + i, 0, size=128)
        save_image(made / "new" / "scans" / f"slide{5 + i // 3}_{i}.png", image)
        save_image(made / "new" / "labels" / f"slide{5 + i // 3}_{i}.png", (mask > 0) * 255)
    return made / "new"


def from_first(others: Path, first: Path, *more: str) -> list[str]:
    command = ["train", str(others / "scans"), str(others / "labels"), "--out", "next"]
    return [*command, "--epochs", "2", "--group", "^(slide.)", "--from", str(first), *more]


@pytest.mark.slow
def test_it_goes_on_from_a_run_which_stays_as_it_was(
    trained: tuple[Path, str], others: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = trained[0]
    before = {p.name: p.read_bytes() for p in first.iterdir() if p.is_file()}
    command = from_first(others, first, "--freeze", "encoder")
    assert main(command) == 0
    assert {path.name for path in (here / "next").iterdir()} == FILES
    assert {p.name: p.read_bytes() for p in first.iterdir() if p.is_file()} == before
    record = json.loads((here / "next" / "run.json").read_text())
    assert record["start"]["name"] == "run"
    assert record["settings"]["freeze"] == "encoder"
    old, new = (keras.saving.load_model(p / "model.keras") for p in (first, here / "next"))
    same = {
        layer.name
        for layer in old.layers
        if layer.weights
        and all(
            np.array_equal(a, b)
            for a, b in zip(
                layer.get_weights(), new.get_layer(layer.name).get_weights(), strict=True
            )
        )
    }
    assert {"stem", "bottom_conv2"} <= same
    assert not {"up0_conv1", "output"} & same
    capsys.readouterr()
    assert main([*command, "--resume"]) == 0
    assert "it is read and not trained again" in capsys.readouterr().out
    assert main(from_first(others, first, "--resume")) == 2  # without --freeze it is another run
    assert "freeze encoder" in capsys.readouterr().err


@pytest.mark.slow
def test_test_images_that_the_first_training_saw_are_refused(
    trained: tuple[Path, str], made: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = (made / "scans", made / "labels")
    first = read_split(trained[0] / "split.csv", read_folder(*folders))
    samples = read_folder(*folders, group=lambda stem: stem.split("_")[0])
    seed = next(n for n in range(9) if samples.split(seed=n)[2].names != first[2].names)
    assert main(from_first(made, trained[0], "--seed", str(seed))) == 2
    assert "3 of 3 that" in capsys.readouterr().err
    assert not (here / "next").exists()
    assert main(from_first(made, trained[0], "--quiet")) == 0  # the split of then


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--from", "run"], "must be another folder"),
        (["--from", "nowhere"], "nowhere"),
        (["--freeze", "encoder"], "--from"),
        (["--from", "scans/slide0_0.png"], "another file"),
        (["--from", "scans"], "none"),
        (["--from", "grey.keras"], "1 channel"),
    ],
)
def test_a_start_that_does_not_fit_is_told_before_anything_is_written(
    here: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    if "grey.keras" in more:
        unet((None, None, 1), filters=4, depth=1).save(here / "grey.keras")
    before = sorted(here.rglob("*"))
    assert train(*more) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert said in told[0]
    assert sorted(here.rglob("*")) == before

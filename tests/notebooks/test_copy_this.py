"""The cells to copy stand alone: run in an empty folder, without this package, and right."""

import ast
import subprocess
import symtable
import sys
from functools import cache

import nbformat
import numpy as np
import pytest
from builders import some_slow
from PIL import Image

from tests.notebooks.conftest import NOTEBOOKS
from unet_helpers import (
    BceDice,
    adamw,
    find_objects,
    interval,
    keras,
    predict,
    read_folder,
    receptive_field,
    score_images,
    size_multiple,
    to_mask,
    unet,
)
from unet_helpers.classroom.exercises import tags
from unet_helpers.data.samples import Arrays, Record, Samples

NUMBERS = ("01", "02", "03", "04", "06", "07")

# Put in front of a cell that says it does without the package: importing it then fails.
REFUSE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ImportError(name + " is not to be had here")
sys.meta_path.insert(0, Refuse())
"""
PACKAGES = {
    "numpy": {"numpy"},
    "pillow": {"PIL"},
    "keras": {"keras"},
    "unet_helpers": {"unet_helpers", "numpy", "PIL", "keras"},
}


@cache
def cells_of(number):
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    return nbformat.read(path, as_version=4)["cells"]


def place_of(number):
    (place,) = [i for i, cell in enumerate(cells_of(number)) if "copy-this" in tags(cell)]
    return place


@cache
def source_of(number):
    return cells_of(number)[place_of(number)]["source"]


def needs(number):
    """The packages that the cell's first line names."""
    first = source_of(number).splitlines()[0].removesuffix(" only")
    assert first.startswith("# Copy this: needs "), first
    return first.removeprefix("# Copy this: needs ").split(" and ")


@cache
def copied(number):
    """The names that the cell leaves behind."""
    names = {"__name__": "copied"}
    exec(compile(source_of(number), f"copied from {number}", "exec"), names)
    return names


# --- it stands alone ----------------------------------------------------------------------------


def test_each_of_these_notebooks_has_one_and_no_other():
    found = [
        path.name.split("_")[0]
        for path in sorted(NOTEBOOKS.glob("*.ipynb"))
        for cell in nbformat.read(path, as_version=4)["cells"]
        if "copy-this" in tags(cell)
    ]
    assert tuple(found) == NUMBERS


@pytest.mark.parametrize("number", some_slow(NUMBERS, {*NUMBERS} - {"02"}))
def test_it_runs_alone_in_an_empty_folder(number, tmp_path):
    code = source_of(number)
    refused = () if "unet_helpers" in needs(number) else ("unet_helpers", "tests")
    (tmp_path / "pasted.py").write_text(REFUSE.format(refused=refused) + code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "pasted.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pasted.py"], "it leaves files behind"
    stored = "".join(o.get("text", "") for o in cells_of(number)[place_of(number)]["outputs"])
    assert done.stdout
    assert not stored or done.stdout == stored


def test_the_hook_refuses_the_package(tmp_path):
    code = REFUSE.format(refused=("unet_helpers",)) + "import unet_helpers.model"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert b"unet_helpers is not to be had here" in done.stderr


@pytest.mark.parametrize("number", NUMBERS)
def test_it_needs_what_its_first_line_names_and_the_standard_library(number):
    names = set()
    for node in ast.walk(ast.parse(source_of(number))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.partition(".")[0])
    allowed = set().union(*(PACKAGES[name] for name in needs(number)))
    assert names - sys.stdlib_module_names <= allowed


# --- it fits into its notebook ------------------------------------------------------------------


def bound_by(code):
    """Names that a cell binds at its top level, imports left out."""
    symbols = symtable.symtable(code, "copied", "exec").get_symbols()
    return {s.get_name() for s in symbols if s.is_assigned() and not s.is_imported()}


@pytest.mark.parametrize("number", NUMBERS)
def test_it_overwrites_nothing_that_another_cell_uses(number):
    others = [cell for cell in cells_of(number) if cell["cell_type"] == "code"]
    used = {
        node.id
        for cell in others
        if "copy-this" not in tags(cell)
        for node in ast.walk(ast.parse(cell["source"]))
        if isinstance(node, ast.Name)
    }
    assert bound_by(source_of(number)) & used == set()


@pytest.mark.parametrize("number", NUMBERS)
def test_it_stands_under_its_heading_behind_all_exercises(number):
    cells, place = cells_of(number), place_of(number)
    assert cells[place - 1]["source"].startswith("## Copy this\n")
    behind = [cell["source"] for cell in cells[place:] if cell["cell_type"] == "markdown"]
    assert "## Recap" in "\n".join(behind)
    assert not any("exercise" in tags(cell) for cell in cells[place:])


# --- what it computes is right ------------------------------------------------------------------


def test_01_reads_what_read_folder_reads(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for i, shape in enumerate([(20, 30), (31, 17), (20, 30)]):
        image = rng.integers(0, 256, (*shape, 3), np.uint8)
        mask = (rng.random(shape) < 0.3) * np.uint8(255)
        Image.fromarray(image).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    theirs = read_folder(tmp_path / "images", tmp_path / "masks")
    mine = list(copied("01")["read_pairs"](tmp_path / "images", tmp_path / "masks"))
    assert len(mine) == len(theirs) == 3
    for (name, image, mask), sample in zip(mine, theirs, strict=True):
        assert name == f"{sample.name}.png"
        np.testing.assert_allclose(image, sample.image, atol=1e-7)
        np.testing.assert_array_equal(mask, sample.mask)


@pytest.mark.parametrize("values", [(0, 127, 255), (0, 2)])
def test_01_refuses_masks_of_other_values(tmp_path, values):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    mask = np.resize(np.array(values, np.uint8), (8, 8))
    for folder in ("images", "masks"):
        Image.fromarray(mask).save(tmp_path / folder / "a.png")
    with pytest.raises(ValueError, match="0 and 1 or 255"):
        list(copied("01")["read_pairs"](tmp_path / "images", tmp_path / "masks"))
    (tmp_path / "masks" / "a.png").rename(tmp_path / "masks" / "b.png")
    with pytest.raises(ValueError, match="needs a mask of its name"):
        list(copied("01")["read_pairs"](tmp_path / "images", tmp_path / "masks"))


@pytest.mark.parametrize("groups", [3, 10, 57])
def test_01_keeps_groups_together(groups):
    rng = np.random.default_rng(groups)
    group_of = np.append(np.arange(groups), rng.integers(groups, size=4 * groups)).astype(str)
    parts = copied("01")["deal_groups"](group_of, val=0.2, test=0.3)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(group_of)))
    held = [set(group_of[part]) for part in parts]
    assert sum(map(len, held)) == groups  # none twice
    assert [len(names) for names in held[1:]] == [round(0.2 * groups), round(0.3 * groups)]
    again = copied("01")["deal_groups"](list(group_of), val=0.2, test=0.3)
    assert all((a == b).all() for a, b in zip(parts, again, strict=True))


def test_01_leaves_no_part_empty():
    with pytest.raises(ValueError, match="2 groups are too few"):
        copied("01")["deal_groups"](["a", "a", "b"])


@pytest.mark.parametrize(("bands", "classes", "filters", "depth"), [(3, 1, 8, 3), (1, 4, 4, 2)])
def test_02_is_the_net_that_unet_builds(bands, classes, filters, depth):
    mine = copied("02")["plain_unet"](bands, classes, filters, depth)
    theirs = unet((None, None, bands), classes, filters, depth, upsampling="transpose")
    weights = theirs.get_weights()
    assert [w.shape for w in mine.get_weights()] == [w.shape for w in weights]
    rng = np.random.default_rng(0)
    mine.set_weights(weights)
    image = rng.random((2, 32, 48, bands)).astype(np.float32)
    np.testing.assert_allclose(mine(image), theirs(image), atol=1e-6)


def test_03_the_loss_is_bce_dice():
    rng = np.random.default_rng(0)
    for share in (0.0, 0.2):
        truth = (rng.random((3, 16, 16, 1)) < share).astype(np.float32)
        said = rng.random(truth.shape).astype(np.float32)
        mine = copied("03")["cross_entropy_and_dice"](
            keras.ops.convert_to_tensor(truth), keras.ops.convert_to_tensor(said)
        )
        assert abs(float(mine) - float(BceDice()(truth, said))) < 1e-6


@pytest.mark.parametrize("steps", [10, 25, 200, 1003])
def test_03_the_rate_is_that_of_adamw(steps):
    mine, theirs = copied("03")["rise_and_fall"](steps), adamw(steps)._learning_rate
    for step in np.linspace(0, steps, 7).round():
        assert abs(float(mine(step)) - float(theirs(step))) < 1e-8


def test_03_crops_move_image_and_mask_alike():
    rng = np.random.default_rng(1)
    pictures = [rng.random((40, 60, 3)), rng.random((33, 32, 3))]
    labels = [picture[..., 1] > 0.4 for picture in pictures]
    stream = copied("03")["random_crops"](pictures, labels, side=32, number=6, seed=4)
    seen = [next(stream) for _ in range(20)]
    for images, masks in seen:
        assert images.shape == (6, 32, 32, 3) and masks.shape == (6, 32, 32, 1)
        np.testing.assert_array_equal(masks[..., 0], images[..., 1] > 0.4)
    ways = {orientation(x, pictures) for images, _ in seen for x in images}
    assert ways == set(range(8))


def orientation(crop, pictures):
    """Which of the eight ways to hold a crop gives a piece of one of the pictures."""
    for way in range(8):
        turned = np.rot90(crop[:, :: -1 if way & 4 else 1], -(way & 3))
        for picture in pictures:
            small = picture.astype(np.float32)
            for row, column in np.argwhere((small == turned[0, 0]).all(axis=-1)):
                piece = small[row : row + 32, column : column + 32]
                if piece.shape == turned.shape and (piece == turned).all():
                    return way
    raise AssertionError("no piece of a picture")


def drawn_masks(images, groups):
    rng = np.random.default_rng(images)
    shares = np.append(0, rng.uniform(0.02, 0.6, images - 1))
    truths = [(rng.random((24, 24)) < share).astype(np.uint8) for share in shares]
    noise = rng.uniform(0.02, 0.3, images)
    guesses = [t ^ (rng.random(t.shape) < n) for t, n in zip(truths, noise, strict=True)]
    guesses[0] = truths[0]  # nothing there and nothing found
    return truths, [guess.astype(np.uint8) for guess in guesses], np.arange(images) % groups


@pytest.mark.parametrize(("images", "groups"), [(24, 12), (60, 60), (30, 11)])
def test_04_gives_the_numbers_of_score_images_and_interval(images, groups):
    truths, guesses, group_of = drawn_masks(images, groups)
    records = tuple(
        Record(f"{i}", f"g{group}", lambda i=i: Arrays(np.zeros((24, 24, 1), np.uint8), truths[i]))
        for i, group in enumerate(group_of)
    )
    scores = score_images(Samples("drawn", records, ("no", "yes")), guesses)
    made = copied("04")
    counts = np.array(list(map(made["tally"], truths, guesses)))
    np.testing.assert_allclose(made["ratio"](counts), scores.iou_per_image())
    np.testing.assert_allclose(made["ratio"](counts, overlap_twice=True), scores.dice_per_image())
    assert np.isnan(made["ratio"](counts)[0])
    assert abs(made["ratio"](counts.sum(axis=0)) - scores.iou()) < 1e-12
    theirs = interval(scores)
    names = [f"g{group}" for group in group_of]
    np.testing.assert_allclose(
        made["bootstrap_interval"](counts, names), (theirs.low, theirs.high), rtol=1e-9
    )


def test_04_gives_no_interval_of_nine_groups():
    truths, guesses, group_of = drawn_masks(40, 9)
    counts = np.array(list(map(copied("04")["tally"], truths, guesses)))
    assert np.isnan(copied("04")["bootstrap_interval"](counts, group_of)).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_06_writes_the_masks_that_predict_gives(tmp_path, channels):
    for folder in ("run", "new"):
        (tmp_path / folder).mkdir()
    model = unet((None, None, channels), filters=4, depth=2)
    model.save(tmp_path / "run" / "model.keras")
    shape = (70, 50, 3)[: 2 if channels == 1 else 3]
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "new" / "a.png")
    said = predict(model, pixels / np.float32(255))
    middle = float(np.median(said))  # so that about half of the pixels are found
    ways = (tmp_path / "run", tmp_path / "new", tmp_path / "out")
    assert list(copied("06")["predict_folder"](*ways, threshold=middle)) == ["a"]
    mask = np.asarray(Image.open(tmp_path / "out" / "a.png"))
    differ = (mask != 255 * to_mask(said, middle)).mean()
    assert differ < 0.001 and 0.3 < (mask > 0).mean() < 0.7
    labels = find_objects(said, threshold=middle)
    rows = (tmp_path / "out" / "a.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(1, labels.max() + 1))


@pytest.mark.parametrize(("depth", "shape"), [(2, (150, 203)), (3, (260, 97)), (2, (20, 300))])
def test_07_in_tiles_is_as_the_whole(depth, shape):
    model = unet((None, None, 3), filters=4, depth=depth, upsampling="transpose")
    image = np.random.default_rng(depth).random((*shape, 3)).astype(np.float32)
    step, halo = 2**depth, 8 * 2**depth
    assert size_multiple(model) == step and receptive_field(model).reach <= halo
    made = copied("07")["predict_in_tiles"](model.predict_on_batch, image, 64, halo, step)
    np.testing.assert_allclose(made, predict(model, image), atol=1e-5)
    worse = copied("07")["predict_in_tiles"](model.predict_on_batch, image, 64, 0, step)
    assert np.abs(worse - made).max() > 1e-4


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear", "transpose"])
def test_07_the_halo_of_its_comment_is_wide_enough(upsampling):
    for depth in range(1, 6):
        model = unet((None, None, 1), filters=1, depth=depth, upsampling=upsampling)
        assert receptive_field(model).reach <= 8 * 2**depth

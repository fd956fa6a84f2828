"""The pages to print: nothing overlaps, every line of code works, the files are up to date."""

import ast
import re
import shlex
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import tifffile
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

import unet_helpers
from unet_helpers import draw_field, keras
from unet_helpers.__main__ import build_parser
from unet_helpers.views import printed
from unet_helpers.views.cheat_sheet import COLUMNS, PAGE, cheat_sheet, code_lines
from unet_helpers.views.course_map import ROUTES, STATIONS, course_map

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs" / "figures"
COMMAND = "python -m unet_helpers "
PAGES = {"cheat_sheet": cheat_sheet, "map": course_map}


# --- what it looks like -------------------------------------------------------------------------


def places(fig):
    """The rectangles of all texts, in points; and those of the boxes."""
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    scale = 72 / fig.dpi
    texts = [t for t in fig.findobj(Text) if t.get_text().strip() and t.get_visible()]
    bounds = [t.get_window_extent(canvas.get_renderer()) for t in texts]
    boxes = [patch.get_window_extent(canvas.get_renderer()) for patch in fig.patches]
    boxes += [a.get_window_extent() for a in fig.artists if isinstance(a, mpl.patches.Rectangle)]
    return (
        [(t.get_text(), b.x0 * scale, b.y0 * scale, b.x1 * scale, b.y1 * scale)
         for t, b in zip(texts, bounds, strict=True)],
        [(b.x0 * scale, b.y0 * scale, b.x1 * scale, b.y1 * scale) for b in boxes],
    )  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_no_text_lies_on_another_or_leaves_the_page(name):
    fig = PAGES[name]()
    texts, _ = places(fig)
    width, height = fig.get_size_inches() * 72
    for text, left, low, right, high in texts:
        assert left > 6 and low > 6 and right < width - 6 and high < height - 6, text
    for i, (text, left, low, right, high) in enumerate(texts):
        for other, left2, low2, right2, high2 in texts[i + 1 :]:
            across = min(right, right2) - max(left, left2)
            down = min(high, high2) - max(low, low2)
            # Rectangles hold room above small letters: a hair of it may be shared.
            assert across <= 0 or down <= 2.5, (text, other)


def test_every_line_of_the_sheet_stays_inside_its_box():
    texts, boxes = places(cheat_sheet())
    large = [box for box in boxes if box[3] - box[1] > 60 and box[2] - box[0] > 200]
    assert len(large) == sum(len(column) for _, column in COLUMNS)
    below = [one for one in texts if one[4] < max(box[3] for box in large)]
    assert len(texts) - len(below) == 2  # the head of the page
    for text, left, low, right, high in below:
        inside = [b for b in large if b[0] < left and b[1] < low and right < b[2] and high < b[3]]
        assert len(inside) == 1, text
        assert right < inside[0][2] - 3, text


def test_the_boxes_fill_the_page_and_leave_margins():
    _, boxes = places(cheat_sheet())
    assert min(box[0] for box in boxes) >= 23.5 and min(box[1] for box in boxes) >= 23.5
    assert max(box[2] for box in boxes) <= PAGE[0] - 23.5
    for _, column in COLUMNS:
        assert sum(printed.height_of(lines) for *_, lines in column) > 0.5 * PAGE[1]


@pytest.mark.parametrize("name", PAGES)
def test_it_can_be_read_when_printed_in_grey(name, tmp_path):
    (png, _) = printed.save(PAGES[name](), tmp_path, name)
    grey = np.asarray(Image.open(png).convert("L"))
    assert grey.min() < 60 and (grey == 255).mean() > 0.5
    # The bars of the titles: dark enough for white letters.
    luminance = int(Image.new("RGB", (1, 1), printed.BLUE).convert("L").getpixel((0, 0)))
    assert luminance < 110


# --- the files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_the_same_page_gives_the_same_bytes(name, tmp_path):
    one = [path.read_bytes() for path in printed.save(PAGES[name](), tmp_path / "a", name)]
    other = [path.read_bytes() for path in printed.save(PAGES[name](), tmp_path / "b", name)]
    assert one == other
    assert not re.search(rb"\d{4}-\d\d-\d\d|dc:date|matplotlib v", one[1])


@pytest.mark.parametrize("name", PAGES)
def test_the_stored_files_are_up_to_date(name, tmp_path):
    module = "cheat_sheet" if name == "cheat_sheet" else "course_map"
    renew = f"renew: python -m unet_helpers.views.{module} docs/figures"
    png, svg = printed.save(PAGES[name](), tmp_path, name)
    made, stored = (np.asarray(Image.open(p).convert("L"), int) for p in (png, FIGURES / png.name))
    assert made.shape == stored.shape, renew
    assert (np.abs(made - stored) > 64).mean() < 1e-6, renew
    groups = [path.read_text().count("<g ") for path in (svg, FIGURES / svg.name)]
    assert groups[0] == groups[1], renew


def test_the_command_wants_one_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("sys.argv", ["cheat_sheet.py"])
    with pytest.raises(SystemExit, match=r"views\.cheat_sheet FOLDER"):
        printed.renew(cheat_sheet, "cheat_sheet")
    monkeypatch.setattr("sys.argv", ["course_map.py", str(tmp_path / "new")])
    printed.renew(course_map, "map")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["map.png", "map.svg"]
    assert capsys.readouterr().out.count("map.") == 2


# --- what it says -------------------------------------------------------------------------------


def python_lines():
    return "\n".join(line for line in code_lines() if not line.startswith(COMMAND))


@pytest.mark.parametrize("line", [one for one in code_lines() if one.startswith(COMMAND)])
def test_every_command_is_one(line):
    options = build_parser().parse_args(shlex.split(line.removeprefix(COMMAND)))
    assert callable(options.handler)


def test_every_name_in_the_words_is_public():
    words = " ".join(text for _, column in COLUMNS for *_, lines in column for _, text in lines)
    for name in set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b|\b\w+(?=\()", words)):
        known = {*unet_helpers.__all__, "print", "compile", "fit", "split", "table", "binary"}
        known |= {"samples", "unet_helpers", "class_names", "train_part", "batch_size"}
        known |= {"steps_per_epoch"}
        assert name in known, name


def folder_of_patients(folder):
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for number in range(24):
        image, mask, _ = draw_field(300 + number, 0, size=144)
        name = f"{'abcdefghijkl'[number // 2]}_{number % 2}.png"
        Image.fromarray(image).save(folder / "images" / name)
        Image.fromarray((mask > 0) * np.uint8(255)).save(folder / "masks" / name)
    tifffile.imwrite(folder / "slide.tif", draw_field(400, 0, size=300)[0])


@pytest.mark.repeat  # it trains
def test_every_line_of_python_runs(tmp_path, monkeypatch, capsys):
    folder_of_patients(tmp_path)
    monkeypatch.chdir(tmp_path)
    code = python_lines()
    # Shorter, and otherwise as it is printed.
    assert code.count("minutes=2") == 1 and code.count("1000") == 2
    tiny = "steps=4, rounds=1, filters=4, depth=1, size=64, batch_size=2"
    code = code.replace("minutes=2", tiny).replace("1000", "4")
    assert code.count("filters=8, depth=3") == 1
    code = code.replace("filters=8, depth=3", "filters=2, depth=1")
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    names = {name: getattr(unet_helpers, name) for name in used & set(unet_helpers.__all__)}
    keras.utils.set_random_seed(0)
    exec(compile(code, "cheat sheet", "exec"), names)
    assert (tmp_path / "run" / "model.keras").exists()
    assert tifffile.imread(tmp_path / "mask.ome.tif").shape == (300, 300)
    assert len(names["train_part"]) > len(names["val"]) > 0
    assert "IoU" in capsys.readouterr().out


# --- the map ------------------------------------------------------------------------------------


def numbers_in(cell):
    return tuple(re.findall(r"\b\d\db?\b", cell))


def test_the_map_has_the_notebooks_of_the_course():
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert [path.name.split("_")[0] for path in paths] == sorted(STATIONS)


def test_the_learning_path_has_the_routes_of_the_map():
    text = (ROOT / "docs" / "learning_path.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| I ")]
    told = [(row[0].strip(), numbers_in(row[1]), numbers_in(row[2])) for row in rows]
    assert told == [tuple(route) for route in ROUTES]


def test_the_sections_that_the_learning_path_names_are_there():
    text = (ROOT / "docs" / "learning_path.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|")[2] for line in text.splitlines() if line.startswith("| I ")]
    parts = [part for row in rows for part in row.split(";") if "*" in part]
    for part in parts:
        for number in numbers_in(part):
            (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
            (title,) = re.findall(r"\*(.+?)\*", part)
            assert f"## {title}" in path.read_text(encoding="utf-8"), (number, title)

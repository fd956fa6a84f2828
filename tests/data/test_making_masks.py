"""The page on making masks: exports in each tool's own layout, read by the page's own code."""

import base64
import importlib.util
import io
import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw
from scipy import ndimage

from unet_helpers.data.doctor.check import check
from unet_helpers.data.doctor.kinds import KINDS
from unet_helpers.data.formats.coco import read_coco
from unet_helpers.data.formats.labelme import read_labelme
from unet_helpers.data.samples import Samples

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "making_masks.md").read_text(encoding="utf-8")
STORED = json.loads((ROOT / "benchmarks" / "results" / "annotators.json").read_text())
NAMES = ("slide03_field1", "slide03_field2", "slide07_field1")
CLASSES = ("background", "cytoplasm", "nucleus")
HEIGHT, WIDTH = 96, 128


# --- what was photographed ----------------------------------------------------------------------


def cells(number: int) -> list[tuple[int, int, int, int]]:
    """Top, left, height and width of 3, 4 or 5 cells; each has a nucleus in its middle."""
    rng = np.random.default_rng(number)
    places = rng.permutation(8)[: 3 + number]
    return [
        (
            int(place // 4 * 46 + rng.integers(4, 14)),
            int(place % 4 * 31 + rng.integers(2, 8)),
            int(rng.integers(24, 30)),
            int(rng.integers(16, 22)),
        )
        for place in places
    ]


def nucleus(cell: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    top, left, height, width = cell
    return top + 7, left + 5, height - 14, width - 10


def truth(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Class ids and numbers of objects."""
    ids, objects = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    for index, cell in enumerate(cells(number), 1):
        for class_id, (top, left, height, width) in ((1, cell), (2, nucleus(cell))):
            ids[top : top + height, left : left + width] = class_id
            objects[top : top + height, left : left + width] = index
    return ids, objects


def photograph(number: int) -> np.ndarray:
    colours = np.array([[225, 210, 205], [170, 140, 190], [90, 40, 120]])
    noise = np.random.default_rng(50 + number).normal(0, 6, (HEIGHT, WIDTH, 3))
    return np.clip(colours[truth(number)[0]] + noise, 0, 255).astype(np.uint8)


def corners(box: tuple[int, int, int, int]) -> list[list[float]]:
    """The outline that a careful person clicks: x and y along the pixels' outer edges."""
    top, left, height, width = box
    right, bottom = left + width, top + height
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


# --- exports, each as its tool writes it --------------------------------------------------------


def write_photographs(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, name in enumerate(NAMES):
        Image.fromarray(photograph(number)).save(folder / f"{name}.png")


def write_labelme(root: Path) -> None:
    """labelme 5: a JSON beside each image; the last cell is drawn as rectangles."""
    write_photographs(root / "labelme")
    for number, name in enumerate(NAMES):
        shapes = []
        for index, cell in enumerate(cells(number), 1):
            kind = "rectangle" if index == len(cells(number)) else "polygon"
            step = 2 if kind == "rectangle" else 1
            for label, box in (("cytoplasm", cell), ("nucleus", nucleus(cell))):
                shapes.append(labelme_shape(label, corners(box)[::step], kind))
        write_labelme_file(root / "labelme", name, shapes)


def write_labelme_file(folder: Path, name: str, shapes: list[dict[str, Any]]) -> None:
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": f"{name}.png",
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    }
    (folder / f"{name}.json").write_text(json.dumps(content, indent=2))


def labelme_shape(label: str, points: list[list[float]], kind: str) -> dict[str, Any]:
    return {
        "label": label,
        "points": [[float(x), float(y)] for x, y in points],
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": None,
    }


def labelme_mask(label: str, box: tuple[int, int, int, int]) -> dict[str, Any]:
    """What its AI tools store unless one asks them for polygons."""
    top, left, height, width = box
    png = io.BytesIO()
    Image.fromarray(np.ones((height, width), bool)).save(png, format="PNG")
    points = [[left, top], [left + width - 1, top + height - 1]]
    shape = labelme_shape(label, points, "mask")
    return {**shape, "mask": base64.b64encode(png.getvalue()).decode()}


def write_cvat_masks(root: Path) -> None:
    """The unpacked zip of "Segmentation mask 1.1"."""
    colours = {"background": (0, 0, 0), "cytoplasm": (250, 250, 55), "nucleus": (51, 221, 255)}
    folder = root / "cvat_masks"
    for part in ("SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"):
        (folder / part).mkdir(parents=True)
    lines = [f"{name}:{','.join(map(str, colour))}::" for name, colour in colours.items()]
    text = "\n".join(["# label:color_rgb:parts:actions", *lines, ""])
    (folder / "labelmap.txt").write_text(text)
    listed = "\n".join([*NAMES, ""])
    (folder / "ImageSets" / "Segmentation" / "default.txt").write_text(listed)
    objects = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]])
    for number, name in enumerate(NAMES):
        ids, numbers = truth(number)
        for part, plane, table in (
            ("SegmentationClass", ids, list(colours.values())),
            ("SegmentationObject", numbers % 5, objects),
        ):
            pixels = np.array(table, np.uint8)[plane]
            Image.fromarray(pixels).save(folder / part / f"{name}.png")


def write_cvat_coco(root: Path) -> None:
    """The unpacked zip of "COCO 1.0": polygons, and for the last cell brushed masks as RLE."""
    write_photographs(root / "cvat_coco" / "images" / "default")
    images, annotations = [], []
    for number, name in enumerate(NAMES):
        images.append(
            {
                "id": number + 1,
                "width": WIDTH,
                "height": HEIGHT,
                "file_name": f"{name}.png",
                "license": 0,
                "flickr_url": "",
                "coco_url": "",
                "date_captured": 0,
            }
        )
        for index, cell in enumerate(cells(number), 1):
            brushed = index == len(cells(number))
            for category, box in ((1, cell), (2, nucleus(cell))):
                top, left, height, width = box
                outline = [[float(v) for point in corners(box) for v in point]]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number + 1,
                        "category_id": category,
                        "segmentation": run_lengths(box) if brushed else outline,
                        "area": float(height * width),
                        "bbox": [float(left), float(top), float(width), float(height)],
                        "iscrowd": int(brushed),
                        "attributes": {"occluded": False},
                    }
                )
    categories = [
        {"id": k, "name": name, "supercategory": ""} for k, name in enumerate(CLASSES[1:], 1)
    ]
    content = {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "date_created": "", "description": "", "version": ""},
        "categories": categories,
        "images": images,
        "annotations": annotations,
    }
    (root / "cvat_coco" / "annotations").mkdir()
    file = root / "cvat_coco" / "annotations" / "instances_default.json"
    file.write_text(json.dumps(content))


def run_lengths(box: tuple[int, int, int, int]) -> dict[str, list[int]]:
    """COCO's uncompressed run lengths: down the columns, starting with zeros."""
    top, left, height, width = box
    plane = np.zeros((HEIGHT, WIDTH), np.uint8)
    plane[top : top + height, left : left + width] = 1
    flat = plane.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {"counts": counts, "size": [HEIGHT, WIDTH]}


def write_napari(root: Path) -> None:
    """Labels layers: at least 32 bits, whatever was painted, in TIFF with zlib."""
    for folder, part in (("napari_classes", 0), ("napari_objects", 1), ("second_drawing", 0)):
        (root / folder).mkdir()
        for number, name in enumerate(NAMES):
            plane = truth(number)[part].astype(np.uint32)
            if folder == "second_drawing":
                plane[ndimage.binary_dilation(plane > 0) & (plane == 0)] = 1
            file = root / folder / f"{name}.tif"
            tifffile.imwrite(file, plane, compression="zlib", compressionargs={"level": 1})


def write_qupath(root: Path) -> None:
    """A labelled image: one byte a pixel, with the classes' display colours as a palette."""
    (root / "qupath").mkdir()
    for number, name in enumerate(NAMES):
        picture = Image.fromarray(truth(number)[0], mode="P")
        picture.putpalette([255, 255, 255, 150, 200, 150, 200, 0, 0])
        picture.save(root / "qupath" / f"{name}-labels.png", bits=8)


def write_fiji(root: Path) -> None:
    """Create Mask without "Black background": 255 inside, a lookup table that shows it black."""
    (root / "fiji").mkdir()
    for number, name in enumerate(NAMES):
        tifffile.imwrite(
            root / "fiji" / f"{name}.tif",
            np.where(truth(number)[0] > 0, 255, 0).astype(np.uint8),
            photometric="miniswhite",
            byteorder=">",
            description="ImageJ=1.54f\nmin=0.0\nmax=255.0\n",
            metadata=None,
        )


def write_micro_sam(root: Path) -> None:
    """The committed objects of its image series annotator: a number for each object."""
    (root / "micro_sam").mkdir()
    for number, name in enumerate(NAMES):
        plane = truth(number)[1].astype(np.uint32)
        tifffile.imwrite(root / "micro_sam" / f"{name}.tif", plane, compression="zlib")


WRITERS = (
    write_labelme,
    write_cvat_masks,
    write_cvat_coco,
    write_napari,
    write_qupath,
    write_fiji,
    write_micro_sam,
)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("desk")
    write_photographs(root / "images")
    for write in WRITERS:
        write(root)
    return root


# --- the page's code, run on them ---------------------------------------------------------------


def blocks(language: str) -> list[tuple[str, str]]:
    """The page's code blocks in a language, each with the heading that it stands under."""
    found, heading, code = [], "", None
    for line in PAGE.splitlines():
        if code is not None:
            if line == "```":
                found.append((heading, "\n".join(code) + "\n"))
                code = None
            else:
                code.append(line)
        elif line == f"```{language}":
            code = []
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    assert code is None
    return found


def run(code: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(root)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/making_masks.md", "exec"), names)
    return names


def same_classes(samples: Samples) -> None:
    assert samples.class_names == CLASSES
    for number, sample in enumerate(samples):
        np.testing.assert_array_equal(sample.mask, truth(number)[0])


def same_classes_inside(samples: Samples) -> None:
    """Tools differ by a pixel in whether an outline belongs to what it encloses."""
    assert samples.class_names == CLASSES
    for number, sample in enumerate(samples):
        ids = truth(number)[0]
        borders = ndimage.maximum_filter(ids, 3) != ndimage.minimum_filter(ids, 3)
        np.testing.assert_array_equal(sample.mask[~borders], ids[~borders])


def same_objects(samples: Samples) -> None:
    assert samples.class_names == ("background", "cell")
    for number, sample in enumerate(samples):
        ids, objects = truth(number)
        np.testing.assert_array_equal(sample.mask, ids > 0)
        np.testing.assert_array_equal(sample.instances, objects)


def same_foreground(samples: Samples) -> None:
    assert samples.class_names == ("background", "cell")
    for number, sample in enumerate(samples):
        np.testing.assert_array_equal(sample.mask, truth(number)[0] > 0)


def by_slide(samples: Samples) -> None:
    assert samples.groups == ["slide03", "slide03", "slide07"]


READ: list[tuple[str, Callable[[Samples], None]]] = [
    ("Name files by their group", by_slide),
    ("labelme", same_classes_inside),
    ("napari", same_classes),
    ("napari", same_objects),
    ("QuPath", same_classes),
    ("CVAT", same_classes),
    ("CVAT", same_classes_inside),
    ("ImageJ and Fiji", same_foreground),
    ("SAM and micro-sam", same_objects),
]


def readings() -> list[tuple[str, str]]:
    return [block for block in blocks("python") if "samples = " in block[1]]


def test_every_block_that_reads_is_checked() -> None:
    assert [heading for heading, _ in readings()] == [heading for heading, _ in READ]


@pytest.mark.parametrize("index", range(len(READ)), ids=[heading for heading, _ in READ])
def test_the_pages_code_reads_the_export(
    index: int, exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = run(readings()[index][1], exports, monkeypatch)["samples"]
    assert samples.names == list(NAMES)
    for number, sample in enumerate(samples):
        seen = np.rint(sample.image * 255)
        np.testing.assert_array_equal(seen, photograph(number))
    READ[index][1](samples)


def test_the_other_blocks_run_and_say_what_the_page_says(
    exports: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [block for block in blocks("python") if block not in readings()]
    assert [heading for heading, _ in others] == ["Draw five images twice", "Ask the doctor"]
    run(others[0][1], exports, monkeypatch)
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == list(NAMES)
    grown = [float(line.split()[-2]) for line in said]
    assert all(0.6 < score < 0.95 for score in grown)  # the cytoplasm's, one pixel apart
    assert all(line.endswith("1.00") for line in said)  # the nuclei's, drawn alike
    report = run(others[1][1], exports, monkeypatch)["report"]
    assert "mask-instance-ids" in report.names


def test_the_shells_line_is_the_doctors(exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unet_helpers.__main__ import build_parser

    lines = [line for _, code in blocks("bash") for line in code.splitlines()]
    lines = [line for line in lines if line.startswith("python -m unet_helpers ")]
    assert lines
    for line in lines:
        options = build_parser().parse_args(shlex.split(line)[3:])
        monkeypatch.chdir(exports)
        assert options.handler(options) == 0


# --- the traps, and the doctor ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "finding"),
    [
        ("cvat_masks/SegmentationClass", "mask-colours"),
        ("qupath", "mask-palette"),
        ("fiji", "mask-0-255"),
        ("napari_objects", "mask-instance-ids"),
        ("micro_sam", "mask-instance-ids"),
    ],
)
def test_the_doctor_names_the_encoding(exports: Path, folder: str, finding: str) -> None:
    assert finding in check(exports / "images", exports / folder, progress=False).names


def test_the_doctor_has_nothing_against_class_ids(exports: Path) -> None:
    report = check(exports / "images", exports / "napari_classes", progress=False)
    assert report.ok, str(report)


def test_a_palette_read_as_grey_is_no_class_id(exports: Path) -> None:
    with Image.open(exports / "qupath" / f"{NAMES[0]}-labels.png") as file:
        assert file.mode == "P"
        assert set(np.unique(file.convert("L"))) == {60, 179, 255}


def test_two_libraries_see_opposite_things_in_an_inverting_table(exports: Path) -> None:
    file = exports / "fiji" / f"{NAMES[0]}.tif"
    stored = np.where(truth(0)[0] > 0, 255, 0)
    np.testing.assert_array_equal(tifffile.imread(file), stored)
    np.testing.assert_array_equal(np.asarray(Image.open(file)), 255 - stored)


def test_masks_of_labelmes_ai_tools_are_read_pixel_by_pixel(tmp_path: Path) -> None:
    write_photographs(tmp_path / "images")
    for number, name in enumerate(NAMES):
        shapes = []
        for cell in cells(number):
            shapes.append(labelme_mask("cytoplasm", cell))
            shapes.append(labelme_mask("nucleus", nucleus(cell)))
        write_labelme_file(tmp_path / "images", name, shapes)
    same_classes(read_labelme(tmp_path / "images", class_names=CLASSES))


@pytest.mark.parametrize("brushed", [(), (1,), (2,), (1, 2)])
def test_brushed_objects_of_cvat_lie_where_outlined_ones_would(
    tmp_path: Path, brushed: tuple[int, ...]
) -> None:
    write_cvat_coco(tmp_path)
    file = tmp_path / "cvat_coco" / "annotations" / "instances_default.json"
    content = json.loads(file.read_text())
    for one in content["annotations"]:
        left, top, width, height = map(int, one["bbox"])
        box = (top, left, height, width)
        one["iscrowd"] = int(one["category_id"] in brushed)
        outline = [[float(v) for point in corners(box) for v in point]]
        one["segmentation"] = run_lengths(box) if one["iscrowd"] else outline
    file.write_text(json.dumps(content))
    samples = read_coco(file, tmp_path / "cvat_coco" / "images" / "default", class_names=CLASSES)
    same_classes_inside(samples)
    assert all((sample.mask == 2).any() for sample in samples)


def test_the_doctors_names_on_the_page_exist() -> None:
    section = PAGE.partition("## Ask the doctor")[2]
    named = re.findall(r"^\| `([a-z0-9-]+)`", section, re.M)
    assert len(named) >= 10
    assert set(named) <= set(KINDS)


# --- the numbers --------------------------------------------------------------------------------


def load_benchmark() -> ModuleType:
    path = ROOT / "benchmarks" / "annotators.py"
    spec = importlib.util.spec_from_file_location("annotators", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ANNOTATORS = load_benchmark()


def test_the_page_has_the_measured_tables() -> None:
    for table in ANNOTATORS.table(STORED).split("\n\n"):
        assert table in PAGE


def test_the_page_has_the_measured_numbers() -> None:
    twins = STORED["twins"]
    for text in (
        f"{100 * twins['equal_pixels']:.1f} % of the pixels",
        f"{twins['differing_pixels']} pixels",
        f"{100 * twins['at_border']:.0f} % of them",
        f"scores {twins['iou']['cytoplasm']:.2f}",
    ):
        assert text in " ".join(PAGE.split()), text


def test_the_stored_numbers_of_drawn_cells_are_what_is_measured() -> None:
    measured = ANNOTATORS.grow_by_one_pixel()
    for now, then in zip(measured, STORED["one_pixel"], strict=True):
        assert (now["every"], now["cells"]) == (then["every"], then["cells"])
        assert now["diameter"] == pytest.approx(then["diameter"], abs=0.2)
        assert now["iou"] == pytest.approx(then["iou"], abs=0.005)


@pytest.mark.parametrize("diameter", [12, 30, 60])
def test_a_disc_that_grows_by_a_pixel(diameter: int) -> None:
    """A disc of diameter d against one of d + 2 would be (d / (d + 2))**2; steps along rows and
    columns reach a little less far along diagonals."""
    field = Image.new("L", (100, 100))
    low, high = 50 - diameter / 2, 50 + diameter / 2
    ImageDraw.Draw(field).ellipse((low, low, high, high), fill=1)
    ((found, score),) = ANNOTATORS.compare_cells(np.asarray(field).astype(np.uint16), 1)
    assert found == pytest.approx(diameter, abs=1.5)
    assert 0 <= score - (found / (found + 2)) ** 2 < 0.5 / diameter


def test_cells_at_the_edge_of_a_field_are_left_out() -> None:
    ids = np.zeros((20, 20), np.uint16)
    ids[:5, 4:9], ids[8:12, 8:12] = 1, 2
    ((diameter, score),) = ANNOTATORS.compare_cells(ids, 1)
    assert diameter == pytest.approx(np.sqrt(4 * 16 / np.pi))
    assert score == 16 / (16 + 4 * 4)


def write_twins(root: Path, second: np.ndarray) -> None:
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    first = np.zeros((10, 10), np.uint8)
    first[2:8, 2:8], first[4:6, 4:6] = 128, 255
    for name, mask in zip(ANNOTATORS.TWINS, (first, second), strict=True):
        Image.fromarray(np.zeros((10, 10, 3), np.uint8)).save(root / "images" / f"{name}.bmp")
        Image.fromarray(mask).save(root / "masks" / f"{name}.png")


def test_two_drawings_are_compared_as_by_hand(tmp_path: Path) -> None:
    second = np.zeros((10, 10), np.uint8)
    second[2:8, 2:9], second[4:6, 4:6], second[0, 0] = 128, 255, 128
    write_twins(tmp_path, second)
    found = ANNOTATORS.compare_twins(tmp_path)
    assert found["equal_pixels"] == 0.93
    assert found["differing_pixels"] == 7
    assert found["iou"] == {
        "background": round(57 / 64, 4),
        "cytoplasm": round(32 / 39, 4),
        "nucleus": 1.0,
    }
    # The column beside the cell touches its border; so does, in the second drawing, the lone dot.
    assert found["at_border"] == found["within_two_pixels"] == 1


def test_other_images_are_refused(tmp_path: Path) -> None:
    write_twins(tmp_path, np.zeros((10, 10), np.uint8))
    Image.new("RGB", (10, 10), (1, 0, 0)).save(tmp_path / "images" / "139.bmp")
    with pytest.raises(ValueError, match="must be equal"):
        ANNOTATORS.compare_twins(tmp_path)


@pytest.mark.real_data
def test_the_real_twins_are_as_stored() -> None:
    home = os.environ.get("UNET_DATA_HOME", "")
    if not (home and (Path(home) / "wbc_tecom").is_dir()):
        pytest.skip("UNET_DATA_HOME names no folder that holds wbc_tecom")
    assert ANNOTATORS.compare_twins(Path(home) / "wbc_tecom") == STORED["twins"]

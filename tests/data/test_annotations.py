"""COCO and LabelMe: shapes become the pixels that their own tools draw."""

import base64
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import assert_says
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from unet_helpers.data.formats.coco import read_coco
from unet_helpers.data.formats.labelme import read_labelme
from unet_helpers.data.formats.limits import FileError
from unet_helpers.data.formats.regions import segment, unpack_runs
from unet_helpers.data.samples import DataError

HEIGHT, WIDTH = 30, 40
SIZE = (HEIGHT, WIDTH)
LARGE, SMALL = [2, 2, 30, 2, 30, 25, 2, 25], [5.5, 5, 12, 5, 12, 14.5]


def images(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT), (9, 9, 9)).save(root / name)
    return root


def placed(segmentation: Any, size: tuple[int, int] = SIZE) -> np.ndarray:
    """The whole image's pixels of one object."""
    canvas = np.zeros(size, bool)
    window, region = segment(segmentation, size, Path("a.json"), "annotations[0]")
    canvas[window] = region
    return canvas


def by_pycocotools(segmentation: Any, size: tuple[int, int] = SIZE) -> np.ndarray:
    runs = coco_mask.frPyObjects(segmentation, *size)
    runs = coco_mask.merge(runs) if isinstance(runs, list) else runs
    return coco_mask.decode(runs).astype(bool)


# --- COCO's pixels, against pycocotools ---------------------------------------------------------

coordinate = st.floats(-5, 45).map(lambda value: round(value, 2))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(st.lists(st.lists(coordinate, min_size=6, max_size=12), min_size=1, max_size=3))
def test_polygons_are_filled_as_pycocotools_does(polygons: list[list[float]]) -> None:
    polygons = [p[: len(p) // 2 * 2] for p in polygons]
    inside = all(0 <= v <= 29 for p in polygons for v in p)
    ours, theirs = placed(polygons), by_pycocotools(polygons)
    if inside:
        np.testing.assert_array_equal(ours, theirs)
    else:  # at the border, outlines are cut, and a window may cut them a pixel apart
        assert (ours != theirs).sum() <= 2 * (HEIGHT + WIDTH)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(arrays.arrays(np.uint8, (7, 9), elements=st.integers(0, 1)))
def test_run_lengths_are_those_of_pycocotools(mask: np.ndarray) -> None:
    text = coco_mask.encode(np.asfortranarray(mask))["counts"].decode()
    np.testing.assert_array_equal(placed({"size": [7, 9], "counts": text}, (7, 9)), mask == 1)
    counts = unpack_runs(text)
    assert sum(counts) == mask.size
    np.testing.assert_array_equal(placed({"size": [7, 9], "counts": counts}, (7, 9)), mask == 1)


@given(st.text(max_size=40))
def test_no_text_of_run_lengths_does_harm(text: str) -> None:
    try:
        placed({"size": list(SIZE), "counts": text})
    except DataError:
        return
    assert sum(unpack_runs(text)) == HEIGHT * WIDTH


@pytest.mark.parametrize(
    "segmentation",
    [
        None,
        [],
        [[]],
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5]],
        [[1, 2, 3, 4, 5, "6"]],
        [[1, 2, 3, 4, 5, 1e9]],
        [[1, 2, 3, 4, 5, float("nan")]],
        [[1, 2, 3, 4, 5, True]],
        {"size": [HEIGHT, WIDTH]},
        {"size": [WIDTH, HEIGHT], "counts": [HEIGHT * WIDTH]},
        {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH + 1]},
        {"size": [HEIGHT, WIDTH], "counts": [-1, HEIGHT * WIDTH + 1]},
        {"size": [HEIGHT, WIDTH], "counts": [2**62, 2**62]},
        {"size": [HEIGHT, WIDTH], "counts": "oooooooooooooooooo"},
    ],
)
def test_damaged_segmentations(segmentation: Any) -> None:
    with pytest.raises(DataError) as error:
        placed(segmentation)
    assert_says(error, "a.json: annotations[0]", "export the annotations again")


# --- COCO files ---------------------------------------------------------------------------------


def coco(root: Path, **changes: Any) -> Path:
    images(root, "images/a.png", "images/b.png")
    loaded = {
        "images": [
            {"id": 5, "file_name": "a.png", "height": HEIGHT, "width": WIDTH},
            {"id": 6, "file_name": "b.png", "height": HEIGHT, "width": WIDTH},
        ],
        "categories": [{"id": 70, "name": "nucleus"}, {"id": 3, "name": "cell"}],
        "annotations": [
            {"image_id": 5, "category_id": 70, "segmentation": [SMALL]},
            {"image_id": 5, "category_id": 3, "segmentation": [LARGE], "iscrowd": 0},
        ],
    } | changes
    (root / "labels.json").write_text(json.dumps(loaded))
    return root / "labels.json"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_coco(tmp_path: Path) -> None:
    samples = read_coco(coco(tmp_path), tmp_path / "images")
    assert samples.class_names == ("background", "cell", "nucleus")
    assert samples.names == ["a", "b"]
    assert "category 'cell' is class 1" in samples.rule
    assert "smaller object on top" in samples.rule
    small, large = by_pycocotools([SMALL]), by_pycocotools([LARGE])
    np.testing.assert_array_equal(samples[0].mask, np.where(small, 2, large))
    np.testing.assert_array_equal(samples[0].instances, np.where(small, 1, large * 2))
    assert samples[1].mask.max() == 0  # an image without objects is background
    assert samples.records[0].files == (tmp_path / "images/a.png", tmp_path / "labels.json")


def runs_of(mask: np.ndarray) -> dict[str, Any]:
    """Run lengths that are not packed, as CVAT writes what was brushed."""
    flat = mask.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("ignore", [False, True])
@pytest.mark.parametrize("brushed", ["small", "large"])
def test_crowds_are_objects_unless_they_are_ignored(
    tmp_path: Path, ignore: bool, brushed: str
) -> None:
    small, large = by_pycocotools([SMALL]), by_pycocotools([LARGE])
    annotations = [
        {"image_id": 5, "category_id": 70, "segmentation": [SMALL]},
        {"image_id": 5, "category_id": 3, "segmentation": [LARGE]},
    ]
    index = ["small", "large"].index(brushed)
    annotations[index] |= {"segmentation": runs_of((small, large)[index]), "iscrowd": 1}
    path = coco(tmp_path, annotations=annotations)
    samples = read_coco(path, tmp_path / "images", ignore_crowds=ignore)
    expected = np.where(small, 2, large)
    if ignore and brushed == "large":
        expected = np.where(small, 2, large * 255)
    elif ignore:  # it lies below the cell that encloses it
        expected = np.where(large, 1, small * 255)
    np.testing.assert_array_equal(samples[0].mask, expected)
    numbers = np.array([0, 2, 1] + [0] * 253)
    np.testing.assert_array_equal(samples[0].instances, numbers[expected])
    assert samples.ignore_value == (255 if ignore else None)
    assert ("crowds are not labelled" in samples.rule) == ignore


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(st.data())
def test_overlap_is_settled_by_area_whatever_the_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    boxes = data.draw(
        st.lists(st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 12)] * 2), max_size=5)
    )
    annotations, drawn = [], []
    for number, (top, left, height, width) in enumerate(boxes, 1):
        region = np.zeros(SIZE, bool)
        region[top : top + height, left : left + width] = True
        kind = data.draw(st.integers(0, 1))
        known = {"image_id": 5, "category_id": 3, "segmentation": runs_of(region), "iscrowd": kind}
        annotations.append(known)
        drawn.append((int(region.sum()), number, region))
    root = tmp_path_factory.mktemp("set")
    found = read_coco(coco(root, annotations=annotations), root / "images")[0].instances
    for row, column in np.ndindex(SIZE):  # the smallest that holds the pixel, else the latest
        there = [(area, -number) for area, number, region in drawn if region[row, column]]
        assert found[row, column] == -min(there, default=(0, 0))[1]


def test_coco_classes_in_a_chosen_order(tmp_path: Path) -> None:
    names = ("nothing", "nucleus", "cell")
    samples = read_coco(coco(tmp_path), tmp_path / "images", class_names=names)
    assert samples[0].mask[8, 11] == 1
    with pytest.raises(DataError) as error:
        read_coco(coco(tmp_path), tmp_path / "images", class_names=("a", "cell"))
    assert_says(error, "labels.json", "class_names", "found nucleus")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"images": None}, ["a list 'images'", "found None"]),
        ({"images": []}, ["no images"]),
        ({"images": [{"id": 1}]}, ["images[0]", "a height and a width"]),
        ({"categories": []}, ["found none"]),
        ({"categories": [{"id": 1, "name": "a"}] * 2}, ["categories[1]", "of its own"]),
        ({"annotations": [{"image_id": 9, "category_id": 3}]}, ["annotations[0]", "image_id"]),
        ({"annotations": [{"image_id": 5, "category_id": []}]}, ["category_id", "found []"]),
    ],
)
def test_damaged_coco_files(tmp_path: Path, changes: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(DataError) as error:
        read_coco(coco(tmp_path, **changes), tmp_path / "images")
    assert_says(error, "labels.json", *parts)


def test_coco_images_that_are_missing_or_of_another_size(tmp_path: Path) -> None:
    path = coco(tmp_path)
    Image.new("L", (5, 5)).save(tmp_path / "images" / "a.png")
    with pytest.raises(DataError) as error:
        read_coco(path, tmp_path / "images")[0]
    assert_says(error, "a.png", "30 x 40", "found 5 x 5")
    (tmp_path / "images" / "a.png").unlink()
    with pytest.raises(DataError) as error:
        read_coco(path, tmp_path / "images")
    assert_says(error, "labels.json", "a.png", "1 of 2 are missing")
    outside = [{"id": 5, "file_name": "../c.png", "height": HEIGHT, "width": WIDTH}]
    images(tmp_path, "c.png")
    with pytest.raises(DataError) as error:
        read_coco(coco(tmp_path, images=outside, annotations=[]), tmp_path / "images")
    assert_says(error, "a file_name inside", "../c.png")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty-file"),
        ('{"images": [', "truncated"),
        ("[1]", "unreadable"),
        ("{,}", "unreadable"),
    ]
    + [("[" * 100_000, "unreadable"), ('{"a": "b', "truncated")],
)
def test_json_that_does_not_load(tmp_path: Path, text: str, kind: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(FileError) as error:
        read_coco(tmp_path / "a.json", tmp_path)
    assert error.value.kind == kind
    assert_says(error, "a.json", "export the annotations again")


# --- LabelMe ------------------------------------------------------------------------------------


def shape(label: str, kind: str, *points: tuple[float, float], **more: Any) -> dict[str, Any]:
    return {"label": label, "shape_type": kind, "points": list(map(list, points)), **more}


def sheet(root: Path, *shapes: dict[str, Any], name: str = "a", **changes: Any) -> Path:
    images(root, f"{name}.png")
    loaded = {
        "imagePath": f"{name}.png",
        "imageData": "never looked at",
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
        "shapes": list(shapes),
    } | changes
    (root / f"{name}.json").write_text(json.dumps(loaded))
    return root


def drawn(*steps: tuple[str, list[tuple[float, float]], int]) -> np.ndarray:
    """The oracle: what Pillow draws, as LabelMe's own export does."""
    image = Image.new("L", (WIDTH, HEIGHT))
    for kind, points, value in steps:
        getattr(ImageDraw.Draw(image), kind)(points, outline=value, fill=value)
    return np.asarray(image)


def test_labelme(tmp_path: Path) -> None:
    triangle = [(3.0, 3.0), (30.5, 4.0), (18.0, 25.0)]
    sheet(
        tmp_path,
        shape("cell", "polygon", *triangle, group_id=None),
        shape("core", "rectangle", (20, 12), (15, 8)),
        shape("core", "circle", (25, 20), (25, 24)),
        shape("__ignore__", "rectangle", (0, 0), (3, 3)),
    )
    samples = read_labelme(tmp_path)
    assert samples.class_names == ("background", "cell", "core")
    assert samples.ignore_value == 255
    steps = [("polygon", triangle), ("rectangle", [(15, 8), (20, 12)])]
    steps += [("ellipse", [(21, 16), (29, 24)]), ("rectangle", [(0, 0), (3, 3)])]
    for field, values in {"mask": (1, 2, 2, 255), "instances": (1, 2, 3, 0)}.items():
        expected = drawn(*((*step, value) for step, value in zip(steps, values, strict=True)))
        np.testing.assert_array_equal(getattr(samples[0], field), expected)


def test_shapes_of_one_group_are_one_object(tmp_path: Path) -> None:
    parts = [((n, n), (n + 2, n + 2)) for n in range(1, 29, 4)]
    labels, groups = "cccdccc", (7, 7, 8, 7, None, None, 7)
    numbered = zip(parts, labels, groups, strict=True)
    sheet(tmp_path, *(shape(c, "rectangle", *p, group_id=g) for p, c, g in numbered))
    found = read_labelme(tmp_path)[0].instances
    assert [found[n, n] for n in range(1, 29, 4)] == [1, 1, 2, 3, 4, 5, 1]


@pytest.mark.parametrize("kind", ["point", "line", "linestrip", "points", "x", None, 3])
def test_shapes_without_an_area(tmp_path: Path, kind: Any) -> None:
    cell = shape("cell", "rectangle", (1, 1), (4, 4))
    sheet(tmp_path, cell, shape("a", kind, (1, 1), (2, 2)))
    with pytest.raises(DataError) as error:
        read_labelme(tmp_path)
    assert_says(error, "a.json", "shapes[1]", f"found {kind!r}", f"skip=[{kind!r}]")
    assert read_labelme(tmp_path, skip=[kind]).class_names == ("background", "cell")


def png(mask: np.ndarray) -> str:
    """A mask as LabelMe stores it."""
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


@given(
    mask=arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    at=st.tuples(st.integers(-8, WIDTH), st.integers(-8, HEIGHT)),
    moved=st.sampled_from([0, 0.25, 1e-9, -1e-9]),
)
def test_masks_are_placed_pixel_by_pixel(
    tmp_path_factory: pytest.TempPathFactory, mask: np.ndarray, at: tuple[int, int], moved: float
) -> None:
    root, (left, top), (height, width) = tmp_path_factory.mktemp("set"), at, mask.shape
    corners = [(left + moved, top + moved), (left + width - 1 + moved, top + height - 1 + moved)]
    cell = shape("cell", "rectangle", (2, 2), (20, 20))
    sheet(root, cell, shape("core", "mask", *corners, mask=png(mask)))
    expected = np.zeros((HEIGHT + 40, WIDTH + 40), np.uint8)
    expected[22:41, 22:41] = 1
    expected[top + 20 : top + 20 + height, left + 20 : left + 20 + width][mask] = 2
    found = read_labelme(root, class_names=["background", "cell", "core"])[0]
    np.testing.assert_array_equal(found.mask, expected[20:-20, 20:-20])
    np.testing.assert_array_equal(found.instances, expected[20:-20, 20:-20])


BLOCK = np.ones((5, 4), bool)


def claim(width: int, height: int) -> str:
    """A mask whose header lies about its size."""
    data = bytearray(base64.b64decode(png(BLOCK)))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("text", "far", "part"),
    [
        (None, (3, 4), "a PNG image in base64"),
        (7, (3, 4), "a PNG image in base64"),
        ("", (3, 4), "a PNG image in base64"),
        ("%%%", (3, 4), "a PNG image in base64"),
        ("\u00e9", (3, 4), "a PNG image in base64"),
        (png(BLOCK).replace("iVBO", "iVBP", 1), (3, 4), "a PNG image in base64"),
        (png(BLOCK)[:20], (3, 4), "a PNG image in base64"),
        (png(BLOCK), (4, 4), "as large as the box of its two points (5 x 5)"),
        (png(BLOCK), (2, 4), "(3 x 5)"),
        (png(BLOCK), (-3, -4), "(-2 x -3)"),
        (png(BLOCK)[:-40], (3, 4), "a mask that decodes"),
        (png(np.ones((5, 4, 3), np.uint8)), (3, 4), "a mask of one channel"),
        (png(np.ones((HEIGHT, WIDTH + 1), bool)), (WIDTH, HEIGHT - 1), "a mask within the image"),
        (claim(60_000, 60_000), (59_999, 59_999), "a mask within the image of 30 x 40"),
        (claim(40, 30), (39, 29), "a mask that decodes"),
    ],
)
def test_damaged_masks(tmp_path: Path, text: Any, far: tuple[int, int], part: str) -> None:
    sheet(tmp_path, shape("cell", "mask", (0, 0), far, mask=text))
    with pytest.raises(DataError) as error:
        read_labelme(tmp_path)[0]
    assert_says(error, "a.json", "shapes[0]", part, "export the annotations again")


def test_oriented_rectangles_are_polygons(tmp_path: Path) -> None:
    corners = [(10.0, 2.0), (20.0, 9.0), (15.5, 18.0), (5.0, 11.0)]
    sheet(tmp_path, shape("cell", "oriented_rectangle", *corners))
    expected = drawn(("polygon", corners, 1))
    np.testing.assert_array_equal(read_labelme(tmp_path)[0].mask, expected)
    sheet(tmp_path, shape("cell", "oriented_rectangle", *corners[:3]))
    with pytest.raises(DataError) as error:
        read_labelme(tmp_path)
    assert_says(error, "the points [x, y] of an oriented_rectangle")


@pytest.mark.parametrize(
    "points", [None, [], [[1, 2], [3, 4]], [[1, 2], [3, 4], [5]], [[1, 2], [3, 4], [5, 1e30]]]
)
def test_damaged_points(tmp_path: Path, points: Any) -> None:
    sheet(tmp_path, {"label": "a", "points": points})
    with pytest.raises(DataError) as error:
        read_labelme(tmp_path)
    assert_says(error, "a.json", "shapes[0]", "the points [x, y] of a polygon")


def test_where_the_image_lies(tmp_path: Path) -> None:
    cell = shape("cell", "rectangle", (1, 1), (4, 4))
    labels = sheet(tmp_path / "labels", cell, imagePath="..\\pictures\\b.png")
    images(tmp_path, "pictures/b.png")
    assert read_labelme(labels).records[0].files[0].samefile(tmp_path / "pictures/b.png")
    elsewhere = sheet(tmp_path / "labels", cell, imagePath="/of/another/computer/a.png")
    assert read_labelme(elsewhere).records[0].files[0] == tmp_path / "labels" / "a.png"
    with pytest.raises(DataError) as error:
        read_labelme(labels, tmp_path / "pictures")
    assert_says(error, "a.json", tmp_path / "pictures" / "a.png", "not found", "folder of the")


def test_labelme_classes_and_sizes(tmp_path: Path) -> None:
    cell = shape("cell", "rectangle", (1, 1), (4, 4))
    sheet(tmp_path, cell, shape("_background_", "rectangle", (2, 2), (3, 3)))
    named = read_labelme(tmp_path, class_names=["ground", "other", "cell"])
    assert (named[0].mask[1, 1], named[0].mask[2, 2]) == (2, 0)
    with pytest.raises(DataError) as error:
        read_labelme(tmp_path, class_names=["ground", "other"])
    assert_says(error, "class_names", "found cell")
    sheet(tmp_path, cell, imageHeight=7)
    with pytest.raises(DataError) as error:
        read_labelme(tmp_path)[0]
    assert_says(error, "a.png", "7 x 40", "found 30 x 40")

"""COCO and LabelMe: shapes become the pixels that their own tools draw."""

import json
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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("ignore", [False, True])
def test_crowds(tmp_path: Path, ignore: bool) -> None:
    runs = {"size": list(SIZE), "counts": [0, HEIGHT * WIDTH]}
    annotations = [
        {"image_id": 5, "category_id": 70, "segmentation": [LARGE]},
        {"image_id": 5, "category_id": 3, "segmentation": runs, "iscrowd": 1},
    ]
    path = coco(tmp_path, annotations=annotations)
    samples = read_coco(path, tmp_path / "images", ignore_crowds=ignore)
    large = by_pycocotools([LARGE])
    np.testing.assert_array_equal(samples[0].mask, np.where(large, 2, 255 if ignore else 1))
    assert samples.ignore_value == (255 if ignore else None)


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
    parts = [((1, 1), (4, 4)), ((10, 10), (14, 14)), ((20, 20), (24, 24))]
    numbered = zip(parts, (7, 7, 8), strict=True)
    sheet(tmp_path, *(shape("c", "rectangle", *p, group_id=g) for p, g in numbered))
    found = read_labelme(tmp_path)[0].instances
    assert (found[2, 2], found[12, 12], found[22, 22]) == (1, 1, 2)


@pytest.mark.parametrize("kind", ["point", "line", "linestrip", "mask", "x", None, 3])
def test_shapes_without_an_area(tmp_path: Path, kind: Any) -> None:
    cell = shape("cell", "rectangle", (1, 1), (4, 4))
    sheet(tmp_path, cell, shape("a", kind, (1, 1), (2, 2)))
    with pytest.raises(DataError) as error:
        read_labelme(tmp_path)
    assert_says(error, "a.json", "shapes[1]", f"found {kind!r}", f"skip=[{kind!r}]")
    assert read_labelme(tmp_path, skip=[kind]).class_names == ("background", "cell")


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

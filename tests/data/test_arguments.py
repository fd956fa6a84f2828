"""Wrong calls of the readers: each is one sentence that names the argument."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import assert_says
from PIL import Image

from unet_helpers.data.formats.coco import read_coco
from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.formats.labelme import read_labelme

WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"class_names": "cell"}, ["class_names", "a list", "found 'cell'"]),
    ({"class_names": ["cell"]}, ["class_names", "two or more", "found ['cell']"]),
    ({"class_names": ["cell", "cell"]}, ["class_names", "different"]),
    ({"class_names": {"ground": 0, "cell": 1}}, ["class_names", "a list"]),
    ({"class_names": [0, 1]}, ["class_names", "names", "found [0, 1]"]),
    ({"image_range": 255}, ["image_range", "two numbers", "found 255"]),
    ({"image_range": ("0", "9")}, ["image_range", "two numbers"]),
    ({"group": "slide"}, ["group", "a function", "found 'slide'", "group=lambda"]),
    ({"split": {"a": "train"}}, ["split", "a function", "split=lambda"]),
    ({"split": lambda stem: "training"}, ["train, val, test", "found 'training' for 'a'"]),
]
OF_FOLDERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"mask_values": [0, 255]}, ["mask_values", "a dict", "found [0, 255]"]),
    ({"mask_values": {0: 0, "255": 1}}, ["mask_values", "whole numbers", "found '255'"]),
    ({"colours": [(0, 0, 0)]}, ["colours", "a dict"]),
    ({"instances": ["cell"]}, ["instances", "True or False"]),
    ({"ignore_value": "255"}, ["ignore_value", "a whole number", "found '255'"]),
    ({"ignore_value": 1.5}, ["ignore_value", "found 1.5"]),
    ({"pattern": 3}, ["pattern", "{stem}", "found 3"]),
    ({"pattern": ("{stem}", 3)}, ["pattern", "{stem}"]),
]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / name / "a.png")
    points = [[0, 0], [2, 2]]
    shapes = [{"label": "cell", "points": points, "shape_type": "rectangle"}]
    sheet = {"imagePath": "a.png", "shapes": shapes}
    (tmp_path / "images" / "a.json").write_text(json.dumps(sheet))
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "height": 4, "width": 4}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [],
    }
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    return tmp_path


@pytest.mark.parametrize("reader", ["folder", "coco", "labelme"])
@pytest.mark.parametrize(("settings", "parts"), WRONG)
def test_arguments_of_all_readers(
    desk: Path, reader: str, settings: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(ValueError) as error:
        if reader == "folder":
            read_folder(desk / "images", desk / "masks", **settings)
        elif reader == "coco":
            read_coco(desk / "coco.json", desk / "images", **settings)
        else:
            read_labelme(desk / "images", **settings)
    assert_says(error, *parts)


@pytest.mark.parametrize(("settings", "parts"), OF_FOLDERS)
def test_arguments_of_folders(desk: Path, settings: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        read_folder(desk / "images", desk / "masks", **settings)
    assert_says(error, *parts)


def test_right_calls_pass(desk: Path) -> None:
    settings: dict[str, Any] = {
        "class_names": ("ground", "cell"),
        "image_range": (0, 255.0),
        "group": str.upper,
        "split": lambda stem: "val",
    }
    for samples in (
        read_folder(desk / "images", desk / "masks", **settings),
        read_coco(desk / "coco.json", desk / "images", **settings),
        read_labelme(desk / "images", **settings),
    ):
        assert samples.class_names == ("ground", "cell")
        assert (samples.records[0].group, samples.records[0].split) == ("A", "val")


def test_kinds_to_skip_come_in_a_list_and_paths_exist(desk: Path) -> None:
    with pytest.raises(ValueError) as error:
        read_labelme(desk / "images", skip="linestrip")
    assert_says(error, "skip must be a list", "found 'linestrip'", "skip=['linestrip']")
    for path, found in ((desk / "none.json", "found nothing"), (desk / "images", "found a folder")):
        with pytest.raises(ValueError) as error:
            read_coco(path, desk / "images")
        assert_says(error, path, "a JSON file", found, "correct the path")

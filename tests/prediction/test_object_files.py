"""Files of objects, opened by the libraries whose formats they are."""

import json
from pathlib import Path

import numpy as np
import pytest
import roifile
import tifffile
from builders import assert_says
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools.coco import COCO
from skimage.draw import polygon2mask

from unet_helpers import read_coco
from unet_helpers.prediction.object_files import (
    write_coco,
    write_geojson,
    write_imagej,
    write_labels,
)

labels_of_any_kind = arrays(
    np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2)
)
FRAME = np.pad(np.pad(np.array([[2]]), 1), 1, constant_values=1)  # 2 in the hole of 1


def even_odd(rings: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Filled by scikit-image; shifted by half a pixel, no corner lies on a pixel's middle."""
    count = np.zeros(shape, int)
    for ring in rings:
        count += polygon2mask(shape, np.asarray(ring, float)[:, ::-1] - 0.5 + 1e-6)
    return count % 2 == 1


def of_imagej(roi: roifile.ImagejRoi) -> list[np.ndarray]:
    return roi.coordinates(multi=True)


@given(labels_of_any_kind)
def test_imagej_rois_enclose_the_objects(tmp_path_factory, labels: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("rois") / "rois.zip"
    write_imagej(path, labels)
    found = {} if not labels.any() else {int(r.name): r for r in roifile.roiread(path)}
    assert set(found) == set(np.unique(labels)) - {0}
    for number, roi in found.items():
        rings = of_imagej(roi)
        np.testing.assert_array_equal(even_odd(rings, labels.shape), labels == number)
        rows, columns = np.nonzero(labels == number)
        assert (roi.left, roi.top) == (columns.min(), rows.min())
        assert (roi.right, roi.bottom) == (columns.max() + 1, rows.max() + 1)


@given(labels_of_any_kind)
def test_coco_tools_fill_the_same_pixels(tmp_path_factory, labels: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("coco") / "objects.json"
    write_coco(path, {"a.png": labels})
    opened = COCO()
    opened.dataset = json.loads(path.read_text())
    opened.createIndex()
    masks = [opened.annToMask(each) for each in opened.dataset["annotations"]]
    expected = [labels == number for number in np.unique(labels[labels > 0])]
    for found, wanted, told in zip(masks, expected, opened.dataset["annotations"], strict=True):
        np.testing.assert_array_equal(found.astype(bool), wanted)
        assert told["area"] == wanted.sum()
        rows, columns = np.nonzero(wanted)
        assert told["bbox"][:2] == [columns.min(), rows.min()]
        assert told["bbox"][2:] == [np.ptp(columns) + 1, np.ptp(rows) + 1]


def test_our_own_reader_reads_what_was_written(tmp_path: Path) -> None:
    Image.fromarray(np.zeros(FRAME.shape, np.uint8)).save(tmp_path / "a.png")
    write_coco(tmp_path / "objects.json", {"a.png": FRAME}, class_name="cell")
    samples = read_coco(tmp_path / "objects.json", tmp_path)
    assert samples.class_names == ("background", "cell")
    np.testing.assert_array_equal(samples[0].mask, FRAME > 0)
    np.testing.assert_array_equal(samples[0].instances, FRAME)


@given(labels_of_any_kind)
def test_geojson_polygons_are_the_objects(tmp_path_factory, labels: np.ndarray) -> None:
    path = write_geojson(tmp_path_factory.mktemp("qupath") / "a.geojson", labels, class_name="cell")
    told = json.loads(path.read_text())
    assert told["type"] == "FeatureCollection"
    for feature in told["features"]:
        shape = feature["geometry"]
        pieces = shape["coordinates"]
        pieces = [pieces] if shape["type"] == "Polygon" else pieces
        assert all(ring[0] == ring[-1] for piece in pieces for ring in piece)
        rings = [np.array(ring[:-1]) for piece in pieces for ring in piece]
        number = int(feature["properties"]["name"])
        np.testing.assert_array_equal(even_odd(rings, labels.shape), labels == number)
        assert feature["properties"]["classification"] == {"name": "cell"}


def test_geojson_carries_measurements(tmp_path: Path) -> None:
    path = write_geojson(tmp_path / "a.geojson", [[1]], measurements={1: {"area": np.float64(3)}})
    assert json.loads(path.read_text())["features"][0]["properties"]["measurements"] == {"area": 3}


@pytest.mark.parametrize(("most", "kind"), [(65535, np.uint16), (65536, np.uint32)])
def test_labels_take_as_many_bits_as_they_need(tmp_path: Path, most: int, kind: type) -> None:
    labels = np.array([[0, 5], [most, 1]])
    found = tifffile.imread(write_labels(tmp_path / "labels.tif", labels))
    assert found.dtype == kind
    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize("write", [write_labels, write_imagej, write_geojson])
def test_writing_twice_gives_the_same_bytes(tmp_path: Path, write) -> None:
    ending = {write_labels: "tif", write_imagej: "zip", write_geojson: "geojson"}[write]
    first = write(tmp_path / f"a.{ending}", FRAME).read_bytes()
    assert write(tmp_path / f"b.{ending}", FRAME).read_bytes() == first


@pytest.mark.parametrize("write", [write_labels, write_imagej, write_geojson])
def test_another_ending_is_refused_and_bad_labels_leave_the_old_file(tmp_path: Path, write) -> None:
    with pytest.raises(ValueError) as error:
        write(tmp_path / "objects.png", FRAME)
    assert_says(error, "must end with", "objects.png")
    ending = {write_labels: "tif", write_imagej: "zip", write_geojson: "geojson"}[write]
    old = tmp_path / f"objects.{ending}"
    old.write_bytes(b"what was there")
    with pytest.raises(ValueError):
        write(old, FRAME / 2)
    assert old.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [old]

"""Objects as files that other programs open: label TIFF, ImageJ, QuPath, COCO."""

import io
import json
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unet_helpers.prediction.objects import check_labels
from unet_helpers.prediction.outlines import Ring, outlines, polygons, ring_area
from unet_helpers.training.state_files import write_whole

# Names of objects are made of this and their numbers, so that two runs write the same file.
_SPACE = uuid.UUID("9a3d3f6e-8f0c-5d54-9d0e-2f6c8a7b1e11")


def write_labels(path: str | Path, labels: ArrayLike) -> Path:
    """Write object numbers as a compressed TIFF of 16 bits, or 32 where there are more of them.

    Opened by Fiji, napari, CellProfiler, QuPath and scikit-image.

    Parameters
    ----------
    path : path-like
        Ends with ``.tif`` or ``.tiff``; what is there is replaced, whole.
    labels : array_like of int, shape (height, width)

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If the labels are no whole numbers, or the name ends otherwise.
    OSError
        If the disk is full or refuses; what was there is still there.

    Examples
    --------
    >>> import tempfile, tifffile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_labels(Path(folder) / "objects.tif", [[0, 1], [2, 2]])
    ...     tifffile.imread(path).tolist()
    [[0, 1], [2, 2]]
    """
    import tifffile

    numbers, target = check_labels(labels), _named(path, ".tif", ".tiff")
    kind = np.uint16 if not numbers.size or numbers.max() < 1 << 16 else np.uint32
    held = io.BytesIO()
    tifffile.imwrite(held, numbers.astype(kind), compression="zlib", photometric="minisblack")
    write_whole(target, held.getvalue())
    return target


def write_imagej(path: str | Path, labels: ArrayLike) -> Path:
    """Write outlines as a zip of ImageJ ROIs, for the ROI manager of ImageJ and Fiji.

    Parameters
    ----------
    path : path-like
        Ends with ``.zip``.
    labels : array_like of int, shape (height, width)

    Returns
    -------
    Path
        The file; each ROI is named by the object's number and encloses just its pixels.

    Raises
    ------
    ValueError, OSError
        As `write_labels`.

    Examples
    --------
    >>> import roifile, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_imagej(Path(folder) / "rois.zip", [[0, 1], [2, 2]])
    ...     [roi.name for roi in roifile.roiread(path)]
    ['0001', '0002']
    """
    found, target = outlines(labels), _named(path, ".zip")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, rings in found.items():
            name = f"{number:04d}"
            # A fixed date: the same objects give the same bytes.
            place = zipfile.ZipInfo(f"{name}.roi", (1980, 1, 1, 0, 0, 0))
            archive.writestr(place, _roi(rings, name))
    write_whole(target, held.getvalue())
    return target


def _roi(rings: list[Ring], name: str) -> bytes:
    from roifile import ROI_TYPE, ImagejRoi

    if len(rings) == 1:
        roi = ImagejRoi.frompoints(rings[0], name=name)
        roi.roitype = ROI_TYPE.POLYGON
        # The box that ImageJ shows ends where the corners do.
        roi.right, roi.bottom = (int(end) for end in rings[0].max(axis=0))
        return bytes(roi.tobytes())
    # Holes and pieces need a shape: a path of moves (0), lines (1) and closings (4).
    corners = np.concatenate(rings)
    left, top, right, bottom = (int(v) for end in (corners.min(0), corners.max(0)) for v in end)
    path = [value for ring in rings for value in _path(ring)]
    roi = ImagejRoi.frompoints(corners, name=name)
    roi.roitype, roi.n_coordinates, roi.integer_coordinates = ROI_TYPE.RECT, 0, None
    roi.left, roi.top, roi.right, roi.bottom = left, top, right, bottom
    roi.multi_coordinates = np.array(path, np.float32)
    roi.shape_roi_size = len(path)
    return bytes(roi.tobytes())


def _path(ring: Ring) -> list[float]:
    moves = [(1.0 if number else 0.0, float(x), float(y)) for number, (x, y) in enumerate(ring)]
    return [value for move in moves for value in move] + [4.0]


def write_geojson(
    path: str | Path,
    labels: ArrayLike,
    *,
    class_name: str = "object",
    measurements: Mapping[int, Mapping[str, float]] | None = None,
) -> Path:
    """Write outlines as GeoJSON, as QuPath imports them ("detections" of one class).

    Parameters
    ----------
    path : path-like
        Ends with ``.geojson`` or ``.json``.
    labels : array_like of int, shape (height, width)
    class_name : str
        What the objects are.
    measurements : mapping of int to mapping of str to float, optional
        By object number, shown by QuPath: ``measure_objects(labels).to_dict("index")``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError, OSError
        As `write_labels`.

    References
    ----------
    .. [1] Butler et al. (2016), The GeoJSON Format, RFC 7946, doi:10.17487/RFC7946.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_geojson(Path(folder) / "cells.geojson", [[0, 1], [2, 2]])
    ...     [f["geometry"]["coordinates"] for f in json.loads(path.read_text())["features"]][0]
    [[[1, 0], [2, 0], [2, 1], [1, 1], [1, 0]]]
    """
    found, target = outlines(labels), _named(path, ".geojson", ".json")
    told = measurements or {}
    features = [
        {
            "type": "Feature",
            "id": str(uuid.uuid5(_SPACE, f"{class_name} {number}")),
            "geometry": _geometry(rings),
            "properties": {
                "objectType": "detection",
                "name": str(number),
                "classification": {"name": class_name},
                "measurements": {k: float(v) for k, v in told.get(number, {}).items()},
            },
        }
        for number, rings in found.items()
    ]
    collection = {"type": "FeatureCollection", "features": features}
    write_whole(target, (json.dumps(collection) + "\n").encode())
    return target


def _geometry(rings: list[Ring]) -> dict[str, Any]:
    pieces = [[_closed(ring) for ring in piece] for piece in polygons(rings)]
    if len(pieces) == 1:
        return {"type": "Polygon", "coordinates": pieces[0]}
    return {"type": "MultiPolygon", "coordinates": pieces}


def _closed(ring: Ring) -> list[list[int]]:
    corners: list[list[int]] = ring.tolist()
    return [*corners, corners[0]]


def write_coco(
    path: str | Path,
    images: Mapping[str, ArrayLike],
    *,
    class_name: str = "object",
) -> Path:
    """Write the objects of several images as one COCO file.

    Parameters
    ----------
    path : path-like
        Ends with ``.json``.
    images : mapping of str to array_like of int, shape (height, width)
        Labels by the image's file name.
    class_name : str
        The category.

    Returns
    -------
    Path
        The file; `read_coco` and other programs open it. Objects with holes are run lengths,
        others are polygons.

    Raises
    ------
    ValueError, OSError
        As `write_labels`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_coco(Path(folder) / "cells.json", {"a.png": [[0, 1], [2, 2]]})
    ...     [a["segmentation"] for a in json.loads(path.read_text())["annotations"]]
    [[[1, 0, 2, 0, 2, 1, 1, 1]], [[0, 1, 2, 1, 2, 2, 0, 2]]]
    """
    target = _named(path, ".json")
    pictures: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, given) in enumerate(images.items(), start=1):
        labels = check_labels(given)
        height, width = labels.shape
        pictures.append({"id": number, "file_name": name, "height": height, "width": width})
        for label, rings in outlines(labels).items():
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "iscrowd": 0,
                    **_annotation(labels == label, rings),
                }
            )
    content = {
        "images": pictures,
        "annotations": annotations,
        "categories": [{"id": 1, "name": class_name}],
    }
    write_whole(target, (json.dumps(content) + "\n").encode())
    return target


def _annotation(inside: NDArray[np.bool_], rings: list[Ring]) -> dict[str, Any]:
    corners = np.concatenate(rings)
    left, top = corners.min(axis=0).tolist()
    right, bottom = corners.max(axis=0).tolist()
    if any(ring_area(ring) < 0 for ring in rings):
        segmentation: Any = _run_lengths(inside)
    else:
        segmentation = [ring.ravel().tolist() for ring in rings]
    return {
        "segmentation": segmentation,
        "area": int(inside.sum()),
        "bbox": [left, top, right - left, bottom - top],
    }


def _run_lengths(inside: NDArray[np.bool_]) -> dict[str, Any]:
    """Lengths of the runs of 0 and 1 by turns, column by column, 0 first."""
    line = np.concatenate([[False], inside.ravel(order="F"), [False]])
    ends = np.flatnonzero(line[1:] != line[:-1])
    counts = np.diff(np.concatenate([[0], ends, [inside.size]]))
    return {"size": list(inside.shape), "counts": counts[: len(ends) + 1].tolist()}


def _named(path: str | Path, *endings: str) -> Path:
    target = Path(path)
    if target.suffix.lower() not in endings:
        raise ValueError(
            f"path must end with {' or '.join(endings)}, found {str(path)!r}: name it so, for "
            "other programs go by the ending"
        )
    return target

"""How well do two drawings of one thing agree? An upper limit for every score of a model.

    UNET_DATA_HOME=... python benchmarks/annotators.py

Two measurements. In the set `blood` one photograph was stored as 112.bmp and as 139.bmp and was
drawn twice: the two masks are compared. And drawn cells are compared with themselves grown by one
pixel, at four resolutions: what a border costs that two people place one pixel apart. Writes
benchmarks/results/annotators.json, from which docs/making_masks.md has its numbers. Takes seconds;
without the real set, what is stored about it stays.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from unet_helpers.data.cells import draw_field
from unet_helpers.evaluation.scores import count, iou

TWINS = ("112", "139")
CLASSES = {"background": 0, "cytoplasm": 128, "nucleus": 255}  # name: value in the masks
FIELDS = 30  # one of each slide of the set `cells`
STEPS = (1, 2, 4, 8)  # every pixel, every second, ...


def compare_twins(root: Path) -> dict[str, Any]:
    """Compare the two masks of the photograph that was drawn twice.

    Parameters
    ----------
    root : Path
        The folder of the set, with ``images/`` and ``masks/``.

    Returns
    -------
    dict
        IoU of each class, the share of equal pixels, and the share of the differing pixels that
        touch a border of either drawing (``at_border``) or are at most two pixels from one.
    """
    images = [np.asarray(Image.open(root / "images" / f"{name}.bmp")) for name in TWINS]
    if not np.array_equal(images[0], images[1]):
        raise ValueError(f"{root}: the images {' and '.join(TWINS)} must be equal, found others")
    values = [np.asarray(Image.open(root / "masks" / f"{name}.png")) for name in TWINS]
    one, two = (np.searchsorted(list(CLASSES.values()), mask) for mask in values)
    scores = iou(count(one, two, len(CLASSES)))
    differ = one != two
    away = np.minimum(_steps_to_border(one), _steps_to_border(two))[differ]
    return {
        "images": list(TWINS),
        "equal_pixels": round(float(1 - differ.mean()), 4),
        "iou": {name: round(float(v), 4) for name, v in zip(CLASSES, scores, strict=True)},
        "differing_pixels": int(differ.sum()),
        "at_border": round(float((away <= 1).mean()), 4),
        "within_two_pixels": round(float((away <= 2).mean()), 4),
    }


def _steps_to_border(ids: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Steps along rows and columns from each pixel to the nearest one of another class."""
    steps = np.zeros(ids.shape, np.int64)
    for class_id in np.unique(ids):
        inside = ids == class_id
        away = ndimage.distance_transform_cdt(inside, metric="taxicab")
        steps[inside] = away[inside]
    return steps


def grow_by_one_pixel(fields: int = FIELDS) -> list[dict[str, Any]]:
    """Compare drawn cells with themselves grown by one pixel, at several resolutions.

    Parameters
    ----------
    fields : int
        How many fields of view, each from a slide of its own.

    Returns
    -------
    list of dict
        For each resolution the number of cells and the medians of their diameters (that of a
        disc of equal area, in pixels) and of their IoU with the grown copy.
    """
    instances = [draw_field(slide, 0)[2] for slide in range(fields)]
    rows = []
    for step in STEPS:
        found = [pair for ids in instances for pair in compare_cells(ids, step)]
        diameters, scores = np.array(found).T
        rows.append(
            {
                "every": step,
                "cells": len(found),
                "diameter": round(float(np.median(diameters)), 1),
                "iou": round(float(np.median(scores)), 3),
            }
        )
    return rows


def compare_cells(ids: NDArray[np.uint16], step: int) -> list[tuple[float, float]]:
    """Compare each cell that has room to grow inside of the field with its grown copy.

    Parameters
    ----------
    ids : ndarray of uint16, shape (height, width)
        Numbers of the cells, 0 between them.
    step : int
        Take every `step`-th row and column.

    Returns
    -------
    list of (float, float)
        Diameter in pixels of the smaller picture, and IoU.
    """
    found = []
    for number in range(1, int(ids.max()) + 1):
        cell = (ids == number)[::step, ::step]
        edge = np.concatenate([cell[0], cell[-1], cell[:, 0], cell[:, -1]])
        if cell.any() and not edge.any():
            area = int(cell.sum())
            grown = int(ndimage.binary_dilation(cell).sum())
            found.append((float(np.sqrt(4 * area / np.pi)), area / grown))
    return found


def table(result: dict[str, Any]) -> str:
    """Lay out what was measured as the two tables of the page.

    Parameters
    ----------
    result : dict
        The stored result.

    Returns
    -------
    str
        Markdown.
    """
    scores = [f"| {name} | {value:.2f} |" for name, value in result["twins"]["iou"].items()]
    lines = ["| class | IoU of the two drawings |", "|---|---|", *scores, ""]
    lines += ["| diameter of the object | IoU after one pixel |", "|---|---|"]
    lines += [f"| {row['diameter']:.0f} pixels | {row['iou']:.2f} |" for row in result["one_pixel"]]
    return "\n".join(lines)


def main() -> None:
    """Measure, store and print."""
    from _results import RESULTS, read, store  # here: the tests load this file from elsewhere

    stored = read("annotators") if (RESULTS / "annotators.json").exists() else {}
    root = Path(os.environ.get("UNET_DATA_HOME", "")) / "wbc_tecom"
    if root.is_dir():
        stored["twins"] = compare_twins(root)
    elif "twins" not in stored:
        raise SystemExit("UNET_DATA_HOME must name the folder that holds wbc_tecom, found none")
    result = {"twins": stored["twins"], "one_pixel": grow_by_one_pixel()}
    store("annotators", result)
    print(table(result))


if __name__ == "__main__":
    main()

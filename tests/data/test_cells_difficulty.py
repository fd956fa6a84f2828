"""The embedded set is hard for an honest reason: no colour tells white cells from the rest."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from skimage.color import rgb2hsv
from skimage.filters import threshold_otsu

from unet_helpers.data.cells import draw_field

STORED = Path(__file__).parents[2] / "benchmarks" / "results" / "course_recipe.json"
TRAIN, TEST = range(12), range(20, 26)
CLEARLY = 0.15  # IoU: how far below a U-Net counts as well short
Pairs = list[tuple[np.ndarray, np.ndarray]]


def pairs(slides: range) -> Pairs:
    return [draw_field(slide, field)[:2] for slide in slides for field in (0, 1)]


@pytest.fixture(scope="module")
def train() -> Pairs:
    return pairs(TRAIN)


@pytest.fixture(scope="module")
def test() -> Pairs:
    return pairs(TEST)


@pytest.fixture(scope="module")
def unet_iou() -> float:
    """Pooled IoU of cells that the course's U-Net reached: worst run of the longest training."""
    tasks = [t for t in json.loads(STORED.read_text())["tasks"] if t["dataset"] == "cells"]
    longest = max(tasks, key=lambda task: task["steps"])
    return float(min(run["iou"] for run in longest["runs"]))


def pooled_iou(guesses: list[np.ndarray], truths: list[np.ndarray]) -> float:
    both = sum(int((g & t).sum()) for g, t in zip(guesses, truths, strict=True))
    either = sum(int((g | t).sum()) for g, t in zip(guesses, truths, strict=True))
    return both / either


EVERY = 11  # pixels: neighbours tell the same


def features(image: np.ndarray, widths: tuple[float, ...]) -> np.ndarray:
    """Colours of every 11th pixel and of its blurred surroundings, with squares and products."""
    glass = np.percentile(image, 95, axis=(0, 1))
    colour = -np.log((image + 1.0) / (glass + 1.0))  # absorbance: the lamp cancels out
    parts = [colour, rgb2hsv(image)]
    parts += [ndimage.gaussian_filter(colour, (w, w, 0)) for w in widths]
    flat = np.concatenate([part.reshape(-1, 3)[::EVERY] for part in parts], axis=-1)
    products = [flat[:, i] * flat[:, j] for i in range(flat.shape[1]) for j in range(i + 1)]
    return np.column_stack([np.ones(len(flat)), flat, *products])


def ridge(train: Pairs, least_class: int, widths: tuple[float, ...]) -> np.ndarray:
    """Weights of a quadratic discriminant, fitted by regularised least squares."""
    gram, right = np.zeros(()), np.zeros(())
    for image, mask in train:
        x = features(image, widths)
        gram = gram + x.T @ x
        right = right + x.T @ (mask.ravel()[::EVERY] >= least_class)
    return np.linalg.solve(gram + 1e-3 * np.eye(len(gram)), right)


def best_classifier_iou(
    train: Pairs, test: Pairs, least_class: int, widths: tuple[float, ...]
) -> float:
    """IoU on the test slides, at the threshold that suits *them* best: an upper limit."""
    weights = ridge(train, least_class, widths)
    scores = [features(image, widths) @ weights for image, _ in test]
    truths = [mask.ravel()[::EVERY] >= least_class for _, mask in test]
    return max(pooled_iou([s > t for s in scores], truths) for t in np.linspace(0.1, 0.8, 15))


@pytest.mark.parametrize(
    "widths", [(), (2.0,), (2.0, 6.0)], ids=["colour", "blurred colour", "two blurs"]
)
def test_no_classifier_of_colours_comes_near_a_unet(
    train: Pairs, test: Pairs, unet_iou: float, widths: tuple[float, ...]
) -> None:
    found = best_classifier_iou(train, test, 1, widths)
    assert 0.2 < found < unet_iou - CLEARLY  # it does learn: more than the share of cells, 0.14


def test_no_threshold_comes_near_a_unet(test: Pairs, unet_iou: float) -> None:
    truths = [mask > 0 for _, mask in test]
    found = []
    for channel in range(6):
        planes = [np.dstack([image / 255, rgb2hsv(image)])[..., channel] for image, _ in test]
        above = [plane > threshold_otsu(plane) for plane in planes]
        found += [pooled_iou(above, truths), pooled_iou([~a for a in above], truths)]
    assert max(found) < unet_iou - 3 * CLEARLY

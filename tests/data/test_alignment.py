"""Masks that were moved, turned, exchanged or reversed on purpose, among many that were not."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from unet_helpers.data.cells import draw_field
from unet_helpers.data.doctor.alignment import judge
from unet_helpers.data.doctor.glimpses import Glimpse, glimpse, glimpse_side
from unet_helpers.data.doctor.matching import TURNS
from unet_helpers.data.doctor.pixelmodel import _gram, _product
from unet_helpers.data.doctor.suspicions import Suspicion

FIELDS = [draw_field(slide, 1)[:2] for slide in range(16)]
FULL = [i for i, (_, mask) in enumerate(FIELDS) if (mask == 2).mean() > 0.01]
CHOSEN = FULL[3]


def suspects(masks: dict[int, np.ndarray], side: int = 128) -> list[Suspicion]:
    """Judge the drawn fields, with some masks replaced."""
    pairs = enumerate(FIELDS)
    return judge([glimpse(image, masks.get(i, mask), side, 3) for i, (image, mask) in pairs])


def undone(suspicion: Suspicion, mask: np.ndarray) -> np.ndarray:
    return eval(suspicion.undo, {"numpy": np, "ndimage": ndimage, "mask": mask})


def test_a_clean_set_gives_nothing() -> None:
    assert suspects({}) == []
    assert suspects({}, side=44) == []


@pytest.mark.parametrize("by", [(13, 0), (0, -13), (9, 9), (-12, 20)])
def test_a_shifted_mask_is_found_with_its_offset(by: tuple[int, int]) -> None:
    moved = ndimage.shift(FIELDS[CHOSEN][1], by, order=0, mode="nearest")
    [found] = suspects({CHOSEN: moved})
    assert (found.kind, found.index) == ("shifted", CHOSEN)
    assert np.abs(np.subtract(found.offset, by)).max() <= 2
    assert (undone(found, moved) == FIELDS[CHOSEN][1]).mean() > 0.95


WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mirrored left-right": np.fliplr,
    "mirrored top-bottom": np.flipud,
    "rotated by 180 degrees": lambda m: np.rot90(m, 2),
    "rotated by 90 degrees counter-clockwise": np.rot90,
    "rotated by 90 degrees clockwise": lambda m: np.rot90(m, -1),
    "transposed": np.transpose,
    "transposed over the other diagonal": lambda m: np.rot90(m, 2).T,
}


@pytest.mark.parametrize("way", TURNS)
def test_a_turned_mask_is_found_and_turned_back(way: str) -> None:
    mask = FIELDS[CHOSEN][1]
    [found] = suspects({CHOSEN: WAYS[way](mask)}, side=64)
    assert (found.kind, found.index, found.turn) == ("turned", CHOSEN, way)
    assert (undone(found, WAYS[way](mask)) == mask).all()


def test_two_swapped_masks_name_each_other() -> None:
    a, b = FULL[0], FULL[5]
    found = suspects({a: FIELDS[b][1], b: FIELDS[a][1]}, side=64)
    assert [(s.kind, s.index, s.partner) for s in found] == [("swapped", a, b), ("swapped", b, a)]


def test_reversed_ids_are_found() -> None:
    [found] = suspects({CHOSEN: 2 - FIELDS[CHOSEN][1]}, side=64)
    assert (found.kind, found.index, found.undo) == ("inverted", CHOSEN, "2 - mask")


def test_a_shift_of_all_masks_is_told_once() -> None:
    moved = {
        i: ndimage.shift(mask, (-8, 13), order=0, mode="nearest")
        for i, (_, mask) in enumerate(FIELDS)
    }
    [found] = suspects(moved)
    assert (found.kind, found.index) == ("all-shifted", -1)
    assert np.abs(np.subtract(found.offset, (-8, 13))).max() <= 2


def test_masks_in_another_order_are_unrelated_to_their_images() -> None:
    found = suspects({i: FIELDS[i - 3][1] for i in range(len(FIELDS))}, side=64)
    assert [(s.kind, s.index) for s in found] == [("unrelated", -1)]
    assert found[0].confidence < 0.5  # of few pairs, it may be chance


def test_masks_of_noise_are_unrelated() -> None:
    rng = np.random.default_rng(0)
    noise = [ndimage.gaussian_filter(rng.normal(size=(256, 256)), 9) > 0 for _ in FIELDS]
    [found] = suspects({i: mask.astype(np.uint8) for i, mask in enumerate(noise)}, side=64)
    assert (found.kind, found.index) == ("unrelated", -1)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (40, 30), (40, 30, 4)])
def test_what_cannot_be_compared_is_left_alone(kind: type, shape: tuple[int, ...]) -> None:
    constant = [glimpse(np.zeros(shape, kind), np.zeros(shape[:2], np.uint8), 40)] * 12
    assert not constant[0].has_image and not constant[0].has_mask
    assert judge(constant) == []
    assert judge([]) == []


def test_ignored_pixels_count_for_no_class() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:32], mask[:, :16] = 1, 255
    small: Glimpse = glimpse(mask, mask, 32, ignore_value=255)
    assert small.labelled is not None
    assert (small.labelled[:, :8] == 0).all() and (small.labelled[:, 8:] == 255).all()
    assert (small.maps[0] == np.pad(np.full((16, 24), 255), ((0, 16), (8, 0)))).all()


def test_an_ignore_value_among_many_ids_counts_for_no_class() -> None:
    mask = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64) % 12
    small = glimpse(mask, mask, 64, classes=12, ignore_value=11)
    assert small.maps.shape == (8, 64, 64)
    assert ((small.maps > 0).sum(axis=0) == (mask != 11)).all()


def test_products_in_blocks_are_those_of_numpy() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 85, 2001)).astype(np.float32)
    np.testing.assert_allclose(_gram(a, b), a @ b.T, atol=1e-3)
    np.testing.assert_allclose(_product(a[:, :85], b), a[:, :85] @ b, atol=1e-3)


def test_glimpses_of_many_pairs_fit_into_150_megabytes() -> None:
    image, mask, _ = draw_field(0, 1)
    for count in (1, 100, 1000, 10_000):
        small = glimpse(image, mask, glimpse_side(count), 3)
        assert count * (small.image.nbytes + small.maps.nbytes) < 150e6

"""The embedded set of blood smears: what it promises about shapes, chance and difficulty."""

import doctest
import hashlib

import numpy as np
import pytest
from scipy import ndimage
from skimage.color import rgb2hsv
from skimage.filters import threshold_otsu

from unet_helpers.data import cells
from unet_helpers.data.cells import CLASS_NAMES, draw_field

SLIDES, FIELDS = 8, 4


@pytest.fixture(scope="module")
def sample() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Eight slides, four fields each, slide by slide."""
    return [draw_field(s, f) for s in range(SLIDES) for f in range(FIELDS)]


@pytest.mark.parametrize("size", [64, 65, 101, 128, 255, 300, 512])
def test_every_size_has_shapes_types_and_values(size: int) -> None:
    image, mask, instances = draw_field(2, 3, size=size)
    assert image.shape == (size, size, 3)
    assert mask.shape == instances.shape == (size, size)
    assert (image.dtype, mask.dtype, instances.dtype) == (np.uint8, np.uint8, np.uint16)
    assert set(np.unique(mask)) <= set(range(len(CLASS_NAMES)))


def test_larger_fields_show_more_cells_of_the_same_size() -> None:
    small = [draw_field(s, 0, 256)[2] for s in range(6)]
    large = [draw_field(s, 0, 512)[2] for s in range(6)]
    count_small = sum(int(i.max()) for i in small)
    count_large = sum(int(i.max()) for i in large)
    assert 2.5 < count_large / count_small < 6
    area_small = sum((i > 0).sum() for i in small) / count_small
    area_large = sum((i > 0).sum() for i in large) / count_large
    assert area_large == pytest.approx(area_small, rel=0.35)


def test_same_numbers_same_field() -> None:
    for first, second in zip(draw_field(3, 1, 96, 7), draw_field(3, 1, 96, 7), strict=True):
        np.testing.assert_array_equal(first, second)


def test_numpy_integers_are_numbers_too() -> None:
    first = draw_field(np.int64(3), np.int64(1), np.int64(96))[0]
    np.testing.assert_array_equal(first, draw_field(3, 1, 96)[0])


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    draw_field(0, 0, 64)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("other", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_each_number_changes_the_field(other: tuple[int, int, int]) -> None:
    slide, field, seed = other
    assert (draw_field(slide, field, 96, seed)[0] != draw_field(0, 0, 96)[0]).mean() > 0.5


def test_pinned_field() -> None:
    # Lessons quote numbers measured on these pictures: a change of a single pixel must be meant.
    image, mask, instances = draw_field(1, 0)
    digest = hashlib.sha256(image.tobytes() + mask.tobytes() + instances.astype("<u2").tobytes())
    assert digest.hexdigest() == "bd4c8a725000891efa38a3b53be35afc0bf4097c47ed2a63bddcc79a2df03d19"


def test_pinned_set() -> None:
    # The same for many slides, sizes and seeds, so that no rare branch changes unnoticed.
    digest = hashlib.sha256()
    for slide in range(12):
        for part in draw_field(slide, 2, size=96 + 20 * slide, seed=slide % 3):
            digest.update(part.astype("<u2").tobytes())
    expected = "0ae8211d264579ae470ed00c5551175755d32846632724a7aa6ee7c5821c40e0"
    assert digest.hexdigest() == expected


def test_instances_and_mask_agree(sample: list[tuple[np.ndarray, ...]]) -> None:
    for _, mask, instances in sample:
        np.testing.assert_array_equal(instances > 0, mask > 0)
        assert set(np.unique(instances)) == set(range(int(instances.max()) + 1))


def test_every_whole_cell_is_one_piece_with_a_nucleus(
    sample: list[tuple[np.ndarray, ...]],
) -> None:
    whole = 0
    for _, mask, instances in sample:
        frame = np.concatenate([instances[[0, -1]].ravel(), instances[:, [0, -1]].ravel()])
        for number in set(range(1, int(instances.max()) + 1)) - set(frame.tolist()):
            cell = instances == number
            whole += 1
            assert ndimage.label(cell)[1] == 1
            assert 0.1 < (mask[cell] == 2).mean() < 0.8
    assert whole > 20


def test_cells_touch_each_other_and_the_border(sample: list[tuple[np.ndarray, ...]]) -> None:
    touching = border = 0
    for _, _, instances in sample:
        left, right = instances[:, :-1], instances[:, 1:]
        touching += bool(((left != right) & (left > 0) & (right > 0)).any())
        border += bool(instances[[0, -1]].any() or instances[:, [0, -1]].any())
    assert touching >= 4
    assert border >= 8


def test_share_of_cells_and_number_per_field(sample: list[tuple[np.ndarray, ...]]) -> None:
    masks = np.stack([mask for _, mask, _ in sample])
    assert 0.08 < (masks > 0).mean() < 0.20
    assert 0.02 < (masks == 2).mean() < 0.08
    assert {int(i.max()) for _, _, i in sample} <= {0, 1, 2, 3, 4}


def test_about_one_field_in_twelve_is_empty() -> None:
    empty = [not draw_field(s, f, 64)[1].any() for s in range(30) for f in range(5)]
    assert 0.03 < np.mean(empty) < 0.16


def test_fields_of_a_slide_look_alike_and_slides_differ(
    sample: list[tuple[np.ndarray, ...]],
) -> None:
    colour = np.array([np.median(image.reshape(-1, 3), axis=0) for image, _, _ in sample])
    colour = colour.reshape(SLIDES, FIELDS, 3)
    within = np.linalg.norm(colour - colour.mean(1, keepdims=True), axis=-1).mean()
    between = np.linalg.norm(colour.mean(1) - colour.mean((0, 1)), axis=-1).mean()
    assert between > 2.5 * within


def test_every_cytoplasm_can_be_seen(sample: list[tuple[np.ndarray, ...]]) -> None:
    for image, mask, instances in sample:
        for number in range(1, int(instances.max()) + 1):
            cell = instances == number
            near = ndimage.binary_dilation(cell, iterations=8) & (mask == 0)
            glass = np.percentile(image[near], 85, axis=0)
            inside = image[cell & (mask == 1)].mean(0)
            assert np.abs(glass - inside).max() > 20


@pytest.mark.parametrize(("least_class", "limit"), [(1, 0.4), (2, 0.4)])
def test_no_threshold_solves_it(
    sample: list[tuple[np.ndarray, ...]], least_class: int, limit: float
) -> None:
    truth = np.stack([mask >= least_class for _, mask, _ in sample])
    channels = np.stack([np.dstack([image / 255, rgb2hsv(image)]) for image, _, _ in sample])
    for c in range(6):
        above = np.stack([x > threshold_otsu(x) for x in channels[..., c]])
        for guess in (above, ~above):
            assert (guess & truth).sum() / (guess | truth).sum() < limit


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slide": -1, "field": 0}, "slide must be a whole number of at least 0, found -1."),
        ({"slide": 0, "field": -2}, "field must be a whole number of at least 0, found -2."),
        (
            {"slide": 0, "field": 0, "size": 63},
            "size must be a whole number of at least 64, found 63.",
        ),
        (
            {"slide": 0, "field": 0, "seed": -1},
            "seed must be a whole number of at least 0, found -1.",
        ),
        ({"slide": 0.5, "field": 0}, "slide must be a whole number of at least 0, found 0.5."),
        ({"slide": "a", "field": 0}, "slide must be a whole number of at least 0, found 'a'."),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        draw_field(**arguments)
    assert str(caught.value) == message


def test_the_examples_in_the_docstrings_run() -> None:
    result = doctest.testmod(cells)
    assert result.attempted > 0
    assert result.failed == 0

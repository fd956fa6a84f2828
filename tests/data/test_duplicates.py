"""Images that are there twice: found in every disguise, and never made up."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from unet_helpers.data.cells import draw_field
from unet_helpers.data.doctor.duplicates import near_duplicates, pixel_hash, thumbnail

FIELDS = [draw_field(slide, field)[0] for slide in range(5) for field in (1, 2)]


def twins(images: list[np.ndarray], **more: object) -> list[tuple[str, int, int]]:
    small = [thumbnail(image) for image in images]
    found = near_duplicates(small, [image.shape[:2] for image in images], **more)
    return [(twin.kind, twin.first, twin.second) for twin in found]


def jpeg(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=80)
    return np.asarray(Image.open(file))


DISGUISES = {
    "jpeg": jpeg,
    "brighter": lambda image: np.clip(image * 1.1, 0, 255).astype(np.uint8),
    "moved": lambda image: ndimage.shift(image, (1, 2, 0), order=0, mode="nearest"),
    "cropped": lambda image: image[3:-3, 3:-3],
    "16 bits": lambda image: image.astype(np.uint16) * 257,
    "grey floats": lambda image: image.mean(axis=2) / 255,
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_copy_is_found_in_disguise(disguise: str) -> None:
    assert twins([*FIELDS, DISGUISES[disguise](FIELDS[3])]) == [("near-duplicate", 3, len(FIELDS))]


@pytest.mark.parametrize("factor", [2, 3])
def test_a_copy_at_another_resolution_is_found(factor: int) -> None:
    small = ndimage.uniform_filter(FIELDS[4], (factor, factor, 1))[::factor, ::factor]
    assert twins([*FIELDS, small]) == [("other-resolution", 4, len(FIELDS))]


def test_different_fields_are_no_copies_even_if_nearly_empty() -> None:
    assert twins([draw_field(slide, field)[0] for slide in range(12) for field in range(2)]) == []


@pytest.mark.parametrize(("correlation", "found"), [(0.90, 0), (0.96, 1)])
def test_details_must_correlate_by_935_thousandths(correlation: float, found: int) -> None:
    first, other = np.random.default_rng(3).normal(size=(2, 32, 32))
    second = correlation * first + np.sqrt(1 - correlation**2) * other
    small = [plane.astype(np.float16) for plane in (first, second)]
    assert len(near_duplicates(small, [(64, 64)] * 2)) == found


def test_constant_images_are_like_nothing() -> None:
    assert twins([np.full((40, 40), value, np.uint8) for value in (0, 0, 7)]) == []
    assert not thumbnail(np.full((9, 5), np.nan)).any()


def test_pairs_beyond_one_block_are_found_like_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    small = [rng.normal(size=(32, 32)).astype(np.float16) for _ in range(1100)]
    small[1090] = small[2]
    found = near_duplicates(small, [(64, 64)] * 1100)
    assert [(twin.first, twin.second) for twin in found] == [(2, 1090)]


def test_groups_tell_whether_a_split_could_part_them() -> None:
    small = [thumbnail(FIELDS[0])] * 2
    sizes = [(256, 256)] * 2
    assert near_duplicates(small, sizes, ["a", "b"])[0].across_groups
    assert not near_duplicates(small, sizes, ["a", "a"])[0].across_groups


def test_equal_pixels_have_equal_hashes_and_others_do_not() -> None:
    image = FIELDS[0]
    assert pixel_hash(image) == pixel_hash(np.asfortranarray(image))
    other = image.copy()
    other[0, 0, 0] ^= 1
    hashes = {
        pixel_hash(i) for i in (image, other, image.astype(np.uint16), image.reshape(512, -1))
    }
    assert len(hashes) == 4

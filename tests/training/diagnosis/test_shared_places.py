"""The same piece of picture is found again, and chance is not taken for it."""

import itertools

import numpy as np
import pytest

from unet_helpers.training.diagnosis.shared_places import prints, same_scene, shared_with


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def dark(seed: int, numbers: int) -> np.ndarray:
    """Ground of an 8-bit image whose brightness flickers between a few numbers."""
    levels = np.random.default_rng(seed).geometric(0.7, (256, 256, 1)) - 1
    return np.minimum(levels, numbers - 1).astype(np.float32) / 255


@pytest.mark.parametrize("change", [np.rot90, np.fliplr, np.flipud, lambda a: a[40:, 30:]])
def test_a_part_is_found_wherever_it_lies_and_however_it_is_turned(change) -> None:
    image = noise(0, 128, 128, 3)
    shared, turned = same_scene(prints(image), prints(change(image)))
    assert shared
    assert turned == (change(image).shape == image.shape)


def test_an_image_of_few_numbers_is_still_found_in_its_copy() -> None:
    levels = (noise(3, 256, 256, 1) * 12).astype(np.uint8).astype(np.float32) / 255
    assert same_scene(prints(levels), prints(levels[50:])) == (True, False)


@pytest.mark.parametrize("numbers", [2, 4])
def test_dark_ground_is_not_the_same_place(numbers: int) -> None:
    images = [prints(dark(seed, numbers)) for seed in range(6)]
    assert not any(same_scene(a, b)[0] for a, b in itertools.combinations(images, 2))
    assert shared_with(images[:3], images[3:]) == []

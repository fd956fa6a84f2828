"""The paper's border weights against distances measured pixel by pixel."""

import math

import numpy as np
import pytest
from builders import assert_says, blob_samples, make_samples

from unet_helpers import keras
from unet_helpers.data.pipeline import batches
from unet_helpers.training.borders import border_weights, weighted
from unet_helpers.training.losses import WeightedCrossentropy


def brute_force(objects: np.ndarray, w0: float, sigma: float) -> np.ndarray:
    """1 plus the paper's second term, all pairs of pixels measured."""
    numbers = [n for n in np.unique(objects) if n]
    weights = np.ones(objects.shape)
    for place in np.argwhere(objects == 0):
        away = sorted(
            min(math.dist(place, other) for other in np.argwhere(objects == n)) for n in numbers
        )
        if len(away) > 1:
            weights[tuple(place)] += w0 * math.exp(-((away[0] + away[1]) ** 2) / (2 * sigma**2))
    return weights


def random_objects(seed: int, side: int = 24, number: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    objects = np.zeros((side, side - 3), np.uint16)
    for name in rng.choice(np.arange(1, 60000), number, replace=False):
        top, left = rng.integers(0, side - 5, 2)
        objects[top : top + rng.integers(1, 6), left : left + rng.integers(1, 6)] = name
    return objects


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("w0", "sigma"), [(10.0, 5.0), (3.0, 1.0)])
def test_the_weights_are_those_of_brute_force(seed: int, w0: float, sigma: float) -> None:
    objects = random_objects(seed)
    found = border_weights(objects > 0, objects, w0=w0, sigma=sigma)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, brute_force(objects, w0, sigma), atol=2e-6)
    assert found.max() > 1.001


def test_touching_objects_are_told_apart_by_their_ids_only() -> None:
    objects = np.zeros((9, 12), np.uint8)
    objects[2:6, 2:6], objects[2:6, 6:10] = 7, 9
    with_ids = border_weights(objects > 0, objects)
    assert with_ids[1, 5] > 8  # above the line where they touch
    np.testing.assert_array_equal(border_weights(objects > 0), np.ones(objects.shape))


def test_connected_pieces_stand_in_for_ids() -> None:
    mask = np.zeros((10, 12), np.uint8)
    mask[2:8, 1:5], mask[2:8, 7:11] = 1, 2  # of two classes
    expected = brute_force(mask, 10, 5)
    np.testing.assert_allclose(border_weights(mask), expected, atol=2e-6)


@pytest.mark.parametrize("fill", [0, 1])
def test_without_two_objects_there_is_no_border(fill: int) -> None:
    mask = np.full((5, 6), fill)
    np.testing.assert_array_equal(border_weights(mask), np.ones((5, 6)))
    np.testing.assert_array_equal(border_weights(mask, mask), np.ones((5, 6)))
    mask[2, 2] = 1
    np.testing.assert_array_equal(border_weights(mask), np.ones((5, 6)))


def test_classes_and_ignored_pixels_have_their_weights() -> None:
    mask = np.array([[0, 1, 2, 255, 0]], np.uint8)
    found = border_weights(mask, w0=0, class_weights=[0.5, 2, 3], ignore_value=255)
    assert found.tolist() == [[0.5, 2, 3, 0, 0.5]]


def test_far_windows_leave_nothing_out() -> None:
    """Objects farther apart than a window are as if each were alone."""
    mask = np.zeros((8, 90), np.uint8)
    mask[3:5, 2:4], mask[3:5, 85:88] = 1, 1
    np.testing.assert_allclose(border_weights(mask, sigma=2), brute_force(mask, 10, 2)[:] * 0 + 1)
    near = border_weights(mask, sigma=30)
    objects = mask.copy()
    objects[:, 50:] *= 2
    np.testing.assert_allclose(near, brute_force(objects, 10, 30), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        ((np.zeros((2, 3, 1)),), {}, ("mask must have the shape", "found (2, 3, 1)")),
        ((np.zeros((2, 3)), np.zeros((3, 2))), {}, ("instances", "(2, 3)", "found (3, 2)")),
        ((np.zeros((2, 3)),), {"sigma": 0}, ("sigma above 0", "found 10.0 and 0")),
        ((np.zeros((2, 3)),), {"w0": -1}, ("w0 must be at least 0", "found -1")),
        (
            (np.full((2, 3), 255),),
            {"class_weights": [1, 1]},
            ("class_weights", "up to 255", "found 2", "ignore_value"),
        ),
    ],
)
def test_wrong_input_is_refused(arguments: tuple, settings: dict, says: tuple[str, ...]) -> None:
    with pytest.raises(ValueError) as error:
        border_weights(*arguments, **settings)
    assert_says(error, *says)


def test_a_pipeline_with_weights_trains_in_plain_fit() -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[4:28, 2:15], mask[4:28, 17:30] = 1, 1
    image = (60 + 120 * mask[..., None]).astype(np.uint8)
    samples = make_samples([(image, mask)] * 2)
    crops = weighted(batches(samples, size=16, batch_size=4, seed=3), sigma=3)
    images, masks, weights = (part.numpy() for part in next(iter(crops)))
    for crop, weight in zip(masks, weights, strict=True):
        np.testing.assert_array_equal(weight[..., 0], border_weights(crop[..., 0], sigma=3))
    assert weights.max() > 5
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Conv2D(1, 1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.3), WeightedCrossentropy(), run_eagerly=True)
    fitted = model.fit(crops, steps_per_epoch=5, epochs=3, shuffle=False, verbose=0).history["loss"]
    assert fitted[-1] < fitted[0]
    reported = model.evaluate(images, masks, sample_weight=weights, verbose=0)
    said = model.predict(images, verbose=0)
    given = np.where(masks == 1, said, 1 - said)
    assert reported == pytest.approx(float(np.mean(-np.log(given) * weights)), rel=1e-3)


def test_samples_with_ids_give_weights_for_whole_images() -> None:
    sample = blob_samples(1)[0]
    assert border_weights(sample.mask, sample.instances).shape == sample.mask.shape

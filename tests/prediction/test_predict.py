"""Prediction of images of every size, and from probabilities to masks."""

import numpy as np
import pytest
from builders import assert_says, blob_samples, make_samples
from hypothesis import given, settings
from hypothesis import strategies as st

from unet_helpers import keras
from unet_helpers.model.unet import unet
from unet_helpers.prediction.predict import predict, predict_samples, to_mask


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Depth 2, so sizes go by fours; run eagerly, since every size would be traced anew."""
    keras.utils.set_random_seed(0)
    built = unet((None, None, 2), num_classes=3, filters=2, depth=2)
    built.compile(run_eagerly=True)
    return built


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=shape).astype(np.float32)


def direct(model: keras.Model, image: np.ndarray) -> np.ndarray:
    return np.asarray(model(image[None], training=False))[0]


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40))
def test_the_prediction_has_the_images_size(model: keras.Model, height: int, width: int) -> None:
    image = noise(height, width, 2)
    got = predict(model, image)
    assert (got.shape, got.dtype) == ((height, width, 3), np.float32)
    np.testing.assert_allclose(got.sum(axis=-1), 1, atol=1e-5)
    rows, columns = -(-height // 4) * 4, -(-width // 4) * 4
    mirrored = np.pad(image, [(0, rows - height), (0, columns - width), (0, 0)], mode="symmetric")
    np.testing.assert_allclose(got, direct(model, mirrored)[:height, :width], atol=1e-5)


@pytest.mark.parametrize("size", [(4, 4), (8, 12), (32, 4)])
def test_a_fitting_image_is_predicted_as_it_is(model: keras.Model, size: tuple) -> None:
    image = noise(*size, 2)
    np.testing.assert_allclose(predict(model, image), direct(model, image), atol=1e-5)


def test_lists_and_double_precision_are_images_too(model: keras.Model) -> None:
    image = noise(4, 4, 2)
    expected = predict(model, image)
    for same in (image.tolist(), image.astype(np.float64), image.astype(np.float64)[:, :]):
        np.testing.assert_allclose(predict(model, same), expected, atol=1e-6)


def test_a_grey_image_needs_no_channel_axis() -> None:
    grey, image = unet((None, None, 1), filters=2, depth=1), noise(5, 6)
    np.testing.assert_array_equal(predict(grey, image), predict(grey, image[..., None]))


@pytest.fixture(scope="module")
def fixed() -> keras.Model:
    return unet((16, 12, 1), filters=2, depth=1)


@pytest.mark.parametrize("size", [(16, 12), (15, 12), (3, 2), (1, 1), (9, 11)])
def test_a_model_of_fixed_size_takes_smaller_images(fixed: keras.Model, size: tuple) -> None:
    image = noise(*size, 1)
    got = predict(fixed, image)
    assert got.shape == (*size, 1)
    around = [(0, 16 - size[0]), (0, 12 - size[1]), (0, 0)]
    padded = np.pad(image, around, mode="symmetric")
    np.testing.assert_allclose(got, direct(fixed, padded)[: size[0], : size[1]], atol=1e-5)


@pytest.mark.parametrize("size", [(17, 12), (16, 13), (40, 40)])
def test_a_model_of_fixed_size_refuses_larger_images(fixed: keras.Model, size: tuple) -> None:
    with pytest.raises(ValueError) as error:
        predict(fixed, noise(*size, 1))
    found = f"found {size[0]} x {size[1]}"
    assert_says(error, "fit into the 16 x 12", found, "input_size=(None, None, 1)")


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 8), (1, 8, 8, 2), (8,)])
def test_other_axes_and_channels_are_refused(model: keras.Model, shape: tuple) -> None:
    with pytest.raises(ValueError) as error:
        predict(model, noise(*shape))
    found = shape if len(shape) != 2 else (*shape, 1)
    assert_says(error, "image", "(height, width, 2)", f"found {found}", "convert the image")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, bool])
def test_whole_numbers_are_refused(model: keras.Model, dtype: type) -> None:
    with pytest.raises(ValueError) as error:
        predict(model, np.ones((4, 4, 2), dtype))
    assert_says(error, "image must hold floats from 0 to 1", np.dtype(dtype), "255 for uint8")


def test_samples_of_different_sizes_are_predicted_one_by_one() -> None:
    mask = np.zeros((9, 9), np.uint8)
    pairs = [(np.full((n, 9, 3), 10 * n, np.uint8), mask[:n]) for n in (5, 9)]
    samples, small = make_samples(pairs), unet((None, None, 3), filters=2, depth=1)
    got = predict_samples(small, samples)
    assert [p.shape for p in got] == [(5, 9, 1), (9, 9, 1)]
    for one, sample in zip(got, samples, strict=True):
        np.testing.assert_array_equal(one, predict(small, sample.image))
    assert predict_samples(small, blob_samples()[:0]) == []


# --- to_mask ------------------------------------------------------------------------------------


def test_one_output_is_compared_with_the_threshold() -> None:
    probabilities = np.array([[[0.0], [0.3]], [[0.5], [0.51]]])
    assert to_mask(probabilities).tolist() == [[0, 0], [0, 1]]
    assert to_mask(probabilities, 0.2).tolist() == [[0, 1], [1, 1]]
    assert to_mask(probabilities, 0.51).tolist() == [[0, 0], [0, 0]]
    assert to_mask(probabilities).dtype == np.uint8


def test_of_several_outputs_the_likeliest_class_counts() -> None:
    probabilities = [[[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]], [[0.1, 0.2, 0.7], [1, 0, 0]]]
    assert to_mask(probabilities).tolist() == [[1, 0], [2, 0]]
    assert to_mask(probabilities, 0.9).tolist() == [[1, 0], [2, 0]]
    assert to_mask(probabilities).dtype == np.uint8


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5, 1), (4,)])
def test_probabilities_without_one_output_axis_are_refused(shape: tuple) -> None:
    with pytest.raises(ValueError) as error:
        to_mask(np.zeros(shape))
    assert_says(error, "probabilities", "(height, width, outputs)", f"found {shape}", "predict()")


@pytest.mark.parametrize("bad", [254.8, np.nan, np.inf])
def test_an_image_that_is_not_scaled_or_not_a_number_is_refused(bad: float) -> None:
    image = np.full((8, 8, 1), 0.5)
    image[3, 3] = bad
    with pytest.raises(ValueError, match=r"from 0 to 1, found a maximum of .*: divide by"):
        predict(unet((None, None, 1), filters=2, depth=1), image)


def test_a_sample_instead_of_its_image_is_recognised() -> None:
    samples = blob_samples(1)
    for wrong in (samples, samples[0], "a.png"):
        with pytest.raises(ValueError, match=r"one array of pixels, found a .*: give sample.image"):
            predict(unet((None, None, 1), filters=2, depth=1), wrong)


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear", "transpose"])
def test_one_model_takes_one_size_after_another(upsampling):
    model = unet((None, None, 1), filters=2, depth=1, upsampling=upsampling)
    rng = np.random.default_rng(0)
    for size in ((32, 32), (32, 48), (21, 35)):
        image = rng.random((*size, 1), np.float32)
        made = predict(model, image)
        assert made.shape == (*size, 1)
        np.testing.assert_allclose(predict(model, image, tile=16), made, atol=1e-5)

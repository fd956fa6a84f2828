"""Operations counted by walking through every product, by TensorFlow's profiler, and by hand."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from builders import assert_says

from unet_helpers import keras
from unet_helpers.model.unet import unet
from unet_helpers.model.work import count_work

layers = keras.layers


def totals(model: Any, *size: int) -> tuple[int, int, int]:
    rows = count_work(model, *size)
    parts = zip(*((row.parameters, row.operations, row.activations) for row in rows), strict=True)
    return tuple(map(sum, parts))  # type: ignore[return-value]


def sequence(channels: int, *stack: Any) -> Any:
    inputs = x = keras.Input((None, None, channels))
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


# --- by walking through every product -----------------------------------------------------------


def convolved(image: np.ndarray, kernel: np.ndarray, stride: int) -> tuple[np.ndarray, int]:
    """A zero-padded convolution in plain loops, and how many products it took."""
    side = kernel.shape[0]
    reach = 0 if stride == side else side // 2  # windows side by side need no padding
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)))
    rows, columns = (length // stride for length in image.shape[:2])
    made, products = np.zeros((rows, columns, kernel.shape[3])), 0
    for place in itertools.product(range(rows), range(columns), *map(range, kernel.shape)):
        r, c, i, j, source, target = place
        made[r, c, target] += padded[r * stride + i, c * stride + j, source] * kernel[place[2:]]
        products += 1
    return made, products


def spread(image: np.ndarray, kernel: np.ndarray, stride: int) -> tuple[np.ndarray, int]:
    """A transposed convolution: each pixel lays down a kernel; and how many products it took."""
    rows, columns, _ = image.shape
    made = np.zeros((rows * stride, columns * stride, kernel.shape[2]))
    products = 0
    for place in itertools.product(range(rows), range(columns), *map(range, kernel.shape)):
        r, c, i, j, target, source = place
        made[r * stride + i, c * stride + j, target] += image[r, c, source] * kernel[place[2:]]
        products += 1
    return made, products


@pytest.mark.parametrize(
    ("layer", "by_loops", "stride"),
    [
        (lambda: layers.Conv2D(5, 3, padding="same", use_bias=False), convolved, 1),
        (lambda: layers.Conv2D(4, 1, padding="same", use_bias=False), convolved, 1),
        (lambda: layers.Conv2D(3, 3, strides=3, padding="same", use_bias=False), convolved, 3),
        (lambda: layers.Conv2DTranspose(3, 2, strides=2, use_bias=False), spread, 2),
    ],
)
def test_a_layer_takes_as_many_products_as_loops_do(layer: Any, by_loops: Any, stride: int) -> None:
    model = sequence(2, layer())
    image = np.random.default_rng(0).uniform(size=(6, 9, 2)).astype(np.float32)
    expected, products = by_loops(image, model.layers[-1].get_weights()[0], stride)
    # The loops compute what the layer computes, so they count the right thing.
    np.testing.assert_allclose(model(image[None])[0], expected, atol=1e-5)
    (row,) = count_work(model, 6, 9)
    assert row.operations == 2 * products
    assert row.shape == expected.shape
    assert row.activations == expected.size


def test_a_depthwise_convolution_looks_at_one_channel_each() -> None:
    (row,) = count_work(sequence(4, layers.DepthwiseConv2D(3, padding="same")), 5)
    assert row.operations == 2 * 9 * 4 * 25


# --- by TensorFlow's profiler -------------------------------------------------------------------


def profiled(model: Any, height: int, width: int) -> int:
    """All operations that TensorFlow's profiler finds."""
    import tensorflow as tf
    from tensorflow.python.profiler import model_analyzer, option_builder

    spec = tf.TensorSpec((1, height, width, model.inputs[0].shape[-1]), tf.float32)
    graph = (
        tf.function(lambda image: model(image, training=False)).get_concrete_function(spec).graph
    )
    options = option_builder.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return int(model_analyzer.profile(graph, options=options).total_float_ops)


@pytest.mark.parametrize("upsampling", ["transpose", "nearest"])
def test_the_profiler_of_tensorflow_agrees(upsampling: str) -> None:
    model = unet((None, None, 3), filters=8, depth=2, upsampling=upsampling)
    everything = profiled(model, 32, 48)
    _, operations, _ = totals(model, 32, 48)
    # What we leave out, element by element, is a small part; what we count, it counts too.
    assert operations < everything < 1.06 * operations


# --- by hand ------------------------------------------------------------------------------------


def test_a_unet_counted_by_hand() -> None:
    model = unet((None, None, 1), filters=2, depth=1, norm=None, upsampling="transpose")
    full, half = 8 * 12, 4 * 6
    down = 9 * (1 * 2 + 2 * 2) * full
    bottom = 9 * (2 * 4 + 4 * 4) * half
    enlarge = 4 * 4 * 2 * half
    up = 9 * (4 * 2 + 2 * 2) * full + 2 * 1 * full
    # Convolutions and their ReLUs; then pooling, enlarging, concatenation and the output.
    values = 8 * 2 * full + 4 * 4 * half + 2 * half + 2 * full + 4 * full + full
    found = totals(model, 8, 12)
    assert found == (model.count_params(), 2 * (down + bottom + enlarge + up), values)


def test_names_and_shapes_are_the_models_own() -> None:
    model = unet((16, 24, 3), filters=2, depth=2)
    rows = count_work(model, 16, 24)
    assert {row.name: row.shape for row in rows} == {
        layer.name: layer.output.shape[1:] for layer in model.layers[1:]
    }
    assert (rows[0].name, rows[-1].name) == ("down0_conv1", "output")
    assert math.prod(rows[0].shape) == rows[0].activations


def test_a_square_is_the_default_and_operations_grow_with_its_area() -> None:
    model = unet((None, None, 1), filters=2, depth=2)
    assert count_work(model, 32) == count_work(model, 32, 32)
    small, large = totals(model, 32), totals(model, 64)
    assert large == (small[0], 4 * small[1], 4 * small[2])


# --- errors -------------------------------------------------------------------------------------


def test_a_size_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError) as error:
        count_work(unet((None, None, 1), filters=2, depth=2), 30)
    assert_says(error, "the size", "up1_concat", "2**depth")


def test_a_layer_that_cannot_be_counted_is_named() -> None:
    with pytest.raises(ValueError) as error:
        count_work(sequence(3, layers.Dense(2, name="mix")), 4)
    assert_says(error, "found mix (Dense)", "count it by hand")

"""The checks of the U-Net's parts: right parts pass, each typical mistake gets its own hint."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from unet_helpers import keras, model_checks

layers = keras.layers


def conv(x: Any, filters: int, **settings: Any) -> Any:
    usual = {"kernel_size": 3, "padding": "same", "use_bias": False}
    return layers.Conv2D(filters, **{**usual, **settings})(x)


def norm(x: Any, **settings: Any) -> Any:
    return layers.BatchNormalization(**{"momentum": 0.9, **settings})(x)


def relu(x: Any) -> Any:
    return layers.Activation("relu")(x)


def block(x: Any, filters: int, times: int = 2, **settings: Any) -> Any:
    for _ in range(times):
        x = relu(norm(conv(x, filters, **settings)))
    return x


def down(x: Any, filters: int) -> Any:
    skip = block(x, filters)
    return layers.MaxPooling2D(2)(skip), skip


def enlarge(x: Any, filters: int, kernel: int = 2, strides: int = 2) -> Any:
    return layers.Conv2DTranspose(filters, kernel, strides=strides, padding="same")(x)


def up(x: Any, skip: Any, filters: int) -> Any:
    return block(layers.Concatenate()([skip, enlarge(x, filters)]), filters)


def swapped_up(x: Any, skip: Any, filters: int) -> Any:
    return block(layers.Concatenate()([enlarge(x, filters), skip]), filters)


def whole(
    channels: int,
    filters: int = 8,
    depth: int = 3,
    *,
    way_up: Any = up,
    end: str | None = "sigmoid",
    classes: int = 1,
    growing: int = 2,
    order: Any = reversed,
) -> Any:
    image = keras.Input((None, None, channels))
    x, skips = image, []
    for level in range(depth):
        x, skip = down(x, filters * growing**level)
        skips.append(skip)
    x = block(x, filters * growing**depth)
    for level in order(range(depth)):
        x = way_up(x, skips[level], filters * growing**level)
    return keras.Model(image, layers.Conv2D(classes, 1, activation=end)(x))


def unbridged(x: Any, skip: Any, filters: int) -> Any:
    return block(enlarge(x, filters), filters)


def twice(x: Any, skip: Any, filters: int) -> Any:
    x = enlarge(x, filters)
    return block(layers.Concatenate()([x, x]), filters)


class Ramp(layers.Layer):
    """Adds to each pixel its column: what no layer of a U-Net does."""

    def call(self, x: Any) -> Any:
        columns = keras.ops.cast(keras.ops.arange(keras.ops.shape(x)[2]), x.dtype)
        return x + columns[None, None, :, None]


def block_with_relu_first(x: Any, filters: int) -> Any:
    for _ in range(2):
        x = norm(relu(conv(x, filters)))
    return x


def block_with_relu_inside(x: Any, filters: int) -> Any:
    for _ in range(2):
        x = norm(conv(x, filters, activation="relu"))
    return x


def block_with_one_relu(x: Any, filters: int) -> Any:
    return relu(norm(conv(norm(conv(x, filters)), filters)))


def block_without_norm(x: Any, filters: int) -> Any:
    return relu(conv(relu(conv(x, filters)), filters))


def slow_block(x: Any, filters: int) -> Any:
    for _ in range(2):
        x = relu(norm(conv(x, filters), momentum=0.99))
    return x


def block_with_relu_layer(x: Any, filters: int) -> Any:
    for _ in range(2):
        x = layers.ReLU()(norm(conv(x, filters)))
    return x


def down_and_keep_pooled(x: Any, filters: int) -> Any:
    x = layers.MaxPooling2D(2)(block(x, filters))
    return x, x


def down_by_means(x: Any, filters: int) -> Any:
    skip = block(x, filters)
    return layers.AveragePooling2D(2)(skip), skip


def down_by_strides(x: Any, filters: int) -> Any:
    skip = block(x, filters)
    return skip[:, ::2, ::2], skip


def up_by_adding(x: Any, skip: Any, filters: int) -> Any:
    return block(layers.Add()([skip, enlarge(x, filters)]), filters)


def up_by_repeating(x: Any, skip: Any, filters: int) -> Any:
    return block(layers.Concatenate()([skip, layers.UpSampling2D(2)(x)]), filters)


def up_wide(x: Any, skip: Any, filters: int) -> Any:
    return block(layers.Concatenate()([skip, enlarge(x, filters, kernel=3)]), filters)


def up_deaf(x: Any, skip: Any, filters: int) -> Any:
    return block(layers.Concatenate()([skip, enlarge(x, filters) * 0.0]), filters)


def up_blind(x: Any, skip: Any, filters: int) -> Any:
    return block(layers.Concatenate()([skip * 0.0, enlarge(x, filters)]), filters)


RIGHT = {
    "block": [block, block_with_relu_layer],
    "down": [down],
    "up": [up, swapped_up],
    "whole": [whole],
}
WRONG = {
    "block": [
        (lambda x, f: None, "forget `return`"),
        (lambda x, f: (x, x), "return one thing"),
        (lambda x, f: layers.ReLU(), "call it"),
        (lambda x, f: block(x, f, padding="valid"), 'padding="same" is missing'),
        (lambda x, f: block(x, f, strides=2), "they must stay"),
        (lambda x, f: block(x, 2 * f), "gives 8 channels"),
        (lambda x, f: block(x, f, times=1), "two convolutions, found 1"),
        (lambda x, f: block(x, f, kernel_size=5), "3 x 3"),
        (lambda x, f: block(x, f, use_bias=True), "use_bias=False"),
        (block_with_relu_first, "order is convolution"),
        (block_with_relu_inside, "not in the Conv2D"),
        (block_with_one_relu, "ReLU follows each"),
        (block_without_norm, "normalisation of its own, found 0"),
        (slow_block, "momentum=0.9"),
        (lambda x, f: block(Ramp()(x), f), "must move the result along"),
    ],
    "down": [
        (lambda x, f: None, "forget `return`"),
        (lambda x, f: down(x, f)[0], "two things"),
        (lambda x, f: down(x, f)[::-1], "the order"),
        (lambda x, f: (down(x, f)[0], x), "not what went into the block"),
        (down_and_keep_pooled, "*before* pooling"),
        (down_by_means, "mean of 2 x 2"),
        (down_by_strides, "largest of each 2 x 2"),
        (lambda x, f: (layers.MaxPooling2D(4)(block(x, f)), block(x, f)), "must halve"),
        (lambda x, f: down(Ramp()(x), f), "must move the result along"),
    ],
    "up": [
        (lambda x, s, f: None, "forget `return`"),
        (unbridged, "bridge has no effect"),
        (lambda x, s, f: block(s, f), "below has no effect"),
        (twice, "bridge has no effect"),
        (lambda x, s, f: block(enlarge(x, f, strides=1), f), "strides=2 is missing"),
        (lambda x, s, f: block(layers.Concatenate()([s, s, enlarge(x, f)]), 3), "3 channels"),
        (lambda x, s, f: layers.Concatenate()([s, enlarge(x, f)]), "block that mixes"),
        (up_by_adding, "side by side"),
        (up_by_repeating, "Conv2DTranspose"),
        (up_wide, "window is 2"),
        (up_deaf, "from below has no effect"),
        (up_blind, "the bridge has no effect"),
        (lambda x, s, f: up(x, s, f)[:, ::2, ::2], "did not double"),
    ],
    "whole": [
        (lambda *_, **__: None, "forget `return`"),
        (lambda channels, **_: keras.Input((None, None, channels)), "keras.Model"),
        (lambda c, **k: whole(c, **k, end=None), "sigmoid"),
        (lambda c, **k: whole(c, **k, classes=2), "found 24 x 24 x 2"),
        (lambda c, **k: whole(c, **k, way_up=unbridged), "two bridges, found 0"),
        (lambda c, **k: whole(c, **k, way_up=twice), "something else"),
        (lambda c, **k: whole(c, **k, way_up=swapped_up), "[skip, x]"),
        (lambda c, **k: whole(c, **k, growing=1), "doubles the filters"),
        (lambda c, **k: whole(c, **k, order=list), "bridge of its own level"),
    ],
}


def pairs(table: dict[str, list[Any]]) -> list[Any]:
    return [(name, *(a if isinstance(a, tuple) else (a,))) for name in table for a in table[name]]


@pytest.mark.parametrize(("name", "part"), pairs(RIGHT))
def test_a_right_part_is_correct(name: str, part: Any, capsys: pytest.CaptureFixture[str]) -> None:
    getattr(model_checks, name)(part)
    said = capsys.readouterr().out
    assert said.startswith("Correct: ")
    assert said.endswith(".\n")


@pytest.mark.parametrize(("name", "part", "hint"), pairs(WRONG))
def test_a_wrong_part_gets_its_own_hint(
    name: str, part: Any, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    getattr(model_checks, name)(part)
    said = capsys.readouterr().out
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize("name", RIGHT)
def test_dots_are_not_an_attempt(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    getattr(model_checks, name)(lambda *_, **__: ...)
    assert capsys.readouterr().out.startswith("Not attempted yet")


@pytest.mark.parametrize("name", RIGHT)
def test_code_that_raises_does_not_stop_the_notebook(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    getattr(model_checks, name)(lambda *_, **__: undefined_name)  # type: ignore[name-defined]  # noqa: F821
    assert "NameError" in capsys.readouterr().out


@pytest.fixture
def mixed_precision() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(("name", "part"), pairs(RIGHT))
def test_16_bit_numbers_change_no_verdict(
    name: str, part: Any, mixed_precision: None, capsys: pytest.CaptureFixture[str]
) -> None:
    getattr(model_checks, name)(part)
    assert capsys.readouterr().out.startswith("Correct: ")
    assert keras.config.dtype_policy().name == "mixed_bfloat16"


def test_a_check_leaves_numpys_random_state_alone() -> None:
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    model_checks.block(block)
    assert np.random.random() == expected  # noqa: NPY002

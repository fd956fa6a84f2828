"""Tiles put together are the whole image's prediction, for every model, size and tile."""

import functools
from typing import Any

import numpy as np
import pytest
from builders import assert_says
from hypothesis import given, settings
from hypothesis import strategies as st

from unet_helpers import keras, predict, unet
from unet_helpers.model.geometry import Sizes, halo, sizes
from unet_helpers.prediction import tiles as module
from unet_helpers.prediction.tiles import mirrored, spans

TOLERANCE = 1e-5  # in float32
EXACT = 1e-6  # in float64, whose rounding is far below; only the output layer is float32


@functools.cache
def model_of(
    depth: int, padding: str, upsampling: str, norm: str | None, stem: int = 1, exact: bool = False
) -> Any:
    """A small net whose output differs from pixel to pixel, as a trained one's does.

    Exact: in float64, and with weights so large that the smallest error in a window grows from
    layer to layer. In float32 such weights make 3e-4 of rounding alone, so there they keep the
    variance instead, as He's initialisation does.
    """
    keras.utils.set_random_seed(depth)
    shape = {"depth": depth, "padding": padding, "upsampling": upsampling, "norm": norm}
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64" if exact else "float32")
    try:
        model = unet((None, None, 2), filters=2, stem=stem, **shape)
    finally:
        keras.config.set_dtype_policy(usual)
    gain = 2 if exact else 2**0.5
    rng = np.random.default_rng(depth)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            made = [rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()]
            layer.set_weights([made[0], made[1] - 1, made[2] - 1, made[3]])
        elif layer.weights:
            kernel, bias = [*layer.get_weights(), None][:2]
            new = [kernel * gain, *([] if bias is None else [rng.normal(0, 0.1, bias.shape)])]
            layer.set_weights(new)
    model.compile(run_eagerly=True)  # every size would be traced anew
    return model


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).random(shape, dtype=np.float32)


def at_once(model: Any, image: np.ndarray) -> np.ndarray:
    """The model on the image, mirrored as far as it needs; sizes are found by trial."""
    margin = sizes(model).margin
    padding = []
    for length in image.shape[:2]:
        whole = length + 2 * margin
        while not takes(model, whole):
            whole += 1
        padding.append((margin, whole - length - margin))
    padded = np.pad(image, [*padding, (0, 0)], mode="symmetric")
    return np.asarray(model(padded[None]))[0, : image.shape[0], : image.shape[1]]


@functools.cache
def takes(model: Any, length: int) -> bool:
    depth = sum("pool" in layer.name for layer in model.layers)
    stem = next((layer.strides[0] for layer in model.layers if layer.name == "stem"), 1)
    if sizes(model).margin == 0:
        return length % (stem * 2**depth) == 0
    for _ in range(depth):  # by hand: two convolutions, and a pooling that must not drop a row
        if (length - 4) % 2 or length <= 4:
            return False
        length = (length - 4) // 2
    return length > 4


models = st.tuples(
    st.integers(1, 5),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(["nearest", "transpose"]),
    st.sampled_from(["batch", None]),
)
padded_models = st.tuples(
    st.integers(1, 3),
    st.just("same"),
    st.just("bilinear"),
    st.just("batch"),
    st.integers(1, 4),
)
lengths = st.integers(1, 300)


def few(tile: int, height: int, width: int) -> int:
    """A tile so large that some tens cover the image: thousands of runs would take minutes."""
    return max(tile, max(height, width) // 5)


def assert_tiled_is_whole(
    shape: Any, height: int, width: int, tile: int, batch: int, exact: bool
) -> None:
    model, tile = model_of(*shape, exact=exact), few(tile, height, width)
    image = noise(height, width, 2)
    expected = at_once(model, image)
    whole = predict(model, image)
    tiled = predict(model, image, tile=tile, batch_size=batch)
    assert whole.shape == tiled.shape == (height, width, 1)
    bound = EXACT if exact else TOLERANCE
    assert np.abs(whole - expected).max() <= bound
    assert np.abs(tiled - expected).max() <= bound


any_case = given(models | padded_models, lengths, lengths, lengths, st.integers(1, 5))


@pytest.mark.parametrize("exact", [True, False])
@settings(max_examples=10)
@any_case
def test_tiled_is_whole(
    exact: bool, shape: Any, height: int, width: int, tile: int, batch: int
) -> None:
    assert_tiled_is_whole(shape, height, width, tile, batch, exact)


@pytest.mark.repeat
@pytest.mark.parametrize("exact", [True, False])
@settings(max_examples=200)
@any_case
def test_tiled_is_whole_in_many_cases(
    exact: bool, shape: Any, height: int, width: int, tile: int, batch: int
) -> None:
    assert_tiled_is_whole(shape, height, width, tile, batch, exact)


@pytest.mark.parametrize(("depth", "stem"), [(1, 1), (3, 1), (4, 1), (2, 4)])
def test_a_halo_of_one_step_less_leaves_a_seam(depth: int, stem: int, monkeypatch: Any) -> None:
    model = model_of(depth, "same", "transpose", None, stem, exact=True)
    step, needed = stem * 2**depth, halo(model)
    side = 2 * (32 + 2 * needed)  # so that no window is the whole image
    image = noise(64, side, 2)
    monkeypatch.setattr(module, "halo", lambda _: needed - step)
    tiled = predict(model, image, tile=max(step, 32), batch_size=25)
    seam = np.abs(tiled - predict(model, image)).max()
    assert seam > 10 * EXACT


@given(st.integers(-50, 0), st.integers(1, 60), st.integers(1, 9))
def test_mirrored_places_are_those_of_numpy(start: int, stop: int, length: int) -> None:
    padded = np.pad(np.arange(length), (-start, max(0, stop - length)), mode="symmetric")
    assert mirrored(start, stop, length).tolist() == padded[: stop - start].tolist()


@given(lengths, lengths, st.integers(0, 3), st.sampled_from([0, 12]))
def test_the_spans_cover_the_axis_once_and_are_fed_alike(
    length: int, tile: int, halo_steps: int, margin: int
) -> None:
    rule = Sizes(step=8, least=8 + 2 * margin, margin=margin)
    cut = spans(length, tile, rule, 0 if margin else 8 * halo_steps)
    assert [n for span in cut for n in range(span.start, span.stop)] == list(range(length))
    assert len({span.length for span in cut}) == 1
    for span in cut:
        made = span.length - 2 * margin
        assert span.skip >= 0
        assert span.skip + span.stop - span.start <= made
        assert (span.fed + margin) % 8 == 0
        assert span.fed + margin + span.skip == span.start


# --- averaging over symmetries --------------------------------------------------------------------


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("symmetries", [4, 8])
def test_an_average_over_symmetries_is_what_it_says(padding: str, symmetries: int) -> None:
    model = model_of(2, padding, "transpose", "batch")
    margin = sizes(model).margin
    image = noise(40, 40, 2)  # of a size that needs no padding but the margin
    padded = np.pad(image, [(margin, margin + 4 * (margin > 0))] * 2 + [(0, 0)], mode="symmetric")
    views = [padded, padded[::-1], padded[:, ::-1], padded[::-1, ::-1]]
    backs = [lambda a: a, lambda a: a[::-1], lambda a: a[:, ::-1], lambda a: a[::-1, ::-1]]
    if symmetries == 8:
        views += [np.rot90(padded, k) for k in (1, 3)]
        backs += [lambda a: np.rot90(a, -1), lambda a: np.rot90(a, -3)]
        views += [padded.swapaxes(0, 1), np.rot90(padded, 2).swapaxes(0, 1)]
        backs += [lambda a: a.swapaxes(0, 1), lambda a: np.rot90(a.swapaxes(0, 1), -2)]
    outputs = [
        back(np.asarray(model(np.ascontiguousarray(view)[None]))[0])
        for view, back in zip(views, backs, strict=True)
    ]
    expected = np.mean(outputs, axis=0)[:40, :40]
    assert np.abs(predict(model, image, symmetries=symmetries) - expected).max() <= TOLERANCE


@settings(max_examples=4)
@given(models, lengths, lengths, lengths)
def test_averaged_tiles_are_the_averaged_whole(
    shape: Any, height: int, width: int, tile: int
) -> None:
    model, tile = model_of(*shape), few(tile, height, width)
    image = noise(height, width, 2)
    whole = predict(model, image, symmetries=8)
    assert np.abs(predict(model, image, tile, symmetries=8) - whole).max() <= TOLERANCE


def test_a_model_that_is_blind_to_direction_gains_nothing_from_an_average() -> None:
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(inputs))
    image = noise(33, 21, 2)
    np.testing.assert_allclose(
        predict(model, image, symmetries=8), predict(model, image), atol=1e-6
    )


# --- what cannot be tiled, and bad arguments -----------------------------------------------------


@pytest.mark.parametrize("norm", ["group", "instance"])
def test_the_user_is_told_where_the_result_depends_on_the_whole_image(norm: str) -> None:
    model = unet((None, None, 1), filters=2, depth=1, norm=norm)
    with pytest.warns(UserWarning, match="seams") as told:
        predict(model, noise(64, 64, 1), tile=16)
    assert "down0_norm1" in str(told[0].message)
    predict(model, noise(64, 64, 1))  # at once there is nothing to tell
    predict(model, noise(64, 64, 1), tile=64)


def test_a_model_of_fixed_size_predicts_larger_images_in_tiles_of_that_size() -> None:
    keras.utils.set_random_seed(3)
    fixed = unet((64, 96, 2), filters=2, depth=1)
    free = unet((None, None, 2), filters=2, depth=1)
    free.set_weights(fixed.get_weights())
    image = noise(150, 131, 2)
    with pytest.raises(ValueError) as error:
        predict(fixed, image)
    assert_says(error, "64 x 96", "found 150 x 131", "tile=64")
    assert np.abs(predict(fixed, image, tile=64) - predict(free, image)).max() <= TOLERANCE
    tight = unet((16, 16, 2), filters=2, depth=2)
    with pytest.raises(ValueError) as error:
        predict(tight, image, tile=16)
    assert_says(error, "more than", "found 16", "input_size=(None, None")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"tile": 0}, ["tile", "at least 1", "found 0"]),
        ({"tile": 64.0}, ["tile", "whole number", "found 64.0"]),
        ({"batch_size": 0}, ["batch_size", "found 0"]),
        ({"symmetries": 2}, ["symmetries", "1, 4 or 8", "found 2"]),
    ],
)
def test_arguments_out_of_range_are_named(arguments: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        predict(model_of(1, "same", "nearest", None), noise(8, 8, 2), **arguments)
    assert_says(error, *parts)


def test_a_layer_of_unknown_reach_is_named_and_the_whole_image_still_works() -> None:
    inputs = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(2, 3, padding="same")(inputs)
    x = keras.layers.Lambda(lambda t: t, name="mystery", output_shape=lambda s: s)(x)
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(x))
    assert predict(model, noise(20, 20, 1)).shape == (20, 20, 1)
    with pytest.raises(ValueError) as error:
        predict(model, noise(20, 20, 1), tile=8)
    assert_says(error, "'mystery'", "tile=None")


def test_memory_goes_with_the_tile() -> None:
    """The windows, as the model is given them, do not grow with the image."""
    model, fed = model_of(1, "same", "nearest", None), []
    original = model.predict_on_batch
    try:
        model.predict_on_batch = lambda batch: (fed.append(batch.shape), original(batch))[1]
        for side in (100, 300):
            predict(model, noise(side, side, 2), tile=32, batch_size=2)
    finally:
        del model.predict_on_batch
    assert max(np.prod(shape) for shape in fed) <= 2 * (32 + 2 * halo(model)) ** 2 * 2

"""The U-Net: its size by another formula, its outputs, its field of view by trying it out."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from builders import assert_says

from unet_helpers import keras
from unet_helpers.model.geometry import receptive_field, size_multiple
from unet_helpers.model.unet import NORMS, UPSAMPLING, unet

EVERY_KIND = list(itertools.product(NORMS, UPSAMPLING))


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(0)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=shape).astype(np.float32)


# --- parameters and layers ----------------------------------------------------------------------


def expected_parameters(
    channels: int, classes: int, filters: int, depth: int, norm: str | None, upsampling: str
) -> int:
    """Weights counted on paper: 9 for each pair of channels in a 3x3 convolution, and so on."""
    for_each_channel = {None: 1, "batch": 4, "group": 2, "instance": 2}[norm]  # bias, or the norm

    def block(before: int, after: int) -> int:
        return 9 * before * after + 9 * after * after + 2 * for_each_channel * after

    widths = [filters * 2**level for level in range(depth + 1)]
    down = sum(map(block, [channels, *widths], widths))
    up = 0
    for narrow, wide in itertools.pairwise(widths):
        if upsampling == "transpose":
            up += 4 * wide * narrow + narrow + block(2 * narrow, narrow)
        else:
            up += block(narrow + wide, narrow)
    return down + up + filters * classes + classes


SIZES = [(3, 1, 4, 1), (1, 3, 5, 2), (2, 1, 8, 4)]


@pytest.mark.parametrize(("stem", "classes"), [(2, 1), (4, 3)])
def test_a_stem_adds_its_two_layers_and_nothing_else(stem: int, classes: int) -> None:
    model = unet((None, None, 3), classes, filters=4, depth=2, upsampling="transpose", stem=stem)
    inner = expected_parameters(4, classes, 4, 2, "batch", "transpose") - (4 * classes + classes)
    around = stem**2 * 3 * 4 + 4 + (2 * stem) ** 2 * 4 * classes + classes
    assert model.count_params() == inner + around
    assert size_multiple(model) == stem * 4
    assert model(noise(2, stem * 4, stem * 12, 3)).shape == (2, stem * 4, stem * 12, classes)


def test_a_stem_saves_most_of_the_work() -> None:
    """Each of the inner layers sees a quarter of the pixels."""
    plain, folded = (unet((64, 64, 1), filters=4, depth=2, stem=stem) for stem in (1, 2))
    for layer in plain.layers:
        if "conv" in layer.name:
            twin = folded.get_layer(layer.name)
            assert twin.output.shape[1] * 2 == layer.output.shape[1]


@pytest.mark.parametrize(
    ("norm", "upsampling", "channels", "classes", "filters", "depth"),
    [
        *((*kind, *SIZES[0]) for kind in EVERY_KIND),
        *((*kind, *size) for kind in EVERY_KIND[::5] for size in SIZES[1:]),
    ],
)
def test_parameters_are_as_many_as_the_formula_says(
    norm: str | None, upsampling: str, channels: int, classes: int, filters: int, depth: int
) -> None:
    model = unet((None, None, channels), classes, filters, depth, norm=norm, upsampling=upsampling)
    expected = expected_parameters(channels, classes, filters, depth, norm, upsampling)
    assert model.count_params() == expected


def test_the_papers_net_has_31_million_parameters() -> None:
    model = unet((None, None, 1), num_classes=2, norm=None, upsampling="transpose")
    assert model.count_params() == expected_parameters(1, 2, 64, 4, None, "transpose")
    assert round(model.count_params() / 1e6) == 31


@pytest.mark.parametrize(("norm", "upsampling"), EVERY_KIND)
def test_every_layer_is_a_stock_keras_layer(norm: str | None, upsampling: str) -> None:
    model = unet((None, None, 1), filters=2, depth=2, norm=norm, upsampling=upsampling, dropout=0.1)
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
    assert not model.compiled


def test_group_normalisation_divides_any_number_of_filters() -> None:
    for filters in (3, 6, 8, 12):
        model = unet((None, None, 1), filters=filters, depth=1, norm="group")
        groups = {layer.groups for layer in model.layers if hasattr(layer, "groups") and
                  isinstance(layer, keras.layers.GroupNormalization)}  # fmt: skip
        assert all(filters % group == 0 or 2 * filters % group == 0 for group in groups)


# --- outputs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_output_has_the_inputs_size_for_every_multiple(depth: int) -> None:
    model, multiple = unet((None, None, 2), filters=2, depth=depth), 2**depth
    assert size_multiple(model) == multiple
    for rows, columns in itertools.product((1, 2, 3), repeat=2):
        shape = (rows * multiple, columns * multiple)
        assert model(noise(1, *shape, 2)).shape == (1, *shape, 1)


@pytest.mark.parametrize("upsampling", UPSAMPLING)
def test_outputs_are_probabilities(upsampling: str) -> None:
    one = unet((8, 8, 3), 1, 4, 2, upsampling=upsampling)
    many = unet((8, 8, 3), 4, 4, 2, upsampling=upsampling)
    for model in (one, many):
        values = model.predict_on_batch(noise(2, 8, 8, 3) * 20 - 10)
        assert values.dtype == np.float32
        assert values.min() >= 0 and values.max() <= 1
    assert values.shape == (2, 8, 8, 4)
    np.testing.assert_allclose(values.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize(("norm", "upsampling"), EVERY_KIND)
def test_every_kind_trains_a_step(norm: str | None, upsampling: str) -> None:
    model = unet((8, 8, 1), filters=2, depth=1, norm=norm, upsampling=upsampling, dropout=0.2)
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy", run_eagerly=True)
    before = [weight.copy() for weight in model.get_weights()]
    loss = model.train_on_batch(noise(2, 8, 8, 1), noise(2, 8, 8, 1) > 0.5)
    assert np.isfinite(loss)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert np.mean(changed) > 0.8


def test_dropout_acts_only_while_training() -> None:
    model, image = unet((8, 8, 1), filters=4, depth=1, dropout=0.5, norm=None), noise(1, 8, 8, 1)
    first, second = (np.asarray(model(image, training=False)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    first, second = (np.asarray(model(image, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)


@pytest.fixture
def mixed_precision() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("classes", [1, 3])
def test_the_output_is_float32_under_mixed_precision(mixed_precision: None, classes: int) -> None:
    model = unet((8, 8, 1), classes, filters=2, depth=1)
    assert model.get_layer("down0_conv1").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"
    assert model.predict_on_batch(noise(1, 8, 8, 1)).dtype == np.float32


OPEN_ELSEWHERE = """
import sys
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[3], model.predict_on_batch(np.load(sys.argv[2])))
assert not any(name.startswith("unet_helpers") for name in sys.modules)
"""


def test_a_saved_model_opens_in_plain_keras(tmp_path: Path) -> None:
    model, image = unet((None, None, 1), filters=2, depth=2, norm="group"), noise(1, 8, 12, 1)
    files = [tmp_path / name for name in ("model.keras", "image.npy", "prediction.npy")]
    model.save(files[0])
    np.save(files[1], image)
    command = [sys.executable, "-c", OPEN_ELSEWHERE, *map(str, files)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_allclose(np.load(files[2]), model.predict_on_batch(image), atol=1e-6)


# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"input_size": (250, 256, 3)}, ["height", "2**depth = 16", "found 250", "240 or 256"]),
        ({"input_size": (256, 250, 3)}, ["width", "found 250", "predict()"]),
        ({"input_size": (None, 250, 3), "depth": 3}, ["2**depth = 8", "248 or 256"]),
        ({"input_size": (10, 16, 3)}, ["found 10", "use 16,"]),
        ({"input_size": (0, 16, 3)}, ["height", "found 0"]),
        ({"input_size": (256, 256)}, ["input_size", "(height, width, channels)", "(256, 256)"]),
        ({"input_size": (None, None, None)}, ["channels given", "(None, None, 3)"]),
        ({"num_classes": 0}, ["num_classes", "at least 1", "found 0"]),
        ({"filters": 0}, ["filters", "at least 1", "found 0"]),
        ({"depth": 0}, ["depth", "at least 1", "found 0"]),
        ({"depth": -1}, ["depth", "at least 1", "found -1"]),
        ({"stem": 0}, ["stem", "at least 1", "found 0"]),
        ({"input_size": (264, 264, 3), "depth": 3, "stem": 2}, ["stem * 2**depth = 16", "found"]),
        ({"norm": "layer"}, ["norm", "'batch', 'group', 'instance', None", "found 'layer'"]),
        ({"norm": "none"}, ["norm", "found 'none'"]),
        ({"upsampling": "cubic"}, ["upsampling", "'nearest', 'bilinear', 'transpose'", "'cubic'"]),
        ({"dropout": 1.0}, ["dropout", "0 to below 1", "found 1.0"]),
        ({"dropout": -0.1}, ["dropout", "found -0.1"]),
    ],
)
def test_unfit_arguments_are_told_in_one_sentence(arguments: dict, parts: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        unet(**{"filters": 2, **arguments})
    assert_says(error, *parts)


# --- the receptive field ------------------------------------------------------------------------


def field_by_trial(depth: int, upsampling: str, width: int, stem: int = 1) -> tuple[int, int, int]:
    """Light up one image column after the other; see which columns of the output change.

    All weights are positive and nothing is subtracted, so no influence can cancel another, and
    on a dark image what an output does not depend on leaves its sigmoid at exactly 0.5.
    """
    period = stem * 2**depth
    shape = {"depth": depth, "upsampling": upsampling, "stem": stem}
    model = unet((period, width, 1), filters=1, norm=None, **shape)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([np.full_like(kernel, 0.5), np.zeros_like(bias)])
    columns = np.eye(width, dtype=np.float32)[:, None, :, None].repeat(period, axis=1)
    lit = model.predict(columns, batch_size=16, verbose=0).max(axis=(1, 3)) > 0.5
    seen = []
    for pixel in range(width // 2, width // 2 + period):
        sees = np.flatnonzero(lit[:, pixel])
        assert sees[0] > 0 and sees[-1] < width - 1  # the image's border plays no part
        seen.append((sees[-1] - sees[0] + 1, max(pixel - sees[0], sees[-1] - pixel)))
    spans, reaches = zip(*seen, strict=True)
    return min(spans), max(spans), max(reaches)


@pytest.mark.parametrize("upsampling", UPSAMPLING)
@pytest.mark.parametrize(
    ("depth", "width", "stem"), [(1, 64, 1), (2, 96, 1), (1, 96, 2), (1, 120, 3)]
)
def test_the_receptive_field_is_what_a_trial_shows(
    depth: int, upsampling: str, width: int, stem: int
) -> None:
    shape = {"depth": depth, "upsampling": upsampling, "stem": stem}
    traced = receptive_field(unet((None, None, 1), filters=1, **shape))
    assert tuple(traced) == field_by_trial(depth, upsampling, width, stem)


def test_the_receptive_field_at_depth_4() -> None:
    assert tuple(receptive_field(unet(filters=1))) == (188, 204, 107)
    assert field_by_trial(4, "nearest", 256) == (188, 204, 107)


def test_normalisation_and_dropout_do_not_count_in_the_field() -> None:
    plain = unet((None, None, 1), filters=2, depth=2, norm=None)
    dressed = unet((None, None, 1), filters=2, depth=2, norm="batch", dropout=0.1)
    assert receptive_field(plain) == receptive_field(dressed)

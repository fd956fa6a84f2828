"""The sanity tools on real small models; whatever they do, the model comes back as it was."""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from builders import assert_says, blob_samples, some_slow

from unet_helpers import keras
from unet_helpers.model.unet import unet
from unet_helpers.training.recipe import BceDice, adamw
from unet_helpers.training.sanity import (
    RateRange,
    _rated,
    learning_rate_range,
    loss_at_start,
    overfit_one_batch,
    set_prior,
    set_seed,
)

IMAGES, MASKS = blob_samples(4, side=16).stack()


def compiled(loss: Any = None, classes: int = 1, **settings: Any) -> Any:
    set_seed(0)
    model = unet((16, 16, 3), classes, filters=4, depth=1, **settings)
    model.compile(adamw(100), loss or BceDice(), metrics=["accuracy"])
    return model


def state_of(model: Any) -> list[bytes]:
    """Everything that a training would change, as bytes."""
    variables = [*model.variables, *model.optimizer.variables]
    state = [np.asarray(keras.ops.convert_to_numpy(v.value)).tobytes() for v in variables]
    return [*state, repr(random.getstate()).encode(), repr(np.random.get_state()).encode()]  # noqa: NPY002


TOOLS: dict[str, Callable[[Any], Any]] = {
    "overfit": lambda model: overfit_one_batch(model, (IMAGES, MASKS), steps=3),
    "range": lambda model: learning_rate_range(model, [(IMAGES, MASKS)], steps=10),
    "start": lambda model: loss_at_start(model, (IMAGES, MASKS)),
}
every_tool = pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS.keys())


@pytest.mark.parametrize("name", some_slow(TOOLS, {*TOOLS} - {"overfit"}))
def test_the_model_comes_back_to_the_bit(name: str) -> None:
    model = compiled(dropout=0.3)
    model.fit(IMAGES, MASKS, epochs=1, verbose=0)  # so that the optimiser has a state, too
    optimizer, loss, before = model.optimizer, model.loss, state_of(model)
    assert len(before) > 30
    TOOLS[name](model)
    assert state_of(model) == before
    assert model.optimizer is optimizer
    assert model.loss is loss
    assert [m.name for m in model.metrics] == ["loss", "compile_metrics"]


@pytest.mark.slow
def test_the_training_after_a_check_is_that_without_it() -> None:
    weights = []
    for check in (True, False):
        model = compiled(dropout=0.3)
        if check:
            for tool in TOOLS.values():
                tool(model)
        model.fit(IMAGES, MASKS, epochs=2, batch_size=2, verbose=0)
        weights.append(state_of(model))
    assert weights[0] == weights[1]


def test_the_model_comes_back_when_a_batch_is_broken() -> None:
    model = compiled()
    before = state_of(model)
    with pytest.raises(ValueError):
        learning_rate_range(model, [(IMAGES, MASKS), (IMAGES,)], steps=10)
    assert state_of(model) == before


# --- overfit ------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [1, 2])
def test_a_sound_model_learns_its_batch(classes: int) -> None:
    found = overfit_one_batch(compiled(classes=classes), (IMAGES, MASKS), steps=40)
    assert found.learned
    assert len(found.losses) == len(found.dices) == 40
    assert found.losses[-1] < 0.5 * found.losses[0]
    assert found.dices[-1] >= 0.95 > found.dices[0]
    assert str(found).endswith("learned by heart; masks, loss and gradients are connected")
    assert f"loss ≈ {found.losses[0]:.3f} to ≈ {found.losses[-1]:.3f}, Dice ≈ " in str(found)


def test_the_first_loss_and_dice_are_those_before_any_step() -> None:
    model = compiled()
    said = keras.ops.convert_to_numpy(model(IMAGES, training=True))
    model = compiled()
    found = overfit_one_batch(model, (IMAGES, MASKS), steps=2)
    assert found.losses[0] == pytest.approx(float(BceDice()(MASKS, said)), rel=1e-4)
    guess = said > 0.5
    dice = 2 * (guess & (MASKS > 0)).sum() / (guess.sum() + (MASKS > 0).sum())
    assert found.dices[0] == pytest.approx(dice, rel=1e-5)


def test_frozen_layers_are_found() -> None:
    model = compiled()
    model.trainable = False
    model.compile("sgd", BceDice())
    with pytest.warns(UserWarning, match="trainable"):
        found = overfit_one_batch(model, (IMAGES, MASKS), steps=5)
    assert not found.learned
    assert "nothing was learned" in found.verdict


def test_unequal_pairs_are_learned_in_part_only() -> None:
    noise = np.random.default_rng(0).integers(0, 2, MASKS.shape).astype(np.uint8)
    found = overfit_one_batch(compiled(), (np.zeros_like(IMAGES), noise), steps=20)
    assert not found.learned


def test_nan_in_an_image_ends_it() -> None:
    images = IMAGES.copy()
    images[0, 0, 0, 0] = np.nan
    found = overfit_one_batch(compiled(), (images, MASKS), steps=5)
    assert len(found.losses) == 1
    assert "no number" in found.verdict


def test_a_batch_without_foreground_is_told() -> None:
    found = overfit_one_batch(compiled(), (IMAGES, np.zeros_like(MASKS)), steps=2)
    assert not found.learned
    assert "no foreground" in found.verdict


def test_ignored_pixels_do_not_count_for_the_dice() -> None:
    masks = MASKS.copy()
    masks[:, :8] = 255
    loss = BceDice(ignore_value=255)
    found = overfit_one_batch(compiled(loss), (IMAGES, masks), steps=30, ignore_value=255)
    assert found.learned


# --- range of rates -----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_range_test_finds_a_rate_that_trains() -> None:
    found = learning_rate_range(compiled(), [(IMAGES, MASKS)], 1e-5, 10.0, steps=50)
    assert found.suggested is not None
    assert 1e-4 < found.suggested < 1
    factors = found.rates[1:] / found.rates[:-1]
    np.testing.assert_allclose(factors, (10 / 1e-5) ** (1 / 49), rtol=1e-9)
    assert len(found.rates) == len(found.losses) == len(found.smoothed) <= 50
    assert f"suggested ≈ {found.suggested:.0e}" in str(found)
    model = compiled()
    model.compile(keras.optimizers.AdamW(found.suggested), BceDice())
    losses = model.fit(IMAGES, MASKS, batch_size=4, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.6 * losses[0]


def test_rates_far_too_low_give_no_suggestion() -> None:
    found = learning_rate_range(compiled(), [(IMAGES, MASKS)], 1e-9, 1e-8, steps=12)
    assert found.suggested is None
    assert "no learning rate made the loss fall" in str(found)


def test_the_steepest_fall_is_suggested() -> None:
    """A loss that falls along a logistic curve around 1e-3 and blows up at the end."""
    rates = np.geomspace(1e-5, 1, 101)
    losses = 1 / (1 + (rates / 1e-3) ** 2) + 0.1 + np.where(rates > 0.3, 3, 0)
    found = _rated(rates, losses)
    assert isinstance(found, RateRange)
    assert found.suggested == pytest.approx(1e-3, rel=0.15)
    flat = _rated(rates, np.ones(101))
    assert flat.suggested is None
    ended = _rated(rates[:40], np.append(losses[:39], np.nan))
    assert ended.suggested is None or ended.suggested <= rates[38]


# --- loss at the start --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "classes", "theory"),
    [
        ("binary_crossentropy", 1, math.log(2)),
        (keras.losses.BinaryCrossentropy(), 1, math.log(2)),
        ("sparse_categorical_crossentropy", 3, math.log(3)),
        (BceDice(1e-9), 1, None),
    ],
)
def test_the_expected_loss_is_that_of_theory(loss: Any, classes: int, theory: float) -> None:
    share = MASKS.mean()
    if theory is None:  # ln 2 plus 1 - 2 * (p / 2) / (1 / 2 + p)
        theory = math.log(2) + 1 - share / (0.5 + share)
    found = loss_at_start(compiled(loss, classes), (IMAGES, MASKS))
    assert found.expected == pytest.approx(theory, rel=1e-4)
    assert found.verdict == "as it should be"
    assert f"of a model that knows nothing ≈ {theory:.3f}" in str(found)
    if classes == 1 and not isinstance(loss, BceDice):
        entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
        assert found.best_constant == pytest.approx(entropy, rel=1e-4)


def test_logits_are_asked_as_logits() -> None:
    model = keras.Sequential([keras.layers.Conv2D(1, 1, kernel_initializer="zeros")])
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    found = loss_at_start(model, (IMAGES, MASKS))
    assert found.measured == found.expected == pytest.approx(math.log(2), rel=1e-5)


def test_weights_count() -> None:
    weights = np.full(MASKS.shape, 3, np.float32)
    found = loss_at_start(compiled("binary_crossentropy"), (IMAGES, MASKS, weights))
    assert found.expected == pytest.approx(3 * math.log(2), rel=1e-4)


@pytest.mark.parametrize(
    ("images", "masks", "settings", "says"),
    [
        (255 * IMAGES, MASKS, {"norm": None}, "the images reach 219, scale them"),
        (IMAGES, 255 * MASKS, {}, "the masks hold values up to 255"),
        (np.full_like(IMAGES, np.nan), MASKS, {}, "NaN in the images"),
    ],
)
def test_faults_are_named(images: Any, masks: Any, settings: Any, says: str) -> None:
    model = compiled("binary_crossentropy", **settings)
    assert says in loss_at_start(model, (images, masks)).verdict


def test_a_dead_output_is_named() -> None:
    model = keras.Sequential(
        [keras.layers.Conv2D(1, 1, activation="relu", bias_initializer=lambda *_, **__: [-9.0])]
    )
    model.compile("sgd", "binary_crossentropy")
    assert "the output is 0 everywhere" in loss_at_start(model, (IMAGES, MASKS)).verdict


@pytest.mark.slow
def test_a_trained_model_is_told() -> None:
    model = compiled("binary_crossentropy")
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy")
    model.fit(IMAGES, MASKS, epochs=40, verbose=0)
    assert "trained already" in loss_at_start(model, (IMAGES, MASKS)).verdict


# --- prior --------------------------------------------------------------------------------------


def test_the_prior_is_where_the_model_begins() -> None:
    masks = np.zeros((1, 16, 16, 1), np.uint8)
    masks[:, :1, :4] = 1
    share = float(masks.mean())
    model = compiled("binary_crossentropy")
    model.get_layer("output").kernel.assign(np.zeros((1, 1, 4, 1)))
    set_prior(model, share)
    np.testing.assert_allclose(model(IMAGES), share, rtol=1e-5)
    found = loss_at_start(model, (IMAGES[:1], masks))
    assert found.measured == pytest.approx(found.best_constant, rel=1e-4)
    assert "bias is set" in found.verdict


def test_the_prior_of_several_classes() -> None:
    model = compiled(classes=3)
    model.get_layer("output").kernel.assign(np.zeros((1, 1, 4, 3)))
    set_prior(model, [0.7, 0.2, 0.1])
    np.testing.assert_allclose(model(IMAGES)[0, 0, 0], [0.7, 0.2, 0.1], rtol=1e-5)


# --- seeds --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_one_seed_repeats_a_whole_training() -> None:
    runs = []
    for _ in range(2):
        model = compiled(dropout=0.5)
        model.fit(IMAGES, MASKS, epochs=2, batch_size=2, verbose=0)
        runs.append([random.random(), *np.random.rand(2), *state_of(model)])  # noqa: NPY002
    assert runs[0] == runs[1]


# --- refusals -----------------------------------------------------------------------------------


@every_tool
def test_a_model_without_a_loss_is_refused(tool: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError) as error:
        tool(unet((16, 16, 3), filters=4, depth=1))
    assert_says(error, "model must be compiled", "'unet' without")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: overfit_one_batch(m, IMAGES), ("batch must be (images, masks)", "one ndarray")),
        (lambda m: overfit_one_batch(m, (IMAGES,)), ("batch must be", "found 1 parts")),
        (lambda m: loss_at_start(m, (IMAGES, MASKS[:2])), ("(4, 16, 16, 3) and (2, 16, 16, 1)",)),
        (lambda m: overfit_one_batch(m, (IMAGES, MASKS), 1), ("steps must be at least 2", "1, 0")),
        (lambda m: learning_rate_range(m, [], steps=10), ("data must hold", "found none")),
        (lambda m: learning_rate_range(m, [], 1, 0.1), ("lowest", "found 1, 0.1 and 60")),
        (lambda m: set_prior(m, 0), ("shares must lie between 0 and 1", "found 0")),
        (lambda m: set_prior(m, [0.5, 0.5]), ("each of 2 shares", "found 1")),
        (lambda m: set_seed(-1), ("seed must be", "found -1")),
        (lambda m: set_seed(1.5), ("seed must be", "found 1.5")),
    ],
)
def test_wrong_arguments_are_refused(call: Callable[[Any], Any], says: tuple[str, ...]) -> None:
    with pytest.raises(ValueError) as error:
        call(compiled())
    assert_says(error, *says)

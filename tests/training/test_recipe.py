"""The loss against NumPy, and the learning rate against its formula."""

import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from builders import assert_says, blob_samples

from unet_helpers import keras
from unet_helpers.model.unet import unet
from unet_helpers.training import recipe
from unet_helpers.training.recipe import BceDice, adamw, fast_precision

RNG = np.random.default_rng(0)


def expected_loss(
    truth: np.ndarray, prediction: np.ndarray, smooth: float = 1, ignore: int | None = None
) -> float:
    """Pixel by pixel: minus the log of the truth's probability, and 1 - soft Dice."""
    classes = prediction.shape[-1]
    labels, pixels = truth.reshape(-1), prediction.reshape(-1, classes).astype(float)
    labels, pixels = labels[labels != ignore], pixels[labels != ignore]
    if classes == 1:
        pixels = np.concatenate([1 - pixels, pixels], axis=1)
    entropy = np.mean([-math.log(p[y]) for y, p in zip(labels, pixels, strict=True)] or [0])
    overlap_losses = []
    for class_id in range(1, max(classes, 2)):
        is_class, said = labels == class_id, pixels[:, class_id]
        above, below = 2 * said[is_class].sum() + smooth, said.sum() + is_class.sum() + smooth
        overlap_losses.append(1 - above / below)
    return float(entropy + np.mean(overlap_losses))


def batch(classes: int, values: list[int]) -> tuple[np.ndarray, np.ndarray]:
    truth = RNG.choice(values, (3, 5, 4, 1)).astype(np.uint8)
    raw = RNG.uniform(0.05, 0.95, (3, 5, 4, classes))
    return truth, (raw / (raw.sum(-1, keepdims=True) if classes > 1 else 1)).astype(np.float32)


@pytest.mark.parametrize("smooth", [1.0, 0.01, 50.0])
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_the_loss_is_that_of_numpy(classes: int, smooth: float) -> None:
    truth, prediction = batch(classes, list(range(max(classes, 2))))
    loss = float(BceDice(smooth)(truth, prediction))
    assert loss == pytest.approx(expected_loss(truth, prediction, smooth), rel=1e-4)


@pytest.mark.parametrize("classes", [1, 3])
def test_ignored_pixels_do_not_count(classes: int) -> None:
    truth, prediction = batch(classes, [0, 1, 255])
    loss = BceDice(ignore_value=255)
    expected = expected_loss(truth, prediction, ignore=255)
    assert float(loss(truth, prediction)) == pytest.approx(expected, rel=1e-4)
    other = np.where(truth == 255, 1 / 3, prediction).astype(np.float32)
    assert float(loss(truth, other)) == pytest.approx(expected, rel=1e-4)


def test_a_batch_without_labels_costs_nothing() -> None:
    truth = np.full((1, 4, 4, 1), 255, np.uint8)
    prediction = np.full((1, 4, 4, 1), 0.3, np.float32)
    assert float(BceDice(ignore_value=255)(truth, prediction)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("classes", [1, 3])
def test_a_perfect_prediction_costs_next_to_nothing(classes: int) -> None:
    truth, _ = batch(classes, list(range(max(classes, 2))))
    hot = np.eye(max(classes, 2), dtype=np.float32)[truth[..., 0]]
    prediction = hot[..., 1:] if classes == 1 else hot
    assert 0 <= float(BceDice()(truth, prediction)) < 1e-5
    assert float(BceDice()(truth, 1 - prediction)) > 1


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("said", [0.0, 0.5, 1.0])
def test_the_loss_is_finite_for_empty_and_full_masks(value: int, said: float) -> None:
    truth = np.full((2, 4, 4, 1), value, np.uint8)
    loss = float(BceDice()(truth, np.full(truth.shape, said, np.float32)))
    assert np.isfinite(loss)
    assert (loss < 1e-5) == (said == value)


def test_an_empty_mask_still_pulls_every_probability_down() -> None:
    prediction = tf.Variable(np.full((1, 4, 4, 1), 0.4, np.float32))
    with tf.GradientTape() as tape:
        loss = BceDice()(np.zeros((1, 4, 4, 1), np.uint8), prediction)
    gradient = tape.gradient(loss, prediction).numpy()
    assert np.isfinite(gradient).all()
    assert (gradient > 0).all()


@pytest.mark.parametrize("classes", [1, 3])
def test_truth_may_come_without_its_channel_axis(classes: int) -> None:
    """As the metrics take it, and as Keras' own cross-entropies do."""
    truth, prediction = batch(classes, list(range(max(classes, 2))))
    usual = float(BceDice()(truth, prediction))
    assert float(BceDice()(truth[..., 0], prediction)) == pytest.approx(usual)


def test_the_loss_can_be_rebuilt_from_its_config() -> None:
    config = keras.saving.serialize_keras_object(BceDice(3.0, ignore_value=255, name="mine"))
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is BceDice
    assert (again.smooth, again.ignore_value, again.name) == (3.0, 255, "mine")
    truth, prediction = batch(1, [0, 1, 255])
    expected = expected_loss(truth, prediction, smooth=3, ignore=255)
    assert float(again(truth, prediction)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("classes", [1, 2])
def test_loss_and_optimiser_train_in_fit(classes: int) -> None:
    images, masks = blob_samples(4, side=16).stack()
    keras.utils.set_random_seed(0)
    model = unet((16, 16, 3), classes, filters=4, depth=1)
    model.compile(adamw(steps=10, peak=3e-2), BceDice(), run_eagerly=True)
    losses = model.fit(images, masks, batch_size=4, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    reported = model.evaluate(images, masks, batch_size=4, verbose=0)
    prediction = model.predict(images, verbose=0)
    assert reported == pytest.approx(expected_loss(masks, prediction), rel=1e-3)


# --- adamw --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "peak", "warmup"),
    [(100, 3e-3, 0.1), (37, 1e-2, 0.3), (2, 1e-3, 0.1), (50, 1e-3, 0.0), (1000, 3e-3, 0.05)],
)
def test_the_rate_rises_in_a_line_and_falls_along_a_cosine(
    steps: int, peak: float, warmup: float
) -> None:
    rate = adamw(steps, peak, warmup)._learning_rate
    rising = max(1, round(steps * warmup))
    for step in range(0, steps + 1, max(1, steps // 50)):
        if step <= rising:
            expected = peak * step / rising
        else:
            share = (step - rising) / (steps - rising)
            expected = peak * (1 + math.cos(math.pi * share)) / 2
        assert float(rate(step)) == pytest.approx(expected, abs=1e-6 * peak + 1e-9)
    assert float(rate(rising)) == pytest.approx(peak)
    assert float(rate(steps)) == pytest.approx(0, abs=1e-9)


def test_it_is_adamw() -> None:
    optimizer = adamw(10)
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert optimizer.weight_decay > 0


@pytest.mark.parametrize("steps", [1, 0, -5])
def test_too_few_steps_are_refused(steps: int) -> None:
    with pytest.raises(ValueError) as error:
        adamw(steps)
    assert_says(error, "steps must be at least 2", f"found {steps}")


@pytest.mark.parametrize(
    ("flags", "policy"),
    [
        ("sse avx2 avx512f", "float32"),
        ("avx512f avx512_bf16", "mixed_bfloat16"),
        ("amx_bf16", "mixed_bfloat16"),
        (None, "float32"),
    ],
)
def test_fast_precision_goes_by_the_processors_abilities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str | None, policy: str
) -> None:
    about = tmp_path / "cpuinfo"
    if flags is not None:
        about.write_text(f"model name : some\nflags : {flags}\n")
    monkeypatch.setattr(recipe, "Path", lambda _: about)
    assert fast_precision() == policy

"""The losses against NumPy, Keras and MONAI."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from builders import assert_says, blob_samples

from unet_helpers import keras
from unet_helpers.training.losses import Focal, SoftDice, Tversky, WeightedCrossentropy
from unet_helpers.training.recipe import BceDice

RNG = np.random.default_rng(0)
ALL: dict[str, Callable[..., Any]] = {
    "weighted": WeightedCrossentropy,
    "focal": Focal,
    "focal, root": lambda **more: Focal(0.5, **more),
    "tversky": Tversky,
    "focal tversky": lambda **more: Tversky(gamma=4 / 3, **more),
    "soft dice": SoftDice,
}
every_loss = pytest.mark.parametrize("make", ALL.values(), ids=ALL.keys())


def batch(classes: int, values: list[int]) -> tuple[np.ndarray, np.ndarray]:
    truth = RNG.choice(values, (3, 5, 4, 1)).astype(np.uint8)
    raw = RNG.uniform(0.05, 0.95, (3, 5, 4, classes))
    return truth, (raw / (raw.sum(-1, keepdims=True) if classes > 1 else 1)).astype(np.float32)


def pixels_of(truth: np.ndarray, said: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) and probabilities (n, classes), two classes for one output."""
    labels, pixels = truth.reshape(-1).astype(int), said.reshape(-1, said.shape[-1]).astype(float)
    return labels, np.concatenate([1 - pixels, pixels], 1) if pixels.shape[1] == 1 else pixels


# --- against NumPy, pixel by pixel ---------------------------------------------------------------


def expected_focal(truth, said, gamma=0.0, alpha=None, weights=None, ignore=None):
    labels, pixels = pixels_of(truth, said)
    weights = np.ones(labels.size) if weights is None else weights.reshape(-1)
    total, number = 0.0, 0
    for label, pixel, weight in zip(labels, pixels, weights, strict=True):
        if label == ignore:
            continue
        factor = 1 if alpha is None else alpha[label]
        total -= weight * factor * (1 - pixel[label]) ** gamma * math.log(pixel[label])
        number += 1
    return total / max(number, 1)


def expected_tversky(truth, said, alpha, beta, gamma=1.0, smooth=1.0, weights=None, ignore=None):
    labels, pixels = pixels_of(truth, said)
    weights = np.ones(labels.size) if weights is None else weights.reshape(-1)
    keep = labels != ignore
    labels, pixels, weights = labels[keep], pixels[keep], weights[keep]
    losses = []
    for class_id in range(1, pixels.shape[1]):
        there, p = labels == class_id, pixels[:, class_id]
        tp = (weights * p)[there].sum()
        fp, fn = (weights * p)[~there].sum(), (weights * (1 - p))[there].sum()
        overlap = (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)
        losses.append((1 - overlap) ** (1 / gamma))
    return np.mean(losses)


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_is_its_formula(classes: int, gamma: float) -> None:
    alpha = RNG.uniform(0.1, 1, max(classes, 2)).tolist()
    truth, said = batch(classes, list(range(max(classes, 2))))
    assert float(Focal(gamma)(truth, said)) == pytest.approx(
        expected_focal(truth, said, gamma), rel=1e-4
    )
    assert float(Focal(gamma, alpha)(truth, said)) == pytest.approx(
        expected_focal(truth, said, gamma, alpha), rel=1e-4
    )


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize(("alpha", "beta"), [(0.3, 0.7), (0.5, 0.5), (1, 1), (0.9, 0.1)])
@pytest.mark.parametrize("gamma", [1.0, 4 / 3])
def test_tversky_is_its_formula(classes: int, alpha: float, beta: float, gamma: float) -> None:
    truth, said = batch(classes, list(range(max(classes, 2))))
    expected = expected_tversky(truth, said, alpha, beta, gamma, smooth=2.0)
    assert float(Tversky(alpha, beta, gamma, smooth=2.0)(truth, said)) == pytest.approx(
        expected, rel=1e-4
    )


@pytest.mark.parametrize("classes", [1, 3])
def test_soft_dice_is_bce_dice_without_its_entropy(classes: int) -> None:
    truth, said = batch(classes, [0, 1, 255])
    both = float(BceDice(2.0, ignore_value=255)(truth, said))
    entropy = expected_focal(truth, said, ignore=255)
    assert float(SoftDice(2.0, ignore_value=255)(truth, said)) == pytest.approx(
        both - entropy, abs=1e-5
    )


@pytest.mark.parametrize("classes", [1, 3])
def test_weights_and_ignored_pixels_count_inside_the_sums(classes: int) -> None:
    truth, said = batch(classes, [0, 1, 255])
    weights = RNG.uniform(0, 5, truth.shape).astype(np.float32)
    more = {"weights": weights, "ignore": 255}
    for loss, expected in (
        (WeightedCrossentropy(255), expected_focal(truth, said, **more)),
        (Focal(2.0, ignore_value=255), expected_focal(truth, said, 2.0, **more)),
        (Tversky(ignore_value=255), expected_tversky(truth, said, 0.3, 0.7, **more)),
        (
            SoftDice(ignore_value=255),
            expected_tversky(truth, said, 0.5, 0.5, smooth=0.5, **more),
        ),
    ):
        assert float(loss(truth, said, sample_weight=weights)) == pytest.approx(expected, rel=1e-4)
        flat = float(loss(truth[..., 0], said, sample_weight=weights[..., 0]))
        assert flat == pytest.approx(expected, rel=1e-4)
        other = np.where(truth == 255, 1 / 3, said).astype(np.float32)
        assert float(loss(truth, other, sample_weight=weights)) == pytest.approx(expected, rel=1e-4)


@every_loss
def test_a_weight_for_each_image(make: Callable[..., Any]) -> None:
    truth, said = batch(1, [0, 1])
    loss = make()
    per_image = np.array([1.0, 0.0, 3.0], np.float32)
    spread = np.broadcast_to(per_image[:, None, None, None], truth.shape)
    assert float(loss(truth, said, sample_weight=per_image)) == pytest.approx(
        float(loss(truth, said, sample_weight=spread)), rel=1e-6
    )
    assert float(loss(truth, said, sample_weight=np.ones(3))) == pytest.approx(
        float(loss(truth, said)), rel=1e-6
    )


# --- against Keras and MONAI ---------------------------------------------------------------------


def test_keras_agrees_where_it_has_the_same_loss() -> None:
    truth, said = batch(1, [0, 1])
    weights = RNG.uniform(0, 5, truth.shape).astype(np.float32)
    of = keras.losses
    pairs = [
        (Focal(2.0), of.BinaryFocalCrossentropy(gamma=2.0)),
        (Focal(3.0, 0.25), of.BinaryFocalCrossentropy(True, alpha=0.25, gamma=3.0)),
        (WeightedCrossentropy(), of.BinaryCrossentropy()),
        # Keras 3.15 takes truth and prediction the other way round: its alpha weighs the misses,
        # against its documentation and the paper. MONAI's, below, weighs the false alarms.
        (Tversky(0.3, 0.7, smooth=1e-6), of.Tversky(alpha=0.7, beta=0.3)),
        (SoftDice(smooth=1e-6), of.Dice()),
    ]
    for ours, theirs in pairs:
        assert float(ours(truth, said)) == pytest.approx(float(theirs(truth, said)), rel=1e-4)
    for ours, theirs in pairs[:3]:
        assert float(ours(truth, said, sample_weight=weights)) == pytest.approx(
            float(theirs(truth, said, sample_weight=weights)), rel=1e-4
        )


def test_monai_agrees_where_it_has_the_same_loss() -> None:
    torch = pytest.importorskip("torch")
    monai = pytest.importorskip("monai.losses")

    def theirs(loss: Any, truth: np.ndarray, said: np.ndarray) -> float:
        return float(loss(*(torch.from_numpy(np.moveaxis(x, -1, 1).copy()) for x in (said, truth))))

    truth, said = batch(1, [0, 1])
    truth, logits = truth.astype(np.float32), np.log(said / (1 - said))
    same = {"batch": True, "smooth_nr": 1e-6, "smooth_dr": 1e-6}
    pairs = [
        (Focal(2.0), monai.FocalLoss(gamma=2.0), logits),
        (Focal(1.5, 0.25), monai.FocalLoss(gamma=1.5, alpha=0.25), logits),
        (Tversky(smooth=1e-6), monai.TverskyLoss(alpha=0.3, beta=0.7, **same), said),
        (SoftDice(smooth=1e-6), monai.DiceLoss(**same), said),
    ]
    for ours, other, given in pairs:
        expected = theirs(other, truth, given)
        assert float(ours(truth, said)) == pytest.approx(expected, rel=1e-4)


def test_monai_agrees_for_several_classes() -> None:
    torch = pytest.importorskip("torch")
    monai = pytest.importorskip("monai.losses")
    truth, said = batch(4, [0, 1, 2, 3])
    same = {"batch": True, "smooth_nr": 1e-6, "smooth_dr": 1e-6}
    same |= {"include_background": False, "to_onehot_y": True}
    first, second = (torch.from_numpy(np.moveaxis(x, -1, 1).copy()) for x in (said, truth))
    for ours, other in (
        (Tversky(smooth=1e-6), monai.TverskyLoss(alpha=0.3, beta=0.7, **same)),
        (SoftDice(smooth=1e-6), monai.DiceLoss(**same)),
    ):
        assert float(ours(truth, said)) == pytest.approx(float(other(first, second)), rel=1e-4)


# --- properties ----------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("value", [0, 1, 255])
@pytest.mark.parametrize("said", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_loss_and_gradient_are_finite(
    make: Callable[..., Any], value: int, said: float, dtype: str
) -> None:
    truth = np.full((2, 4, 4, 1), value, np.uint8)
    prediction = tf.Variable(tf.fill(truth.shape, tf.cast(said, dtype)))
    with tf.GradientTape() as tape:
        loss = make(ignore_value=255)(truth, prediction)
    assert loss.dtype == "float32"
    assert np.isfinite(float(loss))
    gradient = tape.gradient(loss, prediction)
    assert np.isfinite(tf.cast(gradient, "float32").numpy()).all()
    if value == 255 or said == value:
        assert float(loss) < 1e-3
    else:
        assert float(loss) > 0


@every_loss
@pytest.mark.parametrize("classes", [1, 3])
def test_better_predictions_cost_less(make: Callable[..., Any], classes: int) -> None:
    truth, _ = batch(classes, list(range(max(classes, 2))))
    hot = np.eye(max(classes, 2), dtype=np.float32)[truth[..., 0]]
    hot = hot[..., 1:] if classes == 1 else hot
    flat = np.full_like(hot, 1 / max(classes, 2))
    losses = [float(make()(truth, share * hot + (1 - share) * flat)) for share in (0, 0.5, 0.9, 1)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-2 < losses[0]


@every_loss
def test_every_loss_can_be_rebuilt_from_its_config(make: Callable[..., Any]) -> None:
    loss = make(ignore_value=255, name="mine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert (again.name, again.ignore_value) == ("mine", 255)
    truth, said = batch(1, [0, 1, 255])
    assert float(again(truth, said)) == float(loss(truth, said))


@every_loss
@pytest.mark.parametrize("classes", [1, 2])
def test_every_loss_trains_in_plain_fit(make: Callable[..., Any], classes: int) -> None:
    images, masks = blob_samples(4, side=16).stack()
    weights = np.where(masks == 1, 2, 1).astype(np.float32)
    keras.utils.set_random_seed(0)
    activation = "sigmoid" if classes == 1 else "softmax"
    model = keras.Sequential([keras.layers.Conv2D(classes, 1, activation=activation)])
    model.compile(keras.optimizers.Adam(0.3), make(), run_eagerly=True)
    settings = {"sample_weight": weights, "batch_size": 4, "verbose": 0}
    losses = model.fit(images, masks, epochs=12, **settings).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    expected = float(make()(masks, model.predict(images, verbose=0), sample_weight=weights))
    reported = model.evaluate(images, masks, **settings)
    assert reported == pytest.approx(expected, rel=1e-3)


def test_one_loss_in_a_graph_and_in_bfloat16() -> None:
    images, masks = blob_samples(4, side=16).stack()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Conv2D(1, 1, activation="sigmoid")])
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.Adam(0.3), Tversky(gamma=4 / 3))
    losses = model.fit(images, masks, batch_size=4, epochs=30, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Focal(-1), ("gamma must be at least 0", "found -1")),
        (lambda: Focal(float("nan")), ("gamma", "found nan")),
        (lambda: Focal(alpha=1.5), ("alpha must be from 0 to 1", "found 1.5")),
        (lambda: Tversky(alpha=-0.1), ("alpha and beta", "-0.1")),
        (lambda: Tversky(gamma=0), ("gamma", "found 0.3, 0.7, 0 and 1")),
        (lambda: Tversky(smooth=0), ("smooth", "1.0 and 0")),
        (lambda: SoftDice(smooth=0), ("smooth must be above 0", "found 0")),
        (
            lambda: Focal(alpha=[1, 1, 1])(*batch(1, [0, 1])),
            ("alpha must hold one weight for each of the 2 classes", "found 3"),
        ),
    ],
)
def test_wrong_settings_are_refused(make: Callable[[], Any], says: tuple[str, ...]) -> None:
    with pytest.raises(ValueError) as error:
        make()
    assert_says(error, *says)

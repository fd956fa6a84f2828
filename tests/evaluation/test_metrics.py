"""The Keras metrics equal the NumPy scores, whatever the batch size and however many pixels."""

import numpy as np
import pytest
from builders import blob_samples

from unet_helpers import keras
from unet_helpers.evaluation.metrics import BASE, Dice, IoU
from unet_helpers.evaluation.scores import count, dice, iou
from unet_helpers.model.unet import unet

RNG = np.random.default_rng(0)
METRICS = [(IoU, iou), (Dice, dice)]


def two_class_batch() -> tuple[np.ndarray, np.ndarray]:
    """Sixteen images whose foregrounds differ in size, so that a mean of batches would differ."""
    probabilities = RNG.uniform(size=(16, 6, 5, 1)).astype(np.float32)
    shares = np.linspace(0, 0.9, 16)[:, None, None, None]
    return (RNG.uniform(size=probabilities.shape) < shares).astype(np.uint8), probabilities


def result_of(metric: keras.metrics.Metric, truth: object, prediction: object) -> float:
    metric.update_state(truth, prediction)
    return float(metric.result())


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 16])
@pytest.mark.parametrize(("metric_type", "score"), METRICS)
def test_metrics_equal_the_scores_for_every_batch_size(
    metric_type: type, score: object, batch_size: int
) -> None:
    truth, probabilities = two_class_batch()
    metric = metric_type(threshold=0.4)
    for start in range(0, 16, batch_size):
        batch = slice(start, start + batch_size)
        metric.update_state(truth[batch], probabilities[batch])
    expected = score(count(truth, probabilities > 0.4))[1]
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("metric_type", "score"), METRICS)
def test_with_several_channels_every_class_but_0_is_foreground(
    metric_type: type, score: object
) -> None:
    truth = RNG.integers(0, 4, (5, 6, 7, 1))
    probabilities = RNG.uniform(size=(5, 6, 7, 4)).astype(np.float32)
    guess = probabilities.argmax(axis=-1)[..., None]
    expected = score(count(truth > 0, guess > 0))[1]
    got = result_of(metric_type(), truth, probabilities)
    assert got == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("metric_type", "score"), METRICS)
@pytest.mark.parametrize("classes", [1, 3])
def test_ignored_pixels_do_not_count(metric_type: type, score: object, classes: int) -> None:
    truth = RNG.choice([0, 1, 255], (4, 6, 6, 1)).astype(np.uint8)
    probabilities = RNG.uniform(size=(4, 6, 6, classes)).astype(np.float32)
    guess = probabilities > 0.5 if classes == 1 else probabilities.argmax(-1)[..., None] > 0
    expected = score(count(truth, guess.astype(int), ignore_value=255))[1]
    got = result_of(metric_type(ignore_value=255), truth, probabilities)
    assert got == pytest.approx(expected, abs=1e-6)


def test_the_threshold_itself_is_background_as_in_to_mask() -> None:
    assert result_of(IoU(), [[[[1], [1]]]], [[[[0.5], [0.6]]]]) == pytest.approx(0.5)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.float32])
def test_truth_may_be_of_any_type_and_without_its_channel_axis(dtype: type) -> None:
    truth, probabilities = two_class_batch()
    expected = float(iou(count(truth, probabilities > 0.5))[1])
    for shaped in (truth.astype(dtype), truth[..., 0].astype(dtype)):
        assert result_of(IoU(), shaped, probabilities) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("metric_type", [IoU, Dice])
def test_reset_forgets_everything(metric_type: type) -> None:
    metric = metric_type()
    assert result_of(metric, [[[[1], [1]]]], [[[[0.0], [0.0]]]]) == 0
    metric.reset_state()
    assert result_of(metric, [[[[1], [1]]]], [[[[1.0], [1.0]]]]) == 1


@pytest.mark.parametrize("metric_type", [IoU, Dice])
def test_nothing_in_truth_and_prediction_is_undefined(metric_type: type) -> None:
    assert np.isnan(float(metric_type().result()))
    assert np.isnan(result_of(metric_type(), [[[[0], [0]]]], [[[[0.1], [0.2]]]]))


@pytest.mark.parametrize("metric_type", [IoU, Dice])
@pytest.mark.parametrize("odd", [255, 2, 0.4, -1, np.nan])
def test_truth_that_is_no_class_id_gives_nan_and_not_a_score(metric_type: type, odd: float) -> None:
    truth = np.array([[[[1], [1], [odd]]]], np.float32)
    prediction = np.array([[[[0.9], [0.2], [0.7]]]], np.float32)
    metric = metric_type()
    assert np.isnan(result_of(metric, truth, prediction))
    assert np.isnan(result_of(metric, truth[:, :, :2], prediction[:, :, :2]))  # it stays so
    metric.reset_state()
    assert not np.isnan(result_of(metric, truth[:, :, :2], prediction[:, :, :2]))


def test_with_three_channels_2_is_a_class_id_and_3_is_none() -> None:
    prediction = np.full((1, 1, 2, 3), 1 / 3, np.float32)
    assert not np.isnan(result_of(IoU(), [[[[2], [1]]]], prediction))
    assert np.isnan(result_of(IoU(), [[[[3], [1]]]], prediction))


def preset(metric: keras.metrics.Metric, *counts: int) -> None:
    metric.low.assign(np.array([number % BASE for number in counts], np.int32))
    metric.high.assign(np.array([number // BASE for number in counts], np.int32))


def exact(metric: keras.metrics.Metric) -> list[int]:
    low, high = np.asarray(metric.low, int), np.asarray(metric.high, int)
    return (low + high * BASE).tolist()


@pytest.mark.parametrize("start", [BASE - 2, 2**24 + 1, 2**31 - 1, 2**33 + 5, 2**49 + 7])
def test_counts_stay_exact_beyond_what_float32_and_int32_hold(start: int) -> None:
    metric = IoU()
    preset(metric, start, start + 1, start + 2, 0)
    for _ in range(3):
        metric.update_state([[[[1], [1], [0], [1]]]], [[[[0.9], [0.2], [0.7], [0.8]]]])
    assert exact(metric) == [start + 6, start + 1 + 3, start + 2 + 3, 0]
    assert float(metric.result()) == pytest.approx(1 / 3, abs=1e-6)


def test_dice_of_more_pixels_than_float32_counts() -> None:
    metric = Dice()
    preset(metric, 2**33, 2**33, 2**34, 0)
    assert float(metric.result()) == pytest.approx(2 / 5, abs=1e-6)


def test_a_batch_of_more_than_2_to_the_20_pixels() -> None:
    metric, truth = IoU(), np.ones((1, 1100, 1000, 1), np.uint8)
    prediction = np.full(truth.shape, 0.9, np.float32)
    prediction[0, :100] = 0.1
    assert result_of(metric, truth, prediction) == pytest.approx(10 / 11, abs=1e-6)
    assert exact(metric)[:3] == [1_000_000, 0, 100_000]


@pytest.mark.parametrize("metric_type", [IoU, Dice])
def test_a_metric_can_be_rebuilt_from_its_config(metric_type: type) -> None:
    metric = metric_type(threshold=0.3, ignore_value=255, name="mine")
    config = keras.saving.serialize_keras_object(metric)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is metric_type
    assert (again.name, again.threshold, again.ignore_value) == ("mine", 0.3, 255)


def test_usual_names() -> None:
    assert (IoU().name, Dice().name) == ("iou", "dice")


def test_metrics_work_in_compile_fit_and_evaluate() -> None:
    images, masks = blob_samples(5, side=16).stack()
    keras.utils.set_random_seed(0)
    model = unet((16, 16, 3), filters=2, depth=1)
    model.compile("sgd", "binary_crossentropy", metrics=[IoU(), Dice()])
    history = model.fit(images, masks, batch_size=2, validation_data=(images, masks), verbose=0)
    assert {"iou", "dice", "val_iou", "val_dice"} <= set(history.history)
    _, got_iou, got_dice = model.evaluate(images, masks, batch_size=2, verbose=0)
    counts = count(masks, model.predict(images, verbose=0) > 0.5)
    assert got_iou == pytest.approx(iou(counts)[1], abs=1e-6, nan_ok=True)
    assert got_dice == pytest.approx(dice(counts)[1], abs=1e-6, nan_ok=True)

"""The Keras metrics equal the NumPy scores, whatever the batch size and however many pixels."""

import numpy as np
import pytest
import tensorflow as tf
from builders import assert_says, blob_samples

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
@pytest.mark.parametrize("odd", [255, 2, 0.4, -1, np.nan, np.inf])
def test_truth_that_is_no_class_id_is_refused_until_the_reset(
    metric_type: type, odd: float
) -> None:
    truth = np.array([[[[1], [1], [odd]]]], np.float32)
    prediction = np.array([[[[0.9], [0.2], [0.7]]]], np.float32)
    metric = metric_type()
    with pytest.raises(ValueError) as error:
        metric.update_state(truth, prediction)
    assert_says(error, "y_true", "class ids 0 to 1", "found pixels", "0/255 masks", "ignore_value")
    with pytest.raises(ValueError):
        result_of(metric, truth[:, :, :2], prediction[:, :, :2])
    metric.reset_state()
    assert result_of(metric, truth[:, :, :2], prediction[:, :, :2]) > 0


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_prediction_of_nan_gives_nan_and_does_not_stop_the_training(outputs: int) -> None:
    prediction = np.full((1, 1, 2, outputs), 0.25, np.float32)
    prediction[0, 0, 1, 0] = np.nan
    assert np.isnan(result_of(IoU(), [[[[1], [1]]]], prediction))
    # Where the truth is ignored, it does no harm.
    assert not np.isnan(result_of(IoU(ignore_value=9), [[[[1], [9]]]], prediction))


@pytest.mark.parametrize("value", [-0.1, 1.1, -np.inf, np.inf])
def test_logits_that_are_not_said_to_be_logits_give_nan(value: float) -> None:
    assert np.isnan(result_of(IoU(), [[[[1], [1]]]], [[[[0.7], [value]]]]))
    assert not np.isnan(result_of(IoU(from_logits=True), [[[[1], [1]]]], [[[[0.7], [value]]]]))


def test_logits_of_0_are_the_threshold_of_one_half() -> None:
    metric = IoU(from_logits=True)
    assert result_of(metric, [[[[1], [1]]]], [[[[0.0], [1e-6]]]]) == pytest.approx(0.5)


def test_one_class_of_several() -> None:
    truth = RNG.integers(0, 3, (4, 6, 6, 1))
    probabilities = RNG.uniform(size=(4, 6, 6, 3)).astype(np.float32)
    counts = count(truth[..., 0], probabilities.argmax(axis=-1), 3)
    for class_id in range(3):
        for metric_type, score in METRICS:
            got = result_of(metric_type(class_id=class_id), truth, probabilities)
            assert got == pytest.approx(score(counts)[class_id], abs=1e-6)


@pytest.mark.parametrize(
    ("truth", "prediction"),
    [((2, 3, 3, 2), (2, 3, 3, 2)), ((2, 3, 3, 1), (2, 3, 3)), ((2, 1, 1, 1), (2, 3, 3, 1)),
     ((2, 3), (2, 3, 3, 1))],
)  # fmt: skip
def test_shapes_that_do_not_belong_together_are_refused(truth: tuple, prediction: tuple) -> None:
    with pytest.raises(ValueError) as error:
        IoU().update_state(np.zeros(truth), np.zeros(prediction))
    assert_says(error, "y_true", str(prediction), f"found the shape {truth}", "not one-hot")


@pytest.mark.parametrize("threshold", [0, 1, 128])
def test_a_threshold_that_is_no_probability_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError) as error:
        IoU(threshold=threshold)
    assert_says(error, "threshold", f"found {threshold}", "probability")


@pytest.mark.parametrize("class_id", [-1, 2])
def test_a_class_that_the_model_does_not_tell_apart_is_refused(class_id: int) -> None:
    with pytest.raises(ValueError) as error:
        IoU(class_id=class_id).update_state(*two_class_batch())
    assert_says(error, "class_id", "0 to 1", f"found {class_id}", "choose another class")


def test_weights_are_refused() -> None:
    truth, probabilities = two_class_batch()
    with pytest.raises(ValueError) as error:
        IoU().update_state(truth, probabilities, sample_weight=np.ones(16))
    assert_says(error, "sample_weight", "found weights", "ignore_value")


def test_with_three_channels_2_is_a_class_id_and_3_is_none() -> None:
    prediction = np.full((1, 1, 2, 3), 1 / 3, np.float32)
    assert not np.isnan(result_of(IoU(), [[[[2], [1]]]], prediction))
    with pytest.raises(ValueError, match="class ids 0 to 2"):
        result_of(IoU(), [[[[3], [1]]]], prediction)


def preset(metric: keras.metrics.Metric, *counts: int) -> None:
    metric.low.assign(np.array([number % BASE for number in counts], np.int32))
    metric.high.assign(np.array([number // BASE for number in counts], np.int32))


def exact(metric: keras.metrics.Metric) -> list[int]:
    low, high = np.asarray(metric.low, int), np.asarray(metric.high, int)
    return (low + high * BASE).tolist()


@pytest.mark.parametrize("start", [BASE - 2, 2**24 + 1, 2**31 - 1, 2**33 + 5, 2**49 + 7])
def test_counts_stay_exact_beyond_what_float32_and_int32_hold(start: int) -> None:
    metric = IoU()
    preset(metric, start, start + 1, start + 2, 0, 0)
    for _ in range(3):
        metric.update_state([[[[1], [1], [0], [1]]]], [[[[0.9], [0.2], [0.7], [0.8]]]])
    assert exact(metric) == [start + 6, start + 1 + 3, start + 2 + 3, 0, 0]
    assert float(metric.result()) == pytest.approx(1 / 3, abs=1e-6)


def test_dice_of_more_pixels_than_float32_counts() -> None:
    metric = Dice()
    preset(metric, 2**33, 2**33, 2**34, 0, 0)
    assert float(metric.result()) == pytest.approx(2 / 5, abs=1e-6)


def test_a_batch_of_more_than_2_to_the_20_pixels() -> None:
    metric, truth = IoU(), np.ones((1, 1100, 1000, 1), np.uint8)
    prediction = np.full(truth.shape, 0.9, np.float32)
    prediction[0, :100] = 0.1
    assert result_of(metric, truth, prediction) == pytest.approx(10 / 11, abs=1e-6)
    assert exact(metric)[:3] == [1_000_000, 0, 100_000]


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


@pytest.mark.parametrize(("part", "jit"), [("fit", False), ("evaluate", False), ("evaluate", True)])
def test_a_wrong_mask_is_refused_inside_a_graph_with_and_without_xla(part: str, jit: bool) -> None:
    images, masks = blob_samples(2, side=8).stack()
    model = unet((8, 8, 3), filters=2, depth=1)
    model.compile("sgd", "mse", metrics=[IoU()], jit_compile=jit)
    masks[1, 2, 3] = 255
    refused = tf.errors.InvalidArgumentError if not jit else ValueError
    with pytest.raises(refused, match="y_true must hold class ids 0 to 1, found"):
        getattr(model, part)(images, masks, verbose=0)


def test_a_bfloat16_prediction_meets_the_threshold_as_it_was_given() -> None:
    # Rounded to bfloat16, 0.431 is 0.43164: a prediction of just that would not be above it.
    metric = IoU(threshold=0.431)
    prediction = keras.ops.cast([[[[0.43164]]]], "bfloat16")
    metric.update_state([[[[1]]]], prediction)
    assert float(metric.result()) == 1.0

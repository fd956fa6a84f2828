"""The Keras metrics on TensorFlow, JAX and PyTorch: the same numbers, each in a process of its own.

Run as a program, this file does the checks on the backend that ``KERAS_BACKEND`` names and prints
what it measured as JSON; the tests below start it and judge the numbers. On JAX and PyTorch it
makes TensorFlow impossible to import, as if it were not installed.
"""

import functools
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BACKENDS = ("tensorflow", "jax", "torch")
TESTS = Path(__file__).parents[1]


# --- what each process does ---------------------------------------------------------------------


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def cases() -> Iterator[tuple[str, dict, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, arguments of the metric, truth, the model's output, and the mask that it means."""
    rng = np.random.default_rng(0)
    shares = np.linspace(0, 0.9, 16)[:, None, None, None]  # a mean of batches would differ
    one = rng.uniform(size=(16, 7, 5, 1)).astype(np.float32)
    logits = rng.normal(size=one.shape).astype(np.float32)
    several = rng.uniform(size=(16, 7, 5, 4)).astype(np.float32)
    binary = (rng.uniform(size=one.shape) < shares).astype(np.uint8)
    classes = rng.integers(0, 4, one.shape).astype(np.uint8)
    holes = np.where(rng.uniform(size=one.shape) < 0.2, 255, binary).astype(np.uint8)
    likeliest = several.argmax(axis=-1)[..., None]
    yield "binary", {}, binary, one, one > 0.5
    yield "threshold", {"threshold": 0.3}, binary, one, one > 0.3
    yield "background", {"class_id": 0}, binary, one, one > 0.5
    yield "logits", {"from_logits": True}, binary, logits, logits > 0
    quarter = {"from_logits": True, "threshold": 0.25}
    yield "logits, threshold", quarter, binary, logits, sigmoid(logits) > 0.25
    yield "ignored", {"ignore_value": 255}, holes, one, one > 0.5
    yield "float truth", {}, binary.astype(np.float32), one, one > 0.5
    yield "bool truth", {}, binary.astype(bool), one, one > 0.5
    yield "no channel axis", {}, binary[..., 0], one, one > 0.5
    yield "foreground of 4", {}, classes, several, likeliest
    yield "class 2 of 4", {"class_id": 2}, classes, several, likeliest
    holes = np.where(holes == 255, 255, classes)
    yield "ignored of 4", {"class_id": 3, "ignore_value": 255}, holes, several, likeliest
    yield "logits of 4", {"from_logits": True}, classes, 9 * several - 5, likeliest


def expected(score: Callable, arguments: dict, truth: np.ndarray, mask: np.ndarray) -> float:
    from unet_helpers.evaluation.scores import count

    ignored, class_id = arguments.get("ignore_value"), arguments.get("class_id")
    truth = truth.reshape(mask.shape).astype(int)
    counted = truth != ignored
    truth, mask = truth[counted], mask[counted].astype(int)
    if class_id is None:
        return float(score(count(truth > 0, mask > 0))[1])
    return float(score(count(truth, mask, 4))[class_id])


def furthest_from_the_scores() -> dict[str, float]:
    """For each case the largest distance from the NumPy score, over batch sizes up to 16.

    All sizes for the first case; for the others a few, since JAX compiles anew for every size.
    """
    from unet_helpers import Dice, IoU, dice, iou

    distances = {}
    for name, arguments, truth, output, mask in cases():
        found = []
        for metric_type, score in ((IoU, iou), (Dice, dice)):
            wanted = expected(score, arguments, truth, mask)
            metric = metric_type(**arguments)
            for size in (5, 16) if distances else range(1, 17):
                metric.reset_state()
                for start in range(0, 16, size):
                    part = slice(start, start + size)
                    metric.update_state(truth[part], output[part])
                found.append(abs(float(metric.result()) - wanted))
        distances[name] = max(found)
    return distances


def counters(metric: Any) -> list[int]:
    from unet_helpers import keras
    from unet_helpers.evaluation.metrics import BASE

    low, high = (
        keras.ops.convert_to_numpy(part).astype(int).tolist() for part in (metric.low, metric.high)
    )
    return [a + b * BASE for a, b in zip(low, high, strict=True)]


def past_two_to_the_33() -> dict[str, Any]:
    """Counters set to large numbers, then batches added: what they hold, and the score's error."""
    from unet_helpers import Dice, IoU
    from unet_helpers.evaluation.metrics import BASE

    truth, output = np.array([[[[1], [1], [0], [1]]]]), np.array([[[[0.9], [0.2], [0.7], [0.8]]]])
    exact, error = True, 0.0
    for start in (BASE - 2, 2**24 - 1, 2**31 - 3, 2**33 - 1, 2**33 + 5, 2**49 + 7):
        before = [start, start // 3 + 1, start // 7 + 2, 0, 0]
        for metric_type in (IoU, Dice):
            metric = metric_type()
            metric.update_state(truth, output)  # builds what is built on first use
            metric.low.assign(np.array([number % BASE for number in before], np.int32))
            metric.high.assign(np.array([number // BASE for number in before], np.int32))
            for _ in range(3):
                metric.update_state(truth, output)
            after = [a + 3 * b for a, b in zip(before, [2, 1, 1, 0, 0], strict=True)]
            exact &= counters(metric) == after
            twice = 1 if metric_type is IoU else 2
            score = Fraction(twice * after[0], twice * after[0] + after[1] + after[2])
            error = max(error, abs(float(metric.result()) - float(score)))
    return {"exact": exact, "error": error}


def answer(metric: Any, truth: object, output: object) -> str:
    """'refused' if a sentence came, 'nan', or the score."""
    try:
        metric.update_state(truth, np.asarray(output, np.float32))
        result = float(metric.result())
    except ValueError as error:
        return "refused" if "y_true must hold class ids 0 to" in str(error) else repr(error)
    return "nan" if np.isnan(result) else str(result)


def unfit_input() -> dict[str, str]:
    from unet_helpers import IoU

    output = [[[[0.9], [0.2], [0.7]]]]
    odd = {"255": 255, "0.4": 0.4, "-1": -1, "2": 2, "nan": np.nan, "inf": np.inf}
    answers = {
        name: answer(IoU(), np.array([[[[1], [1], [value]]]], np.float32), output)
        for name, value in odd.items()
    }
    masks = np.array([[[[1], [1], [255]]]], np.uint8)
    answers["uint8 255"] = answer(IoU(), masks, output)
    answers["nan predicted"] = answer(IoU(), masks // 255, [[[[0.9], [np.nan], [0.7]]]])
    answers["logits unsaid"] = answer(IoU(), masks // 255, [[[[3.0], [-2.0], [0.7]]]])
    answers["nan of 3"] = answer(IoU(), masks // 255, [[[[0.1, np.nan, 0.9]] * 3]])
    return answers


def in_bfloat16() -> bool:
    """Whether bfloat16 outputs are held against the threshold itself, not a rounded one."""
    from unet_helpers import Dice, keras

    rng = np.random.default_rng(1)
    # 0.3 is 0.30078125 in bfloat16: above the threshold, as a float32.
    output = keras.ops.cast(rng.choice([0.2, 0.3, 0.4], (4, 8, 8, 1)), "bfloat16")
    truth = rng.integers(0, 2, (4, 8, 8, 1))
    before = keras.config.dtype_policy()
    results = []
    for policy in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        for values in (output, keras.ops.cast(output, "float32")):
            metric = Dice(threshold=0.3)
            metric.update_state(truth, values)
            results.append(float(metric.result()))
    keras.config.set_dtype_policy(before)
    mask = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32")) > 0.3
    from unet_helpers import count, dice

    wanted = float(dice(count(truth, mask))[1])
    return max(abs(result - wanted) for result in results) < 1e-6


def training() -> dict[str, Any]:
    """Fit and evaluate a small net; and what the log says when a mask holds 255."""
    sys.path.insert(0, str(TESTS))
    from builders import blob_samples

    from unet_helpers import Dice, IoU, count, dice, iou, keras, unet

    images, masks = blob_samples(6, side=8).stack()
    keras.utils.set_random_seed(0)
    model = unet((8, 8, 3), filters=2, depth=1)
    model.layers[-1].bias.assign(np.full(1, 0.1, np.float32))  # there is foreground from the start
    model.compile("sgd", "mse", metrics=[IoU(), Dice()])
    history = model.fit(images, masks, batch_size=3, validation_data=(images, masks), verbose=0)
    _, got_iou, got_dice = model.evaluate(images, masks, batch_size=3, verbose=0)
    counts = count(masks, model.predict(images, verbose=0) > 0.5)
    far = max(abs(got_iou - float(iou(counts)[1])), abs(got_dice - float(dice(counts)[1])))
    masks[4, 0, 0] = 255
    try:
        again = model.fit(images, masks, batch_size=3, verbose=0)
        odd = "nan" if np.isnan(again.history["iou"]).all() else str(again.history["iou"])
    except Exception as error:
        odd = "refused" if "y_true must hold class ids 0 to 1" in str(error) else repr(error)
    return {"logged": sorted(history.history), "iou": got_iou, "far": far, "odd": odd}


def rebuilt() -> bool:
    from unet_helpers import Dice, keras

    metric = Dice(threshold=0.3, class_id=1, from_logits=True, ignore_value=255, name="mine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    return again.get_config() == metric.get_config() and type(again) is Dice


def everything() -> dict[str, Any]:
    found = {
        "distances": furthest_from_the_scores(),
        "large": past_two_to_the_33(),
        "unfit": unfit_input(),
        "bfloat16": in_bfloat16(),
        "training": training(),
        "rebuilt": rebuilt(),
    }
    from unet_helpers import keras

    return {**found, "backend": keras.backend.backend()}


# --- what is expected of it ---------------------------------------------------------------------


@functools.cache
def measured(backend: str) -> dict[str, Any]:
    """What a process with this backend prints, run once; the tests' own backend needs none."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: make peers installs it")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(TESTS.parent),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_backend_is_the_one_asked_for(backend: str) -> None:
    assert measured(backend)["backend"] == backend


@pytest.mark.parametrize("case", [case[0] for case in cases()])
@pytest.mark.parametrize("backend", BACKENDS)
def test_metrics_equal_the_scores_whatever_the_batch_size(backend: str, case: str) -> None:
    assert measured(backend)["distances"][case] <= 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_counts_stay_exact_past_two_to_the_33(backend: str) -> None:
    large = measured(backend)["large"]
    assert large["exact"]
    assert large["error"] <= 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_unfit_input_is_refused_or_gives_nan_but_never_a_score(backend: str) -> None:
    wanted = "refused" if backend == "tensorflow" else "nan"
    unfit = dict(measured(backend)["unfit"])
    for name in ("nan predicted", "logits unsaid", "nan of 3"):
        assert unfit.pop(name) == "nan"
    assert unfit == dict.fromkeys(unfit, wanted)
    assert len(unfit) == 7


@pytest.mark.parametrize("backend", BACKENDS)
def test_bfloat16_outputs_are_thresholded_as_float32(backend: str) -> None:
    assert measured(backend)["bfloat16"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_fit_and_evaluate_log_the_scores(backend: str) -> None:
    training = measured(backend)["training"]
    assert {"iou", "dice", "val_iou", "val_dice"} <= set(training["logged"])
    assert 0 < training["iou"] <= 1
    assert training["far"] <= 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_wrong_mask_in_training_is_refused_or_logged_as_nan(backend: str) -> None:
    wanted = "refused" if backend == "tensorflow" else "nan"
    assert measured(backend)["training"]["odd"] == wanted


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_metric_is_rebuilt_from_its_config(backend: str) -> None:
    assert measured(backend)["rebuilt"]


if __name__ == "__main__":
    if os.environ["KERAS_BACKEND"] != "tensorflow":
        sys.modules["tensorflow"] = None  # type: ignore[assignment]
    print(json.dumps(everything()))

"""Calibration: by scikit-learn, by torchmetrics, by hand, and what is refused."""

import math

import numpy as np
import pytest
from builders import assert_says, make_samples
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.calibration import reliability


def guessed(
    outputs: int = 1, seed: int = 0, ignore: int | None = None, number: int = 3
) -> tuple[Samples, list[np.ndarray]]:
    """Samples with `outputs` classes (two for one output) and overconfident probabilities."""
    rng = np.random.default_rng(seed)
    classes = max(outputs, 2)
    pairs, probabilities = [], []
    for index in range(number):
        shape = (8 + index, 11)
        mask = rng.integers(0, classes, shape).astype(np.uint8)
        logits = 2 * rng.normal(size=(*shape, classes)) + 1.2 * np.eye(classes)[mask]
        share = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        probabilities.append((share if outputs > 1 else share[..., 1:]).astype(np.float32))
        if ignore is not None:
            mask[rng.random(shape) < 0.2] = ignore
        pairs.append((np.zeros((*shape, 1), np.uint8), mask))
    names = [f"class {i}" for i in range(classes)]
    return make_samples(pairs, ignore_value=ignore, class_names=names), probabilities


def flat(samples: Samples, probabilities: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All labelled pixels in one row: truth and probabilities."""
    truth = np.concatenate([s.mask.ravel() for s in samples])
    values = np.concatenate([p.reshape(-1, p.shape[-1]) for p in probabilities])
    labelled = truth != (-1 if samples.ignore_value is None else samples.ignore_value)
    return truth[labelled], values[labelled].astype(np.float64)


# --- oracles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ignore", [None, 255])
@pytest.mark.parametrize("bins", [1, 5, 10, 15])
def test_the_diagram_is_scikit_learns(bins: int, ignore: int | None) -> None:
    samples, probabilities = guessed(ignore=ignore)
    found = reliability(samples, probabilities, bins)
    truth, values = flat(samples, probabilities)
    observed, said = calibration_curve(truth, values[:, 0], n_bins=bins)
    filled = found.counts > 0
    np.testing.assert_allclose(found.frequency[filled], observed, atol=1e-12)
    np.testing.assert_allclose(found.confidence[filled], said, atol=1e-12)
    assert found.brier == pytest.approx(brier_score_loss(truth, values[:, 0]), abs=1e-12)
    assert found.counts.sum() == len(truth)


@pytest.mark.parametrize("bins", [7, 15])
def test_the_errors_are_torchmetrics(bins: int) -> None:
    torch = pytest.importorskip("torch", reason="make peers installs it")
    peers = pytest.importorskip("torchmetrics.classification", reason="make peers installs it")
    samples, probabilities = guessed()
    truth, values = (torch.from_numpy(part) for part in flat(samples, probabilities))
    found = reliability(samples, probabilities, bins)
    for norm, error in (("l1", found.ece), ("max", found.mce)):
        peer = peers.BinaryCalibrationError(n_bins=bins, norm=norm)
        assert float(peer(values[:, 0], truth.long())) == pytest.approx(error, abs=1e-6)


@pytest.mark.parametrize("ignore", [None, 255])
def test_with_several_outputs_it_is_the_likeliest_class(ignore: int | None) -> None:
    torch = pytest.importorskip("torch", reason="make peers installs it")
    peers = pytest.importorskip("torchmetrics.classification", reason="make peers installs it")
    samples, probabilities = guessed(4, ignore=ignore)
    truth, values = (torch.from_numpy(part) for part in flat(samples, probabilities))
    found = reliability(samples, probabilities)
    for norm, error in (("l1", found.ece), ("max", found.mce)):
        peer = peers.MulticlassCalibrationError(num_classes=4, n_bins=15, norm=norm)
        assert float(peer(values, truth.long())) == pytest.approx(error, abs=1e-6)
    assert found.what == "the likeliest class"


def test_one_class_of_several_is_that_class_against_the_others() -> None:
    samples, probabilities = guessed(4)
    found = reliability(samples, probabilities, 10, class_id=2)
    truth, values = flat(samples, probabilities)
    observed, said = calibration_curve(truth == 2, values[:, 2], n_bins=10)
    np.testing.assert_allclose(found.frequency[found.counts > 0], observed, atol=1e-12)
    np.testing.assert_allclose(found.confidence[found.counts > 0], said, atol=1e-12)
    assert found.what == "class 2"


# --- by hand ------------------------------------------------------------------------------------


def row(truth: list[int], values: list[float], **settings: object) -> tuple[Samples, list]:
    mask = np.array([truth], np.uint8)
    samples = make_samples([(np.zeros((*mask.shape, 1), np.uint8), mask)], **settings)
    return samples, [np.array([values])[..., None]]


def test_a_table_by_hand() -> None:
    # Bin 1: 0.1 and 0.3, one of them true. Bin 2: 0.6, 0.7 and 0.8, two of them true.
    found = reliability(*row([0, 1, 1, 0, 1], [0.1, 0.3, 0.6, 0.7, 0.8]), bins=2)
    assert found.counts.tolist() == [2, 3]
    assert found.confidence.tolist() == pytest.approx([0.2, 0.7])
    assert found.frequency.tolist() == pytest.approx([1 / 2, 2 / 3])
    assert found.ece == pytest.approx(2 / 5 * 0.3 + 3 / 5 * (0.7 - 2 / 3))
    assert found.mce == pytest.approx(0.3)
    assert found.brier == pytest.approx((0.01 + 0.49 + 0.16 + 0.49 + 0.04) / 5)
    assert str(found).startswith("probability of foreground, 5 pixels in 2 bins: expected")


def test_an_edge_belongs_to_the_bin_below_it_and_0_to_the_first() -> None:
    found = reliability(*row([0, 0, 1, 1, 1], [0.0, 0.5, 0.500001, 1.0, 1.0]), bins=2)
    assert found.counts.tolist() == [2, 3]


def test_an_empty_bin_is_undefined_and_has_no_part_in_the_errors() -> None:
    found = reliability(*row([0, 1], [0.1, 0.9]), bins=3)
    assert found.counts.tolist() == [1, 0, 1]
    assert math.isnan(found.confidence[1]) and math.isnan(found.frequency[1])
    assert found.ece == pytest.approx(0.1) and found.mce == pytest.approx(0.1)


def test_images_without_a_labelled_pixel_have_no_error() -> None:
    found = reliability(*row([255, 255], [0.1, 0.9], ignore_value=255), bins=3)
    assert found.counts.sum() == 0
    assert math.isnan(found.ece) and math.isnan(found.mce) and math.isnan(found.brier)


def test_ignored_pixels_may_hold_anything_in_the_mask() -> None:
    told = reliability(*row([0, 1, 255], [0.2, 0.9, 0.9], ignore_value=255), bins=4)
    alone = reliability(*row([0, 1], [0.2, 0.9]), bins=4)
    assert (told.ece, told.brier) == (alone.ece, alone.brier)


# --- invariants ---------------------------------------------------------------------------------


@given(st.integers(0, 300), st.integers(1, 20))
def test_what_holds_for_all_probabilities(seed: int, bins: int) -> None:
    samples, probabilities = guessed(seed=seed)
    found = reliability(samples, probabilities, bins)
    assert 0 <= found.ece <= found.mce + 1e-12 <= 1 + 2e-12
    assert found.ece**2 <= found.brier <= 1  # Jensen: the squared mean is under the mean square
    filled = found.counts > 0
    said = found.confidence[filled]
    assert (said >= found.edges[:-1][filled] - 1e-12).all()
    assert (said <= found.edges[1:][filled] + 1e-12).all()
    turned = reliability(samples[::-1], iter(probabilities[::-1]), bins)
    assert turned.ece == pytest.approx(found.ece, abs=1e-12)


def test_the_background_is_the_foreground_turned_round() -> None:
    samples, probabilities = guessed()
    one, other = (reliability(samples, probabilities, 10, class_id=c) for c in (1, 0))
    np.testing.assert_array_equal(one.counts, other.counts[::-1])
    np.testing.assert_allclose(one.frequency, 1 - other.frequency[::-1], atol=1e-12)
    assert one.ece == pytest.approx(other.ece, abs=1e-12)
    assert (one.what, other.what) == ("class 1", "class 0")


def test_honest_probabilities_are_calibrated_and_sharpened_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    said = rng.random((300, 400, 1))
    mask = (rng.random((300, 400)) < said[..., 0]).astype(np.uint8)
    samples = make_samples([(np.zeros((300, 400, 1), np.uint8), mask)])
    assert reliability(samples, [said]).ece < 0.01
    assert reliability(samples, [(said > 0.5) * 0.96 + 0.02]).ece > 0.2


# --- what is refused ----------------------------------------------------------------------------


def test_arguments_are_checked() -> None:
    samples, probabilities = guessed()
    with pytest.raises(ValueError) as error:
        reliability(samples, probabilities, 0)
    assert_says(error, "bins", "found 0")
    for class_id in (-1, 2):
        with pytest.raises(ValueError) as error:
            reliability(samples, probabilities, class_id=class_id)
        assert_says(error, "class_id", "0 to 1", f"found {class_id}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p[:2], "found 2"),
        (lambda p: [], "found 0"),
        (lambda p: [*p, p[0]], "found more"),
        (lambda p: [q[..., :2] for q in p], "1 or 4 outputs"),
        (lambda p: [q[..., :1] for q in p], "samples.binary()"),
        (lambda p: [np.log(q) for q in p], "not masks or logits"),
        (lambda p: [q / 2 for q in p], "softmax"),
        (lambda p: [q.argmax(axis=-1) for q in p], "samples.binary()"),
        (lambda p: [q[1:] for q in p], "(8, 11)"),
    ],
)
def test_what_is_no_probabilities_of_the_samples_is_refused(change, said: str) -> None:  # type: ignore[no-untyped-def]
    samples, probabilities = guessed(4)
    with pytest.raises(ValueError) as error:
        reliability(samples, change(probabilities))
    assert_says(error, said)

"""Scores during training: pooled over whole images of any size, counted by hand here."""

import numpy as np
import pytest
from builders import blob_samples, make_samples

from unet_helpers import keras
from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.scores import score_images
from unet_helpers.model.unet import unet
from unet_helpers.training.validation import Validate, masks, pooled_dice, spread_out

RNG = np.random.default_rng(0)


def odd_samples(classes: int = 2, ignore: int | None = None) -> Samples:
    pairs = []
    for height, width in ((16, 16), (19, 30), (7, 5)):
        values = [*range(classes), *([] if ignore is None else [ignore])]
        mask = RNG.choice(values, (height, width)).astype(np.uint8)
        pairs.append((RNG.integers(0, 255, (height, width, 3)).astype(np.uint8), mask))
    names = ["ground", "a", "b"][:classes]
    return make_samples(pairs, class_names=names, ignore_value=ignore)


def small_model(outputs: int = 1) -> keras.Model:
    keras.utils.set_random_seed(0)
    return unet((None, None, 3), outputs, filters=4, depth=2)


@pytest.mark.parametrize("outputs", [1, 3])
def test_masks_have_the_size_of_the_images_and_are_the_models(outputs: int) -> None:
    samples, model = odd_samples(max(outputs, 2)), small_model(outputs)
    found = list(masks(model, samples))
    for index, mask in enumerate(found):
        image, truth = samples.arrays(index)[:2]
        assert mask.shape == truth.shape
        assert mask.dtype == np.uint8
        height, width = truth.shape
        around = [(0, -height % 4), (0, -width % 4), (0, 0)]
        said = model.predict(np.pad(image, around, mode="symmetric")[None], verbose=0)[0]
        said = said[:height, :width]
        expected = said[..., 0] > 0.5 if outputs == 1 else said.argmax(-1)
        np.testing.assert_array_equal(mask, expected)


def dice_by_hand(
    pairs: list[tuple[np.ndarray, np.ndarray]], label: int, ignore: int | None
) -> float:
    hits = alarms = misses = 0
    for truth, said in pairs:
        for t, s in zip(truth.ravel(), said.ravel(), strict=True):
            if t != ignore:
                hits += t == s == label
                alarms += s == label != t
                misses += t == label != s
    return 2 * hits / (2 * hits + alarms + misses)


@pytest.mark.parametrize("ignore", [None, 255])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_dice_is_pooled_and_leaves_out_what_is_ignored(
    classes: int, ignore: int | None
) -> None:
    samples = odd_samples(classes, ignore)
    said = [RNG.integers(0, classes, s.mask.shape).astype(np.uint8) for s in samples]
    pairs = [(sample.mask, mask) for sample, mask in zip(samples, said, strict=True)]
    expected = np.mean([dice_by_hand(pairs, label, ignore) for label in range(1, classes)])
    assert pooled_dice(score_images(samples, said)) == pytest.approx(expected)
    by_image = [np.mean([dice_by_hand([p], c, ignore) for c in range(1, classes)]) for p in pairs]
    assert pooled_dice(score_images(samples, said)) != pytest.approx(np.mean(by_image), abs=1e-4)


def test_of_many_images_some_serve_from_first_to_last() -> None:
    samples = blob_samples(10, side=16)
    chosen = spread_out(samples, pixels=4 * 16 * 16)
    assert list(chosen.names) == [f"image {i}" for i in (0, 3, 6, 9)]
    assert len(spread_out(samples)) == 10
    assert len(spread_out(samples, pixels=1)) == 1


def test_the_callback_logs_the_score_and_changes_nothing() -> None:
    samples, model = blob_samples(4, side=16), small_model()
    validate = Validate(samples)
    validate.set_model(model)
    before = [np.array(v) for v in model.variables]
    logs = {"loss": 1.0}
    validate.on_epoch_end(0, logs)
    expected = pooled_dice(score_images(samples, masks(model, samples)))
    assert logs == {"loss": 1.0, "val_dice": pytest.approx(expected, nan_ok=True)}
    for kept, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(kept, variable)


def test_without_foreground_the_score_is_undefined() -> None:
    pairs = [(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8))]
    said = [np.zeros((8, 8), np.uint8)]
    assert np.isnan(pooled_dice(score_images(make_samples(pairs), said)))

"""`diagnose`: each fault first, sound trainings clean, and nothing of the model touched."""

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from builders import assert_says, blob_samples, make_samples, some_slow

from unet_helpers import BceDice, adamw, batches, diagnose, keras, unet

SIDE = 64
layers = keras.layers


def textured(number: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bright blobs on noisy ground: images of float32 and masks of uint8, for `fit`."""
    samples = blob_samples(number + seed, side=SIDE, channels=1)[seed:]
    return samples.stack(SIDE)


def net(**settings: Any) -> Any:
    keras.utils.set_random_seed(0)
    return unet((SIDE, SIDE, 1), filters=4, depth=2, **settings)


def compiled(model: Any = None, optimizer: Any = "adam", loss: Any = None, **more: Any) -> Any:
    model = net() if model is None else model
    model.compile(optimizer, loss or "binary_crossentropy", **more)
    return model


def with_head(*tail: Any) -> Any:
    body = net()
    x = body.layers[-2].output
    for layer in tail:
        x = layer(x)
    return keras.Model(body.inputs, x)


# --- faults -------------------------------------------------------------------------------------


def dead_head() -> tuple[Any, Any, dict[str, Any]]:
    return compiled(with_head(layers.Conv2D(1, 1, activation="relu"), layers.Activation("sigmoid"))), textured(), {}  # fmt: skip  # noqa: E501


def logits_without_sigmoid() -> tuple[Any, Any, dict[str, Any]]:
    return compiled(with_head(layers.Conv2D(1, 1))), textured(), {}


def logits_cut() -> tuple[Any, Any, dict[str, Any]]:
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return compiled(with_head(layers.Conv2D(1, 1)), loss=loss), textured(), {"threshold": 0.5}


def softmax_of_one() -> tuple[Any, Any, dict[str, Any]]:
    return compiled(with_head(layers.Conv2D(1, 1, activation="softmax"))), textured(), {}


def levels() -> tuple[Any, Any, dict[str, Any]]:
    images, masks = textured()
    return compiled(), (images, masks * 255), {}


def too_many_classes() -> tuple[Any, Any, dict[str, Any]]:
    images, masks = textured()
    return compiled(), (images, masks * 3), {}


def unscaled() -> tuple[Any, Any, dict[str, Any]]:
    images, masks = textured()
    return compiled(), (images * 255, masks), {}


def no_numbers() -> tuple[Any, Any, dict[str, Any]]:
    images, masks = textured()
    images[3, 5, 5] = np.nan
    return compiled(), (images, masks), {}


def empty() -> tuple[Any, Any, dict[str, Any]]:
    images, masks = textured()
    return compiled(), (images, masks * 0), {}


def imbalanced() -> tuple[Any, Any, dict[str, Any]]:
    images, masks = textured()
    few = masks * 0
    few[:, 30:35, 30:35] = masks[:, 30:35, 30:35]
    return compiled(), (images, few), {}


def too_high() -> tuple[Any, Any, dict[str, Any]]:
    return compiled(optimizer=keras.optimizers.SGD(1e6)), textured(), {}


def too_low() -> tuple[Any, Any, dict[str, Any]]:
    return compiled(optimizer=keras.optimizers.Adam(1e-7)), textured(), {}


def frozen() -> tuple[Any, Any, dict[str, Any]]:
    model = net()
    model.trainable = False
    return compiled(model), textured(), {}


def spoilt() -> tuple[Any, Any, dict[str, Any]]:
    model = compiled()
    model.weights[0].assign(model.weights[0] * math.nan)
    return model, textured(), {}


def leaked() -> tuple[Any, Any, dict[str, Any]]:
    images, masks = textured()
    return compiled(), (images, masks), {"validation_data": (images[:4], masks[:4])}


def augmented() -> tuple[Any, Any, dict[str, Any]]:
    samples = blob_samples(8, side=SIDE, channels=1)
    stream = batches(samples[4:], size=SIDE, batch_size=4)
    return compiled(), samples[:4], {"validation_data": stream}


def collapsed() -> tuple[Any, Any, dict[str, Any]]:
    images, masks = textured()
    model = compiled(optimizer=keras.optimizers.Adam(1e-2))
    model.fit(images, masks * 0, batch_size=4, epochs=15, verbose=0)
    return model, (images, masks), {}


PLANTED: dict[str, Callable[[], tuple[Any, Any, dict[str, Any]]]] = {
    "relu-before-output": dead_head,
    "logits-as-probabilities": logits_without_sigmoid,
    "logits-thresholded": logits_cut,
    "softmax-of-one": softmax_of_one,
    "mask-0-255": levels,
    "output-count": too_many_classes,
    "images-not-scaled": unscaled,
    "nan-or-infinite": no_numbers,
    "no-foreground": empty,
    "imbalance": imbalanced,
    "learning-rate-too-high": too_high,
    "learning-rate-too-low": too_low,
    "frozen-layers": frozen,
    "weights-not-finite": spoilt,
    "image-in-two-splits": leaked,
    "augmented-validation": augmented,
    "all-background-predicted": collapsed,
}


@pytest.mark.parametrize(
    "name",
    some_slow(
        PLANTED,
        {"all-background-predicted", "learning-rate-too-low", "imbalance", "augmented-validation"},
    ),
)
def test_a_planted_fault_comes_first_with_what_to_do(name: str) -> None:
    model, data, more = PLANTED[name]()
    found = diagnose(model, data, **more)
    assert found.names[:1] == [name], found
    assert not found.ok
    assert found[0].message
    assert found[0].fix
    assert f"1. {found[0].severity}: " in str(found)


@pytest.mark.slow
def test_a_rate_that_wipes_out_the_first_weights_is_named_even_where_the_loss_falls() -> None:
    """Batch normalisation makes a net of any weights learn one batch by heart."""
    data = textured()
    found = diagnose(compiled(optimizer=keras.optimizers.Adam(1.0)), data)
    assert found.names[0] == "learning-rate-too-high"
    assert "first step" in found[0].message
    # SGD's steps go with the gradient, so that a rate of 1 tells nothing about their size.
    mild = diagnose(compiled(optimizer=keras.optimizers.SGD(1.0)), data)
    assert not any("first step" in each.message for each in mild)


@pytest.mark.slow
def test_augmented_validation_is_seen_where_a_batch_shows_no_place_twice() -> None:
    samples = blob_samples(60, side=SIDE, channels=1)
    for augment in (True, False):
        stream = batches(samples[10:], size=SIDE, batch_size=4, augment=augment)
        found = diagnose(compiled(), samples[:10], validation_data=stream)
        assert ("augmented-validation" in found.names) is augment


# --- sound trainings ----------------------------------------------------------------------------


def generator_of(data: tuple[np.ndarray, np.ndarray]) -> Any:
    return tf.data.Dataset.from_tensor_slices(data).batch(4)


SOUND: dict[str, Callable[[], tuple[Any, Any]]] = {
    "recipe": lambda: (compiled(optimizer=adamw(100), loss=BceDice()), textured()),
    "plain": lambda: (compiled(), textured()),
    "sgd": lambda: (compiled(optimizer="sgd"), textured()),
    "samples": lambda: (compiled(), blob_samples(8, side=SIDE, channels=1)),
    "stream": lambda: (compiled(), generator_of(textured())),
    "batches": lambda: (compiled(), batches(blob_samples(8, side=SIDE, channels=1), size=SIDE)),
}


@pytest.mark.parametrize("name", some_slow(SOUND, {"plain", "sgd", "samples", "stream"}))
def test_a_sound_training_brings_nothing_but_notes(name: str) -> None:
    model, data = SOUND[name]()
    found = diagnose(model, data, validation_data=textured(4, seed=20))
    assert found.ok, found
    assert found
    assert {each.severity for each in found} <= {"note"}
    assert "nothing found" in str(found)


@pytest.mark.slow
def test_a_training_midway_brings_nothing_but_notes() -> None:
    images, masks = textured()
    model = compiled(optimizer=keras.optimizers.Adam(1e-2))
    model.fit(images, masks, batch_size=4, epochs=15, verbose=0)
    assert diagnose(model, images, masks).ok


def test_masks_of_0_and_1_are_said_to_be_right() -> None:
    found = diagnose(compiled(), *textured())
    assert "mask-looks-black" in found.names
    assert found.ok


# --- nothing is touched -------------------------------------------------------------------------


def state(model: Any) -> Iterator[bytes]:
    for variable in [*model.weights, *model.optimizer.variables]:
        yield keras.ops.convert_to_numpy(variable.value).tobytes()
    yield repr(random.getstate()).encode()
    yield np.random.get_state()[1].tobytes()  # noqa: NPY002


@pytest.mark.parametrize("steps", some_slow([0, 3], {0}))
def test_the_training_goes_on_as_if_nobody_had_looked(steps: int) -> None:
    images, masks = textured()

    def run(look: bool) -> list[bytes]:
        model = compiled(net(dropout=0.3), keras.optimizers.AdamW(1e-3))
        data = {"x": images, "y": masks, "batch_size": 4, "verbose": 0}
        model.fit(**data, epochs=max(steps, 1), steps_per_epoch=min(steps, 1) or None)
        before = list(state(model))
        if look:
            diagnose(model, images, masks, validation_data=textured(4, seed=20))
            assert list(state(model)) == before
        model.fit(**data, epochs=2)  # shuffles, and drops units, by the seeds
        return [*state(model), keras.ops.convert_to_numpy(keras.random.normal((3,))).tobytes()]

    assert run(look=True) == run(look=False)


def test_a_model_that_has_no_optimiser_state_yet_gets_none() -> None:
    model = compiled(optimizer=keras.optimizers.Adam(1e-3))
    before = len(model.optimizer.variables)
    diagnose(model, *textured())
    assert len(model.optimizer.variables) == before
    assert int(model.optimizer.iterations) == 0


# --- bad arguments ------------------------------------------------------------------------------


def test_a_model_that_is_not_compiled_is_refused() -> None:
    with pytest.raises(ValueError) as error:
        diagnose(net(), *textured())
    assert_says(error, "model", "compile")


@pytest.mark.parametrize("data", [3, "images", None])
def test_other_data_are_refused(data: Any) -> None:
    with pytest.raises(ValueError) as error:
        diagnose(compiled(), data)
    assert "data must" in str(error.value)


def test_a_stream_that_can_be_read_once_only_is_refused() -> None:
    with pytest.raises(ValueError) as error:
        diagnose(compiled(), iter([textured()]))
    assert_says(error, "data must be something that can be begun anew")


def test_no_images_are_refused() -> None:
    images, masks = textured()
    with pytest.raises(ValueError) as error:
        diagnose(compiled(), images[:0], masks[:0])
    assert_says(error, "data", "0 images")


@pytest.mark.parametrize("threshold", ["0.5", [1]])
def test_a_threshold_that_is_no_number_is_refused(threshold: Any) -> None:
    with pytest.raises(ValueError) as error:
        diagnose(compiled(), *textured(), threshold=threshold)
    assert_says(error, "threshold", repr(threshold))


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan, "ten"])
def test_seconds_out_of_range_are_refused(seconds: Any) -> None:
    with pytest.raises(ValueError) as error:
        diagnose(compiled(), *textured(), seconds=seconds)
    assert_says(error, "seconds", repr(seconds))


def test_several_losses_are_refused() -> None:
    body = net()
    model = keras.Model(body.inputs, [body.output, body.output])
    model.compile("adam", ["mse", "mse"])
    with pytest.raises(ValueError) as error:
        diagnose(model, *textured())
    assert_says(error, "one output and one loss")


# --- several classes, groups --------------------------------------------------------------------


def test_more_class_ids_than_outputs() -> None:
    images, masks = textured()
    masks = masks * 2
    model = compiled(net(num_classes=2), loss="sparse_categorical_crossentropy")
    found = diagnose(model, images, masks)
    assert found.names[0] == "output-count"
    assert "num_classes=3" in found[0].fix


def test_a_group_in_both_parts_is_a_leak() -> None:
    samples = blob_samples(6, side=SIDE, channels=1)
    pairs = [samples.stored(n)[:2] for n in range(6)]
    one = make_samples(pairs[:4], groups=["a", "b", "c", "d"])
    other = make_samples(pairs[4:], groups=["a", "e"])
    found = diagnose(compiled(), one, validation_data=other)
    assert {"group-in-two-splits", "image-in-two-splits"} & set(found.names)

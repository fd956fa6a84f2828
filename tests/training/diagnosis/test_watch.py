"""The callback that warns: each fault once, sound trainings never, and little time."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
from builders import assert_says, blob_samples

from unet_helpers import BceDice, Dice, TrainingWarning, WarnWhileTraining, adamw, keras, unet

SIDE = 32
layers = keras.layers


class Unreached(layers.Layer):
    """A sigmoid of something so large that its gradient is 0."""

    def call(self, x: Any) -> Any:
        return keras.ops.sigmoid(0.0 * x - 1)


def net(head: tuple[Any, ...] = (), **settings: Any) -> Any:
    keras.utils.set_random_seed(0)
    model = unet((SIDE, SIDE, 1), filters=4, depth=1, **settings)
    if head:
        x = model.layers[-2].output
        for layer in head:
            x = layer(x)
        model = keras.Model(model.inputs, x)
    return model


def data() -> tuple[np.ndarray, np.ndarray]:
    return blob_samples(12, side=SIDE, channels=1).stack(SIDE)


def watched(
    model: Any,
    optimizer: Any,
    loss: Any = "binary_crossentropy",
    *,
    given: Any = None,
    masks: Any = None,
    epochs: int = 20,
    metrics: Any = None,
) -> tuple[dict[str, str], list[str]]:
    """Train, and give what was said: by the callback, and as warnings."""
    images, truth = data()
    model.compile(optimizer, loss, metrics=metrics)
    watch = WarnWhileTraining(given, share=1.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(images, truth if masks is None else masks, batch_size=4, epochs=epochs,
                  callbacks=[watch], verbose=0)  # fmt: skip
    said = [str(w.message) for w in caught if w.category is TrainingWarning]
    assert said == list(watch.said.values())  # each once
    return watch.said, said


@pytest.mark.parametrize(
    "given", [None, pytest.param(data(), marks=pytest.mark.slow)], ids=["alone", "with data"]
)
def test_a_sound_training_is_left_in_peace(given: Any) -> None:
    assert watched(net(), adamw(60), BceDice(), given=given, metrics=[Dice()])[0] == {}
    assert watched(net(), keras.optimizers.Adam(1e-2), given=given)[0] == {}


def test_a_loss_that_is_no_number() -> None:
    said, texts = watched(net(norm=None), keras.optimizers.SGD(1e30), "mse", epochs=3)
    assert list(said) == ["loss-not-finite"]
    assert "nan" in texts[0]
    assert "\n" not in texts[0]


def test_nan_is_told_within_the_first_epoch() -> None:
    images, masks = data()
    images, masks = np.tile(images, (10, 1, 1, 1)), np.tile(masks, (10, 1, 1, 1))
    images[0] = math.nan
    model = net()
    model.compile("adam", "binary_crossentropy")
    watch = WarnWhileTraining(share=1.0)
    with pytest.warns(TrainingWarning, match="will stay so"):
        model.fit(images, masks, batch_size=2, shuffle=False, callbacks=[watch], verbose=0)
    assert int(watch.said["loss-not-finite"].split("step ")[1].split()[0]) < 20


def test_a_relu_before_the_sigmoid_is_told_at_once() -> None:
    head = (layers.Conv2D(1, 1, activation="relu"), layers.Activation("sigmoid"))
    said, _ = watched(net(head), "adam", epochs=1)
    assert list(said) == ["relu-before-output"]


@pytest.mark.parametrize("optimizer", ["sgd", keras.optimizers.AdamW(1e-2)])
def test_a_head_that_gets_no_gradient(optimizer: Any) -> None:
    head = (layers.Conv2D(1, 1), Unreached())
    said, _ = watched(net(head), optimizer)
    assert list(said) == ["no-gradient"]


@pytest.mark.slow
def test_a_learning_rate_that_is_too_low() -> None:
    said, _ = watched(net(), keras.optimizers.Adam(1e-8))
    assert list(said) == ["learning-rate-too-low"]


def test_a_loss_that_does_not_fall() -> None:
    noise = np.random.default_rng(0).integers(0, 2, data()[1].shape)
    said, _ = watched(net(norm=None), keras.optimizers.Adam(1e-4), masks=noise)
    assert "plateau" in said or "learning-rate-too-low" in said


@pytest.mark.parametrize(
    "given", [None, pytest.param(data(), marks=pytest.mark.slow)], ids=["alone", "with data"]
)
def test_nothing_but_background(given: Any) -> None:
    metrics = [Dice()] if given is None else None
    masks = data()[1].copy()
    masks[:, 1:] = 0  # a sliver of foreground
    masks[:, 0, 4:] = 0
    said, _ = watched(net(), keras.optimizers.Adam(1e-2), given=given, masks=masks, metrics=metrics)
    if given is None:
        assert set(said) <= {"all-background-predicted"}
    else:
        assert list(said) == ["all-background-predicted"]


@pytest.mark.slow
def test_a_second_fit_of_a_good_model_is_no_plateau() -> None:
    model = net()
    watched(model, keras.optimizers.Adam(1e-2), epochs=40)
    images, masks = data()
    watch = WarnWhileTraining(share=1.0)
    model.fit(images, masks, batch_size=4, epochs=20, callbacks=[watch], verbose=0)
    assert watch.said == {}


@pytest.mark.slow
def test_looking_takes_its_share_of_the_time_and_no_more() -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 0.01  # every question takes a hundredth of a second
        return now[0]

    images, masks = data()
    model = net()
    model.compile("adam", BceDice())
    watch = WarnWhileTraining((images, masks), share=0.2, clock=clock)
    model.fit(images, masks, batch_size=1, epochs=20, callbacks=[watch], verbose=0)
    assert 0 < watch.spent <= 0.2 * now[0] + 0.02  # the last look comes in any case


@pytest.mark.slow
def test_the_training_is_the_same_with_it() -> None:
    images, masks = data()

    def run(*callbacks: Any) -> list[bytes]:
        model = net(dropout=0.3)
        model.compile("adam", BceDice())
        model.fit(images, masks, batch_size=4, epochs=4, callbacks=callbacks, verbose=0)
        return [keras.ops.convert_to_numpy(w.value).tobytes() for w in model.weights]

    assert run(WarnWhileTraining((images, masks), share=1.0)) == run()


@pytest.mark.parametrize("share", [0, -1, 2])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError) as error:
        WarnWhileTraining(share=share)
    assert_says(error, "share", share)


def test_a_threshold_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError) as error:
        WarnWhileTraining(threshold=1.5)
    assert_says(error, "threshold", 1.5)

"""`fine_tune`: what it starts from stays, what is frozen stays, and a break leaves no trace."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import assert_says, blob_samples, make_samples
from small_runs import SETTINGS, Break, assert_same, small_train, weights

from unet_helpers import keras, unet
from unet_helpers.data.samples import Samples
from unet_helpers.training.fine_tune import check_start, fine_tune
from unet_helpers.training.run_record import Run
from unet_helpers.training.start import fitting

layers = keras.layers
NEW = {name: value for name, value in SETTINGS.items() if name not in ("filters", "depth")}
NEW = {**NEW, "steps": 4, "rounds": 2}
del NEW["dropout"]


def darker(samples: Samples) -> Samples:
    """The same shapes the other way round, as another microscope might show them."""
    stored = [samples.stored(index) for index in range(len(samples))]
    return make_samples([(255 - image, mask) for image, mask, _ in stored])


OTHER = darker(blob_samples(4))


def small_fine_tune(start: Any, folder: Path | None = None, **changed: Any) -> Run:
    settings = {"samples": OTHER[:3], "val": OTHER[3:], **NEW, "folder": folder}
    return fine_tune(start, **{**settings, **changed})


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A first training, long enough to have learned something; with dropout."""
    folder = tmp_path_factory.mktemp("first") / "blobs"
    return small_train(folder, steps=200, rounds=2, batch_size=4, dropout=0.1)


def by_layer(model: keras.Model) -> dict[str, list[bytes]]:
    return {each.name: [w.tobytes() for w in each.get_weights()] for each in model.layers}


def changed_layers(before: keras.Model, after: keras.Model) -> set[str]:
    old, new = by_layer(before), by_layer(after)
    assert list(old) == list(new)
    return {name for name in old if old[name] != new[name]}


# --- frozen or not -------------------------------------------------------------------------------

WITH_WEIGHTS = {
    f"{part}_{kind}{number}"
    for part in ("down0", "bottom", "up0")
    for kind in ("conv", "norm")
    for number in (1, 2)
} | {"stem", "up0_enlarge", "output"}
DECODER = {name for name in WITH_WEIGHTS if name.startswith(("up0", "output"))}
NORMS = {name for name in WITH_WEIGHTS if "norm" in name}


@pytest.mark.parametrize(
    ("freeze", "statistics", "precision", "changed"),
    [
        (None, "adapt", "float32", WITH_WEIGHTS),
        ("encoder", "adapt", "mixed_bfloat16", DECODER),
        ("decoder", "adapt", "float32", WITH_WEIGHTS - DECODER),
        (None, "keep", "mixed_bfloat16", WITH_WEIGHTS - NORMS),
    ],
)
def test_exactly_what_is_not_frozen_changes_and_the_start_does_not(
    freeze: str | None, statistics: str, precision: str, changed: set[str], first: Run
) -> None:
    assert first.folder is not None
    files = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    values, flags = weights(first.model), [each.trainable for each in first.model.layers]
    run = small_fine_tune(first, freeze=freeze, statistics=statistics, precision=precision)
    assert changed_layers(first.model, run.model) == changed
    assert all(layer.trainable for layer in run.model.layers)
    assert {layer.dtype_policy.name for layer in run.model.layers} == {"float32"}
    assert not run.model.compiled
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == files
    assert weights(first.model) == values
    assert [layer.trainable for layer in first.model.layers] == flags


def test_layers_that_somebody_froze_are_trained_unless_freeze_says_so(first: Run) -> None:
    model = keras.models.clone_model(first.model)
    model.get_layer("bottom_conv1").trainable = False
    made = fitting(model, OTHER, 16, None).build()
    assert all(layer.trainable for layer in made.layers)
    assert not model.get_layer("bottom_conv1").trainable


# --- what it starts from -------------------------------------------------------------------------


def test_run_folder_file_and_model_are_the_same_start(first: Run, tmp_path: Path) -> None:
    assert first.folder is not None

    def read(start: Any) -> dict[str, Any]:
        begin = fitting(start, OTHER, 16, None)
        assert weights(begin.build()) == weights(first.model)
        return begin.told()

    for start in (first.folder, first.folder / "model.keras", str(first.folder)):
        assert read(start) == read(first)
    first.model.save(tmp_path / "mine.keras")
    (tmp_path / "run.json").write_text("of another model")
    known = ("fingerprint", "head")
    for start in (tmp_path / "mine.keras", first.model):
        told = {k: v for k, v in read(start).items() if k != "name"}
        assert told == {name: read(first)[name] for name in known}


def test_the_record_tells_where_it_started_and_no_other_start_takes_its_place(
    first: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "second"
    run = small_fine_tune(first, folder, freeze="encoder")
    told = run.record["start"]
    assert told["name"] == "blobs"
    assert told["data"] == first.record["data"]
    assert told["class_names"] == ["background", "foreground"]
    settings = run.record["settings"]
    assert [settings[name] for name in ("freeze", "statistics")] == ["encoder", "keep"]
    assert settings["peak"] < first.record["settings"]["peak"]
    assert told["fingerprint"] in run.record["settings"]["start"]
    assert json.loads((folder / "run.json").read_text())["start"] == told
    third = fitting(folder, OTHER, 16, None).told()
    assert third["start"] == told
    assert third["fingerprint"] != told["fingerprint"]
    other = keras.models.clone_model(first.model)  # of other weights
    kept = (folder / "model.keras").read_bytes()
    for start, changed, said in (
        (other, {"freeze": "encoder"}, "start weights"),
        (first, {"freeze": None}, "freeze encoder"),
        (first, {"freeze": "encoder", "statistics": "adapt"}, "statistics adapt"),
        (first, {"freeze": "encoder", "peak": 1e-5}, "peak 1e-05"),
    ):
        with pytest.raises(ValueError) as error:
            small_fine_tune(start, folder, **changed)
        assert_says(error, folder, said, "another folder")
    assert (folder / "model.keras").read_bytes() == kept


def test_it_begins_with_the_very_weights_and_better_than_a_fresh_one(first: Run) -> None:
    seen: list[list[bytes]] = []

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            seen.append(weights(self.model))

    same = blob_samples(8)
    settings = {"samples": same[4:7], "val": same[7:], "steps": 4, "rounds": 2, "batch_size": 4}
    tuned = small_fine_tune(first, **settings, callbacks=[Watch()])
    fresh = small_train(**settings)
    assert seen == [weights(first.model)]
    assert tuned.history["loss"][0] < 0.8 * fresh.history["loss"][0]
    assert tuned.history["val_dice"][0] > fresh.history["val_dice"][0] + 0.1


# --- other classes and other models --------------------------------------------------------------


def three() -> Samples:
    stored = [OTHER.stored(index) for index in range(4)]
    pairs = []
    for image, mask, _ in stored:
        ids = mask.copy()
        ids[16:] *= 2
        pairs.append((image, ids))
    return make_samples(pairs, class_names=["ground", "upper", "lower"])


def test_other_classes_get_a_new_last_layer_which_is_told_and_trained(
    first: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    heads: list[list[bytes]] = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            heads.append(by_layer(self.model)["output"])

    samples = three()
    settings = {"samples": samples[:3], "val": samples[3:], "freeze": "decoder"}
    run = small_fine_tune(first, **settings, callbacks=[Watch()])
    assert heads[0] != heads[1]  # a frozen decoder does not freeze it
    assert DECODER - {"output"} <= set(by_layer(run.model)) - changed_layers(first.model, run.model)
    assert run.model.output_shape[-1] == 3
    assert run.record["start"]["head"] == "new"
    assert run.record["settings"]["statistics"] == "adapt"  # all is to be learned anew
    assert run.record["settings"]["peak"] == first.record["settings"]["peak"]
    assert set(run.record["scores"]) == {"upper", "lower"}
    said = capsys.readouterr().out
    assert "blobs has 1 output (background, foreground), and 3 are needed" in said
    assert "'output', begins anew" in said
    image = np.random.default_rng(0).random((1, 16, 16, 3), np.float32)
    assert run.model.predict(image, verbose=0).sum(axis=-1) == pytest.approx(1, abs=1e-5)
    back = fitting(run, OTHER, 16, None)
    back.tell()
    assert "3 outputs (ground, upper, lower), and 1 is needed" in capsys.readouterr().out
    model = back.build()
    assert model.output_shape[-1] == 1
    assert model.layers[-1].activation is keras.activations.sigmoid


def test_classes_of_other_names_are_told(first: Run, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [OTHER.stored(index)[:2] for index in range(4)]
    samples = make_samples(pairs, class_names=["background", "nucleus"])
    fitting(first, samples, 16, None).tell()
    assert "background, foreground; from now on background, nucleus" in capsys.readouterr().out
    fitting(first, OTHER, 16, None).tell()
    assert capsys.readouterr().out == ""


def sequential(outputs: int = 1, end: str = "sigmoid") -> keras.Model:
    """Somebody's own net, of fixed size, with the activation as a layer."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.UpSampling2D(),
            layers.Conv2D(outputs, 1),
            layers.Activation(end),
        ],
        name="mine",
    )


def test_a_plain_model_of_fixed_size_is_trained_on_and_takes_any_size() -> None:
    two = fitting(sequential(2, "softmax"), OTHER, 24, None)
    assert two.told()["head"] == "kept"
    assert two.build().output_shape == (None, None, None, 2)
    run = small_fine_tune(sequential(3, "softmax"), size=24)
    assert run.record["start"]["head"] == "new"
    assert run.model.predict(np.zeros((1, 40, 12, 3), np.float32), verbose=0).shape == (
        1,
        40,
        12,
        1,
    )


def test_the_copy_says_what_the_model_says() -> None:
    images = np.random.default_rng(1).random((2, 32, 32, 3), np.float32)
    scaled = layers.Normalization()
    scaled.adapt(images * 3 + 1)  # statistics of its own that are no weights of a convolution
    image = keras.Input((32, 32, 3))
    inner = layers.Conv2DTranspose(4, 2, strides=2)(layers.MaxPooling2D()(scaled(image)))
    joined = layers.Concatenate()([layers.Dropout(0.5)(inner), image])
    model = keras.Model(image, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(joined))
    copy = fitting(model, OTHER, 16, "encoder").build()
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(copy.predict(images, verbose=0), expected, atol=1e-6)


def test_the_seeds_own_net_can_be_trained_on() -> None:
    model = unet((64, 64, 3), filters=4, depth=2, norm=None, dropout=0.5)
    made = fitting(model, OTHER, 16, "encoder").build()
    assert made.output_shape == (None, None, None, 1)
    assert weights(made) == weights(model)


# --- breaks --------------------------------------------------------------------------------------


def broken_fine_tune(start: Any, folder: Path | None = None, **changed: Any) -> Run:
    samples = three()
    parts = {"samples": samples[:3], "val": samples[3:], "freeze": "encoder"}
    return small_fine_tune(start, folder, **parts, steps=16, rounds=8, **changed)


CHILD = """
import os, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from test_fine_tune import broken_fine_tune
from unet_helpers import keras

class Tell(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        os.write(1, b"step\\n")

broken_fine_tune(sys.argv[1], Path(sys.argv[2]), callbacks=[Tell()])
"""


@pytest.mark.slow
def test_a_real_kill_and_other_breaks_leave_no_trace(first: Run, tmp_path: Path) -> None:
    here = Path(__file__).parent
    command = [sys.executable, "-c", CHILD, str(first.folder), str(tmp_path / "run"), str(here)]
    with subprocess.Popen(
        [*command, str(here.parent)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        steps = (line for line in process.stdout if line == "step\n")
        assert [next(steps) for _ in range(5)]
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "run" / "model.keras").exists()
    assert list((tmp_path / "run").glob("state-*.npz"))
    for error in (RuntimeError(), KeyboardInterrupt()):
        stop = Break("on_train_batch_end", 2, error)
        with contextlib.suppress(RuntimeError):
            assert not broken_fine_tune(first, tmp_path / "run", callbacks=[stop]).finished
    again = broken_fine_tune(first, tmp_path / "run")
    assert_same(again, broken_fine_tune(first))
    assert_same(broken_fine_tune(first, tmp_path / "run"), again)  # it is read
    assert sorted(each.name for each in (tmp_path / "run").iterdir()) == ["model.keras", "run.json"]


# --- what does not fit ---------------------------------------------------------------------------


class Own(keras.Model):
    """A model that is no graph."""

    def __init__(self) -> None:
        super().__init__()
        self.only = layers.Conv2D(1, 1)

    def call(self, images: Any) -> Any:
        return self.only(images)


def logits() -> keras.Model:
    return keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(1, 1)], name="raw")


def flat() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Flatten(),
            layers.Dense(16 * 16, "sigmoid"),
            layers.Reshape((16, 16, 1)),
            layers.Activation("sigmoid"),
        ],
        name="flat",
    )


def nested() -> keras.Model:
    inner = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(1, 1)], name="inner")
    return keras.Sequential([keras.Input((None, None, 3)), inner, layers.Activation("sigmoid")])


def headless() -> keras.Model:
    image = keras.Input((None, None, 3))
    return keras.Model(image, layers.Softmax()(layers.Conv2D(5, 1)(image)), name="five")


@pytest.mark.parametrize(
    ("make", "changed", "told"),
    [
        (Own, {}, ["start", "one graph", "a class of its own"]),
        (
            lambda: keras.Sequential([layers.Conv2D(1, 1)], name="mine"),
            {},
            ["no input shape yet in mine"],
        ),
        (nested, {}, ["start", "one graph", "'inner'"]),
        (logits, {}, ["end in a sigmoid", "linear in raw", "Activation('sigmoid')"]),
        (lambda: sequential(2), {}, ["end in a softmax", "sigmoid in mine"]),
        (flat, {}, ["any size", "flat cannot"]),
        (headless, {}, ["5", "Softmax in five"]),
        (lambda: unet((None, None, 1), filters=4, depth=1), {}, ["1 channel,", "found 3", "train"]),
        (
            lambda: unet((None, None, 3), filters=4, depth=1, padding="valid"),
            {},
            ["16 pixels", 'padding="same"'],
        ),
        (sequential, {"size": 17}, ["size", "2 and every 2", "17", "take 18"]),
        (sequential, {"size": 2.5}, ["size", "2.5", "take 128"]),
        (sequential, {"freeze": "head"}, ["freeze", "'encoder', 'decoder'", "'head'"]),
        (sequential, {"statistics": "drop"}, ["statistics", "'keep', 'adapt'", "'drop'"]),
        (sequential, {"filters": 8}, ["peak, size", "'filters'"]),
        (sequential, {"steps": 1}, ["steps", "from 2"]),
        (sequential, {"seed": -1}, ["seed", "-1"]),
        (lambda: "nowhere", {}, ["nowhere", "nothing"]),
        (lambda: Path(__file__), {}, ["test_fine_tune.py", "another file"]),
        (lambda: 7, {}, ["start", "int"]),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_written(
    make: Any, changed: dict[str, Any], told: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError) as error:
        small_fine_tune(make(), tmp_path / "run", **changed)
    assert_says(error, *told)
    assert not (tmp_path / "run").exists()


def test_a_model_that_does_not_enlarge_has_no_encoder() -> None:
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(image))
    with pytest.raises(ValueError) as error:
        small_fine_tune(model, freeze="encoder")
    assert_says(error, "freeze", "'encoder'", "leave it out")


def test_a_damaged_file_is_told(first: Run, tmp_path: Path) -> None:
    assert first.folder is not None
    whole = (first.folder / "model.keras").read_bytes()
    (tmp_path / "half.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError) as error:
        small_fine_tune(tmp_path / "half.keras")
    assert_says(error, "half.keras", "cannot be loaded")
    with pytest.raises(ValueError) as error:
        small_fine_tune(tmp_path)
    assert_says(error, tmp_path / "model.keras", "none")


def test_the_folder_of_the_start_is_refused(first: Run) -> None:
    assert first.folder is not None
    for start in (first, first.folder, first.folder / "model.keras"):
        with pytest.raises(ValueError) as error:
            small_fine_tune(start, first.folder)
        assert_says(error, first.folder, "the same", "name a new one")


def test_a_start_can_be_checked_before_other_work(first: Run) -> None:
    check_start(first, OTHER, "encoder")
    for start in (unet((None, None, 1), filters=4, depth=1), flat()):
        with pytest.raises(ValueError):
            check_start(start, OTHER, None)

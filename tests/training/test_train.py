"""`train`: a break at any place leaves no trace, and another run is never overwritten."""

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import assert_says, blob_samples, make_samples, some_slow
from small_runs import Break, assert_same, broken, small_train, weights

from unet_helpers import keras
from unet_helpers.training import budget, state_files
from unet_helpers.training import train as training
from unet_helpers.training.run_record import Run
from unet_helpers.training.train import train
from unet_helpers.training.validation import Validate


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that every broken one must end as."""
    return small_train(tmp_path_factory.mktemp("runs") / "unbroken")


Where = tuple[AbstractContextManager[Any], list[keras.callbacks.Callback]]
# In the order in which one training meets them, each time it is taken up again.
PLACES: dict[str, Callable[[BaseException], Where]] = {
    "tracing": lambda e: (nullcontext(), [Break("on_train_begin", 1, e)]),
    "first step": lambda e: (nullcontext(), [Break("on_train_batch_end", 1, e)]),
    "middle of a round": lambda e: (nullcontext(), [Break("on_train_batch_end", 3, e)]),
    "validation": lambda e: (broken(Validate, "score", 1, e), []),
    "before the checkpoint": lambda e: (nullcontext(), [Break("on_epoch_end", 1, e)]),
    "in the checkpoint": lambda e: (broken(state_files.os, "fsync", 3, e), []),
    "behind the checkpoint": lambda e: (nullcontext(), [Break("on_epoch_begin", 2, e)]),
    "scoring": lambda e: (broken(training, "score_images", 1, e), []),
    "before the model": lambda e: (broken(training, "write_model", 1, e), []),
    "behind the model": lambda e: (broken(training, "write_model", 1, e, late=True), []),
    "in the last clean-up": lambda e: (broken(training, "_forget_states", 1, e), []),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_breaks_at_all_places_one_after_another_leave_no_trace(
    kind: type[BaseException], tmp_path: Path, unbroken: Run
) -> None:
    for place, make in PLACES.items():
        where, callbacks = make(kind(place))
        try:
            with where:
                run = small_train(tmp_path / "run", callbacks=callbacks)
            assert kind is KeyboardInterrupt, place
            assert not run.finished, place
        except kind:
            pass
    assert_same(small_train(tmp_path / "run"), unbroken)
    assert sorted(each.name for each in (tmp_path / "run").iterdir()) == ["model.keras", "run.json"]


def test_dropout_and_augmentation_count_for_the_weights(unbroken: Run) -> None:
    for changed in ({"dropout": 0.0}, {"augment": True}, {"seed": 1}):
        assert weights(small_train(**changed).model) != weights(unbroken.model), changed


def test_without_a_folder_it_is_the_same_run(unbroken: Run) -> None:
    run = small_train()
    assert run.folder is None
    assert_same(run, unbroken)


def test_the_history_tells_every_round(unbroken: Run) -> None:
    assert set(unbroken.history) == {"step", "loss", "val_dice"}
    assert unbroken.history["step"] == [2, 4, 6]
    assert [len(each) for each in unbroken.history.values()] == [3, 3, 3]


def test_the_weights_are_those_of_the_best_validation_dice(tmp_path: Path) -> None:
    seen: list[tuple[float, list[bytes]]] = []
    dices = iter([0.2, 0.9, 0.4])

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["val_dice"] = next(dices)
            seen.append((logs["val_dice"], weights(self.model)))

    run = small_train(tmp_path / "run", callbacks=[Watch()])
    assert run.record["best"] == {"val_dice": 0.9, "step": 4}
    assert weights(run.model) == max(seen)[1]
    assert weights(run.model) != seen[-1][1]


def test_an_interrupted_kernel_keeps_the_best_model_so_far(
    tmp_path: Path, unbroken: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    at_end: list[list[bytes]] = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            at_end.append(weights(self.model))

    stop = Break("on_train_batch_end", 5, KeyboardInterrupt())
    run = small_train(tmp_path / "run", callbacks=[Watch(), stop])
    assert not run.finished
    best = int(np.argmax(run.history["val_dice"]))
    assert weights(run.model) == at_end[best]
    assert run.history["step"] == [2, 4]
    assert run.history["val_dice"] == unbroken.history["val_dice"][:2]
    kept = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert weights(kept) == at_end[best]
    said = capsys.readouterr().out
    assert f"≈ {max(run.history['val_dice']):.3f} after step {2 * best + 2}" in said
    assert "goes on after step 4" in said
    assert "stopped after 4" in str(run)


@pytest.mark.slow
def test_a_callback_may_stop_it_and_it_goes_on_later(tmp_path: Path, unbroken: Run) -> None:
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = True

    run = small_train(tmp_path / "run", callbacks=[Stop()])
    assert not run.finished
    assert run.record["steps_done"] == 0
    assert_same(small_train(tmp_path / "run"), unbroken)


def test_a_finished_run_is_read_and_not_trained_again(
    unbroken: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    never = Break("on_train_begin", 1, AssertionError("it trained again"))
    again = small_train(unbroken.folder, callbacks=[never])
    assert_same(again, unbroken)
    assert "is read and not trained again" in capsys.readouterr().out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("state", ["finished", "stopped"])
def test_another_run_is_refused_and_nothing_overwritten(
    state: str, tmp_path: Path, unbroken: Run
) -> None:
    folder = unbroken.folder
    if state == "stopped":
        folder = tmp_path / "run"
        small_train(folder, callbacks=[Break("on_train_batch_end", 3, KeyboardInterrupt())])
    assert folder is not None
    before = contents(folder)
    other = blob_samples(5)
    for changed, told in (
        ({"seed": 1}, ["seed 0", "seed 1"]),
        ({"filters": 8}, ["filters 4", "filters 8"]),
        ({"depth": 2}, ["depth 1", "depth 2"]),
        ({"augment": True}, ["augment Augmentation(", "augment True"]),
        ({"precision": "mixed_bfloat16"}, ["precision float32", "precision mixed_bfloat16"]),
        ({"steps": 8}, ["steps 6", "steps 8"]),
        ({"steps": None, "minutes": 1}, ["steps 6", "minutes 1"]),
        ({"rounds": 2}, ["rounds 3", "rounds 2"]),
        ({"samples": other[:2]}, ["train samples things"]),
        ({"val": other[4:]}, ["val samples things"]),
    ):
        with pytest.raises(ValueError) as error:
            small_train(folder, **changed)
        assert_says(error, folder, *told, "another folder")
        assert contents(folder) == before, changed


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(ValueError) as error:
        small_train(tmp_path / "run")
    assert_says(error, tmp_path / "run", "a file")
    assert (tmp_path / "run").read_text() == "mine"


def test_somebody_elses_run_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"speed": 12}')
    with pytest.raises(ValueError) as error:
        small_train(tmp_path)
    assert_says(error, tmp_path / "run.json", "another file")


@pytest.mark.parametrize("found", some_slow(["none", "damaged"], {"damaged"}))
def test_a_finished_run_without_its_model_is_told(found: str, tmp_path: Path) -> None:
    small_train(tmp_path, steps=2, rounds=1)
    if found == "none":
        (tmp_path / "model.keras").unlink()
    else:
        whole = (tmp_path / "model.keras").read_bytes()
        (tmp_path / "model.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError) as error:
        small_train(tmp_path, steps=2, rounds=1)
    assert_says(error, tmp_path / "model.keras", found, "delete the folder")


# --- the disk ------------------------------------------------------------------------------------

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.slow
def test_a_disk_that_fills_up_is_told_and_loses_nothing(tmp_path: Path, unbroken: Run) -> None:
    small_train(tmp_path / "run", callbacks=[Break("on_train_batch_end", 3, KeyboardInterrupt())])
    before = contents(tmp_path / "run")

    def full(*_: object) -> None:
        raise FULL

    with pytest.MonkeyPatch.context() as patch, pytest.warns(UserWarning) as warned:
        patch.setattr(state_files, "write_whole", full)
        patch.setattr(training, "write_model", full)
        run = small_train(tmp_path / "run")
    assert_same(run, unbroken)  # in memory
    assert run.folder is None
    told = [str(each.message) for each in warned if "room to write" in str(each.message)]
    assert told
    assert all("no space left on device" in each for each in told)
    after = contents(tmp_path / "run")
    assert {**after, "run.json": b""} == {**before, "run.json": b""}
    assert_same(small_train(tmp_path / "run"), unbroken)


def test_a_full_disk_before_the_first_step_is_an_error(tmp_path: Path) -> None:
    with broken(training, "write_record", 1, FULL), pytest.raises(OSError) as error:
        small_train(tmp_path / "run")
    assert_says(error, tmp_path / "run", "no space left on device", "make room")


LIMITED = """
import resource, sys, warnings
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from small_runs import small_train
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # run.json fits, a checkpoint does not
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", UserWarning)
    run = small_train(Path(sys.argv[1]))
print(run.finished, run.folder)
print([str(each.message) for each in caught if "room to write" in str(each.message)][-1])
"""


@pytest.mark.slow
def test_files_that_cannot_be_written_for_real(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "run"), str(here), str(here.parent)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()[-2:]
    assert first == "True None"
    assert "file too large" in second
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


# --- minutes -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_minutes_become_steps_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    probes: list[float] = []
    whole = budget.steps_in

    def probe(seconds: float, *rest: Any) -> int:
        probes.append(seconds)
        whole(seconds, *rest)  # its traces must not show either
        return 5 + len(probes)

    monkeypatch.setattr(budget, "steps_in", probe)
    asked = {"steps": None, "minutes": 0.05}
    stop = Break("on_epoch_begin", 2, KeyboardInterrupt())  # the probe calls no callbacks of ours
    first = small_train(tmp_path, **asked, callbacks=[stop])
    assert first.record["steps"] == 6
    assert first.record["asked"] == {"minutes": 0.05, "rounds": 3}
    assert json.loads((tmp_path / "run.json").read_text())["steps"] == 6
    second = small_train(tmp_path, **asked)
    assert probes == [pytest.approx(3.0)]
    assert second.finished
    by_steps = small_train(steps=6)
    assert weights(second.model) == weights(by_steps.model)
    assert second.history == by_steps.history
    assert "0.05 minutes: about 6 steps here" in capsys.readouterr().out


def test_a_minute_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr(budget, "steps_in", lambda seconds, *_: asked.append(seconds) or 2)
    assert small_train(steps=None, rounds=1).record["asked"] == {"minutes": 1, "rounds": 1}
    assert asked == [60]


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"minutes": 1}, ["minutes or steps", "both, 1 and 6"]),
        ({"steps": None, "minutes": 0}, ["minutes", "above 0"]),
        ({"steps": None, "minutes": float("nan")}, ["minutes", "nan"]),
        ({"steps": None, "minutes": float("inf")}, ["minutes", "inf"]),
        ({"steps": 1}, ["steps", "from 2", "1"]),
        ({"steps": 2.5}, ["steps", "2.5"]),
        ({"rounds": 0}, ["rounds", "from 1"]),
        ({"filter": 8}, ["filters, depth", "'filter'"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"samples": blob_samples(0)}, ["samples", "none"]),
        ({"val": blob_samples(0)}, ["val", "none"]),
        ({"val": None, "samples": blob_samples(9).split()[0]}, ["val", "train part"]),
    ],
)
def test_arguments_that_do_not_fit_are_told(changed: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        small_train(**changed)
    assert_says(error, *told)


def test_val_must_have_the_same_classes() -> None:
    pairs = [(np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8))]
    with pytest.raises(ValueError) as error:
        small_train(val=make_samples(pairs, class_names=["background", "nucleus"]))
    assert_says(error, "background, foreground", "background, nucleus")


def test_a_whole_set_is_split_and_its_test_images_are_not_looked_at() -> None:
    seen: set[int] = set()
    blobs = blob_samples(9)
    pairs = [blobs.stored(index)[:2] for index in range(9)]
    samples = make_samples(pairs, on_read=seen.add)
    names = [set(part.names) for part in samples.split()]
    small_train(samples=samples, val=None)
    assert {samples.names[i] for i in seen} == names[0] | names[1]


def test_several_classes_get_a_softmax_and_the_ignored_pixels_no_say() -> None:
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(4):
        mask = rng.choice([0, 1, 2, 255], (16, 16)).astype(np.uint8)
        pairs.append((np.repeat(mask[..., None], 3, axis=2), mask))
    samples = make_samples(pairs, class_names=["ground", "a", "b"], ignore_value=255)
    run = small_train(samples=samples[:3], val=samples[3:])
    assert run.model.output_shape[-1] == 3
    assert set(run.record["scores"]) == {"a", "b"}
    assert run.record["ignore_value"] == 255
    assert np.isfinite(run.history["loss"]).all()


def test_the_policy_is_as_before_and_the_model_float32() -> None:
    before = keras.config.dtype_policy()
    run = small_train(precision="mixed_bfloat16", steps=2, rounds=1)
    assert keras.config.dtype_policy() == before
    assert {layer.dtype_policy.name for layer in run.model.layers} == {"float32"}


def test_the_tensorboard_option_without_the_package_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unet_helpers.training import run_log

    monkeypatch.setattr(run_log.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError) as error:
        small_train(tmp_path / "run", tensorboard=tmp_path / "log")
    assert_says(error, "tensorboard", "pip install tensorboard")
    assert not (tmp_path / "run").exists()


PLAIN = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "unet_helpers":
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
image = np.linspace(0, 1, 16 * 16 * 3, dtype="float32").reshape(1, 16, 16, 3)
print(model.predict(image, verbose=0).astype("float32").tobytes().hex())
"""


@pytest.mark.slow
def test_the_model_opens_with_plain_keras_without_this_package(
    tmp_path: Path, unbroken: Run
) -> None:
    assert unbroken.folder is not None
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, str(unbroken.folder / "model.keras")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    image = np.linspace(0, 1, 16 * 16 * 3, dtype="float32").reshape(1, 16, 16, 3)
    expected = unbroken.model.predict(image, verbose=0)
    found = np.frombuffer(bytes.fromhex(done.stdout.split()[-1]), np.float32)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-5)


def test_train_is_the_public_one() -> None:
    import unet_helpers

    assert unet_helpers.train is train

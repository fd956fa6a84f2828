"""`KeepTraining` with plain Keras: the same lines again after a break end as without one."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import assert_says, blob_samples
from small_runs import Break, broken, weights

from unet_helpers import keras
from unet_helpers.data.augment import Augmentation
from unet_helpers.evaluation.metrics import Dice
from unet_helpers.model.unet import unet
from unet_helpers.training import checkpoint
from unet_helpers.training.checkpoint import KeepTraining, put_variables, take_variables
from unet_helpers.training.losses import SoftDice
from unet_helpers.training.recipe import BceDice, adamw
from unet_helpers.training.state_files import state_paths

SAMPLES = blob_samples(4)
EPOCHS, STEPS = 3, 2


def build(**changed: Any) -> keras.Model:
    keras.utils.set_random_seed(changed.pop("seed", 0))
    optimizer = changed.pop("optimizer", None) or adamw(changed.pop("length", EPOCHS * STEPS))
    loss = changed.pop("loss", None) or BceDice()
    model = unet((16, 16, 3), **{"filters": 4, "depth": 1, "dropout": 0.3, **changed})
    model.compile(optimizer, loss, metrics=[Dice()])
    return model


def fit(
    model: keras.Model,
    keep: KeepTraining,
    before: Sequence[keras.callbacks.Callback] = (),
    steps: int = STEPS,
    **crops: Any,
) -> dict[str, list[float]]:
    samples = crops.pop("samples", SAMPLES[:3])
    settings = {"size": 16, "batch_size": 2, "augment": Augmentation(), **crops}
    val = [np.stack([SAMPLES.arrays(3)[part][:16, :16]]) for part in (0, 1)]
    log = model.fit(
        keep.batches(samples, **settings),
        steps_per_epoch=steps,
        epochs=EPOCHS,
        initial_epoch=keep.epoch,
        validation_data=(val[0], val[1][..., None]),
        callbacks=[*before, keep],
        shuffle=False,
        verbose=0,
    )
    history: dict[str, list[float]] = log.history
    assert log.epoch == list(range(EPOCHS))
    return history


Ended = tuple[list[bytes], list[bytes], dict[str, list[float]], tuple[float, int] | None]


def ended(model: keras.Model, keep: KeepTraining, history: dict[str, list[float]]) -> Ended:
    return weights(model), [v.tobytes() for v in take_variables(model)], history, keep.best


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    model, keep = build(), KeepTraining(tmp_path_factory.mktemp("unbroken"))
    return ended(model, keep, fit(model, keep))


def test_the_unbroken_one_learned_and_was_validated(unbroken: Ended) -> None:
    assert unbroken[0] != weights(build())
    assert set(unbroken[2]) == {"loss", "dice", "val_loss", "val_dice"}
    best = unbroken[3]
    assert best == (max(unbroken[2]["val_dice"]), 1 + int(np.argmax(unbroken[2]["val_dice"])))


def test_breaks_one_after_another_leave_no_trace(tmp_path: Path, unbroken: Ended) -> None:
    for hook, times in (("on_train_batch_end", 3), ("on_test_begin", 1), ("on_epoch_begin", 2)):
        with pytest.raises(RuntimeError, match=hook):
            fit(build(), KeepTraining(tmp_path), [Break(hook, times, RuntimeError(hook))])
    model, keep = build(), KeepTraining(tmp_path)
    assert (keep.epoch, keep.step) == (2, 4)
    assert ended(model, keep, fit(model, keep)) == unbroken


@pytest.mark.parametrize("times", [1, 3])
def test_a_model_of_an_earlier_cell_is_put_back(
    times: int, tmp_path: Path, unbroken: Ended
) -> None:
    """Only the cell with `fit` runs again: the model still has the weights of the break."""
    model = build()
    with pytest.raises(KeyboardInterrupt):
        fit(
            model, KeepTraining(tmp_path), [Break("on_train_batch_end", times, KeyboardInterrupt())]
        )
    keep = KeepTraining(tmp_path)
    assert ended(model, keep, fit(model, keep)) == unbroken


def test_a_training_that_is_done_gives_back_its_history_and_weights(
    tmp_path: Path, unbroken: Ended
) -> None:
    fit(build(), KeepTraining(tmp_path))
    model, keep = build(seed=5), KeepTraining(tmp_path)
    assert ended(model, keep, fit(model, keep)) == unbroken


def test_the_state_of_dropout_is_kept(tmp_path: Path) -> None:
    model = build()
    seeds = [v for v in model.variables if "seed" in v.path]
    assert seeds
    kept = take_variables(model)
    for variable in seeds:
        variable.assign(variable + 1)
    changed = take_variables(model)
    assert [a.tobytes() for a in kept] != [a.tobytes() for a in changed]
    model.optimizer.build(model.trainable_variables)
    put_variables(model, kept + take_variables(model)[len(kept) :])
    assert [a.tobytes() for a in take_variables(model)[: len(kept)]] == [a.tobytes() for a in kept]


def test_load_best_gives_the_weights_of_the_best_epoch(tmp_path: Path) -> None:
    seen: list[list[bytes]] = []
    values = iter([0.3, 0.8, 0.5])

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["val_dice"] = next(values)
            seen.append(weights(self.model))

    model, keep = build(), KeepTraining(tmp_path)
    fit(model, keep, [Watch()])
    assert keep.best == (0.8, 2)
    keep.load_best(model)
    assert weights(model) == seen[1]
    other = build(seed=3)  # another session
    KeepTraining(tmp_path).load_best(other)
    assert weights(other) == seen[1]


def test_without_a_score_there_is_no_best(tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        KeepTraining(tmp_path, best_by="val_iou").load_best(build())
    assert_says(error, "'val_iou'", "none", "validation_data")


@pytest.mark.slow
def test_an_undefined_score_is_never_the_best(tmp_path: Path) -> None:
    class Undefined(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["val_dice"] = float("nan") if epoch != 1 else 0.1

    keep = KeepTraining(tmp_path)
    fit(build(), keep, [Undefined()])
    assert keep.best == (0.1, 2)


# --- what must stay as it was ---------------------------------------------------------------------


def test_another_training_is_refused_and_nothing_overwritten(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        fit(build(), KeepTraining(tmp_path), [Break("on_epoch_begin", 2, RuntimeError())])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    models: list[tuple[dict[str, Any], str]] = [
        ({"filters": 6}, "architecture"),
        ({"depth": 2}, "architecture"),
        ({"norm": None}, "architecture"),
        ({"dropout": 0.4}, "architecture"),
        ({"length": 60}, "optimizer's learning_rate decay_steps"),
        ({"optimizer": keras.optimizers.SGD(0.1)}, "optimizer SGD"),
        ({"loss": SoftDice()}, "loss SoftDice"),
        ({"loss": BceDice(smooth=2.0)}, "loss's smooth 2.0"),
    ]
    for changed, told in models:
        with pytest.raises(ValueError) as error:
            fit(build(**changed), KeepTraining(tmp_path))
        assert_says(error, tmp_path, told, "another folder")
    crops: list[tuple[dict[str, Any], str]] = [
        ({"batch_size": 4}, "batch_size 4"),
        ({"seed": 1}, "seed 1"),
        ({"augment": Augmentation(angle=3)}, "augment Augmentation("),
        ({"samples": SAMPLES[:2]}, "samples"),
        ({"steps": 3}, "steps_per_epoch 3"),
    ]
    for changed, told in crops:
        with pytest.raises(ValueError) as error:
            fit(build(), KeepTraining(tmp_path), **changed)
        assert_says(error, tmp_path, told, "another folder")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_the_number_of_workers_may_change(tmp_path: Path, unbroken: Ended) -> None:
    with pytest.raises(RuntimeError):
        fit(
            build(), KeepTraining(tmp_path), [Break("on_epoch_begin", 2, RuntimeError())], workers=1
        )
    model, keep = build(), KeepTraining(tmp_path)
    assert ended(model, keep, fit(model, keep, workers=3)) == unbroken


def test_a_wrong_first_epoch_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        fit(build(), KeepTraining(tmp_path), [Break("on_epoch_begin", 2, RuntimeError())])
    keep = KeepTraining(tmp_path)
    with pytest.raises(ValueError) as error:
        build().fit(
            keep.batches(SAMPLES[:3], size=16, batch_size=2, augment=Augmentation()),
            steps_per_epoch=STEPS,
            epochs=EPOCHS,
            callbacks=[keep],
            shuffle=False,
            verbose=0,
        )
    assert_says(error, "initial_epoch", "1", "0", "initial_epoch=keep.epoch")


def test_an_old_stream_is_told(tmp_path: Path) -> None:
    model, keep = build(), KeepTraining(tmp_path)
    stream = keep.batches(SAMPLES[:3], size=16, batch_size=2)
    more = {"steps_per_epoch": STEPS, "callbacks": [keep], "shuffle": False, "verbose": 0}
    model.fit(stream, **more)
    with pytest.raises(ValueError) as error:
        model.fit(stream, epochs=2, initial_epoch=1, **more)
    assert_says(error, "keep.batches()", "step 0", "2")


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(ValueError) as error:
        KeepTraining(tmp_path / "run")
    assert_says(error, tmp_path / "run", "a file")


# --- damage, and a full disk ----------------------------------------------------------------------


@pytest.mark.slow
def test_from_an_older_checkpoint_it_ends_the_same(tmp_path: Path, unbroken: Ended) -> None:
    with pytest.raises(RuntimeError):
        fit(build(), KeepTraining(tmp_path), [Break("on_train_batch_end", 5, RuntimeError())])
    newest = state_paths(tmp_path)[0]
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="found a damaged one: the older state-000001.npz is used"):
        keep = KeepTraining(tmp_path)
    assert (keep.epoch, keep.step) == (1, 2)
    model = build()
    assert ended(model, keep, fit(model, keep)) == unbroken


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_older_checkpoint_survives(
    tmp_path: Path, unbroken: Ended
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    model, keep = build(), KeepTraining(tmp_path)
    third, fourth = (broken(checkpoint, "write_state", times, full) for times in (3, 4))
    with pytest.warns(UserWarning) as warned, third, fourth:
        history = fit(model, keep)
    assert ended(model, keep, history) == unbroken  # nothing but the files is missing
    told = [str(each.message) for each in warned if "room to write" in str(each.message)]
    assert len(told) == 2  # at the first failure, and in the end
    assert "no space left on device" in told[0]
    assert [path.name for path in state_paths(tmp_path)] == ["state-000001.npz", "state-000000.npz"]
    model, keep = build(), KeepTraining(tmp_path)
    assert keep.epoch == 1
    assert ended(model, keep, fit(model, keep)) == unbroken

"""A training of seconds in which all that is random is switched on, and what it must end with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from builders import blob_samples

from unet_helpers import keras
from unet_helpers.data.augment import Augmentation
from unet_helpers.training.run_record import Run
from unet_helpers.training.train import train

SETTINGS: dict[str, Any] = {
    "steps": 6,
    "rounds": 3,
    "filters": 4,
    "depth": 1,
    "size": 16,
    "batch_size": 2,
    "dropout": 0.3,
    "augment": Augmentation(),
    "precision": "float32",
}


def small_train(folder: Path | None = None, **changed: Any) -> Run:
    samples = blob_samples(4)
    settings = {"samples": samples[:3], "val": samples[3:], **SETTINGS, "folder": folder}
    return train(**{**settings, **changed})


def weights(model: keras.Model) -> list[bytes]:
    return [each.tobytes() for each in model.get_weights()]


def assert_same(run: Run, other: Run) -> None:
    """The same weights to the bit, and the same story."""
    assert weights(run.model) == weights(other.model)
    for name in ("history", "best", "scores", "steps", "finished", "settings", "data"):
        assert run.record[name] == other.record[name], name


class Break(keras.callbacks.Callback):
    """Raise in one of Keras' hooks, when it is called for the n-th time."""

    def __init__(self, hook: str, times: int, error: BaseException) -> None:
        super().__init__()
        self.hook, self.left, self.error = hook, times, error
        setattr(self, hook, self._hit)

    def _hit(self, *_: Any, **__: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error


@contextmanager
def broken(
    owner: object, name: str, times: int, error: BaseException, late: bool = False
) -> Iterator[None]:
    """Let a function fail when it is called for the n-th time; `late`: after it has done its work.

    Unlike pytest's monkeypatch, it is put right again at the end of the block.
    """
    whole: Callable[..., Any] = getattr(owner, name)
    calls = [0]

    def fails(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == times and not late:
            raise error
        result = whole(*arguments, **named)
        if calls[0] == times:
            raise error
        return result

    setattr(owner, name, fails)
    try:
        yield
    finally:
        setattr(owner, name, whole)
    assert calls[0] >= times, f"{name} was called {calls[0]} times only"

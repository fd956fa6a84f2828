"""A figure that lives while a model trains, with a button that stops the training."""

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from IPython.display import display
from numpy.typing import NDArray

from unet_helpers import keras
from unet_helpers.data.samples import Sample, Samples
from unet_helpers.model.geometry import run_padded
from unet_helpers.views import figures
from unet_helpers.views.live_drawing import SHOWN, Drawing, Progress, Shot
from unet_helpers.views.live_page import Frame, Pace, StopButton, clock_time, has_kernel

FIRST_COST = 0.3  # seconds that the first drawing is expected to take, before one was measured
SIDE = 256  # pixels of an image that are watched, at most, a side


class LiveFigure(keras.callbacks.Callback):
    r"""A Keras callback: curves, learning rate, time left, and a prediction as it improves.

    It draws when its time allows: all drawings together take at most `share` of the training, as
    planned from the time that the first steps took. The last drawing, after the last epoch, counts
    among them but comes in any case: of a training of half a minute or less it is the only one,
    and takes about 0.3 s. Without a notebook's kernel nothing is drawn; `picture` gives the figure.

    The button ends the training after the next batch: ``fit`` then goes on as after a last epoch.
    Its click reaches a busy kernel where page and kernel have subshells (JupyterLab 4.4 and later
    with ipykernel 7 and later); elsewhere it comes too late, and the way is to interrupt the
    kernel.

    Parameters
    ----------
    samples : Sample or sequence of Sample
        The images to watch, of the validation set, at most 3; of each the middle 256 x 256 pixels.
    share : float
        Share of the training time that drawing may take, above 0 and at most 1.
    clock : callable
        Gives the time in seconds.

    Attributes
    ----------
    history : dict of str to list of float
        What ``fit`` logged for each epoch.
    drawings : int
        Figures drawn during training, without the last.
    spent : float
        Seconds that they took.

    Raises
    ------
    ValueError
        If there is no image or more than 3, or `share` is out of range.

    Examples
    --------
    >>> from unet_helpers import BceDice, load, unet
    >>> samples = load("cells")
    >>> model = unet((64, 64, 3), filters=4, depth=1)
    >>> model.compile("adam", BceDice())
    >>> live = LiveFigure(samples[0])
    >>> _ = model.fit(*samples[:2].stack(64), callbacks=[live], verbose=0)
    >>> list(live.history), live.picture()[:4]
    (['loss'], b'\x89PNG')
    """

    def __init__(
        self,
        samples: Sample | Sequence[Sample],
        *,
        share: float = 0.02,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__()
        chosen = [samples] if isinstance(samples, Sample) else list(samples[: SHOWN + 1])
        if not 1 <= len(chosen) <= SHOWN:
            raise ValueError(
                f"samples must be 1 to {SHOWN} images to watch, found "
                f"{len(samples) if len(chosen) else 'none'}: give one, such as val[0]"
            )
        if not 0 < share <= 1:
            raise ValueError(
                f"share must be above 0 and at most 1, found {share}: leave it out for 0.02"
            )
        self.ignore_value = samples.ignore_value if isinstance(samples, Samples) else None
        self.samples, self.share, self.clock = chosen, share, clock
        self._asked = threading.Event()
        self._stop_button: StopButton | None = None
        self._begin()

    def _begin(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.drawings, self.spent = 0, 0.0
        self._progress, self._seen = Progress(), Pace(self.clock())
        self._epoch, self._place = 0, 0.0
        self._cost = self._first_cost = self._last_cost = FIRST_COST
        self._drawn_at = self._told_at = -np.inf
        self._drawing: Drawing | None = None
        self._own: list[tuple[float, float]] = []
        self._handle: Any = None
        self._asked.clear()

    # --- what Keras calls ---------------------------------------------------------------------

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Start afresh."""
        self._begin()
        self._progress.epochs = (self.params or {}).get("epochs") or 1
        if has_kernel():
            self._stop_button = StopButton(self._asked)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Remember where the training is."""
        self._epoch, self._place = epoch, float(epoch)

    # The begin of a batch, not its end: Keras would fetch every batch's loss for the latter.
    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Stop after this batch if that was asked for; draw if there is time."""
        if self._asked.is_set():
            self.model.stop_training = True
            return
        steps = (self.params or {}).get("steps")
        if steps:
            self._place = self._epoch + batch / steps
            self._seen.note(self.clock(), self._place)
        # JAX keeps the weights of a running epoch to itself.
        if batch and keras.backend.backend() != "jax":
            self._draw_if_affordable()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Note what the epoch brought, and draw if there is time."""
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
            self._note(name, epoch + 1, float(value))
        self._place = float(epoch + 1)
        self._seen.note(self.clock(), self._place)
        self._note_rate()
        self._draw_if_affordable()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Draw the last figure, and take the button away."""
        if self._stop_button is not None:
            self._stop_button.remove()
            self._stop_button = None
        if has_kernel():
            self._show(self.picture())

    # --- what is known ------------------------------------------------------------------------

    def _note(self, name: str, epoch: float, value: float) -> None:
        validated = name.startswith("val_")
        plain = name.removeprefix("val_")
        of = "validation" if validated else "training"
        if plain == "loss":
            self._progress.losses.setdefault(of, []).append((epoch, value))
        word = {"dice": "Dice", "iou": "IoU"}.get(plain)
        if word:
            self._progress.scores.setdefault(f"{word}, {of}", []).append((epoch, value))

    def _scores(self) -> dict[str, list[tuple[float, float]]]:
        """Of validation where there are such, else of training."""
        scores = self._progress.scores
        return {name: c for name, c in scores.items() if name.endswith("validation")} or scores

    def _note_rate(self) -> None:
        rate = getattr(self.model.optimizer, "learning_rate", None)
        if rate is not None:
            value = float(keras.ops.convert_to_numpy(rate))
            self._progress.rates.append((self._place, value))

    def _head(self, running: bool) -> str:
        epochs = self._progress.epochs
        rate = self._progress.rates[-1][1] if self._progress.rates else None
        parts = [f"epoch {min(int(self._place) + running, epochs)} of {epochs}"]
        parts += [] if rate is None else [f"learning rate {rate:.2g}"]
        if running:
            left = self._seen.left(self.clock(), self._total())
            parts += [] if left is None else [f"about {clock_time(left)} left"]
            parts += ["stopping"] if self._asked.is_set() else []
        else:
            parts.append("stopped" if self._place < epochs or self._asked.is_set() else "finished")
        return "   ·   ".join(parts)

    def _total(self) -> float:
        return float(self._progress.epochs)

    # --- when to draw, and how ----------------------------------------------------------------

    def _draw_if_affordable(self) -> None:
        if self._stop_button is None:
            return  # nobody is looking
        now = self.clock()
        if now - self._told_at >= 1:
            self._told_at = now
            self._stop_button.tell(self._head(running=True))
        # Not more than twice a second: nobody would see it.
        if now - self._drawn_at < 0.5 or self.spent + self._cost > self._allowed(now):
            return
        self._show(self.picture(running=True))
        self._drawn_at = self.clock()
        self._cost = self._drawn_at - now
        self.drawings, self.spent = self.drawings + 1, self.spent + self._cost
        if self.drawings == 1:  # it built what the others only change
            self._first_cost, self._cost = self._cost, self._cost / 2
        self._last_cost = 2 * self._cost  # made small, it takes about as long again

    def _allowed(self, now: float) -> float:
        """Seconds that drawing may have taken until now.

        The first drawing is advanced to the training, if it can afford it in the end.
        """
        elapsed, planned = now - self._seen.began, self._seen.planned(now, self._total())
        if planned is None:
            return self.share * elapsed - self._last_cost
        rest = self.share * planned - self._last_cost - self._first_cost
        if rest < 0:
            return 0.0
        return self._first_cost + rest * min(elapsed / planned, 1)

    def picture(self, running: bool = False) -> bytes:
        """The figure of what is known so far.

        Parameters
        ----------
        running : bool
            Whether the training goes on: then quickly made rather than small.

        Returns
        -------
        bytes
            A PNG file.
        """
        shots = [_shot(sample, self.model, self.ignore_value) for sample in self.samples]
        if self._drawing is None:
            self._drawing = Drawing(shots)
        self._note_rate()
        self._progress.running = self._running_loss() if running else None
        maps = [self._foreground(shot.image) for shot in shots]
        shown = self._scores()
        if self.history and not shown:
            shown = {"Dice, the image shown": self._own_dice(shots, maps)}
        head = self._head(running)
        self._drawing.update(dataclasses.replace(self._progress, head=head, scores=shown), maps)
        return self._drawing.png() if running else figures.png(self._drawing.figure)

    def _running_loss(self) -> tuple[float, float] | None:
        if self._place == self._epoch + 1:
            return None  # the epoch's own point is there
        loss = self.model.get_metrics_result().get("loss")
        return None if loss is None else (self._place, float(loss))

    def _foreground(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability of the foreground: all classes but 0."""
        # Called, not `predict`: that would trace a graph first, for longer than all drawings take.
        said = run_padded(self.model, image, lambda batch: self.model(batch, training=False))
        foreground = said[..., 0] if said.shape[-1] == 1 else 1 - said[..., 0]
        return np.clip(np.nan_to_num(foreground), 0, 1)

    def _own_dice(
        self, shots: Sequence[Shot], maps: Sequence[NDArray[np.float32]]
    ) -> list[tuple[float, float]]:
        """Dice of the watched pixels, one point for each drawing; for a log without scores."""
        pairs = [(shot.mask > 0, m > 0.5) for shot, m in zip(shots, maps, strict=True)]
        both = sum(int((truth & guess).sum()) for truth, guess in pairs)
        total = sum(int(truth.sum()) + int(guess.sum()) for truth, guess in pairs)
        self._own.append((self._place, 2 * both / total if total else 1.0))
        return self._own

    def _show(self, png: bytes) -> None:
        frame = Frame(png)
        if self._handle is None:
            self._handle = display(frame, display_id=True)
        else:
            self._handle.update(frame)


def _shot(sample: Sample, model: keras.Model, ignore_value: int | None) -> Shot:
    """The middle of an image, as much of it as is watched and as the model takes."""
    height, width = (
        min(length, SIDE, fixed or SIDE)
        for length, fixed in zip(sample.mask.shape, model.input_shape[1:3], strict=True)
    )
    top, left = (sample.mask.shape[0] - height) // 2, (sample.mask.shape[1] - width) // 2
    window = np.s_[top : top + height, left : left + width]
    mask = sample.mask[window]
    if ignore_value is not None:
        mask = np.where(mask == ignore_value, 0, mask)
    return Shot(sample.image[window], mask, sample.name)

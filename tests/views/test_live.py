"""The live figure: what it tells, what it costs, and how it is stopped, in a real kernel too."""

import gc
import time
import weakref
from pathlib import Path
from typing import Any

import matplotlib.pyplot
import numpy as np
import pytest
from builders import assert_says, blob_samples
from jupyter_client.manager import start_new_kernel

from unet_helpers import keras
from unet_helpers.evaluation.metrics import Dice, IoU
from unet_helpers.model.unet import unet
from unet_helpers.training.recipe import adamw
from unet_helpers.views import live, live_page, widgets
from unet_helpers.views.live import LiveFigure
from unet_helpers.views.live_drawing import Progress
from unet_helpers.views.live_page import ALT, Pace, clock_time

SAMPLES = blob_samples(5)
IMAGES, MASKS = SAMPLES.stack()
ROOT = Path(__file__).parents[2]


class Page:
    """Stands in for a notebook's page: remembers what was displayed, in order."""

    def __init__(self) -> None:
        self.shown: list[Any] = []
        self.first: list[Any] = []

    def __call__(self, thing: Any, display_id: bool) -> "Page":
        assert display_id
        self.first.append(thing)
        self.shown.append(thing)
        return self

    def update(self, thing: Any) -> None:
        self.shown.append(thing)

    @property
    def frames(self) -> list[bytes]:
        return [thing.png for thing in self.shown if isinstance(thing, live_page.Frame)]


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    page = Page()
    for module in (live, live_page):
        monkeypatch.setattr(module, "display", page)
    monkeypatch.setattr(live, "has_kernel", lambda: True)
    return page


def small_model(metrics: bool = True, classes: int = 1, size: int | None = 32) -> Any:
    keras.utils.set_random_seed(0)
    model = unet((size, size, 3), classes, filters=2, depth=1)
    loss = "binary_crossentropy" if classes == 1 else "sparse_categorical_crossentropy"
    scores = [IoU(), Dice()] if metrics else []
    model.compile(adamw(20), loss, metrics=scores, run_eagerly=True)
    return model


def fit(model: Any, figure: LiveFigure, validate: bool = True, **settings: Any) -> dict:
    more = {"validation_data": (IMAGES, MASKS)} if validate else {}
    settings = {"epochs": 2, "batch_size": 5, "verbose": 0, **more, **settings}
    return model.fit(IMAGES, MASKS, callbacks=[figure], **settings).history


# --- what it tells ------------------------------------------------------------------------------


def lines(figure: LiveFigure, panel: str) -> dict[str, list[tuple[float, float]]]:
    found = figure._drawing.axes[panel].lines
    named = [line for line in found if not line.get_label().startswith("_")]
    return {ln.get_label(): list(zip(*ln.get_data(), strict=True)) for ln in named}


def test_the_curves_are_those_of_the_log(page: Page) -> None:
    model, figure = small_model(), LiveFigure(SAMPLES[0])
    history = fit(model, figure, epochs=3)
    assert figure.history == history
    points = {name: list(enumerate(values, 1)) for name, values in history.items()}
    assert lines(figure, "loss") == {"training": points["loss"], "validation": points["val_loss"]}
    assert lines(figure, "score") == {
        "Dice, validation": points["val_dice"],
        "IoU, validation": points["val_iou"],
    }
    _, rates = figure._drawing.rate.get_data()
    assert rates[-1] == pytest.approx(float(model.optimizer.learning_rate))
    assert figure._drawing.head.get_text().startswith("epoch 3 of 3   ·   learning rate ")
    assert figure._drawing.head.get_text().endswith("finished")


def test_without_validation_the_training_scores_are_shown(page: Page) -> None:
    figure = LiveFigure(SAMPLES[0])
    history = fit(small_model(), figure, validate=False)
    assert list(lines(figure, "loss")) == ["training"]
    assert lines(figure, "score")["Dice, training"] == list(enumerate(history["dice"], 1))


def test_without_any_score_the_watched_image_is_scored(page: Page) -> None:
    model, figure = small_model(metrics=False), LiveFigure(SAMPLES[0])
    fit(model, figure, validate=False)
    (name, points), *rest = lines(figure, "score").items()
    assert (name, rest) == ("Dice, the image shown", [])
    guess = keras.ops.convert_to_numpy(model(SAMPLES[0].image[None]))[0, ..., 0] > 0.5
    truth = SAMPLES[0].mask > 0
    dice = 2 * (guess & truth).sum() / (guess.sum() + truth.sum())
    assert points[-1] == (2, pytest.approx(dice))


@pytest.mark.parametrize("classes", [1, 3])
def test_the_map_is_the_probability_of_the_foreground(page: Page, classes: int) -> None:
    model, figure = small_model(metrics=False, classes=classes), LiveFigure(SAMPLES[:2])
    fit(model, figure)
    for sample, shown in zip(SAMPLES[:2], figure._drawing._maps, strict=True):
        said = keras.ops.convert_to_numpy(model(sample.image[None], training=False))[0]
        expected = said[..., 0] if classes == 1 else said[..., 1:].sum(axis=-1)
        np.testing.assert_allclose(shown.get_array(), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(31, 45), (300, 20), (7, 600)])
def test_the_middle_of_images_of_any_size_is_watched(shape: tuple[int, int]) -> None:
    sample = SAMPLES[0]._replace(
        image=np.random.default_rng(0).random((*shape, 3)).astype(np.float32),
        mask=np.zeros(shape, np.uint8),
    )
    model, figure = small_model(size=None), LiveFigure(sample)
    figure.set_model(model)
    shot = live._shot(sample, model, None)
    height, width = (min(side, 256) for side in shape)
    assert shot.mask.shape == shot.image.shape[:2] == (height, width)
    assert figure._foreground(shot.image).shape == (height, width)
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    np.testing.assert_array_equal(shot.image, sample.image[top : top + height, left : left + width])
    assert figure.picture()[:4] == b"\x89PNG"


def test_ignored_pixels_have_no_outline() -> None:
    samples = blob_samples(1)
    mask = samples[0].mask.copy()
    mask[:4] = 255
    shot = live._shot(samples[0]._replace(mask=mask), small_model(), 255)
    assert set(np.unique(shot.mask)) == {0, 1}


def test_the_last_picture_is_there_without_a_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    """As in a script: nothing is displayed, nothing printed, nothing drawn on the way."""
    assert not live_page.has_kernel()
    figure = LiveFigure(SAMPLES[0])
    history = fit(small_model(), figure)
    assert (figure.history, figure.drawings, figure.spent) == (history, 0, 0)
    assert capsys.readouterr() == ("", "")
    assert figure.picture()[:4] == b"\x89PNG"


def test_no_figure_is_left_behind(page: Page) -> None:
    figure = LiveFigure(SAMPLES[0])
    model = small_model()
    fit(model, figure)
    old = weakref.ref(figure._drawing.figure)
    fit(model, figure)
    gc.collect()
    assert old() is None
    assert matplotlib.pyplot.get_fignums() == []


def test_a_second_training_starts_afresh(page: Page) -> None:
    model, figure = small_model(), LiveFigure(SAMPLES[0])
    fit(model, figure)
    history = fit(model, figure, epochs=1)
    assert figure.history == history
    assert len(page.first) == 4  # a button and a figure each


def test_nan_has_no_place_in_the_curves(page: Page) -> None:
    figure = LiveFigure(SAMPLES[0])
    figure.set_model(small_model())
    figure.set_params({"epochs": 2, "steps": 1})
    figure.on_train_begin()
    figure.on_epoch_begin(0)
    figure.on_epoch_end(0, {"loss": float("nan"), "val_loss": 0.5})
    figure.on_train_end()
    low, high = figure._drawing.axes["loss"].get_ylim()
    assert low == 0 < 0.5 < high < 0.7


def test_the_running_epoch_and_the_empty_panel_are_explained(page: Page) -> None:
    figure = LiveFigure(SAMPLES[0])
    figure.set_model(small_model())
    figure.picture()
    drawing = figure._drawing
    assert drawing.waiting.get_visible()
    maps = [figure._foreground(SAMPLES[0].image)]
    drawing.update(Progress(epochs=4, running=(3.5, 0.7)), maps)
    assert drawing.running_note.get_visible()
    assert (drawing.running_note.xy, drawing.running_note.get_ha()) == ((3.5, 0.7), "right")
    drawing.update(Progress(epochs=4, running=(0.5, float("nan"))), maps)
    assert not drawing.running_note.get_visible()
    fit(small_model(), figure)
    assert not figure._drawing.waiting.get_visible()
    assert not figure._drawing.running_note.get_visible()


def test_the_learning_rates_tick_says_where_it_stands(page: Page) -> None:
    figure = LiveFigure(SAMPLES[0])
    figure.set_model(small_model())
    figure.picture()
    figure._drawing.update(Progress(rates=[(0, 0.0014)]), [figure._foreground(SAMPLES[0].image)])
    axis = figure._drawing.axes["rate"]
    assert [float(t.get_text()) for t in axis.get_yticklabels()] == list(axis.get_yticks())


def test_widgets_still_offer_it() -> None:
    assert widgets.LiveFigure is LiveFigure


# --- what is stored -----------------------------------------------------------------------------


def test_every_state_has_the_same_text_and_the_button_leaves_nothing(page: Page) -> None:
    fit(small_model(), LiveFigure(SAMPLES[0]))
    bundles = [thing._repr_mimebundle_() for thing in page.shown]
    buttons = [b for b in bundles if isinstance(b, dict)]
    frames = [b for b in bundles if isinstance(b, tuple)]
    assert {b["text/plain"] for b in buttons} == {"Button: stop training"}
    assert {b["text/html"] for b in buttons} == {""}
    assert set(buttons[-1]) == {"text/plain", "text/html"}
    assert {data["text/plain"] for data, _ in frames} == {f"Figure: {ALT}"}
    assert {metadata["image/png"]["alt"] for _, metadata in frames} == {ALT}


# --- what it costs ------------------------------------------------------------------------------


class FakeTime:
    """A clock that moves only when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def run_on(
    page: Page, monkeypatch: pytest.MonkeyPatch, *, step: float, epochs: int, steps: int,
    cost: float, share: float = 0.02,
) -> tuple[LiveFigure, float, list[float]]:  # fmt: skip
    """A training on a fake clock, in which a step and a drawing take these seconds."""
    clock, drawn = FakeTime(), []
    figure = LiveFigure(SAMPLES[0], share=share, clock=clock)
    figure.set_model(small_model())
    figure.set_params({"epochs": epochs, "steps": steps})

    def picture(running: bool = False) -> bytes:
        if running:
            drawn.append(clock.now - 100)
        # The first builds what the others change; the last is made small.
        clock.now += cost * (1 if running and len(drawn) > 1 else 2)
        return b""

    monkeypatch.setattr(figure, "picture", picture)
    figure.on_train_begin()
    for epoch in range(epochs):
        figure.on_epoch_begin(epoch)
        for batch in range(steps):
            figure.on_train_batch_begin(batch)
            clock.now += step + (4 if epoch == batch == 0 else 0)  # the graph is built
        figure.on_epoch_end(epoch, {"loss": 1.0})
    figure.on_train_end()
    assert len(drawn) == figure.drawings
    assert figure.spent == pytest.approx(cost * (len(drawn) + bool(drawn)))
    return figure, clock.now - 100, drawn


@pytest.mark.parametrize("cost", [0.05, 0.15, 0.3, 2.0])
@pytest.mark.parametrize(("step", "epochs", "steps"), [(0.1, 10, 30), (0.1, 3, 1000), (2.0, 1, 90)])
def test_drawing_takes_at_most_two_hundredths(
    page: Page, monkeypatch: pytest.MonkeyPatch, step: float, epochs: int, steps: int, cost: float
) -> None:
    figure, total, drawn = run_on(
        page, monkeypatch, step=step, epochs=epochs, steps=steps, cost=cost
    )
    # The last comes in any case, and what the first costs is not known before it is drawn; nothing
    # else may go beyond the share.
    unforeseen = 2 * cost if drawn and 2 * cost > live.FIRST_COST else 0
    assert figure.spent + 2 * cost <= max(0.02 * total * 1.02, 2 * cost + unforeseen)
    if 8 * cost < 0.02 * total:
        assert figure.spent >= 0.5 * (min(0.02 * total, 2 * total * cost) - 2 * cost)
        assert drawn[0] < 0.35 * total  # early, rather than when it has been earned
        assert max(np.diff(drawn)) < 0.5 * total


def test_a_short_training_has_its_last_figure_only(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, drawn = run_on(page, monkeypatch, step=0.01, epochs=5, steps=10, cost=0.1)
    assert drawn == []
    assert len(page.frames) == 1


def test_cheap_drawings_come_twice_a_second_at_most(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, total, drawn = run_on(
        page, monkeypatch, step=0.02, epochs=50, steps=20, cost=1e-4, share=1.0
    )
    assert min(np.diff(drawn)) >= 0.5
    assert len(drawn) > 0.9 * (total - 5) / 0.55


def test_time_left_is_what_is_left(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace(0.0)
    for step in range(1, 21):
        pace.note(5 + 0.5 * step, step / 20)  # 5 s until the first, then 10 s an epoch
    assert pace.left(15.0, 4) == pytest.approx(30)
    assert pace.planned(15.0, 4) == pytest.approx(45)
    assert Pace(0.0).left(1.0, 4) is None
    assert clock_time(59.6) == "1:00"


# --- how it is stopped --------------------------------------------------------------------------


def test_a_click_ends_the_training_after_the_next_batch(page: Page) -> None:
    model, figure = small_model(), LiveFigure(SAMPLES[0])
    seen = []

    class Clicks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(batch)
            if len(seen) == 2:
                figure._stop_button.button.click()

    history = model.fit(
        IMAGES, MASKS, batch_size=1, epochs=4, verbose=0, callbacks=[figure, Clicks()]
    ).history
    assert seen == [0, 1, 2]
    assert len(history["loss"]) == 1
    assert figure._drawing.head.get_text().endswith("stopped")
    fit(model, figure, epochs=2)  # the click of then does not stop the next
    assert len(figure.history["loss"]) == 2


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: LiveFigure([]), ("samples must be 1 to 3", "found none")),
        (lambda: LiveFigure(SAMPLES), ("samples must be 1 to 3", "found 5")),
        (lambda: LiveFigure(SAMPLES[0], share=0), ("share must be above 0", "found 0")),
    ],
)
def test_wrong_settings_are_refused(make: Any, says: tuple[str, ...]) -> None:
    with pytest.raises(ValueError) as error:
        make()
    assert_says(error, *says)


# --- in a real kernel ---------------------------------------------------------------------------

CELL = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np
from builders import blob_samples
from unet_helpers import keras
from unet_helpers.views.live import LiveFigure

samples = blob_samples(2, side=16)
images, masks = samples.stack()
model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(1, 1, activation="sigmoid")])
model.compile("sgd", "binary_crossentropy")
live = LiveFigure(samples[0], share=0.5)
history = model.fit(images, masks, epochs={epochs}, verbose=0, callbacks=[live]).history
print(len(history["loss"]) < {epochs})
"""  # noqa: E501


def outputs_after_a_click(cell: str) -> list[tuple[str, Any]]:
    """Run a cell in a kernel; click the button, through a subshell, while it is busy."""
    manager, client = start_new_kernel(cwd=str(ROOT))
    try:
        client.control_channel.send(client.session.msg("create_subshell_request"))
        subshell = client.control_channel.get_msg(timeout=30)["content"]["subshell_id"]
        outputs, button, clicked = [], None, False
        asked = client.execute(cell)
        while True:
            message = client.get_iopub_msg(timeout=60)
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "comm_open" and content["data"]["state"]["_model_name"] == "ButtonModel":
                button = content["comm_id"]
            if message["parent_header"].get("msg_id") != asked:
                continue
            outputs.append((kind, content))
            if "image/png" in content.get("data", {}) and not clicked:
                data = {"method": "custom", "content": {"event": "click"}}
                press = client.session.msg("comm_msg", {"comm_id": button, "data": data})
                press["header"]["subshell_id"] = subshell
                client.shell_channel.send(press)
                clicked, limit = True, time.monotonic() + 60
            if kind == "status" and content["execution_state"] == "idle":
                return outputs
            assert not clicked or time.monotonic() < limit, "the click did not stop the training"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.slow
def test_a_click_reaches_a_busy_kernel() -> None:
    cell = CELL.format(tests=str(ROOT / "tests"), epochs=1_000_000)
    outputs = outputs_after_a_click(cell)
    assert [c for k, c in outputs if k == "error"] == []
    assert [c["text"] for k, c in outputs if k == "stream"] == ["True\n"]
    shown = [(k, c["data"]) for k, c in outputs if k in ("display_data", "update_display_data")]
    assert [kind for kind, _ in shown].count("display_data") == 2  # the button and the figure
    assert shown[-2][1] == {"text/plain": "Button: stop training", "text/html": ""}
    assert shown[-1][1]["text/plain"] == f"Figure: {ALT}"

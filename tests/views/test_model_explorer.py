"""The model explorer is moved as a learner moves it; its numbers are those of the model."""

import base64
import io
from typing import Any

import pytest
from PIL import Image

from unet_helpers import model_explorer
from unet_helpers.model.geometry import receptive_field
from unet_helpers.model.unet import unet
from unet_helpers.model.work import count_work


@pytest.fixture
def panel() -> Any:
    made = model_explorer(channels=1)
    made.controls["depth"].value, made.controls["size"].value = 2, 64
    return made


def test_every_control_changes_the_picture_and_the_caption(panel: Any) -> None:
    for name, value in {"depth": 1, "filters": 16, "size": 128}.items():
        before = panel.picture.value, panel.caption.value
        assert panel.controls[name].description
        panel.controls[name].value = value
        assert panel.picture.value != before[0]
        assert panel.caption.value != before[1]


def test_every_place_of_the_sliders_fits_the_model(panel: Any) -> None:
    sizes = panel.controls["size"]
    multiple = 2 ** panel.controls["depth"].max
    assert sizes.min % multiple == sizes.step % multiple == 0


def test_the_caption_tells_what_the_model_costs(panel: Any) -> None:
    panel.controls["filters"].value = 16
    model = unet((None, None, 1), filters=16, depth=2, upsampling="transpose")
    rows = count_work(model, 64)
    operations = sum(row.operations for row in rows) / 1e9
    megabytes = 4 * sum(row.activations for row in rows) / 1e6
    said = panel.caption.value
    assert f"{model.count_params():,} parameters" in said
    assert f"{operations:.2f} billion operations" in said
    assert f"{megabytes:.1f} MB" in said
    assert f"at most {receptive_field(model).widest} pixels" in said


def test_the_bars_add_up_to_the_models_costs(panel: Any) -> None:
    model = unet((None, None, 1), filters=8, depth=2, upsampling="transpose")
    rows = count_work(model, 64)
    figure, _ = panel._drawn()
    expected = (
        model.count_params() / 1e3,
        sum(row.operations for row in rows) / 1e9,
        4 * sum(row.activations for row in rows) / 1e6,
    )
    bars = figure.axes[1:]
    for ax, total in zip(bars, expected, strict=True):
        assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(total)
    names = [tick.get_text() for tick in bars[0].get_yticklabels()]
    assert names == ["down0", "down1", "bottom", "up1", "up0", "output"]


def test_a_page_without_a_kernel_shows_a_still(panel: Any) -> None:
    data, metadata = panel._repr_mimebundle_()
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert still.width > 600
    assert metadata["image/png"]["alt"] == panel.alt
    assert len(panel.alt.split()) > 5

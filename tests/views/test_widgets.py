"""The widgets are moved as a learner moves them."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from builders import blob_samples
from PIL import Image

from unet_helpers.evaluation.scores import score_images
from unet_helpers.model.geometry import receptive_field
from unet_helpers.model.unet import unet
from unet_helpers.prediction.predict import to_mask
from unet_helpers.views import widgets

SAMPLES = blob_samples(3)
PROBABILITIES = [
    (0.8 * s.mask + 0.1 * (i + 1) * (1 - s.mask))[..., None].astype(np.float32)
    for i, s in enumerate(SAMPLES)
]
MAKE = {
    "browser": lambda: widgets.browser(SAMPLES),
    "augmentation": lambda: widgets.augmentation(SAMPLES, size=16),
    "shapes": lambda: widgets.shapes(32, 1),
    "overlay": lambda: widgets.overlay(SAMPLES, PROBABILITIES),
    "threshold": lambda: widgets.threshold(SAMPLES, PROBABILITIES),
}


def other_value(control: Any) -> Any:
    if hasattr(control, "options"):
        return control.options[-1]
    return control.min if control.value != control.min else control.min + control.step


@pytest.mark.parametrize("name", MAKE)
def test_every_control_changes_the_picture(name: str) -> None:
    panel = MAKE[name]()
    for control in panel.controls.values():
        before = panel.picture.value
        control.value = other_value(control)
        assert panel.picture.value != before
        assert bytes(panel.picture.value[:4]) == b"\x89PNG"


@pytest.mark.parametrize("name", MAKE)
def test_every_widget_carries_its_picture_and_a_text(name: str) -> None:
    panel = MAKE[name]()
    data, metadata = panel._repr_mimebundle_()
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    live = Image.open(io.BytesIO(panel.picture.value))
    assert still.width == live.width
    assert data["text/plain"] == f"Widget: {panel.alt}"
    assert metadata == {"image/png": {"alt": panel.alt}}
    assert "application/vnd.jupyter.widget-view+json" in data
    assert len(panel.alt.split()) > 5
    assert list(panel.children) == [*panel.controls.values(), panel.caption, panel.picture]


@pytest.mark.parametrize("name", MAKE)
def test_every_control_says_what_it_is(name: str) -> None:
    assert all(control.description for control in MAKE[name]().controls.values())


def test_the_browser_tells_name_and_shares() -> None:
    panel = widgets.browser(SAMPLES)
    assert panel.controls["number"].max == 2
    panel.controls["number"].value = 2
    share = SAMPLES[2].mask.mean()
    expected = f"<b>image 2</b>: background {1 - share:.1%}, foreground {share:.1%}"
    assert panel.caption.value == expected


def test_the_augmentation_explorer_names_crop_and_orientation() -> None:
    panel = widgets.augmentation(SAMPLES, size=16)
    panel.controls["turn"].value = "flip 90°"
    panel.controls["number"].value = 3
    assert panel.caption.value.startswith("crop 3, 16 x 16 pixels, flip 90°: ")


def test_the_shape_explorer_counts_parameters_and_sight() -> None:
    panel = widgets.shapes(32, 1)
    panel.controls["depth"].value, panel.controls["filters"].value = 1, 8
    model = unet((32, 32, 1), filters=8, depth=1, upsampling="transpose")
    field = receptive_field(model)
    assert f"{model.count_params():,} parameters" in panel.caption.value
    assert f"{field.narrowest} to {field.widest} pixels" in panel.caption.value


def test_the_threshold_slider_tells_the_pooled_scores() -> None:
    panel = widgets.threshold(SAMPLES, PROBABILITIES)
    assert "IoU 1.000, Dice 1.000" in panel.caption.value
    panel.controls["value"].value = 0.25
    scores = score_images(SAMPLES, [to_mask(p, 0.25) for p in PROBABILITIES])
    assert 0 < scores.iou() < 1
    expected = f"IoU {scores.iou():.3f}, Dice {scores.dice():.3f}"
    assert panel.caption.value == f"<b>all 3 images:</b> {expected}"


def test_the_picture_keeps_its_own_width() -> None:
    panel = widgets.browser(SAMPLES)
    width = int(panel.picture.layout.width.removesuffix("px"))
    assert width == int.from_bytes(panel.picture.value[16:20], "big")

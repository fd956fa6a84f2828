"""The explorer is moved as a learner moves it; what it draws is what the augmentation does."""

import base64
import dataclasses
import io
from typing import Any

import numpy as np
import pytest
from builders import blob_samples
from PIL import Image

from unet_helpers.data.augment import Geometry
from unet_helpers.data.photometry import Photometry
from unet_helpers.views.explorer import explorer

SAMPLES = blob_samples(2, side=48)
GREY = blob_samples(2, side=48, channels=1)


def other_value(control: Any) -> Any:
    return control.max if control.value != control.max else control.min


@pytest.mark.parametrize("samples", [SAMPLES, GREY], ids=["RGB", "grey"])
def test_every_control_changes_the_picture_and_the_caption(samples: Any) -> None:
    panel = explorer(samples)
    assert panel.caption.value == "<b>image 0</b>: nothing changed yet"
    for control in panel.controls.values():
        assert control.description
        picture, caption, value = panel.picture.value, panel.caption.value, control.value
        control.value = other_value(control)
        assert panel.picture.value != picture
        assert panel.caption.value != caption
        control.value = value
        assert (panel.picture.value, panel.caption.value) == (picture, caption)


def test_grey_images_have_no_hue_to_turn() -> None:
    assert set(explorer(SAMPLES).controls) - set(explorer(GREY).controls) == {"hue", "red"}


def panels(panel: Any) -> list[np.ndarray]:
    figure, _ = panel._drawn()
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes]


def test_the_drawn_image_and_mask_are_what_the_augmentation_gives() -> None:
    panel = explorer(SAMPLES)
    for name, value in {"number": 1, "angle": 25, "elastic": 3.0, "gamma": 1.5, "red": 20}.items():
        panel.controls[name].value = value
    original, image, mask = panels(panel)
    sample, geometry = SAMPLES[1], Geometry(angle=25, elastic=3.0, seed=1)
    np.testing.assert_allclose(original, sample.image)
    np.testing.assert_array_equal(mask, geometry.move(sample.mask))
    moved = geometry.move(sample.image)  # nearest: close to the bilinear one on a smooth image
    expected = Photometry(gamma=1.5, colour=(1.2, 1, 1))(moved)
    assert np.abs(image - expected).mean() < 0.05
    assert panel.caption.value == "<b>image 1</b>: angle 25°, elastic 3 px, gamma 1.5, red 20 %"


def test_outside_is_mirrored_or_ignored_as_in_training() -> None:
    for ignore_value, found in ((None, {0, 1}), (255, {0, 1, 255})):
        panel = explorer(dataclasses.replace(SAMPLES, ignore_value=ignore_value))
        panel.controls["scale"].value = 0.5
        assert set(np.unique(panels(panel)[2])) == found
        labels = [text.get_text() for text in panel._drawn()[0].legends[0].get_texts()]
        assert ("ignored" in labels) == (ignore_value is not None)


def test_a_page_without_a_kernel_shows_a_still() -> None:
    data, metadata = explorer(SAMPLES)._repr_mimebundle_()
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert still.width > 600
    assert metadata["image/png"]["alt"].startswith("an image of things")


def test_sliders_begin_where_they_are_told() -> None:
    panel = explorer(SAMPLES, number=1, angle=25)
    assert panel.caption.value == "<b>image 1</b>: angle 25°"


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ({"twist": 3}, r"must be one of orientation.*number, found 'twist'"),
        ({"number": 9}, r"number must be from 0 to \d, found 9"),
        ({"elastic": -4}, "elastic must be from 0.0 to 4.0, found -4"),
    ],
)
def test_a_start_beyond_the_sliders_is_refused(start: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        explorer(SAMPLES, **start)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        explorer(SAMPLES[:0])

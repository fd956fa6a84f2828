"""The smear explorer is moved as a learner moves it; what it shows is what `draw_field` draws."""

import base64
import dataclasses
import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unet_helpers import Knobs, draw_field
from unet_helpers.views.smears import AS_IT_IS, SETTINGS, smear_explorer, smear_rows


def panels(panel: Any) -> list[np.ndarray]:
    figure, _ = panel._drawn()
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes]


@pytest.mark.slow
def test_every_control_changes_the_picture_and_the_caption() -> None:
    panel = smear_explorer()
    for name, control in panel.controls.items():
        picture, caption, value = panel.picture.value, panel.caption.value, control.value
        control.value = 2 if name in ("slide", "field") else SETTINGS[name][-1]
        assert panel.picture.value != picture, name
        assert panel.caption.value != caption, name
        control.value = value
        assert (panel.picture.value, panel.caption.value) == (picture, caption)


def test_the_knobs_change_the_right_picture_only() -> None:
    panel = smear_explorer(slide=3, field=2, seed=7)
    usual = draw_field(3, 2, seed=7)[0] / 255
    for shown in panels(panel):
        np.testing.assert_allclose(shown, usual, atol=1e-6)
    panel.controls["blur"].value = 3
    panel.controls["white"].value = 8
    left, right = panels(panel)
    np.testing.assert_allclose(left, usual, atol=1e-6)
    turned = draw_field(3, 2, seed=7, knobs=Knobs(white=8, blur=3))[0] / 255
    np.testing.assert_allclose(right, turned, atol=1e-6)


@pytest.mark.parametrize("start", [{}, {"seed": 4}, {"field": 5, "debris": 50, "variety": 2}])
def test_the_caption_is_the_code_that_draws_the_picture(start: dict[str, Any]) -> None:
    panel = smear_explorer(slide=1, **start)
    call, cells, share = re.findall(
        r"<b>(.*)</b>: (\d+) white cells?, (\d+)% of the pixels", panel.caption.value
    )[0]
    image, mask, instances = eval(call, {"draw_field": draw_field, "Knobs": Knobs})
    np.testing.assert_allclose(panels(panel)[1], image / 255, atol=1e-6)
    assert int(cells) == len(set(instances[instances > 0].tolist()))
    assert abs(int(share) - 100 * (mask > 0).mean()) <= 0.5


def test_every_setting_is_within_the_range_of_its_knob_and_reaches_far() -> None:
    ranges = {field.name: field.metadata["range"] for field in dataclasses.fields(Knobs)}
    for name, settings in SETTINGS.items():
        least, most = ranges[name]
        assert list(settings) == sorted(settings)
        assert least <= settings[0]
        assert settings[-1] == most


def test_knobs_begin_where_they_are_told() -> None:
    panel = smear_explorer(red=33)  # a value between those that the slider has
    assert panel.controls["red"].value == 33
    assert panel.controls["blur"].value == AS_IT_IS
    assert "Knobs(red=33)" in panel.caption.value


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ({"blurr": 1}, r"must be one of white, red.*found 'blurr'"),
        ({"blur": -1}, r"blur must be a number from 0 to 8"),
        ({"slide": 30}, r"slide must be a whole number from 0 to 29, found 30"),
        ({"field": 0.5}, r"field must be a whole number from 0 to 9"),
        ({"seed": -1}, r"seed must be a whole number of at least 0"),
    ],
)
def test_what_cannot_be_drawn_is_said(start: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        smear_explorer(**start)


def test_a_page_without_a_kernel_shows_a_still() -> None:
    data, metadata = smear_explorer(debris=50)._repr_mimebundle_()
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert still.width > 600
    assert metadata["image/png"]["alt"].startswith("a drawn field of a blood smear")


def test_rows_show_each_slide_with_its_knobs() -> None:
    rows = [[(slide, Knobs(variety=variety)) for slide in (0, 4)] for variety in (0, 2)]
    figure = smear_rows(rows, field=2, size=96, seed=3)
    asked = [one for row in rows for one in row]
    for ax, (slide, knobs) in zip(figure.axes, asked, strict=True):
        drawn = draw_field(slide, 2, 96, 3, knobs)[0] / 255
        np.testing.assert_allclose(np.asarray(ax.images[0].get_array()), drawn, atol=1e-6)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["variety = 0", "variety = 0", "variety = 2", "variety = 2"]


@pytest.mark.parametrize("rows", [[], [[]], [[(0, Knobs())], []]])
def test_rows_of_differing_lengths_are_refused(rows: Any) -> None:
    with pytest.raises(ValueError, match="rows must be of one length, at least 1"):
        smear_rows(rows)

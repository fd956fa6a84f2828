"""The widget that segments uploaded images, driven as its front end drives it."""

import base64
import datetime
import io
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from unet_helpers import keras, load, looks, predict, segmenter, to_mask

CELLS = load("cells").binary()


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Foreground is where the image is darker than 0.6."""
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(1, 1, activation="sigmoid")
    made = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.full(layer.kernel.shape, -20 / 3), np.array([12.0])])
    return made


def upload(widget: Any, name: str, content: bytes) -> None:
    now = datetime.datetime.now(datetime.UTC)
    file = {"name": name, "type": "", "size": len(content), "content": memoryview(content)}
    file["last_modified"] = now
    widget.controls["files"].value = (file,)


def png(image: Any) -> bytes:
    held = io.BytesIO()
    Image.fromarray((np.asarray(image) * 255).round().astype(np.uint8)).save(held, "PNG")
    return held.getvalue()


def download(widget: Any, title: str) -> bytes:
    links = dict(re.findall(r'base64,([^"]*)">([^<]*)</a>', widget.links.value))
    return base64.b64decode({text: data for data, text in links.items()}[title])


def test_an_uploaded_image_is_segmented_and_can_be_taken_along(model: keras.Model) -> None:
    widget = segmenter(model, record={"class_names": ["background", "cell"]})
    assert "Choose an image file" in widget.caption.value
    before = widget.picture.value
    image = np.round(CELLS[0].image[:90, :70] * 255) / 255
    upload(widget, "field.png", png(image))
    assert widget.picture.value != before
    expected = to_mask(predict(model, image))
    assert f"<b>field.png</b>: cell {expected.mean():.1%}" in widget.caption.value
    mask = np.asarray(Image.open(io.BytesIO(download(widget, "mask (PNG)"))))
    np.testing.assert_array_equal(mask, expected * 255)
    table = pd.read_csv(io.BytesIO(download(widget, "table of pieces (CSV)")))
    word = "piece" if len(table) == 1 else "pieces"
    assert f"; {len(table)} {word} of" in widget.caption.value
    assert 'download="field_mask.png"' in widget.links.value


def test_the_threshold_changes_the_mask_and_does_not_predict_again(model: keras.Model) -> None:
    widget = segmenter(model, CELLS[:3])
    first, seen = download(widget, "mask (PNG)"), widget.seen[1]
    widget.controls["threshold"].value = 0.9
    assert download(widget, "mask (PNG)") != first
    assert widget.seen[1] is seen
    widget.controls["number"].value = 2
    assert CELLS[2].name in widget.caption.value


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.txt", b"no image", "notes.txt"),
        ("cut.png", png(np.ones((50, 50)))[:60], "cut.png"),
        ("grey.png", png(np.ones((8, 8))), "(height, width, 3)"),
        ("../../<b>x.png", b"", "expected"),
    ],
)
def test_what_cannot_be_read_is_told_and_the_next_one_works(
    name: str, content: bytes, words: str, model: keras.Model
) -> None:
    widget = segmenter(model)
    upload(widget, name, content)
    told = widget.caption.value
    assert "That did not work." in told and words in told
    assert "/tmp" not in told and "<b>x" not in told
    assert widget.links.value == ""
    upload(widget, "good.png", png(CELLS[0].image))
    assert "good.png" in widget.caption.value and widget.links.value


def test_an_image_of_another_kind_is_told(model: keras.Model) -> None:
    widget = segmenter(model, record={"look": looks(CELLS[:20])})
    upload(widget, "same.png", png(CELLS[30].image))
    assert "Unlike" not in widget.caption.value
    upload(widget, "dark.png", png(CELLS[30].image / 8))
    assert "Unlike the training images:</b> mean brightness" in widget.caption.value


def test_a_model_file_and_a_missing_one(model: keras.Model, tmp_path: Any) -> None:
    model.save(tmp_path / "model.keras")
    for place in (tmp_path, tmp_path / "model.keras"):
        assert segmenter(place, CELLS[:1]).links.value
    with pytest.raises(ValueError, match="found nothing"):
        segmenter(tmp_path / "absent")


def test_a_page_without_a_kernel_shows_a_picture(model: keras.Model) -> None:
    bundle, _ = segmenter(model, CELLS[:1])._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"])[:4] == b"\x89PNG"

"""The figures, seen through what they are made of: titles, legends, panels, artists."""

import base64
import io

import numpy as np
import pytest
from builders import blob_samples, make_samples
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from unet_helpers.data.pipeline import crop_batch
from unet_helpers.data.samples import Samples
from unet_helpers.model.geometry import trace_back
from unet_helpers.model.unet import unet
from unet_helpers.views import figures

NAMES = ("background", "cytoplasm", "nucleus")


def three_classes() -> Samples:
    mask = np.zeros((12, 12), np.uint8)
    mask[2:10, 2:10], mask[4:8, 4:8] = 1, 2
    empty = np.zeros_like(mask)
    pairs = [((60 * m[..., None] + 50).repeat(3, axis=2), m) for m in (mask, empty)]
    return make_samples(pairs, class_names=NAMES)


def legend_of(fig: Figure) -> list[str]:
    legends = [*fig.legends, *(ax.get_legend() for ax in fig.axes)]
    return [text.get_text() for legend in legends if legend for text in legend.get_texts()]


def titles_of(fig: Figure) -> list[str]:
    return [ax.get_title() for ax in fig.axes]


def renders(fig: Figure) -> bool:
    data = figures.png(fig)
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture.format == "PNG" and min(picture.size) > 80


def test_samples_show_image_and_outlines_and_name_the_classes() -> None:
    fig = figures.samples(three_classes())
    titles = [title.split("\n")[0] for title in titles_of(fig)]
    assert titles == ["image 0", "image 1", "", ""]
    assert legend_of(fig) == ["cytoplasm", "nucleus"]
    outlines = [len(ax.collections) for ax in fig.axes]
    assert outlines == [0, 0, 4, 0]  # two classes, each on a white line; none for an empty mask
    assert renders(fig)


def test_outlines_differ_in_line_style_and_not_in_colour_alone() -> None:
    handles = figures.outline_legend([*NAMES, "third", "fourth"])
    assert [h.get_label() for h in handles] == ["cytoplasm", "nucleus", "third", "fourth"]
    assert len({h.get_linestyle() for h in handles}) == len({h.get_color() for h in handles}) == 4


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_any_channels_are_drawn(channels: int) -> None:
    fig, panels = figures.grid(1, 2)
    figures.draw_image(panels[0, 0], np.linspace(-1, 2, 32).reshape(8, 4, 1).repeat(channels, 2))
    shown = panels[0, 0].images[0].get_array()
    assert shown.shape == ((8, 4) if channels == 1 else (8, 4, 3))
    assert shown.min() == 0 and shown.max() == 1
    assert renders(fig)


def test_image_and_mask_has_a_key_in_the_masks_greys() -> None:
    sample = three_classes()[0]
    fig = figures.image_and_mask(sample.image, sample.mask, NAMES)
    assert titles_of(fig) == ["image", "mask", "outline of the mask on the image"]
    assert legend_of(fig) == ["0 background", "1 cytoplasm", "2 nucleus", *NAMES[1:]]
    shown = fig.axes[1].images[0]
    for class_id, patch in enumerate(fig.legends[0].get_patches()):
        drawn = shown.to_rgba(np.array([[class_id]]))[0, 0]
        np.testing.assert_allclose(patch.get_facecolor()[:3], drawn[:3], atol=0.01)
    assert renders(fig)


@pytest.mark.parametrize("number", [1, 4, 6])
def test_a_batch_has_four_crops_to_a_row(number: int) -> None:
    images, masks = crop_batch(blob_samples(), 0, size=16, batch_size=number)
    fig = figures.batch(images, masks, ("background", "cell"))
    assert sum(bool(ax.images) for ax in fig.axes) == number
    assert len(fig.axes) == (number if number <= 4 else 8)
    assert legend_of(fig) == ["cell"]
    assert renders(fig)


def test_errors_are_hatched_apart() -> None:
    truth, guess = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    truth[:, 2:5], guess[:, 3:7] = 1, 1
    fig, panels = figures.grid(1, 1)
    figures.draw_errors(panels[0, 0], np.zeros((8, 8, 1)), truth, guess)
    drawn = panels[0, 0].collections
    hatches = [part.hatches[0] for part in drawn if getattr(part, "hatches", [None])[0]]
    assert hatches == ["/////", "....."]
    colours = [to_hex(part.get_facecolor()[0]) for part in drawn if len(part.get_facecolor())]
    assert [c.upper() for c in colours[::2]][:2] == [figures.ORANGE, figures.BLUE]
    labels = [handle.get_label() for handle in figures.error_legend()]
    assert labels == ["found, but not there", "there, but missed", "border of the truth"]
    assert renders(fig)


def test_without_errors_nothing_is_hatched() -> None:
    mask = np.eye(8, dtype=np.uint8)
    _, panels = figures.grid(1, 1)
    figures.draw_errors(panels[0, 0], np.zeros((8, 8, 3)), mask, mask)
    assert len(panels[0, 0].collections) == 1  # the truth's border


def test_predictions_tell_each_images_score() -> None:
    chosen = three_classes()
    half = chosen[0].mask.copy()
    half[:, :6] = 0
    fig = figures.predictions(chosen, [half, np.zeros_like(half)])
    assert titles_of(fig) == [
        "image 0", "image 1", "predicted mask", "predicted mask",
        "errors: IoU 0.50", "errors: IoU undefined",
    ]  # fmt: skip
    assert legend_of(fig)[:3] == ["truth: cytoplasm", "truth: nucleus", "found, but not there"]
    assert renders(fig)


def test_curves_differ_in_style_and_marker_and_keep_their_values() -> None:
    series = {name: (range(30), np.arange(30) * k) for k, name in enumerate("abcd")}
    fig = figures.curves(series, "epoch", "IoU", limits=(0, 40))
    ax = fig.axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "IoU")
    assert legend_of(fig) == ["a", "b", "c", "d"]
    assert ax.get_ylim() == (0, 40)
    lines = ax.lines
    assert len({line.get_linestyle() for line in lines}) == 4
    assert len({line.get_marker() for line in lines}) == 4
    np.testing.assert_array_equal(lines[2].get_ydata(), np.arange(30) * 2)
    assert renders(fig)


def test_bars_write_their_numbers() -> None:
    fig = figures.bars({"Otsu": 0.312, "U-Net": 0.871}, "IoU", limit=1)
    ax = fig.axes[0]
    assert [bar.get_width() for bar in ax.patches] == [0.312, 0.871]
    assert [text.get_text() for text in ax.texts] == ["0.31", "0.87"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Otsu", "U-Net"]
    assert ax.get_xlim() == (0, 1)
    assert ax.yaxis_inverted()  # the first bar on top
    assert renders(fig)


def test_the_field_of_view_is_the_models_own() -> None:
    model = unet((None, None, 1), filters=2, depth=1)
    fig = figures.field_of_view(model, np.zeros((64, 48, 1)), row=30, column=20)
    square = fig.axes[0].lines[0]
    (top, bottom), (left, right) = trace_back(model, 30), trace_back(model, 20)
    assert set(square.get_xdata()) == {left, right}
    assert set(square.get_ydata()) == {top, bottom}
    assert "18 x 18 pixels" in titles_of(fig)[0]
    assert fig.axes[0].get_xlim() == (-0.5, 47.5)
    assert renders(fig)


@pytest.mark.parametrize("depth", [1, 3])
def test_the_architecture_is_drawn_from_the_models_layers(depth: int) -> None:
    model = unet((None, None, 3), num_classes=2, filters=6, depth=depth)
    fig = figures.architecture(model, size=64)
    texts = [text.get_text() for text in fig.axes[0].texts]
    for level in range(depth):
        side, width = 64 // 2**level, 6 * 2**level
        assert texts.count(f"{side} x {side} x {width}") == 2  # on the way down and up
        assert f"down{level}\n2 x conv 3x3" in texts
    side = 64 // 2**depth
    assert f"{side} x {side} x {6 * 2**depth}" in texts
    assert {"image\n64 x 64 x 3", "1x1 conv\noutput\n64 x 64 x 2"} <= set(texts)
    assert len(legend_of(fig)) == 3
    assert renders(fig)


def test_a_picture_carries_its_alternative_text() -> None:
    picture = figures.Picture(figures.bars({"a": 1.0}, "x"), "one bar of length 1")
    data, metadata = picture._repr_mimebundle_(include=None, exclude=None)
    assert base64.b64decode(data["image/png"]) == picture.png
    assert picture.png.startswith(b"\x89PNG")
    assert data["text/plain"] == "Figure: one bar of length 1"
    assert metadata == {"image/png": {"alt": "one bar of length 1"}}


def test_show_displays_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    monkeypatch.setattr(figures, "display", shown.append)
    assert figures.show(figures.bars({"a": 1.0}, "x"), "one bar") is None
    assert [type(s) for s in shown] == [figures.Picture] and shown[0].alt == "one bar"


def test_the_same_figure_gives_the_same_bytes() -> None:
    first, second = (figures.png(figures.bars({"a": 1.0}, "x")) for _ in range(2))
    assert first == second


def test_the_page_stays_white_and_the_lines_keep_their_colours() -> None:
    # A grey picture of few colours gives a short palette; it once turned the page black.
    fig, panels = figures.grid(1, 2, legend=False)
    figures.draw_image(panels[0, 0], np.linspace(0, 1, 64).reshape(8, 8, 1))
    panels[0, 0].plot([1, 6], [1, 6], color=figures.ORANGE, linewidth=6)
    pixels = Image.open(io.BytesIO(figures.png(fig))).convert("RGB")
    assert pixels.getpixel((1, 1)) == (255, 255, 255)
    colours = {colour for _, colour in pixels.getcolors(256)}
    assert tuple(bytes.fromhex(figures.ORANGE[1:])) in colours

"""Things to turn and look at in JupyterLab.

Each widget carries its first picture along, so that a page without a kernel shows that instead.
"""

import base64
import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as ipw
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unet_helpers.data.pipeline import crop_batch, orient
from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.scores import score_images
from unet_helpers.model.geometry import receptive_field
from unet_helpers.model.unet import unet
from unet_helpers.prediction.predict import to_mask
from unet_helpers.views import figures

TURNS = ("as it is", "90°", "180°", "270°", "flip", "flip 90°", "flip 180°", "flip 270°")


class Panel(ipw.VBox):
    """Controls above a picture that is drawn anew whenever one of them moves.

    Parameters
    ----------
    controls : dict of str to widget
        Each control's value becomes the keyword argument of that name.
    draw : callable
        From the controls' values to a figure and a line of text.
    alt : str
        What the picture shows, for those who cannot see it.
    """

    def __init__(
        self, controls: dict[str, ipw.Widget], draw: Callable[..., tuple[Figure, str]], alt: str
    ) -> None:
        self.controls, self.draw, self.alt = controls, draw, alt
        self.picture = ipw.Image(format="png")
        self.caption = ipw.HTML()
        for control in controls.values():
            control.observe(self._redraw, "value")
        self._redraw()
        super().__init__([*controls.values(), self.caption, self.picture])

    def _drawn(self) -> tuple[Figure, str]:
        return self.draw(**{name: control.value for name, control in self.controls.items()})

    def _redraw(self, _: Any = None) -> None:
        figure, text = self._drawn()
        self.picture.value = figures.png(figure)
        # An image in a box stretches to the page's width unless it is told its own.
        self.picture.layout.width = f"{figure.get_figwidth() * figures.DPI:.0f}px"
        self.caption.value = text

    def _still(self) -> bytes:
        """The picture with the caption above it, for a page without a kernel."""
        figure, text = self._drawn()
        figure.suptitle(re.sub("<.*?>", "", text), x=0.01, ha="left", fontsize=9)
        return figures.png(figure)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data = dict(super()._repr_mimebundle_(**kwargs))
        data["image/png"] = base64.b64encode(self._still()).decode()
        data["text/plain"] = f"Widget: {self.alt}"
        return data, {"image/png": {"alt": self.alt}}


def slider(label: str, value: float, low: float, high: float, step: float = 1) -> ipw.Widget:
    """A slider whose label fits; of whole numbers, if the step is one."""
    kind = ipw.IntSlider if isinstance(step, int) else ipw.FloatSlider
    return kind(
        value, min=low, max=high, step=step, description=label, continuous_update=False,
        style={"description_width": "7em"}, layout={"width": "28em"},
    )  # fmt: skip


def browser(samples: Samples) -> Panel:
    """Data browser: one sample at a time, image, mask and outline, with the classes' shares."""

    def draw(number: int) -> tuple[Figure, str]:
        sample = samples[number]
        fig = figures.image_and_mask(sample.image, sample.mask, samples.class_names)
        shares = ", ".join(
            f"{name} {(sample.mask == i).mean():.1%}" for i, name in enumerate(samples.class_names)
        )
        return fig, f"<b>{sample.name}</b>: {shares}"

    return Panel(
        {"number": slider("sample", 0, 0, len(samples) - 1)},
        draw,
        f"an image of {samples.name}, its mask and the mask's outline on the image",
    )


def augmentation(samples: Samples, size: int = 128) -> Panel:
    """Augmentation explorer: which crop, and which of the eight orientations."""

    def draw(number: int, turn: str) -> tuple[Figure, str]:
        images, masks = crop_batch(samples, number, size=size, batch_size=1, augment=False)
        which = TURNS.index(turn)
        image, mask = orient(images[0], which), orient(masks[0], which)
        fig = figures.image_and_mask(image, mask[..., 0], samples.class_names)
        return fig, f"crop {number}, {size} x {size} pixels, {turn}: image and mask move together"

    turn = ipw.Dropdown(
        options=TURNS, description="orientation", style={"description_width": "7em"}
    )
    return Panel(
        {"number": slider("crop", 0, 0, 40), "turn": turn},
        draw,
        "a random crop of an image and of its mask, flipped and turned alike",
    )


def shapes(size: int = 256, channels: int = 3) -> Panel:
    """Shape and parameter explorer: what depth and filters do to a U-Net."""

    def draw(depth: int, filters: int) -> tuple[Figure, str]:
        model = unet((size, size, channels), filters=filters, depth=depth, upsampling="transpose")
        field = receptive_field(model)
        mebibytes = model.count_params() * 4 / 2**20
        text = (
            f"<b>{model.count_params():,} parameters</b> ({mebibytes:.1f} MiB as float32); "
            f"one output pixel sees {field.narrowest} to {field.widest} pixels across"
        )
        return figures.architecture(model, size), text

    return Panel(
        {"depth": slider("depth", 3, 1, 4), "filters": slider("filters", 16, 8, 64, 8)},
        draw,
        "a U-Net drawn with the shapes of its levels",
    )


def overlay(samples: Samples, probabilities: Sequence[NDArray[np.float32]]) -> Panel:
    """Overlay: pick a sample, and see the truth, the prediction or the errors on it."""

    def draw(number: int, layer: str) -> tuple[Figure, str]:
        sample, mask = samples[number], to_mask(probabilities[number])
        fig, panels = figures.grid(1, 2, cell=3.6)
        figures.draw_image(panels[0, 0], sample.image, sample.name)
        if layer == "errors":
            figures.draw_errors(panels[0, 1], sample.image, sample.mask, mask)
            figures.key(fig, figures.error_legend(), columns=3)
        else:
            figures.draw_image(panels[0, 1], sample.image)
            shown = sample.mask if layer == "truth" else mask
            figures.draw_outlines(panels[0, 1], shown, samples.num_classes)
        panels[0, 1].set_title(layer, fontsize=9)
        return fig, ""

    layer = ipw.ToggleButtons(options=["prediction", "truth", "errors"], description="show")
    return Panel(
        {"number": slider("image", 0, 0, len(samples) - 1), "layer": layer},
        draw,
        "a test image, and beside it the outline of what the model predicts",
    )


def threshold(samples: Samples, probabilities: Sequence[NDArray[np.float32]]) -> Panel:
    """Threshold slider: the error map of one image, and the pooled scores of all."""

    def draw(value: float, number: int) -> tuple[Figure, str]:
        masks = [to_mask(p, value) for p in probabilities]
        scores = score_images(samples, masks)
        fig, panels = figures.grid(1, 2, cell=3.6)
        panels[0, 0].imshow(probabilities[number][..., 0], cmap="gray", vmin=0, vmax=1)
        panels[0, 0].set_title("probability (white is 1)", fontsize=9)
        figures.draw_errors(
            panels[0, 1], samples[number].image, samples[number].mask, masks[number]
        )
        panels[0, 1].set_title(f"errors at threshold {value:.2f}", fontsize=9)
        figures.key(fig, figures.error_legend(), columns=3)
        text = f"<b>all {len(samples)} images:</b> IoU {scores.iou():.3f}, Dice {scores.dice():.3f}"
        return fig, text

    return Panel(
        {
            "value": slider("threshold", 0.5, 0.05, 0.95, 0.05),
            "number": slider("image", 0, 0, len(samples) - 1),
        },
        draw,
        "the probability map of an image and the pixels that are wrong at this threshold",
    )


def __getattr__(name: str) -> Any:
    """`LiveFigure` stood here once: a learner's working copy of notebook 03 still finds it."""
    if name == "LiveFigure":
        return importlib.import_module("unet_helpers").LiveFigure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

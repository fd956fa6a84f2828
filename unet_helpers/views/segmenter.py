"""Upload an image, see what a model finds in it, take the mask along: in a notebook or an app."""

import base64
import html
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets as ipw
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from unet_helpers import keras
from unet_helpers.data.formats.decode import decode_one
from unet_helpers.data.formats.images import image_array
from unet_helpers.data.look import unlike
from unet_helpers.data.samples import DataError, Samples, to_float
from unet_helpers.prediction.loading import load_model
from unet_helpers.prediction.objects import find_objects, measure_objects
from unet_helpers.prediction.predict import predict, to_mask
from unet_helpers.training.run_record import MODEL, Run, read_record
from unet_helpers.views import figures
from unet_helpers.views.widgets import Panel, slider

TILE = 1024
MIN_AREA = 10  # pixels; fewer are specks


class Shown(NamedTuple):
    """The image in the panel, and what the model says of it."""

    name: str
    image: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class Segmenter(Panel):
    """Upload an image, move the threshold, download mask and table; see `segmenter`."""

    def __init__(
        self, model: keras.Model, record: Mapping[str, Any], examples: Samples | None
    ) -> None:
        self.model, self.record, self.examples = model, record, examples
        self.links = ipw.HTML()
        self.seen: tuple[Any, Shown | None] = (None, None)  # what was chosen, and its prediction
        controls: dict[str, ipw.Widget] = {
            "files": ipw.FileUpload(accept="image/*,.tif,.tiff,.npy", description="Your image"),
            "threshold": slider("threshold", float(record.get("threshold", 0.5)), 0.05, 0.95, 0.05),
        }
        if examples:
            controls["number"] = slider("or example", 0, 0, len(examples) - 1)
        super().__init__(controls, self._draw_chosen, "an image and what the model finds in it")
        self.children: tuple[ipw.Widget, ...] = (*self.children, self.links)

    def _draw_chosen(
        self, files: tuple[Any, ...], threshold: float, number: int = 0
    ) -> tuple[Figure, str]:
        try:
            shown = self._predicted(files, number)
        except (DataError, ValueError) as error:
            self.links.value = ""
            return _empty(), f"<b>That did not work.</b> {html.escape(str(error))}"
        if shown is None:
            return _empty(), "Choose an image file: PNG, JPEG, TIFF or NumPy."
        return self._drawn_with(shown, threshold)

    def _predicted(self, files: tuple[Any, ...], number: int) -> Shown | None:
        """The last upload, or an example; predicted once, however the threshold moves."""
        if files:
            chosen: Any = (files[-1]["name"], files[-1]["size"], files[-1].get("last_modified"))
        elif self.examples:
            chosen = number
        else:
            return None
        if self.seen[0] != chosen:
            name, image = _read(files[-1]) if files else self._example(number)
            tile = TILE if max(image.shape[:2]) > TILE else None
            self.seen = (chosen, Shown(name, image, predict(self.model, image, tile)))
        return self.seen[1]

    def _example(self, number: int) -> tuple[str, NDArray[np.float32]]:
        assert self.examples is not None
        sample = self.examples[number]
        return sample.name, sample.image

    def _drawn_with(self, shown: Shown, threshold: float) -> tuple[Figure, str]:
        mask = to_mask(shown.probabilities, threshold)
        labels = find_objects(mask > 0, min_area=MIN_AREA)
        self.links.value = _links(shown, mask, labels)
        names = self._names(shown.probabilities.shape[-1])
        many = int(labels.max(initial=0))
        shares = ", ".join(f"{name} {(mask == i).mean():.1%}" for i, name in names.items())
        text = (
            f"<b>{html.escape(shown.name)}</b>: {html.escape(shares)}; "
            f"{many} {'piece' if many == 1 else 'pieces'} of {MIN_AREA} pixels or more"
        )
        alarms = unlike(self.record["look"], shown.image) if self.record.get("look") else []
        if alarms:
            text += f"<br><b>Unlike the training images:</b> {'; '.join(alarms)}"
        return _pictures(shown, mask), text

    def _names(self, outputs: int) -> dict[int, str]:
        classes = max(2, outputs)
        names = self.record.get("class_names") or [f"class {i}" for i in range(classes)]
        return dict(list(enumerate(names))[1:classes])


def segmenter(
    model: keras.Model | Run | str | Path,
    examples: Samples | None = None,
    *,
    record: Mapping[str, Any] | None = None,
) -> Segmenter:
    """Show a widget that segments images: uploaded ones, or examples.

    Parameters
    ----------
    model : keras.Model, Run or path-like
        A model, a finished run, or the folder or the ``.keras`` file of one.
    examples : Samples, optional
        To look at before anything is uploaded.
    record : mapping, optional
        What ``run.json`` tells, for a bare model: class names, threshold, look of the training
        images. A run brings its own.

    Returns
    -------
    Segmenter
        Displays itself; beside it, mask and table can be downloaded.

    Raises
    ------
    ValueError
        If there is no model at the path, or it cannot be read.
    """
    if isinstance(model, Run):
        return Segmenter(model.model, record or model.record, examples)
    if isinstance(model, str | Path):
        path = Path(model)
        file = path / MODEL if path.is_dir() else path
        told = record or read_record(file.parent) or {}
        return Segmenter(load_model(file), told, examples)
    return Segmenter(model, record or {}, examples)


def _read(upload: Mapping[str, Any]) -> tuple[str, NDArray[np.float32]]:
    """An uploaded file's pixels, through the same door as a folder's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(upload["name"]).name
        path.write_bytes(upload["content"])
        try:
            image = to_float(image_array(decode_one(path), path))
        except DataError as error:  # the temporary folder is no business of the reader's
            raise DataError(str(error).replace(f"{path.parent}/", "")) from None
    return path.name, image


def _pictures(shown: Shown, mask: NDArray[np.uint8]) -> Figure:
    fig, panels = figures.grid(1, 2, cell=3.6, legend=False)
    for panel, title in zip(panels[0], ("the image", "what the model finds"), strict=True):
        figures.draw_image(panel, shown.image, title)
    figures.draw_outlines(panels[0, 1], mask, max(2, shown.probabilities.shape[-1]))
    return fig


def _empty() -> Figure:
    fig, panels = figures.grid(1, 1, cell=1.0)
    panels[0, 0].set_axis_off()
    return fig


def _links(shown: Shown, mask: NDArray[np.uint8], labels: NDArray[Any]) -> str:
    stem, held = html.escape(Path(shown.name).stem, quote=True), io.BytesIO()
    Image.fromarray(mask * (255 if mask.max(initial=0) < 2 else 1)).save(held, "PNG")
    table = measure_objects(labels, shown.image).to_csv().encode()
    files = {
        "mask (PNG)": (f"{stem}_mask.png", "image/png", held.getvalue()),
        "table of pieces (CSV)": (f"{stem}_pieces.csv", "text/csv", table),
    }
    links = [
        f'<a style="text-decoration: underline" download="{name}" '
        f'href="data:{kind};base64,{base64.b64encode(content).decode()}">{title}</a>'
        for title, (name, kind, content) in files.items()
    ]
    return f"Download: {', '.join(links)}"

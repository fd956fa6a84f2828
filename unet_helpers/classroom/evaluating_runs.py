"""What the command ``evaluate`` can score: predicted masks in a folder, or a saved model."""

import csv
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.decode import decode_one
from unet_helpers.data.formats.encodings import Encoding, given_values
from unet_helpers.data.formats.inference import look_at
from unet_helpers.data.formats.listing import list_files
from unet_helpers.data.formats.pairing import match_files
from unet_helpers.data.samples import Samples

from .files import UserError

SPLIT = "split.csv"


class Masks(Sequence[NDArray[np.uint8]]):
    """Predicted masks in files, each read when it is asked for.

    Parameters
    ----------
    files : sequence of Path
        One for each sample.
    class_names : tuple of str
        What the class ids mean.
    notes : tuple of str
        What the report shall tell.
    """

    def __init__(
        self, files: Sequence[Path], class_names: tuple[str, ...], notes: tuple[str, ...] = ()
    ) -> None:
        self.files = files
        self.encoding = _encoding(files, class_names)
        self.notes = (*notes, f"predictions are read as: {self.encoding.rule}")

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Any) -> Any:
        """The mask of one sample, shape (height, width)."""
        if index >= len(self.files):
            raise IndexError(index)
        return self.encoding.apply(decode_one(self.files[index]), self.files[index])[0]


def _encoding(files: Sequence[Path], class_names: tuple[str, ...]) -> Encoding:
    """Class ids as they are; of two classes, 255 for 1 where no file says it otherwise."""
    seen: set[int] = set()
    is_wide = len(class_names) == 2
    for path in files:
        look = look_at(decode_one(path), path)
        seen.update(look.values)
        is_wide = is_wide and seen <= {0, 255}
        if look.is_colour or not (is_wide or seen <= set(range(len(class_names)))):
            found = "colours" if look.is_colour else ", ".join(map(str, sorted(seen)[:8]))
            raise UserError(
                f"{path}: predicted masks must hold the class ids 0 to {len(class_names) - 1}, "
                f"found {found}: write each pixel's class id as its grey value"
            )
    values = {0: 0, 255: 1} if 255 in seen else {i: i for i in range(len(class_names))}
    return given_values(values, class_names, None, "as found in all files")


def find_masks(run: Path, samples: Samples) -> Masks:
    """Find the predicted mask of each image by its name.

    Parameters
    ----------
    run : Path
        The folder.
    samples : Samples
        The images, read from files.

    Returns
    -------
    Masks

    Raises
    ------
    UserError
        If an image has no prediction or several.
    """
    images = [record.files[0] for record in samples.records]
    found = match_files(images, list_files(run, "RUN"))
    for image, candidates in found.ambiguous.items():
        names = ", ".join(sorted(path.name for path in candidates[:6]))
        raise UserError(
            f"{image}: one prediction is expected in {run}, found several candidates, {names}: "
            "keep one for each image, named like it"
        )
    if found.images_alone:
        alone = found.images_alone
        raise UserError(
            f"{alone[0]}: every image needs a prediction in {run}, found none for {len(alone)} of "
            f"{len(images)} images: predict them too, and name each file like its image"
        )
    files = {pair.image: pair.mask for pair in found.pairs}
    spare = len(found.masks_alone)
    told = f"left out: {spare} prediction{'s' * (spare != 1)} without an image here"
    notes = (told,) if spare else ()
    return Masks([files[image] for image in images], samples.class_names, notes)


def seen_in_training(split: Path, samples: Samples) -> list[Path]:
    """Images that a run was trained or validated on, as far as its split tells.

    Parameters
    ----------
    split : Path
        The run's ``split.csv``; there may be none.
    samples : Samples

    Returns
    -------
    list of Path
        Those of the samples' image files.
    """
    if not split.is_file():
        return []
    with split.open(encoding="utf-8", newline="") as file:
        seen = {
            (split.parent / row["image"]).resolve()
            for row in csv.DictReader(file)
            if row.get("image") and row.get("split") != "test"
        }
    files = [record.files[0] for record in samples.records if record.files]
    return [path for path in files if path.resolve() in seen]


class Model(Sequence[NDArray[np.float32]]):
    """A saved model's probabilities, each predicted when it is asked for.

    Parameters
    ----------
    path : Path
        A ``.keras`` file; nothing in it is executed but Keras layers.
    samples : Samples
        The images, which have to fit.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, samples: Samples) -> None:
        self.path, self.samples = path, samples
        from unet_helpers.prediction.loading import load_model

        self.model = load_model(path)
        channels, outputs = self._shapes()
        self._check_channels(channels)
        self._check_classes(outputs)

    def _shapes(self) -> tuple[int, int]:
        """How many channels go in, and how many classes come out."""
        shapes = [tuple(tensor.shape) for tensor in (*self.model.inputs, *self.model.outputs)]
        if len(shapes) != 2 or any(len(shape) != 4 for shape in shapes):
            raise UserError(
                f"{self.path}: a model from one image to one map of classes is expected, found "
                f"{len(self.model.inputs)} inputs and {len(self.model.outputs)} outputs of shapes "
                f"{', '.join(map(str, shapes))}: save a model such as unet()"
            )
        return shapes[0][-1], shapes[1][-1]

    def _check_channels(self, channels: int) -> None:
        found = self.samples.arrays(0).image.shape[-1]
        if channels != found:
            raise UserError(
                f"{self.path}: the model takes images of {channels} channels, found {found} in "
                f"{self.samples.names[0]}: convert the images, or train a model for them"
            )

    def _check_classes(self, outputs: int) -> None:
        classes = self.samples.num_classes
        if outputs == classes or (outputs == 1 and classes == 2):
            return
        names = ", ".join(self.samples.class_names)
        if outputs == 1:
            raise UserError(
                f"{self.path}: the model tells foreground from background, found masks of "
                f"{classes} classes, {names}: say which are foreground, for instance "
                f"--foreground {shlex.quote(self.samples.class_names[-1])}"
            )
        raise UserError(
            f"{self.path}: the model tells {outputs} classes, found {classes} in the masks, "
            f"{names}: score it on masks of its own classes, and name all of them with --classes"
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        """Probabilities of one sample, shape (height, width, outputs)."""
        from unet_helpers.prediction.loading import first_line
        from unet_helpers.prediction.predict import predict

        sample = self.samples[index]
        try:
            return predict(self.model, sample.image)
        except Exception as error:  # whatever a layer may say to an image that does not fit
            raise UserError(f"{sample.name}: {first_line(error)}") from error

"""A folder of images and masks as people bring it along: for notebook 06, where there is none."""

from pathlib import Path

import numpy as np
from PIL import Image

from unet_helpers.data.cells import draw_field

FIELDS, SIZE = 64, 256
SWAPPED = (8, 30)


def make_sample_folder(folder: str | Path) -> tuple[Path, Path]:
    """Draw a small labelled set into a folder, and exchange two of its masks by mistake.

    Parameters
    ----------
    folder : path-like
        Gets ``images/`` and ``masks/`` with 64 PNG files each, of 256 x 256 pixels and as many
        slides; masks hold 0 and 255.

    Returns
    -------
    images, masks : Path

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images, masks = make_sample_folder(folder)
    ...     print(len(list(images.iterdir())), len(list(masks.iterdir())))
    64 64
    """
    images, masks = Path(folder) / "images", Path(folder) / "masks"
    for place in (images, masks):
        place.mkdir(parents=True, exist_ok=True)
    one, other = SWAPPED
    takes = {one: other, other: one}
    for number in range(FIELDS):
        # Slides from 200 on: no notebook before this one has shown them.
        image, mask, _ = draw_field(200 + number, 0, size=SIZE)
        Image.fromarray(image).save(images / f"slide_{number:02}.png")
        name = f"slide_{takes.get(number, number):02}.png"
        Image.fromarray((mask > 0).astype(np.uint8) * 255).save(masks / name)
    return images, masks

"""From a file to its pixels."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.samples import DataError


def read_pixels(path: Path) -> NDArray[np.generic]:
    """Decode a PNG or TIFF file to (height, width) or (height, width, channels).

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ndarray of bool, uint8, uint16 or float32
        In the file's own depth; the indices of a palette image, not its colours.

    Raises
    ------
    DataError
        If the file cannot be decoded or holds more than one page.
    """
    # Imported here: learning a folder's file names needs no decoder.
    from imagecodecs import imread
    from PIL import Image
    from tifffile import TiffFile

    try:
        if path.suffix.lower() == ".png":
            with Image.open(path) as file:
                # Pillow would cut RGB of 16 bits down to 8.
                deep = file.mode in ("RGB", "RGBA") and path.read_bytes()[24] == 16
                plain = file.convert("L") if file.mode == "LA" else file  # drop the alpha
                pixels = imread(path) if deep else np.asarray(plain)
            pages = 1
        else:
            with TiffFile(path) as file:
                pages, pixels = len(file.pages), file.asarray()
        if not pixels.size:
            raise ValueError("no pixels in it")
    except Exception as error:  # decoders raise many kinds; the learner needs one sentence
        raise DataError(
            f"{path}: a readable {path.suffix[1:].upper()} file is expected, found one that does "
            f"not decode ({error or type(error).__name__}): replace the file"
        ) from error
    if pages == 1 and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
        return pixels
    found = f"{pages} pages" if pages > 1 else f"an array of shape {pixels.shape}"
    raise DataError(
        f"{path}: one grey or RGB page is expected, found {found}: "
        "save each page as a file of its own"
    )

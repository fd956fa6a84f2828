"""From the files of a release to a folder of ``images/`` and ``masks/``, checked on the way in."""

import csv
import hashlib
import io
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.samples import DataError

EXIF_ORIENTATION = 274
VERBATIM = {"PNG": ".png", "JPEG": ".jpg", "BMP": ".bmp"}
MODES = ("1", "L", "P", "I;16", "RGB", "RGBA")


@dataclass
class Converted:
    """The folder in the making: add pairs, and at the end everything is in it or nothing.

    Attributes
    ----------
    folder : Path
        Where ``images/`` and ``masks/`` are written.
    values : frozenset of int or None
        The values that a mask may hold; None if they are instance ids.
    pairs : int
        How many pairs were added.
    left_out : list of str
        Files of the release that cannot be used, each with the reason.
    parts : dict of str to str
        File name to part (train, val, test), where the release has parts of its own.
    on_pair : callable
        Called with 1 after each pair.
    """

    folder: Path
    values: frozenset[int] | None
    pairs: int = 0
    left_out: list[str] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    on_pair: Callable[[int], object] = lambda number: None

    def add(
        self,
        stem: str,
        image: Path | NDArray[Any],
        mask: NDArray[Any] | Path,
        part: str | None = None,
    ) -> None:
        """Add one pair: files are copied as they are where that is safe, arrays written as PNG.

        Parameters
        ----------
        stem : str
            The name of both files, without suffix.
        image : Path or ndarray
            An image file; or an array of uint8 or uint16, grey or RGB.
        mask : ndarray of uint8 or uint16, shape (height, width), or Path
            The mask, in the values of the folder, or a PNG file that holds them.
        part : str, optional
            The release's own part.

        Notes
        -----
        A pair that cannot be read or whose mask does not fit is left out and noted in `left_out`:
        one spoilt file of thousands must not cost the set.
        """
        try:
            values = read_grey(mask) if isinstance(mask, Path) else mask
            name, size = self._put_image(stem, image)
        except (OSError, SyntaxError) as error:  # Pillow raises both on a broken file
            self.left_out.append(f"{stem}: cannot be read ({error})")
            return
        fault = self._fault(values, size)
        if fault:
            self._path("images", name).unlink()
            self.left_out.append(f"{stem}: {fault}")
            return
        path = self._path("masks", f"{stem}.png")
        if isinstance(mask, Path):
            shutil.copyfile(mask, path)
        else:
            write_png(path, mask)
        self.pairs += 1
        self.on_pair(1)
        if part is not None:
            self.parts[name] = part

    def _fault(self, mask: NDArray[Any], size: tuple[int, ...]) -> str:
        if mask.shape != size:
            return f"the mask is not {size[0]} x {size[1]} as the image, but {mask.shape}"
        odd = sorted(set(np.unique(mask).tolist()) - self.values) if self.values else []
        return f"the mask holds {odd[:5]} beside {sorted(self.values or ())}" if odd else ""

    def _put_image(self, stem: str, image: Path | NDArray[Any]) -> tuple[str, tuple[int, ...]]:
        if isinstance(image, np.ndarray):
            write_png(self._path("images", f"{stem}.png"), image)
            return f"{stem}.png", image.shape[:2]
        from PIL import Image

        with Image.open(image) as file:
            file.load()
            turned = file.getexif().get(EXIF_ORIENTATION, 1) != 1
            if file.format in VERBATIM and file.mode in MODES and not turned:
                name = stem + VERBATIM[file.format]
                shutil.copyfile(image, self._path("images", name))
            else:
                # Masks are drawn on the pixels as stored: a turn by EXIF would part the two.
                name = f"{stem}.png"
                file.convert("RGB").save(self._path("images", name), exif=b"")
            return name, file.size[::-1]

    def _path(self, kind: str, name: str) -> Path:
        path = self.folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def add_extra(self, kind: str, stem: str, mask: NDArray[Any]) -> None:
        """Add a second annotator's mask, in a folder beside ``masks/``."""
        write_png(self._path(kind, f"{stem}.png"), mask)

    def write_parts(self) -> None:
        """Write ``splits.csv`` where the release has parts of its own."""
        if not self.parts:
            return
        text = io.StringIO(newline="")
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["file", "split"])
        rows.writerows(sorted(self.parts.items()))
        (self.folder / "splits.csv").write_text(text.getvalue(), encoding="utf-8")


def write_png(path: Path, pixels: NDArray[Any]) -> None:
    """Write uint8 or uint16 pixels, grey or RGB, as PNG."""
    import imagecodecs

    # Pillow writes no RGB of 16 bits.
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))


def read_tiff(path: Path) -> NDArray[Any]:
    """All pages of a TIFF file."""
    import tifffile

    return np.asarray(tifffile.imread(path))


def read_grey(path: Path) -> NDArray[Any]:
    """A mask of one channel: of an RGB or RGBA file the first."""
    if path.suffix.lower() in (".tif", ".tiff"):
        pixels = read_tiff(path)
    else:
        from PIL import Image

        with Image.open(path) as file:
            pixels = np.asarray(file)
    return pixels if pixels.ndim == 2 else pixels[..., 0]


def above_half(path: Path) -> NDArray[np.uint8]:
    """A mask of 0 and 255 out of a file of one bit, of a palette, or of JPEG's values near both."""
    from PIL import Image

    with Image.open(path) as file:
        return np.where(np.asarray(file.convert("L")) > 127, np.uint8(255), np.uint8(0))


def instance_ids(values: NDArray[Any]) -> NDArray[np.uint16]:
    """Instance ids as 16 bits, 0 for background; refuses what does not fit."""
    if values.max(initial=0) > 65535 or values.min(initial=0) < 0:
        raise DataError(
            f"instance ids must lie within 0 and 65535, found {values.min()} to {values.max()}: "
            "the release is not the expected one, so do not use it"
        )
    return values.astype(np.uint16)


def contents_hash(folder: Path) -> str:
    """The SHA-256 over the names and bytes of a folder's images and masks.

    Parameters
    ----------
    folder : Path
        A set's folder.

    Returns
    -------
    str
        ``"sha256:..."``, of the lines that ``sha256sum images/* masks/*`` prints, sorted by name.
    """
    whole = hashlib.sha256()
    for path in sorted([*(folder / "images").iterdir(), *(folder / "masks").iterdir()]):
        one = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{one}  {path.relative_to(folder).as_posix()}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def find_one(folder: Path, name: str) -> Path:
    """The file or folder of this name, however deep it lies.

    Raises
    ------
    DataError
        If there is none, or there are several.
    """
    found = sorted(folder.rglob(name))
    if len(found) != 1:
        top = sorted(path.name for path in folder.iterdir())[:5]
        raise DataError(
            f"{folder}: the release must hold one {name!r}, found {len(found)} below "
            f"{', '.join(top)}: its layout has changed, so tell the course's authors"
        )
    return found[0]


def files(folder: Path, patterns: Sequence[str]) -> dict[str, Path]:
    """Files of a folder by stem, in order; an error if there are none."""
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    if not found:
        raise DataError(
            f"{folder}: the release must hold {' or '.join(patterns)} there, found none: its "
            "layout has changed, so tell the course's authors"
        )
    return {path.stem: path for path in found}


def pair(images: dict[str, Path], masks: dict[str, Path]) -> Iterable[tuple[str, Path, Path]]:
    """Images and masks of one stem; an error if one is alone."""
    alone = sorted(images.keys() ^ masks.keys())
    if alone:
        raise DataError(
            f"{alone[0]}: an image and a mask of this name are expected, found only one "
            f"({len(alone)} such names): the release's layout has changed, so tell the authors"
        )
    return [(stem, path, masks[stem]) for stem, path in images.items()]

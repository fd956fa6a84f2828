"""The rule that all masks of a set follow together, found by looking at every one."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.decode import Decoded
from unet_helpers.data.formats.encodings import (
    IGNORE,
    Encoding,
    given_instances,
    given_values,
    mask_plane,
    packed,
    unpacked,
)
from unet_helpers.data.samples import DataError

Source = tuple[Path, Callable[[], Decoded]]

_MANY = 4096  # distinct values or colours; more are no classes, and are not counted further
_MOST_CLASSES = 32
_VOC_VOID = (224, 224, 192)  # entry 255 of the palette of PASCAL VOC: no label


class Look(NamedTuple):
    """What one mask holds.

    Attributes
    ----------
    values : list of int
        Grey values, or packed colours.
    is_colour : bool
        Whether they are colours.
    is_voc : bool
        Whether it has the palette of PASCAL VOC, in which 255 is no label.
    only_alpha : bool
        Whether the colours are constant and the opacity is not.
    is_deep : bool
        Whether the file has more than 8 bits.
    """

    values: list[int]
    is_colour: bool
    is_voc: bool
    only_alpha: bool
    is_deep: bool


@dataclasses.dataclass
class _Seen:
    """What all masks hold together; each value with the first file that holds it."""

    values: dict[int, Path] = dataclasses.field(default_factory=dict)
    colours: dict[int, Path] = dataclasses.field(default_factory=dict)
    first: Path | None = None
    count: int = 0
    voc: int = 0
    numbered: int = 0  # masks whose values are 0..n without a gap, n above 1
    deep: int = 0
    only_alpha: Path | None = None

    @property
    def all_numbered(self) -> bool:
        """Whether every mask holds 0..n without a gap: of objects each file has its own n."""
        return self.count == self.numbered

    def add(self, path: Path, look: Look) -> None:
        self.first = self.first or path
        self.count += 1
        self.voc += look.is_voc
        self.deep += look.is_deep
        self.numbered += not look.is_colour and look.values == list(range(len(look.values)))
        if look.only_alpha and self.only_alpha is None:
            self.only_alpha = path
        seen = self.colours if look.is_colour else self.values
        for value in look.values[:_MANY] if len(seen) < _MANY else ():
            seen.setdefault(value, path)


def look_at(found: Decoded, path: Path) -> Look:
    """List the values of a mask.

    Parameters
    ----------
    found : Decoded
        The mask's file.
    path : Path
        Its name, for messages.

    Returns
    -------
    Look

    Raises
    ------
    DataError
        If it holds no whole numbers.
    """
    plane = mask_plane(found, path)
    is_colour = plane.ndim == 3
    values = _unique(packed(plane) if is_colour else plane)
    palette = found.palette
    is_voc = palette is not None and len(palette) == 256 and tuple(palette[255]) == _VOC_VOID
    only_alpha = False
    if found.has_alpha and len(values) == 1 and found.pixels.ndim == 3:
        alpha = found.pixels[..., -1]
        only_alpha = bool((alpha != alpha.flat[0]).any())
    return Look(values, is_colour, is_voc, only_alpha, plane.dtype.itemsize > 1)


def _unique(plane: NDArray[Any]) -> list[int]:
    if plane.dtype == np.uint8:  # ten times as quick as sorting
        return np.flatnonzero(np.bincount(plane.ravel(), minlength=256)).tolist()
    return np.unique(plane).tolist()


def infer(
    sources: Iterable[Source], class_names: Sequence[str] | None, ignore_value: int | None
) -> Encoding:
    """Find the rule that all masks follow; refuse what could be read in two ways.

    Parameters
    ----------
    sources : iterable of (Path, callable)
        Each mask and what decodes it; each is decoded once, several at a time.
    class_names : sequence of str or None
        Names of the classes, if known.
    ignore_value : int or None
        The value of pixels without a label, if known.

    Returns
    -------
    Encoding
        0/255 as background and foreground, class ids 0..K-1 as they are; 255 is no label where
        the palette is that of PASCAL VOC.

    Raises
    ------
    DataError
        If the values follow no such rule, with the code that would say what they mean.
    """
    seen = _Seen()
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for path, look in pool.map(_look, sources):
            seen.add(path, look)
    _refuse_colours(seen)
    void = ignore_value
    if void is None and seen.voc == seen.count and IGNORE in seen.values:
        void = IGNORE
    values = sorted(set(seen.values) - {void})
    shown = _listed(values)
    why = f"inferred: {seen.count} masks hold only the values {shown}"
    if void != ignore_value:
        why += ", and 255, which is no label in a palette of PASCAL VOC"
    if set(values) <= {0, 255} and 255 in values:
        return given_values({0: 0, 255: 1}, class_names, void, why)
    classes = len(class_names) if class_names else max(values, default=0) + 1
    complete = class_names or len(values) == classes <= _MOST_CLASSES
    if values and values[0] >= 0 and values[-1] < min(classes, 256) and complete:
        table = {value: value for value in range(max(classes, 2))}
        return given_values(table, class_names, void, why)
    if not class_names and void is None and values[-1] > _MOST_CLASSES and seen.all_numbered:
        return given_instances(
            None, None, f"inferred: {seen.count} masks number up to {values[-1]} objects, no gaps"
        )
    raise _unclear(seen, values, void)


def _look(source: Source) -> tuple[Path, Look]:
    path, read = source
    return path, look_at(read(), path)


def _refuse_colours(seen: _Seen) -> None:
    if seen.only_alpha and len(seen.values) + len(seen.colours) == 1:
        raise DataError(
            f"{seen.only_alpha}: a mask's classes must be in its grey values, found one value and "
            "a changing opacity: save the opacity as the mask, with Pillow "
            "Image.open(path).getchannel('A').save(path)"
        )
    if not seen.colours:
        return
    found = sorted(set(seen.colours) | {value * 0x010101 for value in seen.values if value < 256})
    shown = ", ".join(str(unpacked(colour)) for colour in found[:6])
    more = f", ... ({len(found)} colours)" if len(found) > 6 else ""
    table = ", ".join(f"{unpacked(colour)}: {i}" for i, colour in enumerate(found[:_MOST_CLASSES]))
    advice = f"say what they mean, for instance colours={{{table}}} (colour: class id)"
    if len(found) > _MOST_CLASSES:
        advice = (
            "this many are a photograph, or a mask that was resized or saved as JPEG; export it "
            "again without smoothing (nearest neighbour, PNG), or read numbered objects with "
            "instances=True"
        )
    raise DataError(
        f"{next(iter(seen.colours.values()))}: a mask must have one channel of class ids, found 3 "
        f"channels with the colours {shown}{more}: {advice}"
    )


def _unclear(seen: _Seen, values: list[int], void: int | None) -> DataError:
    """Say what was found, and the code for what it most likely means."""
    example = {value: i for i, value in enumerate(values[:_MOST_CLASSES])}
    advice = f"say what they mean, for instance mask_values={example} (value: class id)"
    if values == [1, 2, 3]:
        advice += ", or mask_values={1: 1, 2: 0, 3: None} for a trimap whose 3 is not labelled"
    elif values and values == list(range(1, len(values) + 1)):
        advice += "; they begin at 1 and not at 0"
    elif values == [0, 1, 255]:
        advice = (
            "some masks use 1 and some 255? Then save all alike; if 255 marks pixels without a "
            "label, say so with ignore_value=255"
        )
    elif len(values) > 2 and values[0] == 0 and seen.all_numbered:
        few = len(values) <= _MOST_CLASSES
        number = "if they number objects, read them with instances=True"
        advice = (
            f"{number}; else {advice}" if few else f"{number}, or name all {len(values)} classes"
        )
    elif len(values) > 8:
        advice = (
            f"{len(values)} values look like a mask that was resized or saved as JPEG; "
            "export it again without smoothing (nearest neighbour, PNG)"
        )
        if seen.deep:
            advice += ", or read numbered objects with instances=True"
    odd = next((value for value in values if value not in (0, 1, 255)), None)
    if values == [0, 1, 255]:  # the encoding that came second is the odd one
        odd = max((1, 255), key=lambda value: list(seen.values).index(value))
    path = seen.values[odd] if odd is not None else seen.first
    found = _listed(values) or "none but the ignore value"
    return DataError(
        f"{path}: mask values must be 0/1, 0/255 or class ids 0..K-1, found {found}: {advice}"
    )


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")

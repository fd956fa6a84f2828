"""Windows of an image that is stored in chunks, each of which is decoded as seldom as can be."""

import itertools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.limits import FileError, one_line
from unet_helpers.data.samples import DataError, to_float
from unet_helpers.prediction.large_planes import ARRAY, Plane

CACHE_BYTES = 2**27
"""Bytes of decoded chunks to keep; more only where a single window needs more."""

Edges = NDArray[np.int64]
Part = tuple[slice, slice]  # rows and columns
Spot = tuple[int, int]  # a chunk's place among the chunks


class Pixels:
    """A plane as the model is fed it: floats, scaled as in training.

    Windows come row by row. A chunk is decoded once as long as the rows of chunks that a window
    touches fit into the cache; otherwise once for each row of tiles that touches it.

    Parameters
    ----------
    plane : Plane
    window : tuple of int
        Height and width of what is read at a time.
    """

    def __init__(self, plane: Plane, window: tuple[int, int]) -> None:
        self.plane, self.shape = plane, plane.shape
        self._cache: Chunks | None = None
        down, right = plane.bounds("Y"), plane.bounds("X")
        if down is not None and right is not None:
            self._cache = Chunks(plane, (down, right), window)

    @property
    def chunks(self) -> int:
        """How many chunks the image has; 0 if it is not read in chunks."""
        return self._cache.number if self._cache else 0

    @property
    def decoded(self) -> int:
        """How many chunks were decoded so far, some of them again."""
        return self._cache.decoded if self._cache else 0

    def __getitem__(self, part: Part) -> NDArray[np.float32]:
        """Rows and columns, shape (rows, columns, channels)."""
        rows, columns = (slice(int(each.start), int(each.stop)) for each in part)
        read = self._cache.read if self._cache else lambda part: guarded(self.plane, part)
        return _scaled(read((rows, columns)), f"{self.plane.name}, {_place((rows, columns))}")


class Chunks:
    """Decoded chunks of a plane, those kept that were used last.

    Parameters
    ----------
    plane : Plane
    edges : tuple of ndarray
        Where chunks begin along the rows and along the columns, and where the last ends.
    window : tuple of int
        Height and width of what is read at a time.
    """

    def __init__(self, plane: Plane, edges: tuple[Edges, Edges], window: tuple[int, int]) -> None:
        self.plane, self.edges = plane, edges
        self.number = (len(edges[0]) - 1) * (len(edges[1]) - 1)
        self.decoded = 0
        self._kept: OrderedDict[Spot, NDArray[Any]] = OrderedDict()
        self._size = 0
        pixels = [
            int(np.diff(each).max()) * _most_touched(each, length)
            for each, length in zip(edges, window, strict=True)
        ]
        itemsize = int(plane.array.dtype.itemsize)
        self._budget = max(CACHE_BYTES, pixels[0] * pixels[1] * plane.channels * itemsize)

    def read(self, part: Part) -> NDArray[Any]:
        """Part of the image, in its own dtype."""
        wanted = _product(*map(_touched, self.edges, part))
        held = {spot: self._kept[spot] for spot in wanted if spot in self._kept}
        missing = [spot for spot in wanted if spot not in held]
        held.update(self._fetch(missing) if missing else {})
        self._keep(held)
        shape = [each.stop - each.start for each in part]
        made = np.empty((*shape, self.plane.channels), held[wanted[0]].dtype)
        for spot in wanted:
            place = self._place(spot, spot)
            made[_inside(part, place)] = held[spot][_inside(place, part)]
        return made

    def _place(self, first: Spot, last: Spot) -> Part:
        """Rows and columns from one chunk to another."""
        down, right = (
            slice(int(edges[i]), int(edges[j + 1]))
            for edges, i, j in zip(self.edges, first, last, strict=True)
        )
        return down, right

    def _fetch(self, missing: list[Spot]) -> dict[Spot, NDArray[Any]]:
        """Decode the rectangle of chunks around those that are missing, in one go."""
        rows, columns = zip(*missing, strict=True)
        first, last = (min(rows), min(columns)), (max(rows), max(columns))
        spots = _product(range(first[0], last[0] + 1), range(first[1], last[1] + 1))
        places = {spot: self._place(spot, spot) for spot in spots}
        whole = self._place(first, last)
        try:
            block = self.plane.read(*whole)
        except Exception:
            for place in places.values():  # which of them is it
                guarded(self.plane, place)
            raise
        self.decoded += len(spots)
        return {spot: block[_inside(whole, place)].copy() for spot, place in places.items()}

    def _keep(self, held: dict[Spot, NDArray[Any]]) -> None:
        for spot, chunk in held.items():
            if spot not in self._kept:
                self._size += chunk.nbytes
            self._kept[spot] = chunk
            self._kept.move_to_end(spot)
        while self._size > self._budget:
            self._size -= self._kept.popitem(last=False)[1].nbytes


def guarded(plane: Plane, part: Part) -> NDArray[Any]:
    """Read a part; whatever a decoder raises becomes one sentence that names the place."""
    try:
        return plane.read(*part)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise many kinds
        said = one_line(str(error) or type(error).__name__)
        fix = "copy or download it again, or cut this part off"
        raise FileError(
            *("unreadable", Path(plane.name), "an image whose parts can all be read"),
            f"an error at {_place(part)} ({said})",
            "look at how the array is made" if plane.name == ARRAY else fix,
        ) from error


def _product(rows: range, columns: range) -> list[Spot]:
    return list(itertools.product(rows, columns))


def _touched(edges: Edges, part: slice) -> range:
    """Numbers of the chunks that a part touches."""
    first = int(np.searchsorted(edges, part.start, "right")) - 1
    return range(first, int(np.searchsorted(edges, part.stop)))


def _most_touched(edges: Edges, length: int) -> int:
    """How many chunks a part of this length touches at most."""
    starts = edges[1:] - 1  # the last pixel of each chunk
    stops = np.minimum(starts + length, edges[-1])
    return int((np.searchsorted(edges, stops) - np.arange(len(starts))).max())


def _inside(whole: Part, other: Part) -> Part:
    """What both have in common, counted from the first one's corner."""
    down, right = (
        slice(max(one.start, two.start) - one.start, min(one.stop, two.stop) - one.start)
        for one, two in zip(whole, other, strict=True)
    )
    return down, right


def _place(part: Part) -> str:
    rows, columns = part
    return f"rows {rows.start} to {rows.stop}, columns {columns.start} to {columns.stop}"


def _scaled(part: NDArray[Any], place: str) -> NDArray[np.float32]:
    """As an image of a file is scaled for training, with the same limits."""
    kind, itemsize = part.dtype.kind, part.dtype.itemsize
    if kind == "b" or (kind == "u" and itemsize <= 2):
        return to_float(part)
    low, high = part.min(), part.max()
    if kind in "iu":
        if low < 0 or high > 65535:
            raise DataError(
                f"{place}: whole numbers from 0 to 65535 are expected, found {low} to {high}: "
                "save it in 8 or 16 bits, as the images for training"
            )
        return to_float(part.astype(np.uint16))
    if not (np.isfinite(low) and np.isfinite(high)) or high > 10:
        raise DataError(
            f"{place}: floats from 0 to 1 are expected, found {low:g} to {high:g}: scale them as "
            "in training, and look for NaN"
        )
    return part.astype(np.float32)

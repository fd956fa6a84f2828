"""How masks store their classes: found out from the values of all masks together."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.doctor.colours import map_behind
from unet_helpers.data.doctor.facts import MaskFacts
from unet_helpers.data.doctor.sources import Options

Style = Literal[
    "given", "ids", "0-255", "off-by-one", "with-255", "mixed", "objects", "colours", "greys",
    "levels",
]  # fmt: skip

RAMP_LIMIT = 0.08  # twice the most that a drawn mask showed, see `facts.ramp_share`
_MOST_LEVELS = 32
_RARE_MASKS = 0.05
GREY = 0x010101  # a grey level times this is its colour


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How a set's masks store classes.

    Attributes
    ----------
    style : str
        ``given`` by the user; class ``ids``; ``0-255``; ids ``off-by-one``; ids ``with-255``
        beside; two encodings ``mixed``; numbered ``objects``; ``colours``; colours that were
        turned into ``greys``; grey ``levels``.
    table : dict of int to int
        Value to class id; for ``objects`` empty.
    odd : frozenset of int
        Values that do not fit.
    classes : int
        How many class ids there are, at least 2.
    ignore : int or None
        The class id of pixels without a label.
    """

    style: Style
    table: dict[int, int]
    odd: frozenset[int] = frozenset()
    classes: int = 2
    ignore: int | None = None

    def ids(self, plane: NDArray[Any], coloured: bool = False) -> NDArray[np.uint8]:
        """Translate a mask's values; what is in no table goes to the nearest value that is."""
        if self.style == "objects":
            ids = (plane > 0).view(np.uint8)
            return ids if self.ignore is None else np.where(plane == self.ignore, self.ignore, ids)
        if self.style == "colours" and not coloured:
            plane = plane.astype(np.int64) * GREY
        keys, codes, lookup = self._lookup
        if plane.dtype == np.uint8:
            return np.asarray(lookup[plane])
        return np.asarray(codes[_nearest(keys, plane.astype(np.int64))])

    @functools.cached_property
    def _lookup(self) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
        """Values in order, their class ids, and the class id of each value of 8 bits."""
        keys = np.array(sorted(self.table), np.int64)
        codes = np.array([self.table[key] for key in keys.tolist()], np.uint8)
        return keys, codes, codes[_nearest(keys, np.arange(256))]


def _nearest(keys: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    right = np.clip(np.searchsorted(keys, values), 0, len(keys) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(keys[left] - values) <= np.abs(keys[right] - values), left, right)


def is_blurred(mask: MaskFacts) -> bool:
    """Whether a mask holds values that were mixed from its classes' values."""
    if mask.lossy and mask.distinct > 2:
        return True
    return mask.ramp > RAMP_LIMIT and mask.distinct >= 4


def infer(masks: Sequence[MaskFacts], options: Options, objects: bool = False) -> Encoding:
    """Find out how masks store classes.

    Parameters
    ----------
    masks : sequence of MaskFacts
        All masks that could be read.
    options : Options
        What the user told.
    objects : bool
        Whether the masks look like numbered objects, see `looks_like_objects`.

    Returns
    -------
    Encoding
    """
    ignore = options.ignore_value
    if options.ids or options.mask_values is not None or options.colours is not None:
        return _given(options)
    if options.instances or (objects and not options.class_names):
        return Encoding("objects", {}, ignore=ignore)
    clean = [m for m in masks if not is_blurred(m)]
    coloured = 2 * sum(m.coloured for m in masks) > sum(m.distinct > 1 for m in masks)
    if clean:
        sets = [set(_values(m, coloured)) - {ignore} for m in clean]
    else:
        sets = [set(_main_values(masks, coloured)) - {ignore}]
    style, table, odd = _read(sets, len(options.class_names), coloured)
    if ignore is not None:
        table = {**table, ignore: ignore}
    ids = {k for value, k in table.items() if value != ignore}
    classes = max(2, len(options.class_names), max(ids, default=0) + 1)
    if style == "with-255":
        ignore, classes = 255, max(ids - {255}) + 1
    return Encoding(style, table, odd, classes, ignore)


def _given(options: Options) -> Encoding:
    ignore, names = options.ignore_value, len(options.class_names)
    table = dict(options.colours or options.mask_values or {k: k for k in range(max(names, 2))})
    classes = max(2, names, max((k for k in table.values() if k != ignore), default=0) + 1)
    if options.colours is not None:
        return Encoding("colours", table, classes=classes, ignore=ignore)
    if ignore is not None and ignore not in table.values():
        table[ignore] = ignore
    return Encoding("given", table, classes=classes, ignore=ignore)


def _values(mask: MaskFacts, coloured: bool) -> Iterable[int]:
    return (v * GREY for v in mask.values) if coloured and not mask.coloured else mask.values


def _main_values(masks: Sequence[MaskFacts], coloured: bool) -> list[int]:
    """Tell the values that were mixed from those that they were mixed of: these cover most."""
    total: Counter[int] = Counter()
    for mask in masks:
        kept = zip(_values(mask, coloured), mask.values.values(), strict=True)
        total.update(dict(kept))
    pixels = sum(total.values())
    if max(total, default=0) < _MOST_LEVELS:
        return sorted(total)
    main: list[int] = []
    for value, count in total.most_common():
        # The most frequent counts in any case: in a photograph no value covers that much.
        if (main and count < 0.01 * pixels) or len(main) == _MOST_LEVELS:
            break
        if all(_apart(value, other, coloured) for other in main):
            main.append(value)
    return sorted(main)


def _apart(one: int, two: int, coloured: bool) -> bool:
    shifts = (16, 8, 0) if coloured else (0,)
    return max(abs((one >> s & 255) - (two >> s & 255)) for s in shifts) > 12


def _read(
    sets: Sequence[set[int]], names: int, coloured: bool
) -> tuple[Style, dict[int, int], frozenset[int]]:
    """Try the strict readings on all values, then on those that more than a few masks hold."""
    everything = set().union(*sets)
    if coloured:
        return "colours", {v: i for i, v in enumerate(sorted(everything)[:255])}, frozenset()
    strict = _mixed(sets) or _strict(everything, names)
    if strict:
        return *strict, frozenset()
    common = _common(sets)
    strict = _strict(common, names)
    few = len(common) <= 8 and 0 < len(everything - common) <= 4
    if strict or few:
        return *(strict or _loose(common)), frozenset(everything - common)
    return *_loose(everything), frozenset()


def _common(sets: Sequence[set[int]]) -> set[int]:
    held = Counter(value for values in sets for value in values)
    if len(sets) < 4:
        return set(held)
    return {v for v, masks in held.items() if masks > max(1, _RARE_MASKS * len(sets))}


def _strict(values: set[int], names: int) -> tuple[Style, dict[int, int]] | None:
    """Readings that leave no doubt."""
    top = max(values, default=0)
    if values <= {0, 255} and 255 in values:
        return "0-255", {0: 0, 255: 1}
    if values == set(range(top + 1)) or (names and top < names) or values <= {0, 1}:
        return "ids", {k: k for k in range(max(top + 1, names, 2))}
    if len(values) > 1 and values == set(range(1, top + 1)) and top <= 255:
        return "off-by-one", {k: k - 1 for k in values}
    ids = values - {255}
    if 255 in values and len(ids) > 1 and ids == set(range(max(ids) + 1)) and max(ids) < 64:
        return "with-255", {**{k: k for k in ids}, 255: 255}
    if names and 255 in values and ids and max(ids) < names:
        return "with-255", {**{k: k for k in range(names)}, 255: 255}
    return None


def _mixed(sets: Sequence[set[int]]) -> tuple[Style, dict[int, int]] | None:
    """Class ids in some masks and grey levels in others, as many of one as of the other."""
    values = set().union(*sets)
    low = sorted(v for v in values if 0 < v < 32)
    high = sorted(v for v in values if v >= 32)
    if not low or len(low) != len(high) or low != list(range(1, len(low) + 1)):
        return None
    if any(not held.isdisjoint(low) and not held.isdisjoint(high) for held in sets):
        return None
    return "mixed", {0: 0, **{v: i for part in (low, high) for i, v in enumerate(part, 1)}}


def _loose(values: set[int]) -> tuple[Style, dict[int, int]]:
    """Grey levels; those of a known colour map, or spread unevenly, once were colours."""
    ordered = sorted(values)
    table = {v: min(i, 254) for i, v in enumerate(ordered)}
    if len(ordered) <= _MOST_LEVELS and (map_behind(values) or uneven(ordered)):
        return "greys", table
    return "levels", table


def uneven(ordered: Sequence[int]) -> bool:
    """Whether grey levels have uneven steps, which nobody chooses who wants to see them apart.

    Examples
    --------
    >>> uneven([0, 128, 255]), uneven([0, 76, 150, 179])
    (False, True)
    """
    if len(ordered) < 4 or ordered[-1] <= 64:
        return False
    steps = np.diff(ordered)
    return bool(steps.max() > 1.5 * steps.min() + 2)


def looks_like_objects(planes: Sequence[NDArray[Any]]) -> bool:
    """Whether masks number their objects: every number is one connected region, however many.

    Parameters
    ----------
    planes : sequence of ndarray of int, shape (height, width)
        Some of the masks.

    Returns
    -------
    bool

    Examples
    --------
    >>> rows = np.zeros((30, 30), np.uint8)
    >>> masks = []
    >>> for count in (3, 5, 9):
    ...     masks.append(rows.copy())
    ...     for k in range(count):
    ...         masks[-1][3 * k : 3 * k + 2, 5:9] = k + 1
    >>> looks_like_objects(masks), looks_like_objects([m > 0 for m in masks])
    (True, False)
    """
    from skimage.measure import label

    numbers, regions, complete = [], 0, 0
    for plane in planes:
        present = np.unique(plane)
        present = present[present > 0]
        if not len(present):
            continue
        numbers.append(len(present))
        regions += int(label(plane, background=0, connectivity=2).max())
        complete += int(present[-1] == len(present))
    if not numbers or regions > 1.2 * sum(numbers):
        return False
    counted = complete >= 0.9 * len(numbers) and max(numbers) >= 3
    return (counted and len(set(numbers)) >= 3) or max(numbers) > 40

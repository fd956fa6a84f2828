"""Labelled images: what a sample is, and an ordered collection of them that decodes lazily."""

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class DataError(ValueError):
    """Data that cannot be used as it is; the message names the file, the fault and the way out."""


class Sample(NamedTuple):
    """One labelled image.

    Attributes
    ----------
    image : ndarray of float32, shape (height, width, channels)
        Values from 0 to 1.
    mask : ndarray of uint8, shape (height, width)
        Class ids 0..K-1, and the ignore value where there is one.
    name : str
        What the sample is called in tables and figures.
    group : str
        What it belongs to (slide, patient, film): groups are never torn apart by a split.
    instances : ndarray of uint16 or None, shape (height, width)
        0 for background, then one number for each object.
    """

    image: NDArray[np.float32]
    mask: NDArray[np.uint8]
    name: str
    group: str
    instances: NDArray[np.uint16] | None


class Arrays(NamedTuple):
    """A decoded sample as it is stored: the image in its own dtype, the mask in class ids."""

    image: NDArray[Any]
    mask: NDArray[np.uint8]
    instances: NDArray[np.uint16] | None = None


@dataclasses.dataclass(frozen=True)
class Record:
    """Where a sample comes from; ``read`` decodes it. ``split`` is the set's own split, if any.

    ``files`` are the image's file and the mask's, where the sample comes from files.
    """

    name: str
    group: str
    read: Callable[[], Arrays]
    split: str | None = None
    files: tuple[Path, ...] = ()


PARTS = ("train", "val", "test")

_CACHE_LOCK = threading.Lock()  # not part of a cache, so that samples can be pickled


class _Cache:
    """Keep decoded arrays up to a budget of bytes; forget the least recently used first.

    Several threads may read at once: they decode side by side and take turns at the book-keeping.
    """

    def __init__(self, budget: int) -> None:
        self.budget, self.used = budget, 0
        self.kept: OrderedDict[str, Arrays] = OrderedDict()
        self.counted: dict[str, NDArray[np.int64]] = {}

    def get(self, record: Record) -> Arrays:
        with _CACHE_LOCK:
            if record.name in self.kept:
                self.kept.move_to_end(record.name)
                return self.kept[record.name]
        arrays = record.read()
        for part in arrays:
            if part is not None:
                part.flags.writeable = False  # what is kept is shared: nobody may write into it
        with _CACHE_LOCK:
            if record.name not in self.kept:
                self.kept[record.name] = arrays
                self.used += _size(arrays)
            while self.used > self.budget and len(self.kept) > 1:
                self.used -= _size(self.kept.popitem(last=False)[1])
        return arrays

    def counts(self, record: Record) -> NDArray[np.int64]:
        """How often each value occurs in the mask; remembered when the mask is forgotten."""
        if record.name not in self.counted:
            self.counted[record.name] = np.bincount(self.get(record).mask.ravel())
        return self.counted[record.name]


def _size(arrays: Arrays) -> int:
    return sum(part.nbytes for part in arrays if part is not None)


def to_float(image: NDArray[Any]) -> NDArray[np.float32]:
    """Scale an image to float32 by its dtype's range.

    Parameters
    ----------
    image : ndarray of bool, uint8, uint16 or float
        Any shape.

    Returns
    -------
    ndarray of float32
        Integers divided by their dtype's largest value, so 0 to 1; floats as they are.

    Examples
    --------
    >>> to_float(np.array([0, 51, 255], np.uint8)).tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    if np.issubdtype(image.dtype, np.integer):
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    return image.astype(np.float32)


@dataclasses.dataclass(frozen=True, repr=False)
class Samples(Sequence[Sample]):
    """An ordered collection of labelled images, decoded when they are asked for.

    ``samples[3]`` is a `Sample`; ``samples[:10]`` and ``samples[[0, 4]]`` are smaller collections
    that share the same decoded images.

    Attributes
    ----------
    name : str
        The set's name.
    records : tuple of Record
        One for each sample, in order.
    class_names : tuple of str
        Names of the class ids 0, 1, ...
    foreground : tuple of str
        The classes that `binary` takes as foreground unless told otherwise.
    ignore_value : int or None
        The mask value that marks pixels without a label.
    rule : str
        How mask files became class ids, in words.
    part : str or None
        ``"train"``, ``"val"`` or ``"test"`` for what a split gave; kept by slices and `binary`.
    """

    name: str
    records: tuple[Record, ...]
    class_names: tuple[str, ...]
    foreground: tuple[str, ...] = ()
    ignore_value: int | None = None
    rule: str = ""
    part: str | None = None
    _relabel: tuple[int, ...] | None = None
    _cache: _Cache = dataclasses.field(default_factory=lambda: _Cache(3 << 27))

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        """One `Sample` for an integer, a smaller `Samples` for a slice or a list of integers."""
        if isinstance(index, slice):
            return self._subset(self.records[index])
        if isinstance(index, Iterable):
            return self._subset([self.records[i] for i in index])
        record = self.records[index]
        image, mask, instances = self.arrays(index)
        return Sample(to_float(image), mask, record.name, record.group, instances)

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        classes = ", ".join(self.class_names)
        return (
            f"Samples {self.name!r}: {len(self)} images in {len(set(self.groups))} groups; "
            f"classes {classes}"
        )

    @property
    def names(self) -> list[str]:
        """The samples' names, in order."""
        return [record.name for record in self.records]

    @property
    def groups(self) -> list[str]:
        """The samples' groups, in order."""
        return [record.group for record in self.records]

    @property
    def num_classes(self) -> int:
        """How many classes a mask can hold, the ignore value not counted."""
        return len(self.class_names)

    def arrays(self, index: int) -> Arrays:
        """Sample `index` undecorated: the image in its stored dtype, which is quicker to crop."""
        image, mask, instances = self.stored(index)
        return Arrays(image, self.relabel(mask), instances)

    def stored(self, index: int) -> Arrays:
        """Sample `index` as it was decoded, before `relabel`."""
        return self._cache.get(self.records[index])

    def relabel(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Class ids of a stored mask or of a part of it, which is quicker than the whole."""
        return mask if self._relabel is None else np.array(self._relabel, np.uint8)[mask]

    def _subset(self, records: Iterable[Record]) -> "Samples":
        return dataclasses.replace(self, records=tuple(records))

    def binary(self, foreground: str | Sequence[str] | None = None) -> "Samples":
        """Make a two-class set: the named classes become foreground (1), all others 0.

        Parameters
        ----------
        foreground : str or sequence of str, optional
            Class names; the set's usual foreground by default.

        Returns
        -------
        Samples
            With classes ``("background", foreground)``; ignored pixels stay ignored.

        Raises
        ------
        ValueError
            If a name is not one of the set's classes.
        """
        wanted = (foreground,) if isinstance(foreground, str) else tuple(foreground or ())
        wanted = wanted or self.foreground or self.class_names[1:]
        unknown = [name for name in wanted if name not in self.class_names]
        if unknown:
            raise ValueError(
                f"foreground must name classes out of {', '.join(self.class_names)}, "
                f"found {unknown[0]!r}: correct the name"
            )
        ids = {self.class_names.index(name) for name in wanted}
        table = [int(value in ids) for value in range(256)]
        if self.ignore_value is not None:
            table[self.ignore_value] = self.ignore_value
        if self._relabel is not None:
            table = [table[value] for value in self._relabel]
        name = self.foreground_name if wanted == self.foreground else "+".join(wanted)
        return dataclasses.replace(
            self,
            class_names=("background", name),
            foreground=(name,),
            _relabel=tuple(table),
        )

    @property
    def foreground_name(self) -> str:
        """A name for the usual foreground: ``cell`` for all classes of a cell in ``cells``."""
        one = self.name.removesuffix("s")  # a set is named by its things, or not by any
        return one if one != self.name and len(self.foreground) > 1 else "+".join(self.foreground)

    def split(
        self, val: float = 0.2, test: float = 0.2, seed: int = 0
    ) -> tuple["Samples", "Samples", "Samples"]:
        """Split into training, validation and test sets without tearing a group apart.

        A set that comes with a split of its own (`membranes`) keeps it; `val`, `test` and `seed`
        are then not used.

        Parameters
        ----------
        val, test : float
            Shares of the images, above 0 and together below 1; whole groups come as close as
            they can.
        seed : int
            Seed of the order in which groups are dealt out.

        Returns
        -------
        train, val, test : Samples
            Each image in exactly one of them, each group too.

        Raises
        ------
        ValueError
            If the shares are not positive and below 1 together, there are under three groups, or
            the set's own split leaves a part empty.
        """
        if all(record.split for record in self.records) and self.records:
            parts = [r.split for r in self.records]
        else:
            by_group = _deal_groups(self.groups, val, test, seed)
            parts = [by_group[group] for group in self.groups]
        told = list(zip(self.records, parts, strict=True))
        chosen = [
            dataclasses.replace(self, records=tuple(r for r, p in told if p == part), part=part)
            for part in PARTS
        ]
        if not all(len(part) for part in chosen):
            raise ValueError(
                f"{self.name}: its own split needs images for train, val and test, found "
                f"{', '.join(str(len(part)) for part in chosen)}: name every part, and split "
                "before you take some of the images"
            )
        return chosen[0], chosen[1], chosen[2]

    def stack(self, size: int | None = None) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """All images and masks as two arrays, as ``model.fit(images, masks)`` takes them.

        Parameters
        ----------
        size : int, optional
            Cut a square of this many pixels from the middle of each; whole images by default.

        Returns
        -------
        images : ndarray of float32, shape (samples, height, width, channels)
        masks : ndarray of uint8, shape (samples, height, width, 1)

        Raises
        ------
        DataError
            If the images differ in size or are smaller than `size`.
        """
        pairs = [(s.image, s.mask, s.name) for s in self]
        if size is not None:
            pairs = [(_middle(i, size, n), _middle(m, size, n), n) for i, m, n in pairs]
        if not pairs:
            raise ValueError("samples must hold at least one image, found none: check the split")
        for image, _, name in pairs:
            if image.shape != pairs[0][0].shape:
                raise DataError(
                    f"{name}: images to stack must have one shape, found {image.shape} beside "
                    f"{pairs[0][0].shape}: give stack(size=...), or train on crops with batches()"
                )
        images, masks = (np.stack([pair[part] for pair in pairs]) for part in (0, 1))
        return images, masks[..., None]

    def pixel_counts(self) -> NDArray[np.int64]:
        """How many pixels of each mask belong to each class.

        Every mask is decoded once, one after the other; then its counts are remembered.

        Returns
        -------
        ndarray of int64, shape (samples, classes)
            Pixels with the ignore value are not counted.
        """
        counts = np.zeros((len(self), 256), np.int64)
        relabel = self.relabel(np.arange(256, dtype=np.uint8))
        for row, record in zip(counts, self.records, strict=True):
            stored = self._cache.counts(record)
            np.add.at(row, relabel[: len(stored)], stored)
        return counts[:, : self.num_classes]

    def class_share(self) -> dict[str, float]:
        """Share of the labelled pixels that each class covers, summed over the set."""
        labelled = self.pixel_counts().sum(axis=0)
        shares = labelled / labelled.sum()
        return dict(zip(self.class_names, shares.tolist(), strict=True))


def _middle(array: NDArray[Any], size: int, name: str) -> NDArray[Any]:
    height, width = array.shape[:2]
    if min(height, width) < size:
        raise DataError(
            f"{name}: stack(size={size}) needs images of at least {size} pixels a side, found "
            f"{height} x {width}: choose a smaller size"
        )
    top, left = (height - size) // 2, (width - size) // 2
    return array[top : top + size, left : left + size]


def _deal_groups(groups: Sequence[str], val: float, test: float, seed: int) -> dict[str, str]:
    """Deal shuffled groups, largest need first, so that each part gets close to its share."""
    if not (val > 0 and test > 0 and val + test < 1):
        raise ValueError(
            f"val and test must be above 0 and together below 1, found {val} and {test}: "
            "choose shares such as 0.2 and 0.2"
        )
    names = sorted(set(groups))
    if len(names) < 3:
        raise ValueError(
            f"a split needs at least 3 groups, one for each part, found {len(names)}: "
            "give the samples finer groups, or use all of them for training"
        )
    sizes = {name: groups.count(name) for name in names}
    need = {"test": test, "val": val, "train": 1 - val - test}
    need = {part: share * len(groups) for part, share in need.items()}
    dealt: dict[str, str] = {}
    order = np.random.default_rng(seed).permutation(len(names))
    for left, index in zip(range(len(names), 0, -1), order, strict=True):
        empty = [part for part in need if part not in dealt.values()]
        # Towards the end, a part that is still empty comes before a part that wants more.
        part = max(empty if len(empty) >= left else need, key=lambda part: need[part])
        dealt[names[index]] = part
        need[part] -= sizes[names[index]]
    return dealt

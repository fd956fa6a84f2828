"""All that is known of a set after the scan: what the rules judge."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from unet_helpers.data.doctor.encoding import Encoding
from unet_helpers.data.doctor.facts import ImageFacts, MaskFacts, PairFacts
from unet_helpers.data.doctor.sources import Options, Source
from unet_helpers.data.formats.pairing import Matching

PARTS = ("train", "val", "test")


class SeenImage(NamedTuple):
    """An image that could be read."""

    source: Source
    facts: ImageFacts


class SeenMask(NamedTuple):
    """A mask that could be read."""

    source: Source
    facts: MaskFacts


@dataclasses.dataclass(frozen=True)
class Survey:
    """What the rules judge.

    Attributes
    ----------
    sources : sequence of Source
        The pairs.
    facts : sequence of PairFacts
        What was found in each, in the same order.
    encoding : Encoding
        How masks store classes.
    options : Options
        What the user told.
    matching : Matching or None
        How the files were paired; None for samples.
    """

    sources: Sequence[Source]
    facts: Sequence[PairFacts]
    encoding: Encoding
    options: Options = dataclasses.field(default_factory=Options)
    matching: Matching | None = None

    def pairs(self) -> Iterator[tuple[Source, PairFacts]]:
        """Each pair with what was found in it."""
        return zip(self.sources, self.facts, strict=True)

    def images(self) -> list[SeenImage]:
        """Return the images that could be read."""
        return [SeenImage(s, f.image) for s, f in self.pairs() if f.image is not None]

    def masks(self) -> list[SeenMask]:
        """Return the masks that could be read."""
        return [SeenMask(s, f.mask) for s, f in self.pairs() if f.mask is not None]

    def class_name(self, class_id: int) -> str:
        """Name a class; ``class 2`` if it has no name."""
        names = self.options.class_names
        if not names and self.encoding.classes == 2 and class_id < 2:
            return ("background", "foreground")[class_id]
        return names[class_id] if class_id < len(names) else f"class {class_id}"

    def parts(self) -> list[str]:
        """Return the parts of the split, training first; none if there is no split."""
        found = {source.part for source in self.sources} - {""}
        return sorted(found, key=lambda part: (*PARTS, part).index(part))


def listing(values: Sequence[object], most: int = 8) -> str:
    """Write some values with commas, and how many more there are.

    Examples
    --------
    >>> listing([0, 1, 2, 3], most=2)
    '0, 1 and 2 more'
    """
    shown = ", ".join(map(str, values[:most]))
    return f"{shown} and {len(values) - most} more" if len(values) > most else shown


def plural(count: int, word: str) -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> plural(1, "mask"), plural(3, "class")
    ('1 mask', '3 classes')
    """
    ending = "" if count == 1 else "es" if word.endswith("s") else "s"
    return f"{count} {word}{ending}"

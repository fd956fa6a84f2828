"""What the catalogue knows of a public data set."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from unet_helpers.data.public.convert import Converted


@dataclass(frozen=True)
class Source:
    """One file of a release.

    Attributes
    ----------
    file : str
        What it is called here, such as ``images.zip``.
    urls : tuple of str
        Addresses of the same file, tried in order; none if it must be got by hand.
    size : int or None
        Its size in bytes, where a public record tells it.
    hash : str or None
        ``"sha256:..."`` or ``"md5:..."``; None if no public record tells it, and then the hash of
        the first download is kept and compared with later ones.
    """

    file: str
    urls: tuple[str, ...] = ()
    size: int | None = None
    hash: str | None = None


def own_group(name: str) -> str:
    """Each image is a group of its own."""
    return name


@dataclass(frozen=True)
class Entry:
    """One public data set.

    Attributes
    ----------
    name, folder, title : str
        What `load` calls it, its folder under the data home, and what it shows.
    sources : tuple of Source
        The files of its release.
    convert : callable
        Turns the unpacked files, by `Source.file`, into the folder; see `Converted`.
    class_names, foreground : tuple of str
        The class ids' names, and those that are usually foreground.
    mask_values : mapping of int to int or None
        Mask file value to class id; None for instance ids, where all above 0 is class 1.
    ignore_value : int or None
        The mask file value of pixels without a label.
    images : int
        How many labelled images the release has.
    licence, terms, citation, homepage : str
        The licence's name, the terms in a sentence, what to cite (with its DOI), the set's page.
    pictures_may_be_stored : bool
        Whether pictures of it may be part of what the course publishes.
    good_for : str
        What to do with it in class.
    group, split : callable of str
        The group of an image's name; its part, where the set has parts of its own. The file
        ``splits.csv`` in the folder, where it lies there, goes before `split`.
    stratify : bool
        Deal the images to the parts by the hash of their names, within each image size.
    by_hand : str
        How to get the files, where no address gives them; empty otherwise.
    contents : str or None
        What `contents_hash` gives for the folder, where its files are copied as they are and a
        record of them is at hand but none of the archive's bytes.
    """

    name: str
    folder: str
    title: str
    sources: tuple[Source, ...]
    convert: Callable[[Mapping[str, Path], Converted], None]
    class_names: tuple[str, ...]
    foreground: tuple[str, ...]
    mask_values: Mapping[int, int] | None
    images: int
    licence: str
    terms: str
    citation: str
    homepage: str
    pictures_may_be_stored: bool
    good_for: str
    ignore_value: int | None = None
    group: Callable[[str], str] = own_group
    split: Callable[[str], str] | None = None
    stratify: bool = False
    by_hand: str = ""
    contents: str | None = None

    @property
    def size(self) -> int | None:
        """Bytes to download, where all of them are known."""
        sizes = [source.size for source in self.sources]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def size_text(self) -> str:
        """The download's size in words."""
        if self.size is None:
            return "size not on record"
        return f"{max(self.size / 1e6, 0.1):.{0 if self.size > 1e7 else 1}f} MB"

    @property
    def hash_is_known(self) -> bool:
        """Whether what is got can be checked against a hash on record."""
        return self.contents is not None or all(source.hash for source in self.sources)


def share_by_hash(name: str) -> float:
    """A number from 0 to 1 that depends on nothing but the name.

    Parameters
    ----------
    name : str
        Any text.

    Returns
    -------
    float
        The first 8 bytes of its SHA-256, as a fraction.

    Examples
    --------
    >>> round(share_by_hash("a"), 3)
    0.791
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64

"""What the doctor is shown: pairs of files, or samples in memory, as one list of sources."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from unet_helpers.data.samples import Arrays, Samples


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """Where one pair comes from.

    Attributes
    ----------
    name : str
        What the pair is called.
    image, mask : Path or None
        Its files; None where it comes from no file.
    group : str
        Patient, slide or film; the name by default.
    part : str
        ``train``, ``val``, ``test``, or "" where there is no split.
    read : callable or None
        Gives the pair as class ids; None for files whose encoding is still to be found out.
    """

    name: str
    image: Path | None
    mask: Path | None
    group: str
    part: str = ""
    read: Callable[[], Arrays] | None = None

    @property
    def image_name(self) -> str:
        """The image's file, or the sample's name where there is none."""
        return str(self.image) if self.image else self.name

    @property
    def mask_name(self) -> str:
        """The mask's file, or the sample's name where there is none."""
        return str(self.mask) if self.mask else self.name


@dataclasses.dataclass(frozen=True)
class Options:
    """What is known of a set beforehand; it silences what it explains.

    Attributes
    ----------
    class_names : tuple of str
        Names of the class ids; empty if not told.
    mask_values : mapping of int to int, or None
        Mask file value to class id.
    ignore_value : int or None
        Mask value of pixels without a label.
    instances : bool
        Whether the masks number objects, so that any value above 0 is foreground.
    patch : int
        Side of the training's random patches in pixels.
    ids : bool
        Whether masks are class ids already, as those of `Samples` are.
    colours : mapping of int to int, or None
        Colour of masks (24-bit RGB) to class id.
    pattern : str, tuple of two str, or None
        How files were said to be named.
    """

    class_names: tuple[str, ...] = ()
    mask_values: Mapping[int, int] | None = None
    ignore_value: int | None = None
    instances: bool = False
    patch: int = 128
    ids: bool = False
    colours: Mapping[int, int] | None = None
    pattern: str | tuple[str, str] | None = None


def from_samples(parts: Mapping[str, Samples]) -> list[Source]:
    """Make sources of samples.

    Parameters
    ----------
    parts : mapping of str to Samples
        The parts of a split by name; one part named "" where there is no split, then each
        sample's own part counts.

    Returns
    -------
    list of Source
    """

    def reader(samples: Samples, index: int) -> Callable[[], Arrays]:
        return lambda: samples.arrays(index)

    found = []
    for part, samples in parts.items():
        # Not the samples' own cache: looking at a set must not fill the memory with it.
        lean = dataclasses.replace(samples, _cache=type(samples._cache)(0))
        for index, record in enumerate(samples.records):
            files = [path for path in record.files if path.is_file()]
            image, mask = (files[0], files[1]) if len(files) == 2 else (None, None)
            part_name = part or record.split or ""
            found.append(
                Source(record.name, image, mask, record.group, part_name, reader(lean, index))
            )
    return found


def from_files(
    pairs: Sequence[tuple[str, Path, Path]],
    group: Callable[[str], str] | None = None,
    groups: Mapping[str, str] | None = None,
    parts: Mapping[str, str] | None = None,
) -> list[Source]:
    """Make sources of paired files.

    Parameters
    ----------
    pairs : sequence of (str, Path, Path)
        Name, image and mask.
    group : callable, optional
        The group of a name; by default the manifest's, or the name itself.
    groups, parts : mapping of str to str, optional
        Group and part of each name, from a manifest.

    Returns
    -------
    list of Source
    """
    groups, parts = groups or {}, parts or {}
    return [
        Source(
            name,
            image,
            mask,
            group(name) if group else groups.get(name, name),
            parts.get(name, ""),
        )
        for name, image, mask in pairs
    ]

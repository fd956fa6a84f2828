"""From folders or a manifest to `Samples`: files are paired, and masks become class ids."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from unet_helpers.data.formats import encodings
from unet_helpers.data.formats.arguments import check_functions, check_names, check_range, part_of
from unet_helpers.data.formats.decode import Decoded, Pages, count_pages, decode, decode_one
from unet_helpers.data.formats.encodings import Colour, Encoding, Meaning
from unet_helpers.data.formats.images import Range, image_array
from unet_helpers.data.formats.inference import infer
from unet_helpers.data.formats.manifest import match_manifest
from unet_helpers.data.formats.pairing import Pair, Pattern, insist, match
from unet_helpers.data.samples import Arrays, DataError, Record, Samples


@dataclasses.dataclass(frozen=True)
class _Reading:
    """How files become arrays, the same for all."""

    pages: Pages = None
    image_key: str | None = None
    mask_key: str | None = None
    image_range: Range = None

    def image(self, path: Path, page: int | None) -> Decoded:
        return self._decode(path, page, self.image_key)

    def mask(self, path: Path, page: int | None) -> Decoded:
        return self._decode(path, page, self.mask_key)

    def _decode(self, path: Path, page: int | None, key: str | None) -> Decoded:
        if page is not None:
            return decode(path, page=page, key=key)
        return decode_one(path, pages=None if self.pages == "stack" else self.pages, key=key)


def read_folder(
    images: str | Path,
    masks: str | Path | None = None,
    *,
    class_names: Sequence[str] | None = None,
    mask_values: Mapping[int, Meaning] | None = None,
    ignore_value: int | None = None,
    colours: Mapping[Colour, Meaning] | None = None,
    instances: bool = False,
    pattern: Pattern | None = None,
    pages: Pages = None,
    image_key: str | None = None,
    mask_key: str | None = None,
    image_range: Range = None,
    group: Callable[[str], str] | None = None,
    split: Callable[[str], str] | None = None,
) -> Samples:
    """Pair images with masks, in two folders or by a CSV manifest, and read them as class ids.

    Files may be PNG, JPEG, BMP, GIF, WebP, TIFF, ``.npy`` or ``.npz``. Images are grey or in
    colours, of 8 or 16 bit or floats from 0 to 1; alpha is left out, palettes become colours, and
    the Exif orientation is carried out on images and masks alike, as viewers do. A mask holds class
    ids as grey values, palette indices or whole floats; colours and numbers of objects are read
    where `colours` or `instances` say so.

    Parameters
    ----------
    images : str or Path
        Folder of images; or a CSV file with the columns ``image`` and ``mask`` and where wanted
        ``name``, ``group`` and ``split``, its paths relative to its own folder.
    masks : str or Path, optional
        Folder of masks; not with a CSV file.
    class_names : sequence of str, optional
        Names of the class ids 0, 1, ...; made up from the mask values by default.
    mask_values : mapping of int to int, str or None, optional
        Mask file value to class id, such as ``{0: 0, 128: 1, 255: 2}``, or to class name; None
        for pixels without a label (255 in the class ids). By default the rule is inferred from
        all masks (0/1, 0/255, or class ids 0..K-1; 255 is no label where the palette is that of
        PASCAL VOC) and told in ``samples.rule``.
    ignore_value : int, optional
        The mask file value of pixels without a label, 0 to 255; it stays as it is.
    colours : mapping of (red, green, blue) to int, str or None, optional
        The meaning of each colour of masks in colours, as in `mask_values`.
    instances : bool, optional
        Whether mask values number objects: all above 0 are class 1, and the numbers are kept as
        ``instances``.
    pattern : str or tuple of two str, optional
        How masks are named, ``"{stem}_mask"``, or how images and masks are,
        ``("{stem}_img", "{stem}_seg")``. By default files of one stem belong together
        (``a.png`` with ``a.tif``), or those that one prefix or suffix brings together.
    pages : int, "stack" or "channels", optional
        For files of several pages, frames or slices: the one to take, each as a sample of its
        own, or all as the channels of one image; an error by default.
    image_key, mask_key : str, optional
        Names of the arrays in ``.npz`` files, needed where there are several.
    image_range : tuple of two float, optional
        The image values that become 0 and 1; needed for floats beyond 0 to 1.
    group, split : callable of str to str, optional
        The group and the part (train, val, test) of an image's stem; by default each file is a
        group of its own, a manifest's columns count, and there is no split.

    Returns
    -------
    Samples
        Images are decoded when they are asked for; with a rule that is given, so are masks.

    Raises
    ------
    ValueError
        If an argument is of a wrong kind, two contradict each other, or class ids leave a gap.
    DataError
        If a folder is missing, a file has no partner or several, or the masks' values follow no
        known rule; on decoding, if a file cannot be read, sizes differ or a mask value is
        unexpected.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> root = Path(tempfile.mkdtemp())
    >>> for name, top in {"images": 200, "masks": 255}.items():
    ...     (root / name).mkdir()
    ...     Image.fromarray(np.eye(4, dtype=np.uint8) * top).save(root / name / "a.png")
    >>> read_folder(root / "images", root / "masks").rule[:63]
    'mask value 0 is background, 255 is foreground (inferred: 1 mask'
    """
    check_names(class_names)
    check_range(image_range)
    check_functions(group, split)
    encoding = _given(class_names, mask_values, ignore_value, colours, instances)
    reading = _Reading(pages, image_key, mask_key, image_range)
    _check(pages)
    pairs, rule = _paired(Path(images), masks, pattern)
    sources = list(_expanded(pairs, reading))
    if encoding is None:
        to_read = ((pair.mask, partial(reading.mask, pair.mask, page)) for pair, _, page in sources)
        encoding = infer(to_read, class_names, ignore_value)
    records = tuple(
        Record(
            name,
            group(pair.image.stem) if group else pair.group or pair.name,
            partial(_read_pair, pair, page, reading, encoding),
            part_of(split, pair.image.stem) or pair.split,
            (pair.image, pair.mask),
        )
        for pair, name, page in sources
    )
    return Samples(
        name=Path(images).resolve().parent.name,
        records=records,
        class_names=encoding.class_names,
        foreground=encoding.class_names[1:],
        ignore_value=encoding.ignore_value,
        rule=f"{encoding.rule}{rule}",
    )


def _given(
    class_names: Sequence[str] | None,
    mask_values: Mapping[int, Meaning] | None,
    ignore_value: int | None,
    colours: Mapping[Colour, Meaning] | None,
    instances: bool,
) -> Encoding | None:
    """The rule that the arguments give; None if it is to be inferred."""
    for argument, table in (("mask_values", mask_values), ("colours", colours)):
        if table is not None and not isinstance(table, Mapping):
            raise ValueError(
                f"{argument} must be a dict of file values to class ids, found {table!r}: "
                "write mask_values={0: 0, 255: 1}, for instance"
            )
    if not isinstance(instances, bool):
        raise ValueError(f"instances must be True or False, found {instances!r}: write one of them")
    if ignore_value is not None and type(ignore_value) is not int:
        raise ValueError(
            f"ignore_value must be a whole number from 0 to 255, found {ignore_value!r}: "
            "write ignore_value=255, for instance"
        )
    if sum((mask_values is not None, colours is not None, instances)) > 1:
        raise ValueError(
            "one of mask_values, colours and instances must say what masks hold, found several: "
            "keep the one that fits the files"
        )
    if colours is not None:
        return encodings.given_colours(colours, class_names, ignore_value)
    if instances:
        return encodings.given_instances(class_names, ignore_value)
    if mask_values is not None:
        return encodings.given_values(mask_values, class_names, ignore_value)
    return None


def _check(pages: Pages) -> None:
    if not (pages in (None, "stack", "channels") or (type(pages) is int and pages >= 0)):
        raise ValueError(
            f"pages must be a number from 0, 'stack' or 'channels', found {pages!r}: "
            "write pages=0 for the first page"
        )


def _paired(
    images: Path, masks: str | Path | None, pattern: Pattern | None
) -> tuple[list[Pair], str]:
    """The pairs, and what is to be told about them."""
    if masks is not None:
        found = insist(match(images, masks, pattern=pattern))
        return (
            found.pairs,
            "" if found.rule == "image and mask share their stem" else "; " + found.rule,
        )
    if images.is_dir() or pattern is not None:
        raise ValueError(
            f"masks must be a folder unless images is a CSV file, found none beside {images}: "
            "write read_folder('images', 'masks') or read_folder('pairs.csv')"
        )
    found = insist(match_manifest(images))
    return found.pairs, "; " + found.rule


def _expanded(pairs: Sequence[Pair], reading: _Reading) -> Iterator[tuple[Pair, str, int | None]]:
    """Each pair with its sample's name and page; one for each page if they are stacks."""
    for pair in pairs:
        if reading.pages != "stack":
            yield pair, pair.name, None
            continue
        pages = count_pages(pair.image, key=reading.image_key)
        of_mask = count_pages(pair.mask, key=reading.mask_key)
        if pages != of_mask:
            raise DataError(
                f"{pair.mask}: the mask must have as many pages as its image {pair.image.name}, "
                f"{pages}, found {of_mask}: save both as stacks of the same slices"
            )
        for page in range(pages):
            yield pair, f"{pair.name} page {page:02d}" if pages > 1 else pair.name, page


def _read_pair(pair: Pair, page: int | None, reading: _Reading, encoding: Encoding) -> Arrays:
    of_image, of_mask = reading.image(pair.image, page), reading.mask(pair.mask, page)
    image = image_array(of_image, pair.image, reading.image_range)
    mask, instances = encoding.apply(of_mask, pair.mask)
    if image.shape[:2] != mask.shape:
        fix = "export the mask again at the image's size"
        if (of_image.orientation == 1) != (of_mask.orientation == 1):
            turned = pair.image if of_image.orientation != 1 else pair.mask
            fix = f"only {turned.name} has an Exif orientation; save it again without, or {fix}"
        raise DataError(
            f"{pair.mask}: the mask must have the size of its image {pair.image.name}, "
            f"{image.shape[0]} x {image.shape[1]}, found {mask.shape[0]} x {mask.shape[1]}: {fix}"
        )
    return Arrays(image, mask, instances)

"""COCO annotations: polygons and run lengths of objects become class ids and instance ids.

The format: Lin et al. 2014, "Microsoft COCO: Common Objects in Context", ECCV,
doi:10.1007/978-3-319-10602-1_48.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unet_helpers.data.formats.arguments import check_functions, check_names, check_range, part_of
from unet_helpers.data.formats.decode import decode_one
from unet_helpers.data.formats.images import Range, image_array
from unet_helpers.data.formats.jsonfiles import is_count, load_json, objects, unfit
from unet_helpers.data.formats.listing import is_file
from unet_helpers.data.formats.regions import segment
from unet_helpers.data.samples import Arrays, DataError, Record, Samples

_IGNORE = 255


class _Object(NamedTuple):
    """An annotation, checked except for what depends on the image's size."""

    where: str  # for messages
    class_id: int
    segmentation: Any
    is_crowd: bool


class _Picture(NamedTuple):
    path: Path
    height: int
    width: int


def read_coco(
    annotations: str | Path,
    images: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    ignore_crowds: bool = False,
    image_range: Range = None,
    group: Callable[[str], str] | None = None,
    split: Callable[[str], str] | None = None,
) -> Samples:
    """Read images with the objects that a COCO file describes.

    Polygons are filled by the rule of pycocotools, the format's own; several polygons of one
    object are joined. Where objects overlap, the smaller one lies on top, crowds included: some
    tools (CVAT) call everything a crowd that was brushed and not outlined.

    Parameters
    ----------
    annotations : str or Path
        The JSON file; read at once, the images when they are asked for.
    images : str or Path
        The folder that the file's names are relative to.
    class_names : sequence of str, optional
        Names of the class ids: first the background, then categories in any order. By default
        ``background`` and all categories, sorted by name.
    ignore_crowds : bool, optional
        Whether crowds (regions of objects that were not told apart) are no label (255) and lie
        below all objects; by default they are objects like the others.
    image_range, group, split : optional
        As in `read_folder`.

    Returns
    -------
    Samples
        With ``instances`` numbered in the file's order; images without objects are background.

    Raises
    ------
    ValueError
        If an argument is of a wrong kind.
    DataError
        If the file is no sound COCO file or an image is missing; on decoding, if an image's size
        is not the one in the file, or an object's outline is damaged.
    """
    check_names(class_names)
    check_range(image_range)
    check_functions(group, split)
    path, folder = Path(annotations), Path(images)
    loaded = load_json(path)
    names, class_ids = _categories(loaded, path, class_names)
    pictures = _pictures(loaded, path, folder)
    described = _objects(loaded, path, class_ids, pictures)
    stems = Counter(picture.path.stem for picture in pictures.values())
    records = []
    for key, picture in pictures.items():
        stem = picture.path.stem
        name = stem if stems[stem] == 1 else picture.path.relative_to(folder).as_posix()
        read = partial(_read, picture, described[key], path, ignore_crowds, image_range)
        records.append(
            Record(
                name,
                group(stem) if group else name,
                read,
                part_of(split, stem),
                (picture.path, path),
            )
        )
    told = ", ".join(f"category {name!r} is class {i}" for i, name in enumerate(names) if i)
    return Samples(
        name=path.resolve().parent.name,
        records=tuple(records),
        class_names=names,
        foreground=names[1:],
        ignore_value=_IGNORE if ignore_crowds else None,
        rule=f"objects of {path.name}: {told}; polygons as pycocotools fills them, the smaller "
        f"object on top; crowds are {'not labelled' if ignore_crowds else 'objects like others'}",
    )


def _categories(
    loaded: dict[str, Any], path: Path, class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], dict[int, int]]:
    """Names of the classes, and the class id of each category id."""
    names: dict[int, str] = {}
    for number, one in enumerate(objects(loaded, "categories", path)):
        if not is_count(one.get("id")) or not isinstance(one.get("name"), str):
            raise unfit(path, f"categories[{number}]", "an id and a name", one)
        if one["id"] in names or one["name"] in names.values():
            raise unfit(path, f"categories[{number}]", "an id and a name of its own", one)
        names[one["id"]] = one["name"]
    found = sorted(name for name in names.values() if name.lower() != "background")
    chosen = tuple(class_names or ("background", *found))
    missing = set(found) - set(chosen[1:])
    if not found or missing or len(chosen) > _IGNORE or len(set(chosen)) < len(chosen):
        raise DataError(
            f"{path}: categories must be 1 to {_IGNORE - 1} and in class_names after the "
            f"background, found {', '.join(sorted(missing or found)[:6]) or 'none'}: name all of "
            "them in class_names, each once, or leave it out"
        )
    return chosen, {key: chosen.index(n) if n in found else 0 for key, n in names.items()}


def _pictures(loaded: dict[str, Any], path: Path, folder: Path) -> dict[int, _Picture]:
    if not folder.is_dir():
        raise DataError(f"{folder}: images must be a folder, found none: correct the path")
    found: dict[int, _Picture] = {}
    missing: list[Path] = []
    home, taken = folder.resolve(), set()
    for number, one in enumerate(objects(loaded, "images", path)):
        where, name = f"images[{number}]", one.get("file_name")
        sizes = is_count(one.get("height"), 1) and is_count(one.get("width"), 1)
        if not is_count(one.get("id")) or not sizes or one["id"] in found:
            raise unfit(path, where, "an id of its own, a height and a width", one)
        if not isinstance(name, str) or not name or "\0" in name or name in taken:
            raise unfit(path, where, "a file_name of its own", name)
        file = folder / name.replace("\\", "/")
        if is_file(file) and not file.resolve().is_relative_to(home):
            raise unfit(path, where, f"a file_name inside {folder}", name)
        taken.add(name)
        found[one["id"]] = _Picture(file, one["height"], one["width"])
        if not is_file(file):
            missing.append(file)
    if missing or not found:
        shown = missing[0] if missing else "no images in the file"
        raise DataError(
            f"{path}: every image must be in {folder}, not found is {shown} ({len(missing)} of "
            f"{len(found)} are missing): correct the folder, or take them out of the file"
        )
    return found


def _objects(
    loaded: dict[str, Any], path: Path, class_ids: dict[int, int], pictures: dict[int, _Picture]
) -> dict[int, list[_Object]]:
    found: dict[int, list[_Object]] = defaultdict(list)
    for number, one in enumerate(objects(loaded, "annotations", path)):
        where = f"annotations[{number}]"
        for key, known in (("image_id", pictures), ("category_id", class_ids)):
            if not is_count(one.get(key)) or one[key] not in known:
                raise unfit(path, where, f"the {key} of one that is listed", one.get(key))
        if one.get("iscrowd", 0) not in (0, 1):
            raise unfit(path, where, "iscrowd of 0 or 1", one["iscrowd"])
        found[one["image_id"]].append(
            _Object(
                where,
                class_ids[one["category_id"]],
                one.get("segmentation"),
                bool(one.get("iscrowd", 0)),
            )
        )
    return found


def _read(
    picture: _Picture,
    described: list[_Object],
    path: Path,
    ignore_crowds: bool,
    image_range: Range,
) -> Arrays:
    found = decode_one(picture.path)
    image = image_array(found, picture.path, image_range)
    size = (picture.height, picture.width)
    if image.shape[:2] != size:
        hint = "export the annotations again"
        if found.orientation != 1:
            hint = "save the image again without its Exif orientation, or annotate it upright"
        raise DataError(
            f"{picture.path}: the image must have the size in {path.name}, {size[0]} x {size[1]}, "
            f"found {image.shape[0]} x {image.shape[1]}: {hint}"
        )
    mask, instances = np.zeros(size, np.uint8), np.zeros(size, np.uint16)
    if len(described) > 65535:
        raise unfit(path, picture.path.name, "at most 65535 objects", len(described))
    drawn = [
        (one.is_crowd and ignore_crowds, int(region.sum()), number, at, region)
        for number, one in enumerate(described, 1)
        for at, region in [segment(one.segmentation, size, path, one.where)]
    ]
    # What is ignored first, then from large to small; of two that are alike the later one on top.
    for is_ignored, _, number, at, region in sorted(drawn, key=lambda d: (not d[0], -d[1], d[2])):
        class_id = _IGNORE if is_ignored else described[number - 1].class_id
        mask[at][region] = class_id
        instances[at][region] = 0 if class_id in (0, _IGNORE) else number
    return Arrays(image, mask, instances)

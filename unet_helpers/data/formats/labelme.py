"""LabelMe annotations: one JSON file an image, whose shapes become class ids and instance ids."""

from collections.abc import Callable, Container, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from unet_helpers.data.formats.arguments import check_functions, check_names, check_range, part_of
from unet_helpers.data.formats.decode import decode_one
from unet_helpers.data.formats.images import Range, image_array
from unet_helpers.data.formats.jsonfiles import is_count, load_json, objects, points, unfit
from unet_helpers.data.formats.labelmasks import BoxedMask, boxed_mask, mask_pixels
from unet_helpers.data.formats.listing import is_file, list_files
from unet_helpers.data.samples import Arrays, DataError, Record, Samples

_IGNORE = 255
_BACKGROUND_LABELS = ("_background_", "background")
_IGNORE_LABEL = "__ignore__"
# How many points a shape may have; of late rectangles are saved with 4 corners, too.
_COUNTS: dict[str, Container[int]] = {
    "polygon": range(3, 1_000_000),
    "rectangle": (2, 4),
    "oriented_rectangle": (4,),
    "circle": (2,),
    "mask": (2,),
}
_REACH = 1e5  # pixels; a point farther out is damaged


class _Shape(NamedTuple):
    label: str
    kind: str
    points: list[tuple[float, float]]
    group: Any  # shapes of one label and group are one object
    where: str  # for messages
    mask: BoxedMask | None  # what its two points enclose, if it is a mask


class _Sheet(NamedTuple):
    """One JSON file."""

    path: Path
    image: Path
    size: tuple[Any, Any]  # height and width as the file has them, or None
    shapes: list[_Shape]


def read_labelme(
    folder: str | Path,
    images: str | Path | None = None,
    *,
    class_names: Sequence[str] | None = None,
    skip: Sequence[str] = (),
    image_range: Range = None,
    group: Callable[[str], str] | None = None,
    split: Callable[[str], str] | None = None,
) -> Samples:
    """Read images with the shapes that LabelMe files describe.

    Polygons, rectangles (``oriented_rectangle``, too) and circles are drawn as Pillow draws them,
    their outline included, which is LabelMe's own rule; the masks of its AI tools are taken pixel
    by pixel. Later shapes lie on top of earlier ones. Shapes without an area (``point``, ``line``,
    ``linestrip``, ``points``) are an error unless skipped. The copy of the image inside the JSON
    file is not used.

    Parameters
    ----------
    folder : str or Path
        Folder of JSON files; they are read at once, the images when they are asked for.
    images : str or Path, optional
        Folder of the images; by default the files say where they are.
    class_names : sequence of str, optional
        Names of the class ids: first the background, then labels in any order. By default
        ``background`` and all labels, sorted by name.
    skip : sequence of str, optional
        Kinds of shapes to leave out, such as ``["point", "line"]``.
    image_range, group, split : optional
        As in `read_folder`.

    Returns
    -------
    Samples
        With ``instances`` numbered in the file's order; shapes of one label and ``group_id`` are
        one. The label ``__ignore__`` becomes 255, no label.

    Raises
    ------
    ValueError
        If an argument is of a wrong kind.
    DataError
        If a file is no sound LabelMe file or an image is missing; on decoding, if an image's
        size is not the one in the file, or a mask is damaged.
    """
    check_names(class_names)
    check_range(image_range)
    check_functions(group, split)
    if isinstance(skip, str):
        raise ValueError(f"skip must be a list, found {skip!r}: write skip=[{skip!r}]")
    paths = list_files(Path(folder), "folder", (".json",))
    sheets = [_sheet(path, images, skip) for path in paths]
    used = {shape.label for sheet in sheets for shape in sheet.shapes}
    names = _class_names(Path(folder), used, class_names)
    ids = dict.fromkeys(_BACKGROUND_LABELS, 0) | {_IGNORE_LABEL: _IGNORE}
    ids |= {name: i for i, name in enumerate(names)}
    told = ", ".join(f"label {name!r} is class {i}" for i, name in enumerate(names) if i)
    return Samples(
        name=Path(folder).resolve().name,
        records=tuple(
            Record(
                sheet.path.stem,
                group(sheet.path.stem) if group else sheet.path.stem,
                partial(_read, sheet, ids, image_range),
                part_of(split, sheet.path.stem),
                (sheet.image, sheet.path),
            )
            for sheet in sheets
        ),
        class_names=names,
        foreground=names[1:],
        ignore_value=_IGNORE if _IGNORE_LABEL in used else None,
        rule=f"LabelMe shapes: {told}; drawn with their outline, later ones on top"
        + (f"; without {', '.join(map(str, skip))}" if skip else ""),
    )


def _class_names(
    folder: Path, used: set[str], class_names: Sequence[str] | None
) -> tuple[str, ...]:
    labels = sorted(used - {*_BACKGROUND_LABELS, _IGNORE_LABEL})
    names = tuple(class_names or ("background", *labels))
    missing = set(labels) - set(names[1:])
    if len(names) < 2 or missing or len(names) > _IGNORE or len(set(names)) < len(names):
        raise DataError(
            f"{folder}: labels must be 1 to {_IGNORE - 1} and in class_names after the "
            f"background, found {', '.join(sorted(missing or labels)[:6]) or 'none'}: name all "
            "of them in class_names, each once, or leave it out"
        )
    return names


def _sheet(path: Path, images: str | Path | None, skip: Sequence[str]) -> _Sheet:
    loaded = load_json(path)
    shapes = []
    for number, one in enumerate(objects(loaded, "shapes", path)):
        where, kind = f"shapes[{number}]", one.get("shape_type", "polygon")
        if not isinstance(one.get("label"), str) or not one["label"]:
            raise unfit(path, where, "a label", one.get("label"))
        if kind in skip:
            continue
        if not isinstance(kind, str) or kind not in _COUNTS:
            raise DataError(
                f"{path}: {where} must be one of {', '.join(_COUNTS)}, found {kind!r}: redraw "
                f"it as a polygon, or leave such shapes out with skip=[{kind!r}]"
            )
        corners = _points(one, kind, path, where)
        mask = boxed_mask(one.get("mask"), corners, path, where) if kind == "mask" else None
        shapes.append(_Shape(one["label"], kind, corners, one.get("group_id"), where, mask))
    if len(shapes) > 65535:
        raise unfit(path, "the file", "at most 65535 shapes", len(shapes))
    size = (loaded.get("imageHeight"), loaded.get("imageWidth"))
    return _Sheet(path, _image_path(loaded.get("imagePath"), path, images), size, shapes)


def _points(shape: dict[str, Any], kind: str, path: Path, where: str) -> list[tuple[float, float]]:
    found = shape.get("points")
    pairs = found if isinstance(found, list) else []
    are_pairs = all(isinstance(pair, list) and len(pair) == 2 for pair in pairs)
    flat = points([value for pair in pairs for value in pair], _REACH) if are_pairs else None
    if flat is None or len(flat) // 2 not in _COUNTS[kind]:
        which = f"{'an' if kind[0] == 'o' else 'a'} {kind}"
        raise unfit(path, where, f"the points [x, y] of {which}", found)
    group = shape.get("group_id")
    if group is not None and not is_count(group):
        raise unfit(path, where, "a group_id that is a number or null", group)
    return list(zip(flat[::2], flat[1::2], strict=True))


def _image_path(name: Any, path: Path, images: str | Path | None) -> Path:
    """Where the image lies; names may come from Windows, or from another computer's folders."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise unfit(path, "the file", "an imagePath", name)
    relative = PurePosixPath(name.replace("\\", "/"))
    tried = [Path(images) / relative.name] if images is not None else []
    if images is None:
        tried = [path.parent / relative.name]
        if not relative.is_absolute():
            tried.insert(0, path.parent / relative)
    there = [file for file in tried if is_file(file)]
    if not there:
        raise DataError(
            f"{path}: its image must be at {tried[0]}, not found is {relative.name!r}: put it "
            "there, or name the folder of the images"
        )
    return there[0]


def _read(sheet: _Sheet, ids: dict[str, int], image_range: Range) -> Arrays:
    from PIL import Image, ImageDraw

    image = image_array(decode_one(sheet.image), sheet.image, image_range)
    height, width = image.shape[:2]
    if sheet.size != (None, None) and sheet.size != (height, width):
        raise DataError(
            f"{sheet.image}: the image must have the size in {sheet.path.name}, "
            f"{sheet.size[0]} x {sheet.size[1]}, found {height} x {width}: annotate this image, "
            "or put the annotated one back"
        )
    classes, numbers = Image.new("L", (width, height)), Image.new("I", (width, height))
    draw_class, draw_number = ImageDraw.Draw(classes), ImageDraw.Draw(numbers)
    known: dict[Any, int] = {}
    for position, shape in enumerate(sheet.shapes):
        key = position if shape.group is None else (shape.label, shape.group)
        number = known.setdefault(key, len(known) + 1)
        class_id = ids[shape.label]
        stencil = None
        if shape.mask is not None:
            pixels = mask_pixels(shape.mask, (height, width), sheet.path, shape.where)
            stencil = Image.fromarray(pixels)
        _draw(draw_class, shape, stencil, class_id)
        _draw(draw_number, shape, stencil, 0 if class_id in (0, _IGNORE) else number)
    return Arrays(image, np.array(classes), np.array(numbers).astype(np.uint16))


def _draw(draw: Any, shape: _Shape, stencil: Any, value: int) -> None:
    if shape.mask is not None:
        draw.bitmap((shape.mask.left, shape.mask.top), stencil, fill=value)
        return
    if shape.kind in ("polygon", "oriented_rectangle"):
        draw.polygon(shape.points, outline=value, fill=value)
        return
    if shape.kind == "circle":
        (x, y), (edge_x, edge_y) = shape.points
        radius = float(np.hypot(edge_x - x, edge_y - y))
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=value, fill=value)
        return
    xs, ys = [x for x, _ in shape.points], [y for _, y in shape.points]
    draw.rectangle([min(xs), min(ys), max(xs), max(ys)], outline=value, fill=value)

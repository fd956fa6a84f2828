"""The faults, how each is planted, where it applies and what the doctor must call it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import _filefaults as files
import _maskfaults as masks
import _placefaults as places

ALL = ("membranes", "nuclei", "blood", "streets", "cells")
SQUARE = ("membranes", "cells")
CLASSES = ("membranes", "blood", "streets", "cells")  # masks of classes, not of instances
_NOTHING_TOLD: dict[str, Any] = {
    "mask_values": None, "class_names": None, "ignore_value": None, "instances": False,
}  # fmt: skip


class Fault(NamedTuple):
    """A fault: `plant` spoils a folder in place and returns the stems of the pairs concerned."""

    name: str
    names: tuple[str, ...]  # findings, one of which must appear
    plant: Callable[[Path, int], list[str]]
    sets: tuple[str, ...] = ALL
    fix: tuple[str, ...] = ()  # what the fix must say
    statistical: bool = False
    settings: Mapping[str, Any] = MappingProxyType({})


def _file_fault(name: str, plant: Callable[[Path, int], list[str]], **more: Any) -> Fault:
    return Fault(name, more.pop("names", (name,)), plant, **more)


def _statistical(name: str, finding: str, plant: Any, *fix: str, sets: Any = ALL) -> Fault:
    return Fault(name, (finding,), plant, sets, fix, statistical=True)


FAULTS: tuple[Fault, ...] = (
    # Statistical: what only the pictures can tell. A tenth of the pairs each, at least two.
    _statistical("shift by 5 %", "mask-shifted", places.shift, "ndimage.shift"),
    # Cells of `blood` are round and in the middle; their lobed nuclei still show the turn.
    _statistical("turned or mirrored", "mask-turned", places.turn, "mask"),
    _statistical("two masks swapped", "pairs-swapped", places.swap, "name"),
    # Eleven classes of street have no opposite.
    _statistical(
        "inverted polarity", "polarity-inverted", places.invert, sets=("membranes", "nuclei")
    ),
    _statistical("copy as JPEG 80", "near-duplicate", places.copy_jpeg, "group"),
    _statistical("copy 10 % brighter", "near-duplicate", places.copy_brighter, "group"),
    _statistical("copy moved by 2 pixels", "near-duplicate", places.copy_moved, "group"),
    _statistical("copy cropped by 2 %", "near-duplicate", places.copy_cropped, "group"),
    _statistical("copy at half the size", "other-resolution", places.copy_half, "group"),
    # Files
    _file_fault("no-pairs", files.no_pairs),
    _file_fault("image-without-mask", files.image_without_mask),
    _file_fault("mask-without-image", files.mask_without_image),
    _file_fault("several-candidates", files.several_candidates),
    _file_fault("name-collision", files.name_collision),
    _file_fault("empty-file", files.empty_file),
    _file_fault("truncated", files.truncated, names=("truncated", "unreadable")),
    _file_fault("unreadable", files.unreadable),
    _file_fault("size-differs", files.size_differs),
    _file_fault("exif-rotation-one-side", files.exif_one_side),
    _file_fault("duplicate-image", files.duplicate),
    _file_fault("constant-image", files.constant),
    _file_fault("saturated-image", files.saturated),
    _file_fault("sixteen-bit-using-eight", files.sixteen_bit),
    _file_fault("nan-or-infinite", files.not_a_number),
    _file_fault("mixed-modes", files.mixed_modes),
    _file_fault("mixed-sizes", files.mixed_sizes),
    # Splits: the manifest is made by the settings of the trial.
    _file_fault(
        "image-in-two-splits", files.duplicate, settings={"split": files.last_of_stem},
    ),
    _file_fault(
        "group-in-two-splits",
        files.nothing,
        settings={"group": lambda stem: "one", "split": files.last_of_stem},
    ),
    _file_fault("class-missing-from-split", masks.class_only_in_train, sets=("blood", "cells"),
                settings={"split": masks.z_is_val}),
    # Masks
    _file_fault("mask-in-between-values", masks.resized, sets=("membranes", "blood")),
    Fault("mask saved as JPEG", ("mask-in-between-values",), masks.jpeg, ("membranes", "blood")),
    _file_fault("mask-0-255", masks.two_levels, settings=_NOTHING_TOLD, fix=("mask",)),
    _file_fault("mask-off-by-one", masks.off_by_one, sets=("blood", "streets", "cells"),
                settings=_NOTHING_TOLD),
    _file_fault("mask-instance-ids", masks.as_they_are, sets=("nuclei",), settings=_NOTHING_TOLD,
                fix=("instances=True",)),
    _file_fault("mask-colours-as-grey", masks.colours_as_grey, sets=("blood", "cells"),
                names=("mask-colours-as-grey", "mask-grey-levels"), settings=_NOTHING_TOLD),
    _file_fault("mask-colours", masks.colours, sets=CLASSES, settings=_NOTHING_TOLD),
    _file_fault("mask-palette", masks.palette, sets=("cells",), settings=_NOTHING_TOLD),
    _file_fault("mask-alpha", masks.alpha, sets=CLASSES, settings=_NOTHING_TOLD),
    _file_fault("all-background", masks.all_background, sets=("nuclei", "blood", "cells")),
    _file_fault("all-foreground", masks.all_foreground, sets=("nuclei", "blood", "cells")),
    _file_fault("unexpected-value", masks.unexpected, sets=CLASSES, fix=("value",)),
    _file_fault("class-too-rare-for-patch", masks.rare, sets=("blood", "cells"),
                settings={"patch": 16}),
)  # fmt: skip


if __name__ == "__main__":
    print(json.dumps({fault.name: fault.sets for fault in FAULTS}, indent=1))

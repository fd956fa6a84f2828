"""The faults, how each is planted, where it applies and what the doctor must call it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import _filefaults as files
import _maskfaults as masks
import _placefaults as places
from _cures import Cure, moves_back, names_partner, restores, says

ALL = ("membranes", "nuclei", "blood", "streets", "cells")
CLASSES = ("membranes", "blood", "streets", "cells")  # masks of classes, not of instances
THREE = ("blood", "cells")  # three classes
_NOTHING_TOLD: dict[str, Any] = {
    "mask_values": None, "class_names": None, "ignore_value": None, "instances": False,
}  # fmt: skip


class Fault(NamedTuple):
    """A fault: `plant` spoils a folder in place and returns the stems of the pairs concerned."""

    name: str
    names: tuple[str, ...]  # findings, one of which must appear
    plant: Callable[[Path, int], list[str]]
    sets: tuple[str, ...] = ALL
    cured: Cure = says()
    statistical: bool = False
    settings: Mapping[str, Any] = MappingProxyType({})
    follows: tuple[str, ...] = ()  # other errors that are true of the spoilt set


def _fault(name: str, plant: Callable[[Path, int], list[str]], *fix: str, **more: Any) -> Fault:
    names = more.pop("names", (name,))
    return Fault(name, names, plant, cured=more.pop("cured", says(*fix)), **more)


def _statistical(name: str, finding: str, plant: Any, cured: Cure, sets: Any = ALL) -> Fault:
    return Fault(name, (finding,), plant, sets, cured, statistical=True)


_STATISTICAL = (
    # What only the pictures can tell: a tenth of the pairs each, at least two.
    _statistical("shift by 5 %", "mask-shifted", places.shift, moves_back),
    _statistical("turned or mirrored", "mask-turned", places.turn, restores),
    _statistical("two masks swapped", "pairs-swapped", places.swap, names_partner),
    # Masks of two classes: eleven classes of street have no opposite.
    _statistical(
        "inverted polarity", "polarity-inverted", places.invert, says("mask = 1 - mask"),
        ("membranes", "nuclei"),
    ),
    _statistical("copy as JPEG 80", "near-duplicate", places.copy_jpeg, says("one group")),
    _statistical("copy 10 % brighter", "near-duplicate", places.copy_brighter, says("one group")),
    _statistical("copy moved by 2 pixels", "near-duplicate", places.copy_moved, says("one group")),
    _statistical("copy cropped by 2 %", "near-duplicate", places.copy_cropped, says("one group")),
    _statistical("copy at half the size", "other-resolution", places.copy_half, says("one group")),
    # All masks alike.
    _statistical("all masks shifted by 4 %", "mask-shifted", places.shift_all, moves_back),
    _statistical("all masks mirrored", "mask-turned", places.mirror_all, restores),
    _statistical(
        "masks in another order", "pairs-swapped", places.shuffle_all, says("every one of them")
    ),
)  # fmt: skip

_FILES = (
    _fault("no-pairs", files.no_pairs, "paired by equal stems"),
    _fault("image-without-mask", files.image_without_mask, "add the mask"),
    _fault("mask-without-image", files.mask_without_image, "add the image"),
    _fault("several-candidates", files.several_candidates, "keep one file"),
    _fault("name-collision", files.name_collision, "rename"),
    _fault("empty-file", files.empty_file, "export the file again"),
    _fault("truncated", files.truncated, "export the file again"),
    _fault("unreadable", files.unreadable, "export it again"),
    _fault("unsupported", files.several_pages, "save one grey or RGB page"),
    _fault("too-large", files.absurd_size, "check where the file comes from"),
    _fault("size-differs", files.size_differs, "NEAREST"),
    _fault("mask transposed, oblong", files.transposed, "mask.T", names=("mask-turned",),
           sets=("streets",)),
    _fault("exif-rotation-one-side", files.exif_one_side, "exif_transpose",
           follows=("mask-turned",)),
    _fault("duplicate-image", files.duplicate, "keep one"),
    _fault("constant-image", files.constant, "remove the pair"),
    _fault("saturated-image", files.saturated, "expose less"),
    _fault("sixteen-bit-using-eight", files.sixteen_bit, "astype(np.uint8)"),
    _fault("nan-or-infinite", files.not_a_number, "nan_to_num"),
    _fault("mixed-modes", files.mixed_modes, "image.convert"),
    _fault("mixed-sizes", files.mixed_sizes, "batches("),
    _fault("image-in-two-splits", files.duplicate, "both into one part",
           settings={"split": files.by_copy}),
    _fault("group-in-two-splits", files.nothing, "split by group",
           settings={"group": lambda stem: "one", "split": files.by_hash}),
)  # fmt: skip

_MASKS = (
    _fault("class-missing-from-split", masks.class_only_in_train, "split stratified", sets=THREE,
           settings={"split": files.by_hash}),
    _fault("mask-in-between-values", masks.resized, "NEAREST", sets=CLASSES,
           settings=_NOTHING_TOLD),
    _fault("mask saved as JPEG", masks.jpeg, "as PNG", names=("mask-in-between-values",),
           sets=CLASSES, follows=("unexpected-value",)),
    _fault("mask-0-255", masks.two_levels, "mask > 127", settings=_NOTHING_TOLD),
    _fault("mask-off-by-one", masks.off_by_one, "mask_values={1: 0, 2: 1", sets=CLASSES,
           settings=_NOTHING_TOLD),
    _fault("one mask off by one", masks.one_off_by_one, names=("mask-off-by-one",), sets=THREE,
           cured=says("mask = mask - 1"), settings=_NOTHING_TOLD),
    _fault("mask-instance-ids", masks.as_they_are, "instances=True", sets=("nuclei",),
           settings=_NOTHING_TOLD),
    _fault("mask-grey-levels", masks.grey_levels, "mask_values={0: 0, 128: 1, 255: 2}", sets=THREE,
           settings=_NOTHING_TOLD),
    _fault("mask-colours-as-grey", masks.colours_as_grey, "mask_values={0: 0",
           sets=("blood", "streets", "cells"), settings=_NOTHING_TOLD),
    _fault("mask-colours", masks.colours, "colours={", sets=CLASSES, settings=_NOTHING_TOLD),
    _fault("mask-palette", masks.palette, "convert('L')", sets=CLASSES, settings=_NOTHING_TOLD),
    _fault("mask-alpha", masks.alpha, "leaves it out", sets=CLASSES, settings=_NOTHING_TOLD),
    _fault("mask-ignore-value", masks.border_of_255, "ignore_value=255", sets=CLASSES,
           settings=_NOTHING_TOLD),
    _fault("mixed-encodings", masks.two_encodings, "np.searchsorted([0,", sets=THREE,
           settings=_NOTHING_TOLD),
    _fault("unexpected-value", masks.unexpected, "77", sets=CLASSES),
    _fault("all-background", masks.all_background, "look at a few of them"),
    _fault("all-foreground", masks.all_foreground, "draw the background"),
    _fault("nothing-labelled", masks.nothing_labelled, "leave the pair out", sets=CLASSES,
           settings={"mask_values": None, "class_names": None, "ignore_value": 11}),
    _fault("class-never-seen", masks.as_they_are, "drop the name", sets=CLASSES,
           settings={"class_names": [f"class {k}" for k in range(13)], "ignore_value": None}),
    _fault("class-too-rare-for-patch", masks.rare, "meet=Meet({", sets=THREE,
           settings={"patch": 16}),
)  # fmt: skip

FAULTS: tuple[Fault, ...] = _STATISTICAL + _FILES + _MASKS


if __name__ == "__main__":
    print(json.dumps({fault.name: fault.sets for fault in FAULTS}, indent=1))

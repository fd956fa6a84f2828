"""Rules on files: what has no partner, does not decode, or has another size than its partner."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unet_helpers.data.doctor.encoding import RAMP_LIMIT
from unet_helpers.data.doctor.findings import Finding, finding
from unet_helpers.data.doctor.kinds import KINDS
from unet_helpers.data.doctor.looking import look_at_mask
from unet_helpers.data.doctor.sources import Source
from unet_helpers.data.doctor.survey import Survey, listing

_SIDES = {"image": "mask", "mask": "image"}
_MANY_VALUES = 64  # more than masks of classes have; a photograph has them even in a small part
_LOOKED_AT = 5


def no_pairs(survey: Survey) -> Iterator[Finding]:
    """Report that there is nothing to train on."""
    if survey.sources:
        return
    found = survey.matching
    images, masks = (found.images_alone, found.masks_alone) if found else ([], [])
    if images or masks:
        examples = [path.name for part in (images, masks) for path in part[:1]]
        told = f"there are {len(images)} images and {len(masks)} masks, with names like "
        told += " and ".join(examples)
        if survey.options.pattern is not None:
            told += f"; none fit {survey.options.pattern!r}: try without --pattern"
    else:
        # Where no file could be matched, the rule says why.
        told = (found.rule if found else "") or "there are no files of a known format"
    yield finding(
        "no-pairs",
        f"no image has a mask: {told}",
        counts={"images": len(images), "masks": len(masks)},
    )


def exchanged(survey: Survey) -> Iterator[Finding]:
    """Report masks that look like photographs, with images that look like masks."""
    masks = survey.masks()
    smooth = [m for m in masks if m.facts.distinct > _MANY_VALUES and m.facts.ramp > RAMP_LIMIT]
    if survey.options.ids or not smooth or 2 * len(smooth) < len(masks):
        return
    # Images are not measured as masks are, so some are read once more.
    chosen = smooth[:: -(-len(smooth) // _LOOKED_AT)]
    flat = [m for m in chosen if _is_flat(m.source, m.facts.distinct)]
    if 2 * len(flat) <= len(chosen):
        return
    first, second = (Path(name).parent for name in _names(flat[0].source))
    yield finding(
        "folders-exchanged",
        f"IMAGES comes first, MASKS second; here {second.name} holds photographs "
        f"({smooth[0].facts.distinct} values in {Path(smooth[0].source.mask_name).name}), and "
        f"{first.name} looks like masks",
        cure={"code": f"python -m unet_helpers doctor {second} {first}"},
        files=tuple(m.source.mask_name for m in smooth),
        samples=tuple(m.source.name for m in smooth),
        counts={"masks": len(smooth)},
    )


def _names(source: Source) -> tuple[str, str]:
    return source.image_name, source.mask_name


def _is_flat(source: Source, values: int) -> bool:
    """Whether an image is like a mask: few values, none of them between its neighbours'."""
    facts = look_at_mask(dataclasses.replace(source, mask=source.image))
    if facts is None or 4 * facts[0].distinct > values:
        return False
    return facts[0].ramp <= RAMP_LIMIT


def alone(survey: Survey) -> Iterator[Finding]:
    """Report files without a partner."""
    if survey.matching is None or not survey.sources:
        return
    sides = (
        ("image-without-mask", survey.matching.images_alone, "mask"),
        ("mask-without-image", survey.matching.masks_alone, "image"),
    )
    for name, files, partner in sides:
        for path in files:
            yield finding(
                name, f"{path.name} has no {partner}", files=(str(path),), samples=(path.stem,)
            )


def several_candidates(survey: Survey) -> Iterator[Finding]:
    """Report files that more than one partner fits."""
    ambiguous = survey.matching.ambiguous if survey.matching else {}
    for path, candidates in ambiguous.items():
        names = listing([p.name for p in candidates], 4)
        yield finding(
            "several-candidates",
            f"{path.name} could go with {names}",
            files=(str(path), *map(str, candidates)),
            counts={"candidates": len(candidates)},
        )


def name_collision(survey: Survey) -> Iterator[Finding]:
    """Report names that differ in case or Unicode form only."""
    for files in survey.matching.collisions if survey.matching else []:
        kind = "case" if len({p.name.casefold() for p in files}) == 1 else "Unicode form"
        yield finding(
            "name-collision",
            f"{listing([ascii_name(p) for p in files], 4)} differ in {kind} only",
            files=tuple(map(str, files)),
            counts={"files": len(files)},
        )


def ascii_name(path: Path) -> str:
    r"""Write a file name so that names that look alike can be told apart.

    Examples
    --------
    >>> ascii_name(Path("a.png")), ascii_name(Path("é.png"))
    ('a.png', '\\xe9.png')
    """
    return ascii(path.name)[1:-1]


def unread(survey: Survey) -> Iterator[Finding]:
    """Report files that could not be read."""
    for source, facts in survey.pairs():
        for fault in facts.faults:
            file = source.image_name if fault.side == "image" else source.mask_name
            name = fault.kind if fault.kind in KINDS else "unreadable"
            yield finding(
                name,
                _found(fault.text, file),
                files=(file,),
                samples=(source.name,),
            )


def _found(text: str, file: str) -> str:
    """Take what was found out of an error's sentence: "where: expected, found ...: what to do"."""
    _, _, found = text.removeprefix(f"{file}: ").partition(", found ")
    return (found.rpartition(": ")[0] or found) if found else text.removeprefix(f"{file}: ")


def size_differs(survey: Survey) -> Iterator[Finding]:
    """Report masks of another size, and those that are turned as their size tells."""
    for source, facts in survey.pairs():
        if facts.image is None or facts.mask is None or facts.image.size == facts.mask.size:
            continue
        (height, width), (mask_height, mask_width) = facts.image.size, facts.mask.size
        turned = (height, width) == (mask_width, mask_height)
        marked = facts.image.orientation != facts.mask.orientation
        if turned and marked:
            continue  # the camera's rotation mark explains it: `exif_rotation`
        evidence: dict[str, Any] = {
            "files": (source.mask_name, source.image_name),
            "samples": (source.name,),
            "values": (f"{height} x {width}", f"{mask_height} x {mask_width}"),
        }
        sizes = f"the mask is {mask_height} x {mask_width}, the image {height} x {width}"
        if turned:
            cure = {"where": " (by a quarter turn or a transposition; look which)"}
            cure["code"] = "mask = np.rot90(mask)  # or -1 as second argument, or mask.T"
            yield finding("mask-turned", sizes, cure=cure, **evidence)
        else:
            yield finding("size-differs", sizes, **evidence)


def exif_rotation(survey: Survey) -> Iterator[Finding]:
    """Report a camera's rotation mark on one side only."""
    for source, facts in survey.pairs():
        if facts.image is None or facts.mask is None:
            continue
        marks = facts.image.orientation, facts.mask.orientation
        if marks[0] == marks[1]:
            continue
        side = "image" if marks[0] > 1 else "mask"
        quarter = max(marks) >= 5 and facts.image.size[0] != facts.image.size[1]
        fits = facts.image.size == facts.mask.size
        told = f"the {side} is marked to be shown turned (Exif {max(marks)}), the "
        told += f"{_SIDES[side]} is not"
        if quarter:
            told += "; upright their sizes agree" if fits else "; upright their sizes differ"
        yield finding(
            "exif-rotation-one-side",
            told,
            severity="warning" if quarter and fits else None,
            files=(getattr(source, f"{side}_name"),),
            samples=(source.name,),
            values=marks,
        )


RULES = (
    no_pairs,
    alone,
    several_candidates,
    name_collision,
    unread,
    size_differs,
    exif_rotation,
)

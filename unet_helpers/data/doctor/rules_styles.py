"""Rules on how masks store their classes, where that is not plainly class ids."""

from collections.abc import Iterator, Sequence
from typing import Any

from unet_helpers.data.doctor.colours import map_behind, shown
from unet_helpers.data.doctor.encoding import GREY, is_blurred
from unet_helpers.data.doctor.findings import Finding, finding
from unet_helpers.data.doctor.survey import SeenMask, Survey, listing, plural

_SHOWN = 12  # values in a line of code


def evidence_of(masks: Sequence[SeenMask], values: Sequence[int]) -> dict[str, Any]:
    """What a finding on some masks rests on."""
    return {
        "files": tuple(m.source.mask_name for m in masks),
        "samples": tuple(m.source.name for m in masks),
        "values": tuple(values),
        "counts": {"masks": len(masks)},
    }


def mapping_in_code(table: dict[int, int]) -> str:
    """Write a table of values and class ids as Python."""
    shown_ = [f"{v}: {k}" for v, k in sorted(table.items())]
    return "{" + ", ".join(shown_[:_SHOWN]) + (", ...}" if len(shown_) > _SHOWN else "}")


def style(survey: Survey) -> Iterator[Finding]:
    """Report how the set's masks store classes, where that is not plainly class ids."""
    options = survey.options
    told = options.instances or options.mask_values is not None or options.colours is not None
    rule = None if told else _STYLES.get(survey.encoding.style)
    masks = [m for m in survey.masks() if not is_blurred(m.facts)] or survey.masks()
    if rule is not None and masks:
        yield rule(survey, masks)


def _zero_255(survey: Survey, masks: Sequence[SeenMask]) -> Finding:
    wrong = survey.options.class_names and len(survey.options.class_names) != 2
    return finding(
        "mask-0-255",
        f"{plural(len(masks), 'mask')} of the values 0 and 255; 255 is read as class 1",
        severity="warning" if wrong else None,
        **evidence_of(masks, (0, 255)),
    )


def _levels(survey: Survey, masks: Sequence[SeenMask]) -> Finding:
    values = sorted(survey.encoding.table)
    return finding(
        "mask-grey-levels",
        f"{plural(len(masks), 'mask')} of {plural(len(values), 'value')}, {listing(values)}, which "
        "are no class ids",
        cure={"mapping": mapping_in_code(survey.encoding.table)},
        **evidence_of(masks, values),
    )


def _greys(survey: Survey, masks: Sequence[SeenMask]) -> Finding:
    values = sorted(survey.encoding.table)
    known = map_behind(values)
    why = f"the greys of {known}" if known else "with uneven steps, as the greys of colours have"
    return finding(
        "mask-colours-as-grey",
        f"{plural(len(masks), 'mask')} of the values {listing(values)}: {why}",
        severity=None if known and len(values) > 2 else "warning",
        cure={"mapping": mapping_in_code(survey.encoding.table)},
        **evidence_of(masks, values),
    )


def _colours(survey: Survey, masks: Sequence[SeenMask]) -> Finding:
    values = sorted(survey.encoding.table)
    pairs = [f"{shown(value)}: {k}" for k, value in enumerate(values[:_SHOWN])]
    table = "{" + ", ".join(pairs) + (", ...}" if len(values) > _SHOWN else "}")
    code = (
        "say which colour is which class, for instance:\n"
        f"    read_folder(images, masks, colours={table})\n"
        "check() takes the same, the command --colours 0,0,0:0 255,0,0:1"
    )
    return finding(
        "mask-colours",
        f"{plural(len(masks), 'mask')} of {plural(len(values), 'colour')}: "
        f"{listing([shown(v) for v in values], 4)}",
        cure={"code": code},
        **{**evidence_of(masks, ()), "values": tuple(shown(v) for v in values)},
    )


def _objects(survey: Survey, masks: Sequence[SeenMask]) -> Finding:
    most = max(max(m.facts.values, default=0) for m in masks)
    return finding(
        "mask-instance-ids",
        f"{plural(len(masks), 'mask')} with up to {most} numbered objects: each number is one "
        "connected region",
        **evidence_of(masks, (most,)),
    )


def _off_by_one(survey: Survey, masks: Sequence[SeenMask]) -> Finding:
    values = sorted(set(survey.encoding.table) - {survey.options.ignore_value})
    names = len(survey.options.class_names)
    down = mapping_in_code({v: v - 1 for v in values})
    reading = f"if 1 is the first class:\n    read_folder(images, masks, mask_values={down})\n"
    if values == [1, 2, 3]:
        trimap = "{1: 1, 2: 0}, ignore_value=3"
        reading += (
            "if it is a trimap (1 object, 2 background, 3 border without a label):\n"
            f"    read_folder(images, masks, mask_values={trimap})"
        )
    else:
        reading += "if 0 is a background that no image shows, name it: class_names=[...]"
    return finding(
        "mask-off-by-one",
        f"{plural(len(masks), 'mask')} of the values {listing(values)}: ids start at 1, not 0",
        severity="error" if names == len(values) else None,
        cure={"reading": reading},
        **evidence_of(masks, values),
    )


def _with_255(survey: Survey, masks: Sequence[SeenMask]) -> Finding:
    marked = [m for m in masks if 255 in m.facts.values]
    pixels = sum(m.facts.values[255] for m in marked)
    names = "" if survey.options.class_names else ", class_names=[...]"
    return finding(
        "mask-ignore-value",
        f"255 in {plural(pixels, 'pixel')} of {plural(len(marked), 'mask')}, beside class ids "
        f"0..{survey.encoding.classes - 1}",
        cure={"names": names},
        **evidence_of(marked, (255,)),
    )


def _two_encodings(survey: Survey, masks: Sequence[SeenMask]) -> Finding:
    high = [m for m in masks if any(v >= 32 for v in m.facts.values)]
    low = [m for m in masks if any(0 < v < 32 for v in m.facts.values)]
    fewer = min(high, low, key=len)
    levels = sorted({v for m in high for v in m.facts.values} | {0})
    code = f"mask = np.searchsorted({levels}, mask).astype(np.uint8)  # where mask.max() > 31"
    return finding(
        "mixed-encodings",
        f"{plural(len(low), 'mask')} of class ids and {plural(len(high), 'mask')} of the values "
        f"{listing(levels)}",
        cure={"code": code},
        **evidence_of(fewer, levels),
    )


_STYLES = {
    "0-255": _zero_255,
    "levels": _levels,
    "greys": _greys,
    "colours": _colours,
    "objects": _objects,
    "off-by-one": _off_by_one,
    "with-255": _with_255,
    "mixed": _two_encodings,
}


def unexpected_colour(survey: Survey) -> Iterator[Finding]:
    """Report colours that the user gave no meaning."""
    known = survey.options.colours
    if known is None:
        return
    for source, facts in survey.masks():
        scale = 1 if facts.coloured else GREY
        odd = {v * scale: n for v, n in facts.values.items() if v * scale not in known}
        if odd and not is_blurred(facts):
            told = [shown(v) for v in sorted(odd)]
            yield finding(
                "unexpected-value",
                f"{listing(told, 4)} in {plural(sum(odd.values()), 'pixel')}; the classes are "
                f"{listing([shown(v) for v in known])}",
                cure={"code": " in colours"},
                files=(source.mask_name,),
                samples=(source.name,),
                values=tuple(told),
                counts={"pixels": sum(odd.values())},
            )


RULES = (style, unexpected_colour)

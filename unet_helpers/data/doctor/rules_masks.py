"""Rules on masks: values that fit no class, and what else a mask file should not hold."""

from collections import Counter
from collections.abc import Iterator, Sequence

from unet_helpers.data.doctor.colours import shown
from unet_helpers.data.doctor.encoding import GREY, is_blurred
from unet_helpers.data.doctor.findings import Finding, finding
from unet_helpers.data.doctor.rules_styles import evidence_of, mapping_in_code
from unet_helpers.data.doctor.survey import Survey, listing, plural

_SHOWN = 12  # values in a line of code


def in_between(survey: Survey) -> Iterator[Finding]:
    """Report masks whose values were mixed by JPEG or by smooth resizing."""
    for source, facts in survey.masks():
        saved = facts.lossy and facts.distinct > 1
        if not (is_blurred(facts) or saved):
            continue
        why = "saved with lossy compression" if facts.lossy else "resized or drawn with soft edges"
        main = sorted(survey.encoding.table)[:_SHOWN] or [0, 1]
        yield finding(
            "mask-in-between-values",
            f"{facts.distinct} values where {len(main)} are meant: {why}; "
            f"{facts.ramp:.0%} of the border pixels lie between their neighbours",
            cure={"values": f"[{listing(main, _SHOWN)}]"},
            files=(source.mask_name,),
            samples=(source.name,),
            values=tuple(sorted(facts.values)[:_SHOWN]),
            counts={"values": facts.distinct, "border share": round(facts.ramp, 3)},
        )


def unexpected_value(survey: Survey) -> Iterator[Finding]:
    """Report values that are no class's."""
    encoding = survey.encoding
    if encoding.style == "objects" or survey.options.colours is not None:
        return  # colours that were given are judged by `unexpected_colour`
    sizes = {s.name: f.image.size for s, f in survey.pairs() if f.image is not None}
    for source, facts in survey.masks():
        # A mask that samples could not read comes with its file's values, which are no ids.
        foreign = survey.options.ids and sizes.get(source.name, facts.size) != facts.size
        if is_blurred(facts) or foreign:
            continue
        scale = GREY if encoding.style == "colours" and not facts.coloured else 1
        odd = {v: n for v, n in facts.values.items() if v * scale not in encoding.table}
        if facts.coloured and encoding.style != "colours":
            odd = {}  # told by `stray_colours`
        if odd:
            pixels = sum(odd.values())
            yield finding(
                "unexpected-value",
                f"{listing(sorted(odd))} in {plural(pixels, 'pixel')}; the classes are "
                f"{listing(sorted(encoding.table))}",
                cure={"code": _rename(survey, sorted(odd))},
                files=(source.mask_name,),
                samples=(source.name,),
                values=tuple(sorted(odd)),
                counts={"pixels": pixels},
            )


def _rename(survey: Survey, odd: Sequence[int]) -> str:
    if survey.options.ids:
        return " in the set's rule"
    encoding = survey.encoding
    new = encoding.classes + (encoding.classes == encoding.ignore)
    known = mapping_in_code(encoding.table).removesuffix("}")
    return f":\n    read_folder(images, masks, mask_values={known}, {odd[0]}: {new}}})"


def starts_at_one(survey: Survey) -> Iterator[Finding]:
    """Report single masks without a 0 that hold an id which no other mask has."""
    masks = survey.masks()
    if survey.encoding.style not in ("ids", "given") or survey.options.mask_values:
        return
    held = Counter(value for m in masks for value in m.facts.values)
    without = [m for m in masks if 0 not in m.facts.values]
    top = max((v for v in held if v != survey.encoding.ignore), default=0)
    odd = [m for m in without if top in m.facts.values and len(m.facts.values) > 1]
    rare = held[top] == len(odd) and 0 < len(odd) <= 0.2 * len(masks)
    if rare and len(without) <= 0.25 * len(masks):
        for source, facts in odd:
            yield finding(
                "mask-off-by-one",
                f"the values are {listing(sorted(facts.values))} here, and start at 0 elsewhere",
                severity="error",
                cure={"reading": "take 1 off:\n    mask = mask - 1"},
                files=(source.mask_name,),
                samples=(source.name,),
                values=tuple(sorted(facts.values))[:_SHOWN],
            )


def stray_colours(survey: Survey) -> Iterator[Finding]:
    """Report colour masks in a set of grey ones."""
    if survey.encoding.style == "colours":
        return
    for source, facts in survey.masks():
        if facts.coloured:
            colours = [shown(v) for v in sorted(facts.values)]
            yield finding(
                "mask-colours",
                f"{plural(facts.distinct, 'colour')} here ({listing(colours, 4)}), grey elsewhere",
                severity="error",
                cure={"code": "save it as class ids, as the others are"},
                files=(source.mask_name,),
                samples=(source.name,),
                values=tuple(colours[:_SHOWN]),
            )


def alpha(survey: Survey) -> Iterator[Finding]:
    """Report masks with an alpha channel."""
    masks = [m for m in survey.masks() if m.facts.alpha]
    told = {
        "only": ("nothing but the alpha channel varies", "error"),
        "varies": ("alpha varies: parts are transparent", "warning"),
        "full": ("alpha says the same everywhere", "note"),
    }
    code = {
        "only": "take the classes from it:\n    mask = (np.asarray(file)[..., -1] > 0)"
        ".astype(np.uint8)",
        "varies": "save the masks without it, on a background of class 0:\n"
        "    mask = Image.alpha_composite(Image.new('RGBA', file.size, (0, 0, 0, 255)), file)",
        "full": "nothing, with read_folder(), which leaves it out",
    }
    for kind, (words, severity) in told.items():
        chosen = [m for m in masks if m.facts.alpha == kind]
        if chosen:
            yield finding(
                "mask-alpha",
                f"{plural(len(chosen), 'mask')}: {words}",
                severity=severity,  # type: ignore[arg-type]
                cure={"code": code[kind]},
                **evidence_of(chosen, ()),
            )


def palette(survey: Survey) -> Iterator[Finding]:
    """Report masks with a palette."""
    masks = [m for m in survey.masks() if m.facts.palette]
    if masks:
        yield finding(
            "mask-palette",
            f"{plural(len(masks), 'mask')} with a colour for each class id",
            **evidence_of(masks, sorted({v for m in masks for v in m.facts.values})[:_SHOWN]),
        )


RULES = (
    in_between,
    starts_at_one,
    unexpected_value,
    stray_colours,
    alpha,
    palette,
)

"""Rules on classes: what is always there, never there, or hardly ever met."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from unet_helpers.data.doctor.encoding import is_blurred
from unet_helpers.data.doctor.findings import Finding, finding
from unet_helpers.data.doctor.kinds import Severity
from unet_helpers.data.doctor.survey import SeenMask, Survey, listing, plural

RARE = 0.05  # chance that a random patch meets the class


def one_class(survey: Survey) -> Iterator[Finding]:
    """Report masks of background alone, of foreground alone, and of no label at all."""
    masks = survey.masks()
    ignore = survey.encoding.ignore
    chosen: dict[str, list[SeenMask]] = defaultdict(list)
    for mask in masks:
        ids = set(mask.facts.chances) - {ignore}
        if not ids:
            chosen["nothing-labelled"].append(mask)
        elif ids == {0}:
            chosen["all-background"].append(mask)
        elif len(ids) == 1:
            chosen["all-foreground"].append(mask)
    for name, found in chosen.items():
        what = {
            "nothing-labelled": "the ignore value",
            "all-background": survey.class_name(0),
            "all-foreground": "one class",
        }[name]
        share = len(found) / len(masks)
        severity: Severity | None = None
        if name == "all-background" and share >= 0.5:
            severity = "error" if share == 1 else "warning"
        elif share == 1:
            severity = "error"
        yield finding(
            name,
            f"{plural(len(found), 'mask')} of {len(masks)} "
            f"{'holds' if len(found) == 1 else 'hold'} nothing but {what}",
            severity=severity,
            files=tuple(m.source.mask_name for m in found),
            samples=tuple(m.source.name for m in found),
            counts={"masks": len(found), "share": round(share, 4)},
        )


def never_seen(survey: Survey) -> Iterator[Finding]:
    """Report named classes that no mask holds."""
    held = {k for mask in survey.masks() for k in mask.facts.chances}
    for class_id, name in enumerate(survey.options.class_names):
        if class_id not in held and survey.masks():
            yield finding(
                "class-never-seen",
                f"no mask holds {name!r} (id {class_id})",
                values=(name,),
                counts={"masks": len(survey.masks())},
            )


def too_rare(survey: Survey) -> Iterator[Finding]:
    """Report classes that random patches hardly ever meet."""
    masks = [m for m in survey.masks() if not is_blurred(m.facts)]
    if survey.parts():
        masks = [m for m in masks if m.source.part in ("", "train")]
    chance: Counter[int] = Counter()
    for mask in masks:
        chance.update(mask.facts.chances)
    for class_id, total in sorted(chance.items()):
        share = total / len(masks)
        if class_id == survey.encoding.ignore or share >= RARE or class_id == 0:
            continue
        holders = [m.source for m in masks if class_id in m.facts.chances]
        patch = survey.options.patch
        yield finding(
            "class-too-rare-for-patch",
            f"a random patch of {patch} x {patch} pixels meets {survey.class_name(class_id)!r} "
            f"with a chance of {share:.1%}; {plural(len(holders), 'mask')} of {len(masks)} "
            f"{'holds' if len(holders) == 1 else 'hold'} it",
            cure={
                "code": f"batches(samples, size={patch}, "
                f"meet=Meet({{{survey.class_name(class_id)!r}: 0.3}}))"
            },
            files=tuple(s.mask_name for s in holders),
            samples=tuple(s.name for s in holders),
            values=(survey.class_name(class_id),),
            counts={"chance": round(share, 5), "masks": len(holders), "patch": patch},
        )


def missing_from_split(survey: Survey) -> Iterator[Finding]:
    """Report classes that a part of the split does not hold."""
    held: dict[str, set[int]] = {part: set() for part in survey.parts()}
    for source, facts in survey.masks():
        if source.part:
            held[source.part].update(facts.chances)
    if len(held) < 2:
        return
    everything = set().union(*held.values()) - {survey.encoding.ignore}
    for part, ids in held.items():
        missing = sorted(everything - ids)
        if missing:
            names = [survey.class_name(k) for k in missing]
            elsewhere = [p for p in held if p != part and held[p] & set(missing)]
            yield finding(
                "class-missing-from-split",
                f"{part} does not hold {listing(names)}, {listing(elsewhere)} does",
                severity=None if part == "train" else "warning",
                cure={"part": part},
                values=tuple(names),
                counts={"classes": len(missing)},
            )


RULES = (one_class, never_seen, too_rare, missing_from_split)

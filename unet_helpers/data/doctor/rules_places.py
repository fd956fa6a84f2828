"""Rules on places: masks that do not lie where they belong, told by what their images predict."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from unet_helpers.data.doctor.alignment import judge
from unet_helpers.data.doctor.findings import Finding, finding
from unet_helpers.data.doctor.glimpses import Glimpse
from unet_helpers.data.doctor.sources import Source
from unet_helpers.data.doctor.survey import Survey
from unet_helpers.data.doctor.suspicions import Suspicion, undo_shift

_NAMES = {
    "shifted": "mask-shifted",
    "turned": "mask-turned",
    "inverted": "polarity-inverted",
    "swapped": "pairs-swapped",
    "unrelated": "pairs-swapped",
}

_SAME = 0.1  # of the labelled area may differ between the masks of two copies
SURE = 0.5  # confidence from which it is an error; below, it is a warning, to be looked at

# What a few pairs teach the model is uncertain, so that good masks can look misplaced by chance:
# of fewer pairs than this, only what is plain to see is reported.
_MANY = 12
_PLAIN = 0.5  # agreement, once put right; or nearly what is usual in the set


def places(survey: Survey) -> Iterator[Finding]:
    """Report masks that fit their image better when moved, turned, reversed or exchanged."""
    seen = [(s, f.glimpse) for s, f in survey.pairs() if f.glimpse is not None]
    names = [source.name for source, _ in seen]
    glimpses = [glimpse for _, glimpse in seen]
    usable = sum(glimpse.has_image and glimpse.has_mask for glimpse in glimpses)
    for suspicion in judge(glimpses, names):
        if usable < _MANY and not _is_plain(suspicion):
            continue
        if suspicion.partner is not None and _alike(
            glimpses[suspicion.index], glimpses[suspicion.partner]
        ):
            continue  # a copy: to exchange its mask for its twin's would change nothing
        if suspicion.index < 0:
            yield _of_all(suspicion, [source for source, _ in seen], survey.encoding.ignore)
        else:
            partner = None if suspicion.partner is None else seen[suspicion.partner][0]
            source = seen[suspicion.index][0]
            yield _of_one(suspicion, source, partner, survey.encoding.ignore)


def _is_plain(suspicion: Suspicion) -> bool:
    if suspicion.kind == "unrelated":
        return True  # a warning that no healthy set of 8 pairs gave, of 30 that were tried
    level = min(_PLAIN, 0.9 * suspicion.usual)
    return suspicion.corrected >= level and suspicion.confidence >= SURE


def _alike(one: Glimpse, other: Glimpse) -> bool:
    """Whether two masks are the same but for a few pixels."""
    if one.maps.shape != other.maps.shape:
        return False
    apart = np.abs(one.maps.astype(np.int16) - other.maps).sum()
    return bool(apart < _SAME * one.maps.sum(dtype=np.int64))


def _of_one(
    suspicion: Suspicion, source: Source, partner: Source | None, ignore: int | None
) -> Finding:
    told = {
        "shifted": _distance(suspicion),
        "turned": f"it is {suspicion.turn}",
        "inverted": "its classes fit the image in reversed order",
        "swapped": f"it fits the image {partner.name if partner else ''}",
    }[suspicion.kind]
    files, samples = [source.mask_name, source.image_name], [source.name]
    if partner is not None:
        files, samples = [source.mask_name, partner.image_name], [source.name, partner.name]
    return finding(
        _NAMES[suspicion.kind],
        f"{told}{_figures(suspicion)}",
        severity="error" if suspicion.confidence >= SURE else "warning",
        cure=_cure(suspicion, "", ignore),
        files=tuple(files),
        samples=tuple(samples),
        values=_values(suspicion),
        counts=_counts(suspicion),
    )


def _of_all(suspicion: Suspicion, sources: list[Source], ignore: int | None) -> Finding:
    kind = suspicion.kind.removeprefix("all-")
    told = {
        "shifted": f"all masks: {_distance(suspicion)}",
        "turned": f"all masks are {suspicion.turn}",
        "unrelated": "hardly any mask fits its image better than another's: the order of the pairs "
        "may be wrong",
    }[kind]
    return finding(
        _NAMES[kind],
        f"{told}{_figures(suspicion)}",
        severity="error" if suspicion.confidence >= SURE else "warning",
        cure=_cure(suspicion, ", every one of them", ignore),
        files=tuple(source.mask_name for source in sources),
        samples=tuple(source.name for source in sources),
        values=_values(suspicion),
        counts=_counts(suspicion),
    )


def _distance(suspicion: Suspicion) -> str:
    down, right = suspicion.offset or (0, 0)
    parts = []
    if down:
        parts.append(f"{abs(down)} px too far {'down' if down > 0 else 'up'}")
    if right:
        parts.append(f"{abs(right)} px too far to the {'right' if right > 0 else 'left'}")
    return " and ".join(parts)


def _figures(suspicion: Suspicion) -> str:
    if not suspicion.corrected:
        return ""
    return f" (agreement {suspicion.agreement:.2f} as it is, {suspicion.corrected:.2f} put right)"


def _cure(suspicion: Suspicion, where: str, ignore: int | None) -> dict[str, str]:
    undo = suspicion.undo
    if suspicion.offset is not None and ignore is not None:
        undo = undo_shift(suspicion.offset, ignore)
    return {"where": where, "code": f"mask = {undo}" if undo else ""}


def _values(suspicion: Suspicion) -> tuple[Any, ...]:
    """The offset down and right, or the turn."""
    return suspicion.offset or ((suspicion.turn,) if suspicion.turn else ())


def _counts(suspicion: Suspicion) -> dict[str, float]:
    return {
        "agreement": float(suspicion.agreement),
        "corrected": float(suspicion.corrected),
        "usual": float(suspicion.usual),
        "confidence": float(suspicion.confidence),
    }


RULES = (places,)

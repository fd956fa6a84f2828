"""Rules on copies: what is there twice, and what stands on both sides of a split."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from unet_helpers.data.doctor import duplicates
from unet_helpers.data.doctor.findings import Finding, finding
from unet_helpers.data.doctor.survey import SeenImage, Survey, listing


def copies(survey: Survey) -> Iterator[Finding]:
    """Report images that are there twice, in one part or in two."""
    by_key: dict[bytes, list[SeenImage]] = defaultdict(list)
    for seen in survey.images():
        if not seen.facts.constant:
            by_key[seen.facts.key].append(seen)
    for copies in by_key.values():
        if len(copies) > 1:
            yield from _copies(copies)


def _copies(copies: Sequence[SeenImage]) -> Iterator[Finding]:
    parts = sorted({seen.source.part for seen in copies} - {""})
    names = listing([seen.source.name for seen in copies], 4)
    told = f"{names} are the same image"
    if len(parts) > 1:
        told += f", in {' and '.join(parts)}"
    yield finding(
        "image-in-two-splits" if len(parts) > 1 else "duplicate-image",
        told,
        files=tuple(seen.source.image_name for seen in copies),
        samples=tuple(seen.source.name for seen in copies),
        values=tuple(parts),
        counts={"copies": len(copies)},
    )


def near_duplicates(survey: Survey) -> Iterator[Finding]:
    """Report images that show the same, though their pixels differ."""
    different: dict[bytes, SeenImage] = {}
    for seen in survey.images():
        if seen.facts.thumbnail is not None and not (seen.facts.constant or seen.facts.broken):
            different.setdefault(seen.facts.key, seen)
    images = list(different.values())
    thumbnails = [seen.facts.thumbnail for seen in images if seen.facts.thumbnail is not None]
    sizes = [seen.facts.size for seen in images]
    for twin in duplicates.near_duplicates(thumbnails, sizes):
        first, second = images[twin.first].source, images[twin.second].source
        told = f"{first.name} and {second.name} show the same"
        if twin.kind == "other-resolution":
            told += f", the second {twin.scale:.3g} times as large"
        parts = sorted({first.part, second.part} - {""})
        if len(parts) > 1:
            told += f", and stand in {first.part} and {second.part}"
        # In one part of a split they harm little: each only counts nearly twice.
        together = first.part == second.part != ""
        yield finding(
            twin.kind,
            told,
            severity="note" if together else None,
            files=(first.image_name, second.image_name),
            samples=(first.name, second.name),
            values=tuple(parts),
            counts={"similarity": twin.similarity, "scale": twin.scale},
        )


def group_in_two_splits(survey: Survey) -> Iterator[Finding]:
    """Report groups that a split tears apart."""
    held: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for source in survey.sources:
        if source.part:
            held[source.group][source.part] += 1
    for group, parts in held.items():
        if len(parts) > 1:
            told = " and ".join(f"{count} in {part}" for part, count in parts.items())
            members = [s for s in survey.sources if s.group == group and s.part]
            yield finding(
                "group-in-two-splits",
                f"group {group!r} has {told}",
                files=tuple(s.image_name for s in members),
                samples=tuple(s.name for s in members),
                values=(group, *parts),
                counts=dict(parts),
            )


RULES = (copies, near_duplicates, group_in_two_splits)

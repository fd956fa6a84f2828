"""Rules on images: values, bits, kinds and sizes."""

from collections import Counter
from collections.abc import Iterator

from unet_helpers.data.doctor.findings import Finding, finding
from unet_helpers.data.doctor.survey import SeenImage, Survey, listing, plural

BURNT = 0.30  # share of pixels at the top of the range; a bright sky stays below
_DEEP = ("uint16", "int16", "uint32", "int32")
CRUSHED = 0.95  # at the bottom; a dark background is usual in fluorescence and X-ray images


def nan_or_infinite(survey: Survey) -> Iterator[Finding]:
    """Report values that are no numbers."""
    for source, facts in survey.images():
        if facts.broken:
            yield finding(
                "nan-or-infinite",
                f"{plural(facts.broken, 'value')} NaN or infinite",
                files=(source.image_name,),
                samples=(source.name,),
                counts={"values": facts.broken},
            )


def constant(survey: Survey) -> Iterator[Finding]:
    """Report images of one value."""
    for source, facts in survey.images():
        if facts.constant:
            yield finding(
                "constant-image",
                f"every pixel is {facts.low:g}"
                + ("" if facts.low == facts.high else f" to {facts.high:g}, by channel"),
                files=(source.image_name,),
                samples=(source.name,),
                values=(facts.low,),
            )


def saturated(survey: Survey) -> Iterator[Finding]:
    """Report images with a large part at an end of the range."""
    for source, facts in survey.images():
        burnt, crushed = facts.burnt >= BURNT, facts.crushed >= CRUSHED
        if facts.constant or not (burnt or crushed):
            continue
        share = facts.burnt if burnt else facts.crushed
        end = facts.high if burnt else facts.low
        yield finding(
            "saturated-image",
            f"{share:.0%} of the pixels are {end:g}, the {'top' if burnt else 'bottom'} of the "
            "range",
            files=(source.image_name,),
            samples=(source.name,),
            values=(end,),
            counts={"share": round(share, 4)},
        )


def _deep(survey: Survey) -> list[SeenImage]:
    return [seen for seen in survey.images() if seen.facts.dtype in _DEEP]


def twelve_bit(survey: Survey) -> Iterator[Finding]:
    """Report a set of 16-bit images that uses 9 to 12 of their bits, as many a camera does."""
    deep = _deep(survey)
    top = max((seen.facts.high for seen in deep), default=0)
    if not 256 <= top < 4096 or all(seen.facts.coarse for seen in deep):
        return
    full = 2 ** int(top).bit_length() - 1
    yield finding(
        "sixteen-bit-using-eight",
        f"{plural(len(deep), 'image')} of {deep[0].facts.dtype} with values up to {top:g}, "
        f"{top / 65535:.1%} of the range of 16 bits: they are read as nearly black",
        cure={
            "code": f"read_folder(images, masks, image_range=(0, {full}))",
            "advice": f" (of {full.bit_length()} bits, it seems)",
        },
        files=tuple(seen.source.image_name for seen in deep),
        samples=tuple(seen.source.name for seen in deep),
        values=(min(seen.facts.low for seen in deep), top),
        counts={"images": len(deep)},
    )


def sixteen_bit(survey: Survey) -> Iterator[Finding]:
    """Report 16-bit images that hold 8 bits or fewer."""
    deep = _deep(survey)
    for source, facts in deep:
        small = facts.high < 256
        if facts.constant or not (small or facts.coarse):
            continue
        code = (
            "image = image.astype(np.uint8)" if small else "image = (image >> 8).astype(np.uint8)"
        )
        top = max(f.high for _, f in deep)
        advice = ""
        if small and top >= 256:
            advice = f" (others of the set reach {top:g}: check the exposure before)"
        yield finding(
            "sixteen-bit-using-eight",
            f"{facts.dtype} that holds values up to {facts.high:g}"
            + ("" if small else ", all of them multiples of 256 or 257"),
            cure={"code": code, "advice": advice},
            files=(source.image_name,),
            samples=(source.name,),
            values=(facts.low, facts.high),
        )


def mixed_modes(survey: Survey) -> Iterator[Finding]:
    """Report images of several kinds in one set."""
    kinds: dict[tuple[int, str], list[SeenImage]] = {}
    for seen in survey.images():
        kinds.setdefault((seen.facts.channels, seen.facts.dtype), []).append(seen)
    if len(kinds) < 2:
        return
    ordered = sorted(kinds.items(), key=lambda item: -len(item[1]))
    told = [f"{len(seen)} {_kind(*kind)}" for kind, seen in ordered]
    few = [seen.source for _, part in ordered[1:] for seen in part]
    yield finding(
        "mixed-modes",
        f"the images are {listing(told, 5)}",
        cure={"mode": "RGB" if ordered[0][0][0] == 3 else "L"},
        files=tuple(source.image_name for source in few),
        samples=tuple(source.name for source in few),
        values=tuple(_kind(*kind) for kind, _ in ordered),
        counts={_kind(*kind): len(seen) for kind, seen in ordered},
    )


def _kind(channels: int, dtype: str) -> str:
    names = {1: "grey", 3: "RGB"}
    return f"{names.get(channels, f'{channels}-channel')} {dtype}"


def mixed_sizes(survey: Survey) -> Iterator[Finding]:
    """Report images of several sizes."""
    sizes = Counter(seen.facts.size for seen in survey.images())
    if len(sizes) < 2:
        return
    told = [f"{h} x {w} ({count})" for (h, w), count in sizes.most_common()]
    least = min(min(size) for size in sizes)
    yield finding(
        "mixed-sizes",
        f"{len(sizes)} sizes: {listing(told, 4)}",
        cure={"size": max(16, min(survey.options.patch, least // 16 * 16))},
        values=tuple(f"{h} x {w}" for h, w in sizes),
        counts={"sizes": len(sizes), "smallest side": least},
    )


RULES = (nan_or_infinite, constant, saturated, twelve_bit, sixteen_bit, mixed_modes, mixed_sizes)

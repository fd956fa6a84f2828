"""Which mask belongs to which image: by their stems or by a pattern of names."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from unet_helpers.data.formats.listing import list_files, natural, same_name
from unet_helpers.data.samples import DataError

Pattern = str | tuple[str, str]
_STEM = "{stem}"


class Pair(NamedTuple):
    """An image and its mask.

    Attributes
    ----------
    name : str
        The image's stem, or what the manifest calls it.
    image, mask : Path
        The files.
    group, split : str or None
        From a manifest's columns.
    """

    name: str
    image: Path
    mask: Path
    group: str | None = None
    split: str | None = None


class Matching(NamedTuple):
    """What fits together and what does not; no file is opened for it.

    Attributes
    ----------
    pairs : list of Pair
        In the order in which a person counts (2 before 10).
    images_alone, masks_alone : list of Path
        Files without a partner.
    ambiguous : dict of Path to list of Path
        A file and the candidates for its partner: masks for an image, or images for a mask that
        several images want.
    collisions : list of list of Path
        Files of one folder whose names differ only in case or Unicode form: some systems take
        them for one.
    rule : str
        How the names were matched, in words.
    """

    pairs: list[Pair]
    images_alone: list[Path]
    masks_alone: list[Path]
    ambiguous: dict[Path, list[Path]]
    collisions: list[list[Path]]
    rule: str


def match(images: Path | str, masks: Path | str, *, pattern: Pattern | None = None) -> Matching:
    """Match the files of two folders by name, and report what does not fit.

    Parameters
    ----------
    images, masks : Path or str
        Folders; one and the same if there is a `pattern`.
    pattern : str or tuple of two str, optional
        How masks are named, such as ``"{stem}_mask"``; or how images and how masks are named, such
        as ``("{stem}_training", "{stem}_manual1")``. By default files are matched by stem, and
        where no stems agree by a prefix or suffix that the masks share, which ``rule`` tells.

    Returns
    -------
    Matching

    Raises
    ------
    DataError
        If a folder is missing or holds no file of a known format.
    ValueError
        If a pattern lacks ``{stem}``, or one folder is given twice without a pattern.
    """
    image_folder, mask_folder = Path(images), Path(masks)
    image_files = list_files(image_folder, "images")
    if not (mask_folder.is_dir() and mask_folder.samefile(image_folder)):
        return match_files(image_files, list_files(mask_folder, "masks"), pattern=pattern)
    if pattern is None:
        raise ValueError(
            f"images and masks in one folder need a pattern that tells them apart, found none for "
            f"{image_folder}: say how masks are named, for instance pattern='{{stem}}_mask'"
        )
    parts = _frames(pattern)
    mask_files = [path for path in image_files if _core(path.stem, parts[1]) is not None]
    if parts[0] == ("", ""):
        taken = set(mask_files)
        image_files = [path for path in image_files if path not in taken]
    else:
        image_files = [path for path in image_files if _core(path.stem, parts[0]) is not None]
    return match_files(image_files, mask_files, pattern=pattern)


def match_files(
    images: Sequence[Path], masks: Sequence[Path], *, pattern: Pattern | None = None
) -> Matching:
    """Like `match`, for lists of files.

    Examples
    --------
    >>> found = match_files([Path("x/a.png"), Path("x/b.png")], [Path("y/a_mask.png")])
    >>> found.pairs[0].mask.name, [path.name for path in found.images_alone]
    ('a_mask.png', ['b.png'])
    >>> found.rule
    'masks are named {stem}_mask (inferred)'
    """
    images, masks = sorted(images, key=natural), sorted(masks, key=natural)
    found = _matched(images, masks, pattern)
    return found._replace(collisions=_collisions(images) + _collisions(masks))


def _matched(images: Sequence[Path], masks: Sequence[Path], pattern: Pattern | None) -> Matching:
    """Match without a look at collisions, which are the same for all the frames that are tried."""
    if pattern is not None:
        return _by_frames(images, masks, *_frames(pattern), "as given")
    by_stem = _by_frames(images, masks, ("", ""), ("", ""), "")
    if by_stem.pairs or by_stem.ambiguous:
        return by_stem
    tried = [_by_frames(images, masks, *both, "inferred") for both in _guesses(images, masks)]
    return _best(tried, len(images), len(masks)) or by_stem


def pair_files(
    images: Path | str, masks: Path | str, *, pattern: Pattern | None = None
) -> list[Pair]:
    """Match two folders as `match` does, and insist that every file has its partner.

    Returns
    -------
    list of Pair
        At least one.

    Raises
    ------
    DataError
        If a file has no partner or several candidates.
    """
    return insist(match(images, masks, pattern=pattern)).pairs


def insist(matching: Matching) -> Matching:
    """Raise a `DataError` unless every file has exactly one partner."""
    for path, candidates in matching.ambiguous.items():
        names = ", ".join(candidate.name for candidate in candidates[:6])
        raise DataError(
            f"{path}: one partner is expected, found {len(candidates)} candidates, {names}"
            f"{', ...' if len(candidates) > 6 else ''} ({len(matching.ambiguous)} such files): "
            "remove or rename all but one, or say how masks are named, for instance "
            "pattern='{stem}_mask'"
        )
    _refuse_lonely(matching.images_alone, matching, "an image", "mask")
    _refuse_lonely(matching.masks_alone, matching, "a mask", "image")
    return matching


def _refuse_lonely(alone: list[Path], matching: Matching, kind: str, partner: str) -> None:
    if not alone:
        return
    others = [getattr(pair, partner) for pair in matching.pairs]
    others += matching.masks_alone if partner == "mask" else matching.images_alone
    shown = f"names like {others[0].name!r}" if others else "none"
    where = others[0].parent if others else "the other folder"
    raise DataError(
        f"{alone[0]}: {kind} needs {'a' if partner == 'mask' else 'an'} {partner} to match the "
        f"stem {alone[0].stem!r} in {where}, found {shown} ({len(alone)} without a partner): "
        "give both files of a pair the same stem, say how masks are named with "
        "pattern='{stem}_mask', or add the missing one"
    )


def _collisions(paths: Sequence[Path]) -> list[list[Path]]:
    alike: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path in paths:
        alike[path.parent, same_name(path.name)].append(path)
    return [group for group in alike.values() if len(group) > 1]


# --- matching -----------------------------------------------------------------------------------

_Frame = tuple[str, str]  # what stands before and after the shared part of a stem


def _frames(pattern: Pattern) -> tuple[_Frame, _Frame]:
    both = (_STEM, pattern) if isinstance(pattern, str) else pattern
    is_pair = isinstance(both, (tuple, list)) and len(both) == 2
    if not is_pair or any(not isinstance(part, str) or part.count(_STEM) != 1 for part in both):
        raise ValueError(
            f"pattern must hold {_STEM} once, or be two such texts, found {pattern!r}: write "
            f"'{_STEM}_mask', for instance, without the file's ending"
        )
    first, second = (part.partition(_STEM) for part in both)
    return (first[0], first[2]), (second[0], second[2])


def _core(stem: str, frame: _Frame) -> str | None:
    before, after = frame
    fits = stem.startswith(before) and stem.endswith(after)
    length = len(stem) - len(before) - len(after)
    return stem[len(before) : len(before) + length] if fits and length > 0 else None


def _by_core(paths: Sequence[Path], frame: _Frame) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        core = _core(path.stem, frame)
        if core is not None:
            found[core].append(path)
    return found


def _by_frames(
    images: Sequence[Path], masks: Sequence[Path], ours: _Frame, theirs: _Frame, why: str
) -> Matching:
    pairs: list[Pair] = []
    ambiguous: dict[Path, list[Path]] = {}
    left_images, left_masks = _by_core(images, ours), _by_core(masks, theirs)
    _take(left_images, left_masks, pairs, ambiguous)
    exact = len(pairs)
    left_images, left_masks = _loosely(left_images), _loosely(left_masks)
    _take(left_images, left_masks, pairs, ambiguous)
    used = {path for pair in pairs for path in pair[1:3]}
    used |= {path for key, found in ambiguous.items() for path in (key, *found)}
    return Matching(
        sorted(pairs, key=lambda pair: natural(pair.image)),
        [path for path in images if path not in used],
        [path for path in masks if path not in used],
        ambiguous,
        [],
        _words(ours, theirs, why, len(pairs) - exact),
    )


def _take(
    images: dict[str, list[Path]],
    masks: dict[str, list[Path]],
    pairs: list[Pair],
    ambiguous: dict[Path, list[Path]],
) -> None:
    """Move what both have under one key into pairs, if it is one each, or else into ambiguous."""
    for key in [key for key in images if key in masks]:
        ours, theirs = images.pop(key), masks.pop(key)
        if len(ours) == len(theirs) == 1:
            pairs.append(Pair(ours[0].stem, ours[0], theirs[0]))
        elif len(theirs) > 1:
            ambiguous.update((image, theirs) for image in ours)
        else:
            ambiguous[theirs[0]] = ours


def _loosely(found: dict[str, list[Path]]) -> dict[str, list[Path]]:
    loose: dict[str, list[Path]] = defaultdict(list)
    for key, paths in found.items():
        loose[same_name(key)] += paths
    return loose


def _words(ours: _Frame, theirs: _Frame, why: str, loose: int) -> str:
    if ours == theirs == ("", ""):
        words = "image and mask share their stem"
    else:
        words = f"masks are named {_STEM.join(theirs)}"
        if ours != ("", ""):
            words = f"images are named {_STEM.join(ours)}, {words}"
        words += f" ({why})"
    return words + (f"; {loose} pairs differ in case or Unicode form" if loose else "")


# --- inferring a pattern ------------------------------------------------------------------------


def _guesses(images: Sequence[Path], masks: Sequence[Path]) -> list[tuple[_Frame, _Frame]]:
    """Frames worth a try: something around the image's stem, or something around both."""
    found: Counter[_Frame] = Counter()
    stems = [mask.stem for mask in masks]
    for image in [*images[:4], *images[4:][-2:]]:
        for stem in stems:
            before, shared, after = stem.partition(image.stem)
            if shared and (before or after):
                found[before, after] += 1
    likely = found.most_common(12)
    likely = [(frame, count) for frame, count in likely if 2 * count >= likely[0][1]]
    guesses: list[tuple[_Frame, _Frame]] = [(("", ""), frame) for frame, _ in likely]
    if len(images) > 1 and len(masks) > 1:
        guesses.append((_frame(images), _frame(masks)))
    return guesses


def _frame(paths: Sequence[Path]) -> _Frame:
    """What all stems begin and end with; digits belong to what lies between."""
    stems = [path.stem for path in paths]
    before = re.sub(r"\d+$", "", _beginning(stems))
    rest = [stem[len(before) :][::-1] for stem in stems]
    return before, re.sub(r"^\d+", "", _beginning(rest)[::-1])


def _beginning(texts: Sequence[str]) -> str:
    low, high = min(texts), max(texts)
    return low[: next((i for i, c in enumerate(low) if high[i : i + 1] != c), len(low))]


def _best(tried: Sequence[Matching], images: int, masks: int) -> Matching | None:
    """The frames that pair most files, at least half of them; ties are ambiguous."""
    enough = [m for m in tried if m.pairs and 2 * len(m.pairs) >= min(images, masks)]
    most = max((len(m.pairs) for m in enough), default=0)
    top = [m for m in enough if len(m.pairs) == most]
    if len({frozenset(pair[1:3] for pair in m.pairs) for m in top}) <= 1:
        return top[0] if top else None
    candidates: dict[Path, set[Path]] = defaultdict(set)
    for pair in (pair for matching in top for pair in matching.pairs):
        candidates[pair.image].add(pair.mask)
    taken = {mask for found in candidates.values() for mask in found}
    return Matching(
        [pair for pair in top[0].pairs if len(candidates[pair.image]) == 1],
        [path for path in top[0].images_alone if path not in candidates],
        [path for path in top[0].masks_alone if path not in taken],
        {image: sorted(f, key=natural) for image, f in candidates.items() if len(f) > 1},
        top[0].collisions,
        " or ".join(matching.rule for matching in top),
    )

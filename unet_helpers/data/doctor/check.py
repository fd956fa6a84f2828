"""The doctor: one call that looks a data set over before a model sees it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unet_helpers.data.doctor import (
    rules_classes,
    rules_copies,
    rules_files,
    rules_images,
    rules_masks,
    rules_places,
    rules_styles,
)
from unet_helpers.data.doctor.colours import shown
from unet_helpers.data.doctor.encoding import infer
from unet_helpers.data.doctor.kinds import KINDS, SEVERITIES
from unet_helpers.data.doctor.report import Report
from unet_helpers.data.doctor.scan import scan
from unet_helpers.data.doctor.sources import Options, Source, from_files, from_samples
from unet_helpers.data.doctor.survey import Survey, listing
from unet_helpers.data.doctor.telling import told
from unet_helpers.data.formats.decode import SUFFIXES
from unet_helpers.data.formats.encodings import Colour, Meaning
from unet_helpers.data.formats.manifest import match_manifest
from unet_helpers.data.formats.pairing import Matching, Pattern, match
from unet_helpers.data.samples import DataError, Samples

RULES = (
    *rules_files.RULES,
    *rules_styles.RULES,
    *rules_masks.RULES,
    *rules_places.RULES,
    *rules_images.RULES,
    *rules_classes.RULES,
    *rules_copies.RULES,
)


def check(
    data: Samples | str | Path | None = None,
    masks: str | Path | None = None,
    *,
    train: Samples | None = None,
    val: Samples | None = None,
    test: Samples | None = None,
    manifest: str | Path | None = None,
    pattern: Pattern | None = None,
    class_names: Sequence[str] | None = None,
    mask_values: Mapping[int, Meaning] | None = None,
    ignore_value: int | None = None,
    colours: Mapping[Colour, Meaning] | None = None,
    instances: bool = False,
    group: Callable[[str], str] | None = None,
    split: Callable[[str], str] | None = None,
    patch: int = 128,
    progress: bool | None = None,
) -> Report:
    """Look a data set over: files, pairs, masks, classes, copies, splits.

    Give it samples, the parts of a split, two folders, or a manifest. What you tell about the masks
    silences what it explains. Bad data never makes it raise: it is what the report is about.

    Parameters
    ----------
    data : Samples, str or Path, optional
        Samples, whose own split counts; or the folder of the images.
    masks : str or Path, optional
        The folder of the masks.
    train, val, test : Samples, optional
        The parts of a split, instead of `data`: what two of them share is an error.
    manifest : str or Path, optional
        A CSV file with the columns ``image`` and ``mask``, and maybe ``group`` and ``split``.
    pattern : str or tuple of two str, optional
        How files are named, such as ``"{stem}_mask"``; by default pairs have equal stems.
    class_names : sequence of str, optional
        Names of the class ids 0, 1, ...
    mask_values : mapping of int to int, str or None, optional
        Mask file value to class id or name; None for no label, as in `read_folder`.
    ignore_value : int, optional
        The mask value of pixels without a label.
    colours : mapping of (red, green, blue) to int, str or None, optional
        The meaning of each colour of masks in colours, as in `mask_values`.
    instances : bool
        Whether the masks number objects, and any number above 0 is foreground.
    group, split : callable of str to str, optional
        Group and part (train, val, test) of a pair's name.
    patch : int
        Side of the training's random patches in pixels, to tell which classes these miss.
    progress : bool, optional
        Whether to show a progress bar; by default in terminals and notebooks, after a second.

    Returns
    -------
    Report
        Prints as text; ``report.ok`` tells whether there is no error.

    Raises
    ------
    ValueError
        If it is not clear what to look at, or what is told of the masks contradicts itself.
    DataError
        If a folder or the manifest does not exist.

    Examples
    --------
    >>> from unet_helpers.data.load import load
    >>> report = check(load("cells")[:4])
    >>> report.ok, report.images
    (True, 4)
    """
    options = told(
        *(class_names, mask_values, ignore_value, colours, instances), patch=patch, pattern=pattern
    )
    parts = {name: part for name, part in zip(("train", "val", "test"), (train, val, test),
             strict=True) if part is not None}  # fmt: skip
    if isinstance(data, Samples) or (parts and data is None):
        if masks or manifest or (parts and data):
            raise ValueError(_TWO_WAYS.format(found="samples and files, or samples and parts"))
        return _check_samples({"": data} if isinstance(data, Samples) else parts, options, progress)
    matching, subject = _match(data, masks, manifest, pattern)
    sources = from_files(
        [(pair.name, pair.image, pair.mask) for pair in matching.pairs],
        group,
        {pair.name: pair.group for pair in matching.pairs if pair.group},
        {p.name: split(p.name) if split else p.split or "" for p in matching.pairs},
    )
    report = examine(sources, options, matching, subject, progress)
    if group is None:
        return report
    return dataclasses.replace(report, groups=tuple(dict.fromkeys(s.group for s in sources)))


_TWO_WAYS = (
    "check() needs samples, parts (train=, val=, test=), two folders or a manifest, found {found}: "
    "give one of them"
)


def _check_samples(parts: Mapping[str, Samples], known: Options, progress: bool | None) -> Report:
    first = next(iter(parts.values()))
    options = Options(first.class_names, None, first.ignore_value, patch=known.patch, ids=True)
    subject = f"{first.name} ({', '.join(parts)})" if "" not in parts else first.name
    return examine(from_samples(parts), options, None, subject, progress)


def _match(
    images: Any, masks: str | Path | None, manifest: str | Path | None, pattern: Pattern | None
) -> tuple[Matching, str]:
    if manifest is not None:
        return match_manifest(manifest), str(manifest)
    if images is None or masks is None:
        raise ValueError(_TWO_WAYS.format(found="too little"))
    for name, folder in (("images", Path(images)), ("masks", Path(masks))):
        if not folder.is_dir():
            found = "a file" if folder.exists() else "nothing"
            raise DataError(f"{folder}: {name} must be a folder, found {found}: correct the path")
    subject = f"{images}, {masks}"
    try:
        return match(images, masks, pattern=pattern), subject
    except DataError:  # a folder without a file of a known format is a finding
        folders = Path(images), Path(masks)
        why = "; ".join(filter(None, map(_without_files, dict.fromkeys(folders))))
        return Matching([], [], [], {}, [], why), subject


def _without_files(folder: Path) -> str:
    """Say what a folder holds instead of images; "" if it holds some."""
    inside = sorted(path for path in folder.iterdir() if path.name[0] != ".")
    if any(path.suffix.lower() in SUFFIXES and path.is_file() for path in inside):
        return ""
    folders = [path.name for path in inside if path.is_dir()]
    if not folders:
        return f"{folder} holds no file of a known format"
    only = "" if len(folders) < len(inside) else "only "
    return (
        f"{folder}: {only}folders here ({listing(folders, 4)}): subfolders are not searched; "
        f"give {folder / folders[0]}"
    )


def examine(
    sources: Sequence[Source],
    options: Options,
    matching: Matching | None = None,
    subject: str = "",
    progress: bool | None = None,
) -> Report:
    """Scan sources and apply every rule.

    Parameters
    ----------
    sources : sequence of Source
        The pairs.
    options : Options
        What is known of them.
    matching : Matching, optional
        How their files were paired.
    subject : str
        What they are, in words.
    progress : bool, optional
        See `check`.

    Returns
    -------
    Report
    """
    facts, guess, objects = scan(sources, options, progress)
    encoding = infer([f.mask for f in facts if f.mask is not None], options, objects)
    if encoding.style in ("objects", "ids") and guess.style == "colours":
        encoding = guess
    survey = Survey(sources, facts, encoding, options, matching)
    findings = list(rules_files.exchanged(survey))
    rule = ""
    if not findings:  # what else there is to say would be said of photographs read as masks
        rule = _rule_in_words(survey)
        findings = [found for rule in RULES for found in rule(survey)]
    order = list(KINDS)
    findings.sort(key=lambda found: (SEVERITIES.index(found.severity), order.index(found.name)))
    return Report(
        tuple(findings),
        len(sources),
        subject,
        rule,
        {source.name: source for source in sources},
        {
            "class_names": list(options.class_names),
            "mask_values": dict(options.mask_values) if options.mask_values else None,
            "ignore_value": options.ignore_value,
            "colours": {shown(c): k for c, k in options.colours.items()}
            if options.colours
            else None,
            "instances": options.instances,
            "patch": options.patch,
        },
        encoding,
    )


def _rule_in_words(survey: Survey) -> str:
    """Tell how the masks were read; the rule of samples stands with the samples."""
    encoding, names = survey.encoding, survey.class_name
    if not survey.sources or survey.options.ids:
        return ""
    words = {"objects": "numbered objects, each of them class 1", "colours": "one class per colour"}
    if survey.options.colours is not None:
        told_ = [
            f"{shown(v)} is {names(k)}" for v, k in encoding.table.items() if k != encoding.ignore
        ]
        return ", ".join(told_) + " (as given)"
    known = [(v, k) for v, k in sorted(encoding.table.items()) if k != encoding.ignore]
    told = [f"{v} is {names(k)}" for v, k in known[:6]] + ["..."] * (len(known) > 6)
    how = " (as given)" if encoding.style == "given" else ""
    return words.get(encoding.style, ", ".join(told)) + how

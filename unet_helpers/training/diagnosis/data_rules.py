"""Rules on the data: what the doctor says of a few pairs, masks and images against the model."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.doctor.check import examine
from unet_helpers.data.doctor.findings import Finding
from unet_helpers.data.doctor.rules_copies import group_in_two_splits
from unet_helpers.data.doctor.sources import Options, Source, from_samples
from unet_helpers.data.doctor.survey import Survey
from unet_helpers.data.samples import Arrays, Samples
from unet_helpers.training.diagnosis.kinds import FROM_THE_DOCTOR, fault
from unet_helpers.training.diagnosis.setup import Setup
from unet_helpers.training.diagnosis.stream import Shown, spread

PLACES = ("mask-shifted", "mask-turned", "polarity-inverted")
_ENCODED = ("mask-0-255", "mask-grey-levels", "mask-instance-ids", "mixed-encodings")
_MANY = 0.2  # share of the pairs from which single misplaced masks spoil a training
_BRIGHT, _DARK = 16.0, 0.02  # largest image values: not scaled, scaled twice
_LEVELS = 16  # values: class ids have fewer


def doctor_rules(shown: Shown, setup: Setup, most: int) -> list[Finding]:
    """Let the doctor look at the pairs, and keep what spoils a training.

    Parameters
    ----------
    shown : Shown
    setup : Setup
    most : int
        Pairs to look at.

    Returns
    -------
    list of Finding
    """
    if shown.samples is not None:
        samples = shown.samples[spread(len(shown.samples), most)]
        options = Options(samples.class_names, None, samples.ignore_value, ids=True)
        sources = [dataclasses.replace(s, part="") for s in from_samples({"": samples})]
    else:
        sources = _sources(shown, most)
        options = Options((), None, setup.ignore_value)
    if not sources:
        return []
    report = examine(sources, options, progress=False)
    found = [f for f in report if f.name in FROM_THE_DOCTOR]
    return _weighed(found, len(sources), raw=shown.samples is None)


def _sources(shown: Shown, most: int) -> list[Source]:
    sources = []
    for number in spread(len(shown.pairs), most):
        image, mask = shown.pairs[number]
        if image.shape[:2] != mask.shape[:2]:
            continue
        arrays = Arrays(doctors_image(image), doctors_mask(mask))
        read = functools.partial(_given, arrays)
        sources.append(Source(f"image {number}", None, None, f"{number}", read=read))
    return sources


def _given(arrays: Arrays) -> Arrays:
    return arrays


def doctors_image(image: NDArray[Any]) -> NDArray[Any]:
    """An image as the doctor reads them: without an axis too many."""
    return image if image.ndim == 3 else image[..., None]


def doctors_mask(mask: NDArray[Any]) -> NDArray[np.uint8]:
    """A mask in whole numbers: one-hot becomes ids, and shares of 1 become 0 to 255."""
    plane = np.asarray(mask)
    if plane.ndim == 3:
        plane = plane[..., 0] if plane.shape[-1] == 1 else plane.argmax(axis=-1)
    if plane.dtype.kind == "f" and plane.max() <= 1 and not np.isin(plane, (0, 1)).all():
        plane = plane * 255
    return np.clip(np.rint(np.nan_to_num(plane)), 0, 255).astype(np.uint8)


def _weighed(found: Sequence[Finding], pairs: int, raw: bool) -> list[Finding]:
    """Weigh the doctor's findings anew: as causes of what a training shows.

    The doctor tells of files that still have to be read; these masks are the loss's already.
    """
    kept: list[Finding] = []
    for name in dict.fromkeys(each.name for each in found):
        of = [each for each in found if each.name == name]
        first = of[0]
        if name in PLACES:
            whole = [each for each in of if not each.samples or len(each.samples) > 2]
            many = len({n for each in of for n in each.samples[:1]}) >= max(_MANY * pairs, 2)
            if not whole and not many:
                continue  # single masks that may lie a little off do not spoil a training
            first = dataclasses.replace((whole or of)[0], severity="error")
        elif name in _ENCODED and raw:
            first = dataclasses.replace(first, severity="error", fix=_encoding_fix(first))
        elif name == "constant-image":
            first = dataclasses.replace(first, severity="note")
        kept.append(first)
    return kept


def _encoding_fix(found: Finding) -> str:
    if found.name == "mask-0-255":
        return "masks = (masks > 127).astype('uint8')  # 0 and 1, as the loss expects"
    return found.fix


def target_rules(shown: Shown, setup: Setup) -> Iterator[Finding]:
    """Values of the masks against the outputs and the loss.

    Parameters
    ----------
    shown : Shown
    setup : Setup

    Yields
    ------
    Finding
    """
    ignored = [v for v in (setup.ignore_value, getattr(shown.samples, "ignore_value", None))
               if v is not None]  # fmt: skip
    hot = shown.masks[0].ndim == 3 and shown.masks[0].shape[-1] > 1
    yield from _hot_rule(hot, shown, setup)
    if hot:
        return
    values = np.unique(np.concatenate([np.unique(mask) for mask in shown.masks]))
    values = values[~np.isin(values, ignored)]
    classes = max(setup.channels, 2)
    whole = bool(np.all(values == np.rint(values)))
    if len(values) and whole and values.max() >= classes and len(values) <= _LEVELS:
        yield from _count_rule(values, setup)
    if not len(values) or values.max() == 0:
        yield fault(
            "no-foreground",
            f"all {len(shown.masks)} masks that were looked at hold nothing but background: there "
            "is nothing to learn",
            "print(np.unique(masks))  # were the masks read as what they are?",
            masks=len(shown.masks),
        )
    elif whole and values.max() < min(_LEVELS, max(classes, 3)):
        yield _looks_black(values)


def _count_rule(values: NDArray[Any], setup: Setup) -> Iterator[Finding]:
    if set(values.tolist()) <= {0, 255}:
        yield fault(
            "mask-0-255",
            f"masks hold {_listed(values)} where the loss expects 0 and 1: it is not bounded "
            "below then, and pushes everything to foreground",
            "masks = (masks > 127).astype('uint8')",
            "error",
            largest=float(values.max()),
        )
        return
    needed = int(values.max()) + 1
    yield fault(
        "output-count",
        f"masks hold the class ids {_listed(values)}, the model gives {setup.channels} "
        f"output{'s' * (setup.channels > 1)} for {max(setup.channels, 2)} classes",
        f"unet(..., num_classes={needed})  # with loss='sparse_categorical_crossentropy'; or "
        "masks = masks > 0 for foreground against background",
        classes=needed,
        outputs=setup.channels,
    )


def _hot_rule(hot: bool, shown: Shown, setup: Setup) -> Iterator[Finding]:
    """Masks that are one-hot beside losses that take ids, and the reverse."""
    several = setup.channels > 1
    if hot and setup.family == "sparse":
        yield fault(
            "one-hot-or-ids",
            f"masks are one-hot ({shown.masks[0].shape[-1]} channels), and {setup.loss_name} takes "
            "class ids",
            "masks = masks.argmax(axis=-1)  # or loss='categorical_crossentropy'",
        )
    elif hot and shown.masks[0].shape[-1] != setup.channels:
        yield fault(
            "output-count",
            f"masks are one-hot with {shown.masks[0].shape[-1]} channels, the model gives "
            f"{setup.channels}",
            f"unet(..., num_classes={shown.masks[0].shape[-1]})",
            outputs=setup.channels,
        )
    elif not hot and several and setup.family in ("categorical", "binary"):
        yield fault(
            "one-hot-or-ids",
            f"masks hold class ids in one channel, and {setup.loss_name} compares them with each "
            f"of {setup.channels} outputs as if they were one-hot",
            "loss='sparse_categorical_crossentropy'  # or masks = "
            f"keras.utils.to_categorical(masks, {setup.channels})",
            outputs=setup.channels,
        )


def _looks_black(values: NDArray[Any]) -> Finding:
    largest = int(values.max())
    return fault(
        "mask-looks-black",
        f"masks hold the class ids {_listed(values)}, right for the loss; a picture viewer shows "
        f"{largest} of 255 as black",
        f"mask * {255 // largest}  # to look at; leave the masks that train as they are",
        largest=float(largest),
    )


def _listed(values: NDArray[Any]) -> str:
    texts = [f"{value:g}" for value in values[:5]]
    return ", ".join(texts) + (f" to {values.max():g}" if len(values) > 5 else "")


def image_rules(shown: Shown, setup: Setup) -> Iterator[Finding]:
    """Range of the images.

    Parameters
    ----------
    shown : Shown
    setup : Setup

    Yields
    ------
    Finding
    """
    images = shown.images
    bad = sum(not np.isfinite(np.asarray(image, np.float32)).all() for image in images)
    if bad:
        yield fault(
            "nan-or-infinite",
            f"{bad} of {len(images)} images hold NaN or infinity: one turns all weights into NaN",
            "images = np.nan_to_num(images)  # better: find out where they come from",
            images=bad,
        )
        return
    largest = max(float(image.max()) for image in images)
    spread_ = max(float(image.max()) - float(image.min()) for image in images)
    if largest > _BRIGHT and not setup.scales:
        by = 255 if largest <= 255 else 65535
        yield fault(
            "images-not-scaled",
            f"images reach {largest:g}, and the model has no layer that scales them: first "
            "activations are hundreds of times larger than initial weights are made for",
            f"images = images.astype('float32') / {by}  # or a keras.layers.Rescaling(1 / {by})",
            largest=largest,
        )
    elif spread_ < _DARK:
        yield fault(
            "images-too-dark",
            f"no image spans more than {spread_:.4f} between its darkest and its brightest pixel: "
            "probably divided by 255 twice, or by the range of 16 bits",
            "images = images / images.max()  # better: divide once, by what the files can hold",
            spread=spread_,
        )


def group_rules(train: Samples, val: Samples) -> list[Finding]:
    """Groups and images that both parts name, told without decoding any.

    Parameters
    ----------
    train, val : Samples

    Returns
    -------
    list of Finding
    """
    sources = from_samples({"train": train, "val": val})
    options = Options(train.class_names, ids=True)
    told: Any = Survey(sources, [], None, options)  # type: ignore[arg-type]
    torn = list(group_in_two_splits(told))
    both = sorted(set(train.names) & set(val.names))
    files = {file for record in train.records for file in record.files[:1]}
    both += [Path(r.files[0]).name for r in val.records
             if r.files and r.files[0] in files and r.name not in both]  # fmt: skip
    found = [leak(len(both), len(val), f"such as {both[0]!r}")] if both else []
    if torn and not both:
        first = torn[0]
        found.append(dataclasses.replace(first, message=f"{len(torn)} groups stand in both parts: "
                                         f"{first.message}", fix=_SPLIT))  # fmt: skip
    return found


_SPLIT = "train, val, test = samples.split()  # whole groups, each in one part"


def leak(shared: int, total: int, how: str) -> Finding:
    """Report validation images that training sees too.

    Parameters
    ----------
    shared, total : int
        Validation images.
    how : str
        Evidence.

    Returns
    -------
    Finding
    """
    return fault(
        "image-in-two-splits",
        f"{shared} of {total} validation images show what training sees too ({how}): the "
        "validation score is too good",
        _SPLIT,
        shared=shared,
        images=total,
    )

"""Rules on the validation data: seen in training, augmented, or another one in every epoch."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.doctor.findings import Finding
from unet_helpers.training.diagnosis.data_rules import group_rules, leak
from unet_helpers.training.diagnosis.kinds import fault
from unet_helpers.training.diagnosis.shared_places import Prints, prints, shared_with, turned_pairs
from unet_helpers.training.diagnosis.stream import Shown, batches_of, first_batches

_SHARED = 0.1  # of the validation images: a single one may be chance
_TURNED = 0.25  # of the pairs that show the same place
_PASSES = 6  # batches that are compared between two passes
_CROPS = 160  # of an endless stream: a set's images come up again only after all of them

_FIX = "batches(val, augment=False)  # or val.stack(size=...): augment the training images only"


def validation_rules(train: Shown, val: Shown) -> Iterator[Finding]:
    """Compare the two parts, and the validation data with itself.

    Parameters
    ----------
    train, val : Shown

    Yields
    ------
    Finding
    """
    named: list[Finding] = []
    if train.samples is not None and val.samples is not None:
        named = group_rules(train.samples, val.samples)
        yield from named
    of_val = [prints(image) for image in val.images]
    if not any(found.name == "image-in-two-splits" for found in named):
        yield from _leak(train, val, of_val)
    if val.kind == "stream":
        yield from _augmented(val, of_val)


def _leak(train: Shown, val: Shown, of_val: list[Prints]) -> Iterator[Finding]:
    of_train = [prints(image) for image in train.images] + _rest(train)
    seen = shared_with(of_val, of_train)
    if len(seen) >= max(_SHARED * len(of_val), 1):
        yield leak(len(seen), len(of_val), "equal pixels in equal surroundings, turned or not")


def _rest(train: Shown) -> list[Prints]:
    """Fingerprints of more of the training images, where they lie in memory."""
    if train.kind == "samples" and train.samples is not None:
        few = range(0, len(train.samples), max(1, len(train.samples) // 40))
        return [prints(train.samples[n].image) for n in few]
    if train.kind == "arrays":
        images = train.source[0]
        step = max(1, len(images) // 200)
        return [prints(np.asarray(images[n])) for n in range(0, len(images), step)]
    return []


def _augmented(val: Shown, of_val: list[Prints]) -> Iterator[Finding]:
    """Whether validation images are turned at random, or differ from one pass to the next."""
    endless = _is_endless(val.source)
    shared, turned = turned_pairs(_many(val.source) if endless else of_val)
    if turned >= 2 and turned >= _TURNED * shared:
        yield fault(
            "augmented-validation",
            f"{turned} of {shared} pairs of validation images that show the same place show it "
            "turned or mirrored: they are augmented, and the score is that of other images",
            _FIX,
            turned=turned,
            shared=shared,
        )
        return
    one, other = (_signatures(val.source) for _ in range(2))
    if one != other and len(one & other) < 0.5 * len(one):
        yield fault(
            "augmented-validation",
            f"{len(one - other)} of {len(one)} validation images differ from one pass over the "
            "validation data to the next: they are changed at random",
            _FIX,
            changed=len(one - other),
            images=len(one),
        )
        return
    if endless:
        yield fault(
            "validation-varies",
            "the validation stream has no end, so every epoch is scored on other crops: scores "
            "of two epochs differ by chance too",
            "validation_data=val.stack(size=128)  # the same pixels in every epoch",
        )


def _many(stream: Any) -> list[Prints]:
    crops = (image for images, _ in batches_of(stream) for image in images)
    return [prints(image) for image in itertools.islice(crops, _CROPS)]


def _signatures(stream: Any) -> set[bytes]:
    """What the images of the first batches are, whatever their order within these."""
    images: list[NDArray[Any]] = [i for batch, _ in first_batches(stream, _PASSES) for i in batch]
    return {np.ascontiguousarray(image[::5, ::5]).tobytes() for image in images}


def _is_endless(stream: Any) -> bool:
    cardinality = getattr(stream, "cardinality", None)
    return cardinality is not None and int(cardinality()) == -1

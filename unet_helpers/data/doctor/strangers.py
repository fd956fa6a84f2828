"""Masks that fit another image of the set better than their own."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from unet_helpers.data.doctor.glimpses import Glimpse, stacked
from unet_helpers.data.doctor.matching import Floats, centred, outlines
from unet_helpers.data.doctor.pixelmodel import PixelModel

_MOST = 800  # masks, and images too: beyond, only pairs that stand out are compared
_CHUNK = 32


class Match(NamedTuple):
    """An image that a mask fits, and how well."""

    image: int
    agreement: float


def strangers(
    model: PixelModel, glimpses: Sequence[Glimpse], odd: Sequence[int]
) -> dict[int, Match]:
    """Find for each odd mask the image, not its own, whose prediction it agrees with best.

    Parameters
    ----------
    model : PixelModel
        Fitted to the set.
    glimpses : sequence of Glimpse
        The set.
    odd : sequence of int
        Pairs whose mask does not fit their image.

    Returns
    -------
    dict of int to Match
        For the odd pairs for which there is another image of the same size.
    """
    odd = list(odd)[:_MOST]
    others = [i for i, g in enumerate(glimpses) if g.has_image]
    if len(others) > _MOST:  # an image whose mask went elsewhere is odd too, or has an empty one
        others = [i for i in others if i in set(odd) or not glimpses[i].has_mask][:_MOST]
    matches: dict[int, Match] = {}
    for size in sorted({glimpses[i].size for i in odd}):
        masks = [i for i in odd if glimpses[i].size == size]
        images = [i for i in others if glimpses[i].size == size]
        table = fits(model, glimpses, masks, images)
        for row, mask in enumerate(masks):
            table[row, [n for n, image in enumerate(images) if image == mask]] = -1
            best = int(table[row].argmax()) if images else -1
            if images and table[row, best] > -1:
                matches[mask] = Match(images[best], float(table[row, best]))
    return matches


def fits(
    model: PixelModel, glimpses: Sequence[Glimpse], masks: Sequence[int], images: Sequence[int]
) -> Floats:
    """Agreement of masks with predictions, each with each.

    Parameters
    ----------
    model : PixelModel
        Fitted to the set.
    glimpses : sequence of Glimpse
        The set.
    masks, images : sequence of int
        Pairs of one size.

    Returns
    -------
    ndarray of float32, shape (masks, images)
    """
    rows = np.concatenate([_given(glimpses, part) for part in _parts(masks)])
    columns = [rows @ _predicted(model, glimpses, part).T for part in _parts(images)]
    return np.concatenate(columns, axis=1)


def _parts(indices: Sequence[int]) -> Iterator[Sequence[int]]:
    return (indices[start : start + _CHUNK] for start in range(0, len(indices), _CHUNK))


def _given(glimpses: Sequence[Glimpse], indices: Sequence[int]) -> Floats:
    maps, labelled = stacked([glimpses[i] for i in indices])
    return _unit(outlines(centred(maps, labelled), labelled))


def _predicted(model: PixelModel, glimpses: Sequence[Glimpse], indices: Sequence[int]) -> Floats:
    predicted = model.predict(glimpses, indices)
    everywhere = np.ones((1, 1, *predicted.shape[2:]), np.float32)
    return _unit(outlines(centred(predicted, everywhere), everywhere))


def _unit(maps: Floats) -> Floats:
    flat = maps.reshape(len(maps), -1)
    return np.asarray(flat / (np.linalg.norm(flat, axis=1, keepdims=True) + np.float32(1e-6)))

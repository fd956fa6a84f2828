"""What went wrong with all masks of a set alike: one shift, one turn, or no relation at all.

The question is how much of the masks the images explain (R squared of a linear regression on local
features), for every shift and every turn of all masks together. For shifts, all products of
features and masks that the regression needs come from one Fourier transform each.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import fft

from unet_helpers.data.doctor.glimpses import Glimpse, stacked
from unet_helpers.data.doctor.matching import (
    REACH,
    TURNS,
    TURNS_OF_OBLONGS,
    Floats,
    centred,
    outlines,
)
from unet_helpers.data.doctor.pixelmodel import PixelModel, features, sampled, with_channels
from unet_helpers.data.doctor.strangers import fits
from unet_helpers.data.doctor.suspicions import Suspicion, undo_shift

_PAIRS = 24  # enough for sums over pixels
_BETTER = 1.25  # times as much must be explained once the masks are put right
_LEAST_EXPLAINED = 0.02
# Standard errors by which masks fit their own images better than others: 20 and more in four real
# sets, even with 12 pairs, and up to 3.7 once their masks were shuffled.
_NORMAL = 1.4826 * 1.2533  # from the median deviation to the standard error of a median
_SURE = 5.0
_MANY = 20  # pairs from which on the lack of any relation is no matter of chance
_LEAST_SHIFT = 0.012  # of the longer side


def whole_set(glimpses: Sequence[Glimpse], usable: Sequence[int]) -> Suspicion | None:
    """Find one shift or one turn that was done to all masks.

    Parameters
    ----------
    glimpses : sequence of Glimpse
        The set.
    usable : sequence of int
        The pairs to go by; of these, those of the most frequent size are.

    Returns
    -------
    Suspicion or None
    """
    size = Counter(glimpses[i].size for i in usable).most_common(1)[0][0]
    pairs = [glimpses[i] for i in sampled([i for i in usable if glimpses[i].size == size], _PAIRS)]
    described, maps = _outlined(pairs)
    inverse = _inverse(described)
    power = float((maps**2).sum())
    explained, reach = _by_shift(described, maps, inverse)
    now = float(explained[reach]) / power
    row, column = np.unravel_index(int(explained.argmax()), explained.shape)
    small = maps.shape[2:]
    offset = (
        round((int(row) - reach[0]) * size[0] / small[0]),
        round((int(column) - reach[1]) * size[1] / small[1]),
    )
    turns = list(TURNS)[: len(TURNS) if size[0] == size[1] else TURNS_OF_OBLONGS]
    turned = [_explained(described, TURNS[t][1](maps), inverse) / power for t in turns]
    shifted = float(explained.max()) / power
    best = max(shifted, *turned)
    if best < max(_BETTER * now, now + _LEAST_EXPLAINED):
        return None
    told = Suspicion(
        "all-shifted",
        -1,
        agreement=round(float(np.sqrt(max(now, 0))), 3),
        corrected=round(float(np.sqrt(best)), 3),
        usual=round(float(np.sqrt(best)), 3),
        confidence=round(float(1 - np.sqrt(max(now, 0) / best)), 2),
    )
    if best > shifted:
        turn = turns[int(np.argmax(turned))]
        return dataclasses.replace(told, kind="all-turned", turn=turn, undo=TURNS[turn][0])
    if np.hypot(*offset) < _LEAST_SHIFT * max(size):
        return None
    return dataclasses.replace(told, offset=offset, undo=undo_shift(offset))


def _outlined(pairs: Sequence[Glimpse]) -> tuple[Floats, Floats]:
    """Features, shape (pairs, features, height, width), and class maps, without surroundings."""
    channels = max(len(pair.image) for pair in pairs)
    images = np.stack([with_channels(pair.image, channels) for pair in pairs])
    described = features(images).swapaxes(0, 1)
    everywhere = np.ones((len(pairs), 1, *described.shape[2:]), np.float32)
    described = outlines(centred(described, everywhere), everywhere)
    spread = described.std(axis=(0, 2, 3), keepdims=True) + np.float32(1e-6)
    maps, labelled = stacked(pairs)
    return described / spread, outlines(centred(maps, labelled), labelled)


def _inverse(described: Floats) -> Floats:
    """Inverse of the features' sums of products, with a little ridge."""
    gram = np.einsum("nfhw,nghw->fg", described, described, optimize=True).astype(np.float64)
    ridge = 1e-3 * gram.trace() / len(gram) * np.eye(len(gram))
    return np.linalg.inv(gram + ridge).astype(np.float32)


def _explained(described: Floats, maps: Floats, inverse: Floats) -> float:
    products = np.einsum("nfhw,nkhw->fk", described, maps, optimize=True)
    return float(np.einsum("fk,fg,gk->", products, inverse, products))


def _by_shift(described: Floats, maps: Floats, inverse: Floats) -> tuple[Floats, tuple[int, int]]:
    """What is explained at every offset up to an eighth of the sides; no offset in the middle."""
    height, width = maps.shape[2:]
    reach = int(height * REACH), int(width * REACH)
    shape = tuple(
        fft.next_fast_len(n + r, real=True) for n, r in zip((height, width), reach, strict=True)
    )
    spectrum = sum(
        fft.rfft2(d, shape).conj()[:, None] * fft.rfft2(m, shape)[None]
        for d, m in zip(described, maps, strict=True)
    )
    products = np.roll(fft.irfft2(spectrum, shape), reach, axis=(2, 3))
    products = products[..., : 2 * reach[0] + 1, : 2 * reach[1] + 1]
    return np.einsum("fkyx,fg,gkyx->yx", products, inverse, products, optimize=True), reach


def put_back(glimpses: Sequence[Glimpse], whole: Suspicion) -> list[Glimpse]:
    """Undo in every glimpse what was done to all masks.

    Parameters
    ----------
    glimpses : sequence of Glimpse
    whole : Suspicion
        From `whole_set`.

    Returns
    -------
    list of Glimpse
        Where nothing is known of the mask after a shift, it counts as not labelled.
    """
    if whole.turn is not None:
        undo = TURNS[whole.turn][1]
        return [
            g._replace(maps=undo(g.maps), labelled=None if g.labelled is None else undo(g.labelled))
            for g in glimpses
        ]
    assert whole.offset is not None
    return [_shifted_back(g, whole.offset) for g in glimpses]


def _shifted_back(pair: Glimpse, offset: tuple[int, int]) -> Glimpse:
    small = pair.maps.shape[1:]
    rows, columns = (round(o * s / n) for o, s, n in zip(offset, small, pair.size, strict=True))
    labelled = np.full(small, 255, np.uint8) if pair.labelled is None else pair.labelled
    to = _overlap(-rows, small[0]), _overlap(-columns, small[1])
    source = _overlap(rows, small[0]), _overlap(columns, small[1])
    maps, known = np.zeros_like(pair.maps), np.zeros_like(labelled)
    maps[(slice(None), *to)] = pair.maps[(slice(None), *source)]
    known[to] = labelled[source]
    return pair._replace(maps=maps, labelled=known)


def _overlap(by: int, length: int) -> slice:
    return slice(max(by, 0), length + min(by, 0))


def unrelated(
    model: PixelModel, glimpses: Sequence[Glimpse], usable: Sequence[int]
) -> list[Suspicion]:
    """Tell whether masks fit their own images no better than the others' images.

    Parameters
    ----------
    model : PixelModel
        Fitted to the set.
    glimpses : sequence of Glimpse
        The set.
    usable : sequence of int
        The pairs to compare.

    Returns
    -------
    list of Suspicion
        One of kind ``unrelated``, or none.
    """
    size = Counter(glimpses[i].size for i in usable).most_common(1)[0][0]
    pairs = sampled([i for i in usable if glimpses[i].size == size], 10 * _PAIRS)
    if len(pairs) < 2:
        return []
    table = fits(model, glimpses, pairs, pairs)
    own = table.diagonal()
    ahead = own - (table.sum(axis=1) - own) / (len(pairs) - 1)
    # Medians, for a few masks that are wrong by themselves must not speak for the whole set.
    centre = np.median(ahead)
    spread = _NORMAL * np.median(np.abs(ahead - centre))
    if centre > _SURE * (spread / np.sqrt(len(pairs)) + 1e-6):
        return []
    confidence = 0.9 if len(pairs) >= _MANY else 0.4
    level = round(float(np.median(own)), 3)
    return [Suspicion("unrelated", -1, agreement=level, confidence=confidence)]

"""Masks that do not belong where they are: shifted, turned, swapped or with reversed class ids.

A small model learns from the whole set what each class looks like, without positions. Where its
prediction agrees much better with a mask once that mask is moved, turned, reversed or given to
another image, the mask is suspected of just that.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from unet_helpers.data.doctor.glimpses import Glimpse, stacked
from unet_helpers.data.doctor.matching import (
    TURNS,
    agreement,
    best_shift,
    centred,
    outlines,
    reversed_ids,
    turned,
)
from unet_helpers.data.doctor.pixelmodel import PixelModel
from unet_helpers.data.doctor.strangers import Match, strangers
from unet_helpers.data.doctor.suspicions import Suspicion, undo_shift
from unet_helpers.data.doctor.wholeset import put_back, unrelated, whole_set

LEAST_PAIRS = 6  # fewer cannot tell what is usual

# All thresholds are shares of the agreement that is usual in the set. Clean real sets stay below a
# third of them, planted faults above: see benchmarks/planted_faults.py.
_FITS = {"shifted": 0.55, "turned": 0.4, "inverted": 0.4, "swapped": 0.4}  # once put right
_MISFITS = 0.6  # what it must stay below as it is, to be taken for shifted or swapped
_GAINS = {"shifted": 0.2, "turned": 0.12, "inverted": 0.5, "swapped": 0.15}
_LEAST_USUAL = 0.05  # agreement: below, the model has learned nothing to judge by
_LEAST_SHIFT = 0.015  # of the longer side
_CHUNK = 120_000  # small pixels at a time


class _Scores(NamedTuple):
    """How well one mask agrees with what its image predicts."""

    own: float  # outlines as they are
    shifted: float
    offset: tuple[float, float]  # small pixels
    turned: float
    turn: str
    plain: float  # whole maps, not only outlines
    inverted: float  # whole maps, ids reversed


def judge(glimpses: Sequence[Glimpse], names: Sequence[str] = ()) -> list[Suspicion]:
    """Find masks that do not belong where they are.

    Parameters
    ----------
    glimpses : sequence of Glimpse
        One for each pair, all made with the same `side` and number of classes.
    names : sequence of str, optional
        The pairs' names; by default their numbers.

    Returns
    -------
    list of Suspicion
        What is said of the whole set first, then in order of the pairs; empty for fewer than six
        pairs that can be compared, and where images tell nothing of their masks.

    Examples
    --------
    >>> from unet_helpers.data.doctor.glimpses import glimpse
    >>> from unet_helpers.data.cells import draw_field
    >>> fields = [draw_field(slide, 1) for slide in range(12)]
    >>> masks = [mask for _, mask, _ in fields]
    >>> masks[3] = masks[3][:, ::-1]
    >>> small = [glimpse(f[0], m, 128, 3) for f, m in zip(fields, masks)]
    >>> [(found.index, found.turn) for found in judge(small)]
    [(3, 'mirrored left-right')]
    """
    names = names or [str(n) for n in range(len(glimpses))]
    usable = [i for i, g in enumerate(glimpses) if g.has_image and g.has_mask]
    if len(usable) < LEAST_PAIRS:
        return []
    found: list[Suspicion] = []
    whole = whole_set(glimpses, usable)
    if whole is not None:
        glimpses = put_back(glimpses, whole)
        found.append(whole)
    model = PixelModel(glimpses, usable)
    strange = unrelated(model, glimpses, usable)
    if strange:
        return found + strange
    scores = _scores(model, glimpses, usable)
    usual = float(np.median([s.own for s in scores.values()]))
    if usual < _LEAST_USUAL:
        return found
    plain = float(np.median([s.plain for s in scores.values()]))
    odd = [i for i, s in scores.items() if s.own < _MISFITS * usual]
    matches = strangers(model, glimpses, odd) if len(usable) > 1 else {}
    for i, score in scores.items():
        suspicion = _suspect(i, score, matches.get(i), usual, plain, glimpses[i])
        if suspicion is not None:
            concerned = [i] if suspicion.partner is None else [i, suspicion.partner]
            told = tuple(names[n] for n in concerned)
            found.append(dataclasses.replace(suspicion, names=told))
    return found


def _scores(
    model: PixelModel, glimpses: Sequence[Glimpse], usable: Sequence[int]
) -> dict[int, _Scores]:
    def score(chunk: list[int]) -> list[tuple[int, _Scores]]:
        return list(zip(chunk, _score_chunk(model, glimpses, chunk), strict=True))

    # NumPy's and SciPy's loops leave the interpreter's lock, so two threads use two cores.
    with ThreadPoolExecutor(2) as pool:
        scored = [pair for part in pool.map(score, _chunks(glimpses, usable)) for pair in part]
    return dict(sorted(scored))


def _chunks(glimpses: Sequence[Glimpse], indices: Sequence[int]) -> Iterator[list[int]]:
    """Cut the pairs into lists of one size, small enough to be held as floats."""
    by_shape: dict[tuple[tuple[int, ...], bool], list[int]] = {}
    for i in indices:
        square = glimpses[i].size[0] == glimpses[i].size[1]
        by_shape.setdefault((glimpses[i].maps.shape[1:], square), []).append(i)
    for (shape, _), members in by_shape.items():
        step = max(1, _CHUNK // (shape[0] * shape[1]))
        for start in range(0, len(members), step):
            yield members[start : start + step]


def _score_chunk(
    model: PixelModel, glimpses: Sequence[Glimpse], chunk: Sequence[int]
) -> list[_Scores]:
    maps, labelled = stacked([glimpses[i] for i in chunk])
    everywhere = np.ones((1, 1, *maps.shape[2:]), np.float32)
    given = centred(maps, labelled)
    predicted = centred(model.predict(glimpses, chunk), everywhere)
    edges = outlines(given, labelled), outlines(predicted, everywhere)
    height, width = glimpses[chunk[0]].size
    own = agreement(edges[1] * labelled, edges[0])
    offsets, shifted = best_shift(edges[1], edges[0], labelled)
    turns = turned(edges[1], edges[0], square=height == width)
    plain = agreement(predicted * labelled, given)
    inverted = agreement(predicted * labelled, reversed_ids(given))
    kinds = list(TURNS)
    return [
        _Scores(
            float(own[n]),
            float(shifted[n]),
            (float(offsets[n, 0]), float(offsets[n, 1])),
            float(turns[:, n].max()),
            kinds[int(turns[:, n].argmax())],
            float(plain[n]),
            float(inverted[n]),
        )
        for n in range(len(chunk))
    ]


def _suspect(
    index: int, score: _Scores, match: Match | None, usual: float, plain: float, pair: Glimpse
) -> Suspicion | None:
    """Weigh what may have happened to one mask; None if nothing is clearly better."""
    small = pair.maps.shape[1:]
    offset = (
        round(score.offset[0] * pair.size[0] / small[0]),
        round(score.offset[1] * pair.size[1] / small[1]),
    )
    odd = score.own < _MISFITS * usual
    # Kind, agreement as it is and put right, what is usual, and whether it may be thought of.
    ideas = [
        ("shifted", score.own, score.shifted, usual, odd and _is_far(offset, score, pair)),
        ("turned", score.own, score.turned, usual, True),
        ("inverted", score.plain, score.inverted, plain, True),
    ]
    if match is not None:
        ideas.append(("swapped", score.own, match.agreement, usual, odd))
    likely = [
        idea
        for idea in ideas
        if idea[4]
        and idea[2] > _FITS[idea[0]] * idea[3]
        and idea[2] - idea[1] > _GAINS[idea[0]] * idea[3]
    ]
    if not likely:
        return None
    kind, own, corrected, level, _ = max(likely, key=lambda idea: idea[2] / idea[3])
    told = Suspicion(
        kind,
        index,
        agreement=round(own, 3),
        corrected=round(corrected, 3),
        usual=round(level, 3),
        confidence=round(min(1.0, (corrected - own) / level), 2),
    )
    if kind == "shifted":
        return dataclasses.replace(told, offset=offset, undo=undo_shift(offset))
    if kind == "turned":
        return dataclasses.replace(told, turn=score.turn, undo=TURNS[score.turn][0])
    if kind == "inverted":
        largest = max(len(pair.maps) - 1, 1)
        return dataclasses.replace(told, undo=f"{largest} - mask")
    assert match is not None
    return dataclasses.replace(told, partner=match.image)


def _is_far(offset: tuple[int, int], score: _Scores, pair: Glimpse) -> bool:
    far = float(np.hypot(*offset))
    return far >= _LEAST_SHIFT * max(pair.size) and float(np.hypot(*score.offset)) >= 1

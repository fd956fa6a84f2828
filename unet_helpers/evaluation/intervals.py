"""How far a score may be trusted: an interval over groups of images, or the reason for none.

Pixels of one image are alike, and images of one slide or patient are: what can stand for new data
is the group, so whole groups are drawn, with all their images, and never pixels or single images.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unet_helpers.evaluation.scores import Counts, Measure, Scores, iou

Floats = NDArray[np.float64]
Estimate = Callable[[Floats], Floats]  # from totals, shape (columns, ...), to shape (...)

# Measured by benchmarks/coverage.py: with fewer groups the intervals still cover, but get too wide
# to be of use, and no simulation stands for what so few groups may hide.
FEWEST_GROUPS = 10
RESAMPLES, FEWEST_RESAMPLES = 2000, 500  # fewer from 100 groups on, where they differ less
BLOCK = 1 << 16  # resamples times groups held at once


@dataclasses.dataclass(frozen=True)
class Interval:
    """A score and the interval that new groups of the same kind may be expected to put it in.

    Attributes
    ----------
    value : float
        The score itself; NaN where it is undefined.
    low, high : float
        The interval; NaN where none is given.
    level : float
        Nominal coverage, such as 0.95.
    groups : int
        Groups in which the measure is defined: the others say nothing about it.
    reason : str
        Why there is no interval; empty where there is one.
    """

    value: float
    low: float
    high: float
    level: float
    groups: int
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"≈ {self.value:.3f} (no interval: {self.reason})"
        return (
            f"≈ {self.value:.3f} ({100 * self.level:g} % interval ≈ {self.low:.3f} to "
            f"≈ {self.high:.3f}, {self.groups} groups)"
        )


def interval(
    scores: Scores | Counts,
    measure: Measure = iou,
    class_id: int = 1,
    level: float = 0.95,
    seed: int = 0,
    over: str = "pooled",
) -> Interval:
    """Bootstrap interval of one class's score over groups of images.

    Whole groups are drawn with replacement, and the score is taken anew. The interval is the
    symmetric bootstrap-t interval [1]_ on the logit scale [2]_: each redrawn score's distance from
    the score is divided by its own standard error (a jackknife over groups), the distances'
    quantile takes the place of Student's t, and no end lies outside 0 to 1.

    Parameters
    ----------
    scores : Scores or Counts
        Of images with their groups; or counts of one class, shape (groups,).
    measure : callable
        `iou`, `dice`, `precision`, `recall`, `specificity` or `accuracy`.
    class_id : int
        The class; not looked at for `Counts`.
    level : float
        Nominal coverage, above 0 and below 1.
    seed : int
        Seed of the draws: the same seed gives the same interval.
    over : {"pooled", "images"}
        The pooled score, or the mean over images (for `Counts`: over groups).

    Returns
    -------
    Interval
        Without ends, and with the reason, for fewer than 10 groups in which the measure is defined,
        and where the groups show too little spread for one.

    Raises
    ------
    ValueError
        If `level` or `over` is not as said.

    Notes
    -----
    In simulation (benchmarks/coverage.py: IoU 0.6 to 0.95, one or several images a group, sizes
    and scores skewed) nominal 95 % intervals cover 94 to 95 % on average over nine populations, for
    any number of groups from 5 up, and 91 to 97 % of each; percentile intervals cover 87 % with 10
    groups. With 5 groups they are twice as wide as with 10, so below 10 none are given.

    No interval knows of failures that the sample lacks. Where a few images in a hundred hold half
    of all wrong pixels (Otsu's threshold on `nuclei`), those of pooled scores of 10 to 30 images
    cover only 71 to 81 %, by any method; of the mean over images, which no single image rules, 89
    to 94 %.

    References
    ----------
    .. [1] Hall (1988), On symmetric bootstrap confidence intervals, Journal of the Royal
       Statistical Society B 50, pages 35-45.
    .. [2] Hall, Martin, Schucany (1989), Better nonparametric bootstrap confidence intervals for
       the correlation coefficient, Journal of Statistical Computation and Simulation 33,
       doi:10.1080/00949658908811194: the same with a jackknife and a transformed scale.

    Examples
    --------
    >>> tp, wrong = np.arange(80, 98), np.arange(9, 27) % 13
    >>> print(interval(Counts(tp, wrong, wrong, 0 * tp)))
    ≈ 0.869 (95 % interval ≈ 0.830 to ≈ 0.900, 18 groups)
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be above 0 and below 1, found {level}: use 0.95 for 95 %")
    counts, measure = by_group(scores, measure, class_id, over)
    counts = counts[~np.isnan(measure(Counts(*counts.T)))]  # the others are 0 in every sum
    value, groups = float(measure(Counts(*counts.sum(axis=0)))), len(counts)
    if groups < FEWEST_GROUPS:
        return Interval(value, math.nan, math.nan, level, groups, too_few(groups))
    values, errors = resample(lambda totals: measure(Counts(*totals)), counts, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        logits, errors = np.log(values / (1 - values)), errors / (values * (1 - values))
        reach = quantile(logits, errors, level) * errors[0]
    if not np.isfinite(reach):
        reason = "most groups score alike, drawing them again shows no spread; test on more groups"
        return Interval(value, math.nan, math.nan, level, groups, reason)
    # The logit turned back, as 1 / (1 + exp(-x)) but without its overflow.
    low, high = ((1 + math.tanh(end / 2)) / 2 for end in (logits[0] - reach, logits[0] + reach))
    return Interval(value, low, high, level, groups)


def too_few(groups: int, training: str = "the training") -> str:
    """Why so few groups give no interval, and what to do instead."""
    return (
        f"{groups} {'group' if groups == 1 else 'groups'}, at least {FEWEST_GROUPS} are needed; "
        f"score more of them, for several seeds tell the luck of {training} only"
    )


def by_group(
    scores: Scores | Counts, measure: Measure, class_id: int, over: str = "pooled"
) -> tuple[Floats, Measure]:
    """Columns that can be added up, shape (groups, 4), and the measure of their sums."""
    if over not in ("pooled", "images"):
        raise ValueError(f'over must be "pooled" or "images", found {over!r}: use one of them')
    if isinstance(scores, Scores):
        counts = scores.counts.of_class(class_id)
        groups = np.asarray(scores.groups)
        if len(groups) != len(scores.names):
            raise ValueError(
                f"scores must name the groups of their {len(scores.names)} images, found "
                f"{len(groups)}: score with score_images(), or give a group for each"
            )
    else:
        counts, groups = scores, np.arange(len(scores.tp))
    columns = np.stack([counts.tp, counts.fp, counts.fn, counts.tn], axis=1).astype(np.float64)
    if over == "images":
        # The mean is a ratio of sums too: of the scores, over how many there are.
        score = measure(counts)
        defined = ~np.isnan(score)
        score = np.where(defined, score, 0.0)
        columns = np.stack([score, defined - score, 0 * score, 0 * score], axis=1)
        measure = iou
    names, rows = np.unique(groups, return_inverse=True)  # sorted: the images' order plays no part
    added = np.zeros((len(names), 4))
    np.add.at(added, rows, columns)
    return added, measure


def resample(estimate: Estimate, counts: Floats, seed: int) -> tuple[Floats, Floats]:
    """Estimates and their jackknife errors: first of the groups as they are, then redrawn.

    Parameters
    ----------
    estimate : callable
        From totals, shape (columns, ...), to estimates, shape (...).
    counts : ndarray of float64, shape (groups, columns)
    seed : int

    Returns
    -------
    values, errors : ndarray of float64, shape (1 + redrawn,)
    """
    groups = len(counts)
    number = max(FEWEST_RESAMPLES, min(RESAMPLES, 100 * RESAMPLES // groups))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), number)
    weights = np.concatenate([np.ones((1, groups)), drawn])
    blocks = np.array_split(weights, 1 + weights.size // BLOCK)
    parts = [_jackknife(estimate, counts.T, block) for block in blocks]
    values, errors = (np.concatenate(part) for part in zip(*parts, strict=True))
    return values, errors


def _jackknife(estimate: Estimate, columns: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Estimates by row of weights, and standard errors from leaving out one group at a time."""
    groups = weights.shape[1]
    totals = columns @ weights.T
    left = np.where(weights > 0, estimate(totals[:, :, None] - columns[:, None]), 0.0)
    mean = (weights * left).sum(axis=1, keepdims=True) / groups
    variance = (weights * (left - mean) ** 2).sum(axis=1) * (groups - 1) / groups
    return estimate(totals), np.sqrt(variance)


def quantile(values: Floats, errors: Floats, level: float) -> float:
    """How many standard errors redrawn values lie from the first one, at most, in `level` of them.

    A redrawn value without an error, or undefined, counts as infinitely far.
    """
    distance = np.abs(values[1:] - values[0]) / errors[1:]
    return float(np.quantile(np.nan_to_num(distance, nan=np.inf), level, method="higher"))

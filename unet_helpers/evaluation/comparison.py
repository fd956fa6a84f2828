"""Is one model better than another? A paired test and an interval, before anybody says so."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from unet_helpers.evaluation.intervals import (
    FEWEST_GROUPS,
    Floats,
    by_group,
    quantile,
    resample,
    too_few,
)
from unet_helpers.evaluation.scores import Counts, Measure, Scores, iou

EXACT_GROUPS = 14  # up to so many, all 2^n exchanges are tried
EXCHANGES = 9999
BLOCK = 1 << 20  # exchanges times groups held at once


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two models' pooled scores on the same images, and what may be said of their difference.

    Attributes
    ----------
    names : tuple of str
        What the two models are called.
    values : tuple of float
        Their pooled scores.
    difference : float
        The first less the second.
    low, high : float
        The difference's interval; NaN where none is given.
    p : float
        The paired permutation test's p-value; NaN with too few groups.
    level : float
        Nominal coverage; a p-value up to ``1 - level`` counts.
    groups : int
        Groups in which the measure is defined for one of the two at least.
    reason : str
        Why nothing can be said; empty otherwise.
    """

    names: tuple[str, str]
    values: tuple[float, float]
    difference: float
    low: float
    high: float
    p: float
    level: float
    groups: int
    reason: str = ""

    @property
    def better(self) -> str | None:
        """Name of the model shown to be better; None where neither is."""
        if self.p <= 1 - self.level and (self.low > 0 or self.high < 0):
            return self.names[0] if self.difference > 0 else self.names[1]
        return None

    @property
    def verdict(self) -> str:
        """One sentence that claims no more than the test and the interval support."""
        first, second = self.names
        if self.reason:
            return f"No verdict on {first} and {second}: {self.reason}."
        if self.better is None:
            return (
                f"Not shown that {first} or {second} is better on these {self.groups} groups: "
                f"{self._numbers()}."
            )
        worse = second if self.better == first else first
        return (
            f"{self.better} is better than {worse} on these {self.groups} groups: "
            f"{self._numbers()}."
        )

    def _numbers(self) -> str:
        given = not math.isnan(self.low)
        ends = f"≈ {self.low:+.3f} to ≈ {self.high:+.3f}" if given else "not given"
        return (
            f"≈ {self.values[0]:.3f} against ≈ {self.values[1]:.3f}, difference "
            f"≈ {self.difference:+.3f} ({100 * self.level:g} % interval {ends}, p ≈ {self.p:.2g})"
        )

    def __str__(self) -> str:
        return self.verdict


def compare(
    a: Scores,
    b: Scores,
    measure: Measure = iou,
    class_id: int = 1,
    names: tuple[str, str] = ("A", "B"),
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare two models' pooled scores on the same images, group by group.

    The difference's interval is a symmetric bootstrap-t interval over groups [1]_, as in
    `interval` but on the plain scale. The test exchanges the two models' counts within groups and
    asks how often the pooled scores then differ at least as much [2]_: over all exchanges up to 14
    groups, else over 9,999 random ones, where p is (r + 1) / (m + 1) [3]_.

    Parameters
    ----------
    a, b : Scores
        Of the same images in the same order, with the same truth.
    measure : callable
        `iou`, `dice` or another measure of `Counts`.
    class_id : int
        The class to compare.
    names : tuple of str
        What the verdict calls the two.
    level : float
        Nominal coverage of the interval; the test's level is what it leaves.
    seed : int
        Seed of the draws.

    Returns
    -------
    Comparison
        Its `verdict` is one sentence; without p and interval for fewer than 10 groups.

    Raises
    ------
    ValueError
        If images, groups, classes or truth differ, or `level` is not above 0 and below 1.

    References
    ----------
    .. [1] Hall (1988), On symmetric bootstrap confidence intervals, Journal of the Royal
       Statistical Society B 50, pages 35-45.
    .. [2] Fisher (1935), The design of experiments, section 21; for scores of whole sets: Yeh
       (2000), More accurate tests for the statistical significance of result differences, COLING,
       doi:10.3115/992730.992783.
    .. [3] Phipson, Smyth (2010), Permutation p-values should never be zero, Statistical
       Applications in Genetics and Molecular Biology 9, doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> from unet_helpers import load, score_images
    >>> samples = load("cells").binary()[::3]
    >>> dark = [sample.image.mean(axis=-1) for sample in samples]
    >>> low, high = (score_images(samples, [d < t for d in dark]) for t in (0.5, 0.6))
    >>> comparison = compare(high, low, names=("below 0.6", "below 0.5"))
    >>> comparison.better, round(comparison.difference, 3)
    ('below 0.5', -0.037)
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be above 0 and below 1, found {level}: use 0.95 for 95 %")
    _check_paired(a, b)
    both = np.stack([by_group(scores, measure, class_id)[0] for scores in (a, b)])
    return compare_counts(both, measure, names, level, seed)


def compare_counts(
    both: Floats,
    measure: Measure = iou,
    names: tuple[str, str] = ("A", "B"),
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """`compare` for the two models' counts of one class, shape (2, groups, 4)."""
    # A group without the class, in truth and in both predictions, is 0 in every sum.
    both = both[:, ~np.isnan(measure(Counts(*np.moveaxis(both, -1, 0)))).all(axis=0)]
    values = [float(value) for value in measure(Counts(*both.sum(axis=1).T))]
    groups, difference = both.shape[1], values[0] - values[1]
    low = high = p = math.nan
    reason = ""
    if groups < FEWEST_GROUPS:
        reason = too_few(groups, "both trainings")
    elif math.isnan(difference):
        reason = "one of them has no score; compare by a measure that is defined for both"
    else:
        low, high = _ends(both, measure, level, seed)
        p = permutation_p(both, measure, seed)
    return Comparison(
        names, (values[0], values[1]), difference, low, high, p, level, groups, reason
    )


def _check_paired(a: Scores, b: Scores) -> None:
    for what, first, second in (
        ("images", a.names, b.names),
        ("groups", a.groups, b.groups),
        ("classes", a.class_names, b.class_names),
    ):
        if tuple(first) != tuple(second):
            pairs = zip(first, second, strict=False)
            odd = [f"{x!r} beside {y!r}" for x, y in pairs if x != y]
            found = odd[0] if odd else f"{len(first)} beside {len(second)}"
            raise ValueError(
                f"b must be scored on the same {what} as a, in the same order, found {found}: "
                "score both models on the same samples"
            )
    differ = (a.counts.tp + a.counts.fn != b.counts.tp + b.counts.fn).any(axis=-1)
    if differ.any():
        raise ValueError(
            f"b must be scored against the same truth as a, found other masks for "
            f"{differ.sum()} images, such as {a.names[int(differ.argmax())]!r}: score both models "
            "on the same samples"
        )


def _ends(both: Floats, measure: Measure, level: float, seed: int) -> tuple[float, float]:
    def difference(totals: Floats) -> Floats:
        return measure(Counts(*totals[:4])) - measure(Counts(*totals[4:]))

    values, errors = resample(difference, np.concatenate(both, axis=1), seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = quantile(values, errors, level) * errors[0]
    if not np.isfinite(reach):
        return math.nan, math.nan
    return float(values[0] - reach), float(values[0] + reach)


def permutation_p(both: Floats, measure: Measure, seed: int) -> float:
    """Two-sided p-value of exchanging two models' counts, shape (2, groups, 4), within groups."""
    groups = both.shape[1]
    observed = abs(_differences(both, measure, np.zeros((1, groups), bool))[0])
    exact = groups <= EXACT_GROUPS
    if exact:
        # The last group stays: exchanging all groups gives the same difference, turned round.
        numbers = np.arange(1 << (groups - 1))
        exchanged = (numbers[:, None] >> np.arange(groups)) & 1 == 1
    else:
        exchanged = np.random.default_rng(seed).random((EXCHANGES, groups)) < 0.5
    blocks = np.array_split(exchanged, 1 + exchanged.size // BLOCK)
    differences = np.concatenate([_differences(both, measure, block) for block in blocks])
    # Ties count as extreme: those that only rounding keeps apart as well. NaN never counts.
    extreme = int(np.sum(np.abs(differences) >= observed * (1 - 1e-12) - 1e-15))
    return extreme / len(exchanged) if exact else (extreme + 1) / (EXCHANGES + 1)


def _differences(both: Floats, measure: Measure, exchanged: NDArray[np.bool_]) -> Floats:
    moved = exchanged.astype(np.float64) @ (both[1] - both[0])
    first, second = both[0].sum(axis=0) + moved, both[1].sum(axis=0) - moved
    return measure(Counts(*first.T)) - measure(Counts(*second.T))

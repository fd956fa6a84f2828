"""Spread over seeds: how much of a score is the luck of one training run."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Spread:
    """Scores of the same training with several seeds, summed up.

    Attributes
    ----------
    values : tuple of float
        One score for each seed.
    seeds : tuple of int
        The seeds, in the same order.
    mean, median, lowest, highest : float
    deviation : float
        Sample standard deviation (divisor n - 1); NaN for one seed.
    low, high : float
        Student's interval for the mean over seeds; NaN for fewer than 3.
    level : float
        Its nominal coverage.
    """

    values: tuple[float, ...]
    seeds: tuple[int, ...]
    mean: float
    median: float
    lowest: float
    highest: float
    deviation: float
    low: float
    high: float
    level: float

    def __str__(self) -> str:
        number = len(self.values)
        if number == 1:
            return (
                f"≈ {self.mean:.3f} with one seed: train with at least two more to see the spread"
            )
        told = (
            f"≈ {self.mean:.3f} on average over {number} seeds, from ≈ {self.lowest:.3f} to "
            f"≈ {self.highest:.3f}, standard deviation ≈ {self.deviation:.3f}"
        )
        if number < 3:
            return f"{told}; with fewer than 3 seeds no interval is given"
        return (
            f"{told}; {100 * self.level:g} % interval of the mean ≈ {self.low:.3f} to "
            f"≈ {self.high:.3f}: for other seeds, not for other images"
        )


def spread(values_by_seed: Mapping[int, float] | Sequence[float], level: float = 0.95) -> Spread:
    r"""Sum up the scores that the same training reached with several seeds.

    The interval of the mean is Student's [1]_, :math:`\bar{x} \pm t_{n-1} s / \sqrt{n}`. It speaks
    of the luck of training (first weights, order of batches) on these very images; how far the
    score may be off on other images is what `interval` says.

    Parameters
    ----------
    values_by_seed : mapping of int to float, or sequence of float
        Scores by seed; a sequence's places stand in for the seeds.
    level : float
        Nominal coverage, above 0 and below 1.

    Returns
    -------
    Spread

    Raises
    ------
    ValueError
        If there is no score, one is not a finite number, or `level` is not as said.

    References
    ----------
    .. [1] Student (1908), The probable error of a mean, Biometrika 6, doi:10.1093/biomet/6.1.1.

    Examples
    --------
    >>> three = spread([0.91, 0.93, 0.92])
    >>> round(three.low, 3), round(three.high, 3)
    (0.895, 0.945)
    """
    if not isinstance(values_by_seed, Mapping):
        values_by_seed = dict(enumerate(values_by_seed))
    values = np.array(list(values_by_seed.values()), np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(
            "values_by_seed must hold one finite score for each seed, found "
            f"{values_by_seed!r}: leave out runs without a score, and say so"
        )
    if not 0 < level < 1:
        raise ValueError(f"level must be above 0 and below 1, found {level}: use 0.95 for 95 %")
    mean, number = float(values.mean()), len(values)
    deviation = float(values.std(ddof=1)) if number > 1 else math.nan
    reach = math.nan
    if number >= 3:
        from scipy.special import stdtrit  # loaded late: SciPy takes its time

        reach = float(stdtrit(number - 1, (1 + level) / 2)) * deviation / math.sqrt(number)
    return Spread(
        tuple(values.tolist()),
        tuple(values_by_seed),
        mean,
        float(np.median(values)),
        float(values.min()),
        float(values.max()),
        deviation,
        mean - reach,
        mean + reach,
        level,
    )

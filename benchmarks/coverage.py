"""What 95 % intervals of a pooled IoU cover, by method and number of groups; and the paired test.

    python benchmarks/coverage.py [--sets 600]

Draws thousands of small test sets from populations whose true score is known: groups of one to
twelve images, sizes and scores skewed and alike within a group. Where UNET_DATA_HOME has them, sets
are also drawn out of real images (Otsu's threshold on `nuclei`). Writes
benchmarks/results/coverage.json and prints tables. Five minutes; not run by the tests, which repeat
a small part of it.
"""

import argparse
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from _results import store
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri, stdtrit

from unet_helpers.data.load import load
from unet_helpers.data.samples import DataError
from unet_helpers.evaluation import comparison, intervals
from unet_helpers.evaluation.scores import Counts, count, iou

NUMBERS = (5, 8, 10, 12, 15, 20, 30, 50, 100)
NOMINAL = 0.95
REDRAWN = 500  # in the contest of methods; the package's own number where it is tested itself
Floats = NDArray[np.float64]
Draw = Callable[[int, np.random.Generator], Floats]
REAL = "nuclei, Otsu"
POOLED, MEAN = "the package", "the package, mean over groups"
LOOKS: dict[str, dict[str, Any]] = {
    "several images a group": {},
    "one image a group": {"single": True},
    "very unequal groups": {"unequal": 1.7, "failures": 0.06},
}


def draw_groups(
    groups: int,
    rng: np.random.Generator,
    typical: float,
    single: bool = False,
    unequal: float = 1.0,
    failures: float = 0.03,
    models: int = 1,
    gain: float = 0.0,
) -> Floats:
    """Counts of new groups, shape (models, groups, 4); larger objects score better.

    A group and an image each shift the score on the logit scale, a few images fail, and areas are
    log-normal. Models differ by noise of their own, and the first by `gain`.
    """
    images = np.ones(groups, int) if single else np.minimum(1 + rng.geometric(0.35, groups), 12)
    of = np.repeat(np.arange(groups), images)
    log_area = unequal * (0.4 * rng.normal(size=groups)[of] + 0.7 * rng.normal(size=len(of)))
    shared = logit(typical) + 0.6 * rng.normal(size=groups)[of] + 0.3 * log_area
    shared = shared - 2 * (rng.random(len(of)) < failures)
    union = np.round(20_000 * np.exp(log_area))
    result = np.zeros((models, groups, 4))
    for model, table in enumerate(result):
        own = 0.5 * rng.normal(size=len(of)) + gain * (model == 0)
        tp = np.round(union * expit(shared + own))
        fp = np.round((union - tp) * rng.beta(4, 4, len(of)))
        for column, values in enumerate((tp, fp, union - tp - fp)):
            table[:, column] = np.bincount(of, values, groups)
    return result


def drawn(typical: float, look: dict[str, Any]) -> Draw:
    """Groups of one population."""
    return lambda groups, rng: draw_groups(groups, rng, typical, **look)[0]


def real_population() -> Floats | None:
    """Counts by image of Otsu's threshold on `nuclei`; None where the set is not at hand."""
    from skimage.filters import threshold_otsu

    try:
        samples = load("nuclei").binary()
        tables = []
        for image, mask, *_ in samples:
            grey = image.mean(axis=-1)
            guess = (grey > threshold_otsu(grey)).astype(np.uint8)
            counts = count(mask, guess, ignore_value=samples.ignore_value).of_class(1)
            tables.append([counts.tp, counts.fp, counts.fn, counts.tn])
    except DataError:
        return None
    return np.array(tables, np.float64)


def truth(groups: Floats) -> tuple[float, float]:
    """Pooled IoU of a population, and its mean over groups."""
    return float(iou(Counts(*groups.sum(axis=0)))), float(np.nanmean(iou(Counts(*groups.T))))


def populations() -> dict[str, tuple[tuple[float, float], Draw]]:
    """True scores and a way to draw groups, by name."""
    result: dict[str, tuple[tuple[float, float], Draw]] = {}
    for typical in (0.6, 0.85, 0.95):
        for name, look in LOOKS.items():
            draw = drawn(typical, look)
            result[f"IoU about {typical}, {name}"] = (
                truth(draw(200_000, np.random.default_rng(0))),
                draw,
            )
    real = real_population()
    if real is not None:

        def pick(groups: int, rng: np.random.Generator) -> Floats:
            return real[rng.integers(len(real), size=groups)]

        result[REAL] = truth(real), pick
    return result


def contest(sets: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    """Intervals by method, shape (2, sets), of test sets' counts, shape (sets, groups, 4)."""
    groups = sets.shape[1]
    above, below = sets[..., 0].T, sets[..., :3].sum(axis=-1).T
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), REDRAWN).astype(float)
    score, scores = above.sum(0) / below.sum(0), (weights @ above) / (weights @ below)
    left_out = (above.sum(0) - above) / (below.sum(0) - below)
    tail = (1 - NOMINAL) / 2
    student = float(stdtrit(groups - 1, 1 - tail))
    wide = float(ndtr(-math.sqrt(groups / (groups - 1)) * student))
    jackknife = np.sqrt((groups - 1) / groups * ((left_out - left_out.mean(0)) ** 2).sum(0))
    slope = score * (1 - score)
    # Errors of every redrawn score by linearisation: z = above - score * below.
    variance = weights @ above**2 - 2 * scores * (weights @ (above * below))
    variance += scores**2 * (weights @ below**2)
    factor = groups / (groups - 1)
    errors = np.sqrt(np.maximum(variance, 0) * factor) / (weights @ below)
    error = np.sqrt(factor * ((above - score * below) ** 2).sum(0)) / below.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = np.nan_to_num((scores - score) / errors, nan=np.inf)
        bent = (logit(scores) - logit(score)) / (errors / (scores * (1 - scores)))
        bent = np.nan_to_num(bent, nan=np.inf)
    low, high = np.quantile(plain, [tail, 1 - tail], axis=0)
    bent_low, bent_high = np.quantile(bent, [tail, 1 - tail], axis=0)
    reach = np.quantile(np.abs(bent), NOMINAL, axis=0)
    side, steps = np.array([[-1.0], [1.0]]), error / slope
    return {
        "percentile": np.quantile(scores, [tail, 1 - tail], axis=0),
        "expanded percentile": np.quantile(scores, [wide, 1 - wide], axis=0),
        "BCa": bca(score, scores, left_out),
        "Student, jackknife": score + side * student * jackknife,
        "Student, jackknife, logit": expit(logit(score) + side * student * jackknife / slope),
        "bootstrap-t": np.stack([score - high * error, score - low * error]),
        "bootstrap-t, logit": expit(logit(score) - np.stack([bent_high, bent_low]) * steps),
        "symmetric bootstrap-t, logit": expit(logit(score) + side * reach * steps),
    }


def bca(score: Floats, scores: Floats, left_out: Floats) -> Floats:
    """Bias-corrected and accelerated percentiles."""
    ordered, columns = np.sort(scores, axis=0), np.arange(scores.shape[1])
    influence = left_out.mean(0) - left_out
    bent = (influence**3).sum(0) / (6 * (influence**2).sum(0) ** 1.5)
    share = ((scores < score).mean(0) + (scores <= score).mean(0)) / 2
    bias = ndtri(np.clip(share, 1 / REDRAWN, 1 - 1 / REDRAWN))
    ends = []
    for z in ndtri([(1 - NOMINAL) / 2, (1 + NOMINAL) / 2]):
        level = ndtr(bias + (bias + z) / (1 - bent * (bias + z)))
        ends.append(ordered[np.round(level * (REDRAWN - 1)).astype(int), columns])
    return np.stack(ends)


def ours(sets: Floats, over: str = "pooled") -> Floats:
    """The package's own intervals, shape (2, sets)."""
    found = [intervals.interval(Counts(*counts.T), over=over) for counts in sets]
    return np.array([(one.low, one.high) for one in found]).T


def covered(ends: Floats, true: float) -> tuple[float, float, float]:
    """Share of given intervals that hold the true score, their median width, share not given."""
    low, high = ends[:, ~np.isnan(ends[0])]
    return (
        float(np.mean((low <= true) & (true <= high))),
        float(np.median(high - low)),
        float(np.isnan(ends[0]).mean()),
    )


def measure_coverage(sets: int, own: int) -> list[dict]:
    """One row for each population, number of groups and method."""
    rng, rows = np.random.default_rng(0), []
    for name, (true, draw) in populations().items():
        print(name, file=sys.stderr, flush=True)
        for groups in NUMBERS:
            tables = draw(sets * groups, rng).reshape(sets, groups, 4)
            found = {
                **contest(tables, rng),
                POOLED: ours(tables[:own]),
                MEAN: ours(tables[:own], "images"),
            }
            for method, ends in found.items():
                share, width, missing = covered(ends, true[method == MEAN])
                rows.append(
                    {
                        "population": name,
                        "true": true[method == MEAN],
                        "groups": groups,
                        "method": method,
                        "sets": ends.shape[1],
                        "coverage": share,
                        "width": width,
                        "not_given": missing,
                    }
                )
    return rows


def measure_test(sets: int) -> list[dict]:
    """The paired test where both models are alike, and where one gains 0.2 on the logit scale."""
    rng, rows = np.random.default_rng(0), []
    for typical in (0.6, 0.85, 0.95):
        for gain in (0.0, 0.2):
            many = draw_groups(200_000, rng, typical, models=2, gain=gain).sum(axis=1)
            values = iou(Counts(*many.T))
            true = float(values[0] - values[1]) if gain else 0.0
            for groups in (10, 12, 14, 15, 20, 30, 50):
                found = [
                    comparison.compare_counts(
                        draw_groups(groups, rng, typical, models=2, gain=gain)
                    )
                    for _ in range(sets)
                ]
                rows.append(
                    {
                        "typical": typical,
                        "difference": true,
                        "groups": groups,
                        "sets": sets,
                        "p_up_to_0.05": float(np.mean([c.p <= 0.05 for c in found])),
                        "called_better": float(np.mean([c.better is not None for c in found])),
                        "coverage": float(np.mean([c.low <= true <= c.high for c in found])),
                    }
                )
    return rows


def coverage_table(rows: list[dict]) -> list[str]:
    """Lowest, mean and highest coverage over the rows' populations, and mean width."""
    names = {row["population"] for row in rows}
    lines = [
        "",
        f"coverage of nominal 95 % intervals in % over {len(names)} populations (lowest / mean / "
        "highest); mean width",
        "",
        "| method | " + " | ".join(f"{n} groups" for n in NUMBERS) + " |",
        "|---|" + "---|" * len(NUMBERS),
    ]
    for method in dict.fromkeys(row["method"] for row in rows):
        cells = []
        for groups in NUMBERS:
            chosen = [r for r in rows if (r["method"], r["groups"]) == (method, groups)]
            shares = [100 * row["coverage"] for row in chosen]
            width = np.mean([row["width"] for row in chosen])
            cells.append(
                f"{min(shares):.1f} / {np.mean(shares):.1f} / {max(shares):.1f}; {width:.3f}"
            )
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return lines


def tables(result: dict) -> str:
    """Markdown: simulated populations, real images, and the paired test."""
    rows, lines = result["coverage"], []
    for real in (False, True):
        chosen = [row for row in rows if (row["population"] == REAL) == real]
        lines += coverage_table(chosen) if chosen else []
    lines += ["", "| " + " | ".join(result["test"][0]) + " |", "|---|" + "---|" * 6]
    lines += [
        "| " + " | ".join(f"{value:.3g}" for value in row.values()) + " |" for row in result["test"]
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=600, help="test sets for each cell")
    sets = parser.parse_args().sets
    intervals.FEWEST_GROUPS = min(NUMBERS)  # to see what happens below
    result = {
        "nominal": NOMINAL,
        "coverage": measure_coverage(sets, max(sets // 4, 2)),
        "test": measure_test(max(sets // 4, 2)),
    }
    store("coverage", result)
    print(tables(result))


if __name__ == "__main__":
    main()

"""The ISBI-2012 scores of membrane segmentation: V_rand, V_info, pixel error and Rand error.

What counts there is not each pixel but whether cells are kept apart: a gap of one pixel in a
membrane merges two cells, and a line drawn two pixels off harms nobody.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unet_helpers.evaluation.binary import binary_mask
from unet_helpers.evaluation.objects import label_objects
from unet_helpers.evaluation.segments import (
    information_scores,
    joint,
    pair_sums,
    rand_scores,
    thin,
)

# 0, 0.1, ..., 1 as the challenge's program adds them up in double precision: the last one stays a
# hair below 1, so that an interior of exactly 1 is still above it.
ISBI_THRESHOLDS: tuple[float, ...] = tuple(np.add.accumulate([0.0] + [0.1] * 10).tolist())


@dataclasses.dataclass(frozen=True)
class IsbiScores:
    """ISBI-2012 scores over all thresholds, and the best of each as the challenge takes them.

    Attributes
    ----------
    thresholds : ndarray of float64, shape (thresholds,)
        Cuts of the interior's probability.
    rand : ndarray of float64, shape (slices, thresholds, 3)
        V_rand's precision, recall and F after thinning; NaN in a slice whose truth has no interior.
    information : ndarray of float64, shape (slices, thresholds, 3)
        V_info's precision, recall and F after thinning; NaN where the truth is one cell or none.
    pairs : ndarray of int64, shape (slices, thresholds, 3)
        Pairs of pixels before thinning: in one segment of both, of the truth, of the proposal.
    pixel_errors : ndarray of float64, shape (slices, thresholds)
        Share of pixels on the wrong side.
    """

    thresholds: NDArray[np.float64]
    rand: NDArray[np.float64]
    information: NDArray[np.float64]
    pairs: NDArray[np.int64]
    pixel_errors: NDArray[np.float64]

    @property
    def v_rand(self) -> float:
        """V_rand, 0 to 1: the mean of F over slices, at the threshold where it is largest."""
        return self._best(self.rand)[2]

    @property
    def v_rand_precision(self) -> float:
        """Mean over slices of the precision at V_rand's threshold: low where cells are merged."""
        return self._best(self.rand)[0]

    @property
    def v_rand_recall(self) -> float:
        """Mean over slices of the recall at V_rand's threshold: low where cells are split."""
        return self._best(self.rand)[1]

    @property
    def v_rand_threshold(self) -> float:
        """The threshold of V_rand."""
        return self._best(self.rand)[3]

    @property
    def v_info(self) -> float:
        """V_info, 0 to 1: the mean of F over slices, at the threshold where it is largest."""
        return self._best(self.information)[2]

    @property
    def v_info_threshold(self) -> float:
        """The threshold of V_info."""
        return self._best(self.information)[3]

    @property
    def pixel_error(self) -> float:
        """The mean over slices of the share of wrong pixels, at its best threshold."""
        return float(self.pixel_errors.mean(axis=0).min())

    @property
    def pixel_error_threshold(self) -> float:
        """The threshold of the pixel error."""
        return float(self.thresholds[self.pixel_errors.mean(axis=0).argmin()])

    @property
    def rand_error(self) -> float:
        """1 - F of the Rand index before thinning, pairs added over slices, at its best."""
        return float(self._rand_errors().min())

    @property
    def rand_error_threshold(self) -> float:
        """The threshold of the Rand error."""
        errors = self._rand_errors()
        return float(self.thresholds[errors.argmin()]) if errors.min() <= 1 else float("nan")

    @property
    def undefined(self) -> tuple[int, int]:
        """How many slices V_rand and V_info leave out of their means."""
        counts = [int(np.isnan(part[:, 0, 2]).sum()) for part in (self.rand, self.information)]
        return counts[0], counts[1]

    def _rand_errors(self) -> NDArray[np.float64]:
        return 1 - rand_scores(self.pairs.sum(axis=0))[:, 2]

    def _best(self, scores: NDArray[np.float64]) -> tuple[float, float, float, float]:
        """Means over slices of precision, recall and F where F is largest, and the threshold."""
        defined = scores[~np.isnan(scores[:, 0, 2])]
        if not len(defined):
            return (float("nan"),) * 4
        means = defined.mean(axis=0)
        best = int(means[:, 2].argmax())
        precision, recall, f_score = means[best].tolist()
        return precision, recall, f_score, float(self.thresholds[best])

    def table(self) -> str:
        """Plain-text table of the four scores, each with the threshold it was reached at."""
        rows = {
            "V_rand": (self.v_rand, self.v_rand_threshold),
            "V_info": (self.v_info, self.v_info_threshold),
            "pixel error": (self.pixel_error, self.pixel_error_threshold),
            "Rand error": (self.rand_error, self.rand_error_threshold),
        }
        lines = [f"{'ISBI-2012':<14}{'best':>10}{'at threshold':>14}"]
        lines += [f"{n:<14}{f'≈ {v:.4f}':>10}{f'≈ {t:.1f}':>14}" for n, (v, t) in rows.items()]
        rand, information = self.undefined
        lines.append(f"slices left out, as undefined: {rand} of V_rand, {information} of V_info")
        return "\n".join(lines)


def isbi_scores(
    truths: Iterable[ArrayLike],
    probabilities: Iterable[ArrayLike],
    thresholds: Sequence[float] = ISBI_THRESHOLDS,
    connectivity: int = 4,
) -> IsbiScores:
    r"""Score membranes as the ISBI-2012 challenge did, slice by slice [1]_.

    The truth's 4-connected pieces of interior are its cells. The proposal's interior, cut at
    :math:`t`, grows by a watershed until lines of one pixel are left between its pieces. Pixels on
    a true membrane are dropped; of the :math:`n` others, :math:`n_{ij}` lie in cell :math:`i` and
    piece :math:`j`, :math:`a_i` in cell :math:`i`, :math:`b_j` in piece :math:`j`, and :math:`Q` on
    the lines, each of them a piece of its own:

    .. math:: P = \frac{\sum n_{ij}^2 + Q}{\sum b_j^2 + Q},
              R = \frac{\sum n_{ij}^2 + Q}{\sum a_i^2},
              V_{rand} = \frac{2 P R}{P + R}

    V_info is the same F of :math:`P = I / H(S)` and :math:`R = I / H(T)`, with the entropies of the
    cells :math:`T` and the pieces :math:`S` and the information :math:`I` they share. The pixel
    error is the share of pixels on the wrong side of the cut; the Rand error is :math:`1 - F` of
    the pairs before the watershed, with the proposal's membrane in the place of the lines.

    Parameters
    ----------
    truths : iterable of array_like of bool or int, each (height, width)
        Masks with **1 for membrane** and 0 for interior, as in the set `membranes`.
    probabilities : iterable of array_like of float, int or bool, each (height, width)
        Probability of **membrane**, 0 to 1, or masks of it. The challenge's own files have it the
        other way round, membrane 0 and interior 1 or 255: give ``1 - image``, or ``image == 0``.
    thresholds : sequence of float
        Cuts of the interior's probability, which is 1 minus the membrane's: above is interior.
    connectivity : int
        4 as in the challenge; 8 to see how much it matters for the proposal's pieces.

    Returns
    -------
    IsbiScores
        Each score at its best threshold, and all values behind them.

    Raises
    ------
    ValueError
        If there is no slice, the numbers or shapes differ, a truth holds another value than 0 and
        1, a probability is outside 0 to 1, or there are no thresholds in rising order.

    Notes
    -----
    The best threshold is chosen on the very slices it is scored on. That is the challenge's own
    procedure and flatters the score: for a fair number choose it on validation slices, and give
    only that one as `thresholds`.

    The formulas are those of the challenge's program (package ``trainableSegmentation.metrics`` of
    Fiji, read in its version of 2022). There the Rand error adds the pairs of all slices and
    V_rand is the mean of the slices' F; precision and recall are here means over slices too. Two
    things differ. The watershed is scikit-image's, where the program floods after Vincent and
    Soille (1991) with the same four neighbours: both let all pieces grow by one step at a time, and
    differ only where a line could as well run one pixel further. On a noisy prediction of a real
    slice, and on its Otsu mask, that changed V_rand and V_info by at most 0.0003; growing with
    eight neighbours (``connectivity=8``) moved the best V_rand of two such slices by 0.0015. And
    a slice whose truth has no cell, or for V_info only one, is undefined: there it makes the mean
    of all slices undefined, here it is left out and told.

    ``1 - skimage.metrics.adapted_rand_error`` is another score: it does not thin, takes the
    proposal's lines as one segment, leaves each pixel's pair with itself out, and names precision
    and recall the other way round.

    References
    ----------
    .. [1] Arganda-Carreras et al. (2015), Crowdsourcing the creation of image segmentation
       algorithms for connectomics, Front. Neuroanat. 9:142, doi:10.3389/fnana.2015.00142.

    Examples
    --------
    >>> truth = np.zeros((9, 9), int)
    >>> truth[:, 4] = 1  # one membrane between two cells
    >>> gap = truth.copy()
    >>> gap[4, 4] = 0
    >>> isbi_scores([truth], [truth]).v_rand
    1.0
    >>> scores = isbi_scores([truth], [gap])
    >>> round(scores.v_rand, 3), round(scores.pixel_error, 3)  # one pixel merges two cells
    (0.667, 0.012)
    """
    cuts = np.asarray(thresholds, np.float64)
    ordered = cuts.ndim == 1 and cuts.size and (np.diff(cuts) > 0).all()
    if not ordered or cuts[0] < 0 or cuts[-1] > 1:
        raise ValueError(
            f"thresholds must be numbers from 0 to 1 in rising order, found {thresholds}: give at "
            "least one, sorted"
        )
    rows = [
        _score_slice(truth, interior, cuts, connectivity)
        for truth, interior in _paired(truths, probabilities)
    ]
    if not rows:
        raise ValueError("truths must hold at least one slice, found none: check the split")
    return IsbiScores(cuts, *(np.stack(parts) for parts in zip(*rows, strict=True)))


def _paired(
    truths: Iterable[ArrayLike], probabilities: Iterable[ArrayLike]
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """Each true interior with the proposal's probability of interior, checked."""
    for truth, guess in zip_longest(truths, probabilities):
        if truth is None or guess is None:
            more, fewer = ("truths", "maps") if guess is None else ("maps", "truths")
            raise ValueError(
                f"probabilities must hold one map for each truth, found more {more} than {fewer}: "
                "predict every slice once"
            )
        true = binary_mask(truth, "truth") == 0
        membrane = np.asarray(guess, np.float64)
        if membrane.shape != true.shape:
            raise ValueError(
                f"probability must have the truth's shape {true.shape}, found {membrane.shape}: "
                "give each slice as (height, width)"
            )
        if not ((membrane >= 0) & (membrane <= 1)).all():
            raise ValueError(
                f"probability must lie from 0 to 1, found {membrane.min():g} to "
                f"{membrane.max():g}: give the membrane's probability, or its mask as 0 and 1"
            )
        yield true, 1 - membrane


def _score_slice(
    truth: NDArray[np.bool_],
    interior: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    connectivity: int,
) -> list[NDArray[np.generic]]:
    """Rand scores, information scores, pairs and pixel errors of one slice at every threshold."""
    cells = label_objects(truth)
    rows: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], float]] = []
    before = None
    for threshold in thresholds:
        proposal = interior > threshold
        # A mask is the same at every threshold: one watershed does for all.
        if before is None or not np.array_equal(proposal, before):
            thinned = joint(cells, thin(proposal, connectivity))
            plain = joint(cells, label_objects(proposal, connectivity))
            row = (
                rand_scores(pair_sums(thinned)),
                information_scores(thinned),
                pair_sums(plain),
                float(np.mean(proposal != truth)),
            )
        rows.append(row)
        before = proposal
    return [np.array(part) for part in zip(*rows, strict=True)]

"""Calibration: of the pixels said to be foreground with probability 0.8, are 80 % foreground?"""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unet_helpers.data.samples import Samples

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)  # arrays do not compare as a whole
class Reliability:
    """Said against seen, by bins of the probability: what a reliability diagram draws.

    Attributes
    ----------
    edges : ndarray of float64, shape (bins + 1,)
        Bin i holds probabilities above ``edges[i]`` and up to ``edges[i + 1]``; the first
        holds 0 too.
    counts : ndarray of int64, shape (bins,)
        Labelled pixels in each bin.
    confidence, frequency : ndarray of float64, shape (bins,)
        Mean probability, and share of pixels where it came true; NaN in an empty bin.
    ece, mce : float
        Expected and maximum calibration error, 0 to 1.
    brier : float
        Mean squared difference of probability and truth, 0 to 1.
    what : str
        Whose probability it is, in words.
    """

    edges: Floats
    counts: NDArray[np.int64]
    confidence: Floats
    frequency: Floats
    ece: float
    mce: float
    brier: float
    what: str

    def __str__(self) -> str:
        return (
            f"probability of {self.what}, {self.counts.sum():,} pixels in {len(self.counts)} bins: "
            f"expected calibration error ≈ {self.ece:.3f}, largest ≈ {self.mce:.3f}, Brier score "
            f"≈ {self.brier:.3f}"
        )


def reliability(
    samples: Samples,
    probabilities: Iterable[ArrayLike],
    bins: int = 15,
    class_id: int | None = None,
) -> Reliability:
    r"""Compare predicted probabilities with how often they come true, over all labelled pixels.

    The pixels are put into bins of equal width by their probability :math:`p`; the expected
    calibration error [1]_ [2]_ is :math:`\sum_b \frac{n_b}{n} |\bar{o}_b - \bar{p}_b|`, where
    :math:`o` is 1 where it came true and 0 elsewhere, and the maximum calibration error the
    largest of the differences. The Brier score [3]_ is the mean of :math:`(p - o)^2`.

    Parameters
    ----------
    samples : Samples
        The labelled images; pixels with the ignore value do not count.
    probabilities : iterable of array_like of float, each (height, width, outputs)
        As `predict` gives them, one for each sample in the same order; taken one at a time. One
        output may come without its axis.
    bins : int
        Number of bins.
    class_id : int, optional
        The class whose probability is looked at. By default the foreground's where there is one
        output, and the likeliest class's where there are several (it comes true where the
        likeliest class is the true one).

    Returns
    -------
    Reliability
        Arrays by bin for the diagram, and the errors.

    Raises
    ------
    ValueError
        If `bins` is below 1, the class is not there, or something is not probabilities of the
        samples, in number, shape or value.

    References
    ----------
    .. [1] Naeini, Cooper, Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian
       binning, AAAI 29, doi:10.1609/aaai.v29i1.9602: for the probability of one class.
    .. [2] Guo, Pleiss, Sun, Weinberger (2017), On calibration of modern neural networks, ICML,
       arXiv:1706.04599, equations 3 and 5: for the likeliest class.
    .. [3] Brier (1950), Verification of forecasts expressed in terms of probability, Monthly
       Weather Review 78, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2; here half of it
       where there is one output, as is usual.

    Examples
    --------
    >>> from unet_helpers import load
    >>> samples = load("cells")[:2].binary()
    >>> unsure = reliability(samples, [0.1 + 0.8 * sample.mask for sample in samples])
    >>> round(unsure.ece, 6), round(unsure.brier, 6)
    (0.1, 0.01)
    """
    if bins < 1:
        raise ValueError(f"bins must be a number from 1 up, found {bins}: 10 or 15 are usual")
    if class_id is not None and not 0 <= class_id < samples.num_classes:
        raise ValueError(
            f"class_id must be one of 0 to {samples.num_classes - 1}, found {class_id}: count the "
            "classes from the background, 0"
        )
    edges = np.linspace(0, 1, bins + 1)
    totals, squares, outputs = np.zeros((3, bins)), 0.0, 1
    for truth, values in labelled_pixels(samples, probabilities):
        outputs = values.shape[1]
        said, true = _said(truth, values, class_id)
        place = np.searchsorted(edges[1:-1], said, side="left")
        totals += [np.bincount(place, weight, bins) for weight in (None, said, true)]
        squares += float(np.sum((said - true) ** 2))
    likeliest = class_id is None and outputs > 1
    what = "the likeliest class" if likeliest else samples.class_names[_one(class_id)]
    return _summary(edges, totals, squares, what)


def _one(class_id: int | None) -> int:
    return 1 if class_id is None else class_id


def _said(
    truth: NDArray[np.uint8], values: NDArray[Any], class_id: int | None
) -> tuple[Floats, NDArray[np.bool_]]:
    """What was said of each pixel, and whether it is true."""
    if class_id is None and values.shape[1] > 1:
        return values.max(axis=1).astype(np.float64), values.argmax(axis=1) == truth
    wanted = _one(class_id)
    if values.shape[1] > 1:
        return values[:, wanted].astype(np.float64), truth == wanted
    foreground = values[:, 0].astype(np.float64)
    return (foreground if wanted else 1 - foreground), truth == wanted


def _summary(edges: Floats, totals: Floats, squares: float, what: str) -> Reliability:
    counts, said, true = totals
    pixels = counts.sum()
    confidence, frequency = np.full((2, len(counts)), np.nan)
    np.divide(said, counts, out=confidence, where=counts > 0)
    np.divide(true, counts, out=frequency, where=counts > 0)
    gaps = np.abs(frequency - confidence)[counts > 0]
    ece, mce, brier = (
        (float(gaps @ counts[counts > 0] / pixels), float(gaps.max()), squares / float(pixels))
        if pixels
        else (math.nan, math.nan, math.nan)
    )
    whole = counts.astype(np.int64)
    return Reliability(edges, whole, confidence, frequency, ece, mce, brier, what)


def labelled_pixels(
    samples: Samples, probabilities: Iterable[ArrayLike]
) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any]]]:
    """Each image's labelled pixels: truth, shape (pixels,), and probabilities (pixels, outputs).

    One image at a time is held. Whatever is not probabilities of these samples is refused.
    """
    given = 0
    for given, values in enumerate(probabilities, 1):
        if given > len(samples):
            break
        mask = samples.arrays(given - 1).mask
        pixels = _checked(samples, given - 1, mask, np.asarray(values))
        labelled = mask != samples.ignore_value if samples.ignore_value is not None else ...
        yield mask[labelled].ravel(), pixels[labelled].reshape(-1, pixels.shape[-1])
    if given != len(samples):
        raise ValueError(
            f"probabilities must hold one array for each of the {len(samples)} samples, found "
            f"{'more' if given > len(samples) else given}: predict every sample once"
        )


def _checked(
    samples: Samples, index: int, mask: NDArray[np.uint8], values: NDArray[Any]
) -> NDArray[Any]:
    name = samples.names[index]
    if values.ndim == 2:
        values = values[..., None]
    outputs = values.shape[-1] if values.ndim == 3 else 0
    if values.shape[:2] != mask.shape or outputs not in (1, samples.num_classes):
        raise ValueError(
            f"probabilities of {name} must have the shape {mask.shape} of its mask and 1 or "
            f"{samples.num_classes} outputs, found {values.shape}: give what predict() returns"
        )
    if outputs == 1 and samples.num_classes != 2:
        raise ValueError(
            f"probabilities of {name} with one output need samples of two classes, found "
            f"{samples.num_classes}: give samples.binary()"
        )
    if values.dtype.kind != "f" or not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"probabilities of {name} must be floats from 0 to 1, found {values.dtype} from "
            f"{values.min()} to {values.max()}: give probabilities, not masks or logits"
        )
    if outputs > 1 and np.abs(values.sum(axis=-1) - 1).max() > 0.01:
        raise ValueError(
            f"probabilities of {name} must add up to 1 over the outputs, found other sums: end the "
            "model with softmax"
        )
    return values

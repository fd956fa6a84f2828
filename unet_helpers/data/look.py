"""What images look like in a few numbers, and whether another image is of that kind."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unet_helpers.data.samples import Samples, to_float

MOST = 64
# How far beyond the training images' range is still like them: in ranges, and at least so much.
SLACK = 0.5
LEAST = {
    "brightness": 0.6,
    "contrast": 0.8,
    "detail": 0.6,
    "colour": 0.05,
    "tint": 0.05,
    "lean": 0.3,
}
AS_FACTORS = ("brightness", "contrast", "detail")  # compared by how many times they double
TOLD = {
    "brightness": "mean brightness",
    "contrast": "contrast (standard deviation)",
    "detail": "change from pixel to pixel, of its contrast",
    "colour": "distance of its channels",
    "tint": "first channel less the last",
    "lean": "balance (above 0 bright things on dark, below 0 dark ones on bright)",
}


def look(image: ArrayLike) -> dict[str, float]:
    """Describe one image by six numbers.

    Parameters
    ----------
    image : array_like of float, shape (height, width, channels)
        Scaled to 0 to 1.

    Returns
    -------
    dict
        ``brightness``, its mean; ``contrast``, its standard deviation; ``detail``, the mean change
        from pixel to pixel over the contrast, high for noise and low for blur; ``colour``, the mean
        distance of the brightest from the darkest channel; ``tint``, that of the first from the
        last, red less blue; ``lean``, mean less median over the contrast, positive for bright
        things on a dark ground.

    Examples
    --------
    >>> spots = np.zeros((8, 8, 1))
    >>> spots[2:4, 2:4] = 1
    >>> {name: round(value, 2) for name, value in look(spots).items()}
    {'brightness': 0.06, 'contrast': 0.24, 'detail': 0.3, 'colour': 0.0, 'tint': 0.0, 'lean': 0.26}
    """
    pixels = np.asarray(image, np.float32)
    grey = pixels.mean(axis=-1)
    contrast = float(grey.std())
    steps = [np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1) if grey.shape[axis] > 1]
    unit = max(contrast, 1e-6)
    return {
        "brightness": float(grey.mean()),
        "contrast": contrast,
        "detail": float(np.mean(steps or [0.0])) / unit,
        "colour": float((pixels.max(axis=-1) - pixels.min(axis=-1)).mean()),
        "tint": float((pixels[..., 0] - pixels[..., -1]).mean()),
        "lean": float(grey.mean() - np.median(grey)) / unit,
    }


def looks(samples: Samples) -> dict[str, list[float]]:
    """The range of each number over a set's images; of many, over 64 spread through the set.

    Parameters
    ----------
    samples : Samples

    Returns
    -------
    dict
        By number: least, median and greatest.

    Examples
    --------
    >>> from unet_helpers import load
    >>> [round(value, 2) for value in looks(load("cells")[:6])["brightness"]]
    [0.62, 0.69, 0.78]
    """
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(MOST, len(samples))).astype(int))
    found = [look(to_float(samples.arrays(int(i)).image)) for i in chosen]
    return {name: _range(one[name] for one in found) for name in found[0]}


def _range(values: Iterable[float]) -> list[float]:
    sorted_values: NDArray[np.float64] = np.array(list(values))
    ends = (sorted_values.min(), np.median(sorted_values), sorted_values.max())
    return [round(float(value), 4) for value in ends]


def unlike(known: Mapping[str, Any], image: ArrayLike) -> list[str]:
    """In what an image is unlike those of a set.

    An alarm is a reason to look, no proof: a model may cope. Silence is no proof either: another
    magnification, say, need not show in these numbers.

    Parameters
    ----------
    known : mapping
        What `looks` has found in the training images.
    image : array_like of float, shape (height, width, channels)

    Returns
    -------
    list of str
        Evidence, the most unlike first; empty if it looks like them.

    Examples
    --------
    >>> from unet_helpers import load
    >>> cells = load("cells")
    >>> known = looks(cells[:20])
    >>> unlike(known, cells[25].image), len(unlike(known, 1 - cells[25].image)) > 0
    ([], True)
    """
    found = []
    for name, value in look(image).items():
        low, middle, high = known[name]
        beyond = _beyond(name, value, low, high)
        if beyond > 1:
            told = f"{TOLD[name]} {value:.2f}, there {low:.2f} to {high:.2f} (median {middle:.2f})"
            found.append((beyond, told))
    return [told for _, told in sorted(found, reverse=True)]


def _beyond(name: str, value: float, low: float, high: float) -> float:
    """How far a value lies outside a range, in slacks: above 1 is too far."""
    if name in AS_FACTORS:
        value, low, high = (float(np.log2(max(number, 1e-4))) for number in (value, low, high))
    return max(low - value, value - high) / max(SLACK * (high - low), LEAST[name])

"""A small model of a set's labels: what class is a pixel, judged by its surroundings alone?

Ridge regression on local features, with random rectified products for what is not linear (extreme
learning machine: Huang, Zhu and Siew 2006, Neurocomputing 70:489-501,
doi:10.1016/j.neucom.2005.12.126). It knows no positions, so a mask that was moved stands out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unet_helpers.data.doctor.glimpses import Glimpse

Floats = NDArray[np.float32]

HIDDEN = 64
_SCALES = (1.0, 2.0, 4.0)  # small pixels
_SAMPLED_PAIRS, _SAMPLED_PIXELS = 240, 120_000
_FOLDS, _ROUNDS = 4, 3
_UNTHREADED = 250_000  # multiplications up to which OpenBLAS starts no threads


def features(images: NDArray[np.uint8]) -> Floats:
    """Describe each pixel of a stack of small images.

    Parameters
    ----------
    images : ndarray of uint8, shape (images, channels, height, width)

    Returns
    -------
    ndarray of float32, shape (features, images, height, width)
        Colours, their means over three scales, spread, steepness and contrast to the
        surroundings.
    """
    planes = images.astype(np.float32) / np.float32(255)
    level = np.median(planes, axis=(2, 3), keepdims=True)
    found = [*(planes - level).swapaxes(0, 1)] if planes.shape[1] > 1 else []
    smooth = [_smooth(planes, scale) for scale in _SCALES]
    found += [plane[:, c] for plane in (planes, *smooth) for c in range(plane.shape[1])]
    grey = planes.mean(axis=1)
    greys = [s.mean(axis=1) for s in smooth]
    for scale, mean in ((2.0, greys[1]), (4.0, greys[2])):
        found.append(np.sqrt(_smooth((grey - mean) ** 2, scale)))
    for plane in greys[:2]:
        found.append(np.hypot(*np.gradient(plane, axis=(1, 2))))
    found.append((greys[0] - greys[2]) / (found[-3] + np.float32(0.02)))
    return np.stack(found)


def _smooth(stack: Floats, scale: float) -> Floats:
    sigma = (0,) * (stack.ndim - 2) + (scale, scale)
    return ndimage.gaussian_filter(stack, sigma, mode="reflect", truncate=2.5)


class PixelModel:
    """Ridge regression from features to shares of classes, fitted crosswise.

    A pair is predicted by a model that has not seen it: pairs are dealt into folds, and each fold
    has the model that was fitted to the others.

    Parameters
    ----------
    glimpses : sequence of Glimpse
        The set; up to 240 of its pairs are used, and those that disagree most with all others
        are left out again.
    chosen : sequence of int
        The indices of the pairs to use.
    """

    def __init__(self, glimpses: Sequence[Glimpse], chosen: Sequence[int]) -> None:
        self.channels = max(len(glimpses[i].image) for i in chosen)
        rng = np.random.default_rng(0)
        self.sampled = sampled(chosen, _SAMPLED_PAIRS)
        each = _SAMPLED_PIXELS // max(len(self.sampled), 60)
        drawn = [_draw(self.described([glimpses[i]]), glimpses[i], each, rng) for i in self.sampled]
        pixels = np.concatenate([x for x, _ in drawn], axis=1)
        self.mean = pixels.mean(axis=1, keepdims=True)
        self.scale = pixels.std(axis=1, keepdims=True) + np.float32(1e-4)
        count = len(pixels)
        weights = rng.normal(size=(HIDDEN, count)) * 1.5 / np.sqrt(count)
        self.weights = weights.astype(np.float32)
        self.bias = rng.normal(size=(HIDDEN, 1)).astype(np.float32)
        self._fit([(self._expand(x), y) for x, y in drawn])

    def described(self, glimpses: Sequence[Glimpse]) -> Floats:
        """Features of glimpses of one size; grey ones among coloured ones count as colour."""
        return features(np.stack([with_channels(g.image, self.channels) for g in glimpses]))

    def predict(self, glimpses: Sequence[Glimpse], indices: Sequence[int]) -> Floats:
        """Predict the class maps of glimpses of one size.

        Parameters
        ----------
        glimpses : sequence of Glimpse
            The set.
        indices : sequence of int
            The pairs to predict.

        Returns
        -------
        ndarray of float32, shape (pairs, classes, height, width)
        """
        described = self.described([glimpses[i] for i in indices])
        shape = described.shape[2:]
        maps = [
            _product(
                self.models[i % _FOLDS], self._expand(described[:, n].reshape(len(described), -1))
            )
            for n, i in enumerate(indices)
        ]
        return np.stack(maps).reshape(len(indices), -1, *shape)

    def _expand(self, pixels: Floats) -> Floats:
        """From (features, pixels) to (inputs of the regression, pixels)."""
        scaled = np.clip((pixels - self.mean) / self.scale, -5, 5)
        hidden = np.maximum(_product(self.weights, scaled) + self.bias, 0)
        return np.concatenate([np.ones((1, scaled.shape[1]), np.float32), scaled, hidden])

    def _fit(self, drawn: Sequence[tuple[Floats, Floats]]) -> None:
        """Fit, leave out what does not fit, and fit again: a fifth of the pairs may be faulty."""
        sums = [(_gram(x, x), _gram(x, y)) for x, y in drawn]
        kept = np.ones(len(drawn), bool)
        for _ in range(_ROUNDS):
            self.models = [_solve(*self._outside(fold, sums, kept)) for fold in range(_FOLDS)]
            predicted = [
                _product(self.models[index % _FOLDS], x)
                for (x, _), index in zip(drawn, self.sampled, strict=True)
            ]
            fits = np.array(
                [_correlation(p, y) for p, (_, y) in zip(predicted, drawn, strict=True)]
            )
            kept = fits > 0.6 * np.median(fits) if np.median(fits) > 0 else kept

    def _outside(
        self, fold: int, sums: Sequence[tuple[Floats, Floats]], kept: NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """Sum up the pairs that are not in a fold, without those that were left out."""
        chosen = [
            pair
            for pair, index, keep in zip(sums, self.sampled, kept, strict=True)
            if keep and index % _FOLDS != fold
        ]
        chosen = chosen or list(sums)
        return np.sum([g for g, _ in chosen], axis=0), np.sum([m for _, m in chosen], axis=0)


def _product(left: Floats, right: Floats) -> Floats:
    """Matrix product of a small and a wide matrix, in blocks too small for threads of their own.

    `judge` runs on two threads already; if the library behind the product added its own to each,
    they would take more processor time waiting for each other than the product itself.
    """
    result = np.empty((len(left), right.shape[1]), np.float32)
    step = max(1, _UNTHREADED // left.size)
    for start in range(0, right.shape[1], step):
        block = slice(start, start + step)
        result[:, block] = left @ right[:, block]
    return result


def _gram(a: Floats, b: Floats) -> Floats:
    """Sum over the pixels of a times b, in blocks for the same reason: (rows of a, rows of b)."""
    result = np.zeros((len(a), len(b)), np.float32)
    step = max(1, _UNTHREADED // result.size)
    for start in range(0, a.shape[1], step):
        result += a[:, start : start + step] @ b[:, start : start + step].T
    return result


def sampled(indices: Sequence[int], count: int) -> list[int]:
    """At most `count` of the indices, in order; the same ones every time."""
    if len(indices) <= count:
        return list(indices)
    return sorted(np.random.default_rng(0).choice(indices, count, replace=False).tolist())


def with_channels(image: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Repeat a grey image, shape (1, height, width), to as many channels; leave others alone."""
    return image if len(image) == channels else np.repeat(image[:1], channels, axis=0)


def _draw(
    described: Floats, glimpse: Glimpse, count: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw pixels that have a label: their features, and their shares of the classes."""
    known = np.arange(glimpse.image[0].size)
    if glimpse.labelled is not None:
        known = np.flatnonzero(glimpse.labelled > 127)
    chosen = rng.choice(known, min(count, len(known)), replace=False)
    shares = glimpse.maps.reshape(len(glimpse.maps), -1)[:, chosen].astype(np.float32) / np.float32(
        255
    )
    return described.reshape(len(described), -1)[:, chosen], shares


def _solve(gram: Any, moments: Any) -> Floats:
    """Ridge regression: (inputs, inputs) and (inputs, classes) sums to (classes, inputs)."""
    exact = np.asarray(gram, np.float64)
    ridge = 1e-3 * exact[0, 0] * np.eye(len(exact))
    return np.linalg.solve(exact + ridge, moments).T.astype(np.float32)


def _correlation(a: Floats, b: Floats) -> float:
    a, b = (m - m.mean(axis=1, keepdims=True) for m in (a, b))
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9))

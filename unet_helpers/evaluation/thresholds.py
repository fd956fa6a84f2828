"""The threshold that turns probabilities into a mask: chosen on validation images, never on test.

A threshold that was chosen on the images it is then scored on flatters the score, so what is chosen
here remembers its images and refuses to make masks of them for scoring.
"""

import dataclasses
import warnings
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.calibration import labelled_pixels
from unet_helpers.evaluation.scores import Counts, Measure, iou

Floats = NDArray[np.float64]
GRID = np.arange(1, 100) / 100


@dataclasses.dataclass(frozen=True, eq=False)  # arrays do not compare as a whole
class Threshold:
    """A threshold, and what it was chosen on.

    Attributes
    ----------
    value : float
        Pixels with a probability above it are foreground.
    score : float
        The pooled score there, on the images it was chosen on: no estimate for others.
    measure : str
        The measure's name.
    images : tuple of (str, str)
        The images it was chosen on: the file, or the set's name, and the image's name.
    thresholds, scores : ndarray of float64, shape (thresholds,)
        The curve: every threshold that was tried, and its pooled score, NaN where undefined.
    """

    value: float
    score: float
    measure: str
    images: tuple[tuple[str, str], ...]
    thresholds: Floats
    scores: Floats

    def __str__(self) -> str:
        return (
            f"threshold ≈ {self.value:.3g}, chosen on {len(self.images)} images by their pooled "
            f"{self.measure}, ≈ {self.score:.3f} there"
        )

    def mask(self, probabilities: ArrayLike) -> NDArray[np.uint8]:
        """Mask of one image: 1 where the foreground's probability is above the threshold.

        Parameters
        ----------
        probabilities : array_like of float, shape (height, width, 1) or (height, width)

        Returns
        -------
        ndarray of uint8, shape (height, width)
        """
        values = np.asarray(probabilities)
        if values.ndim == 3 and values.shape[-1] == 1:
            values = values[..., 0]
        if values.ndim != 2:
            raise ValueError(
                "probabilities must have the shape (height, width, 1), found "
                f"{values.shape}: with several outputs the likeliest class needs no threshold"
            )
        return (values > self.value).astype(np.uint8)

    def masks(
        self, samples: Samples, probabilities: Iterable[ArrayLike]
    ) -> Iterator[NDArray[np.uint8]]:
        """Masks to score, one at a time, after `check_unseen`.

        Parameters
        ----------
        samples : Samples
            The images to score.
        probabilities : iterable of array_like of float
            One array for each sample, as for `mask`.

        Returns
        -------
        iterator of ndarray of uint8, each (height, width)
        """
        self.check_unseen(samples)
        return map(self.mask, probabilities)

    def check_unseen(self, samples: Samples) -> None:
        """Raise ValueError if the threshold was chosen on one of these images."""
        seen = [name for home, name in _identities(samples) if (home, name) in set(self.images)]
        if seen:
            raise ValueError(
                "samples to score must be other images than the threshold was chosen on, found "
                f"{len(seen)} of those, such as {seen[0]!r}: choose on the validation part of a "
                "split and score the test part"
            )


def choose_threshold(
    samples: Samples,
    probabilities: Iterable[ArrayLike],
    measure: Measure = iou,
    class_id: int = 1,
    thresholds: ArrayLike = GRID,
) -> Threshold:
    """Choose the threshold with the best pooled score on validation images.

    Every threshold is tried, all in one pass over the probabilities, on the very masks that
    ``probabilities > threshold`` gives. Where several share the best score, the middle one of the
    longest run of them is taken: the top is often flat, and its middle is farthest from harm.

    Parameters
    ----------
    samples : Samples
        Validation images with two classes; see `Samples.binary`.
    probabilities : iterable of array_like of float, each (height, width, 1) or (height, width)
        As `predict` gives them, one for each sample in the same order; taken one at a time.
    measure : callable
        `iou`, `dice` or another measure of `Counts`.
    class_id : int
        The class to score: 1, the foreground, or 0.
    thresholds : array_like of float
        Increasing, from 0 up and below 1; hundredths by default.

    Returns
    -------
    Threshold
        The value, the curve, and the images, on which it refuses to be scored.

    Raises
    ------
    ValueError
        If the samples are the test part of a split, the measure is undefined at every threshold, or
        an argument is not as said.

    Warns
    -----
    UserWarning
        If the samples are the training part: the model is surer there than on new images.

    Examples
    --------
    >>> from unet_helpers import load
    >>> _, val, test = load("cells").binary().split()
    >>> brightness = [1 - sample.image.mean(axis=-1) for sample in val[:3]]
    >>> chosen = choose_threshold(val[:3], brightness)
    >>> print(chosen)
    threshold ≈ 0.49, chosen on 3 images by their pooled iou, ≈ 0.287 there
    >>> masks = chosen.masks(test, (1 - sample.image.mean(axis=-1) for sample in test))
    """
    grid = _grid(thresholds)
    _check_part(samples, class_id)
    above = np.zeros((2, len(grid) + 1), np.int64)  # by truth: pixels above exactly so many of them
    for truth, values in labelled_pixels(samples, probabilities):
        if values.shape[1] > 1:
            raise ValueError(
                f"probabilities must have one output for a threshold, found {values.shape[1]}: "
                "take the likeliest class, as to_mask() does, which needs none"
            )
        # In the probabilities' own precision, as `>` compares them with a Python float.
        exceeded = np.searchsorted(grid.astype(values.dtype), values[:, 0], side="left")
        place = exceeded + truth * np.int64(len(grid) + 1)
        above += np.bincount(place, minlength=above.size).reshape(above.shape)
    scores = np.asarray(measure(_counts(above, class_id)), np.float64)
    if np.isnan(scores).all():
        raise ValueError(
            f"samples must hold the class {samples.class_names[class_id]!r}, found no pixel of it "
            "in truth or prediction: choose on images that have some"
        )
    best = _middle_of_top(scores)
    return Threshold(
        float(grid[best]),
        float(scores[best]),
        getattr(measure, "__name__", "score"),
        tuple(_identities(samples)),
        grid,
        scores,
    )


def _grid(thresholds: ArrayLike) -> Floats:
    grid = np.array(thresholds, np.float64)
    fits = grid.ndim == 1 and grid.size and (np.diff(grid) > 0).all()
    if not (fits and grid[0] >= 0 and grid[-1] < 1):
        raise ValueError(
            "thresholds must be increasing numbers from 0 up and below 1, found "
            f"{np.array2string(grid, threshold=6)}: sort them, each once"
        )
    return grid


def _check_part(samples: Samples, class_id: int) -> None:
    if samples.part == "test":
        raise ValueError(
            f"samples must be validation images, found the test part of {samples.name!r}: choose "
            "on the validation part, or the test score tells nothing about new images"
        )
    if samples.part == "train":
        warnings.warn(
            f"{samples.name}: the threshold is being chosen on training images, where the model "
            "is surer than on new ones: choose on the validation part",
            stacklevel=3,
        )
    if samples.num_classes != 2 or class_id not in (0, 1):
        raise ValueError(
            f"samples must have two classes, and class_id be 0 or 1, found {samples.num_classes} "
            f"and {class_id}: give samples.binary()"
        )


def _counts(above: NDArray[np.int64], class_id: int) -> Counts:
    """Counts at every threshold, from how many of them each pixel exceeds."""
    kept = above[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]  # pixels above threshold k, by truth
    fp, tp = kept
    tn, fn = above.sum(axis=1, keepdims=True) - kept
    return Counts(tp, fp, fn, tn) if class_id else Counts(tn, fn, fp, tp)


def _middle_of_top(scores: Floats) -> int:
    """Index in the middle of the longest run of best scores; the first of runs equally long."""
    places = np.flatnonzero(scores == np.nanmax(scores))
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    longest = max(runs, key=len)
    return int(longest[(len(longest) - 1) // 2])


def _identities(samples: Samples) -> list[tuple[str, str]]:
    """What tells an image from all others: its file, or its set, and its name."""
    return [
        (str(record.files[0].absolute()) if record.files else samples.name, record.name)
        for record in samples.records
    ]

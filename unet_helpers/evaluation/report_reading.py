"""A report's one pass over the predictions: counts, objects and calibration, an image at a time."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.calibration import Reliability, reliability
from unet_helpers.evaluation.report_objects import ObjectRow, object_rows
from unet_helpers.evaluation.scores import Scores, confusion, score_images
from unet_helpers.evaluation.thresholds import Threshold


class Reading:
    """What is gathered while predictions go by.

    Parameters
    ----------
    samples : Samples
        The labelled images.
    threshold : float, Threshold or None
        For probabilities with one output; None is 0.5.

    Attributes
    ----------
    foreground : tuple of int
        The class ids that objects are made of: the set's usual foreground, or all but 0.
    objects : list of ObjectRow
    reliability : Reliability or None
    """

    def __init__(self, samples: Samples, threshold: float | Threshold | None = None) -> None:
        self.samples, self.threshold = samples, _checked(threshold)
        names = [name for name in samples.foreground if name in samples.class_names]
        self.foreground = tuple(samples.class_names.index(name) for name in names) or tuple(
            range(1, samples.num_classes)
        )
        self.objects: list[ObjectRow] = []
        self.reliability: Reliability | None = None
        self.thresholded = False

    def take(self, predictions: Iterable[ArrayLike]) -> Scores:
        """Take masks or probabilities, whichever the first one is, and count."""
        if len(self.samples) == 0:
            raise ValueError(
                "samples must hold at least one image to score, found none: check the split"
            )
        dimensions, stream = _peek(predictions)
        if dimensions == 3:
            return self._take_probabilities(stream)
        if self.threshold is not None:
            raise ValueError(
                "threshold must be given with probabilities (height, width, outputs), found "
                "masks: leave it out, or give what predict() returns"
            )
        return score_images(self.samples, self._watched(stream))

    def _watched(self, masks: Iterable[ArrayLike]) -> Iterator[ArrayLike]:
        """Hand masks on, and look for their objects once they have been counted and so checked."""
        for index, mask in enumerate(masks):
            yield mask
            self._look(index, np.asarray(mask))

    def _look(self, index: int, mask: NDArray[Any]) -> None:
        samples = self.samples
        record, truth = samples.records[index], samples.arrays(index)
        self.objects += object_rows(
            truth, mask, self.foreground, samples.ignore_value, record.name, record.group
        )

    def _take_probabilities(self, probabilities: Iterable[ArrayLike]) -> Scores:
        samples = self.samples
        if isinstance(self.threshold, Threshold):
            self.threshold.check_unseen(samples)
        tables: list[NDArray[np.int64]] = []

        def watched() -> Iterator[ArrayLike]:
            for index, values in enumerate(probabilities):
                yield values  # checked there, for its shape and its values
                mask = self._mask(np.asarray(values))
                truth = samples.arrays(index).mask
                tables.append(confusion(truth, mask, samples.num_classes, samples.ignore_value))
                self._look(index, mask)

        self.reliability = reliability(samples, watched())
        stacked = np.array(tables, np.int64)
        return Scores(tuple(samples.names), tuple(samples.groups), samples.class_names, stacked)

    def _mask(self, values: NDArray[Any]) -> NDArray[Any]:
        """The class ids that probabilities stand for."""
        outputs = values.shape[-1] if values.ndim == 3 else 1
        if outputs > 1:
            if self.threshold is not None:
                raise ValueError(
                    f"threshold must be given for one output only, found {outputs} outputs: leave "
                    "it out, since the likeliest class counts"
                )
            return values.argmax(axis=-1)
        self.thresholded = True
        return (values.reshape(values.shape[:2]) > self._value()).astype(np.uint8)

    def _value(self) -> float:
        if isinstance(self.threshold, Threshold):
            return self.threshold.value
        return 0.5 if self.threshold is None else self.threshold

    def threshold_told(self) -> tuple[float | None, str]:
        """The threshold, and where it comes from; None where none was used."""
        if not self.thresholded:
            return None, ""
        chosen = self.threshold
        if isinstance(chosen, Threshold):
            images = f"{len(chosen.images)} image" + "s" * (len(chosen.images) != 1)
            told = (
                f"chosen on {images} by their pooled {chosen.measure}, ≈ {chosen.score:.3f} there"
            )
            return chosen.value, told
        return self._value(), "the default" if self.threshold is None else "as given"


def _peek(predictions: Iterable[ArrayLike]) -> tuple[int, Iterator[ArrayLike]]:
    """How many dimensions the first one has, and all of them; none is kept behind."""
    stream = iter(predictions)
    first = list(itertools.islice(stream, 1))
    dimensions = np.ndim(first[0]) if first else 0
    return dimensions, itertools.chain(first, stream)


def _checked(threshold: float | Threshold | None) -> float | Threshold | None:
    if isinstance(threshold, Threshold) or threshold is None:
        return threshold
    if not 0 <= threshold < 1:
        raise ValueError(
            f"threshold must be a probability from 0 to below 1, found {threshold}: use 0.5, or "
            "find one on validation images with choose_threshold()"
        )
    return float(threshold)

"""One call scores a model's predictions: by class, by image, by object, as text, JSON and CSV.

The predictions are taken one at a time, and no more than one is kept, so that memory does not grow
with the number of images.
"""

import dataclasses
import functools
import hashlib
import html
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unet_helpers import __version__
from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.calibration import Reliability
from unet_helpers.evaluation.intervals import Interval, interval
from unet_helpers.evaluation.report_files import (
    KIND,
    MAIN,
    as_csv,
    as_json,
    without_nan,
    write_together,
)
from unet_helpers.evaluation.report_objects import ObjectRow, size_bins
from unet_helpers.evaluation.report_reading import Reading
from unet_helpers.evaluation.report_text import as_text
from unet_helpers.evaluation.scores import (
    Scores,
    accuracy,
    dice,
    iou,
    precision,
    recall,
    specificity,
)
from unet_helpers.evaluation.thresholds import Threshold

SCHEMA = 1
MEASURES = {
    "iou": iou,
    "dice": dice,
    "precision": precision,
    "recall": recall,
    "specificity": specificity,
    "accuracy": accuracy,
}
ROW = ("image", "group", "class", "tp", "fp", "fn", "tn", "iou", "dice", "precision", "recall")


@dataclasses.dataclass(frozen=True, repr=False)
class ScoreReport:
    """Scores of one model on one set of images; printing it shows them as text.

    Attributes
    ----------
    scores : Scores
        The counts of every image, from which all scores follow.
    objects : tuple of ObjectRow
        The objects of the truth's foreground, and how well each was found.
    subject : str
        The set's name.
    foreground : tuple of str
        The classes that objects are made of.
    rule : str
        How mask files became class ids, in words.
    threshold : float or None
        Above it, a probability became foreground; None where there was nothing to choose.
    threshold_from : str
        Where the threshold comes from, in words.
    reliability : Reliability or None
        How far probabilities can be taken at their word; None for masks.
    notes : tuple of str
        What else the reader has to know.
    """

    scores: Scores
    objects: tuple[ObjectRow, ...] = ()
    subject: str = ""
    foreground: tuple[str, ...] = ()
    rule: str = ""
    threshold: float | None = None
    threshold_from: str = ""
    reliability: Reliability | None = None
    notes: tuple[str, ...] = ()

    @functools.cached_property
    def intervals(self) -> dict[str, dict[str, Interval]]:
        """By class and measure (IoU and Dice), the pooled score with its interval over groups."""
        return {
            name: {key: interval(self.scores, MEASURES[key], i) for key in ("iou", "dice")}
            for i, name in enumerate(self.scores.class_names)
        }

    @functools.cached_property
    def image_scores(self) -> NDArray[np.float64]:
        """One number for each image: IoU of class 1, or with several classes the mean over them.

        Classes that neither truth nor prediction holds are left out of an image's mean; NaN if none
        is left.
        """
        by_class = iou(self.scores.counts)
        by_class = by_class[:, 1:] if by_class.shape[1] == 2 else by_class
        defined = ~np.isnan(by_class)
        sums = np.where(defined, by_class, 0.0).sum(axis=1)
        return np.where(defined.any(axis=1), sums / np.maximum(defined.sum(axis=1), 1), np.nan)

    @property
    def cases(self) -> dict[str, int]:
        """Indices of the worst, the median and the best image; undefined ones left out.

        Empty where no image has a score. Of an even number, the lower one in the middle is taken.
        """
        order = np.argsort(self.image_scores, kind="stable").tolist()  # NaN comes last
        order = order[: len(order) - self.without_score]
        if not order:
            return {}
        return {"worst": order[0], "median": order[(len(order) - 1) // 2], "best": order[-1]}

    @property
    def without_score(self) -> int:
        """How many images have no score, because neither truth nor prediction holds a class."""
        return int(np.isnan(self.image_scores).sum())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the classes, the images' names and their true pixels by class.

        Two reports with one fingerprint speak of the same labelled images, in whatever order.
        """
        true = self.scores.confusion.sum(axis=2).tolist()
        lines = sorted(f"{name!r} {row}" for name, row in zip(self.scores.names, true, strict=True))
        text = "\n".join([repr(self.scores.class_names), *lines])
        return hashlib.sha256(text.encode()).hexdigest()

    def rows(self) -> Iterator[dict[str, Any]]:
        """The table by image and class, a dictionary for each row; NaN where undefined."""
        counts = self.scores.counts
        parts = [getattr(counts, part).tolist() for part in ("tp", "fp", "fn", "tn")]
        parts += [MEASURES[key](counts).tolist() for key in ROW[7:]]
        for i, name in enumerate(self.scores.names):
            for class_id, class_name in enumerate(self.scores.class_names):
                cells = (part[i][class_id] for part in parts)
                group = self.scores.groups[i] if self.scores.groups else name
                yield dict(zip(ROW, (name, group, class_name, *cells), strict=True))

    def as_dict(self) -> dict[str, Any]:
        """Give the report as plain lists and dictionaries; what is undefined is None.

        Returns
        -------
        dict
            ``schema, kind, subject, images, groups, class_names, foreground, rule, notes,
            fingerprint, threshold, versions, classes`` (pooled scores with intervals, means over
            images, how many images are left out), ``over_classes, confusion, cases, per_image,
            objects, calibration``.
        """
        names = self.scores.class_names
        head = {
            "schema": SCHEMA,
            "kind": KIND,
            "subject": self.subject,
            "images": len(self.scores.names),
            "groups": len(set(self.scores.groups)),
            "class_names": names,
            "foreground": self.foreground,
            "rule": self.rule,
            "notes": self.notes,
            "fingerprint": self.fingerprint,
            "threshold": {"value": self.threshold, "chosen": self.threshold_from},
            "versions": _versions(),
        }
        body = {
            "classes": [self._class(i, name) for i, name in enumerate(names)],
            "over_classes": {key: self.scores.over_classes(m) for key, m in MEASURES.items()},
            "confusion": self.scores.confusion.sum(axis=0).tolist(),
            "cases": {case: self._case(i) for case, i in self.cases.items()},
            "images_without_score": self.without_score,
            "per_image": list(self.rows()),
            "objects": {
                "rows": [row._asdict() for row in self.objects],
                "by_size": [part._asdict() for part in size_bins(self.objects)],
            },
            "calibration": _plain(self.reliability),
        }
        return without_nan({**head, **body})

    def _class(self, class_id: int, name: str) -> dict[str, Any]:
        scores = self.scores
        return {
            "name": name,
            "true_pixels": int(scores.confusion[:, class_id].sum()),
            "pooled": {key: scores.pooled(measure, class_id) for key, measure in MEASURES.items()},
            "mean": {key: scores.mean(measure, class_id) for key, measure in MEASURES.items()},
            "undefined": {key: scores.undefined(class_id, m) for key, m in MEASURES.items()},
            "intervals": {
                key: dataclasses.asdict(found) for key, found in self.intervals[name].items()
            },
        }

    def _case(self, index: int) -> dict[str, Any]:
        return {
            "index": index,
            "image": self.scores.names[index],
            "score": float(self.image_scores[index]),
        }

    def to_json(self, indent: int | None = 1) -> str:
        """Give `as_dict` as a JSON document; `indent` None makes it one line."""
        return as_json(self.as_dict(), indent)

    def write(self, folder: str | Path, figures: Mapping[str, bytes] | None = None) -> list[Path]:
        """Write ``report.json``, ``per_image.csv``, ``objects.csv`` and the figures given.

        A report that is there already stays until all files are complete, and is then replaced as
        a whole; other files in the folder are left alone.

        Parameters
        ----------
        folder : str or Path
            Made if need be.
        figures : mapping of str to bytes, optional
            PNG files by name: ``cases.png, confusion.png, by_size.png, reliability.png``.

        Returns
        -------
        list of Path
            What was written.

        Raises
        ------
        ValueError
            If the folder is a file, or holds a ``report.json`` of another kind.
        """
        contents = {
            "per_image.csv": as_csv(ROW, (tuple(row.values()) for row in self.rows())),
            "objects.csv": as_csv(ObjectRow._fields, self.objects),
            **(figures or {}),
        }
        document = {**self.as_dict(), "files": list(contents)}
        return write_together(Path(folder), {**contents, MAIN: (as_json(document) + "\n").encode()})

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def score_report(
    samples: Samples,
    predictions: Iterable[ArrayLike],
    *,
    threshold: float | Threshold | None = None,
    notes: Iterable[str] = (),
) -> ScoreReport:
    """Score predictions against the truth: by class, by image and by object.

    Parameters
    ----------
    samples : Samples
        The labelled images.
    predictions : iterable of array_like
        For each sample, in the same order, a mask of class ids (height, width), or probabilities
        (height, width, outputs) as `predict` gives them. A generator is taken one at a time.
    threshold : float or Threshold, optional
        For probabilities with one output: pixels above it are foreground. A `Threshold` tells
        where it was chosen; 0.5 by default.
    notes : iterable of str, optional
        What else the report shall tell.

    Returns
    -------
    ScoreReport
        Printing it shows a table; ``report.write(folder)`` writes JSON and CSV.

    Raises
    ------
    ValueError
        If the numbers differ, a prediction does not fit its image or its classes, probabilities
        are none, or a threshold is given where none is used.

    Examples
    --------
    >>> from unet_helpers.data.samples import Arrays, Record
    >>> mask = np.array([[0, 0, 1, 1]], np.uint8)
    >>> arrays = Arrays(np.zeros((1, 4, 1), np.uint8), mask)
    >>> samples = Samples("two", (Record("a", "a", lambda: arrays),), ("background", "cell"))
    >>> report = score_report(samples, [[[0, 0, 0, 1]]])
    >>> report.scores.iou(), report.objects[0].covered, report.cases
    (0.5, 0.5, {'worst': 0, 'median': 0, 'best': 0})
    """
    reading = Reading(samples, threshold)
    scores = reading.take(predictions)
    return ScoreReport(
        scores,
        tuple(reading.objects),
        samples.name,
        tuple(samples.class_names[i] for i in reading.foreground),
        samples.rule,
        *reading.threshold_told(),
        reading.reliability,
        tuple(notes),
    )


def _plain(reliability: Reliability | None) -> dict[str, Any] | None:
    if reliability is None:
        return None
    parts = dataclasses.asdict(reliability)
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in parts.items()}


def _versions() -> dict[str, str]:
    """Versions of what made the report; of Keras only where a model was run."""
    found = {"python": platform.python_version(), "unet_helpers": __version__}
    for package in ("numpy", "keras", "tensorflow"):
        if package in sys.modules:
            found[package] = metadata.version(package)
    return found

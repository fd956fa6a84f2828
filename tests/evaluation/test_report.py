"""The report: what it says agrees with the scores, and its files are whole or not there."""

import csv
import gc
import io
import itertools
import json
import math
import re
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from builders import assert_says, make_samples, some_slow
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unet_helpers.data.samples import Arrays, Samples
from unet_helpers.evaluation import report_files
from unet_helpers.evaluation.report import ScoreReport, score_report
from unet_helpers.evaluation.report_files import PARTS, write_together
from unet_helpers.evaluation.report_objects import object_rows, size_bins
from unet_helpers.evaluation.scores import dice, precision, score_images
from unet_helpers.evaluation.thresholds import choose_threshold

NAMES = ("background", "cytoplasm", "nucleus")


def truth(number: int, side: int = 24) -> np.ndarray:
    """Two cells with their nuclei, in the upper left and the lower right."""
    mask = np.zeros((side, side), np.uint8)
    mask[1 : 8 + number % 3, 1:9] = 1
    mask[3:6, 3:6] = 2
    mask[14:22, 13 : 20 + number % 2] = 1
    return mask


def cells(number: int = 6, **settings: object) -> Samples:
    masks = [truth(i) for i in range(number)]
    pairs = [(np.repeat(80 * m[..., None], 3, axis=2), m) for m in masks]
    return make_samples(pairs, class_names=NAMES, **settings)


def masks_of(samples: Samples) -> Iterator[np.ndarray]:
    """Predictions that are worse the later they come."""
    return (np.roll(samples.arrays(i).mask, i, axis=1) for i in range(len(samples)))


def one_output(samples: Samples) -> list[np.ndarray]:
    return [
        (0.2 + 0.6 * (mask > 0) + 0.1 * np.eye(24))[..., None].astype(np.float32)
        for mask in masks_of(samples)
    ]


def softmax(samples: Samples) -> list[np.ndarray]:
    return [np.eye(3, dtype=np.float32)[mask] * 0.7 + np.float32(0.1) for mask in masks_of(samples)]


# --- what it holds ------------------------------------------------------------------------------


def test_the_scores_are_those_of_score_images() -> None:
    samples = cells()
    report, scores = (
        score_report(samples, masks_of(samples)),
        score_images(samples, masks_of(samples)),
    )
    np.testing.assert_array_equal(report.scores.confusion, scores.confusion)
    assert report.scores.groups == tuple(samples.groups)
    document = report.as_dict()
    nucleus = document["classes"][2]
    assert nucleus["name"] == "nucleus"
    assert nucleus["pooled"]["iou"] == scores.iou(2)
    assert nucleus["mean"]["dice"] == scores.mean(class_id=2, measure=dice)
    assert nucleus["intervals"]["iou"]["reason"].startswith("6 groups")
    assert nucleus["intervals"]["iou"]["low"] is None
    assert document["confusion"] == scores.confusion.sum(axis=0).tolist()
    assert document["over_classes"]["precision"] == scores.over_classes(precision)


def test_rows_add_up_to_the_pixels_of_each_image() -> None:
    samples = cells(3)
    report = score_report(samples, masks_of(samples))
    rows = list(report.rows())
    assert len(rows) == 3 * 3 and {row["image"] for row in rows} == set(samples.names)
    for row in rows:
        assert row["tp"] + row["fp"] + row["fn"] + row["tn"] == 24 * 24
        union = row["tp"] + row["fp"] + row["fn"]
        assert row["iou"] == row["tp"] / union
        assert row["group"] == row["image"].replace("image", "group")


def test_cases_are_the_lowest_the_middle_and_the_highest_score() -> None:
    samples = cells(5)
    order = [3, 0, 4, 1, 2]  # pixels by which each prediction is shifted
    shifted = [np.roll(samples.arrays(i).mask, order[i], axis=1) for i in range(5)]
    report = score_report(samples, shifted)
    assert report.cases == {"worst": 2, "median": 4, "best": 1}
    assert np.argsort(report.image_scores).tolist() == [2, 0, 4, 3, 1]
    assert report.image_scores[1] == 1 and report.cases["best"] == 1


def test_images_without_a_score_are_left_out_and_told() -> None:
    empty = np.zeros((24, 24), np.uint8)
    pairs = [(np.zeros((24, 24, 1), np.uint8), m) for m in (empty, truth(0) // 2, empty)]
    samples = make_samples(pairs)
    report = score_report(samples, [pair[1] for pair in pairs])
    assert report.cases == {"worst": 1, "median": 1, "best": 1}
    assert report.without_score == report.as_dict()["images_without_score"] == 2
    assert "left out: ≈ 2 of 3 images" in str(report)
    nothing = score_report(samples[[0]], [empty])
    assert nothing.cases == {} and nothing.objects == () and "objects" not in str(nothing)


def test_the_median_of_an_even_number_is_the_lower_one_of_the_middle() -> None:
    samples = cells(4)
    report = score_report(samples, masks_of(samples))
    assert report.image_scores[report.cases["median"]] == np.sort(report.image_scores)[1]


def test_the_fingerprint_tells_data_apart_and_not_predictions_or_order() -> None:
    samples = cells(4)
    ours = score_report(samples, masks_of(samples)).fingerprint
    perfect = [samples.arrays(i).mask for i in range(4)]
    assert score_report(samples, perfect).fingerprint == ours
    assert (
        score_report(samples[[2, 0, 3, 1]], [perfect[i] for i in (2, 0, 3, 1)]).fingerprint == ours
    )
    assert score_report(samples[:3], perfect[:3]).fingerprint != ours
    fewer = cells(4, ignore_value=2)
    assert score_report(fewer, perfect).fingerprint != ours


# --- probabilities ------------------------------------------------------------------------------


def test_probabilities_give_the_masks_scores_and_calibration() -> None:
    samples = cells()
    report = score_report(samples, softmax(samples))
    np.testing.assert_array_equal(
        report.scores.confusion, score_images(samples, masks_of(samples)).confusion
    )
    assert report.threshold is None and report.as_dict()["threshold"]["value"] is None
    binary = samples.binary()
    report = score_report(binary, one_output(samples))
    masks = [(p[..., 0] > 0.5).astype(int) for p in one_output(samples)]
    np.testing.assert_array_equal(report.scores.confusion, score_images(binary, masks).confusion)
    assert report.objects == score_report(binary, masks).objects
    assert report.reliability.counts.sum() == 6 * 24 * 24
    assert report.as_dict()["calibration"]["ece"] == report.reliability.ece
    assert (report.threshold, report.threshold_from) == (0.5, "the default")
    assert "above 0.5 (the default)" in str(report) and "calibration: probability" in str(report)


def test_a_threshold_is_used_and_told() -> None:
    samples = cells().binary()
    probabilities = one_output(samples)
    low, high = (score_report(samples, probabilities, threshold=t) for t in (0.1, 0.85))
    assert low.scores.counts.fn[:, 1].sum() == 0 and high.scores.counts.tp[:, 1].sum() < 100
    assert low.as_dict()["threshold"] == {"value": 0.1, "chosen": "as given"}


def test_a_chosen_threshold_is_told_and_refuses_its_own_images() -> None:
    samples = cells().binary()
    probabilities = one_output(samples)
    chosen = choose_threshold(samples[:3], probabilities[:3])
    report = score_report(samples[3:], probabilities[3:], threshold=chosen)
    assert report.threshold == chosen.value and "chosen on 3 images" in report.threshold_from
    assert f"above ≈ {chosen.value:g} (chosen" in str(report)
    with pytest.raises(ValueError) as error:
        score_report(samples, probabilities, threshold=chosen)
    assert_says(error, "threshold was chosen on")


@pytest.mark.parametrize(
    "kind", some_slow(["masks", "one output", "several outputs"], {"masks", "one output"})
)
def test_no_more_than_three_predictions_are_alive_at_a_time(kind: str) -> None:
    samples = cells(12)
    many = {"masks": masks_of, "one output": one_output, "several outputs": softmax}[kind]
    if kind == "one output":
        samples = samples.binary()
    alive: list[weakref.ref] = []
    most = 0

    def stream() -> Iterator[np.ndarray]:
        nonlocal most
        stored = list(many(samples))
        while stored:
            array = stored.pop(0).copy()
            alive.append(weakref.ref(array))
            gc.collect()
            most = max(most, sum(ref() is not None for ref in alive))
            yield array
            del array

    score_report(samples, stream())
    assert len(alive) == 12 and most <= 3


@pytest.mark.parametrize(
    ("predictions", "options", "said"),
    [
        (lambda s: list(masks_of(s))[:-1], {}, ["6 samples", "found 5"]),
        (lambda s: [*masks_of(s), truth(0)], {}, ["6 samples", "found more"]),
        (lambda s: softmax(s)[:-1], {}, ["6 samples", "found 5"]),
        (lambda s: [*softmax(s), softmax(s)[0]], {}, ["6 samples", "found more"]),
        (lambda s: [m[:-1] for m in masks_of(s)], {}, ["image 0", "(23, 24)"]),
        (lambda s: [m * 127 for m in masks_of(s)], {}, ["image 0", "found 127"]),
        (lambda s: [p * 9 - 4 for p in softmax(s)], {}, ["image 0", "logits"]),
        (one_output, {}, ["image 0", "found 3"]),
        (lambda s: [softmax(s)[0], *list(masks_of(s))[1:]], {}, ["image 1"]),
        (masks_of, {"threshold": 0.4}, ["threshold", "found masks"]),
        (softmax, {"threshold": 0.4}, ["threshold", "found 3 outputs"]),
        (softmax, {"threshold": 50}, ["threshold", "found 50"]),
        (softmax, {"threshold": math.nan}, ["threshold", "found nan"]),
        (lambda s: [], {}, ["6 samples", "found 0"]),
    ],
)
def test_what_does_not_fit_is_refused(predictions, options, said) -> None:
    samples = cells()
    with pytest.raises(ValueError) as error:
        score_report(samples, predictions(samples), **options)
    assert_says(error, *said)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError) as error:
        score_report(cells()[[]], [])
    assert_says(error, "at least one image")


# --- objects ------------------------------------------------------------------------------------


def test_objects_of_a_drawing_counted_by_hand() -> None:
    instances = np.array([[1, 1, 2, 0, 0], [1, 1, 2, 0, 7]], np.uint16)
    mask = (instances > 0).astype(np.uint8)
    guess = np.array([[1, 1, 0, 0, 0], [1, 0, 0, 0, 1]])
    rows = object_rows(Arrays(mask, mask, instances), guess, [1], image="a", group="b")
    assert [(r.object, r.pixels, r.iou, r.covered, r.found) for r in rows] == [
        (1, 4, 0.75, 0.75, True),
        (2, 2, 0.0, 0.0, False),
        (7, 1, 1.0, 1.0, True),
    ]
    assert (rows[0].row, rows[0].column, rows[0].image, rows[0].group) == (0.5, 0.5, "a", "b")
    # Without numbers the first two touch and are one; merged in the prediction, both are covered.
    assert [r.pixels for r in object_rows(Arrays(mask, mask), guess, [1])] == [6, 1]
    merged = object_rows(Arrays(mask, mask, instances), mask, [1])
    assert [(r.covered, r.found) for r in merged] == [(1.0, True), (1.0, False), (1.0, True)]


def test_pixels_without_a_label_belong_to_no_object() -> None:
    mask = np.array([[1, 1, 255, 255]], np.uint8)
    rows = object_rows(Arrays(mask, mask), np.array([[1, 1, 1, 1]]), [1], ignore_value=255)
    assert [(r.pixels, r.iou) for r in rows] == [(2, 1.0)]


small = arrays(np.uint8, (5, 6), elements=st.integers(0, 1))


@given(small, small)
def test_best_iou_is_that_of_brute_force(mask: np.ndarray, guess: np.ndarray) -> None:
    from scipy import ndimage

    real, _ = ndimage.label(mask)
    found, pieces = ndimage.label(guess)
    rows = object_rows(Arrays(mask, mask), guess, [1])
    assert sum(row.pixels for row in rows) == mask.sum()
    for row in rows:
        inside = real == row.object
        scores = [
            (inside & (found == p)).sum() / (inside | (found == p)).sum()
            for p in range(1, pieces + 1)
        ]
        assert row.iou == pytest.approx(max(scores, default=0))
        assert row.covered == pytest.approx(guess[inside].mean())


@given(st.lists(st.tuples(st.integers(1, 90000), st.booleans()), max_size=40))
def test_every_object_is_in_one_bin_of_size(sizes: list[tuple[int, bool]]) -> None:
    mask = np.ones((1, 2), np.uint8)
    row = object_rows(Arrays(mask, mask), mask, [1])[0]
    rows = [row._replace(pixels=pixels, found=found) for pixels, found in sizes]
    bins = size_bins(rows)
    assert sum(b.objects for b in bins) == len(rows) and sum(b.found for b in bins) == sum(
        r.found for r in rows
    )
    assert len(bins) <= 6
    assert all(a.high < b.low for a, b in itertools.pairwise(bins))
    for b in bins:
        assert sum(b.low <= r.pixels <= b.high for r in rows) == b.objects


# --- text ---------------------------------------------------------------------------------------


def test_the_text_marks_every_number_a_model_made() -> None:
    samples = cells()
    text = str(score_report(samples, softmax(samples), notes=["made by hand"]))
    assert "things: 6 images in 6 groups; classes background, cytoplasm, nucleus" in text
    assert "made by hand" in text and "objects of cytoplasm and nucleus" in text
    for word in ("IoU pooled", "precision", "1 cytoplasm", "worst", "size in pixels"):
        assert word in text
    decimals = re.findall(r"(.{2})\b\d+\.\d{3}\b", text)
    assert decimals and all(before == "≈ " for before in decimals)
    report = score_report(samples, masks_of(samples))
    assert report._repr_html_().startswith("<pre>") and repr(report) == str(report)


# --- files --------------------------------------------------------------------------------------


def some_report() -> ScoreReport:
    empty = np.zeros((24, 24), np.uint8)
    pairs = [(np.zeros((24, 24, 1), np.uint8), m) for m in (empty, truth(0) // 2)]
    samples = make_samples(pairs)
    return score_report(samples, [empty, truth(1) // 2])


def test_json_has_null_for_what_is_undefined() -> None:
    text = some_report().to_json()
    assert not re.search(r"\b(NaN|Infinity)\b", text)
    document = json.loads(text)
    assert document["per_image"][1]["iou"] is None
    assert document["classes"][1]["undefined"]["iou"] == 1
    assert document["schema"] == 1 and set(document["versions"]) >= {"python", "numpy"}
    assert "\n" not in some_report().to_json(indent=None)


def test_the_files_hold_what_the_report_says(tmp_path: Path) -> None:
    report = some_report()
    (tmp_path / "mine.txt").write_text("keep me")
    written = report.write(tmp_path / "a" / "b")
    assert {path.name for path in written} == {"report.json", "per_image.csv", "objects.csv"}
    folder = tmp_path / "a" / "b"
    document = json.loads((folder / "report.json").read_text())
    assert document.pop("files") == ["per_image.csv", "objects.csv"]
    assert document == json.loads(report.to_json())
    rows = list(csv.DictReader(io.StringIO((folder / "per_image.csv").read_text())))
    assert [row["iou"] for row in rows[:2]] == ["1.0", ""]
    for row, said in zip(rows, report.rows(), strict=True):
        assert int(row["tp"]) == said["tp"] and row["class"] == said["class"]
    objects = list(csv.DictReader(io.StringIO((folder / "objects.csv").read_text())))
    assert [float(row["iou"]) for row in objects] == [row.iou for row in report.objects]


def test_a_report_is_replaced_as_a_whole_and_other_files_stay(tmp_path: Path) -> None:
    report = some_report()
    report.write(tmp_path, {"reliability.png": b"old", "cases.png": b"old"})
    (tmp_path / "mine.png").write_bytes(b"mine")
    report.write(tmp_path, {"cases.png": b"new"})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cases.png",
        "mine.png",
        "objects.csv",
        "per_image.csv",
        "report.json",
    ]
    assert (tmp_path / "cases.png").read_bytes() == b"new"


def test_a_failure_while_writing_leaves_the_old_report(tmp_path: Path, monkeypatch) -> None:
    some_report().write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    real = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        if "objects" in self.name:
            real(self, content[:3])
            raise OSError("disk full")
        return real(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="disk full"):
        write_together(tmp_path, dict.fromkeys(before, b"new"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("content", ["{}", "[]", "no json", '{"kind": "other", "files": []}'])
def test_a_document_of_others_is_not_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ValueError) as error:
        some_report().write(tmp_path)
    assert_says(error, "report.json", "choose another folder")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError) as error:
        some_report().write(tmp_path / "file")
    assert_says(error, "found a file")


def test_only_known_parts_of_an_old_report_are_removed(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").touch()
    document = {"kind": report_files.KIND, "files": ["precious.txt", "../x", "cases.png"]}
    (tmp_path / "report.json").write_text(json.dumps(document))
    assert report_files.former_parts(tmp_path) == ["cases.png"] and "cases.png" in PARTS
    some_report().write(tmp_path)
    assert (tmp_path / "precious.txt").exists()

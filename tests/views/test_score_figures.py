"""The figures of scores, seen through what they are made of."""

import io

import numpy as np
import pytest
from builders import assert_says, make_samples
from matplotlib.figure import Figure
from PIL import Image

from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.calibration import reliability
from unet_helpers.evaluation.intervals import Interval
from unet_helpers.evaluation.report import ScoreReport, score_report
from unet_helpers.evaluation.scores import Scores
from unet_helpers.evaluation.thresholds import choose_threshold
from unet_helpers.views import figures, score_figures


def some(classes: int, number: int = 4, **settings: object) -> Samples:
    """Images of stripes: class i in row 4 i."""
    mask = np.repeat(np.arange(classes, dtype=np.uint8), 4)[:, None].repeat(30, axis=1)
    pairs = [(np.full((*mask.shape, 3), 90, np.uint8), np.roll(mask, i, 0)) for i in range(number)]
    names = ["background", *(f"class number {i}" for i in range(1, classes))]
    return make_samples(pairs, class_names=names, **settings)


def shifted(samples: Samples) -> list[np.ndarray]:
    return [np.roll(sample.mask, i, axis=0) for i, sample in enumerate(samples)]


def report_of(classes: int, **settings: object) -> tuple[ScoreReport, Samples, list[np.ndarray]]:
    samples = some(classes, **settings)
    return score_report(samples, shifted(samples)), samples, shifted(samples)


def legend_of(fig: Figure) -> list[str]:
    legends = [*fig.legends, *(ax.get_legend() for ax in fig.axes)]
    return [text.get_text() for legend in legends if legend for text in legend.get_texts()]


def texts_of(fig: Figure) -> list[str]:
    return [text.get_text() for ax in fig.axes for text in ax.texts]


def renders(fig: Figure) -> bool:
    with Image.open(io.BytesIO(figures.png(fig))) as picture:
        picture.load()
        return min(picture.size) > 80


def inside(fig: Figure) -> bool:
    """Whether no text of any panel is cut off at the figure's edges."""
    fig.draw_without_rendering()
    width, height = fig.canvas.get_width_height()
    boxes = [ax.get_tightbbox() for ax in fig.axes]
    boxes += [legend.get_window_extent() for legend in fig.legends]
    return all(
        box.x0 > -2 and box.y0 > -2 and box.x1 < width + 2 and box.y1 < height + 2 for box in boxes
    )


@pytest.mark.parametrize(("classes", "rows"), [(2, 3), (3, 3), (5, 3), (11, 4)])
def test_cases_show_the_worst_the_median_and_the_best(classes: int, rows: int) -> None:
    report, samples, masks = report_of(classes)
    fig = score_figures.cases(report, samples, masks)
    assert len(fig.axes) == 3 * rows
    titles = [ax.get_title() for ax in fig.axes]
    for title, (case, index) in zip(titles, report.cases.items(), strict=False):
        assert title.startswith(f"{case}: IoU {report.image_scores[index]:.2f}\nimage {index}")
    wrong = (samples[report.cases["worst"]].mask != masks[report.cases["worst"]]).mean()
    assert titles[-3:] == [f"errors: {100 * wrong:.1f} % of pixels", *titles[-2:]]
    assert titles[-1] == "errors: 0.0 % of pixels"
    assert renders(fig) and inside(fig)


def test_cases_ask_only_for_the_masks_they_show() -> None:
    report, samples, masks = report_of(2, number=9)
    chosen = {index: masks[index] for index in report.cases.values()}
    assert len(chosen) == 3 and renders(score_figures.cases(report, samples, chosen))


def test_kinds_of_errors_differ_in_hatching_and_unlabelled_pixels_are_none() -> None:
    report, samples, masks = report_of(3, ignore_value=2)
    legend = score_figures.cases(report, samples, masks).legends[0]
    hatches = [patch.get_hatch() for patch in legend.get_patches()]
    assert len(hatches) == len(set(hatches)) == 3 and all(hatches)
    shown = [ax.get_title() for ax in score_figures.cases(report, samples, masks).axes[-3:]]
    known = samples[report.cases["worst"]].mask != 2
    wrong = (samples[report.cases["worst"]].mask != masks[report.cases["worst"]])[known].mean()
    assert shown[0] == f"errors: {100 * wrong:.1f} % of pixels"


def test_many_classes_are_numbered_areas() -> None:
    report, samples, masks = report_of(11)
    fig = score_figures.cases(report, samples, masks)
    assert {str(i) for i in range(11)} <= set(texts_of(fig))
    assert legend_of(fig)[:2] == ["0 background", "1 class number 1"]
    assert legend_of(fig)[-1] == "wrong class"


def test_cases_without_a_score_are_refused() -> None:
    samples = some(2, number=1)[:]
    empty = make_samples([(samples[0].image, np.zeros((8, 30), np.uint8))])
    report = score_report(empty, [np.zeros((8, 30), int)])
    with pytest.raises(ValueError) as error:
        score_figures.cases(report, empty, [np.zeros((8, 30), int)])
    assert_says(error, "image with a score")
    with pytest.raises(ValueError) as error:
        score_figures.by_size(report)
    assert_says(error, "an object")


@pytest.mark.parametrize("classes", range(2, 13))
def test_confusion_tells_shares_of_the_rows_and_pixels(classes: int) -> None:
    report, *_ = report_of(classes)
    fig = score_figures.confusion(report)
    table = report.scores.confusion.sum(axis=0)
    told = texts_of(fig)
    assert len(told) == classes**2
    share = 100 * table[0, 1] / table[0].sum()
    assert told[1] == f"{share:.1f} %\n{table[0, 1]}"
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()][1] == "1 class number 1"
    assert texts_of(score_figures.confusion(report.scores)) == told
    assert renders(fig) and inside(fig)


def test_labels_and_numbers_of_a_confusion_matrix_do_not_overlap() -> None:
    scores = Scores(("a",), (), tuple(f"{i:02d} pedestrian" for i in range(12)),
                    np.full((1, 12, 12), 123_456_789))  # fmt: skip
    fig = score_figures.confusion(scores)
    fig.draw_without_rendering()
    boxes = [text.get_window_extent() for text in fig.axes[0].texts]
    boxes = [box.shrunk(0.98, 0.98) for box in boxes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    assert "123 M" in fig.axes[0].texts[0].get_text() and inside(fig)


def test_shares_are_of_the_true_class() -> None:
    scores = Scores(("a",), (), ("no", "yes"), np.array([[[6, 2], [4, 36]]]))
    told = ["75.0 %\n6", "25.0 %\n2", "10.0 %\n4", "90.0 %\n36"]
    assert texts_of(score_figures.confusion(scores)) == told


def test_a_class_that_is_not_there_has_no_shares() -> None:
    scores = Scores(("a",), (), ("no", "yes"), np.array([[[5, 1], [0, 0]]]))
    assert texts_of(score_figures.confusion(scores))[2:] == ["-\n0", "-\n0"]


def test_by_size_shows_every_object_and_counts_those_found() -> None:
    report, *_ = report_of(3)
    fig = score_figures.by_size(report)
    left, right = fig.axes
    found = sum(row.found for row in report.objects)
    assert [len(c.get_offsets()) for c in left.collections] == [found, len(report.objects) - found]
    counts = [text.get_text().split(" of ") for text in right.texts]
    assert sum(int(k) for k, _ in counts) == found
    assert sum(int(n) for _, n in counts) == len(report.objects)
    assert left.get_xscale() == "linear" and renders(fig) and inside(fig)
    wide = [row._replace(pixels=10 ** (i % 4)) for i, row in enumerate(report.objects)]
    fig = score_figures.by_size(ScoreReport(report.scores, tuple(wide)))
    assert fig.axes[0].get_xscale() == "log" and renders(fig)


def test_a_reliability_diagram_has_the_diagonal_and_the_pixels() -> None:
    samples = some(2)
    found = reliability(samples, [0.3 + 0.4 * s.mask[..., None] for s in samples])
    fig = score_figures.reliability(found)
    above, below = fig.axes
    assert above.lines[0].get_xydata().tolist() == [[0, 0], [1, 1]]
    np.testing.assert_array_equal(above.lines[1].get_ydata(), found.frequency)
    assert [bar.get_height() for bar in below.patches] == found.counts.tolist()
    assert f"{found.ece:.3f}" in above.get_title() and renders(fig) and inside(fig)


def test_the_threshold_curve_marks_what_was_chosen() -> None:
    samples = some(2)
    chosen = choose_threshold(samples, [0.3 + 0.4 * s.mask[..., None] for s in samples])
    fig = score_figures.threshold_curve(chosen)
    marked = fig.axes[0].lines[-1]
    assert marked.get_xydata().tolist() == [[chosen.value, chosen.score]]
    assert f"chosen: {chosen.value:.2f}" in texts_of(fig)[0]
    assert "4 validation images" in fig.axes[0].get_ylabel() and renders(fig) and inside(fig)


def test_an_interval_is_a_whisker_and_its_lack_an_open_dot_with_the_reason() -> None:
    nan = float("nan")
    few = "4 groups, at least 10 are needed; repeat the training with several seeds"
    entries = {
        "ours": Interval(0.8, 0.7, 0.85, 0.95, 20),
        "theirs": Interval(0.75, nan, nan, 0.95, 4, few),
        "another": Interval(0.7, nan, nan, 0.95, 12, "no spread"),
        "none": Interval(nan, nan, nan, 0.95, 0, "0 groups"),
    }
    fig = score_figures.intervals(entries, "IoU", reference=0.5)
    ax = fig.axes[0]
    assert texts_of(fig) == [
        "0.800 (0.700 to 0.850)",
        "0.750, no interval (1)",
        "0.700, no interval (2)",
        "undefined",
    ]
    filled = [line.get_markerfacecolor() for line in ax.lines if line.get_marker() == "o"]
    assert filled == [figures.BLUE, "white", "white", "white"]
    assert list(ax.lines[0].get_xdata()) == [0.7, 0.85]
    told = fig.get_supxlabel()
    assert "no interval (1): 4 groups" in told and "no interval (2): no spread" in told
    assert "0 groups" not in told and ax.get_xlabel() == "IoU, with 95 % intervals"
    assert renders(fig) and inside(fig)
    one = score_figures.intervals({"theirs": entries["theirs"]})
    assert texts_of(one) == ["0.750, no interval"] and one.axes[0].get_xlabel() == "score"

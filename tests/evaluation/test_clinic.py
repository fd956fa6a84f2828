"""Notebook 04b: each wrong score is the one its library ships, and errs the way the notebook says.

The functions under test are those in the notebook's own cells. A library that is not installed is
skipped, and its published formula, written out here, stands in for it.
"""

import ast
import importlib
import importlib.util
import json
import math
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from unet_helpers import count, dice, iou, keras, score_images
from unet_helpers.data.samples import Arrays, Record, Samples
from unet_helpers.evaluation.scores import Counts

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "04b_metric_clinic.ipynb"
CELLS = [
    "".join(cell["source"])
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    if cell["cell_type"] == "code"
]


@pytest.fixture(scope="module")
def clinic():
    """The functions that the notebook defines; nothing else of it is run."""
    names = {"np": np, "iou": iou, "count": count, "score_images": score_images}
    names |= {name: vars(importlib.import_module("scipy.ndimage"))[name] for name in FILTERS}
    for cell in CELLS:
        for node in ast.parse(cell).body:
            if isinstance(node, ast.FunctionDef):
                exec(ast.unparse(node), names)
    return types.SimpleNamespace(**names)


FILTERS = ("binary_dilation", "binary_erosion", "gaussian_filter")


def library(package, *modules):
    """One module of an installed package, without the network builders that the package imports."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"{package} is not installed; its published formula is tested")
    dotted = package
    for part in ("", *modules[:-1]):
        dotted = f"{dotted}.{part}".rstrip(".")
        shell = types.ModuleType(dotted)
        folder = dotted.split(".")[1:]
        shell.__path__ = [
            str(Path(place).joinpath(*folder)) for place in spec.submodule_search_locations
        ]
        shell.TF = True  # what keras_unet asks itself: TensorFlow's Keras or the old one?
        sys.modules[dotted] = shell
    try:
        return importlib.import_module(f"{dotted}.{modules[-1]}")
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == package]:
            del sys.modules[name]


def keras_backend():
    """What old libraries call `K`, put together from what Keras 3 still has of it."""
    parts = vars(importlib.import_module("keras.src.legacy.backend"))
    config = {name: getattr(keras.config, name) for name in ("floatx", "image_data_format")}
    return types.SimpleNamespace(**parts, **config)


@pytest.fixture(scope="module")
def images():
    """Eight images: truth, probabilities; one empty in both, one with a false alarm alone."""
    rng = np.random.default_rng(4)
    truths = rng.random((8, 32, 32)) < 0.3
    truths[2:4] = False
    chances = (0.35 * truths + 0.6 * rng.random(truths.shape)).astype(np.float32)
    chances[2] *= 0.1
    chances[3, :4, :4] = 0.9
    return truths, chances


@pytest.fixture
def samples(images):
    image = np.zeros((32, 32, 1), np.uint8)
    records = [
        Record(str(i), str(i), lambda truth=truth: Arrays(image, truth.astype(np.uint8)))
        for i, truth in enumerate(images[0])
    ]
    return Samples("drawn", tuple(records), ("background", "cell"))


def counts_of(truths, guesses):
    pairs = [count(t, g).of_class(1) for t, g in zip(truths, guesses, strict=True)]
    return Counts(
        *(np.array([getattr(c, part) for c in pairs]) for part in ("tp", "fp", "fn", "tn"))
    )


# --- 1: the mean of batch means -----------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_the_mean_of_batch_means_is_that_of_segmentation_models_pytorch(clinic, images, size):
    # segmentation_models_pytorch/utils/{functional,meter,train}.py, version 0.3.4
    torch = pytest.importorskip("torch", reason="make peers installs it")
    theirs = library("segmentation_models_pytorch", "utils", "functional").iou
    meter = library("segmentation_models_pytorch", "utils", "meter").AverageValueMeter()
    truths, chances = (torch.tensor(part, dtype=torch.float64) for part in images)
    for first in range(0, len(truths), size):
        batch = slice(first, first + size)
        meter.add(theirs(chances[batch], truths[batch], threshold=0.5).numpy())
    counts = counts_of(images[0], images[1] > 0.5)
    assert clinic.mean_of_batches(counts, size) == pytest.approx(float(meter.mean), abs=1e-9)


def hand(tp, fp, fn):
    return Counts(*(np.array(part) for part in (tp, fp, fn, [0] * len(tp))))


@pytest.mark.parametrize(
    ("counts", "one_by_one", "pooled"),
    [
        (hand([1, 90], [4, 5], [5, 5]), (1 / 10 + 90 / 100) / 2, 91 / 110),  # too low
        (hand([9, 10], [0, 50], [1, 40]), (9 / 10 + 10 / 100) / 2, 19 / 110),  # too high
    ],
)
def test_the_mean_of_batch_means_errs_either_way(clinic, counts, one_by_one, pooled):
    assert clinic.mean_of_batches(counts, 1) == pytest.approx(one_by_one)
    assert clinic.mean_of_batches(counts, 2) == pytest.approx(pooled)


def test_one_batch_of_everything_is_the_pooled_score(clinic, images):
    truths, guesses = images[0], images[1] > 0.5
    pooled = clinic.pooled_iou(truths, guesses)
    assert clinic.mean_of_batches(counts_of(truths, guesses), 8) == pytest.approx(pooled)


# --- 2: MeanIoU on probabilities (tensorflow/tensorflow#39173) ----------------------------------


def test_mean_iou_on_probabilities_is_half_the_background_whatever_the_model(images):
    truth = images[0].astype(int).ravel()
    blind, superb = np.zeros(truth.size), np.where(truth == 1, 0.99, 0.01)
    for chance in (images[1].ravel(), blind, superb, 1 - superb):
        score = float(keras.metrics.MeanIoU(num_classes=2)(truth, chance))
        assert score == pytest.approx((1 - truth.mean()) / 2, abs=1e-6)


def test_keras_binary_iou_of_the_foreground_is_ours(clinic, images):
    metric = keras.metrics.BinaryIoU(target_class_ids=[1], threshold=0.5)
    theirs = float(metric(images[0].astype(int).ravel(), images[1].ravel()))
    assert theirs == pytest.approx(clinic.pooled_iou(images[0], images[1] > 0.5), abs=1e-6)


# --- 3: the threshold picked on the test set ----------------------------------------------------


def test_the_best_of_all_thresholds_is_what_pysodmetrics_calls_max_iou(clinic, images, samples):
    # py_sod_metrics/fmeasurev2.py, version 1.6.2; examples/metric_recorder.py takes the maximum
    module = library("py_sod_metrics", "fmeasurev2")
    theirs = module.FmeasureV2({"iou": module.IOUHandler(with_dynamic=True, with_adaptive=False)})
    eights = np.round(images[1] * 255).astype(np.uint8)
    for truth, chance in zip(images[0], eights, strict=True):
        if truth.any():
            theirs.step(pred=chance / 255, gt=truth, normalize=False)
    curve = theirs.get_results()["iou"]["dynamic"]
    there = [i for i, truth in enumerate(images[0]) if truth.any()]
    steps = np.arange(-0.5, 255)
    ours = clinic.scores_at(samples[there], eights[there], steps)
    means = [s.iou_per_image().mean() for s in ours]
    assert np.flip(curve) == pytest.approx(np.array(means), abs=1e-9)
    assert curve.max() == pytest.approx(max(means), abs=1e-9)


def test_the_threshold_picked_on_test_never_scores_less(clinic, images, samples):
    thresholds = np.arange(0.05, 1, 0.05)
    table = [s.iou() for s in clinic.scores_at(samples, images[1], thresholds)]
    assert table[9] == pytest.approx(clinic.pooled_iou(images[0], images[1] > 0.5))
    assert max(table) > table[4]


# --- 4: empty masks -----------------------------------------------------------------------------


def overlaps(truths, guesses):
    return (truths & guesses).sum(axis=(1, 2)), (truths | guesses).sum(axis=(1, 2))


def test_the_smoothed_iou_is_that_of_keras_unet(clinic, images):
    # keras_unet/metrics.py, version 0.1.2: iou_thresholded(smooth=1.)
    theirs = library("keras_unet", "metrics").iou_thresholded
    tp, union = overlaps(images[0], images[1] >= 0.5)
    expected = [
        float(theirs(t.astype(np.float32), c)) for t, c in zip(images[0], images[1], strict=True)
    ]
    assert clinic.smoothed_iou(tp, union) == pytest.approx(np.array(expected), abs=1e-6)


def test_the_smoothed_iou_is_that_of_segmentation_models(clinic, images):
    # segmentation_models/base/functional.py, version 1.0.1: iou_score, SMOOTH = 1e-5
    functional = library("segmentation_models", "base", "functional")
    backend = keras_backend()
    tp, union = overlaps(images[0], images[1] > 0.5)
    for i, (truth, chance) in enumerate(zip(*images, strict=True)):
        batch = [
            keras.ops.convert_to_tensor(a[None, ..., None], "float32") for a in (truth, chance)
        ]
        theirs = float(functional.iou_score(*batch, threshold=0.5, backend=backend))
        ours = clinic.smoothed_iou(tp[i], union[i], smooth=functional.SMOOTH)
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_smoothing_counts_an_empty_pair_as_one_and_keras_as_zero(clinic):
    assert clinic.smoothed_iou(0, 0) == 1
    assert clinic.smoothed_iou(3, 6) == pytest.approx(4 / 7)  # a small object gains
    foreground = keras.metrics.BinaryIoU(target_class_ids=[1])
    assert float(foreground(np.zeros(9), np.zeros(9))) == 0
    assert math.isnan(iou(count(np.zeros(9, int), np.zeros(9, int)))[1])


def test_monai_leaves_out_a_false_alarm_where_the_truth_is_empty(images):
    # Project-MONAI/MONAI#4160; monai/metrics/meandice.py, version 1.6: ignore_empty=True
    torch = pytest.importorskip("torch", reason="make peers installs it")
    metrics = pytest.importorskip("monai.metrics", reason="make peers installs it")
    truths, guesses = (torch.tensor(a[:, None]) for a in (images[0], images[1] > 0.5))
    each = metrics.DiceMetric()(y_pred=guesses.float(), y=truths.float()).numpy().ravel()
    ours = dice(counts_of(images[0], images[1] > 0.5))
    assert np.isnan(each).tolist() == [i in (2, 3) for i in range(8)]
    assert np.isnan(ours).tolist() == [i == 2 for i in range(8)]
    assert ours[3] == 0
    defined = ~np.isnan(each)
    assert each[defined] == pytest.approx(ours[defined], abs=1e-6)


def test_tiles_hold_the_pixels_of_the_mask(clinic):
    mask = np.arange(70 * 100).reshape(70, 100)
    tiles = clinic.tiles(mask, side=32)
    assert tiles.shape == (2 * 3, 32 * 32)
    for i, tile in enumerate(tiles):
        row, column = 32 * (i // 3), 32 * (i % 3)
        assert (tile.reshape(32, 32) == mask[row : row + 32, column : column + 32]).all()


# --- 5: what should not count -------------------------------------------------------------------


def test_keras_binary_iou_averages_the_background_in(images):
    # keras/src/metrics/iou_metrics.py, version 3.15.1: target_class_ids=(0, 1)
    truth, guess = images[0].astype(int).ravel(), (images[1] > 0.5).astype(int).ravel()
    background, foreground = iou(count(truth, guess))
    theirs = float(keras.metrics.BinaryIoU()(truth, guess))
    assert theirs == pytest.approx((background + foreground) / 2, abs=1e-6)
    assert theirs > foreground


def test_void_marks_both_sides_of_a_border(clinic):
    truth = np.zeros((7, 8), bool)
    truth[2:6, 2:8] = True  # up to the image's edge, which is no border of the object
    void = clinic.with_void(truth)
    assert (void == 255).sum() == 6 + 6 + 4 + 6 + 6 + 4 - 2  # outside above, below, left; inside
    assert void[3, 7] == 1
    assert void[0, 0] == 0


def test_void_counted_as_background_costs_what_was_rightly_found(clinic):
    truth = np.zeros((7, 8), bool)
    truth[2:6, 2:6] = True
    void = clinic.with_void(truth)
    assert iou(count(void, truth, ignore_value=255))[1] == 1
    assert iou(count(void == 1, truth))[1] == 4 / 16


def test_keras_gives_a_blank_page_a_perfect_score_on_masks_of_255(images):
    truth = 255 * images[0].astype(int).ravel()
    assert float(keras.metrics.BinaryIoU()(truth, np.zeros(truth.size))) == pytest.approx(1)
    with pytest.raises(ValueError, match="found 255"):
        count(truth, np.zeros(truth.size, int))


# --- 6: resized masks ---------------------------------------------------------------------------


def test_the_nearest_pixel_is_the_corner_of_its_block(images):
    # keras_segmentation/data_utils/data_loader.py, version 0.3.0: cv2.INTER_NEAREST
    cv2 = pytest.importorskip("cv2", reason="OpenCV resizes the masks of keras_segmentation")
    mask = images[0][0].astype(np.uint8)
    assert (cv2.resize(mask, (8, 8), interpolation=cv2.INTER_NEAREST) == mask[::4, ::4]).all()


def test_nearest_in_pytorch_is_the_same_corner(images):
    torch = pytest.importorskip("torch", reason="make peers installs it")
    mask = torch.tensor(images[0][0].astype(np.float32))[None, None]
    small = torch.nn.functional.interpolate(mask, scale_factor=0.25, mode="nearest")
    assert (small[0, 0].numpy() == images[0][0][::4, ::4]).all()


def test_shrinking_takes_the_mean_of_each_block_and_enlarging_repeats(clinic):
    mask = np.arange(9 * 10.0).reshape(9, 10)
    small = clinic.shrink(mask, factor=4)
    assert small.tolist() == [[mask[r : r + 4, c : c + 4].mean() for c in (0, 4)] for r in (0, 4)]
    assert clinic.shrink(clinic.enlarge(small)).tolist() == small.tolist()


def test_a_perfect_small_mask_is_not_perfect_at_the_images_own_size(clinic):
    truth = np.zeros((16, 16), bool)
    truth[5:12, 5:12] = True
    small = clinic.shrink(truth) >= 0.5
    assert clinic.pooled_iou([small], [small]) == 1
    assert clinic.pooled_iou([truth], [clinic.enlarge(small)]) < 1


# --- 7: soft Dice -------------------------------------------------------------------------------


def test_soft_dice_is_that_of_segmentation_models(clinic, images):
    # segmentation_models/base/functional.py, version 1.0.1: f_score, threshold=None
    functional = library("segmentation_models", "base", "functional")
    backend = keras_backend()
    batch = [keras.ops.convert_to_tensor(part[..., None], "float32") for part in images]
    theirs = float(functional.f_score(*batch, backend=backend))
    assert clinic.soft_dice(*images) == pytest.approx(theirs, abs=1e-5)


def test_soft_dice_is_that_of_keras_unet(clinic, images):
    # keras_unet/metrics.py, version 0.1.2: dice_coef(smooth=1.)
    theirs = library("keras_unet", "metrics").dice_coef
    expected = float(theirs(images[0].astype(np.float32), images[1]))
    assert clinic.soft_dice(*images, smooth=1.0) == pytest.approx(expected, abs=1e-6)


def test_soft_dice_by_hand(clinic):
    truth, chance = np.array([1, 0]), np.array([0.8, 0.4])
    assert clinic.soft_dice(truth, chance, smooth=0) == pytest.approx(2 * 0.8 / (1 + 1.2))


def test_more_confidence_changes_soft_dice_and_no_pixel_of_the_mask(clinic, images):
    surer = clinic.more_confident(images[1].astype(float))
    assert ((surer > 0.5) == (images[1] > 0.5)).all()
    assert clinic.more_confident(1 - images[1].astype(float)) == pytest.approx(1 - surer)
    assert abs(clinic.soft_dice(images[0], surer) - clinic.soft_dice(*images)) > 0.01
    assert clinic.soft_dice(images[0], images[0]) == pytest.approx(1)


# --- the predictions ----------------------------------------------------------------------------


def test_the_predictions_are_the_same_each_time_and_leave_unlabelled_pixels_alone(clinic):
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 10:30] = 1
    mask[:, 40:] = 255
    chance = clinic.pretend(mask, 3)
    assert (chance == clinic.pretend(mask, 3)).all()
    assert (chance != clinic.pretend(mask, 4)).any()
    assert chance.dtype == np.float32
    assert (chance[:, 40:] == 0).all()
    assert chance[15:25, 15:25].mean() > 0.8 > 0.2 > chance[:5].mean()

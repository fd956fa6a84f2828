"""Boundary scores against hand-made cases, all pairs of outline pixels, and MONAI."""

import itertools
import math
import warnings

import numpy as np
import pytest
from builders import assert_says, make_samples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from unet_helpers.evaluation.binary import binary_mask
from unet_helpers.evaluation.boundaries import (
    boundary_iou,
    hausdorff95,
    score_boundaries,
    surface_dice,
)

masks = some.arrays(np.uint8, (7, 9), elements=st.integers(0, 1))
pairs = st.tuples(masks, masks)
spacings = st.sampled_from([1, 0.5, (1, 3), (2.5, 0.4)])


def square(top: int, left: int, side: int, size: int = 12) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


# --- brute force: neighbour by neighbour, pair by pair --------------------------------------------


def outline(mask: np.ndarray) -> list[tuple[int, int]]:
    inside = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    return [(y, x) for y, x in inside if any((y + u, x + v) not in inside for u, v in steps)]


def nearest(
    points: list[tuple[int, int]], others: list[tuple[int, int]], spacing: float | tuple
) -> list[float]:
    height, width = spacing if isinstance(spacing, tuple) else (spacing, spacing)
    return [
        min((math.hypot((y - v) * height, (x - u) * width) for v, u in others), default=math.inf)
        for y, x in points
    ]


def rim(mask: np.ndarray, width: int) -> set[tuple[int, int]]:
    inside = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    steps = list(itertools.product(range(-width, width + 1), repeat=2))
    return {(y, x) for y, x in inside if any((y + u, x + v) not in inside for u, v in steps)}


def percentile95(values: list[float]) -> float:
    """Linear between the ranks, written out."""
    ranked = sorted(values)
    place = 0.95 * (len(ranked) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (place - below) * (ranked[above] - ranked[below])


@given(pairs, st.integers(1, 4))
def test_boundary_iou_is_that_of_the_rims_counted_pixel_by_pixel(
    pair: tuple[np.ndarray, np.ndarray], width: int
) -> None:
    true, guess = (rim(mask, width) for mask in pair)
    expected = len(true & guess) / len(true | guess) if true | guess else math.nan
    assert boundary_iou(*pair, width=width) == pytest.approx(expected, nan_ok=True)


@given(pairs, spacings, st.sampled_from([0, 0.5, 1, 1.5, 3]))
def test_surface_dice_is_that_of_all_pairs_of_outline_pixels(
    pair: tuple[np.ndarray, np.ndarray], spacing: float | tuple, tolerance: float
) -> None:
    true, guess = (outline(mask) for mask in pair)
    distances = nearest(true, guess, spacing) + nearest(guess, true, spacing)
    near = [distance <= tolerance + 1e-9 for distance in distances]
    expected = sum(near) / len(near) if near else math.nan
    assert surface_dice(*pair, tolerance, spacing) == pytest.approx(expected, nan_ok=True)


@given(pairs, spacings)
def test_hausdorff95_is_that_of_all_pairs_of_outline_pixels(
    pair: tuple[np.ndarray, np.ndarray], spacing: float | tuple
) -> None:
    true, guess = (outline(mask) for mask in pair)
    there, back = nearest(true, guess, spacing), nearest(guess, true, spacing)
    if true and guess:
        larger, together = max(map(percentile95, (there, back))), percentile95(there + back)
    else:
        larger = together = math.inf if true or guess else math.nan
    assert hausdorff95(*pair, spacing) == pytest.approx(larger, nan_ok=True)
    assert hausdorff95(*pair, spacing, pooled=True) == pytest.approx(together, nan_ok=True)


# --- MONAI, where it defines the same thing -------------------------------------------------------


@given(pairs, spacings, st.sampled_from([0, 0.5, 1, 3]))
def test_monai_agrees(
    pair: tuple[np.ndarray, np.ndarray], spacing: float | tuple, tolerance: float
) -> None:
    torch = pytest.importorskip("torch", reason="make peers installs it")
    monai = pytest.importorskip("monai.metrics", reason="make peers installs it")
    true, guess = (torch.from_numpy(mask)[None, None].float() for mask in pair)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about empty masks
        settings = {"include_background": True, "spacing": spacing}
        dice = monai.compute_surface_dice(guess, true, [tolerance + 1e-6], **settings)
        far = monai.compute_hausdorff_distance(guess, true, percentile=95, **settings)
    assert surface_dice(*pair, tolerance, spacing) == pytest.approx(float(dice), nan_ok=True)
    if pair[0].any() and pair[1].any():  # of an empty mask it says NaN or 0
        # It looks for the rank in float32, which is good to five digits between two ranks.
        assert hausdorff95(*pair, spacing) == pytest.approx(float(far), rel=1e-5)


# --- by hand --------------------------------------------------------------------------------------


def test_a_square_moved_by_two() -> None:
    true, guess = square(3, 3, 5), square(3, 5, 5)
    # Rims of 16 pixels each share the 2 x 3 of the top and bottom rows.
    assert boundary_iou(true, guess, width=1) == pytest.approx(6 / 26)
    # Rows 3 and 7 lie on the other's for 3 pixels of 5; sides and corners are 2 away.
    assert surface_dice(true, guess, tolerance=0) == pytest.approx(12 / 32)
    assert hausdorff95(true, guess) == 2
    assert hausdorff95(true, guess, spacing=(1, 0.25)) == 0.5


def test_a_tolerance_that_is_the_distance_is_kept() -> None:
    true, guess = square(3, 3, 5), square(3, 5, 5)
    assert surface_dice(true, guess, tolerance=2) == 1
    assert surface_dice(true, guess, tolerance=1.99) < 1
    assert surface_dice(true, guess, tolerance=0.2, spacing=0.1) == 1


def test_a_far_speck_moves_one_direction_only() -> None:
    true, guess = square(10, 10, 9, size=60), square(10, 10, 9, size=60)
    guess[10:13, 50] = 1  # 3 of the prediction's 35 outline pixels
    assert hausdorff95(true, guess) > 30
    assert hausdorff95(true, guess, pooled=True) == 0  # 3 of 67 are less than 5 %
    guess[11:13, 50] = 0  # 1 of 33
    assert hausdorff95(true, guess) == 0


def test_by_default_the_rim_is_two_percent_of_the_diagonal() -> None:
    true, guess = (square(20, left, 100, size=300) for left in (20, 29))
    assert round(0.02 * math.hypot(300, 300)) == 8
    assert boundary_iou(true, guess) == boundary_iou(true, guess, width=8)
    assert boundary_iou(true, guess) != boundary_iou(true, guess, width=9)
    assert boundary_iou(square(0, 0, 2, 3), square(0, 0, 2, 3)) == 1  # at least one pixel


def test_the_images_edge_is_a_boundary() -> None:
    whole, part = np.ones((9, 9), int), np.ones((9, 9), int)
    part[:, 8] = 0
    assert boundary_iou(whole, part, width=1) == pytest.approx(23 / 39)
    assert surface_dice(whole, part, tolerance=0) == pytest.approx(46 / 62)


@given(masks)
def test_a_wide_rim_is_the_whole_mask(mask: np.ndarray) -> None:
    other = np.roll(mask, 1, axis=1)
    union = np.count_nonzero(mask | other)
    expected = np.count_nonzero(mask & other) / union if union else math.nan
    assert boundary_iou(mask, other, width=9) == pytest.approx(expected, nan_ok=True)


@given(pairs)
def test_order_does_not_matter_and_a_mask_agrees_with_itself(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    for score in (boundary_iou, hausdorff95, lambda *both: surface_dice(*both, tolerance=1)):
        assert score(*pair) == pytest.approx(score(*pair[::-1]), nan_ok=True)
    if pair[0].any():
        same = (pair[0], pair[0])
        assert (boundary_iou(*same), surface_dice(*same, 0), hausdorff95(*same)) == (1, 1, 0)


def test_empty_masks() -> None:
    empty, full = np.zeros((12, 12), int), square(3, 3, 5)
    for pair in ((full, empty), (empty, full)):
        assert boundary_iou(*pair) == 0
        assert surface_dice(*pair, tolerance=100) == 0
        assert hausdorff95(*pair) == hausdorff95(*pair, pooled=True) == math.inf
    nothing = (boundary_iou(empty, empty), surface_dice(empty, empty, 1), hausdorff95(empty, empty))
    assert all(map(math.isnan, nothing))


# --- pixels without a label -----------------------------------------------------------------------


def test_the_edge_of_an_ignored_region_is_no_boundary() -> None:
    guess = square(2, 2, 8)
    truth = guess.copy()
    truth[:, 6:] = 255
    settings = {"ignore_value": 255}
    assert boundary_iou(truth, guess, width=1, **settings) == 1
    assert surface_dice(truth, guess, 0, **settings) == 1
    assert hausdorff95(truth, guess, **settings) == 0


@given(pairs, masks)
def test_what_is_predicted_at_ignored_pixels_far_away_does_not_matter(
    pair: tuple[np.ndarray, np.ndarray], elsewhere: np.ndarray
) -> None:
    truth, guess = (np.pad(mask, ((1, 1), (1, 12))) for mask in pair)
    truth[:, -9:] = 7
    scores = []
    for there in (np.zeros_like(elsewhere), elsewhere):
        guess[1:-1, -9:] = there
        scores.append(boundary_iou(truth, guess, width=1, ignore_value=7))
    assert scores[0] == pytest.approx(scores[1], nan_ok=True)


def test_where_nothing_is_labelled_nothing_is_scored() -> None:
    truth, guess = np.full((12, 12), 9), square(3, 3, 5)
    assert math.isnan(boundary_iou(truth, guess, ignore_value=9))
    assert math.isnan(surface_dice(truth, guess, 1, ignore_value=9))
    assert math.isnan(hausdorff95(truth, guess, ignore_value=9))


# --- many images ----------------------------------------------------------------------------------


def scored(**changes: object) -> tuple:
    truths = [square(3, 3, 5) * 2, square(0, 0, 2), square(3, 3, 5) * 2]
    truths[0][0, 0] = 255
    samples = make_samples(
        [(np.zeros((12, 12, 1), np.uint8), truth) for truth in truths],
        class_names=("ground", "cell", "nucleus"),
        ignore_value=255,
    )
    guesses = [square(3, 5, 5) * 2, square(0, 0, 2), square(3, 3, 5)]
    return samples, iter(guesses), {"class_id": 2, "tolerance": 1, **changes}


def test_scores_of_many_images_are_those_of_each() -> None:
    samples, guesses, settings = scored()
    scores = score_boundaries(samples, guesses, **settings)
    true, guess = square(3, 3, 5), square(3, 5, 5)
    single = [boundary_iou(true, guess), math.nan, 0]
    assert scores.boundary_iou.tolist() == pytest.approx(single, nan_ok=True)
    single = [surface_dice(true, guess, 1), math.nan, 0]
    assert scores.surface_dice.tolist() == pytest.approx(single, nan_ok=True)
    assert scores.hausdorff95.tolist() == pytest.approx([2, math.nan, math.inf], nan_ok=True)
    assert scores.names == ("image 0", "image 1", "image 2")


def test_pixels_without_a_label_are_ignored_in_every_image() -> None:
    guess = square(2, 2, 8)
    truth = guess.copy()
    truth[:, 6:] = 255
    samples = make_samples([(truth[..., None], truth)], ignore_value=255)
    scores = score_boundaries(samples, [guess], tolerance=0)
    assert (scores.boundary_iou, scores.surface_dice, scores.hausdorff95) == (1, 1, 0)


def test_the_table_tells_what_is_undefined_and_what_infinite() -> None:
    samples, guesses, settings = scored()
    last = score_boundaries(samples, guesses, **settings).table().splitlines()[-1]
    assert last.split() == ["Hausdorff", "distance", "95", "%", *["≈", "inf"] * 2, "1", "1"]


def test_a_table_of_undefined_scores_says_so() -> None:
    full = np.ones((12, 12), np.uint8)
    samples = make_samples([(full[..., None], full)])
    first = score_boundaries(samples, [full], class_id=0).table().splitlines()[1]
    assert first.split() == ["boundary", "IoU", *["≈", "nan"] * 2, "1", "0"]


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("truth", "guess", "parts"),
    [
        (square(0, 0, 2) * 255, square(0, 0, 2), ("truth", "255")),
        (square(0, 0, 2), square(0, 0, 2) * 0.4, ("prediction", "0.4")),
        (square(0, 0, 2), square(0, 0, 2, 11), ("prediction", "(12, 12)", "(11, 11)")),
        (square(0, 0, 2)[..., None], square(0, 0, 2), ("truth", "(12, 12, 1)")),
        (square(0, 0, 2), square(0, 0, 2) * math.nan, ("prediction", "nan")),
    ],
)
def test_wrong_masks_are_refused(truth: np.ndarray, guess: np.ndarray, parts: tuple) -> None:
    for score in (boundary_iou, hausdorff95, lambda *both: surface_dice(*both, tolerance=1)):
        with pytest.raises(ValueError) as error:
            score(truth, guess)
        assert_says(error, *parts)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda a: boundary_iou(a, a, width=0), ("width", "0")),
        (lambda a: surface_dice(a, a, tolerance=-1), ("tolerance", "-1")),
        (lambda a: surface_dice(a, a, tolerance=math.nan), ("tolerance", "nan")),
        (lambda a: hausdorff95(a, a, spacing=(1, 0)), ("spacing", "(1, 0)")),
    ],
)
def test_wrong_settings_are_refused(call, parts: tuple) -> None:
    with pytest.raises(ValueError) as error:
        call(square(0, 0, 2))
    assert_says(error, *parts)


def test_wrong_numbers_and_classes_are_refused() -> None:
    for change, guesses, parts in (
        ({"class_id": 3}, 3, ("class_id", "3", "nucleus")),
        ({}, 2, ("predictions", "3 samples", "2")),
        ({}, 4, ("predictions", "more")),
    ):
        samples, _, settings = scored(**change)
        with pytest.raises(ValueError) as error:
            score_boundaries(samples, (square(0, 0, 2) for _ in range(guesses)), **settings)
        assert_says(error, *parts)
    with pytest.raises(ValueError, match="image 0: prediction must hold class ids 0 to 2"):
        samples, _, settings = scored()
        score_boundaries(samples, [square(0, 0, 2) * 9] * 3, **settings)


def test_a_mask_of_float_zeros_and_ones_is_one() -> None:
    assert binary_mask([[0.0, 1.0]]).tolist() == [[0.0, 1.0]]
    assert boundary_iou(square(0, 0, 2) * 1.0, square(0, 0, 2) == 1) == 1

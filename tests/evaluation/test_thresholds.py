"""Thresholds: the best of all by brute force, ties, and the wrong ways, which are refused."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest
from builders import assert_says, make_samples
from hypothesis import given
from hypothesis import strategies as st

from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.scores import accuracy, dice, iou, precision, recall, score_images
from unet_helpers.evaluation.thresholds import GRID, choose_threshold
from unet_helpers.prediction.predict import to_mask


def noisy(
    number: int = 4, seed: int = 0, ignore: int | None = None, dtype: type = np.float32
) -> tuple[Samples, list[np.ndarray]]:
    """Samples of unlike sizes and probabilities that are right more often than not."""
    rng = np.random.default_rng(seed)
    pairs, probabilities = [], []
    for index in range(number):
        mask = (rng.random((9 + index, 12)) < 0.4).astype(np.uint8)
        noise = 0.35 * mask + 0.2 + 0.25 * rng.normal(size=mask.shape)
        probabilities.append(np.clip(noise, 0, 1).astype(dtype)[..., None])
        if ignore is not None:
            mask[rng.random(mask.shape) < 0.2] = ignore
        pairs.append((np.zeros((*mask.shape, 1), np.uint8), mask))
    return make_samples(pairs, ignore_value=ignore), probabilities


# --- the best, by brute force -------------------------------------------------------------------


@pytest.mark.parametrize("ignore", [None, 255])
@pytest.mark.parametrize("class_id", [0, 1])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("measure", [iou, dice, recall, precision, accuracy])
def test_the_curve_is_that_of_scoring_the_masks_of_every_threshold(
    measure,  # type: ignore[no-untyped-def]
    dtype: type,
    class_id: int,
    ignore: int | None,
) -> None:
    samples, probabilities = noisy(3, ignore=ignore, dtype=dtype)
    # Probabilities on thresholds themselves, where one rounding decides.
    probabilities[0][:, :8, 0] = np.resize(GRID, (9, 8)).astype(dtype)
    grid = GRID[::7]
    chosen = choose_threshold(samples, probabilities, measure, class_id, grid)
    expected = [
        score_images(samples, [to_mask(p, float(t)) for p in probabilities]).pooled(
            measure, class_id
        )
        for t in grid
    ]
    np.testing.assert_array_equal(chosen.scores, expected)
    assert chosen.score == np.nanmax(expected)
    assert chosen.measure == measure.__name__


@given(st.integers(0, 200))
def test_its_masks_score_what_it_says_and_no_other_threshold_more(seed: int) -> None:
    samples, probabilities = noisy(3, seed)
    chosen = choose_threshold(samples, probabilities)
    masks = [chosen.mask(p) for p in probabilities]
    assert score_images(samples, masks).iou() == chosen.score == chosen.scores.max()
    for mask, values in zip(masks, probabilities, strict=True):
        np.testing.assert_array_equal(mask, to_mask(values, chosen.value))
        np.testing.assert_array_equal(mask, chosen.mask(values[..., 0]))
    assert chosen.value in GRID


def test_order_and_cutting_up_of_the_images_play_no_part() -> None:
    samples, probabilities = noisy(5)
    one = choose_threshold(samples, probabilities)
    other = choose_threshold(samples[::-1], iter(probabilities[::-1]))
    assert (one.value, one.score) == (other.value, other.score)
    np.testing.assert_array_equal(one.scores, other.scores)


# --- ties ---------------------------------------------------------------------------------------


def two_pixels(*probabilities: float) -> tuple[Samples, list[np.ndarray]]:
    mask = np.array([[0, 1]], np.uint8)
    samples = make_samples([(np.zeros((1, 2, 1), np.uint8), mask)] * (len(probabilities) // 2))
    return samples, list(np.reshape(probabilities, (-1, 1, 2, 1)))


def test_the_middle_of_a_flat_top_is_taken() -> None:
    # Right from 0.20 to 0.79: 60 thresholds, the lower one of the middle two is 0.49.
    chosen = choose_threshold(*two_pixels(0.2, 0.795))
    assert (chosen.value, chosen.score) == (0.49, 1)


def test_of_two_flat_tops_the_longer_one_is_taken() -> None:
    grid = [0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8]
    # Below 0.25 both true pixels are found, with one false; above 0.45 one of them, with none.
    chosen = choose_threshold(*two_pixels(0.05, 0.25, 0.45, 0.95), precision, thresholds=grid)
    assert chosen.scores.tolist() == [2 / 3, 2 / 3, 1 / 2, 1, 1, 1, 1]
    assert chosen.value == 0.6
    chosen = choose_threshold(*two_pixels(0.85, 0.05, 0.05, 0.65), recall, thresholds=grid)
    assert chosen.value == 0.3


def test_separate_tops_are_not_averaged() -> None:
    grid = [0.1, 0.2, 0.3, 0.4, 0.5]
    samples, probabilities = two_pixels(0.05, 0.25, 0.35, 0.45)
    # IoU 2/3, 2/3, 1/3, 1/2, 0: the top is 0.1 and 0.2.
    chosen = choose_threshold(samples, probabilities, thresholds=grid)
    assert chosen.scores.tolist() == [2 / 3, 2 / 3, 1 / 3, 1 / 2, 0]
    assert chosen.value == 0.1


def test_the_longest_flat_top_counts_wherever_it_is() -> None:
    mask = np.array([[1, 0, 0]], np.uint8)
    samples = make_samples([(np.zeros((1, 3, 1), np.uint8), mask)])
    values = [np.array([[[0.35], [0.15], [0.45]]])]
    grid = [0.1, 0.2, 0.3, 0.4, 0.46, 0.5, 0.6]
    chosen = choose_threshold(samples, values, accuracy, thresholds=grid)
    expected = [1 / 3, 2 / 3, 2 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3]
    assert chosen.scores.tolist() == pytest.approx(expected)
    assert chosen.value == 0.5
    assert choose_threshold(samples, values, accuracy, thresholds=grid[:-1]).value == 0.2


def test_a_probability_on_the_threshold_is_background() -> None:
    samples, probabilities = noisy(1)
    chosen = choose_threshold(samples, probabilities, thresholds=[0.25])
    on_it = np.array([[0.25, 0.2500001, 0.2499999]], np.float32)
    assert chosen.mask(on_it).tolist() == to_mask(on_it[..., None], 0.25).tolist() == [[0, 1, 0]]


# --- the right way is one line, the wrong way is refused ----------------------------------------


def test_the_right_way() -> None:
    samples, probabilities = noisy(10)
    by_name = dict(zip(samples.names, probabilities, strict=True))
    _, val, test = samples.split()
    chosen = choose_threshold(val, (by_name[name] for name in val.names))
    scores = score_images(test, chosen.masks(test, (by_name[name] for name in test.names)))
    expected = [to_mask(by_name[name], chosen.value) for name in test.names]
    assert scores.iou() == score_images(test, expected).iou()
    assert str(chosen).startswith(f"threshold ≈ {chosen.value:.3g}, chosen on 2 images by their")


def test_the_test_part_is_refused() -> None:
    samples, probabilities = noisy(10)
    test = samples.split()[2]
    for part in (test, test[:1], test.binary()):
        with pytest.raises(ValueError) as error:
            choose_threshold(part, probabilities[: len(part)])
        assert_says(error, "validation", "the test part of 'things'")


def test_the_training_part_is_warned_of() -> None:
    samples, _ = noisy(10)
    train = samples.split()[0]
    with pytest.warns(UserWarning, match="training images") as told:
        choose_threshold(train, [0.5 + 0 * s.image for s in train])
    assert told[0].filename == __file__


@pytest.mark.parametrize("overlap", [slice(0, 2), slice(1, 5), [1]])
def test_images_it_was_chosen_on_are_not_scored(overlap: object) -> None:
    samples, probabilities = noisy(6)
    chosen = choose_threshold(samples[:2], probabilities[:2])
    part = samples[overlap]
    for again in (part, part.binary(), dataclasses.replace(part, part="test")):
        with pytest.raises(ValueError) as error:
            chosen.masks(again, [])  # before a single mask is asked for
        assert_says(error, "other images", "such as 'image ")
    chosen.check_unseen(samples[2:])


def test_images_are_told_apart_by_their_files() -> None:
    samples, probabilities = noisy(2)

    def at(folder: str) -> Samples:
        records = [
            dataclasses.replace(r, files=(Path(folder) / f"{r.name}.png",)) for r in samples.records
        ]
        return dataclasses.replace(samples, records=tuple(records))

    chosen = choose_threshold(at("val"), probabilities)
    chosen.check_unseen(at("test"))  # the same names in another folder are other images
    renamed = dataclasses.replace(at("val"), name="otherwise")
    with pytest.raises(ValueError):
        chosen.check_unseen(renamed)


# --- what is refused ----------------------------------------------------------------------------


def test_several_outputs_need_no_threshold() -> None:
    samples, probabilities = noisy(1)
    both = [np.concatenate([1 - p, p], axis=-1) for p in probabilities]
    with pytest.raises(ValueError) as error:
        choose_threshold(samples, both)
    assert_says(error, "one output", "found 2", "needs none")
    chosen = choose_threshold(samples, probabilities)
    with pytest.raises(ValueError) as error:
        chosen.mask(both[0])
    assert_says(error, "(9, 12, 2)", "no threshold")


def test_more_than_two_classes_are_refused() -> None:
    samples, probabilities = noisy(1)
    three = dataclasses.replace(samples, class_names=("background", "a", "b"))
    with pytest.raises(ValueError) as error:
        choose_threshold(three, probabilities)
    assert_says(error, "two classes", "found 3", "samples.binary()")
    with pytest.raises(ValueError):
        choose_threshold(samples, probabilities, class_id=2)


@pytest.mark.parametrize("grid", [[], [0.5, 0.4], [0.5, 0.5], [-0.1, 0.5], [0.5, 1], [[0.5]]])
def test_thresholds_that_do_not_increase_from_0_to_1_are_refused(grid: list) -> None:
    with pytest.raises(ValueError) as error:
        choose_threshold(*noisy(1), thresholds=grid)
    assert_says(error, "thresholds", "increasing")


def test_images_without_the_class_are_refused() -> None:
    samples = make_samples([(np.zeros((2, 2, 1), np.uint8), np.zeros((2, 2), np.uint8))])
    with pytest.raises(ValueError) as error:
        choose_threshold(samples, [np.zeros((2, 2, 1))])
    assert_says(error, "'foreground'", "no pixel")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p[:-1], "found 3"),
        (lambda p: [*p, p[0]], "found more"),
        (lambda p: [p[1], *p[1:]], "(10, 12, 1)"),
        (lambda p: [10 * q for q in p], "0 to 1"),
        (lambda p: [q - 0.5 for q in p], "0 to 1"),
        (lambda p: [q * np.nan for q in p], "nan"),
        (lambda p: [(q > 0.5).astype(np.uint8) for q in p], "uint8"),
    ],
)
def test_what_is_no_probabilities_of_the_samples_is_refused(change, said: str) -> None:  # type: ignore[no-untyped-def]
    samples, probabilities = noisy(4)
    with pytest.raises(ValueError) as error:
        choose_threshold(samples, change(probabilities))
    assert_says(error, "probabilities", said)


def test_probabilities_are_taken_one_at_a_time() -> None:
    samples, probabilities = noisy(5)
    held: list[int] = []

    def stream():  # type: ignore[no-untyped-def]
        for values in probabilities:
            held.append(1)
            yield functools.reduce(np.add, [values])

    chosen = choose_threshold(samples, stream())
    assert len(held) == 5 == len(chosen.images)
    masks = chosen.masks(make_samples([]), stream())
    next(masks)
    assert len(held) == 6

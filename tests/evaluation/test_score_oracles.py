"""Counts and scores against independent oracles: sets of pixels, and other people's libraries."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unet_helpers.evaluation.scores import (
    Counts,
    Scores,
    accuracy,
    confusion,
    count,
    dice,
    iou,
    precision,
    recall,
    specificity,
)

MEASURES = {m.__name__: m for m in (iou, dice, precision, recall, specificity, accuracy)}

# --- every pair of binary images of 2 x 2 pixels ------------------------------------------------

PIXELS = list(itertools.product(range(2), range(2)))
IMAGES = [np.array(bits, np.uint8).reshape(2, 2) for bits in itertools.product((0, 1), repeat=4)]


def over(above: int, below: int) -> float:
    return above / below if below else float("nan")


def by_sets(real: set, said: set, everything: set) -> dict[str, float]:
    """Each score from its definition on sets of pixels, without a table of counts."""
    elsewhere = everything - real
    right = everything - (real ^ said)
    return {
        "iou": over(len(real & said), len(real | said)),
        "dice": over(2 * len(real & said), len(real) + len(said)),
        "precision": over(len(real & said), len(said)),
        "recall": over(len(real & said), len(real)),
        "specificity": over(len(elsewhere - said), len(elsewhere)),
        "accuracy": over(len(right), len(everything)),
    }


def where(mask: np.ndarray, class_id: int, image: int = 0) -> set:
    return {(image, *pixel) for pixel in PIXELS if mask[pixel] == class_id}


def test_all_256_pairs_of_images_of_2_by_2_pixels() -> None:
    for truth, guess in itertools.product(IMAGES, IMAGES):
        counts = count(truth, guess)
        for class_id in (0, 1):
            real, said = where(truth, class_id), where(guess, class_id)
            wanted = by_sets(real, said, {(0, *pixel) for pixel in PIXELS})
            got = {name: float(m(counts.of_class(class_id))) for name, m in MEASURES.items()}
            assert got == pytest.approx(wanted, abs=1e-12, nan_ok=True), (truth, guess)


def test_all_stacks_of_two_images_of_2_by_2_pixels() -> None:
    """2 x 2 x 2 binary images: all 65,536 pairs, which 256 x 256 tables make."""
    pairs = list(itertools.product(IMAGES, IMAGES))
    tables = np.array([confusion(truth, guess) for truth, guess in pairs])
    sets = [(where(t, 1), where(g, 1), where(t, 1, 1), where(g, 1, 1)) for t, g in pairs]
    wanted, means = np.empty((256, 256)), np.empty((256, 256))
    for i, j in itertools.product(range(256), range(256)):
        real, said = sets[i][0] | sets[j][2], sets[i][1] | sets[j][3]
        wanted[i, j] = over(len(real & said), len(real | said))
    each = np.array([over(len(r & s), len(r | s)) for r, s, _, _ in sets])
    both = np.stack(np.broadcast_arrays(each[:, None], each[None]))
    known = ~np.isnan(both)
    with np.errstate(invalid="ignore"):
        means = np.where(known, both, 0).sum(axis=0) / known.sum(axis=0)
    for i in range(256):
        stacks = np.stack(np.broadcast_arrays(tables[i], tables), axis=1)
        got = iou(Counts.of_confusion(stacks.sum(axis=1)))[:, 1]
        np.testing.assert_allclose(got, wanted[i], atol=1e-12)
    for i, j in itertools.product(range(0, 256, 5), range(0, 256, 7)):
        scores = Scores(("a", "b"), (), ("background", "cell"), tables[[i, j]])
        assert scores.iou() == pytest.approx(wanted[i, j], nan_ok=True)
        assert scores.mean() == pytest.approx(means[i, j], nan_ok=True)
        assert scores.undefined() == 2 - known[:, i, j].sum()


# --- masks made by hypothesis -------------------------------------------------------------------


@st.composite
def masks(draw: st.DrawFn, images: int = 1, most: int = 5) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of classes, truths and predictions (images, height, width)."""
    classes = draw(st.integers(2, most))
    shape = (images, draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    ids = hnp.arrays(np.uint8, shape, elements=st.integers(0, classes - 1))
    return classes, draw(ids), draw(ids)


def undefined_as(value: float, score: np.ndarray) -> np.ndarray:
    """What a library that says `value` where nothing is divided by nothing would say."""
    return np.where(np.isnan(score), value, score)


# --- scikit-learn -------------------------------------------------------------------------------


@settings(max_examples=15)
@given(masks())
def test_scikit_learn_agrees(case: tuple) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    classes, truth, guess = case
    ids, true, said = np.arange(classes), truth.ravel(), guess.ravel()
    assert (
        confusion(truth, guess, classes) == metrics.confusion_matrix(true, said, labels=ids)
    ).all()
    tables = metrics.multilabel_confusion_matrix(true, said, labels=ids)
    counts = count(truth, guess, classes)
    assert (
        np.stack([counts.tn, counts.fp, counts.fn, counts.tp], 1) == tables.reshape(-1, 4)
    ).all()
    others: dict[Callable, Callable] = {
        iou: metrics.jaccard_score,
        dice: metrics.f1_score,
        precision: metrics.precision_score,
        recall: metrics.recall_score,
    }
    for ours, theirs in others.items():
        # average=None: one score a class; zero_division=0: it says 0 where we say undefined.
        wanted = theirs(true, said, labels=ids, average=None, zero_division=0)
        np.testing.assert_allclose(undefined_as(0, ours(counts)), wanted, atol=1e-6)
        # Summed over the classes first, the same measure is scikit-learn's micro average.
        summed = ours(
            Counts(*(np.sum(part) for part in (counts.tp, counts.fp, counts.fn, counts.tn)))
        )
        wanted = theirs(true, said, labels=ids, average="micro", zero_division=0)
        assert float(summed) == pytest.approx(wanted, abs=1e-6)


@given(masks())
def test_scikit_learns_balanced_accuracy_is_the_mean_recall(case: tuple) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    classes, truth, guess = case
    # It leaves out a class that the truth lacks, as we do, but warns if that is predicted.
    held = np.isin(guess, truth)
    if len(np.unique(truth[held])) < 2 or not np.isin(guess[held], truth[held]).all():
        return
    table = confusion(truth[held], guess[held], classes)
    scores = Scores(("a",), (), tuple(map(str, range(classes))), table[None])
    wanted = metrics.balanced_accuracy_score(truth[held], guess[held])
    assert scores.over_classes(recall) == pytest.approx(wanted, abs=1e-6)


# --- MONAI and torchmetrics ---------------------------------------------------------------------


def one_hot(ids: np.ndarray, classes: int) -> np.ndarray:
    return np.moveaxis(np.eye(classes, dtype=np.float32)[ids], -1, 1)


@settings(max_examples=12)
@given(masks(images=3))
def test_monai_agrees_on_each_image_and_class(case: tuple) -> None:
    torch = pytest.importorskip("torch", reason="make peers installs it")
    monai = pytest.importorskip("monai.metrics", reason="make peers installs it")
    classes, truth, guess = case
    said, true = (torch.tensor(one_hot(ids, classes)) for ids in (guess, truth))
    counts = [count(t, g, classes) for t, g in zip(truth, guess, strict=True)]
    # ignore_empty=True makes NaN of a class that the truth lacks, also where the prediction has it;
    # False makes 1 of it where the prediction lacks it too: that is the case we call undefined.
    for ours, theirs in ((dice, monai.compute_dice), (iou, monai.compute_iou)):
        wanted = theirs(said, true, include_background=True, ignore_empty=False).numpy()
        got = np.stack([undefined_as(1, ours(c)) for c in counts])
        np.testing.assert_allclose(got, wanted, atol=1e-6)
    # Columns tp, fp, tn, fn.
    table = monai.get_confusion_matrix(said, true, include_background=True).numpy()
    got = np.stack([np.stack([c.tp, c.fp, c.tn, c.fn], axis=1) for c in counts])
    assert (got == table).all()
    names = {"sensitivity": recall, "precision": precision, "specificity": specificity}
    for name, ours in {**names, "accuracy": accuracy}.items():
        wanted = monai.compute_confusion_matrix_metric(name, torch.tensor(table)).numpy()
        np.testing.assert_allclose(np.stack([ours(c) for c in counts]), wanted, atol=1e-6)


@given(masks(images=3))
def test_torchmetrics_agrees_on_the_pooled_scores_of_each_class(case: tuple) -> None:
    torch = pytest.importorskip("torch", reason="make peers installs it")
    theirs = pytest.importorskip(
        "torchmetrics.functional.classification", reason="make peers installs it"
    )
    classes, truth, guess = case
    said, true = torch.tensor(guess).long(), torch.tensor(truth).long()
    counts = count(truth, guess, classes)
    # average="none": a score a class, of all images together; undefined ones are said to be 0.
    for ours, name in {
        iou: "jaccard_index",
        dice: "f1_score",
        precision: "precision",
        recall: "recall",
        specificity: "specificity",
    }.items():
        score = getattr(theirs, f"multiclass_{name}")
        wanted = score(said, true, num_classes=classes, average="none").numpy()
        np.testing.assert_allclose(undefined_as(0, ours(counts)), wanted, atol=1e-6)


@given(masks(images=2), st.randoms(use_true_random=False))
def test_torchmetrics_agrees_with_an_ignored_value(case: tuple, random: object) -> None:
    torch = pytest.importorskip("torch", reason="make peers installs it")
    theirs = pytest.importorskip(
        "torchmetrics.functional.classification", reason="make peers installs it"
    )
    classes, truth, guess = case
    holes = np.array([random.random() < 0.3 for _ in range(truth.size)]).reshape(truth.shape)
    truth = np.where(holes, 255, truth).astype(np.uint8)
    wanted = theirs.multiclass_confusion_matrix(
        torch.tensor(guess).long(), torch.tensor(truth).long(), classes, ignore_index=255
    ).numpy()
    assert (confusion(truth, guess, classes, ignore_value=255) == wanted).all()


# --- what must hold whatever the masks ----------------------------------------------------------


def same(one: np.ndarray, other: np.ndarray) -> None:
    np.testing.assert_allclose(one, other, rtol=1e-12, equal_nan=True)


@given(masks())
def test_swapping_truth_and_prediction_changes_neither_iou_nor_dice(case: tuple) -> None:
    classes, truth, guess = case
    there, back = count(truth, guess, classes), count(guess, truth, classes)
    same(iou(there), iou(back))
    same(dice(there), dice(back))
    same(precision(there), recall(back))
    assert (confusion(truth, guess, classes) == confusion(guess, truth, classes).T).all()


@given(masks(images=4), st.permutations(range(4)))
def test_the_order_of_the_images_does_not_matter(case: tuple, order: list[int]) -> None:
    classes, truth, guess = case
    names, labels = tuple(map(str, range(4))), tuple(map(str, range(classes)))
    tables = np.stack([confusion(t, g, classes) for t, g in zip(truth, guess, strict=True)])
    usual, other = Scores(names, (), labels, tables), Scores(names, (), labels, tables[order])
    for measure in MEASURES.values():
        same(usual.per_image(measure)[order], other.per_image(measure))
        assert usual.pooled(measure) == pytest.approx(other.pooled(measure), nan_ok=True)
        assert usual.mean(measure) == pytest.approx(other.mean(measure), nan_ok=True)
        assert usual.undefined(1, measure) == other.undefined(1, measure)


@given(masks(), st.randoms(use_true_random=False))
def test_giving_the_classes_other_ids_only_moves_the_scores(case: tuple, random: object) -> None:
    classes, truth, guess = case
    new = list(range(classes))
    random.shuffle(new)
    table = np.array(new)
    before, after = count(truth, guess, classes), count(table[truth], table[guess], classes)
    for measure in MEASURES.values():
        same(measure(before), measure(after)[table])


@given(masks(images=6), st.integers(1, 6))
def test_counts_of_batches_add_up_to_the_counts_of_all(case: tuple, size: int) -> None:
    classes, truth, guess = case
    parts = [slice(start, start + size) for start in range(0, 6, size)]
    added = sum(confusion(truth[part], guess[part], classes) for part in parts)
    assert (added == confusion(truth, guess, classes)).all()


@given(masks())
def test_dice_is_twice_iou_over_one_plus_iou_for_one_table(case: tuple) -> None:
    classes, truth, guess = case
    counts = count(truth, guess, classes)
    same(dice(counts), 2 * iou(counts) / (1 + iou(counts)))


@given(masks(), st.integers(1, 30))
def test_more_background_that_is_right_changes_only_the_true_negatives(
    case: tuple, more: int
) -> None:
    classes, truth, guess = case
    extra = np.zeros(more, np.uint8)
    before = count(truth, guess, classes)
    after = count(np.append(truth, extra), np.append(guess, extra), classes)
    for name in ("tp", "fp", "fn", "tn"):
        gained = (getattr(after, name) - getattr(before, name)).tolist()
        grows = {"tp": [more] + [0] * (classes - 1), "tn": [0] + [more] * (classes - 1)}
        assert gained == grows.get(name, [0] * classes)
    for measure in (iou, dice, precision, recall):
        same(measure(before)[1:], measure(after)[1:])
    assert accuracy(after)[1] >= accuracy(before)[1]


@given(masks())
def test_scores_lie_between_0_and_1_and_iou_below_dice(case: tuple) -> None:
    classes, truth, guess = case
    counts = count(truth, guess, classes)
    for measure in MEASURES.values():
        values = measure(counts)[~np.isnan(measure(counts))]
        assert ((values >= 0) & (values <= 1)).all()
    assert not (iou(counts) > dice(counts)).any()
    assert counts.tp.dtype == counts.tn.dtype == np.int64

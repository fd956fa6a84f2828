"""A second annotator differs as much as asked, and in nothing else."""

import numpy as np
import pytest
from scipy import ndimage

from unet_helpers import count, iou, load, redraw


@pytest.fixture(scope="module")
def cells():  # type: ignore[no-untyped-def]
    return load("cells")


def test_without_tremor_nothing_changes(cells) -> None:  # type: ignore[no-untyped-def]
    assert np.array_equal(redraw(cells[1], tremor=0), cells[1].mask)


def test_more_tremor_agrees_less(cells) -> None:  # type: ignore[no-untyped-def]
    busy = [i for i in range(20) if cells[i].mask.any()][:6]
    means = [
        np.mean([iou(count(cells[i].mask > 0, redraw(cells[i], t) > 0))[1] for i in busy])
        for t in (0.5, 1.0, 2.0, 4.0)
    ]
    assert means == sorted(means, reverse=True)
    assert 0.9 < means[1] < 0.99


def test_a_border_moves_by_the_tremor_asked_for(cells) -> None:  # type: ignore[no-untyped-def]
    # A straight border of a half plane: its displacement can be read off column by column.
    half = np.zeros((400, 4000), np.uint8)
    half[200:] = 1
    sample = cells[0]._replace(mask=half)
    moved = redraw(sample, tremor=3.0)
    edges = moved.argmax(axis=0) - 200
    assert edges.std() == pytest.approx(3.0, rel=0.25)
    assert abs(edges.mean()) < 1


def test_seeds_differ_and_repeat(cells) -> None:  # type: ignore[no-untyped-def]
    busy = next(i for i in range(20) if cells[i].mask.any())
    first, second = redraw(cells[busy], seed=1), redraw(cells[busy], seed=2)
    assert np.array_equal(first, redraw(cells[busy], seed=1))
    assert not np.array_equal(first, second)


def test_whole_objects_are_missed(cells) -> None:  # type: ignore[no-untyped-def]
    busy = max(range(30), key=lambda i: int(cells[i].instances.max()))
    sample = cells[busy]
    assert not redraw(sample, tremor=0, missed=1.0).any()
    left = redraw(sample, tremor=0, missed=0.5, seed=3)
    for number in range(1, int(sample.instances.max()) + 1):
        kept = left[sample.instances == number] > 0
        assert kept.all() or not kept.any()
    found, there = ndimage.label(left > 0)[1], ndimage.label(sample.mask > 0)[1]
    assert found <= there


def test_wrong_numbers_are_refused(cells) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="tremor must be at least 0"):
        redraw(cells[0], tremor=-1)
    with pytest.raises(ValueError, match="needs instance ids, found none"):
        redraw(cells[0]._replace(instances=None), missed=0.5)

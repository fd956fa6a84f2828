"""What the checks about scores must hold beyond the answers in tests/notebooks/answers."""

import numpy as np
import pytest

from unet_helpers import score_checks


def spread_by_slides(tp, fp, fn, groups, seed):
    slides = np.unique(groups)
    hits, union = ([n[groups == g].sum() for g in slides] for n in (tp, tp + fp + fn))
    drawn = np.random.default_rng(seed).integers(len(slides), size=(500, len(slides)))
    return np.std(np.array(hits)[drawn].sum(axis=1) / np.array(union)[drawn].sum(axis=1))


@pytest.mark.parametrize("luck", range(50))
def test_a_right_spread_passes_whatever_was_drawn(luck, capsys):
    score_checks.score_spread(lambda *data: spread_by_slides(*data[:4], luck))
    assert capsys.readouterr().out == "Correct.\n"


def test_no_students_matrix_makes_a_wrong_answer_right(capsys):
    for student in range(200):
        rng = np.random.default_rng(student)
        matrix = np.diag(rng.integers(200, 400, size=3)) + rng.integers(10, 60, size=(3, 3))
        both, there, found = matrix[2, 2], matrix[2].sum(), matrix[:, 2].sum()
        for wrong in (both / there, both / found, 2 * both / (there + found), both / matrix.sum()):
            score_checks.confusion_iou(wrong, matrix)
            assert capsys.readouterr().out.startswith("Not yet: ")

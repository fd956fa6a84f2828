"""The exercises about scores: right answers pass, typical wrong ones get a hint of their own."""

import numpy as np
import pytest

from unet_helpers import score_checks


def with_defined(tp, fp, fn):
    union = tp + fp + fn
    return (tp[union > 0] / union[union > 0]).mean(), int((union == 0).sum())


def with_nan(tp, fp, fn):
    each = tp / (tp + fp + fn)  # 0 / 0 gives nan
    return np.nanmean(each), np.isnan(each).sum()


def counting_empty(value):
    def answer(tp, fp, fn):
        union = tp + fp + fn
        return np.where(union > 0, tp / np.maximum(union, 1), value).mean(), 1

    return answer


def with_truth(tp, fp, fn):
    there = tp + fn > 0
    return (tp[there] / (tp + fp + fn)[there]).mean(), int((~there).sum())


RIGHT = {
    "mean_over_images": [with_defined, with_nan],
    "honest_threshold": [
        lambda t, v, s: (t[int(np.argmax(v))], s[int(np.argmax(v))]),
        lambda t, v, s: [t[v.index(max(v))], s[v.index(max(v))]],
    ],
}
WRONG = {
    "mean_over_images": [
        (counting_empty(0.0), "punished"),
        (counting_empty(1.0), "counts as 1"),
        (with_truth, "false alarm"),
        (lambda tp, fp, fn: (tp.sum() / (tp + fp + fn).sum(), 1), "pooled"),
        (lambda tp, fp, fn: ((tp / (tp + fp + fn)).mean(), 1), "is nan"),
        (lambda tp, fp, fn: (0.3, 1), "must be 0.450"),
        (lambda tp, fp, fn: with_defined(tp, fp, fn)[0], "two things"),
        (lambda tp, fp, fn: (with_defined(tp, fp, fn)[0], 3), "not how many were used"),
        (lambda tp, fp, fn: (with_defined(tp, fp, fn)[0], 0), "not 0"),
        (lambda tp, fp, fn: None, "forget `return`"),
        (lambda tp, fp, fn: ("a", 1), "must be 0.450"),
    ],
    "honest_threshold": [
        (lambda t, v, s: (t[s.index(max(s))], max(s)), "on the test set"),
        (lambda t, v, s: (v.index(max(v)), s[v.index(max(v))]), "place in the list"),
        (lambda t, v, s: (0.3, 0.6), "validation score is the highest"),
        (lambda t, v, s: (t[v.index(max(v))], max(v)), "score on validation"),
        (lambda t, v, s: (t[v.index(max(v))], max(s)), "best score on the test set"),
        (lambda t, v, s: (t[v.index(max(v))], 0.1), "at your threshold"),
        (lambda t, v, s: t[v.index(max(v))], "two things"),
    ],
}


def pairs(table):
    return [(name, *(a if isinstance(a, tuple) else (a,))) for name in table for a in table[name]]


@pytest.mark.parametrize(("name", "answer"), pairs(RIGHT))
def test_a_right_answer_is_correct(name, answer, capsys):
    getattr(score_checks, name)(answer)
    assert capsys.readouterr().out == "Correct.\n"


@pytest.mark.parametrize(("name", "answer", "hint"), pairs(WRONG))
@pytest.mark.filterwarnings("ignore")
def test_a_wrong_answer_gets_its_own_hint(name, answer, hint, capsys):
    getattr(score_checks, name)(answer)
    said = capsys.readouterr().out
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize("name", RIGHT)
def test_dots_are_not_an_attempt(name, capsys):
    getattr(score_checks, name)(lambda *_: ...)
    assert capsys.readouterr().out.startswith("Not attempted yet")


@pytest.mark.parametrize("name", RIGHT)
def test_code_that_raises_is_told_and_does_not_stop_the_notebook(name, capsys):
    getattr(score_checks, name)(lambda *_: undefined_name)  # noqa: F821
    assert "NameError" in capsys.readouterr().out

"""The exercises about prediction: right answers pass, typical wrong ones get their own hint."""

import numpy as np
import pytest

from unet_helpers import prediction_checks


def covered(there, found, enough=0.5):
    numbers = [number for number in np.unique(there) if number]
    return [(found[there == number] > 0).mean() > enough for number in numbers]


def in_a_loop(there, found):
    hit = total = 0
    for number in set(there.ravel().tolist()) - {0}:
        inside = there == number
        total += 1
        hit += int((found[inside] != 0).sum() * 2 > inside.sum())
    return hit / total


RIGHT = {
    "interval_of_few": [False, np.bool_(False)],
    "scaling": [
        lambda p: p.astype(np.float32) / np.iinfo(p.dtype).max,
        lambda p: np.divide(p, 2 ** (8 * p.dtype.itemsize) - 1, dtype=np.float32),
    ],
    "covered_share": [lambda t, f: np.mean(covered(t, f)), in_a_loop],
    "halo_on_grid": [lambda r, s: -(-r // s) * s, lambda r, s: r + (-r) % s],
    "fed_for_one": [lambda t, h: ((t + 2 * h) / t) ** 2, lambda t, h: (t + h + h) ** 2 / t**2],
    "seams_of_norm": ["group"],
}
WRONG = {
    "interval_of_few": [(True, "count the patients"), (1, "True or False")],
    "scaling": [
        (lambda p: p.astype(np.float32), "still 255"),
        (lambda p: p.astype(np.float32) / 255, "65535"),
        (lambda p: p.astype(np.float32) / 65535, "not every type"),
        (lambda p: (p / p.max()).astype(np.float32), "must stay dark"),
        (lambda p: p / np.iinfo(p.dtype).max, "float32"),
        (lambda p: p.astype(np.float32) / (np.iinfo(p.dtype).max + 1), "must become"),
        (lambda p: None, "forget `return`"),
    ],
    "covered_share": [
        (lambda t, f: sum(covered(t, f)), "how many"),
        (lambda t, f: np.mean(covered(t, f, 0.49)), "exactly half"),
        (lambda t, f: np.mean([*covered(t, f), True]), "no object"),
        (lambda t, f: sum(covered(t, f)) / f.max(), "of *true* objects"),
        (lambda t, f: sum(covered(t, f)) / t.max(), "gaps"),
        (lambda t, f: (f[t > 0] > 0).mean(), "object by object"),
        (lambda t, f: 0.1, "2 of 3"),
    ],
    "halo_on_grid": [
        (lambda r, s: r, "begin on the grid"),
        (lambda r, s: r // s * s, "Round up"),
        (lambda r, s: (r // s + 1) * s, "no further step"),
        (lambda r, s: 2 * s, "for a reach of"),
        (lambda r, s: 21, "must be 16"),
        (lambda r, s: r / 0, "ZeroDivisionError"),
    ],
    "fed_for_one": [
        (lambda t, h: (t + 2 * h) / t, "along one side"),
        (lambda t, h: ((t + h) / t) ** 2, "both sides"),
        (lambda t, h: ((t + 2 * h) / t) ** 2 - 1, "count the kept one"),
        (lambda t, h: (t / (t + 2 * h)) ** 2, "turn it over"),
        (lambda t, h: (t + 2 * h) ** 2, "divide"),
        (lambda t, h: 4, "window of 128"),
    ],
    "seams_of_norm": [("batch", "fixed"), ("Group", "write"), (None, "return")],
}


@pytest.mark.parametrize(("name", "answer"), [(n, a) for n, all_ in RIGHT.items() for a in all_])
def test_right_answers_pass(name, answer, capsys):
    getattr(prediction_checks, name)(answer)
    assert capsys.readouterr().out == "Correct.\n"


@pytest.mark.parametrize(
    ("name", "answer", "hint"), [(n, a, h) for n, all_ in WRONG.items() for a, h in all_]
)
def test_wrong_answers_get_their_own_hint(name, answer, hint, capsys):
    getattr(prediction_checks, name)(answer)
    said = capsys.readouterr().out
    assert said.startswith("Not yet: ") and hint in said


@pytest.mark.parametrize("name", RIGHT)
def test_a_stub_is_not_attempted(name, capsys):
    stub = ... if name in ("interval_of_few", "seams_of_norm") else lambda *_: ...
    getattr(prediction_checks, name)(stub)
    assert "Not attempted yet" in capsys.readouterr().out

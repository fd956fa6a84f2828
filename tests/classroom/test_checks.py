"""Each exercise: right answers pass, typical wrong ones get a hint of their own, none raises."""

import math

import numpy as np
import pytest

from unet_helpers import checks

MASK = np.array([[0, 1, 0, 0], [0, 1, 0, 0]])
TRAINING, VALIDATION = [3, 2, 1], [3, 1, 2]

# check, its further arguments, right answers, wrong answers with a piece of the hint
EXERCISES = {
    "foreground_share": (
        (MASK,),
        [0.25, MASK.mean()],
        [
            (25, "percent"),
            (0.75, "background"),
            (2, "number of pixels"),
            ("a", "found a str"),
            (0.249, "do not round"),
            (0.6, "mean"),
        ],
    ),
    "threshold_effect": (
        (),
        ["smaller", " Smaller "],
        [("larger", "above 0.9"), ("same", "two words"), (3, "two words")],
    ),
    "flip_both": (
        (),
        [lambda i, m: (i[:, ::-1], m[:, ::-1]), lambda i, m: (np.fliplr(i), np.fliplr(m))],
        [
            (lambda i, m: (i[:, ::-1], m), "mask is not"),
            (lambda i, m: (i[::-1], m[::-1]), "top to bottom"),
            (lambda i, m: (i[..., ::-1], m[..., ::-1]), "colours"),
            (lambda i, m: i[:, ::-1], "two things"),
            (lambda i, m: None, "forget `return`"),
            (lambda i, m: (i, m), "image is not flipped"),
            (lambda i, m: (i[:, ::-1], m[::-1]), "mask is not flipped left"),
        ],
    ),
    "leaking_groups": (
        (),
        [lambda a, b: set(a) & set(b), lambda a, b: [g for g in set(a) if g in b]],
        [
            (lambda a, b: set(a) | set(b), "union"),
            (lambda a, b: set(a) - set(b), "only the first"),
            (lambda a, b: bool(set(a) & set(b)), "themselves"),
            (lambda a, b: {"slide 2"}, "must be empty"),
            (lambda a, b: set(b) - set(a), "the answer is slide 2"),
        ],
    ),
    "stranger_masks": (
        (),
        [
            {"mask_values": {0: 0, 7: 1}, "ignore_value": 255},
            {"mask_values": {7: 1, 0: 0}, "ignore_value": 255, "class_names": ["no", "yes"]},
        ],
        [
            ({"mask_values": {0: 0, 7: 1}}, "which value marks the undecided"),
            ({"mask_values": {0: 0, 7: 1, 255: 2}}, "no class"),
            ({"mask_values": {0: 0, 7: 1, 255: 0}}, "as ignore_value"),
            ({"mask_values": {0: 1, 7: 0}, "ignore_value": 255}, "class 1"),
            ({"ignore_value": 255}, "refuses: the mask"),
            ({"values": {0: 0, 7: 1}}, "unexpected keyword argument 'values'"),
            ([0, 7, 255], "found a list"),
            ({0: 0, 7: 1}, "name the arguments"),
            ({"mask_values": [0, 7]}, "mask_values is a dict"),
            ({"mask_values": {0: 0, 7: 1, 255: 255}}, "255 is no class id"),
        ],
    ),
    "conv_parameters": (
        (),
        [lambda k, i, o: k * k * i * o + o, lambda k, i, o: (k**2 * i + 1) * o],
        [
            (lambda k, i, o: k * k * i * o, "bias is missing"),
            (lambda k, i, o: k * i * o + o, "kernel x kernel"),
            (lambda k, i, o: k * k * i * o + i, "output channels"),
            (lambda k, i, o: k * k * i + o, "kernel of its own"),
            (lambda k, i, o: k * k * o + o, "every input channel"),
            (lambda k, i, o: 9 * i * o + o, "1x1"),
            (lambda k, i, o: 7, "4640"),
        ],
    ),
    "padded_size": (
        (),
        [lambda s, d: -(-s // 2**d) * 2**d, lambda s, d: math.ceil(s / 2**d) * 2**d],
        [
            (lambda s, d: s // 2**d * 2**d, "rounds down"),
            (lambda s, d: (s // 2**d + 1) * 2**d, "already a multiple"),
            (lambda s, d: 256, "must give 6, not 256"),
            (lambda s, d: -(-s // (2 * d)) * 2 * d, "power of depth"),
        ],
    ),
    "cross_entropy": (
        (),
        [
            lambda t, p: -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(),
            lambda t, p: float(np.mean(-np.log(np.where(t == 1, p, 1 - p)))),
        ],
        [
            (lambda t, p: (t * np.log(p) + (1 - t) * np.log(1 - p)).mean(), "sign"),
            (lambda t, p: -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum(), "sum"),
            (lambda t, p: -(t * np.log(p)).mean(), "what about truth 0"),
            (lambda t, p: -np.log2(np.where(t == 1, p, 1 - p)).mean(), "natural"),
            (lambda t, p: -np.log(np.where(t == 1, p, 1 - p)), "mean"),
        ],
    ),
    "best_epoch": (
        (TRAINING, VALIDATION),
        [2, np.int64(2)],
        [(3, "memorise"), (1, "counted from 1"), (7, "lowest point of the validation")],
    ),
    "dice_from_counts": (
        (),
        [
            lambda tp, fp, fn: 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else np.nan,
            lambda tp, fp, fn: tp / (tp + (fp + fn) / 2) if tp + fp + fn else float("nan"),
        ],
        [
            (lambda tp, fp, fn: tp / (tp + fp + fn), "IoU"),
            (lambda tp, fp, fn: tp / (2 * tp + fp + fn), "factor 2"),
            (lambda tp, fp, fn: 2 * tp / (tp + fp + fn), "below the line"),
            (lambda tp, fp, fn: tp / (tp + fp), "precision"),
            (lambda tp, fp, fn: tp / (tp + fn), "recall"),
            (lambda tp, fp, fn: 2 * tp / (2 * tp + fp + fn), "divides by zero"),
            (lambda tp, fp, fn: 2 * tp / max(1, 2 * tp + fp + fn), "undefined"),
            (lambda tp, fp, fn: 2 * tp / (2 * tp + fp + fn) if tp else np.nan, "not there"),
        ],
    ),
    "pooled_iou": (
        (),
        [
            lambda tp, fp, fn: tp.sum() / (tp.sum() + fp.sum() + fn.sum()),
            lambda tp, fp, fn: sum(tp) / sum(tp + fp + fn),
        ],
        [
            (lambda tp, fp, fn: (tp / (tp + fp + fn)).mean(), "mean of the images"),
            (lambda tp, fp, fn: tp / (tp + fp + fn), "one score an image"),
            (lambda tp, fp, fn: 2 * sum(tp) / (2 * sum(tp) + sum(fp + fn)), "pooled Dice"),
            (lambda tp, fp, fn: 0.4, "0.827"),
        ],
    ),
}
RIGHT = [(name, more, a) for name, (more, right, _) in EXERCISES.items() for a in right]
WRONG = [(name, more, a, h) for name, (more, _, wrong) in EXERCISES.items() for a, h in wrong]


@pytest.mark.parametrize(("name", "more", "answer"), RIGHT)
def test_a_right_answer_is_correct(name, more, answer, capsys):
    getattr(checks, name)(answer, *more)
    assert capsys.readouterr().out == "Correct.\n"


@pytest.mark.parametrize(("name", "more", "answer", "hint"), WRONG)
@pytest.mark.filterwarnings("ignore")
def test_a_wrong_answer_gets_its_own_hint(name, more, answer, hint, capsys):
    getattr(checks, name)(answer, *more)
    said = capsys.readouterr().out
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize("name", EXERCISES)
def test_dots_are_not_an_attempt(name, capsys):
    is_value = not callable(EXERCISES[name][1][0])
    getattr(checks, name)(... if is_value else (lambda *_: ...), *EXERCISES[name][0])
    assert capsys.readouterr().out.startswith("Not attempted yet")


@pytest.mark.parametrize("name", [n for n, e in EXERCISES.items() if callable(e[1][0])])
def test_code_that_raises_is_told_and_does_not_stop_the_notebook(name, capsys):
    getattr(checks, name)(lambda *_: undefined_name, *EXERCISES[name][0])  # noqa: F821
    assert "NameError" in capsys.readouterr().out

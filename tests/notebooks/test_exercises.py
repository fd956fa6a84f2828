"""Checks that cannot be fooled: typical wrong answers are each told apart, right ones pass.

The answers stand in ``answers/NN.toml``, by the exercise's number: ``right`` is a list of codes that
differ from the solution, ``wrong`` a list of codes with a piece of what the check says to each.
What is run is the notebook itself: its cells tagged ``needed``, the answer in the stub's place, and
its check cell. The solution is taken from the text that the learner unfolds.
"""

import contextlib
import copy
import io
import tomllib
import warnings
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from tests.notebooks.conftest import NOTEBOOKS
from unet_helpers.classroom.checks import UNTOUCHED
from unet_helpers.classroom.exercises import KINDS, read_exercises, tags, without_solutions

ANSWERS = Path(__file__).with_name("answers")
SPINE = ("00", "01_", "02", "03", "04_", "06", "07")  # the notebooks that the promise is about


def number_of(path):
    return path.name.split("_")[0]


def content_of(path):
    return nbformat.read(path, as_version=4)


def answers_of(path):
    return tomllib.loads((ANSWERS / f"{number_of(path)}.toml").read_text(encoding="utf-8"))


PATHS = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if read_exercises(content_of(path))]
CODED = [
    pytest.param(path, each.number, id=f"{number_of(path)}-{each.number}")
    for path in PATHS
    for each in read_exercises(content_of(path))
    if each.stub is not None
]


class Desk:
    """A notebook at which one exercise is answered again and again."""

    def __init__(self, path, number, student=None):
        self.cells = content_of(path)["cells"]
        self.exercise = next(e for e in read_exercises(content_of(path)) if e.number == number)
        self.names = {"__name__": "__main__"}
        for cell in self.cells[: self.exercise.stub]:
            if "needed" in tags(cell):
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(self._for(cell, student), self.names)

    @staticmethod
    def _for(cell, student):
        if student is None or "student" not in tags(cell):
            return cell["source"]
        return cell["source"].replace("STUDENT = 0", f"STUDENT = {student}")

    def verdict(self, code):
        """What the check says to a code in the stub's place."""
        names = copy.copy(self.names)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a wrong answer may well divide by zero
            exec(code, names)
            said.truncate(0)
            said.seek(0)
            exec(self.cells[self.exercise.check]["source"], names)
        self.answered = names
        return said.getvalue().strip()


@pytest.fixture(scope="module")
def desks():
    """One desk an exercise and student, since what is needed may take a second to run."""
    made = {}

    def desk(path, number, student=None):
        key = (path, number, student)
        if key not in made:
            made[key] = Desk(path, number, student)
        return made[key]

    return desk


@pytest.mark.parametrize(("path", "number"), CODED)
def test_an_untouched_stub_is_no_answer(desks, path, number):
    desk = desks(path, number)
    assert desk.verdict(desk.cells[desk.exercise.stub]["source"]) == UNTOUCHED


@pytest.mark.parametrize(("path", "number"), CODED)
def test_the_solution_and_other_right_answers_pass(desks, path, number):
    desk = desks(path, number)
    right = [desk.exercise.solution, *answers_of(path)[str(number)]["right"]]
    assert desk.exercise.solution
    if desk.exercise.kind == "code":
        assert len({code.strip() for code in right}) >= 2
    assert [
        (code, said) for code in right if not (said := desk.verdict(code)).startswith("Correct")
    ] == []


@pytest.mark.parametrize(("path", "number"), CODED)
def test_every_wrong_answer_gets_a_message_of_its_own(desks, path, number):
    desk = desks(path, number)
    wrong = answers_of(path)[str(number)]["wrong"]
    said = [desk.verdict(each["code"]) for each in wrong]
    alive = [
        (each["code"], each["says"], text)
        for each, text in zip(wrong, said, strict=True)
        if not (text.startswith("Not yet: ") and each["says"] in text)
    ]
    assert alive == []
    assert [text for text, times in Counter(said).items() if times > 1] == []
    assert len(wrong) >= (5 if desk.exercise.kind == "code" else 1)


@pytest.mark.parametrize(("path", "number"), CODED)
def test_a_neighbours_number_fails(desks, path, number):
    name = answers_of(path)[str(number)].get("number")
    if name is None:
        pytest.skip("this answer is not a number of the student's own")
    one, two = desks(path, number, 1), desks(path, number, 2)
    assert one.verdict(one.exercise.solution).startswith("Correct")
    copied = one.answered[name]
    assert two.verdict(two.exercise.solution).startswith("Correct")
    assert two.verdict(f"{name} = {copied!r}").startswith("Not yet: ")


@pytest.mark.parametrize("path", PATHS, ids=number_of)
def test_the_answers_belong_to_exercises(path):
    coded = [str(e.number) for e in read_exercises(content_of(path)) if e.stub is not None]
    assert list(answers_of(path)) == coded


@pytest.mark.parametrize("path", [p for p in PATHS if p.name.startswith(SPINE)], ids=number_of)
def test_each_notebook_has_exercises_of_each_kind(path):
    exercises = read_exercises(content_of(path))
    kinds = Counter(exercise.kind for exercise in exercises)
    assert [e.number for e in exercises] == list(range(1, len(exercises) + 1))
    assert 4 <= len(exercises) <= 6
    assert kinds["code"] >= 2
    assert kinds["predict"] >= 1
    assert kinds["read"] >= 1
    assert set(kinds) <= set(KINDS)


@pytest.mark.parametrize("path", PATHS, ids=number_of)
def test_nothing_of_a_solution_is_left_in_the_students_text(path):
    content = content_of(path)
    left = "\n".join(
        without_solutions(c["source"]) for c in content["cells"] if c["cell_type"] == "markdown"
    )
    assert "<summary>Solution" not in left
    assert "<summary>Answer" not in left
    solutions = [e.solution.strip() for e in read_exercises(content) if e.solution]
    assert [code for code in solutions if code in left] == []

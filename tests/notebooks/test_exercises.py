"""Checks that cannot be fooled: typical wrong answers are each told apart, right ones pass.

The answers stand in ``answers/NN.toml``, by the exercise's number: ``right`` lists codes that
differ from the solution, ``wrong`` a list of codes with a piece of what the check says to each.
What is run is the notebook itself: its cells tagged ``needed``, the answer in the stub's place, and
its check cell. The solution is taken from the text that the learner unfolds.
"""

from collections import Counter

import pytest

from tests.notebooks.desk import PATHS, Desk, answers_of, content_of, number_of
from tests.notebooks.wrong_answers import PAGE, page
from unet_helpers.classroom.checks import UNTOUCHED
from unet_helpers.classroom.exercises import KINDS, read_exercises, without_solutions

SPINE = ("00", "01_", "02", "03", "04_", "06", "07")  # the notebooks that the promise is about


CODED = [
    pytest.param(path, each.number, id=f"{number_of(path)}-{each.number}")
    for path in PATHS
    for each in read_exercises(content_of(path))
    if each.stub is not None
]


@pytest.fixture(scope="module")
def desks():
    """One desk an exercise and student, since what is needed may take a second to run."""
    made = {}

    def desk(path, number, student=0):
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
def test_every_wrong_answer_gets_a_message_of_its_own(desks, path, number, record_property):
    desk = desks(path, number)
    wrong = answers_of(path)[str(number)]["wrong"]
    said = [desk.verdict(each["code"]) for each in wrong]
    alive = [
        (each["code"], each["says"], text)
        for each, text in zip(wrong, said, strict=True)
        if not (text.startswith("Not yet: ") and each["says"] in text)
    ]
    record_property("wrong answers", [len(wrong) - len(alive), len(wrong)])
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


def test_the_page_of_wrong_answers_is_of_these_answers():
    renew = "python -m tests.notebooks.wrong_answers"
    assert PAGE.read_text(encoding="utf-8") == page(), f"run: {renew}"


def test_there_are_enough_exercises_in_all():
    spine = [path for path in PATHS if path.name.startswith(SPINE)]
    kinds = Counter(e.kind for path in spine for e in read_exercises(content_of(path)))
    assert sum(kinds.values()) >= 30
    assert kinds["code"] >= 18

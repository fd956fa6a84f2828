"""Write docs/common_wrong_answers.md, from the answers that the checks are tested with.

Run it after changing an answer or a check: python -m tests.notebooks.wrong_answers
"""

from tests.notebooks.conftest import NOTEBOOKS
from tests.notebooks.desk import PATHS, Desk, answers_of, content_of
from unet_helpers.classroom.exercises import read_exercises

PAGE = NOTEBOOKS.parent / "docs" / "common_wrong_answers.md"
HEAD = """\
# Common wrong answers

What students write, and what the check answers. The table is made from the tests of the checks
(`python -m tests.notebooks.wrong_answers`): each of these {many} wrong answers is rejected with a
sentence of its own.
"""


def page():
    """The page, as it must stand in the folder of documents."""
    parts, many = [], 0
    for path in PATHS:
        content, answers = content_of(path), answers_of(path)
        parts.append(f"## {content['cells'][0]['source'].splitlines()[0].lstrip('# ')}")
        for exercise in read_exercises(content):
            if exercise.stub is None:
                continue
            desk = Desk(path, exercise.number)
            wrong = answers[str(exercise.number)]["wrong"]
            many += len(wrong)
            parts.append(f"### Exercise {exercise.number}: {exercise.title}")
            parts += [_entry(each["code"], desk.verdict(each["code"])) for each in wrong]
    return HEAD.format(many=many) + "\n" + "\n\n".join(parts) + "\n"


def _entry(code, said):
    return f"```python\n{code.strip()}\n```\n\n> {said.removeprefix('Not yet: ')}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)

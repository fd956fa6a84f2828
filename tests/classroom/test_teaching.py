"""What a teacher makes: students' notebooks, solutions, slides, handouts; and the command."""

import json
import re

import nbformat
import pytest

from tests.notebooks.conftest import NOTEBOOKS
from unet_helpers.__main__ import main
from unet_helpers.classroom.canonical import to_bytes
from unet_helpers.classroom.exercises import read_exercises, tags
from unet_helpers.classroom.quiz import read_quiz
from unet_helpers.classroom.teaching.copies import numbers_for, solution_notebook, student_notebook
from unet_helpers.classroom.teaching.formulas import with_mathml
from unet_helpers.classroom.teaching.handout import handout_page
from unet_helpers.classroom.teaching.markup import text_html
from unet_helpers.classroom.teaching.slides import sections

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
NETWORK = re.compile(r"""(src|href)=["']?https?://[^"'>]*\.(js|css)|@import url\(["']?http""")


@pytest.fixture(params=PATHS, ids=[path.stem for path in PATHS])
def committed(request):
    return nbformat.read(request.param, as_version=4)


def test_a_students_notebook_has_no_solution_and_all_checks(committed):
    made = student_notebook(committed, 1234)
    nbformat.validate(made)
    text = to_bytes(made).decode()
    for exercise in read_exercises(committed):
        if exercise.solution:
            assert json.dumps(exercise.solution.strip())[1:-1] not in text
    assert "<summary>Solution" not in text
    assert "<summary>Answer" not in text
    was = [c["source"] for c in committed["cells"] if "check" in tags(c)]
    assert [c["source"] for c in made["cells"] if "check" in tags(c)] == was
    assert not any(c.get("outputs") for c in made["cells"])
    locked = [c for c in made["cells"] if "check" in tags(c)]
    assert all(c["metadata"]["editable"] is False for c in locked)
    assert ("STUDENT = 1234" in text) == any("student" in tags(c) for c in committed["cells"])


def test_the_committed_notebook_stays_as_it_is(committed):
    before = to_bytes(committed)
    student_notebook(committed, 5)
    solution_notebook(committed, 5)
    sections(committed)
    assert to_bytes(committed) == before


def test_a_solution_notebook_has_every_solution_in_its_stubs_place(committed):
    made = solution_notebook(committed)
    for exercise in read_exercises(committed):
        if exercise.stub is not None:
            assert made["cells"][exercise.stub]["source"] == exercise.solution.strip()


def test_slides_show_every_figure_and_no_solution(committed):
    slides = [slide for section in sections(committed) for slide in section]
    shown = "".join(slide.body for slide in slides)
    figures = [o for c in committed["cells"] for o in c.get("outputs", [])
               if "image/png" in o.get("data", {})]  # fmt: skip
    assert shown.count("<img") >= len(figures)
    everything = shown + "".join(note for slide in slides for note in slide.notes)
    assert "<details>" not in everything
    assert all(slide.body.strip() for slide in slides)


def test_links_lead_to_pages_that_are_made(committed):
    pieces = [slide.body for section in sections(committed) for slide in section]
    pieces.append(handout_page(committed, "a page"))
    for piece in pieces:
        targets = [t for t in re.findall(r'<a href="([^"]*)"', piece) if not t.startswith("http")]
        files = {target.partition("#")[0] for target in targets} - {""}
        assert files <= {f"{path.stem}.html" for path in PATHS}


def test_numbers_differ_within_a_class_and_between_seeds():
    names = [f"student {n}" for n in range(500)]
    one, two = numbers_for(names, 1), numbers_for(names, 2)
    assert len(set(one.values())) == 500
    assert all(1 <= number <= 9999 for number in one.values())
    assert sum(one[name] == two[name] for name in names) < 10


@pytest.mark.parametrize(
    ("text", "math"),
    [("`$a$`", False), ("$a$", True), ("it costs $5 and $6", False), ("```\n$a$\n```", False),
     ("$$\na^2\n$$", True)],
)  # fmt: skip
def test_formulas_are_told_from_money_and_code(text, math):
    assert ("<math" in with_mathml(text)) == math
    if not math:
        assert with_mathml(text) == text


def test_a_kit_by_command(tmp_path, capsys):
    roster = tmp_path / "class.csv"
    roster.write_text("name,group\nAda,1\nGrace,2\n")
    kit = tmp_path / "kit"
    assert (
        main(["classroom", "kit", "--out", str(kit), "--roster", str(roster), "--only", "04_"]) == 0
    )
    assert "open without a network" in capsys.readouterr().out
    made = {path.relative_to(kit).as_posix() for path in kit.rglob("*") if path.is_file()}
    assert made == {
        "kit.json",
        "students/Ada/04_evaluation.ipynb",
        "students/Grace/04_evaluation.ipynb",
        "solutions/04_evaluation.ipynb",
        "slides/04_evaluation.html",
        "handouts/04_evaluation.html",
    }
    handout = (kit / "handouts" / "04_evaluation.html").read_text()
    assert all(text_html(question.asks)[3:20] in handout for question in read_quiz("04"))
    for page in kit.rglob("*.html"):
        assert not NETWORK.search(page.read_text())
    ada, grace = (kit / "students" / n / "04_evaluation.ipynb" for n in ("Ada", "Grace"))
    assert ada.read_bytes() != grace.read_bytes()
    again = ["classroom", "students", "--out", str(kit), "--roster", str(roster), "--only", "04_"]
    assert main(again) == 0
    ada.write_bytes(ada.read_bytes().replace(b"...", b"42", 1))
    kept = ada.read_bytes()
    assert main(again) == 2
    assert ada.read_bytes() == kept
    assert "already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [("", "found none"), ("Ada\nAda\n", "stands twice"), ("../Ada\n", "cannot name a folder"),
     (b"\xff\xfe\x00", "cannot be read")],
)  # fmt: skip
def test_a_roster_that_cannot_be_used_is_told(tmp_path, capsys, content, says):
    roster = tmp_path / "class.txt"
    roster.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert (
        main(["classroom", "students", "--out", str(tmp_path / "k"), "--roster", str(roster)]) == 2
    )
    assert says in capsys.readouterr().err
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["slides"], "--out"), (["grade"], "SUBMISSIONS"), (["grade", "in"], "--out")],
)
def test_what_is_missing_is_named(capsys, arguments, says):
    assert main(["classroom", *arguments]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "[]", "{}", '{"numbers": {"Ada": "x"}}'])
def test_a_note_of_numbers_that_cannot_be_read_is_told(tmp_path, capsys, content):
    if content is not None:
        (tmp_path / "kit.json").write_text(content)
    (tmp_path / "in" / "Ada").mkdir(parents=True)
    arguments = [
        "grade",
        str(tmp_path / "in"),
        "--out",
        str(tmp_path / "m"),
        "--kit",
        str(tmp_path),
    ]
    assert main(["classroom", *arguments]) == 2
    assert "numbers" in capsys.readouterr().err


def test_a_translated_notebook_keeps_its_exercises(committed):
    """Prose in another language, with headings, code, links and folds as they are."""
    before = [(e.number, e.kind, e.stub, e.check, e.solution) for e in read_exercises(committed)]
    code = r"```.*?```|`[^`]*`|\]\([^)]*\)"
    forms = r"^#.*$|</?(?:details|summary)>|Hint|Solution|Answer"
    kept = re.compile(f"({code}|{forms})", re.DOTALL | re.MULTILINE)
    for cell in committed["cells"]:
        if cell["cell_type"] == "markdown":
            parts = kept.split(cell["source"])
            cell["source"] = "".join(p if i % 2 else p.upper() for i, p in enumerate(parts))
    after = [(e.number, e.kind, e.stub, e.check, e.solution) for e in read_exercises(committed)]
    assert after == before
    nbformat.validate(student_notebook(committed))
    assert sections(committed)

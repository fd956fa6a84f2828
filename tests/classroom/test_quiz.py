"""The quizzes of the course, the reader of their files, and the widget that asks them."""

import json
import math
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import unet_helpers
from unet_helpers.classroom.files import UserError
from unet_helpers.classroom.quiz import (
    QUIZZES,
    Option,
    Question,
    Quiz,
    as_markdown,
    quiz,
    read_quiz,
)
from unet_helpers.classroom.quiz_answers import keep_answer, read_answers
from unet_helpers.classroom.quiz_questions import as_html, as_page, as_text

ROOT = Path(__file__).parents[2]
NAMES = ["00", "01", "02", "03", "04", "06", "07", "prerequisites"]
every_quiz = pytest.mark.parametrize("name", NAMES)


# --- the quizzes of the course ------------------------------------------------------------------


def test_the_quizzes_are_these():
    assert sorted(path.stem for path in QUIZZES.glob("*")) == NAMES


@every_quiz
def test_five_questions_with_three_or_four_options_one_of_them_right(name):
    questions = read_quiz(name)
    assert len(questions) == 5
    for question in questions:
        assert len(question.options) in (3, 4)
        assert [option.right for option in question.options].count(True) == 1


@every_quiz
def test_every_option_is_explained_in_words_of_its_own(name):
    options = [option for question in read_quiz(name) for option in question.options]
    assert min(len(option.because) for option in options) > 30
    assert len({option.because for option in options}) == len(options)


@every_quiz
def test_the_right_option_is_found_neither_by_its_place_nor_by_its_length(name):
    places, longest = [], 0
    for question in read_quiz(name):
        lengths = [len(option.text) for option in question.options]
        (right,) = (i for i, option in enumerate(question.options) if option.right)
        places.append(right)
        wrong = [length for i, length in enumerate(lengths) if i != right]
        longest += lengths[right] > 1.15 * max(wrong)
        assert max(lengths) < 2.5 * min(lengths) or max(lengths) < 20, question.asks
    assert len(set(places)) >= 3
    assert max(places.count(place) for place in places) <= 2
    assert longest <= 1


def test_who_is_wrong_about_python_is_told_what_to_read():
    wrong = [o for q in read_quiz("prerequisites") for o in q.options if not o.right]
    assert [option.text for option in wrong if "Read up on" not in option.because] == []


@every_quiz
def test_backticks_come_in_pairs(name):
    for question in read_quiz(name):
        texts = [question.asks, *(t for o in question.options for t in (o.text, o.because))]
        assert [text for text in texts if text.count("`") % 2] == []


def test_a_wheel_takes_the_files_along():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    (pattern,) = settings["package-data"]["unet_helpers.classroom"]
    assert set((ROOT / "unet_helpers" / "classroom").glob(pattern)) == set(QUIZZES.glob("*"))


# --- what they say is so ------------------------------------------------------------------------


def right_answers(name):
    return [next(o.text for o in question.options if o.right) for question in read_quiz(name)]


def test_the_answers_about_numpy_are_what_numpy_does():
    overflow, cut, mean, share, product = right_answers("prerequisites")
    a = np.array([200, 100], dtype=np.uint8)
    assert f"`{(a + a).tolist()}`" == overflow
    assert (a.astype(int) + a).tolist() == [400, 200]
    image, mask = np.zeros((256, 320, 3)), np.zeros((256, 320))
    assert f"`{image[10:20, 30:60].shape}`" == cut
    assert f"`{np.zeros((8, 64, 48, 3)).mean(axis=(1, 2)).shape}`" == mean
    p = np.array([0.2, 0.6, 0.8, 0.4])
    assert "share" in share
    assert (p > 0.5).mean() == 0.5
    assert p[p > 0.5].mean() == pytest.approx(0.7)
    assert "`ValueError`" in product
    with pytest.raises(ValueError, match="could not be broadcast"):
        image * mask
    assert (image * mask[..., None]).shape == image.shape


def test_the_numbers_of_the_scores_are_right():
    assert 3 * 40 == 80 + 80 - 40
    assert 2 * 40 / (80 + 80) == 1 / 2
    assert round(-0.1 * math.log(0.1) - 0.9 * math.log(0.9), 2) == 0.33
    pooled, mean = (900 + 10) / (1000 + 100), (900 / 1000 + 10 / 100) / 2  # images A and B
    assert (round(pooled, 2), mean, round((pooled + mean) / 2, 2)) == (0.83, 0.50, 0.66)
    assert round(4095 / 65535, 2) == 0.06


def test_a_mask_is_interpolated_to_another_class():
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 2
    resized = Image.fromarray(mask).resize((16, 16), Image.Resampling.BILINEAR)
    assert 1 in np.asarray(resized)


def test_the_answers_about_keras_are_what_keras_does():
    from unet_helpers import keras, receptive_field, size_multiple, unet

    layers = keras.layers
    images = np.random.default_rng(0).random((1, 8, 8, 3)).astype(np.float32)
    with pytest.warns(UserWarning, match="softmax"):
        one = layers.Conv2D(1, 1, activation="softmax")(images)
    assert np.allclose(one, 1)
    never_no = layers.Activation("sigmoid")(layers.Conv2D(1, 1, activation="relu")(images))
    assert np.min(never_no) >= 0.5
    loss = keras.losses.BinaryCrossentropy()(np.full((1, 4), 255.0), np.full((1, 4), 0.9))
    assert float(loss) < -500
    nets = [unet((None, None, 1), f, depth=d) for f, d in ((1, 3), (2, 3), (1, 4))]
    fields = [receptive_field(net) for net in nets]
    assert fields[0] == fields[1] != fields[2]
    multiple = size_multiple(nets[2])
    assert [size for size in (250, 252, 272, 264) if size % multiple == 0] == [272]


def test_trainings_lie_as_far_apart_as_the_quiz_says():
    stored = ROOT / "benchmarks" / "results"
    trainings = json.loads((stored / "repairs_cells.json").read_text())["val_iou"]
    apart = [max(values) - min(values) for values in trainings.values()]
    assert sum(each > 0.02 for each in apart) > len(apart) / 2
    rows = {
        row["format"]: row
        for row in json.loads((stored / "export_formats.json").read_text())["rows"]
    }
    lost = [
        rows[name.split(",")[0]]["dice"] - row["dice"] for name, row in rows.items() if "," in name
    ]
    assert max(lost) < 0.0006


# --- reading a file -----------------------------------------------------------------------------

GOOD = """
[[question]]
asks = "2 + 2?"
[[question.option]]
text = "4"
right = true
because = "Count."
[[question.option]]
text = "5"
because = "One too many."
"""
TWO = [Question("2 + 2?", (Option("4", True, "Count."), Option("5", False, "One too many.")))]


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.toml"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_a_file_of_ones_own_is_read(written):
    assert read_quiz(written(GOOD)) == TWO
    assert read_quiz(str(written(GOOD))) == TWO
    assert read_quiz(written("\ufeff" + GOOD)) == TWO  # as Windows' editor writes it


WRONG = [
    (GOOD.replace("right = true\n", ""), "question 1: expected exactly one option with `right"),
    (GOOD.replace('text = "5"', 'text = "5"\nright = true'), "found 2 (A, B)"),
    (GOOD.replace('because = "Count."\n', ""), "option A: expected a text as `because`, found no"),
    (GOOD.replace('"One too many."', '" "'), "option B: expected a text as `because`, found ' '"),
    (GOOD.replace('asks = "2 + 2?"', ""), "question 1: expected a text as `asks`, found nothing"),
    (GOOD.replace('asks = "2 + 2?"', "asks = 4"), "expected a text as `asks`, found 4"),
    (GOOD.replace("true", '"yes"'), "expected `right` to be true or false, found 'yes'"),
    (GOOD.replace("because", "becuase"), "option A: expected only `text`, `right` and `because`"),
    (GOOD.replace("asks", "ask"), "expected `asks` and [[question.option]], found ask, option"),
    (GOOD.replace('"5"', '"4"'), "expected options that differ, found '4' more than once"),
    (GOOD[: GOOD.rindex("[[")], "expected 2 to 6 options, found 1"),
    (GOOD[: GOOD.index("[[question.")], "expected [[question.option]], found none"),
    (
        GOOD + "[[quiz]]\n",
        "found question, quiz",
    ),
    (GOOD.replace("[[question]]", "[question]"), "expected [[question]], found [question]: one"),
    ("question = [1]", "question 1: expected a [[question]] with `asks` and options, found 1"),
    ("question = [{asks='a', option=[1, 2]}]", "option A: expected a [[question.option]], found 1"),
    ("question = [{asks='a', option={}}]", "found [question.option]: one pair is too few"),
    ("", "expected [[question]], found none"),
    ("[[question", "expected a TOML file in UTF-8, found: "),
    (b"\xff\xfe\x00", "expected a TOML file in UTF-8, found: "),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_what_is_wrong_in_a_file_is_said(written, text, says):
    path = written(text)
    with pytest.raises(UserError, match=re.escape(says)) as error:
        read_quiz(path)
    assert str(error.value).startswith(str(path))
    assert "change that in the file" in str(error.value) or "mend that place" in str(error.value)


@given(text=st.text() | st.sampled_from([GOOD[:n] + GOOD[n + 1 :] for n in range(len(GOOD))]))
def test_a_file_is_read_or_refused_but_never_crashes(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        questions = read_quiz(path)
    except UserError:
        return
    assert all([o.right for o in q.options].count(True) == 1 for q in questions)


@pytest.mark.parametrize("name", ["05", "3", "no_such.toml", "../quizzes/00", ""])
def test_a_quiz_that_is_not_there(name):
    with pytest.raises(UserError, match=r"expected the name of a quiz .*03, 04, 06.* choose one"):
        read_quiz(name)


# --- the forms ----------------------------------------------------------------------------------


def test_a_handout_has_the_answers_only_if_asked():
    assert as_markdown(TWO, answers=False) == "**1.** 2 + 2?\n\n- **A.** 4\n- **B.** 5\n"
    assert as_markdown(TWO, answers=True) == (
        "**1.** 2 + 2?\n\n- **A.** 4 *(Right. Count.)*\n- **B.** 5 *(Not quite. One too many.)*\n"
    )


@given(st.text())
def test_html_says_what_was_typed_and_adds_no_tags(text):
    from html.parser import HTMLParser

    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.tags = set()

        def handle_starttag(self, tag, attrs):
            self.tags.add(tag)

    reader = Reader()
    reader.feed(as_html(text))
    assert reader.tags <= {"code", "br"}


def test_code_and_paragraphs():
    assert as_html("`a < b`\n\n& c") == "<code>a &lt; b</code><br><br>&amp; c"
    assert as_text("`a < b`\n and\tc") == "a < b and c"


# --- the widget ---------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(part, place):
    part.choices[place].value = place
    part.button.click()


def places_of(question):
    right = [option.right for option in question.options].index(True)
    return right, (right + 1) % len(question.options)


def words(html):
    return re.sub(r"<[^>]*>", "", html)


def test_it_is_a_public_name():
    assert unet_helpers.quiz is quiz


@every_quiz
def test_showing_it_writes_nothing_and_gives_the_same_bytes(here, name):
    one, other = (quiz(name)._repr_mimebundle_() for _ in range(2))
    assert list(here.iterdir()) == []
    for kind in ("text/html", "text/plain"):
        assert one[kind] == other[kind]
    assert "application/vnd.jupyter.widget-view+json" in one


@every_quiz
def test_a_page_without_a_kernel_has_all_texts_with_the_explanations_folded(here, name):
    page, plain = (quiz(name)._repr_mimebundle_()[f"text/{kind}"] for kind in ("html", "plain"))
    for question in read_quiz(name):
        assert as_html(question.asks) in page
        assert question.asks in plain
        for option in question.options:
            verdict = "Right." if option.right else "Not quite."
            folded = f"</summary><b>{verdict}</b> {as_html(option.because)}</details>"
            assert page.count(folded) == 1
            assert f"<li>{as_html(option.text)}\n<details>" in page
            assert option.text in plain
            assert option.because not in plain


def test_the_static_page_does_not_know_the_answers_given(here):
    before = quiz("03")._repr_mimebundle_()["text/html"]
    shown = quiz("03")
    answer(shown.asked[0], 0)
    assert shown._repr_mimebundle_()["text/html"] == before == as_page(read_quiz("03"))
    assert quiz("03")._repr_mimebundle_()["text/html"] == before


def test_choosing_alone_answers_nothing(here):
    shown = quiz("03")
    for place in (0, 2, 1):
        shown.asked[0].choices[place].value = place
        assert [choice.value for choice in shown.asked[0].choices].count(None) == 3
    assert shown.first == {}
    assert shown.asked[0].verdict.value == ""
    assert list(here.iterdir()) == []


def test_check_without_a_choice_asks_for_one(here):
    shown = quiz("03")
    shown.asked[0].button.click()
    assert words(shown.asked[0].verdict.value) == "Choose an answer first, then press Check."
    assert list(here.iterdir()) == []


@every_quiz
def test_each_option_is_answered_with_its_own_explanation(here, name):
    shown = quiz(name, keep=None)
    for part in shown.asked:
        assert len(part.choices) == len(part.question.options)
        for place, option in enumerate(part.question.options):
            answer(part, place)
            verdict = "Right." if option.right else "Not quite."
            assert part.verdict.value.startswith(f'<div role="status"><b>{verdict}</b> ')
            assert as_html(option.because) in part.verdict.value
    assert list(here.iterdir()) == []


def test_another_choice_takes_the_old_explanation_away(here):
    part = quiz("03").asked[0]
    answer(part, 0)
    assert part.verdict.value
    part.choices[1].value = 1
    assert part.verdict.value == ""


def test_only_the_first_answer_counts_and_is_kept(here):
    shown = quiz("03")
    assert words(shown.score.value) == "0 of 5 right at the first try; 5 not answered yet."
    questions = read_quiz("03")
    right, wrong = places_of(questions[0])
    answer(shown.asked[0], wrong)
    assert words(shown.score.value) == "0 of 5 right at the first try; 4 not answered yet."
    kept = {
        "03": {
            questions[0].asks: {"chosen": questions[0].options[wrong].text, "right": False},
        }
    }
    written = (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode()
    assert (here / "quiz_results.json").read_bytes() == written
    answer(shown.asked[0], right)
    assert words(shown.score.value) == "0 of 5 right at the first try; 4 not answered yet."
    assert (here / "quiz_results.json").read_bytes() == written
    assert [path.name for path in here.iterdir()] == ["quiz_results.json"]


def test_all_answered(here):
    shown = quiz("03")
    for number, (part, question) in enumerate(zip(shown.asked, shown.questions, strict=True)):
        answer(part, places_of(question)[0 if number else 1])
    assert words(shown.score.value) == "4 of 5 right at the first try."


def test_the_next_day_the_first_answers_still_count(here):
    questions = read_quiz("03")
    answer(quiz("03").asked[1], places_of(questions[1])[0])
    answer(quiz("04").asked[0], 0)
    again = quiz("03")
    assert words(again.score.value) == "1 of 5 right at the first try; 4 not answered yet."
    before = (here / "quiz_results.json").read_bytes()
    answer(again.asked[1], places_of(questions[1])[1])
    assert (here / "quiz_results.json").read_bytes() == before
    assert set(read_answers(here / "quiz_results.json")) == {"03", "04"}


def test_a_question_that_was_changed_is_another_question(here, written):
    path = written(GOOD)
    answer(quiz(path).asked[0], 0)
    written(GOOD.replace("2 + 2?", "1 + 3?"))
    assert "0 of 1" in quiz(path).score.value


def test_where_the_answers_go_is_said_and_can_be_chosen(here):
    assert words(quiz("03").note.value) == (
        "Your first answers are kept on this computer, in quiz_results.json; "
        "nothing is sent anywhere. Delete the file to begin anew. "
        "With the keyboard: Tab goes on, the space bar chooses and presses."
    )
    shown = quiz("03", keep=here / "deeper" / "mine.json")
    assert str(here / "deeper" / "mine.json") in shown.note.value
    answer(shown.asked[0], 0)
    assert set(read_answers(here / "deeper" / "mine.json")) == {"03"}
    nothing = quiz("03", keep=None)
    assert "not kept, and nothing is sent anywhere" in nothing.note.value


def test_the_file_stays_where_the_notebook_began(here, monkeypatch):
    shown = quiz("03")
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    answer(shown.asked[0], 0)
    assert (here / "quiz_results.json").exists()


DAMAGED = [b"", b"{", b"\xff\xfe", b"[]", b'{"03": 1}', b'{"03": {"q": {"chosen": 1}}}', b'"x"']


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_put_aside(here, content):
    path = here / "quiz_results.json"
    for number in (1, 2):
        path.write_bytes(content)
        shown = quiz("03")
        assert path.read_bytes() == content  # showing changes nothing
        answer(shown.asked[0], 0)
        assert len(read_answers(path)["03"]) == 1
        aside = here / f"quiz_results.damaged-{number}.json"
        assert aside.read_bytes() == content
        assert f"put aside as {aside.name}" in shown.note.value


def test_a_folder_that_cannot_be_written_is_told(here):
    (here / "quiz_results.json").mkdir()
    shown = quiz("03")
    answer(shown.asked[0], 0)
    assert "could not be kept" in shown.note.value
    assert shown.asked[0].verdict.value
    assert "4 not answered yet" in shown.score.value


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.booleans()), max_size=12)
)
def test_of_any_answers_the_first_to_each_question_is_kept(tmp_path_factory, answers):
    path = tmp_path_factory.mktemp("answers") / "kept.json"
    first = {}
    for name, asks, right in answers:
        keep_answer(path, name, asks, f"{right}", right)
        first.setdefault((name, asks), right)
    found = read_answers(path)
    assert {(n, q): one["right"] for n, g in found.items() for q, one in g.items()} == first


def test_two_notebooks_open_at_once_lose_nothing(here):
    one, other = quiz("03"), quiz("04")
    answer(one.asked[0], 0)
    answer(other.asked[0], 0)
    answer(one.asked[1], 0)
    kept = read_answers(here / "quiz_results.json")
    assert {name: len(given) for name, given in kept.items()} == {"03": 2, "04": 1}


def test_labels_wrap_and_the_order_is_that_of_the_page(here):
    shown = quiz("03")
    assert isinstance(shown, Quiz)
    assert "unet-quiz" in shown._dom_classes
    assert "white-space: normal" in shown.children[0].value
    assert list(shown.children[1:]) == [*shown.asked, shown.score, shown.note]
    for part in shown.asked:
        assert list(part.children) == [part.words, *part.choices, part.button, part.verdict]
        assert {choice.value for choice in part.choices} == {None}
        assert part.button.description == "Check"

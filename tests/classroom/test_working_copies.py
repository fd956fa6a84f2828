import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unet_helpers.classroom.working_copies import ORIGINS, refresh, reset

NAME = "03_training.ipynb"
NEW = "03_training.new.ipynb"
BESIDE = "03_training.new-2.ipynb"
KEPT = "03_training.yours-1.ipynb"


class Course:
    """One notebook of a course, its working copy, and what was said."""

    def __init__(self, root):
        self.originals, self.work = root / "notebooks", root / "work"
        self.originals.mkdir()
        self.said = []
        self.publish("version 1")

    def publish(self, text):
        (self.originals / NAME).write_text(text)

    def edit(self, text, name=NAME):
        (self.work / name).write_text(text)

    def refresh(self):
        refresh(self.originals, self.work, self.said.append)

    def reset(self):
        reset(self.originals / NAME, self.work, self.said.append)

    def files(self):
        return {p.name: p.read_text() for p in self.work.iterdir() if p.name != ORIGINS}


@pytest.fixture
def course(tmp_path):
    course = Course(tmp_path)
    course.refresh()
    return course


def test_a_missing_copy_is_made(course):
    assert course.files() == {NAME: "version 1"}
    (course.work / NAME).unlink()
    course.refresh()
    assert course.files() == {NAME: "version 1"} and course.said == []


def test_an_unchanged_copy_follows_its_original(course):
    course.publish("version 2")
    course.refresh()
    assert course.files() == {NAME: "version 2"} and course.said == []


def test_a_changed_copy_stays(course):
    course.edit("mine")
    course.refresh()
    assert course.files() == {NAME: "mine"} and course.said == []


def test_both_changed_gives_both_and_is_said_once(course):
    course.edit("mine")
    course.publish("version 2")
    course.refresh()
    course.refresh()
    assert course.files() == {NAME: "mine", NEW: "version 2"}
    assert len(course.said) == 1 and NEW in course.said[0]


def test_a_newer_version_replaces_the_one_beside_unless_that_was_changed(course):
    course.edit("mine")
    for version in ("version 2", "version 3"):
        course.publish(version)
        course.refresh()
    assert course.files() == {NAME: "mine", NEW: "version 3"}
    course.edit("also mine", NEW)
    course.publish("version 4")
    course.refresh()
    assert course.files() == {NAME: "mine", NEW: "also mine", BESIDE: "version 4"}


def test_a_copy_of_unknown_origin_counts_as_changed(course):
    course.edit("perhaps mine")
    (course.work / ORIGINS).write_text("damaged")
    course.refresh()
    assert course.files() == {NAME: "perhaps mine", NEW: "version 1"}


def test_reset_puts_the_original_back_and_keeps_each_of_yours(course):
    for number in (1, 2):
        course.edit(f"mine {number}")
        course.reset()
    course.reset()
    assert course.files() == {
        NAME: "version 1",
        KEPT: "mine 1",
        KEPT.replace("1", "2"): "mine 2",
    }
    assert KEPT in course.said[0] and "nothing to put back" in course.said[2]
    course.publish("version 2")
    course.refresh()
    assert course.files()[NAME] == "version 2"


def test_reset_makes_a_missing_copy(course):
    (course.work / NAME).unlink()
    course.reset()
    assert course.files() == {NAME: "version 1"}


TEXTS = st.text(string.ascii_lowercase, max_size=2)
STEPS = st.one_of(
    st.tuples(st.just("publish"), TEXTS),
    st.tuples(st.sampled_from(["edit", "edit new"]), TEXTS),
    st.tuples(st.sampled_from(["refresh", "reset", "forget"]), st.just("")),
)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEPS, max_size=12))
def test_nothing_a_learner_wrote_is_ever_lost(steps, tmp_path_factory):
    course = Course(tmp_path_factory.mktemp("course"))
    course.refresh()
    for step, text in steps:
        # Marked, so that no version of the course has the same bytes by chance.
        if step == "publish":
            course.publish(f"version {text}")
        elif step in ("edit", "edit new"):
            course.edit(f"mine {text}", NAME if step == "edit" else NEW)
        elif step == "forget":
            (course.work / ORIGINS).unlink(missing_ok=True)
        else:
            mine = {words for words in course.files().values() if words.startswith("mine")}
            getattr(course, step)()
            assert mine <= set(course.files().values())

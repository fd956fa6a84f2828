"""The glossary: each term once, in order, and linked from its first use in the course."""

import json
import re
from functools import cache

import pytest

from tests.notebooks.conftest import NOTEBOOKS

ROOT = NOTEBOOKS.parent
PAGE = ROOT / "docs" / "glossary.md"
COURSE = ("00", "01", "01b", "02", "03", "04", "04b", "06", "07")
LINK = re.compile(r"\[([^\]]+)\]\(\.\./docs/glossary\.md#([^)\s]*)\)")

# What is no prose: code, folded answers, headings, tables, references, formulas, other links, HTML.
NO_PROSE = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"(?s)^```.*?^```",
        r"(?s)<details>.*?</details>",
        r"^#.*$",
        r"^\|.*$",
        r"^\*\*References?\.\*\*.*$",
        r"`[^`\n]+`",
        r"\$[^$\n]+\$",
        r"!?\[[^\]]*\]\((?!\.\./docs/glossary\.md)[^)]*\)",
        r"</?[a-z][^>\n]*>",
    )
)
# Where a word of the glossary stands in the prose and means something else.
OTHER_SENSES = {
    "step": (r"each of the five steps has", r"step by step", r"\ba step of \d", r"steps? up\b"),
    "instance": (r"for instance",),
    "channel": (),
}


# --- the page -----------------------------------------------------------------------------------


def anchor(heading):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\s-]", "", heading.lower()).strip().replace(" ", "-")


@cache
def entries():
    """What stands below each term, by term, in the page's order."""
    _, *parts = re.split(r"^### (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return list(zip(parts[::2], parts[1::2], strict=True))


def forms():
    """The ways in which a term is written, by term: its own, and those named after `Also:`."""
    also = {term: re.search(r"^Also: (.+?)\. ", text, re.M) for term, text in entries()}
    return {term: [term, *(found[1].split(", ") if found else [])] for term, found in also.items()}


def explained_in(text):
    (found,) = re.findall(r"Explained in \[(\d+b?) [^\]]+\]\(\.\./notebooks/(\S+\.ipynb)\)\.", text)
    return found


def test_the_terms_are_in_order():
    terms = [term.lower() for term, _ in entries()]
    assert terms == sorted(terms)
    assert len(terms) >= 50


def test_the_anchors_are_unique():
    anchors = [anchor(term) for term, _ in entries()]
    assert len(set(anchors)) == len(anchors)
    written = [form.lower() for ways in forms().values() for form in ways]
    assert len(set(written)) == len(written), "one word, two terms"


@pytest.mark.parametrize(("term", "text"), entries(), ids=[term for term, _ in entries()])
def test_each_term_has_a_sentence_or_a_few_and_its_notebook(term, text):
    number, file = explained_in(text)
    assert file.startswith(f"{number}_") and (NOTEBOOKS / file).exists()
    said = re.split(r"^(?:Also|Explained)", text, flags=re.M)[0].strip()
    sentences = re.split(r"(?<=[.:!?])\s+(?=[A-Z*$])", said)
    assert said.endswith(".") and 1 <= len(sentences) <= 5, sentences
    in_order = [number for number, _, _ in uses(term)]
    assert number in in_order, "the notebook that explains it does not use the word"


# --- its uses -----------------------------------------------------------------------------------


def blanked(found):
    return re.sub(r"[^\n]", " ", found[0])


@cache
def prose():
    """Number, cell and prose of each Markdown cell; what is left keeps its place."""
    cells = []
    for number in COURSE:
        (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                text = "".join(cell["source"])
                for pattern in NO_PROSE:
                    text = pattern.sub(blanked, text)
                cells.append((number, cell["id"], text))
    return cells


def pattern_of(form):
    """A form as whole words: hyphen or space, any case, singular or plural."""
    *words, last = re.split(r"[ -]", form)
    stem = re.escape(last)
    if last.endswith("y") and last[-2] not in "aeiou":
        stem = re.escape(last[:-1]) + "(?:y|ies)"
    parts = [*map(re.escape, words), stem + "(?:e?s)?"]
    return r"(?<![\w-])" + r"[\s-]+".join(parts) + r"(?![\w-])"


def uses(term):
    """Number, cell and span of each use of a term, in the order of the course."""
    ways = [re.compile(pattern_of(form), re.IGNORECASE) for form in forms()[term]]
    others = [re.compile(pattern) for pattern in OTHER_SENSES.get(term, ())]
    for number, cell, text in prose():
        shown = text
        for pattern in others:
            shown = pattern.sub(blanked, shown)
        # Inside a link's address nothing is a use.
        shown = re.sub(r"\]\([^)]*\)", blanked, shown)
        spans = {found.span() for way in ways for found in way.finditer(shown)}
        for span in sorted(spans):
            yield number, cell, span


def links():
    """Number, cell, text, anchor and span of each link to the glossary."""
    for number, cell, text in prose():
        for found in LINK.finditer(text):
            yield number, cell, found[1], found[2], found.span(1)


def test_the_course_is_all_notebooks():
    assert sorted(path.name.split("_")[0] for path in NOTEBOOKS.glob("*.ipynb")) == sorted(COURSE)


@pytest.mark.parametrize("term", [term for term, _ in entries()])
def test_the_first_use_is_linked(term):
    _, cell, (first, last) = next(uses(term))
    linked = [
        (where, at)
        for _, where, _, target, at in links()
        if target == anchor(term) and where == cell
    ]
    assert any(at[0] <= first and last <= at[1] for _, at in linked), f"link it in {cell}"


def test_every_link_leads_to_its_own_term():
    ways = {anchor(term): forms()[term] for term, _ in entries()}
    for _, cell, text, target, _ in links():
        assert target in ways, f"{cell}: no term #{target}"
        assert any(re.search(pattern_of(form), text, re.I) for form in ways[target]), (cell, text)


def test_a_notebook_links_a_term_once_at_most():
    linked = [(number, target) for number, _, _, target, _ in links()]
    assert sorted(set(linked)) == sorted(linked)


def test_links_stand_in_prose_only():
    for path in NOTEBOOKS.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            text = "".join(cell["source"])
            shown = next((t for _, name, t in prose() if name == cell["id"]), "")
            assert text.count("docs/glossary.md") == shown.count("docs/glossary.md"), cell["id"]


@pytest.mark.parametrize("page", ["README.md", "docs/learning_path.md", "docs/glossary.md"])
def test_the_links_of_the_pages_lead_somewhere(page):
    path = ROOT / page
    anchors = {anchor(term) for term, _ in entries()}
    for target in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", path.read_text(encoding="utf-8")):
        file, _, fragment = target.partition("#")
        aim = (path.parent / file).resolve() if file else path
        assert aim.exists(), f"{page}: {target}"
        assert not fragment or aim != PAGE or fragment in anchors, target


def test_working_copies_keep_the_links():
    # A copy lies in work/, beside notebooks/: the relative links lead to the same files.
    for _, _, _, target, _ in links():
        assert (ROOT / "work" / ".." / "docs" / "glossary.md").resolve() == PAGE, target


# --- the rules themselves -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("skip connection", "two Skip-connections here", True),
        ("receptive field", "a receptive\nfield", True),
        ("IoU", "an IoU of", True),
        ("step", "footsteps, stepping, step-wise", False),
        ("batch", "two batches", True),
        ("accuracy", "accuracies", True),
        ("crop", "cropped", False),
    ],
)
def test_what_counts_as_a_use(form, text, found):
    assert bool(re.search(pattern_of(form), text, re.IGNORECASE)) == found

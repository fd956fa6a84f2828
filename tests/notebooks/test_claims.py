"""The course tells nothing that was not computed: claims hold, none is missing, none is deaf.

The claims stand in ``claims/NN.toml``. That a claim listens is shown by changing the prose: with
another number, or with the comparison turned round, it must fail.
"""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.notebooks.conftest import NOTEBOOKS
from unet_helpers.classroom.claim_scan import stale, tokens, unbound
from unet_helpers.classroom.claim_words import (
    EQUAL,
    LESS,
    NUMBERS,
    OPPOSITES,
    RANGES,
    WORDS,
    hedge_of,
    number_of,
    quantity,
)
from unet_helpers.classroom.claims import Book, Claim, Claims, Fixed, fault, read_claims

FILES = sorted(Path(__file__).with_name("claims").glob("*.toml"))


@cache
def book_of(number):
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    return Book(path)


@cache
def claims_of(number):
    return read_claims(Path(__file__).with_name("claims") / f"{number}.toml")


def words(claim):
    return re.sub(r"[^\w ().,%-]", "", claim.says.replace("\\d+", "n"))[:60]


NUMBERED = [file.stem for file in FILES]
EACH = [
    pytest.param(number, claim, id=f"{claim.cell}: {words(claim)}")
    for number in NUMBERED
    for claim in claims_of(number).claims
]


def test_every_notebook_has_a_file_of_claims():
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    assert [path.name.split("_")[0] for path in paths] == NUMBERED


@pytest.mark.parametrize(("number", "claim"), EACH)
def test_the_claim_holds(number, claim):
    assert fault(book_of(number), claim) == ""


@pytest.mark.parametrize("number", NUMBERED)
def test_no_number_and_no_comparison_is_without_a_claim(number):
    assert unbound(book_of(number), claims_of(number)) == []


@pytest.mark.parametrize("number", NUMBERED)
def test_what_is_fixed_is_still_there(number):
    assert stale(book_of(number), claims_of(number)) == []


# --- the demonstration: a claim that is changed fails -------------------------------------------


def other_digits(text, factor, step=0.0):
    """The phrase with another number: of ``1/8`` the last, of ``95 of 100`` the first."""

    def other(found):
        decimals = len(found[0].partition(".")[2])
        changed = float(found[0].replace(",", "")) * factor + step
        return f"{changed:{',' if ',' in found[0] else ''}.{decimals}f}"

    number = r"\d[\d,]*(?:\.\d+)?"
    if "/" in text:
        return re.sub(rf"(?<=/){number}", other, text)
    return re.sub(number, other, text, count=0 if " x " in text else 1)


def other_words(rest):
    """Words in the place of a number word, all of them half as large again or more apart."""
    value = WORDS[rest.removesuffix(" times")]
    apart = [w for w, v in WORDS.items() if max(v, value) > 1.4 * max(min(v, value), 1e-9)]
    if rest not in NUMBERS:
        return apart
    near = NUMBERS.index(rest)
    return [*apart, *NUMBERS[max(0, near - 1) : near], *NUMBERS[near + 1 : near + 2]]


def changed(said, claim):
    """What the prose must not say in place of what it says."""
    kind, rest = hedge_of(said)
    before = said[: len(said) - len(rest)]
    bare = re.sub(r"^(?:by far |much |far |a little |little |the )+", "", said.lower())
    if kind in ("over", "under"):
        yield {"over": "less than ", "under": "more than "}[kind] + rest
    if bare in RANGES:
        yield from set(RANGES) - {bare}
    elif bare in EQUAL:
        yield "larger"
    elif number_of(rest) is None:
        yield (OPPOSITES | LESS)[bare]
    elif rest.removesuffix(" times") in WORDS:
        yield from (before + word for word in other_words(rest))
    else:
        yield from (before + other_digits(rest, factor) for factor in (0.5, 1.5, 2, 10))
        yield from (before + other_digits(rest, 0.0, step) for step in (7, 0.77))
        if kind == "equal" and not claim.kind and claim.within is None:
            last = 10.0 ** -len(rest.rstrip(" %").partition(".")[2])
            yield from (before + other_digits(rest, 1.0, step) for step in (last, -last))


@pytest.mark.parametrize(("number", "claim"), EACH)
def test_the_claim_fails_when_the_prose_says_something_else(number, claim):
    book = book_of(number)
    text = book.prose[claim.cell]
    found = re.search(claim.says, text)
    first, last = found.span(1)
    others = {other for other in changed(found[1], claim) if other.lower() != found[1].lower()}
    if (meant := quantity(found[1])) is not None:  # "0 x 0" and the like say the same again
        others = {other for other in others if quantity(other) not in (None, meant)}
    assert others
    alive = [
        other
        for other in others
        if not fault(book.with_prose(claim.cell, text[:first] + other + text[last:]), claim)
    ]
    assert alive == []


SENTENCES = (
    "It reached 0.873 on all of them.",
    "That makes 41 images.",
    "It finds seven objects.",
    "The second net is three times as large.",
    "It is faster here.",
    "The mask is larger than the truth.",
    "It is twice what it was, and half of that.",
)


@pytest.mark.parametrize("number", NUMBERED)
def test_a_new_sentence_is_found_wherever_it_stands(number):
    book, claims = book_of(number), claims_of(number)
    missed = []
    for cell, text in book.prose.items():
        known = len(unbound(book, claims, only=cell))
        for sentence in SENTENCES:
            for new in (f"{sentence}\n\n{text}", f"{text}\n\n{sentence}"):
                if len(unbound(book.with_prose(cell, new), claims, only=cell)) <= known:
                    missed.append((cell, sentence))
    assert missed == []


# --- the reader and its sentences ---------------------------------------------------------------


@pytest.fixture
def listed(tmp_path):
    def read(text):
        path = tmp_path / "99.toml"
        path.write_text(text)
        return read_claims(path)

    return read


def test_a_claim_and_an_exemption_are_read(listed):
    text = (
        "[[claim]]\ncell = '99-01'\nsays = 'over (\\d+) GB'\nis = 'over'\nvalue = '12.5'\n"
        "[[fixed]]\ncell = '99-01'\nsays = '0.5'\nwhy = 'a definition'\n"
    )
    claim = Claim("99-01", r"over (\d+) GB", value="12.5", kind="over")
    assert listed(text) == Claims([claim], [Fixed("99-01", ("0.5",), "a definition")])


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ("says = 'over 11 GB'\nvalue = '1'", "must have one group"),
        ("says = '(11)'", "has no truth"),
        ("says = '(11)'\noutput = '99-02'\nvalue = '1'", "needs `find` with `output`"),
        ("says = '(11)'\nat = 'x'\nvalue = '1'", "needs `find` with `output`"),
        ("says = '(11)'\nvalue = '1'\nis = 'more'", "must have `is` as one of"),
        ("says = '(11)'\nvalue = '1'\nunit = 'GB'", "has a key that is unknown: unit"),
    ],
)
def test_an_entry_that_is_not_a_claim_is_refused(listed, entry, wrong):
    with pytest.raises(ValueError, match=wrong):
        listed(f"[[claim]]\ncell = '99-01'\n{entry}\n")


@pytest.mark.parametrize("why", ["", "why = ' '\n"])
def test_an_exemption_needs_a_reason(listed, why):
    with pytest.raises(ValueError, match="needs `cell`, `says` and `why`"):
        listed(f"[[fixed]]\ncell = '99-01'\nsays = '0.5'\n{why}")


def test_another_table_is_refused(listed):
    with pytest.raises(ValueError, match="found quiz"):
        listed("[[quiz]]\n")


def told(text, **claim):
    book = book_of("03").with_prose("03-00", text)
    return fault(book, Claim("03-00", **claim))


def test_what_is_wrong_is_said_in_one_sentence():
    assert told("It wants over 11 GB.", says=r"wants (over \d+) GB", value="12.5") == ""
    assert told("It wants over 3 GB.", says=r"wants (over \d+) GB", value="12.5") == (
        "03-00 says 'wants over 3 GB', which means 3 to 3.75, but 12.5 was computed"
    )
    assert told("It wants much.", says=r"wants (over \d+) GB", value="12.5") == (
        "03-00 should say 'wants (over \\\\d+) GB' once, and says it 0 times"
    )


def test_a_source_that_tells_nothing_is_a_fault():
    found = {"says": r"(\d) nets", "output": ("03-13",)}
    assert "is found 0 times, not once, in 03-13" in told("2 nets", find="(nothing)", **found)
    assert "no cell has the id 03-zz" in told(
        "2 nets", says=r"(\d) nets", output=("03-zz",), find="(x)"
    )


def test_another_notebooks_cell_can_be_a_source():
    assert told("300 steps", says=r"(\d+) steps", code=("00-04",), find=r"STEPS = (\d+)") == ""


@pytest.mark.parametrize(
    ("phrase", "yes", "no"),
    [
        ("0.69", (0.69, 0.6931), (0.684, 0.70)),
        ("nearly twice", (1.9, 2.0), (2.1, 1.4)),
        ("more than twice", (2.0, 2.4), (1.9, 3)),
        ("about a fifth", (0.2, 0.22), (0.25, 0.1)),
        ("thousands", (2000,), (500, 1e6)),
        ("95 of 100", (0.95, 0.947), (0.9,)),
        ("4 x 4", (4,), (5,)),
        ("far better", (0.1,), (-0.1, 0)),
        ("fewer", (-1,), (1, 0)),
        ("the same", (0,), (1,)),
    ],
)
def test_phrases_mean_what_they_say(phrase, yes, no):
    meant = quantity(phrase)
    assert [value for value in yes if not meant.holds(value)] == []
    assert [value for value in no if meant.holds(value)] == []


def test_what_needs_no_claim_is_left_out():
    text = (
        "# 03 · Training\n\nSee [04](04_evaluation.ipynb), `x = 3`, $p = 0.5$ and Luo et al. 2016 "
        "in 16-bit numbers.\n\n```python\nsteps = 300\n```\n\n**References.** U-Net 2015, page 7\n"
    )
    assert list(tokens(text)) == []

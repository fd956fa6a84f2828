"""The claims of the course: each measured number in the prose, held against what was computed.

``tests/notebooks/claims/NN.toml`` lists them. A claim names a Markdown ``cell`` and what it
``says``, a regular expression with one group around the number or the comparison, and where the
truth is: in a stored ``output`` or in the ``code`` of a cell, picked out with ``find``; in a
``result`` file of the benchmarks, ``at`` a path; or in a ``value``, an expression. Nothing is
executed but such expressions.
"""

import importlib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from unet_helpers.classroom.claim_words import quantity

KINDS = ("equal", "about", "over", "under")
GLOSSARY_LINK = re.compile(r"\[([^\]]+)\]\(\.\./docs/glossary\.md#[^)\s]*\)")


@dataclass(frozen=True)
class Claim:
    """A number or comparison of the prose, and where its truth is.

    Attributes
    ----------
    cell : str
        Id of the Markdown cell.
    says : str
        Regular expression with one group; it matches once in the cell.
    output, code : tuple of str
        Ids of code cells, of whose stored outputs, or of whose code, `find` picks the truth.
    find : str
        Regular expression that matches once: its group is the truth; its named groups are names in
        `value`; without a group the truth is how often it matches.
    result : str
        A JSON file, from the root of the project; the truth stands `at` a path in it, or it is
        called ``result`` in `value`.
    at : str
        Keys and indices, parted by dots.
    value : str
        Expression; it may use ``np``, the public names of ``unet_helpers``, and what was found.
    kind : str
        How a number is meant: one of `KINDS`; empty where the words say so. In the file: ``is``.
    within : float or None
        Another tolerance than that of the words; see `quantity`.
    """

    cell: str
    says: str
    output: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    find: str = ""
    result: str = ""
    at: str = ""
    value: str = ""
    kind: str = ""
    within: float | None = None


@dataclass(frozen=True)
class Fixed:
    """Numbers of the prose that nothing measures.

    Attributes
    ----------
    cell : str
        Id of the Markdown cell.
    says : tuple of str
        Pieces of its text that hold the numbers, each of them once in the cell.
    why : str
        What they are: a definition, an invented example.
    """

    cell: str
    says: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Claims:
    """What one file lists.

    Attributes
    ----------
    claims : list of Claim
        Bound to what was computed.
    fixed : list of Fixed
        Bound to nothing, and why.
    """

    claims: list[Claim] = field(default_factory=list)
    fixed: list[Fixed] = field(default_factory=list)


def read_claims(path: Path) -> Claims:
    """Read a file of claims.

    Parameters
    ----------
    path : pathlib.Path
        A TOML file of ``[[claim]]`` and ``[[fixed]]``.

    Returns
    -------
    Claims
        What it lists.

    Raises
    ------
    ValueError
        If an entry lacks what it needs or holds what it should not.
    """
    listed = tomllib.loads(path.read_text(encoding="utf-8"))
    if unknown := sorted(set(listed) - {"claim", "fixed"}):
        raise ValueError(f"{path.name} must hold [[claim]] and [[fixed]], found {unknown[0]}")
    claims = [_claim(entry, path.name) for entry in listed.get("claim", [])]
    return Claims(claims, [_fixed(entry, path.name) for entry in listed.get("fixed", [])])


def _many(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _claim(entry: dict[str, Any], file: str) -> Claim:
    """One claim of a file."""
    where = f"{file}: the claim {entry.get('says', '')!r} of cell {entry.get('cell', '?')}"
    given = {"kind" if key == "is" else key: value for key, value in entry.items()}
    if wrong := sorted(set(given) - {each.name for each in fields(Claim)}):
        raise ValueError(f"{where} has a key that is unknown: {wrong[0]}")
    for key in ("output", "code"):
        given[key] = _many(given.get(key, ()))
    claim = Claim(**given)
    if re.compile(claim.says).groups != 1:
        raise ValueError(f"{where} must have one group in `says`, around the number or comparison")
    if claim.kind and claim.kind not in KINDS:
        raise ValueError(f"{where} must have `is` as one of {', '.join(KINDS)}, found {claim.kind}")
    if not (claim.find or claim.at or claim.value):
        raise ValueError(f"{where} has no truth: give `find`, `at` or `value`")
    if bool(claim.find) != bool(claim.output or claim.code) or (claim.at and not claim.result):
        raise ValueError(f"{where} needs `find` with `output` or `code`, and `at` with `result`")
    return claim


def _fixed(entry: dict[str, Any], file: str) -> Fixed:
    """One exemption of a file."""
    if set(entry) != {"cell", "says", "why"} or not str(entry["why"]).strip():
        raise ValueError(f"{file}: each [[fixed]] needs `cell`, `says` and `why`, found {entry}")
    return Fixed(entry["cell"], _many(entry["says"]), entry["why"])


class Book:
    """A notebook whose prose is held against its claims.

    Parameters
    ----------
    path : pathlib.Path
        The notebook; its folder's parent is the root that results are named from.
    prose : dict of str to str, optional
        Texts of Markdown cells in place of the notebook's own.

    Attributes
    ----------
    cells : dict of str to dict
        The cells by their ids.
    prose : dict of str to str
        The texts of the Markdown cells by their ids; a link to the glossary is read as its word.
    """

    def __init__(self, path: Path, prose: dict[str, str] | None = None) -> None:
        self.path = path
        content = json.loads(path.read_text(encoding="utf-8"))
        self.cells: dict[str, dict[str, Any]] = {cell["id"]: cell for cell in content["cells"]}
        own = {i: _text(c["source"]) for i, c in self.cells.items() if c["cell_type"] == "markdown"}
        told = {i: GLOSSARY_LINK.sub(r"\1", text) for i, text in own.items()}
        self.prose = told | (prose or {})

    @cached_property
    def _known(self) -> dict[Claim, Any]:
        return {}

    def with_prose(self, cell: str, text: str) -> "Book":
        """Give the notebook with another text in one Markdown cell.

        Parameters
        ----------
        cell : str
            Its id.
        text : str
            The text.

        Returns
        -------
        Book
            Another one; this one stays as it is.
        """
        other = object.__new__(Book)
        other.__dict__.update(self.__dict__, prose={**self.prose, cell: text}, _known=self._known)
        return other

    def truth(self, claim: Claim) -> Any:
        """Give what was computed.

        Parameters
        ----------
        claim : Claim
            One of this notebook's.

        Returns
        -------
        float or str
            A number wherever it can be read as one.

        Raises
        ------
        ValueError
            If the claim's source does not hold it.
        """
        if claim not in self._known:
            self._known[claim] = self._compute(claim)
        return self._known[claim]

    def _compute(self, claim: Claim) -> Any:
        """Look the truth up where the claim says that it is."""
        names: dict[str, Any] = {}
        truth: Any = None
        if claim.result:
            names["result"] = _result(self.path.parents[1] / claim.result)
            truth = _at(names["result"], claim.at) if claim.at else None
        if claim.find:
            truth, found = _found(claim, self._source(claim))
            names |= found
        return _evaluated(claim.value, names) if claim.value else truth

    def _source(self, claim: Claim) -> str:
        """The text in which a claim's `find` looks."""
        outputs = (_outputs(self._cell(each)) for each in claim.output)
        return "\n".join([*outputs, *(_text(self._cell(each)["source"]) for each in claim.code)])

    def _cell(self, name: str) -> dict[str, Any]:
        """A cell by its id, whose beginning tells the notebook."""
        number = name.split("-")[0]
        if name not in self.cells and not self.path.name.startswith(f"{number}_"):
            for path in self.path.parent.glob(f"{number}_*.ipynb"):
                return Book(path)._cell(name)
        if name not in self.cells:
            raise ValueError(f"no cell has the id {name}")
        return self.cells[name]


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _outputs(cell: dict[str, Any]) -> str:
    """The text that a cell printed."""
    texts = (o.get("text", o.get("data", {}).get("text/plain", "")) for o in cell["outputs"])
    return "\n".join(map(_text, texts))


@cache
def _result(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _at(content: Any, path: str) -> Any:
    """What stands at a path of keys and indices."""
    for key in path.split("."):
        content = content[int(key)] if isinstance(content, list) else content[key]
    return content


def _as_number(text: str) -> Any:
    read = quantity(text.replace("≈", ""), kind="equal")
    return text if read is None else read.value


def _found(claim: Claim, text: str) -> tuple[Any, dict[str, Any]]:
    """The truth that `find` picks out of a text, and the names that it gives."""
    matches = list(re.finditer(claim.find, text, re.MULTILINE))
    if re.compile(claim.find).groups == 0:
        return float(len(matches)), {}
    if len(matches) != 1:
        where = ", ".join(claim.output + claim.code)
        raise ValueError(f"{claim.find!r} is found {len(matches)} times, not once, in {where}")
    return _as_number(matches[0][1]), {
        name: _as_number(value) for name, value in matches[0].groupdict().items()
    }


def _names_in(code: CodeType) -> Iterator[str]:
    """Names that an expression uses, inside of its comprehensions, too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _evaluated(expression: str, names: dict[str, Any]) -> Any:
    """Evaluate an expression with numpy, our public names, and what was found."""
    code = compile(expression, "a claim's value", "eval")
    package = importlib.import_module(__package__.partition(".")[0])
    public = {n for n in _names_in(code) if n in package.__all__ and n not in names}
    ours = {name: getattr(package, name) for name in public}
    value = eval(code, {"np": np, **ours, **names})
    return value if isinstance(value, str) else float(value)


def fault(book: Book, claim: Claim) -> str:
    """Say what is wrong with a claim.

    Parameters
    ----------
    book : Book
        The notebook.
    claim : Claim
        One of its claims.

    Returns
    -------
    str
        One sentence; empty if the claim holds.
    """
    matches = list(re.finditer(claim.says, book.prose.get(claim.cell, "")))
    if len(matches) != 1:
        return f"{claim.cell} should say {claim.says!r} once, and says it {len(matches)} times"
    words, said = matches[0][0], matches[0][1]
    try:
        computed = book.truth(claim)
    except (ValueError, KeyError, IndexError, OSError) as error:
        return f"{claim.cell} says {words!r}, and its source does not tell: {error}"
    meant = quantity(said, claim.kind or None, claim.within)
    if meant is None or isinstance(computed, str):
        holds, means = said == computed, repr(said)
    else:
        holds, means = meant.holds(computed), f"{meant.low:.6g} to {meant.high:.6g}"
    if holds:
        return ""
    shown = computed if isinstance(computed, str) else f"{computed:.6g}"
    return f"{claim.cell} says {words!r}, which means {means}, but {shown} was computed"

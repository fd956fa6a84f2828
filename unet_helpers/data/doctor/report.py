"""The report: all findings, as text for people and as JSON for programs."""

import dataclasses
import difflib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unet_helpers.data.doctor.cures import CURES
from unet_helpers.data.doctor.encoding import Encoding
from unet_helpers.data.doctor.findings import Finding
from unet_helpers.data.doctor.kinds import KINDS, SEVERITIES
from unet_helpers.data.doctor.sources import Source
from unet_helpers.data.doctor.survey import listing, plural

SCHEMA = 1
_SHOWN = 4  # pieces of evidence to a kind; `Report.as_dict` holds all


@dataclasses.dataclass(frozen=True, repr=False)
class Report(Sequence[Finding]):
    """What the doctor found; printing it shows all of it, errors first.

    Attributes
    ----------
    findings : tuple of Finding
        Errors first, then warnings, then notes.
    images : int
        How many pairs were looked at.
    subject : str
        What was looked at, in words.
    rule : str
        How masks were read as classes, in words.
    sources : mapping of str to Source
        The pairs by name, for those who want to show them.
    options : mapping
        What the doctor was told.
    encoding : Encoding or None
        How masks were read as classes, for those who want to show them.
    groups : tuple of str
        The groups that a function of names made, in order; empty where none was given.

    Examples
    --------
    >>> report = Report((), images=3, subject="cells")
    >>> print(report)
    cells: 3 pairs, nothing found
    >>> report.ok, len(report), report["mask-shifted"]
    (True, 0, ())
    """

    findings: tuple[Finding, ...]
    images: int
    subject: str = ""
    rule: str = ""
    sources: Mapping[str, Source] = dataclasses.field(default_factory=dict)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    encoding: Encoding | None = None
    groups: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __bool__(self) -> bool:
        """Whether there is no error; warnings and notes do not count."""
        return self.ok

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        """A finding by its number, or all findings of a name as a tuple, empty if there is none."""
        if isinstance(key, str):
            _known(key)
            return tuple(found for found in self.findings if found.name == key)
        return self.findings[key]

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that make training wrong or impossible."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that are probably faults."""
        return self._of("warning")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """Findings that are good to know."""
        return self._of("note")

    def _of(self, severity: str) -> tuple[Finding, ...]:
        return tuple(found for found in self.findings if found.severity == severity)

    @property
    def names(self) -> list[str]:
        """The names of what was found, each once, in the report's order."""
        return list(dict.fromkeys(found.name for found in self.findings))

    def explain(self, name: str) -> str:
        """Tell what a finding means and what to do about it.

        Parameters
        ----------
        name : str
            The finding's name.

        Returns
        -------
        str
        """
        found = self[name]
        return explain(name, found[0].fix if found else "")

    def as_dict(self) -> dict[str, Any]:
        """Give the report as plain lists and dictionaries.

        Returns
        -------
        dict
            ``schema`` (1), ``ok``, ``subject``, ``rule``, ``pairs``, ``groups``, ``options``,
            ``counts`` by severity, and ``findings``: each with ``name, severity, message, files,
            samples, values, counts, fix``.
        """
        counts = Counter(found.severity for found in self.findings)
        return {
            "schema": SCHEMA,
            "ok": self.ok,
            "subject": self.subject,
            "rule": self.rule,
            "pairs": self.images,
            "groups": list(self.groups),
            "options": dict(self.options),
            "counts": {severity: counts[severity] for severity in SEVERITIES},
            "findings": [found.as_dict() for found in self.findings],
        }

    def to_json(self, indent: int | None = 2) -> str:
        """Give `as_dict` as a JSON document.

        Parameters
        ----------
        indent : int or None
            Spaces to a level; None for one line.

        Returns
        -------
        str
        """
        return json.dumps(self.as_dict(), indent=indent, default=str)

    def __str__(self) -> str:
        blocks = ["\n".join(self._head())]
        groups: dict[tuple[str, str], list[Finding]] = {}
        for found in self.findings:
            groups.setdefault((found.severity, found.name), []).append(found)
        blocks += [_block(group, self._root()) for group in groups.values()]
        return "\n\n".join(blocks)

    def __repr__(self) -> str:
        return str(self)

    def _head(self) -> Iterator[str]:
        counts = Counter(found.severity for found in self.findings)
        told = [plural(counts[severity], severity) for severity in SEVERITIES if counts[severity]]
        yield f"{self.subject}: {plural(self.images, 'pair')}, {', '.join(told) or 'nothing found'}"
        if self.rule:
            yield f"masks are read as: {self.rule}"
        if self.groups:
            yield f"{plural(len(self.groups), 'group')}: {listing(self.groups, 6)}"

    def _root(self) -> str:
        """The folder that all files share, which need not be printed with every one of them."""
        folders = {
            str(path.parent.parent)
            for source in self.sources.values()
            for path in (source.image, source.mask)
            if path
        }
        try:
            return os.path.commonpath(folders) if folders else ""
        except ValueError:  # different drives, or relative and absolute paths
            return ""


def explain(name: str, fix: str = "") -> str:
    """Tell what a kind of finding means.

    Parameters
    ----------
    name : str
        The finding's name.
    fix : str
        What to do about it in the case at hand.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If there is no such finding.

    Examples
    --------
    >>> print(explain("truncated"))
    truncated (error): files that end too early
      The first part decodes, the end is not there.
      fix: copy or export the file again
    """
    _known(name)
    kind = KINDS[name]
    general = CURES[name] if "{" not in CURES[name] else ""
    cure = fix or general
    lines = [f"{name} ({kind.severity}): {kind.title}", f"  {kind.meaning}"]
    return "\n".join(lines + (_indented("fix: " + cure) if cure else []))


def _known(name: str) -> None:
    if name not in KINDS:
        near = difflib.get_close_matches(name, KINDS, 1)
        raise ValueError(
            f"name must be that of a finding, found {name!r}: "
            + (f"did you mean {near[0]}? If not, " if near else "")
            + f"use one of {', '.join(KINDS)}"
        )


def _block(group: Sequence[Finding], root: str) -> str:
    """One kind of finding: headline, evidence, cure."""
    first = group[0]
    lines = [f"{first.severity}  {first.name}  {KINDS[first.name].title}"]
    lines += [f"    {_line(found, root)}" for found in group[:_SHOWN]]
    if len(group) > _SHOWN:
        lines.append(f"    and {len(group) - _SHOWN} more")
    return "\n".join(lines + _indented("fix: " + first.fix))


def _line(found: Finding, root: str) -> str:
    """One piece of evidence: the file if there is one, some files if there are several."""
    if not found.files:
        return found.message
    names = [Path(file).name for file in found.files]
    if all(Path(name).stem in found.message for name in names):
        return found.message
    if len(names) <= 2:
        return f"{_short(found.files[0], root)}: {found.message}"
    return f"{found.message} ({listing([cut(name) for name in names], 3)})"


def cut(name: str, most: int = 28) -> str:
    """Shorten a long file name in its middle.

    Examples
    --------
    >>> cut("a.png"), cut("0b0d577159f0d6c266f360f7b8dfde46e16fa665138b.png", 20)
    ('a.png', '0b0d57715...138b.png')
    """
    if len(name) <= most:
        return name
    return f"{name[: most - 11]}...{name[-8:]}"


def _short(file: str, root: str) -> str:
    if root and file.startswith(root):
        return file[len(root) :].lstrip("/\\") or file
    return file


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]

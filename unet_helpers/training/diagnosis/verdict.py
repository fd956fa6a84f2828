"""What `diagnose` found, as text for people and as dictionaries for programs."""

import dataclasses
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from unet_helpers.data.doctor.findings import Finding
from unet_helpers.data.doctor.kinds import SEVERITIES
from unet_helpers.data.doctor.survey import plural
from unet_helpers.training.diagnosis.kinds import KINDS

_WIDTH = 88


@dataclasses.dataclass(frozen=True, repr=False)
class Diagnosis(Sequence[Finding]):
    """Findings on a training, the most probable cause first; printing it shows all of them.

    Attributes
    ----------
    findings : tuple of Finding
        Errors, then warnings, then notes; within each the most probable cause first.
    pairs : int
        Pairs of image and mask that were looked at.
    tried : str
        What a few steps on copies of the weights showed, as one sentence; "" if none were made.
    seconds : float
        How long it took.

    Examples
    --------
    >>> print(Diagnosis((), 8))
    8 pairs of image and mask: nothing found that keeps this model from learning.
    """

    findings: tuple[Finding, ...]
    pairs: int
    tried: str = ""
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        """A finding by its number; the first one is the most probable cause."""
        return self.findings[key]

    def __bool__(self) -> bool:
        """Whether nothing but notes was found."""
        return self.ok

    @property
    def ok(self) -> bool:
        """Whether nothing but notes was found."""
        return all(found.severity == "note" for found in self.findings)

    @property
    def names(self) -> list[str]:
        """Names of the findings, in their order."""
        return [found.name for found in self.findings]

    def as_dict(self) -> dict[str, Any]:
        """Give the diagnosis as plain lists and dictionaries.

        Returns
        -------
        dict
            ``ok``, ``pairs``, ``tried``, ``seconds`` and ``findings``, each with ``name, severity,
            message, counts, fix`` and more.
        """
        return {
            "ok": self.ok,
            "pairs": self.pairs,
            "tried": self.tried,
            "seconds": round(self.seconds, 2),
            "findings": [found.as_dict() for found in self.findings],
        }

    def __str__(self) -> str:
        blocks = [_filled(" ".join(filter(None, [self._head(), self.tried])))]
        blocks += [_block(number, found) for number, found in enumerate(self.findings, 1)]
        return "\n\n".join(blocks)

    def __repr__(self) -> str:
        return str(self)

    def _head(self) -> str:
        of = Counter(found.severity for found in self.findings)
        told = ", ".join(plural(of[severity], severity) for severity in SEVERITIES if of[severity])
        looked = f"{plural(self.pairs, 'pair')} of image and mask: "
        if not self.ok:
            return f"{looked}{told}, the most probable cause first."
        beside = f" ({told})" if told else ""
        return f"{looked}nothing found that keeps this model from learning{beside}."


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )


def _block(number: int, found: Finding) -> str:
    """One finding: headline, evidence, what to do."""
    head = f"{number}. {found.severity}: {KINDS[found.name].title} ({found.name})"
    return "\n".join([head, _filled(found.message + ".", "   "), f"   fix: {found.fix}"])

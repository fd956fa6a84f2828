"""A finding of the doctor: one fault, its evidence and its cure."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from unet_helpers.data.doctor.cures import CURES
from unet_helpers.data.doctor.kinds import KINDS, Severity


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fault, with its evidence.

    Attributes
    ----------
    name : str
        The kind of finding, a key of `KINDS`.
    severity : str
        ``error``, ``warning`` or ``note``.
    message : str
        What was found, as one sentence.
    files : tuple of str
        The files it is about; sample names where samples come from no files.
    samples : tuple of str
        The names of the samples it is about, in the order of the evidence.
    values : tuple of int, float or str
        The values it is about: grey levels, class names, sizes.
    counts : mapping of str to int or float
        Its figures by name: pixels, masks, shares.
    fix : str
        What to do, with code where it can be code.
    """

    name: str
    severity: Severity
    message: str
    files: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    values: tuple[int | float | str, ...] = ()
    counts: Mapping[str, int | float] = dataclasses.field(default_factory=dict)
    fix: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain lists and dictionaries, ready for JSON."""
        return {
            "name": self.name,
            "severity": self.severity,
            "message": self.message,
            "files": list(self.files),
            "samples": list(self.samples),
            "values": list(self.values),
            "counts": dict(self.counts),
            "fix": self.fix,
        }


def finding(
    name: str,
    message: str,
    *,
    severity: Severity | None = None,
    cure: Mapping[str, object] | None = None,
    **evidence: Any,
) -> Finding:
    """Make a finding of a known kind.

    Parameters
    ----------
    name : str
        A key of `KINDS`.
    message : str
        What was found, as one sentence.
    severity : str, optional
        Its weight; the kind's by default.
    cure : mapping, optional
        What to fill into the kind's cure.
    **evidence
        ``files``, ``samples``, ``values`` and ``counts`` of `Finding`.

    Returns
    -------
    Finding

    Examples
    --------
    >>> found = finding("truncated", "a.png ends too early", files=("a.png",))
    >>> found.severity, found.fix
    ('error', 'copy or export the file again')
    """
    return Finding(
        name,
        severity or KINDS[name].severity,
        message,
        fix=CURES[name].format_map(dict(cure or {})),
        **evidence,
    )

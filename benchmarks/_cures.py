"""Whether what the doctor advises undoes a planted fault: its code is run, its words are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _placefaults import Pixels, read, stems
from scipy import ndimage

# Finding, stem, all stems concerned, folder before and after planting.
Cure = Callable[[dict[str, Any], str, list[str], Path, Path], bool]


def says(*parts: str) -> Cure:
    """The fix holds these words."""
    return lambda found, stem, touched, before, after: all(p in found["fix"] for p in parts)


def run(fix: str, mask: Pixels) -> Pixels:
    """Run the lines of code in a fix, which are those that begin with "mask = ", on a mask."""
    code = [line.strip() for line in fix.splitlines() if line.strip().startswith("mask = ")]
    scope: dict[str, Any] = {"np": np, "numpy": np, "ndimage": ndimage, "mask": mask}
    exec("\n".join(code), scope)
    return np.asarray(scope["mask"])


def _difference(
    found: dict[str, Any], stem: str, before: Path, after: Path, edge: float = 0
) -> tuple[float, float]:
    """Share of the mask's pixels that differ from the original, before and after the cure."""
    good, bad = (read(stems(folder)[stem][1]) for folder in (before, after))
    cured = run(found["fix"], bad)
    if cured.shape != good.shape:
        return 1.0, 1.0
    margin = [slice(int(n * edge), n - int(n * edge)) for n in good.shape]
    inside = tuple(margin)
    was = float((bad != good)[inside].mean()) if bad.shape == good.shape else 1.0
    return was, float((cured != good)[inside].mean())


def restores(
    found: dict[str, Any], stem: str, touched: list[str], before: Path, after: Path
) -> bool:
    """The code gives back the original mask, pixel by pixel."""
    return _difference(found, stem or found["samples"][0], before, after)[1] == 0


def moves_back(
    found: dict[str, Any], stem: str, touched: list[str], before: Path, after: Path
) -> bool:
    """The code takes away more than half of the difference; the edge may be lost for good."""
    was, now = _difference(found, stem or found["samples"][0], before, after, edge=1 / 8)
    return now < 0.5 * was


def names_partner(
    found: dict[str, Any], stem: str, touched: list[str], before: Path, after: Path
) -> bool:
    """The finding names the image that the mask was taken from."""
    return found["samples"] == [stem, next(other for other in touched if other != stem)]

"""Outlines of objects, along the edges of their pixels: an outline encloses just its pixels."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from unet_helpers.prediction.objects import check_labels

# Steps along pixel edges in x and y: right, down, left, up. With y downwards, the object lies to
# the right of each step, so that outer outlines go clockwise on the screen and holes the other way.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
Ring = NDArray[np.int64]


def outlines(labels: ArrayLike) -> dict[int, list[Ring]]:
    """Trace the outlines of all objects.

    Parameters
    ----------
    labels : array_like of int, shape (height, width)
        0 for background, as `find_objects` gives them.

    Returns
    -------
    dict of int to list of ndarray, each of shape (corners, 2)
        Closed rings of x and y, without the first corner at the end, in pixels from the upper left
        corner of the image. An outer ring has a positive `ring_area`, the rings of its holes
        follow it and have a negative one; pieces that meet at a corner only are two rings.

    Raises
    ------
    ValueError
        If the labels are no whole numbers.

    Examples
    --------
    >>> found = outlines([[0, 7, 7], [0, 7, 7]])
    >>> found[7][0].tolist(), ring_area(found[7][0])
    ([[1, 0], [3, 0], [3, 2], [1, 2]], 4.0)
    """
    numbers = check_labels(labels)
    found = {}
    for index, place in enumerate(ndimage.find_objects(numbers.astype(np.int64)), start=1):
        if place is not None:
            origin = np.array([place[1].start, place[0].start])
            found[index] = [ring + origin for ring in _rings(numbers[place] == index)]
    return found


def ring_area(ring: ArrayLike) -> float:
    """Area that a ring encloses, by the shoelace formula; negative for the ring of a hole.

    Examples
    --------
    >>> ring_area([[0, 0], [0, 2], [3, 2], [3, 0]])
    -6.0
    """
    x, y = np.asarray(ring, float).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def polygons(rings: list[Ring]) -> list[list[Ring]]:
    """Put the rings of an object together: each outer ring with its holes.

    Parameters
    ----------
    rings : list of ndarray
        Of one object, from `outlines`.

    Returns
    -------
    list of list of ndarray
        One list for each piece: the outer ring, then its holes.
    """
    outer = [ring for ring in rings if ring_area(ring) > 0]
    pieces = [[ring] for ring in outer]
    for hole in (ring for ring in rings if ring_area(ring) < 0):
        home = next(n for n, ring in enumerate(outer) if _encloses(ring, hole[0]))
        pieces[home].append(hole)
    return pieces


def _encloses(ring: Ring, corner: NDArray[np.int64]) -> bool:
    """Whether the pixel to the lower right of the hole's corner lies within the ring."""
    x, y = corner[0] + 0.5, corner[1] + 0.5
    after = np.roll(ring, -1, axis=0)
    upright = ring[:, 0] == after[:, 0]
    crosses = upright & ((ring[:, 1] > y) != (after[:, 1] > y)) & (ring[:, 0] > x)
    return bool(crosses.sum() % 2)


def _rings(inside: NDArray[np.bool_]) -> Iterator[Ring]:
    open_edges = _edges(inside)
    while open_edges:
        start = min(open_edges)
        yield _follow(open_edges, start)


def _edges(inside: NDArray[np.bool_]) -> dict[tuple[int, int], list[int]]:
    """Edges between an inner and an outer pixel: the steps that leave each corner."""
    padded = np.pad(inside, 1)
    down, up = (padded[:, 1:-1][part] for part in (slice(1, None), slice(None, -1)))
    right, left = (padded[1:-1][:, part] for part in (slice(1, None), slice(None, -1)))
    edges: dict[tuple[int, int], list[int]] = {}
    # Where each step starts: at the corner that it leaves the object's pixel on its right from.
    for step, places, (dy, dx) in (
        (0, down & ~up, (0, 0)),
        (1, left & ~right, (0, 0)),
        (2, up & ~down, (0, 1)),
        (3, right & ~left, (1, 0)),
    ):
        for y, x in np.argwhere(places).tolist():
            edges.setdefault((y + dy, x + dx), []).append(step)
    return edges


def _follow(open_edges: dict[tuple[int, int], list[int]], start: tuple[int, int]) -> Ring:
    """One closed ring from a corner on; its edges are taken out."""
    corners: list[tuple[int, int]] = []
    place, before = start, -1
    while True:
        leaving = open_edges[place]
        # Where two pixels meet at a corner, turn right, around the pixel that was followed.
        step = min(leaving, key=lambda s: (before + 1 - s) % 4) if before >= 0 else min(leaving)
        leaving.remove(step)
        if not leaving:
            del open_edges[place]
        if step != before:
            corners.append((place[1], place[0]))
        dx, dy = _STEPS[step]
        place, before = (place[0] + dy, place[1] + dx), step
        if place == start:  # the uppermost corner, then the leftmost: only one edge leaves it
            break
    return np.array(corners, np.int64)

"""Two partitions of an image compared: pairs of pixels, entropies, and thinning by watershed."""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed


@dataclasses.dataclass(frozen=True)
class Joint:
    """Pixels that true and proposed segments share, the truth's background dropped.

    Attributes
    ----------
    both, truth, proposal : ndarray of int64
        Pixels of each overlapping pair, of each true segment, of each proposed segment, none of
        them 0.
    single : int
        Pixels of no proposed segment: each counts as a segment of its own.
    """

    both: NDArray[np.int64]
    truth: NDArray[np.int64]
    proposal: NDArray[np.int64]
    single: int


def joint(truth: NDArray[np.integer], proposal: NDArray[np.integer]) -> Joint:
    """Count the pixels that two label images share; 0 is the truth's background and no segment.

    Examples
    --------
    >>> joint(np.array([1, 1, 2, 0]), np.array([1, 0, 1, 1]))
    Joint(both=array([1, 1]), truth=array([2, 1]), proposal=array([2]), single=1)
    """
    kept = truth > 0
    rows, columns = truth[kept].astype(np.int64), proposal[kept].astype(np.int64)
    inside = columns > 0
    width = int(columns.max(initial=0)) + 1
    pairs = rows[inside] * width + columns[inside]
    sizes = np.unique(pairs, return_counts=True)[1], np.bincount(rows), np.bincount(columns[inside])
    both, true, proposed = (size[size > 0] for size in sizes)
    return Joint(both, true, proposed, int(np.count_nonzero(~inside)))


def pair_sums(table: Joint) -> NDArray[np.int64]:
    """Ordered pairs of pixels in one segment: of both partitions, of the truth, of the proposal.

    A pixel is a pair with itself, so a segment of n pixels has n * n pairs.

    Returns
    -------
    ndarray of int64, shape (3,)
        Whole numbers, which can be added over images.

    Examples
    --------
    >>> pair_sums(joint(np.array([1, 1, 2]), np.array([1, 1, 1]))).tolist()
    [5, 5, 9]
    """
    both, proposal = (int(np.square(part).sum()) for part in (table.both, table.proposal))
    truth = int(np.square(table.truth).sum())
    return np.array([both + table.single, truth, proposal + table.single], np.int64)


def rand_scores(pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Precision, recall and F of sums of pairs (..., 3); NaN where the truth has no pixel."""
    both, truth, proposal = np.moveaxis(pairs.astype(np.float64), -1, 0)
    below = np.stack([proposal, truth, (truth + proposal) / 2], axis=-1)
    scores = np.full(below.shape, np.nan)
    np.divide(both[..., None], below, out=scores, where=truth[..., None] > 0)
    return scores


def information_scores(table: Joint) -> NDArray[np.float64]:
    """Shared information as a share of the proposal's entropy, of the truth's, and their F.

    Returns
    -------
    ndarray of float64, shape (3,)
        Precision, recall and F. Where nothing is shared, precision counts as 1 and F is 0; all are
        NaN where the truth has no entropy, which is where it has one segment or none.

    Examples
    --------
    >>> information_scores(joint(np.array([1, 1, 2, 2]), np.array([1, 1, 2, 3]))).round(3).tolist()
    [0.667, 1.0, 0.8]
    """
    if table.truth.size < 2:
        return np.full(3, np.nan)
    pixels = int(table.truth.sum())
    alone = np.ones(table.single, np.int64)
    truth = _entropy(table.truth, pixels)
    proposal = _entropy(np.concatenate([table.proposal, alone]), pixels)
    shared = truth + proposal - _entropy(np.concatenate([table.both, alone]), pixels)
    if shared < 1e-12 * truth:  # nothing but what rounding leaves
        return np.array([1.0, 0.0, 0.0])
    return np.array([shared / proposal, shared / truth, 2 * shared / (truth + proposal)])


def _entropy(sizes: NDArray[np.int64], pixels: int) -> float:
    """Entropy in nats of segments of these sizes."""
    shares = sizes / pixels
    return -float(np.sum(shares * np.log(shares)))


def thin(interior: NDArray[np.bool_], connectivity: int = 4) -> NDArray[np.int32]:
    """Let the pieces of interior grow until lines of one pixel part them.

    Parameters
    ----------
    interior : ndarray of bool, shape (height, width)
        True inside cells.
    connectivity : int
        4 or 8: which neighbours belong to one piece, and the steps in which pieces grow.

    Returns
    -------
    ndarray of int32, shape (height, width)
        0 on the lines, then one number for each piece; 1 everywhere if there is no interior.

    Examples
    --------
    >>> thin(np.array([[True, False, False, False, True]])).tolist()
    [[1, 1, 0, 2, 2]]
    """
    neighbours = ndimage.generate_binary_structure(2, 1 if connectivity == 4 else 2)
    pieces, number = ndimage.label(interior, structure=neighbours)
    if number == 0:
        return np.ones(interior.shape, np.int32)
    relief = np.zeros(interior.shape, np.uint8)  # the membrane is flat: only distance decides
    flooded = watershed(relief, pieces, connectivity=neighbours, watershed_line=True)
    return np.asarray(flooded, np.int32)

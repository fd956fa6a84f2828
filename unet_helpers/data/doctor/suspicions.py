"""What is held against a mask, or against all masks of a set, and how to undo it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Suspicion:
    """A mask, or all masks, that do not belong where they are.

    Attributes
    ----------
    kind : str
        ``shifted``, ``turned``, ``swapped`` (the mask belongs to another image), ``inverted``
        (class ids in reversed order); of the whole set ``all-shifted``, ``all-turned`` or
        ``unrelated``.
    index : int
        The pair; -1 for the whole set.
    names : tuple of str
        Names of the pair and, if swapped, of the image that the mask belongs to.
    offset : tuple of int, optional
        Rows and columns, in the mask's pixels, by which it lies too far down and right.
    turn : str, optional
        What was done to it, a key of `TURNS`.
    partner : int, optional
        Index of the image that the mask belongs to.
    agreement, corrected, usual : float
        Correlation with what the image predicts: as it is, put right, and the set's median.
    confidence : float
        0 to 1: the share of the usual agreement that putting it right wins back.
    undo : str
        A Python expression of ``mask``, class ids, that puts it right; empty where other files
        must be exchanged.
    """

    kind: str
    index: int
    names: tuple[str, ...] = ()
    offset: tuple[int, int] | None = None
    turn: str | None = None
    partner: int | None = None
    agreement: float = 0.0
    corrected: float = 0.0
    usual: float = 0.0
    confidence: float = 0.0
    undo: str = ""


def undo_shift(offset: tuple[int, int], fill: int = 0) -> str:
    """Write the expression that shifts a mask back; what had left the picture stays lost.

    Parameters
    ----------
    offset : tuple of int
        Rows and columns by which the mask lies too far down and right.
    fill : int
        What comes in where the mask was pushed out: the background, or better the ignore value.

    Returns
    -------
    str
        Python, with ``scipy.ndimage`` imported as ``ndimage``.

    Examples
    --------
    >>> undo_shift((3, -12))
    'ndimage.shift(mask, (-3, 12), order=0, mode="constant", cval=0)'
    """
    by = -offset[0], -offset[1]
    return f'ndimage.shift(mask, {by}, order=0, mode="constant", cval={fill})'

"""The check that every score of one class's shape begins with: two masks of 0 and 1, of one shape.

A mask of 0 and 255, or of probabilities, would otherwise give a score that looks right.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def binary_mask(
    mask: ArrayLike, name: str = "mask", ignore_value: int | None = None
) -> NDArray[np.generic]:
    """The mask as an array, if it has two dimensions and holds only 0, 1 and the ignore value.

    Parameters
    ----------
    mask : array_like of bool, int or float, shape (height, width)
        0 for background, 1 for the class.
    name : str
        What the mask is called in an error message.
    ignore_value : int, optional
        The value of pixels without a label.

    Returns
    -------
    ndarray, shape (height, width)
        The mask in its own dtype.

    Raises
    ------
    ValueError
        If it has another number of dimensions or holds another value.

    Examples
    --------
    >>> binary_mask([[0, 1], [1, 255]], ignore_value=255).tolist()
    [[0, 1], [1, 255]]
    """
    array = np.asarray(mask)
    if array.ndim != 2:
        raise ValueError(
            f"{name} must have the shape (height, width), found {array.shape}: give one image at "
            "a time, without a channel axis"
        )
    known = (array == 0) | (array == 1)
    if ignore_value is not None:
        known |= array == ignore_value
    if not known.all():
        raise ValueError(
            f"{name} must hold only 0 and 1, found {array[~known][0]!s}: compare one class at a "
            "time, such as mask == 2, and turn probabilities into a mask with to_mask()"
        )
    return array


def binary_pair(
    truth: ArrayLike, prediction: ArrayLike, ignore_value: int | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Truth and prediction as masks of bool, and which pixels carry a label.

    A pixel without a label takes the prediction's value in the truth too: so the edge of an ignored
    region is no boundary of the truth, and nobody is punished for what is unknown.

    Parameters
    ----------
    truth, prediction : array_like of bool or int, shape (height, width)
        0 for background, 1 for the class; `truth` may also hold `ignore_value`.
    ignore_value : int, optional
        Truth value of pixels that do not count.

    Returns
    -------
    truth, prediction, labelled : ndarray of bool, shape (height, width)
        The two masks, and True where the truth has a label.

    Raises
    ------
    ValueError
        If the shapes differ or a mask holds another value.

    Examples
    --------
    >>> [part.tolist() for part in binary_pair([[0, 255]], [[1, 1]], ignore_value=255)]
    [[[False, True]], [[True, True]], [[True, False]]]
    """
    true = binary_mask(truth, "truth", ignore_value)
    guess = binary_mask(prediction, "prediction") == 1
    if true.shape != guess.shape:
        raise ValueError(
            f"prediction must have the truth's shape {true.shape}, found {guess.shape}: compare "
            "masks of the same image"
        )
    labelled = np.ones(true.shape, bool) if ignore_value is None else true != ignore_value
    return np.where(labelled, true == 1, guess), guess, labelled

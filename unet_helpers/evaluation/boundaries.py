"""How well outlines agree: boundary IoU, surface Dice and the 95 % Hausdorff distance.

IoU and Dice count areas: in a large object an outline that runs some pixels off costs them next to
nothing. These three look at the outline alone. Outside the image is outside the object for all of
them: an object that the image's edge cuts has a boundary there.
"""

import dataclasses
from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.binary import binary_pair
from unet_helpers.evaluation.scores import confusion

Spacing = float | tuple[float, float]


def boundary_iou(
    truth: ArrayLike,
    prediction: ArrayLike,
    width: int | None = None,
    ignore_value: int | None = None,
) -> float:
    r"""IoU of the two masks' inner rims: :math:`|G_d \cap P_d| / |G_d \cup P_d|` [1]_.

    :math:`G_d` are the pixels of the true mask :math:`G` no further than `width` from its outside,
    :math:`P_d` those of the prediction: each is the mask minus its erosion.

    Parameters
    ----------
    truth, prediction : array_like of bool or int, shape (height, width)
        0 for background, 1 for the class; `truth` may also hold `ignore_value`.
    width : int, optional
        The rim's width :math:`d` in pixels; 2 % of the image's diagonal by default, rounded, and
        at least 1.
    ignore_value : int, optional
        Truth value of pixels that do not count; the rim does not follow an ignored region's edge.

    Returns
    -------
    float
        0 to 1; 0 if only one mask is empty, NaN if both are (or no pixel of a rim has a label).

    Raises
    ------
    ValueError
        If the shapes differ, a mask holds another value, or the width is below 1.

    Notes
    -----
    As in the authors' implementation the erosion is by a 3x3 square, `width` times, so `width`
    counts diagonal steps as one; and beyond the image's edge there is background, so the edge cuts
    a rim too. With a `width` that reaches the middle of both masks this is the IoU of the masks.

    References
    ----------
    .. [1] Cheng, Girshick, Dollar, Berg, Kirillov (2021), Boundary IoU: improving object-centric
       image segmentation evaluation, CVPR, equation 2, doi:10.1109/CVPR46437.2021.01508.

    Examples
    --------
    >>> truth, prediction = np.zeros((2, 8, 8), int)
    >>> truth[1:7, 1:7] = prediction[1:7, 2:7] = 1
    >>> boundary_iou(truth, prediction, width=1)  # 14 of 24 pixels; the masks share 30 of 36
    0.5833333333333334
    """
    true, guess, labelled = binary_pair(truth, prediction, ignore_value)
    if width is None:
        width = max(1, round(0.02 * float(np.hypot(*true.shape))))
    if width < 1:
        raise ValueError(f"width must be at least 1 pixel, found {width}: give a larger one")
    rims = [_rim(mask, width) & labelled for mask in (true, guess)]
    union = np.count_nonzero(rims[0] | rims[1])
    return float(np.count_nonzero(rims[0] & rims[1]) / union) if union else float("nan")


def _rim(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    # A pixel survives the erosions if the square of side 2 width + 1 around it is full.
    side = 2 * width + 1
    inside = ndimage.minimum_filter(mask, size=side, mode="constant", cval=0)
    return mask & ~inside


def surface_dice(
    truth: ArrayLike,
    prediction: ArrayLike,
    tolerance: float,
    spacing: Spacing = 1,
    ignore_value: int | None = None,
) -> float:
    r"""Share of both outlines within a tolerance of the other: the normalised surface Dice.

    .. math:: \frac{|S_T \cap B_P^{(\tau)}| + |S_P \cap B_T^{(\tau)}|}{|S_T| + |S_P|}

    with the outlines :math:`S_T` and :math:`S_P` and all points :math:`B^{(\tau)}` no further than
    :math:`\tau` from an outline [1]_. The tolerance says which deviation does no harm, such as the
    one between two people who draw the same object.

    Parameters
    ----------
    truth, prediction : array_like of bool or int, shape (height, width)
        0 for background, 1 for the class; `truth` may also hold `ignore_value`.
    tolerance : float
        :math:`\tau`, in pixels or in the spacing's unit; a distance equal to it is still right.
    spacing : float or (float, float)
        A pixel's side, or its height and width, such as 0.5 for half a micrometre.
    ignore_value : int, optional
        Truth value of pixels that do not count.

    Returns
    -------
    float
        0 to 1; 0 if only one mask is empty, NaN if both are.

    Raises
    ------
    ValueError
        If the shapes differ, a mask holds another value, or the tolerance is negative.

    Notes
    -----
    The outline is the mask's pixels that have one of their four neighbours outside it, and its
    length is their number, as MONAI's ``compute_surface_dice`` has it by default. The authors' own
    package measures lengths along the pixels' edges instead, so its values differ a little.

    References
    ----------
    .. [1] Nikolov et al. (2021), Clinically applicable segmentation of head and neck anatomy for
       radiotherapy, J Med Internet Res 23(7):e26151, doi:10.2196/26151.

    Examples
    --------
    >>> truth, prediction = np.zeros((2, 8, 8), int)
    >>> truth[1:7, 1:7] = prediction[1:7, 3:7] = 1
    >>> surface_dice(truth, prediction, tolerance=1), surface_dice(truth, prediction, tolerance=2)
    (0.7777777777777778, 1.0)
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be 0 or more, found {tolerance}: give a distance")
    distances = _surface_distances(truth, prediction, spacing, ignore_value)
    both = np.concatenate(distances)
    # A hair more, so that a distance that is the tolerance does not fail on its last digit.
    return float(np.mean(both <= tolerance * (1 + 1e-9))) if both.size else float("nan")


def hausdorff95(
    truth: ArrayLike,
    prediction: ArrayLike,
    spacing: Spacing = 1,
    ignore_value: int | None = None,
    pooled: bool = False,
) -> float:
    r"""How far the outlines lie apart, the worst 5 % left out: the 95 % Hausdorff distance.

    The larger of the two directed distances [1]_, each the 95th percentile (linear between ranks)
    instead of the maximum:

    .. math:: \max\left(P_{95}\{d(t, S_P): t \in S_T\}, P_{95}\{d(p, S_T): p \in S_P\}\right)

    with the outlines :math:`S_T` and :math:`S_P` as in `surface_dice`.

    Parameters
    ----------
    truth, prediction : array_like of bool or int, shape (height, width)
        0 for background, 1 for the class; `truth` may also hold `ignore_value`.
    spacing : float or (float, float)
        A pixel's side, or its height and width; the result is in its unit.
    ignore_value : int, optional
        Truth value of pixels that do not count.
    pooled : bool
        Take one percentile of all distances of both directions together instead.

    Returns
    -------
    float
        0 or more. Infinite if only one mask is empty, for a missed object is at no distance: so a
        mean over images cannot leave it out in silence. NaN if both masks are empty.

    Raises
    ------
    ValueError
        If the shapes differ or a mask holds another value.

    Notes
    -----
    "HD95" has two definitions. The one above is MONAI's ``compute_hausdorff_distance`` with
    ``percentile=95``, and that of the surface-distance package but for its weighting by length.
    MedPy's ``hd95``, and what was made from it, pools the distances first (``pooled=True``): where
    one outline alone has a far part, as a false speck has, that is smaller, down to 0.

    References
    ----------
    .. [1] Huttenlocher, Klanderman, Rucklidge (1993), Comparing images using the Hausdorff
       distance, IEEE TPAMI 15(9), equation 1, doi:10.1109/34.232073.

    Examples
    --------
    >>> truth, prediction = np.zeros((2, 8, 8), int)
    >>> truth[1:7, 1:7] = prediction[1:7, 3:7] = 1
    >>> hausdorff95(truth, prediction), hausdorff95(truth, prediction, spacing=0.5)
    (2.0, 1.0)
    """
    directed = _surface_distances(truth, prediction, spacing, ignore_value)
    sizes = [part.size for part in directed]
    if not any(sizes):
        return float("nan")
    if any(np.isinf(part).any() for part in directed):
        return float("inf")
    parts = [np.concatenate(directed)] if pooled else [part for part in directed if part.size]
    return float(max(np.percentile(part, 95) for part in parts))


def _surface_distances(
    truth: ArrayLike, prediction: ArrayLike, spacing: Spacing, ignore_value: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For every labelled outline pixel the distance to the other outline, in both directions."""
    true, guess, labelled = binary_pair(truth, prediction, ignore_value)
    steps = np.broadcast_to(np.asarray(spacing, float), (2,))
    if not (steps > 0).all():
        raise ValueError(f"spacing must be above 0, found {spacing}: give a pixel's side")
    used = ndimage.find_objects((true | guess).astype(np.uint8))
    if not used:
        return np.empty(0), np.empty(0)
    # What lies outside the box that holds both masks cannot change a distance.
    surfaces = [_surface(mask[used[0]]) for mask in (true, guess)]
    counted = labelled[used[0]]
    there, back = (_distances(surfaces[i] & counted, surfaces[1 - i], steps) for i in range(2))
    return there, back


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return mask & ~ndimage.binary_erosion(mask)


def _distances(
    points: NDArray[np.bool_], surface: NDArray[np.bool_], steps: NDArray[np.float64]
) -> NDArray[np.float64]:
    if not surface.any():
        return np.full(np.count_nonzero(points), np.inf)
    return np.asarray(ndimage.distance_transform_edt(~surface, sampling=steps)[points])


@dataclasses.dataclass(frozen=True)
class BoundaryScores:
    """Boundary scores of every image for one class.

    Attributes
    ----------
    names : tuple of str
        The images' names.
    class_name : str
        The class.
    tolerance : float
        The surface Dice's tolerance.
    boundary_iou, surface_dice, hausdorff95 : ndarray of float64, shape (images,)
        One score for each image, as the functions of these names give it.
    """

    names: tuple[str, ...]
    class_name: str
    tolerance: float
    boundary_iou: NDArray[np.float64]
    surface_dice: NDArray[np.float64]
    hausdorff95: NDArray[np.float64]

    def table(self) -> str:
        """Plain-text table: median and mean of each score, and how many images it leaves out."""
        rows = {
            "boundary IoU": self.boundary_iou,
            f"surface Dice within {self.tolerance:g}": self.surface_dice,
            "Hausdorff distance 95 %": self.hausdorff95,
        }
        lines = [
            f"{self.class_name:<28}{'median':>10}{'mean':>10}{'undefined':>11}{'infinite':>10}"
        ]
        for name, values in rows.items():
            defined = values[~np.isnan(values)]
            middle = np.median(defined) if defined.size else np.nan
            mean = defined.mean() if defined.size else np.nan
            left_out = f"{values.size - defined.size:>11}{np.isinf(values).sum():>10}"
            lines.append(f"{name:<28}{f'≈ {middle:.3f}':>10}{f'≈ {mean:.3f}':>10}{left_out}")
        return "\n".join(lines)


def score_boundaries(
    samples: Samples,
    predictions: Iterable[ArrayLike],
    tolerance: float = 2,
    class_id: int = 1,
    spacing: Spacing = 1,
) -> BoundaryScores:
    """Score the outlines of one class, image by image.

    Parameters
    ----------
    samples : Samples
        The labelled images.
    predictions : iterable of array_like of int, each (height, width)
        One mask of class ids for each sample, in the same order.
    tolerance : float
        Of the surface Dice, in pixels or in the spacing's unit.
    class_id : int
        The class whose outlines are compared.
    spacing : float or (float, float)
        A pixel's side, or its height and width.

    Returns
    -------
    BoundaryScores
        The three scores of each image, with a table.

    Raises
    ------
    ValueError
        If the numbers differ, or a prediction has another shape or other values than the truth.

    Examples
    --------
    >>> from unet_helpers import load
    >>> cells = load("cells")[:2].binary()
    >>> print(score_boundaries(cells, [sample.mask for sample in cells]).table())
    cell                            median      mean  undefined  infinite
    boundary IoU                   ≈ 1.000   ≈ 1.000          0         0
    surface Dice within 2          ≈ 1.000   ≈ 1.000          0         0
    Hausdorff distance 95 %        ≈ 0.000   ≈ 0.000          0         0
    """
    if not 0 <= class_id < samples.num_classes:
        raise ValueError(
            f"class_id must be 0 to {samples.num_classes - 1}, found {class_id}: choose one of "
            f"{', '.join(samples.class_names)}"
        )
    scores = []
    guesses = iter(predictions)
    for index, guess in enumerate(islice(guesses, len(samples))):
        pair = _one_class(samples, index, np.asarray(guess), class_id)
        scores.append(
            (
                boundary_iou(*pair, ignore_value=IGNORED),
                surface_dice(*pair, tolerance, spacing, IGNORED),
                hausdorff95(*pair, spacing, IGNORED),
            )
        )
    is_more = next(guesses, None) is not None
    if is_more or len(scores) < len(samples):
        raise ValueError(
            f"predictions must hold one mask for each of the {len(samples)} samples, found "
            f"{'more' if is_more else len(scores)}: predict every sample once"
        )
    columns = np.array(scores, np.float64).reshape(-1, 3).T
    name = samples.class_names[class_id]
    return BoundaryScores(tuple(samples.names), name, tolerance, *columns)


IGNORED = 2  # beside 0 and 1, in a mask that was reduced to one class


def _one_class(
    samples: Samples, index: int, guess: NDArray[np.generic], class_id: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    truth = samples.arrays(index).mask
    try:
        confusion(truth, guess, samples.num_classes, samples.ignore_value)  # for its checks
    except ValueError as error:
        raise ValueError(f"{samples.names[index]}: {error}") from None
    reduced = (truth == class_id).astype(np.uint8)
    if samples.ignore_value is not None:
        reduced[truth == samples.ignore_value] = IGNORED
    return reduced, (guess == class_id).astype(np.uint8)

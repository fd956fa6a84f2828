"""From probabilities to objects: which pixels belong together, and what each object measures."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from unet_helpers.evaluation.objects import label_objects

if TYPE_CHECKING:
    import pandas as pd

# Of scikit-image's properties, those that most people need; each takes one column or two.
SHAPE = (
    "label", "bbox", "area", "centroid", "perimeter", "equivalent_diameter_area",
    "axis_major_length", "axis_minor_length", "orientation", "eccentricity", "solidity",
)  # fmt: skip
BRIGHTNESS = ("intensity_mean", "intensity_min", "intensity_max")
_AXES = ("y", "x")


def find_objects(
    probabilities: ArrayLike,
    threshold: float = 0.5,
    *,
    split: float | None = None,
    min_area: int = 1,
    fill_holes: bool = False,
) -> NDArray[np.int32]:
    """Number the objects in a prediction.

    Pixels above the threshold that touch form an object. With `split`, objects that touch each
    other are parted at their necks: a seeded watershed on the depth inside the outline [1]_, one
    seed for each middle that is deeper than the neck to the next by `split` pixels.

    Parameters
    ----------
    probabilities : array_like, shape (height, width) or (height, width, 1)
        Of the foreground, 0 to 1; a mask of 0 and 1 will do. Of several classes, give one:
        ``probabilities[..., 2]``.
    threshold : float
        Foreground is above it.
    split : float, optional
        Depth of a neck, in pixels, from which on two objects are seen; 1 or 2 suits round cells.
        None keeps what touches together.
    min_area : int
        Pixels; smaller objects are dropped.
    fill_holes : bool
        Whether holes in the foreground become foreground.

    Returns
    -------
    ndarray of int32, shape (height, width)
        0 for background, then 1, 2, ...

    Raises
    ------
    ValueError
        If the array has another shape or values outside 0 to 1, or an argument is out of range.

    References
    ----------
    .. [1] Meyer (1994), Topographic distance and watershed lines, Signal Processing 38,
       doi:10.1016/0165-1684(94)90060-4.

    Examples
    --------
    >>> disc = np.hypot(*np.mgrid[-10:11, -10:11]) < 8
    >>> touching = np.hstack([disc[:, :18], disc[:, 3:]])
    >>> int(find_objects(touching).max()), int(find_objects(touching, split=1).max())
    (1, 2)
    """
    values = _plane(probabilities)
    _check_settings(threshold, split, min_area)
    inside = values > threshold
    if fill_holes:
        inside = ndimage.binary_fill_holes(inside)
    labels = label_objects(inside) if split is None else _parted(inside, split)
    return _without_small(labels, min_area)


def _plane(probabilities: ArrayLike) -> NDArray[Any]:
    values = np.asarray(probabilities)
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 2:
        raise ValueError(
            f"probabilities must have the shape (height, width), found {values.shape}: of several "
            "classes give one, such as probabilities[..., 1]"
        )
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"probabilities must lie from 0 to 1, found {values.min():g} to {values.max():g}: give "
            "what predict() returns, or a mask of 0 and 1"
        )
    return values


def _check_settings(threshold: float, split: float | None, min_area: int) -> None:
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold must be from 0 to below 1, found {threshold}: try 0.5")
    if split is not None and not split > 0:
        raise ValueError(f"split must be above 0 pixels, found {split}: try 1, or None")
    if min_area < 1:
        raise ValueError(f"min_area must be at least 1 pixel, found {min_area}: 1 keeps all")


def _parted(inside: NDArray[np.bool_], split: float) -> NDArray[np.int32]:
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    # Each dome is cut off `split` below its top: what is still a top then is a middle of its own.
    cross = ndimage.generate_binary_structure(2, 1)
    domes = reconstruction(depth - split, depth, footprint=cross)
    seeds, _ = ndimage.label(local_maxima(domes, connectivity=1) & (domes > 0))
    # An object less deep than `split` has no such middle; it is one object all the same.
    pieces = label_objects(inside)
    reached = reconstruction(np.where(seeds > 0, pieces, 0), pieces, footprint=cross)
    bare = np.where(reached == 0, pieces, 0)
    seeds = np.where(bare > 0, bare + seeds.max(), seeds)
    return np.asarray(watershed(-depth, seeds, mask=inside), np.int32)


def _without_small(labels: NDArray[np.int32], min_area: int) -> NDArray[np.int32]:
    """Number anew, in the order of first pixels, the objects that are large enough."""
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    places, first = np.unique(labels, return_index=True)
    order = [n for _, n in sorted(zip(first, places, strict=True)) if areas[n] >= min_area]
    new = np.zeros(len(areas), np.int32)
    new[order] = np.arange(1, len(order) + 1)
    return new[labels]


def measure_objects(
    labels: ArrayLike,
    image: ArrayLike | None = None,
    *,
    pixel_size: float = 1.0,
) -> "pd.DataFrame":
    """Measure every object: place, area, shape, and brightness where the image is given.

    Parameters
    ----------
    labels : array_like of int, shape (height, width)
        0 for background, as `find_objects` gives them.
    image : array_like, shape (height, width) or (height, width, channels), optional
        Its brightness is measured inside each object.
    pixel_size : float
        Of a pixel's side, in the unit that lengths and areas are to have, such as micrometres.

    Returns
    -------
    pandas.DataFrame
        One row an object, by its number: scikit-image's region properties. ``centroid_y`` and
        ``centroid_x``, lengths and areas in the unit of `pixel_size`, the bounding box in pixels;
        ``orientation`` in radians.

    Raises
    ------
    ValueError
        If the labels are no whole numbers, or the image has another size.

    Examples
    --------
    >>> table = measure_objects([[0, 1, 1], [0, 1, 1], [0, 0, 0], [2, 0, 0]], pixel_size=0.5)
    >>> table[["area", "centroid_y", "centroid_x"]].values.tolist()
    [[1.0, 0.25, 0.75], [0.25, 1.5, 0.0]]
    """
    import pandas as pd
    from skimage.measure import regionprops_table

    numbers = check_labels(labels)
    pixels = None if image is None else np.asarray(image)
    if pixels is not None and pixels.shape[:2] != numbers.shape:
        raise ValueError(
            f"image must be of the labels' size, {numbers.shape[0]} x {numbers.shape[1]}, found "
            f"{' x '.join(map(str, pixels.shape))}: give the image that was predicted"
        )
    if not pixel_size > 0:
        raise ValueError(f"pixel_size must be above 0, found {pixel_size}: 1 counts in pixels")
    wanted = SHAPE if pixels is None else SHAPE + BRIGHTNESS
    spacing = (pixel_size, pixel_size)
    found = regionprops_table(numbers, pixels, properties=wanted, spacing=spacing)
    return pd.DataFrame({_column(name): values for name, values in found.items()}).set_index(
        "label"
    )


def _column(name: str) -> str:
    """A column's name with words for numbers: ``centroid-0`` is ``centroid_y``."""
    if name.startswith("centroid-"):
        return f"centroid_{_AXES[int(name[-1])]}"
    if name.startswith("bbox-"):
        return ("top", "left", "bottom", "right")[int(name[-1])]
    return name.replace("-", "_")


def check_labels(labels: ArrayLike) -> NDArray[np.integer[Any]]:
    """The labels as an array, if they are numbers of objects.

    Raises
    ------
    ValueError
        If they are not two-dimensional whole numbers of at least 0.
    """
    numbers = np.asarray(labels)
    if numbers.ndim != 2 or numbers.dtype.kind not in "iu" or (numbers.size and numbers.min() < 0):
        raise ValueError(
            "labels must be whole numbers of at least 0 of the shape (height, width), found "
            f"{numbers.dtype} of shape {numbers.shape}: give what find_objects() returns"
        )
    return numbers

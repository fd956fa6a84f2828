"""A second annotator, simulated: the same objects, drawn by another hand."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unet_helpers.data.samples import Sample
from unet_helpers.data.warp import pick

_WOBBLE = 8.0  # pixels along a border over which a hand drifts to one side before it comes back


def redraw(
    sample: Sample, tremor: float = 1.0, missed: float = 0.0, seed: int = 0
) -> NDArray[np.uint8]:
    """Draw a sample's mask again, as a second annotator might.

    Borders are displaced by a smooth random field, so that they run a little inside here and a
    little outside there, and some objects are overlooked. What two people really disagree about
    (is this blurred thing a cell?) is not simulated: read the result as the friendly case.

    Parameters
    ----------
    sample : Sample
        With instance ids, if whole objects are to be overlooked.
    tremor : float
        Typical displacement of a border (root mean square in each direction), in pixels.
    missed : float
        Share of the objects that are overlooked, 0 to 1; each is drawn by lot.
    seed : int
        Another seed, another drawing. The sample's name counts as well.

    Returns
    -------
    ndarray of uint8, shape (height, width)
        Class ids.

    Raises
    ------
    ValueError
        If a number is out of its range, or objects are to be missed and are not numbered.

    Examples
    --------
    >>> from unet_helpers import load
    >>> one = load("cells")[1]
    >>> bool((redraw(one, tremor=0) == one.mask).all())
    True
    >>> float((redraw(one) == one.mask).mean()) > 0.97
    True
    """
    if tremor < 0 or not 0 <= missed <= 1:
        raise ValueError(
            "tremor must be at least 0 pixels and missed from 0 to 1, found "
            f"{tremor} and {missed}: try tremor=1.0 and missed=0.05"
        )
    mask = sample.mask.copy()
    rng = np.random.default_rng([seed, *sample.name.encode()])
    if missed:
        if sample.instances is None:
            raise ValueError(
                f"{sample.name}: missed={missed} needs instance ids, found none: leave it at 0"
            )
        numbers = np.unique(sample.instances[sample.instances > 0])
        overlooked = numbers[rng.uniform(size=len(numbers)) < missed]
        mask[np.isin(sample.instances, overlooked)] = 0
    return pick(mask, _displaced(rng, mask.shape, tremor))


def _displaced(
    rng: np.random.Generator, shape: tuple[int, ...], tremor: float
) -> NDArray[np.float32]:
    """Coordinates of all pixels, each moved by a smooth field of the given root mean square."""
    noise = rng.normal(size=(2, *shape))
    smooth = ndimage.gaussian_filter(noise, (0, _WOBBLE, _WOBBLE), mode="wrap")
    # White noise smoothed by a Gaussian of width w keeps a standard deviation of 1 / (2 w sqrt pi).
    unit = smooth * (2 * np.sqrt(np.pi) * _WOBBLE)
    return (np.indices(shape) + tremor * unit).astype(np.float32)

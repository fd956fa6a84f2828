"""Otsu's threshold on the best channel: what a network has to beat before it is worth its while."""

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.samples import Samples
from unet_helpers.evaluation.scores import Scores, score_images


def otsu_scores(train: Samples, test: Samples) -> Scores:
    """Score Otsu's threshold [1]_ on two-class images.

    The channel, red, green, blue, hue, saturation or brightness, and whether the foreground is
    darker or brighter, are those that suit the training images best; the threshold is each test
    image's own.

    Parameters
    ----------
    train, test : Samples
        Of two classes.

    Returns
    -------
    Scores
        On the test images.

    Raises
    ------
    ValueError
        If there are more than two classes.

    References
    ----------
    .. [1] Otsu (1979), A Threshold Selection Method from Gray-Level Histograms, IEEE Transactions
       on Systems, Man, and Cybernetics 9, doi:10.1109/TSMC.1979.4310076.

    Examples
    --------
    >>> from unet_helpers import load
    >>> train, val, _ = load("cells").binary()[:9].split()
    >>> 0 < otsu_scores(train, val).iou() < 0.6
    True
    """
    if test.num_classes != 2:
        raise ValueError(
            f"test must have two classes, found {test.num_classes}: one threshold parts no more; "
            "take samples.binary()"
        )
    channels = _planes(test[0].image).shape[-1]
    options = [(channel, bright) for channel in range(channels) for bright in (True, False)]
    best = max(options, key=lambda o: _rank(score_images(train, _masks(train, *o)).iou()))
    return score_images(test, _masks(test, *best))


def _rank(value: float) -> float:
    return -1.0 if np.isnan(value) else value


def _masks(part: Samples, channel: int, bright: bool) -> list[NDArray[np.uint8]]:
    from skimage.filters import threshold_otsu

    planes = (_planes(sample.image)[..., channel] for sample in part)
    return [((p > threshold_otsu(p)) == bright).astype(np.uint8) for p in planes]


def _planes(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The channels that a threshold may choose from: all, and of RGB hue, saturation, value too."""
    if image.shape[-1] != 3:
        return image
    if np.ptp(image, axis=-1).max() == 0:
        return image[..., :1]
    from skimage.color import rgb2hsv

    return np.concatenate([image, rgb2hsv(image)], axis=-1)

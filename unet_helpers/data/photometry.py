"""Changes of brightness and colour, which leave the mask alone: another lamp, stain or camera."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHARP = 0.25  # a blur of a smaller deviation changes no grey level


@dataclasses.dataclass(frozen=True)
class Photometry:
    """One change of brightness and colour, noise and blur.

    Blur comes first (the lens), then contrast about the image's mean, brightness, colour and hue,
    the clip to 0..1, gamma (the camera), and noise last.

    Parameters
    ----------
    brightness : float
        Added to all values, which go from 0 to 1.
    contrast : float
        Factor of each channel's distance from its mean.
    gamma : float
        Exponent: below 1 brightens the middle tones, above 1 darkens them.
    colour : tuple of float
        One factor for each channel; empty for none.
    hue : float
        Degrees by which colours turn about the grey axis; only RGB images have hues.
    noise : float
        Standard deviation of normal noise.
    blur : float
        Standard deviation of a Gaussian blur, in pixels.
    seed : int
        Seed of the noise.

    Raises
    ------
    ValueError
        If a factor, `gamma`, `noise` or `blur` is outside its range.

    Examples
    --------
    >>> grey = np.full((1, 2, 3), 0.5, np.float32)
    >>> Photometry(brightness=0.25)(grey).max(), Photometry(gamma=2)(grey).max()
    (np.float32(0.75), np.float32(0.25))
    """

    brightness: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0
    colour: tuple[float, ...] = ()
    hue: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("contrast", "gamma"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name} must be above 0, found {getattr(self, name)}: 1 changes nothing"
                )
        for name in ("noise", "blur"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name} must be 0 or more, found {getattr(self, name)}: 0 changes nothing"
                )

    def __call__(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Change an image.

        Parameters
        ----------
        image : ndarray of float, shape (height, width, channels)
            Values from 0 to 1.

        Returns
        -------
        ndarray of float32
            The image's shape, values from 0 to 1.
        """
        changed = np.asarray(image, np.float32)
        if self.blur >= SHARP:
            changed = _blurred(changed, self.blur)
        changed = np.clip(self._recoloured(changed), 0, 1)
        if self.gamma != 1:
            np.power(changed, np.float32(self.gamma), out=changed)
        if self.noise:
            noise = np.random.default_rng(self.seed).standard_normal(changed.shape, np.float32)
            changed += noise * np.float32(self.noise)
            np.clip(changed, 0, 1, out=changed)
        return changed

    def _recoloured(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Contrast, brightness, gains and hue are linear: one matrix and one constant."""
        channels = image.shape[-1]
        mixed = np.diag(self.colour or (1.0,) * channels)
        if self.hue and channels == 3:
            mixed = _hue_matrix(self.hue) @ mixed
        added = np.full(channels, self.brightness)
        if self.contrast != 1:
            # Rows first: a sum over both axes at once is twenty times slower.
            means = image.mean(axis=0).mean(axis=0, dtype=np.float64)
            added += (1 - self.contrast) * means
        matrix, constant = self.contrast * mixed, added @ mixed
        if np.array_equal(matrix, np.eye(channels)) and not constant.any():
            return image
        return image @ matrix.astype(np.float32) + constant.astype(np.float32)


def _hue_matrix(degrees: float) -> NDArray[np.float64]:
    """Rotation of RGB row vectors about the grey axis (Rodrigues' formula): greys stay grey."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    even = np.full((3, 3), (1 - cos) / 3)
    cross = np.array([[0, 1, -1], [-1, 0, 1], [1, -1, 0]]) * (sin / math.sqrt(3))
    return even + cos * np.eye(3) + cross


def _blurred(image: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
    # Imported here: `import unet_helpers` loads no SciPy.
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(image, (deviation, deviation, 0), mode="reflect", truncate=3.0)

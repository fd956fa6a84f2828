"""Augmentation: image and mask moved by one field of coordinates, then colours changed.

Flips, quarter turns, rotation, scale, shear and the elastic field are composed into a single field
that says for each pixel of the result where in the original it comes from. The image is read there
with bilinear, the mask with nearest interpolation: nothing can move one without the other. Give
an `Augmentation` to `batches(..., augment=...)`.
"""

import dataclasses
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.photometry import Photometry
from unet_helpers.data.warp import interpolate, pick

Seed = int | Sequence[int] | np.random.Generator
# A uniform cubic B-spline with controls of standard deviation 1 has on average this one, per axis:
# the integral of the sum of its squared weights, 151/315.
SPLINE_DEVIATION = 151 / 315
# Controls within this share of their spacing cannot make the field fold over itself.
NO_FOLD = 0.48


@dataclasses.dataclass(frozen=True)
class Geometry:
    """One way to move pixels: the same for image, mask and instance ids.

    The image is flipped and turned, then rotated, sheared, scaled, and bent at last; but it is read
    only once, along the one field that all of this comes to.

    Parameters
    ----------
    orientation : int
        0 to 7, as `orient` takes it: quarter turns and a left-right flip.
    angle : float
        Rotation in degrees, counter-clockwise.
    scale : float
        Above 1 objects grow, below they shrink.
    shear : float
        Degrees by which upright lines lean to the right.
    elastic : float
        Standard deviation of the elastic displacement in pixels; at most an eighth of `spacing`.
    spacing : float
        Pixels between the control points of the elastic field: large is smooth.
    seed : int
        Seed of the elastic field.

    Raises
    ------
    ValueError
        If a number is outside its range.

    References
    ----------
    .. [1] Simard, Steinkraus, Platt (2003), Best practices for convolutional neural networks
       applied to visual document analysis, ICDAR, doi:10.1109/ICDAR.2003.1227801.
    .. [2] Ronneberger, Fischer, Brox (2015), U-Net, MICCAI, doi:10.1007/978-3-319-24574-4_28:
       displacements on a coarse grid, interpolated smoothly, as here.
    .. [3] Choi, Lee (2000), Injectivity conditions of 2D and 3D uniform cubic B-spline functions,
       Graphical Models 62(6), doi:10.1006/gmod.2000.0531: why the field does not fold.

    Examples
    --------
    >>> mask = np.array([[1, 2], [3, 4]], np.uint8)
    >>> Geometry(orientation=1).move(mask).tolist()
    [[2, 4], [1, 3]]
    >>> Geometry(scale=3).move(np.arange(9).reshape(3, 3)).tolist()
    [[4, 4, 4], [4, 4, 4], [4, 4, 4]]
    """

    orientation: int = 0
    angle: float = 0.0
    scale: float = 1.0
    shear: float = 0.0
    elastic: float = 0.0
    spacing: float = 32.0
    seed: int = 0

    def __post_init__(self) -> None:
        _require(0 <= self.orientation < 8, "orientation", "0 to 7", self.orientation)
        _require(0.1 <= self.scale <= 10, "scale", "from 0.1 to 10", self.scale)
        _require(abs(self.shear) < 80, "shear", "between -80 and 80", self.shear)
        _require(self.spacing >= 2, "spacing", "at least 2 pixels", self.spacing)
        most = self.spacing / 8
        _require(0 <= self.elastic <= most, "elastic", f"0 to spacing / 8 = {most}", self.elastic)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """From (row, column) offsets in the result to offsets in the original, shape (2, 2)."""
        turn, flip = self.orientation % 4, self.orientation >= 4
        # Whole numbers, so that flips and quarter turns hit pixel centres exactly.
        oriented = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), turn)
        oriented = oriented @ np.diag([1, -1 if flip else 1])
        angle = math.radians(self.angle)
        cos, sin = math.cos(angle), math.sin(angle)
        rotated = np.array([[cos, sin], [-sin, cos]])
        sheared = np.array([[1.0, 0.0], [math.tan(math.radians(self.shear)), 1.0]])
        return oriented @ rotated @ sheared / self.scale

    def offsets(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Where the pixels of a result come from, counted from the middle of the crop.

        Parameters
        ----------
        shape : tuple of int
            Height and width of the result.

        Returns
        -------
        ndarray of float32, shape (2, height, width)
            Row and column offsets in the original, in pixels.
        """
        height, width = shape
        rows = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2
        columns = np.arange(width, dtype=np.float32) - (width - 1) / 2
        if self.elastic:
            bent = elastic_field(shape, self.elastic, self.spacing, self.seed)
            rows, columns = rows + bent[0], columns + bent[1]
        matrix = self.matrix.astype(np.float32)
        field = np.empty((2, height, width), np.float32)
        for axis, (along_rows, along_columns) in enumerate(matrix):
            np.add(rows * along_rows, columns * along_columns, out=field[axis])
        return field

    def field(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Coordinates that move a whole image of this height and width about its middle.

        Returns
        -------
        ndarray of float32, shape (2, height, width)
            Row and column in the original for each pixel of the result, whose height and width
            change places with an odd quarter turn.
        """
        height, width = shape
        result = (width, height) if self.orientation % 2 else (height, width)
        return self.offsets(result) + _column((height - 1) / 2, (width - 1) / 2)

    def move(self, labels: NDArray[Any], outside: int | None = None) -> NDArray[Any]:
        """Move a whole mask, or instance ids: `pick` along `field`."""
        return pick(labels, self.field(labels.shape[:2]), outside)


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Random geometry and random colours, as a pure function of a seed.

    Each parameter is the largest change; 0 (1 for `scale`) turns it off.

    Parameters
    ----------
    turn : bool
        The eight orientations: flips and quarter turns.
    angle : float
        Rotation by up to this many degrees, either way.
    scale : float
        Objects grow or shrink by up to this factor, 1 or more.
    shear : float
        Degrees, either way.
    elastic : float
        Up to this standard deviation of the displacement, in pixels; at most `spacing` / 8.
    spacing : float
        Pixels between the control points of the elastic field.
    brightness, contrast, gamma, colour, hue, noise, blur : float
        As in `Photometry`, each up to this value.
    outside : {"auto", "ignore", "mirror"}
        What the mask holds where the image has ended: the set's ignore value, or image and mask
        mirrored at the edge. "auto" ignores where the set has an ignore value. The image is
        mirrored in any case: black corners would be an object to learn.

    Raises
    ------
    ValueError
        If a number is outside its range.

    Examples
    --------
    >>> augmentation = Augmentation(angle=180, scale=1.3, elastic=3)
    >>> image, mask = np.zeros((200, 200, 3), np.uint8), np.zeros((200, 200), np.uint8)
    >>> image, mask = augmentation(image, mask, seed=(0, 4, 17), size=128)
    >>> image.shape, image.dtype.name, mask.shape, mask.dtype.name
    ((128, 128, 3), 'float32', (128, 128), 'uint8')
    """

    turn: bool = True
    angle: float = 20.0
    scale: float = 1.2
    shear: float = 5.0
    elastic: float = 2.0
    spacing: float = 32.0
    brightness: float = 0.08
    contrast: float = 0.15
    gamma: float = 0.15
    colour: float = 0.05
    hue: float = 5.0
    noise: float = 0.02
    blur: float = 0.7
    outside: str = "auto"

    def __post_init__(self) -> None:
        _require(1 <= self.scale <= 10, "scale", "from 1 to 10", self.scale)
        for name in ("angle", "shear", "brightness", "contrast", "gamma", "colour", "hue"):
            _require(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        choices = ("auto", "ignore", "mirror")
        _require(self.outside in choices, "outside", f"one of {', '.join(choices)}", self.outside)
        # The strongest single changes must be allowed, too: their own checks speak.
        Geometry(0, self.angle, self.scale, self.shear, self.elastic, self.spacing)
        Photometry(colour=(self.colour,), noise=self.noise, blur=self.blur)

    def draw(self, seed: Seed, channels: int = 3) -> tuple[Geometry, Photometry]:
        """The geometry and the colours that a seed stands for.

        Parameters
        ----------
        seed : int, sequence of int, or numpy Generator
            (seed, epoch, index) gives each image its own change in each epoch, whatever the order
            in which images are asked for and whoever asks.
        channels : int
            Of the image.

        Returns
        -------
        tuple of Geometry and Photometry
        """
        rng = np.random.default_rng(seed)
        u = rng.uniform(-1, 1, 11).tolist()
        geometry = Geometry(
            orientation=int(rng.integers(8)) if self.turn else 0,
            angle=self.angle * u[0],
            scale=self.scale ** u[1],
            shear=self.shear * u[2],
            elastic=self.elastic * abs(u[3]),
            spacing=self.spacing,
            seed=int(rng.integers(1 << 62)),
        )
        gains = 1 + self.colour * rng.uniform(-1, 1, channels)
        photometry = Photometry(
            brightness=self.brightness * u[4],
            contrast=(1 + self.contrast) ** u[5],
            gamma=(1 + self.gamma) ** u[6],
            colour=tuple(gains.tolist()) if self.colour else (),
            hue=self.hue * u[7],
            # Half of the images keep their sharpness, half their grain.
            noise=max(0.0, self.noise * u[8]),
            blur=max(0.0, self.blur * u[9]),
            seed=int(rng.integers(1 << 62)),
        )
        return geometry, photometry

    def __call__(
        self,
        image: NDArray[Any],
        mask: NDArray[Any],
        *,
        seed: Seed,
        size: int | None = None,
        near: tuple[int, int] | None = None,
        ignore_value: int | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Cut a crop out of the turned, scaled and bent image; only its pixels are computed.

        Parameters
        ----------
        image : ndarray of uint8, uint16 or float, shape (height, width, channels)
        mask : ndarray of integers, shape (height, width)
            Class ids, or instance ids.
        seed : int, sequence of int, or numpy Generator
            As in `draw`; also the crop's place.
        size : int, optional
            Pixels a side of the crop; the whole image, about its middle, by default. The crop
            lies inside of the image, turned as it is, wherever the image is large enough.
        near : tuple of int, optional
            Row and column of a pixel that has to be in the crop, by default anywhere.
        ignore_value : int, optional
            The mask value for pixels without a label, if the set has one.

        Returns
        -------
        image : ndarray of float32, shape (size, size, channels)
            Values from 0 to 1.
        mask : ndarray, shape (size, size)
            In the mask's own dtype; only its own values and the ignore value.

        Raises
        ------
        ValueError
            If ``outside="ignore"`` and there is no ignore value.
        """
        if self.outside == "ignore" and ignore_value is None:
            raise ValueError(
                "outside='ignore' needs a set with an ignore value, found none: give the samples "
                "one, or use outside='mirror'"
            )
        rng = np.random.default_rng(seed)
        geometry, photometry = self.draw(rng, image.shape[-1])
        shape = (mask.shape[0], mask.shape[1])
        if size is None:
            field = geometry.field(shape)
        else:
            field = geometry.offsets((size, size))
            field += _column(*_centre(field, geometry.matrix, shape, near, rng))
        outside = None if self.outside == "mirror" else ignore_value
        moved = interpolate(image, field)
        if image.dtype.kind in "iu":
            moved /= np.float32(np.iinfo(image.dtype).max)
        return photometry(moved), pick(mask, field, outside)


def elastic_field(
    shape: tuple[int, int], deviation: float, spacing: float, seed: Seed
) -> NDArray[np.float32]:
    """A smooth random displacement that never folds: a cubic B-spline through a coarse grid.

    Parameters
    ----------
    shape : tuple of int
        Height and width.
    deviation : float
        Standard deviation of the displacement along each axis, in pixels.
    spacing : float
        Pixels between control points.
    seed : int, sequence of int, or numpy Generator

    Returns
    -------
    ndarray of float32, shape (2, height, width)
        Displacement along rows and columns.
    """
    down, across = (_spline_weights(length, spacing) for length in shape)
    rng = np.random.default_rng(seed)
    controls = rng.standard_normal((2, down.shape[1], across.shape[1]), np.float32)
    controls *= np.float32(deviation / SPLINE_DEVIATION)
    np.clip(controls, -NO_FOLD * spacing, NO_FOLD * spacing, out=controls)
    field: NDArray[np.float32] = (down @ controls @ across.T).astype(np.float32, copy=False)
    return field


@lru_cache(maxsize=16)
def _spline_weights(length: int, spacing: float) -> NDArray[np.float32]:
    """Weights of the control points at each pixel, shape (length, controls)."""
    place = np.arange(length) / spacing
    first = place.astype(int)
    t = place - first
    four = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    weights = np.zeros((length, int(first[-1]) + 4), np.float32)
    for step, weight in enumerate(four):
        weights[np.arange(length), first + step] = weight / 6
    return weights


def _centre(
    offsets: NDArray[np.float32],
    matrix: NDArray[np.float64],
    shape: tuple[int, int],
    near: tuple[int, int] | None,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """A place for the crop's middle, such that the crop stays inside of the image if it can."""
    size = offsets.shape[1]
    half = (size - 1) / 2 % 1  # keeps plain crops, flips and quarter turns on pixel centres
    lowest = [math.ceil(-float(axis.min()) - half) for axis in offsets]
    highest = [
        math.floor(length - 1 - float(axis.max()) - half)
        for length, axis in zip(shape, offsets, strict=True)
    ]
    ranges = [sorted(pair) for pair in zip(lowest, highest, strict=True)]
    if near is None:
        row, column = (int(rng.integers(low, high + 1)) for low, high in ranges)
        return row + half, column + half
    wanted = np.array(near, float)
    inside = np.array([min(max(w, r[0]), r[1]) for w, r in zip(wanted, ranges, strict=True)])
    # Come in from the image's edge, but only so far that the wanted pixel stays in the crop.
    apart = np.abs(np.linalg.solve(matrix, inside - wanted)).max()
    shift = min(1.0, 0.4 * size / apart) if apart else 1.0
    row, column = np.round(wanted + shift * (inside - wanted)).tolist()
    return row + half, column + half


def _column(row: float, column: float) -> NDArray[np.float32]:
    return np.array([row, column], np.float32)[:, None, None]


def _require(right: bool, name: str, expected: str, found: object) -> None:
    if not right:
        raise ValueError(f"{name} must be {expected}, found {found}: choose another value")

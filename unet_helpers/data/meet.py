"""Crops that meet rare classes as often as asked."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.samples import DataError, Samples

GOLDEN = (5**0.5 - 1) / 2


class Meet:
    """Centre a share of the crops on a random pixel of a class, for ``batches(..., meet=...)``.

    The other crops are cut anywhere, and may meet the class as well. The image that is dealt for a
    crop serves if it holds the class; otherwise a random image that does takes its place. To know
    these, all masks are decoded once, when the first batch is made, and their class counts kept:
    a set larger than memory costs one more pass through its files, and no memory to speak of.

    Parameters
    ----------
    shares : mapping of str to float
        Share of the crops for each class, by name, such as ``{"nucleus": 0.5}``; together at most
        1. They are kept not on average but evenly: any 100 crops are within 2 of them.

    Raises
    ------
    ValueError
        If a share is not above 0, or they are above 1 together.

    Examples
    --------
    >>> from unet_helpers import crop_batch, load
    >>> train = load("cells")[:2]
    >>> _, masks = crop_batch(train, 0, size=32, batch_size=4, meet=Meet({"nucleus": 1}))
    >>> (masks == 2).any(axis=(1, 2, 3)).tolist()
    [True, True, True, True]
    """

    def __init__(self, shares: Mapping[str, float]) -> None:
        self.shares = dict(shares)
        if not all(share > 0 for share in shares.values()) or sum(shares.values()) > 1 + 1e-9:
            raise ValueError(
                f"shares to meet must be above 0 and together at most 1, found {self.shares}: "
                "lower them"
            )
        self._looked_up: tuple[Samples, list[tuple[int, NDArray[np.int64]]]] | None = None

    def __call__(
        self, samples: Samples, index: int, position: int, rng: np.random.Generator
    ) -> tuple[int, tuple[int, int] | None]:
        """Where to cut crop `position`, for which image `index` was dealt.

        Parameters
        ----------
        samples : Samples
            What is trained on.
        index : int
            The image whose turn it is.
        position : int
            The crop's number.
        rng : numpy Generator
            Chooses image and pixel.

        Returns
        -------
        index : int
            The image to cut from.
        near : tuple of int or None
            Row and column of the pixel to centre on; None for a crop from anywhere.

        Raises
        ------
        ValueError
            If a class is not one of the set's.
        DataError
            If no image holds a class.
        """
        # Multiples of the golden ratio fill 0..1 evenly, and in step with nothing.
        spot, end = position * GOLDEN % 1, 0.0
        for (class_id, holders), share in zip(
            self._holders(samples), self.shares.values(), strict=True
        ):
            end += share
            if spot < end:
                if not np.isin(index, holders):
                    index = int(rng.choice(holders))
                mask = samples.arrays(index).mask
                pixels = np.flatnonzero(mask == class_id)
                row, column = divmod(int(rng.choice(pixels)), mask.shape[1])
                return index, (row, column)
        return index, None

    def _holders(self, samples: Samples) -> list[tuple[int, NDArray[np.int64]]]:
        """For each class its id and the images that hold it."""
        if self._looked_up is None or self._looked_up[0] is not samples:
            self._looked_up = samples, [self._find(samples, name) for name in self.shares]
        return self._looked_up[1]

    def _find(self, samples: Samples, name: str) -> tuple[int, NDArray[np.int64]]:
        if name not in samples.class_names:
            raise ValueError(
                f"classes to meet must be out of {', '.join(samples.class_names)}, found {name!r}: "
                "correct the name"
            )
        class_id = samples.class_names.index(name)
        holders = np.flatnonzero(samples.pixel_counts()[:, class_id])
        if not len(holders):
            raise DataError(
                f"{samples.name}: an image with the class {name!r} is expected, as crops are to "
                "meet it, found none: leave it out, or split so that training has some"
            )
        return class_id, holders

"""Public data sets by name: what each is, where it comes from and how it is read."""

import os
from collections.abc import Callable
from pathlib import Path

from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.samples import DataError, Samples


def data_home() -> Path:
    """The folder that holds the real data sets: ``UNET_DATA_HOME``, else ``~/unet-data``."""
    return Path(os.environ.get("UNET_DATA_HOME", Path.home() / "unet-data")).expanduser()


def load_public(name: str) -> Samples:
    """Load a public set by its name in the catalogue."""
    if name not in LOADERS:
        known = ", ".join(["cells", *LOADERS])
        raise ValueError(
            f"name must be one of {known}, found {name!r}: correct the name, or use read_folder() "
            "for folders of your own"
        )
    return LOADERS[name]()


def _load_membranes() -> Samples:
    root = data_home() / "isbi2012_membrane"
    if not root.is_dir():
        raise DataError(
            f"{root}: the data set 'membranes' is expected in this folder, which does not exist: "
            "set UNET_DATA_HOME to the folder that holds it, or use load('cells'), which needs no "
            "files"
        )

    def part(name: str) -> str:
        # Thirty consecutive slices of one volume: neighbours look alike, so blocks, no shuffle.
        return "train" if int(name) < 20 else "val" if int(name) < 24 else "test"

    return read_folder(
        root / "images",
        root / "masks",
        class_names=("interior", "membrane"),
        mask_values={255: 0, 0: 1},
        group=lambda name: f"{part(name)} block",
        split=part,
    )


LOADERS: dict[str, Callable[[], Samples]] = {"membranes": _load_membranes}

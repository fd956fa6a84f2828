"""Opening a model that somebody saved: safely, and with a sentence where it cannot be."""

import zipfile
from pathlib import Path

from unet_helpers import keras


def load_model(path: str | Path) -> keras.Model:
    """Load a ``.keras`` file; nothing in it is executed but Keras layers.

    Keras' own layers are rebuilt from their names and settings. Python code inside the file (a
    Lambda layer) is refused, and the file formats that can carry it (pickle, HDF5 models) are not
    read at all.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    keras.Model
        Not compiled.

    Raises
    ------
    ValueError
        If it is missing, damaged, or none of Keras.

    Examples
    --------
    >>> load_model("model.pkl")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: model.pkl: a model saved by model.save('model.keras') is expected, found nothing...
    """
    place = Path(path)
    if not place.is_file():
        found = "a folder" if place.is_dir() else "nothing"
        raise _unusable(place, found, "correct the path, or save a model there")
    if not zipfile.is_zipfile(place):
        raise _unusable(place, "a file that is damaged or none of Keras")
    try:
        return keras.saving.load_model(place, compile=False, safe_mode=True)
    except Exception as error:  # a damaged file can fail anywhere, and a foreign one too
        raise _unusable(place, f"one that cannot be loaded ({first_line(error)})") from error


def _unusable(path: Path, found: str, fix: str = "") -> ValueError:
    fix = fix or "copy or save it again, made of Keras' own layers"
    return ValueError(
        f"{path}: a model saved by model.save('model.keras') is expected, found {found}: {fix}"
    )


def first_line(error: BaseException, most: int = 300) -> str:
    """What an error of others says, in one short line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0].split(". ")[0].rstrip(".:") if lines else type(error).__name__
    return first if len(first) <= most else f"{first[:most]} ..."

"""A check of the learner's installation: what the course needs, tried and not only looked up."""

import importlib.metadata
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

NEEDED = {
    "tensorflow": (2, 21),
    "keras": (3, 14),
    "numpy": (2, 0),
    "matplotlib": (3, 10),
    "ipywidgets": (8, 1),
    "jupyterlab": (4, 4),
}


def _python() -> str | None:
    found = sys.version_info[:2]
    if (3, 11) <= found <= (3, 13):
        return None
    return (
        f"Python 3.11 to 3.13 is needed, found {found[0]}.{found[1]}: "
        "make the environment anew with one of these, as the README says"
    )


def _packages() -> str | None:
    for name, least in NEEDED.items():
        wanted = ".".join(map(str, least))
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "none"
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers < least:
            return (
                f"{name} {wanted} or newer is needed, found {version}: "
                "install the packages of requirements.lock, as the README says"
            )
    return None


def _convolution() -> str | None:
    import numpy as np

    from unet_helpers import keras

    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    kernel = np.ones((3, 3, 1, 1), np.float32)
    found = keras.ops.convert_to_numpy(keras.ops.conv(image, kernel, padding="valid"))
    expected = [[image[0, r : r + 3, c : c + 3].sum() for c in (0, 1)] for r in (0, 1)]
    if np.allclose(found[0, ..., 0], expected):
        return None
    return (
        f"a 3x3 convolution should give {expected[0][0]:.0f} here, found {found[0, 0, 0, 0]:.0f}: "
        "reinstall tensorflow"
    )


def _writing() -> str | None:
    try:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "try").write_text("try")
    except OSError as error:
        return f"a temporary file must be writable, found {error}: free some disk space"
    return None


CHECKS: dict[str, Callable[[], str | None]] = {
    "Python": _python,
    "packages": _packages,
    "a convolution": _convolution,
    "writing files": _writing,
}


def check_installation() -> bool:
    """Try what the course needs and print a line about each.

    Returns
    -------
    bool
        Whether all is well.

    Examples
    --------
    >>> check_installation()
    Python          fine
    packages        fine
    a convolution   fine
    writing files   fine
    True
    """
    faults = {name: check() for name, check in CHECKS.items()}
    for name, fault in faults.items():
        print(f"{name:<15} {fault or 'fine'}")
    return not any(faults.values())

"""Arguments that all readers share, checked before any file is opened."""

from collections.abc import Callable, Sequence
from typing import Any

PARTS = ("train", "val", "test")
NameToText = Callable[[str], str] | None


def check_names(class_names: Any) -> None:
    """Refuse class names that are not two or more different texts, in order.

    Examples
    --------
    >>> check_names(["background", "cell"])
    >>> check_names(["cell"])
    Traceback (most recent call last):
    ValueError: class_names must be a list of two or more different names, the background first, \
found ['cell']: write class_names=['background', 'cell'], for instance
    """
    if class_names is None:
        return
    is_list = isinstance(class_names, Sequence) and not isinstance(class_names, str)
    are_texts = is_list and all(isinstance(name, str) and name for name in class_names)
    if not are_texts or not 2 <= len(class_names) == len(set(class_names)):
        raise ValueError(
            "class_names must be a list of two or more different names, the background first, "
            f"found {class_names!r}: write class_names=['background', 'cell'], for instance"
        )


def check_range(image_range: Any) -> None:
    """Refuse an image range that is not two numbers, the smaller first."""
    if image_range is None:
        return
    is_pair = isinstance(image_range, Sequence) and len(image_range) == 2
    are_numbers = is_pair and all(isinstance(value, (int, float)) for value in image_range)
    if not (are_numbers and image_range[0] < image_range[1]):
        raise ValueError(
            f"image_range must be two numbers, the smaller first, found {image_range!r}: "
            "write image_range=(0, 4095), for instance"
        )


def check_functions(group: Any, split: Any) -> None:
    """Refuse what cannot be called with an image's stem."""
    for argument, found in (("group", group), ("split", split)):
        if found is not None and not callable(found):
            raise ValueError(
                f"{argument} must be a function of an image's stem, found {found!r}: "
                f"write {argument}=lambda stem: stem.split('_')[0], for instance"
            )


def part_of(split: NameToText, stem: str) -> str | None:
    """The part that `split` gives a stem; None without it."""
    part = split(stem) if split else None
    if split and part not in PARTS:
        raise ValueError(
            f"split must give {', '.join(PARTS)}, found {part!r} for {stem!r}: correct the function"
        )
    return part

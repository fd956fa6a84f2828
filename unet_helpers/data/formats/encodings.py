"""From a mask file's values or colours to class ids, by one rule for the whole set."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_helpers.data.formats.decode import Decoded
from unet_helpers.data.formats.planes import Colour, mask_plane, packed, unpacked
from unet_helpers.data.samples import DataError

__all__ = [
    "Colour",
    "Encoding",
    "Meaning",
    "default_names",
    "given_colours",
    "given_instances",
    "given_values",
    "mask_plane",
    "packed",
    "unpacked",
]

Meaning = int | str | None  # a class id, a class name, or no label
IGNORE = 255  # the class id of what has no label, where the file's own value does not serve


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How a set's mask files become class ids.

    Attributes
    ----------
    class_names : tuple of str
        Names of the class ids 0, 1, ...
    table : dict of int to int
        File value, or packed colour, to class id; with the ignore value, where there is one.
    is_colour : bool
        Whether the keys are colours, as `packed` makes them.
    instances : bool
        Whether values are numbers of objects: 0 is class 0, all others are class 1.
    ignore_value : int or None
        The value of pixels without a label in the class ids.
    rule : str
        All this in words.
    """

    class_names: tuple[str, ...]
    table: dict[int, int]
    is_colour: bool = False
    instances: bool = False
    ignore_value: int | None = None
    rule: str = ""

    def apply(
        self, found: Decoded, path: Path
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint16] | None]:
        """Turn a decoded mask into class ids, and into numbers of objects if it holds such.

        Raises
        ------
        DataError
            If the file holds a value or a colour that the rule does not know.
        """
        plane = mask_plane(found, path)
        if self.instances:
            return self._apply_instances(plane, path)
        if plane.ndim == 3 and not self.is_colour:
            raise DataError(
                f"{path}: a mask must have one channel of whole numbers, found "
                f"{plane.shape[2]} channels: save it as a grey image of class ids, or say what "
                "its colours mean, for instance colours={(0, 0, 0): 0, (255, 0, 0): 1}"
            )
        if self.is_colour:
            plane = packed(plane)
        return self._look_up(plane, path), None

    def _look_up(self, plane: NDArray[Any], path: Path) -> NDArray[np.uint8]:
        if plane.dtype == np.uint8:  # by far the most usual, so quicker
            values = np.arange(256)
            ids, known = _through(self.table, values)
            mask, fits = ids[plane], known[plane]
        else:
            values, where = np.unique(plane, return_inverse=True)
            ids, known = _through(self.table, values)
            where = where.reshape(plane.shape)
            mask, fits = ids[where], known[where]
        if not fits.all():
            raise self._unexpected(plane, fits, path)
        return mask

    def _unexpected(self, plane: NDArray[Any], fits: NDArray[np.bool_], path: Path) -> DataError:
        odd = np.unique(plane[~fits])[:5].tolist()
        shown = ", ".join(str(unpacked(v)) if self.is_colour else str(v) for v in odd)
        known = ", ".join(str(unpacked(v)) if self.is_colour else str(v) for v in self.table)
        what, where = ("colours", "colours") if self.is_colour else ("values", "mask_values")
        return DataError(
            f"{path}: mask {what} must be one of {known}, found {shown} in {int((~fits).sum())} "
            f"pixels: correct the mask or name the {what[:-1]} in {where}"
        )

    def _apply_instances(
        self, plane: NDArray[Any], path: Path
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        ids = packed(plane) if plane.ndim == 3 else plane
        if ids.dtype.kind == "i" and ids.min() < 0:
            raise DataError(
                f"{path}: numbers of objects must be 0 or more, found {int(ids.min())}: "
                "save the mask again with 0 for the background"
            )
        hidden = np.zeros(ids.shape, bool)
        if self.ignore_value is not None:
            hidden = ids == self.ignore_value
        ids = np.where(hidden, 0, ids)
        if int(ids.max()) > 65535:
            values, where = np.unique(np.append(ids.ravel(), 0), return_inverse=True)
            if len(values) > 65536:
                raise DataError(
                    f"{path}: at most 65535 objects are expected, found {len(values) - 1}: "
                    "check that the mask holds numbers of objects"
                )
            ids = where[:-1].reshape(ids.shape)
        mask = (ids > 0).astype(np.uint8)
        mask[hidden] = self.ignore_value or 0
        return mask, ids.astype(np.uint16)


def _through(
    table: Mapping[int, int], values: NDArray[Any]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    found = [table.get(value) for value in values.tolist()]
    ids = np.array([0 if one is None else one for one in found], np.uint8)
    return ids, np.array([one is not None for one in found], bool)


# --- rules that are given -----------------------------------------------------------------------


def given_values(
    mask_values: Mapping[int, Meaning],
    class_names: Sequence[str] | None,
    ignore_value: int | None,
    why: str = "as given",
) -> Encoding:
    """The rule of grey values or palette indices, such as ``{0: 0, 255: 1}``.

    Raises
    ------
    ValueError
        If class ids leave a gap, or ids and names are mixed.
    DataError
        If the ignore value is a class id as well.
    """
    odd = [value for value in mask_values if not isinstance(value, (int, np.integer))]
    if odd:
        raise ValueError(
            f"mask_values must have whole numbers as keys, found {odd[0]!r}: "
            "write mask_values={0: 0, 255: 1}, for instance"
        )
    table, names, ignore = _meanings(mask_values, class_names, ignore_value, "mask_values")
    if ignore_value is not None:
        table.setdefault(ignore_value, ignore_value)
    told = _told({str(value): id_ for value, id_ in table.items()}, names)
    return Encoding(names, table, ignore_value=ignore, rule=f"mask value {told} ({why})")


def given_colours(
    colours: Mapping[Colour, Meaning],
    class_names: Sequence[str] | None,
    ignore_value: int | None,
) -> Encoding:
    """The rule of RGB colours, such as ``{(0, 0, 0): 0, (255, 0, 0): 1}``; see `given_values`."""
    for colour in colours:
        fits = isinstance(colour, tuple) and len(colour) == 3
        if not fits or not all(isinstance(c, int) and 0 <= c <= 255 for c in colour):
            raise ValueError(
                f"colours must have keys (red, green, blue) from 0 to 255, found {colour!r}: "
                "write colours={(0, 0, 0): 0, (255, 0, 0): 1}, for instance"
            )
    table, names, ignore = _meanings(colours, class_names, ignore_value, "colours")
    told = _told({str(colour): id_ for colour, id_ in table.items()}, names)
    numbers = {(r << 16) + (g << 8) + b: id_ for (r, g, b), id_ in table.items()}
    return Encoding(
        names, numbers, True, ignore_value=ignore, rule=f"mask colour {told} (as given)"
    )


def given_instances(
    class_names: Sequence[str] | None, ignore_value: int | None, why: str = "as given"
) -> Encoding:
    """The rule of instance ids: 0 is class 0, every other number an object of class 1.

    Raises
    ------
    ValueError
        If there are not two names, or the ignore value is beyond 255.
    DataError
        If the ignore value is a class id as well.
    """
    names = tuple(class_names or ("background", "foreground"))
    if len(names) != 2:
        raise ValueError(
            f"class_names must be two for instances=True, found {len(names)}: name the "
            "background and the objects"
        )
    _check_ignore(ignore_value, (0, 1), names)
    rule = f"mask value 0 is {names[0]}, every other number is one {names[1]} ({why})"
    if ignore_value is not None:
        rule += f"; {ignore_value} is not labelled"
    return Encoding(names, {}, instances=True, ignore_value=ignore_value, rule=rule)


def _meanings(
    table: Mapping[Any, Meaning],
    class_names: Sequence[str] | None,
    ignore_value: int | None,
    argument: str,
) -> tuple[dict[Any, int], tuple[str, ...], int | None]:
    """Resolve names to ids and None to the ignore value; the names of all classes."""
    kinds = {type(meaning) for meaning in table.values() if meaning is not None}
    if len(kinds) != 1 or not kinds <= {int, str}:
        raise ValueError(
            f"{argument} must map to class ids or to class names, all of one kind, found "
            f"{dict(table)!r}: write {{0: 0, 255: 1}} or {{0: 'background', 255: 'cell'}}"
        )
    labelled = [meaning for meaning in table.values() if meaning is not None]
    names = tuple(class_names or ())
    if kinds == {str}:
        names = names or tuple(dict.fromkeys(map(str, labelled)))
        if not set(labelled) <= set(names):
            odd = next(name for name in labelled if name not in names)
            raise ValueError(
                f"{argument} must name classes out of {', '.join(names)}, found {odd!r}: "
                "correct the name or add it to class_names"
            )
        ids = {key: None if v is None else names.index(str(v)) for key, v in table.items()}
    else:
        ids = {key: None if v is None else int(v) for key, v in table.items()}
        names = names or default_names(_without_gaps(ids.values(), argument))
    _check_ids([v for v in ids.values() if v is not None], names, ignore_value, argument)
    ignore = ignore_value
    if ignore is None and None in ids.values():
        ignore = IGNORE
    return {k: (ignore or 0) if v is None else v for k, v in ids.items()}, names, ignore


def _without_gaps(ids: Any, argument: str) -> int:
    known = sorted({value for value in ids if value is not None})
    if known != list(range(len(known))):
        raise ValueError(
            f"{argument} must map to class ids 0, 1, ... without gaps, found {known}: write "
            "{0: 0, 255: 1}, for instance, for masks of 0 and 255"
        )
    return len(known)


def _check_ids(
    ids: Sequence[int], names: Sequence[str], ignore_value: int | None, argument: str
) -> None:
    highest = max(ids)
    if min(ids) < 0 or highest >= min(len(names), 256):
        raise ValueError(
            f"{argument} must map to class ids without gaps, one for each of the {len(names)} "
            f"class names, found {min(ids)} to {highest}: correct the ids or name every class"
        )
    _check_ignore(ignore_value, ids, names)


def _check_ignore(ignore_value: int | None, ids: Sequence[int], names: Sequence[str]) -> None:
    if ignore_value is not None and not 0 <= ignore_value <= 255:
        raise ValueError(
            f"ignore_value must be from 0 to 255, found {ignore_value}: map that value to None in "
            "mask_values instead, or change it in the files"
        )
    if ignore_value in range(len(names)):
        shown = ", ".join(map(str, sorted(set(ids))))
        raise DataError(
            f"ignore_value must not be a class id, found {ignore_value} among {shown}: give the "
            "classes other ids, or map the value to None in mask_values"
        )


def default_names(count: int) -> tuple[str, ...]:
    """Names for classes that nobody named.

    Examples
    --------
    >>> default_names(2), default_names(3)
    (('background', 'foreground'), ('class 0', 'class 1', 'class 2'))
    """
    if count == 2:
        return ("background", "foreground")
    return tuple(f"class {number}" for number in range(count))


def _told(table: Mapping[str, int], names: Sequence[str]) -> str:
    return ", ".join(
        f"{key} is {names[id_] if id_ < len(names) else 'not labelled'}"
        for key, id_ in table.items()
    )

"""What the user tells about a set's masks, refused where `read_folder` would refuse it."""

from collections.abc import Mapping, Sequence

from unet_helpers.data.doctor.sources import Options
from unet_helpers.data.formats import encodings
from unet_helpers.data.formats.encodings import Colour, Meaning
from unet_helpers.data.formats.pairing import Pattern


def told(
    class_names: Sequence[str] | None = None,
    mask_values: Mapping[int, Meaning] | None = None,
    ignore_value: int | None = None,
    colours: Mapping[Colour, Meaning] | None = None,
    instances: bool = False,
    *,
    patch: int = 128,
    pattern: Pattern | None = None,
) -> Options:
    """Check what is told of the masks and note it down.

    Parameters
    ----------
    class_names, mask_values, ignore_value, colours, instances, pattern
        As `read_folder` takes them.
    patch : int
        Side of the training's random patches in pixels.

    Returns
    -------
    Options

    Raises
    ------
    ValueError
        If they contradict each other, or `patch` is no number of pixels.
    DataError
        If the ignore value is a class id as well.

    Examples
    --------
    >>> told(colours={(0, 0, 0): "ground", (255, 0, 0): "cell"}).colours == {0: 0, 0xFF0000: 1}
    True
    """
    if not isinstance(patch, int) or patch < 1:
        raise ValueError(
            f"patch must be a number of pixels, found {patch!r}: use 128, for instance"
        )
    if sum((mask_values is not None, colours is not None, instances)) > 1:
        raise ValueError(
            "one of mask_values, colours and instances must say what masks hold, found several: "
            "keep the one that fits the files"
        )
    names = tuple(class_names or ())
    if instances:
        encodings.given_instances(class_names, ignore_value)
    rule = None
    if mask_values is not None:
        rule = encodings.given_values(mask_values, class_names, ignore_value)
    elif colours is not None:
        rule = encodings.given_colours(colours, class_names, ignore_value)
    if rule is None:
        return Options(names, None, ignore_value, instances, patch, pattern=pattern)
    if any(isinstance(meaning, str) for meaning in (mask_values or colours or {}).values()):
        names = rule.class_names
    return Options(
        names,
        None if rule.is_colour else rule.table,
        rule.ignore_value,
        patch=patch,
        colours=rule.table if rule.is_colour else None,
        pattern=pattern,
    )

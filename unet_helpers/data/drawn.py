"""Drawn fields of view as `Samples`: the set `cells`, and as many more slides as one likes."""

from collections.abc import Iterable
from functools import partial

from unet_helpers.data.cells import CLASS_NAMES, draw_field
from unet_helpers.data.knobs import Knobs
from unet_helpers.data.samples import Arrays, Record, Samples


def draw_samples(
    slides: int | Iterable[int],
    fields: int = 1,
    size: int = 256,
    seed: int = 0,
    knobs: Knobs | None = None,
) -> Samples:
    """Make a labelled set of drawn blood smears; each field is drawn when it is first asked for.

    The set ``cells`` is ``draw_samples(30, fields=3)``. Other slides of the same seed are like it:
    new slides of the same laboratories, for a larger test set, say.

    Parameters
    ----------
    slides : int or iterable of int
        How many slides, or their numbers; each slide is a group.
    fields : int
        Fields of view on each slide.
    size, seed, knobs
        As in `draw_field`.

    Returns
    -------
    Samples
        With the classes background, cytoplasm and nucleus, and instance ids.

    Raises
    ------
    ValueError
        If there is no slide or no field; when a field is drawn, if `draw_field` refuses a number.

    Examples
    --------
    >>> draw_samples(range(30, 70))
    Samples 'cells': 40 images in 40 groups; classes background, cytoplasm, nucleus
    """
    numbers = list(range(slides) if isinstance(slides, int) else slides)
    if not numbers or fields < 1:
        raise ValueError(
            f"slides and fields must be at least one, found {len(numbers)} slides and {fields} "
            "fields: draw_samples(40) draws one field of each of 40 slides"
        )

    def draw(slide: int, field: int) -> Arrays:
        return Arrays(*draw_field(slide, field, size, seed, knobs))

    return Samples(
        name="cells",
        records=tuple(
            Record(f"slide {s:02d} field {f}", f"slide {s:02d}", partial(draw, s, f))
            for s in numbers
            for f in range(fields)
        ),
        class_names=CLASS_NAMES,
        foreground=("cytoplasm", "nucleus"),
        rule="the masks are drawn as class ids",
    )

"""The knobs of the embedded set: each does what it promises, more when turned up, and no more."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from builders import assert_says
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.color import rgb2hsv

from unet_helpers.data.cells import Knobs, draw_field
from unet_helpers.data.slides import make_slide

Field = tuple[np.ndarray, np.ndarray, np.ndarray]
NAMES = [field.name for field in dataclasses.fields(Knobs)]
RANGES = {field.name: field.metadata["range"] for field in dataclasses.fields(Knobs)}
FIELDS = [(slide, 0) for slide in range(5)]

# --- what a knob can be measured by, on one field -------------------------------------------------


def white_cells(field: Field) -> float:
    return float(field[2].max())


def red_cover(field: Field) -> float:
    """Share of the background that is clearly darker than bare glass, in green."""
    green = field[0][..., 1].astype(float)
    glass = np.percentile(green, 98)
    return float((green[field[1] == 0] < 0.8 * glass).mean())


def dark_spots(field: Field) -> float:
    """Pixels of the background as dark as nuclei."""
    image, mask, _ = field
    nuclei = np.median(image[mask == 2][:, 0]) if (mask == 2).any() else 110
    away = ~ndimage.binary_dilation(mask > 0, iterations=4)
    return float((image[..., 0][away] < 1.25 * nuclei).sum())


def residual(field: Field) -> float:
    """Variance of what a median filter takes away: noise, and little else."""
    green = field[0][..., 1].astype(float)
    return float((green - ndimage.median_filter(green, 3)).var())


def gradient(field: Field) -> float:
    green = ndimage.gaussian_filter(field[0][..., 1].astype(float), 0.7)
    return float(np.hypot(*np.gradient(green)).mean())


def saturation(field: Field) -> float:
    return float(rgb2hsv(field[0])[..., 1].mean())


def cell_area(field: Field) -> float:
    return float(np.sqrt((field[1] > 0).sum() / max(1, field[2].max())))


def brightness(field: Field) -> float:
    return float(field[0].mean())


def yellow(field: Field) -> float:
    """How far blue falls behind red."""
    return float(field[0][..., 0].mean() - field[0][..., 2].mean())


def darkness(field: Field) -> float:
    return -brightness(field)


def red_over_blue_of_nuclei(field: Field) -> float:
    nuclei = field[0][field[1] == 2].astype(float)
    return float(nuclei[:, 0].mean() - nuclei[:, 2].mean())


def contrast_of_background(field: Field) -> float:
    away = ~ndimage.binary_dilation(field[1] > 0, iterations=4)
    return float(np.percentile(field[0][away], 90) - np.percentile(field[0][away], 10))


def texture_of_glass(field: Field) -> float:
    """Spread between spots a few pixels apart, on fields without red cells."""
    green = field[0][..., 1].astype(float)
    away = ~ndimage.binary_dilation(field[1] > 0, iterations=8)
    band = ndimage.gaussian_filter(green, 1) - ndimage.gaussian_filter(green, 6)
    return float(band[away].std())


def greenish_grey_of_red_cells(field: Field) -> float:
    """Red light that the background loses: the alkaline stain takes more of it."""
    red, blue = (field[0][..., c][field[1] == 0].astype(float) for c in (0, 2))
    return float(np.percentile(blue, 20) - np.percentile(red, 20))


EMPTY = Knobs(red=0, debris=0)  # nothing but white cells
# Knob, settings from low to high, what must rise, what is set besides.
PROMISES: list[tuple[str, list[float], Callable[[Field], float], Knobs]] = [
    ("white", [0, 2, 6], white_cells, Knobs()),
    ("red", [0, 40, 120, 400], red_cover, Knobs(ghost=0, debris=0)),
    ("debris", [0, 10, 30, 100], dark_spots, Knobs(red=0, white=1)),
    ("mottle", [0, 0.03, 0.1, 0.3], texture_of_glass, EMPTY),
    ("magnification", [0.5, 1, 1.7], cell_area, Knobs(white=3)),
    ("buffer", [0, 0.5, 1], greenish_grey_of_red_cells, Knobs(white=0, debris=0, red=300)),
    ("strength", [0.2, 0.6, 1.2, 2], darkness, Knobs()),
    ("hue", [0, 0.5, 1], red_over_blue_of_nuclei, Knobs(white=3)),
    ("ghost", [1, 0.6, 0.2, 0], contrast_of_background, Knobs(debris=0, white=0)),
    ("light", [0.3, 0.6, 1.0, 1.4], brightness, Knobs()),
    ("warmth", [-1, 0, 1, 3], yellow, Knobs()),
    ("blur", [8, 4, 2, 0.5, 0], gradient, Knobs(noise=0)),
    ("sharpen", [0, 0.5, 1.5, 3], gradient, Knobs(noise=0)),
    ("saturation", [0, 0.5, 1, 2], saturation, Knobs()),
    ("noise", [0, 3, 10, 40], residual, Knobs()),
]


@pytest.mark.parametrize(
    ("name", "settings", "measure", "besides"), PROMISES, ids=[p[0] for p in PROMISES]
)
def test_a_knob_does_more_when_turned_up(
    name: str, settings: list[float], measure: Callable[[Field], float], besides: Knobs
) -> None:
    values = [
        np.mean([measure(draw_field(*f, 192, 0, _with(besides, name, x))) for f in FIELDS])
        for x in settings
    ]
    assert (np.diff(values) > 0).all(), values
    assert values[-1] > 1.2 * values[0] or values[-1] - values[0] > 5, values


def _with(knobs: Knobs, name: str, value: float) -> Knobs:
    return dataclasses.replace(knobs, **{name: value})


def test_every_knob_is_tested() -> None:
    assert {promise[0] for promise in PROMISES} == set(NAMES) - {"variety"}


# --- variety -------------------------------------------------------------------------------------


def spread(variety: float) -> float:
    """How far the colours of bare glass lie apart."""
    knobs = Knobs(variety=variety)
    colours = [np.percentile(draw_field(s, 0, 96, 0, knobs)[0], 95, axis=(0, 1)) for s in range(24)]
    return float(np.linalg.norm(np.std(colours, axis=0)))


def test_variety_spreads_slides() -> None:
    values = [spread(variety) for variety in (0, 0.5, 1, 2, 3)]
    assert (np.diff(values) > 0).all(), values
    assert values[0] < 0.25 * values[2]


def test_no_variety_means_one_look() -> None:
    slides = [make_slide(0, number, Knobs(variety=0)) for number in range(4)]
    for slide in slides[1:]:
        for first, other in zip(slides[0][:-1], slide[:-1], strict=True):
            np.testing.assert_array_equal(first, other)
        assert slide.extra == slides[0].extra


def test_slides_of_wide_variety_differ_in_all_that_the_docstring_names() -> None:
    slides = [make_slide(0, number, Knobs(variety=3)) for number in range(30)]
    for name in ("scale", "ghost", "sharpen", "saturation", "mottle", "reach", "lobes"):
        assert len({getattr(slide.extra, name) for slide in slides}) >= 2, name


@given(
    slide=st.integers(0, 2**31),
    chosen=st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1), max_size=6),
)
def test_every_setting_gives_a_valid_field(slide: int, chosen: dict[str, float]) -> None:
    knobs = Knobs(
        **{k: RANGES[k][0] + t * (RANGES[k][1] - RANGES[k][0]) for k, t in chosen.items()}
    )
    image, mask, instances = draw_field(slide, 0, 64, 0, knobs)
    assert image.shape == (64, 64, 3)
    assert image.dtype == np.uint8
    assert set(np.unique(mask)) <= {0, 1, 2}
    np.testing.assert_array_equal(instances > 0, mask > 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("end", [0, 1], ids=["least", "most"])
def test_the_ends_of_every_range_can_be_drawn(name: str, end: int) -> None:
    knobs = Knobs(**{name: RANGES[name][end]})
    assert draw_field(1, 1, 96, knobs=knobs)[0].shape == (96, 96, 3)


# --- what a knob leaves alone --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["mottle", "buffer", "strength", "hue", "ghost", "light", "warmth", "blur"]
    + ["sharpen", "saturation", "noise"],
)
def test_stain_light_and_camera_leave_the_masks_alone(name: str) -> None:
    for slide in range(3):
        usual = draw_field(slide, 0, 128)
        turned = draw_field(slide, 0, 128, knobs=Knobs(**{name: RANGES[name][1]}))
        np.testing.assert_array_equal(turned[1], usual[1])
        np.testing.assert_array_equal(turned[2], usual[2])
        assert (turned[0] != usual[0]).any()


def test_no_knobs_is_the_usual_look() -> None:
    usual = draw_field(4, 1, 128)
    for knobs in (None, Knobs(), Knobs(variety=1), Knobs(magnification=1, sharpen=0, ghost=0)):
        for first, second in zip(usual, draw_field(4, 1, 128, knobs=knobs), strict=True):
            np.testing.assert_array_equal(first, second)


def test_white_gives_the_number_of_cells_where_there_is_room() -> None:
    for number in (0, 1, 3):
        counts = [draw_field(s, 0, knobs=Knobs(white=number))[2].max() for s in range(12)]
        assert np.mean(counts) == pytest.approx(number, abs=0.3)
    # Half a cell on average: some fields hold one, some none.
    counts = [draw_field(s, 0, knobs=Knobs(white=0.5))[2].max() for s in range(60)]
    assert 0.3 < np.mean(counts) < 0.7


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_magnification_scales_the_cells_of_the_same_place(scale: float) -> None:
    # A field of twice the side at magnification 2 shows what the usual field shows.
    side = int(128 * scale)
    for slide in range(4):
        usual = draw_field(slide, 0, 128)[1]
        large = draw_field(slide, 0, side, knobs=Knobs(magnification=scale))[1]
        # Textures differ in their pixels, so that later cells may differ: only the shares count.
        if usual.any():
            assert (large > 0).mean() == pytest.approx((usual > 0).mean(), rel=0.15)


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("off", [-0.01, 0.01], ids=["below", "above"])
def test_a_knob_out_of_its_range_is_named(name: str, off: float) -> None:
    value = RANGES[name][0] + off if off < 0 else RANGES[name][1] + off
    with pytest.raises(ValueError) as caught:
        Knobs(**{name: value})
    assert_says(caught, name, *RANGES[name], repr(value))


@pytest.mark.parametrize("value", ["2", True, float("nan"), [1], 1j])
def test_a_knob_must_be_a_number(value: object) -> None:
    with pytest.raises(ValueError) as caught:
        Knobs(blur=value)  # type: ignore[arg-type]
    assert_says(caught, "blur", "a number from 0 to 8 (pixels)", repr(value))


@pytest.mark.parametrize("value", [{"blur": 2}, 2, "wide"])
def test_knobs_must_be_knobs(value: object) -> None:
    with pytest.raises(ValueError) as caught:
        draw_field(0, 0, knobs=value)  # type: ignore[arg-type]
    assert_says(caught, "knobs", repr(value))


def test_numpy_numbers_are_numbers_too() -> None:
    first = draw_field(0, 0, 64, knobs=Knobs(blur=np.float32(2), red=np.int64(50)))[0]
    np.testing.assert_array_equal(first, draw_field(0, 0, 64, knobs=Knobs(blur=2, red=50))[0])

"""What is measured of each pair, against slower ways to measure it."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from sick import Folder, field, save

from unet_helpers.data.doctor.check import check
from unet_helpers.data.doctor.colours import grey_of, map_behind, voc_colour
from unet_helpers.data.doctor.encoding import RAMP_LIMIT, Encoding, infer, looks_like_objects
from unet_helpers.data.doctor.facts import (
    MaskFacts,
    count_values,
    image_facts,
    patch_chances,
    ramp_share,
)
from unet_helpers.data.doctor.kinds import KINDS
from unet_helpers.data.doctor.looking import mask_plane
from unet_helpers.data.doctor.sources import Options

# --- masks in numbers ---------------------------------------------------------------------------


@given(arrays(np.uint8, (7, 9)))
def test_values_are_counted(mask: np.ndarray) -> None:
    values, distinct = count_values(mask)
    assert values == {int(v): int((mask == v).sum()) for v in np.unique(mask)}
    assert distinct == len(np.unique(mask))


def test_true_is_1_whatever_byte_it_is_stored_as() -> None:
    # Pillow's arrays of 1-bit images hold bytes of 255.
    plane = mask_plane(np.array([[0, 255]], np.uint8).view(bool)).values
    assert plane.dtype == np.uint8 and plane.tolist() == [[0, 1]]


def test_of_very_many_values_the_most_frequent_are_kept() -> None:
    mask = np.arange(10_000, dtype=np.uint16).reshape(100, 100)
    mask[:50] = 7
    values, distinct = count_values(mask)
    assert distinct == 5001 and len(values) == 512 and values[7] == 5000


@pytest.mark.parametrize("number", range(3))
def test_the_chance_of_a_patch_is_that_of_all_patches(number: int) -> None:
    rng = np.random.default_rng(number)
    ids = np.zeros((120, 200), np.uint8)
    for _ in range(3):
        y, x = rng.integers(0, 110), rng.integers(0, 190)
        ids[y : y + 6, x : x + 6] = 1
    windows = np.lib.stride_tricks.sliding_window_view(ids == 1, (48, 48))
    truth = windows.any(axis=(2, 3)).mean()
    assert patch_chances(ids, 48)[1] == pytest.approx(truth, abs=0.08)
    assert patch_chances(ids, 120)[1] == 1  # as wide as the image: the whole of it


def blurred(mask: np.ndarray, scale: float) -> np.ndarray:
    picture = Image.fromarray(mask.astype(np.float32))
    size = int(mask.shape[1] * scale), int(mask.shape[0] * scale)
    return np.rint(np.asarray(picture.resize(size, Image.Resampling.BILINEAR))).astype(np.uint8)


@pytest.mark.parametrize("number", range(4))
def test_drawn_masks_have_no_ramps_and_smoothed_ones_do(number: int) -> None:
    mask = field(number)[1]
    assert ramp_share(mask * 127) < RAMP_LIMIT / 2
    for scale in (0.4, 0.7, 1.3, 2.0):
        assert ramp_share(blurred(mask * 127, scale)) > 2 * RAMP_LIMIT
    file = io.BytesIO()
    Image.fromarray(mask * 127).save(file, "JPEG", quality=95)
    assert ramp_share(np.asarray(Image.open(file))) > 1.3 * RAMP_LIMIT


def test_soft_edges_of_a_drawing_tool_are_ramps() -> None:
    large = Image.new("L", (800, 800))
    ImageDraw.Draw(large).ellipse((160, 200, 640, 700), fill=255)
    assert ramp_share(np.asarray(large.resize((100, 100), Image.Resampling.BOX))) > 2 * RAMP_LIMIT


# --- images in numbers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.full((4, 4), 4095, np.uint16), {"burnt": 1.0, "constant": True}),
        (np.array([[0.0, np.nan], [1.0, -np.inf]]), {"broken": 2, "low": 0.0, "high": 1.0}),
        (np.full((3, 3), np.nan), {"broken": 9, "constant": False}),
        (np.arange(12).reshape(3, 4).astype(np.uint16) * 257, {"coarse": True}),
        (np.arange(12).reshape(3, 4).astype(np.uint16) * 100, {"coarse": False}),
        (np.eye(4, dtype=bool), {"burnt": 0.0, "high": 1.0, "constant": False}),
    ],
)
def test_images(pixels: np.ndarray, expected: dict[str, object]) -> None:
    facts = image_facts(pixels)
    assert {name: getattr(facts, name) for name in expected} == expected


def test_a_channel_at_its_end_alone_is_not_burnt() -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    image[..., 0] = 255
    image[:3] = 255
    assert image_facts(image).burnt == pytest.approx(0.3)


# --- planes and encodings -----------------------------------------------------------------------


def test_planes() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    opaque, soft = np.full((3, 4), 255, np.uint8), grey * 20
    flat = np.full((3, 4, 3), 8, np.uint8)
    cases = [
        (grey, grey, ""),
        (rgb, grey, ""),
        (np.dstack([rgb, opaque]), grey, "full"),
        (np.dstack([rgb, soft]), grey, "varies"),
        (np.dstack([flat, soft]), soft, "only"),
        (np.dstack([grey, opaque]), grey, "full"),
    ]
    for pixels, values, alpha in cases:
        plane = mask_plane(pixels)
        assert np.array_equal(plane.values, values) and plane.alpha == alpha
        assert not plane.coloured


def facts_of(*values: int) -> MaskFacts:
    return MaskFacts((8, 8), "L", dict.fromkeys(values, 10), len(values), 0.0)


@pytest.mark.parametrize(
    ("values", "style", "odd"),
    [
        ([(0, 1)] * 9, "ids", ()),
        ([(0,)] * 9, "ids", ()),
        ([(0, 255)] * 9 + [(0,)], "0-255", ()),
        ([(0, 1, 2), (0, 3)] * 5, "ids", ()),
        ([(0, 128, 255)] * 9, "levels", ()),
        ([(0, 128, 255)] * 9 + [(0, 64)], "levels", (64,)),
        ([(1, 2, 3)] * 9, "off-by-one", ()),
        ([(1, 2)] * 9, "off-by-one", ()),
        ([(0, 1, 255)] * 9, "with-255", ()),
        ([(0, 1)] * 5 + [(0, 255)] * 5, "mixed", ()),
        ([(0, 1, 2)] * 5 + [(0, 128, 255)], "mixed", ()),
        ([(0, 1, 2)] * 19 + [(0, 57)], "ids", (57,)),
        ([(0, 255)] * 19 + [(0, 254, 255)], "0-255", (254,)),
        ([(0, 38, 75, 113)] * 9, "greys", ()),
        ([(0, 76, 150, 29)] * 9, "greys", ()),
        ([tuple(range(0, 200, 3))] * 9, "levels", ()),
        ([(7, 8, 11, 24, 33)] * 9, "levels", ()),
    ],
)
def test_how_masks_store_classes(values, style: str, odd: tuple[int, ...]) -> None:
    found = infer([facts_of(*v) for v in values], Options())
    assert (found.style, tuple(found.odd)) == (style, odd)


def test_names_explain_gaps_in_the_ids() -> None:
    masks = [facts_of(0, 2, 5)] * 9
    assert infer(masks, Options()).style == "levels"
    found = infer(masks, Options(class_names=tuple("abcdef")))
    assert found.style == "ids" and found.classes == 6


def test_values_go_to_the_nearest_class() -> None:
    encoding = Encoding("levels", {0: 0, 128: 1, 255: 2}, classes=3)
    values = np.array([[0, 60, 70, 128], [190, 195, 250, 255]])
    expected = [[0, 0, 1, 1], [1, 2, 2, 2]]
    for dtype in (np.uint8, np.uint16, np.int64):
        assert encoding.ids(values.astype(dtype)).tolist() == expected


def test_single_structures_are_no_numbered_objects() -> None:
    one = np.zeros((30, 30), np.uint8)
    one[5:20, 5:20] = 1
    nested = one.copy()
    nested[9:12, 9:12] = 2
    assert not looks_like_objects([one, nested, one * 0, nested])


# --- colours ------------------------------------------------------------------------------------


@given(st.integers(0, 0xFFFFFF))
def test_grey_is_pillow_s(colour: int) -> None:
    rgb = (colour >> 16, colour >> 8 & 255, colour & 255)
    assert grey_of(colour) == Image.new("RGB", (1, 1), rgb).convert("L").getpixel((0, 0))


def test_the_voc_palette_is_the_published_one() -> None:
    # aeroplane, bicycle, bird, boat, ..., tv monitor, void
    table = {1: 0x800000, 2: 0x008000, 3: 0x808000, 4: 0x000080, 15: 0xC08080, 20: 0x004080}
    assert {k: voc_colour(k) for k in table} == table
    assert voc_colour(255) == 0xE0E0C0


def test_plain_grey_levels_are_no_colours() -> None:
    for levels in ([0, 128, 255], [0, 127, 255], [0, 85, 170, 255], [0, 64, 128, 191, 255]):
        assert map_behind(levels) == ""


# --- whatever the files hold --------------------------------------------------------------------


def test_broken_bytes_never_stop_the_doctor(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        folder = Folder(tmp_path / str(number), 4)
        for path in [folder.image(i) for i in (0, 1)] + [folder.mask(i) for i in (2, 3)]:
            data = bytearray(path.read_bytes())
            for place in rng.integers(0, len(data), 1 + 4 * number):
                data[place] = int(rng.integers(256))
            path.write_bytes(bytes(data[: int(rng.integers(1, len(data) + 1))]))
        report = check(folder.images, folder.masks, patch=32)
        assert report.images == 4 and set(report.names) <= set(KINDS)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (2, 2), (3, 300)])
def test_tiny_images_are_no_trouble(tmp_path: Path, shape: tuple[int, int]) -> None:
    for i in range(7):
        save(tmp_path / "images" / f"{i}.png", np.full(shape, 30 * i, np.uint8))
        save(tmp_path / "masks" / f"{i}.png", np.eye(*shape, dtype=np.uint8))
    assert check(tmp_path / "images", tmp_path / "masks").images == 7

"""Mask encodings: each becomes class ids, by a rule that is told."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tifffile
from builders import assert_says
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from unet_helpers.data.formats.encodings import given_values, packed, unpacked
from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.formats.limits import Decoded
from unet_helpers.data.samples import DataError, Samples

IDS = (np.arange(48).reshape(6, 8) // 3 % 3).astype(np.uint8)  # 0, 1, 2
IMAGE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
COLOURS = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)


def folders(root: Path, masks: Mapping[str, np.ndarray | Image.Image]) -> tuple[Path, Path]:
    """Write images and masks; a mask's name says how it is saved."""
    for name in ("images", "masks"):
        (root / name).mkdir(exist_ok=True)
    for name, mask in masks.items():
        path = root / "masks" / name
        Image.fromarray(IMAGE).save(root / "images" / f"{path.stem}.png")
        if path.suffix == ".npy":
            np.save(path, mask)
        elif path.suffix == ".tif":
            tifffile.imwrite(path, mask)
        else:
            (mask if isinstance(mask, Image.Image) else Image.fromarray(mask)).save(path)
    return root / "images", root / "masks"


def read(root: Path, *masks: np.ndarray | Image.Image, suffix: str = ".png", **settings) -> Samples:
    return read_folder(
        *folders(root, {f"{i}{suffix}": mask for i, mask in enumerate(masks)}), **settings
    )


def refused(root: Path, *masks: object, **settings: object) -> pytest.ExceptionInfo[DataError]:
    with pytest.raises(DataError) as error:
        list(read(root, *masks, **settings))
    return error


def voc(ids: np.ndarray, last: tuple[int, int, int] = (224, 224, 192)) -> Image.Image:
    """A palette image like those of PASCAL VOC."""
    image = Image.fromarray(ids, mode="P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [7] * 252 * 3 + list(last))
    return image


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".gif", ".tif", ".npy"])
@pytest.mark.parametrize("top", [1, 255])
def test_two_values_in_every_lossless_format(tmp_path: Path, suffix: str, top: int) -> None:
    half = (IDS > 0).astype(np.uint8)
    samples = read(tmp_path, half * np.uint8(top), np.full_like(half, top), suffix=suffix)
    np.testing.assert_array_equal(samples[0].mask, half)
    assert samples[1].mask.min() == 1
    assert f"{top} is foreground (inferred: 2 masks" in samples.rule


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "u2", ">u2", "i4", "u8", "f2", "f4", ">f8"])
@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_every_dtype(tmp_path: Path, dtype: str, suffix: str) -> None:
    ids = IDS > 0 if dtype == "?" else IDS
    samples = read(tmp_path, ids.astype(dtype), suffix=suffix)
    np.testing.assert_array_equal(samples[0].mask, ids)
    assert samples[0].mask.dtype == np.uint8


@pytest.mark.parametrize("odd", [0.5, np.nan, np.inf, 1e300])
def test_floats_between_the_classes_are_refused(tmp_path: Path, odd: float) -> None:
    mask = IDS.astype(np.float64)
    mask[2, 3] = odd
    error = refused(tmp_path, mask, suffix=".npy")
    assert_says(error, "0.npy", "whole numbers", "found dtype float64", f"{odd:g}", "1 pixels")


@pytest.mark.parametrize("mode", ["LA", "RGB", "RGBA"])
def test_grey_in_other_modes(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(IDS).convert(mode)
    if mode != "RGB":
        image.putalpha(Image.fromarray(IMAGE[..., 0]))
    np.testing.assert_array_equal(read(tmp_path, image)[0].mask, IDS)


def test_classes_in_the_alpha_are_named(tmp_path: Path) -> None:
    image = Image.new("RGBA", (8, 6))
    image.putalpha(Image.fromarray(IDS * 100))
    assert_says(refused(tmp_path, image), "0.png", "changing opacity", "getchannel('A')")


def test_off_by_one_is_an_error_that_offers_the_fix(tmp_path: Path) -> None:
    mask = IDS % 2 + 1
    error = refused(tmp_path, mask)
    assert_says(error, "found 1, 2", "mask_values={1: 0, 2: 1}", "begin at 1")
    samples = read(tmp_path, mask, mask_values={1: 0, 2: 1})
    np.testing.assert_array_equal(samples[0].mask, IDS % 2)


def test_trimaps(tmp_path: Path) -> None:
    mask = IDS + 1  # 1 the pet, 2 the background, 3 the border
    assert_says(refused(tmp_path, mask), "mask_values={1: 1, 2: 0, 3: None}", "trimap")
    expected = np.array([0, 1, 0, 255], np.uint8)[mask]
    for settings in (
        {"mask_values": {1: 1, 2: 0, 3: None}},
        {"mask_values": {1: "pet", 2: "background", 3: None}, "class_names": ["background", "pet"]},
    ):
        samples = read(tmp_path, mask, **settings)
        np.testing.assert_array_equal(samples[0].mask, expected)
        assert samples.ignore_value == 255
        assert "3 is not labelled" in samples.rule
    kept = read(tmp_path, mask, mask_values={1: 1, 2: 0}, ignore_value=3)
    np.testing.assert_array_equal(kept[0].mask, np.array([0, 1, 0, 3], np.uint8)[mask])


def test_several_values_of_one_class(tmp_path: Path) -> None:
    samples = read(tmp_path, IDS, mask_values={0: 0, 1: 1, 2: 1})
    np.testing.assert_array_equal(samples[0].mask, np.minimum(IDS, 1))
    assert samples.num_classes == 2


@given(
    arrays.arrays(np.int64, (4, 5), elements=st.sampled_from([-3, 0, 7, 255, 256, 70_000])),
    st.permutations(range(6)),
)
def test_a_table_is_applied_value_by_value(plane: np.ndarray, ids: list[int]) -> None:
    table = dict(zip([-3, 0, 7, 255, 256, 70_000], ids, strict=True))
    encoding = given_values(table, None, None)
    mask, _ = encoding.apply(Decoded(plane, "npy", "grey int64"), Path("a"))
    assert mask.tolist() == [[table[value] for value in row] for row in plane.tolist()]


# --- palettes and colours -----------------------------------------------------------------------


def test_the_palette_of_pascal_voc(tmp_path: Path) -> None:
    ids = IDS.copy()
    ids[0] = 255
    samples = read(tmp_path, voc(ids), voc(IDS))
    np.testing.assert_array_equal(samples[0].mask, ids)
    assert (samples.ignore_value, samples.num_classes) == (255, 3)
    assert "255 is not labelled" in samples.rule
    assert "PASCAL VOC" in samples.rule


def test_another_palette_does_not_say_what_255_means(tmp_path: Path) -> None:
    ids = IDS.copy()
    ids[0] = 255
    assert_says(refused(tmp_path, voc(ids, (9, 9, 9))), "found 0, 1, 2, 255", "mask_values=")


def test_gif_palettes_are_renumbered_so_colours_count(tmp_path: Path) -> None:
    # Pillow drops unused entries: in both files the only index is 0.
    images = [Image.fromarray(np.full((6, 8), value, np.uint8)) for value in (0, 255)]
    samples = read(tmp_path, *images, suffix=".gif")
    assert [int(sample.mask.max()) for sample in samples] == [0, 1]


def test_colours_need_a_meaning_and_are_listed(tmp_path: Path) -> None:
    error = refused(tmp_path, COLOURS[IDS])
    code = "colours={(0, 0, 0): 0, (0, 128, 0): 1, (128, 0, 0): 2}"
    assert_says(error, "0.png", "found 3 channels", "(0, 0, 0), (0, 128, 0), (128, 0, 0)", code)


@pytest.mark.parametrize(
    "table",
    [
        {(0, 0, 0): 0, (128, 0, 0): 1, (0, 128, 0): 2},
        {(0, 0, 0): "ground", (128, 0, 0): "cell", (0, 128, 0): "core"},
    ],
)
def test_colours(tmp_path: Path, table: dict) -> None:
    black = np.zeros((6, 8), np.uint8)  # a mask without a colour in it belongs to the set, too
    samples = read(tmp_path, COLOURS[IDS], black, colours=table)
    np.testing.assert_array_equal(samples[0].mask, IDS)
    assert samples[1].mask.max() == 0
    assert "(128, 0, 0) is" in samples.rule
    without = {colour: meaning for colour, meaning in table.items() if colour != (0, 128, 0)}
    error = refused(tmp_path, COLOURS[IDS], colours=without)
    assert_says(error, "one of (0, 0, 0)", f"found (0, 128, 0) in {int((IDS == 2).sum())} pixels")
    ignored = read(tmp_path, COLOURS[IDS], colours={**without, (0, 128, 0): None})
    np.testing.assert_array_equal(ignored[0].mask, np.where(IDS == 2, 255, IDS))


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_colours_are_packed_and_unpacked(colour: tuple[int, int, int]) -> None:
    pixels = np.array([[colour]], np.uint8)
    assert unpacked(int(packed(pixels)[0, 0])) == colour


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    assert_says(refused(tmp_path, IMAGE), "(48 colours)", "photograph", "instances=True")


def test_grey_rules_refuse_colours(tmp_path: Path) -> None:
    error = refused(tmp_path, COLOURS[IDS], mask_values={0: 0, 128: 1})
    assert_says(error, "0.png", "one channel", "found 3 channels", "colours={")


# --- instance ids -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_instance_ids(tmp_path: Path, dtype: type) -> None:
    ids = (IDS * 100).astype(dtype)
    samples = read(tmp_path, ids, suffix=".tif", instances=True)
    np.testing.assert_array_equal(samples[0].mask, IDS > 0)
    np.testing.assert_array_equal(samples[0].instances, ids)
    assert samples[0].instances.dtype == np.uint16
    assert "every other number is one foreground" in samples.rule


def test_large_numbers_and_colours_of_objects_are_renumbered(tmp_path: Path) -> None:
    for name, mask in {"a": IDS.astype(np.int64) * 10**9, "b": COLOURS[IDS]}.items():
        (tmp_path / name).mkdir()
        found = read(tmp_path / name, mask, suffix=".npy", instances=True)[0]
        assert set(np.unique(found.instances)) == {0, 1, 2}
        for number in (1, 2):
            assert len(np.unique(found.instances[number == IDS])) == 1
        np.testing.assert_array_equal(found.instances > 0, IDS > 0)


def test_instances_with_an_ignore_value(tmp_path: Path) -> None:
    sample = read(tmp_path, IDS, instances=True, ignore_value=2)[0]
    np.testing.assert_array_equal(sample.mask, IDS)
    np.testing.assert_array_equal(sample.instances, IDS % 2)


@pytest.mark.parametrize("value", [-1, 256, 65535])
def test_ignore_values_of_instances_fit_into_class_ids(tmp_path: Path, value: int) -> None:
    with pytest.raises(ValueError) as error:
        read(tmp_path, IDS, instances=True, ignore_value=value)
    assert_says(error, "from 0 to 255", f"found {value}")
    error = refused(tmp_path, IDS, instances=True, ignore_value=1)
    assert_says(error, "must not be a class id", "found 1 among 0, 1")


def test_numbered_objects_are_recognised(tmp_path: Path) -> None:
    ids = np.arange(48, dtype=np.uint16).reshape(6, 8)
    samples = read(tmp_path, ids, suffix=".tif")
    np.testing.assert_array_equal(samples[0].instances, ids)
    assert "inferred: 1 masks number up to 47 objects" in samples.rule


def test_up_to_32_numbers_are_classes(tmp_path: Path) -> None:
    ids = np.minimum(np.arange(48, dtype=np.uint8).reshape(6, 8), 20)
    assert read(tmp_path, ids).num_classes == 21


def test_numbers_with_gaps_are_not_taken_for_objects(tmp_path: Path) -> None:
    ids = 2 * np.arange(48, dtype=np.uint16).reshape(6, 8)
    assert_says(refused(tmp_path, ids, suffix=".tif"), "instances=True")


def test_negative_numbers_of_objects(tmp_path: Path) -> None:
    error = refused(tmp_path, IDS.astype(np.int16) - 1, suffix=".npy", instances=True)
    assert_says(error, "0 or more", "found -1")


# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"mask_values": {0: 0, 1: "cell"}}, ["all of one kind"]),
        ({"mask_values": {0: 0}, "instances": True}, ["one of mask_values", "found several"]),
        ({"mask_values": {0: "x"}, "class_names": ["a", "b"]}, ["classes out of a, b", "'x'"]),
        ({"mask_values": {0: 0, 1: 5}, "class_names": ["a", "b"]}, ["2 class names", "0 to 5"]),
        ({"mask_values": {0: 0, 1: 1}, "ignore_value": 300}, ["from 0 to 255", "found 300"]),
        ({"colours": {(0, 0): 0}}, ["(red, green, blue)", "(0, 0)"]),
        ({"colours": {(0, 0, 256): 0}}, ["0 to 255"]),
        ({"instances": True, "class_names": ["a", "b", "c"]}, ["two", "found 3"]),
        ({"pages": "all"}, ["pages", "'all'", "pages=0"]),
        ({"image_range": (5, 5)}, ["image_range", "(5, 5)"]),
    ],
)
def test_arguments_that_contradict(tmp_path: Path, settings: dict, parts: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        read(tmp_path, IDS, **settings)
    assert_says(error, *parts)


# --- images -------------------------------------------------------------------------------------


def with_image(root: Path, image: np.ndarray, **settings: object) -> np.ndarray:
    images, masks = folders(root, {"a.png": IDS})
    (images / "a.png").unlink()
    np.save(images / "a.npy", image)
    return read_folder(images, masks, mask_values={0: 0, 1: 1, 2: 2}, **settings)[0].image


def test_floats_from_0_to_1_stay_and_others_need_a_range(tmp_path: Path) -> None:
    image = np.linspace(0, 1, 48).reshape(6, 8)
    np.testing.assert_allclose(with_image(tmp_path, image)[..., 0], image, atol=1e-6)
    scaled = with_image(tmp_path, image * 4000 + 100, image_range=(100, 4100))
    np.testing.assert_allclose(scaled[..., 0], image, atol=1e-6)
    for odd in (image * 4000, image - 2):
        with pytest.raises(DataError) as error:
            with_image(tmp_path, odd)
        assert_says(error, "a.npy", "from 0 to 1", "image_range=(")
    with pytest.raises(DataError) as error:
        with_image(tmp_path, np.where(image > 0.5, np.nan, image))
    assert_says(error, "a.npy", "finite", "found NaN", "24 values")


def test_wide_integers_are_read_as_16_bit(tmp_path: Path) -> None:
    image = np.arange(48).reshape(6, 8) * 1000
    np.testing.assert_allclose(with_image(tmp_path, image)[..., 0], image / 65535, atol=1e-6)
    for odd in (image * 100, image - 1):
        with pytest.raises(DataError) as error:
            with_image(tmp_path, odd)
        assert_says(error, "a.npy", "0 to 65535", "image_range=(")


def test_an_exif_orientation_on_one_side_is_named(tmp_path: Path) -> None:
    images, masks = folders(tmp_path, {"a.png": IDS})
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(IMAGE).save(images / "a.png", exif=exif)
    with pytest.raises(DataError) as error:
        read_folder(images, masks)[0]
    assert_says(error, "8 x 6", "found 6 x 8", "only a.png has an Exif orientation")
    Image.fromarray(IDS).save(masks / "a.png", exif=exif)
    sample = read_folder(images, masks)[0]
    np.testing.assert_array_equal(sample.mask, np.rot90(IDS, -1))
    np.testing.assert_allclose(sample.image, np.rot90(IMAGE, -1) / 255, atol=1e-6)


def test_each_page_of_a_stack_is_a_sample(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    stack = np.stack([IDS + 10 * i for i in range(3)])
    tifffile.imwrite(tmp_path / "images" / "a.tif", stack, photometric="minisblack")
    tifffile.imwrite(tmp_path / "masks" / "a.tif", stack % 10, photometric="minisblack")
    samples = read_folder(tmp_path / "images", tmp_path / "masks", pages="stack")
    assert samples.names == ["a page 00", "a page 01", "a page 02"]
    assert samples.groups == ["a", "a", "a"]  # slices of one volume look alike
    for number, sample in enumerate(samples):
        np.testing.assert_array_equal(samples.arrays(number).image[..., 0], stack[number])
        np.testing.assert_array_equal(sample.mask, IDS)
    one = read_folder(tmp_path / "images", tmp_path / "masks", pages=1)
    np.testing.assert_array_equal(one.arrays(0).image[..., 0], stack[1])
    tifffile.imwrite(tmp_path / "masks" / "a.tif", stack[:2] % 10, photometric="minisblack")
    with pytest.raises(DataError) as error:
        read_folder(tmp_path / "images", tmp_path / "masks", pages="stack")
    assert_says(error, "as many pages", "3, found 2")

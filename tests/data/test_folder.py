"""Folders of files: what is read, by which rule, and what every unfit file is told."""

from collections.abc import Mapping
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from builders import assert_says
from PIL import Image

from unet_helpers.data.formats.decode import read_pixels
from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.samples import DataError, Samples

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 8), np.uint8)
HALVES = np.repeat([[0, 1]], 6, axis=0).repeat(4, axis=1).astype(np.uint8)  # 6 x 8, 0 then 1


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        # Pillow writes no RGB of 16 bits.
        path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))
    else:
        tifffile.imwrite(path, pixels)
    return path


def write_set(
    root: Path, masks: Mapping[str, np.ndarray], images: Mapping[str, np.ndarray] | None = None
) -> tuple[Path, Path]:
    for stem, mask in masks.items():
        write(root / "masks" / f"{stem}.png", mask)
    for stem, image in (images or dict.fromkeys(masks, GREY)).items():
        write(root / "images" / f"{stem}.png", image)
    return root / "images", root / "masks"


def one_mask(root: Path, mask: np.ndarray, **settings: object) -> Samples:
    return read_folder(*write_set(root, {"a": mask}), **settings)


# --- images -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_8_and_16_bits_grey_and_rgb(
    tmp_path: Path, suffix: str, dtype: type, channels: int
) -> None:
    shape = (6, 8, 3) if channels == 3 else (6, 8)
    pixels = RNG.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    pixels.flat[:2] = 0, np.iinfo(dtype).max
    write(tmp_path / "images" / f"a{suffix}", pixels)
    write(tmp_path / "masks" / "a.png", HALVES)
    samples = read_folder(tmp_path / "images", tmp_path / "masks")
    expected = pixels.reshape(6, 8, channels)
    np.testing.assert_array_equal(samples.arrays(0).image, expected)
    image = samples[0].image
    np.testing.assert_allclose(image, expected / np.iinfo(dtype).max, rtol=1e-6)
    assert (image.dtype, image.min(), image.max()) == (np.float32, 0, 1)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_alpha_channel_is_left_out(tmp_path: Path, suffix: str) -> None:
    rgba = RNG.integers(0, 256, (6, 8, 4), np.uint8)
    folders = write_set(tmp_path, {"a": HALVES})
    (tmp_path / "images" / "a.png").unlink()
    write(tmp_path / "images" / f"a{suffix}", rgba)
    np.testing.assert_array_equal(read_folder(*folders).arrays(0).image, rgba[..., :3])


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
def test_compressed_tiff_is_read(tmp_path: Path, compression: str) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.tif"), GREY)


def test_a_one_bit_mask_holds_0_and_1(tmp_path: Path) -> None:
    folders = write_set(tmp_path, {"a": HALVES})
    Image.fromarray(HALVES.astype(bool)).save(tmp_path / "masks" / "a.png")
    np.testing.assert_array_equal(read_folder(*folders)[0].mask, HALVES)


def test_a_palette_mask_holds_indices_not_colours(tmp_path: Path) -> None:
    folders = write_set(tmp_path, {"a": HALVES})
    palette = Image.fromarray(HALVES * 2, mode="P")
    palette.putpalette([0, 0, 0, 9, 9, 9, 200, 10, 10])
    palette.save(tmp_path / "masks" / "a.png")
    samples = read_folder(*folders, mask_values={0: 0, 2: 1})
    np.testing.assert_array_equal(samples[0].mask, HALVES)


# --- the rule from mask values to class ids -----------------------------------------------------


@pytest.mark.parametrize("top", [1, 255])
def test_two_values_are_background_and_foreground(tmp_path: Path, top: int) -> None:
    samples = one_mask(tmp_path, HALVES * np.uint8(top))
    np.testing.assert_array_equal(samples[0].mask, HALVES)
    assert samples[0].mask.dtype == np.uint8
    assert samples.class_names == ("background", "foreground")
    for part in ("inferred", "0 is background", f"{top} is foreground"):
        assert part in samples.rule


@pytest.mark.parametrize(("value", "class_id"), [(0, 0), (255, 1)])
def test_masks_of_one_value_only(tmp_path: Path, value: int, class_id: int) -> None:
    samples = one_mask(tmp_path, np.full((6, 8), value, np.uint8))
    assert samples.num_classes == 2
    assert (samples[0].mask == class_id).all()


def test_the_rule_comes_from_all_masks_together(tmp_path: Path) -> None:
    empty, full = np.zeros((6, 8), np.uint8), HALVES * np.uint8(255)
    samples = read_folder(*write_set(tmp_path, {"1": empty, "2": full}))
    assert samples[0].mask.max() == 0
    np.testing.assert_array_equal(samples[1].mask, HALVES)


def test_label_masks_are_class_ids(tmp_path: Path) -> None:
    labels = np.arange(48, dtype=np.uint8).reshape(6, 8) % 4
    samples = one_mask(tmp_path, labels)
    np.testing.assert_array_equal(samples[0].mask, labels)
    assert samples.class_names == ("class 0", "class 1", "class 2", "class 3")


def test_class_names_allow_ids_that_no_mask_holds(tmp_path: Path) -> None:
    names = ("sky", "road", "car", "tree")
    samples = one_mask(tmp_path, HALVES * np.uint8(2), class_names=names)
    np.testing.assert_array_equal(samples[0].mask, HALVES * 2)
    assert (samples.class_names, samples.foreground) == (names, names[1:])


def test_a_16_bit_mask_is_read_like_an_8_bit_one(tmp_path: Path) -> None:
    samples = one_mask(tmp_path, HALVES.astype(np.uint16))
    np.testing.assert_array_equal(samples[0].mask, HALVES)
    assert samples[0].mask.dtype == np.uint8


def test_a_grey_mask_that_was_saved_as_rgb_is_grey(tmp_path: Path) -> None:
    samples = one_mask(tmp_path, np.repeat(HALVES[..., None] * np.uint8(255), 3, axis=2))
    np.testing.assert_array_equal(samples[0].mask, HALVES)


def test_given_values_are_taken_as_given(tmp_path: Path) -> None:
    samples = one_mask(tmp_path, HALVES * np.uint8(128), mask_values={0: 1, 128: 0})
    np.testing.assert_array_equal(samples[0].mask, 1 - HALVES)
    assert "as given" in samples.rule


def test_the_ignore_value_stays_and_is_no_class(tmp_path: Path) -> None:
    mask = HALVES.copy()
    mask[0] = 255
    samples = one_mask(tmp_path, mask, ignore_value=255)
    np.testing.assert_array_equal(samples[0].mask, mask)
    assert (samples.num_classes, samples.ignore_value) == (2, 255)
    assert samples.class_share() == {"background": 0.5, "foreground": 0.5}


@pytest.mark.parametrize(
    "settings",
    [
        {"mask_values": {0: 0, 1: 1, 3: 2}, "ignore_value": 2},
        {"class_names": ("a", "b", "c"), "ignore_value": 2},
    ],
)
def test_the_ignore_value_must_not_be_a_class_id(tmp_path: Path, settings: dict) -> None:
    # File value 3 becomes class 2, and the pixels to ignore keep their 2: nobody could tell them.
    mask = HALVES.copy()
    mask[0] = 3 if "mask_values" in settings else 2
    mask[1] = 2
    with pytest.raises(DataError) as error:
        one_mask(tmp_path, mask, **settings)
    assert_says(error, "ignore_value", "2")


# --- pairing ------------------------------------------------------------------------------------


def test_files_come_in_the_order_in_which_a_person_counts(tmp_path: Path) -> None:
    stems = ["10", "2", "1", "a10", "a9", "b"]
    samples = read_folder(*write_set(tmp_path, dict.fromkeys(stems, HALVES)))
    assert samples.names == ["1", "2", "10", "a9", "a10", "b"]


def test_hidden_and_foreign_files_do_not_count(tmp_path: Path) -> None:
    folders = write_set(tmp_path, {"a": HALVES})
    (tmp_path / "images" / "notes.txt").write_text("mine")
    (tmp_path / "images" / "._a.png").write_text("left by a file manager")
    assert read_folder(*folders).names == ["a"]


def test_groups_and_parts_come_from_the_stem(tmp_path: Path) -> None:
    folders = write_set(tmp_path, dict.fromkeys(["p1_a", "p1_b", "p2_a", "p3_a"], HALVES))
    parts = {"1": "train", "2": "test", "3": "val"}
    samples = read_folder(*folders, group=lambda s: s[:2], split=lambda s: parts[s[1]])
    assert samples.groups == ["p1", "p1", "p2", "p3"]
    train, val, test = samples.split()
    assert (train.names, val.names, test.names) == (["p1_a", "p1_b"], ["p3_a"], ["p2_a"])
    with pytest.raises(ValueError) as error:
        samples[:3].split()
    assert_says(error, "own split", "train, val and test", "found 2, 0, 1", "name every part")


def test_each_image_is_a_group_of_its_own_unless_told_otherwise(tmp_path: Path) -> None:
    samples = read_folder(*write_set(tmp_path, dict.fromkeys("abc", HALVES)))
    assert samples.groups == samples.names == ["a", "b", "c"]
    assert samples.name == tmp_path.name


def test_with_given_values_no_file_is_opened_before_it_is_asked_for(tmp_path: Path) -> None:
    folders = write_set(tmp_path, {"a": HALVES, "b": HALVES})
    (tmp_path / "images" / "b.png").write_text("no image")
    samples = read_folder(*folders, mask_values={0: 0, 1: 1})
    assert samples[0].name == "a"


# --- unfit input: one sentence each -------------------------------------------------------------


@pytest.mark.parametrize("argument", ["images", "masks"])
def test_missing_folder(tmp_path: Path, argument: str) -> None:
    write_set(tmp_path, {"a": HALVES})
    (tmp_path / argument / "a.png").unlink()
    (tmp_path / argument).rmdir()
    with pytest.raises(DataError) as error:
        read_folder(tmp_path / "images", tmp_path / "masks")
    assert_says(error, tmp_path / argument, f"{argument} must be a folder", "found nothing", "path")


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, {"a": HALVES})
    with pytest.raises(DataError) as error:
        read_folder(images / "a.png", masks)
    assert_says(error, images / "a.png", "images must be a folder", "found a file")


def test_no_pairs_in_an_empty_folder(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, {"a": HALVES})
    (images / "a.png").rename(images / "a.dcm")
    with pytest.raises(DataError) as error:
        read_folder(images, masks)
    assert_says(error, images, ".png .jpg", "found only .dcm", "convert the files")


def test_image_without_its_mask(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, {"a": HALVES}, {"a": GREY, "b": GREY, "c": GREY})
    with pytest.raises(DataError) as error:
        read_folder(images, masks)
    assert_says(
        error, images / "b.png", "needs a mask", "'b'", masks, "found names like 'a.png' (2 without"
    )


def test_mask_without_its_image(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, {"a": HALVES, "b": HALVES}, {"a": GREY})
    with pytest.raises(DataError) as error:
        read_folder(images, masks)
    assert_says(
        error,
        masks / "b.png",
        "needs an image",
        "'b'",
        images,
        "found names like 'a.png' (1 without",
    )


def test_mask_of_another_size(tmp_path: Path) -> None:
    folders = write_set(tmp_path, {"a": HALVES[:5]})
    with pytest.raises(DataError) as error:
        read_folder(*folders)[0]
    assert_says(error, folders[1] / "a.png", "6 x 8", "found 5 x 8", "export the mask again")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_garbage_in_place_of_an_image(tmp_path: Path, suffix: str) -> None:
    folders = write_set(tmp_path, {"a": HALVES})
    (tmp_path / "images" / "a.png").unlink()
    bad = tmp_path / "images" / f"a{suffix}"
    bad.write_bytes(b"this is not an image\n" * 9)
    with pytest.raises(DataError) as error:
        read_folder(*folders)[0]
    assert_says(error, bad, f"readable {suffix[1:].upper()} file", "found one", "replace the file")


@pytest.mark.parametrize("length", [0, 10, 200, 0.5])
@pytest.mark.parametrize("file_type", ["a.png", "plain.tif", "lzw.tif"])
def test_truncated_file(tmp_path: Path, file_type: str, length: float) -> None:
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64), np.uint8))
    path = tmp_path / file_type
    noise.save(path, **({"compression": "tiff_lzw"} if "lzw" in file_type else {}))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * length) if length < 1 else int(length)])
    with pytest.raises(DataError) as error:
        read_pixels(path)
    assert_says(error, path, "readable", "does not decode", "replace the file")


def test_unexpected_mask_value(tmp_path: Path) -> None:
    mask = HALVES.copy()
    mask[0, :3] = 7
    folders = write_set(tmp_path, {"a": HALVES, "b": mask})
    samples = read_folder(*folders, mask_values={0: 0, 1: 1})
    samples[0]
    with pytest.raises(DataError) as error:
        samples[1]
    assert_says(error, folders[1] / "b.png", "one of 0, 1", "found 7 in 3 pixels", "mask_values")


def test_values_that_could_mean_two_things(tmp_path: Path) -> None:
    mask = HALVES * np.uint8(255)
    mask[0] = 128
    with pytest.raises(DataError) as error:
        one_mask(tmp_path, mask)
    found, advice = "found 0, 128, 255", "mask_values={0: 0, 128: 1, 255: 2}"
    assert_says(error, "a.png", "0/1, 0/255 or class ids", found, advice)


def test_class_ids_with_a_gap_need_names_or_a_rule(tmp_path: Path) -> None:
    mask = HALVES * np.uint8(3)
    with pytest.raises(DataError) as error:
        one_mask(tmp_path, mask)
    assert_says(error, "a.png", "found 0, 3", "mask_values={0: 0, 3: 1}")


def test_masks_of_nothing_but_the_ignore_value(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        one_mask(tmp_path, np.full((6, 8), 255, np.uint8), ignore_value=255)
    assert_says(error, "a.png", "found none but the ignore value", "say what they mean")


def test_two_files_with_one_stem(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, {"a": HALVES})
    write(images / "a.tif", GREY)
    with pytest.raises(DataError) as error:
        read_folder(images, masks)
    assert_says(error, masks / "a.png", "one partner", "2 candidates, a.png, a.tif", "remove or")


@pytest.mark.parametrize("second", [(6, 8), (5, 5)])
def test_tiff_of_several_pages(tmp_path: Path, second: tuple[int, int]) -> None:
    path = tmp_path / "stack.tif"
    more = [Image.fromarray(np.zeros(second, np.uint8))]
    Image.fromarray(GREY).save(path, save_all=True, append_images=more)
    with pytest.raises(DataError) as error:
        read_pixels(path)
    assert_says(error, path, "one page", "found 2 pages of 6 x 8", "pages=0", "pages='stack'")


def test_mask_in_colours(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        one_mask(tmp_path, RNG.integers(0, 256, (6, 8, 3), np.uint8))
    assert_says(error, "a.png", "one channel", "found 3 channels", "class ids")


def test_mask_of_floats(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, {"a": HALVES})
    (masks / "a.png").unlink()
    write(masks / "a.tif", HALVES.astype(np.float32))
    np.testing.assert_array_equal(read_folder(images, masks)[0].mask, HALVES)
    write(masks / "a.tif", HALVES.astype(np.float32) * 0.5)
    with pytest.raises(DataError) as error:
        read_folder(images, masks)
    assert_says(error, masks / "a.tif", "whole numbers", "found dtype float32", "0.5", "class ids")


def test_a_smoothed_mask_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        one_mask(tmp_path, np.arange(48, dtype=np.uint8).reshape(6, 8) * 5)
    assert_says(error, "a.png", "48 values", "resized or saved as JPEG", "nearest neighbour")


def test_class_ids_have_no_gaps_and_names_come_in_a_list(tmp_path: Path) -> None:
    folders = write_set(tmp_path, {"a": HALVES})
    with pytest.raises(ValueError) as error:
        read_folder(*folders, mask_values={0: 0, 255: 255})
    assert_says(error, "mask_values", "without gaps", "found [0, 255]", "{0: 0, 255: 1}")
    with pytest.raises(ValueError) as error:
        read_folder(*folders, class_names="cell")
    assert_says(error, "class_names", "a list", "found 'cell'", "write class_names=[")


def test_two_encodings_in_one_folder_are_told_with_the_file_that_differs(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, {"a": HALVES, "b": HALVES * np.uint8(255), "c": HALVES})
    with pytest.raises(DataError) as error:
        read_folder(images, masks)
    assert_says(error, masks / "b.png", "found 0, 1, 255", "save all alike", "ignore_value=255")

"""Each fault is named when it is there, with its file and the right fix, and not when it is not."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage
from sick import SIDE, Folder, field, save

from unet_helpers.data.doctor import rules_places
from unet_helpers.data.doctor.check import check
from unet_helpers.data.doctor.colours import grey_of, voc_colour
from unet_helpers.data.doctor.looking import show_pair
from unet_helpers.data.doctor.report import Report, explain
from unet_helpers.data.doctor.suspicions import Suspicion, undo_shift
from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.load import load


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def look(folder: Folder, **settings) -> Report:
    return check(folder.images, folder.masks, patch=32, **settings)


def the(report: Report, name: str):
    """The only finding of a name."""
    assert name in report.names, f"{name} not among {report.names}:\n{report}"
    assert len(report[name]) == 1, str(report)
    return report[name][0]


def binary(values: tuple[int, int]):
    return lambda mask: np.where(mask > 0, values[1], values[0]).astype(np.uint8)


def table(*codes: int, dtype: type = np.uint8):
    return lambda mask: np.array(codes, dtype)[mask]


def test_a_healthy_folder_has_no_findings(folder: Folder) -> None:
    report = look(folder)
    assert report.names == [], str(report)
    assert report.ok and report.images == folder.count


# --- files --------------------------------------------------------------------------------------


def test_empty_folders(tmp_path: Path) -> None:
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    report = check(tmp_path / "images", tmp_path / "masks")
    assert report.names == ["no-pairs"] and not report.ok


def test_names_that_do_not_fit(folder: Folder) -> None:
    for i in range(folder.count):
        folder.mask(i).rename(folder.masks / f"{'qwert'[i]}.png")
    assert "cell_00.png" in the(look(folder), "no-pairs").message


def test_a_pattern_that_fits_nothing_is_told(folder: Folder) -> None:
    message = the(look(folder, pattern="patient{stem}"), "no-pairs").message
    assert "'patient{stem}': try without --pattern" in message


def test_images_in_subfolders_are_told(folder: Folder) -> None:
    inner = folder.images / "a"
    inner.mkdir()
    for i in range(folder.count):
        folder.image(i).rename(inner / folder.image(i).name)
    message = the(look(folder), "no-pairs").message
    assert f"only folders here (a): subfolders are not searched; give {inner}" in message
    assert str(folder.masks) not in message


@pytest.mark.parametrize("change", ["ids", "levels", "colours"])
def test_folders_exchanged_is_the_first_thing_said(folder: Folder, change: str) -> None:
    codes = {"ids": [0, 1, 2], "levels": [0, 128, 255], "colours": list(COLOURS)}[change]
    folder.masks_by(lambda mask: np.array(codes, np.uint8)[mask])
    report = check(folder.masks, folder.images, patch=32)
    assert report.names == ["folders-exchanged"] and not report.ok and report.rule == ""
    assert f"doctor {folder.images} {folder.masks}" in the(report, "folders-exchanged").fix
    assert not look(folder)["folders-exchanged"]


def test_masks_like_photographs_beside_photographs_are_not_exchanged(folder: Folder) -> None:
    folder.masks_by(lambda mask: field(0)[0])
    assert not look(folder)["folders-exchanged"]


def test_image_without_mask(folder: Folder) -> None:
    folder.mask(3).unlink()
    assert the(look(folder), "image-without-mask").files == (str(folder.image(3)),)


def test_mask_without_image(folder: Folder) -> None:
    folder.image(3).unlink()
    report = look(folder)
    assert the(report, "mask-without-image").files == (str(folder.mask(3)),)
    assert report.errors


def test_several_candidates(folder: Folder) -> None:
    tifffile.imwrite(folder.masks / "cell_02.tif", field(2)[1])
    found = the(look(folder), "several-candidates")
    assert {Path(file).name for file in found.files} >= {"cell_02.tif", "cell_02.png"}


def test_names_that_differ_in_case(folder: Folder) -> None:
    save(folder.images / "CELL_02.png", field(2)[0][::-1])
    save(folder.masks / "CELL_02.png", field(2)[1][::-1])
    if len(list(folder.images.iterdir())) == folder.count:
        pytest.skip("this file system takes both names for one")
    found = look(folder)["name-collision"]
    assert found and "case" in found[0].message


def test_names_that_differ_in_unicode_form(folder: Folder) -> None:
    for form in ("NFC", "NFD"):
        save(folder.images / f"{unicodedata.normalize(form, 'zellé')}.png", field(9)[0])
        save(folder.masks / f"{unicodedata.normalize(form, 'zellé')}.png", field(9)[1])
    if len(list(folder.images.iterdir())) == folder.count + 1:
        pytest.skip("this file system takes both names for one")
    found = look(folder)["name-collision"]
    assert found and "Unicode" in found[0].message


@pytest.mark.parametrize("side", ["image", "mask"])
def test_files_that_do_not_read(folder: Folder, side: str) -> None:
    empty, cut, text = (getattr(folder, side)(i) for i in (1, 2, 3))
    empty.write_bytes(b"")
    cut.write_bytes(cut.read_bytes()[: len(cut.read_bytes()) // 2])
    text.write_bytes(b"not an image at all")
    report = look(folder)
    for name, file in (("empty-file", empty), ("truncated", cut), ("unreadable", text)):
        assert the(report, name).files == (str(file),)
        assert the(report, name).severity == "error"


def test_several_pages(folder: Folder) -> None:
    folder.image(0).unlink()
    pages = [Image.fromarray(field(k)[0]) for k in (0, 1)]
    pages[0].save(folder.images / "cell_00.tif", save_all=True, append_images=pages[1:])
    assert "2 pages" in the(look(folder), "unsupported").message


def test_size_differs(folder: Folder) -> None:
    save(folder.mask(4), field(4)[1][:-8])
    found = the(look(folder), "size-differs")
    assert found.values == (f"{SIDE} x {SIDE}", f"{SIDE - 8} x {SIDE}")
    assert "NEAREST" in found.fix


def test_turned_by_size(folder: Folder) -> None:
    save(folder.image(4), field(4)[0][:64])
    save(folder.mask(4), field(4)[1][:64].T.copy())
    report = look(folder)
    assert "rot90" in the(report, "mask-turned").fix
    assert not report["size-differs"]


def exif(orientation: int) -> Image.Exif:
    marks = Image.Exif()
    marks[0x0112] = orientation
    return marks


def test_exif_mark_on_the_image_alone(folder: Folder) -> None:
    save(folder.image(4), field(4)[0], exif=exif(6))
    report = look(folder)
    assert the(report, "exif-rotation-one-side").severity == "error"
    assert "exif_transpose" in report["exif-rotation-one-side"][0].fix


def test_exif_mark_that_sizes_prove_right_weighs_less(folder: Folder) -> None:
    # A camera stored the picture lying; the mask was drawn on the upright one.
    upright = np.ascontiguousarray(np.rot90(field(4)[0][:64]))
    save(folder.image(4), upright, exif=exif(6))
    save(folder.mask(4), field(4)[1][:64])
    report = look(folder)
    assert the(report, "exif-rotation-one-side").severity == "warning"
    assert not report["mask-turned"]


def test_exif_mark_that_sizes_prove_wrong(folder: Folder) -> None:
    save(folder.image(4), field(4)[0][:64], exif=exif(6))
    save(folder.mask(4), field(4)[1][:64])
    report = look(folder)
    assert the(report, "exif-rotation-one-side").severity == "error"
    assert not report["mask-turned"] and not report["size-differs"]


def test_exif_marks_on_both_sides_agree(folder: Folder) -> None:
    save(folder.image(4), field(4)[0], exif=exif(6))
    save(folder.mask(4), field(4)[1], exif=exif(6))
    assert not look(folder)["exif-rotation-one-side"]


# --- masks --------------------------------------------------------------------------------------


def test_0_and_255_is_a_note_with_the_translation(folder: Folder) -> None:
    report = look(folder.masks_by(binary((0, 255))))
    assert report.names == ["mask-0-255"] and report.ok
    assert "> 127" in the(report, "mask-0-255").fix


@pytest.mark.parametrize("ending", ["png", "tif", "npy"])
def test_masks_of_one_bit_are_0_and_1(folder: Folder, ending: str) -> None:
    for i in range(folder.count):
        mask, path = field(i)[1] > 0, folder.mask(i).with_suffix(f".{ending}")
        folder.mask(i).unlink()
        if ending == "npy":
            np.save(path, mask)
        else:
            Image.fromarray(mask).save(path)
    report = look(folder)
    assert report.names == [] and report.rule == "0 is background, 1 is foreground"
    ids = read_folder(folder.images, folder.masks).arrays(2).mask
    assert np.array_equal(show_pair(report.sources["cell_02"], report.encoding)[1], ids)


@pytest.mark.parametrize("codes", [(0, 128, 255), (0, 127, 255), (0, 85, 170)])
def test_grey_levels_need_a_rule(folder: Folder, codes: tuple[int, ...]) -> None:
    report = look(folder.masks_by(table(*codes)))
    assert report.names == ["mask-grey-levels"] and report.ok
    assert f"{{0: 0, {codes[1]}: 1, {codes[2]}: 2}}" in the(report, "mask-grey-levels").fix


def test_a_rule_from_the_user_silences_what_it_explains(folder: Folder) -> None:
    folder.masks_by(table(0, 128, 255))
    assert look(folder, mask_values={0: 0, 128: 1, 255: 2}).names == []


def test_a_wrong_rule_from_the_user_does_not(folder: Folder) -> None:
    folder.masks_by(table(0, 128, 255))
    report = look(folder, mask_values={0: 0, 127: 1, 255: 2})
    assert len(report["unexpected-value"]) == folder.count


def test_ids_that_start_at_1(folder: Folder) -> None:
    report = look(folder.masks_by(table(1, 2, 3)))
    fix = the(report, "mask-off-by-one").fix
    assert "{1: 0, 2: 1, 3: 2}" in fix and "trimap" in fix and "ignore_value=3" in fix
    assert report.names == ["mask-off-by-one"] and report.ok


def test_ids_that_start_at_1_and_two_names(folder: Folder) -> None:
    folder.masks_by(lambda mask: (mask > 0).astype(np.uint8) + 1)
    assert the(look(folder), "mask-off-by-one").severity == "warning"
    report = look(folder, class_names=["background", "cell"])
    assert the(report, "mask-off-by-one").severity == "error"


def test_one_mask_that_starts_at_1(folder: Folder) -> None:
    save(folder.mask(4), field(4)[1] + 1)
    found = the(look(folder), "mask-off-by-one")
    assert found.files == (str(folder.mask(4)),) and found.severity == "error"


def test_a_close_up_without_background_is_not_off_by_one(folder: Folder) -> None:
    save(folder.mask(4), np.maximum(field(4)[1], 1))
    assert not look(folder)["mask-off-by-one"]


@pytest.mark.parametrize("value", [7, 77, 255])
def test_a_stray_value(folder: Folder, value: int) -> None:
    mask = field(4)[1].copy()
    mask[10:13, 10:14] = value
    save(folder.mask(4), mask)
    report = look(folder, class_names=["background", "cytoplasm", "nucleus"])
    name = "mask-ignore-value" if value == 255 else "unexpected-value"
    found = the(report, name)
    assert found.values == (value,) and found.files == (str(folder.mask(4)),)
    assert value == 255 or found.counts["pixels"] == 12


def test_a_stray_value_between_0_and_255(folder: Folder) -> None:
    folder.masks_by(binary((0, 255)))
    mask = binary((0, 255))(field(4)[1])
    mask[10:13, 10:14] = 77
    save(folder.mask(4), mask)
    report = look(folder)
    assert the(report, "unexpected-value").values == (77,)
    assert "mask-0-255" in report.names


def test_the_ignore_value_is_told_and_then_silent(folder: Folder) -> None:
    folder.masks_by(table(0, 255, 1))
    assert look(folder).names == ["mask-ignore-value"]
    assert look(folder, ignore_value=255).names == []


def test_two_encodings_in_one_set(folder: Folder) -> None:
    folder.masks_by(binary((0, 255)))
    save(folder.mask(2), binary((0, 1))(field(2)[1]))
    found = the(look(folder), "mixed-encodings")
    assert found.files == (str(folder.mask(2)),) and "searchsorted" in found.fix


@pytest.mark.parametrize("quality", [95, 75, 50])
@pytest.mark.parametrize("codes", [(0, 255, 255), (0, 128, 255)])
def test_masks_saved_as_jpeg(folder: Folder, quality: int, codes: tuple[int, ...]) -> None:
    for i in range(folder.count):
        folder.mask(i).unlink()
        save(folder.mask(i).with_suffix(".jpg"), table(*codes)(field(i)[1]), quality=quality)
    report = look(folder)
    assert len(report["mask-in-between-values"]) == folder.count
    assert f"[{', '.join(map(str, sorted({*codes})))}]" in report[0].fix
    assert not report["unexpected-value"]


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.5, 2.0])
@pytest.mark.parametrize("some", [1, 5])
def test_masks_resized_smoothly(folder: Folder, scale: float, some: int) -> None:
    folder.masks_by(table(0, 128, 255))
    for i in range(some):
        side = int(SIDE * scale)
        for path, method in ((folder.image(i), Image.Resampling.BILINEAR), (folder.mask(i), None)):
            small = Image.open(path).resize((side, side), method or Image.Resampling.BILINEAR)
            small.save(path)
    report = look(folder)
    assert len(report["mask-in-between-values"]) == some
    assert not report["unexpected-value"], str(report)


def test_smooth_values_that_jpeg_left_in_a_png(folder: Folder) -> None:
    save(folder.root / "x.jpg", binary((0, 255))(field(1)[1]), quality=80)
    folder.masks_by(binary((0, 255)))
    Image.open(folder.root / "x.jpg").save(folder.mask(1))
    report = look(folder)
    assert the(report, "mask-in-between-values").files == (str(folder.mask(1)),)


def test_numbered_objects(folder: Folder) -> None:
    for i in range(folder.count):
        save(folder.mask(i), objects(i + 2))
    report = look(folder)
    assert "instances=True" in the(report, "mask-instance-ids").fix
    assert report.names == ["mask-instance-ids"]
    assert look(folder, instances=True).names == []


def objects(count: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint16)
    for k in range(count):
        top, left = 12 * (k % 8), 14 * (k // 8) + 5 * (k % 2)
        mask[top + 1 : top + 10, left : left + 9] = k + 1
    return mask


def test_objects_with_soft_edges_are_in_between_values(folder: Folder) -> None:
    for i in range(folder.count):
        picture = Image.fromarray(objects(i + 4).astype(np.uint8) * 20)
        save(folder.mask(i), np.asarray(picture.resize((60, 60), Image.Resampling.BILINEAR)))
        save(folder.image(i), field(i)[0][:60, :60])
    assert len(look(folder)["mask-in-between-values"]) == folder.count


def test_a_mask_of_200_classes_is_no_set_of_objects(folder: Folder) -> None:
    rng = np.random.default_rng(0)
    for i in range(folder.count):
        blocks = rng.permutation(np.arange(24 * 24) % 200).reshape(24, 24).astype(np.uint8)
        save(folder.mask(i), np.kron(blocks, np.ones((4, 4), np.uint8)))
    assert look(folder).names == []


def test_voc_palette_read_as_grey(folder: Folder) -> None:
    greys = [grey_of(voc_colour(k)) for k in (0, 1, 2)]
    report = look(folder.masks_by(table(*greys)))
    found = the(report, "mask-colours-as-grey")
    assert found.severity == "error" and "VOC" in found.message


def test_primary_colours_read_as_grey(folder: Folder) -> None:
    colours = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8)
    for i in range(folder.count):
        Image.fromarray(colours[field(i)[1]]).convert("L").save(folder.mask(i))
    assert "red, green, blue" in the(look(folder), "mask-colours-as-grey").message


def test_colours_are_told_with_their_map(folder: Folder) -> None:
    colours = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8)
    report = look(folder.masks_by(lambda mask: colours[mask]))
    assert "(255, 0, 0)" in the(report, "mask-colours").fix and report.names == ["mask-colours"]


COLOURS = {(0, 0, 0): 0, (255, 0, 0): 1, (0, 0, 255): 2}


def test_colours_that_are_given_are_silent_but_for_others(folder: Folder) -> None:
    folder.masks_by(lambda mask: np.array(list(COLOURS), np.uint8)[mask])
    assert "--colours 0,0,0:0" in the(look(folder), "mask-colours").fix
    report = look(folder, colours=COLOURS)
    assert report.names == [] and "(255, 0, 0) is class 1" in report.rule
    named = dict(zip(COLOURS, ["ground", "cell", None], strict=True))
    report = look(folder, colours=named)
    assert report.names == [] and report.encoding.ignore == 255
    assert "(255, 0, 0) is cell" in report.rule and report.options["class_names"][1] == "cell"
    odd = np.array(list(COLOURS), np.uint8)[field(1)[1]]
    odd[:2, :3] = 7, 8, 9
    save(folder.mask(1), odd)
    found = the(look(folder, colours=COLOURS), "unexpected-value")
    assert found.values == ("(7, 8, 9)",) and found.counts["pixels"] == 6


def test_one_colour_mask_among_grey_ones(folder: Folder) -> None:
    colours = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8)
    save(folder.mask(4), colours[field(4)[1]])
    found = the(look(folder), "mask-colours")
    assert found.severity == "error" and found.files == (str(folder.mask(4)),)


def test_a_palette_is_a_note(folder: Folder) -> None:
    for i in range(folder.count):
        picture = Image.fromarray(field(i)[1]).convert("P")
        picture.putpalette([c for k in range(3) for c in voc_colour(k).to_bytes(3, "big")])
        picture.save(folder.mask(i))
    report = look(folder)
    assert report.names == ["mask-palette"] and report.ok


def test_grey_saved_as_rgb_is_fine(folder: Folder) -> None:
    assert look(folder.masks_by(lambda m: np.repeat(m[..., None], 3, 2))).names == []


def test_alpha(folder: Folder) -> None:
    def rgba(mask, alpha):
        return np.dstack([mask, mask, mask, alpha]).astype(np.uint8)

    full = np.full((SIDE, SIDE), 255)
    assert the(look(folder.masks_by(lambda m: rgba(m, full))), "mask-alpha").severity == "note"
    report = look(folder.masks_by(lambda m: rgba(m, np.where(m > 0, 255, 0))))
    assert the(report, "mask-alpha").severity == "warning"
    report = look(folder.masks_by(lambda m: rgba(full, np.where(m > 0, 255, 0))))
    assert the(report, "mask-alpha").severity == "error"
    assert "[..., -1]" in the(report, "mask-alpha").fix


# --- classes ------------------------------------------------------------------------------------


def test_all_background_and_all_foreground(folder: Folder) -> None:
    save(folder.mask(1), np.zeros((SIDE, SIDE), np.uint8))
    save(folder.mask(2), np.ones((SIDE, SIDE), np.uint8))
    report = look(folder)
    assert the(report, "all-background").files == (str(folder.mask(1)),)
    assert the(report, "all-background").severity == "note"
    assert the(report, "all-foreground").files == (str(folder.mask(2)),)


def test_only_background(folder: Folder) -> None:
    report = look(folder.masks_by(np.zeros_like))
    assert the(report, "all-background").severity == "error"


def test_nothing_labelled(folder: Folder) -> None:
    save(folder.mask(1), np.full((SIDE, SIDE), 255, np.uint8))
    report = look(folder, ignore_value=255)
    assert the(report, "nothing-labelled").files == (str(folder.mask(1)),)


def test_a_class_that_is_never_seen(folder: Folder) -> None:
    report = look(folder, class_names=["background", "cytoplasm", "nucleus", "vacuole"])
    assert the(report, "class-never-seen").values == ("vacuole",)


def test_a_class_that_patches_miss(folder: Folder) -> None:
    for i in range(folder.count):
        mask = np.minimum(field(i)[1], 1)
        if i == 3:
            mask[:2, :2] = 2
        save(folder.mask(i), mask)
    found = the(look(folder), "class-too-rare-for-patch")
    assert found.counts["chance"] < 0.01 and found.values == ("class 2",)
    assert not check(folder.images, folder.masks, patch=96)["class-too-rare-for-patch"]


def test_a_class_missing_from_a_part(folder: Folder) -> None:
    for i in range(folder.count):
        save(folder.mask(i), np.minimum(field(i)[1], 2 if i < 3 else 1))
    for missing, severity in (("val", "warning"), ("train", "error")):
        other = "train" if missing == "val" else "val"
        report = look(folder, split=lambda n, m=missing, o=other: o if int(n[-2:]) < 3 else m)
        found = the(report, "class-missing-from-split")
        assert found.severity == severity and found.message.startswith(missing)


# --- images -------------------------------------------------------------------------------------


def test_nan(folder: Folder) -> None:
    for i in range(folder.count):
        picture = field(i)[0].astype(np.float32) / 255
        if i == 3:
            picture[3, 4] = np.nan
            picture[5, 5, 0] = np.inf
        folder.image(i).unlink()
        tifffile.imwrite(folder.image(i).with_suffix(".tif"), picture, photometric="rgb")
    report = look(folder)
    assert the(report, "nan-or-infinite").counts["values"] == 4
    assert report.names == ["nan-or-infinite"]


def test_constant_and_saturated(folder: Folder) -> None:
    save(folder.image(1), np.full((SIDE, SIDE, 3), 9, np.uint8))
    burnt = np.clip(field(2)[0].astype(int) * 3, 0, 255).astype(np.uint8)
    save(folder.image(2), burnt)
    report = look(folder)
    assert the(report, "constant-image").files == (str(folder.image(1)),)
    assert the(report, "saturated-image").files == (str(folder.image(2)),)


def test_a_dark_background_is_not_crushed(folder: Folder) -> None:
    folder.images_by(lambda image: np.maximum(image.astype(int) - 200, 0).astype(np.uint8))
    assert not look(folder)["saturated-image"]


@pytest.mark.parametrize(
    ("factor", "code"), [(1, "astype(np.uint8)"), (257, ">> 8"), (256, ">> 8")]
)
def test_sixteen_bits_that_hold_eight(folder: Folder, factor: int, code: str) -> None:
    folder.images_by(lambda image: image[..., 0].astype(np.uint16) * factor)
    report = look(folder)
    assert len(report["sixteen-bit-using-eight"]) == folder.count
    assert code in report["sixteen-bit-using-eight"][0].fix


def deep(bits: int):
    """Images of 16 bits that use only so many of them, with every last bit of them in use."""

    def change(image: np.ndarray) -> np.ndarray:
        fine = image[..., 0].astype(np.uint16) << 8 | image[..., 1]
        return fine >> (16 - bits)

    return change


@pytest.mark.parametrize(("bits", "full"), [(9, 511), (10, 1023), (12, 4095)])
def test_sixteen_bits_that_hold_twelve_or_fewer(folder: Folder, bits: int, full: int) -> None:
    folder.images_by(deep(bits))
    found = the(look(folder), "sixteen-bit-using-eight")
    assert f"read_folder(images, masks, image_range=(0, {full}))" in found.fix
    assert len(found.files) == folder.count and found.severity == "warning"
    cured = read_folder(folder.images, folder.masks, image_range=(0, full))
    assert 0.8 < cured.arrays(0).image.max() <= 1
    assert check(cured, patch=32).names == []


@pytest.mark.parametrize("bits", [13, 14, 16])
def test_sixteen_bits_that_hold_more_are_fine(folder: Folder, bits: int) -> None:
    folder.images_by(deep(bits))
    assert look(folder).names == []


def test_mixed_modes_and_sizes(folder: Folder) -> None:
    save(folder.image(1), field(1)[0][:64, :80, 0])
    save(folder.mask(1), field(1)[1][:64, :80])
    report = look(folder)
    assert the(report, "mixed-modes").files == (str(folder.image(1)),)
    assert "'RGB'" in the(report, "mixed-modes").fix
    assert "64 x 80" in the(report, "mixed-sizes").values


# --- copies -------------------------------------------------------------------------------------


def test_a_copy_is_a_warning_and_in_two_parts_an_error(folder: Folder) -> None:
    save(folder.image(4), field(0)[0])
    save(folder.mask(4), field(0)[1])
    report = look(folder)
    assert the(report, "duplicate-image").samples == ("cell_00", "cell_04") and report.ok
    report = look(folder, split=lambda name: "test" if name == "cell_04" else "train")
    assert the(report, "image-in-two-splits").severity == "error"
    assert not report["duplicate-image"]


def test_a_group_in_two_parts(folder: Folder) -> None:
    report = look(
        folder,
        group=lambda name: f"slide {int(name[-2:]) // 2}",
        split=lambda name: "test" if int(name[-2:]) > 2 else "train",
    )
    found = the(report, "group-in-two-splits")
    assert found.samples == ("cell_02", "cell_03") and found.values[0] == "slide 1"


def test_a_brighter_copy_and_a_smaller_one(folder: Folder) -> None:
    brighter = np.clip(field(0)[0].astype(int) + 12, 0, 255).astype(np.uint8)
    save(folder.image(3), brighter)
    half = slice(None, None, 2)
    save(folder.image(4), np.asarray(Image.fromarray(field(1)[0]).resize((48, 48))))
    save(folder.mask(4), field(1)[1][half, half])
    report = look(folder, split=lambda name: "test" if name == "cell_03" else "train")
    found = the(report, "near-duplicate")
    assert found.samples == ("cell_00", "cell_03") and found.severity == "warning"
    assert found.values == ("test", "train")
    assert the(report, "other-resolution").counts["scale"] == 0.5


# --- places: how they are judged is tested with `alignment` ---------------------------------------


def test_masks_in_wrong_places_are_named_with_what_undoes_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 20)
    save(folder.mask(3), np.roll(field(3)[1], (12, 9), (0, 1)))
    save(folder.mask(5), field(5)[1][:, ::-1].copy())
    save(folder.mask(7), field(8)[1])
    save(folder.mask(8), field(7)[1])
    report = look(folder)
    assert the(report, "mask-shifted").files[0] == str(folder.mask(3))
    assert "ndimage.shift(mask, (-1" in the(report, "mask-shifted").fix
    assert "mask[:, ::-1]" in the(report, "mask-turned").fix
    swapped = {found.samples for found in report["pairs-swapped"]}
    assert ("cell_07", "cell_08") in swapped or ("cell_08", "cell_07") in swapped
    assert not report.ok


def suspect(monkeypatch, **settings) -> None:
    """Have mask 2 judged to be shifted: how masks are judged is tested elsewhere."""
    found = Suspicion("shifted", 2, offset=(9, -5), undo=undo_shift((9, -5)), **settings)
    monkeypatch.setattr(rules_places, "judge", lambda glimpses, names: [found])


@pytest.mark.parametrize(
    ("corrected", "confidence", "of_8"), [(0.29, 0.9, 0), (0.9, 0.4, 0), (0.8, 0.6, 1)]
)
def test_of_a_small_set_only_the_plain_is_told(
    tmp_path: Path, monkeypatch, corrected: float, confidence: float, of_8: int
) -> None:
    suspect(monkeypatch, corrected=corrected, confidence=confidence, usual=0.6)
    for count, told in ((8, of_8), (11, of_8), (12, 1)):
        report = look(Folder(tmp_path / str(count), count))
        assert len(report["mask-shifted"]) == told


def test_a_small_healthy_set_has_no_findings(tmp_path: Path) -> None:
    cells, folder = load("cells"), Folder(tmp_path, 8)
    for i in range(8):
        image, mask, _ = cells.arrays(i)
        save(folder.image(i), image)
        save(folder.mask(i), mask)
    assert look(folder).names == []


def test_a_mask_moved_back_has_no_smeared_edge(tmp_path: Path, monkeypatch) -> None:
    suspect(monkeypatch, corrected=0.9, confidence=0.9)
    folder = Folder(tmp_path)
    for told, fill in (({}, 0), ({"ignore_value": 9}, 9)):
        fix = the(look(folder, **told), "mask-shifted").fix
        line = next(x.strip() for x in fix.splitlines() if x.strip().startswith("mask = "))
        scope = {"ndimage": ndimage, "mask": np.full((SIDE, SIDE), 2, np.uint8)}
        exec(line, scope)
        assert (scope["mask"][-9:] == fill).all() and (scope["mask"][:, :5] == fill).all()
        assert (scope["mask"][:-9, 5:] == 2).all()


def test_the_limits_of_what_can_be_told_of_places_are_told() -> None:
    for name in ("mask-shifted", "mask-turned", "pairs-swapped", "polarity-inverted"):
        assert "fewer than a dozen" in explain(name) and "look at some" in explain(name)


def test_a_mask_with_exchanged_classes(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 20).masks_by(lambda mask: (mask > 0).astype(np.uint8))
    save(folder.mask(5), (field(5)[1] == 0).astype(np.uint8))
    report = look(folder)
    found = the(report, "polarity-inverted")
    assert found.files[0] == str(folder.mask(5)) and "1 - mask" in found.fix

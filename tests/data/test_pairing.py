"""Pairing: by stem, by a pattern, by a manifest; what is not clear is an error with candidates."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from builders import assert_says
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.formats.manifest import match_manifest
from unet_helpers.data.formats.pairing import match, match_files, pair_files
from unet_helpers.data.samples import DataError


def listed(folder: str, *names: str) -> list[Path]:
    return [Path(folder) / name for name in names]


def matched(images: str, masks: str, **settings: object) -> list[tuple[str, str]]:
    found = match_files(listed("i", *images.split()), listed("m", *masks.split()), **settings)
    return [(pair.image.name, pair.mask.name) for pair in found.pairs]


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.eye(4, dtype=np.uint8)).save(root / name)
    return root


# --- by stem ------------------------------------------------------------------------------------


@given(st.lists(st.from_regex(r"[a-z]{1,3}[0-9]{0,3}", fullmatch=True), min_size=1, unique=True))
def test_equal_stems_belong_together_whatever_the_order(stems: list[str]) -> None:
    found = match_files(
        listed("i", *(f"{s}.jpg" for s in stems)), listed("m", *(f"{s}.png" for s in stems[::-1]))
    )
    assert {(p.name, p.image.stem, p.mask.stem) for p in found.pairs} == {(s, s, s) for s in stems}
    assert found[1:] == ([], [], {}, [], "image and mask share their stem")


def test_what_has_no_partner_is_listed() -> None:
    found = match_files(listed("i", "a.png", "b.png"), listed("m", "b.png", "c.png"))
    assert [path.name for path in found.images_alone] == ["a.png"]
    assert [path.name for path in found.masks_alone] == ["c.png"]


def test_several_candidates_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "i/a.png", "i/b.png", "m/a.png", "m/a.tif", "m/b.png")
    found = match(tmp_path / "i", tmp_path / "m")
    assert [pair.name for pair in found.pairs] == ["b"]
    assert found.ambiguous == {
        tmp_path / "i" / "a.png": [tmp_path / "m" / "a.png", tmp_path / "m" / "a.tif"]
    }
    with pytest.raises(DataError) as error:
        pair_files(tmp_path / "i", tmp_path / "m")
    assert_says(error, tmp_path / "i" / "a.png", "found 2 candidates, a.png, a.tif", "pattern=")


def test_case_and_unicode_forms_match_only_when_that_is_clear() -> None:
    composed, taken_apart = (unicodedata.normalize(form, "\u00e9") for form in ("NFC", "NFD"))
    found = match_files(
        listed("i", f"{composed}.png", "B.png"), listed("m", f"{taken_apart}.png", "b.png")
    )
    assert len(found.pairs) == 2
    assert "2 pairs differ in case or Unicode form" in found.rule
    unclear = match_files(listed("i", "Ab.png"), listed("m", "ab.png", "AB.png"))
    assert (unclear.pairs, len(unclear.ambiguous)) == ([], 1)
    assert [[path.name for path in group] for group in unclear.collisions] == [["AB.png", "ab.png"]]
    exact = match_files(listed("i", "ab.png", "AB.png"), listed("m", "ab.png", "AB.png"))
    assert [pair.image.name == pair.mask.name for pair in exact.pairs] == [True, True]
    assert len(exact.collisions) == 2


# --- by pattern ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "masks", "rule"),
    [
        ("a.png b.png", "a_mask.png b_mask.png", "masks are named {stem}_mask (inferred)"),
        ("1.png 10.png 2.png", "1_m.png 2_m.png 10_m.png", "masks are named {stem}_m (inferred)"),
        ("a.jpg b.jpg", "mask_a.png mask_b.png", "masks are named mask_{stem} (inferred)"),
        (
            "img_10.png img_11.png",
            "seg_10.png seg_11.png",
            "named img_{stem}, masks are named seg_",
        ),
        ("21_training.tif 22_training.tif", "21_manual1.gif 22_manual1.gif", "{stem}_training"),
    ],
)
def test_patterns_are_inferred_and_told(images: str, masks: str, rule: str) -> None:
    found = match_files(listed("i", *images.split()), listed("m", *masks.split()))
    assert len(found.pairs) == len(images.split())
    assert found.images_alone == found.masks_alone == []
    assert rule in found.rule
    for pair in found.pairs:
        digits = [c for c in pair.image.stem if c.isdigit()]
        assert digits == [c for c in pair.mask.stem.replace("manual1", "") if c.isdigit()]


def test_two_patterns_that_fit_alike_are_ambiguous() -> None:
    found = match_files(
        listed("i", "a.png", "b.png"),
        listed("m", "a_cell.png", "a_core.png", "b_cell.png", "b_core.png"),
    )
    assert found.pairs == []
    assert {k.name: [p.name for p in v] for k, v in found.ambiguous.items()} == {
        "a.png": ["a_cell.png", "a_core.png"],
        "b.png": ["b_cell.png", "b_core.png"],
    }
    names = "a_cell.png a_core.png b_cell.png b_core.png"
    assert matched("a.png b.png", names, pattern="{stem}_core") == [
        ("a.png", "a_core.png"),
        ("b.png", "b_core.png"),
    ]


def test_a_lost_mask_does_not_hide_the_pattern() -> None:
    found = match_files(listed("i", "a.png", "b.png", "c.png"), listed("m", "a_m.png", "c_m.png"))
    assert [pair.name for pair in found.pairs] == ["a", "c"]
    assert [path.name for path in found.images_alone] == ["b.png"]


def test_names_that_have_nothing_in_common_do_not_match() -> None:
    assert matched("a.png b.png c.png", "x.png y.png z.png") == []


def test_one_folder_for_both(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "a_mask.png", "b.png", "b_mask.png")
    found = match(tmp_path, tmp_path, pattern="{stem}_mask")
    assert [(pair.image.name, pair.mask.name) for pair in found.pairs] == [
        ("a.png", "a_mask.png"),
        ("b.png", "b_mask.png"),
    ]
    assert found.images_alone == []
    with pytest.raises(ValueError) as error:
        match(tmp_path, tmp_path)
    assert_says(error, "need a pattern", "pattern='{stem}_mask'")


@pytest.mark.parametrize("pattern", ["_mask", "{stem}{stem}", ("{stem}",), ("a", "{stem}")])
def test_patterns_need_the_stem(pattern: object) -> None:
    with pytest.raises(ValueError) as error:
        match_files([Path("a.png")], [Path("b.png")], pattern=pattern)
    assert_says(error, "pattern must hold {stem} once", "'{stem}_mask'")


# --- by manifest --------------------------------------------------------------------------------


def manifest(root: Path, text: str) -> Path:
    touch(root, "x/a.png", "x/b.png", "y/1.png", "y/2.png")
    path = root / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_manifest_says_it_all(tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        "\ufeffimage;mask;group;split;notes\nx/a.png;y/2.png;p1;train;\nx/b.png;y/1.png;p2;test;k\n",
    )
    samples = read_folder(path)
    assert samples.names == ["a", "b"]
    assert samples.groups == ["p1", "p2"]
    assert [record.split for record in samples.records] == ["train", "test"]
    assert samples.records[0].files == (tmp_path / "x/a.png", tmp_path / "y/2.png")
    assert "pairs are listed in pairs.csv" in samples.rule
    assert samples.name == tmp_path.name
    told = read_folder(path, group=str.upper, split=lambda stem: "val")
    assert (told.groups, told.records[0].split) == (["A", "B"], "val")


def test_files_outside_the_manifest_folder_are_told(tmp_path: Path) -> None:
    manifest(tmp_path, "")
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "pairs.csv").write_text("image,mask\n../x/a.png,../y/1.png\n")
    assert "2 of the files lie outside" in match_manifest(tmp_path / "z" / "pairs.csv").rule


def test_names_from_stems_from_paths_and_from_the_column(tmp_path: Path) -> None:
    touch(tmp_path, "x/1.png")
    rows = "x/1.png,y/1.png\ny/1.png,y/1.png\nx/a.png,y/1.png\n"
    found = match_manifest(manifest(tmp_path, "image,mask\n" + rows))
    assert [pair.name for pair in found.pairs] == ["x/1.png", "y/1.png", "a"]
    with pytest.raises(DataError) as error:
        match_manifest(
            manifest(tmp_path, "image,mask,name\nx/a.png,y/1.png,n\nx/b.png,y/2.png,n\n")
        )
    assert_says(error, "names must differ", "found 'n' 2 times", "column name")


def test_missing_and_doubled_rows(tmp_path: Path) -> None:
    rows = "x/a.png,y/9.png\nx/9.png,y/1.png\nx/b.png,y/1.png\nx/b.png,y/2.png\n"
    found = match_manifest(manifest(tmp_path, "image,mask\n" + rows))
    assert found.pairs == []
    assert [path.name for path in found.images_alone] == ["a.png"]
    assert [path.name for path in found.masks_alone] == ["1.png"]
    assert [p.name for p in found.ambiguous[tmp_path / "x/b.png"]] == ["1.png", "2.png"]
    with pytest.raises(DataError):
        read_folder(tmp_path / "pairs.csv")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["columns image and mask", "found none"]),
        ("image,label\na,b\n", ["columns image and mask", "found image, label"]),
        ("image,mask,mask\na,b,c\n", ["each once"]),
        ("image,mask\n", ["a row for each pair", "found none"]),
        ("image,mask\nx/a.png,\n", ["line 2", "found 'x/a.png' and ''"]),
        ("image,mask,split\nx/a.png,y/1.png,training\n", ["split must be train", "'training'"]),
        ("image,mask,split\nx/a.png,y/1.png,train\nx/b.png,y/2.png,\n", ["every line", "''"]),
    ],
)
def test_malformed_manifests(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = manifest(tmp_path, text)
    with pytest.raises(DataError) as error:
        read_folder(path)
    assert_says(error, path, *parts)


def test_manifests_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read_folder(tmp_path / "none.csv")
    assert_says(error, "none.csv", "a CSV file", "found nothing", "correct the path")
    (tmp_path / "a.csv").write_bytes(b"image,mask\n\xff\xfe,b\n")
    with pytest.raises(DataError) as error:
        read_folder(tmp_path / "a.csv")
    assert_says(error, "a.csv", "UTF-8")
    with pytest.raises(ValueError) as error:
        read_folder(tmp_path)
    assert_says(error, "masks must be a folder", "read_folder('pairs.csv')")

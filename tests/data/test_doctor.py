"""The doctor as a whole: what it can be shown, and how it reports."""

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from builders import assert_says, make_samples
from sick import Folder, field, save

from unet_helpers.data.doctor.check import check
from unet_helpers.data.doctor.cures import CURES
from unet_helpers.data.doctor.findings import finding
from unet_helpers.data.doctor.kinds import KINDS, SEVERITIES
from unet_helpers.data.doctor.report import Report, explain
from unet_helpers.data.doctor.scan import in_threads
from unet_helpers.data.formats.folder import read_folder
from unet_helpers.data.load import load
from unet_helpers.data.samples import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def cells(numbers, **settings):
    pairs = [field(i)[:2] for i in numbers]
    return make_samples(pairs, class_names=("background", "cytoplasm", "nucleus"), **settings)


# --- what it can be shown -----------------------------------------------------------------------


def test_samples_in_memory() -> None:
    report = check(cells(range(5)), patch=32)
    assert report.ok and report.images == 5 and report.names == []


def test_the_embedded_set_is_healthy() -> None:
    report = check(load("cells")[:24])
    assert report.ok and report.warnings == ()


def test_samples_from_files_are_read_by_their_own_rule(folder: Folder) -> None:
    folder.masks_by(lambda mask: np.array([0, 128, 255], np.uint8)[mask])
    samples = read_folder(
        folder.images,
        folder.masks,
        mask_values={0: 0, 128: 1, 255: 2},
        class_names=["background", "cytoplasm", "nucleus"],
    )
    assert check(samples, patch=32).names == []


def test_samples_from_files_tell_the_file_that_broke_since(folder: Folder) -> None:
    samples = read_folder(folder.images, folder.masks)
    folder.image(2).write_bytes(b"")
    save(folder.mask(3), field(3)[1][:-5])
    report = check(samples, patch=32)
    assert report["empty-file"][0].files == (str(folder.image(2)),)
    assert report["size-differs"][0].files[0] == str(folder.mask(3))
    assert len(report.errors) == 2, str(report)


def test_a_reader_that_fails_is_a_finding() -> None:
    def explode(index: int) -> None:
        if index == 1:
            raise RuntimeError("no such slide")

    report = check(cells(range(4), on_read=explode), patch=32)
    assert "no such slide" in report["unreadable"][0].message
    assert report["unreadable"][0].files == ("image 1",)


def test_class_ids_out_of_range_in_samples() -> None:
    image, mask, _ = field(0)
    wrong = make_samples([(image, mask), (image // 2, mask * 127)], class_names=("a", "b", "c"))
    assert check(wrong, patch=32)["unexpected-value"][0].values == (127, 254)


def test_parts_of_a_split_share_nothing() -> None:
    train, val = cells(range(4)), cells(range(4, 7), groups=["x", "y", "group 1"])
    test = cells([7, 0], groups=["t", "u"])
    report = check(train=train, val=val, test=test, patch=32)
    assert report["group-in-two-splits"][0].values == ("group 1", "train", "val")
    copies = report["image-in-two-splits"][0]
    assert copies.values == ("test", "train") and copies.severity == "error"
    assert not check(train=cells(range(4)), test=cells([5, 6], groups=["v", "w"]), patch=32).errors


def test_the_set_s_own_split_counts() -> None:
    samples = cells([0, 1, 2, 0], splits=["train", "val", "test", "test"])
    assert check(samples, patch=32)["image-in-two-splits"]


def test_a_manifest(folder: Folder) -> None:
    rows = ["image,mask,group,split"]
    for i in range(5):
        part = "val" if i == 3 else "train"
        rows.append(f"images/cell_{i:02d}.png,masks/cell_{i:02d}.png,slide {i // 2},{part}")
    table = folder.root / "pairs.csv"
    table.write_text("\n".join(rows) + "\n")
    report = check(manifest=table, patch=32)
    assert report["group-in-two-splits"][0].samples == ("cell_02", "cell_03")


def test_masks_named_by_a_pattern(folder: Folder) -> None:
    for i in range(folder.count):
        folder.mask(i).rename(folder.masks / f"cell_{i:02d}_labels.png")
    report = check(folder.images, folder.masks, pattern="{stem}_labels", patch=32)
    assert report.ok and report.images == 5


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ((), {}),
        (("images",), {}),
        ((cells([0]), "masks"), {}),
        ((cells([0]),), {"train": cells([1])}),
    ],
)
def test_unclear_calls_say_what_to_give(arguments, settings) -> None:
    with pytest.raises(ValueError) as error:
        check(*arguments, **settings)
    assert_says(error, "check() needs")


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        check(tmp_path / "no", tmp_path)
    assert_says(error, "no", "images must be a folder")
    with pytest.raises(ValueError) as error:
        check(tmp_path, tmp_path, patch=0)
    assert_says(error, "patch")


# --- the report ---------------------------------------------------------------------------------


@pytest.fixture
def report(tmp_path: Path) -> Report:
    folder = Folder(tmp_path, 8)
    for i in range(7):
        folder.mask(i).write_bytes(b"")
    save(folder.image(7), np.zeros((96, 96, 3), np.uint8))
    return check(folder.images, folder.masks, patch=32)


def test_text_groups_by_name_and_cuts_long_lists(report: Report) -> None:
    text = str(report)
    assert text.count("error  empty-file  files of 0 bytes") == 1
    assert text.index("error  ") < text.index("warning  ")
    assert f"masks{os.sep}cell_00.png" in text and "cell_06.png" not in text
    assert "and 3 more" in text
    assert "fix: copy or export the file again" in text
    assert max(map(len, text.splitlines()[1:])) < 120
    assert repr(report) == text


def test_json_has_all_of_it(report: Report) -> None:
    document = json.loads(report.to_json())
    assert document["schema"] == 1 and document["ok"] is False and document["pairs"] == 8
    assert document["counts"]["error"] == 7 and document["counts"]["warning"] == 1
    fields = {"name", "severity", "message", "files", "samples", "values", "counts", "fix"}
    assert all(set(found) == fields for found in document["findings"])
    assert len([f for f in document["findings"] if f["name"] == "empty-file"]) == 7
    assert document == report.as_dict()


def test_a_report_is_a_sequence_that_is_true_without_errors(report: Report) -> None:
    assert len(report) == 8 and len(list(report)) == 8 and report[0].name == "empty-file"
    assert not report and not report.ok
    assert bool(Report((), 0))
    assert report["mask-shifted"] == ()
    with pytest.raises(ValueError, match=r"'mask-moved'.*use one of"):
        report["mask-moved"]


def test_explanations(report: Report) -> None:
    assert "copy or export" in report.explain("empty-file")
    for name in KINDS:
        assert KINDS[name].meaning in explain(name)
        assert KINDS[name].meaning in report.explain(name)


def test_every_kind_has_a_cure_a_weight_and_a_stable_name() -> None:
    assert set(KINDS) == set(CURES) and len(KINDS) >= 30
    assert all(kind.severity in SEVERITIES for kind in KINDS.values())
    assert all(name == name.lower() and " " not in name for name in KINDS)


def test_an_unknown_finding_cannot_be_made() -> None:
    with pytest.raises(KeyError):
        finding("no-such-thing", "x")


# --- the scan -----------------------------------------------------------------------------------


def test_threads_keep_the_order_and_never_run_far_ahead() -> None:
    drawn = []

    def jobs():
        for number in range(200):
            drawn.append(number)
            yield number

    for done, result in enumerate(in_threads(lambda n: n * n, jobs())):
        assert result == done * done
        assert len(drawn) - done <= 40


def test_an_interrupt_ends_the_scan_at_once() -> None:
    started = []

    def work(number: int) -> int:
        started.append(number)
        if number == 3:
            raise KeyboardInterrupt
        return number

    with pytest.raises(KeyboardInterrupt):
        list(in_threads(work, iter(range(10_000))))
    assert len(started) < 100
    assert not [t for t in threading.enumerate() if t.name.startswith("doctor")]


def test_looking_does_not_fill_the_samples_memory() -> None:
    samples = cells(range(5))
    check(samples, patch=32)
    assert samples._cache.used == 0


@pytest.mark.parametrize("progress", [True, False])
def test_the_bar_stays_off_standard_output(folder: Folder, progress: bool, capsys) -> None:
    check(folder.images, folder.masks, patch=32, progress=progress)
    assert capsys.readouterr().out == ""

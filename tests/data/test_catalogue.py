"""Every set of the catalogue: fetched from a miniature release, converted, loaded, and refused."""

import dataclasses
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from builders import assert_says
from miniatures import RELEASES, Server, encoded, noise, serving, tarred, zipped
from PIL import Image

from unet_helpers.classroom import data_sets
from unet_helpers.data import catalogue
from unet_helpers.data.catalogue import ENTRIES, load_public, read_entry
from unet_helpers.data.load import load
from unet_helpers.data.public import fetch as fetching
from unet_helpers.data.public.convert import contents_hash
from unet_helpers.data.public.entry import Entry, Source
from unet_helpers.data.public.fetch import fetch
from unet_helpers.data.public.page import as_page
from unet_helpers.data.samples import DataError

ROOT = Path(__file__).parents[2]
QUICK = {"progress": False, "retries": 0, "timeout": 2, "announce": lambda line: None}
DOWNLOADED = [name for name in RELEASES if not ENTRIES[name].by_hand]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def served(server: Server, entry: Entry, release: dict[str, bytes], **changes: object) -> Entry:
    """The entry, with the addresses, sizes and hashes of a miniature release."""
    sources = tuple(
        Source(
            file,
            (server.offer(file, content),),
            len(content),
            f"sha256:{hashlib.sha256(content).hexdigest()}",
        )
        for file, content in release.items()
    )
    assert [s.file for s in sources] == [s.file for s in entry.sources]
    sources = tuple(dataclasses.replace(source, **changes) for source in sources)
    return dataclasses.replace(entry, sources=sources, images=1, contents=None)


def nothing_is_left(home: Path) -> bool:
    return not home.exists() or list(home.iterdir()) == []


# --- the entries ----------------------------------------------------------------------------------


def test_the_names() -> None:
    asked = ["membranes", "nuclei", "blood", "streets", "pets", "vessels", "polyps"]
    assert list(ENTRIES)[:7] == asked
    assert set(RELEASES) == set(ENTRIES)  # each has a miniature


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_an_entry_is_complete(entry: Entry) -> None:
    assert len(entry.terms) > 30 and entry.licence and entry.good_for and entry.title
    assert re.search(r"doi:10\.\d{4,5}/\S+", entry.citation)
    assert entry.homepage.startswith(("http://", "https://"))
    assert set(entry.foreground) <= set(entry.class_names)
    assert entry.by_hand or all(source.urls for source in entry.sources)
    for source in entry.sources:
        assert all(url.startswith(("http://", "https://")) for url in source.urls)
        assert source.hash is None or re.fullmatch(
            r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", source.hash
        )
        # Without a hash on record, nobody may listen in on the first download.
        assert source.hash or all(url.startswith("https://") for url in source.urls)
    if entry.mask_values is not None:
        assert sorted(entry.mask_values.values()) == list(range(len(entry.class_names)))


def test_folders_are_not_shared() -> None:
    folders = [entry.folder for entry in ENTRIES.values()]
    assert len(set(folders)) == len(folders)


# --- fetched, converted, loaded -------------------------------------------------------------------


def check_loaded(entry: Entry, home: Path, expected: dict[str, np.ndarray]) -> None:
    samples = read_entry(entry, home)
    assert sorted(samples.names) == sorted(expected)
    assert samples.class_names == entry.class_names
    assert (samples.name, samples.foreground) == (entry.name, entry.foreground)
    for sample in samples:
        np.testing.assert_array_equal(sample.mask, expected[sample.name])
        assert sample.image.shape[:2] == sample.mask.shape
        assert 0 <= sample.image.min() <= sample.image.max() <= 1
    about = json.loads((home / entry.folder / "ABOUT.json").read_text())
    assert (about["licence"], about["cite"]) == (entry.licence, entry.citation)
    assert about["pairs"] == len(expected)
    assert set(about["hashes"]) == {source.file for source in entry.sources}
    assert [p.name for p in home.iterdir() if p.name != "hashes"] == [entry.folder]


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_release_becomes_a_set(name: str, server: Server, home: Path) -> None:
    release, expected = RELEASES[name]()
    entry = served(server, ENTRIES[name], release)
    assert fetch(entry, home, **QUICK) == home / entry.folder
    check_loaded(entry, home, expected)


@pytest.mark.parametrize("name", list(RELEASES))
def test_a_release_that_was_got_by_hand(name: str, tmp_path: Path, home: Path) -> None:
    release, expected = RELEASES[name]()
    files = []
    for file, content in release.items():
        files.append(tmp_path / file)
        files[-1].write_bytes(content)
    entry = ENTRIES[name]
    if entry.hash_is_known and not entry.by_hand:
        with pytest.raises(DataError) as error:  # the miniature is not the release
            fetch(entry, home, archives=files, **QUICK)
        assert_says(error, "of the hash", "are" if entry.contents else f"{files[0]}", "found")
        assert nothing_is_left(home)
    sources = tuple(dataclasses.replace(source, hash=None) for source in entry.sources)
    entry = dataclasses.replace(entry, sources=sources, contents=None)
    fetch(entry, home, archives=files, **QUICK)
    check_loaded(entry, home, expected)
    assert [path.exists() for path in files] == [True] * len(files)


PARTS = {
    "membranes": {"19": "train", "20": "val", "23": "val", "24": "test", "29": "test"},
    "streets": {
        "0001TP_006690": "train",
        "0001TP_008550": "test",
        "0006R0_f00930": "train",
        "0016E5_07959": "val",
        "Seq05VD_f00000": "test",
    },
    "vessels": {"Image_08R": "train", "Image_09L": "val", "Image_10R": "val", "Image_11L": "test"},
    "vessels-drive": {"32": "train", "33": "val", "36": "val", "37": "test"},
    "nuclei-bbbc039": {
        "IXMtest_A02_s3_w1": "train",
        "IXMtest_A02_s4_w1": "val",
        "IXMtest_A02_s7_w1": "test",
    },
    "u373": {"01_t001": "train", "01_t003": "train", "01_t005": "val", "02_t001": "test"},
    "hela": {"01_t005": "val", "02_t005": "test"},
}


@pytest.mark.parametrize("name", list(RELEASES))
def test_parts_and_groups(name: str, server: Server, home: Path) -> None:
    release, _ = RELEASES[name]()
    entry = served(server, ENTRIES[name], release)
    fetch(entry, home, **QUICK)
    samples = read_entry(entry, home)
    parts = {record.name: record.split for record in samples.records}
    assert {stem: parts[stem] for stem in PARTS.get(name, {})} == PARTS.get(name, {})
    train, val, test = samples.split()
    assert len(train) > 0 < len(val) and len(train) + len(val) + len(test) == len(samples)
    if name not in ("u373", "hela"):  # two movies only: the first gives train and val, by time
        for ours, others in ((train, [*val.groups, *test.groups]), (val, test.groups)):
            assert not set(ours.groups) & set(others)


def test_official_parts_of_nuclei_and_pets_are_kept(server: Server, home: Path) -> None:
    for name in ("nuclei", "pets"):
        release, _ = RELEASES[name]()
        entry = served(server, ENTRIES[name], release)
        fetch(entry, home, **QUICK)
        _, val, test = read_entry(entry, home).split()
        base, expected = (16, range(18, 24)) if name == "nuclei" else (10, range(1, 25, 2))
        assert {int(stem.split("_")[-1], base) for stem in test.names} == set(expected)
        assert len(val) > 0


def test_images_are_dealt_within_each_size(server: Server, home: Path) -> None:
    entry = served(server, ENTRIES["nuclei-all"], RELEASES["nuclei-all"]()[0])
    fetch(entry, home, **QUICK)
    samples = read_entry(entry, home)
    heights = {sample.name: sample.mask.shape[0] for sample in samples}
    for height in (12, 13):
        parts = [r.split for r in samples.records if heights[r.name] == height]
        assert sorted(parts) == ["test", "train", "train", "train", "val"]
    again = read_entry(entry, home)  # by the names alone, so always alike
    assert [r.split for r in again.records] == [r.split for r in samples.records]


def test_a_second_annotator_stands_beside(server: Server, home: Path) -> None:
    release, expected = RELEASES["vessels"]()
    entry = served(server, ENTRIES["vessels"], release)
    root = fetch(entry, home, **QUICK)
    assert len(list((root / "masks_second").iterdir())) == 28
    with Image.open(root / "masks_second" / "Image_03R.png") as file:
        np.testing.assert_array_equal(np.asarray(file), (1 - expected["Image_03R"]) * 255)


def test_instances_come_through(server: Server, home: Path) -> None:
    for name in ("nuclei", "nuclei-all", "nuclei-bbbc039", "u373"):
        release, _ = RELEASES[name]()
        entry = served(server, ENTRIES[name], release)
        fetch(entry, home, **QUICK)
        assert {int(s.instances.max()) for s in read_entry(entry, home)} == {3}  # type: ignore[union-attr]


def test_twins_of_the_blood_set_share_a_group(server: Server, home: Path) -> None:
    entry = served(server, ENTRIES["blood"], RELEASES["blood"]()[0])
    fetch(entry, home, **QUICK)
    samples = read_entry(entry, home)
    by_name = dict(zip(samples.names, samples.groups, strict=True))
    assert by_name["112"] == by_name["139"] != by_name["001"]
    assert len(set(samples.groups)) == 4


def test_broken_photographs_are_left_out_and_told(server: Server, home: Path) -> None:
    images = {f"images/{i}.jpg": _jpeg(i) for i in range(60)}
    masks = {f"masks/{i}.jpg": _jpeg(255) for i in range(60)}
    images["images/7.jpg"] = images["images/7.jpg"][:150]
    release = {"kvasir-seg.zip": zipped({**images, **masks})}
    entry = served(server, ENTRIES["polyps"], release)
    said: list[str] = []
    root = fetch(entry, home, **{**QUICK, "announce": said.append})
    about = json.loads((root / "ABOUT.json").read_text())
    assert (about["pairs"], len(about["left out"])) == (59, 1)
    assert any(line.startswith("polyps: left out 7:") for line in said)
    assert "polyps: 1 images are expected in the release" in said
    assert about["left out"][0].startswith("7: cannot be read")
    assert "7" not in read_entry(entry, home).names


def test_a_mask_that_does_not_fit_is_left_out_of_many(server: Server, home: Path) -> None:
    masks = dict.fromkeys([f"trimaps/{i}.png" for i in range(120)], encoded(TRIMAP, "png"))
    masks["trimaps/3.png"] = encoded(TRIMAP + 1, "png")  # 4 is no value of a trimap
    masks["trimaps/5.png"] = encoded(TRIMAP.T, "png")
    lists = {"trainval.txt": "".join(f"{i} 1 1 1\n" for i in range(120)), "test.txt": ""}
    release = {
        "images.tar.gz": tarred({f"images/{i}.jpg": _jpeg(i) for i in range(120)}),
        "annotations.tar.gz": tarred({**masks, **{k: v.encode() for k, v in lists.items()}}),
    }
    entry = served(server, ENTRIES["pets"], release)
    root = fetch(entry, home, **QUICK)
    assert json.loads((root / "ABOUT.json").read_text())["left out"] == [
        "3: the mask holds [4] beside [1, 2, 3]",
        "5: the mask is not 16 x 14 as the image, but (14, 16)",
    ]
    names = read_entry(entry, home).names
    assert len(names) == 118 and not {"3", "5"} & set(names)


TRIMAP = np.tile(np.array([1, 2, 3, 3], np.uint8), 56).reshape(16, 14)


def _jpeg(value: int) -> bytes:
    return encoded(np.full((16, 14, 3), value, np.uint8), "jpeg")


def test_a_turn_by_exif_is_not_taken_over(server: Server, home: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # "rotate by 90 degrees": viewers would, masks know nothing of it
    image = np.zeros((16, 24, 3), np.uint8)
    image[:, 12:] = 255
    members = {
        "images/a.jpg": encoded(image, "jpeg", exif=exif, quality=100),
        "masks/a.jpg": encoded(image[..., 0], "jpeg", quality=100),
    }
    entry = served(server, ENTRIES["polyps"], {"kvasir-seg.zip": zipped(members)})
    fetch(entry, home, **QUICK)
    image_, mask, *_ = read_entry(entry, home)[0]
    np.testing.assert_array_equal(image_[..., 0] > 0.5, mask == 1)


# --- what is there already ------------------------------------------------------------------------


def test_what_is_there_is_used_without_a_download(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = served(server, ENTRIES["blood"], RELEASES["blood"]()[0])
    monkeypatch.setitem(catalogue.ENTRIES, "blood", entry)
    monkeypatch.setenv("UNET_DATA_HOME", str(home))
    first = load("blood", download=True)
    said = capsys.readouterr().out
    assert entry.terms in said and entry.size_text in said and "ready in" in said
    assert len(server.asked) == 1
    assert load("blood", download=True).names == load("blood").names == first.names
    assert len(server.asked) == 1


def test_an_absent_set_is_never_downloaded_unasked(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNET_DATA_HOME", str(home))
    with pytest.raises(DataError) as error:
        load("pets")
    where = home / "oxford_pets"
    command = "`python -m unet_helpers data fetch pets`"
    assert_says(error, where, "does not exist", command, "811 MB", "CC BY-SA 4.0")
    assert not home.exists()


def test_a_set_got_by_hand_says_how(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNET_DATA_HOME", str(home))
    with pytest.raises(DataError) as error:
        load("vessels-drive")
    assert_says(error, "register at", "data fetch vessels-drive --file training.zip")
    with pytest.raises(DataError) as error:
        load("vessels-drive", download=True)
    assert_says(error, "must be got by hand, found no path", "--file")
    assert nothing_is_left(home)


def test_a_file_by_hand_must_be_of_the_release(home: Path, tmp_path: Path) -> None:
    (tmp_path / "other.zip").write_bytes(b"x")
    for path, said in ((tmp_path / "other.zip", "another name"), (tmp_path / "a", "nothing")):
        with pytest.raises(DataError) as error:
            fetch(ENTRIES["blood"], home, archives=[path], **QUICK)
        assert_says(error, path, "segmentation_WBC.zip", f"found {said}")


def test_a_missing_line_in_the_list_of_parts(server: Server, home: Path) -> None:
    entry = served(server, ENTRIES["pets"], RELEASES["pets"]()[0])
    root = fetch(entry, home, **QUICK)
    lines = (root / "splits.csv").read_text().splitlines()
    (root / "splits.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError) as error:
        read_entry(entry, home)
    assert_says(error, "splits.csv", "found none for", "add it")


def test_sets_whose_pictures_may_not_be_stored(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNET_DATA_HOME", str(home))
    monkeypatch.setenv(catalogue.STORING, "1")
    for name, entry in ENTRIES.items():
        with pytest.raises(DataError) as error:
            load_public(name)
        told = "does not exist" if entry.pictures_may_be_stored else "whose terms do not allow it"
        assert told in str(error.value)
    allowed = {name for name, entry in ENTRIES.items() if entry.pictures_may_be_stored}
    assert allowed == {"nuclei", "nuclei-all", "pets"}


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["404", "cut", "mute", "endless"])
def test_a_server_that_misbehaves_leaves_nothing(
    server: Server, home: Path, behaviour: str
) -> None:
    release, expected = RELEASES["blood"]()
    entry = served(server, ENTRIES["blood"], release)
    server.behaviour["/segmentation_WBC.zip"] = behaviour
    with pytest.raises(DataError):
        fetch(entry, home, **{**QUICK, "timeout": 0.3})
    assert nothing_is_left(home)
    server.behaviour["/segmentation_WBC.zip"] = ""
    fetch(entry, home, **QUICK)
    check_loaded(entry, home, expected)


def test_a_wrong_hash_leaves_nothing(server: Server, home: Path) -> None:
    entry = served(server, ENTRIES["blood"], RELEASES["blood"]()[0], hash="sha256:" + "0" * 64)
    with pytest.raises(DataError) as error:
        fetch(entry, home, **QUICK)
    assert_says(error, "found another: do not use it")
    assert nothing_is_left(home)


def test_the_hash_of_the_first_download_is_kept(server: Server, home: Path) -> None:
    release, _ = RELEASES["blood"]()
    entry = served(server, ENTRIES["blood"], release, hash=None)
    said: list[str] = []
    root = fetch(entry, home, **{**QUICK, "announce": said.append})
    assert "none on record" in said[0]
    kept = json.loads((home / "hashes" / "blood.json").read_text())
    content = release["segmentation_WBC.zip"]
    assert kept == {"segmentation_WBC.zip": f"sha256:{hashlib.sha256(content).hexdigest()}"}
    root.rename(home / "away")
    fetch(entry, home, **QUICK)  # the same again is welcome
    root.rename(home / "away too")
    server.offer("segmentation_WBC.zip", content[:-1] + b"!")
    entry = dataclasses.replace(
        entry, sources=tuple(dataclasses.replace(s, size=None) for s in entry.sources)
    )
    with pytest.raises(DataError) as error:
        fetch(entry, home, **QUICK)
    assert_says(error, "found another", "your first download, so the file has changed since")
    assert not root.exists()


def test_a_size_that_is_on_no_record_is_asked_for(server: Server, home: Path) -> None:
    release, _ = RELEASES["blood"]()
    entry = served(server, ENTRIES["blood"], release, size=None)
    said: list[str] = []
    fetch(entry, home, **{**QUICK, "announce": said.append})
    size = len(release["segmentation_WBC.zip"])
    assert said[1].strip() == f"the server says {size / 1e6:.1f} MB"
    assert "not on record" in said[0]


def test_a_broken_file_of_hashes_is_told(server: Server, home: Path) -> None:
    entry = served(server, ENTRIES["blood"], RELEASES["blood"]()[0], hash=None)
    (home / "hashes").mkdir(parents=True)
    for text in ("{", "[1]"):
        (home / "hashes" / "blood.json").write_text(text)
        with pytest.raises(DataError) as error:
            fetch(entry, home, **QUICK)
        assert_says(error, "blood.json", "found a file that holds none", "remove it")


FAULTY = {
    "traversal": (zipped({"../../evil": b"x", "Dataset 1/1.bmp": b"x"}), "names of files below"),
    "no archive": (b"<html>moved</html>", "an undamaged zip or tar archive"),
    "another layout": (zipped({"Data/1.bmp": b"x"}), "must hold one 'Dataset 1', found 0"),
    "two of a name": (zipped({"a/Dataset 1/x": b"", "b/Dataset 1/x": b""}), "found 2 below a, b"),
    "empty folder": (zipped({"a/Dataset 1/x": b""}), "must hold *.bmp there, found none"),
    "a pair torn": (tarred({"Dataset 1/1.bmp": b"x", "Dataset 1/2.png": b""}), "found only one"),
    "broken images": (
        zipped({"Dataset 1/1.bmp": b"x", "Dataset 1/1.png": b"x"}),
        "found 0, and 1 unfit",
    ),
}


@pytest.mark.parametrize("fault", list(FAULTY))
def test_a_release_that_is_none_leaves_nothing(server: Server, home: Path, fault: str) -> None:
    content, said = FAULTY[fault]
    entry = served(server, ENTRIES["blood"], {"segmentation_WBC.zip": content})
    with pytest.raises(DataError) as error:
        fetch(entry, home, **QUICK)
    assert_says(error, said)
    assert nothing_is_left(home)
    assert not (home.parent / "evil").exists()


def test_masks_that_do_not_fit_leave_nothing(server: Server, home: Path) -> None:
    image = encoded(noise(12, 16, 3), "bmp")
    for mask, said in (
        (np.zeros((16, 12), np.uint8), "1: the mask is not 12 x 16 as the image, but (16, 12)"),
        (np.full((12, 16), 7, np.uint8), "1: the mask holds [7] beside [0, 128, 255]"),
    ):
        members = {"Dataset 1/1.bmp": image, "Dataset 1/1.png": encoded(mask, "png")}
        entry = served(server, ENTRIES["blood"], {"segmentation_WBC.zip": zipped(members)})
        with pytest.raises(DataError) as error:
            fetch(entry, home, **QUICK)
        assert_says(error, said)
        assert nothing_is_left(home)


def test_other_names_of_classes_are_refused(server: Server, home: Path) -> None:
    members = {"camvid/codes.txt": b"Road\nSky\n", "camvid/images/x": b"", "camvid/labels/x": b""}
    entry = served(server, ENTRIES["streets"], {"camvid.tgz": tarred(members)})
    with pytest.raises(DataError) as error:
        fetch(entry, home, **QUICK)
    assert_says(error, "32 class names", "found Road, Sky")


def test_two_at_once_do_no_harm(server: Server, home: Path) -> None:
    release, expected = RELEASES["blood"]()
    entry = served(server, ENTRIES["blood"], release)
    faults: list[BaseException] = []

    def go() -> None:
        try:
            fetch(entry, home, **QUICK)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    check_loaded(entry, home, expected)


SLOW_FETCH = """
import dataclasses, sys, time
from pathlib import Path
from unet_helpers.data.catalogue import ENTRIES
from unet_helpers.data.public.fetch import fetch
entry = dataclasses.replace(ENTRIES["blood"], contents=None)
def convert(release, out):
    entry.convert(release, out)
    print("converted", flush=True)
    time.sleep(60)
slow = dataclasses.replace(entry, convert=convert)
fetch(slow, Path(sys.argv[1]), archives=[Path(sys.argv[2])], announce=lambda line: None)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process with a POSIX signal")
def test_a_killed_conversion_leaves_no_set(tmp_path: Path, home: Path) -> None:
    release, expected = RELEASES["blood"]()
    archive = tmp_path / "segmentation_WBC.zip"
    archive.write_bytes(release[archive.name])
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW_FETCH, str(home), str(archive)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    with child:
        assert child.stdout is not None and child.stdout.readline() == b"converted\n"
        child.send_signal(signal.SIGKILL)
    entry = dataclasses.replace(ENTRIES["blood"], contents=None)
    (left,) = home.iterdir()  # its work folder, and nothing under the set's name
    assert left.name.startswith(".wbc_tecom.work-")
    with pytest.raises(DataError, match="does not exist"):
        read_entry(entry, home)
    fetch(entry, home, archives=[archive], **QUICK)
    assert left.exists()  # it could be another process at work
    (home / entry.folder).rename(tmp_path / "away")
    old = time.time() - fetching.STALE - 60
    os.utime(left, (old, old))
    fetch(entry, home, archives=[archive], **QUICK)
    check_loaded(entry, home, expected)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from unet_helpers.data.catalogue import ENTRIES
from unet_helpers.data.public.fetch import fetch
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    fetch(ENTRIES["blood"], Path(sys.argv[1]), archives=[Path(sys.argv[2])])
except OSError as error:
    print("refused", error.errno)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs setrlimit")
def test_a_full_disk_leaves_nothing(tmp_path: Path, home: Path) -> None:
    archive = tmp_path / "segmentation_WBC.zip"
    archive.write_bytes(RELEASES["blood"]()[0][archive.name])
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(home), str(archive)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert "refused" in done.stdout, done.stderr
    assert nothing_is_left(home)


# --- the command and the page ---------------------------------------------------------------------


def command(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unet_helpers", "data", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "UNET_DATA_HOME": str(home)},
        timeout=60,
    )


def test_the_command_fetches_a_set_and_lists_it(tmp_path: Path, home: Path) -> None:
    archive = tmp_path / "training.zip"
    archive.write_bytes(RELEASES["vessels-drive"]()[0][archive.name])
    done = command(home, "fetch", "vessels-drive", "--file", str(archive))
    assert (done.returncode, done.stderr) == (0, "")
    assert ENTRIES["vessels-drive"].terms in done.stdout
    assert done.stdout.endswith(f"vessels-drive: 20 images, ready in {home / 'drive'}\n")
    listed = command(home).stdout.splitlines()[1:]
    assert [line.split()[0] for line in listed if line[0] != "*"] == [
        name for name in ENTRIES if name != "vessels-drive"
    ]


def test_the_command_says_what_is_wrong(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNET_DATA_HOME", str(home))
    assert data_sets.fetch_set("vessels-drive") == 1
    assert "must be got by hand" in capsys.readouterr().err
    for arguments, said in (
        (["show"], "needs the name of a set"),
        (["show", "brains"], "found 'brains'"),
        (["fetch", "brains"], "name must be one of cells, membranes"),
    ):
        done = command(home, *arguments)
        assert done.returncode == 2 and said in done.stderr, done.stderr


@pytest.mark.parametrize("name", list(ENTRIES))
def test_show_tells_the_terms(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNET_DATA_HOME", str(home))
    assert data_sets.show_set(name) == 0
    said, entry = capsys.readouterr().out, ENTRIES[name]
    for part in (entry.terms, entry.licence, entry.citation, entry.size_text, f"fetch {name}"):
        assert part in said


def test_the_committed_page_is_what_the_catalogue_says() -> None:
    assert (ROOT / "docs" / "data_sets.md").read_text() == as_page(ENTRIES.values())


def test_the_page_names_every_set_with_its_terms() -> None:
    page = as_page(ENTRIES.values())
    for name, entry in ENTRIES.items():
        assert f"\n## {name}\n" in page and f"(#{name})" in page
        for part in (entry.terms, entry.licence, entry.good_for, entry.homepage):
            assert part in page


# --- the real sets --------------------------------------------------------------------------------


def real(name: str) -> Path:
    home = os.environ.get("UNET_DATA_HOME", "")
    if not (home and (Path(home) / ENTRIES[name].folder).is_dir()):
        pytest.skip(f"UNET_DATA_HOME names no folder that holds {ENTRIES[name].folder}")
    return Path(home)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "images", "parts", "share"),
    [
        ("membranes", 30, (20, 4, 6), {"membrane": 0.2196}),
        ("blood", 300, None, {"background": 0.688, "cytoplasm": 0.189, "nucleus": 0.123}),
        ("streets", 203, (123, 21, 59), {"road": 0.296 / 0.963, "sky": 0.161 / 0.963}),
        ("nuclei", 130, None, {}),
    ],
)
def test_real_sets(
    name: str, images: int, parts: tuple[int, ...] | None, share: dict[str, float]
) -> None:
    samples = read_entry(ENTRIES[name], real(name))
    assert len(samples) == images
    split = samples.split()
    if parts is not None:
        assert tuple(map(len, split)) == parts
    assert not set(split[0].groups) & set(split[2].groups)
    shares = samples.class_share()
    assert {key: shares[key] for key in share} == pytest.approx(share, abs=2e-3)


@pytest.mark.real_data
def test_the_real_blood_set_has_the_contents_on_record() -> None:
    assert contents_hash(real("blood") / "wbc_tecom") == ENTRIES["blood"].contents


@pytest.mark.real_data
def test_the_real_blood_set_survives_its_archive(tmp_path: Path, home: Path) -> None:
    root = real("blood") / "wbc_tecom"
    members = {}
    for path in [*(root / "images").iterdir(), *(root / "masks").iterdir()]:
        members[f"segmentation_WBC-{'0' * 40}/Dataset 1/{path.name}"] = path.read_bytes()
    (tmp_path / "segmentation_WBC.zip").write_bytes(zipped(members))
    said: list[str] = []
    archives = [tmp_path / "segmentation_WBC.zip"]
    fetch(ENTRIES["blood"], home, archives=archives, **{**QUICK, "announce": said.append})
    assert said[-1] == f"blood: 300 images, ready in {home / 'wbc_tecom'}"
    assert not (home / "hashes").exists()


@pytest.mark.real_data
def test_the_real_streets_rule_is_segnets_list() -> None:
    root = real("streets") / "camvid"
    lines = (root / "splits.csv").read_text().splitlines()[1:]
    rule = ENTRIES["streets"].split
    assert rule is not None
    assert all(rule(Path(file).stem) == part for file, part in (line.split(",") for line in lines))


@pytest.mark.real_data
def test_real_nuclei_are_split_within_each_size() -> None:
    samples = read_entry(ENTRIES["nuclei"], real("nuclei"))
    sizes = {sample.name: sample.mask.shape for sample in samples}
    parts = {record.name: record.split for record in samples.records}
    for size in set(sizes.values()):
        here = [parts[name] for name in parts if sizes[name] == size]
        for part, share in (("train", 0.6), ("val", 0.2), ("test", 0.2)):
            assert abs(here.count(part) - share * len(here)) <= 1
    assert all(s.instances is not None and (s.mask == (s.instances > 0)).all() for s in samples)

"""Unpacking: what an honest archive gives, and that no other leaves anything behind."""

import io
import os
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import assert_says
from hypothesis import given
from hypothesis import strategies as st
from miniatures import tarred, zipped

from unet_helpers.data import archives
from unet_helpers.data.archives import Limits, unpack
from unet_helpers.data.samples import DataError

CONTENT = {"set/images/a.png": b"image", "set/masks/a.png": b"mask" * 5000, "readme.txt": b""}
TARS = ["w:", "w:gz", "w:bz2", "w:xz"]


def unpacked(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def refused(tmp_path: Path, content: bytes, limits: Limits | None = None) -> pytest.ExceptionInfo:
    """Unpack what must be refused, and see that it left nothing, inside its folder or out."""
    archive = tmp_path / "box" / "archive.bin"
    archive.parent.mkdir()
    archive.write_bytes(content)
    with pytest.raises(DataError) as error:
        unpack(archive, archive.parent / "target", limits)
    left = [path.name for path in tmp_path.rglob("*")]
    assert sorted(left) == ["archive.bin", "box"], left
    return error


def tar_of(*infos: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for info in infos:
            file.addfile(info, io.BytesIO(b"x" * info.size))
    return buffer.getvalue()


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


# --- honest archives ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["zip", *TARS])
def test_an_honest_archive_is_unpacked(tmp_path: Path, kind: str) -> None:
    content = zipped(CONTENT) if kind == "zip" else tarred(CONTENT, kind)
    (tmp_path / "a.bin").write_bytes(content)  # its name tells nothing
    assert unpacked(unpack(tmp_path / "a.bin", tmp_path / "out")) == CONTENT


def test_a_tar_that_holds_a_zip_is_a_tar(tmp_path: Path) -> None:
    inner = {"inner.zip": zipped(CONTENT)}
    (tmp_path / "a.bin").write_bytes(tarred(inner, "w:"))
    assert unpacked(unpack(tmp_path / "a.bin", tmp_path / "out")) == inner


def test_what_file_browsers_leave_is_left_out(tmp_path: Path) -> None:
    junk = {"__MACOSX/set/._a.png": b"x", "set/.DS_Store": b"x", "set/._a.png": b"x"}
    (tmp_path / "a.zip").write_bytes(zipped({**CONTENT, **junk}))
    assert unpacked(unpack(tmp_path / "a.zip", tmp_path / "out")) == CONTENT


def test_permissions_are_not_taken_over(tmp_path: Path) -> None:
    info = entry("run.sh", size=3)
    info.mode = 0o6777
    (tmp_path / "a.tar").write_bytes(tar_of(info))
    mode = (unpack(tmp_path / "a.tar", tmp_path / "out") / "run.sh").stat().st_mode
    assert not mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR)


def test_folders_may_be_listed_or_not(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"set/": b"", "./set/a": b"1", "set/b": b"2"}))
    assert unpacked(unpack(tmp_path / "a.zip", tmp_path / "out")) == {"set/a": b"1", "set/b": b"2"}


# --- names that lead elsewhere --------------------------------------------------------------------

OUTSIDE = ["../out.txt", "set/../../out.txt", "/tmp/out.txt", "set\\..\\..\\out.txt"]
OUTSIDE += ["C:\\out.txt", "C:out.txt", "//server/share/out.txt", "a\nb", "set/nul.", "a" * 300]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_name_that_leads_elsewhere(
    tmp_path: Path, name: str, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    error = refused(tmp_path, pack({"set/good.txt": b"x", name: b"x"}))
    assert_says(error, "archive.bin", "names ", "do not use this file")


@given(parts=st.lists(st.sampled_from(["..", "a", ".", "", "b"]), min_size=1, max_size=6))
def test_no_path_leaves_the_folder(
    parts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("box")
    (folder / "a.tar").write_bytes(tar_of(entry("/".join(parts), size=1)))
    try:
        unpack(folder / "a.tar", folder / "target")
    except DataError:
        assert not (folder / "target").exists()
    assert {path.name for path in folder.iterdir()} <= {"a.tar", "target"}


@pytest.mark.parametrize(
    ("kind", "link", "said"),
    [
        (tarfile.SYMTYPE, "/etc", "a link"),
        (tarfile.SYMTYPE, "good.txt", "a link"),
        (tarfile.LNKTYPE, "../../secret", "a link"),
        (tarfile.CHRTYPE, "", "a device"),
        (tarfile.BLKTYPE, "", "a device"),
        (tarfile.FIFOTYPE, "", "a device"),
    ],
)
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes, link: str, said: str) -> None:
    through = entry("set/link/passwd", size=1)
    error = refused(tmp_path, tar_of(entry("set/link", kind, link), through))
    assert_says(error, f"found {said}, 'set/link'")


@pytest.mark.parametrize(("mode", "said"), [(stat.S_IFLNK, "a link"), (stat.S_IFIFO, "a device")])
def test_links_and_devices_in_a_zip(tmp_path: Path, mode: int, said: str) -> None:
    info = zipfile.ZipInfo("set/link")
    info.create_system, info.external_attr = 3, (mode | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(info, "/etc")
    assert_says(refused(tmp_path, buffer.getvalue()), f"found {said}, 'set/link'")


@pytest.mark.parametrize(
    "names", [("a.txt", "A.TXT"), ("S/a", "s/b"), ("\u00e9", "e\u0301"), ("a", "a/b"), ("a/b", "a")]
)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_names_that_are_one_on_some_systems(
    tmp_path: Path, names: tuple[str, str], pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    assert_says(refused(tmp_path, pack(dict.fromkeys(names, b"x"))), "found")


def test_one_name_twice(tmp_path: Path) -> None:
    error = refused(tmp_path, tar_of(entry("a", size=1), entry("a", size=2)))
    assert_says(error, "differ in more than case", "'a'")


# --- bombs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_bomb_of_zeros(tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    error = refused(tmp_path, pack({"zeros": bytes(archives.SMALL + 1)}))
    assert_says(error, "at most 100 times the archive's", f"at least {archives.SMALL + 1} bytes")


def test_many_members_of_zeros_count_together(tmp_path: Path) -> None:
    members = {f"zeros {i}": bytes(archives.SMALL // 4) for i in range(5)}
    assert_says(refused(tmp_path, zipped(members)), "at most 100 times")


def test_what_is_left_out_counts_too(tmp_path: Path) -> None:
    junk = {f"__MACOSX/{i}": bytes(600) for i in range(3)}
    assert_says(refused(tmp_path, tarred(junk), Limits(size=1000)), "at most 1000 bytes")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_limits(tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    members = {f"{i}": os.urandom(10) for i in range(5)}
    (tmp_path / "a.bin").write_bytes(pack(members))
    unpack(tmp_path / "a.bin", tmp_path / "out", Limits(size=50, files=5))
    (tmp_path / "more").mkdir()
    assert_says(refused(tmp_path / "more", pack(members), Limits(files=4)), "at most 4 entries")
    (tmp_path / "larger").mkdir()
    assert_says(refused(tmp_path / "larger", pack(members), Limits(size=49)), "at most 49 bytes")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_would_fill_the_memory(tmp_path: Path, kind: bytes) -> None:
    error = refused(tmp_path, tar_of(entry("header", kind, size=17 * archives.CHUNK)))
    assert_says(error, "headers of at most", "do not use this file")


@pytest.mark.parametrize("declared", [10, 10**6])
def test_a_size_that_is_a_lie(tmp_path: Path, declared: int) -> None:
    content = zipped({"a": bytes(1000)})
    true = struct.pack("<L", 1000)
    assert content.count(true) == 2  # before the data and in the directory
    error = refused(tmp_path, content.replace(true, struct.pack("<L", declared)))
    assert_says(error, "an undamaged zip or tar archive is expected", "get the file again")


def test_an_encrypted_member(tmp_path: Path) -> None:
    content = bytearray(zipped({"a": b"secret"}))
    for sign, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(sign) + offset] |= 1
    assert_says(refused(tmp_path, bytes(content)), "an encrypted file")


# --- damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"PK\3\4", b"\x1f\x8b\x08\0", b"<html>" * 99]
)
def test_no_archive(tmp_path: Path, content: bytes) -> None:
    assert_says(refused(tmp_path, content), "an undamaged zip or tar archive is expected")


@pytest.mark.parametrize("pack", [zipped, *(lambda m, kind=k: tarred(m, kind) for k in TARS[1:])])
def test_a_flipped_byte_is_found(tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    content = bytearray(pack({"a": os.urandom(5000)}))
    content[len(content) // 2] ^= 0x55
    assert_says(refused(tmp_path, bytes(content)), "an undamaged zip or tar archive is expected")


@pytest.mark.parametrize("pack", [zipped, *(lambda m, kind=k: tarred(m, kind) for k in TARS)])
def test_a_truncated_archive(tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    content = pack({"a": os.urandom(5000), "b": os.urandom(5000)})
    assert_says(refused(tmp_path, content[: len(content) // 2]), "does not unpack")


@given(place=st.floats(0, 0.999), value=st.integers(1, 255), kind=st.sampled_from(["zip", *TARS]))
def test_a_changed_byte_gives_files_or_a_data_error(
    place: float, value: int, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(zipped(CONTENT) if kind == "zip" else tarred(CONTENT, kind))
    content[int(place * len(content))] ^= value
    folder = tmp_path_factory.mktemp("box")
    (folder / "a.bin").write_bytes(content)
    try:
        unpack(folder / "a.bin", folder / "target")
    except DataError:
        assert not (folder / "target").exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("a limit on the size of files is simulated with setrlimit")
    (tmp_path / "a.zip").write_bytes(zipped({"small": b"x", "large": os.urandom(100_000)}))
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from unet_helpers.data.archives import unpack\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try:\n"
        "    unpack(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except OSError as error:\n"
        "    print('refused', error.errno)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.zip", tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.startswith("refused"), done.stderr
    assert not (tmp_path / "out").exists()

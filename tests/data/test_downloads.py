"""Downloads from a real server on the loopback, which misbehaves on demand."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import assert_says
from miniatures import Server, serving

from unet_helpers.data import downloads
from unet_helpers.data.downloads import announced_size, download
from unet_helpers.data.samples import DataError

CONTENT = bytes(range(256)) * 1000
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
QUICK = {"progress": False, "retries": 0, "timeout": 0.5}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "file.zip"


def nothing_is_left(target: Path) -> bool:
    return not target.parent.exists() or list(target.parent.iterdir()) == []


@pytest.mark.parametrize("known", [SHA256, MD5, None])
def test_a_file_is_there_whole(server: Server, target: Path, known: str | None) -> None:
    url = server.offer("file.zip", CONTENT)
    assert download([url], target, known_hash=known, size=len(CONTENT), **QUICK) == SHA256
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_the_bar_goes_to_stderr(
    server: Server, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = server.offer("file.zip", CONTENT)
    download([url], target, size=len(CONTENT), retries=0, timeout=2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "file.zip: 100%" in err and "256k/256k" in err


def test_a_redirect_is_followed(server: Server, target: Path) -> None:
    there = server.offer("there.zip", CONTENT)
    here = server.offer("here.zip", b"", f"to {there}")
    assert download([here], target, known_hash=SHA256, **QUICK) == SHA256


def test_a_redirect_in_circles_is_told(server: Server, target: Path) -> None:
    here = server.offer("here.zip", b"", f"to {server.address}/here.zip")
    with pytest.raises(DataError) as error:
        download([here], target, **QUICK)
    assert_says(error, here, "the server's answer 302")
    assert nothing_is_left(target)


def test_a_cut_connection_is_tried_again(server: Server, target: Path) -> None:
    url = server.offer("file.zip", CONTENT, "cut once")
    assert download([url], target, **{**QUICK, "retries": 1}) == SHA256
    assert server.asked == ["/file.zip", "/file.zip"]
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("cut", "a broken connection (ChunkedEncodingError): check the network"),
        ("404", "the server's answer 404: check the network"),
        ("mute", "a server that does not answer in time"),
        ("slow", "check the network and run the command again"),
    ],
)
def test_what_a_server_does_wrong(server: Server, target: Path, behaviour: str, said: str) -> None:
    url = server.offer("file.zip", CONTENT, behaviour)
    with pytest.raises(DataError) as error:
        download([url], target, **QUICK)
    assert_says(error, url, said)
    assert nothing_is_left(target)


def test_nobody_answers(target: Path) -> None:
    with serving() as server:
        url = server.offer("file.zip", CONTENT)
    with pytest.raises(DataError) as error:
        download([url], target, **QUICK)
    assert_says(error, url, "a broken connection (ConnectionError)")
    assert nothing_is_left(target)


@pytest.mark.parametrize("known", ["sha256:" + "0" * 64, "md5:" + "0" * 32])
def test_another_hash_is_refused(server: Server, target: Path, known: str) -> None:
    url = server.offer("file.zip", CONTENT)
    with pytest.raises(DataError) as error:
        download([url], target, known_hash=known, **QUICK)
    assert_says(error, url, known, "found another: do not use it")
    assert nothing_is_left(target)


def test_the_next_address_is_tried(server: Server, target: Path) -> None:
    bad = server.offer("bad.zip", b"other bytes")
    gone = f"{server.address}/gone.zip"
    good = server.offer("good.zip", CONTENT)
    assert download([gone, bad, good], target, known_hash=SHA256, **QUICK) == SHA256
    with pytest.raises(DataError) as error:
        download([gone, bad], target.with_name("two.zip"), known_hash=SHA256, **QUICK)
    assert_says(error, gone, "404", bad, "found another")


@pytest.mark.parametrize("behaviour", ["endless", "huge", ""])
def test_a_longer_file_is_not_downloaded_to_its_end(
    server: Server, target: Path, behaviour: str
) -> None:
    url = server.offer("file.zip", CONTENT * 2, behaviour)
    with pytest.raises(DataError) as error:
        download([url], target, size=len(CONTENT), **QUICK)
    assert_says(error, url, f"at most {len(CONTENT) + downloads.CHUNK} bytes", "a longer one")
    assert nothing_is_left(target)


def test_a_file_of_unknown_size_has_a_limit_too(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "LARGEST", 10**6)
    url = server.offer("file.zip", CONTENT, "endless")
    with pytest.raises(DataError) as error:
        download([url], target, **QUICK)
    assert_says(error, "at most 1000000 bytes")


def test_no_room_is_told_before_a_byte_comes(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "RESERVE", 1 << 60)
    url = server.offer("file.zip", CONTENT)
    with pytest.raises(DataError) as error:
        download([url], target, **QUICK)
    assert_says(error, "of free disk are expected", "make room", "UNET_DATA_HOME")
    assert nothing_is_left(target)


def test_a_server_is_asked_for_the_size(server: Server) -> None:
    gone, here = f"{server.address}/gone.zip", server.offer("file.zip", CONTENT)
    assert announced_size([gone, here]) == len(CONTENT)
    assert announced_size([gone]) is None
    assert announced_size(["http://127.0.0.1:9/nobody"], timeout=0.5) is None
    assert server.asked == []  # nothing was got

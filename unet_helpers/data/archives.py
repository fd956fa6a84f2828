"""Unpack an archive that came from elsewhere, so that it can do no harm.

What an archive may not do here: write outside its folder (CVE-2007-4559, "zip slip"), make links or
devices, fill the disk (a "bomb"), or hold two names that are one on some systems. Its permissions,
owners and times are not taken over.
"""

import shutil
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, cast

from unet_helpers.data.samples import DataError

CHUNK = 1 << 20
SMALL = 64 << 20  # an archive that unpacks to less than this is no bomb, whatever its ratio
UNFIT = set('<>:"|?*\\') | {chr(code) for code in range(32)}
JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db")


@dataclass(frozen=True)
class Limits:
    """How much an archive may unpack to.

    Attributes
    ----------
    size : int
        Bytes of all its files together.
    files : int
        How many entries it may have.
    ratio : int
        How many times the archive's own size its files may have together; not looked at below
        64 MiB, because label images compress a hundredfold.
    """

    size: int = 8 << 30
    files: int = 100_000
    ratio: int = 100


class _Member(NamedTuple):
    """One entry: its name as written, its declared size, and what it is (file, folder, else)."""

    name: str
    size: int
    kind: str
    handle: zipfile.ZipInfo | tarfile.TarInfo


class _Unfit(Exception):
    """Why an archive is refused: what was expected and what was found."""


def unpack(archive: Path, target: Path, limits: Limits | None = None) -> Path:
    """Unpack a zip or tar archive (plain, gzip, bzip2 or xz) into a new folder.

    Parameters
    ----------
    archive : Path
        The archive; its kind is told by its content, not by its name.
    target : Path
        The folder to make; it must not exist.
    limits : Limits, optional
        How much it may unpack to.

    Returns
    -------
    Path
        `target`, with all files of the archive but those that file browsers leave (such as
        ``__MACOSX``). If anything is wrong, the folder is removed again.

    Raises
    ------
    DataError
        If the file is no archive or is damaged, or an entry would leave the folder, is a link, a
        device or encrypted, has a name that some system cannot hold or that differs from another
        in case only, or the limits are passed.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with zipfile.ZipFile(folder / "set.zip", "w") as file:
    ...     file.writestr("images/a.txt", "x")
    >>> (unpack(folder / "set.zip", folder / "set") / "images" / "a.txt").read_text()
    'x'
    """
    target.mkdir(parents=True)
    try:
        with _open(archive) as members:
            _unpack_all(members, target, limits or Limits(), archive.stat().st_size)
    except BaseException as error:
        shutil.rmtree(target, ignore_errors=True)
        if isinstance(error, _Unfit):
            raise DataError(f"{archive}: {error}: do not use this file") from None
        if isinstance(error, _damage()) or (isinstance(error, OSError) and error.errno is None):
            why = (str(error) or type(error).__name__).splitlines()[0].rstrip(":")
            raise DataError(
                f"{archive}: an undamaged zip or tar archive is expected, found one that does not "
                f"unpack ({why}): get the file again"
            ) from error
        raise
    return target


def _damage() -> tuple[type[BaseException], ...]:
    """What the decoders raise; bz2 and gzip also raise an OSError without a number."""
    import lzma
    import zlib

    ours = (EOFError, tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error)
    return *ours, ValueError, RuntimeError  # such as an unknown compression


@dataclass
class _Opened:
    """An open archive: its members in order, and how to read one."""

    zip: zipfile.ZipFile | None
    tar: tarfile.TarFile | None = None

    def __iter__(self) -> Iterator[_Member]:
        if self.zip is not None:
            for info in self.zip.infolist():
                yield _Member(info.filename, info.file_size, _zip_kind(info), info)
        elif self.tar is not None:
            for entry in self.tar:
                kind = "folder" if entry.isdir() else "file" if entry.isreg() else _tar_kind(entry)
                yield _Member(entry.name, entry.size, kind, entry)
            # The checksum of a compressed archive lies behind the padding at its end.
            if self.tar.fileobj is not None and len(self.tar.fileobj.read(CHUNK)) == CHUNK:
                raise _Unfit("nothing is expected behind its end, found more")

    def read(self, member: _Member) -> IO[bytes]:
        if isinstance(member.handle, zipfile.ZipInfo):
            assert self.zip is not None
            return self.zip.open(member.handle)
        assert self.tar is not None
        stream = self.tar.extractfile(member.handle)
        assert stream is not None  # it is a file: `_checked` saw to that
        return stream


@contextmanager
def _open(archive: Path) -> Iterator[_Opened]:
    with archive.open("rb") as file:
        start = file.read(8)
    # Told by the start: a tar that holds a zip file ends like one.
    if start.startswith(b"PK"):
        with zipfile.ZipFile(archive) as packed:
            yield _Opened(packed)
    else:
        with (
            _decompressed(archive, start) as stream,
            tarfile.open(fileobj=_Measured(stream), mode="r:") as tar,  # type: ignore[call-overload]
        ):
            yield _Opened(None, tar)


def _decompressed(archive: Path, start: bytes) -> IO[bytes]:
    import bz2
    import gzip
    import lzma

    openers: dict[bytes, Callable[[Path], Any]] = {
        b"\x1f\x8b": gzip.open,
        b"BZh": bz2.open,
        b"\xfd7zXZ": lzma.open,
    }
    for magic, opener in openers.items():
        if start.startswith(magic):
            return cast(IO[bytes], opener(archive))
    return archive.open("rb")


class _Measured:
    """A stream that is never asked for much at once: a header's length may be a lie, too."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.seek, self.tell, self.stream = stream.seek, stream.tell, stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= 16 * CHUNK:
            raise _Unfit(f"headers of at most {16 * CHUNK} bytes are expected, found a longer one")
        return self.stream.read(size)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if info.flag_bits & 1:
        return "an encrypted file"
    if stat.S_ISLNK(mode):
        return "a link"
    if info.is_dir():
        return "folder"
    return "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "a device"


def _tar_kind(entry: tarfile.TarInfo) -> str:
    return "a link" if entry.issym() or entry.islnk() else "a device"


@dataclass
class _Tally:
    """What has been unpacked so far, against what may be."""

    limits: Limits
    packed: int
    files: int = 0
    size: int = 0
    seen: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def add_entry(self, member: _Member) -> None:
        self.files += 1
        if self.files > self.limits.files:
            raise _Unfit(f"at most {self.limits.files} entries are expected, found more")
        # What is declared is checked before a byte is written, what comes out is counted too.
        self._check(self.size + member.size)

    def add_bytes(self, number: int) -> None:
        self.size += number
        self._check(self.size)

    def _check(self, size: int) -> None:
        if size > self.limits.size:
            raise _Unfit(f"at most {self.limits.size} bytes are expected in it, found more")
        if size > max(SMALL, self.packed * self.limits.ratio):
            raise _Unfit(
                f"files of at most {self.limits.ratio} times the archive's {self.packed} bytes are "
                f"expected, found at least {size} bytes"
            )

    def claim(self, parts: tuple[str, ...], name: str) -> None:
        """Refuse a name that meets another one once case and accents are written alike."""
        for length in range(1, len(parts) + 1):
            path, is_file = "/".join(parts[:length]), length == len(parts)
            key = unicodedata.normalize("NFC", path).casefold()
            known = self.seen.get(key)
            # Only a folder may come again, for the next file in it.
            if known is not None and (known != (path, False) or is_file):
                raise _Unfit(f"names that differ in more than case are expected, found {name!r}")
            self.seen[key] = (path, is_file)


def _unpack_all(archive: _Opened, target: Path, limits: Limits, packed: int) -> None:
    tally = _Tally(limits, packed)
    for member in archive:
        tally.add_entry(member)
        parts = _checked(member)
        if not parts or member.kind == "folder" or _is_junk(parts):
            tally.size += 0 if member.kind == "folder" else member.size
            continue
        tally.claim(parts, member.name)
        path = target.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.read(member) as source, path.open("xb") as file:
            if _copy(source, file, tally) != member.size:
                raise EOFError(f"{member.name!r} is not as long as it says")


def _checked(member: _Member) -> tuple[str, ...]:
    """The parts of an entry's path below the folder, if that is where it leads."""
    shown = repr(member.name[:120])
    if member.kind not in ("file", "folder"):
        raise _Unfit(f"plain files are expected in it, found {member.kind}, {shown}")
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or UNFIT.intersection(member.name):
        raise _Unfit(f"names of files below one folder are expected, found {shown}")
    if any(part.endswith((" ", ".")) or len(part.encode()) > 255 for part in path.parts):
        raise _Unfit(f"names that every system can hold are expected, found {shown}")
    return path.parts


def _is_junk(parts: tuple[str, ...]) -> bool:
    return parts[-1].startswith("._") or any(part in JUNK for part in parts)


def _copy(source: IO[bytes], file: IO[bytes], tally: _Tally) -> int:
    before = tally.size
    while chunk := source.read(CHUNK):
        tally.add_bytes(len(chunk))
        file.write(chunk)
    return tally.size - before

"""Get a public set: download its release, unpack it, convert it, and only then give it its name.

Everything happens in a work folder beside the set's own, on the same disk, so that the last step
is one rename: the set's name holds a whole set or nothing, whatever is cut, killed or full on the
way. Two processes that fetch one set at once each have a work folder; the first to finish wins.
"""

import contextlib
import datetime
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unet_helpers.data.archives import Limits, unpack
from unet_helpers.data.downloads import announced_size
from unet_helpers.data.public.convert import Converted, contents_hash
from unet_helpers.data.public.entry import Entry, Source
from unet_helpers.data.public.hashes import check_given, download_source, keep_hashes, kept_hashes
from unet_helpers.data.samples import DataError

STALE = 24 * 3600  # seconds after which the work folder of a killed process is cleared away
TOLERATED = 0.02  # share of a release's pairs that may be unfit


def fetch(
    entry: Entry,
    home: Path,
    *,
    archives: Sequence[Path] = (),
    announce: Callable[[str], None] = print,
    progress: bool = True,
    **settings: Any,
) -> Path:
    """Get a set that is not there yet, after telling its size and its terms.

    Parameters
    ----------
    entry : Entry
        The set.
    home : Path
        The folder that holds the sets.
    archives : sequence of Path, optional
        Files of the release that were got by hand, by the names of the entry's sources: they are
        used instead of a download, and checked alike.
    announce : callable, optional
        Called with each line that a person should read.
    progress : bool
        Show progress bars on standard error.
    **settings
        Passed on to `download`: ``retries``, ``timeout``.

    Returns
    -------
    Path
        The set's folder. What lies there already is left as it is.

    Raises
    ------
    DataError
        If a file cannot be got, is not the expected one or does not convert. Nothing is then left
        under the set's name, and the next try starts afresh.
    """
    root = home / entry.folder
    if root.is_dir():
        announce(f"{entry.name}: already in {root}")
        return root
    by_name = _given(entry, archives)
    missing = [source for source in entry.sources if source.file not in by_name]
    announce(describe(entry, missing))
    for source in missing:
        if source.size is None:
            size = announced_size(source.urls)
            told = "does not tell its size" if size is None else f"says {size / 1e6:.1f} MB"
            announce(f"            the server {told}")
    home.mkdir(parents=True, exist_ok=True)
    with _work_folder(home, entry.folder) as work:
        out, hashes = _make(entry, home, work, by_name, progress, settings)
        keep_hashes(home, entry, hashes)
        _move_into_place(out.folder, root)
    for line in out.left_out:
        announce(f"{entry.name}: left out {line}")
    if out.pairs + len(out.left_out) != entry.images:
        announce(f"{entry.name}: {entry.images} images are expected in the release")
    announce(f"{entry.name}: {out.pairs} images, ready in {root}")
    return root


def describe(entry: Entry, sources: Sequence[Source]) -> str:
    """What a person should know before a download.

    Parameters
    ----------
    entry : Entry
        The set.
    sources : sequence of Source
        The files to download.

    Returns
    -------
    str
        A few lines: size, addresses, licence, terms and citation.
    """
    lines = [f"{entry.name}: {entry.title}"]
    lines += [f"  download  {entry.size_text}"] if sources else []
    for source in sources:
        lines.append(f"            {source.urls[0] if source.urls else source.file}")
    if entry.contents is not None:
        lines.append("  hash      on record for the images and masks, not for the archive")
    elif any(source.hash is None for source in sources):
        lines.append("  hash      none on record: the first download's is kept and compared later")
    lines += [f"  licence   {entry.licence}", f"  terms     {entry.terms}"]
    return "\n".join([*lines, f"  cite      {entry.citation}"])


def _given(entry: Entry, archives: Sequence[Path]) -> dict[str, Path]:
    by_name = {path.name: path for path in archives}
    known = [source.file for source in entry.sources]
    for name, path in by_name.items():
        if name not in known or not path.is_file():
            raise DataError(
                f"{path}: a file of the release is expected, one of {', '.join(known)}, found "
                f"{'another name' if path.is_file() else 'nothing'}: correct the path"
            )
    missing = [s.file for s in entry.sources if not s.urls and s.file not in by_name]
    if missing:
        raise DataError(
            f"{entry.name}: the files {', '.join(missing)} must be got by hand, found no path to "
            f"them: {entry.by_hand}, then name them with --file"
        )
    return by_name


def _make(
    entry: Entry,
    home: Path,
    work: Path,
    given: Mapping[str, Path],
    progress: bool,
    settings: Mapping[str, Any],
) -> tuple[Converted, dict[str, str]]:
    """Download, unpack and convert in the work folder: what to move, and the files' hashes."""
    kept = kept_hashes(home, entry)
    hashes, release = {}, {}
    for number, source in enumerate(entry.sources):
        known = source.hash or kept.get(source.file)
        path = given.get(source.file)
        if path is None:
            path = work / source.file
            options = {"known_hash": known, "size": source.size, "progress": progress, **settings}
            hashes[source.file] = download_source(source, known, path, options)
        else:
            hashes[source.file] = check_given(path, known)
        _check_room(path, work)
        release[source.file] = unpack(path, work / f"unpacked {number}", Limits())
        if path.parent == work:
            path.unlink()  # make room for what is converted
    return _convert(entry, release, work / "ready", hashes, progress), hashes


def _check_room(archive: Path, work: Path) -> None:
    """Images hardly compress: twice the archive is what unpacking and converting take."""
    needed, free = 2 * archive.stat().st_size, shutil.disk_usage(work).free
    if needed > free:
        raise DataError(
            f"{work.parent}: {needed >> 20} MB of free disk are expected, found {free >> 20} MB: "
            "make room, or set UNET_DATA_HOME to a folder on another disk"
        )


def _convert(
    entry: Entry,
    release: Mapping[str, Path],
    ready: Path,
    hashes: Mapping[str, str],
    progress: bool,
) -> Converted:
    from tqdm import tqdm

    values = None
    if entry.mask_values is not None:
        ignore = () if entry.ignore_value is None else (entry.ignore_value,)
        values = frozenset({*entry.mask_values, *ignore})
    ready.mkdir()
    bar = tqdm(
        desc=entry.name, unit=" images", total=entry.images, ascii=True, disable=not progress
    )
    with bar:
        out = Converted(ready, values, on_pair=bar.update)
        _apply_rule(entry, release, out)
    _check_converted(entry, out)
    out.write_parts()
    _write_about(entry, out, hashes)
    return out


def _check_converted(entry: Entry, out: Converted) -> None:
    if not out.pairs or len(out.left_out) > TOLERATED * out.pairs:
        first = f" (the first: {out.left_out[0]})" if out.left_out else ""
        raise DataError(
            f"{entry.name}: pairs of an image and a fitting mask are expected, found {out.pairs}, "
            f"and {len(out.left_out)} unfit{first}: the release is not the expected one, so do not "
            "use it"
        )
    if entry.contents is not None and contents_hash(out.folder) != entry.contents:
        raise DataError(
            f"{entry.name}: images and masks of the hash {entry.contents} are expected, found "
            f"others, of {contents_hash(out.folder)}: do not use them, and tell the authors"
        )


def _apply_rule(entry: Entry, release: Mapping[str, Path], out: Converted) -> None:
    try:
        entry.convert(release, out)
    except (OSError, SyntaxError, ValueError, KeyError, IndexError) as error:
        if isinstance(error, DataError) or getattr(error, "errno", None) is not None:
            raise
        raise DataError(
            f"{entry.name}: the release's layout is expected as it was, found another "
            f"({type(error).__name__}: {error}): tell the course's authors"
        ) from error


def _write_about(entry: Entry, out: Converted, hashes: Mapping[str, str]) -> None:
    about = {
        "name": entry.name,
        "title": entry.title,
        "from": {s.file: list(s.urls) or entry.by_hand for s in entry.sources},
        "hashes": dict(hashes),
        "fetched": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "pairs": out.pairs,
        "pairs in the release": entry.images,
        "left out": out.left_out,
        "licence": entry.licence,
        "terms": entry.terms,
        "cite": entry.citation,
        "page": entry.homepage,
    }
    text = json.dumps(about, indent=1, ensure_ascii=False)
    (out.folder / "ABOUT.json").write_text(text + "\n", encoding="utf-8")


@contextlib.contextmanager
def _work_folder(home: Path, folder: str) -> Iterator[Path]:
    prefix = f".{folder}.work-"
    for old in home.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > STALE:
                shutil.rmtree(old, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=prefix, dir=home))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _move_into_place(ready: Path, root: Path) -> None:
    try:
        ready.rename(root)
    except OSError:
        # Another process was quicker: a folder with files in it is never replaced.
        if not root.is_dir():
            raise

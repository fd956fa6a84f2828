"""Hashes that no public record tells: kept at the first download, compared at every later one."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unet_helpers.data.downloads import download
from unet_helpers.data.public.entry import Entry, Source
from unet_helpers.data.samples import DataError


def download_source(
    source: Source, known: str | None, path: Path, options: Mapping[str, Any]
) -> str:
    """Download a file of a release; an error tells where the hash that it misses comes from."""
    try:
        return download(source.urls, path, **options)
    except DataError as error:
        if source.hash is None and known is not None and "of the hash" in str(error):
            raise DataError(
                f"{error} (no public record tells its hash: {known} is that of your first "
                "download, so the file has changed since)"
            ) from None
        raise


def check_given(path: Path, known: str | None) -> str:
    """The hash of a file that was got by hand, which must be the known one."""
    import pooch

    if known is not None and not _matches(path, known):
        raise DataError(
            f"{path}: a file of the hash {known} is expected, found another: get the file again"
        )
    return f"sha256:{pooch.file_hash(str(path), alg='sha256')}"


def _matches(path: Path, known: str) -> bool:
    import pooch

    kind, _, digits = known.rpartition(":")
    return bool(pooch.file_hash(str(path), alg=kind or "sha256") == digits.lower())


def _hash_file(home: Path, entry: Entry) -> Path:
    return home / "hashes" / f"{entry.name}.json"


def kept_hashes(home: Path, entry: Entry) -> dict[str, str]:
    """The hashes of earlier downloads, by file; none where the contents are on record."""
    if entry.contents is not None:
        return {}
    try:
        kept = json.loads(_hash_file(home, entry).read_text(encoding="utf-8"))
        return {str(file): str(value) for file, value in kept.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise DataError(
            f"{_hash_file(home, entry)}: the hashes of earlier downloads are expected, found a "
            f"file that holds none ({error}): remove it if you trust the release's address"
        ) from None


def keep_hashes(home: Path, entry: Entry, hashes: Mapping[str, str]) -> None:
    """Keep the hashes that are on no record, for the next time the set is fetched."""
    new = {s.file: hashes[s.file] for s in entry.sources if s.hash is None}
    if entry.contents is not None or not new or new.items() <= kept_hashes(home, entry).items():
        return
    path = _hash_file(home, entry)
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    unfinished.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)

"""Download one file: told its size and hash, watched by a meter, moved into place when right."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unet_helpers.data.samples import DataError

CHUNK = 1 << 16
RESERVE = 256 << 20  # bytes that a download leaves free
LARGEST = 16 << 30  # bytes that a file of unknown size may have


class _Stopped(Exception):
    """The download was ended on purpose: what was expected, what was found, what to do."""


def download(
    urls: Sequence[str],
    target: Path,
    *,
    known_hash: str | None = None,
    size: int | None = None,
    progress: bool = True,
    retries: int = 2,
    timeout: float = 30,
) -> str:
    """Download a file from the first address that has it.

    Parameters
    ----------
    urls : sequence of str
        Addresses of the same file, tried in order.
    target : Path
        The file to write; it is there when it is complete and has the right hash, and not before.
    known_hash : str, optional
        ``"sha256:..."`` or ``"md5:..."``, in hexadecimal.
    size : int, optional
        Its size in bytes, if it is known: a longer file is not downloaded to its end.
    progress : bool
        Show a progress bar on standard error.
    retries : int
        How often to try an address again after a cut connection, with a short wait.
    timeout : float
        Seconds to wait for a server that says nothing.

    Returns
    -------
    str
        The file's hash, ``"sha256:..."``.

    Raises
    ------
    DataError
        If no address gives the file, with the reason of each, or the disk has no room for it.
    """
    import pooch

    faults = []
    for url in urls:
        try:
            _download_one(url, target, known_hash, size, progress, retries, timeout)
            return f"sha256:{pooch.file_hash(str(target), alg='sha256')}"
        except _Stopped as error:
            faults.append(f"{url}: {error}")
        except OSError as error:  # what requests raises is an OSError too
            faults.append(f"{url}: the file is expected, found {_told(error)}: {_advice(error)}")
        except ValueError:
            faults.append(
                f"{url}: a file of the hash {known_hash} is expected, found another: do not use "
                "it, and tell the course's authors if it stays so"
            )
    raise DataError("; ".join(faults))


def announced_size(urls: Sequence[str], timeout: float = 10) -> int | None:
    """Ask a server how long a file is, without getting it.

    Parameters
    ----------
    urls : sequence of str
        Addresses of the same file, asked in order.
    timeout : float
        Seconds to wait for a server that says nothing.

    Returns
    -------
    int or None
        Bytes; None if no server tells.
    """
    import requests

    for url in urls:
        try:
            answer = requests.head(
                url,
                timeout=timeout,
                allow_redirects=True,
                headers={"Accept-Encoding": "identity"},
            )
            if answer.ok and int(answer.headers.get("Content-Length", 0)):
                return int(answer.headers["Content-Length"])
        except (OSError, ValueError):
            continue
    return None


def _download_one(
    url: str,
    target: Path,
    known_hash: str | None,
    size: int | None,
    progress: bool,
    retries: int,
    timeout: float,
) -> None:
    import pooch

    pooch.get_logger().setLevel("WARNING")  # the size and the terms were told already
    target.parent.mkdir(parents=True, exist_ok=True)
    with _Meter(target, size, progress) as meter:
        downloader = pooch.HTTPDownloader(
            progressbar=meter,
            chunk_size=CHUNK,
            timeout=timeout,
            # As it lies there: what a server compresses on the way has no length to go by.
            headers={"Accept-Encoding": "identity"},
        )
        # It writes into a file beside the target, checks the hash and then moves it.
        store = pooch.create(
            path=target.parent,
            base_url="",
            registry={target.name: known_hash},
            urls={target.name: url},
            retry_if_failed=retries,
        )
        store.fetch(target.name, downloader=downloader)


class _Meter:
    """The progress bar that pooch drives, which also stops what grows too large."""

    def __init__(self, target: Path, size: int | None, show: bool) -> None:
        from tqdm import tqdm

        self.limit = LARGEST if size is None else size + CHUNK  # pooch counts in whole chunks
        self.folder = target.parent
        self.seen = 0
        self.bar = tqdm(desc=target.name, unit="B", unit_scale=True, ascii=True, disable=not show)

    def __enter__(self) -> "_Meter":
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.close()

    @property
    def total(self) -> int:
        return self.bar.total or 0

    @total.setter
    def total(self, number: int) -> None:
        """Hear what the server announces, at the start of each attempt."""
        self.seen = 0
        self.bar.reset(number or None)
        self._check(number)
        free = shutil.disk_usage(self.folder).free
        if number + RESERVE > free:
            raise _Stopped(
                f"{(number + RESERVE) >> 20} MB of free disk are expected, found {free >> 20} MB: "
                "make room, or set UNET_DATA_HOME to a folder on another disk"
            )

    def update(self, number: int) -> None:
        """Count what came."""
        self.seen += number
        self._check(self.seen)
        self.bar.update(number)

    def reset(self) -> None:
        """Start the count again, as pooch does to fill the bar at the end."""
        self.seen = 0
        self.bar.reset()

    def close(self) -> None:
        """Finish the bar."""
        self.bar.close()

    def _check(self, number: int) -> None:
        if number > self.limit:
            raise _Stopped(
                f"a file of at most {self.limit} bytes is expected, found a longer one: do not use "
                "it, and tell the course's authors if it stays so"
            )


def _told(error: OSError) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server's answer {response.status_code}"
    name = type(error).__name__
    if "Timeout" in name:
        return "a server that does not answer in time"
    # The message of a broken connection is several exceptions deep: its kind says enough.
    return f"{error.strerror} ({name})" if error.strerror else f"a broken connection ({name})"


def _advice(error: OSError) -> str:
    if error.errno is not None:
        return "make room on the disk and run the command again"
    return "check the network and run the command again, or get the file with a browser"

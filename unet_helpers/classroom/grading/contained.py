"""A process for a submission's code, behind walls where the system has them.

On Linux with bubblewrap it has a namespace of its own for files, processes, users and the network:
it sees Python and the package, read-only, and a disk of its own in memory; everything else, the
other submissions and the marks above all, is not there. What it may take of memory, time and
processes is limited. It is spoken to through two pipes, in lines of JSON.
"""

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from unet_helpers.classroom.files import UserError

PACKAGE = Path(__file__).parents[2]
LONGEST_ANSWER = 64 * 2**20  # bytes
START_SECONDS = 60
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "passwd", "fonts")


class Failed(Exception):
    """A submission that broke its bounds; the message says how, for the report."""


@dataclass(frozen=True)
class Limits:
    """What a submission may take.

    Attributes
    ----------
    seconds : float
        Wall-clock time of all of its cells together.
    memory : int
        Bytes of address space.
    disk : int
        Bytes on its disk.
    processes : int
        Processes and threads; the libraries' own threads count.
    """

    seconds: float = 60.0
    memory: int = 8 * 2**30
    disk: int = 64 * 2**20
    processes: int = 128


def can_contain() -> bool:
    """Tell whether this system can put walls around a process, by trying it.

    Returns
    -------
    bool
        False without bubblewrap, and where it may not make namespaces.
    """
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return False
    trial = [*_walls(Limits()), sys.executable, "-c", "pass"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


def require_containment() -> None:
    """Refuse to run a submission's code where nothing holds it.

    Raises
    ------
    UserError
        If this system cannot contain it.
    """
    if not can_contain():
        raise UserError(
            "submissions are code of strangers, and this system cannot contain it: on Linux "
            "install bubblewrap (the program bwrap); or, if you trust the whole class, add --trust"
        )


def _walls(limits: Limits) -> list[str]:
    """Build the start of the command: everything that bubblewrap is to shut out and let in."""
    shown = {Path(sys.prefix), Path(sys.base_prefix), PACKAGE}
    command = ["bwrap", "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000"]
    command += ["--die-with-parent", "--new-session", "--hostname", "desk", "--clearenv"]
    for folder in SYSTEM:
        if Path(folder).is_symlink():
            command += ["--symlink", str(Path(folder).readlink()), folder]
        elif Path(folder).exists():
            command += ["--ro-bind", folder, folder]
    for name in SETTINGS:
        command += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    command += ["--proc", "/proc", "--dev", "/dev"]
    command += ["--size", str(limits.disk), "--tmpfs", "/tmp"]
    for library in sorted({*shown, *(each.resolve() for each in shown)}):
        command += ["--ro-bind", str(library), str(library)]
    for name, value in _environment("/tmp").items():
        command += ["--setenv", name, value]
    return [*command, "--chdir", "/tmp"]


def _environment(home: str) -> dict[str, str]:
    """Give the few variables that a submission's process has."""
    return {
        "HOME": home,
        "TMPDIR": home,
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "agg",
        "IPYTHONDIR": f"{home}/ipython",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
        "LANG": "C.UTF-8",
    }


class Contained:
    """A submission's process; use it in a ``with`` statement, which ends it in any case.

    Parameters
    ----------
    limits : Limits
        What it may take.
    trust : bool, optional
        Whether to do without walls, with the limits alone: an ordinary process of this user, which
        can do all that the user can.

    Raises
    ------
    Failed
        By its methods, if the process ends, takes too long, fills its disk, or tries what no
        exercise needs.
    """

    def __init__(self, limits: Limits, trust: bool = False) -> None:
        self.limits, self.trust = limits, trust
        self.left = limits.seconds
        self.failure: Failed | None = None

    def __enter__(self) -> "Contained":
        self.home = tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True)
        walls = [] if self.trust else _walls(self.limits)
        # `processes` is counted within the namespace; without one, this user's own would count.
        processes = 0 if self.trust else self.limits.processes
        numbers = (self.limits.memory, int(self.limits.seconds) + 60, processes, self.limits.disk)
        command = [sys.executable, "-m", "unet_helpers.classroom.grading.inside"]
        self.process = subprocess.Popen(
            [*walls, *command, *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.home.name,
            env=_environment(self.home.name) if self.trust else None,
            start_new_session=True,
        )
        self.heard = b""
        try:
            self._answer(START_SECONDS)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.trust:  # without walls, its own children are ended with it
            _end_group(self.process.pid)
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.home.cleanup()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Parameters
        ----------
        **request : object
            What `inside` understands.

        Returns
        -------
        dict of str to object
            Its answer.
        """
        try:
            return self._asked(request)
        except Failed as failure:  # kept, for a check takes any error for an answer
            self.failure = failure
            raise

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise Failed("ended its own process") from error
        started = time.monotonic()
        answer = self._answer(self.left)
        self.left -= time.monotonic() - started
        if "stopped" in answer:
            raise Failed(f"tried what no exercise needs ({str(answer['stopped'])[:40]})")
        if answer.get("full"):
            raise Failed(f"filled its disk of {self.limits.disk / 2**20:.0f} MB")
        return answer

    def _answer(self, seconds: float) -> dict[str, Any]:
        """Read one line; never more than is allowed, never longer than allowed."""
        end = time.monotonic() + seconds
        assert self.process.stdout is not None
        pipe = self.process.stdout.fileno()
        while b"\n" not in self.heard:
            ready, _, _ = select.select([pipe], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise Failed(f"took more than {self.limits.seconds:.0f} s")
            piece = os.read(pipe, 2**16)
            if not piece:
                raise Failed("ended its own process")
            self.heard += piece
            if len(self.heard) > LONGEST_ANSWER:
                raise Failed("gave an answer of more than 64 MB")
        line, self.heard = self.heard.split(b"\n", 1)
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Failed("meddled with the line to the grader") from error
        if not isinstance(answer, dict):
            raise Failed("meddled with the line to the grader")
        return answer


def _end_group(leader: int) -> None:
    import signal

    try:
        os.killpg(leader, signal.SIGKILL)
    except (OSError, AttributeError):
        return

"""What runs within the walls: a submission's cells, in a process that may do little.

Started by `contained`, it reads one request a line and answers each with one line. The limits are
set before the first of them: memory, processor time, processes, sizes of files. The walls proper
(no network, no other files, no other processes) are those of the sandbox around it.
"""

import contextlib
import io
import json
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from unet_helpers.classroom.grading.values import NoForm, decode, encode

MOST_SAID = 20_000  # characters that a cell may print
# What no exercise needs. Python tells of it before it happens, and the submission ends there; that
# is for the report's sake, since the walls hold without it.
FORBIDDEN = (
    "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.exec", "os.posix_spawn", "os.system",
    "os.setrlimit", "resource.setrlimit", "resource.prlimit", "subprocess.Popen", "pty.spawn",
    "socket.connect", "socket.bind", "signal.pthread_kill",
)  # fmt: skip


class Desk:
    """The names that a submission's cells share, and the line to the outside."""

    def __init__(self, answer: Callable[[dict[str, Any]], None]) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        self.answer = answer
        self.shell = InteractiveShell.instance()
        self.shell.history_manager.enabled = False
        self.shell.showtraceback = lambda *_, **__: None
        self.shell.ask_exit = lambda: self._end({"stopped": "exit"})
        self.watching = False
        sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: Any) -> None:
        if self.watching and event in FORBIDDEN:
            self._end({"stopped": event})

    def _end(self, last: dict[str, Any]) -> NoReturn:
        self.answer(last)
        os._exit(3)

    def run(self, source: str) -> dict[str, Any]:
        """Run a cell; what it printed, and its error if it stopped."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            result = self.shell.run_cell(source, store_history=False, silent=True)
        error = result.error_before_exec or result.error_in_exec
        told = None if error is None else [type(error).__name__, str(error)[:500]]
        return {"said": said.getvalue()[:MOST_SAID], "error": told, "full": _disk_is_full()}

    def value(self, name: str) -> dict[str, Any]:
        """Give the value of a name, or tell that it is a function."""
        if name not in self.shell.user_ns:
            return {"missing": True}
        found = self.shell.user_ns[name]
        return {"function": True} if callable(found) else _formed(lambda: found)

    def call(self, name: str, arguments: Any) -> dict[str, Any]:
        """Call a function of the submission with plain values."""
        places, names = decode(arguments)
        function = self.shell.user_ns[name]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return {**_formed(lambda: function(*places, **names)), "full": _disk_is_full()}

    def obey(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request."""
        if "run" in request:
            self.watching = not request.get("trusted", False)
            return self.run(request["run"])
        if "call" in request:
            return self.call(request["call"], request["with"])
        return self.value(request["value"])


def _formed(make: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"value": encode(make())}
    except NoForm as error:
        return {"no form": str(error)}
    except Exception as error:
        return {"error": [type(error).__name__, str(error)[:500]]}


def _disk_is_full() -> bool:
    """Tell whether hardly a page is left of the disk that a submission may write to."""
    try:
        disk = os.statvfs(".")
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < 1_000_000


def set_limits(memory: int, seconds: int, processes: int, file_size: int) -> None:
    """Limit this process and those it starts; 0 leaves a limit as it is.

    Parameters
    ----------
    memory : int
        Address space in bytes.
    seconds : int
        Processor time.
    processes : int
        Processes and threads of this user.
    file_size : int
        Bytes of one file.
    """
    import resource

    wanted = (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_FSIZE, file_size),
    )
    for limit, most in wanted:
        if most:
            resource.setrlimit(limit, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Answer requests until there are no more."""
    set_limits(*(int(each) for each in sys.argv[1:5]))
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w")  # what a cell writes to descriptor 1 itself is no answer
    requests = os.fdopen(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)

    def answer(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    desk = Desk(answer)
    answer({"ready": True})
    for line in requests:
        answer(desk.obey(json.loads(line)))


if __name__ == "__main__":
    main()

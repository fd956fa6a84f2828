"""Keeping back what other libraries print, of Python and of C++ alike."""

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def quiet() -> Iterator[Callable[[], str]]:
    """Keep back warnings and standard error for the while.

    Yields
    ------
    callable
        Gives the last line that was kept back, for the message of an error.
    """
    with tempfile.TemporaryFile() as held, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.stderr.flush()
        loud = logging.root.manager.disable
        logging.disable(logging.WARNING)
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield lambda: _last_line(held)
        finally:
            sys.stderr.flush()
            logging.disable(loud)
            os.dup2(kept, 2)
            os.close(kept)


def _last_line(file: Any) -> str:
    file.seek(0)
    lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    return next((line[:200] for line in reversed(lines) if line), "it said nothing else")

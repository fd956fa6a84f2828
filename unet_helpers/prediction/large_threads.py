"""Reading ahead of the model and writing behind it, each in a thread of its own.

The model stays in the caller's thread: devices and precisions are chosen thread by thread.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from unet_helpers.prediction.tiles import Source, Span, Tile

T = TypeVar("T")
_END: Any = object()
_PATIENCE = 0.1  # seconds between two looks at whether the other thread still runs


class Ahead(Source):
    """A source whose next windows are read while the model is busy.

    Parameters
    ----------
    pixels : array-like, shape (height, width, channels)
        As `Source` takes it.
    tiles : sequence of Tile
        In the order in which their windows will be asked for.
    room : int
        Windows to have ready.
    """

    def __init__(self, pixels: Any, tiles: list[Tile], room: int) -> None:
        super().__init__(pixels)
        self._todo, self._room = iter(tiles), room
        self._pool = ThreadPoolExecutor(1, "windows")
        self._ready: deque[Future[NDArray[np.generic]]] = deque()

    def __enter__(self) -> "Ahead":
        """Begin to read."""
        self._fill()
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the window that is being read; read no more."""
        self._pool.shutdown(cancel_futures=True)

    def _fill(self) -> None:
        while len(self._ready) < self._room and (tile := next(self._todo, None)):
            self._ready.append(self._pool.submit(super().window, tile.down, tile.right))

    def window(self, down: Span, right: Span) -> NDArray[np.generic]:
        """The next window."""
        found = self._ready.popleft().result()
        self._fill()
        return found


class _Aborted(Exception):
    """Ends the writing thread from within."""


class Behind(Generic[T]):
    """Hands items over to a function that writes them in a thread of its own.

    Parameters
    ----------
    write : callable
        Is given an iterator over the items, and runs until their end. Where they end early
        because of an error, the iterator raises, and the event that is the second argument is set.
    room : int
        Items that may wait.
    """

    def __init__(
        self, write: Callable[[Iterator[T], threading.Event], None], room: int = 2
    ) -> None:
        self._held: queue.Queue[T] = queue.Queue(room)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, "writing")
        self._done = self._pool.submit(write, self._items(), self._stop)

    def __enter__(self) -> "Behind[T]":
        """Ready to `put`."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Wait until all is written, or nothing more is."""
        try:
            if kind is None:
                self._offer(_END)  # who knows how many items there are may be done by now
                self._done.result()
        finally:
            self._stop.set()
            self._pool.shutdown()

    def _items(self) -> Iterator[T]:
        while True:
            try:
                item = self._held.get(timeout=_PATIENCE)
            except queue.Empty:
                if self._stop.is_set():
                    raise _Aborted from None
                continue
            if self._stop.is_set():
                raise _Aborted
            if item is _END:
                return
            yield item

    def put(self, item: T) -> None:
        """Hand an item over; raises what has stopped the writing."""
        if not self._offer(item):
            self._done.result()
            raise AssertionError("the writing ended before its items did")

    def _offer(self, item: T) -> bool:
        while not self._done.done():
            try:
                self._held.put(item, timeout=_PATIENCE)
            except queue.Full:
                continue
            return True
        return False

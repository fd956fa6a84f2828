"""The scan: every pair is looked at once, on all cores, in bounded memory."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from numpy.typing import NDArray

from unet_helpers.data.doctor.encoding import Encoding, infer, looks_like_objects
from unet_helpers.data.doctor.facts import MaskFacts, PairFacts
from unet_helpers.data.doctor.glimpses import glimpse_side
from unet_helpers.data.doctor.looking import Plan, look, look_at_mask
from unet_helpers.data.doctor.sources import Options, Source

_FIRST_LOOK = 48  # masks that are read ahead to learn how masks store classes
_WAITING = 4  # jobs in line for each thread: enough to keep it busy

Job = TypeVar("Job")
Done = TypeVar("Done")


def scan(
    sources: Sequence[Source], options: Options, progress: bool | None = None
) -> tuple[list[PairFacts], Encoding, bool]:
    """Look at every pair once.

    Parameters
    ----------
    sources : sequence of Source
        The pairs.
    options : Options
        What the user told about the masks.
    progress : bool, optional
        Whether to show a progress bar on standard error; by default in a terminal or notebook,
        from the second second on.

    Returns
    -------
    facts : list of PairFacts
        In the order of the sources.
    encoding : Encoding
        How masks store classes, as a first look took it.
    objects : bool
        Whether masks look like numbered objects.
    """
    encoding, objects = first_look(sources, options)
    plan = Plan(encoding, glimpse_side(len(sources)), options.patch)
    looked = in_threads(lambda job: look(job[0], job[1], plan), enumerate(sources))
    bar = _bar(len(sources), progress)
    facts = []
    with bar:
        for found in looked:
            facts.append(found)
            bar.update()
    return facts, encoding, objects


def first_look(sources: Sequence[Source], options: Options) -> tuple[Encoding, bool]:
    """Read some masks, spread over the set, to learn how masks store classes.

    Parameters
    ----------
    sources : sequence of Source
        The pairs.
    options : Options
        What the user told about the masks.

    Returns
    -------
    encoding : Encoding
    objects : bool
        Whether masks look like numbered objects.
    """
    given = options.ids or options.instances
    if given or options.mask_values is not None or options.colours is not None:
        return infer([], options), False
    step = max(1, len(sources) // _FIRST_LOOK)
    facts: list[MaskFacts] = []
    planes: list[NDArray[Any]] = []
    for found in in_threads(look_at_mask, islice(sources, 0, None, step)):
        if found is not None:
            facts.append(found[0])
            if not found[0].coloured and found[0].alpha != "only":
                planes.append(found[1])
    # Numbering has to be seen on whole masks, so it is judged here and not in the scan.
    objects = looks_like_objects(planes[: _FIRST_LOOK // 2])
    return infer(facts, options, objects), objects


def in_threads(work: Callable[[Job], Done], jobs: Iterator[Job]) -> Iterator[Done]:
    """Do jobs in threads, results in order, with a bounded number of them in line.

    Threads, as decoders let go of Python's lock: they need no protected start-up code, as
    processes do on Windows and in notebooks, and end with the program.

    Parameters
    ----------
    work : callable
        Takes a job.
    jobs : iterator
        The jobs; drawn as they are needed.

    Yields
    ------
    object
        What `work` returned.

    Examples
    --------
    >>> list(in_threads(lambda n: n * n, iter(range(4))))
    [0, 1, 4, 9]
    """
    threads = min(os.cpu_count() or 1, 8)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="doctor")
    line: list[Future[Done]] = []
    try:
        for job in jobs:
            line.append(pool.submit(work, job))
            if len(line) >= threads * _WAITING:
                yield line.pop(0).result()
        while line:
            yield line.pop(0).result()
    finally:
        # Also when the user interrupts: what has begun ends in milliseconds, the rest is dropped.
        pool.shutdown(wait=True, cancel_futures=True)


def _bar(total: int, progress: bool | None) -> Any:
    notebook = "ipykernel" in sys.modules
    if progress is None:
        progress = notebook or sys.stderr.isatty()
    if notebook and progress:
        from tqdm.auto import tqdm
    else:
        from tqdm import tqdm
    return tqdm(total=total, desc="doctor", unit="pair", delay=1, leave=False, disable=not progress)

"""Twenty kills: does a training that is killed, and run again, end as if nothing had been?

    python benchmarks/kills.py [--sets cells membranes] [--jobs 2] [--resume]

For each data set one training runs without a break. Then nine more are hit by ten ``kill -9`` at
seeded random moments: anywhere between the first line and the last, and in tracing, validation and
the writing of a checkpoint, which are too short to be met by chance. After each kill the same
command is run again. Compared are the weights in ``model.keras``, byte for byte, the history, and
the round that was chosen as best. The net is the course's default; augmentation and dropout are on.

Writes benchmarks/results/kills.json, after every training, and prints a table; ``--resume`` goes on
with a file that the same code began. `membranes` needs UNET_DATA_HOME and is left out, with a word,
where that is not set.
"""

import argparse
import hashlib
import itertools
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from _results import RESULTS, read, store

CHILD = Path(__file__).parent / "_killed.py"
LOCK = threading.Lock()
# One training each; where two moments stand, the second kill hits the training that goes on.
MOMENTS = (
    ("any",),
    ("any",),
    ("any",),
    ("any", "any"),
    ("tracing",),
    ("validation",),
    ("validation",),
    ("writing",),
    ("writing",),
)


class Child:
    """One process that trains, and what it has said so far."""

    def __init__(self, name: str, folder: Path) -> None:
        self.said: list[tuple[str, float]] = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), name, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.errors = ""
        self.readers = [threading.Thread(target=f) for f in (self._listen, self._keep_errors)]
        for reader in self.readers:
            reader.start()

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            with self.changed:
                self.said.append((line.strip(), time.perf_counter()))
                self.changed.notify_all()
        with self.changed:
            self.said.append(("gone", time.perf_counter()))
            self.changed.notify_all()

    def _keep_errors(self) -> None:
        self.errors = self.process.stderr.read() if self.process.stderr else ""

    def wait_for(self, phase: str, times: int = 1) -> None:
        """Until a phase has begun for the n-th time, or the process has ended."""
        with self.changed:
            self.changed.wait_for(lambda: self.count(phase) >= times or self.count("gone"))

    def count(self, phase: str) -> int:
        """How often a phase has begun."""
        return sum(text == phase for text, _ in self.said)

    def finish(self) -> int:
        """Wait for the end; the exit status."""
        status = self.process.wait()
        for reader in self.readers:
            reader.join()
        return status


def durations(said: list[tuple[str, float]]) -> dict[str, float]:
    """Median seconds of each phase in a training without a break; ``any``: from begin to end."""
    found: dict[str, list[float]] = {}
    for (text, at), (_, after) in itertools.pairwise(said):
        found.setdefault(text, []).append(after - at)
    times = {text: sorted(each)[len(each) // 2] for text, each in found.items()}
    marks = dict(said)
    return {**times, "any": marks["end"] - marks["begin"]}


def kill(child: Child, moment: str, typical: dict[str, float], rng: random.Random) -> str:
    """Kill at a random time within a phase; what the process was at when it died."""
    if moment == "any":
        child.wait_for("begin")
        time.sleep(rng.uniform(0, 0.8) * typical["any"])
    else:
        child.wait_for(moment, 1 if moment == "tracing" else rng.randint(2, 10))
        time.sleep(rng.uniform(0, 1) * typical[moment])
    os.kill(child.process.pid, signal.SIGKILL)
    status = child.finish()
    known = [text for text, _ in child.said if text in (*typical, "end")]
    if status != -signal.SIGKILL:
        raise RuntimeError(f"the training was over before the kill, status {status}: {known[-3:]}")
    return known[-1]


def outcome(folder: Path) -> dict[str, Any]:
    """What a finished training left: its own account, and the weights in the file."""
    told: dict[str, Any] = json.loads((folder / "outcome.json").read_text())
    with zipfile.ZipFile(folder / "model.keras") as file:
        stored = hashlib.sha256(file.read("model.weights.h5")).hexdigest()
    return {**told, "stored": stored}


def to_the_end(name: str, folder: Path) -> Child:
    """Run the training until it is done."""
    child = Child(name, folder)
    if child.finish():
        raise RuntimeError(child.errors)
    return child


def trial(
    name: str, number: int, expected: dict[str, Any], typical: dict[str, float]
) -> dict[str, Any]:
    """One training, killed once or twice, run to its end and compared."""
    rng = random.Random(f"{name} {number}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        hits = []
        try:
            for moment in MOMENTS[number]:
                child = Child(name, folder)
                during = kill(child, moment, typical, rng)
                kept = sorted(path.name for path in folder.glob("state-*.npz"))
                after = child.said[-1][1] - dict(reversed(child.said))["begin"]
                hits.append({"aimed": moment, "during": during, "seconds": round(after, 3)})
                hits[-1]["rounds_kept"] = int(kept[-1][6:12]) if kept else 0
            to_the_end(name, folder)
            found = outcome(folder)
        except RuntimeError as error:  # counts as a failure, and the others go on
            found = {"error": str(error).strip().splitlines()[-1]}
    differ = sorted(key for key in {**expected, **found} if expected.get(key) != found.get(key))
    return {"training": number, "kills": hits, "identical": not differ, "differ": differ}


def measure(name: str, jobs: int, stored: dict[str, Any], keep: Callable[[], None]) -> None:
    """All trainings of one data set that `stored` has not yet; `keep` is called after each."""
    if "expected" not in stored:
        with tempfile.TemporaryDirectory() as scratch:
            child = to_the_end(name, Path(scratch) / "run")
            stored["expected"] = outcome(Path(scratch) / "run")
        stored["seconds"] = {phase: round(s, 3) for phase, s in durations(child.said).items()}
        stored["trainings"] = []
        keep()
    done = {each["training"] for each in stored["trainings"]}

    def one(number: int) -> None:
        found = trial(name, number, stored["expected"], stored["seconds"])
        with LOCK:
            stored["trainings"].append(found)
            stored["trainings"].sort(key=lambda each: each["training"])
            keep()

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, [n for n in range(len(MOMENTS)) if n not in done]))


def table(sets: dict[str, Any]) -> str:
    """A line for each training."""
    lines = [f"{'set':10} {'killed during (s after the first line, rounds kept)':64} identical"]
    trials = [(name, each) for name, stored in sets.items() for each in stored["trainings"]]
    for name, each in trials:
        hits = [f"{k['during']} ({k['seconds']:.2f}, {k['rounds_kept']})" for k in each["kills"]]
        lines.append(f"{name:10} {', then '.join(hits):64} {each['identical']}")
    kills = sum(len(each["kills"]) for _, each in trials)
    good = sum(len(each["kills"]) for _, each in trials if each["identical"])
    late = sum(k["rounds_kept"] > 0 for _, each in trials for k in each["kills"])
    told = f"{good} of {kills} kills left no trace; {late} came after the first round was kept"
    return "\n".join([*lines, told])


def main() -> None:
    """Kill, compare, store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sets", nargs="+", default=["cells", "membranes"])
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once")
    parser.add_argument("--resume", action="store_true", help="go on with what is stored")
    parser.add_argument("--out", type=Path, default=RESULTS / "kills.json")
    options = parser.parse_args()
    if not os.environ.get("UNET_DATA_HOME") and "membranes" in options.sets:
        print("membranes is left out: it needs UNET_DATA_HOME")
        options.sets.remove("membranes")
    about = {"machine": platform.machine(), "cores": os.cpu_count()}
    result: dict[str, Any] = {**about, "python": platform.python_version(), "sets": {}}
    if options.resume and options.out.exists():
        result = read(options.out)

    def keep() -> None:
        store(options.out, result)

    for name in options.sets:
        measure(name, options.jobs, result["sets"].setdefault(name, {}), keep)
    print(table(result["sets"]))


if __name__ == "__main__":
    main()

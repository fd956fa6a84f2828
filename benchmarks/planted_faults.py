"""Does the doctor find what is wrong? Faults are planted one at a time into copies of real sets.

    python benchmarks/planted_faults.py [--seeds 3] [--pairs 60] [--sets cells ...] [--faults ...]

Every fault goes into each set for which `_planting.FAULTS` says that it applies: deterministic
faults once, into `--few` pairs; statistical ones `--seeds` times, into `--pairs` pairs. A fault
counts as found if a finding of its name names the pair it was planted into, and as rightly cured if
the finding's fix, run where it is code, undoes it. Writes benchmarks/results/planted_faults.json
and prints tables of found / planted. Sets that UNET_DATA_HOME does not hold are left out, with a
word.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # two processes share the cores; read at NumPy's import

from _planting import FAULTS, Fault  # noqa: E402
from _realsets import SETS, write_set  # noqa: E402
from _results import RESULTS, store  # noqa: E402

from unet_helpers.data.doctor.check import check  # noqa: E402

PLACES = ("mask-shifted", "mask-turned", "pairs-swapped", "polarity-inverted")
Found = dict[str, Any]


def examine(folder: Path, settings: dict[str, Any]) -> list[Found]:
    """Run the doctor on a folder; its findings as dictionaries without the folder's place."""
    report = check(folder / "images", folder / "masks", progress=False, **settings)
    findings = [finding.as_dict() for finding in report.findings]
    for found in findings:
        found["files"] = [Path(file).name for file in found["files"]]
    return findings


def trial(name: str, fault_name: str, pairs: int, seed: int) -> Found:
    """Plant one fault into a fresh copy and see whether it is named, and nothing else."""
    fault = next(fault for fault in FAULTS if fault.name == fault_name)
    with tempfile.TemporaryDirectory() as place:
        before, after = Path(place) / "before", Path(place) / "after"
        settings = {**write_set(name, before, pairs), **fault.settings}
        shutil.copytree(before, after)
        touched = fault.plant(after, seed)
        start = time.perf_counter()
        findings = examine(after, settings)
        seconds = round(time.perf_counter() - start, 2)
        result = _judged(fault, findings, touched, before, after)
    return {"fault": fault.name, "set": name, "seed": seed, **result, "seconds": seconds}


def _judged(
    fault: Fault, findings: list[Found], touched: list[str], before: Path, after: Path
) -> Found:
    named = [f for f in findings if f["name"] in fault.names]
    if not touched:  # said of the whole set
        cured = any(fault.cured(f, "", touched, before, after) for f in named)
        found, right, missed = int(bool(named)), int(cured), []
    else:
        told = {stem: [f for f in named if _names(f, stem)] for stem in touched}
        cures = [
            any(fault.cured(f, stem, touched, before, after) for f in of)
            for stem, of in told.items()
        ]
        found, right = sum(map(bool, told.values())), sum(cures)
        missed = [stem for stem, of in told.items() if not of]
    return {
        "planted": len(touched) or 1,
        "found": found,
        "cured": right,
        "missed": missed,
        "errors": sum(f["severity"] == "error" for f in named),
        "beside": _beside(fault, findings, touched, "error"),
        "warned": _beside(fault, findings, touched, "warning") if fault.statistical else {},
    }


def _names(found: Found, stem: str) -> bool:
    """Whether a finding is about a pair; what is said of a place is said of the first one named."""
    if found["name"] in PLACES:
        return found["samples"][:1] == [stem]
    return stem in {*found["samples"], *(Path(file).stem for file in found["files"])}


def _beside(
    fault: Fault, findings: list[Found], touched: list[str], severity: str
) -> dict[str, int]:
    """What nobody planted: errors of another name, and masks suspected that were left alone."""
    expected = {*fault.names, *fault.follows}
    return dict(Counter(
        f["name"]
        for f in findings
        if f["severity"] == severity
        if (f["name"] not in expected and (severity == "error" or f["name"] in PLACES))
        or (touched and f["name"] in PLACES and f["samples"][0] not in touched)
    ))  # fmt: skip


def untouched(name: str) -> list[Found]:
    """What the doctor says of the whole set as it is."""
    with tempfile.TemporaryDirectory() as place:
        return examine(Path(place), write_set(name, Path(place), 10_000))


def table(trials: list[Found], sets: list[str], what: str) -> str:
    """Found (or cured) / planted for each fault and set, as Markdown."""
    lines = [f"| fault ({what}) | " + " | ".join(sets) + " |", "|---" * (len(sets) + 1) + "|"]
    for fault in dict.fromkeys(t["fault"] for t in trials):
        cells = []
        for name in sets:
            of = [t for t in trials if t["fault"] == fault and t["set"] == name]
            done, planted = sum(t[what] for t in of), sum(t["planted"] for t in of)
            cells.append(f"{done}/{planted}" if of else "-")
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def shares(trials: list[Found]) -> dict[str, float]:
    """Share of the planted faults that were found and cured, by sort of fault."""
    result = {}
    for sort, flag in (("statistical", True), ("deterministic", False)):
        names = {fault.name for fault in FAULTS if fault.statistical is flag}
        of = [t for t in trials if t["fault"] in names]
        planted = sum(t["planted"] for t in of) or 1
        for what in ("found", "cured"):
            result[f"{sort} {what}"] = round(sum(t[what] for t in of) / planted, 4)
    return result


def plan(options: argparse.Namespace, sets: list[str]) -> Iterator[tuple[str, str, int, int]]:
    """The trials to make: set, fault, pairs and seed."""
    for fault in FAULTS:
        if options.faults and not any(part in fault.name for part in options.faults):
            continue
        for name in (name for name in sets if name in fault.sets):
            for seed in range(options.seeds if fault.statistical else 1):
                pairs = options.pairs if fault.statistical else options.few
                yield name, fault.name, pairs, options.first_seed + seed


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=100, help="seeds below 100 were tuned on")
    parser.add_argument("--pairs", type=int, default=60, help="for statistical faults")
    parser.add_argument("--few", type=int, default=12, help="pairs for deterministic faults")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--faults", nargs="*", help="only those whose name holds one of these")
    parser.add_argument("--out", type=Path, default=RESULTS / "planted_faults.json")
    parser.add_argument("--no-untouched", action="store_true")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    sets = [name for name in options.sets if SETS[name].there()]
    for name in sorted(set(options.sets) - set(sets)):
        print(f"{name} is not in UNET_DATA_HOME and is left out")
    start, planned = time.perf_counter(), list(plan(options, sets))
    with ProcessPoolExecutor(2) as pool:
        trials = list(pool.map(trial, *zip(*planned, strict=True)))
        clean = (
            {} if options.no_untouched else dict(zip(sets, pool.map(untouched, sets), strict=True))
        )
    record = {
        **{key: getattr(options, key) for key in ("pairs", "few", "seeds", "first_seed")},
        "seconds": round(time.perf_counter() - start, 1),
        "shares": shares(trials),
        "trials": trials,
        "untouched": clean,
    }
    store(options.out, record)
    report(trials, clean, sets)
    print(record["shares"], f"{record['seconds']} s")


def report(trials: list[Found], clean: dict[str, list[Found]], sets: list[str]) -> None:
    """Print the tables, what was missed, and what is said of the untouched sets."""
    for what in ("found", "cured"):
        print("\n" + table(trials, sets, what))
    print()
    for t in trials:
        if t["found"] < t["planted"] or t["cured"] < t["planted"] or t["beside"]:
            keys = ("fault", "set", "seed", "planted", "found", "cured", "missed", "beside")
            print({key: t[key] for key in keys})
    for name, findings in clean.items():
        counts = Counter((f["severity"], f["name"]) for f in findings)
        for (severity, kind), count in counts.items():
            first = next(f for f in findings if f["name"] == kind)
            print(f"untouched {name}: {severity} {kind} ({count}), such as: {first['message']}")


if __name__ == "__main__":
    main()

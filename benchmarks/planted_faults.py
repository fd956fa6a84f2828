"""Does the doctor find what is wrong? Faults are planted one at a time into copies of real sets.

    python benchmarks/planted_faults.py [--seeds 3] [--pairs 60] [--sets cells ...]

Every fault goes into up to `--pairs` pairs of each set for which `_planting.FAULTS` says that it
applies; statistical faults `--seeds` times. Writes benchmarks/results/planted_faults.json and
prints a table of found / planted. Sets that UNET_DATA_HOME does not hold are left out, with a word.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from _planting import FAULTS, Fault
from _realsets import SETS, write_set

from unet_helpers.data.doctor.check import check

RESULT = Path(__file__).parent / "results" / "planted_faults.json"


def examine(folder: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the doctor on a folder; its findings as dictionaries."""
    report = check(folder / "images", folder / "masks", progress=False, **settings)
    return [finding.as_dict() for finding in report.findings]


def trial(fault: Fault, name: str, pairs: int, seed: int) -> dict[str, Any]:
    """Plant one fault into a fresh copy and see whether it is named, and nothing else."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        settings = write_set(name, folder, pairs)
        touched = fault.plant(folder, seed)
        settings = {**settings, **fault.settings}
        start = time.perf_counter()
        findings = examine(folder, settings)
        seconds = round(time.perf_counter() - start, 2)
    named = [f for f in findings if f["name"] in fault.names]
    told = {Path(file).stem for f in named for file in (*f["files"], *f["samples"])}
    found = [stem for stem in touched if stem in told] if touched else ["set"] * bool(named)
    return {
        "fault": fault.name,
        "set": name,
        "seed": seed,
        "planted": len(touched) or 1,
        "found": len(found),
        "missed": sorted(set(touched) - set(found)),
        "fix": all(part in f["fix"] for f in named for part in fault.fix) and bool(named),
        "beside": sorted(
            {f["name"] for f in findings if f["severity"] == "error"} - {*fault.names}
        ),
        "seconds": seconds,
    }


def untouched(name: str, pairs: int) -> list[dict[str, Any]]:
    """What the doctor says of the set as it is."""
    with tempfile.TemporaryDirectory() as place:
        return examine(Path(place), write_set(name, Path(place), pairs))


def table(trials: list[dict[str, Any]], sets: list[str]) -> str:
    """Found / planted for each fault and set, as Markdown."""
    lines = ["| fault | " + " | ".join(sets) + " |", "|---" * (len(sets) + 1) + "|"]
    for fault in dict.fromkeys(t["fault"] for t in trials):
        cells = []
        for name in sets:
            of = [t for t in trials if t["fault"] == fault and t["set"] == name]
            found, planted = sum(t["found"] for t in of), sum(t["planted"] for t in of)
            cells.append(f"{found}/{planted}" if of else "-")
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--faults", nargs="*", help="only these")
    options = parser.parse_args()
    sets = [name for name in options.sets if SETS[name].there()]
    for name in sorted(set(options.sets) - set(sets)):
        print(f"{name} is not in UNET_DATA_HOME and is left out")
    trials = []
    for fault in FAULTS:
        if options.faults and fault.name not in options.faults:
            continue
        for name in sets:
            if name not in fault.sets:
                continue
            for seed in range(options.seeds if fault.statistical else 1):
                trials.append(trial(fault, name, options.pairs, seed))
        print(fault.name, [(t["set"], t["found"], t["planted"]) for t in trials[-9:]
                           if t["fault"] == fault.name], flush=True)  # fmt: skip
    clean = {name: untouched(name, 10_000) for name in sets}
    record = {"pairs": options.pairs, "seeds": options.seeds, "trials": trials, "untouched": clean}
    RESULT.write_text(json.dumps(record, indent=1) + "\n")
    print("\n" + table(trials, sets))
    for name, findings in clean.items():
        for f in findings:
            print(f"untouched {name}: {f['severity']} {f['name']}: {f['message']}")


if __name__ == "__main__":
    main()

"""Does `diagnose` say why a training does not learn? Twelve faults, one at a time, and sound runs.

    python benchmarks/planted_trainings.py [--sets cells membranes nuclei blood]

Each fault of `_trainfaults.FAULTS` is planted into a small training on each set, two classes each;
it counts as found if its finding comes first. Sound trainings, before their first step and midway,
must bring no more than notes. Writes benchmarks/results/planted_trainings.json and prints a table:
found or not, and the seconds that `diagnose` took. Sets that UNET_DATA_HOME does not hold are left
out, with a word.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _results import RESULTS, machine, store
from _trainfaults import FAULTS, SOUND, Training

from unet_helpers import DataError, Samples, diagnose, keras, load

SETS = ("cells", "membranes", "nuclei", "blood")
LIMIT = 10.0  # seconds


def parts(name: str) -> tuple[Samples, Samples] | None:
    """Training and validation part of a set, two classes; None where it is not there."""
    try:
        train, val, _ = load(name).binary().split()
    except DataError as error:
        print(f"{name} is left out: {error}")
        return None
    return train, val


def examined(training: Training) -> dict[str, Any]:
    """What `diagnose` says of a training."""
    begun = time.process_time()
    found = diagnose(
        training.model,
        training.data,
        validation_data=training.validation,
        threshold=training.threshold,
    )
    return {
        "names": found.names,
        "severities": [each.severity for each in found],
        "message": found[0].message if len(found) else "",
        "seconds": round(found.seconds, 1),
        "processor_seconds": round(time.process_time() - begun, 1),
    }


def measure(
    name: str, train: Samples, val: Samples, chosen: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """All faults and all sound trainings on one set, or those whose name holds a chosen part."""

    def wanted(title: str) -> bool:
        return not chosen or any(part in title for part in chosen)

    rows = []
    for fault in (fault for fault in FAULTS if wanted(fault.name)):
        row = examined(fault.make(train, val))
        right = row["names"][:1] == [fault.finding]
        rows.append({"set": name, "fault": fault.name, "right": right, **row})
        print(rows[-1], flush=True)
        keras.backend.clear_session()
    for make in (make for make in SOUND if wanted(f"sound: {make.__name__}")):
        row = examined(make(train, val))
        right = set(row["severities"]) <= {"note"}
        rows.append({"set": name, "fault": f"sound: {make.__name__}", "right": right, **row})
        print(rows[-1], flush=True)
        keras.backend.clear_session()
    return rows


def table(rows: list[dict[str, Any]], sets: list[str]) -> str:
    """Right or wrong, and seconds, as Markdown."""
    lines = ["| training | " + " | ".join(sets) + " |", "|---" * (len(sets) + 1) + "|"]
    for fault in dict.fromkeys(row["fault"] for row in rows):
        of = {row["set"]: row for row in rows if row["fault"] == fault}
        cells = [f"{'yes' if of[s]['right'] else 'NO'}, {of[s]['seconds']:.1f} s" for s in sets]
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--faults", nargs="*", help="only those whose name holds one of these")
    parser.add_argument("--out", type=Path, default=RESULTS / "planted_trainings.json")
    options = parser.parse_args()
    found = {name: parts(name) for name in options.sets}
    there = {name: of for name, of in found.items() if of is not None}
    rows = [row for name, of in there.items() for row in measure(name, *of, options.faults)]
    named = {
        name: sum(
            r["right"] for r in rows if r["set"] == name and not r["fault"].startswith("sound")
        )
        for name in there
    }
    record = {
        "machine": machine(),
        "named_first": named,
        "of": len(FAULTS),
        "sound_right": all(r["right"] for r in rows if r["fault"].startswith("sound")),
        "slowest_seconds": max(row["seconds"] for row in rows),
        "most_processor_seconds": max(row["processor_seconds"] for row in rows),
        "within_limit": all(row["seconds"] <= LIMIT for row in rows),
        "rows": rows,
    }
    store(options.out, record)
    print("\n" + table(rows, list(there)))
    print({key: value for key, value in record.items() if key != "rows"})


if __name__ == "__main__":
    main()

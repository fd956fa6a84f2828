"""How long is a lesson? Minutes by section: the cells' measured run time, and time to read and do.

Run time is measured, section by section, in a kernel of its own. Reading is counted in words at a
slow reader's pace (`WORDS_A_MINUTE`), code in lines, exercises by their kind; these three paces are
assumptions and no measurements, and stand in the results.
"""

import re
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from _results import machine, store

from unet_helpers.classroom.execution import execute
from unet_helpers.classroom.exercises import HEADING, read_exercises
from unet_helpers.classroom.teaching.markup import FOLD

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PAGE = Path(__file__).parents[1] / "docs" / "minutes_by_section.md"
WORDS_A_MINUTE = 150
SECONDS_A_LINE = 4
EXERCISE_MINUTES = {"code": 6, "predict": 2, "read": 4}


def sections(notebook: Any, seconds: dict[int, float]) -> list[dict[str, Any]]:
    """Sum up words, lines, run time and exercises by heading of the second level."""
    found: list[dict[str, Any]] = []
    kinds = {exercise.title: exercise.kind for exercise in read_exercises(notebook)}
    for place, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            found[-1]["lines"] += len(cell["source"].splitlines())
            found[-1]["run_seconds"] += seconds.get(place, 0.0)
            continue
        text = FOLD.sub("", cell["source"])
        for part in re.split(r"(?=^##? )", text, flags=re.MULTILINE):
            if (heading := re.match(r"##? (.+)", part)) is not None:
                found.append(
                    {"section": heading[1], "words": 0, "lines": 0, "run_seconds": 0.0, "do": 0.0}
                )
                if (exercise := HEADING.match(part)) is not None:
                    found[-1]["do"] = EXERCISE_MINUTES[kinds[exercise[2].strip()]]
            if found:
                found[-1]["words"] += len(part.split())
    for each in found:
        each["minutes"] = round(
            each["words"] / WORDS_A_MINUTE
            + each["lines"] * SECONDS_A_LINE / 60
            + each["run_seconds"] / 60
            + each["do"],
            1,
        )
        each["run_seconds"] = round(each["run_seconds"], 1)
    return found


def run_times(path: Path) -> dict[int, float]:
    """Execute a notebook and time each code cell; the first one's holds the kernel's start."""
    stamps = [time.perf_counter()]
    made = execute(path, on_cell=lambda done, total: stamps.append(time.perf_counter()))
    places = [i for i, cell in enumerate(made["cells"]) if cell["cell_type"] == "code"]
    return dict(zip(places, np.diff(stamps).tolist(), strict=True))


def page(measured: dict[str, Any]) -> str:
    """Write what was stored as a page of tables: one of the notebooks, then one for each."""
    paces, where = measured["exercise_minutes"], measured["machine"]
    lines = [
        "# Minutes by section",
        "",
        "Made by `python benchmarks/lesson_minutes.py` on "
        f"{where['cores']} cores ({where['processor']}). How long a section's cells "
        "run is *measured*; reading and doing are *estimates*: "
        f"{measured['words_a_minute']} words a minute, {measured['seconds_a_line']} seconds a line "
        f"of code, {paces['code']} minutes for an exercise to write, {paces['read']} for one to "
        f"read, {paces['predict']} for a guess.",
        "",
        "| notebook | read | run | exercises | in all |",
        "|---|---:|---:|---:|---:|",
        *(_summary(name, sections) for name, sections in measured["notebooks"].items()),
    ]
    for name, sections in measured["notebooks"].items():
        lines += ["", f"## {_title(name)}", "", "| section | minutes | of which cells run |"]
        lines += ["|---|---:|---:|"]
        lines += [
            f"| {each['section']} | {each['minutes']:.1f} | {each['run_seconds'] / 60:.1f} |"
            for each in sections
        ]
    return "\n".join(lines) + "\n"


def _title(name: str) -> str:
    return name.replace("_", " ")


def _summary(name: str, sections: list[dict[str, Any]]) -> str:
    """A notebook's row; what the cells of an exercise run counts as the exercise's."""
    doing = sum(each["minutes"] for each in sections if each["do"])
    running = sum(each["run_seconds"] / 60 for each in sections if not each["do"])
    total = sum(each["minutes"] for each in sections)
    numbers = (total - doing - running, running, doing, total)
    return f"| {_title(name)} | {' | '.join(f'{number:.0f}' for number in numbers)} |"


def main() -> None:
    """Measure all notebooks, or those whose names start as the arguments say."""
    made = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if len(sys.argv) > 1 and not path.name.startswith(tuple(sys.argv[1:])):
            continue
        notebook = nbformat.read(path, as_version=4)
        made[path.stem] = sections(notebook, run_times(path))
        total = sum(each["minutes"] for each in made[path.stem])
        print(f"\n{path.stem}: {total:.0f} minutes")
        for each in made[path.stem]:
            print(f"  {each['minutes']:5.1f}  {each['section']}  (runs {each['run_seconds']} s)")
    measured = {
        "machine": machine(),
        "words_a_minute": WORDS_A_MINUTE,
        "seconds_a_line": SECONDS_A_LINE,
        "exercise_minutes": EXERCISE_MINUTES,
        "notebooks": made,
    }
    store("lesson_minutes", measured)
    PAGE.write_text(page(measured), encoding="utf-8")


if __name__ == "__main__":
    main()

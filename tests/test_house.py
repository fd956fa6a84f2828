"""The rules of the house, checked on the files themselves."""

import ast
import doctest
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import unet_helpers

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "unet_helpers"
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = ["data", "model", "evaluation", "training", "prediction", "views", "classroom"]
CORE_ROOMS = ROOMS[:-1]


def room_of(path: Path) -> str:
    """The room of a file; the package's own name for what lies beside the rooms."""
    return path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else PACKAGE.name


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- who imports whom ---------------------------------------------------------------------------


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a file imports, wherever in it; its own room's by a dot do not count."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level != 1:
            assert node.level == 0, "two dots would hide the room"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_used(path: Path) -> set[str]:
    used = set()
    for name in imported(ast.parse(path.read_text())):
        first, _, rest = name.partition(".")
        if first == PACKAGE.name:
            head = rest.split(".")[0]
            home = unet_helpers._HOME.get(head, head)
            used.add(home.split(".")[0])
    return used


@pytest.mark.parametrize("path", [f for f in FILES if room_of(f) in ROOMS], ids=relative)
def test_a_room_imports_only_rooms_before_it(path: Path) -> None:
    room = room_of(path)
    allowed = {"data": ["data"], "model": ["model", "keras"]}
    default = [*ROOMS[: ROOMS.index(room) + 1], "keras", "__version__"]
    assert rooms_used(path) <= set(allowed.get(room, default))


def test_the_rooms_are_those_of_the_house() -> None:
    assert {room_of(path) for path in FILES} == {*ROOMS, PACKAGE.name}


# --- sizes --------------------------------------------------------------------------------------


def docstring_lines(tree: ast.AST) -> set[int]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            lines.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


def counted_lines(path: Path) -> set[int]:
    """Numbers of the lines of code: not blank, no comment, not part of a docstring."""
    text = path.read_text()
    lines = ((i, line.strip()) for i, line in enumerate(text.splitlines(), 1))
    written = {i for i, line in lines if line and not line.startswith("#")}
    return written - docstring_lines(ast.parse(text))


# What serves only some, or one data set, stands beside the core, which never imports it.
BESIDE = (
    "data/cells.py",
    "data/drawn.py",
    "data/knobs.py",
    "data/outlines.py",
    "data/slides.py",
    "data/formats/",
    "data/doctor/",
    "data/catalogue.py",
    "data/public/",
    "data/downloads.py",
    "data/archives.py",
    "data/augment.py",
    "data/photometry.py",
    "data/warp.py",
    "data/look.py",
    "data/meet.py",
    "data/splits.py",
    "evaluation/annotators.py",
    "evaluation/calibration.py",
    "evaluation/comparison.py",
    "evaluation/report.py",
    "evaluation/report_files.py",
    "evaluation/report_objects.py",
    "evaluation/report_reading.py",
    "evaluation/report_text.py",
    "evaluation/seeds.py",
    "evaluation/thresholds.py",
    "evaluation/binary.py",
    "evaluation/boundaries.py",
    "evaluation/membranes.py",
    "evaluation/objects.py",
    "evaluation/overlaps.py",
    "evaluation/segments.py",
    "model/work.py",
    "training/bench.py",
    "training/borders.py",
    "training/budget.py",
    "training/checkpoint.py",
    "training/fine_tune.py",
    "training/fingerprints.py",
    "training/losses.py",
    "training/plan.py",
    "training/run_log.py",
    "training/run_record.py",
    "training/sanity.py",
    "training/start.py",
    "training/state_files.py",
    "training/train.py",
    "training/validation.py",
    "training/diagnosis/",
    "prediction/card.py",
    "prediction/converting.py",
    "prediction/export.py",
    "prediction/int8.py",
    "prediction/large.py",
    "prediction/large_files.py",
    "prediction/large_images.py",
    "prediction/large_pixels.py",
    "prediction/large_planes.py",
    "prediction/large_threads.py",
    "prediction/large_tiffs.py",
    "prediction/loading.py",
    "prediction/quiet.py",
    "prediction/runtimes.py",
    "prediction/object_files.py",
    "prediction/objects.py",
    "prediction/otsu.py",
    "prediction/outlines.py",
    "views/cheat_sheet.py",
    "views/course_map.py",
    "views/explorer.py",
    "views/findings.py",
    "views/live.py",
    "views/live_drawing.py",
    "views/live_page.py",
    "views/model_explorer.py",
    "views/model_figures.py",
    "views/prediction_figures.py",
    "views/printed.py",
    "views/score_figures.py",
    "views/segmenter.py",
    "views/smears.py",
    "views/training_figures.py",
    "views/widgets.py",
)


def is_beside(path: Path) -> bool:
    return path.relative_to(PACKAGE).as_posix().startswith(BESIDE)


def core_files() -> list[Path]:
    chosen = [f for f in FILES if room_of(f) in CORE_ROOMS or f == PACKAGE / "__init__.py"]
    return [path for path in chosen if counted_lines(path) and not is_beside(path)]


def files_used(path: Path) -> set[Path]:
    """Files of ours that a file imports, found by the dotted names it writes."""
    names = [name.split(".")[1:] for name in imported(ast.parse(path.read_text()))]
    parts = [name[:length] for name in names for length in range(1, len(name) + 1)]
    homes = [unet_helpers._HOME.get(name[0], "").split(".") for name in names if name]
    made = {PACKAGE.joinpath(*part).with_suffix(".py") for part in [*parts, *homes] if part[0]}
    return {file for file in made if file.exists()}


@pytest.mark.parametrize("path", core_files(), ids=relative)
def test_the_core_never_imports_what_stands_beside_it(path: Path) -> None:
    assert [relative(file) for file in files_used(path) if is_beside(file)] == []


def test_what_stands_beside_the_core_is_there() -> None:
    assert [name for name in BESIDE if not (PACKAGE / name).exists()] == []


def test_the_core_has_at_most_thirteen_files() -> None:
    assert len(core_files()) <= 13, [relative(path) for path in core_files()]


def test_the_core_stays_small() -> None:
    sizes = {relative(path): len(counted_lines(path)) for path in core_files()}
    # "About 1,500", and tiles: `predict` is one function, so it cannot leave them to others.
    assert sum(sizes.values()) <= 1700, sizes


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_has_at_most_275_lines(path: Path) -> None:
    assert len(counted_lines(path)) <= 275


def test_nine_functions_of_ten_are_shorter_than_25_lines() -> None:
    lengths: dict[str, int] = {}
    for path in FILES:
        counted = counted_lines(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                span = range(node.lineno, node.end_lineno + 1)
                lengths[f"{relative(path)}:{node.lineno}"] = len(counted.intersection(span))
    long = {where: length for where, length in lengths.items() if length >= 25}
    assert len(long) <= 0.1 * len(lengths), long


# --- loading ------------------------------------------------------------------------------------

HEAVY = "('tensorflow', 'keras', 'matplotlib', 'ipywidgets', 'scipy')"


def python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, unet_helpers; print([m for m in {HEAVY} if m in sys.modules])"
    assert python("-c", code).strip() == "[]"


def test_the_command_line_loads_nothing_heavy() -> None:
    code = (
        "import atexit, runpy, sys\n"
        f"atexit.register(lambda: print('LOADED', [m for m in {HEAVY} if m in sys.modules]))\n"
        "sys.argv[1:] = ['--help']\n"
        "runpy.run_module('unet_helpers', run_name='__main__')\n"
    )
    said = python("-c", code)
    assert "usage: python -m unet_helpers" in said
    assert "LOADED []" in said


@pytest.mark.parametrize("name", unet_helpers.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(unet_helpers, name) is not None
    assert name in dir(unet_helpers)


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'unett'"):
        unet_helpers.unett  # noqa: B018


# --- docstrings ---------------------------------------------------------------------------------


def public_callables() -> list[str]:
    chosen = (name for name in unet_helpers.__all__ if name != "keras")
    return [name for name in chosen if callable(getattr(unet_helpers, name))]


def is_documented(text: str, *sections: str) -> bool:
    return any(re.search(rf"^{section}\n-{{{len(section)}}}$", text, re.M) for section in sections)


@pytest.mark.parametrize("name", public_callables())
def test_every_public_callable_has_a_numpydoc_docstring(name: str) -> None:
    value = getattr(unet_helpers, name)
    text = inspect.cleandoc(value.__doc__ or "")
    assert text
    if inspect.isclass(value) and issubclass(value, Exception):
        return
    if inspect.signature(value).parameters:
        # A record's fields are both what it takes and what it holds.
        sections = ("Parameters", "Attributes") if inspect.isclass(value) else ("Parameters",)
        assert is_documented(text, *sections)
    returns = inspect.signature(value).return_annotation
    if not inspect.isclass(value) and returns not in (None, inspect.Signature.empty):
        assert is_documented(text, "Returns", "Yields")


def modules() -> list[str]:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


@pytest.mark.parametrize("name", modules())
def test_the_examples_in_docstrings_are_right(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


# --- what is committed --------------------------------------------------------------------------


def committed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


# In pieces, so that this file does not find itself.
ABSOLUTE = re.compile(r"(?<![\w.~}>*-])/(?:" + "|".join(["home", "root", "work", "Users"]) + r")/")
IMAGE = re.compile(r'"image/png": ?"[^"]*"')


def test_no_committed_file_names_a_path_of_somebodys_machine() -> None:
    found = []
    for path in committed():
        if path.suffix == ".lock" or b"\0" in path.read_bytes()[:8000]:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if ABSOLUTE.search(IMAGE.sub("", line)):
                found.append(f"{relative(path)}:{number}: {line.strip()[:100]}")
    assert found == []


def test_the_locks_name_no_address() -> None:
    locks = list(ROOT.glob("*.lock"))
    assert locks
    for lock in locks:
        assert not re.search(r"\w+://", lock.read_text()), relative(lock)

"""Grade a class: every submission by itself, then marks and feedback for all."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from unet_helpers.classroom.files import UserError
from unet_helpers.classroom.grading.contained import Limits, require_containment
from unet_helpers.classroom.grading.course import Course
from unet_helpers.classroom.grading.marking import Marked, mark
from unet_helpers.classroom.grading.marks import write_marks
from unet_helpers.classroom.grading.sheets import Sheet, find_submissions

Job = tuple[Path, str, Path, int, Limits, bool]


def grade(
    notebooks: Sequence[Path],
    submissions: Path,
    out: Path,
    *,
    numbers: Mapping[str, int] | None = None,
    limits: Limits | None = None,
    trust: bool = False,
    workers: int = 2,
    announce: Callable[[str], None] = print,
) -> list[Marked]:
    """Grade a folder of submissions.

    Parameters
    ----------
    notebooks : sequence of pathlib.Path
        The notebooks as released; those without a coded exercise are left out.
    submissions : pathlib.Path
        One folder a student in it; only read.
    out : pathlib.Path
        A folder that is not there yet: ``marks.csv``, ``marks.html``, ``verdicts.csv``,
        ``feedback/`` with a page for each student and notebook, ``course/`` for nbgrader.
    numbers : mapping of str to int, optional
        The students' own numbers; 0 where there is none.
    limits : Limits, optional
        What each submission may take.
    trust : bool, optional
        Whether to run submissions without walls.
    workers : int, optional
        How many are run at a time.
    announce : callable, optional
        Called with a line a submission.

    Returns
    -------
    list of Marked
        What became of each, by student and notebook.

    Raises
    ------
    UserError
        If this system cannot contain a submission and `trust` is not set; if `out` is there
        already; if there are no submissions.
    """
    if out.exists():
        raise UserError(
            f"expected a new folder for the marks, {out} is there already: name another"
        )
    if not trust:
        require_containment()
    sheets = [sheet for path in notebooks if (sheet := Sheet.read(path)).exercises]
    found = find_submissions(submissions, sheets)
    paths = {path.stem: path for path in notebooks}
    jobs: list[Job] = [
        (paths[sheet.name], name, path, (numbers or {}).get(name, 0), limits or Limits(), trust)
        for name, files in found.items()
        for sheet, path in files
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".marks-") as made:
        marked = _mark_all(jobs, workers, announce)
        _keep(Path(made) / "marks", list(found), sheets, marked)
        (Path(made) / "marks").rename(out)
    return marked


@cache
def _sheet(path: Path) -> Sheet:
    return Sheet.read(path)


def _mark_one(job: Job) -> Marked:
    path, student, file, number, limits, trust = job
    return mark(_sheet(path), student, file, number, limits, trust=trust)


def _mark_all(jobs: list[Job], workers: int, announce: Callable[[str], None]) -> list[Marked]:
    """Mark in processes of their own; a check prints, and two in one process would mix."""
    marked: list[Marked] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(_mark_one, job) for job in jobs]):
            one = done.result()
            marked.append(one)
            passed = sum(map(one.passed, one.said))
            what = f"failed: {one.failed}" if one.failed else f"{passed} of {len(one.said)}"
            announce(f"{len(marked)}/{len(jobs)}  {one.student}  {one.notebook}  {what}")
    return sorted(marked, key=lambda one: (one.student, one.notebook))


def _keep(folder: Path, students: list[str], sheets: list[Sheet], marked: list[Marked]) -> None:
    """Have nbgrader count the points, and write what the teacher reads."""
    (folder / "course").mkdir(parents=True)
    course = Course(folder / "course")
    handed_in = {one.notebook for one in marked}
    course.release(sheet for sheet in sheets if sheet.name in handed_in)
    by_name, points = {sheet.name: sheet for sheet in sheets}, {}
    for one in marked:
        sheet = by_name[one.notebook]
        points[one.student, one.notebook] = course.enter(sheet, one)
        course.feedback(sheet, one.student, folder / "feedback" / one.student)
    shutil.rmtree(folder / "course" / "feedback", ignore_errors=True)
    write_marks(folder, students, [s for s in sheets if s.name in handed_in], points, marked)

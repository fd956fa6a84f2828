"""The options of the command ``classroom``."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them to its parser.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        The command's parser.
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = """\
Make what a class needs from the notebooks, and grade what comes back.

  students    notebooks without solutions and answers; with --roster one folder a student,
              each with a number of their own for the exercises that have numbers as answers
  solutions   notebooks with the solutions in the stubs' places
  slides      one page a notebook (reveal.js); key S shows what there is to say
  handouts    one page a notebook to print, with room to write
  kit         all four of these
  grade       run the answers of SUBMISSIONS (one folder a student), contained; write marks and
              feedback into a new folder"""
    what = ("students", "solutions", "slides", "handouts", "kit", "grade")
    parser.add_argument("what", choices=what, metavar="WHAT", help=f"one of {', '.join(what)}")
    parser.add_argument(
        "submissions", nargs="?", type=Path, metavar="SUBMISSIONS", help="for grade: the folder"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write")
    parser.add_argument("--only", metavar="START", help="only notebooks whose name starts so")
    made = parser.add_argument_group("for students and kit")
    made.add_argument("--roster", type=Path, metavar="FILE", help="names, one a line (or CSV)")
    made.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the students' numbers (default: 0)"
    )
    graded = parser.add_argument_group("for grade")
    graded.add_argument(
        "--kit", type=Path, metavar="FOLDER", help="where 'students --roster' wrote its note"
    )
    graded.add_argument(
        "--seconds", type=_positive, default=60.0, metavar="S",
        help="for one submitted notebook (default: 60)",
    )  # fmt: skip
    graded.add_argument(
        "--memory", type=_positive, default=8.0, metavar="GB",
        help="for one submitted notebook, counted as address space (default: 8)",
    )  # fmt: skip
    graded.add_argument(
        "--trust", action="store_true",
        help="run submissions without walls: they can do all that you can",
    )  # fmt: skip


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
    return number

"""A check outside, the answer it judges inside: how the two meet.

The check cell of an exercise runs in this process, where no submission can reach it. The names that
the learner was to define are fetched from the submission's process: a value as it is, a function as
a `Distant` one, which sends its arguments there and brings the result back.
"""

import ast
import contextlib
import io
from collections.abc import Mapping
from typing import Any

from unet_helpers.classroom.grading.contained import Contained
from unet_helpers.classroom.grading.values import NoForm, as_error, decode, encode


class Distant:
    """A function of a submission, called from outside with plain values.

    Parameters
    ----------
    desk : Contained
        The submission's process.
    name : str
        The function's name there.
    """

    def __init__(self, desk: Contained, name: str) -> None:
        self.desk, self.name = desk, name
        self.has_no_form = False

    def __call__(self, *places: Any, **names: Any) -> Any:
        """Call it; what it raises there is raised here."""
        try:
            arguments = encode((places, names))
        except NoForm:
            self.has_no_form = True
            raise
        answer = self.desk.ask(call=self.name, **{"with": arguments})
        if "no form" in answer:
            self.has_no_form = True
            raise NoForm(str(answer["no form"]))
        if "error" in answer:
            raise as_error(*map(str, answer["error"]))
        return decode(answer.get("value"))


def defined_names(source: str) -> list[str]:
    r"""List the names that a cell defines at its top level.

    Parameters
    ----------
    source : str
        The code of a stub or of a solution.

    Returns
    -------
    list of str
        Functions, classes and variables, in their order.

    Examples
    --------
    >>> defined_names("mask = test[0].mask\ndef share(mask): ...\na, b = 1, 2")
    ['mask', 'share', 'a', 'b']
    """
    names: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            inner = (each for target in targets for each in ast.walk(target))
            names += [each.id for each in inner if isinstance(each, ast.Name)]
    return list(dict.fromkeys(names))


def verdict(desk: Contained, check: str, names: list[str], ours: Mapping[str, Any]) -> str:
    """Run a check cell on a submission's answer.

    Parameters
    ----------
    desk : Contained
        The submission's process, in which the answer was run.
    check : str
        The check cell's code.
    names : list of str
        The names that are the learner's.
    ours : mapping of str to object
        All other names that the check uses.

    Returns
    -------
    str
        What the check says. Where an answer cannot cross the wall, such as a Keras model, the
        check has run inside with it.

    Raises
    ------
    Failed
        If the submission breaks its bounds while it is asked.
    """
    theirs: dict[str, Any] = {}
    inside = False
    for name in names:
        answer = desk.ask(value=name)
        if "function" in answer:
            theirs[name] = Distant(desk, name)
        elif "no form" in answer:
            inside = True
        elif "value" in answer:
            theirs[name] = _decoded(answer["value"])
    said = "" if inside else _run_check(check, {**ours, **theirs})
    if desk.failure is not None:
        raise desk.failure
    distant = [each for each in theirs.values() if isinstance(each, Distant)]
    if inside or any(each.has_no_form for each in distant):
        return str(desk.ask(run=check, trusted=True).get("said", "")).strip()
    return said


def _decoded(form: Any) -> Any:
    try:
        return decode(form)
    except ValueError as error:
        return str(error)


def _run_check(check: str, names: dict[str, Any]) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            exec(check, names)
        except NameError as error:
            print(f"Not yet: {error}; the cell above did not run to its end.")
    return said.getvalue().strip()

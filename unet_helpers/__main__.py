"""The course's command line: ``python -m unet_helpers COMMAND``.

Each command is added by one small function, which names its options and its handler; a handler
imports what it needs, so that ``--help`` is quick and nothing here loads TensorFlow.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unet_helpers.classroom.files import UserError, choose_notebooks, choose_one, find_notebooks


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command and its options; those of the process by default.

    Returns
    -------
    int
        The exit status: 0, 1 if something failed, 2 if the command cannot be carried out.
    """
    options = build_parser().parse_args(arguments)
    try:
        return int(options.handler(options))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands.

    Returns
    -------
    argparse.ArgumentParser
        Its result has the attribute ``handler``, which takes the options.
    """
    parser = argparse.ArgumentParser(
        prog="python -m unet_helpers",
        description="Open and run the notebooks of the U-Net course; check, train, score, predict "
        "and export on your own images.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return parser


def add_command(commands: Any, name: str, purpose: str, example: str) -> argparse.ArgumentParser:
    """Add a command whose help ends with an example.

    Parameters
    ----------
    commands : argparse action
        The subparsers to add it to.
    name : str
        The command's name.
    purpose : str
        What it does, in one line.
    example : str
        The arguments of one sensible call.

    Returns
    -------
    argparse.ArgumentParser
        The command's parser, for its options and its handler.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=f"example:  python -m unet_helpers {example}",
    )
    return parser


def _add_lab(commands: Any) -> None:
    parser = add_command(
        commands, "lab", "open working copies of the notebooks in JupyterLab", "lab"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--port", type=int, metavar="N", help="the port to listen on")
    parser.set_defaults(handler=_lab)


def _add_run(commands: Any) -> None:
    parser = add_command(
        commands,
        "run",
        "run the notebooks without a browser and write them as pages under build/",
        "run --dataset cells --only 03",
    )
    parser.add_argument(
        "--dataset", default="cells", metavar="NAME", help="the data set (default: cells)"
    )
    parser.add_argument(
        "--only", metavar="START", help="run only the notebooks whose name starts so"
    )
    parser.set_defaults(handler=_run)


def _add_refresh(commands: Any) -> None:
    parser = add_command(
        commands, "refresh", "take updates of the notebooks into your working copies", "refresh"
    )
    parser.set_defaults(handler=_refresh)


def _add_reset(commands: Any) -> None:
    parser = add_command(
        commands, "reset", "put one notebook back, keeping yours beside it", "reset 03"
    )
    parser.add_argument("notebook", metavar="NOTEBOOK", help="its name, or how its name starts")
    parser.set_defaults(handler=_reset)


def _add_execute(commands: Any) -> None:
    parser = add_command(
        commands,
        "execute",
        "renew the stored outputs of the committed notebooks (for authors)",
        "execute 03",
    )
    parser.add_argument(
        "notebook", nargs="*", metavar="NOTEBOOK", help="a name or its start (default: all)"
    )
    parser.set_defaults(handler=_execute)


def _add_data(commands: Any) -> None:
    parser = add_command(
        commands, "data", "list the public data sets, show one, or fetch one", "data fetch nuclei"
    )
    parser.add_argument(
        "what", nargs="?", default="list", choices=("list", "show", "fetch", "page"), help="what"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the set, to show or fetch it")
    parser.add_argument(
        "--file",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="a file of its release that you have already (may be given several times)",
    )
    parser.set_defaults(handler=_data)


def _add_doctor(commands: Any) -> None:
    from unet_helpers.data.doctor.arguments import add_arguments

    purpose = "check images and masks for what would spoil a training"
    parser = add_command(commands, "doctor", purpose, "doctor images masks")
    add_arguments(parser)
    parser.set_defaults(handler=_doctor)


def _add_train(commands: Any) -> None:
    from unet_helpers.classroom.training_arguments import add_arguments

    purpose = "train a U-Net on a folder of images and masks"
    parser = add_command(commands, "train", purpose, "train images masks --out run")
    add_arguments(parser)
    parser.set_defaults(handler=_train)


def _add_evaluate(commands: Any) -> None:
    from unet_helpers.classroom.evaluating_arguments import add_arguments

    purpose = "score a saved model, or predicted masks, on labelled images"
    parser = add_command(commands, "evaluate", purpose, "evaluate model.keras images masks")
    add_arguments(parser)
    parser.set_defaults(handler=_evaluate)


def _add_predict(commands: Any) -> None:
    from unet_helpers.classroom.predicting_arguments import add_arguments

    purpose = "predict masks of new images"
    parser = add_command(commands, "predict", purpose, "predict run images --out masks")
    add_arguments(parser)
    parser.set_defaults(handler=_predict)


def _add_export(commands: Any) -> None:
    from unet_helpers.classroom.exporting_arguments import add_arguments

    purpose = "write a trained model for other programs"
    parser = add_command(commands, "export", purpose, "export run --format onnx")
    add_arguments(parser)
    parser.set_defaults(handler=_export)


def _add_app(commands: Any) -> None:
    purpose = "serve a page on this computer that segments images dropped onto it"
    parser = add_command(commands, "app", purpose, "app run")
    parser.add_argument("run", metavar="RUN", help="the training's folder, or a model.keras")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--port", type=int, metavar="N", help="the port to listen on")
    parser.set_defaults(handler=_app)


def _add_classroom(commands: Any) -> None:
    from unet_helpers.classroom.teaching.arguments import add_arguments

    purpose = "make students' notebooks, solutions, slides and handouts; grade submissions"
    parser = add_command(commands, "classroom", purpose, "classroom students --out kit")
    add_arguments(parser)
    parser.set_defaults(handler=_classroom)


COMMANDS = (
    _add_lab,
    _add_run,
    _add_refresh,
    _add_reset,
    _add_execute,
    _add_data,
    _add_doctor,
    _add_train,
    _add_evaluate,
    _add_predict,
    _add_export,
    _add_app,
    _add_classroom,
)


def _lab(options: argparse.Namespace) -> int:
    from unet_helpers.classroom.lab import lab

    notebooks = find_notebooks()
    return lab(
        notebooks, _working_copies(notebooks), browser=not options.no_browser, port=options.port
    )


def _run(options: argparse.Namespace) -> int:
    from unet_helpers.classroom.running import run_series

    return run_series(find_notebooks(), Path("build"), options.dataset, options.only)


def _refresh(options: argparse.Namespace) -> int:
    from unet_helpers.classroom.working_copies import refresh

    notebooks = find_notebooks()
    refresh(notebooks, _working_copies(notebooks))
    print(f"The working copies in {_working_copies(notebooks)} are up to date.")
    return 0


def _reset(options: argparse.Namespace) -> int:
    from unet_helpers.classroom.working_copies import reset

    notebooks = find_notebooks()
    reset(choose_one(notebooks, options.notebook), _working_copies(notebooks))
    return 0


def _execute(options: argparse.Namespace) -> int:
    from unet_helpers.classroom.execution import NotebookFailed, write_in_place

    notebooks = find_notebooks()
    chosen = [
        path for name in options.notebook or [""] for path in choose_notebooks(notebooks, name)
    ]
    try:
        write_in_place(dict.fromkeys(chosen))
    except NotebookFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _data(options: argparse.Namespace) -> int:
    from unet_helpers.classroom import data_sets

    if options.what in ("list", "page"):
        return data_sets.list_sets() if options.what == "list" else data_sets.print_page()
    if options.name is None:
        raise UserError(f"'data {options.what}' needs the name of a set; 'data list' tells them")
    if options.what == "show":
        return data_sets.show_set(options.name)
    return data_sets.fetch_set(options.name, options.file)


def _doctor(options: argparse.Namespace) -> int:
    from unet_helpers.data.doctor.command import run

    try:
        return run(options)
    except ValueError as error:
        raise UserError(str(error)) from error


def _train(options: argparse.Namespace) -> int:
    from unet_helpers.classroom.training_command import train

    return train(options)


def _evaluate(options: argparse.Namespace) -> int:
    from unet_helpers.classroom.evaluating import evaluate

    return evaluate(options)


def _export(options: argparse.Namespace) -> int:
    from unet_helpers.classroom.exporting import export

    return export(options)


def _app(options: argparse.Namespace) -> int:
    from unet_helpers.classroom.app import app

    return app(Path(options.run), browser=not options.no_browser, port=options.port)


def _classroom(options: argparse.Namespace) -> int:
    from unet_helpers.classroom.teaching.command import run

    return run(options)


def _predict(options: argparse.Namespace) -> int:
    from unet_helpers.classroom.predicting import predict

    return predict(options)


def _working_copies(notebooks: Path) -> Path:
    """Place the working copies beside the originals, so that relative paths hold."""
    return notebooks.parent / "work"


if __name__ == "__main__":
    sys.exit(main())

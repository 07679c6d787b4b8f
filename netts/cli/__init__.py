"""The command `netts`: one module per subcommand, loaded when it is asked for.

A command's module has `add_arguments(parser)` and `run(options) -> int`, the exit code.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import netts
from netts.choices import did_you_mean
from netts.cli.exit_codes import FAILURE, INTERRUPTED, USAGE
from netts.cli.messages import note
from netts.cli.parsing import Parser
from netts.errors import NettsError


@dataclass(frozen=True)
class Command:
    """Where a subcommand lives and what it does, in one line."""

    module: str
    summary: str


COMMANDS = {
    "train": Command("netts.cli.train", "train a network on a table, report, and save a model"),
    "predict": Command("netts.cli.predict", "predict from a table with a model"),
    "evaluate": Command("netts.cli.evaluate", "say how good a model is on another table"),
    "export": Command("netts.cli.export", "write a model as an ONNX file, for other programs"),
    "inspect": Command("netts.cli.inspect", "say what is in a model file"),
    "devices": Command("netts.cli.devices", "list the devices that networks can run on"),
    "warmup": Command("netts.cli.warmup", "compile beforehand what training needs"),
    "cache": Command("netts.cli.cache", "show or empty the cache of compiled kernels"),
}

EPILOG = """\
examples:
  netts train iris                          a bundled table
  netts train houses.csv --target price     a CSV file of your own
  netts predict houses.netts new.csv        predictions from the model saved by it
  netts train --help                        all options of a command
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name, by default those of this process.

    Raises
    ------
    SystemExit
        From argparse: 0 after `--help` and `--version`, 2 for wrong usage.
    NettsError
        With `--debug` only, so that Python prints its traceback.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        return _run(arguments)
    except NettsError as error:
        if "--debug" in arguments:
            raise
        note(str(error))
        return FAILURE
    except KeyboardInterrupt:
        note("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`netts devices | head -1`): let Python's last flush go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE


def _run(arguments: list[str]) -> int:
    name = next((argument for argument in arguments if argument in COMMANDS), None)
    module = importlib.import_module(COMMANDS[name].module) if name else None
    parser = _build_parser(name, module)
    first = next((argument for argument in arguments if not argument.startswith("-")), None)
    if name is None and first is not None:
        parser.error(
            f"there is no command {first!r}{did_you_mean(first, COMMANDS)}; "
            f"the commands are {', '.join(COMMANDS)}"
        )
    options = parser.parse_args(arguments)
    if module is None:
        parser.print_help(sys.stderr)
        return USAGE
    exit_code: int = module.run(options)
    return exit_code


def _build_parser(name: str | None, module: ModuleType | None) -> Parser:
    """Describe every command in a line, and the options of the one that was named."""
    parser = Parser(
        prog="netts",
        description="Train neural networks whose layers are plain Python loops.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"netts {netts.__version__}")
    _add_debug(parser)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command_name, command in COMMANDS.items():
        subparser = subparsers.add_parser(
            command_name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
        )
        if module is not None and command_name == name:
            module.add_arguments(subparser)
            _add_debug(subparser)
    return parser


def _add_debug(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error, not only its message"
    )

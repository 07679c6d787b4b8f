"""The command of the benchmarks.

python -m bench list
python -m bench run training_step       # writes JSON, prints tables
python -m bench run all --json machine.json
python -m bench run fits -k iris        # what follows goes to pytest
python -m bench report machine.json --out bench/results/machine-cpu.md
python -m bench compare before.json after.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import plots
from bench.comparison import comparison
from bench.errors import BenchError
from bench.markdown import table
from bench.measurements import read, together
from bench.page import by_suite, page
from bench.questions import ALL, QUESTIONS, ask
from netts.errors import NettsError
from netts.persistence.files import replace_file

FOLDER = Path(".benchmarks")
"""Where rounds are written if no file is named: pytest-benchmark's own folder."""

TITLE = "Benchmarks of this machine"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 2 for an error of who called."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "run":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return _COMMANDS[options.command](options, rest)
    except (BenchError, NettsError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="what can be asked")
    run = commands.add_parser(
        "run", help="measure; options that are not known go to pytest or the script"
    )
    run.add_argument("names", nargs="+", metavar="QUESTION", help=f"or {ALL!r}: all suites")
    run.add_argument("--json", type=Path, metavar="FILE", help=f"default: {FOLDER}/QUESTION.json")
    run.add_argument("--smoke", action="store_true", help="tiny sizes: does it work?")
    report = commands.add_parser("report", help="a page of tables and plots")
    report.add_argument("files", nargs="+", type=Path, metavar="FILE")
    report.add_argument("--out", type=Path, metavar="PAGE.md", help="default: printed, no plots")
    report.add_argument("--title", default=TITLE)
    compare = commands.add_parser("compare", help="what a change did")
    compare.add_argument("a", type=Path, metavar="A")
    compare.add_argument("b", type=Path, metavar="B")
    return parser


def _list(_options: argparse.Namespace, _rest: list[str]) -> int:
    rows = [
        [f"python -m bench run {name}", one.asks, "JSON" if one.is_suite else "Markdown"]
        for name, one in QUESTIONS.items()
    ]
    print(table(("command", "question", "writes"), rows))
    print("\nOn a GPU: bench/gpu/run.sh SECONDS [exam|steps|epoch|own_kernels|paper|policy|...]")
    return 0


def _run(options: argparse.Namespace, rest: list[str]) -> int:
    first = options.names[0]
    is_script = first in QUESTIONS and not QUESTIONS[first].is_suite
    if is_script and options.json is not None:
        raise BenchError(
            f"{first} is a script that prints Markdown: leave --json out, and send what it prints "
            "to a file"
        )
    json = options.json or _default_file(first)
    if is_script:  # whose own arguments, as in `run fashion 5`, follow its name
        return ask([first], json, [*options.names[1:], *rest], smoke=options.smoke)
    status = ask(options.names, json, rest, smoke=options.smoke)
    if status == 0:
        print(page(read(json), f"python -m bench run {' '.join(options.names)}", {}, TITLE))
    return status


def _default_file(name: str) -> Path:
    FOLDER.mkdir(exist_ok=True)
    return FOLDER / f"{name}.json"


def _report(options: argparse.Namespace, _rest: list[str]) -> int:
    measured = together([read(path) for path in options.files])
    names = " ".join(path.name for path in options.files)
    drawn: dict[str, str] = {}
    if options.out is not None:
        for suite, series in by_suite(measured.series).items():
            picture = plots.plot(series)
            if picture is not None:
                path = options.out.with_name(f"{options.out.stem}-{suite}.png")
                replace_file(path, picture)
                drawn[suite] = path.name
    text = page(measured, f"python -m bench report {names}", drawn, options.title)
    if options.out is None:
        print(text)
    else:
        replace_file(options.out, text.encode())
    return 0


def _compare(options: argparse.Namespace, _rest: list[str]) -> int:
    print(comparison(read(options.a), read(options.b)))
    return 0


_COMMANDS = {"list": _list, "run": _run, "report": _report, "compare": _compare}


if __name__ == "__main__":
    sys.exit(main())

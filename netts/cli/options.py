"""Options that several commands have, and the checks of their values."""

from __future__ import annotations

import argparse

from netts.data import ReadOptions
from netts.devices.precision import PRECISIONS

DELIMITER_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|"}


def add_reading(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Describe what a person may say about a CSV file; return the group."""
    group = parser.add_argument_group("how to read the table (told from the file by default)")
    group.add_argument(
        "--delimiter",
        type=_delimiter,
        metavar="CHAR",
        help="between cells, such as ; or tab",
    )
    group.add_argument("--encoding", metavar="NAME", help="of the text, such as utf-8 or cp1252")
    group.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first row names the columns",
    )
    group.add_argument(
        "--missing",
        action="append",
        default=[],
        metavar="TEXT",
        help="a cell that stands for no value, besides NA, ? and the like; may be repeated",
    )
    return group


def read_options(options: argparse.Namespace) -> ReadOptions:
    """Return what was said about the CSV file."""
    return ReadOptions(
        delimiter=options.delimiter,
        encoding=options.encoding,
        has_header=options.header,
        missing=tuple(options.missing),
        ignored=tuple(getattr(options, "ignore", ())),
        categories=tuple(getattr(options, "category", ())),
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Describe where to run."""
    parser.add_argument(
        "--device", default="auto", metavar="NAME", help="one of `netts devices` (default: auto)"
    )
    parser.add_argument(
        "--precision",
        choices=tuple(PRECISIONS),
        help="tf32 lets a GPU round the factors of products of float32, which is faster",
    )


def layer_sizes(text: str) -> tuple[int, ...]:
    """Return the units of hidden layers; none for `0` or nothing."""
    if text.strip() in ("", "0"):
        return ()
    try:
        return tuple(positive_integer(part) for part in text.split(","))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of units such as 64 or 64,32 (0 for no hidden layer)"
        ) from error


def positive_integer(text: str) -> int:
    """Return a whole number of at least 1."""
    if not text.strip().isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def positive_number(text: str) -> float:
    """Return a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def seed(text: str) -> int:
    """Return a whole number that `numpy.random.RandomState` takes."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def share(text: str) -> float:
    """Return a share of the rows, less than all of them."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0 and below 1")
    return value


def _delimiter(text: str) -> str:
    character = DELIMITER_NAMES.get(text, text)
    if len(character) != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not one character such as ';', or `tab`")
    return character

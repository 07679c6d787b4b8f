"""What commands print for people: text that fits the terminal, and tables."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from netts.cli.messages import wrapped
from netts.data.encoded_columns import EncodedColumn, IgnoredColumn

HEADER = ("column", "understood as", "values", "missing", "inputs")
VALUES = HEADER.index("values")
GAP = 3
"""What rich puts between two columns without frames."""

MAX_COLUMNS_LISTED = 40
"""More would push all else off the screen; the columns of one kind are counted then."""


def print_wrapped(text: str, indent: int = 2) -> None:
    """Print lines; to a person at a terminal, broken between words where it ends.

    What follows a break is indented by `indent`, but at most to the middle of the line.
    """
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        indent = min(indent, width // 2)
        text = "\n".join(wrapped(line, width, indent) for line in text.splitlines())
    print(text)


def print_columns(columns: Sequence[EncodedColumn], n_rows: int) -> None:
    """Print what was understood of each column; of many columns, only what is not usual."""
    shown, usual = list(columns), 0
    if len(columns) > MAX_COLUMNS_LISTED:
        shown = [one for one in columns if one.kind != "number" or one.n_missing]
        usual = len(columns) - len(shown)
        shown, rest = shown[:MAX_COLUMNS_LISTED], shown[MAX_COLUMNS_LISTED:]
        usual += len(rest)
    if shown:
        _print_table(shown, n_rows)
    if usual:
        numbers = sum(1 for one in columns if one.kind == "number")
        print(f"{len(columns)} columns, {numbers} of them numbers; {usual} are not listed")


def _print_table(columns: Sequence[EncodedColumn], n_rows: int) -> None:
    """Print a line for each column; where the terminal is narrow, names and values are cut."""
    rows = [HEADER, *(_row(column, n_rows) for column in columns)]
    console = Console(highlight=False)
    widths = [max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
    widths[0] = min(widths[0], console.width // 3)
    left = console.width - GAP * (len(HEADER) - 1) - sum(widths) + widths[VALUES]
    widths[VALUES] = max(min(widths[VALUES], left), len(HEADER[VALUES]))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, width in zip(HEADER, widths, strict=True):
        justify: JustifyMethod = "right" if name in ("missing", "inputs") else "left"
        table.add_column(name, no_wrap=True, overflow="ellipsis", justify=justify, width=width)
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    console.print(table)


def _row(column: EncodedColumn, n_rows: int) -> tuple[str, ...]:
    n_missing = column.n_missing
    missing = f"{n_missing:,} ({n_missing / n_rows:.0%})" if n_missing else ""
    n_inputs = "" if isinstance(column, IgnoredColumn) else str(len(column.output_names))
    return column.name, column.kind, column.describe_values(), missing, n_inputs

"""Tables and numbers of pages of results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    lines += ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def duration(seconds: float | None) -> str:
    """Return a time with three digits, an empty text for None."""
    if seconds is None:
        return ""
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000 or (unit == "ms" and seconds < 10):
            return f"{three_digits(seconds * scale)} {unit}"
    return f"{three_digits(seconds)} s"


def ratio(value: float | None) -> str:
    """Return how many times, an empty text for None."""
    return "" if value is None else f"{three_digits(value)}x"


def three_digits(value: float) -> str:
    """Return a number as it is read: three digits, thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def tables(page: str) -> list[list[dict[str, str]]]:
    """Return the tables of a page, each a list of its rows: cell by header."""
    found: list[list[dict[str, str]]] = []
    header: list[str] = []
    for line in page.splitlines():
        if not line.startswith("|"):
            header = []
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not header:
            header = cells
            found.append([])
        elif set(line) - set("|-: "):
            found[-1].append(dict(zip(header, cells, strict=True)))
    return found

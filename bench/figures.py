"""Whether every figure of speed on a page of documentation stands in a file of bench/results/.

The rule:

- A figure is a number with a unit of time, or a ratio: 3.1 us, 0.99 s, 20 to 30 ms, 74x, 1.8 times
  as fast; or a number in a column of a table whose header has the unit. What stands in a code block
  or in back quotes is none.
- The section that it stands in, from a heading to the next, names the file of bench/results/ which
  has it: a figure of the same kind that, rounded to as many digits, is the same.
- Figures in one row of a table stand together there too, in one row or one paragraph, so that a
  row whose figures come from several cases is found out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal

SCALES = {
    "ns": Decimal("1e-9"), "us": Decimal("1e-6"), "ms": Decimal("1e-3"), "s": Decimal(1),
    "microseconds": Decimal("1e-6"), "milliseconds": Decimal("1e-3"), "seconds": Decimal(1),
    "second": Decimal(1), "minutes": Decimal(60), "hours": Decimal(3600),
}  # fmt: skip
"""Units of time, in seconds."""

_TIME = "|".join(sorted(SCALES, key=len, reverse=True))
_NUMBER = r"(\d[\d,]*+(?:\.\d+)?+)"
_ALONE = r"(?<![\w.,/^*-])"
_UNIT = rf"(?: ?({_TIME})(?![\w/^-])|(x)(?![\w-])| (times) (?=as |slower|faster|less|more))"
_FIGURE = re.compile(rf"{_ALONE}~?(?:{_NUMBER}x? (?:to|and|or) )?{_NUMBER}{_UNIT}")
_BARE = re.compile(rf"{_ALONE}~?{_NUMBER}(?![\w^-]| ?(?:{_TIME})\b|x\b)")
_COLUMN = re.compile(r"\b(us|ms|s|seconds|microseconds)\b")
_NAMED = re.compile(r"bench/results/([\w.-]+\.(?:md|txt))")
_CODE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"`[^`\n]*`")


@dataclass(frozen=True)
class Figure:
    """A number as it is written, and what it means.

    Attributes
    ----------
    text : str
    value : Decimal
        In seconds, or how many times.
    step : Decimal
        What its last digit counts, in the same.
    is_time : bool
    """

    text: str
    value: Decimal
    step: Decimal
    is_time: bool

    def is_rounded(self, exact: Figure) -> bool:
        """Return whether another figure, with as many digits or more, rounds to this one."""
        is_near = abs(self.value - exact.value) <= self.step / 2
        return is_near and self.is_time == exact.is_time and exact.step <= self.step


def _figure(number: str, unit: str) -> Figure:
    scale = SCALES.get(unit, Decimal(1))
    plain = Decimal(number.replace(",", ""))
    step = Decimal(1).scaleb(min(0, int(plain.as_tuple().exponent)))
    text = f"{number}x" if unit == "x" else f"{number} {unit}"
    return Figure(text, plain * scale, step * scale, unit in SCALES)


@dataclass(frozen=True)
class Block:
    """A paragraph, or a row of a table, with its figures.

    Attributes
    ----------
    section : int
        How many headings stand before it.
    is_row : bool
    figures : tuple of Figure
    """

    section: int
    is_row: bool
    figures: tuple[Figure, ...]


def blocks(page: str) -> Iterator[Block]:
    """Yield the paragraphs and rows of a page that have figures."""
    for section, text in enumerate(sections(page)):
        columns: list[str] = []
        for paragraph in re.split(r"\n\s*\n", _CODE.sub("", text)):
            rows = [line for line in paragraph.splitlines() if line.startswith("|")]
            rest = "\n".join(line for line in paragraph.splitlines() if not line.startswith("|"))
            if len(rows) > 1 and set(rows[1]) <= set("|-: "):
                columns = _units(rows[0])
            found = [(False, figures_in(rest))]
            found += [(True, _in_row(row, columns)) for row in rows]
            for is_row, figures in found:
                if figures:
                    yield Block(section, is_row, figures)


def sections(page: str) -> list[str]:
    """Return the parts of a page from heading to heading; a comment in a code block is none."""
    without = _CODE.sub(lambda code: re.sub(r"^#", " #", code.group(), flags=re.MULTILINE), page)
    return re.split(r"^#+ .*$", without, flags=re.MULTILINE)


def figures_in(text: str) -> tuple[Figure, ...]:
    """Return the figures of a piece of text, in their order."""
    found = []
    for match in _FIGURE.finditer(_QUOTED.sub("``", text)):
        first, number, *units = match.groups()
        unit = next(one for one in units if one)
        found += [_figure(one, unit) for one in (first, number) if one]
    return tuple(found)


def _cells(row: str) -> list[str]:
    return _QUOTED.sub("``", row).strip().strip("|").split("|")


def _units(header: str) -> list[str]:
    matches = [_COLUMN.search(cell) for cell in _cells(header)]
    return [match.group() if match else "" for match in matches]


def _in_row(row: str, units: list[str]) -> tuple[Figure, ...]:
    found: list[Figure] = []
    for n, cell in enumerate(_cells(row)):
        found += figures_in(cell)
        if n < len(units) and units[n]:
            found += [_figure(number, units[n]) for number in _BARE.findall(cell)]
    return tuple(found)


def untraced(
    page: str, read: Callable[[str], str | None], settings: Collection[str] = ()
) -> list[str]:
    """Return what is wrong with a page, a line for each paragraph or row; an empty list if nothing.

    Parameters
    ----------
    page : str
        Its Markdown.
    read : callable
        From a name in bench/results/ to its text, None if there is no such file.
    settings : collection of str
        Figures that are no measurements, as they are written.
    """
    named = [_NAMED.findall(text) for text in sections(page)]
    missing = [
        f"bench/results/{name} does not exist" for one in named for name in one if not read(name)
    ]
    wrong = []
    for block in blocks(page):
        figures = [one for one in block.figures if one.text not in settings]
        files = [name for name in dict.fromkeys(named[block.section]) if read(name)]
        lost = _lost(figures, block.is_row, [list(blocks(read(name) or "")) for name in files])
        if lost:
            where = " or ".join(files) or "a section that names no file of bench/results/"
            wrong.append(f"{', '.join(one.text for one in lost)}: not in {where}")
    return missing + wrong


def _lost(figures: list[Figure], is_row: bool, files: list[list[Block]]) -> list[Figure]:
    """Return the figures that no file has, or, of a row, that its best block does not have."""
    places = [block.figures for file in files for block in file]
    if not is_row:
        places = [tuple(figure for place in places for figure in place)]
    lacking = [
        [one for one in figures if not any(one.is_rounded(other) for other in place)]
        for place in places
    ]
    return min(lacking, key=len, default=figures)

"""docs/dialect.md lists every refusal of the compiler in its words, and no others.

The words are read from the compiler's sources: a rule that is added without a line on the page, and
a line whose rule is gone, fail here. `tests/compiler` has the kernels that meet them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from netts import errors
from netts.compiler.scalars import ROW_OF

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "dialect.md").read_text(encoding="utf-8")
TABLES = PAGE.partition("\n## What is refused\n")[2]

KINDS = {
    name
    for name, one in vars(errors).items()
    if isinstance(one, type) and issubclass(one, errors.KernelError)
}
RULES_OF_TYPES = "TypeRuleError"
"""What the compiler raises to itself, and turns into one of those."""

ANYTHING = ".+"


class Words(NamedTuple):
    """What the compiler says in one place, as regular expressions."""

    place: str
    rule: str
    way_out: str


def pattern(node: ast.expr, names: dict[str, list[ast.expr]]) -> str:
    """Return a regular expression for the strings that an expression may give."""
    match node:
        case ast.Constant(value=str() as text):
            return re.escape(re.sub(r"\s+", " ", text))
        case ast.JoinedStr(values=values):
            return "".join(pattern(one, names) for one in values)
        case ast.FormattedValue(value=ast.IfExp() | ast.BinOp() | ast.Name() as value):
            return pattern(value, names)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return pattern(left, names) + pattern(right, names)
        case ast.IfExp(body=body, orelse=orelse):
            return f"({pattern(body, names)}|{pattern(orelse, names)})"
        case ast.Name(id=name) if name in names:
            return f"({'|'.join(pattern(one, names) for one in names[name])})"
        case ast.BinOp(op=ast.Mult()):  # the s of a plural
            return ".*"
        case _:
            return ANYTHING


def texts(call: ast.Call) -> list[ast.expr]:
    """Return the rule and, where it is apart, the way out of a call that refuses something."""
    match call.func:
        case ast.Attribute(attr="refuse") | ast.Name(id="refuse"):
            return call.args[1:]
        case ast.Attribute(attr="error") if isinstance(call.args[0], ast.Name):
            return call.args[2:] if call.args[0].id in KINDS else call.args[1:]
        case ast.Attribute(attr="error"):
            return call.args[1:]
        case ast.Name(id=name) if name in {*KINDS, RULES_OF_TYPES}:
            return call.args
        case _:
            return []


def faults_of(
    path: Path, function: ast.FunctionDef, names: dict[str, list[ast.expr]]
) -> Iterator[Words]:
    """Yield what a function returns that says what is wrong with an argument, which is named."""
    for one in ast.walk(function) if "fault" in function.name else ():
        if isinstance(one, ast.Return) and isinstance(one.value, ast.Constant | ast.JoinedStr):
            rule = pattern(one.value, names)
            if rule != ANYTHING:  # None, where nothing is wrong
                yield Words(f"{path.name}:{one.lineno}", f"{ANYTHING} {rule}", "")


def words_of(path: Path) -> Iterator[Words]:
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        names: dict[str, list[ast.expr]] = {}
        for one in ast.walk(function):
            if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
                names.setdefault(one.targets[0].id, []).append(one.value)
        yield from faults_of(path, function, names)
        for call in ast.walk(function):
            if not isinstance(call, ast.Call) or not (found := texts(call)):
                continue
            rule, way_out = (*(pattern(one, names) for one in found[:2]), "")[:2]
            if re.search(r"\w", rule + way_out):  # else both are said elsewhere, and passed on here
                yield Words(f"{path.name}:{call.lineno}", rule, way_out)


SAID = [
    words for path in sorted((ROOT / "netts/compiler").glob("**/*.py")) for words in words_of(path)
]


def code(cell: str) -> str:
    """Return what stands in backticks in a cell, and "" where nothing does."""
    found = re.fullmatch(r"(`+)(.*?)\1", cell.strip())
    return found[2].strip() if found else ""


def lines_of_tables() -> list[tuple[str, str]]:
    """Return what each line of the page says a refusal says, with its way out."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", TABLES, re.MULTILINE):
        names, _, *lines = [line.strip().strip("|").split(" | ") for line in table.splitlines()]
        at = [name.strip() for name in names].index("says")
        for line in lines:
            cells = [one.strip() for one in line]
            found.append((code(cells[at]), code(cells[at + 1]) if at + 1 < len(cells) else ""))
    return found


LINES = lines_of_tables()


def fits(words: Words, line: tuple[str, str]) -> bool:
    rule, way_out = line
    return bool(re.fullmatch(words.rule, rule) and re.fullmatch(words.way_out, way_out))


def test_the_page_has_lines_and_the_compiler_words():
    assert len(LINES) > 80
    assert len(SAID) > 70


@pytest.mark.parametrize("words", SAID, ids=lambda words: words.place)
def test_every_refusal_of_the_compiler_is_on_the_page(words):
    assert any(fits(words, line) for line in LINES), words


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_every_line_of_the_page_is_what_the_compiler_says(line):
    assert any(fits(words, line) for words in SAID), line


def test_every_function_of_math_that_kernels_may_call_is_on_the_page():
    functions = re.search(r"^\| functions \| (.*) \|$", PAGE, re.MULTILINE)
    assert functions
    listed = set(re.findall(r"`(?:math\.|netts\.)?(\w+)`", functions[1]))
    known = {
        one.__name__ for one in ROW_OF if one.__module__ in ("math", "netts.compiler.functions")
    }
    assert listed == known

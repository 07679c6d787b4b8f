"""The user's source: found, parsed, and quoted in errors at the user's own line."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netts.compiler.nest import Place
from netts.errors import KernelError, UnsupportedSyntaxError


@dataclass(frozen=True)
class Source:
    """Where a function is defined, and its syntax tree with the file's own line numbers."""

    kernel: str
    file: str
    tree: ast.FunctionDef

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Source:
        """Find and parse the source of a function.

        Raises
        ------
        UnsupportedSyntaxError
            Where there is no source to read: built-ins, `exec`, lambdas.
        """
        name = function.__name__
        try:
            lines, first = inspect.getsourcelines(function)
        except (OSError, TypeError) as error:
            raise UnsupportedSyntaxError(
                f"the source of {name!r} cannot be read, and netts compiles source; "
                "define the function in a file or a notebook cell"
            ) from error
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
        file = inspect.getsourcefile(function) or "<unknown>"
        if not isinstance(tree, ast.FunctionDef):
            raise UnsupportedSyntaxError(
                f"{file}:{first}: {name!r} is not a plain function; use `def`"
            )
        indent = len(lines[0]) - len(lines[0].lstrip())
        ast.increment_lineno(tree, first - 1)
        for node in ast.walk(tree):
            if isinstance(node, ast.expr | ast.stmt | ast.arg):
                node.col_offset += indent
                node.end_col_offset = (node.end_col_offset or 0) + indent
        return cls(name, file, tree)

    def error(
        self, kind: type[KernelError], place: Place, rule: str, way_out: str = ""
    ) -> KernelError:
        """Return an error that quotes the user's file, line and expression."""
        return kind(self.quote(place, rule, way_out))

    def quote(self, place: Place, rule: str, way_out: str = "") -> str:
        """Return a message: where, the line with the expression underlined, the rule, the way out.

        The same shape as Python's own tracebacks.
        """
        line = linecache.getline(self.file, place.line).rstrip("\n")
        text = [f"{rule} (kernel {self.kernel!r})"]
        text.append(f'  File "{self.file}", line {place.line}')
        if line.strip():
            indent = len(line) - len(line.lstrip())
            end = place.end_column if place.end_line == place.line else len(line)
            text.append(f"    {line.strip()}")
            text.append("    " + " " * (place.column - indent) + "^" * max(end - place.column, 1))
        if way_out:
            text.append(f"  {way_out}")
        return "\n".join(text)


def place_of(node: ast.AST) -> Place:
    """Return the span of a syntax node (its decorators and body not counted)."""
    line: int = node.lineno  # type: ignore[attr-defined]
    column: int = node.col_offset  # type: ignore[attr-defined]
    end = getattr(node, "end_lineno", None) or line
    return Place(line, column, end, getattr(node, "end_col_offset", None) or column + 1)

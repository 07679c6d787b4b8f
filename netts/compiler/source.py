"""The user's source: found, parsed, and quoted in errors at the user's own line."""

from __future__ import annotations

import ast
import inspect
import linecache
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
            Where there is no source to read: built-ins, `exec`, lambdas, a file that has changed.
        """
        name = function.__name__
        try:
            lines, first = inspect.getsourcelines(function)
        except (OSError, TypeError) as error:
            raise UnsupportedSyntaxError(
                f"the source of {name!r} cannot be read, and netts compiles source; "
                "define the function in a file or a notebook cell"
            ) from error
        file = inspect.getsourcefile(function) or "<unknown>"
        tree = _parsed(lines, first)
        if not isinstance(tree, ast.FunctionDef):
            raise UnsupportedSyntaxError(
                f"{file}:{first}: {name!r} is not a plain function; use `def`"
            )
        if not _is_of(tree, function):
            raise UnsupportedSyntaxError(
                f"{file}:{first}: another function stands where {name!r} did: the file has changed "
                "since it was imported; import it again, or start anew"
            )
        return cls(name, file, tree)

    def place(self, node: ast.AST) -> Place:
        """Return the span of a syntax node (its decorators and body not counted)."""
        line: int = node.lineno  # type: ignore[attr-defined]
        column: int = node.col_offset  # type: ignore[attr-defined]
        end = getattr(node, "end_lineno", None) or line
        end_column = getattr(node, "end_col_offset", None) or column + 1
        return Place(line, column, end, end_column, self.kernel, self.file)

    def error(
        self, kind: type[KernelError], place: Place, rule: str, way_out: str = ""
    ) -> KernelError:
        """Return an error that quotes the user's file, line and expression."""
        return kind(self.quote(place, rule, way_out))

    def quote(self, place: Place, rule: str, way_out: str = "") -> str:
        """Return a message: where, the line with the expression underlined, the rule, the way out.

        The same shape as Python's own tracebacks. The place knows its function: a kernel that
        several were fused to has parts of each.
        """
        file, kernel = place.file or self.file, place.function or self.kernel
        line = linecache.getline(file, place.line).rstrip("\n")
        text = [f"{rule} (kernel {kernel!r})"]
        text.append(f'  File "{file}", line {place.line}')
        if line.strip():
            indent = len(line) - len(line.lstrip())
            start, end = _columns(line, place.column), len(line)
            if place.end_line == place.line:
                end = _columns(line, place.end_column)
            text.append(f"    {line.strip()}")
            text.append("    " + " " * (start - indent) + "^" * max(end - start, 1))
        if way_out:
            text.append(f"  {way_out}")
        return "\n".join(text)


def _parsed(lines: list[str], first: int) -> ast.stmt | None:
    """Parse the lines of a definition where they stand, None where they are no statement.

    Under an `if`, an indented definition needs no dedenting, which strings of several lines defy.
    """
    indented = lines[0][:1].isspace()
    text = "".join(["if True:\n" if indented else "\n", *lines])
    try:
        tree = ast.parse(text)
    except SyntaxError:  # part of an expression: a lambda
        return None
    ast.increment_lineno(tree, first - 2)
    outer = tree.body[0]
    return outer.body[0] if isinstance(outer, ast.If) else outer


def _is_of(tree: ast.FunctionDef, function: Callable[..., Any]) -> bool:
    """Whether a definition has the name and the parameters of a function."""
    code = inspect.unwrap(function).__code__
    names = [one.arg for one in (*tree.args.posonlyargs, *tree.args.args)]
    return tree.name == code.co_name and tuple(names) == code.co_varnames[: code.co_argcount]


def _columns(line: str, column: int) -> int:
    """Return a column in characters, of one in bytes of UTF-8, which syntax trees count in."""
    return len(line.encode()[:column].decode(errors="replace"))

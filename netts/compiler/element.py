"""Element functions: small scalar functions that kernels may call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from netts.compiler.nest import Stmt
from netts.compiler.scope import Scope
from netts.compiler.source import Source


@dataclass(frozen=True)
class ElementBody:
    """A parsed element function: statements of which the last on every path returns."""

    parameters: tuple[str, ...]
    globals: tuple[str, ...]
    functions: tuple[tuple[str, ElementFunction], ...]
    body: tuple[Stmt, ...]


class ElementFunction:
    """A scalar function of Python that generated code can call too.

    Calling it runs the Python itself.
    """

    def __init__(self, function: Callable[..., Any], source: Source, body: ElementBody) -> None:
        self.function = function
        self.name = function.__name__
        self.source = source
        self.scope = Scope(function)
        self.body = body
        functools.update_wrapper(self, function)

    def __repr__(self) -> str:
        return f"<element function {self.name}>"

    def __call__(self, *args: Any) -> Any:
        """Run the Python itself."""
        return self.function(*args)


def callees(
    scope: Scope, functions: Iterable[tuple[str, ElementFunction]]
) -> Iterator[tuple[Scope, str, ElementFunction]]:
    """Yield the element functions that are called, with the names for them and where those hold.

    Parameters
    ----------
    scope
        The scope of the caller.
    functions
        What the caller calls, by name.
    """
    for name, function in functions:
        yield scope, name, function
        yield from callees(function.scope, function.body.functions)

"""How a refusal is tested: by the place that it quotes, the rule and the way out.

A case is the body of a kernel in which « and » mark the expression that the error must underline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from programs import HEADER, Program

from netts.errors import KernelError


@dataclass(frozen=True)
class Case:
    """A kernel that is refused.

    Attributes
    ----------
    fact
        What the error is about; the name of the test.
    error
        Its class.
    body
        The body of the kernel, « » around what is quoted.
    rule, way_out
        Parts of the message, in this order; an empty way out says that the rule needs none.
    arguments
        What makes the arguments of the call that is refused; None where decorating is.
    """

    fact: str
    error: type[KernelError]
    body: str
    rule: str
    way_out: str = ""
    parameters: str = "x, out"
    before: str = ""
    arguments: Callable[[], tuple[Any, ...]] | None = None

    def __str__(self) -> str:
        return self.fact.replace(" ", "_")

    @property
    def text(self) -> str:
        lines = [HEADER, self.before, "@accelerate", f"def kernel({self.parameters}):"]
        return "\n".join([*lines, *(f"    {line}" for line in self.body.strip("\n").splitlines())])


def assert_refused(case: Case, directory: Path) -> None:
    """Test the class of the error, the file, line and expression that it quotes, and its words."""
    program = Program(case.text.replace("«", "").replace("»", "") + "\n", ())
    if case.arguments is None:
        with pytest.raises(case.error) as raised:
            program.load(directory)
    else:
        kernel = program.load(directory).kernel
        with pytest.raises(case.error) as raised:
            kernel.on("cpu")(*case.arguments())
    message = str(raised.value)
    rule, *rest = message.splitlines()
    assert case.rule in rule, message
    # The kernel's name, or the element function's, which is where its line is.
    assert "kernel 'kernel'" in rule or "def " in case.before, message
    number, line = next(
        (number, line) for number, line in enumerate(case.text.splitlines(), start=1) if "«" in line
    )
    start, stop = line.index("«"), line.index("»") - 1
    shown = line.replace("«", "").replace("»", "")
    indent = len(shown) - len(shown.lstrip())
    assert rest[0] == f'  File "{program.path(directory)}", line {number}', message
    assert rest[1] == f"    {shown.strip()}", message
    assert rest[2] == "    " + " " * (start - indent) + "^" * (stop - start), message
    assert case.way_out in "\n".join(rest[3:]), message
    assert bool(case.way_out) == (len(rest) > 3), message

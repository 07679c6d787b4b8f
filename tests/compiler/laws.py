"""What holds of a program that netts may refuse, however it is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from programs import assert_same, copied
from wild_strategies import aliased

import netts
from netts.compiler import Kernel
from netts.errors import BoundsError, KernelError

Arguments = tuple[Any, ...]


def assert_sound(
    load: Callable[[], Kernel],
    arguments: Arguments,
    alias: str,
    run: Callable[[Kernel, Arguments], None],
) -> tuple[Kernel, Arguments] | None:
    """Assert that a run agrees with `netts.checked()`, or raises where that raises.

    Returns the kernel and the arguments that it ran on, before it did; None where it was refused
    or raised.
    """
    try:
        kernel = load()
    except KernelError:
        return None
    given = aliased(arguments, alias)
    expected, found = copied(given), copied(given)
    error = None
    try:
        run(kernel, found)
    except BoundsError as raised:
        error = raised
    except KernelError:
        return None
    try:
        with netts.checked():
            kernel(*expected)
    except KernelError:
        assert error is not None
        return None
    assert error is None
    assert_same(expected, found, "one run")
    return kernel, given

"""Where a kernel call goes.

`compiler` owns one context variable, the launcher. Its default runs the kernel at once; a task
graph that records puts its own launcher in place, so a kernel call becomes a task without this
package knowing of graphs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netts.compiler.kernel import Kernel

Launcher = Callable[["Kernel", tuple[Any, ...]], None]
"""Takes a kernel and its arguments in the order of its parameters."""

_launcher: ContextVar[Launcher | None] = ContextVar("netts_launcher", default=None)


def current_launcher() -> Launcher | None:
    """Return the launcher in force here, or None where kernels run at once."""
    return _launcher.get()


@contextlib.contextmanager
def launching(launcher: Launcher) -> Iterator[None]:
    """Send the kernel calls of this context to `launcher`."""
    token = _launcher.set(launcher)
    try:
        yield
    finally:
        _launcher.reset(token)

"""Checked mode: kernels run interpreted and serially, with every access and value tested.

For debugging a kernel of one's own. The error is raised inside the user's function, at the line
that is wrong, with the values at hand.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from netts.compiler.arguments import check_arguments, find_aliases
from netts.compiler.bound import prove_aliased
from netts.devices.memory import BufferView
from netts.errors import BoundsError, KernelError

if TYPE_CHECKING:
    from netts.compiler.kernel import Kernel

_on: ContextVar[bool] = ContextVar("netts_checked", default=False)


@contextlib.contextmanager
def checked() -> Iterator[None]:
    """Run the kernels of this context serially with every bound, NaN and overlap tested.

    Subscripts out of range or negative raise BoundsError, and a NaN stored where none was read
    raises KernelError; both are raised at the line of the kernel. Plans compiled in this context
    run checked too.

    Examples
    --------
    >>> import numpy as np, netts
    >>> @netts.accelerate
    ... def root(x, out):
    ...     for i in netts.parallel(out.shape[0]):
    ...         out[i] = netts.sqrt(x[i])
    >>> with netts.checked():
    ...     root(np.array([-1.0]), np.zeros(1))
    Traceback (most recent call last):
    ...
    netts.errors.KernelError: kernel 'root' stores nan into out[0]
    """
    token = _on.set(True)
    try:
        yield
    finally:
        _on.reset(token)


def is_on() -> bool:
    """Whether kernels are checked in this context."""
    return _on.get()


def run(kernel: Kernel, arguments: tuple[Any, ...]) -> None:
    """Run a kernel interpreted, with every access tested."""
    arrays, _ = check_arguments(kernel.routine, kernel.writes, arguments)
    prove_aliased(kernel, find_aliases(kernel.routine, kernel.writes, arrays, arguments))
    seen = _Seen(kernel.routine.name)
    guarded = [
        _CheckedArray(seen, name, value) if isinstance(value, np.ndarray | BufferView) else value
        for name, value in zip(kernel.parameters, arguments, strict=True)
    ]
    with np.errstate(all="ignore"):
        kernel.function(*guarded)


@dataclass
class _Seen:
    """What a run has met so far."""

    kernel: str
    has_read_nan: bool = False


class _CheckedArray:
    """An array that tests every subscript and every value stored."""

    def __init__(self, seen: _Seen, name: str, array: Any) -> None:
        self._seen = seen
        self._kernel = seen.kernel
        self._name = name
        self._array = array.array if isinstance(array, BufferView) else array
        self.shape = self._array.shape
        self.size = self._array.size

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, key: Any) -> Any:
        value = self._array[self._tested(key)]
        self._seen.has_read_nan |= _is_nan(value)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        self._array[self._tested(key)] = value
        if _is_nan(value) and not self._seen.has_read_nan:
            raise KernelError(f"kernel {self._kernel!r} stores nan into {self._element(key)}")

    def _tested(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        for axis, (one, extent) in enumerate(zip(keys, self.shape, strict=True)):
            if not 0 <= one < extent:
                raise BoundsError(
                    f"kernel {self._kernel!r} reaches {self._element(key)}, but axis {axis} has "
                    f"{extent} elements"
                )
        return key

    def _element(self, key: Any) -> str:
        keys = key if isinstance(key, tuple) else (key,)
        return f"{self._name}[{', '.join(map(str, keys))}]"


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and math.isnan(value)

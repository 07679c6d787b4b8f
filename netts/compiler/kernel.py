"""The decorator `accelerate` and what it makes: a kernel."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from netts.compiler import calibration, checking
from netts.compiler.access import accesses, reads, writes
from netts.compiler.arguments import check_arguments, find_aliases
from netts.compiler.element import ElementFunction, callees
from netts.compiler.explain import explain
from netts.compiler.launch import current_launcher
from netts.compiler.nest import (
    Load,
    Nest,
    Scalar,
    all_expressions,
    body_of,
    walk_expression,
)
from netts.compiler.parser import parse_element, parse_kernel
from netts.compiler.races import (
    check_assigned,
    check_body_assigned,
    outer_scalars,
    prove_independent,
)
from netts.compiler.scope import Scope
from netts.compiler.source import Source
from netts.compiler.specialise import Specialisation, specialise
from netts.devices.memory import BufferView
from netts.devices.registry import choose
from netts.errors import BoundsError, KernelError, KernelTypeError

MAX_SPECIALISATIONS = 256
"""Sets of shapes that a kernel remembers; forgetting one costs a millisecond, not a compilation."""

LARGEST_EXAMPLE = 4
"""The largest extent tried where code is printed without arguments; few kernels name `x[3]`."""

_forgetting = threading.Lock()


class Kernel:
    """A function of arrays and scalars, written as loops, that netts runs on any device.

    Calling it runs it at once where it is fastest, or records a task inside
    `TaskGraph.recording()`.

    Attributes
    ----------
    function
        The Python function itself, which defines the result on every device.
    parameters : tuple of str
        The names of its parameters.
    reads, writes : frozenset of str
        The arrays of which it reads, and writes, elements; worked out from the loops.
    """

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        self.source_code = Source.of(function)
        self.scope = Scope(function)
        self.routine = parse_kernel(self.source_code, self.scope)
        self.parameters = self.routine.parameters
        self.reads = reads(self.routine)
        self.writes = writes(self.routine)
        check_assigned(self.routine, self.source_code)
        self.accesses = accesses(self.routine)
        self.callees = tuple(callees(self.scope, self.routine.functions))
        self.outer = outer_scalars(self.routine)
        self.proofs = {
            number: prove_independent(
                phase, self.accesses[number], self.outer[number], self.source_code
            )
            for number, phase in enumerate(self.routine.phases)
            if isinstance(phase, Nest)
        }
        self.last: Specialisation | None = None
        self._specialisations: dict[Any, Specialisation] = {}
        self._signature = inspect.signature(function)
        functools.update_wrapper(self, function)

    def __repr__(self) -> str:
        return f"<kernel {self.routine.name}({', '.join(self.parameters)})>"

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Run the kernel, or record it inside `TaskGraph.recording()`."""
        self._launch("auto", args, kwargs)

    def on(self, device: str) -> Callable[..., None]:
        """Return the kernel bound to a device: "cpu", or "reference" for the Python itself.

        Raises
        ------
        DeviceError
            Where there is no such device.
        """
        choose(device)

        def run(*args: Any, **kwargs: Any) -> None:
            self._launch(device, args, kwargs)

        return functools.update_wrapper(run, self.function)

    def _launch(self, device: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        arguments = args
        if kwargs or len(args) != len(self.parameters):
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            arguments = bound.args
        launch = current_launcher()
        if launch is not None:
            launch(self, arguments)
        elif checking.is_on():
            checking.run(self, arguments)
        elif choose(device) == "reference":
            run_reference(self, arguments)
        else:
            self.specialise(arguments).run(arguments)

    def specialise(self, arguments: tuple[Any, ...]) -> Specialisation:
        """Return the kernel compiled for arguments like these, checking them first.

        Parameters
        ----------
        arguments
            NumPy arrays, buffer views and numbers, in the order of the parameters.

        Raises
        ------
        KernelTypeError, AliasError, BoundsError
            Where they do not fit the kernel.
        """
        arrays, numbers = check_arguments(self.routine, self.writes, arguments)
        aliases = find_aliases(self.routine, self.writes, arrays, arguments)
        constants = {name: self._constant(self.scope, name) for name in self.routine.globals}
        costs = calibration.current()
        key = (
            tuple((one.shape, one.dtype, one.strides) for one in arrays.values()),
            tuple((type(n), n if isinstance(n, int) else None) for n in numbers.values()),
            tuple(aliases.items()),
            tuple(map(repr, constants.values())),
            self._callee_constants() if self.callees else (),
            costs.digest,
        )
        found = self._specialisations.get(key)
        if found is None:
            found = specialise(self, arrays, numbers, aliases, constants, costs)
            with _forgetting:
                if len(self._specialisations) >= MAX_SPECIALISATIONS:
                    del self._specialisations[next(iter(self._specialisations))]
                self._specialisations[key] = found
        self.last = found
        return found

    def _constant(self, scope: Scope, name: str) -> bool | int | float:
        value = scope.number(name)
        if value is None:
            kind = type(scope.lookup(name)).__name__
            raise KernelTypeError(
                f"kernel {self.routine.name!r} reads {name} as a number, and now it is a {kind}"
            )
        return value

    def _callee_constants(self) -> tuple[str, ...]:
        """Return the constants of the element functions, which must be what was parsed."""
        found = []
        for scope, name, function in self.callees:
            if scope.lookup(name) is not function:
                raise KernelError(
                    f"{name} was defined anew after kernel {self.routine.name!r}, which calls it; "
                    f"define {self.routine.name!r} anew too"
                )
            found += [repr(self._constant(function.scope, one)) for one in function.body.globals]
        return tuple(found)

    def explain(self) -> str:
        """Return what netts understood: reads, writes, independence, contractions, devices."""
        return explain(self)

    def source(self, device: str = "cpu", *arguments: Any) -> str:
        """Return the code that runs on a device.

        Parameters
        ----------
        device : {"cpu", "reference"}
            The generated numba code, or the Python itself.
        *arguments
            Arguments to compile for; those of the last call if there are none, and small contiguous
            float32 arrays (int64 where used as subscripts) if there was no call.

        Raises
        ------
        KernelTypeError, BoundsError
            Where the kernel takes no such arrays.
        """
        if choose(device) == "reference":
            return inspect.getsource(self.function)
        if arguments:
            return self.specialise(arguments).source
        return (self.last or self._specialised_for_example()).source

    def _specialised_for_example(self) -> Specialisation:
        """Return the kernel compiled for empty arrays, or where it needs elements, the smallest."""
        for extent in range(LARGEST_EXAMPLE):
            with contextlib.suppress(BoundsError):
                return self.specialise(self._example(extent))
        return self.specialise(self._example(LARGEST_EXAMPLE))

    def _example(self, extent: int) -> tuple[Any, ...]:
        """Return arguments of the right kinds, for printing the generated code."""
        every = [e for phase in self.routine.phases for e in all_expressions(body_of(phase))]
        inside = {
            one
            for access in every
            if isinstance(access, Load)
            for subscript in access.subscripts
            for one in walk_expression(subscript)
        }
        integers = {one.array for one in inside if isinstance(one, Load)}
        whole = {one.name for one in inside if isinstance(one, Scalar)}
        ranks = self.routine.ranks
        return tuple(
            np.zeros((extent,) * (ranks[name] or 1), np.int64 if name in integers else np.float32)
            if name in ranks
            else (1 if name in whole else 1.0)
            for name in self.parameters
        )


def run_reference(kernel: Kernel, arguments: tuple[Any, ...]) -> None:
    """Run the Python function itself on the arrays."""
    arrays = [a.array if isinstance(a, BufferView) else a for a in arguments]
    with np.errstate(all="ignore"):
        kernel.function(*arrays)


def accelerate(function: Callable[..., None]) -> Kernel:
    """Make a kernel of a function written as loops over `parallel(...)`.

    The loops are read when the function is decorated: syntax outside the dialect and iterations
    that depend on one another are refused here. Code for a device is generated and compiled when
    the kernel first runs with arguments of some dtypes.

    Parameters
    ----------
    function : callable
        A function of arrays and scalars that writes its results into array arguments.

    Returns
    -------
    Kernel
        Callable like the function.

    Raises
    ------
    UnsupportedSyntaxError
        Where the function uses Python outside the dialect.
    RaceError
        Where iterations of a parallel loop are not independent.

    Examples
    --------
    >>> import numpy as np
    >>> from netts import accelerate, parallel
    >>> @accelerate
    ... def scaled(x, factor, out):
    ...     for i in parallel(out.shape[0]):
    ...         out[i] = factor * x[i]
    >>> out = np.zeros(3)
    >>> scaled(np.arange(3.0), 2.0, out)
    >>> out
    array([0., 2., 4.])
    """
    return Kernel(function)


def element(function: Callable[..., Any]) -> ElementFunction:
    """Mark a small function of numbers as callable from kernels.

    Its body is scalar statements that end in `return`; calling it runs the Python itself.

    Examples
    --------
    >>> from netts import element
    >>> @element
    ... def clipped(x, low, high):
    ...     return min(max(x, low), high)
    >>> clipped(5.0, 0.0, 1.0)
    1.0
    """
    source, scope = Source.of(function), Scope(function)
    body = parse_element(source, scope)
    check_body_assigned(body.body, frozenset(body.parameters), source)
    return ElementFunction(function, source, body)

"""The decorator `accelerate` and what it makes: a kernel."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from netts.compiler import checking
from netts.compiler.choosing import estimate_call
from netts.compiler.cuda.run import run_on_gpu
from netts.compiler.cuda.specialise import CudaSpecialisation
from netts.compiler.element import ElementFunction, callees
from netts.compiler.explain import explain
from netts.compiler.launch import current_launcher
from netts.compiler.loops import Loops
from netts.compiler.nest import (
    Load,
    Scalar,
    all_expressions,
    body_of,
    walk_expression,
)
from netts.compiler.parser import parse_element, parse_kernel
from netts.compiler.races import (
    check_assigned,
    check_body_assigned,
)
from netts.compiler.scope import Scope
from netts.compiler.source import Source
from netts.compiler.specialise import Specialisation
from netts.devices.memory import BufferView
from netts.devices.names import kind_of, ordinal_of
from netts.devices.registry import AUTO, choose
from netts.errors import BoundsError, KernelTypeError

LARGEST_EXAMPLE = 4
"""The largest extent tried where code is printed without arguments; few kernels name `x[3]`."""


class Kernel(Loops):
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
        source, scope = Source.of(function), Scope(function)
        routine = parse_kernel(source, scope)
        check_assigned(routine, source)
        super().__init__(routine, source, scope, tuple(callees(scope, routine.functions)))
        self.function = function
        self._signature = inspect.signature(function)
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Run the kernel, or record it inside `TaskGraph.recording()`."""
        self._launch("auto", args, kwargs)

    def on(self, device: str) -> Callable[..., None]:
        """Return the kernel bound to a device: "cpu", "cuda", "reference" for the Python itself.

        "cuda:1" is the second GPU.

        Raises
        ------
        DeviceError
            Where there is no such device, or this machine cannot use it.
        """
        choose(device)

        def run(*args: Any, **kwargs: Any) -> None:
            self._launch(device, args, kwargs)

        return functools.update_wrapper(run, self.function)

    def _launch(self, device: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        arguments = args
        if kwargs or len(args) != len(self.parameters):
            arguments = self._bound(args, kwargs)
        launch = current_launcher()
        if launch is not None:
            launch(self, arguments)
        elif checking.is_on():
            checking.run(self, arguments)
        else:
            self._run(choose(device), arguments)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Return the arguments in the order of the parameters."""
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            given = [f"{len(args)} argument{'s' * (len(args) != 1)}"]
            given += [f"{name}=..." for name in kwargs]
            raise KernelTypeError(
                f"kernel {self.routine.name}({', '.join(self.parameters)}) was given "
                f"{' and '.join(given)}: {error}"
            ) from None
        bound.apply_defaults()
        return bound.args

    def _run(self, device: str, arguments: tuple[Any, ...]) -> None:
        if device == AUTO:
            self.last_estimates = estimate_call(self, arguments)
            device = self.last_estimates.device
        run_on(device, self, arguments)

    def explain(self) -> str:
        """Return what netts understood: reads, writes, independence, contractions, devices."""
        return explain(self)

    def source(self, device: str = "cpu", *arguments: Any) -> str:
        """Return the code that runs on a device.

        Parameters
        ----------
        device : {"cpu", "cuda", "reference"}
            The generated numba code, or the Python itself. "cuda" needs no GPU for this.
        *arguments
            Arguments to compile for; those of the last call if there are none, and small contiguous
            float32 arrays (int64 where used as subscripts) if there was no call.

        Raises
        ------
        KernelTypeError, BoundsError
            Where the kernel takes no such arrays.
        """
        if kind_of(device) == "cuda":
            return self._source(arguments, self.specialise_cuda)
        if choose(device) == "reference":
            return inspect.getsource(self.function)
        if self.last is not None and not arguments:
            return self.last.source
        return self._source(arguments, self.specialise)

    def _source(
        self,
        arguments: tuple[Any, ...],
        specialise: Callable[[tuple[Any, ...]], Specialisation | CudaSpecialisation],
    ) -> str:
        """Return code for arguments, or for empty arrays, or for the smallest where that fails."""
        for extent in () if arguments else range(LARGEST_EXAMPLE):
            with contextlib.suppress(BoundsError):
                return specialise(self._example(extent)).source
        return specialise(arguments or self._example(LARGEST_EXAMPLE)).source

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
    try:
        with np.errstate(all="ignore"):
            kernel.function(*arrays)
    except IndexError:
        checking.run(kernel, arguments)  # says which subscript it is, at its line
        raise


def run_cpu(kernel: Kernel, arguments: tuple[Any, ...]) -> None:
    """Compile a kernel for the CPU and run it."""
    kernel.specialise(arguments).run(arguments)


def run_on(device: str, kernel: Kernel, arguments: tuple[Any, ...]) -> None:
    """Compile a kernel for a device that was chosen, and run it; on a GPU on copies of the arrays.

    Raises
    ------
    DeviceError
        Where the device fails or has too little memory.
    """
    if kind_of(device) == "cuda":
        run_on_gpu(kernel.specialise_cuda(arguments), arguments, ordinal_of(device))
    else:
        _ON_THE_HOST[device](kernel, arguments)


_ON_THE_HOST: dict[str, Callable[[Kernel, tuple[Any, ...]], None]] = {
    "cpu": run_cpu,
    "reference": run_reference,
}


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

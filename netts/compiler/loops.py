"""A routine with what was proved of it: what a kernel, or several fused to one, compiles from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from netts.compiler import calibration
from netts.compiler.access import accesses, reads, writes
from netts.compiler.arguments import Checked, check_arguments, find_aliases
from netts.compiler.bound import Bound, bind
from netts.compiler.cuda.specialise import CudaSpecialisation
from netts.compiler.cuda.specialise import specialise as specialise_cuda
from netts.compiler.element import ElementFunction
from netts.compiler.nest import Nest, Routine
from netts.compiler.races import outer_scalars, prove_independent
from netts.compiler.scope import Scope
from netts.compiler.source import Source
from netts.compiler.specialise import Specialisation, specialise
from netts.errors import KernelError, KernelTypeError
from netts.forks import ForkableLock

if TYPE_CHECKING:
    from netts.compiler.choosing import Estimates

MAX_SPECIALISATIONS = 256
"""Sets of shapes that a kernel remembers; forgetting one costs a millisecond, not a compilation."""

_forgetting = ForkableLock()

Special = TypeVar("Special")
"""A kernel specialised for a device."""


class Loops:
    """A routine that is proved independent and can be compiled.

    Parameters
    ----------
    routine
    source, scope
        Of the function it was parsed from, or of the first of several.
    callees
        The element functions that it calls: where, under which name, and which.

    Attributes
    ----------
    parameters : tuple of str
        The names of its parameters.
    reads, writes : frozenset of str
        The arrays of which it reads, and writes, elements; worked out from the loops.

    Raises
    ------
    RaceError
        Where iterations of a parallel loop are not independent.
    """

    def __init__(
        self,
        routine: Routine,
        source: Source,
        scope: Scope,
        callees: tuple[tuple[Scope, str, ElementFunction], ...],
    ) -> None:
        self.routine, self.source_code, self.scope, self.callees = routine, source, scope, callees
        self.parameters = routine.parameters
        self.reads = reads(routine)
        self.writes = writes(routine)
        self.accesses = accesses(routine)
        self.outer = outer_scalars(routine)
        self.proofs = {
            number: prove_independent(phase, self.accesses[number], self.outer[number], source)
            for number, phase in enumerate(routine.phases)
            if isinstance(phase, Nest)
        }
        self.last: Specialisation | None = None
        self.last_cuda: CudaSpecialisation | None = None
        self.last_estimates: Estimates | None = None
        self._specialisations: dict[Any, tuple[Bound, dict[Any, Any]]] = {}

    def __repr__(self) -> str:
        return f"<kernel {self.routine.name}({', '.join(self.parameters)})>"

    @cached_property
    def needs(self) -> frozenset[str]:
        """The arrays whose contents from before a run it reads.

        An array that it stores into before it reads from it needs nothing: a softmax that keeps the
        exponentials in its output, say.
        """
        first: dict[str, str] = {}
        for touched in self.accesses:
            for access in touched:
                first.setdefault(access.array, access.kind)
        return frozenset(name for name in self.reads if first[name] != "store")

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
        return self.specialise_for(self.checked(arguments))

    def specialise_for(self, checked: Checked) -> Specialisation:
        """Return the kernel compiled for arguments that were checked."""
        self.last = self.specialised_for(checked, specialise)
        return self.last

    def specialise_cuda(
        self, arguments: tuple[Any, ...], precision: str = "float32"
    ) -> CudaSpecialisation:
        """Return the kernel lowered to CUDA for arguments like these; see `specialise`.

        Parameters
        ----------
        precision
            "float32" or "tf32": what products of float32 are multiplied in.
        """
        lowered: CudaSpecialisation = self.specialised(arguments, specialise_cuda)
        self.last_cuda = lowered.multiplied_in(precision)
        return self.last_cuda

    def specialised(self, arguments: tuple[Any, ...], make: Callable[[Bound], Special]) -> Special:
        """Return what `make` makes of the kernel for arguments like these, the last ones kept."""
        return self.specialised_for(self.checked(arguments), make)

    def checked(self, arguments: tuple[Any, ...]) -> Checked:
        """Return what arguments are, which fit the kernel.

        Raises
        ------
        KernelTypeError, AliasError
            Where they do not.
        """
        arrays, numbers = check_arguments(self.routine, self.writes, arguments)
        return Checked(arrays, numbers, find_aliases(self.routine, self.writes, arrays, arguments))

    def specialised_for(self, checked: Checked, make: Callable[[Bound], Special]) -> Special:
        """Return what `make` makes of the kernel for arguments that were checked."""
        arrays, numbers, aliases = checked
        constants = self.constants()
        costs = calibration.current()
        key = (
            tuple((one.shape, one.dtype, one.strides) for one in arrays.values()),
            tuple((type(n), n if isinstance(n, int) else None) for n in numbers.values()),
            tuple(aliases.items()),
            tuple(map(repr, constants.values())),
            self._callee_constants() if self.callees else (),
            costs.digest,
        )
        known = self._specialisations.get(key)
        if known is None:
            known = bind(self, arrays, numbers, aliases, constants, costs), {}
            self._remember(key, known)
        bound, made = known
        if make not in made:
            made[make] = make(bound)
        return made[make]

    def _remember(self, key: Any, known: tuple[Bound, dict[Any, Any]]) -> None:
        with _forgetting.current:
            if len(self._specialisations) >= MAX_SPECIALISATIONS:
                del self._specialisations[next(iter(self._specialisations))]
            self._specialisations[key] = known

    def constants_as_text(self) -> tuple[str, ...]:
        """Return the constants that it and the functions that it calls read, as they are now.

        Raises
        ------
        KernelError
            Where one is no number any more, or a function was defined anew.
        """
        if not (self.routine.globals or self.callees):
            return ()
        return (*map(repr, self.constants().values()), *self._callee_constants())

    def constants(self) -> dict[str, bool | int | float]:
        """Return the numbers of its closure and module that it reads, as they are now."""
        return {name: self._constant(self.scope, name) for name in self.routine.globals}

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

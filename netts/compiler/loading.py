"""Object code in memory: linked and made executable by LLVM, without numba.

A process that finds all its code in the cache imports llvmlite's binding alone, which takes a tenth
of the time that numba's compiler does.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import llvmlite.binding as llvm


@cache
def _engine() -> llvm.ExecutionEngine:
    """Return LLVM's linker, which keeps what it has loaded for as long as the process runs."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    machine = target.create_target_machine(jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def missing(symbols: Iterable[str]) -> list[str]:
    """Return those symbols that this process lacks: LLVM ends a process that loads such code."""
    _engine()  # makes the symbols of the process known to LLVM
    return [one for one in symbols if not llvm.address_of_symbol(one)]


def load(code: bytes, symbol: str) -> int:
    """Load object code and return the address of a function of it.

    Every function that is loaded has a name of its own.
    """
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return int(engine.get_function_address(symbol))

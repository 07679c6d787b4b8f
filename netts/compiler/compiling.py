"""From a Python function to object code, by numba. Imported only where something is compiled.

numba does much that generated code has no use for: it compiles every function three times over (for
itself, for Python and for C), loads each, and runs passes for arrays, closures and exceptions. Here
an entry goes through the passes that loops over numbers need, what it calls is linked into it as it
comes from the front end, and LLVM optimises the whole once, as numba would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import (
    codegen,
    compiler,
    compiler_machinery,
    cpu,
    externals,
    fastmathpass,
    imputils,
    sigutils,
    typed_passes,
    types,
    typing,
    untyped_passes,
    utils,
)
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu_options import FastMathOptions
from numba.core.typing import builtins as typed_builtins
from numba.core.typing import collections, ctypes_utils, mathdecl, templates
from numba.cpython import builtins, mathimpl, numbers, rangeobj, tupleobj

from netts.compiler import masking

_STATUS = ir.IntType(64)


@dataclass(frozen=True)
class ObjectCode:
    """What the machine runs, and the symbols of other libraries that it refers to."""

    code: bytes
    externals: tuple[str, ...]


def compiled(
    function: Callable[..., Any], signature: str, symbol: str, fastmath: Iterable[str]
) -> ObjectCode:
    """Compile a function of words to object code that exports it, as a C function, as `symbol`.

    Parameters
    ----------
    signature
        Its numba signature, such as ``"int64(CPointer(int64), int64)"``; it returns a word.
    """
    module = optimised(function, signature, symbol, fastmath)
    externals = tuple(
        one.name
        for one in module.functions
        if one.is_declaration and not one.name.startswith("llvm.")
    )
    return ObjectCode(_target().codegen().machine.emit_object(module), externals)


@global_compiler_lock
def optimised(
    function: Callable[..., Any], signature: str, symbol: str, fastmath: Iterable[str]
) -> llvm.ModuleRef:
    """Return LLVM's code of a function as `compiled` gives it to the processor."""
    arguments, result = sigutils.normalize_signature(signature)
    done = _lowered(function, arguments, result, frozenset(fastmath), forceinline=True)
    _export(done, symbol)
    done.library.finalize()
    module = done.library.module
    for one in (*module.functions, *module.global_variables):
        if not one.is_declaration and one.name != symbol:
            one.linkage = "internal"
    _optimise(module)
    return module


def define_symbols() -> None:
    """Make known to LLVM what numba adds to the C library, such as a gamma function."""
    _target()


class Intrinsic:
    """What compiled code calls it by; there is nothing that Python could run."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *_arguments: Any) -> Any:
        """Refuse: there is nothing to run outside of compiled code."""
        raise NotImplementedError(f"{self.__name__} is for compiled code")


def intrinsic(typed: Callable[..., Any], name: Any = None) -> Any:
    """Make a function of compiled code from one that types it and builds LLVM's instructions.

    Like `numba.extending.intrinsic`, but known to netts's compiler alone: numba's own needs all
    that numba knows of arrays, random numbers and Python's containers.

    Parameters
    ----------
    typed
        `typed(typing_context, *types)` returns the numba signature and
        `generate(context, builder, signature, arguments)`.
    name
        The Python function that it stands for, None where there is none.
    """
    handle = name or Intrinsic(typed.__name__)

    @cache
    def signature_of(typing_context: Any, *arguments: Any) -> Any:
        signature, generate = typed(typing_context, *arguments)
        _lowerings.lower(handle, *signature.args)(generate)
        return signature

    class Template(templates.AbstractTemplate):
        key = handle

        def generic(self, arguments: Any, keywords: Any) -> Any:
            return signature_of(self.context, *arguments, **keywords)

    _templates.register_global(handle, types.Function(Template))
    return handle


_lowerings, _templates = imputils.Registry("netts"), templates.Registry()


def _extreme(name: Callable[..., Any], order: str) -> None:
    """Define `min` or `max` of integers; numba's are Python functions of tuples."""

    def typed(_typing: Any, *arguments: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            result = values[0]
            for one in values[1:]:
                result = builder.select(builder.icmp_signed(order, one, result), one, result)
            return result

        return types.int64(*[types.int64] * len(arguments)), generate

    intrinsic(typed, name)


_extreme(min, "<")
_extreme(max, ">")


def inlined(fastmath: Iterable[str] = ()) -> Callable[[Callable[..., Any]], Any]:
    """Make a function of numbers one that compiled code may call; LLVM inlines it everywhere."""
    flags = frozenset(fastmath)

    def decorated(function: Callable[..., Any]) -> Any:
        def typed(_typing: Any, *arguments: Any) -> Any:
            callee = _lowered(function, arguments, None, flags, forceinline=True)

            def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
                context.active_code_library.add_linking_library(callee.library)
                return context.call_internal(builder, callee.fndesc, callee.signature, values)

            return callee.signature, generate

        typed.__name__ = function.__name__
        return intrinsic(typed)

    return decorated


# ---------------------------------------------------------------- numba's front end


class _Pipeline(compiler.CompilerBase):
    """The passes that code without arrays, closures, exceptions and Python objects needs."""

    def define_pipelines(self) -> list[Any]:
        manager = compiler_machinery.PassManager("netts")
        for one in (
            untyped_passes.TranslateByteCode,
            untyped_passes.FixupArgs,
            untyped_passes.IRProcessing,
            untyped_passes.ReconstructSSA,
            typed_passes.NopythonTypeInference,
            typed_passes.PreLowerStripPhis,
            typed_passes.IRLegalization,
            typed_passes.NativeLowering,
            typed_passes.NoPythonBackend,
        ):
            manager.add_pass(one, one.__name__)
        manager.finalize()
        return [manager]


class _Library(codegen.CPUCodeLibrary):
    """Modules linked into one, neither optimised nor loaded: that is done once, with the whole.

    Attributes
    ----------
    masked
        The blocks of LLVM's code that begin with a mark of `runtime`, see `masking`.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.masked: list[ir.Block] = []

    @property
    def module(self) -> Any:
        return self._final_module

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_specific(self) -> None:
        pass


class _Codegen(codegen.JITCPUCodegen):
    """numba's settings for code that runs where it is compiled, without its loader."""

    _library_class = _Library

    @property
    def machine(self) -> Any:
        return self._tm

    def has_any(self, features: Iterable[str]) -> bool:
        """Whether the processor has one of some features."""
        return not {f"+{one}" for one in features}.isdisjoint(self._tm_features.split(","))

    def _add_module(self, module: Any) -> None:
        pass


class _Typing(typing.Context):
    """What numba knows of the types of numbers, ranges and tuples; nothing of arrays."""

    def refresh(self) -> None:
        self.install_registry(_scalar_templates())
        self.install_registry(mathdecl.registry)
        self.install_registry(_templates)


@cache
def _scalar_templates() -> Any:
    """Return numba's own templates without those that stand for Python functions.

    These are what numba knows of containers, and each that is installed starts all of numba.
    """
    assert all((typed_builtins, collections, ctypes_utils))  # imported, so registered
    every, kept = templates.builtin_registry, templates.Registry()
    overloads = templates._OverloadFunctionTemplate, templates._OverloadAttributeTemplate

    def is_kept(template: type) -> bool:
        return not issubclass(template, overloads)

    kept.functions += filter(is_kept, every.functions)
    kept.attributes += filter(is_kept, every.attributes)
    for value, type_ in every.globals:
        if not isinstance(type_, types.Function) or all(map(is_kept, type_.templates)):
            kept.register_global(value, type_)
    return kept


class _Context(cpu.CPUContext):
    """How numba lowers those, and what is defined later on; it imports ten times as much."""

    def init(self) -> None:
        self.is32bit = utils.MACHINE_BITS == 32
        self._internal_codegen = _Codegen("netts")
        externals.c_math_functions.install(self)

    def load_additional_registries(self) -> None:
        assert all((builtins, numbers, rangeobj, tupleobj))  # imported, so registered
        self.install_registry(mathimpl.registry)
        self.install_registry(_lowerings)

    def refresh(self) -> None:
        # Without the types' own: this is called for every conversion of a number.
        self.load_additional_registries()
        self.install_registry(imputils.builtin_registry)

    def post_lowering(self, mod: Any, library: Any) -> None:
        # numba links its allocator into everything besides; 32-bit systems need more.
        if self.fastmath:
            fastmathpass.rewrite_module(mod, self.fastmath)
        masking.mask_loops(mod, library.masked)


@cache
def _target() -> Any:
    """Return what numba's passes ask about types and the processor."""
    types = _Typing()
    types.refresh()
    return _Context(types)


def _lowered(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    result: Any,
    fastmath: frozenset[str],
    forceinline: bool = False,
) -> Any:
    """Return numba's result for a function: its types, and a library of LLVM's code."""
    flags = compiler.Flags()
    flags.nrt = False  # nothing here allocates
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.no_rewrites = True
    flags.error_model = "numpy"
    flags.forceinline = forceinline
    flags.fastmath = FastMathOptions(set(fastmath))
    library = _target().codegen().create_library(function.__name__)
    return compiler.compile_extra(
        _target().typing_context, _target(), function, arguments, result, flags, {},
        library=library, pipeline_class=_Pipeline,
    )  # fmt: skip


def _export(done: Any, symbol: str) -> None:
    """Add the C function of that name, which calls a compiled one."""
    context, native, library = _target(), done.fndesc, done.library
    module = library.create_ir_module(symbol)
    values = [context.get_value_type(one) for one in native.argtypes]
    function = ir.Function(module, ir.FunctionType(_STATUS, values), symbol)
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    inner_type = context.call_conv.get_function_type(native.restype, native.argtypes)
    inner = ir.Function(module, inner_type, native.llvm_func_name)
    status, result = context.call_conv.call_function(
        builder, inner, native.restype, native.argtypes, function.args
    )
    # Nothing here raises; LLVM sees that and drops the choice.
    builder.ret(builder.select(status.is_error, _STATUS(-1), result))
    library.add_ir_module(module)


# ---------------------------------------------------------------- LLVM


def _optimise(module: Any) -> None:
    """Run LLVM's passes as numba runs them: inlining, each function that is left, everything."""
    builder = _pass_builder(0, vectorise=False)
    builder.getModulePassManager().run(module, builder)
    builder = _pass_builder(3, vectorise=True)
    functions = builder.getFunctionPassManager()
    for one in module.functions:
        if not one.is_declaration:
            functions.run(one, builder)
    passes = llvm.create_new_module_pass_manager()
    # Loops in this form vectorise more often.
    passes.add_loop_rotate_pass()
    passes.add_instruction_combine_pass()
    passes.add_jump_threading_pass()
    passes.run(module, builder)
    builder.getModulePassManager().run(module, builder)
    module.verify()


def _pass_builder(level: int, *, vectorise: bool) -> Any:
    options = llvm.create_pipeline_tuning_options()
    options.speed_level = level
    options.loop_vectorization = vectorise
    options.slp_vectorization = False
    return llvm.create_pass_builder(_target().codegen().machine, options)

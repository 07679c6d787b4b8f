"""What numba's Python cannot say of a float: its bits, and constants of its own dtype.

Every intrinsic here is generic over float32 and float64 and emits a few LLVM instructions, without
a branch or a call, so that a loop around them vectorises. Integers stay as wide as the float, where
numba itself would widen int32 to int64, and constants take the dtype of the argument, where numba
would widen float32 times a literal to float64.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import NumbaTypeError

from netts.compiler.compiling import intrinsic

__all__ = ["constants_of", "copysign", "polynomial", "power_of_two", "split_exponent"]

FORMATS = {types.float32: np.finfo(np.float32), types.float64: np.finfo(np.float64)}


def format_of(x):
    """Return the `numpy.finfo` of a numba type, or refuse it."""
    if x not in FORMATS:
        raise NumbaTypeError(f"netts's compiled functions take float32 or float64, not {x}")
    return FORMATS[x]


def constants_of(**tables):
    """Make an intrinsic of x that gives the constants of x's dtype.

    Parameters
    ----------
    **tables : NamedTuple of numbers
        The constants by name of the dtype, ``float32=..., float64=...``.
    """

    @intrinsic
    def constants(_typing_context, x):
        table = tables[format_of(x).dtype.name]
        result = types.NamedUniTuple(x, len(table), type(table))

        def codegen(context, builder, _signature, _arguments):
            return context.make_tuple(builder, result, [context.get_constant(x, c) for c in table])

        return result(x), codegen

    return constants


def polynomial(**coefficients):
    """Make an intrinsic of x that evaluates a polynomial in x's dtype.

    Horner's scheme: the fewest operations, and a vectorised loop hides its latency behind other
    elements.

    Parameters
    ----------
    **coefficients : sequence of float
        By name of the dtype, ``float32=..., float64=...``, the constant term first.
    """

    @intrinsic
    def evaluate(_typing_context, x):
        terms = coefficients[format_of(x).dtype.name]

        def codegen(context, builder, _signature, arguments):
            *lower, total = [context.get_constant(x, term) for term in terms]
            for term in reversed(lower):
                total = builder.fadd(builder.fmul(total, arguments[0]), term)
            return total

        return x(x), codegen

    return evaluate


@intrinsic
def power_of_two(_typing_context, n):
    """2**n of an integral n that is a normal exponent (-127 < n < 128 in float32).

    Adding 1.5 * 2**mantissa_bits to a small integer leaves the integer in the lowest bits of the
    sum, so the sum, shifted to the exponent's place, is the power: no conversion to an integer, for
    which AVX2 has no packed instruction in float64.
    """
    info = format_of(n)

    def codegen(context, builder, _signature, arguments):
        integer = ir.IntType(info.bits)
        anchor = context.get_constant(n, 1.5 * 2.0**info.nmant + (info.maxexp - 1))
        bits = builder.bitcast(builder.fadd(arguments[0], anchor), integer)
        return builder.bitcast(builder.shl(bits, integer(info.nmant)), arguments[0].type)

    return n(n), codegen


@intrinsic
def split_exponent(_typing_context, x):
    """(k, m) with x = 2**k * m, k integral and sqrt(1/2) <= m < sqrt(2), of a positive normal x.

    As in fdlibm's e_log.c: moving the bits up by those between sqrt(1/2) and 1 makes the exponent
    field count from sqrt(1/2). The field becomes a float as the low bits of 2**mantissa_bits.
    """
    info = format_of(x)
    result = types.UniTuple(x, 2)

    def bits_of(number):
        return int(info.dtype.type(number).view(f"int{info.bits}"))

    def codegen(context, builder, _signature, arguments):
        integer, real = ir.IntType(info.bits), arguments[0].type
        lowest, anchor = bits_of(np.sqrt(0.5)), 2.0**info.nmant
        moved = builder.bitcast(arguments[0], integer)
        moved = builder.add(moved, integer(bits_of(1.0) - lowest))
        field = builder.lshr(moved, integer(info.nmant))
        field = builder.bitcast(builder.or_(field, integer(bits_of(anchor))), real)
        k = builder.fsub(field, context.get_constant(x, anchor + (info.maxexp - 1)))
        mantissa = builder.and_(moved, integer(2**info.nmant - 1))
        m = builder.bitcast(builder.add(mantissa, integer(lowest)), real)
        return context.make_tuple(builder, result, [k, m])

    return result(x), codegen


@intrinsic
def copysign(_typing_context, magnitude, sign):
    """abs(magnitude) with the sign of sign; `math.copysign` would be a call of the C library."""
    format_of(magnitude)
    signature = magnitude(magnitude, sign)

    def codegen(_context, builder, _signature, arguments):
        real = arguments[0].type
        function_type = ir.FunctionType(real, [real, real])
        function = builder.module.declare_intrinsic("llvm.copysign", [real], function_type)
        return builder.call(function, arguments)

    return signature, codegen

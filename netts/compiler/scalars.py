"""Scalar types, operators and functions: one row each.

A row says what an operator is in Python, which types its operands are brought to, the type of its
result, and its text in generated numba code. A device adds its own text to the row.

Types follow NumPy 2: Python numbers, loop indices, shapes and integer elements are weak against
floating elements. `WEAK` is a floating number that has not met an array yet; it is computed in the
floating dtype of the kernel's arrays, so a float32 kernel has no float64 arithmetic in it.
"""

from __future__ import annotations

import builtins
import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from netts.compiler import functions


class Type(enum.Enum):
    """The type of a scalar expression. The value is its name in generated code."""

    BOOL = "bool_"
    INT = "int64"
    WEAK = "weak"
    FLOAT32 = "float32"
    FLOAT64 = "float64"

    @property
    def is_floating(self) -> bool:
        """Whether it is a floating type, weak or not."""
        return self in (Type.WEAK, Type.FLOAT32, Type.FLOAT64)


class TypeRuleError(Exception):
    """Operands whose types an operator refuses; the message is the rule."""


_ORDER = [Type.BOOL, Type.INT, Type.WEAK, Type.FLOAT32, Type.FLOAT64]

ELEMENT_TYPES: dict[np.dtype, Type] = {
    np.dtype(np.bool_): Type.BOOL,
    np.dtype(np.uint8): Type.INT,
    np.dtype(np.int32): Type.INT,
    np.dtype(np.int64): Type.INT,
    np.dtype(np.float32): Type.FLOAT32,
    np.dtype(np.float64): Type.FLOAT64,
}
"""The dtypes that kernels take, and the type that an element has in an expression."""


def join(*types: Type) -> Type:
    """Return the type in which values of these types meet.

    Raises
    ------
    TypeRuleError
        Where float32 meets float64.
    """
    if Type.FLOAT32 in types and Type.FLOAT64 in types:
        raise TypeRuleError(
            "float32 meets float64; arrays that meet share one floating dtype: convert one of "
            "them, as in x.astype(y.dtype)"
        )
    return max(types, key=_ORDER.index)


Rule = Callable[[Sequence[Type]], tuple[tuple[Type, ...], Type]]
"""From the types of the operands to the types they are brought to, and the type of the result."""


def _arithmetic(types: Sequence[Type]) -> tuple[tuple[Type, ...], Type]:
    common = join(Type.INT, *types)
    return (common,) * len(types), common


def _sum(types: Sequence[Type]) -> tuple[tuple[Type, ...], Type]:
    if all(one is Type.BOOL for one in types):
        # NumPy's own conditions: True + True is True, and - is refused.
        raise TypeRuleError("conditions are no numbers; write int(...) around each, or `and`, `or`")
    return _arithmetic(types)


def _floating(types: Sequence[Type]) -> tuple[tuple[Type, ...], Type]:
    common = join(Type.WEAK, *types)
    return (common,) * len(types), common


def _power(types: Sequence[Type]) -> tuple[tuple[Type, ...], Type]:
    if not any(one.is_floating for one in types):
        raise TypeRuleError(
            "an integer to the power of an integer that is not a small literal may be either; "
            "make the base a float"
        )
    return _floating(types)


def _comparison(types: Sequence[Type]) -> tuple[tuple[Type, ...], Type]:
    return (join(*types),) * len(types), Type.BOOL


def _logic(types: Sequence[Type]) -> tuple[tuple[Type, ...], Type]:
    if any(one is not Type.BOOL for one in types):
        raise TypeRuleError("and, or and not take conditions; write a comparison, such as `n != 0`")
    return tuple(types), Type.BOOL


def _select(types: Sequence[Type]) -> tuple[tuple[Type, ...], Type]:
    common = join(*types[1:])
    return (types[0], common, common), common


def _bits(types: Sequence[Type]) -> tuple[tuple[Type, ...], Type]:
    if any(one.is_floating for one in types):
        raise TypeRuleError("bit operations take integers")
    return (Type.INT,) * len(types), Type.INT


def _inverted(types: Sequence[Type]) -> tuple[tuple[Type, ...], Type]:
    if types[0] is Type.BOOL:
        raise TypeRuleError("~ takes integers; write `not`")
    return _bits(types)


def _classified(types: Sequence[Type]) -> tuple[tuple[Type, ...], Type]:
    return _floating(types)[0], Type.BOOL


def _rounded(types: Sequence[Type]) -> tuple[tuple[Type, ...], Type]:
    return _floating(types)[0], Type.INT


def _to(target: Type) -> Rule:
    def rule(types: Sequence[Type]) -> tuple[tuple[Type, ...], Type]:
        return tuple(types), target

    return rule


@dataclass(frozen=True, slots=True)
class Row:
    """An operator or function.

    Attributes
    ----------
    cpu
        The text for numba: `{0}`, `{1}` are the operands, each free of side effects and safe to
        repeat, `{type}` the dtype that they were brought to.
    cuda
        The text for numba-cuda, where it is another one.
    """

    rule: Rule
    cpu: str
    cuda: str | None = None


ROWS: dict[str, Row] = {
    "add": Row(_sum, "({0} + {1})"),
    "sub": Row(_sum, "({0} - {1})"),
    "mul": Row(_arithmetic, "({0} * {1})"),
    "truediv": Row(_floating, "({0} / {1})"),
    "floordiv": Row(_arithmetic, "({0} // {1})"),
    "mod": Row(_arithmetic, "({0} % {1})"),
    "pow": Row(_power, "({0} ** {1})"),
    "square": Row(_arithmetic, "({0} * {0})"),
    "cube": Row(_arithmetic, "({0} * {0} * {0})"),
    "neg": Row(_sum, "(-{0})"),
    "abs": Row(_arithmetic, "abs({0})"),
    # Python's min and max keep the first operand unless the second is strictly beyond it, which
    # decides what a NaN does; max(0, x) on a NaN x is 0.
    "min": Row(_arithmetic, "({1} if {1} < {0} else {0})"),
    "max": Row(_arithmetic, "({1} if {1} > {0} else {0})"),
    "lt": Row(_comparison, "({0} < {1})"),
    "le": Row(_comparison, "({0} <= {1})"),
    "gt": Row(_comparison, "({0} > {1})"),
    "ge": Row(_comparison, "({0} >= {1})"),
    "eq": Row(_comparison, "({0} == {1})"),
    "ne": Row(_comparison, "({0} != {1})"),
    "and": Row(_logic, "({0} and {1})"),
    "or": Row(_logic, "({0} or {1})"),
    "not": Row(_logic, "(not {0})"),
    "select": Row(_select, "({1} if {0} else {2})"),
    "bitand": Row(_bits, "({0} & {1})"),
    "bitor": Row(_bits, "({0} | {1})"),
    "bitxor": Row(_bits, "({0} ^ {1})"),
    "invert": Row(_inverted, "(~{0})"),
    "lshift": Row(_bits, "({0} << {1})"),
    "rshift": Row(_bits, "({0} >> {1})"),
    "int": Row(_to(Type.INT), "int64({0})"),
    "float": Row(lambda types: ((Type.WEAK,), Type.WEAK), "{0}"),
    "bool": Row(_to(Type.BOOL), "({0} != 0)"),
    "isnan": Row(_classified, "({0} != {0})"),
    "isinf": Row(_classified, "(abs({0}) == {type}(math.inf))"),
    "isfinite": Row(_classified, "(abs({0}) < {type}(math.inf))"),
    "floor": Row(_rounded, "int64(math.floor({0}))"),
    "ceil": Row(_rounded, "int64(math.ceil({0}))"),
    "trunc": Row(_rounded, "int64({0})"),
    "fabs": Row(_floating, "abs({0})"),
}

VECTORISED = ("erf", "exp", "expm1", "log", "log1p", "sigmoid", "softplus", "sqrt", "tanh")
"""The functions that netts has its own polynomials for (`vector_math`)."""

COSTLY = tuple(one for one in VECTORISED if one != "sqrt")
"""Those that are many instructions, and not one of the processor's."""

_LIBRARY = (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "copysign", "cos", "cosh", "erfc",
    "fmod", "gamma", "hypot", "lgamma", "log2", "log10", "sin", "sinh", "tan",
)  # fmt: skip

_DEVICE_LIBRARY = ("erf", "exp", "expm1", "log", "log1p", "sqrt", "tanh")
"""Those that CUDA's device library has, a vector unit being what a GPU is: within 2 ulp."""

ROWS |= {name: Row(_floating, name + "_{type}({0})") for name in VECTORISED}
ROWS |= {
    name: Row(_floating, name + "_{type}({0})", f"math.{name}({{0}})") for name in _DEVICE_LIBRARY
}
ROWS |= {name: Row(_floating, f"math.{name}({{0}})") for name in _LIBRARY}
for _name in ("atan2", "copysign", "hypot"):
    ROWS[_name] = Row(_floating, f"math.{_name}({{0}}, {{1}})")
# numba has no math.fmod; % of numbers that are not negative is exact, and the same.
ROWS["fmod"] = Row(_floating, "math.copysign(abs({0}) % abs({1}), {0})")

ROW_OF: dict[Callable[..., object], str] = {
    builtins.abs: "abs",
    builtins.min: "min",
    builtins.max: "max",
    builtins.int: "int",
    builtins.float: "float",
    builtins.bool: "bool",
    math.pow: "pow",
    **{getattr(math, name): name for name in ROWS if hasattr(math, name) and name != "pow"},
    **{getattr(functions, name): name for name in VECTORISED},
}
"""Which row a Python function stands for."""

DIVISIONS = ("floordiv", "mod")
"""What raises ZeroDivisionError on integers."""

"""What generated code may say, numba's front end understands with the few passes it is given."""

from __future__ import annotations

import math
import re
import uuid

import numba
import pytest

from netts.compiler import compiling, native, runtime, vector_math
from netts.compiler.scalars import ROWS

DTYPES = ("int64", "float32", "float64")
OF_CONDITIONS = ("and", "or", "not", "select")
OF_INTEGERS = ("bitand", "bitor", "bitxor", "invert", "lshift", "rshift")


def is_for(name, dtype):
    if dtype != "int64":
        return name not in (*OF_CONDITIONS, *OF_INTEGERS)
    is_floating = re.search(r"math\.|{type}", ROWS[name].cpu) or name in ("pow", "truediv", "fabs")
    return name not in OF_CONDITIONS and not is_floating


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_row_can_be_compiled(dtype):
    lines = [
        f"    t{n} = {row.cpu.format('x[0]', 'x[1]', type=dtype)}\n    y[{n}] = float64(t{n})"
        for n, (name, row) in enumerate(ROWS.items())
        if is_for(name, dtype)
    ]
    header = [
        "def entry(args):",
        f"    x = pointer_{dtype}(args[0])",
        "    y = pointer_float64(args[1])",
    ]
    names = {
        **vars(runtime),
        **vars(vector_math),
        **{name: getattr(numba, name) for name in DTYPES},
        "math": math,
    }
    exec("\n".join([*header, *lines, "    return 0"]), names)
    made = compiling.compiled(
        names["entry"], "int64(CPointer(int64))", f"rows_{uuid.uuid4().hex}", native.FASTMATH
    )
    assert made.code


def test_an_intrinsic_says_that_it_cannot_be_called_from_python():
    with pytest.raises(NotImplementedError, match="exp is for compiled code"):
        vector_math.exp_float32(1.0)

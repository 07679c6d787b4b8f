"""Random programs over real numbers: no branch on a rounded value, no cancellation that matters.

Every function is smooth with a slope of at most about 1 where it is used, so the rounding errors of
an expression stay a small multiple of those of its leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from programs import HEADER, Array, Extent, Program

UNARY = (
    "netts.tanh({0})", "netts.sigmoid({0})", "netts.exp(-abs({0}))", "netts.softplus({0})",
    "netts.erf({0})", "netts.sqrt(1 + {0} * {0})", "netts.log1p({0} * {0})", "math.sin({0})",
    "math.cos({0})", "math.atan({0})", "netts.log(2.0 + netts.tanh({0}))", "-{0}", "{0} * 0.5",
    "math.hypot({0}, 1.0)", "(1.0 + {0} * {0}) ** 0.5", "squashed({0})", "netts.expm1(-abs({0}))",
    "1.0 / (1.0 + {0} * {0})", "math.tanh({0}) ** 2", "math.tanh({0}) ** 3",
)  # fmt: skip
BINARY = (
    "({0} + {1})", "({0} - {1})", "max({0}, {1})", "min({0}, {1})", "netts.tanh({0}) * {1}",
    "({0} + alpha * {1})", "({0} / (1.0 + abs({1})))", "math.atan2({0}, 1.0 + abs({1}))",
)  # fmt: skip

FORMS = {
    "elementwise": """\
    for i, j in parallel(out.shape[0], out.shape[1]):
        u = x[i, j]
        v = row[j]
        out[i, j] = {0}
""",
    "product": """\
    for i, j in parallel(out.shape[0], out.shape[1]):
        u = {init}
        for q in range(w.shape[0]):
            u += wide[i, q] * w[q, j]
        v = row[j]
        out[i, j] = {0}
""",
    "row sums": """\
    for i in parallel(out.shape[0]):
        total = 0.0
        for j in range(out.shape[1]):
            u = x[i, j]
            v = row[j]
            total += {0}
        for j in range(out.shape[1]):
            out[i, j] = total
""",
    "softmax": """\
    for i in parallel(out.shape[0]):
        top = x[i, 0]
        for j in range(out.shape[1]):
            top = max(top, x[i, j])
        total = 0.0
        for j in range(out.shape[1]):
            total += netts.exp(x[i, j] - top)
        for j in range(out.shape[1]):
            u = netts.exp(x[i, j] - top) / total
            v = row[j]
            out[i, j] = {0}
""",
    "row functions": """\
    for i in parallel(out.shape[0]):
        v = row[0]
        total = 1.0
        for j in range(out.shape[1]):
            total += netts.exp(-abs(x[i, j]))
        u = netts.log(total) + netts.tanh(v)
        out[i, 0] = {0}
""",
    "reduction": """\
    total = 0.0
    for i, j in parallel(x.shape[0], x.shape[1]):
        u = x[i, j]
        v = row[j]
        total += {0}
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = total
""",
    "scatter": """\
    for i, j in parallel(x.shape[0], x.shape[1]):
        u = x[i, j]
        v = row[j]
        out[index[i], j] += {0}
""",
}


@st.composite
def smooth_programs(draw: Callable[[st.SearchStrategy], Any]) -> tuple[str, Program]:
    """Return the form of a program, and the program."""

    def expression(depth: int) -> str:
        if depth == 0:
            return draw(st.sampled_from(["u", "u", "v"]))
        form = draw(st.sampled_from(UNARY + BINARY))
        return form.format(f"({expression(depth - 1)})", f"({expression(depth - 1)})")

    name = draw(st.sampled_from(list(FORMS)))
    init = draw(st.sampled_from(["0.0", "row[j]", "x[i, j]"]))
    body = FORMS[name].format(expression(draw(st.integers(1, 3))), init=init)
    rows, columns, inner = Extent("n"), Extent("m", 1, 1), Extent("k")
    dtype = draw(st.sampled_from(["float32", "float64"]))
    arrays = (
        Array("x", dtype, (rows, columns)), Array("row", dtype, (columns,)),
        Array("wide", dtype, (rows, inner)), Array("w", dtype, (inner, columns)),
        Array("index", "int64", (rows,), target=rows), Array("out", dtype, (rows, columns)),
    )  # fmt: skip
    text = [
        HEADER,
        "",
        "@element",
        "def squashed(value):",
        "    return value / (1.0 + abs(value))",
        "",
        "@accelerate",
        f"def kernel({', '.join(one.name for one in arrays)}, alpha):",
        body,
    ]
    return name, Program("\n".join(text), (*arrays, 0.3), result=5)

"""What a kernel may not contain: the exact expression that an error underlines, and its words.

`test_refusals` has the refusals that users meet first; these are the others.
"""

from __future__ import annotations

import numpy as np
import pytest
from programs import HEADER, Program
from refusals import Case, assert_refused

import netts
from netts import accelerate, parallel
from netts.errors import (
    AliasError,
    KernelError,
    KernelTypeError,
    RaceError,
    UnsupportedSyntaxError,
)

NEST = "for i in parallel(out.shape[0]):\n    "


def syntax(fact: str, body: str, rule: str, way_out: str, **options) -> Case:
    return Case(fact, UnsupportedSyntaxError, body, rule, way_out, **options)


STATEMENTS = {
    "with": "«with x:»\n        pass",
    "import": "«import math»",
    "del": "«del x»",
    "assert": "«assert x[i] > 0»",
    "raise": "«raise ValueError»",
    "global": "«global y»",
    "match": "«match x[i]:»\n        case _:\n            pass",
    "def": "«def f():»\n        pass",
    "class": "«class C:»\n        pass",
}

EXPRESSIONS = {
    "a list": "[x[i]]",
    "a tuple": "(x[i], 1)",
    "a list comprehension": "[x[k] for k in range(3)]",
    "a lambda": "lambda: 1",
    "a formatted string": "f'{x[i]}'",
    "'text'": "'text'",
    "None": "None",
    "2j": "2j",
}

SYNTAX = [
    *[
        syntax(
            f"{name} is no statement of a kernel",
            NEST + text,
            f"`{name}` is outside what a kernel may contain",
            "kernels take assignments, if, for ... in range(...), while, break, continue",
        )
        for name, text in STATEMENTS.items()
    ],
    *[
        syntax(
            f"{name} is no expression of a kernel",
            NEST + f"out[i] = «{text}»",
            f"{name} is outside what a kernel may contain",
            "a kernel computes with numbers and elements of arrays",
        )
        for name, text in EXPRESSIONS.items()
    ],
    # loops
    syntax(
        "a parallel loop has no else",
        NEST + "out[i] = 1\nelse:\n    «out[0] = 1»",
        "no else branch",
        "set a local in the loop",
    ),
    syntax(
        "a while loop has no else",
        NEST + "while x[i] > 0:\n        pass\n    else:\n        «out[i] = 1»",
        "no else branch",
        "set a local in the loop",
    ),
    syntax(
        "parallel takes no keywords",
        "for i in «parallel(out.shape[0], chunk=2)»:\n    out[i] = 1",
        "parallel takes extents, no keywords",
        "write `parallel(n, m)`",
    ),
    syntax(
        "the extents of parallel are written out",
        "for i in «parallel(*out.shape)»:\n    out[i] = 1",
        "parallel takes one extent for each index, written out",
        "write `parallel(x.shape[0], x.shape[1])`",
    ),
    syntax(
        "each extent has its index",
        "for «i» in parallel(3, 4):\n    out[i] = 1",
        "2 extents of parallel, and not as many indices",
        "for i, j in parallel(n, m)",
    ),
    syntax(
        "a loop does not enumerate",
        NEST + "for k, v in «enumerate(x)»:\n        out[i] += v",
        "a loop inside a kernel runs over range(...)",
        "write `for k in range(n):`",
    ),
    syntax(
        "range takes 1 to 3 arguments",
        NEST + "for k in «range(1, 2, 3, 4)»:\n        pass",
        "range takes 1 to 3 arguments, not 4",
        "write range(stop)",
    ),
    syntax(
        "the step of a range is not 0",
        NEST + "for k in range(0, 9, «0»):\n        pass",
        "the step of a range is a literal other than 0",
        "multiply the index by the step",
    ),
    syntax(
        "an index is no parameter",
        "for «x» in parallel(3):\n    out[x] = 1",
        "the index 'x' is also a parameter",
        "rename one of them",
    ),
    syntax(
        "an index is not assigned",
        NEST + "for «k» in range(3):\n        k = 2",
        "the index 'k' is also assigned",
        "rename one of them",
    ),
    syntax(
        "an index is a name",
        "for «out[0]» in parallel(3):\n    pass",
        "out[0] stands where a name is expected",
        "write the name of a local",
    ),
    # assignments
    syntax(
        "the value of an expression is used",
        NEST + "«abs(x[i])»",
        "nothing is done with the value of abs(x[i])",
        "assign it",
    ),
    syntax(
        "each name is assigned on its own",
        NEST + "«a = b = x[i]»",
        "one assignment sets one name",
        "write one assignment for each",
    ),
    syntax(
        "a shape has as many names as its array has axes",
        "n, m = x.shape\n" + NEST + "out[i] = «x[i]»",
        "x has 2 axes elsewhere, 1 here",
        "the same number of axes in the whole kernel",
    ),
    syntax("no slice is assigned", NEST + "out[«0:3»] = 1", "slices are outside", "write the loop"),
    syntax(
        "no attribute is assigned",
        NEST + "«x.flag» = 1",
        "a kernel assigns scalars and elements of arrays only",
        "write `name = ...` or `x[i] = ...`",
    ),
    syntax(
        "no parameter is changed",
        NEST + "«n» += 1",
        "the parameter 'n' is assigned",
        "use a local of another name",
        parameters="x, out, n",
    ),
    syntax(
        "no parameter is unpacked into",
        "«n», m = x.shape\n" + NEST + "out[i] = n",
        "the parameter 'n' is assigned",
        "use a local of another name",
        parameters="x, out, n",
    ),
    syntax(
        "matrices are not multiplied into whole",
        NEST + "«out[i] @= x[i]»",
        "the operator @ is outside the dialect",
        "write the sum as a loop",
    ),
    # elements and shapes
    syntax(
        "a local has no elements",
        NEST + "y = x[i]\n    out[i] = «y[0]»",
        "'y' is a scalar, so it has no elements",
        "arrays are arguments",
    ),
    syntax(
        "a number has no elements",
        NEST + "out[i] = n + «n[0]»",
        "'n' is a scalar, so it has no elements",
        "arrays are arguments",
        parameters="out, n",
    ),
    syntax(
        "an unknown attribute is refused",
        NEST + "out[i] = «math.missing»",
        "name 'math.missing' is not defined",
        "a kernel reads arguments, locals and constants",
    ),
    syntax(
        "an array has no methods",
        NEST + "out[i] = «x.sum()»",
        "x.sum is not a function that a kernel may call",
        "use math.*",
    ),
    syntax(
        "the axis of a shape does not vary",
        NEST + "out[i] = «x.shape[i]»",
        "the axis of a shape is a literal, counted from 0",
        "write `x.shape[0]`",
    ),
    syntax(
        "the axis of a shape is not counted from the end",
        NEST + "out[i] = «x.shape[-1]»",
        "the axis of a shape is a literal, counted from 0",
        "write `x.shape[0]`",
    ),
    syntax(
        "the axis of a shape is one that the array has",
        NEST + "out[i] = x[i] + «x.shape[1]»",
        "x has 1 axis elsewhere, so no axis 1",
        "axes are counted from 0",
    ),
    syntax(
        "membership is no comparison of a kernel",
        NEST + "out[i] = 1 if «x[i] in x» else 0",
        "the comparison `in` is outside the dialect",
        "compare numbers with <",
    ),
    syntax(
        "an expression has no end",
        NEST + "out[i] = " + "-" * 150 + "«x[i]»",
        "an expression has more than 150 levels",
        "assign a part of it to a local first",
    ),
    # functions
    syntax(
        "a Python function is not called",
        NEST + "out[i] = «twice(x[i])»",
        "twice is not a function that a kernel may call",
        "mark a small scalar function of your own with @element",
        before="def twice(x):\n    return 2 * x",
    ),
    syntax(
        "a shadowed function is the user's own",
        NEST + "out[i] = «max(x[i], 0)»",
        "max is not a function that a kernel may call",
        "use math.*",
        before="def max(a, b):\n    return a",
    ),
    syntax(
        "NumPy's function of each element has netts's beside it",
        NEST + "out[i] = «np.exp(x[i])»",
        "np.exp is not a function that a kernel may call",
        "of the numbers of a kernel it is exp(...), from netts",
        before="import numpy as np",
    ),
    syntax(
        "a kernel makes no arrays",
        NEST + "out[i] = 1.0 + «np.zeros(3)»",
        "np.zeros is not a function that a kernel may call",
        "pass one as an argument",
        before="import numpy as np",
    ),
    syntax(
        "a function of netts is imported",
        NEST + "out[i] = «softplus(x[i])»",
        "softplus is not a function that a kernel may call",
        "from netts import softplus",
    ),
    syntax(
        "a local is not called",
        NEST + "abs = x[i]\n    out[i] = «abs(x[i])»",
        "abs is not a function that a kernel may call",
        "use math.*",
    ),
    syntax(
        "nothing is printed",
        NEST + "«print(x[i])»",
        "print is not a function that a kernel may call",
        "use math.*",
    ),
    syntax(
        "functions take no starred arguments",
        NEST + "out[i] = max(«*x»)",
        "a starred expression is outside what a kernel may contain",
        "a kernel computes with numbers",
    ),
    syntax(
        "the minimum of an array is a loop",
        NEST + "out[i] = «min(x[i])»",
        "min takes 2 arguments or more in a kernel, not 1",
        "over an array, write it as a loop",
    ),
    syntax(
        "a line with letters beyond ASCII is underlined in its place",
        NEST + "größe = x[i]; out[i] = größe + «größe[0]»",
        "'größe' is a scalar, so it has no elements",
        "arrays are arguments",
    ),
]


def race(fact: str, body: str, rule: str, way_out: str, **options) -> Case:
    return Case(fact, RaceError, body, rule, way_out, **options)


def arrays(*shapes, dtype=float):
    """Return what makes arrays of ones."""
    return lambda: tuple(np.ones(shape, dtype) for shape in shapes)


RACES = [
    race(
        "two places of an array are not written",
        NEST + "«out[i]» = 1\n    out[i + 1] = 2",
        "out[i] is written, and out[i + 1] is written on line",
        "read from one array and write to another",
    ),
    race(
        "an element that another iteration adds to is not read",
        NEST + "«out[index[i]]» += 1\n    x[i] = out[i]",
        "out[index[i]] is written, and out[i] is read on line",
        "make i a range() loop inside",
        parameters="x, index, out",
    ),
    race(
        "a product of indices is not another element for each",
        "for i, j in parallel(3, 3):\n    «out[i * j]» = 1",
        "netts cannot prove that out[i * j] is another element for every i",
        "give out one dimension for each parallel index",
    ),
    race(
        "half an index is not another element for each",
        NEST + "«out[i // 2]» = 1",
        "netts cannot prove that out[i // 2] is another element for every i",
        "make i a range() loop inside",
    ),
    race(
        "a local does not keep its value from one turn to the next",
        NEST + "for k in range(3):\n        «total = last + x[k]»\n        last = total",
        "last may be read here before this iteration has assigned it",
        "assign last on every path before",
    ),
    race(
        "a local of a loop that may not run is not read behind it",
        NEST + "for k in range(n):\n        last = x[k]\n    «total = last»\n    out[i] = total",
        "last may be read here before this iteration has assigned it",
        "assign last on every path before",
        parameters="x, out, n",
    ),
    race(
        "the extent of a nest is not changed in it",
        "n = out.shape[0]\nfor i in «parallel(n)»:\n    n += 1\nout[0] = n",
        "n is an extent of the nest and changed by every iteration",
        "sum into another scalar",
    ),
    race(
        "a factor of 0 makes every iteration write one element",
        NEST + "«out[i * n]» = 1",
        "the factor of i in out[i * n] is 0 with these arguments",
        "other than 0",
        parameters="out, n",
        arguments=lambda: (np.ones(3), 0),
    ),
    race(
        "a factor that is read from data is refused",
        "n = x[0]\n" + NEST + "«out[i * n]» = 1",
        "the factor of i in out[i * n] is not known before the kernel runs",
        "compute the factor from shapes and integer arguments",
        arguments=arrays(3, 3, dtype=int),
    ),
    race(
        "a scalar set in a branch is carried all the same",
        "last = 0.0\nif n > 2:\n    last = 1.0\n" + NEST + "out[i] = last\n    «last = x[i]»",
        "last is set before the nest and changed by every iteration",
        "may cross iterations",
        parameters="x, out, n",
    ),
]


def types(fact: str, body: str, rule: str, way_out: str = "", **options) -> Case:
    options = {"arguments": arrays(3, 3), **options}
    return Case(fact, KernelTypeError, body, rule, way_out, **options)


TYPES = [
    types(
        "conditions are not added",
        NEST + "out[i] = «(x[i] > 0) + (x[i] < 2)»",
        "conditions are no numbers; write int(...) around each",
    ),
    types(
        "a condition is not negated by a sign", NEST + "out[i] = «-(x[i] > 0)»", "are no numbers"
    ),
    types("a condition is not inverted bit by bit", NEST + "out[i] = «~(x[i] > 0)»", "write `not`"),
    types(
        "numbers are no conditions",
        NEST + "out[i] = 1 if «x[i] and i > 0» else 0",
        "and, or and not take conditions; write a comparison",
    ),
    types(
        "a floating number has no bits",
        NEST + "out[i] = «x[i] & 1»",
        "bit operations take integers",
    ),
    types(
        "an integer to a power that varies is no integer",
        NEST + "out[i] = «2 ** i»",
        "make the base a float",
    ),
    types(
        "a range does not end at a floating number",
        NEST + "for k in «range(x[i])»:\n        out[i] += 1",
        "a loop runs to x[i], which is float64, not an integer",
        "write int(...), or pass an integer",
    ),
    types(
        "a parallel loop does not end at a floating number",
        "for i in «parallel(n)»:\n    out[i] = 1",
        "a loop runs to n, which is a floating number, not an integer",
        "write int(...), or pass an integer",
        parameters="out, n",
        arguments=lambda: (np.ones(3), 2.0),
    ),
    types(
        "a local is of one floating type",
        NEST + "y = x[i]\n    «y = z[i]»\n    out[i] = y",
        "float32 meets float64",
        parameters="x, z, out",
        arguments=lambda: (np.ones(3, np.float32), np.ones(3), np.ones(3)),
    ),
    types(
        "an element function sees the types of its arguments",
        NEST + "out[i] = both(x[i], z[i])",
        "float32 meets float64",
        before="@element\ndef both(a, b):\n    return «a + b»\n",
        parameters="x, z, out",
        arguments=lambda: (np.ones(3, np.float32), np.ones(3), np.ones(3)),
    ),
]


@pytest.mark.parametrize("case", [*SYNTAX, *RACES, *TYPES], ids=str)
def test_refused(case, tmp_path):
    assert_refused(case, tmp_path)


@accelerate
def rows(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x.shape[1]


def test_an_array_without_the_axis_whose_extent_is_read_is_refused():
    with pytest.raises(KernelTypeError, match=r"'x' .* extent of axis 1, got .* shape \(3,\)"):
        rows(np.ones(3), np.ones(3))


@accelerate
def stepped(x):
    for i in parallel(x.shape[0]):
        x[i] += 1


@pytest.mark.parametrize("strides", [(0,), (4,)])
def test_a_written_array_whose_elements_overlap_is_refused(strides):
    x = np.lib.stride_tricks.as_strided(np.zeros(8, np.float32), (4,), strides)
    if strides == (4,):
        stepped(x)
        assert x.tolist() == [1.0] * 4
    else:
        with pytest.raises(KernelTypeError, match="several of its elements may be the same memory"):
            stepped(x)


@accelerate
def added(x, y, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i] + y[out.shape[0] - 1 - i]


def test_the_third_of_three_equal_arrays_is_refused_like_the_second():
    x = np.ones(4)
    with pytest.raises(AliasError, match=r"y\[out.shape\[0\] - 1 - i\] is read on line"):
        added(x, x, x)


def test_a_part_of_the_second_of_two_equal_arrays_is_refused():
    memory = np.ones(5)
    with pytest.raises(AliasError, match="y and out of kernel 'added' overlap in memory"):
        added(memory[1:], memory[:-1], memory[1:])


def test_an_element_function_that_was_defined_anew_is_refused(tmp_path):
    text = """
@element
def half(x):
    return x / 2

@accelerate
def kernel(x):
    for i in parallel(x.shape[0]):
        x[i] = half(x[i])
"""
    module = Program(HEADER + text, ()).load(tmp_path)
    x = np.ones(2)
    module.kernel(x)
    module.half = netts.element(module.half.function)
    with pytest.raises(KernelError, match="half was defined anew after kernel 'kernel'"):
        module.kernel(x)
    assert x.tolist() == [0.5, 0.5]


# ---------------------------------------------------------------- what must not be refused


@pytest.mark.parametrize(
    ("fact", "body"),
    {
        "a step of two stays inside": """
    for i in parallel(1):
        for k in range(0, 4, 2):
            out[i] += x[k] * x[k + 1]
""",
        "a step backwards stays inside": """
    for i in parallel(1):
        for k in range(3, 0, -2):
            out[i] += x[k] * x[k - 1]
""",
        "a loop that does not run reaches nothing": """
    for i in parallel(1):
        for k in range(x.shape[0] - 4):
            out[i] += x[9]
""",
        "a loop whose end is data may not run": """
    stop = int(x[0]) - 2
    for i in parallel(1):
        for k in range(stop):
            out[i] += x[9]
""",
        "a size is an extent": """
    for i in parallel(x.size):
        out[i] += x[i]
""",
        "a name of a nest may be a scalar behind it": """
    for i in parallel(2):
        total = x[i]
        out[i] = total
    total = 2.0
    for i in parallel(2):
        out[i] += total
""",
        "a factor of 0 is no race without iterations": """
    for i in parallel(n):
        out[i * n] = 1
""",
        "a parameter may be unused": """
    for i in parallel(2):
        out[i] = x[i]
""",
        "a string at the margin is no code": """
    '''Two
lines.'''
    for i in parallel(2):
        out[i] = x[i]
""",
        "a bool is a number beside numbers": """
    for i in parallel(2):
        out[i] += x[i] > 0
""",
        "interleaved halves of the last axis are apart": """
    for i in parallel(2):
        out[2 * i] = out[2 * i] + 1
        out[2 * i] += x[2 * i + 1]
""",
    }.items(),
    ids=lambda one: one.replace(" ", "_") if "\n" not in one else "",
)
def test_accepted(fact, body, tmp_path):
    text = "\n".join([HEADER, "", "@accelerate", f"def kernel(x, out, n, unused):{body}"])
    kernel = Program(text, ()).load(tmp_path).kernel
    results = []
    for device in ("reference", "cpu"):
        out = np.arange(4.0)
        kernel.on(device)(np.ones(4), out, 0, object())
        results.append(out.tolist())
    assert results[0] == results[1], fact

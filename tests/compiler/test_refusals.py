"""Refusals: each names the rule and the way out, and quotes file, line and expression."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netts import accelerate, element, exp, parallel
from netts.errors import (
    AliasError,
    BoundsError,
    DeviceError,
    KernelDivisionError,
    KernelError,
    KernelTypeError,
    RaceError,
    UnsupportedSyntaxError,
)

TABLE = np.arange(3.0)


def assert_quotes(error: BaseException, function: Callable[..., Any], expression: str) -> None:
    """Check that a message quotes the file, the line of an expression, and underlines it."""
    message = str(error)
    lines, first = inspect.getsourcelines(function)
    candidates = [first + n for n, line in enumerate(lines) if expression in line]
    assert any(f'File "{__file__}", line {line}' in message for line in candidates), message
    quoted, underline = message.splitlines()[2:4]
    start = underline.index("^")
    underlined = quoted[start : start + underline.count("^")]
    assert expression in underlined or underlined in expression, message
    assert expression in quoted, message


# ---------------------------------------------------------------- races


def every_row_writes(x, out):
    for i, j in parallel(x.shape[0], x.shape[1]):
        out[j] += x[i, j]


def neighbours(x):
    for i in parallel(x.shape[0] - 1):
        x[i + 1] = x[i]


def flattened(x, out):
    for i, j in parallel(x.shape[0], x.shape[1]):
        out[i * x.shape[1] + j] = x[i, j]


def stored_at_data(index, out):
    for i in parallel(index.shape[0]):
        out[index[i]] = 1.0


def carried(x, out):
    last = 0.0
    for i in parallel(x.shape[0]):
        out[i] = last
        last = x[i]


def two_ways(x, out):
    total = 0.0
    for i in parallel(x.shape[0]):
        total += x[i]
        total = max(total, x[i])
    out[0] = total


def read_while_summed(x, out):
    total = 0.0
    for i in parallel(x.shape[0]):
        total += x[i]
        out[i] = total


def maybe_unset(x, out):
    for i in parallel(x.shape[0]):
        if x[i] > 0.0:
            y = x[i]
        out[i] = y


def never_set(out):
    for i in parallel(out.shape[0]):
        out[i] = y  # noqa: F821
        y = 1.0  # noqa: F841


RACES = [
    (every_row_writes, "out[j]", "written by every i", "make i a range() loop inside"),
    (neighbours, "x[i + 1]", "may touch the same element of x", "range() loop inside"),
    (flattened, "out[i * x.shape[1] + j]", "cannot prove", "one dimension for each parallel index"),
    (stored_at_data, "out[index[i]]", "cannot prove", "`+=` at an index that depends on data"),
    (carried, "last = x[i]", "changed by every iteration", "set last inside the nest"),
    (two_ways, "total = max(total, x[i])", "changed by every iteration", "may cross iterations"),
    (read_while_summed, "out[i]", "summed over the nest and read inside", "after the nest"),
    (maybe_unset, "out[i]", "y may be read here before", "assign y on every path"),
    (never_set, "out[i]", "y may be read here before", "assign y on every path"),
]


@pytest.mark.parametrize(("function", "expression", "rule", "way_out"), RACES)
def test_a_race_is_refused_at_its_line(function, expression, rule, way_out):
    with pytest.raises(RaceError) as caught:
        accelerate(function)
    assert rule in str(caught.value)
    assert way_out in str(caught.value)
    assert_quotes(caught.value, function, expression)


# ---------------------------------------------------------------- syntax


def no_nest(x, out):
    out[0] = x[0]


def nested_parallel(x, out):
    for i in parallel(x.shape[0]):
        for j in parallel(x.shape[1]):
            out[i, j] = x[i, j]


def parallel_in_if(x, n):
    if n > 0:
        for i in parallel(x.shape[0]):
            x[i] = 0.0


def breaks_out(x):
    for i in parallel(x.shape[0]):
        if x[i] > 0.0:
            break
        x[i] = 1.0


def returns(x):
    for i in parallel(x.shape[0]):
        x[i] = 0.0
    return x


def slices(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i, :]


def twice_subscripted(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i][0]


def whole_array(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i] + x


def over_a_list(x):
    for i in parallel(x.shape[0]):
        for k in [1, 2]:
            x[i] += k


def stepped_by_name(x, step):
    for i in parallel(x.shape[0]):
        for k in range(0, 3, step):
            x[i] += k


def with_else(x):
    for i in parallel(x.shape[0]):
        for k in range(3):
            x[i] += k
        else:  # noqa: PLW0120
            x[i] = 0.0


def tries(x):
    for i in parallel(x.shape[0]):
        try:  # noqa: SIM105
            x[i] = 0.0
        except ValueError:
            pass


def function_of_arrays(x):
    for i in parallel(x.shape[0]):
        x[i] = np.exp(x[i])


def unknown_function(x):
    for i in parallel(x.shape[0]):
        x[i] = np.linalg.norm(x[i])


def calls_a_kernel(x):
    for i in parallel(x.shape[0]):
        scaled(x[i])


def unknown_name(x):
    for i in parallel(x.shape[0]):
        x[i] = nowhere  # noqa: F821


def array_of_the_module(out):
    for i in parallel(out.shape[0]):
        out[i] = TABLE


def element_of_the_module(out):
    for i in parallel(out.shape[0]):
        out[i] = TABLE[i]


def index_outside(x):
    for i in parallel(x.shape[0]):
        for k in range(3):
            x[i] += k
        x[i] = k


def index_reused(x):
    for i in parallel(x.shape[0]):
        for i in range(3):
            x[i] = 0.0


def parameter_assigned(x, n):
    n = n + 1
    for i in parallel(x.shape[0]):
        x[i] = n


def several_at_once(x):
    for i in parallel(x.shape[0]):
        a, b = 1.0, 2.0
        x[i] = a + b


def other_attribute(x):
    for i in parallel(x.shape[0]):
        x[i] = x.ndim


def two_ranks(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i] + x[i, 0]


def keyword_call(x):
    for i in parallel(x.shape[0]):
        x[i] = max(x[i], 0.0, key=None)


def is_not(x):
    for i in parallel(x.shape[0]):
        x[i] = 1.0 if x[i] is x[i] else 0.0


def matrix_product(x):
    for i in parallel(x.shape[0]):
        x[i] = x[i] @ x[i]


def walrus(x):
    for i in parallel(x.shape[0]):
        x[i] = (y := 2.0) + y


def extents_and_indices(x):
    for i, j in parallel(x.shape[0]):
        x[i] = j


@accelerate
def scaled(x):
    for i in parallel(x.shape[0]):
        x[i] *= 2.0


SYNTAX = [
    (no_nest, "def no_nest(x, out):", "needs a parallel loop", "for i in parallel"),
    (nested_parallel, "parallel(x.shape[1])", "inside a parallel loop", "for i, j in parallel"),
    (parallel_in_if, "parallel(x.shape[0])", "top level of a kernel", "move it out"),
    (breaks_out, "break", "break would end a parallel loop", "use `continue`"),
    (returns, "return x", "a kernel returns nothing", "into an array argument"),
    (slices, ":", "slices are outside", "write the loop over the elements"),
    (twice_subscripted, "x[i][0]", "all its subscripts at once", "write x[i, j]"),
    (whole_array, "x", "without a subscript", ""),
    (over_a_list, "[1, 2]", "runs over range(...)", "for k in range(n)"),
    (stepped_by_name, "step", "the step of a range is a literal", ""),
    (with_else, "x[i] = 0.0", "no else branch", ""),
    (tries, "try:", "`try` is outside", "assignments, if, for"),
    (
        function_of_arrays,
        "np.exp(x[i])",
        "not a function that a kernel may call",
        "exp(...), from netts",
    ),
    (unknown_function, "np.linalg.norm(x[i])", "not a function that a kernel may", "use math.*"),
    (calls_a_kernel, "scaled(x[i])", "not a function that a kernel may call", "call other kernels"),
    (unknown_name, "nowhere", "name 'nowhere' is not defined", "arguments, locals and constants"),
    (array_of_the_module, "TABLE", "TABLE is a ndarray, not a number", "pass arrays as arguments"),
    (element_of_the_module, "TABLE[i]", "'TABLE' is no argument", "arrays are arguments"),
    (index_outside, "k", "'k' is read outside of its loop", ""),
    (index_reused, "i", "'i' is in use by a loop around", ""),
    (parameter_assigned, "n = n + 1", "parameter 'n' is assigned", "another name"),
    (several_at_once, "1.0, 2.0", "from a shape only", "one assignment per name"),
    (other_attribute, "x.ndim", "a kernel knows `x.shape[axis]`", ""),
    (two_ranks, "x[i, 0]", "x has 1 axis elsewhere, 2 here", "same number of axes"),
    (keyword_call, "max(x[i], 0.0, key=None)", "positional arguments", ""),
    (is_not, "x[i] is x[i]", "comparison `is` is outside", "compare numbers with <"),
    (matrix_product, "x[i] @ x[i]", "operator @ is outside", "write the sum as a loop"),
    (walrus, "y := 2.0", "an assignment inside of an expression is outside", ""),
    (extents_and_indices, "i, j", "1 extent of parallel|stands where a name is", ""),
]


@pytest.mark.parametrize(("function", "expression", "rule", "way_out"), SYNTAX)
def test_what_is_outside_the_dialect_is_refused_at_its_line(function, expression, rule, way_out):
    with pytest.raises(UnsupportedSyntaxError) as caught:
        accelerate(function)
    assert any(one in str(caught.value) for one in rule.split("|")), str(caught.value)
    assert way_out in str(caught.value)
    assert_quotes(caught.value, function, expression)


def test_a_syntax_refusal_is_also_pythons_syntax_error():
    with pytest.raises(SyntaxError):
        accelerate(returns)


def test_a_function_without_source_is_refused():
    namespace: dict[str, Any] = {}
    exec("def kernel(x):\n    x[0] = 1.0", namespace)
    with pytest.raises(UnsupportedSyntaxError, match=r"source of 'kernel' cannot be read.*file or"):
        accelerate(namespace["kernel"])


def test_a_function_whose_file_has_changed_is_refused(tmp_path):
    text = "def kernel(x):\n    for i in parallel(x.shape[0]):\n        x[i] = 1.0\n"
    path = tmp_path / "edited_meanwhile.py"
    namespace: dict[str, Any] = {"parallel": parallel}
    exec(compile(text, str(path), "exec"), namespace)
    for other in (text.replace("kernel", "another"), text.replace("(x)", "(out, x)")):
        path.write_text(other)
        with pytest.raises(UnsupportedSyntaxError, match=r"'kernel' did: the file has changed si"):
            accelerate(namespace["kernel"])
    path.write_text(text)
    out = np.zeros(2)
    accelerate(namespace["kernel"])(out)
    assert out.tolist() == [1.0, 1.0]


def open_ended(*arrays):
    for _ in parallel(3):
        pass


def test_a_parameter_list_is_plain_names():
    with pytest.raises(UnsupportedSyntaxError, match="parameters are plain names"):
        accelerate(open_ended)


# ---------------------------------------------------------------- element functions


def endless(x):
    if x > 0.0:
        return 1.0


def of_an_array(x):
    return x[0]


def divided(n, m):
    return n // m


def test_an_element_function_returns_on_every_path():
    with pytest.raises(UnsupportedSyntaxError, match="returns a number on every path"):
        element(endless)


def test_an_element_function_takes_no_arrays():
    with pytest.raises(UnsupportedSyntaxError, match=r"takes numbers only[\s\S]*pass the element"):
        element(of_an_array)


def test_an_element_function_gets_as_many_arguments_as_it_has():
    half = element(halved)

    def wrong(x):
        for i in parallel(x.shape[0]):
            x[i] = half(x[i], 2.0)

    with pytest.raises(UnsupportedSyntaxError, match="halved takes 1 argument in a") as caught:
        accelerate(wrong)
    assert_quotes(caught.value, wrong, "half(x[i], 2.0)")


def halved(x):
    return x / 2.0


# ---------------------------------------------------------------- types


@accelerate
def added(x, y, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i] + y[i]


@accelerate
def copied(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i]


@accelerate
def shifted(x, by, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i] + by


@accelerate
def picked(x, at, out):
    for i in parallel(out.shape[0]):
        out[i] = x[at]


def f32(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def f64(*shape: int) -> np.ndarray:
    return np.ones(shape)


def read_only() -> np.ndarray:
    array = f64(3)
    array.flags.writeable = False
    return array


def unaligned() -> np.ndarray:
    return np.zeros(25, np.uint8)[1:].view(np.float64)


ARGUMENTS = [
    (copied, (f32(3, 2), f32(3)), r"'x' of kernel 'copied' is used with 1 subscripts.*\(3, 2\)"),
    (copied, ([1.0], f64(1)), r"'x' .* used as an array, got a list; pass a NumPy array"),
    (copied, (2.0, f64(1)), r"'x' .* used as an array, got a float"),
    (copied, (f64(3), read_only()), r"'out' .* is read-only.*pass a copy"),
    (copied, (f64(3), unaligned()), r"'out' .* (aligned|unaligned).*pass a copy"),
    (
        copied,
        (np.ones(3, np.float16), f64(3)),
        r"dtype float16, and kernels take .*float32.*astype",
    ),
    (copied, (np.ones(3, complex), f64(3)), r"dtype complex128, and kernels take"),
    (copied, (np.array(["a"]), f64(1)), r"dtype <U1, and kernels take"),
    (shifted, (f64(3), f64(3), f64(3)), r"'by' .* used as a number, got an array of shape \(3,\)"),
    (shifted, (f64(3), "1", f64(3)), r"'by' .* used as a number, got a str"),
]


@pytest.mark.parametrize(("kernel", "arguments", "message"), ARGUMENTS)
def test_an_argument_that_does_not_fit_is_named(kernel, arguments, message):
    with pytest.raises(KernelTypeError, match=message):
        kernel(*arguments)


EXPRESSIONS = [
    (added, (f32(3), f64(3), f64(3)), "x[i] + y[i]", "float32 meets float64", ""),
    (copied, (f64(3), np.ones(3, int)), "out[i]", "stored into out, an array of integers", "int("),
    (picked, (f64(3), 1.5, f64(3)), "x[at]", "not an integer", "pass an integer"),
]


@pytest.mark.parametrize(("kernel", "arguments", "expression", "rule", "way_out"), EXPRESSIONS)
def test_types_that_do_not_fit_are_refused_at_their_line(
    kernel, arguments, expression, rule, way_out
):
    with pytest.raises(KernelTypeError) as caught:
        kernel(*arguments)
    assert rule in str(caught.value)
    assert way_out in str(caught.value)
    assert_quotes(caught.value, kernel.function, expression)


# ---------------------------------------------------------------- bounds


@accelerate
def looks_ahead(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i + 1]


@accelerate
def looks_back(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i - 1]


@accelerate
def gathered(x, index, out):
    for i in parallel(out.shape[0]):
        out[i] = x[index[i]]


@accelerate
def divides(x, n, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i] // n


def test_a_subscript_past_the_end_is_refused_before_anything_runs():
    out = np.zeros(3)
    with pytest.raises(BoundsError) as caught:
        looks_ahead(np.ones(3), out)
    message = str(caught.value)
    assert "takes the values 1 to 3, but axis 0 of x has 3 elements" in message
    assert "shorten the loop" in message
    assert_quotes(caught.value, looks_ahead.function, "x[i + 1]")
    assert not out.any()


def test_a_negative_subscript_does_not_count_from_the_end():
    with pytest.raises(BoundsError) as caught:
        looks_back(np.ones(3), np.zeros(3))
    assert "takes the values -1 to 1" in str(caught.value)
    assert "does not count from the end" in str(caught.value)
    assert_quotes(caught.value, looks_back.function, "x[i - 1]")


@pytest.mark.parametrize("wrong", [3, -1, 2**40])
def test_a_subscript_from_data_is_tested_while_running(wrong):
    with pytest.raises(IndexError, match=rf"subscript 0 of x\[index\[i\]\] is {wrong}") as caught:
        gathered(np.ones(3), np.array([0, wrong]), np.zeros(2))
    assert_quotes(caught.value, gathered.function, "x[index[i]]")


def test_an_integer_division_by_zero_is_reported_at_its_line():
    with pytest.raises(KernelDivisionError, match="divisor is 0") as caught:
        divides(np.ones(3, int), 0, np.zeros(3, int))
    assert_quotes(caught.value, divides.function, "x[i] // n")
    with pytest.raises(ZeroDivisionError):
        divides(np.ones(3, int), 0, np.zeros(3, int))


# ---------------------------------------------------------------- aliases


@accelerate
def summed_rows(x, out):
    for i in parallel(out.shape[0]):
        total = 0.0
        for k in range(x.shape[0]):
            total += x[k]
        out[i] = total


def test_arrays_that_overlap_in_part_are_refused():
    memory = np.zeros(5)
    with pytest.raises(AliasError, match=r"x and out of kernel 'copied' overlap.*pass a copy"):
        copied(memory[:4], memory[1:])


def test_the_same_array_read_at_other_elements_is_refused():
    x = np.ones(4)
    with pytest.raises(AliasError, match="are the same array, and then"):
        summed_rows(x, x)


def test_overlapping_arrays_that_are_only_read_are_fine():
    x, out = np.arange(4.0), np.zeros(3)
    added(x[:3], x[1:], out)
    assert out.tolist() == [1.0, 3.0, 5.0]


def test_interleaved_views_do_not_overlap():
    memory = np.arange(6.0)
    copied(memory[::2], memory[1::2])
    assert memory.tolist() == [0.0, 0.0, 2.0, 2.0, 4.0, 4.0]


def test_elementwise_work_in_place_is_fine():
    x = np.arange(3.0)
    added(x, x, x)
    assert x.tolist() == [0.0, 2.0, 4.0]


# ---------------------------------------------------------------- what must not be refused


@accelerate
def guarded(x, out):
    n = x.shape[0]
    for i in parallel(out.shape[0]):
        total = 0.0
        for k in range(-1, 2):
            if 0 <= i + k < n:
                total += x[i + k]
        out[i] = total


@accelerate
def clamped(x, out):
    for i in parallel(out.shape[0]):
        total = 0.0
        for k in range(max(0, i - 1), min(x.shape[0], i + 2)):
            total += x[k]
        out[i] = total


@accelerate
def skipped(x, out):
    for i in parallel(out.shape[0]):
        out[i] = 0.0
        if i >= x.shape[0]:
            continue
        out[i] = exp(x[i])


@pytest.mark.parametrize("kernel", [guarded, clamped])
def test_guarded_and_clamped_neighbours_are_accepted(kernel):
    out = np.zeros(4)
    kernel(np.arange(4.0), out)
    assert out.tolist() == [1.0, 3.0, 6.0, 5.0]


def test_an_access_behind_continue_is_accepted():
    out = np.ones(4)
    skipped(np.zeros(2), out)
    assert out.tolist() == [1.0, 1.0, 0.0, 0.0]


# ---------------------------------------------------------------- devices, constants


def test_an_unknown_device_is_refused_with_the_ones_there_are():
    with pytest.raises(DeviceError, match=r"no device 'gpu'.*choose one of 'auto', 'cpu'"):
        copied.on("gpu")


def test_a_constant_that_turns_into_an_array_is_refused():
    factor: Any = 2.0

    def scaled_by(x):
        for i in parallel(x.shape[0]):
            x[i] *= factor

    kernel = accelerate(scaled_by)
    kernel(np.ones(2))
    factor = np.ones(2)
    with pytest.raises(KernelError, match="reads factor as a number, and now it is a ndarray"):
        kernel(np.ones(2))


def test_an_integer_division_in_an_element_function_needs_a_literal():
    quotient = element(divided)

    def uses(n, out):
        for i in parallel(out.shape[0]):
            out[i] = quotient(n, i)

    with pytest.raises(KernelTypeError, match=r"may meet a zero divisor[\s\S]*divide by a literal"):
        accelerate(uses)(4, np.zeros(3, int))


def test_math_functions_of_the_module_stay_callable():
    def rooted(x):
        for i in parallel(x.shape[0]):
            x[i] = math.sqrt(x[i])

    x = np.array([4.0])
    accelerate(rooted)(x)
    assert x[0] == 2.0

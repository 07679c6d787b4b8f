"""Kernels as objects: calling, devices, explanations, constants, and what is remembered."""

from __future__ import annotations

import contextlib
import linecache
import math
import threading
import traceback

import numpy as np
import pytest

import netts
from netts import accelerate, element, parallel
from netts.compiler import loops as loops_module
from netts.errors import (
    DeviceError,
    KernelError,
    KernelTypeError,
    NettsError,
    UnsupportedSyntaxError,
)

FACTOR = 2


@accelerate
def scaled(x, out, factor=3.0, offset=0):
    """Write factor * x + offset."""
    for i in parallel(out.shape[0]):
        out[i] = factor * x[i] + offset


@accelerate
def summed(x, out):
    total = 0.0
    for i in parallel(x.shape[0]):
        total += x[i]
    out[0] = total


@accelerate
def doubled_by_the_module(x, out):
    for i in parallel(out.shape[0]):
        out[i] = FACTOR * x[i]


@accelerate
def product(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k, j]
        out[i, j] = total


def scaled_by(factor):
    @accelerate
    def scaled_by_closure(x, out):
        for i in parallel(out.shape[0]):
            out[i] = factor * x[i]

    return scaled_by_closure


class Layer:
    """Kernels may stand in a class, and be made in a method."""

    @accelerate
    def negated(x, out):  # noqa: N805 - a kernel takes no self
        for i in parallel(out.shape[0]):
            out[i] = -x[i]

    def made(self, power):
        @accelerate
        def raised(x, out):
            for i in parallel(out.shape[0]):
                out[i] = x[i] ** power

        return raised


def vectors(n=4, dtype=np.float64):
    return np.arange(1, n + 1).astype(dtype), np.zeros(n, dtype)


# ------------------------------------------------------------ calls


def test_a_call_writes_its_results_and_returns_nothing():
    x, out = vectors()
    assert scaled(x, out, 2.0, 1) is None
    assert out.tolist() == [3, 5, 7, 9]


@pytest.mark.parametrize("device", ["auto", "cpu", "reference"])
def test_defaults_and_keywords_are_those_of_the_function(device):
    run = scaled.on(device)
    for call, expected in (
        (run, [3, 6, 9, 12]),
        (lambda x, out: run(x, offset=1, out=out), [4, 7, 10, 13]),
        (lambda x, out: run(out=out, x=x, factor=1), [1, 2, 3, 4]),
        (lambda x, out: run(x, out, 1, 10), [11, 12, 13, 14]),
    ):
        x, out = vectors()
        call(x, out)
        assert out.tolist() == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda x, out: scaled(x),
        lambda x, out: scaled(x, out, 1.0, 2, 3),
        lambda x, out: scaled(x, out, fctor=1.0),
        lambda x, out: scaled(x, out, x=x),
    ],
    ids=["missing", "too many", "unknown", "twice"],
)
def test_a_call_that_does_not_fit_the_signature_is_a_type_error_as_in_python(call):
    with pytest.raises(TypeError, match="argument"):
        call(*vectors())


def test_every_device_gives_the_result_of_the_undecorated_function():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-4, 5, shape).astype(np.float32) for shape in ((5, 7), (7, 3)))
    expected = np.zeros((5, 3), np.float32)
    product.function(a, b, expected)
    np.testing.assert_array_equal(expected, a @ b)
    for device in ("auto", "cpu", "reference"):
        out = np.full((5, 3), np.nan, np.float32)
        product.on(device)(a, b, out)
        np.testing.assert_array_equal(out, expected)


def test_the_function_keeps_its_name_and_documentation():
    for one in (scaled, scaled.on("cpu")):
        assert one.__name__ == "scaled"
        assert one.__doc__ == "Write factor * x + offset."
    assert repr(scaled) == "<kernel scaled(x, out, factor, offset)>"
    assert scaled.parameters == ("x", "out", "factor", "offset")
    assert (scaled.reads, scaled.writes) == ({"x"}, {"out"})


def test_an_unknown_device_is_refused_before_the_call():
    with pytest.raises(
        DeviceError, match="no device 'gpu', asked for; choose one of 'auto', 'cpu'"
    ):
        scaled.on("gpu")


def test_on_beats_the_context():
    x, out = vectors()
    interpreted = []

    def spied(*arguments):
        interpreted.append(arguments)

    with netts.device("reference"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(scaled, "function", spied)
        scaled.on("cpu")(x, out)
        assert interpreted == []
        scaled(x, out)
    assert len(interpreted) == 1
    assert out.tolist() == [3, 6, 9, 12]


# ------------------------------------------------------------ explain and source


def test_explain_tells_reads_writes_and_nests_before_any_call():
    text = scaled_by(1.0).explain()
    assert "kernel scaled_by_closure(x, out)" in text
    assert "reads   x" in text
    assert "writes  out" in text
    assert "nest 1: parallel over i < out.shape[0]" in text
    assert "not compiled yet" in text


@accelerate
def as_many_as_told(count, x, out):
    for i in parallel(count[0]):
        out[i] = x[i]


def test_what_an_extent_reads_is_read():
    assert as_many_as_told.reads == {"count", "x"}


def test_explain_tells_operations_and_where_their_code_came_from_after_a_call():
    a = np.ones((40, 40), np.float32)
    product(a, a, np.zeros_like(a))
    text = product.explain()
    assert "contraction: total += sum over k of a[i, k] * b[k, j], by BLAS" in text
    assert "(i) x (k) times (k) x (j)" in text
    assert "into out[i, j]" in text
    assert "not compiled yet" not in text
    assert "from the cache" in text or "compiled now" in text
    summed(*vectors())
    assert "reduces total (add) in a fixed order" in summed.explain()


def test_source_before_any_call_is_for_float32_arrays():
    text = scaled_by(1.0).source()
    assert "def entry(args, part, parts):" in text
    assert "pointer_float32" in text
    assert "pointer_float64" not in text


def test_source_before_any_call_takes_kernels_that_name_an_element():
    @accelerate
    def summed_from_the_third(x, out):
        total = x[2]
        for i in parallel(x.shape[0] - 3):
            total += x[i + 3]
        out[0] = total

    @accelerate
    def every_second(x, out):
        out[0] = x[0]
        for i in parallel(out.shape[0] - 1):
            out[i + 1] = x[2 * i + 2]

    assert summed_from_the_third.source().count("def entry") == 2
    assert every_second.source().count("def entry") == 2
    total, out = np.zeros(1), np.zeros(3)
    summed_from_the_third(np.arange(6.0), total)
    every_second(np.arange(6.0), out)
    assert total[0] == 2 + 3 + 4 + 5
    assert out.tolist() == [0, 2, 4]


def test_source_after_a_call_is_what_ran_and_with_arguments_what_would_run():
    kernel = scaled_by(2.0)
    kernel(*vectors(dtype=np.float64))
    assert "pointer_float64" in kernel.source()
    assert "pointer_float32" in kernel.source("cpu", *vectors(dtype=np.float32))
    assert "pointer_float32" in kernel.source("auto")  # of the last arguments


def test_source_of_the_reference_is_the_python():
    text = scaled.source("reference")
    assert text.startswith("@accelerate\ndef scaled(x, out, factor=3.0, offset=0):")
    with netts.device("reference"):
        assert scaled.source("auto") == text


# ------------------------------------------------------------ constants


def test_a_changed_module_constant_gives_the_new_result(monkeypatch):
    x, out = vectors()
    for factor in (2, 5, 2.5, 2):
        monkeypatch.setitem(globals(), "FACTOR", factor)
        doubled_by_the_module(x, out)
        np.testing.assert_array_equal(out, factor * x)


def test_a_changed_closure_constant_gives_the_new_result():
    factor = 2.0

    def change(value):
        nonlocal factor
        factor = value

    @accelerate
    def kernel(x, out):
        for i in parallel(out.shape[0]):
            out[i] = factor * x[i]

    x, out = vectors()
    for value in (2.0, -3.0, np.float32(0.5), True, 2.0):
        change(value)
        kernel(x, out)
        np.testing.assert_array_equal(out, value * x)


def test_equal_constants_that_are_not_the_same_are_told_apart():
    kernel = scaled_by(1)
    (cell,) = kernel.function.__closure__
    x, out = np.array([2**53 + 1]), np.zeros(1, np.int64)
    for _ in range(2):
        cell.cell_contents = 1
        kernel(x, out)
        assert out[0] == x[0]
        cell.cell_contents = 1.0
        with pytest.raises(KernelTypeError, match="a floating value is stored into out"):
            kernel(x, out)
    signs = []
    for cell.cell_contents in (0.0, -0.0):
        out = np.zeros(1)
        kernel(np.ones(1), out)
        signs.append(math.copysign(1, out[0]))
    assert signs == [1.0, -1.0]


def test_a_constant_that_is_a_number_no_more_is_refused(monkeypatch):
    monkeypatch.setitem(globals(), "FACTOR", "two")
    with pytest.raises(KernelTypeError, match="reads FACTOR as a number, and now it is a str"):
        doubled_by_the_module(*vectors())


def test_kernels_of_equal_source_and_different_closures_are_different():
    twice, thrice = scaled_by(2), scaled_by(3)
    x, out = vectors()
    for _ in range(2):
        twice(x, out)
        np.testing.assert_array_equal(out, 2 * x)
        thrice(x, out)
        np.testing.assert_array_equal(out, 3 * x)


def test_the_constants_of_an_element_function_count_too():
    slope = 2.0

    @element
    def line(value):
        return slope * value

    @accelerate
    def lined(x, out):
        for i in parallel(out.shape[0]):
            out[i] = line(x[i])

    x, out = vectors()
    for slope in (2.0, 3.0):
        lined(x, out)
        np.testing.assert_array_equal(out, slope * x)


# ------------------------------------------------------------ where kernels may stand


def test_a_kernel_of_a_class_is_called_without_self():
    x, out = vectors()
    for place in (Layer, Layer()):
        out[...] = 0
        place.negated(x, out)
        assert out.tolist() == [-1, -2, -3, -4]


def test_a_kernel_made_in_a_method_keeps_its_closure():
    x, out = vectors()
    for power in (2, 3):
        Layer().made(power)(x, out)
        np.testing.assert_array_equal(out, x**power)


CELL = """\
@accelerate
def cell_kernel(x, out):
    for i in parallel(out.shape[0]):
        out[i] = {expression}
"""


def run_cell(text, number):
    """Run a cell as IPython does: a file that exists in linecache only."""
    name = f"/tmp/ipykernel_1/{number}.py"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names = {"accelerate": accelerate, "parallel": parallel, "__name__": "__main__"}
    exec(compile(text, name, "exec"), names)
    return names["cell_kernel"]


@pytest.fixture
def cells():
    """Forget the cells again."""
    before = set(linecache.cache)
    yield
    for name in set(linecache.cache) - before:
        del linecache.cache[name]


@pytest.mark.usefixtures("cells")
def test_a_notebook_cell_is_source_enough():
    x, out = vectors()
    first = run_cell(CELL.format(expression="x[i] + 1"), 101)
    second = run_cell("\n\n" + CELL.format(expression="x[i] * x[i]"), 102)
    for kernel, expected in ((first, x + 1), (second, x * x), (first, x + 1)):
        for device in ("cpu", "reference"):
            out[...] = 0
            kernel.on(device)(x, out)
            np.testing.assert_array_equal(out, expected)
    assert first.source("reference") == CELL.format(expression="x[i] + 1")


@pytest.mark.usefixtures("cells")
def test_an_error_in_a_notebook_cell_quotes_the_cell():
    with pytest.raises(UnsupportedSyntaxError) as caught:
        run_cell(CELL.format(expression="[x[i]]"), 103)
    assert 'File "/tmp/ipykernel_1/103.py", line 4\n    out[i] = [x[i]]' in str(caught.value)


def test_a_function_without_source_is_refused_with_the_way_out():
    names = {"accelerate": accelerate, "parallel": parallel}
    with pytest.raises(UnsupportedSyntaxError, match="define the function in a file or a notebook"):
        exec(CELL.format(expression="x[i]"), names)


def test_a_traceback_through_the_reference_shows_the_users_line():
    try:
        summed.on("reference")(np.arange(3.0), np.zeros(0))
    except IndexError:
        assert "out[0] = total" in traceback.format_exc()
    else:
        pytest.fail("an empty result has no element 0")


# ------------------------------------------------------------ what is remembered


def test_a_second_call_with_such_arguments_finds_what_the_first_compiled():
    kernel = scaled_by(4.0)
    found = kernel.specialise(vectors())
    assert kernel.specialise(vectors()) is found
    assert kernel.specialise(vectors(5)) is not found
    assert kernel.specialise(vectors(dtype=np.float32)) is not found


def test_another_float_argument_compiles_nothing_and_counts():
    x, out = vectors()
    found = scaled.specialise((x, out, 2.0, 0))
    assert scaled.specialise((x, out, 7.0, 0)) is found
    scaled(x, out, 7.0, 0)
    np.testing.assert_array_equal(out, 7 * x)


def natives(kernel, *arguments):
    return [one.native for one in kernel.specialise(arguments).operations]


def test_another_size_shares_the_machine_code():
    kernel = scaled_by(5.0)
    (first,), (second,) = natives(kernel, *vectors(3)), natives(kernel, *vectors(300))
    assert first is second


def test_a_second_kernel_of_the_same_text_shares_the_machine_code():
    (first,), (second,) = natives(scaled_by(6.0), *vectors()), natives(scaled_by(6.0), *vectors())
    (other,) = natives(scaled_by(7.0), *vectors())
    assert first is second
    assert other is not first


def test_the_number_of_remembered_shapes_is_bounded(monkeypatch):
    monkeypatch.setattr(loops_module, "MAX_SPECIALISATIONS", 3)
    kernel = scaled_by(8.0)
    for n in (1, 2, 3, 4, 5, 1, 5, 2):
        x, out = vectors(n)
        kernel(x, out)
        np.testing.assert_array_equal(out, 8 * x)
        assert len(kernel._specialisations) <= 3


def test_the_number_of_remembered_shapes_is_bounded_with_many_threads(monkeypatch):
    """Every thread compiles before any of them remembers."""
    threads = 4
    monkeypatch.setattr(loops_module, "MAX_SPECIALISATIONS", 2)
    barrier = threading.Barrier(threads, timeout=60)
    original = loops_module.specialise

    def specialise(*arguments):
        found = original(*arguments)
        barrier.wait()
        return found

    monkeypatch.setattr(loops_module, "specialise", specialise)
    kernel = scaled_by(9.0)
    workers = [
        threading.Thread(target=kernel.specialise, args=(vectors(n + 1),)) for n in range(threads)
    ]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert len(kernel._specialisations) == 2


def test_every_error_of_a_call_is_a_netts_error_and_changes_nothing():
    x, out = vectors()
    for arguments in (
        ([1.0, 2.0], out),
        (x, out.astype(complex)),
        (x, out[None]),
        (x[:2], out),
        (x, out, "one"),
        (np.arange(5.0)[:4], out, 1.0, x),
        (out[:3], out[1:]),
    ):
        with pytest.raises(NettsError) as caught:
            scaled(*arguments)
        assert isinstance(caught.value, KernelError)
        assert out.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("positional", "named", "given"),
    [
        (1, {}, r"was given 1 argument: missing a required argument: 'out'"),
        (5, {}, r"was given 5 arguments: too many positional arguments"),
        (
            1,
            {"output": None},
            r"was given 1 argument and output=\.\.\.: missing a required",
        ),
    ],
)
def test_arguments_that_are_not_the_parameters_name_the_kernel(positional, named, given):
    x, _ = vectors()
    with pytest.raises(TypeError, match=rf"^kernel scaled\(x, out, factor, offset\) {given}"):
        scaled(*[x] * positional, **named)


def test_a_kernel_works_after_a_refused_call():
    x, out = vectors()
    with contextlib.suppress(NettsError):
        scaled(x[:2], out)
    scaled(x, out)
    assert out.tolist() == [3, 6, 9, 12]


@accelerate
def with_unread_scalars(x, out, n):
    quotient = len(x) // n
    copied = quotient
    remainder = copied % n  # noqa: F841 - nothing reads it
    for i in parallel(out.shape[0]):
        out[i] = x[i]


def test_scalars_that_nothing_reads_are_computed_in_their_order():
    """A division may fail, so it is done; what reads it comes after it."""
    x, out = np.arange(3.0), np.zeros(3)
    with_unread_scalars(x, out, 2)
    np.testing.assert_array_equal(out, x)
    with pytest.raises(ZeroDivisionError):
        with_unread_scalars(x, out, 0)

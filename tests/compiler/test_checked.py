"""netts.checked(): every bound, NaN and overlap tested, at the user's line."""

from __future__ import annotations

import inspect
import math
import threading
import traceback

import numpy as np
import pytest

import netts
from netts import TaskGraph, accelerate, parallel
from netts.errors import AliasError, BoundsError, KernelError, KernelTypeError


@accelerate
def gathered(x, index, out):
    for i in parallel(out.shape[0]):
        out[i] = x[index[i]]


@accelerate
def counted(index, out):
    for i in parallel(index.shape[0]):
        out[index[i], 0] += 1.0


@accelerate
def previous(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i - 1]


@accelerate
def rooted(x, out):
    for i in parallel(out.shape[0]):
        out[i] = netts.sqrt(x[i])


@accelerate
def masked_root(x, out):
    for i in parallel(out.shape[0]):
        value = netts.sqrt(x[i])
        out[i] = value if x[i] >= 0.0 else 0.0


@accelerate
def doubled(x, out):
    for i in parallel(out.shape[0]):
        out[i] = 2 * x[i]


@accelerate
def mirrored(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[x.shape[0] - 1 - i]


@accelerate
def softmax(x, out):
    for i in parallel(x.shape[0]):
        total = 0.0
        for j in range(x.shape[1]):
            out[i, j] = netts.exp(x[i, j])
            total += out[i, j]
        for j in range(x.shape[1]):
            out[i, j] /= total


@pytest.fixture
def is_checked():
    with netts.checked():
        yield


def line_of(kernel, text):
    """Return the number of the line of a kernel that has this text."""
    lines, first = inspect.getsourcelines(kernel.function)
    return first + next(n for n, line in enumerate(lines) if text in line)


def lines_of(error):
    """Return the numbers of the lines of this file that an error went through, outermost first."""
    frames = traceback.extract_tb(error.__traceback__)
    return [one.lineno for one in frames if one.filename == __file__]


# ------------------------------------------------------------ bounds


@pytest.mark.usefixtures("is_checked")
@pytest.mark.parametrize("position", [5, -1, -6])
def test_a_subscript_that_leaves_its_array_is_raised_at_the_users_line(position):
    out = np.zeros(2)
    with pytest.raises(BoundsError) as caught:
        gathered(np.arange(5.0), np.array([1, position]), out)
    assert str(caught.value) == (
        f"kernel 'gathered' reaches x[{position}], but axis 0 has 5 elements"
    )
    assert isinstance(caught.value, IndexError)
    assert line_of(gathered, "x[index[i]]") in lines_of(caught.value)
    assert out.tolist() == [1, 0]  # what came before stands


@pytest.mark.usefixtures("is_checked")
def test_a_negative_subscript_does_not_count_from_the_end():
    with pytest.raises(BoundsError, match=r"reaches x\[-1\], but axis 0 has 3 elements"):
        previous(np.arange(3.0), np.zeros(3))


@pytest.mark.usefixtures("is_checked")
def test_stores_and_sums_into_elements_are_tested_too():
    out = np.zeros((3, 1))
    counted(np.array([2, 0, 2]), out)
    assert out.tolist() == [[1], [0], [2]]
    for index in (3, -1):
        with pytest.raises(BoundsError, match=rf"reaches out\[{index}, 0\], but axis 0 has 3"):
            counted(np.array([index]), out)


def test_whatever_checked_refuses_of_subscripts_compiled_code_refuses_too():
    x = np.arange(5.0)
    for index in ([0, 4], [5, 0], [0, -1], [2**40, 0], [-(2**62), 0]):
        outcomes = []
        for is_checked in (False, True):
            out = np.zeros(2)
            try:
                if is_checked:
                    with netts.checked():
                        gathered(x, np.array(index), out)
                else:
                    gathered.on("cpu")(x, np.array(index), out)
                outcomes.append(out.tolist())
            except BoundsError:
                outcomes.append("refused")
        assert outcomes[0] == outcomes[1]
        assert (outcomes[0] == "refused") == (index != [0, 4])


# ------------------------------------------------------------ NaN


@pytest.mark.usefixtures("is_checked")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_nan_that_a_kernel_makes_is_raised_where_it_is_stored(dtype):
    x = np.array([4, 1, -1, 9], dtype)
    with pytest.raises(KernelError) as caught:
        rooted(x, np.zeros(4, dtype))
    assert str(caught.value) == "kernel 'rooted' stores nan into out[2]"
    assert line_of(rooted, "netts.sqrt") in lines_of(caught.value)


@pytest.mark.usefixtures("is_checked")
def test_a_nan_that_came_in_may_go_out():
    out = np.zeros(3)
    doubled(np.array([1, math.nan, 3]), out)
    np.testing.assert_array_equal(out, [2, math.nan, 6])


@pytest.mark.usefixtures("is_checked")
def test_a_nan_that_is_not_stored_is_nobodys_business():
    out = np.zeros(2)
    masked_root(np.array([-1.0, 4.0]), out)
    assert out.tolist() == [0, 2]


@pytest.mark.usefixtures("is_checked")
def test_infinity_is_no_nan():
    out = np.zeros(1)
    doubled(np.array([1e308]), out)
    assert out.tolist() == [math.inf]


@pytest.mark.usefixtures("is_checked")
def test_one_nan_read_excuses_one_call_only():
    rooted(np.array([math.nan]), np.zeros(1))
    with pytest.raises(KernelError, match="stores nan"):
        rooted(np.array([-1.0]), np.zeros(1))


# ------------------------------------------------------------ overlaps and types


@pytest.mark.usefixtures("is_checked")
def test_arrays_that_overlap_in_part_are_refused():
    x = np.arange(5.0)
    with pytest.raises(AliasError, match="x and out of kernel 'doubled' overlap in memory"):
        doubled(x[:4], x[1:])
    assert x.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("is_checked")
def test_the_same_array_under_other_subscripts_is_refused():
    x = np.arange(5.0)
    with pytest.raises(AliasError, match="are the same array, and then iterations of i may touch"):
        mirrored(x, x)
    assert x.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("is_checked")
def test_the_same_array_under_the_same_subscripts_is_fine():
    x = np.arange(3.0)
    doubled(x, x)
    assert x.tolist() == [0, 2, 4]


@pytest.mark.usefixtures("is_checked")
def test_arguments_of_the_wrong_kind_are_refused():
    with pytest.raises(KernelTypeError, match="'x' of kernel 'doubled' is used as an array"):
        doubled([1.0, 2.0], np.zeros(2))
    with pytest.raises(KernelTypeError, match="read-only"):
        doubled(np.zeros(2), np.frombuffer(bytes(16)))


# ------------------------------------------------------------ results, plans, contexts


def test_results_are_those_of_the_reference_bit_for_bit():
    x = np.random.default_rng(0).normal(size=(7, 5))
    results = []
    for dtype in (np.float32, np.float64):
        expected, found = np.zeros((7, 5), dtype), np.zeros((7, 5), dtype)
        softmax.on("reference")(x.astype(dtype), expected)
        with netts.checked():
            softmax(x.astype(dtype), found)
            softmax.on("cpu")(x.astype(dtype), found)
        np.testing.assert_array_equal(found, expected)
        results.append(found)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def test_arrays_read_as_in_an_undecorated_function():
    @accelerate
    def measured(x, out):
        for i in parallel(len(out)):
            out[i] = x.shape[0] * len(x) + x.shape[1]

    out = np.zeros(2)
    with netts.checked():
        measured(np.zeros((3, 4)), out)
    assert out.tolist() == [13, 13]


def recorded(x, index, out):
    graph = TaskGraph()
    middle = graph.transient(x.shape, x.dtype, "middle")
    with graph.recording():
        doubled(x, middle)
        gathered(middle, index, out)
    return graph


def test_a_plan_compiled_inside_runs_checked_wherever_it_runs():
    x, index, out = np.arange(3.0), np.array([2, 0]), np.zeros(2)
    graph = recorded(x, index, out)
    with netts.checked():
        plan = graph.compile(device="cpu")
    assert plan.device == "reference"
    assert plan.explain().startswith("plan on reference: checked, with every access tested")
    assert plan.run(2) == 2
    assert out.tolist() == [4, 0]
    index[1] = 3
    with pytest.raises(BoundsError, match=r"reaches x\[3\]"):
        plan.run()
    index[1] = 1
    plan.run()
    assert out.tolist() == [4, 2]


def test_a_plan_compiled_outside_runs_unchecked_inside():
    out = np.zeros(1)
    graph = TaskGraph()
    with graph.recording():
        rooted(np.array([-1.0]), out)
    plan = graph.compile(device="cpu")
    with netts.checked():
        plan.run()
    assert math.isnan(out[0])


@pytest.mark.usefixtures("is_checked")
def test_recording_works_and_runs_nothing():
    x, index, out = np.arange(3.0), np.array([2, 5]), np.zeros(2)
    plan = recorded(x, index, out).compile()
    assert out.tolist() == [0, 0]
    with pytest.raises(BoundsError):
        plan.run()


def test_checking_ends_with_the_block_also_after_an_error():
    out = np.zeros(1)
    with pytest.raises(ZeroDivisionError), netts.checked():
        _ = 1 / 0
    rooted(np.array([-1.0]), out)
    assert math.isnan(out[0])
    with netts.checked():
        with netts.checked():
            pass
        with pytest.raises(KernelError):
            rooted(np.array([-1.0]), out)


@pytest.mark.usefixtures("is_checked")
def test_another_thread_is_not_checked():
    out = np.zeros(1)
    thread = threading.Thread(target=rooted, args=(np.array([-1.0]), out))
    thread.start()
    thread.join()
    assert math.isnan(out[0])

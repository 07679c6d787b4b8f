"""Clamps of loop bounds go where they do nothing with the shapes at hand, and stay elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from netts import accelerate, parallel
from netts.errors import BoundsError


@accelerate
def window_sums(x, out, size, stride, padding):
    for i in parallel(out.shape[0]):
        start = i * stride - padding
        total = 0.0
        for k in range(max(start, 0), min(start + size, x.shape[0])):
            total += x[k] * (k - start + 1)
        out[i] = total


@accelerate
def backwards(x, out, size):
    for i in parallel(out.shape[0]):
        total = 0.0
        for k in range(min(i + size, x.shape[0]) - 1, i - 1, -1):
            total = total * 2.0 + x[k]
        out[i] = total


@accelerate
def guarded(x, out, low):
    for i in parallel(out.shape[0]):
        total = 0.0
        if i >= low:
            for k in range(max(i - low, 0), max(i, 1)):
                total += x[k]
        out[i] = total


@accelerate
def from_data(x, low, high, out):
    first = low[0]
    last = high[0]
    for i in parallel(out.shape[0]):
        total = 0.0
        for k in range(max(min(first, 9), 0), min(max(last, 0), x.shape[0], 6), 2):
            total += x[k]
        out[i] = total


@accelerate
def without_test(x, low, out):
    first = low[0]
    for i in parallel(out.shape[0]):
        total = 0.0
        for k in range(max(min(first, 9), 0), 4, 2):
            total += x[k]
        out[i] = total


def n_clamps(kernel, *arguments) -> int:
    """Return how many clamps the bounds of the inner loop have in the generated code."""
    lines = kernel.specialise(arguments).source.splitlines()
    return next(line.count(" if ") for line in lines if "for v_k in range(" in line)


@pytest.mark.parametrize(
    ("n", "n_out", "size", "stride", "padding", "expected"),
    [
        (8, 4, 2, 2, 0, 0),  # windows fill the array
        (9, 4, 2, 2, 0, 0),  # and leave a rest
        (8, 5, 2, 2, 1, 2),  # padding on both sides
        (8, 4, 2, 2, 1, 1),  # on the left only
        (8, 4, 3, 2, 0, 1),  # the last window hangs over
        (1, 1, 1, 1, 0, 0),
    ],
)
def test_a_clamp_stays_only_where_it_acts(n, n_out, size, stride, padding, expected):
    x, out = np.arange(1.0, n + 1), np.empty(n_out)
    assert n_clamps(window_sums, x, out, size, stride, padding) == expected
    window_sums(x, out, size, stride, padding)
    reference = np.empty(n_out)
    window_sums.on("reference")(x, reference, size, stride, padding)
    np.testing.assert_array_equal(out, reference)


@pytest.mark.parametrize("n", [0, 1, 2, 7])
@pytest.mark.parametrize("n_out", [0, 1, 5])
@pytest.mark.parametrize("size", [0, 1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 2])
def test_any_window_gives_what_the_interpreter_gives(n, n_out, size, stride, padding):
    x = np.arange(1.0, n + 1)
    out, reference = np.full(n_out, -1.0), np.full(n_out, -1.0)
    window_sums(x, out, size, stride, padding)
    window_sums.on("reference")(x, reference, size, stride, padding)
    np.testing.assert_array_equal(out, reference)


@pytest.mark.parametrize("n", [1, 4, 6])
@pytest.mark.parametrize("size", [1, 2, 9])
def test_loops_may_count_down(n, size):
    x, out, reference = np.arange(1.0, n + 1), np.empty(n), np.empty(n)
    backwards(x, out, size)
    backwards.on("reference")(x, reference, size)
    np.testing.assert_array_equal(out, reference)


@pytest.mark.parametrize(("low", "expected"), [(0, 1), (1, 0), (3, 0)])
def test_a_condition_around_the_loop_counts(low, expected):
    x, out, reference = np.arange(1.0, 7.0), np.empty(5), np.empty(5)
    guarded(x, out, low)
    guarded.on("reference")(x, reference, low)
    np.testing.assert_array_equal(out, reference)
    assert n_clamps(guarded, x, out, low) == expected


@pytest.mark.parametrize("high", [-1, 0, 1, 4, 9])
@pytest.mark.parametrize("low", [-2, 0, 1, 12])
@pytest.mark.parametrize("n", [3, 8])
def test_a_bound_that_data_decides_is_kept(n, low, high):
    x, out, reference = np.arange(1.0, n + 1), np.empty(2), np.empty(2)
    from_data(x, np.array([low]), np.array([high]), out)
    from_data.on("reference")(x, np.array([low]), np.array([high]), reference)
    np.testing.assert_array_equal(out, reference)


def test_the_first_step_of_a_loop_may_depend_on_data():
    """Steps of 2 from 0 end at 2, from 1 at 3: that needs a test at run time."""
    x, out = np.arange(3.0), np.empty(1)
    without_test(x, np.array([0]), out)
    assert out[0] == x[0] + x[2]
    with pytest.raises(BoundsError, match=r"x\[k\] is 3"):
        without_test(x, np.array([1]), out)

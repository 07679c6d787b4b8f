"""Short loops, loops over one column and functions behind loops: the lanes that they run in.

Lengths go around the numbers of lanes, 2 to 16, and of rows in a block.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from generated_code import run_generated
from programs import laid_out

import netts
from netts import accelerate, element, parallel
from netts.compiler import tails
from netts.losses.cross_entropy import binary_cross_entropy_backward, cross_entropy_backward

DTYPES = (np.float32, np.float64)
ROWS = (0, 1, 2, 7, 8, 9, 16, 17, 20, 63, 64, 65, 72, 130)
COLUMNS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 20, 33)
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 800.0, -800.0, 1e-310)


@element
def costly(x, shift):
    return netts.exp(x - shift)


@accelerate
def log_sum(x, index, out):
    """Every way of use: a function of two scalars, one of a scalar that is kept, an index."""
    for i in parallel(out.shape[0]):
        place = index[i]
        peak = 0.0
        for j in range(x.shape[1]):
            peak = max(peak, x[i, j])
        total = 1.0
        for j in range(x.shape[1]):
            total += costly(x[i, j], peak)
        shifted = netts.log(total) + peak
        if place > 1:
            shifted = shifted - netts.tanh(total * 0.1 + peak)
        out[i] = shifted - index[place]


@accelerate
def cells(x, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(x.shape[2]):
            total += x[i, j, k] * x[i, j, k]
        out[i, j] = netts.log1p(total)


@accelerate
def first_negative(x, out):
    for i in parallel(out.shape[0]):
        found = 0.0
        for j in range(x.shape[1]):
            if x[i, j] < 0.0:
                found = netts.exp(x[i, j])
                break
        out[i] = found


@accelerate
def sigmoids(x, weight, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = netts.sigmoid(x[i, j]) * weight[i]


@accelerate
def down(x, out):
    for j in parallel(out.shape[1]):
        for i in range(out.shape[0]):
            out[i, j] += netts.exp(x[i, j])


@accelerate
def skipping(x, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        if x[i, j] > 0.0:
            continue
        out[i, j] = netts.exp(x[i, j])


def normal(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def assert_law(kernel, arguments, dtype, parts=None):
    """Assert that compiled code and interpreted code agree with the interpreted function."""
    expected = [one.copy() for one in arguments]
    kernel.on("reference")(*expected)
    compiled = [one.copy() for one in arguments]
    kernel.specialise(tuple(compiled)).run(tuple(compiled), parts)
    tolerance = 60 * np.finfo(dtype).eps
    np.testing.assert_allclose(compiled[-1], expected[-1], rtol=tolerance, atol=tolerance)
    return compiled[-1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_behind_loops_at_every_length(dtype):
    for rows, columns in itertools.product(ROWS, COLUMNS):
        index = np.random.default_rng(rows).integers(0, max(rows, 1), rows)
        arguments = (normal((rows, columns), dtype), index, np.zeros(rows, dtype))
        found = assert_law(log_sum, arguments, dtype)
        for parts in (2, 3):
            np.testing.assert_array_equal(assert_law(log_sum, arguments, dtype, parts), found)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [log_sum, cells, first_negative, sigmoids, down, skipping])
def test_generated_code_touches_nothing_else(kernel, dtype):
    for rows, columns in itertools.product((0, 1, 5, 65), (1, 3)):
        x = normal((rows, columns), dtype)
        arguments = {
            log_sum: (x, np.zeros(rows, np.int64), np.zeros(rows, dtype)),
            cells: (np.dstack([x, x]), np.zeros_like(x)),
            first_negative: (x, np.zeros(rows, dtype)),
            sigmoids: (x, np.ones(rows, dtype), np.zeros_like(x)),
            down: (x, np.zeros_like(x)),
            skipping: (x, np.zeros_like(x)),
        }[kernel]
        expected = [one.copy() for one in arguments]
        kernel.on("reference")(*expected)
        run_generated(kernel, arguments, 2)
        np.testing.assert_allclose(arguments[-1], expected[-1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["C", "F", "padded", "strided", "reversed"])
def test_lanes_in_every_layout(layout, dtype):
    for rows, columns in itertools.product((3, 65), (1, 3, 10)):
        x = laid_out((rows, columns), dtype, layout)
        x[...] = normal(x.shape, dtype)
        out = laid_out(x.shape, dtype, layout)
        assert_law(sigmoids, (x, normal(rows, dtype), out), dtype)
        assert_law(skipping, (x, out), dtype)
        assert_law(log_sum, (x, np.zeros(rows, np.int64), np.zeros(rows, dtype)), dtype)
        assert_law(first_negative, (x, np.zeros(rows, dtype)), dtype)
        deep = laid_out((rows, columns, columns), dtype, layout)
        deep[...] = normal(deep.shape, dtype)
        assert_law(cells, (deep, out), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 3, 7, 10])
def test_special_numbers_stay_in_their_lanes(columns, dtype):
    x = normal((80, columns), dtype)
    for n, value in enumerate(SPECIAL):
        x[9 * n, n % columns] = value
    rows = len(x)
    with np.errstate(all="ignore"):
        assert_law(log_sum, (x, np.zeros(rows, np.int64), np.zeros(rows, dtype)), dtype)
        assert_law(sigmoids, (x, np.ones(rows, dtype), np.zeros_like(x)), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_subscript_behind_the_loops_is_tested(dtype):
    index = np.zeros(70, np.int64)
    index[66] = 70
    with pytest.raises(netts.errors.BoundsError, match="70"):
        log_sum.on("cpu")(normal((70, 3), dtype), index, np.zeros(70, dtype))


def test_losses_of_few_classes_are_marked_and_the_first_axis_is_no_column():
    x, weights = np.zeros((5, 3)), np.ones(5)
    ones, few = np.zeros((5, 1)), np.zeros((5, 1), np.int64)
    text = cross_entropy_backward.specialise((x, few, weights, weights, weights[:1], x + 1)).source
    assert text.count("masked_stores()") == 1
    single = binary_cross_entropy_backward.specialise(
        (ones, ones + 1, weights, weights[:1], ones + 2)
    ).source
    assert "range" not in single.split("for v_i in range")[1]
    several, row = (
        sigmoids.specialise((normal((n, 3), float), np.ones(n), np.zeros((n, 3)))).source
        for n in (5, 1)
    )
    assert several == row


def test_functions_of_a_row_come_in_blocks():
    text = log_sum.specialise((np.zeros((5, 3)), np.zeros(5, np.int64), np.zeros(5))).source
    assert f"range(low, high, {tails.ROWS})" in text
    assert text.count("tanh_float64") == 2  # imported, and called for many rows at once

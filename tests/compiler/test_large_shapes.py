"""Shapes beyond one block, one vector and one part: exact data, every number of parts."""

from __future__ import annotations

import numpy as np
import pytest
from chosen_plans import by_blas
from programs import copied

from netts import accelerate, parallel
from netts.compiler.cpu import BLOCK_ITERATIONS
from netts.compiler.plan import Plan

BEYOND_ONE_BLOCK = 20_011
assert BEYOND_ONE_BLOCK > 2 * BLOCK_ITERATIONS


@accelerate
def scaled(x, y, out):
    for i in parallel(out.shape[0]):
        out[i] = 2 * x[i] - y[out.shape[0] - 1 - i]


@accelerate
def summaries(x, y, out):
    total = 3.0
    largest = -1e9
    smallest = 1e9
    positive = 0
    for i in parallel(x.shape[0]):
        total += x[i] * y[i]
        largest = max(largest, x[i] + y[i])
        smallest = min(smallest, x[i] - y[i])
        if x[i] > 0:
            positive += 1
    out[0] = total
    out[1] = largest
    out[2] = smallest
    out[3] = positive


@accelerate
def centred(x, out):
    total = 0.0
    for i, j in parallel(x.shape[0], x.shape[1]):
        total += x[i, j]
    rows = x.shape[0]
    for i, j in parallel(x.shape[0], x.shape[1]):
        out[i, j] = rows * x[i, j] - total


@accelerate
def histogram(x, index, out):
    for i in parallel(x.shape[0]):
        out[index[i]] += x[i]


@accelerate
def binned_rows(x, index, out):
    for i, j in parallel(x.shape[0], x.shape[1]):
        out[index[i], j] += x[i, j]


@accelerate
def column_sums(x, out):
    for j in parallel(x.shape[1]):
        total = 0.0
        for i in range(x.shape[0]):
            total += x[i, j]
        out[j] += total


@accelerate
def dense(x, weight, bias, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = bias[j]
        for k in range(x.shape[1]):
            total += x[i, k] * weight[k, j]
        out[i, j] = max(total, 0.0)


@accelerate
def smoothed(x, weight, out):
    for i in parallel(out.shape[0]):
        total = 0.0
        for k in range(weight.shape[0]):
            if 0 <= i + k - 3 < x.shape[0]:
                total += weight[k] * x[i + k - 3]
        out[i] = total


def integers(*shape, dtype=np.float32, high=4):
    return np.random.default_rng(sum(shape)).integers(-4, high, shape).astype(dtype)


def subscripts(count, below):
    return np.random.default_rng(count).integers(0, below, count)


N = BEYOND_ONE_BLOCK
CASES = {
    "elementwise": (scaled, lambda d: (integers(N, dtype=d), integers(N, dtype=d), np.zeros(N, d))),
    "summaries": (
        summaries,
        lambda d: (integers(N, dtype=d), integers(N, dtype=d, high=3), np.zeros(4, d)),
    ),
    "two nests": (centred, lambda d: (integers(211, 97, dtype=d), np.zeros((211, 97), d))),
    "scatter": (
        histogram,
        lambda d: (integers(N, dtype=d), subscripts(N, 97), np.zeros(97, d)),
    ),
    "rows scattered": (
        binned_rows,
        lambda d: (integers(1009, 31, dtype=d), subscripts(1009, 7), np.zeros((7, 31), d)),
    ),
    "column sums": (column_sums, lambda d: (integers(523, 131, dtype=d), np.ones(131, d))),
    "dense": (
        dense,
        lambda d: (
            integers(67, 53, dtype=d),
            integers(53, 61, dtype=d),
            integers(61, dtype=d),
            np.zeros((67, 61), d),
        ),
    ),
    "guarded": (
        smoothed,
        lambda d: (integers(10_007, dtype=d), integers(7, dtype=d), np.zeros(10_007, d)),
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kernel", "make"), CASES.values(), ids=CASES)
def test_every_number_of_parts_gives_the_interpreters_result(kernel, make, dtype):
    arguments = make(dtype)
    expected = copied(arguments)
    kernel.on("reference")(*expected)
    for threads in (None, 1, 2, 3, 7, 64):
        found = copied(arguments)
        kernel.specialise(found).run(found, threads=threads)
        np.testing.assert_array_equal(found[-1], expected[-1], f"{threads} parts")


@accelerate
def product(left, right, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(left.shape[1]):
            total += left[i, k] * right[k, j]
        out[i, j] = total


@pytest.mark.parametrize("turn", [lambda a: a, lambda a: np.ascontiguousarray(a.T).T])
@pytest.mark.parametrize(
    "shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (1, 5, 7), (5, 7, 1)]
)
def test_thin_and_empty_products_are_right(shape, turn):
    rows, inner, columns = shape
    left, right = turn(integers(rows, inner)), turn(integers(inner, columns))
    out = turn(np.full((rows, columns), 7, np.float32))
    with by_blas():
        product(left, right, out)
    np.testing.assert_array_equal(out, left @ right)
    if 0 not in shape:
        assert isinstance(product.last.reasons[0], Plan)


@accelerate
def extremes(x, y, out):
    lowest = y[0]
    highest = y[0]
    for i in parallel(x.shape[0]):
        lowest = min(lowest, x[i])
        highest = max(highest, x[i])
        out[i] = min(x[i], y[i]) + 4 * max(x[i], y[i]) if x[i] == x[i] else max(0.0, x[i])
        if not x[i] < y[i]:
            out[i] = max(x[i], y[i], 1.0) if x[i] >= y[i] else min(y[i], x[i])
    y[0] = lowest
    y[1] = highest


@pytest.mark.parametrize("first", [0.0, np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinity_take_pythons_side_in_min_max_and_comparisons(dtype, first):
    special = np.array([0.0, 1.5, -2.0, np.nan, np.inf, -np.inf], dtype)
    x, y = (one.ravel() for one in np.meshgrid(special, special))
    y = np.concatenate([[first], y]).astype(dtype)[:-1]
    arguments = (np.tile(x, 600), np.tile(y, 600), np.zeros(600 * x.size, dtype))
    expected = copied(arguments)
    extremes.on("reference")(*expected)
    for threads in (1, 3):
        found = copied(arguments)
        extremes.specialise(found).run(found, threads=threads)
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_array_equal(found[2], expected[2])

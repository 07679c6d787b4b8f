"""Sums down columns exchange their loops, keep their order, and other nests stay as they are."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from netts import accelerate, parallel


@accelerate
def column_sums(x, out):
    for j in parallel(out.shape[0]):
        total = 0.0
        for i in range(x.shape[0]):
            total += x[i, j]
        out[j] = total


@accelerate
def two_sums(x, y, start, first, second):
    for j in parallel(first.shape[0]):
        a = start[j]
        b = 1.0
        for i in range(1, x.shape[0]):
            a += x[i, j] * y[i]
            b += x[i, j]
        first[j] = a
        second[j] = math.sqrt(b * b) + j


@accelerate
def running(x, out):
    for j in parallel(out.shape[0]):
        total = 0.0
        for i in range(x.shape[0]):
            total += x[i, j] * out[j]
        out[j] = total


@accelerate
def triangle(x, out):
    for j in parallel(out.shape[0]):
        total = 0.0
        for i in range(j):
            total += x[i, j]
        out[j] = total


@accelerate
def row_sums(x, out):
    for j in parallel(out.shape[0]):
        total = 0.0
        for i in range(x.shape[1]):
            total += x[j, i]
        out[j] = total


def is_exchanged(kernel, *arguments) -> bool:
    """Tell whether the generated code has the loop over columns inside that over rows."""
    source = kernel.specialise(arguments).source
    return re.search(r"for v_i in range.*\n +for v_j in range", source) is not None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (5, 7), (64, 33), (1030, 2)])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_sums_are_the_interpreters(dtype, shape, threads):
    x = np.random.default_rng(0).integers(-9, 9, shape).astype(dtype)
    out, reference = np.empty(shape[1], dtype), np.empty(shape[1], dtype)
    column_sums.specialise((x, out)).run((x, out), threads=threads)
    column_sums.on("reference")(x, reference)
    np.testing.assert_array_equal(out, reference)


@pytest.mark.parametrize("shape", [(1, 4), (2, 1), (9, 6), (60, 50)])
def test_several_sums_with_values_before_and_after(shape):
    random = np.random.default_rng(1)
    x, y, start = (
        random.normal(size=shape),
        random.normal(size=shape[0]),
        random.normal(size=shape[1]),
    )
    found, expected = [[np.empty(shape[1]) for _ in range(2)] for _ in range(2)]
    two_sums(x, y, start, *found)
    two_sums.on("reference")(x, y, start, *expected)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert is_exchanged(two_sums, x, y, start, *found)


def test_loops_are_exchanged_where_columns_are_neighbours():
    x, out = np.ones((4, 3)), np.empty(3)
    assert is_exchanged(column_sums, x, out)
    assert not is_exchanged(column_sums, np.asfortranarray(x), out)
    assert not is_exchanged(row_sums, x, np.empty(4))


def test_a_result_that_would_round_every_sum_does_not_hold_it():
    x, out = np.full((100, 3), 0.1), np.empty(3, np.float32)
    assert not is_exchanged(column_sums, x, out)
    column_sums(x, out)
    np.testing.assert_array_equal(out, np.float32(x.sum(axis=0)))


def test_what_depends_on_the_column_stays_as_it_is():
    x, out = np.arange(20.0).reshape(4, 5), np.arange(1.0, 6.0)
    reference = out.copy()
    assert not is_exchanged(running, x, out)
    running(x, out)
    running.on("reference")(x, reference)
    np.testing.assert_array_equal(out, reference)
    square, out, reference = np.arange(25.0).reshape(5, 5), np.empty(5), np.empty(5)
    assert not is_exchanged(triangle, square, out)
    triangle(square, out)
    triangle.on("reference")(square, reference)
    np.testing.assert_array_equal(out, reference)


def test_a_result_that_is_also_read_is_left_alone():
    x = np.arange(12.0).reshape(3, 4)
    expected = x.sum(axis=0)
    out = x[0]
    with pytest.raises(ValueError, match="overlap"):
        column_sums(x, out)
    np.testing.assert_array_equal(np.arange(12.0).reshape(3, 4).sum(axis=0), expected)

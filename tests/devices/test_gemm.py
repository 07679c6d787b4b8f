"""Products of matrices stored by rows or columns, as cuBLAS is asked for them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from emulated_cublas import EmulatedCublas

from netts.compiler.views import readable
from netts.devices.cublas import WORKSPACE_BYTES, Cublas
from netts.devices.gemm import Gemm, Steps
from netts.errors import DeviceError

BY_ROWS = (True, False)


def stored(batch: int, rows: int, columns: int, by_rows: bool, gap: int) -> np.ndarray:
    """Return matrices stored one behind the other, with a gap behind each row or column."""
    if by_rows:
        return np.zeros((batch, rows, columns + gap))[:, :, :columns]
    return np.zeros((batch, columns, rows + gap))[:, :, :rows].transpose(0, 2, 1)


def steps(array: np.ndarray) -> Steps:
    batch, row, column = (one // array.itemsize for one in array.strides)
    found = readable(row, array.shape[1], column, array.shape[2])
    assert found is not None
    return Steps(*found, batch)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("accumulates", [False, True])
@pytest.mark.parametrize("by_rows", list(itertools.product(BY_ROWS, repeat=3)), ids=str)
def test_every_order_of_storage(by_rows, accumulates, batch):
    rng = np.random.default_rng(0)
    for m, n, k, gap in itertools.product((1, 2, 5), (1, 3), (1, 4), (0, 2)):
        shapes = (m, k), (k, n), (m, n)
        left, right, out = (
            stored(batch, *shape, is_by_rows, gap)
            for shape, is_by_rows in zip(shapes, by_rows, strict=True)
        )
        for one in (left, right, out):
            one[...] = rng.integers(-3, 4, one.shape)
        expected = left @ right + (out if accumulates else 0)
        if not accumulates:
            out[...] = np.nan
        gemm = Gemm(
            "float64", m, n, k, steps(left), steps(right), steps(out), batch, accumulates
        )  # fmt: skip
        blas = Cublas(EmulatedCublas(), workspace=0)
        places = left.ctypes.data, right.ctypes.data, out.ctypes.data
        blas.launch(blas.prepare(gemm, places), stream=0)
        np.testing.assert_array_equal(out, expected)


def test_weights_may_be_the_same_for_a_whole_batch():
    left, right, out = np.ones((1, 2, 3)), np.ones((4, 3, 5)), np.zeros((4, 2, 5))
    same = Steps(3, 1, batch=0)
    gemm = Gemm("float64", 2, 5, 3, same, steps(right), steps(out), batch=4)
    blas = Cublas(EmulatedCublas(), workspace=0)
    places = left.ctypes.data, right.ctypes.data, out.ctypes.data
    blas.launch(blas.prepare(gemm, places), stream=0)
    np.testing.assert_array_equal(out, 3)


def test_what_cublas_is_called_with():
    """Stream first, as it takes our memory away; then memory, mathematics and the product."""
    bindings = EmulatedCublas()
    blas = Cublas(bindings, workspace=4096)
    x = np.ones((2, 2), np.float32)
    square = Steps(2, 1)
    for precision in ("full", "tf32"):
        gemm = Gemm("float32", 2, 2, 2, square, square, square, precision=precision)
        out = np.zeros_like(x)
        places = x.ctypes.data, x.ctypes.data, out.ctypes.data
        blas.launch(blas.prepare(gemm, places), stream=99)
    names = ["set_stream", "set_workspace", "set_math_mode", "sgemm"]
    assert [one[0] for one in bindings.calls] == 2 * names
    assert bindings.calls[:3] == [
        ("set_stream", 7, 99), ("set_workspace", 7, 4096, WORKSPACE_BYTES), ("set_math_mode", 7, 0)
    ]  # fmt: skip
    assert bindings.calls[6] == ("set_math_mode", 7, 3)


@pytest.mark.parametrize(
    ("sizes", "batch", "dtype", "function"),
    [
        ((2, 3, 4), 1, "float32", "sgemm"),
        ((2, 3, 4), 5, "float64", "dgemm_strided_batched"),
        ((2**31, 3, 4), 1, "float32", "sgemm_64"),
        ((2, 3, 4), 2**31, "float32", "sgemm_strided_batched_64"),
    ],
)
def test_the_function_follows_dtype_batch_and_size(sizes, batch, dtype, function):
    m, n, k = sizes
    gemm = Gemm(dtype, m, n, k, Steps(k, 1), Steps(n, 1), Steps(n, 1), batch)
    assert gemm.call.function == function
    assert gemm.multiply_adds == batch * m * n * k


def test_a_refusal_of_cublas_is_an_error_of_the_device():
    blas = Cublas(EmulatedCublas(), workspace=0)
    square = Steps(2, 1)
    launch = blas.prepare(Gemm("float32", -2, 2, 2, square, square, square), (0, 0, 0))
    with pytest.raises(DeviceError, match="cuBLAS's sgemm fails: INVALID_VALUE"):
        blas.launch(launch, stream=0)

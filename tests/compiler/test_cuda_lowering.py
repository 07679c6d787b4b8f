"""What is generated for CUDA: launches, parameters, widths, and what a size decides."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netts import accelerate, parallel
from netts.compiler.arguments import describe
from netts.compiler.cuda.emit import reciprocal
from netts.compiler.cuda.program import GEOMETRY
from netts.compiler.cuda.specialise import specialise
from netts.compiler.cuda.widths import LIMIT, Widths
from netts.compiler.nest import Apply, Const, Extent, Index, Local
from netts.layers.conv import conv2d_grad_bias
from netts.layers.dense import dense_forward, dense_grad_bias
from netts.layers.embedding import embedding_grad_weight
from netts.layers.norms import batch_statistics
from netts.layers.pooling import average_pool_backward, max_pool_backward
from netts.layers.softmax import softmax_backward, softmax_forward
from netts.training.kernels import finish_batch, gather_batch


def lowered(kernel, *arguments):
    return kernel.specialise_cuda(arguments)


def units(kernel, *arguments):
    return [(one.label, one.program.unit) for one in lowered(kernel, *arguments).operations]


def matrix(rows, columns):
    return np.zeros((rows, columns), np.float32)


@accelerate
def scaled(x, factor, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = factor * x[i, j]


@accelerate
def distances(x, other, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(x.shape[1]):
            total += abs(x[i, k] - other[j, k])
        out[i, j] = total


# ---------------------------------------------------------------- launches


def test_each_nest_is_a_launch_and_so_are_scalars_behind_it():
    n, one = np.zeros(3, np.int64), np.zeros(1)
    batch = (np.zeros((9, 2)), np.zeros((9, 1)), n, n[:1], np.zeros((3, 2)), np.zeros((3, 1)))
    assert units(gather_batch, *batch) == [
        ("gather_batch nest 1", "iterations"),
        ("gather_batch nest 2", "iterations"),
    ]
    assert units(finish_batch, np.zeros(9), np.zeros(9), one, n[:1], n[1:2], 1) == [
        ("finish_batch", "chunk"),
        ("finish_batch combine", "single"),
    ]


@pytest.mark.parametrize(
    ("rows", "columns", "unit"),
    [(8, 1000, "row"), (8, 40, "iterations"), (GEOMETRY.many_rows, 1000, "row")],
)
def test_long_rows_have_a_block_each(rows, columns, unit):
    x = matrix(rows, columns)
    (operation,) = lowered(softmax_backward, x, x, x).operations
    assert operation.program.unit == unit
    blocks = min(rows, GEOMETRY.grid_blocks)
    assert operation.blocks == {"row": blocks}.get(unit, -(-rows // GEOMETRY.threads))


def test_many_rows_have_a_thread_each_where_neighbours_read_the_same():
    x, other = matrix(300, 200), matrix(300, 200)
    assert units(distances, x, other, matrix(300, 300)) == [("distances", "iterations")]
    assert units(distances, x[:4], other, matrix(4, 300)) == [("distances", "row")]


@pytest.mark.parametrize(("length", "threads"), [(100, 32), (200, 64), (4000, 256)])
def test_blocks_are_as_large_as_their_longest_loop_pays_for(length, threads):
    (operation,) = lowered(softmax_backward, *[matrix(3, length)] * 3).operations
    assert operation.program.block_threads == threads


@pytest.mark.parametrize(
    ("size", "stride", "unit"), [(2, 2, "row"), (2, 3, "row"), (3, 2, "iterations")]
)
def test_windows_are_shared_where_they_do_not_overlap(size, stride, unit):
    images, pooled = np.zeros((4, 3, 40, 40), np.float32), np.zeros((4, 3, 12, 12), np.float32)
    geometry = (size, size, stride, stride, 0, 0)
    assert units(max_pool_backward, images, pooled, pooled, images, *geometry) == [
        ("max_pool_backward", unit)
    ]


def test_windows_clamped_to_the_image_are_shared_too():
    images, pooled = np.zeros((4, 3, 39, 39), np.float32), np.zeros((4, 3, 14, 14), np.float32)
    geometry = (3, 3, 3, 3, 1, 1)
    assert units(average_pool_backward, pooled, images, *geometry, True)[0][1] == "row"


def test_several_blocks_share_few_very_long_sums():
    gradient, bias = np.zeros((128, 32, 784), np.float32), np.zeros(32, np.float32)
    parts, rest = lowered(conv2d_grad_bias, gradient, bias).operations
    assert (parts.label, parts.blocks) == ("conv2d_grad_bias parts", 32 * 32)
    assert (rest.label, rest.blocks) == ("conv2d_grad_bias", 32)


def test_parts_depend_on_shapes_alone():
    gradient, bias = np.zeros((128, 32, 784), np.float32), np.zeros(32, np.float32)
    fewer = dataclasses.replace(GEOMETRY, grid_blocks=7)
    codes = [
        [(one.code, one.template) for one in conv2d_grad_bias.specialised(
            (gradient, bias), lambda bound, geometry=geometry: specialise(bound, geometry)
        ).operations]
        for geometry in (GEOMETRY, fewer)
    ]  # fmt: skip
    assert codes[0] == codes[1]


def test_a_loop_behind_a_store_is_not_divided():
    @accelerate
    def noted(x, out):
        for i in parallel(x.shape[0]):
            out[i, 0] = x[i, 0]
            total = 0.0
            for j in range(x.shape[1]):
                total += x[i, j]
            out[i, 1] = total

    assert units(noted, matrix(2, 10**5), matrix(2, 2)) == [("noted", "row")]


def test_a_loop_that_depends_on_its_last_iteration_is_not_shared():
    @accelerate
    def walked(x, out):
        for i in parallel(x.shape[0]):
            state = 0.0
            for j in range(x.shape[1]):
                state = 0.5 * state + x[i, j]
            out[i] = state

    assert units(walked, matrix(2, 1000), np.zeros(2, np.float32)) == [("walked", "iterations")]


def test_a_loop_that_is_left_early_is_not_shared():
    @accelerate
    def sought(x, out):
        for i in parallel(x.shape[0]):
            total = 0.0
            for j in range(x.shape[1]):
                if x[i, j] < 0:
                    break
                total += x[i, j]
            out[i] = total

    assert units(sought, matrix(2, 1000), np.zeros(2, np.float32)) == [("sought", "iterations")]


@pytest.mark.parametrize("samples", [1, 8])
def test_a_short_loop_is_shared_only_where_none_inside_of_it_can_be(samples):
    x, channels = np.zeros((samples, 2, 5000), np.float32), np.zeros(2, np.float32)
    statistics = batch_statistics, x, channels, *[channels.copy() for _ in range(3)], 0.9, 1e-5
    assert units(*statistics) == [("batch_statistics", "row")]


def test_sums_down_columns_are_shared_where_columns_are_few():
    assert units(dense_grad_bias, matrix(4096, 10), np.zeros(10, np.float32))[0][1] == "row"


def test_axes_that_add_to_common_elements_run_in_one_thread():
    x, gradient, weight = matrix(40, 5), np.zeros((40, 5, 300), np.float32), matrix(7, 300)
    _, scatter = lowered(embedding_grad_weight, x, gradient, weight).operations
    assert scatter.blocks == 2  # 300 columns, 256 threads
    assert "for v_i in range(" in scatter.program.text
    assert "for v_p in range(" in scatter.program.text
    assert "size = int32(end_0)" in scatter.program.text


# ---------------------------------------------------------------- one code for all sizes


def test_another_size_is_the_same_code_with_other_numbers():
    small = lowered(scaled, matrix(3, 4), 2.0, matrix(3, 4)).operations[0]
    large = lowered(scaled, matrix(300, 500), 3.0, matrix(300, 500)).operations[0]
    assert small.code == large.code
    assert small.blocks < large.blocks
    assert "3" not in {word.name for word in small.program.words}


def test_dtypes_and_unit_strides_are_part_of_the_code():
    codes = {
        lowered(scaled, x, 2.0, np.zeros_like(x)).operations[0].code
        for x in (matrix(3, 4), np.zeros((3, 4)), matrix(6, 8)[::2, ::2], matrix(4, 3).T)
    }
    assert len(codes) == 4


def test_parameters_are_pointers_extents_strides_and_scalars():
    (operation,) = lowered(scaled, matrix(3, 4), 2.0, matrix(3, 4)).operations
    assert dict(zip(map(str, operation.program.words), operation.code.types, strict=True)) == {
        "Word(kind='extent', name='out', axis=0)": "int32",
        "Word(kind='extent', name='out', axis=1)": "int32",
        "Word(kind='plan', name='0', axis=0)": "int64",
        "Word(kind='plan', name='1', axis=0)": "int32",
        "Word(kind='scalar', name='factor', axis=0)": "float32",
        "Word(kind='address', name='x', axis=0)": "*float32",
        "Word(kind='stride', name='x', axis=0)": "int32",
        "Word(kind='address', name='out', axis=0)": "*float32",
        "Word(kind='stride', name='out', axis=0)": "int32",
    }
    values = operation.parameters({"x": 4096, "out": 8192}, 0, 0, {"factor": 2.0})
    assert values == (3, 4, *reciprocal(4), 2.0, 4096, 4, 8192, 4)


def test_a_result_does_not_depend_on_the_number_of_blocks():
    """Geometry decides how many blocks there are; only threads of a block are in the code."""
    x = matrix(500, 700)
    wide = dataclasses.replace(GEOMETRY, grid_blocks=1)
    one = scaled.specialised((x, 2.0, x), lambda bound: specialise(bound, wide)).operations[0]
    many = lowered(scaled, x, 2.0, x).operations[0]
    assert (one.blocks, many.blocks) == (1, 1368)
    assert one.code == many.code


# ---------------------------------------------------------------- widths


@accelerate
def added_up(x, out):
    total = 0.0
    for i, j in parallel(x.shape[0], x.shape[1]):
        total += x[i, j]
    out[0] = total


def test_indices_of_more_than_32_bits_are_64_bits_wide():
    huge = np.broadcast_to(np.float32(1), (2**20, 2**12))
    text = lowered(added_up, huge, np.zeros(1, np.float32)).source
    assert "range(int64(chunk * 256 + lane), size, int64(" in text
    assert "uint64(flat) // uint64(end_1)" in text
    small = np.broadcast_to(np.float32(1), (2**12, 2**12))
    text = lowered(added_up, small, np.zeros(1, np.float32)).source
    assert "uint64" not in re.sub(r"quotient = .*", "", text)


@given(st.integers(0, 2**31 - 1), st.integers(1, 2**31 - 1))
@example(2**31 - 1, 1)
@example(2**31 - 1, 2**31 - 1)
@example(2**31 - 2, 2**31 - 1)
@example(2**31 - 1, 2**30 + 1)
def test_a_division_is_a_multiplication(number, divisor):
    factor, shift = reciprocal(divisor)
    assert factor < 2**32
    for one in (number, number - number % divisor, max(number - number % divisor - 1, 0)):
        assert (one * factor) >> shift == one // divisor


@pytest.mark.parametrize("columns", [1, 2, 7, 8])
def test_divisors_of_all_sizes_have_the_same_code(columns):
    codes = [
        lowered(scaled, x, 2.0, x).operations[0].code for x in (matrix(3, columns), matrix(3, 100))
    ]
    assert codes[0] == codes[1]


def test_an_extent_that_data_decide_is_64_bits_wide():
    @accelerate
    def as_told(count, out):
        for i in parallel(count[0]):
            out[i] = 1.0

    text = lowered(as_told, np.ones(1, np.int64), np.zeros(4)).source
    assert "range(int64(cuda.grid(1)), size, int64(cuda.gridsize(1)))" in text
    assert "fault[0] = 1" in text


def test_bounds_of_integers():
    x = np.zeros((2**16, 8), np.uint8)
    special = softmax_forward.specialise_cuda((matrix(3, 4), matrix(3, 4)))
    arrays = {"x": describe(x)}
    symbols = {Extent("x", 0): 2**16, Extent("x", 1): 8}
    known = Widths(special.kernel.routine, arrays, symbols)
    rows, columns = Extent("x", 0), Extent("x", 1)
    assert known.fits(rows, columns, Const(-5), Apply("sub", (rows, columns)))
    assert known.fits_product(rows, columns)
    assert not known.fits(Apply("mul", (rows, rows)))
    assert not known.fits_product(rows, rows)
    assert not known.fits(Extent("y", 0), Local("nothing"), Index("none"))
    assert known.fits_offsets("x")
    assert LIMIT < 2**31


# ---------------------------------------------------------------- what a person sees


def test_the_source_can_be_seen_without_a_gpu():
    text = dense_forward.source("cuda")
    assert text.startswith('"""dense_forward, generated by netts."""')
    assert "for flat in range(int32(cuda.grid(1)), size, int32(cuda.gridsize(1))):" in text

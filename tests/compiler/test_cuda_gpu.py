"""Kernels on a real GPU: `tests/gpu_exam.sh` runs these, CI cannot."""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from chosen_plans import in_parts
from contraction_strategies import contraction_programs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws import assert_sound
from netts_kernels import Call, calls
from program_strategies import exact_programs
from programs import LAYOUTS, assert_same, copied, run_reference
from sum_strategies import sum_programs
from wild_strategies import ALIASES, wild_programs

import netts
from netts import accelerate, parallel
from netts.compiler import functions
from netts.compiler.cuda.cost import ProductRule
from netts.compiler.cuda.images import image_of
from netts.compiler.cuda.launches import prepared
from netts.compiler.cuda.program import GEOMETRY
from netts.compiler.cuda.run import run_on_gpu
from netts.compiler.cuda.specialise import Product, specialise
from netts.devices import cuda
from netts.devices.cuda_driver import missing
from netts.errors import BoundsError, DeviceError, KernelDivisionError
from netts.layers import conv, dense

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

TERMS = 64
"""Roundings that a result of small kernels may be off, each of the largest element."""

PROGRAMS = {"statements": 120, "sums": 60, "products": 60, "wild": 60}
"""How many random programs of each kind: 300, each run in one of the ways."""

sizes = st.fixed_dictionaries({one: st.sampled_from([0, 1, 2, 3, 5, 7, 40]) for one in "nmk"})
layouts = st.lists(st.sampled_from(LAYOUTS), min_size=1, max_size=5)
seeds = st.integers(0, 2**32 - 1)
SHARED = dataclasses.replace(GEOMETRY, long_row=3)


def share_rows(bound):
    """Lower with every loop shared by a block that can be, as if it were long."""
    return specialise(bound, SHARED)


def examples(count: int) -> settings:
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


def run_sharing(kernel, arguments):
    run_on_gpu(kernel.specialised(arguments, share_rows), arguments)


def run_cuda(kernel, arguments):
    kernel.on("cuda")(*arguments)


def multiply_always(bound):
    """Lower with every sum of products done by cuBLAS, however small."""
    return specialise(bound, GEOMETRY, PRODUCTS)


def multiply_in_blocks(bound):
    """The same with so little memory that it takes blocks."""
    return specialise(bound, GEOMETRY, IN_BLOCKS)


def run_products(kernel, arguments):
    run_on_gpu(kernel.specialised(arguments, multiply_always), arguments)


def run_blocks(kernel, arguments):
    run_on_gpu(kernel.specialised(arguments, multiply_in_blocks), arguments)


def divide_sums(bound):
    """The same with sums divided wherever they can be."""
    with in_parts():
        return specialise(bound, GEOMETRY, DIVIDED)


def run_parts(kernel, arguments):
    run_on_gpu(kernel.specialised(arguments, divide_sums), arguments)


PRODUCTS = ProductRule(least_multiply_adds=0, least_side=1)
DIVIDED = ProductRule(least_multiply_adds=0, least_side=1, least_divided=2)
IN_BLOCKS = ProductRule(least_multiply_adds=0, least_side=1, scratch_bytes=1024)
EVERY_WAY = pytest.mark.parametrize(
    "run", [run_cuda, run_sharing, run_products, run_blocks, run_parts]
)


# ---------------------------------------------------------------- the kernels of netts


def assert_close(call: Call, run, dtype, terms: int = TERMS) -> None:
    expected = tuple(
        one.astype(np.float64) if isinstance(one, np.ndarray) and one.dtype == dtype else one
        for one in copied(call.arguments)
    )
    run_reference(call.kernel, expected)
    found = copied(call.arguments)
    run(call.kernel, found)
    again = copied(call.arguments)
    run(call.kernel, again)
    assert_same(found, again, "the same bits twice")
    for left, right in zip(expected, found, strict=True):
        if isinstance(left, np.ndarray):
            largest = max(1.0, float(np.abs(left).max(initial=0.0)))
            allowed = terms * np.finfo(dtype).eps * largest
            np.testing.assert_allclose(right, left, rtol=0, atol=allowed)


@EVERY_WAY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_of_netts_agree_with_the_reference(run, dtype):
    for call in calls(dtype):
        assert_close(call, run, dtype)


# ---------------------------------------------------------------- random programs


def law(programs, count):
    @EVERY_WAY
    @examples(count // 4)
    @given(programs, sizes, layouts, seeds)
    def test(directory, run, program, sizes, layouts, seed):
        arguments = program.arguments(sizes, layouts, seed)
        kernel = program.load(directory).kernel
        expected, found = copied(arguments), copied(arguments)
        run_reference(kernel, expected)
        run(kernel, found)
        assert_same(expected, found, run.__name__)

    return test


test_programs_agree_exactly = law(exact_programs(), PROGRAMS["statements"])
test_sums_agree_exactly = law(sum_programs(), PROGRAMS["sums"])
test_products_agree_exactly = law(contraction_programs(), PROGRAMS["products"])


@examples(PROGRAMS["wild"])
@given(wild_programs(), sizes, layouts, seeds, st.sampled_from(ALIASES))
def test_what_is_taken_agrees_or_raises(directory, program, sizes, layouts, seed, alias):
    arguments = program.arguments(sizes, layouts, seed)
    assert_sound(lambda: program.load(directory).kernel, arguments, alias, run_cuda)


# ---------------------------------------------------------------- products


def drawn(*shape, dtype=np.float32):
    return np.random.default_rng(len(shape)).uniform(-1, 1, shape).astype(dtype)


def padded(images, padding):
    return np.pad(images.astype(np.float64), [(0, 0)] * 3 + [(padding, padding)] * 2)


def windows(images, weight, padding):
    """Return what each output of a convolution of stride 1 sees: (n, g, c, y, x, ky, kx)."""
    return np.lib.stride_tricks.sliding_window_view(
        padded(images, padding), weight.shape[3:], axis=(3, 4)
    )


def assert_product(kernel, arguments, exact, terms):
    """Compare the last array that is written with float64, and two runs with one another."""
    special = kernel.specialise_cuda(arguments)
    assert any(isinstance(one, Product) for one in special.operations), special.reasons
    results = []
    for _ in range(2):
        found = copied(arguments)
        run_on_gpu(special, found)
        (position,) = [kernel.parameters.index(name) for name in kernel.writes]
        results.append(found[position])
    np.testing.assert_array_equal(results[0], results[1], "the same bits twice")
    eps = np.finfo(results[0].dtype).eps
    # Of sums of so many numbers below 1 in magnitude, roundings add up like a random walk.
    allowed = 8 * eps * math.sqrt(terms) * max(1.0, float(np.abs(exact).max()))
    np.testing.assert_allclose(results[0], exact, rtol=0, atol=allowed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "k", "m"), [(128, 784, 256), (512, 1024, 2048), (97, 1031, 53), (4096, 1024, 10)]
)
def test_dense_kernels_at_real_sizes(dtype, n, k, m):
    x, weight, bias = (drawn(*one, dtype=dtype) for one in ((n, k), (k, m), (m,)))
    y = drawn(n, m, dtype=dtype)
    wide = [one.astype(np.float64) for one in (x, weight, bias, y)]
    arguments = (x, weight, bias, np.zeros_like(y))
    assert_product(dense.dense_forward, arguments, wide[0] @ wide[1] + wide[2], k)
    arguments = (x, y, np.zeros_like(weight))
    assert_product(dense.dense_grad_weight, arguments, wide[0].T @ wide[3], n)
    arguments = (y, weight, np.zeros_like(x))
    assert_product(dense.dense_grad_input, arguments, wide[3] @ wide[1].T, m)


@pytest.mark.parametrize(
    ("n", "groups", "c", "o", "size", "window"),
    [(32, 1, 1, 32, 28, 3), (32, 1, 32, 64, 14, 3), (8, 2, 6, 16, 15, 5), (128, 1, 6, 16, 14, 5)],
)
def test_convolutions_at_real_sizes(n, groups, c, o, size, window):
    padding = window // 2
    settings = (1, 1, padding, padding, 1, 1)
    images, weight = drawn(n, groups, c, size, size), drawn(groups, o, c, window, window)
    bias, output = drawn(groups, o), drawn(n, groups, o, size, size)
    seen = windows(images, weight, padding)
    exact = np.einsum("ngcyxkl,gockl->ngoyx", seen, weight.astype(np.float64), optimize=True)
    exact += bias[:, :, None, None]
    arguments = (images, weight, bias, np.zeros_like(output), *settings)
    assert_product(conv.conv2d_forward, arguments, exact, c * window**2)
    exact = np.einsum("ngcyxkl,ngoyx->gockl", seen, output.astype(np.float64), optimize=True)
    arguments = (images, output, np.zeros_like(weight), *settings)
    assert_product(conv.conv2d_grad_weight, arguments, exact, n * size**2)
    turned = weight[:, :, :, ::-1, ::-1].astype(np.float64)
    exact = np.einsum(
        "ngoyxkl,gockl->ngcyx", windows(output, weight, padding), turned, optimize=True
    )
    arguments = (output, weight, np.zeros_like(images), *settings)
    assert_product(conv.conv2d_grad_input, arguments, exact, o * window**2)


@accelerate
def summed_products(x, y, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(x.shape[1]):
            total += x[i, k] * y[j, k]
        out[i, j] = total


@pytest.mark.parametrize(("m", "n", "k"), [(25, 6, 100_352), (150, 16, 12_800), (9, 32, 60_000)])
def test_long_sums_in_parts(m, n, k):
    x, y = drawn(m, k), drawn(n, k)
    arguments = x, y, np.zeros((m, n), np.float32)
    product, rest = summed_products.specialise_cuda(arguments).operations
    assert isinstance(product, Product)
    assert product.gemm.batch >= 64
    assert rest.program.unit == "row"
    exact = x.astype(np.float64) @ y.astype(np.float64).T
    assert_product(summed_products, arguments, exact, k)


def test_products_are_captured_and_replayed():
    """A product that adds to its result, captured before it has ever run."""

    @accelerate
    def added(x, y, out):
        for i, j in parallel(out.shape[0], out.shape[1]):
            for k in range(x.shape[1]):
                out[i, j] += x[i, k] * y[k, j]

    gpu = cuda.device()
    x, y = np.random.default_rng(0).integers(-3, 4, (2, 64, 64)).astype(np.float32)
    (operation,) = added.specialised((x, y, np.zeros_like(x)), multiply_always).operations
    assert isinstance(operation, Product)
    with gpu.allocate(3 * x.nbytes) as memory:
        addresses = {
            name: memory.address + i * x.nbytes for i, name in enumerate(("x", "y", "out"))
        }
        gpu.upload(addresses["x"], x)
        gpu.upload(addresses["y"], y)
        gpu.clear(addresses["out"], x.nbytes)
        launch = prepared(operation, gpu, addresses, 0, 0, {})
        gpu.synchronize()
        builder = gpu.stream.create_graph_builder()
        builder.begin_building()
        gpu.launch(launch, builder)
        graph = builder.end_building().complete()
        for _ in range(5):
            graph.launch(gpu.stream)
        gpu.launch(launch)
        found = np.zeros_like(x)
        gpu.download(found, addresses["out"])
        gpu.synchronize()
    np.testing.assert_array_equal(found, 6 * (x @ y))


# ---------------------------------------------------------------- large arrays


@accelerate
def scaled(x, factor, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = factor * x[i, j]


@accelerate
def added_up(x, out):
    total = 0.0
    largest = x[0]
    for i in parallel(x.shape[0]):
        total += x[i]
        largest = max(largest, x[i])
    out[0] = total
    out[1] = largest


@accelerate
def softmax(x, out):
    for i in parallel(x.shape[0]):
        peak = x[i, 0]
        for j in range(1, x.shape[1]):
            peak = max(peak, x[i, j])
        total = 0.0
        for j in range(x.shape[1]):
            out[i, j] = functions.exp(x[i, j] - peak)
            total += out[i, j]
        for j in range(x.shape[1]):
            out[i, j] /= total


@accelerate
def counted(index, out):
    for i in parallel(index.shape[0]):
        out[index[i]] += 1


@accelerate
def distances(x, y, out):
    for i, j in parallel(x.shape[0], y.shape[0]):
        total = 0.0
        for k in range(x.shape[1]):
            total += (x[i, k] - y[j, k]) ** 2
        out[i, j] = functions.sqrt(total)


def test_more_iterations_than_threads_take_turns():
    x = np.arange(3_000_000, dtype=np.float32).reshape(1000, 3000) % 1000
    out = np.zeros_like(x)
    scaled.on("cuda")(x, 2.0, out)
    np.testing.assert_array_equal(out, 2 * x)


def test_strided_views_are_read_and_written_in_place():
    x = np.arange(60_000, dtype=np.float64).reshape(200, 300)
    whole = np.full((300, 400), -1.0)
    scaled.on("cuda")(x.T[::-1], 2.0, whole[:, ::2])
    np.testing.assert_array_equal(whole[:, ::2], 2 * x.T[::-1])
    np.testing.assert_array_equal(whole[:, 1::2], -1)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 100_000, 5_000_000])
def test_reductions_of_whole_numbers_are_exact(n):
    x = np.random.default_rng(0).integers(0, 8, n).astype(np.float64)
    out = np.zeros(2)
    added_up.on("cuda")(x, out)
    assert out.tolist() == [x.sum(), x.max()]


@pytest.mark.parametrize("shape", [(1, 10_000), (40, 10_000), (50_000, 200), (3, 1)])
def test_softmax_of_long_rows(shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    out = np.zeros_like(x)
    softmax.on("cuda")(x, out)
    exact = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(out, exact, rtol=1e-5, atol=1e-12)


def test_counting_is_exact():
    index = np.random.default_rng(0).integers(0, 10, 20_000)
    out = np.zeros(10, np.int64)
    counted.on("cuda")(index, out)
    np.testing.assert_array_equal(out, np.bincount(index, minlength=10))


def test_distances_between_rows():
    x, y = np.random.default_rng(0).integers(-3, 4, (2, 70, 300)).astype(np.float64)
    out = np.zeros((70, 70))
    with netts.device("cuda"):
        distances(x, y, out)
    np.testing.assert_allclose(out, np.sqrt(((x[:, None] - y[None]) ** 2).sum(axis=2)), rtol=1e-12)


# ---------------------------------------------------------------- faults


@accelerate
def gathered(x, index, out):
    for i in parallel(out.shape[0]):
        out[i] = x[index[i]] // index[i]


def test_a_subscript_that_misses_raises_and_the_device_goes_on():
    index, out = np.arange(1, 1001), np.zeros(1000, np.int64)
    x = np.arange(1001)
    for _ in range(3):
        index[500] = 2000
        with pytest.raises(BoundsError, match=r"subscript 0 of x\[index\[i\]\] is 2000"):
            gathered.on("cuda")(x, index, out)
        np.testing.assert_array_equal(out, 0)
        index[500] = 0
        with pytest.raises(KernelDivisionError, match="the divisor is 0"):
            gathered.on("cuda")(x, index, out)
        index[500] = 501
        gathered.on("cuda")(x, index, out)
        np.testing.assert_array_equal(out, 1)
        out[:] = 0


def test_too_much_memory_is_refused_with_what_is_free_and_the_device_goes_on():
    gpu = cuda.device()
    with pytest.raises(
        DeviceError, match=r"has no room for 1,152,921,504,606,846,976 bytes: .* fr"
    ):
        gpu.allocate(2**60)
    x = np.ones((2, 3), np.float32)
    scaled.on("cuda")(x, 3.0, x)
    np.testing.assert_array_equal(x, 3)


def test_a_forked_child_is_refused():
    cuda.device()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        try:
            scaled.on("cuda")(np.ones((1, 1)), 1.0, np.ones((1, 1)))
        except DeviceError as error:
            os._exit(0 if "forked" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# ---------------------------------------------------------------- launches in a graph


def test_launches_are_timed_one_by_one():
    """A copy of 256 MB takes longer than one of 4 kB, and both less than a tenth of a second."""
    gpu = cuda.device()
    launches = []
    with ExitStack() as stack:
        for rows in (1, 2**16):
            out = np.empty((rows, 1024), np.float32)
            (operation,) = scaled.specialise_cuda((out, 2.0, out)).operations
            memory = stack.enter_context(gpu.allocate(out.nbytes)).address
            gpu.clear(memory, out.nbytes)
            addresses = {"x": memory, "out": memory}
            launches.append(prepared(operation, gpu, addresses, 0, 0, {"factor": 2.0}))
        seconds = gpu.timed([*launches, launches[0]])
    assert len(seconds) == 3
    assert all(0 < one < 0.1 for one in seconds)
    assert seconds[1] > 2 * max(seconds[0], seconds[2])


def test_launches_are_captured_and_replayed():
    """What a task graph does: memory of its own, one capture, many replays."""
    gpu = cuda.device()
    x = np.arange(6.0).reshape(2, 3)
    special = scaled.specialise_cuda((x, 2.0, x))
    (operation,) = special.operations
    with gpu.allocate(x.nbytes) as memory:
        gpu.upload(memory.address, x)
        addresses = {"x": memory.address, "out": memory.address}
        parameters = operation.parameters(addresses, 0, 0, {"factor": 2.0})
        launch = gpu.prepare(
            image_of(operation.code, gpu.capability), operation.blocks, operation.threads,
            parameters,
        )  # fmt: skip
        gpu.synchronize()
        builder = gpu.stream.create_graph_builder()
        builder.begin_building()
        gpu.launch(launch, builder)
        graph = builder.end_building().complete()
        for _ in range(5):
            graph.launch(gpu.stream)
        found = np.zeros_like(x)
        gpu.download(found, memory.address)
        gpu.synchronize()
    np.testing.assert_array_equal(found, 32 * x)

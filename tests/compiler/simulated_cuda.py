"""What `test_cuda_simulator` runs in a process of its own, where numba simulates CUDA."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from chosen_plans import any_gpu_plan
from contracted_kernels import FORMS, cases
from contraction_strategies import contraction_programs
from cuda_simulator import (
    DIVIDED,
    IN_BLOCKS,
    IN_FEW_BLOCKS,
    LOOPS,
    ONE_THREAD_A_ROW,
    PRODUCTS,
    SMALL,
    maker,
    run_simulated,
    run_special,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws import assert_sound
from netts_kernels import Call, all_kernels, calls
from program_strategies import exact_programs
from programs import LAYOUTS, assert_same, copied, run_reference
from sum_strategies import sum_programs
from wild_strategies import ALIASES, wild_programs

from netts import Network, accelerate, layers, parallel
from netts.compiler import Kernel
from netts.compiler.cuda import widths
from netts.compiler.cuda.specialise import CudaOperation, specialise
from netts.devices.memory import BufferView
from netts.errors import BoundsError, KernelDivisionError
from netts.layers.conv import conv2d_grad_input
from netts.layers.pooling import max_pool_backward, max_pool_forward
from netts.losses import loss_from
from netts.optimizers import Adam
from netts.training.regularization import Regularization
from netts.training.session import Session
from netts.training.supply import Samples

TERMS = 64
"""Roundings that a result of these small kernels may be off, each of the largest element."""

sizes = st.fixed_dictionaries({one: st.sampled_from([0, 1, 2, 3, 5]) for one in "nmk"})
layouts = st.lists(st.sampled_from(LAYOUTS), min_size=1, max_size=5)
seeds = st.integers(0, 2**32 - 1)
few = settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


# ---------------------------------------------------------------- the kernels of netts

CALLS = calls(np.float32)


def widened(call: Call) -> tuple:
    return tuple(
        one.astype(np.float64) if isinstance(one, np.ndarray) and one.dtype == np.float32 else one
        for one in copied(call.arguments)
    )


WAYS = {
    "rows": (SMALL, LOOPS),
    "threads": (ONE_THREAD_A_ROW, LOOPS),
    "products": (SMALL, PRODUCTS),
    "blocks": (SMALL, IN_BLOCKS),
    "parts": (SMALL, DIVIDED),
}
"""Ways of running a kernel on a GPU."""


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_kernels_of_netts_agree_with_the_reference(call, way):
    expected, found = widened(call), copied(call.arguments)
    run_reference(call.kernel, expected)
    run_simulated(call.kernel, found, *way)
    for left, right in zip(expected, found, strict=True):
        if isinstance(left, np.ndarray):
            largest = max(1.0, float(np.abs(left).max(initial=0.0)))
            allowed = TERMS * np.finfo(np.float32).eps * largest
            np.testing.assert_allclose(right, left, rtol=0, atol=allowed)


def test_no_kernel_of_netts_is_left_out():
    names = {f"{one.kernel.function.__module__}.{one.kernel.routine.name}" for one in CALLS}
    assert names == all_kernels()


@pytest.mark.slow
@pytest.mark.parametrize("rule", [LOOPS, PRODUCTS], ids=["loops", "products"])
@pytest.mark.parametrize("call", CALLS[::5], ids=str)
def test_integers_of_64_bits_give_the_same(call, rule, monkeypatch):
    """As with arrays of more than 2**31 elements."""
    narrow, wide = copied(call.arguments), copied(call.arguments)
    run_simulated(call.kernel, narrow, SMALL, rule)
    monkeypatch.setattr(widths, "LIMIT", 1)
    special = call.kernel.specialised(wide, lambda bound: specialise(bound, SMALL, rule))
    run_special(special, wide)
    is_kernel = any(isinstance(one, CudaOperation) for one in special.operations)
    assert ("int64(cuda." in special.source or "chunks = int64(" in special.source) == is_kernel
    assert_same(narrow, wide, "64 bits")


# ---------------------------------------------------------------- a training step, fused


@pytest.mark.slow
def test_the_tasks_of_a_training_step_agree_with_the_cpu():
    """As a plan on cuda lowers them: neighbours joined, over arenas and transients."""
    random = np.random.default_rng(0)
    network = Network(
        [
            layers.Conv2D(2, kernel_size=3, activation="relu"), layers.MaxPool2D(2),
            layers.Flatten(), layers.Dense(4, "relu"), layers.Dropout(0.5),
            layers.Dense(3, "tanh"), layers.Dense(2),
        ],
        np.float32,
    ).build((1, 6, 6), random_state=0)  # fmt: skip
    samples = Samples(random.normal(size=(5, 36)).astype(np.float32), np.arange(5)[:, None] % 2)
    session = Session(
        network, loss=loss_from("cross_entropy"), optimizer=Adam(), training=samples,
        validation={}, batch_size=3, has_step_rates=True,
        regularization=Regularization(l2=0.5, clip_norm=1.0),
        key=np.array([1, 2]), n_snapshots=1, device="cpu", epochs=1, before=None,
    )  # fmt: skip
    n_fused = 0
    for recording in ("step", "step_last", "keep_0"):
        for task in session.graph._fused[recording]:
            n_fused += not isinstance(task.kernel, Kernel)
            found = tuple(
                one.read().copy() if isinstance(one, BufferView) else one for one in task.arguments
            )
            run_simulated(task.kernel, found)
            task.kernel.specialise(task.arguments).run(task.arguments)
            arrays = dict(zip(task.kernel.parameters, found, strict=True))
            for name, view in task.arrays():
                if name in task.kernel.writes:
                    np.testing.assert_allclose(arrays[name], view.read(), 1e-5, 1e-6, err_msg=name)
    assert n_fused > 4


# ---------------------------------------------------------------- random programs


def law(programs):
    @few
    @given(programs, sizes, layouts, seeds)
    def test(directory, program, sizes, layouts, seed):
        arguments = program.arguments(sizes, layouts, seed)
        kernel = program.load(directory).kernel
        expected = copied(arguments)
        run_reference(kernel, expected)
        for name, way in WAYS.items():
            found = copied(arguments)
            run_simulated(kernel, found, *way)
            assert_same(expected, found, name)

    return test


test_programs_agree_exactly = law(exact_programs())
test_sums_agree_exactly = law(sum_programs())
test_products_agree_exactly = law(contraction_programs())


# ---------------------------------------------------------------- products


def integers(shape):
    return np.random.default_rng(len(shape)).integers(-3, 4, shape)


SMALL_CASES = [(name, shapes) for name, shapes in cases() if max(map(math.prod, shapes)) <= 150]
"""Without those that a simulation takes seconds for."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shapes"), SMALL_CASES, ids=str)
def test_every_layout_of_a_product_agrees_with_the_reference(name, shapes):
    form = FORMS[name]
    for number, (dtype, layouts) in enumerate(
        [("float32", ("C",)), ("float64", ("F", "padded")), ("float32", ("reversed", "C"))]
    ):
        given = form.arguments(shapes, dtype, layouts, integers)
        expected = copied(given)
        run_reference(form.kernel, expected)
        for rule in (PRODUCTS, IN_FEW_BLOCKS):
            found = copied(given)
            with any_gpu_plan(number or None):
                special = accelerate(form.kernel.function).specialised(found, maker(SMALL, rule))
            run_special(special, found)
            assert_same(expected, found, f"{special.source}, choice {number}")
            (reason,) = special.reasons.values()
            is_large = rule is IN_FEW_BLOCKS and "bytes of scratch" in str(reason)
            empty = any(0 in shape for shape in shapes)
            assert (
                isinstance(reason, tuple)
                or is_large
                or (empty and reason == "there is nothing to multiply")
            )


@few
@given(wild_programs(), sizes, layouts, seeds, st.sampled_from(ALIASES))
def test_what_is_taken_agrees_and_stays_within_its_arrays(
    directory, program, sizes, layouts, seed, alias
):
    arguments = program.arguments(sizes, layouts, seed)
    assert_sound(lambda: program.load(directory).kernel, arguments, alias, run_simulated)


# ---------------------------------------------------------------- what a GPU does differently


@accelerate
def gathered(x, index, out):
    for i in parallel(out.shape[0]):
        out[i] = x[index[i]]


@accelerate
def divided(x, by, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i] // by[i]


def test_a_subscript_that_misses_raises_on_the_host_and_leaves_the_arrays():
    index, out = np.array([0, 2, 7]), np.zeros(3)
    with pytest.raises(BoundsError, match=r"subscript 0 of x\[index\[i\]\] is 7") as raised:
        run_simulated(gathered, (np.ones(4), index, out))
    assert "x[index[i]]" in str(raised.value)
    assert "\n    out[i] = x[index[i]]\n" in str(raised.value)
    np.testing.assert_array_equal(out, 0)


def test_a_negative_subscript_raises():
    with pytest.raises(BoundsError, match=r"(?s)is -1,.*does not count from the end"):
        run_simulated(gathered, (np.ones(4), np.array([-1]), np.zeros(1)))


def test_a_zero_divisor_raises():
    with pytest.raises(KernelDivisionError, match="the divisor is 0"):
        run_simulated(divided, (np.arange(4), np.array([1, 2, 0, 3]), np.zeros(4, np.int64)))


@accelerate
def centred(x, out):
    for i in parallel(x.shape[0]):
        total = 0.0
        for j in range(x.shape[1]):
            total += x[i, j]
        out[i, 0] = total
        for j in range(x.shape[1]):
            x[i, j] -= out[i, 0] / x.shape[1]


def test_threads_that_share_a_row_see_what_one_of_them_stored():
    x = np.arange(24.0).reshape(3, 8)
    expected, out = x - x.mean(axis=1, keepdims=True), np.zeros((3, 1))
    run_simulated(centred, (x, out))
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(out[:, 0], [28, 92, 156])


@accelerate
def standardised(x, scale, out, largest):
    for i in parallel(x.shape[0]):
        total = scale[0]
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                total += x[i, j, k]
        mean = total / (x.shape[1] * x.shape[2])
        spread = 0.0
        most = x[i, 0, 0]
        for m in range(x.shape[1] * x.shape[2]):
            value = x[i, m // x.shape[2], m % x.shape[2]] - mean
            spread += value * value
            most = max(most, value)
        largest[i] = most
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                out[i, j, k] = x[i, j, k] * spread + mean


@pytest.mark.parametrize("shape", [(2, 7, 8), (1, 64, 1), (3, 4, 16), (4, 1, 30)])
def test_blocks_that_share_sums_agree_with_the_reference(shape):
    """Exactly: integers, and a power of two to divide by where the shape is one."""
    x = np.random.default_rng(0).integers(-3, 4, shape).astype(np.float64) * np.prod(shape[1:])
    given = x, np.zeros(1), np.zeros_like(x), np.zeros(shape[0])
    expected, found = copied(given), copied(given)
    run_reference(standardised, expected)
    special = run_simulated(standardised, found)
    labels = [one.label for one in special.operations]
    assert labels == ["standardised parts", "standardised parts", "standardised"]
    assert_same(expected, found, special.source)


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [((2, 2), (2, 2), 0), ((3, 2), (3, 4), 1), ((1, 3), (2, 3), 1)]
)
def test_windows_that_threads_share_agree_with_the_reference(size, stride, padding):
    random = np.random.default_rng(0)
    images = random.integers(-2, 3, (2, 3, 11, 12)).astype(np.float32)
    padding = min(padding, size[0] // 2), min(padding, size[1] // 2)
    sides = [
        (side + 2 * pad - window) // step + 1
        for side, pad, window, step in zip((11, 12), padding, size, stride, strict=True)
    ]
    output = np.zeros((2, 3, *sides), np.float32)
    max_pool_forward.on("reference")(images, output, *size, *stride, *padding)
    gradient = random.integers(-3, 4, output.shape).astype(np.float32)
    given = images, output, gradient, np.full_like(images, np.nan), *size, *stride, *padding
    expected, found = copied(given), copied(given)
    run_reference(max_pool_backward, expected)
    special = run_simulated(max_pool_backward, found)
    assert [one.program.unit for one in special.operations] == ["row"]
    assert_same(expected, found, special.source)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [
        ((1, 1), (1, 1), (1, 1), 1), ((2, 1), (1, 0), (1, 2), 2), ((2, 3), (2, 1), (2, 1), 1),
        ((1, 2), (0, 2), (3, 1), 1),
    ],
)  # fmt: skip
def test_shifted_sums_are_gathered_element_by_element(stride, padding, dilation, groups):
    random, size, sides = np.random.default_rng(0), (3, 2), (7, 6)
    after = [
        (side + 2 * pad - apart * (window - 1) - 1) // step + 1
        for side, pad, apart, window, step in zip(
            sides, padding, dilation, size, stride, strict=True
        )
    ]
    gradient = random.integers(-3, 4, (2, groups, 3, *after)).astype(np.float32)
    weight = random.integers(-3, 4, (groups, 3, 2, *size)).astype(np.float32)
    images = np.full((2, groups, 2, *sides), np.nan, np.float32)
    given = gradient, weight, images, *stride, *padding, *dilation
    (plan,) = conv2d_grad_input.specialised(given, maker(SMALL, PRODUCTS)).reasons[0]
    for most_bytes in (plan.scratch_bytes, plan.scratch_bytes - 1):
        rule = dataclasses.replace(PRODUCTS, scratch_bytes=most_bytes)
        expected, found = copied(given), copied(given)
        run_reference(conv2d_grad_input, expected)
        special = run_simulated(conv2d_grad_input, found, rule=rule)
        rest = special.operations[-1]
        assert rest.label == "conv2d_grad_input rest"
        assert rest.program.unit == "iterations"
        assert "gathered" in special.source
        assert_same(expected, found, special.source)


@pytest.mark.parametrize("shape", [(1, 6, 4), (3, 8, 1), (2, 49, 3)])
def test_parts_of_a_sum_are_added_up_by_a_block(shape):
    @accelerate
    def weighed(x, y, out, count):
        for i, j in parallel(out.shape[0], out.shape[1]):
            for k in range(x.shape[0]):
                out[i, j] += x[k, i] * y[k, j]
            count[i, j] = out[i, j] + 1

    rows, terms, columns = shape
    random = np.random.default_rng(0)
    x, y = (random.integers(-3, 4, (terms, n)).astype(np.float32) for n in (rows, columns))
    given = x, y, np.ones((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    expected, found = copied(given), copied(given)
    run_reference(weighed, expected)
    special = run_simulated(weighed, found, rule=DIVIDED)
    product, rest = special.operations[-2:]
    assert product.gemm.batch > 1
    assert product.gemm.batch * product.gemm.k == terms
    assert rest.program.unit == "row"
    assert_same(expected, found, special.source)


@accelerate
def running_sums(x, out):
    for i in parallel(x.shape[0]):
        total = 0.0
        for j in range(x.shape[1]):
            total += x[i, j]
            out[i, j] = total


def test_a_loop_that_carries_more_than_a_sum_stays_in_one_thread():
    x = np.arange(24.0).reshape(3, 8)
    out = np.zeros_like(x)
    run_simulated(running_sums, (x, out))
    np.testing.assert_array_equal(out, np.cumsum(x, axis=1))


@accelerate
def counted(index, value, out):
    for i, j in parallel(value.shape[0], value.shape[1]):
        out[index[i], j] += value[i, j]


def test_additions_to_common_elements_keep_their_order():
    rng = np.random.default_rng(0)
    index, value = rng.integers(0, 3, 9), rng.normal(size=(9, 5)).astype(np.float32)
    expected, found = np.zeros((2, 3, 5), np.float32)
    counted.on("reference")(index, value, expected)
    run_simulated(counted, (index, value, found))
    np.testing.assert_array_equal(found, expected)


def test_elements_between_those_of_a_view_are_left_alone():
    whole = np.arange(12.0)
    run_simulated(gathered, (np.full(4, -1.0), np.zeros(4, np.int64), whole[::3]))
    np.testing.assert_array_equal(whole[::3], -1)
    np.testing.assert_array_equal(whole.reshape(4, 3)[:, 1:], np.arange(12).reshape(4, 3)[:, 1:])


def test_empty_arrays_are_taken_and_change_nothing():
    x, index, out = np.arange(3.0), np.zeros(0, np.int64), np.full(2, -1.0)
    run_simulated(gathered, (x, index, out[:0]))
    run_simulated(gathered, (x[:0], index, out[:0]))
    np.testing.assert_array_equal(x, [0, 1, 2])
    np.testing.assert_array_equal(out, -1)

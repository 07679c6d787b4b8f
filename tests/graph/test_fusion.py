"""Neighbouring tasks run as one where their loops agree, and give what they give one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netts import TaskGraph, accelerate, parallel
from netts.errors import BoundsError
from netts.graph.fusion import fused
from netts.layers.conv import conv2d_forward
from netts.layers.dense import dense_forward
from netts.layers.pooling import max_pool_backward, max_pool_forward
from netts.layers.rectifiers import relu_backward, relu_forward
from netts.layers.sigmoids import sigmoid_backward
from netts.losses.cross_entropy import cross_entropy_backward, cross_entropy_forward

FACTOR = 3


@accelerate
def scaled(x, out, factor):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = factor * x[i, j]


@accelerate
def summed(x, y, out):
    for i, j in parallel(x.shape[0], x.shape[1]):
        out[i, j] = x[i, j] + y[i, j]


@accelerate
def shifted(x, out):
    """Reads another element than it writes."""
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = x[i, (j + 1) % x.shape[1]] + 1


@accelerate
def grown(out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] += 1


@accelerate
def by_global(x, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = x[i, j] * FACTOR
        out[i, j] = total


@accelerate
def some(x, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        if x[i, j] < 0:
            continue
        out[i, j] = x[i, j]


@accelerate
def positive(x, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        if x[i, j] > 0:
            out[i, j] = x[i, j]


@accelerate
def transposed(x, out):
    for j, i in parallel(out.shape[1], out.shape[0]):
        out[i, j] = 2 * x[i, j]


@accelerate
def row_sums(x, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(x.shape[1]):
            total += x[i, k]
        out[i, j] = total


@accelerate
def picked(x, index, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = x[index[i], j]


@accelerate
def cubes(x, out):
    for i, j, k in parallel(out.shape[0], out.shape[1], out.shape[2]):
        out[i, j, k] = x[i, j, k] - k


def names(graph: TaskGraph, recording: str = "main") -> list[str]:
    """Return the kernels that are run for a recording."""
    return [task.kernel.routine.name for task in fused(graph.recordings[recording])]


def run_both(record, *arrays):
    """Record calls, run them compiled and interpreted, and compare what they leave in arrays."""
    graph = TaskGraph()
    with graph.recording():
        record(graph)
    before = [one.copy() for one in arrays]
    results = []
    for device in ("reference", "cpu"):
        for one, old in zip(arrays, before, strict=True):
            one[...] = old
        graph.compile(device=device).run(2)
        results.append([one.copy() for one in arrays])
    for expected, found in zip(*results, strict=True):
        np.testing.assert_array_equal(found, expected)
    return graph


x = np.arange(12.0, dtype=np.float32).reshape(3, 4) - 5


def test_a_chain_of_elements_is_one_task_that_writes_only_what_is_read():
    out = np.zeros((3, 4), np.float32)

    def record(graph):
        first, second = (graph.transient((3, 4), np.float32) for _ in range(2))
        scaled(x, first, 2)
        summed(first, x, second)
        relu_forward(second, out)

    graph = run_both(record, out)
    assert names(graph) == ["scaled + summed + relu_forward"]
    (task,) = fused(graph.recordings["main"])
    assert task.kernel.writes == {"output"}
    assert task.kernel.reads == {"x"}


def test_what_somebody_else_reads_is_written():
    between, out, again = (np.zeros((3, 4), np.float32) for _ in range(3))

    def record(graph):
        hidden = graph.transient((3, 4), np.float32)
        scaled(x, between, 2)  # the caller's own array
        scaled(between, hidden, 3)
        shifted(hidden, out)
        scaled(hidden, again, 5)

    graph = run_both(record, between, out, again)
    assert names(graph) == ["scaled + scaled", "shifted", "scaled"]


def test_the_same_array_twice_is_written_once():
    out = np.zeros((3, 4), np.float32)

    def record(_):
        scaled(x, out, 2)
        relu_forward(out, out)
        scaled(out, out, 3)

    graph = run_both(record, out)
    assert names(graph) == ["scaled + relu_forward + scaled"]
    (task,) = fused(graph.recordings["main"])
    assert "out" not in task.kernel.reads


def test_what_is_written_may_be_added_to():
    out = np.zeros((3, 4), np.float32)

    def record(_):
        scaled(x, out, 2)
        grown(out)

    assert names(run_both(record, out)) == ["scaled + grown"]


def test_indices_may_have_other_names_in_another_order():
    out, last = (np.zeros((3, 4), np.float32) for _ in range(2))

    def record(_):
        transposed(x, out)
        scaled(out, last, 2)

    assert names(run_both(record, out, last)) == ["transposed + scaled"]


def test_rows_of_features_run_inside_of_images():
    images = np.arange(2 * 1 * 1 * 4 * 5.0, dtype=np.float32).reshape(2, 1, 1, 4, 5) - 20
    weight = np.arange(2 * 9.0, dtype=np.float32).reshape(1, 2, 1, 3, 3) - 9
    bias, out = np.ones((1, 2), np.float32), np.zeros((2, 40), np.float32)

    def record(graph):
        hidden = graph.transient((2, 1, 2, 4, 5), np.float32)
        conv2d_forward(images, weight, bias, hidden, 1, 1, 1, 1, 1, 1)
        relu_forward(hidden.reshape(2, 40), out)

    graph = run_both(record, out)
    assert names(graph) == ["conv2d_forward + relu_forward"]
    assert (out == 0).any()
    assert (out > 0).any()


def test_a_batch_of_one_and_a_single_feature():
    ones, out = np.ones((1, 1, 1), np.float32), np.zeros((1, 1), np.float32)

    def record(graph):
        hidden = graph.transient((1, 1, 1), np.float32)
        cubes(ones, hidden)
        scaled(hidden.reshape(1, 1), out, 4)

    assert names(run_both(record, out)) == ["cubes + scaled"]


def test_a_product_takes_its_activation_along():
    rng = np.random.default_rng(0)
    x, weight = (rng.integers(-3, 4, shape).astype(np.float32) for shape in ((64, 32), (32, 48)))
    bias, out = np.ones(48, np.float32), np.zeros((64, 48), np.float32)

    def record(graph):
        hidden = graph.transient((64, 48), np.float32)
        dense_forward(x, weight, bias, hidden)
        relu_forward(hidden, out)

    graph = run_both(record, out)
    assert "dense_forward + relu_forward: BLAS" in graph.compile(device="cpu").explain()


def test_the_value_of_a_global_is_that_when_the_graph_is_compiled(monkeypatch):
    out, last = (np.zeros((3, 4), np.float32) for _ in range(2))

    def record(_):
        by_global(x, out)
        by_global(out, last)

    assert names(run_both(record, out, last)) == ["by_global + by_global"]
    monkeypatch.setitem(globals(), "FACTOR", 4)
    run_both(record, out, last)
    np.testing.assert_array_equal(last, 16 * x)


def test_an_error_names_the_function_that_it_is_from():
    out, last = (np.zeros((3, 4), np.float32) for _ in range(2))
    index = np.array([0, 2, 3])
    graph = TaskGraph()
    with graph.recording():
        scaled(x, out, 2)
        picked(x, index, out)
        scaled(out, last, 2)
    assert names(graph) == ["scaled", "picked + scaled"]
    with pytest.raises(BoundsError, match=r"is 3, which is outside .*kernel 'picked'") as error:
        graph.compile(device="cpu").run()
    assert "out[i, j] = x[index[i], j]" in str(error.value)


@pytest.mark.parametrize("transposed_view", [False, True])
def test_views_that_overlap_in_part_stay_two(transposed_view):
    square = np.zeros((4, 4), np.float32)

    def record(_):
        scaled(np.ones((4, 4), np.float32), square, 2)
        if transposed_view:
            scaled(square.T, out, 3)
        else:
            scaled(square[1:], out[1:], 3)

    out = np.zeros((4, 4), np.float32)
    assert len(names(run_both(record, out))) == 2


def pooled(size, stride, padding):
    """Return images, maxima and their gradient: whole numbers, some of them equal."""
    random = np.random.default_rng(0)
    images = random.integers(-2, 3, (2, 3, 7, 6)).astype(np.float32)
    sides = [(side + 2 * padding - size) // stride + 1 for side in (7, 6)]
    output = np.zeros((2, 3, *sides), np.float32)
    geometry = (size, size, stride, stride, padding, padding)
    max_pool_forward.on("reference")(images, output, *geometry)
    return images, output, random.integers(-3, 4, output.shape).astype(np.float32), geometry


@pytest.mark.parametrize(("size", "stride", "padding"), [(2, 2, 0), (2, 3, 1), (3, 3, 1)])
@pytest.mark.parametrize("backward", [relu_backward, sigmoid_backward])
def test_an_activation_is_spliced_in_where_pooling_stores(size, stride, padding, backward):
    images, output, gradient, geometry = pooled(size, stride, padding)
    out = np.full((2, 126), np.nan, np.float32)

    def record(graph):
        hidden = graph.transient((2, 3, 7, 6), np.float32)
        max_pool_backward(images, output, gradient, hidden, *geometry)
        backward(images.reshape(2, 126), hidden.reshape(2, 126), out)

    graph = run_both(record, out)
    assert names(graph) == [f"max_pool_backward + {backward.routine.name}"]
    (task,) = fused(graph.recordings["main"])
    assert len(task.kernel.writes) == 1
    assert (out != 0).any()


def test_what_pooling_stores_is_kept_where_somebody_reads_it():
    images, output, gradient, geometry = pooled(2, 2, 0)
    out, hidden = np.full((2, 126), np.nan, np.float32), np.zeros((2, 3, 7, 6), np.float32)

    def record(_):
        max_pool_backward(images, output, gradient, hidden, *geometry)
        relu_backward(images.reshape(2, 126), hidden.reshape(2, 126), out)

    assert len(names(run_both(record, out, hidden))) == 1


def test_an_activation_in_place_is_spliced_in():
    images, output, gradient, geometry = pooled(2, 2, 0)
    out = np.zeros((2, 3, 7, 6), np.float32)

    def record(_):
        max_pool_backward(images, output, gradient, out, *geometry)
        scaled(out.reshape(2, 126), out.reshape(2, 126), 3)

    assert names(run_both(record, out)) == ["max_pool_backward + scaled"]


def test_windows_that_overlap_add_up_before_what_follows():
    images, output, gradient, geometry = pooled(3, 2, 1)
    out = np.zeros((2, 126), np.float32)

    def record(graph):
        hidden = graph.transient((2, 3, 7, 6), np.float32)
        max_pool_backward(images, output, gradient, hidden, *geometry)
        relu_backward(images.reshape(2, 126), hidden.reshape(2, 126), out)

    assert names(run_both(record, out)) == ["max_pool_backward", "relu_backward"]


def test_what_is_not_element_wise_is_not_spliced_in():
    images, output, gradient, geometry = pooled(2, 2, 0)
    hidden, square = np.zeros((2, 3, 7, 6), np.float32), np.zeros((2, 3, 7, 6), np.float32)
    flat, other = hidden.reshape(2, 126), square.reshape(2, 126)

    def pool():
        max_pool_backward(images, output, gradient, hidden, *geometry)

    stays_two(pool, lambda: shifted(flat, other))  # another element
    stays_two(pool, lambda: grown(flat))  # adds to what is there, several times
    stays_two(pool, lambda: some(flat, other))  # leaves iterations early
    stays_two(pool, lambda: positive(flat, other))  # leaves elements as they were
    stays_two(pool, lambda: summed(flat, other, other))  # would read what it has written
    stays_two(pool, lambda: summed(flat, flat, images.reshape(2, 126)))  # what pooling reads


def stays_two(first, second):
    graph = TaskGraph()
    with graph.recording():
        first()
        second()
    assert len(names(graph)) == 2


def test_what_stays_two():
    a, b, c = (np.zeros((3, 4), np.float32) for _ in range(3))
    wide = np.zeros((3, 4))
    stays_two(lambda: scaled(x, a, 2), lambda: scaled(x, b, 2))  # nothing in common
    stays_two(lambda: scaled(x, a, 2), lambda: shifted(a, b))  # another element
    stays_two(lambda: some(x, a), lambda: scaled(a, b, 2))  # some elements only
    stays_two(lambda: scaled(x, a, 2), lambda: row_sums(a, b))  # whole rows
    stays_two(lambda: scaled(x, a, 2), lambda: scaled(a[:2], b[:2], 2))  # fewer rows
    stays_two(lambda: scaled(x, a, 2), lambda: summed(a, a[::-1], c))  # rows of others
    stays_two(lambda: grown(a), lambda: scaled(a, b, 2))  # which adds to what is there
    stays_two(lambda: scaled(x[:0], a[:0], 2), lambda: scaled(a[:0], b[:0], 2))  # no element
    stays_two(lambda: picked(x, np.array([0, 1, 2]), a), lambda: scaled(wide, wide, 2))


def test_a_loss_and_its_gradient_stay_two():
    """One nest of both took longer: 9.3 us instead of 7.3 for 128 rows of 10 classes."""
    logits, targets = np.zeros((5, 3), np.float32), np.zeros((5, 1), np.int64)
    losses, weights = np.zeros(5, np.float32), np.ones(5, np.float32)
    stays_two(
        lambda: cross_entropy_forward(logits, targets, losses),
        lambda: cross_entropy_backward(
            logits, targets, losses, weights, np.ones(1, np.float32), np.zeros_like(logits)
        ),
    )


@accelerate
def made_positive(x, out):
    """May write what it reads again."""
    for i, j in parallel(out.shape[0], out.shape[1]):
        if x[i, j] < 0:
            x[i, j] = -x[i, j]
        out[i, j] = x[i, j]


@pytest.mark.parametrize("kernel", [some, made_positive])
def test_what_a_second_task_may_leave_unwritten_is_written_by_the_first(kernel):
    data = np.arange(-6.0, 6.0).reshape(3, 4)
    results = np.zeros((3, 4)), np.zeros((3, 4))

    def record(graph):
        gone, x, out = (graph.transient((3, 4), np.float64, one) for one in ("gone", "x", "out"))
        scaled(data, gone, 0)  # what lies in the memory of x before
        scaled(data, x, 2)
        kernel(x, x if kernel is some else out)
        scaled(x, results[0], 1)
        if kernel is not some:
            scaled(out, results[1], 1)

    run_both(record, *results)


# ------------------------------------------------------------ any list of tasks

SHAPES = ((3, 4), (3, 2, 2), (1, 4), (4, 3))
N_BUFFERS = 5
KERNELS = (scaled, summed, shifted, some, made_positive, transposed, by_global, grown)


@st.composite
def calls(draw):
    """Return calls of element-wise kernels on a few buffers, which are read once written."""
    found, written = [], []
    for _ in range(draw(st.integers(2, 8))):
        kernel = draw(st.sampled_from(KERNELS))
        pick = st.sampled_from([-1, *written])
        out = draw(st.integers(0, N_BUFFERS - 1))
        if kernel in (some, grown) and out not in written:
            kernel = scaled
        one = draw(pick)
        if kernel is made_positive and one == -1:
            kernel = scaled  # the data stay what they are
        found.append((kernel, one, draw(pick), out, draw(st.integers(-2, 3))))
        written.append(out)
    return found, draw(st.sets(st.sampled_from(written), min_size=1))


@given(calls(), st.integers(0, 2**16))
@settings(max_examples=80)
def test_any_list_of_tasks_gives_what_it_gives_one_by_one(case, seed):
    found, observed = case
    data = np.random.default_rng(seed).integers(-4, 5, (3, 4)).astype(np.float64)
    results = {number: np.zeros((3, 4)) for number in observed}

    def record(graph):
        buffers = {n: graph.transient((3, 4), np.float64, str(n)) for n in range(N_BUFFERS)}
        buffers[-1] = data
        for kernel, one, other, out, factor in found:
            if kernel is shifted and buffers[one] is buffers[out]:
                continue  # refused: it reads what other iterations write
            if kernel is summed:
                summed(buffers[one], buffers[other], buffers[out])
            elif kernel is grown:
                grown(buffers[out])
            elif kernel is scaled:
                scaled(buffers[one], buffers[out], factor)
            else:
                kernel(buffers[one], buffers[out])
        for number, result in results.items():
            scaled(buffers[number], result, 1)

    run_both(record, *results.values())

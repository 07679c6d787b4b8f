"""Hazards: which tasks must keep their order, and that no other order matters."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netts import TaskGraph, accelerate, parallel
from netts.devices.memory import Arena
from netts.graph import Hazard, hazards

RAW, WAR, WAW = "read after write", "write after read", "write after write"


@accelerate
def copied(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i]


@accelerate
def copied_block(x, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = x[i, j]


@accelerate
def filled(out, value):
    for i in parallel(out.shape[0]):
        out[i] = value


@accelerate
def incremented(out):
    for i in parallel(out.shape[0]):
        out[i] += 1


@accelerate
def summed(x, out):
    total = 0.0
    for i in parallel(x.shape[0]):
        total += x[i]
    out[0] = total


@accelerate
def mixed(x, y, out):
    for i in parallel(out.shape[0]):
        out[i] = 2 * x[i] - y[i] + 1


def found(*calls):
    """Return the hazards of calls, each a kernel and its arguments."""
    graph = TaskGraph()
    with graph.recording():
        for kernel, *arguments in calls:
            kernel(*arguments)
    return hazards(graph.recordings["main"])


def kinds(*calls):
    """Return the kinds of hazards between two calls."""
    edges = found(*calls)
    assert all((one.first, one.second) == (0, 1) for one in edges)
    return {kind for one in edges for kind in one.kinds}


def vector(n=8):
    return np.zeros(n)


# ------------------------------------------------------------ the three kinds


def test_a_result_is_read_after_it_is_written():
    x, middle, out = vector(), vector(), vector()
    assert found((copied, x, middle), (copied, middle, out)) == (Hazard(0, 1, (RAW,)),)


def test_what_is_read_may_be_written_after():
    x, y, out = vector(), vector(), vector()
    assert found((copied, x, out), (copied, y, x)) == (Hazard(0, 1, (WAR,)),)


def test_the_last_of_two_writes_stands():
    x, y, out = vector(), vector(), vector()
    assert found((copied, x, out), (copied, y, out)) == (Hazard(0, 1, (WAW,)),)


def test_an_update_is_a_read_and_a_write():
    out = vector()
    assert found((incremented, out), (incremented, out)) == (Hazard(0, 1, (RAW, WAR, WAW)),)
    assert found((filled, out, 1.0), (incremented, out)) == (Hazard(0, 1, (RAW, WAW)),)
    assert found((incremented, out), (filled, out, 1.0)) == (Hazard(0, 1, (WAR, WAW)),)


def test_reading_the_same_needs_no_order():
    x = vector()
    assert found((copied, x, vector()), (copied, x, vector()), (copied, x, vector())) == ()


def test_a_chain_has_an_edge_for_every_pair_that_meets():
    a, b, c = vector(), vector(), vector()
    edges = found((copied, a, b), (copied, b, c), (copied, c, a))
    assert edges == (Hazard(0, 1, (RAW,)), Hazard(0, 2, (WAR,)), Hazard(1, 2, (RAW,)))


# ------------------------------------------------------------ byte ranges


def test_ranges_that_overlap_in_part_meet():
    x = vector(8)
    assert kinds((filled, x[:5], 1.0), (copied, x[4:], vector(4))) == {RAW}


def test_ranges_that_only_touch_do_not_meet():
    x = vector(8)
    assert kinds((filled, x[:4], 1.0), (filled, x[4:], 2.0)) == set()


def test_another_shape_or_dtype_of_the_same_bytes_meets():
    x = vector(8)
    assert kinds((filled, x, 1.0), (copied_block, x.reshape(2, 4), np.zeros((2, 4)))) == {RAW}
    assert kinds((filled, x, 1.0), (copied, x.view(np.int32)[6:8], np.zeros(2, np.int32))) == {RAW}
    assert kinds((filled, x[:3], 1), (copied, x.view(np.int32)[6:8], np.zeros(2, np.int32))) == (
        set()
    )


def test_rows_of_a_matrix_are_apart():
    x = np.zeros((4, 3))
    assert kinds((filled, x[1], 1.0), (filled, x[2], 2.0)) == set()
    assert kinds((filled, x[1], 1.0), (copied_block, x[1:3], np.zeros((2, 3)))) == {RAW}


def test_views_whose_ranges_interleave_keep_their_order():
    """The bytes from first to last count, gaps included: an edge too many, never one too few."""
    x, matrix = vector(8), np.zeros((4, 6))
    assert kinds((filled, x[::2], 1.0), (filled, x[1::2], 2.0)) == {WAW}
    assert kinds((filled, matrix[:, 0], 1.0), (filled, matrix[:, 5], 2.0)) == {WAW}


def test_a_view_that_runs_backwards_reaches_down():
    x = vector(8)
    assert kinds((filled, x[::-1][:3], 1.0), (filled, x[:5], 2.0)) == set()
    assert kinds((filled, x[::-1][:3], 1.0), (filled, x[5:6], 2.0)) == {WAW}
    assert kinds((filled, x[5:2:-1], 1.0), (filled, x[2:3], 2.0)) == set()
    assert kinds((filled, x[5:2:-1], 1.0), (filled, x[3:4], 2.0)) == {WAW}


def test_empty_arrays_meet_nothing():
    x = vector(8)
    assert kinds((filled, x, 1.0), (filled, x[4:4], 2.0)) == set()
    assert kinds((filled, x[4:4], 1.0), (filled, x[4:4], 2.0)) == set()


def test_pieces_of_an_arena_are_apart_and_its_vector_meets_them_all():
    arena = Arena("parameters")
    weight, bias = arena.reserve((2, 4), float), arena.reserve((4,), float)
    flat = arena.flat(float)
    calls = (
        (copied_block, np.zeros((2, 4)), weight),
        (filled, bias, 1.0),
        (incremented, flat),
        (copied, flat[:8], vector()),
    )
    expected = (
        Hazard(0, 2, (RAW, WAW)),
        Hazard(1, 2, (RAW, WAW)),
        Hazard(0, 3, (RAW,)),
        Hazard(2, 3, (RAW,)),
    )
    assert found(*calls) == expected
    arena.allocate()  # places on the host now, and the same edges
    assert found(*calls) == expected


def test_transients_are_apart_until_they_share_memory():
    graph, x, out = TaskGraph(), vector(), vector()
    first, second, third = (graph.transient((8,), float, name) for name in "abc")
    with graph.recording():
        copied(x, first)
        copied(first, second)
        copied(second, third)
        copied(third, out)
    tasks = graph.recordings["main"]
    assert {(one.first, one.second) for one in hazards(tasks)} == {(0, 1), (1, 2), (2, 3)}
    graph.compile()
    assert third.address == first.address
    assert Hazard(0, 2, (WAW,)) in hazards(tasks)
    assert Hazard(1, 2, (RAW, WAR)) in hazards(tasks)


# ------------------------------------------------------------ the law

LENGTH = 24


@st.composite
def views(draw):
    """A view of a vector, as (start, elements, step)."""
    stride = draw(st.sampled_from([1, 1, 1, 2, 3, -1, -2]))
    count = draw(st.integers(0, 5))
    reach = abs(stride) * max(count - 1, 0)
    start = draw(st.integers(0, LENGTH - 1 - reach))
    return (start if stride > 0 else start + reach), count, stride


def view(x, start, count, step):
    return x[start::step][:count]


def bytes_between(array):
    """Return the bytes from the first to the last, by what NumPy says."""
    low, high = np.lib.array_utils.byte_bounds(array)
    return set(range(low, high)) if array.size else set()


KINDS = {(True, False): RAW, (False, True): WAR, (True, True): WAW}


@given(first=views(), second=views(), writes=st.tuples(st.booleans(), st.booleans()))
def test_there_is_an_edge_where_and_only_where_bytes_meet(first, second, writes):
    x = np.zeros(LENGTH)
    arrays = view(x, *first), view(x, *second)
    calls = [
        (filled, array, 1.0) if is_written else (copied, array, np.zeros(len(array)))
        for array, is_written in zip(arrays, writes, strict=True)
    ]
    meets = bytes_between(arrays[0]) & bytes_between(arrays[1])
    assert kinds(*calls) == ({KINDS[writes]} if meets and any(writes) else set())


@st.composite
def task_lists(draw):
    """Calls over slices of one vector, as (name, offsets of equal slices, value)."""
    calls = []
    for _ in range(draw(st.integers(2, 7))):
        count = draw(st.integers(1, 6))
        # Slices of one call are the same or apart: what overlaps in part is refused.
        places = draw(st.lists(st.integers(0, LENGTH // 6 - 1), min_size=3, max_size=3))
        shift = draw(st.integers(0, 6 - count))
        starts = [6 * place + shift for place in places]
        name = draw(st.sampled_from(["filled", "incremented", "copied", "mixed"]))
        calls.append((name, count, starts, draw(st.integers(-3, 3))))
    return calls


def run_call(x, call):
    name, count, starts, value = call
    one, other, out = (x[start : start + count] for start in starts)
    if name == "filled":
        filled(out, float(value))
    elif name == "incremented":
        incremented(out)
    elif name == "copied":
        copied(one, out)
    else:
        mixed(one, other, out)


def order_allowed(edges, n, seed):
    """Return the positions in a random order that keeps every edge."""
    rng, order = random.Random(seed), []
    while len(order) < n:
        before = {one.second for one in edges if one.first not in order and one.second not in order}
        free = [i for i in range(n) if i not in order and i not in before]
        order.append(rng.choice(free))
    return order


@given(calls=task_lists(), seed=st.integers(0, 2**32))
def test_every_order_that_keeps_the_edges_gives_the_same_result(calls, seed):
    start = np.arange(LENGTH, dtype=float)
    graph, recorded = TaskGraph(), start.copy()
    with graph.recording():
        for call in calls:
            run_call(recorded, call)
    edges = hazards(graph.recordings["main"])
    assert all(one.first < one.second and one.kinds for one in edges)
    expected, shuffled = start.copy(), start.copy()
    for call in calls:
        run_call(expected, call)
    for position in order_allowed(edges, len(calls), seed):
        run_call(shuffled, calls[position])
    np.testing.assert_array_equal(shuffled, expected)
    graph.compile(device="cpu").run()
    np.testing.assert_array_equal(recorded, expected)


@pytest.mark.parametrize("n", [0, 1])
def test_no_task_or_one_has_no_edges(n):
    assert found(*[(summed, vector(), vector(1))] * n) == ()

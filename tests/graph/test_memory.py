"""The memory plan: transients alive together lie apart, the others share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netts import TaskGraph, accelerate, exp, parallel
from netts.devices.memory import (
    ALIGNMENT_BYTES,
    PIECE_ALIGNMENT_BYTES,
    Arena,
    Buffer,
    Lifetime,
    align,
)
from netts.errors import GraphError
from netts.graph.memory import Lifespan, lifespans, pack


@accelerate
def copied(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i]


@accelerate
def incremented(out):
    for i in parallel(out.shape[0]):
        out[i] += 1


@accelerate
def filled(out, value):
    for i in parallel(out.shape[0]):
        out[i] = value


@accelerate
def mixed(x, y, out, seed):
    """Whole numbers, whatever the lengths."""
    for i in parallel(out.shape[0]):
        total = seed
        if i < x.shape[0]:
            total += 2 * x[i]
        if i < y.shape[0]:
            total -= y[i]
        out[i] = total % 1_000_003


@accelerate
def softmax(x, out):
    """Keeps the exponentials in its result and reads them back."""
    for i in parallel(x.shape[0]):
        total = 0.0
        for j in range(x.shape[1]):
            out[i, j] = exp(x[i, j])
            total += out[i, j]
        for j in range(x.shape[1]):
            out[i, j] /= total


def transients(graph, *names, n=16):
    return [graph.transient((n,), float, name) for name in names]


def places(*views):
    """Return the byte ranges of views, first to last."""
    return [(view.address, view.address + view.nbytes) for view in views]


def overlap(one, other):
    return max(one[0], other[0]) < min(one[1], other[1])


# ------------------------------------------------------------ sharing


def test_a_transient_has_no_memory_before_the_graph_is_compiled():
    graph = TaskGraph()
    (view,) = transients(graph, "activation")
    with graph.recording():
        filled(view, 1.0)
    with pytest.raises(GraphError, match="buffer 'activation' has no memory yet"):
        _ = view.array
    graph.compile().run()
    assert view.array.tolist() == [1.0] * 16


def test_transients_that_are_never_alive_together_share_memory():
    graph, x, out = TaskGraph(), np.arange(16.0), np.zeros(16)
    a, b, c, d = transients(graph, "a", "b", "c", "d")
    with graph.recording():
        for source, target in ((x, a), (a, b), (b, c), (c, d), (d, out)):
            copied(source, target)
    plan = graph.compile()
    assert (a.address, b.address) == (c.address, d.address)
    assert not overlap(*places(a, b))
    assert "transients: 4 in 256 bytes (512 side by side)" in plan.explain()
    plan.run()
    assert out.tolist() == x.tolist()


def test_an_input_that_a_task_reads_last_does_not_share_with_its_output():
    graph, x, out = TaskGraph(), np.arange(16.0), np.zeros(16)
    a, b = transients(graph, "a", "b")
    with graph.recording():
        copied(x, a)
        copied(a, b)
        copied(b, out)
    graph.compile()
    assert not overlap(*places(a, b))


def test_a_transient_lives_from_its_first_write_to_its_last_use():
    graph, out = TaskGraph(), np.zeros(16)
    a, b, c = transients(graph, "a", "b", "c")
    with graph.recording("forward"):
        filled(a, 1.0)
        filled(b, 2.0)
        copied(b, out)
        copied(a, out)
    with graph.recording("backward"):
        filled(c, 3.0)
        filled(b, 4.0)
        copied(c, out)
    alive = lifespans(graph.recordings)
    assert alive[a.buffer] == [Lifespan("forward", 0, 3)]
    assert alive[b.buffer] == [Lifespan("forward", 1, 2), Lifespan("backward", 1, 1)]
    assert alive[c.buffer] == [Lifespan("backward", 0, 2)]
    graph.compile()
    assert not overlap(*places(a, b))
    assert c.address == a.address  # another recording's


def test_views_of_one_transient_keep_all_of_it_alive():
    graph, out = TaskGraph(), np.zeros(16)
    a, b = transients(graph, "a", "b")
    with graph.recording():
        filled(a[:8], 1.0)
        filled(a[8:], 2.0)
        filled(b, 3.0)
        copied(a.reshape(16), out)
    graph.compile().run()
    assert out.tolist() == [1.0] * 8 + [2.0] * 8


def test_every_transient_starts_at_a_cache_line():
    graph = TaskGraph()
    views = [graph.transient((n,), np.uint8, str(n)) for n in (1, 63, 64, 65, 0, 3)]
    with graph.recording():
        for view in (*views, *views):
            filled(view, 7)
    graph.compile().run()
    ranges = places(*views)
    assert all(start % PIECE_ALIGNMENT_BYTES == 0 for start, _ in ranges)
    assert min(start for start, _ in ranges) % ALIGNMENT_BYTES == 0
    assert not any(overlap(a, b) for n, a in enumerate(ranges) for b in ranges[:n])
    assert all(view.array.tolist() == [7] * len(view) for view in views)


def test_arenas_and_the_callers_arrays_keep_their_memory():
    graph, arena, array = TaskGraph(), Arena("state"), np.zeros(4)
    piece = arena.reserve((4,), float)
    arena.allocate()
    before = places(piece)
    with graph.recording():
        incremented(piece)
        incremented(array)
    plan = graph.compile()
    plan.run(3)
    assert places(piece) == before
    assert piece.array.tolist() == array.tolist() == [3.0] * 4
    assert "transients: 0 in 0 bytes" in plan.explain()


def test_an_arena_of_transients_gets_its_memory_with_them_and_as_one():
    graph, arena, out = TaskGraph(), Arena("gradients", Lifetime.TRANSIENT), np.zeros(16)
    first, second = arena.reserve((16,), float), arena.reserve((16,), float)
    (other,) = transients(graph, "other")
    with graph.recording():
        filled(arena.flat(float), 1.0)
        filled(other, 5.0)
        incremented(second)
        copied(second, out)
    graph.compile().run()
    assert out.tolist() == [2.0] * 16
    assert second.address == first.address + 16 * 8
    assert not overlap(*places(arena.flat(float), other))


# ------------------------------------------------------------ read before write


def test_reading_a_transient_before_writing_it_is_refused_by_name():
    graph, out = TaskGraph(), np.zeros(16)
    (view,) = transients(graph, "activation")
    with graph.recording("fine"):
        filled(view, 1.0)
    with graph.recording("step"):
        filled(out, 1.0)
        copied(view, out)
    with pytest.raises(GraphError) as caught:
        graph.compile()
    assert str(caught.value) == (
        "task 1 (copied) of recording 'step' reads the transient 'activation' before anything "
        "wrote it; a transient holds nothing from one run to the next, so write it first or keep "
        "it in an Arena"
    )
    assert not view.buffer.is_attached


def test_updating_a_transient_before_writing_it_is_refused():
    graph = TaskGraph()
    with graph.recording():
        incremented(graph.transient((4,), float))
    with pytest.raises(GraphError, match=r"task 0 \(incremented\) .* reads the transient 'buffer'"):
        graph.compile()


def test_a_kernel_may_read_back_what_it_wrote_itself():
    graph = TaskGraph()
    x, out = np.log(np.array([[1.0, 3.0], [2.0, 2.0]])), np.zeros((2, 2))
    probabilities = graph.transient((2, 2), float, "probabilities")
    with graph.recording():
        softmax(x, probabilities)
        copied(probabilities.reshape(4), out.reshape(4))
    graph.compile().run()
    np.testing.assert_allclose(out, [[0.25, 0.75], [0.5, 0.5]])


# ------------------------------------------------------------ packing


def lifespan(recording, one, other):
    return Lifespan(recording, min(one, other), max(one, other))


SPANS = st.builds(lifespan, st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 9))
BUFFERS = st.builds(Buffer, st.just("some"), st.integers(0, 2000), st.just(Lifetime.TRANSIENT))
ALIVE = st.dictionaries(BUFFERS, st.lists(SPANS, min_size=1, max_size=2), max_size=8)


@given(ALIVE)
def test_buffers_alive_together_lie_apart_and_take_no_more_than_side_by_side(alive):
    plan = pack(alive)
    assert set(plan.offsets) == set(alive)
    assert plan.nbytes <= plan.unshared_bytes
    assert plan.unshared_bytes == sum(align(one.nbytes, PIECE_ALIGNMENT_BYTES) for one in alive)
    ranges = {one: (start, start + one.nbytes) for one, start in plan.offsets.items()}
    assert all(start % PIECE_ALIGNMENT_BYTES == 0 for start, _ in ranges.values())
    assert all(start >= 0 and stop <= plan.nbytes for start, stop in ranges.values())
    for one, spans_of_one in alive.items():
        for other, spans_of_other in alive.items():
            if one is other or not overlap(ranges[one], ranges[other]):
                continue
            for a in spans_of_one:
                for b in spans_of_other:
                    steps = set(range(a.first, a.last + 1)) & set(range(b.first, b.last + 1))
                    assert a.recording != b.recording or not steps


def test_buffers_that_are_never_alive_together_take_the_largest_only():
    alive = {
        Buffer(str(n), 1000 * n, Lifetime.TRANSIENT): [Lifespan("a", 2 * n, 2 * n + 1)]
        for n in range(1, 5)
    }
    plan = pack(alive)
    assert plan.nbytes == align(4000, PIECE_ALIGNMENT_BYTES)
    assert set(plan.offsets.values()) == {0}


def test_a_gap_between_neighbours_is_used():
    big, middle, small = (Buffer(name, n, Lifetime.TRANSIENT) for name, n in
                          (("big", 640), ("middle", 320), ("small", 64)))  # fmt: skip
    late = Buffer("late", 192, Lifetime.TRANSIENT)
    alive = {
        big: [Lifespan("a", 0, 1)],
        middle: [Lifespan("a", 1, 3)],
        late: [Lifespan("a", 3, 5)],
        small: [Lifespan("a", 3, 3)],
    }
    assert pack(alive).offsets == {big: 0, middle: 640, late: 0, small: 192}


@given(ALIVE)
def test_packing_is_the_same_every_time(alive):
    assert pack(alive) == pack(dict(alive))


# ------------------------------------------------------------ random task lists

LENGTHS = (1, 3, 8, 17)
N_BUFFERS = 6


@st.composite
def task_lists(draw):
    """Return the lengths of transients, and recordings of (kind, inputs, output, seed).

    A task reads only what the recording has written, or the input, number -1.
    """
    lengths = draw(st.lists(st.sampled_from(LENGTHS), min_size=N_BUFFERS, max_size=N_BUFFERS))
    recordings = []
    for _ in range(draw(st.integers(1, 2))):
        written, tasks = [-1], []
        for _ in range(draw(st.integers(1, 10))):
            kind = draw(st.sampled_from(["mixed", "mixed", "mixed", "observed", "incremented"]))
            x, y = (draw(st.sampled_from(written)) for _ in range(2))
            out = draw(st.integers(0, N_BUFFERS - 1))
            if kind == "incremented" and (out not in written):
                kind = "mixed"
            if kind == "observed":
                out = draw(st.sampled_from(written))
            elif out not in written:
                written.append(out)
            tasks.append((kind, x, y, out, draw(st.integers(-5, 5))))
        recordings.append(tasks)
    return lengths, recordings


def run_tasks(tasks, transients, x, results):
    """Call, or record, the tasks; what they observe goes to the results."""
    for (kind, one, other, out, seed), result in zip(tasks, results, strict=True):
        arrays = {-1: x, **dict(enumerate(transients))}
        if kind == "mixed":
            mixed(arrays[one], arrays[other], arrays[out], seed)
        elif kind == "incremented":
            incremented(arrays[out])
        else:
            copied(arrays[out], result)


@given(task_lists())
def test_random_task_lists_give_the_same_packed_and_with_memory_of_their_own(case):
    lengths, recordings = case
    x, graph = np.arange(8.0), TaskGraph()
    packed = [graph.transient((n,), float, str(n)) for n in lengths]
    own = [np.zeros(n) for n in lengths]
    found, expected = [], []
    for number, tasks in enumerate(recordings):
        # What is not observed stays 0.
        for results in (found, expected):
            results.append([np.zeros(len(x) if out < 0 else lengths[out]) for *_, out, _ in tasks])
        with graph.recording(str(number)):
            run_tasks(tasks, packed, x, found[number])
        run_tasks(tasks, own, x, expected[number])
    for device in ("cpu", "reference"):
        plan = graph.compile(device=device)
        for number in range(len(recordings)):
            for result in found[number]:
                result[...] = 0
            plan.run(2, str(number))
            for result, right in zip(found[number], expected[number], strict=True):
                np.testing.assert_array_equal(result, right)

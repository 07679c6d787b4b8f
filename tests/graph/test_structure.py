"""What compiling comes to is kept by the form of what was recorded, and by nothing else."""

from __future__ import annotations

import dataclasses
import gc
import os
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netts import TaskGraph, accelerate, element, parallel
from netts.compiler import calibration
from netts.compiler.cost_constants import CostConstants
from netts.devices.memory import Arena
from netts.errors import GraphError, KernelError
from netts.graph import arrangement, structure

FACTOR = 3


@element
def plus_one(x):
    return x + 1


@accelerate
def scaled(x, out, factor):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = factor * x[i, j]


@accelerate
def summed(x, y, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = x[i, j] + y[i, j]


@accelerate
def row_sums(x, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(x.shape[1]):
            total += x[i, k]
        out[i, j] = total


@accelerate
def by_global(x, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = x[i, j] * FACTOR


@accelerate
def called(x, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = plus_one(x[i, j])


@accelerate
def with_more(x, out, anything):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = x[i, j]


@pytest.fixture(autouse=True)
def nothing_kept():
    structure.kept.clear()


@pytest.fixture
def made(monkeypatch):
    """Return a list that grows with each structure and each arrangement that is made anew."""
    found = []

    def noting(module, name):
        original = getattr(module, name)

        def make(*arguments):
            found.append(name)
            return original(*arguments)

        monkeypatch.setattr(module, name, make)

    noting(structure, "fused_and_chains")
    noting(arrangement, "arrange")
    return found


@accelerate
def row_sums_scaled(x, out, factor):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(x.shape[1]):
            total += x[i, k]
        out[i, j] = factor * total


def chain(x, out, factors=(2.0, 3.0), kernel=scaled):
    """Return the plan of two products and a sum, and its graph."""
    graph = TaskGraph()
    one, two = (graph.transient(x.shape, x.dtype, name) for name in ("one", "two"))
    with graph.recording():
        kernel(x, one, factors[0])
        kernel(one, two, factors[1])
        summed(two, x, out)
    return graph.compile(device="cpu"), graph


def array(*shape, start=0.0):
    return np.arange(start, start + np.prod(shape)).reshape(shape)


def test_a_graph_of_the_same_form_is_filled_in(made):
    results = []
    for start in (0.0, 5.0):
        x, out = array(3, 4, start=start), np.zeros((3, 4))
        plan, _ = chain(x, out)
        plan.run()
        results.append(np.array_equal(out, 7 * x))
    assert results == [True, True]
    assert made == ["fused_and_chains", "arrange"]


def test_floats_are_those_of_each_graph(made):
    x, out = array(3, 4), np.zeros((3, 4))
    shared = 0.5
    chain(x, out, (shared, shared))[0].run()
    np.testing.assert_array_equal(out, 1.25 * x)
    chain(x, out, (2.0, np.float32(0.25)))[0].run()
    np.testing.assert_array_equal(out, 1.5 * x)
    assert made == ["fused_and_chains", "arrange"]


@pytest.mark.parametrize(
    "other",
    [
        lambda x, out: chain(x[:2], out[:2]),
        lambda x, out: chain(x.astype(np.float32), out.astype(np.float32)),
        lambda x, out: chain(x.T, out.T),
        lambda x, out: chain(x[:, ::2], out[:, ::2]),
        lambda x, out: chain(x, x),
        lambda x, out: chain(x, out, (2, 3.0)),
        lambda x, out: chain(x, out, kernel=accelerate(scaled.function)),
    ],
    ids=["shape", "dtype", "strides", "gaps", "one array", "type of a number", "kernel"],
)
def test_another_form_is_compiled_anew(made, other):
    x, out = array(3, 4), np.zeros((3, 4))
    chain(x, out)
    other(x, out)
    assert made == ["fused_and_chains", "arrange"] * 2


def test_whole_numbers_are_told_apart(made):
    x, out = array(3, 4), np.zeros((3, 4))
    for factor in (2, 3):
        chain(x, out, (factor, factor))[0].run()
        np.testing.assert_array_equal(out, (factor**2 + 1) * x)
    assert len(made) == 4


def test_a_plan_explains_and_draws_itself_alike():
    x, out = array(3, 4), np.zeros((3, 4))
    one, two = (chain(x, out)[0] for _ in range(2))
    assert one.explain() == two.explain()
    assert str(one.draw()._repr_svg_()) == str(two.draw()._repr_svg_())
    assert [row.label for row in one.profile().rows] == [row.label for row in two.profile().rows]


def moved_up():
    @accelerate
    def moved(x, out, factor):
        for i, j in parallel(out.shape[0], out.shape[1]):
            out[i, j] = factor * x[i, j] + 1

    return moved


def moved_down():
    @accelerate
    def moved(x, out, factor):
        for i, j in parallel(out.shape[0], out.shape[1]):
            out[i, j] = factor * x[i, j] - 1

    return moved


def test_a_kernel_defined_anew_under_its_name_is_another():
    x, out = array(3, 4), np.zeros((3, 4))
    for define, change in ((moved_up, 2.0), (moved_down, -2.0)) * 3:
        chain(x, out, (1.0, 1.0), define())[0].run()
        np.testing.assert_array_equal(out, 2 * x + change)
        gc.collect()  # so that the next kernel may have the address of this one


def test_the_code_that_a_kernel_shows_is_that_of_the_last_graph():
    chain(array(3, 4), np.zeros((3, 4)), kernel=row_sums_scaled)
    shown = row_sums_scaled.source()
    chain(array(5, 60), np.zeros((5, 60)), kernel=row_sums_scaled)
    chain(array(3, 4), np.zeros((3, 4)), kernel=row_sums_scaled)
    assert row_sums_scaled.source() == shown


def test_nothing_of_a_graph_stays_alive(made):
    def begun():
        x, out, arena = array(3, 4), np.zeros((3, 4)), Arena("kept")
        view = arena.reserve((3, 4), np.float64)
        arena.allocate()
        graph = TaskGraph()
        between = graph.transient((3, 4), np.float64)
        with graph.recording():
            scaled(x, between, 2.0)
            summed(between, view, out)
        plan = graph.compile(device="cpu")
        plan.run()
        return [weakref.ref(one) for one in (x, out, view.buffer, between.buffer, graph, plan)]

    for _ in range(2):
        watched = begun()
        gc.collect()
        assert [one() for one in watched] == [None] * 6
    assert made == ["fused_and_chains", "arrange"]


def test_memory_that_is_used_again_does_not_count_as_the_same():
    """Addresses and ids come back; what arrays meet in which way is found anew each time."""
    block = array(40)
    for x, out in (
        (block[:12].reshape(3, 4), block[12:24].reshape(3, 4)),
        (block[:12].reshape(3, 4), block[:12].reshape(3, 4)),
        (block[:24:2].reshape(3, 4), block[1:25:2].reshape(3, 4)),
    ) * 2:
        block[...] = np.arange(40.0)
        expected = 7 * x
        chain(x, out)[0].run()
        np.testing.assert_array_equal(out, expected)


def test_constants_are_those_that_hold(made, monkeypatch):
    x, out = array(3, 4), np.zeros((3, 4))

    def run(graph=None):
        graph = graph or recorded()
        graph.compile(device="cpu").run()
        return out[0, 1] / x[0, 1]

    def recorded():
        graph = TaskGraph()
        with graph.recording():
            by_global(x, out)
        return graph

    graph = recorded()
    graph.compile(device="reference")
    assert run() == 3
    monkeypatch.setitem(globals(), "FACTOR", 4)
    assert run(graph) == 4
    assert run() == 4
    monkeypatch.setitem(globals(), "FACTOR", 3)
    assert run() == 3
    monkeypatch.setitem(globals(), "FACTOR", "three")
    with pytest.raises(KernelError, match="FACTOR as a number"):
        run()


def test_a_function_defined_anew_is_refused_as_ever(monkeypatch):
    x, out = array(3, 4), np.zeros((3, 4))

    def run():
        graph = TaskGraph()
        with graph.recording():
            called(x, out)
        graph.compile(device="cpu").run()

    run()
    monkeypatch.setitem(globals(), "plus_one", element(plus_one.function))
    for _ in range(2):
        with pytest.raises(KernelError, match="plus_one was defined anew"):
            run()


def test_other_costs_compile_anew(made):
    x, out = array(3, 4), np.zeros((3, 4))
    other = dataclasses.replace(CostConstants(), loop=2 * CostConstants().loop)
    for costs in (CostConstants(), other, other, CostConstants()):
        with calibration.using(costs):
            plan, _ = chain(x, out)
        assert str(costs) in plan.explain()
    assert made == ["fused_and_chains", "arrange", "arrange", "arrange"]


def test_no_more_structures_are_kept_than_that():
    for n in range(1, structure.MOST_KEPT + 5):
        chain(array(n, 2), np.zeros((n, 2)))
    assert len(structure.kept) == structure.MOST_KEPT


def test_the_structure_that_was_used_last_stays(made, monkeypatch):
    monkeypatch.setattr(structure, "MOST_KEPT", 2)
    for n in (3, 4, 3, 5, 3):
        chain(array(n, 2), np.zeros((n, 2)))
    assert made.count("arrange") == 3


def test_what_a_parameter_is_given_that_nothing_is_made_of_may_be_anything():
    x, out = array(3, 4), np.zeros((3, 4))
    arena = Arena("unused")
    unused = arena.reserve((2,), np.float64)
    arena.allocate()
    for anything in (None, unused, np.zeros(2), "text", unused):
        graph = TaskGraph()
        between = graph.transient((3, 4), np.float64)
        with graph.recording():
            with_more(x, between, anything)
            row_sums(between, out)
        out[...] = 0
        graph.compile(device="cpu").run()
        np.testing.assert_array_equal(out, x.sum(axis=1, keepdims=True) * np.ones(4))


@pytest.mark.parametrize("times", [1, 2])
def test_what_cannot_be_planned_is_refused_each_time(times):
    x, out = array(3, 4), np.zeros((3, 4))
    chain(x, out)
    for _ in range(times):
        graph = TaskGraph()
        one = graph.transient((3, 4), np.float64, "unwritten")
        with graph.recording():
            scaled(one, out, 2.0)
        with pytest.raises(GraphError, match="'unwritten' before anything wrote it"):
            graph.compile(device="cpu")


def test_what_has_its_memory_or_none_is_refused_in_graphs_of_a_known_form():
    out = np.zeros((3, 4))

    def recorded(x, between=None):
        graph = TaskGraph()
        between = between or graph.transient((3, 4), np.float64, "between")
        with graph.recording():
            scaled(x, between, 2.0)
            row_sums(between, out)
        return graph, between

    graph, between = recorded(array(3, 4))
    graph.compile(device="cpu")
    with pytest.raises(GraphError, match="'between' has its memory from another graph"):
        recorded(array(3, 4), between)[0].compile(device="cpu")
    arena = Arena("late")
    view = arena.reserve((3, 4), np.float64)
    early, _ = recorded(view)
    with pytest.raises(GraphError, match="'late' has no memory yet"):
        early.compile(device="cpu")
    arena.allocate()
    early.compile(device="cpu").run()
    late, _ = recorded(view)
    late.compile(device="cpu").run()


def test_threads_compile_graphs_of_one_form_at_once():
    results = {}

    def begin(number):
        x, out = array(6, 5, start=float(number)), np.zeros((6, 5))
        for _ in range(20):
            chain(x, out)[0].run()
        results[number] = np.array_equal(out, 7 * x)

    threads = [threading.Thread(target=begin, args=(n,)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert results == dict.fromkeys(range(4), True)


def test_a_child_that_is_forked_meanwhile_compiles_too():
    x, out = array(3, 4), np.zeros((3, 4))
    with structure.kept._lock.current:  # as if another thread were keeping a structure
        child = os.fork()
        if not child:
            try:
                chain(x, out)[0].run()
                os._exit(0 if np.array_equal(out, 7 * x) else 1)
            finally:
                os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


# ------------------------------------------------------------ any program, recorded twice

KERNELS = (scaled, summed, row_sums)
ROOM = 30


@st.composite
def programs(draw):
    """Return calls of kernels on transients and windows of one block of memory."""
    starts = draw(st.lists(st.sampled_from([0, 4, 12, 18]), min_size=2, max_size=2))
    found, written = [], []
    for _ in range(draw(st.integers(1, 6))):
        pick = st.sampled_from(["a", "b", *written])
        kernel = draw(st.sampled_from(KERNELS))
        one, other = draw(pick), draw(pick)
        out = draw(st.sampled_from(["a", "b", "t", "u"]))
        found.append((kernel, one, other, out))
        written.append(out)
    return starts, found


def recorded(found, memory, starts, factor):
    """Return a graph of a program in some memory; calls that are refused are left out."""
    graph = TaskGraph()
    arrays = {name: graph.transient((3, 4), np.float64, name) for name in "tu"}
    for name, start in zip("ab", starts, strict=True):
        arrays[name] = memory[start : start + 12].reshape(3, 4)
    refused = []
    with graph.recording():
        for kernel, one, other, out in found:
            more = {scaled: (factor,), summed: (arrays[other],), row_sums: ()}[kernel]
            args = (arrays[one], *more[:1], arrays[out]) if kernel is summed else None
            try:
                kernel(*(args or (arrays[one], arrays[out], *more)))
            except KernelError as error:
                refused.append(str(error))
    return graph, refused


@given(programs(), programs(), st.integers(0, 2**16))
@settings(max_examples=60, deadline=None)
def test_any_program_recorded_again_on_other_memory_gives_what_the_reference_gives(one, two, seed):
    """Two programs take turns, so that what one has left is there for the other."""
    generator = np.random.default_rng(seed)
    refusals = []
    for turn in range(4):
        starts, found = (one, two)[turn % 2]
        content = generator.integers(-4, 5, ROOM).astype(np.float64)
        results, errors = [], []
        for device in ("reference", "cpu"):
            memory = content.copy()
            graph, refused = recorded(found, memory, starts, float(turn + 1))
            try:
                graph.compile(device=device).run(2)
            except GraphError as error:  # nothing was recorded, or read before it was written
                errors.append(str(error))
            results.append(memory)
            refusals.append(refused)
        assert len(set(errors)) <= 1
        np.testing.assert_array_equal(*results)
    assert refusals[:4] == refusals[4:]

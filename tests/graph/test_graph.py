"""Recording: kernel calls become tasks, names are unique, nothing runs, everything is kept."""

from __future__ import annotations

import contextlib
import gc
import threading
import warnings
import weakref

import numpy as np
import pytest

import netts
from netts import TaskGraph, accelerate, parallel
from netts.devices.memory import Arena
from netts.errors import AliasError, DeviceError, GraphError, KernelTypeError


@accelerate
def scaled(x, out, factor=2.0):
    for i in parallel(out.shape[0]):
        out[i] = factor * x[i]


@accelerate
def incremented(out):
    for i in parallel(out.shape[0]):
        out[i] += 1


@accelerate
def numbered(out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = i


@accelerate
def mirrored(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[x.shape[0] - 1 - i]


DEVICES = ["cpu", "reference"]
NO_GPU = "no GPU can be used: no driver"


def names_of(graph):
    return {
        name: [task.kernel.__name__ for task in tasks] for name, tasks in graph.recordings.items()
    }


# ------------------------------------------------------------ recording


def test_a_recorded_call_runs_nothing_and_becomes_a_task():
    graph, x, out = TaskGraph(), np.arange(3.0), np.zeros(3)
    with graph.recording():
        assert scaled(x, out) is None
        incremented(out)
    assert out.tolist() == [0, 0, 0]
    assert names_of(graph) == {"main": ["scaled", "incremented"]}
    first, second = graph.recordings["main"]
    for task, position, array in ((first, 0, x), (first, 1, out), (second, 0, out)):
        assert task.arguments[position].ctypes.data == array.ctypes.data


def test_after_the_block_calls_run_again():
    graph, out = TaskGraph(), np.zeros(1)
    with graph.recording():
        incremented(out)
    incremented(out)
    assert out.tolist() == [1]
    assert names_of(graph) == {"main": ["incremented"]}


def test_a_kernel_bound_to_a_device_is_recorded_too():
    graph, out = TaskGraph(), np.zeros(1)
    with graph.recording():
        incremented.on("reference")(out)
    assert out.tolist() == [0]
    graph.compile(device="cpu").run()
    assert out.tolist() == [1]


def test_the_calls_of_another_thread_run_at_once():
    graph, out = TaskGraph(), np.zeros(1)
    with graph.recording():
        thread = threading.Thread(target=incremented, args=(out,))
        thread.start()
        thread.join()
        incremented(out)
    assert out.tolist() == [1]
    assert names_of(graph) == {"main": ["incremented"]}


def test_keywords_and_defaults_are_filled_in():
    graph, x, out = TaskGraph(), np.arange(3.0), np.zeros(3)
    with graph.recording():
        scaled(out=out, x=x)
        scaled(out, factor=10, out=out)
    graph.compile().run()
    assert out.tolist() == [0, 20, 40]


def test_several_recordings_share_their_arrays():
    graph, x, out = TaskGraph(), np.arange(3.0), np.zeros(3)
    with graph.recording("forward"):
        scaled(x, out)
    with graph.recording("more"):
        incremented(out)
        incremented(out)
    assert names_of(graph) == {"forward": ["scaled"], "more": ["incremented", "incremented"]}
    plan = graph.compile()
    plan.run(recording="forward")
    plan.run(recording="more")
    assert out.tolist() == [2, 4, 6]


def test_a_recording_inside_a_recording_takes_the_calls_until_it_ends():
    graph, other, out = TaskGraph(), TaskGraph(), np.zeros(1)
    with graph.recording("outer"):
        incremented(out)
        with graph.recording("inner"):
            scaled(out, out)
        with other.recording("outer"):
            scaled(out, out)
        incremented(out)
    assert names_of(graph) == {"inner": ["scaled"], "outer": ["incremented", "incremented"]}
    assert names_of(other) == {"outer": ["scaled"]}


def test_a_name_is_used_once_also_while_it_is_open():
    graph, out = TaskGraph(), np.zeros(1)
    with graph.recording("step"):
        incremented(out)
        with pytest.raises(GraphError, match="has a recording 'step' already; give this another"):
            graph.recording("step").__enter__()
        incremented(out)
    with pytest.raises(GraphError, match="has a recording 'step' already"):
        graph.recording("step").__enter__()
    assert names_of(graph) == {"step": ["incremented", "incremented"]}


def test_a_recording_that_fails_leaves_no_trace():
    graph, out = TaskGraph(), np.zeros(1)
    with contextlib.suppress(ZeroDivisionError), graph.recording():
        incremented(out)
        _ = 1 / 0
    assert graph.recordings == {}
    incremented(out)
    assert out.tolist() == [1]
    with graph.recording():
        incremented(out)
    graph.compile().run()
    assert out.tolist() == [2]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda out: scaled([1.0], out), KernelTypeError),
        (lambda out: scaled(out, out, "2"), KernelTypeError),
        (lambda out: scaled(out[:2], out[1:]), AliasError),
        (lambda out: mirrored(out, out), AliasError),
        (lambda out: incremented(out, out), TypeError),
    ],
    ids=["list", "text", "overlap", "same array", "signature"],
)
def test_arguments_that_do_not_fit_are_refused_at_the_call(call, error):
    graph, out = TaskGraph(), np.zeros(3)
    with graph.recording():
        incremented(out)
        with pytest.raises(error):
            call(out)
    assert names_of(graph) == {"main": ["incremented"]}


# ------------------------------------------------------------ what is kept


@pytest.mark.parametrize("device", DEVICES)
def test_numbers_are_frozen_at_the_call(device):
    graph, x, out = TaskGraph(), np.ones(2), np.zeros(2)
    factors = np.array([3.0])
    with graph.recording():
        scaled(x, out, factors[0])
    factors[0] = 5.0
    graph.compile(device=device).run()
    assert out.tolist() == [3, 3]


@pytest.mark.parametrize("device", DEVICES)
def test_the_callers_arrays_are_read_and_written_in_place(device):
    graph, x, out = TaskGraph(), np.arange(3.0), np.zeros((3, 2))
    with graph.recording():
        scaled(x, out[:, 1])
        incremented(out[:, 0])
    plan = graph.compile(device=device)
    plan.run()
    assert out.tolist() == [[1, 0], [1, 2], [1, 4]]
    x[...] = 7
    plan.run()
    assert out.tolist() == [[2, 14], [2, 14], [2, 14]]


@pytest.mark.parametrize("device", DEVICES)
def test_arrays_live_as_long_as_the_plan_and_no_longer(device):
    graph, x, out = TaskGraph(), np.arange(3.0), np.zeros(3)
    watched = weakref.ref(x)
    with graph.recording():
        scaled(x, out)
    plan = graph.compile(device=device)
    del x, graph
    gc.collect()
    assert watched() is not None
    plan.run()
    assert out.tolist() == [0, 2, 4]
    del plan
    gc.collect()
    assert watched() is None


# ------------------------------------------------------------ compiling


def test_a_graph_without_tasks_is_refused():
    graph = TaskGraph()
    message = "nothing was recorded; call kernels inside `with graph.recording"
    with pytest.raises(GraphError, match=message):
        graph.compile()
    with graph.recording():
        pass
    with pytest.raises(GraphError, match=message):
        graph.compile()


@pytest.mark.parametrize("device", DEVICES)
def test_an_empty_recording_beside_others_does_nothing(device):
    graph, out = TaskGraph(), np.zeros(1)
    with graph.recording("nothing"):
        pass
    with graph.recording("something"):
        incremented(out)
    plan = graph.compile(device=device)
    assert plan.run(3, "nothing") == 3
    assert out.tolist() == [0]
    assert plan.run(3, "something") == 3
    assert out.tolist() == [3]


def test_recording_after_compiling_is_refused():
    graph, out = TaskGraph(), np.zeros(1)
    with graph.recording():
        incremented(out)
    plan = graph.compile()
    with pytest.raises(GraphError, match="the graph is compiled; record everything before"):
        graph.recording("more").__enter__()
    assert plan.run() == 1


def test_compiling_inside_a_recording_is_refused():
    graph, out = TaskGraph(), np.zeros(1)
    with graph.recording("first"):
        incremented(out)
    with graph.recording("second"):
        incremented(out)
        with pytest.raises(GraphError, match="recording 'second' is open; compile behind its"):
            graph.compile()
    plan = graph.compile()
    assert plan.run(recording="first") == plan.run(recording="second") == 1


@pytest.mark.parametrize("device", DEVICES)
def test_an_arena_must_be_allocated_before_compiling(device):
    graph, arena = TaskGraph(), Arena("weights")
    piece = arena.reserve((3,), float)
    with graph.recording():
        incremented(piece)
    with pytest.raises(GraphError, match="buffer 'weights' has no memory yet"):
        graph.compile(device=device)
    arena.allocate()
    graph.compile(device=device).run()
    assert piece.array.tolist() == [1, 1, 1]


def test_a_transient_of_another_graph_is_refused_and_both_graphs_stay_whole():
    first, second, out = TaskGraph(), TaskGraph(), np.zeros(3)
    shared, own = first.transient((3,), float, "shared"), second.transient((3,), float, "own")
    for graph in (first, second):
        with graph.recording():
            scaled(out, own if graph is second else shared)
            scaled(out, shared)
            scaled(shared, out)
    plan = first.compile()
    with pytest.raises(GraphError, match="transient 'shared' has its memory from another graph"):
        second.compile()
    assert not own.buffer.is_attached
    assert plan.run() == 1


def test_one_graph_is_compiled_for_several_devices():
    graph, x, out = TaskGraph(), np.arange(3.0), np.zeros(3)
    middle = graph.transient((3,), float, "middle")
    with graph.recording():
        scaled(x, middle)
        incremented(middle)
        scaled(middle, out)
    plans = [graph.compile(device=device) for device in DEVICES]
    assert [plan.device for plan in plans] == DEVICES
    for start in (0, 5):
        x[...] = np.arange(3.0) + start
        for plan in (*plans, *plans):
            out[...] = 0
            plan.run()
            np.testing.assert_array_equal(out, 2 * (2 * x + 1))


def test_a_refused_device_leaves_the_graph_as_it_was():
    graph, out = TaskGraph(), np.zeros(1)
    with graph.recording():
        incremented(out)
    with pytest.raises(DeviceError, match="no device 'gpu', asked for"):
        graph.compile(device="gpu")
    with graph.recording("more"):
        incremented(out)
    assert graph.compile().run(recording="more") == 1


# ------------------------------------------------------------ the choice of the device


def one_task():
    graph = TaskGraph()
    with graph.recording():
        incremented(np.zeros(1))
    return graph


@contextlib.contextmanager
def interpreted():
    """Yield a list of the kernels whose Python ran."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(incremented, "function", lambda *_arguments: found.append("incremented"))
        yield found


@pytest.mark.parametrize(
    ("argument", "context", "environment", "device", "reason"),
    [
        ("auto", None, None, "cpu", NO_GPU),
        ("auto", None, "auto", "cpu", NO_GPU),
        ("auto", None, "reference", "reference", "chosen by NETTS_DEVICE"),
        ("auto", "reference", "cpu", "reference", "chosen by `with netts.device(...)`"),
        ("cpu", "reference", "reference", "cpu", "asked for"),
        ("reference", None, None, "reference", "asked for"),
    ],
)
def test_argument_then_context_then_environment_then_the_fastest(
    argument, context, environment, device, reason, no_gpu, monkeypatch
):
    monkeypatch.delenv("NETTS_DEVICE", raising=False)
    if environment:
        monkeypatch.setenv("NETTS_DEVICE", environment)
    chosen = netts.device(context) if context else contextlib.nullcontext()
    with interpreted() as ran, chosen:
        plan = one_task().compile(device=argument)
        plan.run()
    assert plan.device == device
    assert plan.explain().splitlines()[0] == f"plan on {device}: {reason}"
    assert bool(ran) == (device == "reference")


def test_a_plan_stays_on_its_device():
    with netts.device("reference"):
        plan = one_task().compile()
    with interpreted() as ran, netts.device("cpu"):
        plan.run(2)
    assert ran == ["incremented"] * 2


def test_an_unknown_device_of_the_environment_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("NETTS_DEVICE", "gpu")
    with pytest.raises(DeviceError, match="no device 'gpu', chosen by NETTS_DEVICE; choose one of"):
        one_task().compile()
    assert one_task().compile(device="cpu").run() == 1


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_a_task_keeps_the_shape_that_an_array_had(device):
    rows, graph = np.zeros((2, 3)), TaskGraph()
    with graph.recording():
        numbered(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        rows.shape = 3, 2
    graph.compile(device=device).run()
    np.testing.assert_array_equal(rows.ravel(), [0, 0, 0, 1, 1, 1])

"""What goes to a device with memory of its own and what comes back, in which order."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import threading
from dataclasses import replace

import numpy as np
import pytest
from fake_gpu import FakeGpu, install
from hypothesis import HealthCheck, given, settings
from residency import HISTORIES, added, arena, history

from netts import TaskGraph, accelerate, constant, parallel
from netts.devices import mirrors, registry
from netts.devices.memory import Arena
from netts.devices.transfers import STAGING_BYTES, Copy, Traffic
from netts.errors import BoundsError, DeviceError, GraphError, KernelTypeError


@accelerate
def counted(steps):
    for i in parallel(1):
        steps[i] += 1


@accelerate
def gathered(x, index, out):
    for i in parallel(out.shape[0]):
        out[i] = x[index[i]]


@accelerate
def added_up(x, out):
    total = 0.0
    for i in parallel(x.shape[0]):
        total += x[i]
    out[0] = total


def planned(*calls, device="cuda"):
    """Return the plan of a recording of calls: kernel and arguments."""
    graph = TaskGraph()
    with graph.recording():
        for kernel, *arguments in calls:
            kernel(*arguments)
    return graph.compile(device=device)


COPIES = ("upload", "download")


# ------------------------------------------------------------ buffers


def test_an_arena_goes_up_once_and_comes_down_when_read(fake_gpu: FakeGpu):
    whole, (x, out) = arena(8, 8)
    plan = planned((added, x, x, out))
    assert fake_gpu.taken() == []
    for _ in range(3):
        plan.run()
    assert fake_gpu.taken() == [
        ("upload", 128), ("launch", 1), ("capture", 1), ("graph", 1), ("graph", 1),
    ]  # fmt: skip
    np.testing.assert_array_equal(out.read(), 2 * np.arange(8.0))
    np.testing.assert_array_equal(x.read(), np.arange(8.0))
    assert fake_gpu.taken() == [("download", whole.nbytes)]


def test_reading_dirties_nothing_and_writing_does(fake_gpu: FakeGpu):
    _, (x, out) = arena(8, 8)
    plan = planned((added, x, x, out))
    plan.run()
    np.asarray(out)
    out.read()
    fake_gpu.taken()
    plan.run()
    assert fake_gpu.taken(*COPIES) == []
    x.array[...] = 1
    assert fake_gpu.taken(*COPIES) == [("download", 128)]
    plan.run()
    assert fake_gpu.taken(*COPIES) == [("upload", 128)]
    np.testing.assert_array_equal(out.read(), 2)


def test_what_is_read_cannot_be_written(fake_gpu: FakeGpu):
    _, (x,) = arena(3)
    for read in (x.read(), np.asarray(x)):
        with pytest.raises(ValueError, match="read-only"):
            read[0] = 1


def test_a_run_sends_only_what_it_touches(fake_gpu: FakeGpu):
    _, (x, y) = arena(2, 2)
    _, (other,) = arena(4)
    graph = TaskGraph()
    with graph.recording("one"):
        added(x, x, y)
    with graph.recording("other"):
        added(other, other, other)
    plan = graph.compile(device="cuda")
    plan.run(recording="one")
    assert fake_gpu.taken("upload") == [("upload", 128)]
    plan.run(recording="other")
    assert fake_gpu.taken("upload") == [("upload", 64)]


def test_zeros_that_nobody_wrote_are_not_sent(fake_gpu: FakeGpu):
    whole = Arena("blank")
    out = whole.reserve((8,), np.float64)
    whole.allocate()
    _, (x,) = arena(8)
    plan = planned((added, x, out, out))
    plan.run(2)
    assert fake_gpu.taken("upload") == [("upload", 64)]
    np.testing.assert_array_equal(out.read(), 2 * np.arange(8.0))


def test_plans_share_what_is_on_the_device(fake_gpu: FakeGpu):
    _, (x, out) = arena(8, 8)
    planned((added, x, x, out)).run()
    fake_gpu.taken()
    again = planned((added, out, out, out))
    again.run()
    assert fake_gpu.taken(*COPIES) == []
    np.testing.assert_array_equal(out.read(), 4 * np.arange(8.0))


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_plans_on_the_host_see_what_the_device_wrote(device, fake_gpu: FakeGpu):
    _, (x, out) = arena(8, 8)
    there, here = planned((added, x, x, out)), planned((added, out, x, out), device=device)
    for plan in (there, here, there, here):
        plan.run()
    np.testing.assert_array_equal(out.array, 3 * np.arange(8.0))
    there.run()
    added.on(device)(out, out, out)
    np.testing.assert_array_equal(out.array, 4 * np.arange(8.0))


def test_a_plan_on_the_host_that_only_reads_costs_no_upload(fake_gpu: FakeGpu):
    _, (x, out) = arena(8, 8)
    there = planned((added, x, x, out))
    there.run()
    here = planned((added, out, out, result := np.zeros(8)), device="cpu")
    here.run()
    fake_gpu.taken()
    there.run()
    assert fake_gpu.taken("upload") == []
    np.testing.assert_array_equal(result, 4 * np.arange(8.0))


def test_copies_of_an_arena_hold_what_the_device_wrote(fake_gpu: FakeGpu):
    _, (x, out) = arena(8, 8)
    planned((added, x, x, out)).run()
    for copied in (pickle.loads(pickle.dumps(out)), copy.deepcopy(out)):
        assert copied.buffer.mirror is None
        np.testing.assert_array_equal(copied.array, 2 * np.arange(8.0))


def test_a_buffer_goes_from_one_device_to_another(monkeypatch):
    _, (x, out) = arena(8, 8)
    plans = []
    for _ in range(2):
        with monkeypatch.context() as patch:
            install(patch)
            plans.append(planned((added, x, out, out)))
    out.array[...] = 0
    for plan in (*plans, plans[0]):
        plan.run()
    np.testing.assert_array_equal(out.array, 3 * np.arange(8.0))


# ------------------------------------------------------------ constants and the caller's arrays


def test_a_constant_goes_up_once(fake_gpu: FakeGpu):
    x, out = np.arange(8.0), np.zeros(8)
    whole, (kept,) = arena(8)
    plan = planned((added, constant(x), constant(x), kept))
    for _ in range(3):
        plan.run()
    assert fake_gpu.taken("upload") == [("upload", 64)] * 3  # two constants and the arena
    del out, whole


def test_a_constant_cannot_be_written_by_a_kernel():
    with pytest.raises(KernelTypeError, match="'out' of kernel 'added' is a constant"):
        added(np.zeros(2), np.zeros(2), constant(np.zeros(2)))


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_a_constant_is_read_where_it_lies(device):
    x, out = np.arange(6.0).reshape(2, 3), np.zeros(3)
    view = constant(x)
    assert view.address == x.ctypes.data
    assert view.shape == (2, 3)
    planned((added, view[0], view[1], out), device=device).run()
    np.testing.assert_array_equal(out, [3, 5, 7])


@pytest.mark.parametrize(
    "array", [np.arange(6.0)[::2], [1, 2], np.zeros((0, 3)), np.float32(2), np.arange(4.0)[::-1]]
)
def test_a_constant_reads_as_its_array(array):
    np.testing.assert_array_equal(constant(array).read(), np.asarray(array))


def test_a_constant_has_no_objects():
    with pytest.raises(KernelTypeError, match="the array has dtype object"):
        constant(np.array([None]))


def test_the_callers_arrays_go_up_at_every_run_and_come_back_together(fake_gpu: FakeGpu):
    x, y, out, total = np.arange(8.0), np.ones(8), np.zeros(8), np.zeros(1)
    plan = planned((added, x, y, out), (added_up, out, total))
    for factor in (1.0, 2.0):
        x[...] = factor * np.arange(8.0)
        plan.run()
        np.testing.assert_array_equal(out, x + 1)
        assert total[0] == out.sum()
        log = fake_gpu.taken(*COPIES)
        assert [kind for kind, _ in log] == ["upload", "download"]


def test_what_lies_between_elements_is_left_alone(fake_gpu: FakeGpu):
    whole = np.arange(12.0)
    plan = planned((added, np.ones(4), np.ones(4), whole[::-3]))
    whole[1] = -7
    plan.run()
    np.testing.assert_array_equal(whole[::-3], 2)
    assert whole[1] == -7


def test_arrays_that_overlap_are_one_place(fake_gpu: FakeGpu):
    x = np.arange(8.0)
    plan = planned((added, x[:4], x[:4], x[4:]), (added, x[2:6], x[2:6], x[2:6]))
    plan.run()
    np.testing.assert_array_equal(x, [0, 1, 4, 6, 0, 4, 4, 6])


def test_an_array_of_an_arena_is_the_arena(fake_gpu: FakeGpu):
    _, (x, out) = arena(4, 4)
    held = x.array
    plan = planned((added, held, x, out), (added, out, out, held))
    for start in (1.0, 2.0):
        held[...] = start
        plan.run()
        np.testing.assert_array_equal(held, 4 * start)


def test_arrays_aligned_to_their_elements_stay_so(fake_gpu: FakeGpu):
    memory = np.zeros(64, np.uint8)
    small, large = memory[4:8].view(np.float32), memory[8:24].view(np.float64)
    plan = planned((counted, small), (added, large, large, large))
    plan.run()
    assert small[0] == 1
    starts = {one.address % 8 for one in plan._replays["main"]._access.spans}
    assert starts <= {0, 4}


def test_empty_arrays_are_taken(fake_gpu: FakeGpu):
    assert planned((added, np.zeros(0), np.zeros(0), np.zeros(0))).run(2) == 2


# ------------------------------------------------------------ copies


def copies_of(gpu: FakeGpu, sizes, room):
    memory = gpu.allocate(sum(map(room, sizes)))
    copies, place = [], memory.address
    for number, size in enumerate(sizes):
        copies.append(Copy(np.full(size, number + 1, np.uint8), place, room(size), memory.address))
        place += room(size)
    return copies


@pytest.mark.parametrize(
    ("sizes", "n_copies"),
    [([10, 20, 30], 1), ([0, 5, 0], 1), ([STAGING_BYTES, 7], 2), ([STAGING_BYTES + 1, 7, 9], 2)],
)
def test_neighbours_travel_together_up_to_what_is_pinned(sizes, n_copies):
    gpu = FakeGpu()
    copies = copies_of(gpu, sizes, lambda size: size + -size % 16)
    gpu.transfers.upload(copies[::-1])
    for one in copies:
        one.host[...] = 0
    gpu.transfers.download(copies)
    assert [one.host.sum() for one in copies] == [(k + 1) * n for k, n in enumerate(sizes)]
    assert gpu.transfers.traffic.uploads == gpu.transfers.traffic.downloads == n_copies


def test_no_copy_crosses_from_one_allocation_into_the_next():
    """A driver puts allocations side by side, and refuses a copy of both."""
    gpu = FakeGpu()
    copies = copies_of(gpu, [16, 16, 16], lambda size: size)
    copies[2] = replace(copies[2], block=copies[2].address)
    gpu.transfers.upload(copies)
    gpu.transfers.download(copies)
    assert gpu.transfers.traffic.uploads == gpu.transfers.traffic.downloads == 2


def test_pinned_memory_is_not_written_before_it_was_copied():
    gpu = FakeGpu()
    size = STAGING_BYTES // 2 - 100
    copies = copies_of(gpu, [size] * 5, lambda size: size + 4096)
    for one in copies:
        gpu.transfers.upload([one])
        one.host[...] = 99
    for one in copies:
        gpu.transfers.download([one])
    assert [int(one.host[0]) for one in copies] == [1, 2, 3, 4, 5]
    gpu.transfers.download(copies)
    assert [int(one.host[-1]) for one in copies] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("kind", ["upload", "download"])
def test_copies_of_a_signals_handler_leave_alone_what_was_staged_when_it_came(
    kind, number, monkeypatch
):
    gpu = FakeGpu()
    whole = copies_of(gpu, [16, 16, 16, 32], lambda size: size + 64)
    *copies, other = (replace(one, room=one.host.nbytes) for one in whole)  # no neighbours
    gpu.transfers.upload([other] if kind == "upload" else [*copies, other])
    gpu.transfers.download([other])  # and all that was staged is free
    copy, left = getattr(gpu, kind), iter(range(number))

    def interrupted(*arguments):
        if next(left, None) is None:
            monkeypatch.setattr(gpu, kind, copy)
            gpu.transfers.download([other])  # as before a fork
            gpu.transfers.upload([other])
        copy(*arguments)

    monkeypatch.setattr(gpu, kind, interrupted)
    if kind == "upload":
        gpu.transfers.upload(copies)
        for one in copies:
            one.host[...] = 0
    gpu.transfers.download(copies)
    assert [set(one.host) for one in copies] == [{1}, {2}, {3}]
    assert set(other.host) == {4}
    assert len(gpu.blocks) == 2  # the copies' own, and what they go through


# ------------------------------------------------------------ running


def test_a_step_is_one_graph_launch(fake_gpu: FakeGpu):
    _, (count, out) = arena(1, 1)
    plan = planned((counted, count), (added_up, count, out))
    assert plan.run(5) == 5
    launches = len(plan._replays["main"]._placed)
    assert fake_gpu.taken() == [
        ("upload", 128),
        *[("launch", 1)] * launches,
        ("capture", launches),
        *[("graph", launches)] * 4,
    ]
    assert count.read()[0] == out.read()[0] == 5


def test_no_step_does_nothing(fake_gpu: FakeGpu):
    _, (count,) = arena(1)
    assert planned((counted, count)).run(0) == 0
    assert fake_gpu.taken() == []


def test_stop_ends_a_run(fake_gpu: FakeGpu, monkeypatch):
    _, (count,) = arena(1)
    plan = planned((counted, count))
    launch = fake_gpu.launch_graph

    def launched(graph):
        launch(graph)
        if len(fake_gpu.log) > 20:
            plan.stop()

    monkeypatch.setattr(fake_gpu, "launch_graph", launched)
    done = plan.run(10**9)
    assert done == count.read()[0] < 100


def test_an_interrupt_leaves_what_was_done(fake_gpu: FakeGpu, monkeypatch):
    count = np.zeros(1)
    plan = planned((counted, count))
    launch, left = fake_gpu.launch_graph, iter(range(7))

    def launched(graph):
        if next(left, None) is None:
            raise KeyboardInterrupt
        launch(graph)

    monkeypatch.setattr(fake_gpu, "launch_graph", launched)
    with pytest.raises(KeyboardInterrupt):
        plan.run(10**9)
    assert count[0] == 8  # the first step is no graph


def test_a_failed_test_raises_and_the_plan_can_run_again(fake_gpu: FakeGpu):
    index, out = np.array([0, 1, 9]), np.zeros(3)
    plan = planned((gathered, constant(np.arange(4.0)), index, out))
    for _ in range(2):
        index[2] = 9
        with pytest.raises(BoundsError, match=r"x\[index\[i\]\]"):
            plan.run(3)
        index[2] = 2
        assert plan.run(3) == 3
        np.testing.assert_array_equal(out, [0, 1, 2])


# ------------------------------------------------------------ memory


def test_memory_is_given_back_with_what_it_was_for(fake_gpu: FakeGpu):
    gc.disable()
    try:
        whole, (x, out) = arena(8, 8)
        graph = TaskGraph()
        between = graph.transient((8,), float)
        with graph.recording():
            added(x, np.ones(8), between)
            added(between, between, out)
        plan = graph.compile(device="cuda")
        plan.run()
        out.read()
        staging = [one for one in fake_gpu.blocks.values() if len(one.array) == STAGING_BYTES]
        del plan, graph, between
        assert fake_gpu.allocated_bytes - STAGING_BYTES == whole.nbytes
        del whole, x, out
        assert list(fake_gpu.blocks.values()) == staging
    finally:
        gc.enable()


def test_too_little_memory_changes_nothing(monkeypatch):
    gpu = install(monkeypatch, nbytes=1500)
    _, (x, out) = arena(64, 64)
    graph = TaskGraph()
    with graph.recording():
        added(x, x, out)
    with graph.recording("more"):
        added(x, x, np.zeros(64))
    with pytest.raises(DeviceError, match="no room for"):
        graph.compile(device="cuda")
    assert not gpu.blocks
    assert x.buffer.mirror is None
    planned((added, x, x, out)).run()
    np.testing.assert_array_equal(out.read(), 2 * np.arange(64.0))


def test_memory_that_is_given_back_within_a_step_puts_nothing_before_it():
    """The collector frees wherever it runs; the fake once did all that was left to do there."""
    gpu, done = FakeGpu(), []
    memory = gpu.allocate(8)
    gpu.launch(lambda: (memory.free(), done.append("first")))
    gpu.launch(lambda: done.append("second"))
    gpu.synchronize()
    assert done == ["first", "second"]


# ------------------------------------------------------------ what it says


def test_an_explanation_names_copies_operations_and_capture(fake_gpu: FakeGpu):
    _, (x, out) = arena(8, 8)
    text = planned((added, x, np.ones(8), out), (added_up, out, np.zeros(1))).explain()
    for line in (
        "plan on cuda: asked for",
        "before: upload what the host has written of arena (128 bytes)",
        "before: upload 72 bytes of arrays that are not constant",
        "behind: download when read arena",
        "behind: download 8 bytes of arrays that are written",
        "added: a launch",
        "captured: from the second step on one graph of 3 launches",
        "since it was made: 0 uploads of 0 bytes",
    ):
        assert line in text


def test_a_profile_has_times_and_traffic(fake_gpu: FakeGpu):
    _, (x, out) = arena(8, 8)
    plan = planned((added, x, x, out), (added_up, out, np.zeros(1)))
    profile = plan.profile(4)
    assert fake_gpu.taken("capture", "graph", "timed") == [("timed", 3)] * 4
    assert [row.seconds for row in profile.rows] == pytest.approx([1e-6, 2e-6, 3e-6])
    assert profile.traffic == Traffic(2, 136, 1, 8)
    assert json.loads(profile.to_json())["traffic"]["upload_bytes"] == 136
    assert json.loads(profile.to_chrome_trace())["otherData"]["downloads"] == 1
    assert "2 uploads of 136 bytes" in str(profile)
    plan.run(3)
    assert plan.traffic == Traffic(3, 144, 2, 16, launches=2)


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_a_device_on_the_hosts_memory_has_no_traffic(device):
    plan = planned((counted, np.zeros(1)), device=device)
    assert plan.traffic is None
    assert plan.profile(1).traffic is None


def test_without_a_gpu_a_graph_says_what_is_missing(monkeypatch):
    missing = registry.DeviceInfo("cuda", False, "no NVIDIA driver")
    monkeypatch.setitem(registry._DEVICES, "cuda", lambda: missing)
    with pytest.raises(DeviceError, match="device 'cuda', asked for, cannot be used: no NVIDIA"):
        planned((counted, np.zeros(1)))


def test_an_unknown_recording_is_refused(fake_gpu: FakeGpu):
    with pytest.raises(GraphError, match="there is no recording 'other', only 'main'"):
        planned((counted, np.zeros(1))).run(recording="other")


# ------------------------------------------------------------ other threads


@pytest.mark.parametrize("how", ["run", "launch"])
def test_a_fork_of_another_thread_does_not_count_as_having_read_what_a_run_writes(
    how, fake_gpu: FakeGpu, monkeypatch
):
    _, (x, out) = arena(8, 8)
    plan = planned((added, x, out, out))
    launch, seen = fake_gpu.launch_graph, []

    def launched(graph):
        launch(graph)
        forking = threading.Thread(target=mirrors._before_fork)
        forking.start()
        forking.join()
        seen.append(int(out.buffer.memory.view(np.float64)[9]))  # as the child would find it

    monkeypatch.setattr(fake_gpu, "launch_graph", launched)
    assert getattr(plan, how)(4, recording="main") == 4
    np.testing.assert_array_equal(out.read(), 5 * np.arange(8.0))
    assert seen[0] == 3  # the first step is no graph


def test_what_the_host_writes_while_it_is_sent_goes_up_the_next_time(
    fake_gpu: FakeGpu, monkeypatch
):
    (_, (x,)), (_, (out,)) = arena(8), arena(8)
    plan = planned((added, x, x, out))
    upload = fake_gpu.transfers.upload

    def uploaded(copies):
        upload(copies)
        monkeypatch.setattr(fake_gpu.transfers, "upload", upload)
        x.array[...] = 1  # in another thread, say

    monkeypatch.setattr(fake_gpu.transfers, "upload", uploaded)
    plan.run()
    np.testing.assert_array_equal(out.read(), 2 * np.arange(8.0))
    plan.run()
    np.testing.assert_array_equal(out.read(), 2)


def test_what_could_not_be_sent_is_sent_the_next_time(fake_gpu: FakeGpu, monkeypatch):
    _, (x, out) = arena(8, 8)
    plan = planned((added, x, x, out))

    def interrupted(copies):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fake_gpu.transfers, "upload", interrupted)
        with pytest.raises(KeyboardInterrupt):
            plan.run()
    plan.run()
    np.testing.assert_array_equal(out.read(), 2 * np.arange(8.0))


def test_what_is_being_written_is_not_overwritten_by_a_thread_that_came_too_late(
    fake_gpu: FakeGpu, monkeypatch
):
    _, (x, out) = arena(8, 8)
    planned((added, x, x, out)).run()
    mirror = out.buffer.mirror
    forking = threading.Thread(target=mirrors._before_fork)
    enter, main = fake_gpu.enter, threading.current_thread()

    def entered():
        if threading.current_thread() is not main:
            waiting.set()
        return enter()

    waiting = threading.Event()
    monkeypatch.setattr(fake_gpu, "enter", entered)
    with fake_gpu.transfers.lock:
        forking.start()
        waiting.wait(10)
        out.array[...] = 7
        assert mirror.is_behind
    forking.join()
    np.testing.assert_array_equal(out.read(), 7)


# ------------------------------------------------------------ the law


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=HISTORIES)
def test_whatever_the_host_does_meanwhile_the_result_is_the_cpus(acts, fake_gpu: FakeGpu):
    assert history("cuda", acts) == history("cpu", acts)

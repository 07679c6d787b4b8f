"""Plans over buffers that lie on a device only, such as another library's array."""

from __future__ import annotations

import numpy as np
import pytest
from fake_foreign import STREAM, Library
from fake_gpu import FakeGpu, install_several
from residency import added, arena

import netts
from netts import TaskGraph
from netts.devices.foreign import device_array
from netts.errors import DeviceError, KernelTypeError

X = np.arange(8.0)


def view_of(library, values=X, name="X"):
    return device_array(library.asarray(values), name).view()


def planned(x, y, device="auto"):
    _, (out,) = arena(8)
    graph = TaskGraph()
    with graph.recording():
        added(x, y, out)
    return graph.compile(device=device), out


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_plan_reads_them_where_they_lie_and_sends_nothing_of_them(device, fake_gpu: FakeGpu):
    view = view_of(Library(fake_gpu))
    plan, out = planned(view, view, device)
    assert plan.reason == ("X lies there" if device == "auto" else "asked for")
    assert "upload what the host has written of arena" in plan.explain()
    assert "of X" not in plan.explain()
    plan.run(3)
    # What goes up is the arena, which the host has written.
    assert fake_gpu.taken("upload", "follow") == [("follow", STREAM), ("upload", 64)]
    np.testing.assert_array_equal(out.read(), 2 * X)


def test_the_host_may_read_them_between_runs(fake_gpu: FakeGpu):
    view = view_of(Library(fake_gpu))
    plan, out = planned(view, view)
    plan.run()
    np.testing.assert_array_equal(view.read(), X)
    np.testing.assert_array_equal(np.asarray(view), X)
    plan.run()
    np.testing.assert_array_equal(out.read(), 2 * X)
    copies = fake_gpu.taken("upload", "download")
    assert copies == [("upload", 64), ("download", 64), ("download", 64)]


def test_they_can_be_drawn(fake_gpu: FakeGpu):
    view = view_of(Library(fake_gpu))
    plan, _ = planned(view, view)
    assert "X" in plan.draw().svg


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_no_other_device_runs_them(device, fake_gpu: FakeGpu):
    view = view_of(Library(fake_gpu))
    with pytest.raises(DeviceError, match=rf"X lies on the GPU 'cuda', but .* {device!r}, asked"):
        planned(view, view, device)


def test_two_gpus_cannot_run_one_plan(monkeypatch):
    gpus = install_several(monkeypatch, 2)
    one, other = (Library(gpu, ordinal) for ordinal, gpu in enumerate(gpus))
    with pytest.raises(DeviceError, match="A lies on the GPU 'cuda' and B on 'cuda:1'"):
        planned(view_of(one, name="A"), view_of(other, name="B"))


def test_kernels_do_not_write_them(fake_gpu: FakeGpu):
    view = view_of(Library(fake_gpu))
    graph = TaskGraph()
    with graph.recording(), pytest.raises(KernelTypeError, match="is a constant"):
        added(view, view, view)


def test_they_are_no_arrays_for_checked_kernels(fake_gpu: FakeGpu):
    view = view_of(Library(fake_gpu))
    with netts.checked():
        plan, _ = planned(view, view)
        with pytest.raises(Exception, match=r"cannot be written by the host|has no memory"):
            plan.run()

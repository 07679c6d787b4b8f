"""Arrays of other libraries: which lie on a GPU, how they are read, and who waits for whom."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from fake_cuda import FakeCuda
from fake_foreign import STREAM, DlpackArray, InterfaceArray, Library
from fake_gpu import FakeGpu, install_several
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netts.devices.foreign import LEGACY_STREAM, device_array, on_host
from netts.errors import DataError, GraphError

KINDS = (DlpackArray, InterfaceArray)


@pytest.fixture(params=KINDS)
def library(request, fake_gpu: FakeGpu) -> Library:
    return Library(fake_gpu, kind=request.param)


def torch_tensor():
    return pytest.importorskip("torch").zeros(3)


def polars_frame():
    return pytest.importorskip("polars").DataFrame({"a": [1.0]})


@pytest.mark.parametrize(
    "make",
    [lambda: np.zeros(3), lambda: [1.0, 2.0], lambda: {"a": np.zeros(3)}, lambda: None,
     torch_tensor, polars_frame],
)  # fmt: skip
def test_what_the_host_can_read_lies_on_no_gpu(make):
    X = make()
    assert device_array(X) is None
    assert on_host(X, "X") is X


def test_an_array_on_a_gpu_is_found_and_nothing_is_read(library, fake_gpu):
    found = device_array(library.asarray(np.zeros((4, 3), np.float32)))
    assert (found.shape, found.dtype, found.device) == ((4, 3), np.float32, "cuda")
    assert len(found) == 4
    assert fake_gpu.taken() == []
    with pytest.raises(TypeError, match="X lies on the GPU 'cuda'"):
        np.asarray(found)


def test_the_number_of_the_gpu_is_told(monkeypatch):
    gpus = install_several(monkeypatch, 2)
    assert device_array(Library(gpus[1], 1).asarray(np.zeros(3))).device == "cuda:1"


class Elsewhere:
    """An array on something that is no NVIDIA GPU."""

    def __dlpack_device__(self):
        return 10, 0


def test_devices_of_other_makers_are_refused():
    with pytest.raises(DataError, match=r"X is a .*Elsewhere on a device that is no NVIDIA GPU"):
        device_array(Elsewhere())


# ------------------------------------------------------------ views


def test_a_view_reads_the_owners_memory_and_nothing_goes_up(library, fake_gpu):
    values = np.arange(12.0).reshape(3, 4)
    array = library.asarray(values)
    view = device_array(array).view()
    assert view.buffer.mirror.address == array.address
    np.testing.assert_array_equal(view.read(), values)
    assert fake_gpu.taken() == [("follow", STREAM), ("download", values.nbytes)]
    with pytest.raises(GraphError, match="cannot be written by the host"):
        view.array  # noqa: B018


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(KINDS), st.sampled_from([np.float32, np.int64, np.bool_]))
def test_arrays_of_any_strides_are_read(data, kind, dtype):
    with pytest.MonkeyPatch.context() as patch:
        (gpu,) = install_several(patch, 1)
        values = np.arange(60).reshape(5, 6, 2).astype(dtype)
        keys = [slice(None), slice(1, None, 2), slice(None, None, -1), slice(4, None, -2)]
        key = tuple(data.draw(st.sampled_from(keys)) for _ in range(3))
        values = values[key].transpose(data.draw(st.permutations(range(3))))
        found = device_array(Library(gpu, kind=kind).as_strided(values))
        np.testing.assert_array_equal(found.view().read(), values)


def test_before_version_3_the_default_stream_is_waited_for(fake_gpu: FakeGpu, monkeypatch):
    monkeypatch.setattr(InterfaceArray, "version", 2)
    array = Library(fake_gpu, kind=InterfaceArray).asarray(np.ones(3))
    fake_gpu.streams[LEGACY_STREAM] = fake_gpu.streams.pop(STREAM)
    np.testing.assert_array_equal(on_host(array, "y"), np.ones(3))


def test_no_stream_is_waited_for_where_the_library_has(fake_gpu: FakeGpu, monkeypatch):
    monkeypatch.setattr(InterfaceArray, "stream", None)
    array = Library(fake_gpu, kind=InterfaceArray).asarray(np.ones(3))
    device_array(array).view()
    assert fake_gpu.taken() == []


def test_a_mask_is_refused(fake_gpu: FakeGpu, monkeypatch):
    monkeypatch.setattr(InterfaceArray, "mask", object())
    array = Library(fake_gpu, kind=InterfaceArray).asarray(np.ones(3))
    with pytest.raises(DataError, match="y has a mask"):
        on_host(array, "y")


def test_what_a_library_keeps_to_itself_is_refused_in_its_words(fake_gpu: FakeGpu, monkeypatch):
    def refuse(self, *, stream):
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")

    monkeypatch.setattr(DlpackArray, "__dlpack__", refuse)
    with pytest.raises(DataError, match=r"X is not given away .*: .*use tensor\.detach"):
        on_host(Library(fake_gpu).asarray(np.ones(3)), "X")


def test_an_owner_is_kept_as_long_as_its_memory_is_used(library, fake_gpu):
    array = library.asarray(np.ones(3))
    is_alive = weakref.ref(array)
    view = device_array(array).view()
    del array
    gc.collect()
    assert is_alive() is not None
    np.testing.assert_array_equal(view.read(), 1)
    del view
    gc.collect()
    assert is_alive() is None
    assert not [one for one in fake_gpu.blocks.values() if not one.is_pinned]


# ------------------------------------------------------------ the driver


def test_the_device_waits_for_the_stream_of_another_library(monkeypatch):
    fake = FakeCuda(monkeypatch)
    gpu = fake.opened()
    with gpu.enter():
        fake.driver.calls.clear()
        gpu.follow(STREAM)
        gpu.copy(4096, 8192, 16)
        gpu.copy(4096, 8192, 0)
    called = [name for name, _ in fake.driver.calls if not name.startswith("cuCtx")]
    assert called[:4] == ["cuEventCreate", "cuEventRecord", "cuStreamWaitEvent", "cuEventDestroy"]
    assert called[4:] == ["cuMemcpyDtoDAsync"]
    assert gpu.stream_address == 1

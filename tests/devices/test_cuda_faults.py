"""What fails in the driver or in CUDA's packages: an error that says what, and what then holds."""

from __future__ import annotations

import gc
import os
import threading
import weakref

import numpy as np
import pytest
from fake_cuda import FakeCuda, Status

from netts.devices.cuda import KernelImage, opening
from netts.errors import DeviceError, DeviceLostError, DeviceMemoryError

IMAGE = KernelImage("entry", ("int32",), b"cubin", "relu_forward")


@pytest.fixture
def cuda(monkeypatch):
    return FakeCuda(monkeypatch)


# ------------------------------------------------------------ whose turn it is


def test_a_thread_is_left_as_it_was(cuda):
    first, second = cuda.opened(0), cuda.opened(1)
    assert cuda.driver.current == 0
    cuda.driver.current = 7  # of another library
    with first.enter():
        assert cuda.driver.current == 100
        with second.enter():
            assert cuda.driver.current == 101
        with pytest.raises(ZeroDivisionError), second.enter():
            _ = 1 / 0
        assert cuda.driver.current == 100
    assert cuda.driver.current == 7


def test_memory_is_freed_where_it_is_whatever_is_current(cuda):
    first, second = cuda.opened(0), cuda.opened(1)
    with first.enter():
        memory = first.allocate(10)
    with second.enter():
        memory.free()
        assert cuda.driver.current == 101
    assert cuda.driver.calls[-3:-1] == [("cuMemFree", 100), ("cuCtxSetCurrent", 100)]
    assert not cuda.driver.live


def test_each_gpu_is_one_object(cuda):
    assert cuda.opened(0) is cuda.opened(0) is not cuda.opened(1)
    assert (cuda.opened(1).name, cuda.opened(1).ordinal) == ("Test GPU 1", 1)
    assert cuda.opened(0).kernels is not cuda.opened(1).kernels
    with pytest.raises(DeviceError, match="there is no GPU 2: this process sees 2"):
        cuda.opened(2)


def test_each_thread_enters_for_itself(cuda):
    gpu = cuda.opened(1)
    seen = []

    def work():
        with gpu.enter():
            seen.append(cuda.driver.current)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [101]


# ------------------------------------------------------------ memory


def test_too_little_memory_is_told_in_bytes_and_the_device_goes_on(cuda):
    gpu = cuda.opened()
    cuda.driver.faults["cuMemAlloc"] = 2 * [Status.CUDA_ERROR_OUT_OF_MEMORY]
    message = (
        r"^Test GPU 0 has no room for 5,368,709,120 bytes: 3,221,225,472 of its 85,899,345,920 "
        r"bytes are free \(5,120 MiB asked for, 3,072 MiB free\); pass less at a time"
    )
    with gpu.enter():
        with pytest.raises(DeviceMemoryError, match=message) as raised:
            gpu.allocate(5 * 2**30)
        assert isinstance(raised.value, MemoryError)
        assert not gpu.lost
        gpu.allocate(16).free()
    assert not cuda.driver.live


@pytest.mark.parametrize(("kind", "freeing"), [("allocate", "MemFree"), ("pin", "MemFreeHost")])
def test_memory_is_given_back_behind_all_that_was_asked_for(kind, freeing, cuda):
    gpu = cuda.opened()
    with gpu.enter():
        memory = getattr(gpu, kind)(64)
    cuda.driver.calls.clear()
    memory.free()
    names = [name for name, _ in cuda.driver.calls if "Ctx" not in name]
    assert names == ["cuStreamSynchronize"] * 2 + [f"cu{freeing}"]  # both orders
    assert cuda.driver.live == cuda.driver.pinned == {}


def test_garbage_that_still_has_memory_is_collected_first(cuda):
    gpu = cuda.opened()

    class Plan:
        def __init__(self):
            self.itself = self
            weakref.finalize(self, gpu.allocate(64).free).atexit = False

    gc.disable()
    try:
        with gpu.enter():
            Plan()
            cuda.driver.faults["cuMemAlloc"] = [Status.CUDA_ERROR_OUT_OF_MEMORY]
            gpu.allocate(32)
    finally:
        gc.enable()
    assert list(cuda.driver.live.values()) == [32]


def test_a_device_that_does_not_even_say_what_is_free_is_told_too(cuda):
    gpu = cuda.opened()
    cuda.driver.faults["cuMemAlloc"] = 2 * [Status.CUDA_ERROR_OUT_OF_MEMORY]
    cuda.driver.faults["cuMemGetInfo"] = 3 * [Status.CUDA_ERROR_OUT_OF_MEMORY]
    with gpu.enter(), pytest.raises(DeviceMemoryError, match="nor for saying how much is free"):
        gpu.allocate(64)


def test_other_calls_that_find_no_memory_say_so(cuda):
    gpu = cuda.opened()
    cuda.driver.faults["cuMemHostAlloc"] = [Status.CUDA_ERROR_OUT_OF_MEMORY]
    with gpu.enter(), pytest.raises(DeviceMemoryError, match="no room for cuMemHostAlloc: 3,221"):
        gpu.pin(64)
    cuda.core.raises["load"] = "CUDA_ERROR_OUT_OF_MEMORY: The API call failed"
    with gpu.enter(), pytest.raises(DeviceMemoryError, match="for loading kernel 'relu_forward'"):
        gpu.prepare(IMAGE, 1, 128, (1,))
    with gpu.enter():
        gpu.prepare(IMAGE, 1, 128, (1,))


# ------------------------------------------------------------ kernels


@pytest.mark.parametrize(
    "status", ["NO_BINARY_FOR_GPU", "INVALID_IMAGE", "UNSUPPORTED_PTX_VERSION"]
)
def test_code_that_is_too_new_for_the_driver_is_named(cuda, status):
    gpu = cuda.opened()
    cuda.core.raises["load"] = f"CUDA_ERROR_{status}: whatever"
    message = (
        r"the driver of Test GPU 0, for CUDA 12\.4, refuses the machine code of kernel "
        rf"'relu_forward' \(CUDA_ERROR_{status}\), made by numba-cuda .*: update the driver"
    )
    with gpu.enter(), pytest.raises(DeviceError, match=message):
        gpu.prepare(IMAGE, 1, 128, (1,))


def test_a_kernel_of_too_many_registers_may_have_fewer(cuda):
    gpu = cuda.opened()
    with gpu.enter():
        assert gpu.kernels.registers_for(IMAGE, 256) is None
        cuda.core.most_threads = 128
        other = KernelImage("entry", ("int32",), b"larger", "relu_forward")
        assert gpu.kernels.registers_for(other, 256) == 128
        assert gpu.kernels.registers_for(other, 240) == 136
        message = "kernel 'relu_forward' runs in blocks of 256 threads, and Test GPU 0 takes 128"
        with pytest.raises(DeviceError, match=message):
            gpu.prepare(other, 1, 256, (1,))
        gpu.prepare(other, 1, 128, (1,))


def test_a_launch_that_is_refused_names_the_kernel(cuda):
    gpu = cuda.opened()
    with gpu.enter():
        launch = gpu.prepare(IMAGE, 1, 128, (1,))
        cuda.core.raises["launch"] = "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: too many"
        message = r"launching kernel 'relu_forward' fails on Test GPU 0: .*OUT_OF_RESOURCES"
        with pytest.raises(DeviceError, match=message):
            gpu.launch(launch)
        gpu.launch(launch)


# ------------------------------------------------------------ a lost device


def lose_by_a_copy(cuda, gpu):
    cuda.driver.faults["cuStreamSynchronize"] = [Status.CUDA_ERROR_ILLEGAL_ADDRESS]
    with gpu.enter():
        gpu.synchronize()


def lose_by_a_launch(cuda, gpu):
    with gpu.enter():
        launch = gpu.prepare(IMAGE, 1, 128, (1,))
        cuda.core.raises["launch"] = "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal access"
        gpu.launch(launch)


@pytest.mark.parametrize("lose", [lose_by_a_copy, lose_by_a_launch])
def test_a_device_that_is_lost_stays_so(cuda, lose):
    gpu, other = cuda.opened(0), cuda.opened(1)
    with gpu.enter():
        memory = gpu.allocate(64)
    cuda.driver.current = 7
    message = r"Test GPU 0 is lost to this process: .* fails with CUDA_ERROR_ILLEGAL_ADDRESS"
    with pytest.raises(DeviceLostError, match=message):
        lose(cuda, gpu)
    assert cuda.driver.current == 7
    for _ in range(2):
        with pytest.raises(DeviceLostError, match="start a new process"):
            gpu.enter()
    memory.free()
    assert cuda.driver.live == {memory.address: 64}
    with other.enter():
        other.allocate(16).free()


def test_the_first_reason_is_told_later_too(cuda):
    gpu = cuda.opened()
    cuda.driver.faults |= {
        "cuStreamSynchronize": [Status.CUDA_ERROR_ILLEGAL_ADDRESS],
        "cuMemcpyDtoHAsync": [Status.CUDA_ERROR_INVALID_CONTEXT],
    }
    with gpu.enter():
        for use in (gpu.synchronize, lambda: gpu.download(np.zeros(3), 4096)):
            with pytest.raises(
                DeviceLostError, match="cuStreamSynchronize fails with CUDA_ERROR_I"
            ):
                use()


def test_what_frees_memory_may_be_the_first_to_see_it(cuda):
    gpu = cuda.opened()
    with gpu.enter():
        memory = gpu.allocate(64)
    cuda.driver.faults["cuMemFree"] = [Status.CUDA_ERROR_ILLEGAL_ADDRESS]
    memory.free()
    with pytest.raises(DeviceLostError, match="cuMemFree fails with CUDA_ERROR_ILLEGAL_ADDRESS"):
        gpu.enter()


# ------------------------------------------------------------ forks


def test_a_forked_child_is_refused_whatever_it_asks_for(cuda, monkeypatch):
    gpu = cuda.opened(0)
    with gpu.enter():
        memory = gpu.allocate(64)
    monkeypatch.setattr(gpu, "process", os.getpid() + 1)
    for use in (gpu.enter, lambda: cuda.opened(0), lambda: cuda.opened(1)):
        with pytest.raises(DeviceError, match="this process was forked from one that uses CUDA"):
            use()
    memory.free()
    assert cuda.driver.live


def test_a_lock_that_another_thread_holds_at_a_fork_is_free_in_the_child(cuda):
    held, done = threading.Event(), threading.Event()

    def hold():
        with opening._lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    before = opening._lock
    try:
        opening._after_fork()
        assert opening._lock.acquire(blocking=False)
        opening._lock.release()
    finally:
        opening._lock = before
        done.set()
        thread.join()

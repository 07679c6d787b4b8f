"""Whether CUDA can be used, and if not, what exactly is missing and how to get it."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util

import pytest

import netts
from netts import devices
from netts.cli import main
from netts.devices import cuda_driver, registry
from netts.errors import DeviceError


class FakeDriver:
    """libcuda, with one GPU, unless told otherwise."""

    def __init__(self, status: int = 0, version: int = 13000, count: int = 1) -> None:
        self.status, self.version, self.count = status, version, count

    def cuInit(self, _flags):  # noqa: N802 - the driver's names
        return self.status

    def cuDriverGetVersion(self, version):  # noqa: N802
        version._obj.value = self.version

    def cuDeviceGetCount(self, count):  # noqa: N802
        count._obj.value = self.count

    def cuDeviceGet(self, handle, ordinal):  # noqa: N802
        handle._obj.value = ordinal

    def cuDeviceGetName(self, name, _length, _handle):  # noqa: N802
        name.value = b"Test GPU"

    def cuDeviceTotalMem_v2(self, memory, _handle):  # noqa: N802
        memory._obj.value = 80 * 2**30

    def cuDeviceGetPCIBusId(self, text, _length, handle):  # noqa: N802
        text.value = f"0000:0{handle.value}:00.0".encode()
        return 0

    def cuDeviceGetAttribute(self, value, attribute, _handle):  # noqa: N802
        value._obj.value = {75: 9, 76: 0}[attribute]


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine without CUDA's variables, and nothing remembered of the real one."""
    for name in ("CUDA_VISIBLE_DEVICES", "NUMBA_ENABLE_CUDASIM", "NETTS_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    forget()
    yield
    forget()


def forget():
    cuda_driver._available.cache_clear()
    registry._looked_up.cache_clear()


@pytest.fixture
def install(monkeypatch):
    """Put a driver and packages in place."""

    def put(driver: FakeDriver | None, absent: tuple[str, ...] = (), bindings: str = "13.0.1"):
        def load(_name):
            if driver is None:
                raise OSError("no such file")
            return driver

        monkeypatch.setattr(ctypes, "CDLL", load)
        monkeypatch.setattr(cuda_driver, "_is_installed", lambda name: name not in absent)
        monkeypatch.setattr(importlib.metadata, "version", lambda _name: bindings)

    return put


def test_a_gpu_is_described(install, capsys):
    install(FakeDriver())
    assert cuda_driver.missing() is None
    (gpu,) = cuda_driver.check_available()
    assert str(gpu) == "Test GPU, 80 GiB, compute capability 9.0, driver for CUDA 13.0"
    assert main(["devices"]) == 0
    assert f"cuda       available      {gpu}" in capsys.readouterr().out
    assert devices.choose("cuda") == "cuda"


def test_a_gpu_without_cublas_is_said_to_be_slow(install, capsys):
    install(FakeDriver(), absent=("nvmath",))
    assert devices.choose("cuda") == "cuda"
    assert main(["devices"]) == 0
    said = "; sums of products run as plain loops, for nvmath cannot be imported: install netts"
    assert said in capsys.readouterr().out


def test_auto_is_left_open_where_there_is_a_gpu(install):
    install(FakeDriver())
    assert devices.choose("auto") == "auto"
    assert registry.gpu_for_auto().gpus[0].memory_bytes == 80 * 2**30


class FakeNvml:
    """libnvidia-ml, for GPUs of 80 GiB of which 79 are free, unless told otherwise."""

    def __init__(self, status: int = 0, total: int = 80 * 2**30) -> None:
        self.status, self.total, self.asked = status, total, []

    def nvmlInit_v2(self):  # noqa: N802
        return 0

    def nvmlDeviceGetHandleByPciBusId_v2(self, bus_id, _handle):  # noqa: N802
        self.asked.append(bus_id)
        return self.status

    def nvmlDeviceGetMemoryInfo(self, _handle, memory):  # noqa: N802
        memory._obj.total, memory._obj.free = self.total, 79 * 2**30
        return 0

    def nvmlShutdown(self):  # noqa: N802
        return 0


def test_each_gpu_is_listed_with_what_is_free(install, monkeypatch, capsys):
    install(driver := FakeDriver(count=2))
    nvml = FakeNvml()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: nvml if "nvidia-ml" in name else driver)
    assert main(["devices"]) == 0
    said = "Test GPU, 80 GiB, compute capability 9.0, driver for CUDA 13.0; 79.0 GiB free"
    printed = capsys.readouterr().out
    assert f"cuda       available      {said}\n" in printed
    assert f"cuda:1     available      {said}\n" in printed
    assert nvml.asked == [b"0000:00:00.0", b"0000:01:00.0"]


@pytest.mark.parametrize("nvml", [FakeNvml(status=6), FakeNvml(total=800 * 2**30)])
def test_what_is_free_is_not_said_where_it_is_unknown(install, monkeypatch, nvml):
    install(driver := FakeDriver())
    monkeypatch.setattr(ctypes, "CDLL", lambda name: nvml if "nvidia-ml" in name else driver)
    (gpu,) = cuda_driver.check_available()
    assert gpu.free_bytes is None


@pytest.mark.parametrize(
    ("asked", "chosen"), [("cuda", "cuda"), ("cuda:0", "cuda"), ("cuda:1", "cuda:1")]
)
def test_a_gpu_is_chosen_by_number(install, monkeypatch, asked, chosen):
    install(FakeDriver(count=2))
    assert devices.choose(asked) == chosen
    with netts.device(asked) as name:
        assert (name, devices.choose()) == (chosen, chosen)
    monkeypatch.setenv("NETTS_DEVICE", asked)
    assert devices.choose() == chosen


@pytest.mark.parametrize(
    ("count", "visible", "message"),
    [
        (1, None, "no device 'cuda:2', asked for: this process sees one GPU, 'cuda'$"),
        (2, None, "this process sees 2 GPUs, 'cuda' to 'cuda:1'$"),
        (2, "0,1", r"to 'cuda:1' \(CUDA_VISIBLE_DEVICES='0,1' may hide others\)$"),
    ],
)
def test_a_number_without_a_gpu_says_how_many_there_are(
    install, monkeypatch, count, visible, message
):
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    install(FakeDriver(count=count))
    with pytest.raises(DeviceError, match=message):
        devices.choose("cuda:2")
    with pytest.raises(DeviceError, match="cuda:2"), netts.device("cuda:2"):
        pass


def test_a_number_on_a_machine_without_gpus_says_what_is_missing(install):
    install(None)
    with pytest.raises(DeviceError, match="device 'cuda:1', asked for, cannot be used: no NVIDIA"):
        devices.choose("cuda:1")


@pytest.mark.parametrize(
    ("driver", "absent", "bindings", "message"),
    [
        (None, (), "13.0", "no NVIDIA driver: libcuda.so.1 is not found. .*install"),
        (FakeDriver(100), (), "13.0", "finds no GPU; `nvidia-smi` should list one"),
        (FakeDriver(count=0), (), "13.0", "finds no GPU"),
        (FakeDriver(803), (), "13.0", r"does not start \(cuInit gives 803\): .*restart"),
        (FakeDriver(3), (), "13.0", "this process was forked from one that uses CUDA"),
        (FakeDriver(999), (), "13.0", r"does not start \(cuInit gives 999\)"),
        (FakeDriver(version=11080), (), "12.9", "too old: it supports CUDA 11.8, and CUDA 12.0"),
        (FakeDriver(version=12040), (), "13.0.1", "is 13.0.1: install .* extra 'cuda12'"),
        (FakeDriver(), ("numba_cuda",), "13.0", r"but numba_cuda .* `pip install '\.\[cuda13\]'`"),
        (FakeDriver(version=12080), ("cuda.core", "cuda.bindings"), "", "extra 'cuda12'"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(install, capsys, driver, absent, bindings, message):
    install(driver, absent, bindings)
    with pytest.raises(DeviceError, match=f"device 'cuda', asked for, cannot be used: .*{message}"):
        devices.choose("cuda")
    with pytest.raises(DeviceError, match=message), netts.device("cuda"):
        pass
    assert devices.choose("auto") == "cpu"
    assert main(["devices"]) == 0
    assert "cuda       not available  " in capsys.readouterr().out


def test_hidden_gpus_are_told_from_missing_ones(install, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    install(FakeDriver(100))
    assert "CUDA_VISIBLE_DEVICES='' leaves no GPU visible" in str(cuda_driver.missing())


def test_the_simulator_is_no_device(install, monkeypatch):
    install(FakeDriver())
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    assert "NUMBA_ENABLE_CUDASIM is set" in str(cuda_driver.missing())


def test_what_was_missing_is_looked_for_again(install):
    install(None)
    assert cuda_driver.missing() is not None
    install(FakeDriver())
    assert cuda_driver.missing() is None


def test_packages_are_looked_for_without_importing_them():
    assert cuda_driver._is_installed("numpy")
    assert not cuda_driver._is_installed("netts_has_no_such_package")
    assert not cuda_driver._is_installed("netts_has_no_such_package.core")

"""Whether CUDA can be used, and if not, what exactly is missing and how to get it."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util

import pytest

import netts
from netts import devices
from netts.cli import main
from netts.devices import cuda_driver
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

    def cuDeviceGetAttribute(self, value, attribute, _handle):  # noqa: N802
        value._obj.value = {75: 9, 76: 0}[attribute]


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine without CUDA's variables, and nothing remembered of the real one."""
    for name in ("CUDA_VISIBLE_DEVICES", "NUMBA_ENABLE_CUDASIM", "NETTS_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    cuda_driver._available.cache_clear()
    yield
    cuda_driver._available.cache_clear()


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


def test_auto_does_not_choose_cuda_yet(install):
    install(FakeDriver())
    assert devices.choose("auto") == "cpu"


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

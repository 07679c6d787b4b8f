"""Calibration of a GPU: it finds the costs of a device whose costs are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

import netts
from netts.compiler import cache, calibration, measuring
from netts.compiler.cuda import estimate, gpu_calibration, gpu_measuring
from netts.compiler.cuda import specialise as cuda_specialise
from netts.compiler.cuda.gpu_costs import GPU_DEFAULTS, GpuCosts
from netts.compiler.cuda.specialise import Product
from netts.devices import registry

TRUE = replace(
    GPU_DEFAULTS, kernel=2e-6, product=5e-6, multiply_add=1e-13, step=3e-12, latency=2e-8,
    run=3e-5, copy=2e-5, byte=4e-11, call=9e-4, call_byte=6e-10,
)  # fmt: skip


@dataclass
class Memory:
    address: int = 0
    array: np.ndarray | None = None

    def free(self) -> None:
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass


class TimedGpu:
    """A device that does nothing, and takes as long over it as its costs say."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def allocate(self, nbytes):
        return Memory()

    def pin(self, nbytes):
        return Memory(array=np.zeros(nbytes, np.uint8))

    def copied(self, nbytes):
        self.now += TRUE.copy + nbytes * TRUE.byte

    def upload(self, _address, source):
        self.copied(source.nbytes)

    def download(self, target, _address):
        self.copied(target.nbytes)

    def clear(self, _address, _nbytes):
        pass

    def synchronize(self):
        pass

    def launch(self, seconds):
        self.now += seconds

    def capture(self, launches):
        return launches

    def launch_graph(self, launches):
        self.now += TRUE.run + sum(launches)


@pytest.fixture
def timed(monkeypatch):
    gpu = TimedGpu()
    bounds = {}
    original = gpu_measuring.specialise

    def specialise(bound, **keywords):
        special = original(bound, **keywords)
        bounds.update({id(one): (special, bound) for one in special.operations})
        return special

    def prepared(operation, *_places):
        if isinstance(operation, Product):
            return TRUE.product + operation.gemm.multiply_adds * TRUE.multiply_add
        found = estimate.Work.of(operation, *bounds[id(operation)])
        return TRUE.kernel + max(found.total * TRUE.step, found.serial * TRUE.latency)

    def run(_special, arrays, machine, _launch):
        copied = sum(one.nbytes for one in arrays) + arrays[-1].nbytes
        machine.now += TRUE.call + copied * TRUE.call_byte

    monkeypatch.setattr(gpu_measuring, "perf_counter", gpu.clock)
    monkeypatch.setattr(gpu_measuring, "specialise", specialise)
    monkeypatch.setattr(gpu_measuring, "prepared", prepared)
    monkeypatch.setattr(gpu_measuring, "run", run)
    monkeypatch.setattr(gpu_measuring, "device", lambda: gpu)
    monkeypatch.setattr(gpu_measuring, "cublas_missing", lambda: None)
    monkeypatch.setattr(cuda_specialise, "cublas_missing", lambda: None)
    return gpu


@pytest.fixture
def own_cache(tmp_path, monkeypatch, fake_gpu):
    """Return a cache directory of a process that has not looked, on a machine with a GPU."""
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(calibration.VARIABLE)
    for module in (calibration, gpu_calibration):
        monkeypatch.setattr(module, "_process", {})
    monkeypatch.setattr(measuring, "measured_costs", lambda: {"call": 100.0})
    return tmp_path / "cache"


def test_the_costs_of_a_device_are_found(timed):
    found = gpu_measuring.measured_costs(timed)
    assert set(found) == set(GpuCosts.names())
    for name, value in found.items():
        assert value == pytest.approx(getattr(TRUE, name), rel=0.2), name


def test_without_cublas_products_stay_at_their_defaults(timed, monkeypatch):
    monkeypatch.setattr(gpu_measuring, "cublas_missing", lambda: "it is not installed")
    found = GpuCosts.settled(gpu_measuring.measured_costs(timed), "")
    assert (found.product, found.multiply_add) == (GPU_DEFAULTS.product, GPU_DEFAULTS.multiply_add)


def test_nothing_is_measured_unless_asked_for(own_cache, timed):
    assert gpu_calibration.current() is GPU_DEFAULTS
    assert timed.now == 0


def test_it_is_measured_once_and_kept(own_cache, timed, monkeypatch):
    netts.calibrate()
    found, spent = gpu_calibration.current(), timed.now
    assert found == GpuCosts.settled(gpu_measuring.measured_costs(timed), "")
    assert found.origin.startswith("calibrated on 20")
    assert found.origin.endswith("for a fake GPU")
    assert found.digest != GPU_DEFAULTS.digest
    monkeypatch.setattr(gpu_calibration, "_process", {})
    assert gpu_calibration.current() == found
    timed.now = spent
    netts.calibrate()
    assert timed.now == spent
    netts.calibrate(anew=True)
    assert timed.now > spent


def test_another_gpu_has_its_own_costs(own_cache, timed, monkeypatch):
    netts.calibrate()
    other = registry.DeviceInfo("cuda", True, "another GPU")
    monkeypatch.setitem(registry._DEVICES, "cuda", lambda: other)
    assert gpu_calibration.recorded() is None


def test_the_environment_can_ask_for_the_defaults(own_cache, timed, monkeypatch):
    netts.calibrate()
    monkeypatch.setattr(gpu_calibration, "_process", {})
    monkeypatch.setenv(calibration.VARIABLE, "defaults")
    assert gpu_calibration.current() is GPU_DEFAULTS


def test_a_machine_without_a_gpu_calibrates_its_processor_only(own_cache, timed, no_gpu):
    netts.calibrate()
    assert calibration.current().call == 100.0
    assert timed.now == 0
    assert gpu_calibration.recorded() is None


def test_devices_says_what_the_gpu_costs(own_cache, timed, capsys):
    from netts.cli import main

    assert main(["devices", "--calibrate"]) == 0
    assert f"costs on cuda: {gpu_calibration.current()}\n" in capsys.readouterr().out

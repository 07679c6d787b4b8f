"""How much of a GPU's memory fits take and give back: of a GPU that no other process uses."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from trainings import CLASSES, X, mlp

from netts import Trainer
from netts.devices import cuda
from netts.devices.cuda_driver import missing
from netts.errors import DeviceError

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(missing() is not None, reason=str(missing()))]


def test_a_fit_that_does_not_fit_says_so_and_the_device_goes_on():
    gpu = cuda.device()
    network = mlp()
    large, targets = np.zeros((2**21, 64), np.float32), np.arange(2**21) % 3
    refused = pytest.raises(DeviceError, match=r"has no room for .* bytes are free")
    with gpu.allocate(gpu.free_bytes() - 2**23), refused:  # less than their order needs
        Trainer(mlp(), device="cuda").fit(large, targets)
    Trainer(network, epochs=1, device="cuda").fit(X, CLASSES)
    assert np.isfinite(network.predict(X, device="cuda")).all()


def test_fits_leave_no_memory_behind():
    data, targets = np.zeros((2**18, 64), np.float32), np.arange(2**18) % 3
    gc.disable()
    try:
        before = None
        for _ in range(4):
            Trainer(mlp(), epochs=1, batch_size=4096, device="cuda").fit(data, targets)
            before = before or cuda.device().free_bytes()
            assert cuda.device().free_bytes() > before - data.nbytes
    finally:
        gc.enable()

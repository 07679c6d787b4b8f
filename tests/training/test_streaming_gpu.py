"""Streaming on a real GPU: `tests/gpu_exam.sh` runs these, CI cannot."""

from __future__ import annotations

import gc
import time

import numpy as np
import pytest
from streamings import CASES, DROPPING, SAMPLE_BYTES, Counting, assert_same, fitted, images
from trainings import CLASSES, IMAGES, X, learned, mlp

from netts import Network, Trainer
from netts.devices import cuda
from netts.devices.cuda_driver import missing
from netts.graph.window import HALVES
from netts.training import Callback

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

MANY = np.random.default_rng(0).standard_normal((2**19, 64), np.float32)
KINDS = (MANY[:, 0] > MANY[:, 1]).astype(np.int64)
LARGE = {"epochs": 2, "batch_size": 4096}


@pytest.mark.parametrize("n_batches", [1, 3])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_streamed_data_teach_what_resident_data_teach(case, n_batches):
    data, batch = (IMAGES, 7) if case is images else (X, 16)
    limit = HALVES * n_batches * batch * (data[0].size * 8 + 16)
    expected = learned(case("cuda"), data)
    assert_same(learned(case("cuda", data_memory_bytes=limit), data), expected)


@pytest.mark.parametrize("n_threads", [1, 8])
def test_large_chunks_teach_what_resident_data_teach(n_threads):
    expected = fitted(mlp(), MANY, KINDS, "cuda", **LARGE)
    source = Counting(MANY)
    source.n_threads = n_threads
    for data, limit in ((MANY, 2**24), (MANY, 2**26), (source, None)):
        found = fitted(mlp(), data, KINDS, "cuda", data_memory_bytes=limit, **LARGE)
        assert_same(found.network.weights(), expected.network.weights())
        assert found.history_.loss == expected.history_.loss
        assert 0.0 < found.history_.stalled_share <= 1.0


def test_data_that_do_not_fit_are_streamed_by_themselves():
    expected = fitted(mlp(), MANY, KINDS, "cuda", **LARGE)
    gc.collect()
    gpu = cuda.device()
    with gpu.allocate(gpu.free_bytes() - 2**26):  # half of what they need is left
        found = fitted(mlp(), MANY, KINDS, "cuda", **LARGE)
    assert found.history_.stalled_share > 0
    assert_same(found.network.weights(), expected.network.weights())


class Traffic(Callback):
    """Keeps how many uploads each epoch had."""

    def on_fit_begin(self, trainer):
        self.totals = [cuda.device().transfers.traffic.uploads]

    def on_epoch_end(self, trainer, history):
        self.totals.append(cuda.device().transfers.traffic.uploads)


def test_an_epoch_uploads_each_chunk_once_and_the_order():
    traffic = Traffic()
    fitted(
        mlp(), X, CLASSES, "cuda", callbacks=[traffic],
        shuffle=np.random.default_rng(0).permutation,  # not known ahead, so not read ahead
        data_memory_bytes=HALVES * 16 * SAMPLE_BYTES,
    )  # fmt: skip
    assert np.diff(traffic.totals[1:]).tolist() == [2 * 5 + 1] * 2


def test_waiting_for_data_is_measured_on_the_device():
    class Lazy(Counting):
        def read(self, indices, out, *, epoch):
            time.sleep(0.05)
            super().read(indices, out, epoch=epoch)

    options = {"data_memory_bytes": HALVES * 16 * SAMPLE_BYTES}
    history = fitted(mlp(), Lazy(), CLASSES, "cuda", **options).history_
    for epoch in history.epochs[1:]:  # the first one loads kernels
        assert 0.8 * 5 * 0.05 < epoch.stalled_seconds < epoch.seconds
    assert fitted(mlp(), X, CLASSES, "cuda").history_.stalled_share == 0.0


def test_an_error_of_a_source_leaves_the_last_epoch_and_a_device_that_goes_on():
    class Corrupted(Counting):
        def read(self, indices, out, *, epoch):
            super().read(indices, out, epoch=epoch)
            if epoch == 2 and 41 in indices:
                raise OSError("not a JPEG")

    class Keeping(Callback):
        def on_epoch_end(self, trainer, history):
            self.weights = trainer.network.weights()

    network, keeping = Network(DROPPING), Keeping()
    with pytest.raises(OSError, match="not a JPEG") as found:
        fitted(
            network, Corrupted(), CLASSES, "cuda", epochs=9, callbacks=[keeping],
            data_memory_bytes=HALVES * 16 * SAMPLE_BYTES,
        )  # fmt: skip
    assert found.value.__notes__ == ["while reading sample 41 of X"]
    assert_same(network.weights(), keeping.weights)
    assert np.isfinite(fitted(network, X, CLASSES, "cuda").predict(X)).all()


def test_streamed_fits_leave_no_memory_behind():
    gpu, before = cuda.device(), 0
    for _ in range(4):
        Trainer(mlp(), device="cuda", data_memory_bytes=2**25, **LARGE).fit(MANY, KINDS)
        gc.collect()
        before = before or gpu.free_bytes()
        assert gpu.free_bytes() > before - 2**24

"""Training on samples that lie on a GPU: they stay there, and what is learned is the same."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from fake_foreign import DlpackArray, InterfaceArray, Library
from fake_gpu import FakeGpu, install_several

from netts import Network, Trainer, layers
from netts.errors import DataError, DeviceError, DeviceMemoryError

rng = np.random.default_rng(0)
X = rng.normal(size=(90, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
MOVES = ("upload", "download", "aside")


@pytest.fixture(params=[DlpackArray, InterfaceArray])
def library(request, fake_gpu: FakeGpu) -> Library:
    return Library(fake_gpu, kind=request.param)


def trainer(**settings):
    network = Network([layers.Dense(5, "relu"), layers.Dense(2)])
    usual = {"loss": "cross_entropy", "epochs": 3, "batch_size": 16, "random_state": 0}
    return Trainer(network, **usual | settings)


def weights(trained):
    return trained.network.parameters.flat.read().copy()


def test_samples_are_gathered_from_where_they_lie(library, fake_gpu):
    expected, found = trainer(device="cpu"), trainer(device="cuda")
    history = expected.fit(X, Y)
    array = library.asarray(X)
    assert found.fit(array, Y).loss == history.loss
    np.testing.assert_array_equal(weights(found), weights(expected))
    assert X.nbytes not in [nbytes for _, nbytes in fake_gpu.taken(*MOVES)]


def test_auto_trains_where_the_samples_lie(library):
    trained = trainer()
    trained.fit(library.asarray(X), Y)
    assert (trained.device_, trained.device_reason_) == ("cuda", "X lies there")


def test_targets_and_weights_come_down_once(library, fake_gpu):
    sample_weight = rng.uniform(1, 2, size=len(X)).astype(np.float32)
    expected, found = trainer(device="cpu"), trainer()
    expected.fit(X, Y, sample_weight)
    found.fit(library.asarray(X), library.asarray(Y), library.asarray(sample_weight))
    downloads = [nbytes for _, nbytes in fake_gpu.taken("download")]
    assert downloads.count(Y.nbytes) == 1
    assert downloads.count(sample_weight.nbytes) == 1
    np.testing.assert_array_equal(weights(found), weights(expected))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_of_another_dtype_has_them_converted_on_the_device(dtype, library, fake_gpu):
    other = {np.float32: np.float64, np.float64: np.float32}[dtype]
    expected, found = trainer(device="cpu"), trainer()
    for one in (expected, found):
        one.network.build(6, dtype=dtype, random_state=0)
    expected.fit(X.astype(other), Y)
    found.fit(library.asarray(X.astype(other)), Y)
    assert X.nbytes not in [nbytes for _, nbytes in fake_gpu.taken(*MOVES)]
    np.testing.assert_array_equal(weights(found), weights(expected))


def test_samples_are_held_out_on_the_device(library, fake_gpu):
    expected, found = (trainer(device=name, validation_fraction=0.3) for name in ("cpu", "cuda"))
    history = expected.fit(X, Y)
    assert found.fit(library.asarray(X), Y).validation_loss == history.validation_loss
    largest = max(nbytes for _, nbytes in fake_gpu.taken(*MOVES))
    assert largest < X.nbytes / 2
    np.testing.assert_array_equal(weights(found), weights(expected))


@pytest.mark.parametrize("lying", ["training", "validation"])
def test_one_of_the_sets_may_lie_on_the_host(lying, library):
    expected, found = trainer(device="cpu"), trainer()
    history = expected.fit(X[:60], Y[:60], validation_data=(X[60:], Y[60:]))
    a, b = X[:60], X[60:]
    a, b = (library.asarray(a), b) if lying == "training" else (a, library.asarray(b))
    found.fit(a, Y[:60], validation_data=(b, Y[60:]))
    assert found.device_ == "cuda"
    assert found.history_.validation_loss == history.validation_loss


def test_a_limit_for_data_is_none_for_what_is_there_already(library, fake_gpu):
    expected, found = trainer(device="cpu"), trainer(data_memory_bytes=1000)
    expected.fit(X, Y)
    found.fit(library.asarray(X), Y)
    assert fake_gpu.taken("aside") == []
    np.testing.assert_array_equal(weights(found), weights(expected))


def test_a_fit_goes_on_with_samples_on_a_gpu(library):
    expected, found = trainer(device="cpu"), trainer()
    for data, one in ((X, expected), (library.asarray(X), found)):
        one.fit(data, Y)
        one.fit(data, Y, resume=True)
    np.testing.assert_array_equal(weights(found), weights(expected))


def test_nothing_is_kept_of_the_samples(library):
    trained, array = trainer(), library.asarray(X)
    is_alive = weakref.ref(array)
    trained.fit(array, Y)
    del array
    gc.collect()
    assert is_alive() is None


# ------------------------------------------------------------ what is refused


def test_another_device_is_refused_before_anything_is_built(library):
    trained = trainer(device="cpu")
    with pytest.raises(DeviceError, match="X lies on the GPU 'cuda', but is to be used on 'cpu'"):
        trained.fit(library.asarray(X), Y)
    assert not trained.network.is_built


def test_sets_on_two_gpus_are_refused(monkeypatch):
    first, second = (Library(gpu, n) for n, gpu in enumerate(install_several(monkeypatch, 2)))
    with pytest.raises(DeviceError, match=r"X lies on .* 'cuda' and validation X on 'cuda:1'"):
        trainer().fit(first.asarray(X), Y, validation_data=(second.asarray(X), Y))


def test_values_that_are_not_finite_are_found_on_the_device(library, fake_gpu):
    broken = np.where(X[2, 3] == X, np.nan, X)
    with pytest.raises(DataError, match="X has 1 values that are not finite"):
        trainer().fit(library.asarray(broken), Y)
    assert X.nbytes not in [nbytes for _, nbytes in fake_gpu.taken(*MOVES)]


def test_too_little_memory_for_a_copy_is_said(monkeypatch):
    (gpu,) = install_several(monkeypatch, 1, nbytes=8_000)
    array = Library(gpu).asarray(X.astype(np.float64))
    with pytest.raises(DeviceMemoryError, match="no room"):
        trainer(device="cuda").fit(array[:, ::-1], Y)


def test_lists_of_samples_have_as_many_targets(library):
    with pytest.raises(Exception, match="X has 90 samples, but its targets have shape"):
        trainer().fit(library.asarray(X), Y[:10])

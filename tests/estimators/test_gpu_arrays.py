"""CuPy's, PyTorch's and JAX's own arrays on a real GPU: read there, answered in kind."""

from __future__ import annotations

import gc
import os
import warnings

import numpy as np
import pytest

from netts import MLPClassifier, MLPRegressor, Network, Trainer, layers
from netts.devices.cuda import opened
from netts.devices.cuda_driver import missing
from netts.errors import DataError, DeviceError
from netts.estimators import MLPTransformer

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

rng = np.random.default_rng(0)
X = rng.normal(size=(3000, 20)).astype(np.float32)
Y = np.digitize(X[:, 0] + X[:, 1], [-0.7, 0.7])
SETTINGS = {"hidden_layer_sizes": (32,), "max_iter": 5, "random_state": 0, "device": "cuda"}


class Cupy:
    """What the tests do with CuPy."""

    def __init__(self):
        self.cupy = pytest.importorskip("cupy")

    def of(self, values):
        return self.cupy.asarray(values)

    def host(self, array):
        assert isinstance(array, self.cupy.ndarray)
        return self.cupy.asnumpy(array)

    def late(self, values):
        """Return an array that is written late, on a stream of its own that nobody waits for."""
        stream = self.cupy.cuda.Stream(non_blocking=True)
        source, found = self.of(values), self.cupy.zeros(values.shape, values.dtype)
        self.cupy.cuda.Device().synchronize()
        with stream:
            _busy = [self.cupy.ones((4096, 4096)) @ self.cupy.ones((4096, 4096)) for _ in range(20)]
            found[...] = source
            return found, stream


class Torch:
    """What the tests do with PyTorch."""

    def __init__(self):
        self.torch = pytest.importorskip("torch")
        if not self.torch.cuda.is_available():
            pytest.skip("this PyTorch knows no CUDA")

    def of(self, values):
        return self.torch.asarray(np.ascontiguousarray(values), device="cuda")

    def host(self, array):
        assert isinstance(array, self.torch.Tensor)
        assert array.device.type == "cuda"
        return array.cpu().numpy()

    def late(self, values):
        stream = self.torch.cuda.Stream()
        source, found = self.of(values), self.torch.zeros(values.shape, device="cuda")
        self.torch.cuda.synchronize()
        with self.torch.cuda.stream(stream):
            ones = self.torch.ones((8192, 8192), device="cuda")
            for _ in range(20):
                ones @ ones
            found.copy_(source)
        return found, stream


class Jax:
    """What the tests do with JAX."""

    def __init__(self):
        # JAX takes three quarters of the memory otherwise, when it starts.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        self.jax = pytest.importorskip("jax")
        try:
            self.device = self.jax.devices("cuda")[0]
        except RuntimeError as error:
            pytest.skip(f"this JAX knows no CUDA: {error}")

    def of(self, values):
        return self.jax.device_put(values, self.device)

    def host(self, array):
        assert isinstance(array, self.jax.Array)
        assert array.devices() == {self.device}
        return np.asarray(array)


LIBRARIES = {"cupy": Cupy, "torch": Torch, "jax": Jax}


@pytest.fixture(params=LIBRARIES)
def library(request):
    return LIBRARIES[request.param]()


@pytest.fixture(params=["cupy", "torch"])
def library_with_streams(request):
    return LIBRARIES[request.param]()


def fitted(estimator, *data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(*data)


def traffic_of(act):
    """Return what an act sends to the GPU and brings from it, in bytes."""
    transfers = opened().transfers
    before = transfers.traffic
    act()
    since = transfers.traffic.since(before)
    return since.upload_bytes, since.download_bytes


def test_a_classifier_is_that_of_the_host_and_answers_in_kind(library):
    expected = fitted(MLPClassifier(**SETTINGS), X, Y)
    array = library.of(X)
    found = fitted(MLPClassifier(**SETTINGS | {"device": "auto"}), array, library.of(Y))
    assert (found.device_, found.device_choice_.reason) == ("cuda", "X lies there")
    for one, other in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("predict", "predict_proba", "predict_log_proba"):
        answer, wanted = library.host(getattr(found, name)(array)), getattr(expected, name)(X)
        np.testing.assert_allclose(answer, wanted, rtol=1e-5, atol=1e-6)
    assert found.score(array, Y) == expected.score(X, Y)


def test_samples_never_pass_through_the_host(library):
    array = library.of(X)
    model = MLPClassifier(**SETTINGS)
    assert max(traffic_of(lambda: fitted(model, array, Y))) < X.nbytes
    model.predict_proba(array)
    weights = sum(one.nbytes for one in (*model.coefs_, *model.intercepts_))
    sent, brought = traffic_of(lambda: model.predict_proba(array))
    assert sent <= weights + 1024
    assert brought <= 1024


def test_float64_and_regression(library):
    if isinstance(library, Jax):
        pytest.skip("JAX has float64 only where it was told so")
    wide, y = X.astype(np.float64), X[:, :2].astype(np.float64)
    expected = fitted(MLPRegressor(**SETTINGS), wide, y)
    found = fitted(MLPRegressor(**SETTINGS), library.of(wide), library.of(y))
    np.testing.assert_allclose(
        library.host(found.predict(library.of(wide))), expected.predict(wide)
    )
    narrow = fitted(MLPRegressor(**SETTINGS, dtype="float32"), library.of(wide), y)
    assert library.host(narrow.predict(library.of(wide))).dtype == np.float32


def test_hidden_activations(library):
    found = fitted(MLPTransformer(MLPClassifier(**SETTINGS)), library.of(X), Y)
    answer = library.host(found.transform(library.of(X)))
    np.testing.assert_allclose(answer, found.transform(X), rtol=1e-5, atol=1e-6)


def test_views_with_gaps(library_with_streams):
    library = library_with_streams
    network = Network([layers.Dense(3)]).build(5, random_state=0)
    part = library.of(X)[::3, 4:14:2]
    answer = library.host(network.predict(part, device="cuda"))
    np.testing.assert_allclose(answer, network.predict(X[::3, 4:14:2], device="cpu"), atol=1e-5)
    columns = library.of(np.ascontiguousarray(X[:, :5].T)).T
    answer = library.host(network.predict(columns))
    np.testing.assert_allclose(answer, network.predict(X[:, :5], device="cpu"), atol=1e-5)


def test_images_and_held_out_samples(library):
    images = rng.normal(size=(256, 1, 8, 8)).astype(np.float32)
    targets = (images.mean(axis=(1, 2, 3)) > 0).astype(np.int64)
    histories = []
    for data in (images, library.of(images)):
        network = Network([layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)])
        trainer = Trainer(
            network, "cross_entropy", epochs=3, batch_size=32, validation_fraction=0.25,
            random_state=0, device="cuda",
        )  # fmt: skip
        histories.append(trainer.fit(data, targets))
    assert histories[0].loss == histories[1].loss
    assert histories[0].validation_loss == histories[1].validation_loss


def test_what_another_stream_writes_is_waited_for(library_with_streams):
    library = library_with_streams
    network = Network([layers.Dense(3)]).build(20, random_state=0)
    network.predict(library.of(X))  # compiled and loaded
    wanted = network.predict(X, device="cuda")
    for _ in range(3):
        found, stream = library.late(X)
        if isinstance(library, Torch):
            with library.torch.cuda.stream(stream):
                answer = network.predict(found)
        else:
            with stream:
                answer = network.predict(found)
        np.testing.assert_array_equal(library.host(answer), wanted)


def test_memory_goes_with_the_arrays(library_with_streams):
    library = library_with_streams
    network = Network([layers.Dense(500)]).build(20, random_state=0)
    big = library.of(np.zeros((200_000, 20), np.float32))
    network.predict(big)
    gc.collect()
    gpu = opened()
    with gpu.enter():
        before = gpu.free_bytes()
        for _ in range(10):  # 400 MB each
            network.predict(big)
        gc.collect()
        assert before - gpu.free_bytes() < 2**28


def test_an_answer_outlives_the_network(library):
    network = Network([layers.Dense(3)]).build(20, random_state=0)
    wanted = network.predict(X, device="cuda")
    answer = network.predict(library.of(X))
    del network
    gc.collect()
    np.testing.assert_array_equal(library.host(answer), wanted)


def test_mistakes_are_named(library):
    model = fitted(MLPClassifier(**SETTINGS), X, Y)
    with pytest.raises(DeviceError, match="X lies on the GPU 'cuda', but is to be used on 'cpu'"):
        model.set_params(device="cpu").predict(library.of(X))
    broken = X.copy()
    broken[17, 3] = np.nan
    with pytest.raises(DataError, match="X has 1 values that are not finite"):
        model.set_params(device="cuda").predict(library.of(broken))


def test_a_tensor_that_requires_a_gradient_is_refused():
    library = Torch()
    network = Network([layers.Dense(3)]).build(20, random_state=0)
    with pytest.raises(DataError, match=r"detach\(\)"):
        network.predict(library.of(X).requires_grad_())


def test_arrays_of_numba_are_trained_on_and_answered_by_both_protocols():
    numba_cuda = pytest.importorskip("numba.cuda")
    network = Network([layers.Dense(3)])
    Trainer(network, "cross_entropy", epochs=1, random_state=0).fit(numba_cuda.to_device(X), Y)
    answer = network.predict(numba_cuda.to_device(X))
    found = numba_cuda.as_cuda_array(answer).copy_to_host()
    np.testing.assert_array_equal(found, network.predict(X, device="cuda"))

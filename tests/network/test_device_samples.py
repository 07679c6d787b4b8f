"""Samples that lie on a GPU: what is read where, what moves, and what is refused."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from fake_foreign import STREAM, DlpackArray, InterfaceArray, Library
from fake_gpu import FakeGpu, install_several

import netts
from netts import Network, layers
from netts.errors import DataError, DeviceError, ShapeError
from netts.network import inference

X = np.random.default_rng(0).normal(size=(70, 5)).astype(np.float32)
MOVES = ("upload", "download", "aside")
WORD_BYTES = 64
"""What the number of values that are not finite comes down in."""


@pytest.fixture(params=[DlpackArray, InterfaceArray])
def library(request, fake_gpu: FakeGpu) -> Library:
    return Library(fake_gpu, kind=request.param)


@pytest.fixture
def network() -> Network:
    return Network([layers.Dense(7, "tanh"), layers.Dense(3)]).build((5,), random_state=0)


def strided(values):
    """Return the same samples with gaps between them, the last feature first in memory."""
    wide = np.zeros((2 * len(values), values.shape[1]), values.dtype)
    wide[::2] = values[:, ::-1]
    return wide[::2, ::-1]


# ------------------------------------------------------------ what moves


def test_prediction_is_answered_in_kind_and_no_sample_moves(network, library, fake_gpu):
    expected = network.predict(X, loss="cross_entropy", device="cpu")
    array = library.asarray(X)
    answers = [network.predict(array, loss="cross_entropy", device="cuda") for _ in range(2)]
    there, back = ("copy", X.nbytes), ("copy", expected.nbytes)
    weights, count = ("upload", network.parameters.flat.nbytes), ("download", WORD_BYTES)
    moved = fake_gpu.taken("copy", *MOVES)
    assert moved == [there, weights, back, count, there, back, count]
    for answer in answers:
        assert type(answer) is library.kind
        np.testing.assert_array_equal(library.values(answer), expected)


def test_chunks_go_through_the_same_plans(network, library, fake_gpu):
    expected = network.predict(X, device="cpu")
    answer = network.predict(library.asarray(X), batch_size=32)
    np.testing.assert_array_equal(library.values(answer), expected)
    # Two plans, of 32 rows and of the 6 that are left, count for themselves.
    assert fake_gpu.taken("download") == 2 * [("download", WORD_BYTES)]


@pytest.mark.parametrize(
    "lying",
    [X.astype(np.float64), strided(X), np.asfortranarray(X), strided(X.astype(np.float64))],
    ids=["float64", "strided", "columns", "strided float64"],
)
def test_samples_are_converted_on_the_device(lying, network, library, fake_gpu):
    expected = network.predict(X, device="cpu")
    weights = network.parameters.flat.nbytes
    answer = network.predict(library.as_strided(lying))
    assert fake_gpu.taken(*MOVES) == [("upload", weights), ("download", WORD_BYTES)]
    np.testing.assert_array_equal(library.values(answer), expected)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.int64])
def test_whole_numbers_are_converted_on_the_device(dtype, network, library):
    values = (X > 0).astype(dtype)
    answer = network.predict(library.asarray(values))
    np.testing.assert_array_equal(library.values(answer), network.predict(values, device="cpu"))


@pytest.mark.parametrize("has_gaps", [False, True])
def test_images_are_used_where_they_lie(has_gaps, library, fake_gpu):
    network = Network([layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)])
    network.build((1, 5, 6), random_state=0)
    images = np.random.default_rng(0).normal(size=(9, 1, 5, 6)).astype(np.float32)
    lying = np.repeat(images, 2, axis=0)[::2] if has_gaps else images
    answer = network.predict(library.as_strided(lying))
    assert ("upload", images.nbytes) not in fake_gpu.taken(*MOVES)
    np.testing.assert_array_equal(library.values(answer), network.predict(images, device="cpu"))


def test_no_sample_gives_an_empty_answer(network, library):
    answer = network.predict(library.asarray(X[:0]))
    assert (answer.shape, answer.dtype) == ((0, 3), np.float32)


def test_nothing_is_kept_of_samples(network, library, fake_gpu):
    array = library.asarray(X)
    is_alive = weakref.ref(array)
    network.predict(array)
    before = fake_gpu.allocated_bytes
    network.predict(array)
    assert fake_gpu.allocated_bytes == before
    del array
    gc.collect()
    assert is_alive() is None


def test_prediction_waits_for_what_the_library_has_begun(network, fake_gpu):
    library = Library(fake_gpu)
    array = library.asarray(X)
    assert fake_gpu.streams[STREAM]  # nothing is written yet
    answer = network.predict(array)
    np.testing.assert_array_equal(library.values(answer), network.predict(X, device="cpu"))


# ------------------------------------------------------------ where it runs


@pytest.mark.usefixtures("no_device_asked_for")
def test_prediction_runs_where_the_samples_lie(network, monkeypatch):
    gpus = install_several(monkeypatch, 2)
    library = Library(gpus[1], 1)
    for device in ("auto", "cuda:1"):
        answer = network.predict(library.asarray(X), device=device)
        np.testing.assert_array_equal(library.values(answer), network.predict(X, device="cpu"))
    assert gpus[0].taken() == []
    with pytest.raises(DeviceError, match=r"X lies on the GPU 'cuda:1', but .* on 'cuda', asked"):
        network.predict(library.asarray(X), device="cuda")


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_another_device_is_an_error_that_names_the_way_out(device, network, library):
    message = rf"X lies on the GPU 'cuda', but is to be used on {device!r}, asked for: .*\.get\(\)"
    with pytest.raises(DeviceError, match=message):
        network.predict(library.asarray(X), device=device)
    with netts.device(device), pytest.raises(DeviceError, match=r"chosen by `with netts.device"):
        network.predict(library.asarray(X))


def test_a_gpu_that_cannot_be_used_is_named(network, library, no_gpu):
    with pytest.raises(DeviceError, match=r"used on 'cpu', no GPU can be used: no driver"):
        network.predict(library.asarray(X))


def test_checked_kernels_run_on_the_host(network, library):
    with netts.checked(), pytest.raises(DeviceError, match="bring it to the host"):
        network.predict(library.asarray(X))


# ------------------------------------------------------------ what is refused


@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_counted_on_the_device(
    value, batch_size, network, library, fake_gpu
):
    broken = X.copy()
    broken[[0, 3, 69], 2] = value
    for _ in range(2):
        with pytest.raises(DataError, match="X has 3 values that are not finite"):
            network.predict(library.asarray(broken), batch_size=batch_size)
    assert X.nbytes not in [nbytes for _, nbytes in fake_gpu.taken(*MOVES)]
    answer = network.predict(library.asarray(X[:69]), batch_size=batch_size)
    np.testing.assert_array_equal(library.values(answer), network.predict(X[:69], device="cpu"))


def test_what_is_too_large_for_the_networks_dtype_is_refused(network, library):
    with pytest.raises(DataError, match=r"1 values that are not finite .or too large for float32"):
        network.predict(library.asarray(np.where(X[1, 1] == X, 1e300, X.astype(np.float64))))


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (X[:, :4], ShapeError, "of shape .n_samples, 5., got .70, 4."),
        (X[0], ShapeError, r"one sample is X\[None\]"),
        (X.astype(np.float16), DataError, "X has dtype float16, and on a GPU netts reads bool"),
        (X.astype(np.complex64), DataError, "X has dtype complex64"),
    ],
)
def test_samples_that_do_not_fit_are_refused(values, error, message, network, library):
    with pytest.raises(error, match=message):
        network.predict(library.asarray(values))


def test_images_with_gaps_inside_are_refused(library):
    network = Network([layers.Conv2D(2, 3), layers.Flatten()]).build((1, 5, 6), random_state=0)
    images = library.as_strided(np.zeros((9, 1, 6, 5), np.float32).swapaxes(2, 3))
    with pytest.raises(DataError, match=r"do not lie side by side .*: pass a copy in C order"):
        network.predict(images)


def test_layers_that_check_samples_want_them_on_the_host(library):
    network = Network([layers.Embedding(4, 2), layers.Flatten(), layers.Dense(1)])
    network.build((3,), random_state=0)
    with pytest.raises(DataError, match=r"Embedding.* checks its samples on the host, and X lies"):
        network.predict(library.asarray(np.zeros((2, 3), np.int64)))


def test_inputs_by_name_are_of_the_host(library):
    branches = [[layers.Input("a")], [layers.Input("b")]]
    network = Network([layers.Concatenate(branches), layers.Dense(1)])
    network.build({"a": 2, "b": 3}, random_state=0)
    array = library.asarray(np.zeros((4, 2), np.float32))
    with pytest.raises(DataError, match=r"X\['a'\] lies on the GPU 'cuda', where netts does not"):
        network.predict({"a": array, "b": np.zeros((4, 3))})
    with pytest.raises(DataError, match="pass X as a dictionary"):
        network.predict(array)


def test_a_prediction_that_ends_early_leaves_nothing_to_the_next(network, library, monkeypatch):
    """Of the chunks that it read, one has values that are not finite."""
    bad = X.copy()
    bad[0] = np.nan
    expected = library.values(network.predict(library.asarray(X), batch_size=32))
    real, calls = inference.copy_on_device, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(inference, "copy_on_device", interrupted)
        with pytest.raises(KeyboardInterrupt):
            network.predict(library.asarray(bad), batch_size=32)
    np.testing.assert_array_equal(
        library.values(network.predict(library.asarray(X), batch_size=32)), expected
    )

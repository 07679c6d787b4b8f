"""Streaming: the same bits as with resident data, bounded memory, and what ends it."""

from __future__ import annotations

import _thread
import contextlib
import gc
import os
import threading
import time
import warnings

import numpy as np
import pytest
from fake_gpu import FakeGpu, install
from hypothesis import given, settings
from hypothesis import strategies as st
from streamings import CASES, DROPPING, SAMPLE_BYTES, Counting, assert_same, fitted, images
from trainings import CLASSES, IMAGES, WEIGHTS, X, learned, mlp

from netts import ArraySource, Network, Trainer, layers
from netts.errors import (
    BoundsError,
    DataError,
    DeviceMemoryError,
    InterruptedFitWarning,
    ParameterError,
    ShapeError,
)
from netts.network import inference
from netts.training import Callback
from netts.training.supply import HALVES


def loading_threads():
    return [one for one in threading.enumerate() if one.name.startswith("netts ")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not loading_threads()


@pytest.fixture(params=["reference", "cpu", "late gpu", "hasty gpu"])
def where(request, monkeypatch):
    """The name of a device; a GPU's copies aside run as late, or as soon, as they may."""
    if not request.param.endswith("gpu"):
        return request.param
    install(monkeypatch).is_hasty = request.param == "hasty gpu"
    return "cuda"


# ------------------------------------------------------------ the same bits


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_streamed_data_teach_what_resident_data_teach(case, where, monkeypatch):
    if where == "reference" and case is images:
        pytest.skip("slow where Python runs it")
    monkeypatch.setattr(inference, "CHUNK_ROWS", 8)  # validation batches of 16 rows, too
    data = IMAGES if case is images else X
    expected = learned(case(where), data)
    row = data[0].size * 8 + 16
    for n_batches in (1, 2, 3):
        batch = 7 if case is images else 16
        found = case(where, data_memory_bytes=HALVES * n_batches * batch * row)
        assert_same(learned(found, data), expected)


@given(
    n_samples=st.integers(1, 40), batch_size=st.integers(1, 12), n_batches=st.integers(1, 5),
    is_hasty=st.booleans(), seed=st.integers(0, 9),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_chunks_of_any_size_teach_the_same(n_samples, batch_size, n_batches, is_hasty, seed):
    options = {"batch_size": batch_size, "random_state": seed, "epochs": 2}
    limit = HALVES * n_batches * batch_size * SAMPLE_BYTES
    with pytest.MonkeyPatch.context() as patch:
        install(patch).is_hasty = is_hasty
        data = X[:n_samples], CLASSES[:n_samples]
        expected, *found = (
            learned(fitted(Network(DROPPING), *data, device, **more), X)
            for device, more in (
                ("cpu", options),
                ("cpu", options | {"data_memory_bytes": limit}),
                ("cuda", options | {"data_memory_bytes": limit}),
            )
        )
    for one in found:
        assert_same(one, expected)


def test_a_source_teaches_what_its_array_teaches(where):
    expected = learned(fitted(Network(DROPPING), X, CLASSES, where), X)
    source = Counting()
    found = fitted(Network(DROPPING), source, CLASSES, where)
    assert_same(learned(found, X), expected)
    assert found.history_.stalled_share > 0
    assert_same(learned(found, source), expected)  # predictions of a source


def test_many_reading_threads_change_nothing(where):
    expected = learned(fitted(mlp(), X, CLASSES, where), X)
    source = Counting()
    source.n_threads = 4
    assert_same(learned(fitted(mlp(), source, CLASSES, where), X), expected)


def test_a_part_of_a_source_is_held_out_like_that_of_an_array(where):
    options = {"validation_fraction": 0.3, "data_memory_bytes": HALVES * 16 * SAMPLE_BYTES}
    expected = fitted(mlp(), X, CLASSES, where, validation_fraction=0.3)
    found = fitted(mlp(), Counting(), CLASSES, where, **options)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    # Batches of validation are smaller here, so that their losses add up otherwise.
    np.testing.assert_allclose(
        found.history_.validation_loss, expected.history_.validation_loss, rtol=1e-5
    )


def test_an_array_in_a_file_is_streamed(tmp_path):
    np.save(tmp_path / "X.npy", X.astype(np.float16))
    rows = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = learned(fitted(mlp(), np.array(rows), CLASSES, "cpu"), X)
    for data, options in ((rows, {"data_memory_bytes": 1200}), (ArraySource(rows), {})):
        assert_same(learned(fitted(mlp(), data, CLASSES, "cpu", **options), X), expected)


# ------------------------------------------------------------ what is read


def test_each_sample_is_read_once_an_epoch_in_the_order_of_training():
    source, orders = Counting(), [np.random.default_rng(k).permutation(70) for k in range(3)]
    given = iter(orders)
    fitted(mlp(), source, CLASSES, "cpu", shuffle=lambda n: next(given))
    assert len(source.orders) == 3
    for found, order in zip(source.orders, orders, strict=True):
        np.testing.assert_array_equal(found, order)


@pytest.mark.parametrize("options", [{}, {"shuffle": False}])
def test_the_next_epoch_is_read_ahead_and_once(where, options):
    source, held = Counting(), Counting()

    class Late(Callback):
        def on_epoch_end(self, trainer, history):
            source.calls.append((len(history), np.empty(0, np.int64), None))
            time.sleep(0.1)

    fitted(
        mlp(), source, CLASSES, where, callbacks=[Late()], validation_data=(held, CLASSES),
        data_memory_bytes=HALVES * 16 * SAMPLE_BYTES, **options,
    )  # fmt: skip
    epochs = [epoch for epoch, indices, _ in source.calls if len(indices)]
    ends = [k for k, (_, indices, _) in enumerate(source.calls) if not len(indices)]
    assert epochs == sorted(epochs)
    assert epochs.index(2) < ends[1]
    assert all((np.sort(order) == np.arange(70)).all() for order in source.orders[:3])
    assert sum(len(indices) for _, indices, _ in held.calls) == 3 * 70


def test_a_generator_that_others_draw_from_changes_nothing(where):
    def fit(data):
        generator = np.random.default_rng(5)

        class Drawing(Callback):
            def on_epoch_end(self, trainer, history):
                generator.random(len(history) % 2)

        options = {"callbacks": [Drawing()], "random_state": generator, "epochs": 5}
        return learned(fitted(mlp(), data, CLASSES, where, **options), X)

    assert_same(fit(Counting()), fit(X))


def test_epochs_are_counted_on_when_a_fit_resumes_and_not_for_validation():
    source, held = Counting(), Counting()
    trainer = Trainer(mlp(), epochs=2, random_state=0)
    trainer.fit(source, CLASSES, validation_data=(held, CLASSES))
    trainer.fit(source, CLASSES, resume=True)
    assert {epoch for epoch, _, _ in source.calls} == {0, 1, 2, 3}
    assert {epoch for epoch, _, _ in held.calls} == {0}


@pytest.mark.parametrize("n_rows", [100, 4000, 5000])
def test_memory_is_two_chunks_however_large_the_data_are(n_rows):
    source = Counting(np.zeros((4000, 6), np.float32))
    limit = n_rows * SAMPLE_BYTES
    fitted(mlp(), source, np.arange(4000) % 3, "cpu", epochs=1, data_memory_bytes=limit)
    places = {(out.ctypes.data, out.ctypes.data + out.nbytes) for _, _, out in source.calls}
    assert max(end for _, end in places) - min(start for start, _ in places) <= limit


def test_predictions_of_a_source_read_it_in_the_background_and_in_chunks():
    network = mlp().build(6, random_state=0)
    source = Counting(np.tile(X, (10, 1)))
    expected = network.predict(source.rows, batch_size=32)
    np.testing.assert_array_equal(network.predict(source, batch_size=32), expected)
    assert max(len(indices) for _, indices, _ in source.calls) <= 32
    assert threading.main_thread() not in source.threads
    assert network.predict(Counting(X[:0])).shape == (0, 3)


# ------------------------------------------------------------ what moves


class Log(Callback):
    """Keeps what the device was asked for in each epoch."""

    def __init__(self, gpu):
        self.gpu, self.epochs = gpu, []

    def on_fit_begin(self, trainer):
        self.gpu.taken()

    def on_epoch_end(self, trainer, history):
        self.epochs.append(self.gpu.taken())


def test_an_epoch_uploads_each_chunk_once_and_the_order(fake_gpu: FakeGpu):
    log = Log(fake_gpu)
    fitted(
        mlp(), X, CLASSES, "cuda", WEIGHTS, callbacks=[log],
        data_memory_bytes=HALVES * 16 * (SAMPLE_BYTES + 4),
    )  # fmt: skip
    # Some of them in the epoch before, but no epoch is read ahead of the first one or for none.
    aside = [nbytes for entries in log.epochs for kind, nbytes in entries if kind == "aside"]
    chunk = [16 * 24, 16 * 8, 16 * 4]  # samples, classes, weights
    assert aside == 3 * (4 * chunk + [6 * 24, 6 * 8, 6 * 4])
    kinds = [kind for kind, _ in log.epochs[-1]]
    assert [kinds.count(kind) for kind in ("upload", "download", "graph")] == [1, 1, 6]


def test_the_device_goes_from_chunk_to_chunk_without_the_host(fake_gpu: FakeGpu, monkeypatch):
    synchronize = fake_gpu.synchronize

    def noted():
        fake_gpu.log.append(("wait", 0))
        synchronize()

    monkeypatch.setattr(fake_gpu, "synchronize", noted)
    log = Log(fake_gpu)
    fitted(mlp(), X, CLASSES, "cuda", callbacks=[log], data_memory_bytes=HALVES * 16 * SAMPLE_BYTES)
    kinds = [kind for kind, _ in log.epochs[-1] if kind in ("graph", "wait")]
    assert kinds[:5] == ["graph"] * 5  # a chunk each
    assert kinds[5] == "wait"


# ------------------------------------------------------------ too little memory


def resident_bytes(gpu, monkeypatch):
    """Return what a fit of resident data takes on a device."""
    most = [0]
    allocate = gpu.allocate

    def watched(nbytes):
        found = allocate(nbytes)
        most[0] = max(most[0], gpu.nbytes - gpu.free_bytes())
        return found

    monkeypatch.setattr(gpu, "allocate", watched)
    return most


ROWS = np.random.default_rng(1).normal(size=(3000, 6)).astype(np.float32)
KIND = np.arange(3000) % 3


def test_data_that_do_not_fit_are_streamed_by_themselves(monkeypatch):
    expected = fitted(mlp(), ROWS, KIND, "cpu")
    gpu = install(monkeypatch)
    most = resident_bytes(gpu, monkeypatch)
    fitted(mlp(), ROWS, KIND, "cuda")
    gc.collect()
    tight = install(monkeypatch, nbytes=most[0] - 1000)
    trainer = fitted(mlp(), ROWS, KIND, "cuda")
    assert tight.taken("aside")
    assert_same(trainer.network.weights(), expected.network.weights())
    assert trainer.history_.loss == expected.history_.loss
    predictions = trainer.predict(ROWS)  # in smaller batches than where there is room
    np.testing.assert_allclose(predictions, expected.predict(ROWS), rtol=1e-5)


def test_chunks_are_made_smaller_until_they_fit(monkeypatch):
    sizes = []
    for nbytes in (100_000, 160_000):
        with monkeypatch.context() as patch:
            gpu = install(patch, nbytes=nbytes)
            fitted(mlp(), ROWS, KIND, "cuda", epochs=1, batch_size=100, data_memory_bytes=64_000)
            sizes.append(max(size for _, size in gpu.taken("aside")))
        gc.collect()
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 1


def test_a_device_without_room_can_be_used_afterwards(monkeypatch):
    gpu = install(monkeypatch, nbytes=50_000)
    network = mlp()
    with pytest.raises(DeviceMemoryError, match="no room for") as found:
        fitted(network, ROWS, KIND, "cuda")
    assert "the least that they can be streamed through" in found.value.__notes__[0]
    del found
    gc.collect()
    assert not gpu.blocks
    fitted(network, X, CLASSES, "cuda", batch_size=8)


@pytest.mark.parametrize("limit", [1, HALVES * 16 * SAMPLE_BYTES - 1])
def test_less_than_two_batches_is_refused(limit):
    with pytest.raises(ParameterError, match=r"give 1,024, or a smaller batch_size"):
        fitted(mlp(), X, CLASSES, "cpu", data_memory_bytes=limit)


@pytest.mark.parametrize("limit", [0, -1, 1.5, "1 GB", True])
def test_a_limit_is_a_number_of_bytes(limit):
    with pytest.raises(ParameterError, match="data_memory_bytes is a whole number"):
        Trainer(mlp(), data_memory_bytes=limit)


# ------------------------------------------------------------ what goes wrong


class CorruptedError(Exception):
    """What a reader of files may raise."""


class Corrupted(Counting):
    """A source that cannot read one sample from some epoch on."""

    def __init__(self, sample=41, epoch=2, value=None):
        super().__init__()
        self.sample, self.epoch, self.value = sample, epoch, value

    def read(self, indices, out, *, epoch):
        super().read(indices, out, epoch=epoch)
        if epoch >= self.epoch and self.sample in indices:
            if self.value is None:
                raise CorruptedError("not a JPEG")
            out[np.flatnonzero(indices == self.sample), 2] = self.value


class Keeping(Callback):
    def on_epoch_end(self, trainer, history):
        self.weights = trainer.network.weights()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_of_a_source_reaches_the_user_with_its_sample(where, n_threads):
    network, source, keeping = mlp(), Corrupted(), Keeping()
    source.n_threads = n_threads
    with pytest.raises(CorruptedError, match="not a JPEG") as found:
        fitted(network, source, CLASSES, where, epochs=9, callbacks=[keeping],
               data_memory_bytes=HALVES * 16 * SAMPLE_BYTES)  # fmt: skip
    assert found.value.__notes__ == ["while reading sample 41 of X"]
    assert_same(network.weights(), keeping.weights)
    fitted(network, X, CLASSES, where)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_sample_that_is_not_finite_is_named(value):
    with pytest.raises(DataError, match=r"sample 41 of X has values that are not finite.* at 2: "):
        fitted(mlp(), Corrupted(value=value), CLASSES, "cpu")


def test_a_sample_that_a_source_forgets_is_named():
    class Forgetful(Counting):
        def read(self, indices, out, *, epoch):
            out[indices != 5] = X[indices[indices != 5]]

    with pytest.raises(DataError, match=r"sample 5 of X .*source has not written"):
        fitted(mlp(), Forgetful(), CLASSES, "cpu")
    with pytest.raises(DataError, match=r"sample 5 of X "):
        mlp().build(6).predict(Forgetful())


def test_errors_of_validation_data_name_them():
    held = Corrupted(epoch=0)
    with pytest.raises(CorruptedError) as found:
        fitted(mlp(), X, CLASSES, "cpu", validation_data=(held, CLASSES))
    assert found.value.__notes__ == ["while reading sample 41 of validation X"]


def test_layers_look_at_what_is_read():
    network = Network([layers.Embedding(10, 3), layers.Flatten(), layers.Dense(3)])
    rows = np.tile(np.arange(6.0), (70, 1))
    rows[33, 1] = 12
    with pytest.raises(DataError) as found:
        fitted(network, Counting(rows, np.float64), CLASSES, "cpu")
    assert found.value.__notes__ == ["while reading sample 33 of X"]


def test_an_order_beyond_the_samples_is_refused():
    with pytest.raises(BoundsError, match="numbers from 0 to 69, got 1 to 70"):
        fitted(mlp(), Counting(), CLASSES, "cpu", shuffle=lambda n: np.arange(1, n + 1))


def test_a_source_of_another_shape_is_refused():
    network = mlp().build(5)
    with pytest.raises(ShapeError, match=r"takes X of shape \(n_samples, 5\), got \(70, 6\)"):
        fitted(network, Counting(), CLASSES, "cpu")
    with pytest.raises(ShapeError, match="targets have shape"):
        fitted(mlp(), Counting(), CLASSES[:-1], "cpu")


def test_a_network_of_several_inputs_takes_no_source_but_streams_arrays(where):
    def network():
        sides = [[layers.Input(name), layers.Dense(4)] for name in ("left", "right")]
        return Network([layers.Concatenate(sides), layers.Dense(3)])

    data = {"left": X[:, :2], "right": X[:, 2:]}
    expected = fitted(network(), data, CLASSES, where)
    found = fitted(network(), data, CLASSES, where, data_memory_bytes=HALVES * 16 * SAMPLE_BYTES)
    assert_same(found.network.weights(), expected.network.weights())
    with pytest.raises(DataError, match=r"a source, .* has 2 inputs: pass a dictionary"):
        found.predict(Counting())


# ------------------------------------------------------------ what ends it early


class Slow(Counting):
    """A source that blocks well in its second epoch until it is told to go on."""

    def __init__(self):
        super().__init__()
        self.is_reached, self.may_go = threading.Event(), threading.Event()

    def read(self, indices, out, *, epoch):
        super().read(indices, out, epoch=epoch)
        if sum(len(found) for at, found, _ in self.calls if at == 1) > 3 * 16:
            self.is_reached.set()
            self.may_go.wait(20)


def test_ctrl_c_ends_a_fit_that_waits_for_data(where):
    source, network, keeping = Slow(), mlp(), Keeping()

    def press():
        source.is_reached.wait(20)
        _thread.interrupt_main()
        time.sleep(0.3)
        source.may_go.set()

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.warns(InterruptedFitWarning, match="of epoch 1 of 9"):
        fitted(
            network, source, CLASSES, where, epochs=9, callbacks=[keeping],
            data_memory_bytes=HALVES * 16 * SAMPLE_BYTES,
        )  # fmt: skip
    presser.join()
    assert_same(network.weights(), keeping.weights)


def test_stop_ends_a_streamed_fit_behind_its_epoch(where):
    class Stopping(Callback):
        def on_epoch_end(self, trainer, history):
            if len(history) == 2:
                trainer.stop()

    trainer = fitted(mlp(), Counting(), CLASSES, where, epochs=9, callbacks=[Stopping()])
    assert (len(trainer.history_), trainer.history_.stopped_by) == (2, "callback")


def test_profiling_a_streamed_fit_changes_nothing(where):
    class Profiling(Callback):
        def on_epoch_end(self, trainer, history):
            assert trainer.profile(2).rows

    options = {"data_memory_bytes": HALVES * 16 * SAMPLE_BYTES}
    expected = learned(fitted(mlp(), X, CLASSES, where, **options), X)
    found = fitted(mlp(), X, CLASSES, where, callbacks=[Profiling()], **options)
    assert_same(learned(found, X), expected)


def test_two_fits_stream_at_once():
    expected = learned(fitted(mlp(), X, CLASSES, "cpu"), X)
    found = [None, None]

    def fit(k):
        found[k] = learned(fitted(mlp(), Counting(), CLASSES, "cpu"), X)

    fits = [threading.Thread(target=fit, args=(k,)) for k in range(2)]
    for one in fits:
        one.start()
    for one in fits:
        one.join()
    for one in found:
        assert_same(one, expected)


def test_a_child_forked_meanwhile_reads_for_itself():
    class Forking(Callback):
        def on_epoch_end(self, trainer, history):
            expected = trainer.network.predict(X, device="cpu")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # newer Pythons warn of forks with threads
                child = os.fork()
            if child == 0:
                same = False
                with contextlib.suppress(Exception):
                    same = np.array_equal(
                        trainer.network.predict(Counting(), device="cpu"), expected
                    )
                os._exit(0 if same else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    expected = learned(fitted(mlp(), X, CLASSES, "cpu"), X)
    found = fitted(mlp(), Counting(), CLASSES, "cpu", callbacks=[Forking()])
    assert_same(learned(found, X), expected)


def test_waiting_for_data_is_measured(where):
    class Lazy(Counting):
        def read(self, indices, out, *, epoch):
            super().read(indices, out, epoch=epoch)
            time.sleep(0.02)

    trainer = fitted(mlp(), Lazy(), CLASSES, where, data_memory_bytes=HALVES * 16 * SAMPLE_BYTES)
    assert all(one.stalled_seconds > 0.02 for one in trainer.history_.epochs)
    assert 0.0 < trainer.history_.stalled_share <= 1.0
    assert fitted(mlp(), X, CLASSES, where).history_.stalled_share == 0.0

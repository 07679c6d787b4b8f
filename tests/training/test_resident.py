"""Training where the device has memory of its own: what moves, and that nothing else differs."""

from __future__ import annotations

import gc
import pickle

import numpy as np
import pytest
from fake_gpu import FakeGpu, install
from trainings import CASES, CLASSES, QUANTITY, X, mlp

import netts
from netts import MLPClassifier, MLPRegressor, Network, Trainer, layers
from netts.cli import main
from netts.devices import registry
from netts.devices.transfers import STAGING_BYTES
from netts.errors import DeviceError, DivergenceError, InterruptedFitWarning
from netts.testing import check_layer
from netts.training import EarlyStopping
from netts.training.callbacks import Callback


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_training_learns_what_it_learns_on_the_cpu(case, dtype, fake_gpu: FakeGpu):
    expected, found = case("cpu", dtype), case("cuda", dtype)
    assert fake_gpu.taken("graph")
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


# ------------------------------------------------------------ what moves


class Log(Callback):
    """Keeps what the device was asked for in each epoch."""

    def __init__(self, gpu: FakeGpu) -> None:
        self.gpu = gpu
        self.epochs: list[list[tuple[str, int]]] = []

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.gpu.taken()

    def on_epoch_end(self, trainer: Trainer, history: object) -> None:
        self.epochs.append(self.gpu.taken())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shuffle": False},
        {"schedule": "one_cycle", "clip_norm": 1.0},
        {"validation_fraction": 0.3},
        {
            "validation_fraction": 0.3,
            "early_stopping": EarlyStopping("validation_score", patience=9, restore_best=True),
        },
    ],
    ids=["plain", "not shuffled", "a rate for each step", "validated", "best kept"],
)
def test_an_epoch_is_one_upload_and_one_download(options, fake_gpu: FakeGpu):
    log = Log(fake_gpu)
    trainer = Trainer(mlp(), epochs=6, batch_size=16, device="cuda", callbacks=[log], **options)
    trainer.fit(X, CLASSES)
    assert len(log.epochs) == 6
    for entries in log.epochs[1:]:
        assert [kind for kind, _ in entries].count("upload") == 1
        assert [kind for kind, _ in entries].count("download") == 1
    # key, rate and the order of the samples, in pieces of 64 bytes
    n_samples = round(70 * (1 - options.get("validation_fraction", 0)))
    (up,) = [nbytes for kind, nbytes in log.epochs[-1] if kind == "upload"]
    assert up == 128 + -(-8 * n_samples // 64) * 64


def test_the_entries_of_an_epoch_are_in_order(fake_gpu: FakeGpu):
    log = Log(fake_gpu)
    Trainer(mlp(), epochs=3, batch_size=32, device="cuda", callbacks=[log]).fit(X, CLASSES)
    kinds = [kind for kind, _ in log.epochs[-1]]
    assert kinds == [
        "upload",
        *["graph"] * 3,  # two steps and the last one
        "download",
        "graph",  # keep
    ]


def test_the_data_set_goes_up_once_a_fit(fake_gpu: FakeGpu):
    log = Log(fake_gpu)
    Trainer(mlp(), epochs=5, device="cuda", callbacks=[log]).fit(X, CLASSES)
    sizes = [nbytes for entries in log.epochs for kind, nbytes in entries if kind == "upload"]
    assert sizes.count(X.nbytes) == 1


def test_a_network_predicts_where_it_was_trained_without_its_weights_moving(fake_gpu: FakeGpu):
    network = mlp()
    Trainer(network, epochs=1, device="cuda").fit(X, CLASSES)
    network.predict(X, device="cuda")
    fake_gpu.taken()
    network.predict(X, device="cuda")
    rows = 128
    assert fake_gpu.taken("upload", "download") == [
        ("upload", rows * 6 * 4),
        ("download", rows * 3 * 4),
    ]


def test_looking_at_weights_between_epochs_sends_nothing_back(fake_gpu: FakeGpu):
    class Looking(Log):
        def on_epoch_end(self, trainer, history):
            super().on_epoch_end(trainer, history)
            trainer.network.weights()

    log = Looking(fake_gpu)
    Trainer(mlp(), epochs=4, device="cuda", callbacks=[log]).fit(X, CLASSES)
    assert [kind for kind, _ in log.epochs[-1]].count("upload") == 1


# ------------------------------------------------------------ memory


def test_a_fit_gives_its_memory_back(fake_gpu: FakeGpu):
    network = mlp()
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            Trainer(network, epochs=2, device="cuda", validation_fraction=0.2).fit(X, CLASSES)
            left = fake_gpu.allocated_bytes - STAGING_BYTES
            assert left == network.parameters.arena.nbytes
    finally:
        gc.enable()
    network.weights()
    del network
    gc.collect()
    assert fake_gpu.allocated_bytes == STAGING_BYTES


def test_a_fit_that_does_not_fit_says_so_and_the_network_can_be_used(monkeypatch):
    gpu = install(monkeypatch, nbytes=20_000)
    network = mlp()
    with pytest.raises(DeviceError, match="no room"):
        Trainer(network, device="cuda").fit(np.zeros((1000, 6), np.float32), np.arange(1000) % 3)
    assert network.predict(X[:4], device="cpu").shape == (4, 3)
    gc.collect()
    assert not gpu.blocks


# ------------------------------------------------------------ what ends a fit


def test_a_fit_that_diverges_goes_back_to_the_last_epoch(fake_gpu: FakeGpu):
    network = Network([layers.Dense(4, "relu"), layers.Dense(1)])
    trainer = Trainer(network, "squared_error", "sgd", epochs=50, device="cuda", random_state=0)
    trainer.optimizer = netts.optimizers.SGD(learning_rate=1e6)
    with pytest.raises(DivergenceError):
        trainer.fit(1e3 * X, QUANTITY)
    assert all(np.isfinite(one).all() for one in network.weights().values())


def test_an_interrupted_fit_has_the_weights_of_the_last_epoch(fake_gpu: FakeGpu, monkeypatch):
    kept = {}
    launch = fake_gpu.launch_graph

    class Interrupting(Callback):
        def on_epoch_end(self, trainer, history):
            kept.update(trainer.network.weights())
            left = iter(range(3))

            def launched(graph):
                if next(left, None) is None:
                    monkeypatch.setattr(fake_gpu, "launch_graph", launch)
                    raise KeyboardInterrupt
                launch(graph)

            monkeypatch.setattr(fake_gpu, "launch_graph", launched)

    network = mlp()
    with pytest.warns(InterruptedFitWarning):
        Trainer(
            network, epochs=9, batch_size=8, device="cuda", callbacks=[Interrupting()]
        ).fit(X, CLASSES)  # fmt: skip
    for name, array in network.weights().items():
        np.testing.assert_array_equal(array, kept[name])


# ------------------------------------------------------------ estimators


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"dropout": 0.2}])
def test_estimators_learn_what_they_learn_on_the_cpu(estimator, options, fake_gpu: FakeGpu):
    y = CLASSES if estimator is MLPClassifier else QUANTITY
    options = {"hidden_layer_sizes": (8,), "max_iter": 5, "tol": 0, "random_state": 0} | options
    with pytest.warns(match="Maximum iterations"):
        expected, found = (
            estimator(device=device, **options).fit(X, y) for device in ("cpu", "cuda")
        )
    assert (found.device_, found.loss_curve_) == ("cuda", expected.loss_curve_)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    for left, right in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_array_equal(left, right)
    if not options.get("early_stopping"):
        expected.partial_fit(X, y)
        found.partial_fit(X, y)
    np.testing.assert_array_equal(found.coefs_[0], expected.coefs_[0])
    found.coefs_[0][...] = expected.coefs_[0][...] = 0.5
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))


def test_what_was_trained_there_loads_without_a_gpu(monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        install(patch)
        model = MLPClassifier((8,), max_iter=2, device="cuda", random_state=0)
        with pytest.warns(match="Maximum iterations"):
            model.fit(X, CLASSES)
        expected = model.predict_proba(X)
        model.save(tmp_path / "model.netts")
        pickled = pickle.dumps(model)
        network = mlp()
        Trainer(network, epochs=1, device="cuda", random_state=0).fit(X, CLASSES)
        pickled_network, outputs = pickle.dumps(network), network.predict(X, device="cuda")
    assert b"fake" not in pickled + pickled_network
    missing = registry.DeviceInfo("cuda", False, "no NVIDIA driver")
    monkeypatch.setitem(registry._DEVICES, "cuda", lambda: missing)
    for loaded in (netts.load(tmp_path / "model.netts"), pickle.loads(pickled)):
        with pytest.raises(DeviceError, match="'cuda'"):
            loaded.predict(X)
        loaded.set_params(device="cpu")
        np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    found = pickle.loads(pickled_network).predict(X, device="cpu")
    np.testing.assert_array_equal(found, outputs)


def test_the_command_trains_there(fake_gpu: FakeGpu, tmp_path, capsys):
    out = str(tmp_path / "iris.netts")
    arguments = ["train", "iris", "--device", "cuda", "--epochs", "3", "--out", out]
    assert main(arguments) == 0
    assert fake_gpu.taken("graph")
    assert "on cuda" in capsys.readouterr().out
    assert main(["predict", out, "iris", "--device", "cpu"]) == 0


def test_auto_follows_the_context_and_stays_on_the_cpu_otherwise(
    fake_gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("NETTS_DEVICE", raising=False)
    network = mlp()
    trainer = Trainer(network, epochs=1, random_state=0)
    trainer.fit(X, CLASSES)
    assert trainer.device_ == "cpu"
    expected = network.predict(X)
    assert fake_gpu.taken() == []
    with netts.device("cuda"):
        np.testing.assert_array_equal(network.predict(X), expected)
        trainer.fit(X, CLASSES)
    assert trainer.device_ == "cuda"
    assert fake_gpu.taken("graph")


def test_layers_of_ones_own_are_tried_there_too(fake_gpu: FakeGpu):
    check_layer(layers.BatchNorm(), (3,), batch_sizes=(2, 3))
    assert fake_gpu.taken("launch")


@pytest.mark.parametrize("event", ["on_fit_begin", "on_epoch_end"])
def test_a_profile_leaves_a_training_on_the_device_as_it_is(fake_gpu: FakeGpu, event):
    class Watch(Callback):
        pass

    def fitted(device, callbacks):
        network = Network([layers.Dense(8, "relu"), layers.BatchNorm(), layers.Dense(3)])
        trainer = Trainer(
            network, epochs=3, batch_size=16, device=device, callbacks=callbacks, random_state=0
        )
        return [*trainer.fit(X, CLASSES).loss, *network.weights().values()]

    profiles = []
    setattr(Watch, event, lambda self, trainer, *_: profiles.append(trainer.profile(2)))
    expected, found = fitted("cpu", []), fitted("cuda", [Watch()])
    for value, one in zip(found, expected, strict=True):
        np.testing.assert_array_equal(value, one)
    assert {(one.device, one.steps) for one in profiles} == {("cuda", 2)}

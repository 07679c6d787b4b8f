"""A device that fails for good while it trains, and a process that forks while one is in use."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
from fake_gpu import FakeGpu, install_several
from trainings import CLASSES, X, mlp

from netts import MLPClassifier, Network, Trainer, layers
from netts.errors import DeviceError, DeviceLostError
from netts.training.callbacks import Callback


class Breaking(Callback):
    """Breaks a device behind an epoch; looks at the weights of others before, as a user may."""

    def __init__(self, gpu: FakeGpu, epoch: int, looks: tuple[int, ...] = ()) -> None:
        self.gpu, self.epoch, self.looks = gpu, epoch, looks
        self.seen: dict[int, dict[str, np.ndarray]] = {}

    def on_fit_begin(self, trainer):
        self.seen[0] = trainer.network.weights()

    def on_epoch_end(self, trainer, history):
        if len(history) in self.looks:
            self.seen[len(history)] = trainer.network.weights()
        self.gpu.is_broken = len(history) == self.epoch


def deep():
    """Return a network that has state besides its parameters."""
    return Network([layers.Dense(4), layers.BatchNorm(), layers.Dense(3)])


@pytest.mark.parametrize("make", [mlp, deep])
@pytest.mark.parametrize(
    ("looks", "has"),
    [
        ((), "the network has the weights it began with, the last that came down"),
        ((2,), "the network has the weights of epoch 2 of 9, the last that came down"),
        ((1, 2, 3), "the network has the weights of epoch 3 of 9, the last that came down"),
    ],
)
def test_the_network_has_the_last_weights_that_came_down(make, looks, has, fake_gpu: FakeGpu):
    network, breaking = make(), Breaking(fake_gpu, 4, looks)
    trainer = Trainer(network, epochs=9, device="cuda", callbacks=[breaking], random_state=0)
    with pytest.raises(DeviceLostError, match=f"a fake GPU is lost to this process: .*; {has}"):
        trainer.fit(X, CLASSES)
    assert (len(trainer.history_), trainer.history_.stopped_by) == (4, "lost device")
    for name, array in network.weights().items():
        np.testing.assert_array_equal(array, breaking.seen[max((0, *looks))][name])
    assert np.isfinite(network.predict(X, device="cpu")).all()
    with pytest.raises(DeviceLostError, match="is lost to this process"):
        network.predict(X, device="cuda")
    trainer.device, trainer.callbacks = "cpu", ()
    trainer.fit(X, CLASSES, resume=True)
    assert trainer.history_.stopped_by == "epochs"


class Reading(Callback):
    def on_epoch_end(self, trainer, history):
        if len(history) == 2:
            trainer.network.parameters.flat.read()


def test_weights_and_state_that_the_host_has_are_of_one_epoch(fake_gpu: FakeGpu):
    network = deep()
    expected = deep()
    Trainer(expected, epochs=2, device="cpu", random_state=0).fit(X, CLASSES)
    callbacks = [Reading(), Breaking(fake_gpu, 3)]
    with pytest.raises(DeviceLostError, match="of epoch 2 of 9"):
        Trainer(network, epochs=9, device="cuda", callbacks=callbacks, random_state=0).fit(
            X, CLASSES
        )
    for name, array in expected.weights().items():
        np.testing.assert_array_equal(network.weights()[name], array)


def test_a_second_fit_begins_with_weights_that_the_host_has(fake_gpu: FakeGpu):
    network = mlp()
    Trainer(network, epochs=2, device="cuda", random_state=0).fit(X, CLASSES)
    expected = mlp()
    Trainer(expected, epochs=2, device="cpu", random_state=0).fit(X, CLASSES)

    class Early(Callback):
        def on_fit_begin(self, trainer):
            fake_gpu.is_broken = True

    with pytest.raises(DeviceLostError, match="it began with"):
        Trainer(network, epochs=2, device="cuda", callbacks=[Early()]).fit(X, CLASSES)
    for name, array in expected.weights().items():
        np.testing.assert_array_equal(network.weights()[name], array)


def test_what_was_not_trained_is_not_passed_off_as_current(fake_gpu: FakeGpu):
    """Outside of a fit nobody says what the host has, so reading goes on to fail."""
    network = mlp()
    Trainer(network, epochs=2, device="cuda", random_state=0).fit(X, CLASSES)
    fake_gpu.is_broken = True
    for _ in range(2):
        with pytest.raises(DeviceLostError):
            network.weights()


def test_the_loss_of_another_device_costs_no_weights(monkeypatch):
    first, second = install_several(monkeypatch, 2)

    class Using(Callback):
        def on_epoch_end(self, trainer, history):
            second.is_broken = len(history) == 2
            trainer.network.predict(X, device="cuda:1")

    network, expected = mlp(), mlp()
    Trainer(expected, epochs=2, random_state=0).fit(X, CLASSES)
    with pytest.raises(DeviceLostError, match=r"fake GPU 1 is lost .* of epoch 2 of 5"):
        Trainer(network, epochs=5, device="cuda", callbacks=[Using()], random_state=0).fit(
            X, CLASSES
        )
    for name, array in expected.weights().items():
        np.testing.assert_array_equal(network.weights()[name], array)
    assert not first.lost
    Trainer(network, epochs=1, device="cuda").fit(X, CLASSES)


def test_an_estimator_has_them_too_and_can_go_on_on_the_cpu(fake_gpu: FakeGpu):
    breaking = Breaking(fake_gpu, 4, (3,))
    model = MLPClassifier((8,), device="cuda", callbacks=[breaking], random_state=0)
    with pytest.raises(DeviceLostError, match="of epoch 3 of 200"):
        model.fit(X, CLASSES)
    assert model.n_iter_ == 4
    np.testing.assert_array_equal(model.coefs_[0], breaking.seen[3]["0.weight"])
    model.set_params(device="cpu", callbacks=())
    before = model.score(X, CLASSES)
    for _ in range(50):
        model.partial_fit(X, CLASSES)
    assert model.score(X, CLASSES) > before


# ------------------------------------------------------------ forks


def in_a_child(act) -> str:
    """Run a function in a forked child and return what it returns, or its error as text."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of forks where there are threads
        child = os.fork()
    if child == 0:
        try:
            said = str(act())
        except DeviceError as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_a_forked_child_has_the_weights_and_no_device(fake_gpu: FakeGpu):
    network = mlp()
    trainer = Trainer(network, epochs=2, device="cuda", random_state=0)
    trainer.fit(X, CLASSES)
    expected = mlp()
    Trainer(expected, epochs=2, random_state=0).fit(X, CLASSES)
    outputs = expected.predict(X).tolist()
    assert in_a_child(lambda: network.predict(X, device="cpu").tolist()) == str(outputs)
    said = in_a_child(lambda: network.predict(X, device="cuda"))
    assert said.startswith("DeviceError: this process was forked from one that uses CUDA")
    np.testing.assert_array_equal(network.predict(X, device="cuda"), outputs)

    def train_on():
        Trainer(network, epochs=1, device="cpu", random_state=0).fit(X, CLASSES)
        return "trained"

    assert in_a_child(train_on) == "trained"


def test_a_fork_beside_a_lost_device_takes_what_the_host_has(fake_gpu: FakeGpu):
    network = mlp()
    Trainer(network, epochs=2, device="cuda", random_state=0).fit(X, CLASSES)
    fake_gpu.is_broken = True
    assert in_a_child(lambda: "fine") == "fine"
    assert "forked" in in_a_child(network.weights)

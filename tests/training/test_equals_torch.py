"""100 steps in float64 equal PyTorch's: as recorded, and as it is where it is installed."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from oracle import (
    BATCH_SIZE,
    CASES,
    EPOCHS,
    HIDDEN,
    N_FEATURES,
    OUTPUTS,
    TARGETS,
    Case,
    Recorder,
    Trajectory,
    X,
    initial_weights,
    torch_trajectory,
)

from netts import Network, Trainer, layers
from netts.training import Callback

TOLERANCE = 1e-6
RECORDED = np.load(Path(__file__).with_name("trajectories.npz"))


class Record(Callback):
    def __init__(self) -> None:
        self.recorder = Recorder()

    def on_epoch_end(self, trainer, history):
        epoch, weights = history.epochs[-1], trainer.network.weights()
        self.recorder.add(list(weights.values()), epoch.loss, epoch.learning_rate)


def trained(case: Case, device: str) -> Trajectory:
    outputs, record = OUTPUTS[case.target], Record()
    network = Network([layers.Dense(HIDDEN, "tanh"), layers.Dense(outputs)], np.float64)
    network.build(N_FEATURES, random_state=0).set_weights(initial_weights(outputs))
    trainer = Trainer(
        network, **case.ours, epochs=EPOCHS, batch_size=BATCH_SIZE, shuffle=False, device=device,
        callbacks=[record],
    )  # fmt: skip
    trainer.fit(X, TARGETS[case.target])
    return record.recorder.trajectory()


def assert_equal(found: Trajectory, expected: Trajectory) -> None:
    np.testing.assert_allclose(found.rates, expected.rates, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_training_equals_what_was_recorded(name, device):
    expected = Trajectory(*(RECORDED[f"{name}/{one}"] for one in ("weights", "losses", "rates")))
    assert_equal(trained(CASES[name], device), expected)


@pytest.mark.parametrize("name", CASES)
def test_the_record_is_pytorchs(name):
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = torch_trajectory(CASES[name])
    expected = Trajectory(*(RECORDED[f"{name}/{one}"] for one in ("weights", "losses", "rates")))
    assert_equal(found, expected)


def test_everything_is_recorded():
    names = {name.rsplit("/")[0] for name in RECORDED.files} - {"torch"}
    assert names == set(CASES)


def test_the_plateaus_of_the_record_lower_the_rate():
    for name in ("on a plateau", "on a plateau of absolute values"):
        rates = RECORDED[f"schedule: {name}/rates"]
        assert len(set(rates)) > 2

"""Trainings and task graphs on a real GPU: `tests/gpu_exam.sh` runs these, CI cannot."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from residency import HISTORIES, added, arena, history
from trainings import CASES, CLASSES, QUANTITY, X, mlp

import netts
from netts import MLPClassifier, MLPRegressor, TaskGraph, Trainer, accelerate, parallel
from netts.data import load
from netts.devices import cuda
from netts.devices.cuda_driver import missing
from netts.devices.transfers import Traffic
from netts.errors import BoundsError, DeviceError
from netts.estimators import TableModel
from netts.training.callbacks import Callback

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

NEAR = 1e-7
"""How far float64 may be off relative to the CPU, behind a few dozen steps."""


@accelerate
def counted(steps):
    for i in parallel(1):
        steps[i] += 1


@accelerate
def gathered(x, index, out):
    for i in parallel(out.shape[0]):
        out[i] = x[index[i]]


# ------------------------------------------------------------ graphs


@settings(max_examples=60, deadline=None)
@given(acts=HISTORIES)
def test_whatever_the_host_does_meanwhile_the_result_is_the_cpus(acts):
    assert history("cuda", acts) == history("cpu", acts)


def test_a_step_is_one_graph_launch_and_what_is_resident_stays():
    _, (x, out) = arena(1000, 1000)
    graph = TaskGraph()
    with graph.recording():
        added(x, out, out)
        added(x, out, out)
    plan = graph.compile(device="cuda")
    out.array[...] = 0
    assert plan.run(100) == 100
    assert plan.traffic == Traffic(uploads=1, upload_bytes=x.buffer.nbytes, launches=99)
    np.testing.assert_array_equal(out.read(), 200 * np.arange(1000.0))
    assert plan.traffic.downloads == 1


def test_a_run_of_many_steps_can_be_stopped_from_another_thread():
    _, (count,) = arena(1)
    graph = TaskGraph()
    with graph.recording():
        counted(count)
    plan = graph.compile(device="cuda")
    timer = threading.Timer(0.5, plan.stop)
    timer.start()
    start = time.monotonic()
    done = plan.run(10**10)
    assert time.monotonic() - start < 10
    assert count.read()[0] == done > 0


def test_a_run_can_be_interrupted():
    count = np.zeros(1)
    graph = TaskGraph()
    with graph.recording():
        counted(count)
    plan = graph.compile(device="cuda")
    plan.run(10)
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        plan.run(10**10)
    assert count[0] > 10


def test_a_failed_test_raises_and_the_plan_can_run_again():
    index, out = np.array([0, 1, 9]), np.zeros(3)
    graph = TaskGraph()
    with graph.recording():
        gathered(np.arange(4.0), index, out)
    plan = graph.compile(device="cuda")
    for _ in range(3):
        index[2] = 9
        with pytest.raises(BoundsError, match=r"subscript 0 of x\[index\[i\]\] is 9"):
            plan.run(3)
        index[2] = 2
        assert plan.run(3) == 3
        np.testing.assert_array_equal(out, [0, 1, 2])


def test_a_profile_has_times_from_the_device():
    _, (x, out) = arena(1_000_000, 1_000_000)
    graph = TaskGraph()
    with graph.recording():
        added(x, x, out)
    profile = graph.compile(device="cuda").profile(20)
    (row,) = profile.rows
    assert 1e-6 < row.seconds < 1e-3
    assert profile.traffic.uploads == 1


def test_threads_train_networks_of_their_own():
    def trained(seed):
        network = mlp()
        Trainer(network, epochs=3, device="cuda", random_state=seed).fit(X, CLASSES)
        return network.weights()

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(trained, range(3)))
    for seed, weights in enumerate(found):
        for name, array in trained(seed).items():
            np.testing.assert_array_equal(array, weights[name])


# ------------------------------------------------------------ trainings


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_training_learns_nearly_what_it_learns_on_the_cpu(case):
    expected, found = case("cpu", np.float64), case("cuda", np.float64)
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, NEAR, NEAR, err_msg=name)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_seed_gives_the_same_bits_again(case):
    first, second = case("cuda", np.float32), case("cuda", np.float32)
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array, err_msg=name)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_float32_learns_about_the_same(case):
    expected, found = case("cpu", np.float32), case("cuda", np.float32)
    assert found["loss"][0] == pytest.approx(expected["loss"][0], rel=1e-3)


class Counting(Callback):
    """Keeps what went to and from the device in each epoch."""

    def __init__(self) -> None:
        self.epochs: list[Traffic] = []

    def on_fit_begin(self, trainer):
        self.before = cuda.device().transfers.traffic

    def on_epoch_end(self, trainer, history):
        now = cuda.device().transfers.traffic
        self.epochs.append(now.since(self.before))
        self.before = now


@pytest.mark.parametrize("options", [{}, {"validation_fraction": 0.3}])
def test_an_epoch_is_one_upload_and_one_download(options):
    counting = Counting()
    trainer = Trainer(mlp(), epochs=5, batch_size=16, device="cuda", callbacks=[counting])
    for name, value in options.items():
        setattr(trainer, name, value)
    trainer.fit(X, CLASSES)
    for traffic in counting.epochs[1:]:
        assert (traffic.uploads, traffic.downloads) == (1, 1)


def test_predictions_by_chunks_are_those_of_the_cpu():
    network = mlp()
    Trainer(network, epochs=2, device="cuda", random_state=0).fit(X.astype(np.float64), CLASSES)
    expected = network.predict(X, device="cpu")
    for batch_size in (None, 1, 7, 70, 1000):
        found = network.predict(X, device="cuda", batch_size=batch_size)
        np.testing.assert_allclose(found, expected, NEAR, NEAR)


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"dropout": 0.2}])
def test_estimators_fit_predict_save_and_load(estimator, options, tmp_path):
    y = CLASSES if estimator is MLPClassifier else QUANTITY
    data = X.astype(np.float64)
    options = {"hidden_layer_sizes": (8,), "max_iter": 5, "tol": 0, "random_state": 0} | options
    with pytest.warns(match="Maximum iterations"):
        expected, found = (
            estimator(device=device, **options).fit(data, y) for device in ("cpu", "cuda")
        )
    assert found.device_ == "cuda"
    np.testing.assert_allclose(found.loss_curve_, expected.loss_curve_, NEAR)
    np.testing.assert_allclose(found.coefs_[0], expected.coefs_[0], NEAR, NEAR)
    found.save(tmp_path / "model.netts")
    predictions = found.predict(data)
    for loaded in (netts.load(tmp_path / "model.netts"), pickle.loads(pickle.dumps(found))):
        np.testing.assert_array_equal(loaded.predict(data), predictions)
        loaded.set_params(device="cpu")
        np.testing.assert_allclose(loaded.predict(data), expected.predict(data), NEAR, NEAR)


def test_a_table_model_trains_and_predicts():
    table = load("iris")
    model = TableModel(MLPClassifier(max_iter=100, device="cuda", random_state=0))
    model.fit(table, table.y)
    assert model.score(table, table.y) > 0.9


def test_the_command_trains_and_predicts(tmp_path):
    file = str(tmp_path / "iris.netts")
    train = ["train", "iris", "--target", "species", "--device", "cuda", "--out", file]
    for arguments in (train, ["inspect", file]):
        ended = subprocess.run(
            [sys.executable, "-m", "netts", *arguments], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "cuda" in ended.stdout


# ------------------------------------------------------------ processes


def test_a_forked_child_is_refused_and_the_parent_goes_on():
    network = mlp()
    Trainer(network, epochs=1, device="cuda").fit(X, CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        refused = 0
        network.weights()  # came down before the fork
        for use in (cuda.opened, lambda: network.predict(X, device="cuda")):
            try:
                use()
            except DeviceError as error:
                refused += "forked" in str(error)
        os._exit(0 if refused == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert np.isfinite(network.predict(X, device="cuda")).all()

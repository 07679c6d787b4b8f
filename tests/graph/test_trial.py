"""Trials: once, only for work that is worth one, and without changing anything."""

from __future__ import annotations

import numpy as np
import pytest

from netts import TaskGraph, accelerate, constant, parallel
from netts.compiler import cache, calibration, records
from netts.compiler.cuda import gpu_calibration
from netts.devices import registry
from netts.devices.memory import Arena
from netts.graph import Usage, policy, trial
from netts.graph.fusion import fused
from netts.graph.scratch import on_scratch

OFTEN = Usage(rounds=10)


@accelerate
def added(x, out):
    for i in parallel(out.shape[0]):
        out[i] += x[i]


@accelerate
def picked(x, index, out):
    for i in parallel(out.shape[0]):
        out[i] = x[index[i]]


@pytest.fixture
def runs(fake_gpu, tmp_path, monkeypatch):
    """Let everything be close and worth a trial; return the devices that have run."""
    monkeypatch.delenv(registry.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(calibration.VARIABLE)
    for module in (calibration, gpu_calibration):
        monkeypatch.setattr(module, "_process", {})
    monkeypatch.setattr(policy, "CLOSE", 1e12)
    monkeypatch.setattr(policy, "MARGIN", 0.0)  # so that no bound settles it
    monkeypatch.setattr(policy, "WORTH_SECONDS", 0.0)
    found = []
    original = trial.make_replays

    def make_replays(device, *arguments):
        found.append(device)
        return original(device, *arguments)

    monkeypatch.setattr(trial, "make_replays", make_replays)
    return found


def counting():
    """Return a graph that adds to an array of the caller's and to one of netts's own."""
    arena = Arena("sums")
    own = arena.reserve((8,), np.float64)
    arena.allocate()
    own.array[...] = np.arange(8.0)
    out, graph = np.arange(8.0), TaskGraph()
    between = graph.transient((8,), float)
    with graph.recording():
        added(constant(np.ones(8)), own)
        picked(own, np.arange(8), between)
        added(between, out)
    return graph, own, out


def test_a_trial_changes_nothing(runs):
    graph, own, out = counting()
    plan = graph.compile(usage=OFTEN)
    assert runs == ["cpu", "cuda"]
    np.testing.assert_array_equal(own.read(), np.arange(8.0))
    np.testing.assert_array_equal(out, np.arange(8.0))
    assert plan.reason.startswith("timed, as estimates are close: ")
    plan.run(2)
    np.testing.assert_array_equal(own.read(), np.arange(8.0) + 2)
    np.testing.assert_array_equal(out, 3 * np.arange(8.0) + 3)


def test_a_trial_leaves_nothing_on_the_device(runs, fake_gpu, monkeypatch):
    monkeypatch.setattr(trial, "MARGIN", 1e12)
    graph, *_ = counting()
    before = fake_gpu.allocated_bytes
    assert graph.compile(usage=OFTEN).device == "cpu"
    import gc

    gc.collect()
    assert fake_gpu.allocated_bytes - before <= 8 * 2**20  # the staging memory of all plans


def test_what_a_trial_finds_is_kept(runs, monkeypatch):
    first = counting()[0].compile(usage=OFTEN)
    monkeypatch.setattr(trial, "_measured", lambda *_arguments: pytest.fail("measured again"))
    again = counting()[0].compile(usage=OFTEN)
    assert (again.device, again.reason) == (first.device, first.reason)
    assert records.count() == 0  # no costs of a processor


def test_other_work_has_a_trial_of_its_own(runs):
    counting()[0].compile(usage=OFTEN)
    counting()[0].compile(usage=Usage(rounds=11))
    assert runs == ["cpu", "cuda"] * 2


@pytest.mark.parametrize("cpu", [1.0, 3.0])
def test_the_faster_one_is_taken(cpu, runs, monkeypatch):
    found = trial.Outcome(cpu, 2.0)
    monkeypatch.setattr(trial, "_measured", lambda *_arguments: found)
    plan = counting()[0].compile(usage=OFTEN)
    assert plan.device == ("cpu" if cpu < 2 else "cuda")
    assert plan.reason == (
        f"timed, as estimates are close: {cpu:.0f} s a run on the cpu, 2 s on cuda"
    )


@pytest.mark.parametrize(
    "usage", [Usage(), Usage(rounds=10, before="cpu")], ids=["unknown", "goes on"]
)
def test_work_of_unknown_length_and_work_that_goes_on_have_none(usage, runs):
    counting()[0].compile(usage=usage)
    assert not runs


@pytest.mark.parametrize(("name", "value"), [("CLOSE", 1.0), ("WORTH_SECONDS", 1e9)])
def test_what_is_clear_or_short_has_none(name, value, runs, monkeypatch):
    monkeypatch.setattr(policy, name, value)
    counting()[0].compile(usage=OFTEN)
    assert not runs


def test_who_asks_for_defaults_has_none(runs, monkeypatch):
    monkeypatch.setenv(calibration.VARIABLE, "defaults")
    counting()[0].compile(usage=OFTEN)
    assert not runs


def test_what_cannot_be_kept_does_not_count(runs, monkeypatch):
    def refuse(*_arguments, **_keywords):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(records, "write", refuse)
    assert "by costs" in counting()[0].compile(usage=OFTEN).reason


def test_a_trial_that_fails_decides_nothing(runs, fake_gpu):
    graph = TaskGraph()
    with graph.recording():
        picked(np.zeros(3), np.array([0, 9]), np.zeros(2))
    assert "by costs" in graph.compile(usage=OFTEN).reason
    assert runs == ["cpu"]


def test_an_epoch_is_tried_in_its_order(runs):
    from netts import Network, Trainer, layers

    generator = np.random.default_rng(0)
    X, y = generator.standard_normal((90, 4), np.float32), np.arange(90) % 3
    losses = []
    for device in ("auto", "cpu"):
        network = Network([layers.Dense(3)])
        trainer = Trainer(network, epochs=2, batch_size=8, device=device, random_state=0)
        losses.append(trainer.fit(X, y, validation_data=(X[:11], y[:11])).loss)
    assert runs == ["cpu", "cuda"]
    assert losses[0] == losses[1]


def test_what_is_streamed_is_learned_behind_a_trial_too(runs, monkeypatch):
    from netts import Network, Trainer, layers

    monkeypatch.setattr(trial, "MARGIN", 0.0)
    generator = np.random.default_rng(0)
    X, y = generator.standard_normal((90, 4), np.float32), np.arange(90) % 3
    losses = {}
    for device in ("auto", "cpu"):
        network = Network([layers.Dense(3)])
        trainer = Trainer(
            network, epochs=2, batch_size=8, device=device, random_state=0, data_memory_bytes=1024
        )
        trainer.fit(X, y, validation_data=(X[:41], y[:41]))
        losses[trainer.device_] = trainer.history_.loss, trainer.history_.validation_loss
    assert runs == ["cpu", "cuda"]
    assert losses["cuda"] == losses["cpu"]


def test_arrays_that_share_memory_are_not_copied():
    x = np.arange(9.0)
    graph = TaskGraph()
    with graph.recording():
        added(x[:4], x[5:])
        added(x[1:5], x[5:])
    tasks = {"main": fused(graph.recordings["main"])}
    memory = graph.compile(device="cpu")._memory
    assert on_scratch(tasks, memory) is not None
    graph = TaskGraph()
    with graph.recording():
        added(x[:4], x[5:])
        added(x[3:6], x[6:])
    assert on_scratch({"main": fused(graph.recordings["main"])}, memory) is None


def test_copies_have_the_strides_of_what_they_stand_for():
    x, out = np.arange(4.0), np.arange(8.0)[::-2]
    graph = TaskGraph()
    with graph.recording():
        added(x, out)
    memory = graph.compile(device="cpu")._memory
    tasks, _ = on_scratch({"main": fused(graph.recordings["main"])}, memory)
    copy = tasks["main"][0].arguments[1]
    assert copy.strides == out.strides
    assert not np.shares_memory(copy, out)
    np.testing.assert_array_equal(copy, out)

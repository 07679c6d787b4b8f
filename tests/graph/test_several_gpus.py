"""Several devices with memory of their own: who has what, and whose turn it is."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from fake_gpu import Turn, install_several
from hypothesis import HealthCheck, given, settings
from residency import HISTORIES, added, arena, history
from trainings import CLASSES, X, mlp

import netts
from netts import MLPClassifier, TaskGraph, Trainer
from netts.cli import main
from netts.devices.transfers import STAGING_BYTES
from netts.errors import DeviceError


@pytest.fixture
def gpus(monkeypatch):
    return install_several(monkeypatch, 2)


def planned(*calls, device):
    graph = TaskGraph()
    with graph.recording():
        for kernel, *arguments in calls:
            kernel(*arguments)
    return graph.compile(device=device)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=HISTORIES)
def test_the_second_does_what_the_first_does(acts, gpus):
    assert history("cuda:1", acts) == history("cuda", acts)


def test_a_plan_uses_one_of_them_and_no_other(gpus):
    first, second = gpus
    _, (x, out) = arena(8, 8)
    plan = planned((added, x, x, out), device="cuda:1")
    plan.run(3)
    assert plan.device == "cuda:1"
    assert plan.profile(1).device == "cuda:1"
    assert first.taken() == []
    assert not first.blocks
    assert second.taken("graph") == [("graph", 1)] * 2


def test_a_buffer_goes_from_one_to_the_other_by_the_host(gpus):
    first, second = gpus
    _, (x, out) = arena(8, 8)
    plans = [planned((added, x, out, out), device=name) for name in ("cuda", "cuda:1")]
    out.array[...] = 0
    for plan in (*plans, plans[0]):
        plan.run()
    np.testing.assert_array_equal(out.array, 3 * np.arange(8.0))
    assert Turn.current() is None
    copies = ("upload", "download")
    assert [kind for kind, _ in first.taken(*copies)] == ["upload", "download"] * 2
    assert [kind for kind, _ in second.taken(*copies)] == ["upload", "download"]


def test_memory_of_one_that_is_given_back_amid_the_others_work_disturbs_nothing(gpus):
    first, second = gpus
    (x, out), (y,) = arena(8, 8)[1], arena(8)[1]
    left = planned((added, y, y, np.zeros(8)), device="cuda")
    left.run()
    plan = planned((added, x, x, out), device="cuda:1")
    with second.enter():
        del left, y
        gc.collect()
        assert Turn.current() is second
        plan.run()
    assert first.allocated_bytes == STAGING_BYTES
    np.testing.assert_array_equal(out.read(), 2 * np.arange(8.0))


def test_networks_train_side_by_side_on_both(gpus):
    trained = {}
    for device in ("cpu", "cuda", "cuda:1"):
        network = mlp()
        trainer = Trainer(network, epochs=2, device=device, random_state=0)
        trainer.fit(X, CLASSES)
        trained[device] = trainer.device_, network, network.predict(X, device=device)
    for device, (name, network, outputs) in trained.items():
        assert name == device
        np.testing.assert_array_equal(outputs, trained["cpu"][2])
        for other in trained:
            np.testing.assert_array_equal(network.predict(X, device=other), outputs)


def test_the_first_has_one_name(gpus):
    with pytest.warns(match="Maximum iterations"):
        model = MLPClassifier((4,), max_iter=1, device="cuda:0").fit(X, CLASSES)
    assert model.device_ == "cuda"
    with netts.device("cuda:1"), pytest.warns(match="Maximum iterations"):
        assert MLPClassifier((4,), max_iter=1).fit(X, CLASSES).device_ == "cuda:1"


def test_the_command_takes_a_number(gpus, tmp_path, capsys):
    out = str(tmp_path / "iris.netts")
    train = ["train", "iris", "--epochs", "2", "--out", out, "--device"]
    assert main([*train, "cuda:1"]) == 0
    assert "on cuda:1" in capsys.readouterr().out
    assert gpus[1].taken("graph")
    assert gpus[0].taken() == []
    assert main(["inspect", out]) == 0
    assert "on cuda:1" in capsys.readouterr().out
    assert main([*train, "cuda:2"]) == 1
    assert "sees 2 GPUs" in capsys.readouterr().err


def test_too_little_memory_on_one_says_nothing_of_the_other(monkeypatch):
    gpus = install_several(monkeypatch, 2, nbytes=1500)
    _, (x, out) = arena(64, 64)
    with pytest.raises(DeviceError, match="fake GPU 1 has no room"):
        planned((added, x, x, np.zeros(64)), (added, x, x, out), device="cuda:1")
    assert not gpus[1].blocks

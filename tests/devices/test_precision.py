"""TF32: a permission that only some GPUs use, and only for float32."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fake_gpu import install
from sklearn.utils._param_validation import InvalidParameterError
from trainings import CLASSES, X, mlp

import netts
from netts import MLPClassifier, TaskGraph, Trainer, accelerate, parallel
from netts.cli import main
from netts.devices import registry
from netts.devices.precision import precision_from, settle_precision
from netts.errors import ParameterError
from netts.graph import cuda_replay

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@accelerate
def multiplied(x, y, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        for k in range(x.shape[1]):
            out[i, j] += x[i, k] * y[k, j]


def planned(device, precision, dtype=np.float32):
    x = np.ones((256, 256), dtype)
    graph = TaskGraph()
    with graph.recording():
        multiplied(x, x, np.zeros_like(x))
    return graph.compile(device=device, precision=precision)


@pytest.fixture
def gemms(monkeypatch):
    """The products that plans on a fake GPU prepare."""
    from netts.compiler.cuda import specialise

    install(monkeypatch)
    monkeypatch.setattr(specialise, "cublas_missing", lambda: None)
    found, prepared = [], cuda_replay.prepared

    def noted(operation, *rest):
        found.append(operation.gemm)
        return prepared(operation, *rest)

    monkeypatch.setattr(cuda_replay, "prepared", noted)
    return found


@pytest.mark.parametrize(("asked", "used"), [(None, "full"), ("float32", "full"), ("tf32", "tf32")])
def test_products_of_float32_are_multiplied_in_what_is_asked_for(asked, used, gemms):
    plan = planned("cuda", asked)
    assert [one.precision for one in gemms] == [used]
    assert plan.precision == (asked or "float32")
    assert ("  precision: tf32\n" in plan.explain()) == (used == "tf32")
    assert (" in TF32: a launch" in plan.explain()) == (used == "tf32")


def test_a_kernel_may_be_in_both(gemms):
    planned("cuda", "tf32"), planned("cuda", None), planned("cuda", "tf32")
    assert [one.precision for one in gemms] == ["tf32", "full", "tf32"]


def test_products_of_float64_are_never_rounded(gemms):
    plan = planned("cuda", "tf32", np.float64)
    assert [(one.dtype, one.precision) for one in gemms] == [("float64", "full")]
    assert "TF32" not in plan.explain()


def test_an_old_gpu_computes_in_float32_and_says_so(gemms, monkeypatch):
    info = registry._DEVICES["cuda"]()
    old = dataclasses.replace(info.gpus[0], capability=(7, 5))
    replaced = dataclasses.replace(info, gpus=(old,))
    monkeypatch.setitem(registry._DEVICES, "cuda", lambda: replaced)
    plan = planned("cuda", "tf32")
    assert [one.precision for one in gemms] == ["full"]
    said = "precision: float32 (tf32 is allowed, but a GPU of compute capability 7.5 has none)"
    assert said in plan.explain()


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_the_host_computes_in_float32_and_says_so(device):
    x = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
    found = []
    for precision in (None, "tf32"):
        graph, out = TaskGraph(), np.zeros_like(x)
        with graph.recording():
            multiplied(x, x, out)
        plan = graph.compile(device=device, precision=precision)
        plan.run()
        found.append(out)
        assert plan.precision == "float32"
    assert "precision: float32 (tf32 is allowed, but only a GPU has it)" in plan.explain()
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("wrong", ["tf23", "TF32", "float16", "", 32, True])
def test_another_name_is_refused_before_anything_happens(wrong):
    message = "unknown precision .*choose from: float32, tf32"
    network = mlp().build(6, random_state=0)
    for use in (
        lambda: precision_from(wrong),
        lambda: planned("cpu", wrong),
        lambda: Trainer(network, precision=wrong),
        lambda: network.predict(X, precision=wrong),
    ):
        with pytest.raises(ParameterError, match=message):
            use()
    with pytest.raises(InvalidParameterError, match="precision"):
        MLPClassifier(precision=wrong).fit(X, CLASSES)


def test_a_likely_name_is_suggested():
    with pytest.raises(ParameterError, match=r"'tf23' \(did you mean 'tf32'\?\)"):
        settle_precision("tf23", "cpu")


def test_a_trainer_and_a_network_pass_it_on(gemms, monkeypatch):
    seen = []
    compile_ = TaskGraph.compile

    def noted(graph, *arguments, **options):
        plan = compile_(graph, *arguments, **options)
        seen.append(plan.precision)
        return plan

    monkeypatch.setattr(TaskGraph, "compile", noted)
    monkeypatch.setattr(cuda_replay, "prepared", lambda *_: lambda: None)
    trainer = Trainer(mlp(), epochs=1, device="cuda", precision="tf32", random_state=0)
    trainer.fit(X, CLASSES)
    trainer.predict(X)
    trainer.network.predict(X, device="cuda")
    assert seen == ["tf32", "tf32", "float32"]


@pytest.mark.parametrize(
    ("device", "asked", "dtype", "used"),
    [
        ("cuda", "tf32", np.float32, "tf32"),
        ("cuda", "tf32", np.float64, "float64"),
        ("cuda", None, np.float32, "float32"),
        ("cpu", "tf32", np.float32, "float32"),
        ("cpu", None, np.float64, "float64"),
    ],
)
def test_an_estimator_and_its_file_say_what_was_used(
    device, asked, dtype, used, monkeypatch, tmp_path
):
    install(monkeypatch)
    model = MLPClassifier((4,), max_iter=1, device=device, precision=asked)
    model.fit(X.astype(dtype), CLASSES)
    model.save(tmp_path / "model.netts")
    loaded = netts.load(tmp_path / "model.netts")
    for one in (model, loaded):
        assert one.precision == asked
        assert one.device_choice_.precision == used
    np.testing.assert_array_equal(loaded.predict(X.astype(dtype)), model.predict(X.astype(dtype)))


def test_the_command_takes_it_and_inspect_tells_it(monkeypatch, tmp_path, capsys):
    install(monkeypatch)
    out = str(tmp_path / "iris.netts")
    command = ["train", "iris", "--epochs", "1", "--out", out, "--precision"]
    assert main([*command, "tf32", "--device", "cuda"]) == 0
    assert netts.load(out).estimator_.precision == "tf32"
    assert main(["predict", out, "iris", "--precision", "float32"]) == 0
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main([*command, "tf16"])
    assert "invalid choice: 'tf16'" in capsys.readouterr().err


def test_a_model_file_from_before_has_no_precision():
    from netts.estimators.choice import DeviceChoice

    assert DeviceChoice("cpu", "asked for", 1).precision is None

"""`netts export` writes what other programs predict with."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import netts
from netts import Network, layers
from netts.cli import main
from netts.data import load

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def test_a_trained_table_model_is_exported(tmp_path, capsys):
    path, out = tmp_path / "iris.netts", tmp_path / "iris.onnx"
    assert main(["train", "iris", "--out", str(path), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["export", str(path), str(out)]) == 0
    assert capsys.readouterr().err.startswith(f"netts: wrote {out}, ")
    iris = load("iris")
    columns = {name: values[:, None] for name, values in iris.columns.items()}
    label, probabilities = onnxruntime.InferenceSession(out).run(None, columns)
    model = netts.load(path)
    assert label.tolist() == model.predict(iris).tolist()
    assert_allclose(probabilities, model.predict_proba(iris), atol=1e-5)


def test_a_network_is_exported_with_its_loss(tmp_path):
    path, out = tmp_path / "network.netts", tmp_path / "network.onnx"
    network = Network([layers.Dense(3)]).build(2, random_state=0)
    network.save(path)
    assert main(["export", str(path), str(out), "--loss", "cross_entropy"]) == 0
    X = np.ones((2, 2), np.float32)
    (found,) = onnxruntime.InferenceSession(out).run(None, {"input": X})
    assert_allclose(found, network.predict(X, loss="cross_entropy"), atol=1e-6)


def test_what_cannot_be_exported_is_said(tmp_path, capsys):
    path = tmp_path / "iris.netts"
    assert main(["train", "iris", "--out", str(path), "--epochs", "2", "--quiet"]) == 0
    for out, more, message in [
        (path, [], f"{path} is the model itself"),
        (tmp_path / "iris.onnx", ["--loss", "poisson"], "--loss is for networks"),
        (tmp_path / "nowhere" / "iris.onnx", [], "there is no directory"),
    ]:
        assert main(["export", str(path), str(out), *more]) == 1
        assert message in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["iris.netts"]

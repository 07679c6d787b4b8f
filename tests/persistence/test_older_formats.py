"""Files of earlier releases load: each format that ever was has a folder of them, never changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netts
from netts.data import load
from netts.persistence import read_model_file

FORMAT_1 = Path(__file__).parent / "format_1"


@pytest.mark.parametrize("path", sorted(FORMAT_1.glob("*.netts")), ids=lambda path: path.stem)
def test_a_file_of_format_1_loads_as_its_kind(path):
    assert read_model_file(path).format == 1
    assert read_model_file(path).kind == path.stem
    assert netts.load(path, kind=path.stem) is not None


def test_there_is_one_of_each_kind_that_format_1_had():
    kinds = {"network", "mlp_classifier", "mlp_regressor", "table_model"}
    assert {path.stem for path in FORMAT_1.iterdir()} == kinds


def test_they_predict_what_they_predicted():
    iris = load("iris")
    table_model = netts.load(FORMAT_1 / "table_model.netts")
    assert table_model.score(iris, iris.y) == pytest.approx(0.440000)
    outputs = netts.load(FORMAT_1 / "network.netts").predict(np.ones((1, 4)))
    np.testing.assert_allclose(outputs, [[-0.30869967, -0.26104173]], rtol=1e-6)

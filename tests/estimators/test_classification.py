"""Labels become indicators as scikit-learn's LabelBinarizer has it."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.preprocessing import LabelBinarizer

from netts import MLPClassifier

KINDS = {
    "int": [3, -1, 7],
    "uint8": np.array([3, 200, 7], np.uint8),
    "float": [0.0, 2.0, 1.0],
    "text": ["b", "", "\u00fc"],
    "object": np.array(["b", "a", "cc"], object),
    "bool": [True, False],
}


@pytest.mark.parametrize("n_classes", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_indicators_are_those_of_a_label_binarizer(kind, n_classes):
    labels = np.asarray(KINDS[kind])[:n_classes]
    y = labels[np.random.default_rng(0).integers(0, len(labels), 30)]
    y[: len(labels)] = labels
    model = MLPClassifier()
    model._learn_labels(y)
    longer = y.astype("U9") if y.dtype.kind in "UO" else y.astype(y.dtype, copy=True)
    for asked in (y, y[:1], y[::-3], longer):
        expected = LabelBinarizer().fit(y).transform(asked).astype(bool)
        assert_array_equal(model._indicators(asked), expected, strict=True)

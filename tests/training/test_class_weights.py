"""Weights of classes are weights of samples."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight
from trainings import CLASSES, WEIGHTS, X, mlp

from netts import Network, Trainer, layers
from netts.errors import ParameterError

BY_CLASS = {0: 0.5, 2: 3.0}


def weights_of(y, network=None, sample_weight=None, **options):
    one = Trainer(network or mlp(), epochs=2, random_state=0, **options)
    history = one.fit(X, y, sample_weight)
    return [*one.network.weights().values(), np.array(history.loss)]


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("own", [None, WEIGHTS])
@pytest.mark.parametrize("class_weight", [BY_CLASS, "balanced"])
def test_class_weights_multiply_sample_weights(class_weight, own):
    by_class = class_weight if class_weight == "balanced" else {1: 1.0} | class_weight
    combined = compute_sample_weight(by_class, CLASSES) * (1.0 if own is None else own)
    assert_equal(
        weights_of(CLASSES, sample_weight=own, class_weight=class_weight),
        weights_of(CLASSES, sample_weight=combined),
    )


def test_a_single_output_has_classes_too():
    y = CLASSES > 0
    options = {"loss": "binary_cross_entropy"}
    found = weights_of(y, Network([layers.Dense(1)]), class_weight={1: 4.0}, **options)
    expected = weights_of(
        y, Network([layers.Dense(1)]), np.where(y, 4.0, 1.0).astype(np.float32), **options
    )
    assert_equal(found, expected)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("fair", 'class_weight is None, "balanced", or a dictionary'),
        ({0: -1.0}, "class_weight of class 0 is a number"),
        ({7: 1.0}, "class_weight has a weight for class 7, but y has the classes 0, 1, 2"),
        ({0: 0, 1: 0, 2: 0}, "leaves every sample without weight"),
    ],
)
def test_other_class_weights_are_refused(class_weight, message):
    with pytest.raises(ParameterError, match=message):
        weights_of(CLASSES, class_weight=class_weight)


def test_quantities_have_no_classes():
    network = Network([layers.Dense(1)])
    with pytest.raises(ParameterError, match="pass sample_weight"):
        weights_of(X[:, 0], network, loss="squared_error", class_weight="balanced")

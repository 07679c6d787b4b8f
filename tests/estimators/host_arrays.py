"""What estimators answer to arrays of the host of another library."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn

from netts import MLPClassifier, MLPRegressor

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = np.digitize(X[:, 0], [-0.5, 0.5])
SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0}
METHODS = ("predict", "predict_proba", "predict_log_proba")


def check_answers(convert: Callable[[np.ndarray], Any], *, is_dispatched: bool) -> None:
    """Compare answers with those to NumPy's arrays, and ask for the kind that scikit-learn has."""
    data = convert(X)
    kind = type(data) if is_dispatched else np.ndarray
    with warnings.catch_warnings(), sklearn.config_context(array_api_dispatch=is_dispatched):
        warnings.simplefilter("ignore")  # of fits that end early
        expected = MLPClassifier(**SETTINGS, device="cpu").fit(X, Y)
        found = MLPClassifier(**SETTINGS, device="cpu")
        found.fit(data, convert(Y), convert(np.ones(len(Y))))
        for name in METHODS:
            answer, wanted = getattr(found, name)(data), getattr(expected, name)(X)
            assert type(answer) is kind, (name, type(answer))
            np.testing.assert_allclose(np.asarray(answer), wanted, rtol=1e-6)
        assert found.score(data, convert(Y)) == expected.score(X, Y)
        quantity = MLPRegressor(**SETTINGS, device="cpu").fit(data, convert(X[:, 0]))
        assert type(quantity.predict(data)) is kind


def check_jax() -> None:
    """Check the answers to JAX's arrays, as scikit-learn usually is and with its dispatch."""
    numpy_of_jax = importlib.import_module("jax.numpy")
    os.environ["SCIPY_ARRAY_API"] = "1"  # scikit-learn insists on it
    for is_dispatched in (False, True):
        check_answers(numpy_of_jax.asarray, is_dispatched=is_dispatched)

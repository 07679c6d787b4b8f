"""Small data sets of each task, and what a test does with both engines."""

from __future__ import annotations

import warnings

import numpy as np
import sklearn.neural_network
from sklearn.exceptions import ConvergenceWarning

import netts
from netts.layers import Dense, Dropout
from netts.optimizers import Adam

N_SAMPLES, N_FEATURES = 23, 3
TASKS = ("binary", "multiclass", "multilabel", "regression", "two outputs", "counts")
CLASSIFICATIONS = TASKS[:3]
ENGINES = {"netts": netts, "scikit-learn": sklearn.neural_network}


def data(task, n_samples=N_SAMPLES):
    """X and y."""
    generator = np.random.default_rng(7)
    X = generator.normal(size=(n_samples, N_FEATURES))
    signal = X @ generator.normal(size=N_FEATURES)
    y = {
        "binary": np.where(signal > 0, "yes", "no"),
        "multiclass": np.array(["low", "mid", "top"])[np.digitize(signal, [-0.5, 0.5])],
        "multilabel": (np.column_stack([signal, X[:, 0], -X[:, 1]]) > 0).astype(int),
        "regression": signal,
        "two outputs": np.column_stack([signal, X[:, 0] ** 2]),
        "counts": generator.poisson(np.exp(0.3 * signal)),
    }
    return X, y[task]


def estimator(task, engine="netts", **settings):
    """An estimator for a task, small and quick unless told otherwise."""
    name = "MLPClassifier" if task in CLASSIFICATIONS else "MLPRegressor"
    chosen = {"hidden_layer_sizes": (5, 4), "max_iter": 20, "random_state": 3, "alpha": 0.1}
    if task == "counts":
        chosen["loss"] = "poisson"
    return getattr(ENGINES[engine], name)(**(chosen | settings))


HIDDEN = [Dense(6, "tanh"), Dropout(0.1), Dense(5, "relu")]


def network_estimator(task, **settings):
    """An estimator of some layers for a task, likewise."""
    name = "NetworkClassifier" if task in CLASSIFICATIONS else "NetworkRegressor"
    chosen = {"layers": HIDDEN, "epochs": 15, "random_state": 3, "optimizer": Adam(0.01)}
    if task == "counts":
        chosen["loss"] = "poisson"
    return getattr(netts, name)(**(chosen | settings))


def fit(model, *arguments, **keywords):
    """Fit, and do not mind that 20 epochs are not enough."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*arguments, **keywords)

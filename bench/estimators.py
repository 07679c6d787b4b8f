"""What the estimators add: microseconds of one row and of one epoch, beside scikit-learn's MLP.

    python bench/estimators.py

iris, scikit-learn's defaults. `network.predict` is the plan behind the estimator, so the difference
to `predict` is the coat. Prints Markdown; the least of several rounds, as the machine may be busy.
"""

from __future__ import annotations

import time
import warnings

import sklearn.neural_network
from sklearn.datasets import load_iris

import netts

ROUNDS = 9


def least(call, repeats: int) -> float:
    """Microseconds of a call, in the best of some rounds."""
    call()
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        rounds.append((time.perf_counter() - start) / repeats * 1e6)
    return min(rounds)


def calls(module, X, y):
    """What is timed, by name, with how often a round repeats it."""
    model = module.MLPClassifier(max_iter=20, random_state=0).fit(X, y)
    once = module.MLPClassifier(max_iter=1, random_state=0)
    again = module.MLPClassifier(max_iter=1, random_state=0, warm_start=True)
    row = X[:1]
    yield "predict, 1 row", lambda: model.predict(row), 500
    yield "predict_proba, 1 row", lambda: model.predict_proba(row), 500
    yield "predict, 150 rows", lambda: model.predict(X), 300
    yield "partial_fit, 150 rows", lambda: model.partial_fit(X, y), 30
    yield "fit, 1 epoch", lambda: once.fit(X, y), 30
    yield "fit, 1 epoch more (warm_start)", lambda: again.fit(X, y), 30
    if module is netts:
        network = model._network()
        yield "network.predict, 1 row", lambda: network.predict(row), 500


def main() -> None:
    warnings.simplefilter("ignore")
    X, y = load_iris(return_X_y=True)
    found = {
        engine: {name: least(call, repeats) for name, call, repeats in calls(module, X, y)}
        for engine, module in {"netts": netts, "scikit-learn": sklearn.neural_network}.items()
    }
    print("| call | netts us | scikit-learn us |\n|---|---|---|")
    for name, ours in found["netts"].items():
        theirs = found["scikit-learn"].get(name)
        print(f"| {name} | {ours:.0f} | {'' if theirs is None else f'{theirs:.0f}'} |")


if __name__ == "__main__":
    main()

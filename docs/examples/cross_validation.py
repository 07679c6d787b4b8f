"""
Cross-validation
================

Every flower is tested once. Deep Netts' KFoldCrossvalidationDemo.

::

    python docs/examples/cross_validation.py
"""

from outcome import Outcome, show

from netts import MLPClassifier
from netts.data import load
from netts.estimators import TableModel
from netts.evaluation import cross_validate

PUBLISHED = "none: KFoldCrossvalidationDemo prints its metrics, and no output is published"


def main() -> Outcome:
    iris = load("iris")
    # Scaled inside of the model: a fold that is tested has no part in the scaling.
    model = TableModel(
        MLPClassifier((20,), activation="tanh", learning_rate_init=0.05, tol=1e-3, random_state=0)
    )
    found = cross_validate(model, iris, iris.y, n_splits=5, random_state=0)
    print(found, end="\n\n")

    # Each fold keeps its trained clone, the best one too. The model itself is untrained.
    best = max(found.folds, key=lambda fold: fold.evaluation.report.accuracy)
    return Outcome(
        data="iris, 150 rows, 4 features, 3 classes",
        split="5 folds, stratified",
        measure="accuracy",
        score=found.means["accuracy"],
        published=PUBLISHED,
        notes=(f"best fold: {best.evaluation.report.accuracy:.3f}, fold {best.number}",),
    )


if __name__ == "__main__":
    show(main)

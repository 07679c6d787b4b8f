"""
Search for hyper-parameters
===========================

The estimators are scikit-learn's, so its searches work, over processes too (n_jobs=-1).
Deep Netts' HyperParamSearchExample.

::

    python docs/examples/hyperparameter_search.py
"""

from outcome import Outcome, show
from sklearn.model_selection import GridSearchCV

from netts import MLPClassifier
from netts.data import load, split_table
from netts.estimators import TableModel

PUBLISHED = "none: HyperParamSearchExample prints its results, and no output is published"

GRID = {
    "estimator__hidden_layer_sizes": [(), (8,), (16, 8)],
    "estimator__learning_rate_init": [0.003, 0.03],
    "estimator__alpha": [1e-4, 1.0],
}


def main() -> Outcome:
    table = load("breast_cancer")
    training, test = split_table(table, test_size=0.3, random_state=0)
    model = TableModel(
        MLPClassifier(activation="tanh", max_iter=200, tol=1e-3, batch_size=32, random_state=0)
    )

    search = GridSearchCV(model, GRID, cv=3, scoring="balanced_accuracy")
    search.fit(training.X, training.y)  # rows that are tested at the end take no part
    for name, value in search.best_params_.items():
        print(f"{name.removeprefix('estimator__'):20} {value}")
    print()

    return Outcome(
        data="breast_cancer, 569 rows, 30 features, 2 classes",
        split="398 rows to search with 3 folds, 171 to test, stratified, seed 0",
        measure="accuracy",
        score=search.best_estimator_.score(test.X, test.y),
        published=PUBLISHED,
        notes=(f"12 combinations, {search.best_score_:.3f} of balanced accuracy in the folds",),
    )


if __name__ == "__main__":
    show(main)

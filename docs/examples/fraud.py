"""
Rare events
===========

7 % of anomalies, as frauds are among payments. Deep Netts' CrediCardFraud.

Its payments cannot be installed, so these are states of a space shuttle's radiators.

::

    pip install river
    python docs/examples/fraud.py
"""

from outcome import Outcome, show

from netts import MLPClassifier
from netts.data import shuttle, split_rows
from netts.estimators import TableModel
from netts.evaluation import evaluate

PUBLISHED = (
    "F1 0.7923 (precision 0.7802, recall 0.8049) by deepnetts/fraud_detection_examples, README, "
    "Results, of payments: other data, so no comparison"
)


def main() -> Outcome:
    X, y = shuttle()
    training, test = split_rows(len(y), (0.8, 0.2), stratify=y, random_state=0)
    model = TableModel(MLPClassifier((32, 16), early_stopping=True, tol=1e-3, random_state=0))

    # A fraud that is missed costs more than a false alarm: each counts five times.
    weights = 1.0 + 4.0 * y[training]
    model.fit(X[training], y[training], sample_weight=weights)
    evaluation = evaluate(model, X[test], y[test])
    print(evaluation, end="\n\n")

    anomaly = evaluation.report.classes[1]
    return Outcome(
        data="shuttle, 49,097 rows, 9 features, 7 % anomalies",
        split="39,277 rows to train, 9,820 to test, stratified, seed 0",
        measure="F1",
        score=anomaly.f1,
        published=PUBLISHED,
        notes=(
            f"anomalies: precision {anomaly.precision:.4f}, recall {anomaly.recall:.4f}",
            f"to call nothing an anomaly would be {1 - y[test].mean():.3f} accurate",
        ),
    )


if __name__ == "__main__":
    show(main)

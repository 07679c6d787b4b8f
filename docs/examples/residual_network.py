"""
A residual network
==================

Images of digits, and a graph of layers, not only a list.

::

    python docs/examples/residual_network.py
"""

import numpy as np
from outcome import Outcome, show

from netts import Network, Trainer, layers
from netts.data import load, split_rows
from netts.schedules import OneCycle

PUBLISHED = "none: no example of Deep Netts does this"


def block(filters):
    return layers.Residual(
        [
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNorm(),
            layers.ReLU(),
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNorm(),
        ],
        activation="relu",
    )


def main() -> Outcome:
    digits = load("digits")
    images = (digits.X / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    training, test = split_rows(len(images), (0.7, 0.3), stratify=digits.y, random_state=0)

    network = Network(
        [
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            block(16),
            layers.MaxPool2D(2),
            block(16),
            layers.GlobalAveragePool2D(),
            layers.Dense(10),
        ]
    )
    trainer = Trainer(network, epochs=10, schedule=OneCycle(max_rate=0.01), random_state=0)
    trainer.fit(images[training], digits.y[training])
    print(network.summary(), end="\n\n")

    predicted = trainer.predict(images[test]).argmax(axis=1)
    return Outcome(
        data="digits, 1,797 images, 8 x 8, 10 classes",
        split="1,257 images to train, 540 to test, stratified, seed 0",
        measure="accuracy",
        score=float(np.mean(predicted == digits.y[test])),
        published=PUBLISHED,
    )


if __name__ == "__main__":
    show(main)

"""
A layer of one's own
====================

Two loops, which run wherever netts's own do.

::

    python docs/examples/own_layer.py
"""

from dataclasses import dataclass

import numpy as np
from outcome import Outcome, show

from netts import Network, Trainer, accelerate, layers, parallel
from netts.data import load, split_rows
from netts.layers import Layer
from netts.testing import check_layer

PUBLISHED = "none: no example of Deep Netts does this"


@accelerate
def softsign_forward(x, output):
    for i, j in parallel(x.shape[0], x.shape[1]):
        output[i, j] = x[i, j] / (1.0 + abs(x[i, j]))


@accelerate
def softsign_backward(x, grad_output, grad_input):
    for i, j in parallel(x.shape[0], x.shape[1]):
        grad_input[i, j] = grad_output[i, j] / (1.0 + abs(x[i, j])) ** 2


@dataclass(frozen=True)
class Softsign(Layer):
    def forward(self, at):
        softsign_forward(at.input, at.output)

    def backward(self, at):
        if at.grad_input is not None:  # nobody asks the first layer
            softsign_backward(at.input, at.grad_output, at.grad_input)


def main() -> Outcome:
    check_layer(Softsign(), (5,))  # every device, shapes, numerical gradients
    wine = load("wine")
    X = (wine.X - wine.X.mean(axis=0)) / wine.X.std(axis=0)
    classes, y = np.unique(wine.y, return_inverse=True)
    training, test = split_rows(len(y), (0.7, 0.3), stratify=y, random_state=0)
    network = Network([layers.Dense(16), Softsign(), layers.Dense(len(classes))])
    trainer = Trainer(network, epochs=60, l2=1.0, random_state=0)
    trainer.fit(X[training], y[training])

    predicted = trainer.predict(X[test]).argmax(axis=1)
    return Outcome(
        data="wine, 178 rows, 13 features, 3 classes",
        split="124 rows to train, 54 to test, stratified, seed 0",
        measure="accuracy",
        score=float(np.mean(predicted == y[test])),
        published=PUBLISHED,
        notes=("check_layer found the gradients right",),
    )


if __name__ == "__main__":
    show(main)

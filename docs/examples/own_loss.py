"""
A loss of one's own
===================

What an error costs, and its derivative.

To promise too much is worse here than to promise too little: errors above cost three times as much.

::

    python docs/examples/own_loss.py
"""

import numpy as np
from outcome import Outcome, show

from netts import Network, Trainer, layers
from netts.data import load, split_table
from netts.losses import ElementLoss

PUBLISHED = "none: no example of Deep Netts does this"


def lopsided(output, target):
    error = output - target
    return 3.0 * error * error if error > 0.0 else error * error


def lopsided_derivative(output, target):
    error = output - target
    return 6.0 * error if error > 0.0 else 2.0 * error


def main() -> Outcome:
    training, test = split_table(load("diabetes"), test_size=0.3, random_state=0)
    center, scale = training.X.mean(axis=0), training.X.std(axis=0)
    y_center, y_scale = training.y.mean(), training.y.std()

    shares = {}
    # The derivative is compared with differences of the value before the first step.
    for loss in ("squared_error", ElementLoss(lopsided, lopsided_derivative)):
        network = Network([layers.Dense(16, "tanh"), layers.Dense(1)])
        trainer = Trainer(network, loss=loss, epochs=60, l2=1.0, random_state=0)
        trainer.fit((training.X - center) / scale, (training.y - y_center) / y_scale)
        outputs = trainer.predict((test.X - center) / scale).ravel() * y_scale + y_center
        shares[str(loss)] = float(np.mean(outputs > test.y))

    symmetric, own = shares.values()
    return Outcome(
        data="diabetes, 442 rows, 10 features",
        split="309 rows to train, 133 to test, seed 0",
        measure="too low",
        score=1 - own,
        published=PUBLISHED,
        notes=(f"predictions above the truth: {own:.0%}; with squared error {symmetric:.0%}",),
    )


if __name__ == "__main__":
    show(main)

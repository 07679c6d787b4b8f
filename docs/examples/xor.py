"""
XOR
===

The smallest problem that needs a hidden layer. Deep Netts' XorExample.

::

    python docs/examples/xor.py
"""

import numpy as np
from outcome import Outcome, show

from netts import Network, Trainer, layers
from netts.optimizers import SGD

PUBLISHED = "none: XorExample prints the output for (0, 1), and no output is published"


def main() -> Outcome:
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    y = np.array([0, 1, 1, 0])

    network = Network([layers.Dense(3, "tanh"), layers.Dense(1, "sigmoid")])
    trainer = Trainer(
        network,
        loss="squared_error",
        optimizer=SGD(learning_rate=0.9),
        epochs=2000,
        batch_size=1,  # online, as Deep Netts trains
        random_state=0,
    )
    trainer.fit(X, y)
    outputs = trainer.predict(X).ravel()

    return Outcome(
        data="XOR, 4 rows, 2 features",
        split="none: all four rows are trained on",
        measure="accuracy",
        score=float(np.mean((outputs > 0.5) == y)),
        published=PUBLISHED,
        notes=(f"outputs {np.array2string(outputs, precision=3)} for {y.tolist()}",),
    )


if __name__ == "__main__":
    show(main)

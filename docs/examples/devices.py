"""
Devices
=======

One network on whatever device there is: the source names none but in ``device=``.

::

    python docs/examples/devices.py
"""

import time

import numpy as np
from outcome import Outcome, show

from netts import Network, Trainer, layers
from netts.data import load, split_rows
from netts.devices import available

PUBLISHED = "none: no example of Deep Netts does this"


def main() -> Outcome:
    digits = load("digits")
    X = (digits.X / 16).astype(np.float32)
    training, test = split_rows(len(X), (0.7, 0.3), stratify=digits.y, random_state=0)

    scores, notes = [], []
    for device in available():
        if not device.is_available or device.name == "reference":  # interpreted: minutes
            notes.append(f"{device.name}: left out, {device.description}")
            continue
        network = Network([layers.Dense(64, "relu"), layers.Dense(10)])
        trainer = Trainer(network, epochs=20, device=device.name, random_state=0)
        start = time.perf_counter()
        trainer.fit(X[training], digits.y[training])
        seconds = time.perf_counter() - start
        predicted = trainer.predict(X[test]).argmax(axis=1)
        scores.append(float(np.mean(predicted == digits.y[test])))
        notes.append(f"{device.name}: {scores[-1]:.4f} in {seconds:.2f} s, compiling included")
    return Outcome(
        data="digits, 1,797 rows, 64 features, 10 classes",
        split="1,257 rows to train, 540 to test, stratified, seed 0",
        measure="accuracy",
        score=min(scores),
        published=PUBLISHED,
        notes=tuple(notes),
    )


if __name__ == "__main__":
    show(main)

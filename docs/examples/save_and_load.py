"""
Save and load
=============

Save a model, load it, predict the same to the last bit. Deep Netts' LoadAndUseTrainedNetwork.

::

    python docs/examples/save_and_load.py
"""

import tempfile
from pathlib import Path

import numpy as np
from outcome import Outcome, show

import netts
from netts import MLPClassifier, Network, layers
from netts.data import load, split_table
from netts.estimators import TableModel

PUBLISHED = "none: no output of LoadAndUseTrainedNetwork is published"


def main() -> Outcome:
    training, test = split_table(load("wine"), test_size=0.3, random_state=0)
    model = TableModel(MLPClassifier((16,), learning_rate_init=0.02, tol=1e-3, random_state=0))
    model.fit(training, training.y)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wine.netts"
        model.save(path)
        size = path.stat().st_size
        loaded = netts.load(path)  # executes nothing of the file
    is_same = np.array_equal(loaded.predict_proba(test), model.predict_proba(test))

    # An architecture alone is text to read, to edit and to make a network of.
    network = Network([layers.Dense(16, "relu"), layers.Dense(3)])
    again = Network.from_json(network.to_json())
    print(again.to_json(), end="\n\n")
    return Outcome(
        data="wine, 178 rows, 13 features, 3 classes",
        split="124 rows to train, 54 to test, stratified, seed 0",
        measure="accuracy",
        score=loaded.score(test, test.y),
        published=PUBLISHED,
        notes=(f"a file of {size:,} bytes; predictions are the same bits: {is_same}",),
    )


if __name__ == "__main__":
    show(main)

"""Which settings should `netts train` have?

    python -m bench run train_defaults [netts | scikit-learn]

Mean and lowest test score (accuracy, R2 for diabetes) of hidden layers 64 and 32, Adam, batches of
32, over five splits and seeds of each bundled table, for several weight penalties and epochs.
"""

from __future__ import annotations

import importlib
import itertools
import sys
import warnings

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from netts.data import Table, dataset_names, load
from netts.data.splitting import split_table

ENGINES = {"netts": "netts.estimators", "scikit-learn": "sklearn.neural_network"}
PENALTIES = (0.0001, 0.01, 0.1, 0.3, 0.5, 1.0, 3.0)
EPOCHS = (100, 200)
SEEDS = range(5)


def score_held_back(engine, table: Table, seed: int, penalty: float, epochs: int) -> float:
    """Train on four fifths of a table and score the rest."""
    training, held_back = split_table(table, 0.2, random_state=seed)
    settings = {
        "hidden_layer_sizes": (64, 32),
        "batch_size": 32,
        "alpha": penalty,
        "max_iter": epochs,
        "random_state": seed,
    }
    if table.task == "classification":
        model = make_pipeline(StandardScaler(), engine.MLPClassifier(**settings))
    else:
        regressor = make_pipeline(StandardScaler(), engine.MLPRegressor(**settings))
        model = TransformedTargetRegressor(regressor, transformer=StandardScaler())
    return model.fit(training.X, training.y).score(held_back.X, held_back.y)


def main(name: str) -> None:
    """Print a row for each setting: mean (lowest) score on each table."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    engine = importlib.import_module(ENGINES[name])
    tables = [load(table) for table in dataset_names()]
    print(f"{name}: mean (lowest) of {len(SEEDS)} test scores")
    print("penalty epochs " + "".join(f"{table.name:>16}" for table in tables))
    for penalty, epochs in itertools.product(PENALTIES, EPOCHS):
        print(f"{penalty:7g}{epochs:7d} ", end="")
        for table in tables:
            scores = [score_held_back(engine, table, seed, penalty, epochs) for seed in SEEDS]
            score = f"{np.mean(scores):.3f} ({min(scores):.3f})"
            print(f"{score:>16}", end="", flush=True)
        print()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "netts")

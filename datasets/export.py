"""Write the bundled tables from the copies inside scikit-learn: `python datasets/export.py`.

The features come first, under scikit-learn's own names, and the target is the last column.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)

FOLDER = Path(__file__).parent


def export(name: str, bunch: Any, target: str) -> None:
    """Write one of scikit-learn's bunches to `name`.csv, with the target last."""
    classes = bunch.get("target_names")
    labels = bunch.target if classes is None else classes[bunch.target]
    with (FOLDER / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*bunch.feature_names, target])
        for row, label in zip(bunch.data, labels, strict=True):
            writer.writerow(
                [*map(shortest, row), label if isinstance(label, str) else shortest(label)]
            )


def shortest(value: float) -> str:
    """Give the shortest text that reads back as the same float64, without a trailing `.0`."""
    return repr(float(value)).removesuffix(".0")


if __name__ == "__main__":
    export("iris", load_iris(), target="species")
    export("wine", load_wine(), target="cultivar")
    export("breast_cancer", load_breast_cancer(), target="diagnosis")
    export("digits", load_digits(), target="digit")
    export("diabetes", load_diabetes(scaled=False), target="progression")

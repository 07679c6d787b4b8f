"""
Two inputs
==========

Numbers and an embedded category: a network with two inputs, called by their names.

::

    python docs/examples/two_inputs.py
"""

from outcome import Outcome, show

from netts import Network, Trainer, layers
from netts.data import ReadOptions, TableEncoder, find_table, split_table
from netts.evaluation import evaluate_quantities

PUBLISHED = "none: no example of Deep Netts does this"


def main() -> Outcome:
    table = find_table("diabetes", options=ReadOptions(categories=("sex",)))  # 1 and 2 are names
    training, test = split_table(table, test_size=0.3, random_state=0)

    encoder = TableEncoder(encodings={"sex": "embedding"}).fit(training)
    network = Network(
        [
            layers.Concatenate(
                [
                    [layers.Input("numbers")],
                    [
                        layers.Input("sex"),
                        layers.Embedding(encoder.n_codes_["sex"], 2),
                        layers.Flatten(),
                    ],
                ]
            ),
            layers.Dense(16, "tanh"),
            layers.Dense(1),
        ]
    )
    center, scale = training.y.mean(), training.y.std()
    trainer = Trainer(network, loss="squared_error", epochs=60, l2=1.0, random_state=0)
    trainer.fit(encoder.transform_inputs(training), (training.y - center) / scale)
    predicted = trainer.predict(encoder.transform_inputs(test)).ravel() * scale + center

    report = evaluate_quantities(test.y, predicted).report
    return Outcome(
        data="diabetes, 442 rows, 9 numbers and a category",
        split="309 rows to train, 133 to test, seed 0",
        measure="R2",
        score=report.r2,
        published=PUBLISHED,
        notes=(f"RMSE {report.rmse:.1f}, of targets from 25 to 346",),
    )


if __name__ == "__main__":
    show(main)

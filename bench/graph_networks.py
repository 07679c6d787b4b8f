"""Networks that are graphs against the same in PyTorch: test accuracy. Markdown.

    python -m bench run graph_networks [cpu | cuda] [epochs of images] [epochs of rows]

A residual CNN on Fashion-MNIST, and a network of two inputs, numbers and embedded categories, on
the table of diamonds that the package plotnine brings (its price in five classes of equal size).
netts and PyTorch begin with the same weights and see the same batches; PyTorch runs on one thread
of the CPU.
"""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path

import numpy as np

from bench.peers import LEARNING_RATE
from netts import Network, Trainer, layers
from netts.data import fashion_mnist
from netts.optimizers import Adam

GRADES = {
    "cut": ["Fair", "Good", "Very Good", "Premium", "Ideal"],
    "color": list("JIHGFED"),
    "clarity": ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
}
NUMBERS = ["carat", "depth", "table", "x", "y", "z"]


def block(filters, stride=1):
    """Two convolutions and a shortcut: the basic block of a ResNet."""
    shortcut = [layers.Conv2D(filters, 1, stride=stride, use_bias=False), layers.BatchNorm()]
    return layers.Residual(
        [
            layers.Conv2D(filters, 3, stride=stride, padding=1, use_bias=False),
            layers.BatchNorm(),
            layers.ReLU(),
            layers.Conv2D(filters, 3, padding=1, use_bias=False),
            layers.BatchNorm(),
        ],
        shortcut=None if stride == 1 else shortcut,
        activation="relu",
    )


def residual_network():
    stem = [layers.Conv2D(16, 3, stride=2, padding=1, use_bias=False), layers.BatchNorm()]
    return Network([
        *stem, layers.ReLU(), block(16), block(32, stride=2),
        layers.GlobalAveragePool2D(), layers.Dense(10),
    ])  # fmt: skip


def two_input_network():
    """Numbers standardised by what they are, grades by vectors that are learned."""
    branches = [[layers.Input("numbers"), layers.BatchNorm()]]
    branches += [
        [layers.Input(name), layers.Embedding(len(grades), 4), layers.Flatten()]
        for name, grades in GRADES.items()
    ]
    return Network([
        layers.Concatenate(branches), layers.Dense(64, "relu"), layers.Dense(32, "relu"),
        layers.Dense(5),
    ])  # fmt: skip


def torch_residual():
    from torch import nn

    class Block(nn.Module):
        def __init__(self, channels, filters, stride):
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(channels, filters, 3, stride, 1, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(),
                nn.Conv2d(filters, filters, 3, 1, 1, bias=False),
                nn.BatchNorm2d(filters),
            )
            self.shortcut = nn.Sequential()
            if stride != 1:
                convolution = nn.Conv2d(channels, filters, 1, stride, bias=False)
                self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(filters))

        def forward(self, x):
            return nn.functional.relu(self.body(x) + self.shortcut(x))

    stem = [nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*stem, Block(16, 16, 1), Block(16, 32, 2), *pool, nn.Linear(32, 10))


def torch_two_inputs():
    import torch
    from torch import nn

    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(len(NUMBERS))
            self.vectors = nn.ModuleList(nn.Embedding(len(one), 4) for one in GRADES.values())
            width = len(NUMBERS) + 4 * len(GRADES)
            parts = [nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU()]
            self.head = nn.Sequential(*parts, nn.Linear(32, 5))

        def forward(self, inputs):
            numbers, *grades = inputs.values()
            vectors = [f(k[:, 0]) for f, k in zip(self.vectors, grades, strict=True)]
            return self.head(torch.cat([self.norm(numbers), *vectors], dim=1))

    return Table()


def copy_weights(network, model):
    """Give PyTorch's model the parameters of a network; both name them in the same order."""
    import torch

    with torch.no_grad():
        for array, parameter in zip(weights_of(network), model.parameters(), strict=True):
            parameter.copy_(torch.from_numpy(array.copy()))


def weights_of(network):
    """Return the parameters in order, as PyTorch has them: dense weights are transposed."""
    return [
        view.read().T if name == "weight" and isinstance(node.layer, layers.Dense) else view.read()
        for node, piece in zip(network.nodes, network.parameters.pieces, strict=True)
        for name, view in piece.items()
    ]


def netts_accuracy(network, order, data, epochs, batch_size, device):
    X, y, X_test, y_test = data
    trainer = Trainer(
        network, optimizer=Adam(LEARNING_RATE), epochs=epochs, batch_size=batch_size,
        shuffle=order, device=device, random_state=0,
    )  # fmt: skip
    trainer.fit(X, y)
    return np.mean(trainer.predict(X_test).argmax(axis=1) == y_test)


def torch_accuracy(model, order, data, epochs, batch_size):
    import torch

    torch.set_num_threads(1)

    def rows_of(X, rows):
        return {k: v[rows] for k, v in X.items()} if isinstance(X, dict) else X[rows]

    def tensors(X):
        return {k: torch.from_numpy(v) for k, v in X.items()} if isinstance(X, dict) else (
            torch.from_numpy(X)
        )  # fmt: skip

    X, y, X_test, y_test = tensors(data[0]), torch.from_numpy(data[1]), tensors(data[2]), data[3]
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    loss_of = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        for rows in torch.from_numpy(order(len(y))).split(batch_size):
            optimizer.zero_grad()
            loss_of(model(rows_of(X, rows)), y[rows]).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        parts = torch.arange(len(y_test)).split(1000)
        labels = torch.cat([model(rows_of(X_test, rows)).argmax(1) for rows in parts])
    return np.mean(labels.numpy() == y_test)


def diamonds():
    """Return inputs and classes to train on, and to test with: a fifth, chosen at random."""
    found = importlib.util.find_spec("plotnine")
    if found is None:
        sys.exit("the table of diamonds is part of the package plotnine: pip install plotnine")
    with (Path(found.origin).parent / "data" / "diamonds.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    X = {"numbers": np.array([[row[k] for k in NUMBERS] for row in rows]).astype(np.float32)}
    for name, grades in GRADES.items():
        X[name] = np.array([[grades.index(row[name])] for row in rows])
    price = np.array([float(row["price"]) for row in rows])
    y = np.searchsorted(np.quantile(price, [0.2, 0.4, 0.6, 0.8]), price)
    order = np.random.default_rng(0).permutation(len(y))
    test, train = order[: len(y) // 5], order[len(y) // 5 :]
    parts = [{k: v[rows] for k, v in X.items()} for rows in (train, test)]
    return parts[0], y[train], parts[1], y[test]


def compare(name, network, model, data, epochs, batch_size, device):
    def order():
        return np.random.default_rng(0).permutation

    X = data[0]
    shapes = {k: v.shape[1:] for k, v in X.items()} if isinstance(X, dict) else X.shape[1:]
    network.build(shapes, random_state=0)
    copy_weights(network, model)
    theirs = torch_accuracy(model, order(), data, epochs, batch_size)
    ours = netts_accuracy(network, order(), data, epochs, batch_size, device)
    print(f"| {name} | {epochs} | {ours:.4f} | {theirs:.4f} | {ours - theirs:+.4f} |", flush=True)


def main(device: str, epochs_of_images: int, epochs_of_rows: int) -> None:
    """Print a row for each network."""
    print(f"| network | epochs | netts ({device}) | PyTorch (cpu) | difference |")
    print("|---|---|---|---|---|")
    table = ("numbers and categories, diamonds", two_input_network(), torch_two_inputs())
    compare(*table, diamonds(), epochs_of_rows, 64, device)
    images = ("residual CNN, Fashion-MNIST", residual_network(), torch_residual())
    compare(*images, fashion_mnist(), epochs_of_images, 64, device)


if __name__ == "__main__":
    chosen = sys.argv[1:] + ["cpu", "5", "10"][len(sys.argv) - 1 :]
    main(chosen[0], int(chosen[1]), int(chosen[2]))

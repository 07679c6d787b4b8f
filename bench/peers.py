"""The same training in netts, scikit-learn and PyTorch: float32, Adam, ReLU, cross-entropy.

Each function trains for a number of epochs on data in memory, with a new order of the samples every
epoch, and does what that library's users do; nothing is done for one that is not done for all.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable

import numpy as np

LEARNING_RATE = 1e-3


def data(sizes: tuple[int, ...], n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 features and class numbers."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n_samples, sizes[0])).astype(np.float32)
    return X, np.arange(n_samples) % sizes[-1]


def train_netts(sizes: tuple[int, ...], batch_size: int, epochs: int, X, y) -> None:
    from netts import Network, Trainer, layers
    from netts.optimizers import Adam

    hidden = [layers.Dense(units, "relu") for units in sizes[1:-1]]
    network = Network([*hidden, layers.Dense(sizes[-1])], dtype=np.float32)
    Trainer(
        network,
        optimizer=Adam(LEARNING_RATE),
        epochs=epochs,
        batch_size=batch_size,
        random_state=0,
    ).fit(X, y)


def train_sklearn(sizes: tuple[int, ...], batch_size: int, epochs: int, X, y) -> None:
    from sklearn.neural_network import MLPClassifier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it did not converge, and should not
        MLPClassifier(
            sizes[1:-1],
            batch_size=batch_size,
            max_iter=epochs,
            learning_rate_init=LEARNING_RATE,
            alpha=0.0,
            tol=0.0,
            n_iter_no_change=epochs + 1,
            random_state=0,
        ).fit(X, y)


def train_torch(sizes: tuple[int, ...], batch_size: int, epochs: int, X, y) -> None:
    import torch

    modules: list[torch.nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        modules += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*modules[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    loss_of = torch.nn.CrossEntropyLoss()
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(epochs):
        order = torch.randperm(len(inputs))
        for rows in order.split(batch_size):
            optimizer.zero_grad()
            loss_of(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()


LIBRARIES: dict[str, Callable[..., None]] = {
    "netts": train_netts,
    "scikit-learn": train_sklearn,
    "PyTorch eager": train_torch,
}

"""Fashion-MNIST with a small convolutional network: accuracy and seconds per epoch. Markdown.

    python -m bench run fashion [epochs]

conv32-conv64-128-10 of `cnn_peers.py`, Adam, batches of 64, all 60,000 images, float32; netts and
PyTorch take turns, an epoch each, so that a busy moment of the machine hits both.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from bench.cnn_peers import NETS, netts_network, torch_model
from bench.peers import LEARNING_RATE
from netts.data import fashion_mnist

BATCH_SIZE = 64
NET = NETS["conv32-conv64-128-10"]


def netts_epochs(X, y, X_test, y_test):
    """Yield seconds and test accuracy, epoch by epoch."""
    from netts import Trainer
    from netts.optimizers import Adam

    trainer = Trainer(
        netts_network(NET),
        optimizer=Adam(LEARNING_RATE),
        epochs=1,
        batch_size=BATCH_SIZE,
        random_state=0,
    )
    while True:
        start = time.perf_counter()
        trainer.fit(X, y, resume=trainer.resumable_.optimizer is not None)
        seconds = time.perf_counter() - start
        yield seconds, np.mean(trainer.predict(X_test).argmax(axis=1) == y_test)


def torch_epochs(X, y, X_test, y_test):
    """Yield seconds and test accuracy, epoch by epoch."""
    import torch

    torch.manual_seed(0)
    model = torch_model(NET)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    loss_of = torch.nn.CrossEntropyLoss()
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)
    while True:
        start = time.perf_counter()
        for rows in torch.randperm(len(inputs)).split(BATCH_SIZE):
            optimizer.zero_grad()
            loss_of(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()
        seconds = time.perf_counter() - start
        with torch.no_grad():
            labels = [
                model(part).argmax(1).numpy() for part in torch.from_numpy(X_test).split(1000)
            ]
        yield seconds, np.mean(np.concatenate(labels) == y_test)


def main(epochs: int) -> None:
    """Print a row for each epoch."""
    data = fashion_mnist()
    print("| epoch | netts | seconds | PyTorch eager | seconds |")
    print("|---|---|---|---|---|")
    ours, theirs = netts_epochs(*data), torch_epochs(*data)
    for epoch in range(1, epochs + 1):
        (our_seconds, our_score), (their_seconds, their_score) = next(ours), next(theirs)
        print(
            f"| {epoch} | {our_score:.4f} | {our_seconds:.1f} | {their_score:.4f} | "
            f"{their_seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)

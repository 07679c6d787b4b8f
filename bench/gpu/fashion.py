"""Fashion-MNIST on a GPU through netts's estimators: accuracy and seconds per epoch. Markdown.

    PYTHONPATH=. python bench/gpu/fashion.py --data FOLDER --seconds 90
    PYTHONPATH=. python bench/gpu/fashion.py --device cpu --samples 500 --epochs 2

conv32-conv64-128-10 of `cnn_peers.py`, Adam, batches of 64, float32. netts trains on the GPU and on
the processor from the same seed, nothing changed but `device`; PyTorch trains on the same GPU,
eagerly and with its steps captured. Seconds are of whole epochs: order, steps, mean loss.

FOLDER holds the four files of Fashion-MNIST, 30 MB: train-images-idx3-ubyte.gz,
train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz. By default
it is where Debian's package dataset-fashion-mnist puts them; a machine without a network needs them
carried along.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from contestants import TorchEpoch
from report import Budget, in_words, machine, save

from bench.cnn_peers import NETS, netts_layers, torch_model
from bench.markdown import table
from bench.peers import LEARNING_RATE
from netts import NetworkClassifier, Trainer
from netts.data import fashion_mnist
from netts.data.fashion_mnist import DIRECTORY
from netts.optimizers import Adam
from netts.training import Callback

BATCH_SIZE = 64
NET = NETS["conv32-conv64-128-10"]
SAME = 0.01
"""How far accuracies of one seed on two devices may be apart."""

PREDICTED_ROWS = 1000

Epochs = list[tuple[float, float]]
"""Seconds and test accuracy of each."""


class Clock(Callback):
    """Times epochs, and scores after each; stops when the time is over."""

    def __init__(self, budget: Budget, score: Callable[[Any], float]) -> None:
        self.budget, self.score, self.epochs = budget, score, []  # type: ignore[var-annotated]

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, trainer: Trainer, history: Any) -> None:
        seconds = time.perf_counter() - self.start
        self.epochs.append((seconds, self.score(trainer)))
        if self.budget.left < 0:
            trainer.stop()
        self.start = time.perf_counter()


def train_netts(device: str, epochs: int, budget: Budget, X, y, X_test, y_test) -> Epochs:
    def score(trainer: Trainer) -> float:
        return float(np.mean(trainer.predict(X_test).argmax(axis=1) == y_test))

    clock = Clock(budget, score)
    NetworkClassifier(
        netts_layers(NET),
        optimizer=Adam(LEARNING_RATE),
        epochs=epochs,
        batch_size=BATCH_SIZE,
        callbacks=[clock],
        device=device,
        random_state=0,
    ).fit(X, y)
    return clock.epochs


def train_torch(
    device: str, feed: str, epochs: int, budget: Budget, X, y, X_test, y_test
) -> Epochs:
    import torch

    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    optimizer = "fused" if device == "cuda" else "foreach"
    model = torch_model(NET).to(device)
    epoch = TorchEpoch(model, X, y, BATCH_SIZE, device, optimizer, feed)
    tested = torch.from_numpy(X_test).to(device).split(PREDICTED_ROWS)
    found: Epochs = []
    while len(found) < epochs and budget.left > 0:
        start = time.perf_counter()
        epoch.run(epoch.shuffled())
        seconds = time.perf_counter() - start
        with torch.no_grad():
            labels = torch.cat([model(part).argmax(1) for part in tested]).cpu().numpy()
        found.append((seconds, float(np.mean(labels == y_test))))
    return found


def contestants(device: str) -> dict[str, Callable[..., Epochs]]:
    """Return who trains; PyTorch first, as a fault of netts would end its use of the GPU too."""

    def by_torch(feed: str) -> Callable[..., Epochs]:
        return lambda *rest: train_torch(device, feed, *rest)

    def by_netts(place: str) -> Callable[..., Epochs]:
        return lambda *rest: train_netts(place, *rest)

    found = {f"PyTorch eager, {device}": by_torch("slices")}
    if device == "cuda":
        found["PyTorch graph, cuda"] = by_torch("cursor")
        found["netts, cuda"] = by_netts("cuda")
    return found | {"netts, cpu": by_netts("cpu")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--data", type=Path, default=DIRECTORY, help="the folder of the files")
    parser.add_argument("--samples", type=int, help="train on the first of the samples only")
    options = parser.parse_args()
    budget = Budget(options.seconds)
    X, y, X_test, y_test = fashion_mnist(options.data)
    data = X[: options.samples], y[: options.samples], X_test, y_test
    found: dict[str, Epochs] = {}
    failures: dict[str, str] = {}
    for name, train in contestants(options.device).items():
        if budget.allows(name):
            try:
                found[name] = train(options.epochs, budget, *data)
            except Exception as error:  # noqa: BLE001 - its row says so, the others go on
                failures[name] = in_words(error)
    text = machine()
    save("fashion", {"machine": text, "epochs": found, "failures": failures})
    print(text, f"budget: {budget}", "", sep="\n")
    header = ["trained by", "median seconds per epoch", "first", "accuracy by epoch"]
    print(table(header, [_row(name, epochs) for name, epochs in found.items() if epochs]), "")
    print(*(f"{name}: {why}" for name, why in failures.items()), sep="\n")
    return int(not _agree(found) or bool(failures))


def _row(name: str, epochs: Epochs) -> list[str]:
    seconds = [one for one, _ in epochs]
    scores = ", ".join(f"{score:.4f}" for _, score in epochs)
    return [name, f"{statistics.median(seconds[1:] or seconds):.3f}", f"{seconds[0]:.3f}", scores]


def _agree(found: dict[str, Epochs]) -> bool:
    """Say, epoch by epoch, how far netts on the GPU is from netts on the processor."""
    both = [epochs for name, epochs in found.items() if name.startswith("netts")]
    if len(both) < 2:
        return True
    apart = [abs(ours - theirs) for (_, ours), (_, theirs) in zip(*both, strict=False)]
    shown = ", ".join(f"{one:.4f}" for one in apart)
    is_same = bool(apart) and apart[-1] < SAME
    print(f"netts's accuracies are {shown} apart: {'as' if is_same else 'NOT as'} asked")
    return is_same


if __name__ == "__main__":
    sys.exit(main())

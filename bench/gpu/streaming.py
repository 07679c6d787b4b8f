"""Training on data that are given less memory than they need, beside resident data. Markdown.

    PYTHONPATH=. python bench/gpu/streaming.py --seconds 90
    PYTHONPATH=. python bench/gpu/streaming.py --device cpu --tiny

Each set is trained on four times from one seed: resident, streamed from an array of the host's,
and streamed from compressed samples that are decoded as they are read, by as many threads as there
are cores, and by as many processes. "Waiting" is the part of the later epochs in which the device
had nothing to do but to wait for data (`Epoch.stalled_seconds`); the weights must be the same to
the last bit.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from report import Budget, in_words, machine, save

from bench import cnn_peers, peers
from bench.compressed import Compressed
from bench.markdown import duration, ratio, table
from netts import Network, Trainer, layers
from netts.network.sources import is_for_processes
from netts.optimizers import Adam
from netts.training.history import History

MIB = 2**20
SHARE_ALLOWED = 0.1
"""The most of an epoch that a device may wait, of the issue."""

N_CLASSES = 10

CASE_SECONDS = 30.0
"""What a case takes at least, of which threads that decode take most."""


@dataclass(frozen=True)
class Case:
    """A network, the shape of its samples, how many, and what they are given."""

    name: str
    network: Callable[[], Network]
    sample_shape: tuple[int, ...]
    n_samples: int
    batch_size: int
    data_memory_bytes: int

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return samples of 256 levels, a quarter of which differ from sample to sample."""
        generator = np.random.default_rng(0)
        X = np.zeros((self.n_samples, *self.sample_shape), np.uint8)
        X[..., ::4] = generator.integers(0, 256, X[..., ::4].shape, np.uint8)
        return X, generator.integers(0, N_CLASSES, self.n_samples)


def colour_network() -> Network:
    """Return two convolutions for images in colour."""
    return Network(
        [
            layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPool2D(2),
            layers.Conv2D(64, 3, padding="same", activation="relu"), layers.MaxPool2D(2),
            layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(N_CLASSES),
        ],
        np.float32,
    )  # fmt: skip


DENSE = partial(peers.netts_network, (784, 256, 128, N_CLASSES))
GREY = partial(cnn_peers.netts_network, cnn_peers.NETS["conv32-conv64-128-10"])
CASES = [
    Case(
        "colour images 64 x 64, two convolutions",
        colour_network,
        (3, 64, 64),
        20_000,
        64,
        128 * MIB,
    ),
    Case("784-256-128-10", DENSE, (784,), 200_000, 128, 64 * MIB),
    Case("grey images 28 x 28, conv32-conv64", GREY, (1, 28, 28), 100_000, 128, 32 * MIB),
]
TINY = [
    Case("colour images 16 x 16, two convolutions", colour_network, (3, 16, 16), 500, 64, MIB),
    Case("784-256-128-10", DENSE, (784,), 2000, 128, MIB),
]


def train(
    case: Case, X: Any, y: np.ndarray, device: str, epochs: int, limit: int | None
) -> Trainer:
    trainer = Trainer(
        case.network(),
        optimizer=Adam(peers.LEARNING_RATE),
        epochs=epochs,
        batch_size=case.batch_size,
        device=device,
        data_memory_bytes=limit,
        random_state=0,
    )
    trainer.fit(X, y)
    return trainer


def figures(history: History) -> tuple[float, float]:
    """Return the seconds of an epoch and the share spent waiting, without the first epoch."""
    later = history.epochs[1:] or history.epochs
    seconds = statistics.median(one.seconds for one in later)
    return seconds, sum(one.stalled_seconds for one in later) / sum(one.seconds for one in later)


def measure(case: Case, device: str, epochs: int) -> dict[str, Any]:
    """Return what each way of training took."""
    levels, y = case.data()
    X = levels.astype(np.float32) / np.float32(255)
    limit = case.data_memory_bytes
    compressed = Compressed(levels)
    ways: dict[str, tuple[Any, int | None]] = {"resident": (X, None), "streamed array": (X, limit)}
    if is_for_processes(processes := compressed.for_processes()):
        ways[f"decoded by {Compressed.n_threads} processes"] = (processes, limit)
    ways[f"decoded by {Compressed.n_threads} threads"] = (compressed, limit)
    found: dict[str, Any] = {"case": case.name, "bytes": X.nbytes, "given": limit, "ways": {}}
    weights: dict[str, np.ndarray] = {}
    for name, (data, given) in ways.items():
        trainer = train(case, data, y, device, epochs, given)
        learned = trainer.network.weights()
        weights = weights or learned
        seconds, waiting = figures(trainer.history_)
        found["ways"][name] = {
            "seconds": seconds,
            "waiting": waiting,
            "same": all(np.array_equal(learned[one], weights[one]) for one in weights),
        }
    return found


def rows(found: dict[str, Any]) -> list[list[Any]]:
    resident = found["ways"]["resident"]["seconds"]
    return [
        [
            found["case"], f"{found['bytes'] / MIB:,.0f} MiB",
            "all" if name == "resident" else f"{found['given'] / MIB:,.0f} MiB", name,
            duration(one["seconds"]), ratio(one["seconds"] / resident), f"{one['waiting']:.1%}",
            "same" if one["same"] else "DIFFER",
        ]
        for name, one in found["ways"].items()
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--tiny", action="store_true", help="small sets, to try the script")
    options = parser.parse_args()
    budget, results, failures = Budget(options.seconds), [], []
    print(f"# Streaming\n\n{machine()}\n", flush=True)
    header = ["set", "size", "memory", "way", "epoch", "resident = 1", "waiting", "weights"]
    for case in TINY if options.tiny else CASES:
        if not budget.allows(case.name, CASE_SECONDS):
            continue
        try:
            results.append(measure(case, options.device, options.epochs))
            print(table(header, rows(results[-1])), "", sep="\n", flush=True)
        except Exception as error:  # noqa: BLE001 - the others are still worth their time
            failures.append(f"{case.name}: {in_words(error)}")
    print(*failures, f"\n{budget}", sep="\n")
    save("streaming", results)
    ways = [one for found in results for one in found["ways"].values()]
    late = any(one["waiting"] > SHARE_ALLOWED for one in ways)
    print(f"waiting at most {SHARE_ALLOWED:.0%} of the time: {'no' if late else 'yes'}")
    return 1 if failures or not all(one["same"] for one in ways) else 0


if __name__ == "__main__":
    sys.exit(main())

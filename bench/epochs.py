"""Time per training step and what an epoch moves, on a device: data resident, last batch short.

    python bench/epochs.py [device] [net ...]

The time is that of the fastest epoch divided by its steps, everything between two epochs but
callbacks counted in. Traffic is that of the last epoch.
"""

from __future__ import annotations

import sys

import numpy as np

from netts import Network, Trainer, layers
from netts.devices.transfers import Traffic
from netts.training.callbacks import Callback

STEPS, EPOCHS = 50, 8
DENSE = {
    "4-16-16-3": 16,
    "64-100-50-10": 32,
    "784-256-128-10": 128,
    "1024-2048-2048-10": 512,
    "1024-4096-4096-10": 4096,
}
IMAGES = {"lenet": (128, 1024), "conv32-conv64-128-10": (128, 1024)}


def dense(name: str) -> tuple[Network, tuple[int, ...]]:
    first, *hidden, last = map(int, name.split("-"))
    net = Network([*(layers.Dense(units, "relu") for units in hidden), layers.Dense(last)])
    return net, (first,)


def convolutional(name: str) -> tuple[Network, tuple[int, ...]]:
    channels, padding, units = ((6, 16), 2, (120, 84)) if name == "lenet" else ((32, 64), 1, (128,))
    kernel = 5 if name == "lenet" else 3
    blocks: list = []
    for n in channels:
        blocks += [layers.Conv2D(n, kernel, padding=padding, activation="relu")]
        blocks += [layers.MaxPool2D(2)]
    behind = [layers.Flatten(), *(layers.Dense(n, "relu") for n in units), layers.Dense(10)]
    return Network([*blocks, *behind]), (1, 28, 28)


class Moved(Callback):
    """Keeps what the last epoch moved to and from the GPU."""

    def __init__(self, device: str) -> None:
        self.is_gpu = device == "cuda"
        self.before = self.last = Traffic()

    def on_epoch_end(self, trainer, history):
        if self.is_gpu:
            from netts.devices.cuda import device

            now = device().transfers.traffic
            self.last, self.before = now.since(self.before), now


def measured(name: str, batch: int, device: str) -> str:
    net, shape = (dense if name in DENSE else convolutional)(name)
    generator = np.random.default_rng(0)
    n_samples = batch * STEPS + batch // 2
    X = generator.random((n_samples, *shape), np.float32)
    y = np.arange(n_samples) % (3 if name == "4-16-16-3" else 10)
    moved = Moved(device)
    trainer = Trainer(
        net, epochs=EPOCHS, batch_size=batch, device=device, callbacks=[moved], random_state=0
    )
    history = trainer.fit(X, y)
    seconds = min(epoch.seconds for epoch in history.epochs) / (STEPS + 1)
    return (
        f"| {name}, batch {batch} | {1e6 * seconds:.1f} | {history.loss[-1]:.4f} | {moved.last} |"
    )


def main() -> None:
    device, *wanted = [*sys.argv[1:], "cuda"] if len(sys.argv) < 2 else sys.argv[1:]
    print(f"| net, float32, {device} | us per step | loss | last epoch |")
    print("|---|---|---|---|")
    for name in wanted or [*DENSE, *IMAGES]:
        for batch in (DENSE[name],) if name in DENSE else IMAGES[name]:
            print(measured(name, batch, device), flush=True)


if __name__ == "__main__":
    main()

"""A folder of image files larger than the memory given, streamed through training. Markdown.

    python -m bench run streaming_images                     # on this machine's CPU
    python -m bench run streaming_images --device cuda --side 224 --channels 64

The pictures are made in a temporary directory: JPEGs of noisy patterns, one pattern for each class.
"Waiting" is the part of the later epochs in which the device had nothing to do but to wait for
images (`Epoch.stalled_seconds`). Reading alone, with no training beside it, says how fast images
can come at best: a network that is faster than that has to wait, whatever streams them.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from netts import Network, Trainer, layers
from netts.data import ImageOptions, ImageSet, image_folder
from netts.training.history import Epoch

MIB = 2**20
N_CLASSES = 10
SHARE_ALLOWED = 0.1
"""The most of an epoch that a device may wait, of the issue."""

NOISE = 24  # of 256 levels, so that no two pictures are equal and a JPEG has something to keep


def make_folder(root: Path, n_images: int, side: int) -> int:
    """Write pictures into a folder for each class; return their bytes."""
    random = np.random.default_rng(0)
    coarse = random.integers(64, 192, (N_CLASSES, 8, 8, 3)).astype(np.uint8)
    patterns = [Image.fromarray(one).resize((side, side)) for one in coarse]
    for name in range(N_CLASSES):
        (root / f"{name}").mkdir()

    def write(block: np.ndarray) -> int:
        noise = np.random.default_rng(int(block[0]))
        n_bytes = 0
        for k in block:
            levels = np.asarray(patterns[k % N_CLASSES], np.int16)
            levels = levels + noise.integers(-NOISE, NOISE + 1, levels.shape, np.int16)
            path = root / f"{k % N_CLASSES}" / f"{k:06}.jpg"
            Image.fromarray(levels.astype(np.uint8)).save(path, quality=85)
            n_bytes += path.stat().st_size
        return n_bytes

    with ThreadPoolExecutor() as pool:
        return sum(pool.map(write, np.array_split(np.arange(n_images), 64)))


def network(channels: int) -> Network:
    """Return three convolutions, and as much augmentation."""
    return Network(
        [
            layers.RandomFlip(), layers.RandomShift(2),
            layers.Conv2D(channels, 3, padding="same", activation="relu"), layers.MaxPool2D(2),
            layers.Conv2D(2 * channels, 3, padding="same", activation="relu"), layers.MaxPool2D(2),
            layers.Conv2D(4 * channels, 3, padding="same", activation="relu"), layers.MaxPool2D(2),
            layers.Flatten(), layers.Dense(N_CLASSES),
        ],
        np.float32,
    )  # fmt: skip


def read_alone(images: ImageSet, n_images: int = 2000) -> float:
    """Return how many images a second are read with nothing beside."""
    order = np.random.default_rng(0).permutation(len(images))[:n_images]
    blocks = np.array_split(order, max(1, len(order) // 64))
    start = time.perf_counter()
    with ThreadPoolExecutor(images.n_threads) as pool:
        list(
            pool.map(
                lambda block: images.read(
                    block, np.empty((len(block), *images.sample_shape), np.float32), epoch=0
                ),
                blocks,
            )
        )
    return len(order) / (time.perf_counter() - start)


def train(images: ImageSet, options: argparse.Namespace, limit: int) -> list[Epoch]:
    trainer = Trainer(
        network(options.channels),
        epochs=options.epochs,
        batch_size=64,
        device=options.device,
        data_memory_bytes=limit,
        random_state=0,
    )
    return trainer.fit(images, images.targets).epochs


def report(images: ImageSet, epochs: list[Epoch], limit: int, file_bytes: int) -> float:
    n_bytes = math.prod(images.shape) * 4
    print(
        f"{len(images):,} JPEGs of {images.sample_shape[1]} x {images.sample_shape[2]}, "
        f"{file_bytes / MIB:,.0f} MiB of files, {n_bytes / MIB:,.0f} MiB as float32, "
        f"{limit / MIB:,.0f} MiB given, {images.n_threads} threads\n"
    )
    print("| epoch | seconds | waiting | images a second | loss |\n|---|---|---|---|---|")
    for one in epochs:
        share = one.stalled_seconds / one.seconds
        rate = len(images) / one.seconds
        print(f"| {one.number} | {one.seconds:.2f} | {share:.1%} | {rate:,.0f} | {one.loss:.4f} |")
    later = epochs[1:] or epochs
    return sum(one.stalled_seconds for one in later) / sum(one.seconds for one in later)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu", choices=["cuda", "cpu"])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--channels", type=int, default=16, help="of the first convolution")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--memory", type=int, default=64, help="in MiB, given to the samples")
    options = parser.parse_args()
    print(f"# A folder of images, streamed on {options.device}, {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory() as directory:
        file_bytes = make_folder(Path(directory), options.images, options.side)
        images = image_folder(directory, ImageOptions(options.side), n_threads=options.threads)
        rate = read_alone(images)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        limit = options.memory * MIB
        epochs = train(images, options, limit)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        share = report(images, epochs, limit, file_bytes)
    print(f"\nread alone: {rate:,.0f} images a second; memory grew by {grown / 1024:,.0f} MiB")
    print(f"waiting in the epochs after the first: {share:.1%} (at most {SHARE_ALLOWED:.0%} asked)")
    return int(share > SHARE_ALLOWED)


if __name__ == "__main__":
    sys.exit(main())

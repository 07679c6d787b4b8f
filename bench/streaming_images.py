"""A folder of image files larger than the memory given, streamed through training. Markdown.

    python -m bench run streaming_images                     # on this machine's CPU
    python -m bench run streaming_images --device cuda --side 224 --channels 64 --depth 2

The pictures are made in a temporary directory: JPEGs of noisy patterns, one pattern for each class.
"Waiting" is the part of the later epochs in which the device had nothing to do but to wait for
images (`Epoch.stalled_seconds`). Reading alone, with no training beside it, says how fast images
can come at best: a network that is faster than that has to wait, whatever streams them. What one
process spends of its own on an image bounds how many it can be given, however many read for it.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from netts import Network, Trainer, layers
from netts.data import ImageOptions, ImageSet, image_folder, jpeg_decoding
from netts.network.loading import BLOCK_BYTES
from netts.network.sources import is_for_processes
from netts.processes.pool import Pool
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


def network(channels: int, depth: int) -> Network:
    """Return three blocks of convolutions, behind as much augmentation."""
    blocks: list[layers.Layer] = []
    for width in (channels, 2 * channels, 4 * channels):
        blocks += [layers.Conv2D(width, 3, padding="same", activation="relu") for _ in range(depth)]
        blocks.append(layers.MaxPool2D(2))
    augmentation = [layers.RandomFlip(), layers.RandomShift(2)]
    end = layers.GlobalAveragePool2D() if depth > 1 else layers.Flatten()
    return Network([*augmentation, *blocks, end, layers.Dense(N_CLASSES)], np.float32)


def decoder() -> str:
    package = jpeg_decoding.simplejpeg
    return "Pillow" if package is None else f"simplejpeg {package.__version__}"


@dataclass(frozen=True)
class Rate:
    """How fast images are read with nothing beside.

    Attributes
    ----------
    per_second
    here_seconds
        What this process spends on an image, of all its threads together. Python's lock is held
        for less than that, so no number of processes could be held up before 1 / `here_seconds`.
    """

    by: str
    per_second: float
    here_seconds: float


def read_alone(images: ImageSet, n_images: int) -> list[Rate]:
    """Return the rates of one thread, of as many as the images have, and of processes."""
    pool = Pool(images, images.n_threads)
    pool.start()
    ways: list[tuple[str, int, Callable[..., None]]] = [("1 thread", 1, images.read)]
    if images.n_threads > 1:
        ways.append((f"{images.n_threads} threads", images.n_threads, images.read))
        ways.append((f"{images.n_threads} processes", images.n_threads, pool.read))
    # Taking turns, so that what else the machine does meets all of them.
    found = [[_rate(images, n_images, *way) for way in ways] for _ in range(3)]
    pool.close()
    return [
        Rate(
            way[0],
            statistics.median(one[k].per_second for one in found),
            statistics.median(one[k].here_seconds for one in found),
        )
        for k, way in enumerate(ways)
    ]


def _rate(
    images: ImageSet, n_images: int, by: str, n_threads: int, read: Callable[..., None]
) -> Rate:
    order = np.random.default_rng(0).permutation(len(images))[:n_images]
    rows = max(1, BLOCK_BYTES // (math.prod(images.sample_shape) * 4))
    blocks = [order[first : first + rows] for first in range(0, len(order), rows)]
    memory = threading.local()  # as in training, where chunks have memory from the beginning

    def one(block: np.ndarray) -> None:
        if not hasattr(memory, "out"):
            memory.out = np.empty((rows, *images.sample_shape), np.float32)
        read(block, memory.out[: len(block)], epoch=0)

    start, here = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(n_threads) as threads:
        list(threads.map(one, blocks))
    seconds, here_seconds = time.perf_counter() - start, time.process_time() - here
    return Rate(by, len(order) / seconds, here_seconds / len(order))


def report_reading(rates: list[Rate]) -> None:
    print("\n| read alone, by | images a second | this process, of an image | its ceiling |")
    print("|---|---|---|---|")
    for one in rates:
        print(
            f"| {one.by} | {one.per_second:,.0f} | {one.here_seconds * 1e6:.1f} µs | "
            f"{1 / one.here_seconds:,.0f} a second |"
        )


def what_bounds(epochs: list[Epoch], n_images: int, rates: list[Rate], share: float) -> str:
    """Return what an epoch takes its time for."""
    later = epochs[1:] or epochs
    fastest = max(rates, key=lambda one: one.per_second)
    trained = n_images * len(later) / sum(one.seconds for one in later)
    alone = f"{fastest.by} read {fastest.per_second:,.0f} a second alone"
    if share <= SHARE_ALLOWED:
        computed = trained / (1 - share)
        return f"bound by: the network, which takes {computed:,.0f} images a second; {alone}"
    return f"bound by: reading, {trained:,.0f} images a second in training; {alone}"


def train(images: ImageSet, options: argparse.Namespace, limit: int) -> list[Epoch]:
    trainer = Trainer(
        network(options.channels, options.depth),
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
        f"{limit / MIB:,.0f} MiB given\n"
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
    parser.add_argument("--channels", type=int, default=16, help="of the first block")
    parser.add_argument("--depth", type=int, default=1, help="convolutions in each block")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--read", type=int, default=4000, help="images to read alone, at most")
    parser.add_argument("--memory", type=int, default=64, help="in MiB, given to the samples")
    options = parser.parse_args()
    print(f"# A folder of images, streamed on {options.device}, {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory() as directory:
        file_bytes = make_folder(Path(directory), options.images, options.side)
        images = image_folder(directory, ImageOptions(options.side), n_threads=options.threads)
        rates = read_alone(images, min(options.images, options.read))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        limit = options.memory * MIB
        epochs = train(images, options, limit)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        share = report(images, epochs, limit, file_bytes)
    report_reading(rates)
    print(f"\n{what_bounds(epochs, options.images, rates, share)}")
    by = "processes" if is_for_processes(images) else "threads"
    print(f"in training {images.n_threads} {by} read")
    print(f"decoder of JPEGs: {decoder()}; memory grew by {grown / 1024:,.0f} MiB")
    print(f"waiting in the epochs after the first: {share:.1%} (at most {SHARE_ALLOWED:.0%} asked)")
    return int(share > SHARE_ALLOWED)


if __name__ == "__main__":
    sys.exit(main())

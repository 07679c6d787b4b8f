"""Fashion-MNIST: 70,000 grey images of clothes in ten classes.

H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
learning algorithms", arXiv 1708.07747; MIT licence. Nothing is downloaded: the files are those of
Debian's package dataset-fashion-mnist, or of https://github.com/zalandoresearch/fashion-mnist.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from netts.data.idx import read_idx
from netts.errors import DataError, DataFileNotFoundError

DIRECTORY = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package puts the files."""

CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

HIGHEST_PIXEL = 255


def fashion_mnist(
    directory: str | os.PathLike[str] = DIRECTORY,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load Fashion-MNIST.

    Parameters
    ----------
    directory : path-like
        Where the four files `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`,
        `t10k-images-idx3-ubyte.gz` and `t10k-labels-idx1-ubyte.gz` are.

    Returns
    -------
    X_train, y_train, X_test, y_test : ndarray
        60,000 images to train on and 10,000 to test with, float32 in [0, 1] of shape
        (n, 1, 28, 28), and their classes, int64 of shape (n,), numbers into `CLASS_NAMES`.

    Raises
    ------
    DataFileNotFoundError
        If the files are not there; the message says what to install.
    DataError
        If they are something else or damaged.
    """
    directory = Path(directory)
    return *_read_part(directory, "train"), *_read_part(directory, "t10k")


def _read_part(directory: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    images = _read_file(directory, f"{part}-images-idx3-ubyte.gz")
    labels = _read_file(directory, f"{part}-labels-idx1-ubyte.gz")
    if images.ndim != 3 or labels.shape != images.shape[:1] or images.dtype != np.uint8:
        raise DataError(
            f"{directory} has {part} images of {images.dtype} and shape {images.shape} with labels "
            f"of shape {labels.shape}: these are not the files of Fashion-MNIST"
        )
    return images[:, None].astype(np.float32) / HIGHEST_PIXEL, labels.astype(np.int64)


def _read_file(directory: Path, name: str) -> np.ndarray:
    try:
        return read_idx(directory / name)
    except DataFileNotFoundError as error:
        raise DataFileNotFoundError(
            f"there is no {directory / name}: run `apt-get install dataset-fashion-mnist`, or pass "
            "the directory that holds the files of github.com/zalandoresearch/fashion-mnist"
        ) from error

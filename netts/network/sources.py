"""Sources of samples: what a network reads part by part instead of holding it in memory."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeGuard

import numpy as np

from netts.errors import DataError, ParameterError, ShapeError
from netts.network.inputs import as_array
from netts.processes.pool import Pool

SOURCE_ATTRIBUTES = ("shape", "dtype", "read")
"""What makes an object a source, whether or not it inherits from `SampleSource`."""


FEWEST_PROCESSES = 4
"""How many reads at a time are worth processes.

Two threads on two cores read JPEGs as fast as two processes or faster, whose messages and copies
take their part of the cores. With more of them, threads wait for Python's lock and for being woken:
on 16 cores 8 threads read no more than 2 (bench/results/streaming-images-2026-11-23.md).
"""


class SampleSource(Protocol):
    """Samples by their numbers, read when they are needed.

    `Trainer.fit`, its validation data and `predict` take one in place of `X`. Samples are read in
    the background, a chunk at a time, each once an epoch and in the order of training, so memory
    holds two chunks however large the set is. Targets are no part of it: they are passed as `y`.

    Attributes
    ----------
    shape : tuple of int
        `(n_samples, *sample_shape)`, as an array of all samples would have it.
    dtype : dtype
        As an array of all samples would have it: a network that is built by `fit` computes in
        float32 where this is float16 or float32, in float64 otherwise.
    n_threads : int
        In how many threads `read` may run at the same time, 1 where it is left out. More pay where
        reading decodes files: images, compressed data.
    in_processes : bool
        Whether `read` may run in other processes of Python, one for each of these threads, once it
        has gone on for half a second and if they are at least 4; False where it is left out. It
        pays where reading holds Python's lock, or does many small things without it. The
        source is pickled to them, so its class is one that they can import, and what it keeps of
        one read the next one may not see.

    Examples
    --------
    >>> import numpy as np
    >>> from netts import Network, Trainer, layers
    >>> class Squares:
    ...     shape, dtype = (100, 2), np.dtype(np.float32)
    ...
    ...     def read(self, indices, out, *, epoch):
    ...         out[:, 0] = indices / 100
    ...         out[:, 1] = out[:, 0] ** 2
    >>> network = Network([layers.Dense(8, "tanh"), layers.Dense(1)])
    >>> trainer = Trainer(network, "squared_error", epochs=2, random_state=0)
    >>> len(trainer.fit(Squares(), np.linspace(0, 1, 100)))
    2
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n_samples, *sample_shape)`."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the samples."""
        ...

    @property
    def n_threads(self) -> int:
        """In how many threads `read` may run."""
        return 1

    @property
    def in_processes(self) -> bool:
        """Whether `read` may run in other processes."""
        return False

    def read(self, indices: np.ndarray, out: np.ndarray, *, epoch: int) -> None:
        """Write samples to memory that is given.

        Parameters
        ----------
        indices : int64 array of shape (n,)
            The numbers of the samples, from 0 to n_samples - 1, in any order.
        out : array of shape `(n, *sample_shape)`, of the network's dtype
            All of it is to be written: `out[k]` is sample `indices[k]`. It must not be kept.
        epoch : int
            The number of the epoch, from 0 on; a fit that resumes counts on. For samples that
            differ from epoch to epoch: what is drawn at random should depend on a seed, the epoch
            and the sample's number, and on nothing else, so that neither threads nor chunks change
            it. It is 0 for validation data and predictions.

        Raises
        ------
        Exception
            Of any kind. It reaches who called `fit` or `predict`, with a note that names the
            sample; the network keeps the weights of the last finished epoch.
        """
        ...


def is_source(X: Any) -> TypeGuard[SampleSource]:
    """Whether this is a source of samples rather than an array."""
    return all(hasattr(X, name) for name in SOURCE_ATTRIBUTES)


def threads_of(source: SampleSource) -> int:
    """Return in how many threads a source may be read."""
    return getattr(source, "n_threads", 1)


def is_for_processes(source: SampleSource) -> bool:
    """Whether a source is to be read in other processes."""
    is_allowed = bool(getattr(source, "in_processes", False))
    return is_allowed and threads_of(source) >= FEWEST_PROCESSES


def check_source(source: SampleSource, name: str) -> None:
    """Raise an error where a source does not say what it holds.

    Raises
    ------
    ShapeError
        Where its shape is no tuple of whole numbers, or that of a single sample.
    DataError
        Where its dtype is not one of numbers.
    ParameterError
        Where its number of threads is not at least 1; where it is to be read in other processes,
        which cannot import its class.
    """
    shape, dtype, n_threads = source.shape, np.dtype(source.dtype), threads_of(source)
    what = f"the source {name}, a {type(source).__name__},"
    if not isinstance(shape, tuple) or not all(_is_count(n) for n in shape) or len(shape) < 2:
        raise ShapeError(f"{what} has a shape (n_samples, *sample_shape) of int, got {shape!r}")
    if dtype.kind not in "biuf":
        raise DataError(f"{what} holds numbers, got dtype {dtype}")
    if not _is_count(n_threads) or n_threads < 1:
        raise ParameterError(f"{what} has an n_threads of at least 1, got {n_threads!r}")
    if is_for_processes(source) and type(source).__module__ == "__main__":
        raise ParameterError(
            f"{what} has in_processes=True, and its class is defined in the program itself, where "
            "other processes cannot import it from: put it in a module, or leave in_processes out"
        )


def _is_count(value: Any) -> bool:
    try:
        return operator.index(value) >= 0
    except TypeError:
        return False


class ArraySource:
    """An array as a source: rows are copied, and converted, as they are needed.

    So an array in a file (`numpy.load(path, mmap_mode="r")`) need not fit in memory.

    Parameters
    ----------
    array : array-like of shape `(n_samples, *sample_shape)`
        Kept as it is, and not copied where it is an array of numbers.
    n_threads : int, optional
        In how many threads rows are copied; by default a quarter of the machine's cores, at most 4:
        one core copies some gigabytes a second, and the bus of a GPU takes several times that.
    """

    def __init__(self, array: Any, n_threads: int | None = None) -> None:
        self.array = as_array(array, "X")
        self.shape, self.dtype = self.array.shape, self.array.dtype
        cores = os.cpu_count() or 1
        self.n_threads = max(1, min(cores // 4, 4)) if n_threads is None else n_threads
        self.in_processes = False  # copying leaves Python's lock

    def read(self, indices: np.ndarray, out: np.ndarray, *, epoch: int = 0) -> None:
        """Copy rows; see `SampleSource.read`."""
        if self.dtype == out.dtype and self.array.flags.c_contiguous and out.flags.c_contiguous:
            # Without a mode, numbers out of range would be looked for in a copy of the rows.
            np.take(self.array, indices, axis=0, out=out, mode="clip")
        else:
            out[...] = self.array[indices]


@dataclass(frozen=True)
class Subset:
    """Some samples of a source, under new numbers.

    Attributes
    ----------
    source
    rows
        The number in `source` of each sample here.
    """

    source: SampleSource
    rows: np.ndarray | Sequence[int]

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n_samples, *sample_shape)`."""
        return (len(self.rows), *self.source.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """That of the source."""
        return np.dtype(self.source.dtype)

    @property
    def n_threads(self) -> int:
        """That of the source."""
        return threads_of(self.source)

    @property
    def in_processes(self) -> bool:
        """That of the source."""
        return is_for_processes(self.source)

    def read(self, indices: np.ndarray, out: np.ndarray, *, epoch: int) -> None:
        """Read the samples of the source; see `SampleSource.read`."""
        self.source.read(np.asarray(self.rows)[indices], out, epoch=epoch)


class _NotFiniteError(DataError):
    """Some sample of a block has values that are not finite."""


@dataclass(frozen=True)
class Rows:
    """The samples of a source as rows of a matrix, each checked as it is read.

    Attributes
    ----------
    source
        Of samples as a network takes them.
    dtype
        Of the network.
    check
        Raises an error where the network's layers cannot take some rows; called with a matrix and
        its name.
    name
        What the user calls the source.
    pool
        Processes that read it, where they do.
    """

    source: SampleSource
    dtype: np.dtype
    check: Callable[[np.ndarray, str], None]
    name: str
    pool: Pool | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, features)."""
        return self.source.shape[0], math.prod(self.source.shape[1:])

    @property
    def n_threads(self) -> int:
        """In how many threads `read` may run."""
        return threads_of(self.source)

    def __len__(self) -> int:
        return self.source.shape[0]

    def __getitem__(self, rows: np.ndarray) -> Rows:
        return replace(self, source=Subset(self.source, rows), pool=None)

    def spread(self) -> Rows:
        """Return these rows, read in other processes where the source is for that; close them."""
        if not is_for_processes(self.source):
            return self
        return replace(self, pool=Pool(self.source, self.n_threads))

    def close(self) -> None:
        """End the processes that read, if any; nothing reads meanwhile."""
        if self.pool is not None:
            self.pool.close()

    def read(self, indices: np.ndarray, out: np.ndarray, *, epoch: int) -> None:
        """Write rows to a matrix of the network's dtype.

        Raises
        ------
        DataError
            Where a sample has values that are not finite, or that a layer cannot take.
        Exception
            What the source raises, with a note that names the sample.
        """
        try:
            self._read(indices, out, epoch)
            return
        except Exception as error:  # noqa: BLE001 - raised below
            failed = error
        self._locate(indices, out, epoch)
        failed.add_note(
            f"while reading samples {indices.min()} to {indices.max()} of {self.name}, each of "
            "which can be read by itself"
        )
        raise failed

    def _read(self, indices: np.ndarray, out: np.ndarray, epoch: int) -> None:
        out.fill(np.nan)  # so that samples that the source forgets are found
        samples = out.reshape(-1, *self.source.shape[1:])
        with np.errstate(over="ignore"):  # what leaves the dtype's range is infinite then
            (self.pool or self.source).read(indices, samples, epoch=epoch)
        if not np.isfinite(out).all():
            raise _NotFiniteError(f"{self.name} has values that are not finite")
        self.check(out, self.name)

    def _locate(self, indices: np.ndarray, out: np.ndarray, epoch: int) -> None:
        """Read samples one by one, and raise the error of the first that cannot be read."""
        for position, index in enumerate(indices.tolist()):
            row = out[position : position + 1]
            try:
                self._read(indices[position : position + 1], row, epoch)
            except _NotFiniteError:
                raise self._not_finite(index, row[0]) from None
            except Exception as error:
                error.add_note(f"while reading sample {index} of {self.name}")
                raise

    def _not_finite(self, index: int, row: np.ndarray) -> DataError:
        place = int(np.flatnonzero(~np.isfinite(row))[0])
        where = tuple(map(int, np.unravel_index(place, self.source.shape[1:])))
        return DataError(
            f"sample {index} of {self.name} has values that are not finite (or too large for "
            f"{row.dtype}, or that the source has not written), the first at "
            f"{where if len(where) > 1 else where[0]}: {row[place]}; repair the source or leave "
            "the sample out"
        )

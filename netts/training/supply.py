"""Supplies: where a plan finds the samples of a data set, all of them or a chunk at a time.

A plan gathers batches from arrays by places, one for each sample of an epoch. Of a resident data
set these arrays are the data, and the places the order of the epoch. Of a streamed one they are a
window: the samples of an epoch go through it in their order, two chunks at a time, so that a place
is the number of a sample in the epoch, modulo the rows of the window. Batches hold the same samples
either way, and everything behind the gathering is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from netts.devices.memory import Arena, BufferView, constant
from netts.errors import BoundsError, DeviceMemoryError, ParameterError
from netts.graph.window import HALVES, Window, window_on
from netts.network.device_samples import taken
from netts.network.loading import Loading
from netts.network.sources import ArraySource, Rows

CHUNK_BYTES = 16 * 2**20
"""The most that a chunk takes, unless a batch is larger.

A choice: a millisecond to upload, so that what each chunk costs the host (some 0.1 ms) is little,
while an epoch, which waits for its first chunk, has many.
"""


@dataclass(frozen=True)
class Samples:
    """A data set as kernels take it; all arrays are C-contiguous.

    Attributes
    ----------
    X
        (n_samples, features), of the network's dtype: on the host, or a view of what lies on a
        device; or what reads such rows.
    y
        (n_samples, k), as the loss returned them.
    weights
        (n_samples,), of the network's dtype; None where all are 1.
    """

    X: np.ndarray | BufferView | Rows
    y: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.X)

    @property
    def total_weight(self) -> float:
        """The sum of the weights."""
        return float(len(self) if self.weights is None else self.weights.sum(dtype=np.float64))

    @property
    def sample_bytes(self) -> int:
        """What one sample takes where a plan reads it, with its targets and weight."""
        values = self.X.shape[1] + (self.weights is not None)
        return values * self.X.dtype.itemsize + self.y.shape[1] * self.y.itemsize

    @property
    def nbytes(self) -> int:
        """What all samples take there."""
        return len(self) * self.sample_bytes

    def take(self, rows: np.ndarray) -> Samples:
        """Return some of the samples, copied, or to be read."""
        X = taken(self.X, rows) if isinstance(self.X, BufferView) else self.X[rows]
        return Samples(X, self.y[rows], None if self.weights is None else self.weights[rows])


@dataclass(frozen=True)
class Room:
    """What there is for samples.

    Attributes
    ----------
    data_memory_bytes
        What the samples of a data set may take where a plan reads them; None for any size.
    """

    data_memory_bytes: int | None = None

    def holds(self, samples: Samples) -> bool:
        """Whether samples may stay there as a whole: those of an array that is not too large.

        What lies on a device is there already.
        """
        allowed = self.data_memory_bytes
        fits = allowed is None or samples.nbytes <= allowed or isinstance(samples.X, BufferView)
        return fits and not isinstance(samples.X, Rows)

    def chunk_rows(self, samples: Samples) -> int:
        """Return how many samples a chunk may have."""
        allowed = self.data_memory_bytes
        chunk = CHUNK_BYTES if allowed is None else min(CHUNK_BYTES, allowed // HALVES)
        return chunk // samples.sample_bytes


@dataclass(frozen=True, eq=False)
class Coming:
    """An epoch to read for.

    Attributes
    ----------
    order
        The numbers of the samples, int64.
    epoch
        As sources are told.
    start
        How many of them there is no need to read, as training stands behind them.
    """

    order: np.ndarray
    epoch: int
    start: int = 0

    def is_same(self, other: Coming) -> bool:
        """Whether both want the same samples."""
        is_at_same_place = (self.epoch, self.start) == (other.epoch, other.start)
        return is_at_same_place and np.array_equal(self.order, other.order)


Ahead = Callable[[], Coming | None]
"""What is likely to come next, None where it is not known."""


class Resident:
    """All samples, where the plan runs.

    Attributes
    ----------
    X, y, weights
        What to gather batches from.
    places
        Of the samples of an epoch in these; None where that is their order.
    streamed_bytes
        What an epoch sends to where the plan runs.
    """

    is_streamed = False
    streamed_bytes = 0
    places: BufferView | None = None

    def __init__(self, samples: Samples) -> None:
        assert not isinstance(samples.X, Rows)
        self._n_samples, self._start = len(samples), 0
        self.X = samples.X if isinstance(samples.X, BufferView) else constant(samples.X)
        self.y = constant(samples.y)
        self.weights = None if samples.weights is None else constant(samples.weights)

    def fill(self) -> None:
        """Write what no step changes."""

    def open(self, device: str) -> None:
        """Prepare for where the plan was found to run."""

    def begin(self, coming: Coming, ahead: Ahead | None) -> None:
        """Prepare for an epoch; `ahead` says what is expected to follow it."""
        self._start = coming.start

    def chunks(self) -> Iterator[int]:
        """Yield how many samples come next, while they can be gathered."""
        yield self._n_samples - self._start

    def end(self) -> None:
        """End an epoch, whether all of it was asked for or not."""

    def close(self) -> None:
        """End all reading."""

    def stalled_seconds(self) -> float:
        """Return how long the plan has waited for samples since this was asked last."""
        return 0.0


class Streamed:
    """Samples that pass through a window; attributes and methods as of `Resident`.

    Parameters
    ----------
    samples
    rows
        Of a chunk, a whole number of batches.
    fixed
        Not allocated yet: the places are reserved there.
    """

    is_streamed = True

    def __init__(self, samples: Samples, rows: int, fixed: Arena) -> None:
        self._samples, self.streamed_bytes = samples, samples.nbytes
        self._window = window = Window(rows)
        self.X = window.reserve((samples.X.shape[1],), samples.X.dtype)
        self.y = window.reserve((samples.y.shape[1],), samples.y.dtype)
        self.weights = None
        if samples.weights is not None:
            self.weights = window.reserve((), samples.weights.dtype)
        self.places: BufferView = fixed.reserve((len(samples),), np.int64)
        X = samples.X
        assert not isinstance(X, BufferView)
        self._rows = ArraySource(X) if isinstance(X, np.ndarray) else X.spread()
        self._loading: Loading | None = None
        self._next: tuple[Coming, Loading] | None = None
        self._ahead: Ahead | None = None
        self._start = 0
        window.allocate()

    def fill(self) -> None:
        """Write the places."""
        self.places.array[...] = np.arange(len(self._samples)) % (HALVES * self._window.rows)

    def open(self, device: str) -> None:
        """Have the window be where the plan runs."""
        self._window = window_on(device, self._window)

    def begin(self, coming: Coming, ahead: Ahead | None) -> None:
        """Begin to load the samples of an epoch, unless that was begun behind the one before."""
        order, n_samples = coming.order, len(self._samples)
        if order.min() < 0 or order.max() >= n_samples:
            raise BoundsError(
                f"an order of {n_samples} samples has numbers from 0 to {n_samples - 1}, got "
                f"{order.min()} to {order.max()}"
            )
        self._ahead, self._start = ahead, coming.start
        if self._next is not None and self._next[0].is_same(coming):
            self._loading, self._next = self._next[1], None
            return
        self._end_loading()
        self._window.reset()
        self._loading = self._loaded(coming)
        self._loading.start()

    def _loaded(self, coming: Coming) -> Loading:
        def read(indices: np.ndarray, arrays: Sequence[np.ndarray]) -> None:
            x, y, *weights = arrays
            self._rows.read(indices, x, epoch=coming.epoch)
            y[...] = self._samples.y[indices]
            if self._samples.weights is not None:
                weights[0][...] = self._samples.weights[indices]

        n_threads = self._rows.n_threads
        return Loading(read, coming.order, self._window, n_threads, coming.start)

    def chunks(self) -> Iterator[int]:
        """Yield how many samples the window has next; behind the last, load for the next epoch."""
        assert self._loading is not None
        left, behind = len(self._samples) - self._start, self._start % self._window.rows
        for _, rows in self._loading:
            left -= rows - behind
            if not left:
                self._begin_next()
            yield rows - behind
            behind = 0

    def _begin_next(self) -> None:
        coming = self._ahead() if self._ahead is not None else None
        if coming is not None:
            self._next = coming, self._loaded(coming)
            self._next[1].start()

    def end(self) -> None:
        """End the loading for this epoch."""
        if self._loading is not None:
            self._loading.close()
            self._loading = None

    def close(self) -> None:
        """End all loading, and the processes that read."""
        self._end_loading()
        if isinstance(self._rows, Rows):
            self._rows.close()

    def _end_loading(self) -> None:
        self.end()
        if self._next is not None:
            self._next[1].close()
            self._next = None

    def stalled_seconds(self) -> float:
        """Return how long the plan has waited for the window."""
        return self._window.stalled_seconds()


Supply = Resident | Streamed


def supply_of(samples: Samples, batch_size: int, room: Room, fixed: Arena) -> Supply:
    """Return a resident supply where the samples are an array that fits, a streamed one otherwise.

    Parameters
    ----------
    samples, batch_size, room
    fixed
        See `Streamed`.
    """
    if room.holds(samples):
        return Resident(samples)
    n_batches = max(1, room.chunk_rows(samples) // batch_size)
    rows = batch_size * min(n_batches, -(-len(samples) // batch_size))
    return Streamed(samples, rows, fixed)


def least_bytes(samples: Samples, batch_size: int) -> int:
    """Return the least that samples can be streamed through."""
    return HALVES * batch_size * samples.sample_bytes


def check_memory(data_memory_bytes: int | None, samples: Samples, batch_size: int) -> None:
    """Raise `ParameterError` where two chunks of one batch do not fit in what the user allows."""
    least = least_bytes(samples, batch_size)
    is_resident = Room(data_memory_bytes).holds(samples)
    if not is_resident and data_memory_bytes is not None and data_memory_bytes < least:
        raise ParameterError(
            f"data_memory_bytes={data_memory_bytes:,} is less than two chunks of one batch: "
            f"{batch_size} samples take {least // HALVES:,} bytes; give {least:,}, or a smaller "
            "batch_size"
        )


Made = TypeVar("Made")


def with_less(make: Callable[[Room], Made], room: Room, samples: Samples, batch_size: int) -> Made:
    """Return what is made for data that may take so much, or less where the device has no room.

    Parameters
    ----------
    make
        Called with the room for data.
    room
        To begin with.
    samples, batch_size
        Of training.

    Raises
    ------
    DeviceMemoryError
        Where it has no room for what is made with chunks of one batch either.
    """
    least = least_bytes(samples, batch_size)
    given = room.data_memory_bytes
    while True:
        try:
            return make(Room(given))
        except DeviceMemoryError as error:
            if isinstance(samples.X, BufferView):
                raise  # what lies on the device cannot be streamed to it
            most = min(HALVES * CHUNK_BYTES, samples.nbytes // 2)
            smaller = most if given is None else min(given // 4, most)
            if given is not None and given <= least:
                error.add_note(
                    f"with {given:,} bytes for data, the least that they can be streamed through"
                )
                raise
        # Behind the error, which keeps alive what was made so far.
        given = max(smaller, least)

"""Reading ahead: threads fill one half of a window while a plan reads the other."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from netts.devices.memory import BufferView
from netts.errors import DeviceError
from netts.graph.window import HALVES, Window
from netts.network.sources import Rows

BLOCK_BYTES = 2**20
"""About what one call of a source reads: it stays in a core's cache while it is checked."""

LOOK_SECONDS = 0.1
"""The longest that who waits for a half stays away from Ctrl-C."""

Fill = Callable[[np.ndarray, Sequence[np.ndarray]], None]
"""Writes the samples of some numbers to the arrays of a window."""


class Loading:
    """One pass over samples, in an order: which half of a window has them, one after the other.

    Start it, then iterate over it once. Close it whatever happens, even if Ctrl-C interrupts
    `start`: no thread is left then.

    Parameters
    ----------
    fill
        Called in several threads at once if `n_threads` is more than 1.
    order : int64 array of shape (n,)
        The numbers of the samples.
    window
        Allocated. Another loading may begin as soon as the last chunk of this one was yielded.
    n_threads
    start
        The place in the order to begin at: the chunk that it lies in is the first one.

    Attributes
    ----------
    order
    """

    def __init__(
        self,
        fill: Fill,
        order: np.ndarray,
        window: Window,
        n_threads: int = 1,
        start: int = 0,
    ) -> None:
        self._fill, self.order, self._window, self._n_threads = fill, order, window, n_threads
        self._first = start // window.rows
        self._filled: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._load, name="netts loading", daemon=True)

    def start(self) -> None:
        """Begin to read, in the background."""
        self._thread.start()

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (half, rows); what is asked of a plan meanwhile reads that half.

        Raises
        ------
        Exception
            What reading has raised.
        """
        window = self._window
        for number, chunk in self._chunks():
            window.expect()
            self._wait_filled()
            window.receive(number % HALVES)
            yield number % HALVES, len(chunk)
            window.release(number % HALVES)

    def close(self) -> None:
        """End the reading, and wait for its threads; a source may finish the call it is in."""
        self._closed.set()
        # One that was interrupted as it started may come up yet, and ends when it sees `_closed`.
        if self._thread.ident is not None:
            self._thread.join()

    def _chunks(self) -> Iterator[tuple[int, np.ndarray]]:
        rows = self._window.rows
        numbers = range(self._first, -(-len(self.order) // rows))
        return ((number, self.order[number * rows : (number + 1) * rows]) for number in numbers)

    def _wait_filled(self) -> None:
        while True:
            try:
                error = self._filled.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                if self._thread.is_alive():
                    continue
                # Threads do not live on in a process that was forked meanwhile.
                raise DeviceError(
                    "this process was forked while its data were read, and has none of the "
                    "threads that read them: fork before or behind fit and predict"
                ) from None
            if error is not None:
                raise error
            return

    # ------------------------------------------------------------ in the background

    def _load(self) -> None:
        window = self._window
        try:
            with ThreadPoolExecutor(self._n_threads, "netts reading") as pool:
                for number, chunk in self._chunks():
                    while not window.claim(number % HALVES, LOOK_SECONDS):
                        if self._closed.is_set():
                            return
                    self._read(pool, chunk, window.arrays(number % HALVES, len(chunk)))
                    if self._closed.is_set():
                        return
                    window.send(number % HALVES, len(chunk))
                    self._filled.put(None)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._filled.put(error)

    def _read(self, pool: ThreadPoolExecutor, chunk: np.ndarray, arrays: list[np.ndarray]) -> None:
        """Fill a half, block by block."""
        row_bytes = sum(array.nbytes for array in arrays) // len(chunk)
        rows = max(1, min(BLOCK_BYTES // max(row_bytes, 1), -(-len(chunk) // self._n_threads)))

        def read(first: int) -> None:
            if not self._closed.is_set():
                block = slice(first, first + rows)
                self._fill(chunk[block], [array[block] for array in arrays])

        for _ in pool.map(read, range(0, len(chunk), rows)):
            pass


def chunks(
    rows: np.ndarray | BufferView | Rows, step: int
) -> Generator[np.ndarray | BufferView, None, None]:
    """Yield samples, `step` at a time; those of a source are read ahead.

    What was yielded holds until the next one is asked for. Close it where it may not be exhausted.
    """
    if not isinstance(rows, Rows):
        yield from (rows[first : first + step] for first in range(0, len(rows), step))
        return
    window = Window(min(step, max(len(rows), 1)))
    window.reserve((rows.shape[1],), rows.dtype)
    window.allocate()
    rows = rows.spread()
    loading = Loading(
        lambda indices, arrays: rows.read(indices, arrays[0], epoch=0),
        np.arange(len(rows)), window, rows.n_threads,
    )  # fmt: skip
    with contextlib.ExitStack() as closing:
        closing.callback(rows.close)
        closing.callback(loading.close)
        loading.start()
        for half, n_rows in loading:
            yield window.arrays(half, n_rows)[0]

"""Processes that read a source, begun when reading turns out to take long.

Until the first process is there, samples are read in this one: what is read soon never waits for
processes, nor starts any. What is read is the same to the last bit either way.
"""

from __future__ import annotations

import os
import pickle
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from netts.errors import NettsError, ProcessError
from netts.processes.serving import Source
from netts.processes.worker import Worker, can_start

START_SECONDS = 0.5
"""How long each thread has to have read before processes are begun.

About as long as a process takes to be there, which imports NumPy and what the source needs
(0.3 to 0.5 s on one core of an AMD EPYC): who begins them needlessly has lost no more than that.
"""

LOOK_SECONDS = 0.1
"""How often who waits for a process looks whether there will be one."""


class Pool:
    """Reads a source in other processes; from several threads at once.

    Close it when nothing reads. It can be read again then, with other processes.

    Parameters
    ----------
    source
    n_workers
        At least 1.
    """

    def __init__(self, source: Source, n_workers: int) -> None:
        self._source, self._n_workers = source, n_workers
        self._lock = threading.Lock()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._owner = os.getpid()
        self._seconds = 0.0
        self._starter: threading.Thread | None = None
        self._are_ready = threading.Event()
        self._closed = threading.Event()
        self._workers: list[Worker] = []
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._failed: NettsError | None = None

    @property
    def numbers(self) -> list[int]:
        """The numbers of the processes in the system."""
        with self._lock:
            return [worker.number for worker in self._workers]

    def read(self, indices: np.ndarray, out: np.ndarray, *, epoch: int) -> None:
        """Read samples, as `SampleSource.read`.

        Raises
        ------
        ProcessError
            Where a process has ended, or none can be started.
        Exception
            What the source raises.
        """
        if self._owner != os.getpid():
            self._begin_anew()
        if not self._are_ready.is_set():
            start = time.perf_counter()
            self._source.read(indices, out, epoch=epoch)
            self._count(time.perf_counter() - start)
            return
        worker = self._taken()
        try:
            worker.read(indices, out, epoch)
        except ProcessError:
            worker = self._replaced(worker)
            raise
        finally:
            self._idle.put(worker)

    def _count(self, seconds: float) -> None:
        with self._lock:
            self._seconds += seconds
            is_long = self._seconds > START_SECONDS * self._n_workers
        if is_long:
            self._begin()

    def start(self) -> None:
        """Begin the processes, if this system has them, and wait until they are there."""
        self._begin()
        if self._starter is not None:
            self._starter.join()

    def _begin(self) -> None:
        with self._lock:
            if self._starter is None and can_start():
                self._starter = threading.Thread(
                    target=self._start, name="netts starting", daemon=True
                )
                self._starter.start()

    def _start(self) -> None:
        try:
            content = pickle.dumps(self._source)
            with ThreadPoolExecutor(self._n_workers, "netts starting") as threads:
                list(threads.map(self._start_one, [content] * self._n_workers))
        except NettsError as error:
            self._failed = error
        except Exception as error:  # noqa: BLE001 - pickling raises anything
            self._failed = ProcessError(
                f"{type(self._source).__name__} cannot be sent to another process "
                f"({type(error).__name__}: {error}): leave out `in_processes`"
            )
        self._are_ready.set()

    def _start_one(self, content: bytes) -> Worker | None:
        if self._closed.is_set():
            return None
        worker = Worker(content)
        with self._lock:
            self._workers.append(worker)
        self._idle.put(worker)
        self._are_ready.set()
        return worker

    def _taken(self) -> Worker:
        while self._failed is None:
            try:
                return self._idle.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
        raise self._failed

    def _replaced(self, worker: Worker) -> Worker:
        """Return a new process for one that has ended, or that, if there is no other."""
        try:
            new = Worker(pickle.dumps(self._source))
        except Exception:  # noqa: BLE001 - that it ended is what is raised
            return worker
        with self._lock:
            self._workers.remove(worker)
            self._workers.append(new)
        worker.close()
        return new

    def close(self) -> None:
        """End the processes, and wait for them."""
        if self._owner == os.getpid():  # those of a parent are its own to end
            self._closed.set()
            if self._starter is not None:
                self._starter.join()
            with ThreadPoolExecutor(max(1, len(self._workers))) as threads:
                list(threads.map(Worker.close, self._workers))
        self._begin_anew()

"""What a process that reads does: it answers requests until nobody can ask any more.

It imports what the source needs and nothing of training, so that it is soon there.
"""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Protocol

import numpy as np

from netts.errors import NettsError
from netts.processes.memory import SharedMemory

LOOK_SECONDS = 2.0
"""How often a process that waits looks whether its parent lives.

Mostly the connection says so. It does not where a third process, forked from the parent, holds its
end open.
"""


class Source(Protocol):
    """What reads samples, as `netts.network.sources.SampleSource` says."""

    def read(self, indices: np.ndarray, out: np.ndarray, *, epoch: int) -> None:
        """Write samples to memory that is given."""
        ...


class Request(NamedTuple):
    """Samples to write to the shared memory."""

    indices: np.ndarray
    shape: tuple[int, ...]
    dtype: np.dtype
    epoch: int


def serve(connection_number: int, memory_number: int, parent: int) -> None:
    """Receive a source, then requests; answer each with None or the exception it raised."""
    memory = SharedMemory(memory_number)
    with Connection(connection_number) as connection:
        sources: list[Source] = []
        _answer(connection, lambda: sources.append(pickle.loads(connection.recv_bytes())))
        while sources and _is_asked(connection, parent):
            try:
                request = connection.recv()
            except EOFError:
                return
            _answer(connection, lambda: _read(sources[0], request, memory))  # noqa: B023 - at once


def _is_asked(connection: Connection, parent: int) -> bool:
    """Wait for a request, or for the end of who may ask."""
    while not connection.poll(LOOK_SECONDS):
        if os.getppid() != parent:
            return False
    return True


def _read(source: Source, request: Request, memory: SharedMemory) -> None:
    out = memory.array(request.shape, request.dtype)
    out.fill(np.nan)  # so that samples that the source forgets are found
    with np.errstate(over="ignore"):
        source.read(request.indices, out, epoch=request.epoch)


def _answer(connection: Connection, act: Callable[[], Any]) -> None:
    try:
        act()
        answer = None
    except Exception as error:  # noqa: BLE001 - raised where it was asked for
        answer = error
    try:
        connection.send_bytes(_pickled(answer))
    except OSError:  # nobody waits for it
        return


def _pickled(answer: Exception | None) -> bytes:
    """Return an answer as bytes; of an exception that cannot be sent, what it says."""
    if answer is not None and not isinstance(answer, NettsError):
        trace = "".join(traceback.format_exception(answer))
        answer.add_note(f"in a process that reads samples:\n{trace}")
    try:
        content = pickle.dumps(answer)
        pickle.loads(content)  # some are written, and cannot be made again
    except Exception:  # noqa: BLE001 - of any class that a source may raise
        return pickle.dumps(RuntimeError("".join(traceback.format_exception(answer))))
    return content

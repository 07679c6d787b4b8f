"""What a process that reads does: it answers requests until nobody can ask any more.

Messages are few bytes, each one call of the system: sizes and places. What is large lies in the
shared memory: the source at first, then samples and their numbers, or an exception. It imports what
the source needs and nothing of training, so that it is soon there.
"""

from __future__ import annotations

import os
import pickle
import socket
import traceback
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from netts.errors import NettsError
from netts.processes.memory import Request, SharedMemory

LOOK_SECONDS = 2.0
"""How often a process that waits looks whether its parent lives.

Mostly the connection says so. It does not where a third process, forked from the parent, holds its
end open.
"""

MESSAGE_BYTES = 4096
"""More than any message has."""

DONE = b"0"
"""The answer where nothing was raised; otherwise the bytes of the exception, as a number."""


class Source(Protocol):
    """What reads samples, as `netts.network.sources.SampleSource` says."""

    def read(self, indices: np.ndarray, out: np.ndarray, *, epoch: int) -> None:
        """Write samples to memory that is given."""
        ...


def serve(connection_number: int, memory_number: int, parent: int) -> None:
    """Receive a source, then requests, and answer each."""
    memory = SharedMemory(memory_number)
    sources: list[Source] = []
    with socket.socket(fileno=connection_number) as connection:
        connection.settimeout(LOOK_SECONDS)
        while message := _message(connection, parent):
            if sources:
                request = Request(*pickle.loads(message))
                raised = _raised_by(lambda: _read(sources[0], request, memory))  # noqa: B023
            else:
                content = memory.taken(int(message))
                raised = _raised_by(lambda: sources.append(pickle.loads(content)))  # noqa: B023
            try:
                connection.send(DONE if raised is None else _sent(raised, memory))
            except OSError:  # nobody waits for it
                return


def _message(connection: socket.socket, parent: int) -> bytes:
    """Wait for a message; none of any bytes comes where nobody is there to send one."""
    while True:
        try:
            return connection.recv(MESSAGE_BYTES)
        except TimeoutError:
            if os.getppid() != parent:
                return b""
        except OSError:
            return b""


def _read(source: Source, request: Request, memory: SharedMemory) -> None:
    samples, indices = memory.arrays(request)
    samples.fill(np.nan)  # so that samples that the source forgets are found
    with np.errstate(over="ignore"):
        source.read(indices, samples, epoch=request.epoch)


def _raised_by(act: Callable[[], Any]) -> Exception | None:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - raised where it was asked for
        return error
    return None


def _sent(error: Exception, memory: SharedMemory) -> bytes:
    """Put an exception where the parent finds it, and return how long it is."""
    content = _pickled(error)
    memory.put(content)
    return b"%d" % len(content)


def _pickled(error: Exception) -> bytes:
    """Return an exception as bytes; where it cannot be sent, one that says the same."""
    trace = "".join(traceback.format_exception(error))
    if not isinstance(error, NettsError):
        error.add_note(f"in a process that reads samples:\n{trace}")
    try:
        content = pickle.dumps(error)
        pickle.loads(content)  # some are written, and cannot be made again
    except Exception:  # noqa: BLE001 - of any class that a source may raise
        return pickle.dumps(RuntimeError(trace))
    return content

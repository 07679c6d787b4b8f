"""Objects in processes of their own: what crashes or hangs there takes nothing else with it.

A fault on a GPU ends every later call of its process, and the libraries compared here bring CUDA
libraries of their own. A process that waits for its turn leaves processor and GPU alone.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

from report import in_words

GRACE_SECONDS = 5.0


class WorkerError(Exception):
    """A call failed in its process, or the process did."""


class Worker:
    """An object in a process of its own, made by `factory(*arguments)` there.

    `environment` is added to that process's environment, before it imports anything.
    """

    def __init__(
        self, factory: Callable[..., Any], *arguments: Any, environment: Mapping[str, str] | None
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(other, factory, arguments), daemon=True
        )
        with _environment(environment or {}):
            self._process.start()
        other.close()

    def send(self, method: str, *arguments: Any) -> None:
        """Ask for a call, without waiting for its result."""
        try:
            self._connection.send((method, arguments))
        except (BrokenPipeError, OSError) as error:
            raise WorkerError(self._fate()) from error

    def receive(self, timeout: float) -> Any:
        """Return the result of the call asked for; the process ends if it does not come in time."""
        try:
            if not self._connection.poll(max(timeout, 0.0)):
                self.close()
                raise WorkerError(f"no answer after {timeout:.0f} s")
            is_result, value = self._connection.recv()
        except (EOFError, ConnectionError) as error:
            raise WorkerError(self._fate()) from error
        if not is_result:
            raise WorkerError(value)
        return value

    def ask(self, method: str, timeout: float, *arguments: Any) -> Any:
        """Call a method and return its result."""
        self.send(method, *arguments)
        return self.receive(timeout)

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(0.1)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(GRACE_SECONDS)
        if self._process.is_alive():
            self._process.kill()

    def _fate(self) -> str:
        self._process.join(GRACE_SECONDS)
        return f"the process ended with code {self._process.exitcode}"


def _serve(connection: Connection, factory: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    made: Any = None
    try:
        made = factory(*arguments)
    except Exception as error:  # noqa: BLE001 - it is the answer to the first call
        traceback.print_exc()
        made = error
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            method, given = connection.recv()
            connection.send(_answer(made, method, given))


def _answer(made: Any, method: str, given: tuple[Any, ...]) -> tuple[bool, Any]:
    if isinstance(made, Exception):
        return False, in_words(made)
    try:
        return True, getattr(made, method)(*given)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told
        traceback.print_exc()
        return False, in_words(error)


@contextlib.contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(added)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

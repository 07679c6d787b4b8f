"""A process that reads, as its parent sees it."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import subprocess
import sys

import numpy as np

from netts.errors import ProcessError
from netts.processes.memory import Request, SharedMemory
from netts.processes.serving import DONE, MESSAGE_BYTES

PROGRAM = (
    "import sys; sys.path[:] = {path!r}; from netts.processes.serving import serve; "
    "serve({connection}, {memory}, {parent})"
)
"""What it runs. No `multiprocessing.Process`: that would run the user's program once more."""

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""As there is a process for each core."""

WAY_OUT = "with n_threads=1 samples are read in the process that trains"

END_SECONDS = 2.0
"""How long a process may take to end when its connection is closed, before it is killed."""


def can_start() -> bool:
    """Whether this system has what workers are made of."""
    return hasattr(os, "memfd_create") and bool(sys.executable)


class Worker:
    """A process that reads a source; for one thread at a time.

    It ends when it is closed, and when this process ends, however that is. Ctrl-C in a terminal
    does not reach it.

    Parameters
    ----------
    source : bytes
        Pickled.

    Raises
    ------
    ProcessError
        Where it cannot be started, or ends at once.
    Exception
        Where the source cannot be had again from its bytes.
    """

    def __init__(self, source: bytes) -> None:
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = os.memfd_create("netts samples")
        self._memory = SharedMemory(number)
        program = PROGRAM.format(
            path=sys.path, connection=theirs.fileno(), memory=number, parent=os.getpid()
        )
        try:
            self._process = subprocess.Popen(
                [sys.executable, *(f"-W{one}" for one in sys.warnoptions), "-c", program],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), number),
                env=os.environ | ONE_THREAD,
                process_group=0,
            )
        except OSError as error:
            self._give_back()
            raise ProcessError(
                f"no process can be started that reads samples: {error}; {WAY_OUT}"
            ) from error
        finally:
            theirs.close()
        try:
            self._memory.put(source)
            self._ask(b"%d" % len(source))
        except BaseException:
            self.close()
            raise

    @property
    def number(self) -> int:
        """Its number in the system."""
        return self._process.pid

    def read(self, indices: np.ndarray, out: np.ndarray, epoch: int) -> None:
        """Have it read samples, and copy them; see `SampleSource.read`.

        Raises
        ------
        ProcessError
            Where it has ended; it can be closed only, then.
        Exception
            What the source has raised there.
        """
        request = Request(len(indices), out.shape, out.dtype.str, epoch)
        samples, numbers = self._memory.arrays(request)
        numbers[...] = indices
        self._ask(pickle.dumps(tuple(request)))
        np.copyto(out, samples)

    def _ask(self, message: bytes) -> None:
        try:
            self._connection.send(message)
            answer = self._connection.recv(MESSAGE_BYTES)
        except OSError as error:
            raise ProcessError(self._ended()) from error
        if not answer:
            raise ProcessError(self._ended())
        if answer != DONE:
            raise pickle.loads(self._memory.taken(int(answer)))

    def _ended(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        code = self._process.returncode
        how = "with its connection" if code is None else f"with exit code {code}"
        if code is not None and code < 0:
            how = f"by signal {-code}"
        return (
            f"a process that reads samples has ended {how}: memory may be short, or a decoder has "
            f"crashed; {WAY_OUT}"
        )

    def close(self) -> None:
        """End the process, and wait for it."""
        self._give_back()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _give_back(self) -> None:
        self._connection.close()
        self._memory.close()

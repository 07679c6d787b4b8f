"""Reading in other processes: the same samples, their errors, and an end whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from process_sources import Failing, Numbers, Telling, Unsendable
from reading_pools import lives, read, ready

import netts.processes.pool
import netts.processes.worker
from netts.errors import ImageFileError, ProcessError
from netts.processes.pool import Pool


@pytest.fixture
def opened():
    """Make pools that are closed behind the test, whose processes have ended then."""
    pools, numbers = [], []

    def make(source, n_workers=2):
        pools.append(Pool(source, n_workers))
        numbers.extend(ready(pools[-1]))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()
    assert not any(map(lives, numbers))


def test_what_is_read_soon_starts_no_process():
    pool = Pool(Telling(), 4)
    assert (read(pool, range(5))[:, 0] == os.getpid()).all()
    assert pool.numbers == []
    pool.close()


def test_who_reads_long_gets_processes_without_waiting_for_them(monkeypatch):
    monkeypatch.setattr(netts.processes.pool, "START_SECONDS", 0.05)
    pool, by = Pool(Telling(pause=0.02), 2), []
    end = time.monotonic() + 30
    while os.getpid() in by[-1:] or len(by) < 10:
        by.append(int(read(pool, [1])[0, 0]))
        assert time.monotonic() < end
    pool.close()
    assert by[:5] == [os.getpid()] * 5


def test_processes_share_what_is_read(opened):
    pool = opened(Telling(pause=0.05), 3)
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda k: int(read(pool, [k])[0, 0]), range(12)))
    assert set(found) == set(np.array(pool.numbers, np.float32).astype(int))
    assert os.getpid() not in found
    assert len(set(found)) == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_are_the_same_in_any_amount_order_and_dtype(opened, dtype):
    pool, random = opened(Numbers()), np.random.default_rng(0)
    for n_samples in (1, 0, 7, 900, 30):
        indices = random.integers(0, 1000, n_samples)
        out = np.full((n_samples, 2), np.nan, dtype)
        pool.read(indices, out, epoch=3)
        np.testing.assert_array_equal(out, np.stack([indices, indices + 3], 1))


def test_errors_of_a_process_are_raised_as_they_are_and_it_goes_on(opened):
    pool = opened(Failing(7, "netts"))
    for _ in range(3):
        with pytest.raises(ImageFileError, match=r"^7\.jpg is damaged: no end$"):
            read(pool, [6, 7])
    assert read(pool, [6])[0, 0] == 6


def test_errors_that_are_not_of_netts_say_where_they_were_raised(opened):
    with pytest.raises(ZeroDivisionError) as caught:
        read(opened(Failing(7, "python")), [7])
    assert 'raise ZeroDivisionError("no zeros")' in caught.value.__notes__[0]
    with pytest.raises(RuntimeError, match="OddError: 1 and 2"):
        read(opened(Failing(7, "odd")), [7])


def test_a_process_that_dies_is_an_error_and_another_takes_its_place(opened):
    pool = opened(Failing(7, "die"))
    before = set(pool.numbers)
    with pytest.raises(ProcessError, match=r"has ended by signal 9: memory may be short, or"):
        read(pool, [6, 7])
    assert len(before & set(pool.numbers)) == 1
    assert read(pool, [6])[0, 0] == 6
    assert not all(map(lives, before))


def test_a_source_that_cannot_be_sent_is_refused():
    source = Unsendable()
    pool = Pool(source, 2)
    with source.file:
        ready(pool)
        with pytest.raises(ProcessError, match=r"^Unsendable cannot be sent .*: leave out"):
            read(pool, [0])
    pool.close()


def test_where_no_process_can_be_started_the_error_says_what_to_do(monkeypatch):
    def refused(*arguments, **options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(netts.processes.worker.subprocess, "Popen", refused)
    pool = Pool(Numbers(), 2)
    pool.start()
    with pytest.raises(ProcessError, match=r"no process can be started .* with n_threads=1"):
        read(pool, [0])
    pool.close()


def test_a_pool_that_was_closed_reads_again(opened):
    pool = opened(Numbers())
    before = pool.numbers
    pool.close()
    assert not any(map(lives, before))
    assert read(pool, [5])[0, 0] == 5
    assert not set(before) & set(ready(pool))


def test_closing_while_processes_start_leaves_none(at_once):
    pool = Pool(Numbers(), 2)
    read(pool, [0])
    pool.close()
    assert pool.numbers == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_reads_by_itself_and_leaves_the_processes_to_its_parent(opened):
    pool = opened(Telling())
    child = os.fork()
    if not child:
        pool.close()
        os._exit(0 if int(read(pool, [1])[0, 0]) == np.float32(os.getpid()) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert int(read(pool, [1])[0, 0]) in [int(np.float32(number)) for number in pool.numbers]


PROGRAM = """
import sys, time
sys.path.insert(0, {here!r})
from netts.processes.pool import Pool
from reading_pools import read, ready
from process_sources import Numbers
pool = Pool(Numbers(), 2)
print(*ready(pool), flush=True)
{then}
"""


def program(then):
    text = PROGRAM.format(here=str(Path(__file__).parent), then=then)
    started = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    return started, [int(one) for one in started.stdout.readline().split()]


def end_of(numbers):
    end = time.monotonic() + 10
    while any(map(lives, numbers)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(lives, numbers))


@pytest.mark.parametrize(
    "then", ["pass", "raise SystemExit(0)", "import os; os._exit(0)", "time.sleep(60)"]
)
def test_processes_end_with_the_program_however_it_ends(then):
    started, numbers = program(then)
    assert len(numbers) == 2
    if "sleep" in then:
        started.send_signal(signal.SIGKILL)
    with started:
        assert end_of(numbers)
        started.kill()


def test_processes_of_a_killed_program_end_though_a_fork_of_it_lives():
    started, numbers = program("import os\nif os.fork(): print(1, flush=True)\ntime.sleep(8)")
    started.stdout.readline()
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert end_of(numbers)
    started.stdout.close()


def test_a_process_imports_nothing_of_training():
    text = (
        "import netts.processes.serving, sys; "
        "print(*(name for name in ('numba', 'scipy', 'netts.network') if name in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""

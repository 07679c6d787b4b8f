"""Reading ahead: in order, two chunks at a time, in threads that end."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from netts.graph.window import HALVES, Window
from netts.network.loading import Loading


def window(rows: int) -> Window:
    made = Window(rows)
    made.reserve((2,), np.int64)
    made.allocate()
    return made


def numbers(indices, arrays):
    arrays[0][...] = indices[:, None]


def threads():
    return [one.name for one in threading.enumerate() if one.name.startswith("netts ")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not threads()


@pytest.mark.parametrize("n_threads", [1, 5])
@pytest.mark.parametrize("n_samples", [0, 1, 7, 8, 23])
def test_chunks_come_in_order_in_halves_that_take_turns(n_samples, n_threads):
    order = np.random.default_rng(0).permutation(n_samples)
    made = window(4)
    loading = Loading(numbers, order, made, n_threads)
    loading.start()
    found = [(half, made.arrays(half, rows)[0][:, 1].copy()) for half, rows in loading]
    loading.close()
    assert [half for half, _ in found] == [k % HALVES for k in range(len(found))]
    np.testing.assert_array_equal(np.concatenate([np.empty(0), *(one for _, one in found)]), order)


def test_no_more_than_two_chunks_are_read_ahead():
    read = []
    loading = Loading(lambda indices, arrays: read.extend(indices), np.arange(20), window(4))
    loading.start()
    for taken, _ in enumerate(loading):
        time.sleep(0.05)
        assert len(read) == min(4 * (taken + 2), 20)
    loading.close()


def test_closing_ends_the_reading_whether_it_was_started_or_not():
    for number in range(3):
        loading = Loading(numbers, np.arange(1000), window(4), n_threads=2)
        if number:
            loading.start()
        if number == 2:
            next(iter(loading))
        loading.close()


def test_errors_are_raised_where_chunks_are_waited_for_behind_those_that_were_read():
    def failing(indices, arrays):
        if 9 in indices:
            raise OSError("sector not found")

    loading, found = Loading(failing, np.arange(20), window(4)), []
    loading.start()
    with pytest.raises(OSError, match="sector not found"):
        found.extend(rows for _, rows in loading)
    loading.close()
    assert found == [4, 4]

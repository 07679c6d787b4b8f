"""Sources of samples: arrays read by rows, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from netts.errors import DataError, ParameterError, ShapeError
from netts.network.sources import ArraySource, Subset, check_source, is_source

ROWS = np.arange(24, dtype=np.float32).reshape(6, 4)


class Bare:
    """What a source needs at least."""

    shape, dtype = (6, 4), np.dtype(np.float32)

    def read(self, indices, out, *, epoch):
        out[...] = ROWS[indices] + epoch


def read(source, indices, dtype=np.float32, epoch=0):
    out = np.full((len(indices), *source.shape[1:]), np.nan, dtype)
    source.read(np.array(indices), out, epoch=epoch)
    return out


@pytest.mark.parametrize("array", [ROWS, ROWS[::-1], ROWS.T.copy().T, ROWS.astype(np.uint8)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_is_read_by_rows_in_any_order_and_converted(array, dtype):
    found = read(ArraySource(array), [5, 0, 0, 3], dtype)
    np.testing.assert_array_equal(found, array[[5, 0, 0, 3]].astype(dtype))


def test_an_array_in_a_file_is_not_copied(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    source = ArraySource(rows)
    assert np.shares_memory(source.array, rows)
    np.testing.assert_array_equal(read(source, [1, 4]), ROWS[[1, 4]])


def test_a_subset_counts_from_zero_and_passes_the_epoch_on():
    source = Subset(Bare(), [4, 2, 5])
    assert (source.shape, source.dtype, source.n_threads) == ((3, 4), np.float32, 1)
    np.testing.assert_array_equal(read(source, [2, 0], epoch=7), ROWS[[5, 4]] + 7)


def test_a_source_is_known_by_what_it_has():
    assert is_source(Bare())
    assert is_source(ArraySource(ROWS))
    assert not is_source(ROWS)
    assert not is_source([[1.0]])
    check_source(Bare(), "X")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("shape", (6,), ShapeError),
        ("shape", [6, 4], ShapeError),
        ("shape", (6, -4), ShapeError),
        ("shape", (6, 4.0), ShapeError),
        ("dtype", np.dtype("U3"), DataError),
        ("n_threads", 0, ParameterError),
        ("n_threads", "all", ParameterError),
    ],
)
def test_a_source_that_does_not_say_what_it_holds_is_refused(name, value, error):
    source = Bare()
    setattr(source, name, value)
    with pytest.raises(error, match="the source X, a Bare"):
        check_source(source, "X")

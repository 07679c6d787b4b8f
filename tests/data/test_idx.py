"""IDX files: what is written is read, and what lies is refused."""

import contextlib
import gzip
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from netts.data.fashion_mnist import CLASS_NAMES, DIRECTORY, fashion_mnist
from netts.data.idx import DTYPES, read_idx
from netts.errors import DataError, DataFileError, DataFileNotFoundError

CODES = {np.dtype(name).newbyteorder("="): code for code, name in DTYPES.items()}


def idx_bytes(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, CODES[array.dtype], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def write(tmp_path):
    def written(content, name="one.idx"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return written


@given(
    array=st.sampled_from(list(CODES)).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_side=0, max_dims=4))
    ),
    is_packed=st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read(write, array, is_packed):
    content = idx_bytes(array)
    found = read_idx(write(gzip.compress(content) if is_packed else content))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@given(content=st.binary(max_size=200))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_an_array_or_a_data_error(write, content):
    for whole in (content, b"\0\0\x08" + content, b"\x1f\x8b" + content):
        with contextlib.suppress(DataError):
            assert isinstance(read_idx(write(whole)), np.ndarray)


GOOD = idx_bytes(np.arange(6, dtype=np.uint8).reshape(2, 3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no IDX file: it starts with nothing"),
        (b"\0\0\x08", "is no IDX file"),
        (b"PK\x03\x04 zip", "is no IDX file: it starts with 50 4b 03 04"),
        (b"\0\0\x0a\x01\0\0\0\0", "is no IDX file"),
        (b"\0\0\x08\x00", "is no IDX file"),
        (b"\0\0\x08\xff" + bytes(4 * 255), "is no IDX file"),
        (GOOD[:10], "ends among the lengths of its 2 axes"),
        (GOOD[:-1], r"is truncated: shape \(2, 3\) takes 6 bytes, it has 5"),
        (GOOD + b"\0", r"has more than the 6 bytes that shape \(2, 3\) takes"),
        (
            b"\0\0\x08\x02" + b"\x7f" * 8,
            r"says that it holds uint8 of shape \(2139062143, 2139062143\)",
        ),
        (b"\0\0\x0e\x40" + b"\xff" * 256, "says that it holds"),
        (b"\0\0\x08\x04" + bytes(4) + b"\xff" * 12, r"says that it holds uint8 of shape \(0, "),
        (gzip.compress(GOOD, mtime=0)[:-9], "is damaged"),
        (gzip.compress(GOOD, mtime=0)[:-8] + bytes(8), "is damaged"),
        (b"\x1f\x8bsomething else", "is damaged"),
        (gzip.compress(GOOD[:-1], mtime=0), "is truncated"),
        (gzip.compress(GOOD + b"\0", mtime=0), "has more than"),
    ],
)
def test_a_file_that_lies_is_refused(write, content, message):
    with pytest.raises(DataError, match=message):
        read_idx(write(content))


def test_what_unpacks_to_too_much_is_refused(write):
    path = write(gzip.compress(idx_bytes(np.zeros((1000, 1000), np.uint8))))
    with pytest.raises(
        DataError, match=r"holds uint8 of shape \(1000, 1000\); at most 999999 bytes"
    ):
        read_idx(path, max_bytes=999_999)
    assert read_idx(path).shape == (1000, 1000)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataFileNotFoundError, match=r"there is no file .*none\.idx"):
        read_idx(tmp_path / "none.idx")
    with pytest.raises(DataFileError, match="cannot be read: Is a directory"):
        read_idx(tmp_path)


def write_fashion(write, n=3, **changed):
    images = np.arange(n * 28 * 28).astype(np.uint8).reshape(n, 28, 28)
    for part in ("train", "t10k"):
        files = {"images-idx3": images, "labels-idx1": np.arange(n, dtype=np.uint8)} | changed
        for name, array in files.items():
            path = write(gzip.compress(idx_bytes(array)), f"{part}-{name}-ubyte.gz")
    return path.parent


def test_fashion_mnist_reads_images_and_classes(write):
    X_train, y_train, X_test, _ = fashion_mnist(write_fashion(write))
    assert (X_train.shape, X_train.dtype) == ((3, 1, 28, 28), np.float32)
    assert (X_train.min(), X_train.max()) == (0, 1)
    assert (y_train.tolist(), y_train.dtype) == ([0, 1, 2], np.int64)
    np.testing.assert_array_equal(X_test, X_train)


def test_fashion_mnist_says_what_to_install(tmp_path):
    with pytest.raises(DataFileNotFoundError, match="apt-get install dataset-fashion-mnist"):
        fashion_mnist(tmp_path)


def test_fashion_mnist_refuses_other_files(write):
    directory = write_fashion(write, **{"labels-idx1": np.arange(4, dtype=np.uint8)})
    with pytest.raises(DataError, match="these are not the files of Fashion-MNIST"):
        fashion_mnist(directory)


@pytest.mark.slow
@pytest.mark.skipif(not DIRECTORY.exists(), reason="needs Debian's dataset-fashion-mnist")
def test_debians_files_are_fashion_mnist():
    X_train, y_train, X_test, y_test = fashion_mnist()
    assert (X_train.shape, X_test.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert np.bincount(y_train).tolist() == [6000] * len(CLASS_NAMES)
    assert np.bincount(y_test).tolist() == [1000] * len(CLASS_NAMES)

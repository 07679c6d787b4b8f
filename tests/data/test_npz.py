"""NPZ files: what NumPy writes is read, what lies is refused before memory is taken."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as npst

from netts.data import read_npz
from netts.errors import DataError, DataFileError, DataFileNotFoundError


def zipped(path, entries, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def npy(array, *, shape=None, descr=None, version=(1, 0)):
    """The bytes of an array, whose header may lie."""
    header = {
        "descr": descr or np.lib.format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": array.shape if shape is None else shape,
    }
    file = io.BytesIO()
    write = {
        (1, 0): np.lib.format.write_array_header_1_0,
        (2, 0): np.lib.format.write_array_header_2_0,
    }
    write[version](file, header)
    return file.getvalue() + array.tobytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    array=npst.arrays(
        npst.boolean_dtypes() | npst.integer_dtypes(endianness="?")
        | npst.floating_dtypes(endianness="?")
        | npst.unicode_string_dtypes(min_len=1) | npst.datetime64_dtypes(),
        npst.array_shapes(min_dims=0, min_side=0),
    )
)  # fmt: skip
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_what_numpy_wrote(tmp_path, save, array):
    save(tmp_path / "a.npz", array, turned=array.T, both=array)
    found = read_npz(tmp_path / "a.npz")
    assert list(found) == ["turned", "both", "arr_0"]
    for name, expected in {"arr_0": array, "turned": array.T, "both": array}.items():
        np.testing.assert_array_equal(found[name], expected)
        assert found[name].dtype == expected.dtype.newbyteorder("=")
    found["both"][...] = found["both"]  # may be written


FOUR = np.arange(4.0)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            {"a.npy": npy(FOUR, shape=(3,))},
            r"says that it is float64 of shape \(3,\), 24 bytes, and",
        ),
        ({"a.npy": npy(FOUR, shape=(10**12,))}, "and has 32"),
        ({"a.npy": npy(FOUR, shape=(-4,))}, r"has shape \(-4,\), which no array can have"),
        ({"a.npy": npy(FOUR[:0], shape=(2**62, 2**62, 0))}, "which no array can have"),
        ({"a.npy": npy(FOUR, descr="O")}, "objects would need pickle"),
        ({"a.npy": npy(FOUR, descr=[("x", "<f8")])}, "netts reads arrays of numbers"),
        ({"a.npy": npy(FOUR, version=(2, 0))[:30]}, "is damaged"),
        ({"a.npy": b"\x93NUMPY\x09\x00"}, r"is of version \(9, 0\)"),
        ({"a.npy": b"no array"}, "is damaged: the magic string"),
        ({"a.npy": b""}, "damaged"),
        ({"a.txt": b"text"}, "holds 'a.txt': an NPZ file holds 1 to 10,000 arrays"),
        ({}, "holds 0 entries: an NPZ file holds"),
    ],
)
def test_what_lies_is_refused(tmp_path, entries, message):
    path = zipped(tmp_path / "a.npz", entries)
    with pytest.raises(DataError, match=message):
        read_npz(path)


def test_arrays_of_version_2_are_read(tmp_path):
    path = zipped(tmp_path / "a.npz", {"a.npy": npy(FOUR, version=(2, 0))})
    np.testing.assert_array_equal(read_npz(path)["a"], FOUR)


def test_pickles_are_not_opened(tmp_path):
    np.savez(tmp_path / "a.npz", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="objects would need pickle, which can run any code"):
        read_npz(tmp_path / "a.npz")


def test_a_bomb_is_refused_before_it_unpacks(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, np.zeros(2**23))
    assert path.stat().st_size < 2**17
    tracemalloc.start()
    try:
        with pytest.raises(
            DataError, match=r"say.* that its arrays take 67,.* bytes; at most 1,000"
        ):
            read_npz(path, max_bytes=1000)
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()
    assert read_npz(path)["arr_0"].size == 2**23


def test_a_directory_that_lies_about_a_size_is_refused(tmp_path):
    path = zipped(tmp_path / "a.npz", {"a.npy": npy(FOUR, shape=(10**8,))})
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")  # the entry in the directory: its size is at 24
    content[place + 24 : place + 28] = (8 * 10**8 + 128).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot unpack from .* bytes to 800,000,128"):
        read_npz(path)


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(DataFileNotFoundError, match="there is no file"):
        read_npz(tmp_path / "a.npz")
    with pytest.raises(DataFileError, match="is no file"):
        read_npz(tmp_path)
    for content in (b"", b"PK\x03\x04", b"\x93NUMPY" + bytes(100)):
        (tmp_path / "b.npz").write_bytes(content)
        with pytest.raises(DataError, match="is no NPZ file, or damaged"):
            read_npz(tmp_path / "b.npz")


def test_damaged_bytes_are_noticed(tmp_path):
    np.savez(tmp_path / "a.npz", np.arange(1000))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[500] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="is no NPZ file, or damaged: Bad CRC-32"):
        read_npz(tmp_path / "a.npz")


def test_other_compression_is_refused(tmp_path):
    path = zipped(tmp_path / "a.npz", {"a.npy": npy(FOUR)}, zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match=r"'a\.npy' is compressed as NumPy does not"):
        read_npz(path)


def test_a_message_quotes_no_more_of_a_file_than_a_person_reads(tmp_path):
    path = zipped(tmp_path / "a.npz", {"x" * 3000 + ".npy": npy(FOUR)})
    content = path.read_bytes().replace(b"xx", b"yx", 1)  # one x may be the time
    path.write_bytes(content)
    with pytest.raises(DataError, match="File name in directory") as caught:
        read_npz(path)
    assert len(str(caught.value)) < 600

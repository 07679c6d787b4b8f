"""The bytes of a model file: the same for the same model, and every flaw named."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import zlib

import numpy as np
import pytest
import safetensors.numpy
from model_bytes import assemble, take_apart

from netts.errors import BrokenModelError, NewerModelError, UnsavableError
from netts.persistence import container
from netts.persistence.container import ModelFile, from_bytes, to_bytes
from netts.persistence.forms import DTYPES

ARRAYS = {name: np.array([[0, 1, 1]], dtype) for name, dtype in DTYPES.items()} | {
    "no axes": np.array(2.5),
    "empty": np.zeros((0, 3), np.float32),
    "é": np.arange(5),
}


@pytest.fixture(name="content")
def content_of_a_file():
    versions = {"netts": "0.0.9"}
    return to_bytes(ModelFile("network", {"a": [1, "é", "\ud800"]}, ARRAYS, versions))


def test_what_was_written_is_read(content):
    found = from_bytes(content)
    assert (found.kind, found.content) == ("network", {"a": [1, "é", "\ud800"]})
    assert (found.format, found.versions, found.n_bytes) == (1, {"netts": "0.0.9"}, len(content))
    assert set(found.arrays) == set(ARRAYS)
    for name, array in found.arrays.items():
        assert array.dtype == ARRAYS[name].dtype
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)
        assert array.flags.writeable


def test_the_checksum_is_that_of_the_file_with_zeros_in_its_place(content):
    checksum = from_bytes(content).checksum
    zeroed = content.replace(checksum.encode(), b"0" * 64, 1)
    assert hashlib.sha256(zeroed).hexdigest() == checksum


def test_safetensors_reads_the_file_too(content):
    found = safetensors.numpy.load(content)
    np.testing.assert_array_equal(found["float16"], ARRAYS["float16"], strict=True)


SAVE = """\
import sys, numpy as np
from netts.persistence.container import ModelFile, to_bytes
arrays = {name: np.zeros(3) for name in "abcdefgh"}
model = ModelFile("network", {"b": 1, "a": 2}, arrays, {"x": "1", "y": "2", "z": "3"})
sys.stdout.buffer.write(to_bytes(model))
"""


def test_the_same_model_gives_the_same_bytes_in_every_process():
    def saved(seed):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        run = [sys.executable, "-c", SAVE]
        return subprocess.run(run, env=environment, capture_output=True, check=True).stdout

    assert saved("1") == saved("2")


def test_a_description_that_no_safetensors_file_may_have_is_refused(monkeypatch):
    monkeypatch.setattr(container, "MAX_HEADER_BYTES", 1000)
    with pytest.raises(UnsavableError, match=r"1,\d\d\d bytes besides its arrays, of at most 1,00"):
        to_bytes(ModelFile("network", "x" * 1000, {}, {}))


def numpy_archive():
    file = io.BytesIO()
    np.savez(file, a=np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\1", "is too short for a model file: it has 1 bytes"),
        (b"a,b\n1,2\n3,4\n", "it is text, such as a CSV file or a script"),
        (numpy_archive(), r"it is a ZIP archive, as .npz, .keras, .pt and Excel files are"),
        (pickle.dumps({"a": list(range(99))}), "it is a pickle, which netts never opens, as a pic"),
        (gzip.compress(b"a" * 99, mtime=0), "it is compressed by gzip"),
        (zlib.compress(bytes(99)), "it is compressed by zlib, as joblib does"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "it is an HDF5 file, as Keras wrote"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "it is a picture"),
        (bytes(99), "it is of a format that netts does not know"),
        (bytes(8) + b"{", "has a header that is not JSON"),
        ((2).to_bytes(8, "little") + b"{}", "is a safetensors file, but none that netts wrote"),
        (safetensors.numpy.save({"a": np.zeros(3)}), "safetensors file, but none that netts wrote"),
        (
            safetensors.numpy.save({"a": np.zeros(3)}, {"format": "pt"}),
            "is a safetensors file, but none that netts wrote",
        ),
        ((10**6).to_bytes(8, "little") + b'{"a"', "is cut off, or no model file: it has 12 bytes"),
        ((10**12).to_bytes(8, "little") + b'{"a"', "is no model file"),
        (assemble(b'{"a":1,"a":2}', b""), "has a header that is not JSON: 'a' is there 2 times"),
        (assemble(b"{" + b'"a":{' * 10**6, b""), "has a header that is nested too deep"),
        (assemble(b'{"a":NaN}', b""), "NaN is no number"),
        (assemble(b'{"a":' + b"1" * 10**5 + b"}", b""), "whole number of 100000 digits, of at mos"),
        (assemble(b'{"\xff":1}', b""), "has a header that is not JSON: 'utf-8' codec can't"),
    ],
)
def test_what_is_no_model_file_is_named(content, message):
    with pytest.raises(BrokenModelError, match=message):
        from_bytes(content)


def test_a_file_cut_off_anywhere_is_refused(content):
    for size in range(len(content)):
        with pytest.raises(BrokenModelError, match=r"cut off|too short|is empty"):
            from_bytes(content[:size])
    with pytest.raises(BrokenModelError, match=r"is cut off: it has [\d,]+ bytes of [\d,]+"):
        from_bytes(content[:-1])
    with pytest.raises(BrokenModelError, match=r"is too long: it has [\d,]+ bytes of [\d,]+"):
        from_bytes(content + b"\0")


def test_every_flipped_bit_is_noticed(content):
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        with pytest.raises(BrokenModelError):
            from_bytes(bytes(changed))


def test_a_changed_weight_is_a_checksum_that_does_not_fit(content):
    with pytest.raises(BrokenModelError, match="is damaged: its checksum does not fit"):
        from_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize("checksum", ["", "0" * 64, "A" * 64, 3, None])
def test_a_checksum_is_needed(content, checksum):
    header, said, data = take_apart(content)
    with pytest.raises(BrokenModelError, match=r"has no checksum|checksum does not"):
        from_bytes(assemble(header, data, said | {"sha256": checksum}, is_honest=False))


def test_a_newer_format_is_named_before_all_else(content):
    header, said, data = take_apart(content)
    versions = {"netts": "7.1.0"}
    newer = {"format": 2, "versions": versions, "quite": "other"}
    for one in (newer, said | newer):
        with pytest.raises(NewerModelError) as caught:
            from_bytes(assemble(header, data, one, is_honest=False))
        assert str(caught.value) == (
            "was written by netts 7.1.0 in format 2; this netts reads formats up to 1: install a "
            "newer one"
        )
    with pytest.raises(NewerModelError, match=r"by netts \? in format 9"):
        from_bytes(assemble(header, data, {"format": 9}, is_honest=False))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 0}, "has no format number, but '0'"),
        ({"format": True}, "has no format number, but 'True'"),
        ({"format": "1"}, "has no format number"),
        ({"kind": 3}, "names no kind of model"),
        ({"versions": {"netts": 3}}, "names no kind of model, or no versions"),
        ({"more": 3}, r"describes \['content', 'format', 'kind', 'more'"),
    ],
)
def test_a_description_that_lies_is_named(content, changes, message):
    header, said, data = take_apart(content)
    with pytest.raises(BrokenModelError, match=message):
        from_bytes(assemble(header, data, said | changes))


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("int8", {"dtype": "BF16"}, "an array 'int8' of dtype 'BF16'"),
        ("int8", {"dtype": ["I8"]}, "an array 'int8' of dtype"),
        ("int8", {"shape": [2**62, 2**62]}, "has arrays that contradict each other"),
        ("int8", {"shape": [4]}, "has arrays that contradict each other"),
        ("int8", {"shape": [-3]}, "an array 'int8' of no possible shape or place"),
        ("int8", {"shape": [2**63]}, "no possible shape"),
        ("int8", {"shape": 3}, "no possible shape"),
        ("int8", {"shape": [3.0]}, "no possible shape"),
        ("int8", {"shape": [1] * 66}, "contradict each other"),
        ("empty", {"shape": [0, 2**62, 2**62]}, "contradict each other"),
        ("int8", {"data_offsets": [3, 0]}, "contradict each other"),
        ("int8", {"data_offsets": [0, 3]}, "contradict each other"),
        ("int8", {"data_offsets": [0]}, "of no possible shape or place"),
        ("int8", {"data_offsets": [0, 2**62]}, "is cut off: it has"),
        ("int8", {"more": 3}, "an array 'int8' without dtype, shape and offsets"),
        ("uint8", {"dtype": "BOOL"}, None),
    ],
)
def test_arrays_that_lie_are_named(content, name, changes, message):
    header, said, data = take_apart(content)
    header[name] |= changes
    if message is None:
        assert from_bytes(assemble(header, data, said)).arrays["uint8"].dtype == bool
        return
    with pytest.raises(BrokenModelError, match=message):
        from_bytes(assemble(header, data, said))


def test_a_truth_value_is_0_or_1(content):
    header, said, data = take_apart(content)
    start, _ = header["bool"]["data_offsets"]
    lie = data[:start] + b"\7" + data[start + 1 :]
    with pytest.raises(BrokenModelError, match="a truth value is 0 or 1"):
        from_bytes(assemble(header, lie, said))


def test_the_helpers_of_these_tests_are_inverse(content):
    header, said, data = take_apart(content)
    assert from_bytes(assemble(header, data, said)).content == said["content"]
    assert json.loads(header["__metadata__"]["netts"]) == said

"""Whatever a file of weights holds, it is taken or an error of ours, soon, in little memory."""

from __future__ import annotations

import json
import time
import tracemalloc
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netts import Network, layers
from netts.errors import NettsError
from netts.persistence.weight_files import SPARE_BYTES

FILES = Path(__file__).parents[1] / "network" / "from_torch"

MOST_SECONDS = 5
"""Of one file of a few kB, with room for a busy machine: it takes some milliseconds."""

BYTES_PER_BYTE, FEW_BYTES = 200, 16 * 2**20
"""Memory that a file may take besides what an NPZ file may unpack to."""

HUGE = st.sampled_from([2**31, 2**40, 2**62, 2**63 - 1, 2**64, 10**30])
NAMES = st.sampled_from(["0.weight", "", ".", "a." * 50, "9" * 5000 + ".weight", "x" * 9000, "²."])


@cache
def originals() -> tuple[bytes, ...]:
    found = [path.read_bytes() for path in sorted(FILES.iterdir()) if path.suffix != ".py"]
    assert len(found) == 6
    return tuple(found)


@cache
def network() -> Network:
    return Network([layers.Dense(4), layers.BatchNorm(), layers.Dense(4)]).build(4, random_state=0)


def cut_off(draw, content):
    return content[: draw(st.integers(0, len(content)))]


def with_changed_bytes(draw, content):
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 8))):
        if changed:
            changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


shapes = st.lists(st.integers(-1, 5) | HUGE, max_size=6)
declared = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F64", "F16", "BF16", "I64", "BOOL", "F8_E4M3", "", 3]),
        "shape": shapes | st.just([4, 4]) | st.just([0, 2**62, 2**62]),
        "data_offsets": st.lists(st.integers(0, 200) | HUGE, min_size=1, max_size=3),
    }
)


def that_lie(draw, _):
    """A safetensors file whose header says anything about its bytes."""
    said = draw(st.dictionaries(NAMES | st.text(max_size=5), declared, max_size=5))
    header = json.dumps(said).encode()
    data = draw(st.binary(max_size=200))
    length = draw(st.just(len(header)) | st.integers(0, 2**64 - 1))
    return length.to_bytes(8, "little") + header + data


def of_odd_names(draw, _):
    """A whole safetensors file of arrays called anything, of shapes that may fit."""
    names = draw(st.lists(NAMES | st.text(max_size=9), max_size=6, unique=True))
    said, start = {}, 0
    for name in names:
        shape = draw(st.sampled_from([[4, 4], [4], [], [0, 3]]))
        n_bytes = 4 * int(np.prod(shape))
        said[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, start + n_bytes]}
        start += n_bytes
    header = json.dumps(said).encode()
    values = draw(st.sampled_from([b"\0\0\x80\x3f", b"\0\0\xc0\x7f"]))  # 1 or NaN
    return len(header).to_bytes(8, "little") + header + values * (start // 4)


def anything(draw, _):
    beginning = draw(st.sampled_from([b"", b"PK\x03\x04", b"PK", b"\x80\x02", b"\0" * 8 + b"{"]))
    return beginning + draw(st.binary(max_size=200))


WAYS = [cut_off, with_changed_bytes, that_lie, of_odd_names, anything]


@st.composite
def files(draw):
    content = draw(st.sampled_from(originals()))
    return draw(st.sampled_from(WAYS))(draw, content)


def check_loading(path, content):
    path.write_bytes(content)
    before = network().weights()
    tracemalloc.reset_peak()
    taken, start = tracemalloc.get_traced_memory()[0], time.perf_counter()
    message = ""
    try:
        network().load_weights(path)
    except NettsError as error:
        message = str(error)
    assert time.perf_counter() - start < MOST_SECONDS
    n_bytes = tracemalloc.get_traced_memory()[1] - taken
    assert n_bytes < FEW_BYTES + SPARE_BYTES + BYTES_PER_BYTE * len(content)
    assert len(message) < 30_000
    if message:
        for name, array in network().weights().items():
            np.testing.assert_array_equal(array, before[name])


def law(n_examples):
    @settings(max_examples=n_examples, suppress_health_check=list(HealthCheck), deadline=None)
    @given(files())
    def take_whatever_it_is(tmp_path_factory, content):
        tracemalloc.start()
        try:
            check_loading(tmp_path_factory.getbasetemp() / "fuzzed_weights", content)
        finally:
            tracemalloc.stop()

    return take_whatever_it_is


test_any_file_is_taken_or_an_error_of_ours = law(300)
test_ten_thousand_files_are_taken_or_errors_of_ours = pytest.mark.slow(law(10_000))


def test_what_unpacks_to_much_more_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **{"0.weight": np.zeros(2**26, np.float32)})
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    try:
        with pytest.raises(NettsError, match="its arrays take"):
            network().load_weights(path)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_a_pickle_in_an_archive_is_not_run(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False, ")
        archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(NettsError, match="a pickle, which can run any code"):
        network().load_weights(path)

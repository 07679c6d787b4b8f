"""Which BLAS is called: the same one in every process, and either kind computes the same."""

from __future__ import annotations

import ctypes
import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import threadpoolctl
from chosen_plans import by_blas
from processes import run
from programs import assert_same, copied, run_reference

from netts import accelerate, parallel
from netts.compiler import blas_library as module
from netts.compiler import engine, specialise
from netts.compiler.blas_library import ROUTINES, blas_library

NUMPYS = module._numpys_own(module._loaded())
SCIPYS = module.as_scipy_calls_it()

needs_one_of_numpys_own = pytest.mark.skipif(NUMPYS is None, reason="NumPy shares its BLAS here")

LIBRARIES = [
    pytest.param(NUMPYS, marks=needs_one_of_numpys_own, id="NumPy's"),
    pytest.param(SCIPYS, id="SciPy's"),
]


@accelerate
def product(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k, j]
        out[i, j] = total


@accelerate
def added_product(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        for k in range(a.shape[1]):
            out[i, j] += a[i, k] * b[k, j]


# ------------------------------------------------------------ calls


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kernel", [product, added_product], ids=lambda one: one.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_code_calls_either_kind_of_library(library, kernel, dtype, monkeypatch):
    monkeypatch.setattr(specialise, "blas_library", lambda: library)
    for (m, k, n), orders in itertools.product(
        [(7, 5, 3), (1, 9, 4), (40, 30, 20)], itertools.product("CF", repeat=3)
    ):
        shapes = ((m, k), (k, n), (m, n))
        arrays = [
            np.asarray(np.arange(rows * columns).reshape(rows, columns) % 7 - 3, dtype, order)
            for (rows, columns), order in zip(shapes, orders, strict=True)
        ]
        expected, found = copied(tuple(arrays)), copied(tuple(arrays))
        run_reference(kernel, expected)
        with by_blas():  # a kernel of its own, so that nobody else finds what is compiled
            chosen = accelerate(kernel.function).specialise(found)
        called = [
            one.template[position]
            for one in chosen.operations
            for position, word in enumerate(one.program.words)
            if word.kind == "blas"
        ]
        assert called == [library.addresses["sgemm" if dtype == "float32" else "dgemm"]]
        chosen.run(found, threads=2)
        assert_same(expected, found, f"{m} x {k} x {n}, {orders}")


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("routine", ROUTINES)
def test_integers_in_words_of_64_bits_are_read_by_either_kind(library, routine):
    dtype = np.float32 if routine == "sgemm" else np.float64
    a, b = (np.arange(6, dtype=dtype).reshape(shape, order="F") for shape in ((2, 3), (3, 2)))
    out = np.full((2, 2), np.nan, dtype, order="F")
    m = n = np.array(2, np.int64)
    k, one, zero = np.array(3, np.int64), np.ones(1, dtype), np.zeros(1, dtype)
    letter = np.array(b"N")
    arguments = (letter, letter, m, n, k, one, a, m, b, k, zero, out, m)
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(library.addresses[routine])
    function(*(each.ctypes.data for each in arguments))
    assert (out == a @ b).all()


# ------------------------------------------------------------ the choice


@needs_one_of_numpys_own
def test_the_one_that_numpy_brings_is_called():
    found = blas_library()
    assert (found.owner, found.addresses) == ("NumPy", NUMPYS.addresses)
    (controller,) = found.controllers
    assert Path(np.__file__).parent.parent in Path(controller.filepath).parents


def test_without_one_of_numpys_own_it_is_what_scipy_calls(monkeypatch):
    monkeypatch.setattr(module, "_numpys_own", lambda _libraries: None)
    found = blas_library.__wrapped__()
    assert (found.owner, found.addresses) == ("SciPy", SCIPYS.addresses)
    assert found.description == SCIPYS.description


@pytest.mark.parametrize(
    ("path", "is_numpys"),
    [
        ("numpy.libs/libscipy_openblas64_-32a4b2a6.so", True),  # Linux, Windows
        ("numpy/.dylibs/libscipy_openblas64_.dylib", True),  # macOS
        ("scipy.libs/libscipy_openblas-6cdc3b4a.so", False),
        ("scipy_openblas64/lib/libscipy_openblas64_.so", False),
        ("../../libopenblasp-r0.3.30.so", False),  # conda
    ],
)
def test_a_library_is_numpys_own_by_the_folder_that_it_lies_in(path, is_numpys, tmp_path):
    package = SimpleNamespace(__file__=str(tmp_path / "numpy" / "__init__.py"))
    library = SimpleNamespace(filepath=str(tmp_path / path))
    assert module._brought_by(package, [library]) == [library] * is_numpys


def test_a_library_without_the_symbols_is_not_called(monkeypatch):
    monkeypatch.setattr(module, "_brought_by", lambda _package, libraries: libraries)
    other = SimpleNamespace(dynlib=ctypes.pythonapi, filepath="another")
    assert module._numpys_own([other]) is None


@needs_one_of_numpys_own
def test_where_high_bytes_come_first_integers_have_32_bits_and_scipys_is_called(monkeypatch):
    monkeypatch.setattr(sys, "byteorder", "big")
    assert module._numpys_own(module._loaded()) is None


IN_ANOTHER_PROCESS = """\
import sys
import netts
from netts.compiler.blas_library import blas_library
early = blas_library().description
loaded = "scipy.linalg" in sys.modules
import scipy.linalg, sklearn.decomposition
blas_library.cache_clear()
assert blas_library().description == early
print(loaded, early)
"""


def test_every_process_chooses_the_same_whatever_it_has_imported(tmp_path):
    script = tmp_path / "choice.py"
    script.write_text(IN_ANOTHER_PROCESS)
    loaded, description = run(script).strip().split(" ", 1)
    assert description == blas_library().description
    assert loaded == str(NUMPYS is None)  # a fifth of a second, where nothing of it is called


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_described_by_its_owner_and_its_version(library):
    assert library.description.startswith(f"{library.owner}'s")
    for one in library.controllers:
        assert str(one.version) in library.description


# ------------------------------------------------------------ threads


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_library_that_is_called_is_held_to_one_thread_and_no_other(library, monkeypatch):
    every = module._loaded()
    called = {one.filepath for one in library.controllers}
    before = {one.filepath: one.num_threads for one in every}
    monkeypatch.setattr(engine, "blas_library", lambda: library)
    with threadpoolctl.threadpool_limits(2, user_api="blas"), engine.blas_held():
        for one in every:
            assert one.num_threads == (1 if one.filepath in called else 2)
    assert {one.filepath: one.num_threads for one in every} == before

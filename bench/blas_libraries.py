"""NumPy's BLAS beside SciPy's, on one thread: which one generated code should call.

    python -m bench run blas_libraries

Products of small and of middling layers, called from a compiled loop, so that a few nanoseconds
show. And what it costs to cut one in two, by its rows or by its columns. Libraries and cuts take
turns; medians of the rounds.
"""

from __future__ import annotations

import ctypes
import statistics
import time
from dataclasses import dataclass

import numba
import numpy as np
import threadpoolctl

from netts.compiler.blas_library import BlasLibrary, as_scipy_calls_it, blas_library

ROUNDS = 31
ROUND_SECONDS = 4e-3

SIZES = {
    "float32": ((256, 256, 256), (128, 784, 256), (784, 128, 256), (1024, 1024, 1024)),
    "float64": ((256, 256, 256), (200, 784, 100), (200, 64, 100), (112, 100, 3)),
}
SMALL = ((1, 100, 10), (4, 4, 4), (16, 16, 16), (32, 64, 32), (64, 64, 64))
SQUARES = (128, 192, 256, 320, 384, 512)
"""Rows, inner extent, columns."""

FORMS = {"x @ w": "NN", "x.T @ g": "NT", "g @ w.T": "TN"}
"""Products of a layer, and the letters that xGEMM, which goes by columns, is called with."""


@numba.njit
def called(function, times, letters, integers, scalars, addresses):
    """Call xGEMM so many times; a row of addresses for each part: left, right, result."""
    m, word = integers, 8
    for _ in range(times):
        for part in addresses:
            function(
                letters, letters + 1, m, m + word, m + 2 * word, scalars, part[0], m + 3 * word,
                part[1], m + 4 * word, scalars + word, part[2], m + 5 * word,
            )  # fmt: skip


@dataclass(frozen=True)
class Product:
    """A product of matrices stored by rows, whole or in two blocks of "rows" or "columns"."""

    dtype: str
    rows: int
    inner: int
    columns: int
    form: str
    cut: str = "whole"

    @property
    def name(self) -> str:
        return f"{self.dtype} {self.form}, {self.rows} x {self.inner} x {self.columns}"

    def run_by(self, library: BlasLibrary) -> Run:
        """Return what calls a library; its left operand is the right one here."""
        m, n, k = self.columns, self.rows, self.inner
        random, (a, b) = np.random.default_rng(0), FORMS[self.form]
        left, right, out = (
            random.standard_normal(size).astype(self.dtype) for size in (m * k, k * n, m * n)
        )
        leading = (m if a == "N" else k), (k if b == "N" else n), m
        by_columns, by_rows = self.cut == "columns", self.cut == "rows"
        steps = (
            by_columns * (m // 2) * (1 if a == "N" else leading[0]),
            by_rows * (n // 2) * (leading[1] if b == "N" else 1),
            by_columns * (m // 2) + by_rows * (n // 2) * m,
        )
        starts = np.array([one.ctypes.data for one in (left, right, out)])
        blocks = np.arange(1 if self.cut == "whole" else 2)[:, None]
        routine = "sgemm" if self.dtype == "float32" else "dgemm"
        return Run(
            ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(library.addresses[routine]),
            np.frombuffer(f"{a}{b}".encode(), np.uint8),
            np.array([m // (1 + by_columns), n // (1 + by_rows), k, *leading]),
            np.array([[1, 0], [0, 0]], self.dtype).repeat(8 // out.itemsize, axis=1),
            starts + blocks * np.array(steps) * out.itemsize,
            (left, right, out),
        )


@dataclass(frozen=True)
class Run:
    """A product ready to be called."""

    function: object
    letters: np.ndarray
    integers: np.ndarray
    scalars: np.ndarray
    addresses: np.ndarray
    owners: tuple[np.ndarray, ...]

    def seconds(self, times: int) -> float:
        """Run so many times and return the seconds of one."""
        places = (one.ctypes.data for one in (self.letters, self.integers, self.scalars))
        start = time.perf_counter()
        called(self.function, times, *places, self.addresses)
        return (time.perf_counter() - start) / times


def microseconds(runs: list[Run]) -> list[float]:
    """Return the median of each."""
    times = max(1, int(ROUND_SECONDS / max(one.seconds(3) for one in runs)))
    found: list[list[float]] = [[] for _ in runs]
    for round_ in range(ROUNDS):
        for each, run in list(zip(found, runs, strict=True))[:: 1 if round_ % 2 else -1]:
            each.append(run.seconds(times))
    return [statistics.median(one) * 1e6 for one in found]


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def print_libraries(ours: BlasLibrary, theirs: BlasLibrary) -> None:
    """Print the times of each product by each library."""
    print(f"\n{ours.description} beside {theirs.description}; one thread, microseconds.\n")
    print(f"| product | {theirs.owner} | {ours.owner} | ratio |\n|---|---|---|---|")
    for dtype, sizes in SIZES.items():
        for form in FORMS:
            for size in (*sizes, *SMALL):
                product = Product(dtype, *size, form)
                before, after = microseconds([product.run_by(one) for one in (theirs, ours)])
                figures = f"{_figure(before)} | {_figure(after)} | {after / before:.2f}"
                print(f"| {product.name} | {figures} |")


def print_cuts(library: BlasLibrary) -> None:
    """Print what cutting a square product in two costs."""
    cuts = ("whole", "rows", "columns")
    print(f"\nTwo blocks, by {library.description}, microseconds.\n")
    print(f"| product | {' | '.join(cuts)} |\n|{'---|' * 4}")
    for dtype in SIZES:
        for form in FORMS:
            for n in SQUARES:
                products = [Product(dtype, n, n, n, form, cut) for cut in cuts]
                times = microseconds([one.run_by(library) for one in products])
                print(f"| {products[0].name} | {' | '.join(map(_figure, times))} |")


if __name__ == "__main__":
    CALLED, BY_SCIPY = blas_library(), as_scipy_calls_it()  # loaded, so that the limit holds
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        print_libraries(CALLED, BY_SCIPY)
        print_cuts(CALLED)

"""What `test_kernels` times, to be run in a process for each library.

Thread pools of two libraries in one process get in each other's way: those of OpenBLAS and OpenMP
spin for milliseconds after their work is done.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from netts import accelerate, parallel
from netts.compiler.replayed import Replayed
from netts.layers import conv, dense

PRODUCTS = ((32, 64, 32), (128, 784, 256), (256, 256, 256), (512, 512, 512), (1024, 1024, 1024))
"""Rows, inner extent, columns."""

LAYERS = {
    "LeNet conv 1": (1, 6, 28, 5, 2),
    "LeNet conv 2": (6, 16, 14, 5, 0),
    "conv32": (1, 32, 28, 3, 1),
    "conv64": (32, 64, 14, 3, 1),
    "conv128": (64, 128, 7, 3, 1),
}
"""Channels in and out, width of the image and of the kernel, padding."""

BATCH = 32

PASSES = ("forward", "grad_weight", "grad_input")


@accelerate
def product(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k, j]
        out[i, j] = total


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


Run = Callable[[int], object]
"""Run so many times."""


def called(function: Callable[[], object]) -> Run:
    def run(times: int) -> None:
        for _ in range(times):
            function()

    return run


def replayed(kernel, *arguments) -> Run:
    return Replayed(kernel.specialise(arguments), arguments).seconds


def matrix_product(shape: tuple[int, int, int], library: str) -> Run:
    m, k, n = shape
    a, b, out = random(m, k), random(k, n), random(m, n)
    if library == "netts":
        return replayed(product, a, b, out)
    return called(lambda: np.matmul(a, b, out=out))


def dense_layer(shape: tuple[int, int, int], one: str, library: str) -> Run:
    m, k, n = shape
    x, weight, bias, grad = random(m, k), random(k, n), random(n), random(m, n)
    if library == "netts":
        arguments = {
            "forward": (x, weight, bias, random(m, n)),
            "grad_weight": (x, grad, random(k, n)),
            "grad_input": (grad, weight, random(m, k)),
        }
        return replayed(getattr(dense, f"dense_{one}"), *arguments[one])
    output, grad_weight, grad_input = random(m, n), random(k, n), random(m, k)

    def forward() -> None:
        np.matmul(x, weight, out=output)
        np.add(output, bias, out=output)

    runs = {
        "forward": forward,
        "grad_weight": lambda: np.matmul(x.T, grad, out=grad_weight),
        "grad_input": lambda: np.matmul(grad, weight.T, out=grad_input),
    }
    return called(runs[one])


def convolution(layer: str, one: str, library: str) -> Run:
    channels, units, width, size, padding = LAYERS[layer]
    out_width = width + 2 * padding - size + 1
    x, weight = random(BATCH, channels, width, width), random(units, channels, size, size)
    bias, grad = random(units), random(BATCH, units, out_width, out_width)
    if library == "PyTorch":
        return in_torch(one, x, weight, bias, grad, padding)
    stride_1, padded, dilation_1 = (1, 1), (padding, padding), (1, 1)
    grouped_x, grouped_grad = x[:, None], grad[:, None]
    results = {
        "forward": np.zeros_like(grouped_grad),
        "grad_weight": np.zeros_like(weight[None]),
        "grad_input": np.zeros_like(grouped_x),
    }
    operands = {
        "forward": (grouped_x, weight[None], bias[None]),
        "grad_weight": (grouped_x, grouped_grad),
        "grad_input": (grouped_grad, weight[None]),
    }
    kernel = getattr(conv, f"conv2d_{one}")
    return replayed(kernel, *operands[one], results[one], *stride_1, *padded, *dilation_1)


def in_torch(one: str, x, weight, bias, grad, padding: int) -> Run:
    import torch

    tx, tw, tb, tg = map(torch.from_numpy, (x, weight, bias, grad))
    wanted = [one == "grad_input", one == "grad_weight", False]

    def backward() -> object:
        return torch.ops.aten.convolution_backward(
            tg, tx, tw, [len(weight)], [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1, wanted
        )

    def forward() -> object:
        with torch.no_grad():
            return torch.nn.functional.conv2d(tx, tw, tb, padding=padding)

    return called(forward if one == "forward" else backward)


@dataclass(frozen=True)
class Case:
    """What is timed beside which library; `run_in` returns what runs it in netts or in that."""

    peer: str
    run_in: Callable[[str], Run]


CASES = {
    **{
        f"{m} x {k} times {k} x {n}": Case("NumPy", partial(matrix_product, (m, k, n)))
        for m, k, n in PRODUCTS
    },
    **{
        f"dense {k}-{n}, batch {m}, {one}": Case("NumPy", partial(dense_layer, (m, k, n), one))
        for m, k, n in PRODUCTS
        for one in PASSES
    },
    **{
        f"{layer}, {one}": Case("PyTorch", partial(convolution, layer, one))
        for layer in LAYERS
        for one in PASSES
    },
}
"""A product, the three of a dense layer, and the three of a convolution, each at five shapes."""


@functools.cache
def run_of(case: str, library: str) -> Run:
    """Return what runs one of `CASES`."""
    return CASES[case].run_in(library)


def run(case: str, library: str, times: int) -> None:
    run_of(case, library)(times)


def repetitions(case: str, library: str, seconds: float) -> int:
    """Return how many runs take about so long, having warmed up."""
    runs = run_of(case, library)
    runs(2)
    start = time.perf_counter()
    runs(3)
    return max(1, int(seconds / (time.perf_counter() - start) * 3))

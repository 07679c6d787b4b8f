"""Naive loops that become matrix products, beside NumPy (dense) and PyTorch (convolutions).

    pytest bench/test_contractions.py -m bench --benchmark-json=contractions.json
    python bench/summarise.py contractions.json

float32. Rounds of the libraries alternate. A round is so many calls that it lasts a few hundredths
of a second: netts replays them as a plan does, the others are called from Python. Each library
uses as many threads as it takes by itself.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import convolutions
import numpy as np
import pytest
from replays import Replayed

from netts import accelerate, parallel

ROUNDS = 9
ROUND_SECONDS = 0.05

PRODUCTS = ((32, 64, 32), (128, 784, 256), (256, 256, 256), (512, 512, 512), (1024, 1024, 1024))
"""Rows, inner extent, columns."""

LAYERS = {
    "LeNet conv 1": (1, 6, 28, 5, 2),
    "LeNet conv 2": (6, 16, 14, 5, 0),
    "conv32": (1, 32, 28, 3, 1),
    "conv64": (32, 64, 14, 3, 1),
}
"""Channels in and out, width of the image and of the kernel, padding."""

BATCH = 32
ONES = ("forward", "grad_weight", "grad_input")

pytestmark = pytest.mark.bench


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


@functools.cache
def dense(shape: tuple[int, int, int]) -> dict[str, Run]:
    m, k, n = shape
    a, b, out = random(m, k), random(k, n), random(m, n)
    return {
        "netts": replayed(product, a, b, out),
        "NumPy": called(lambda: np.matmul(a, b, out=out)),
    }


@functools.cache
def convolution(layer: str, one: str) -> dict[str, Run]:
    import torch

    channels, units, width, size, padding = LAYERS[layer]
    out_width = width + 2 * padding - size + 1
    x, weight = random(BATCH, channels, width, width), random(units, channels, size, size)
    bias, grad = random(units), random(BATCH, units, out_width, out_width)
    tx, tw, tb, tg = map(torch.from_numpy, (x, weight, bias, grad))
    settings = (1, padding, 1)
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
    kernel = getattr(convolutions, one)
    wanted = [one == "grad_input", one == "grad_weight", False]

    def backward() -> object:
        return torch.ops.aten.convolution_backward(
            tg, tx, tw, [units], [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1, wanted
        )

    def forward() -> object:
        with torch.no_grad():
            return torch.nn.functional.conv2d(tx, tw, tb, padding=padding)

    return {
        "netts": replayed(kernel, *operands[one], results[one], *settings),
        "PyTorch": called(forward if one == "forward" else backward),
    }


def measure(benchmark, case: str, library: str, run: Run) -> None:
    time.sleep(0.01)  # the threads of the other library go to sleep
    run(2)
    start = time.perf_counter()
    run(3)
    times = max(1, int(ROUND_SECONDS / (time.perf_counter() - start) * 3))
    benchmark.extra_info.update(case=case, library=library, steps=times)
    benchmark.pedantic(run, args=(times,), rounds=1, iterations=1)


@pytest.mark.parametrize("library", ["netts", "NumPy"])
@pytest.mark.parametrize("shape", PRODUCTS, ids=str)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_product(benchmark, shape, library, round_):
    m, k, n = shape
    measure(benchmark, f"{m} x {k} times {k} x {n}", library, dense(shape)[library])


@pytest.mark.parametrize("library", ["netts", "PyTorch"])
@pytest.mark.parametrize("one", ONES)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_convolution(benchmark, layer, one, library, round_):
    measure(benchmark, f"{layer}, {one}", library, convolution(layer, one)[library])

"""Kernels that need more of a GPU than it has: fewer threads, fewer registers, or a clear error.

Compiling needs numba-cuda and NVIDIA's compiler libraries, but no GPU.
"""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
from programs import HEADER

from netts.compiler.cuda.program import SHARED_BYTES
from netts.compiler.cuda.specialise import specialise
from netts.devices.cuda import KernelCode, compile_kernel
from netts.errors import DeviceError


def summing(directory, count: int):
    """Return a kernel that sums up `count` multiples of its array, over all of it."""
    names = [f"s{k}" for k in range(count)]
    lines = [
        "@accelerate", "def summed(x, out):",
        *(f"    {name} = 0.0" for name in names),
        "    for i in parallel(x.shape[0]):",
        *(f"        {name} += {k + 1} * x[i]" for k, name in enumerate(names)),
        *(f"    out[{k}] = {name}" for k, name in enumerate(names)),
    ]  # fmt: skip
    path = directory / f"summing_{count}.py"
    path.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.summed


@pytest.mark.parametrize(
    ("count", "dtype", "threads"),
    [(24, np.float64, 256), (25, np.float64, 128), (49, np.float64, 64), (48, np.float32, 256)],
)
def test_a_block_that_shares_too_much_has_fewer_threads(count, dtype, threads, tmp_path):
    kernel = summing(tmp_path, count)
    arguments = np.ones(1000, dtype), np.zeros(count, dtype)
    operations = kernel.specialised(arguments, specialise).operations
    assert max(one.threads for one in operations) == threads
    assert max(one.program.shared_bytes for one in operations) <= SHARED_BYTES
    if threads < 256:
        code = max(operations, key=lambda one: one.program.shared_bytes).code
        pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
        assert compile_kernel(code, (9, 0)).cubin


@pytest.mark.slow
def test_one_that_shares_too_much_in_a_warp_is_refused_by_name(tmp_path):
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
    kernel = summing(tmp_path, 200)
    arguments = np.ones(1000), np.zeros(200)
    operation = kernel.specialised(arguments, specialise).operations[0]
    message = (
        r"kernel '.*summed.*' cannot be compiled for compute capability 9\.0 by .*: a block needs "
        r"[\d,]+ bytes of shared memory and has 49,152"
    )
    with pytest.raises(DeviceError, match=message):
        compile_kernel(operation.code, (9, 0))


PLAIN = KernelCode(
    "def entry(x):\n"
    "    i = cuda.grid(1)\n"
    "    a = x[i] * float32(2)\n"
    "    x[i] = math.sin(a) * math.cos(a)\n",
    ("*float32",), "doubled",
)  # fmt: skip


@pytest.mark.parametrize("capability", [(5, 0), (9, 9), (30, 0)])
def test_a_gpu_that_the_packages_do_not_know_is_named(capability):
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
    major, minor = capability
    message = (
        rf"kernel 'doubled' cannot be compiled for compute capability {major}\.{minor} by numba "
        r".*nvjitlink .*: they do not know such a GPU \((?s:.*)\)\. A newer one needs newer pack"
    )
    with pytest.raises(DeviceError, match=message):
        compile_kernel(PLAIN, capability)


def test_other_errors_of_the_compiler_name_the_kernel():
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
    wrong = KernelCode("def entry(x):\n    x.no_such_thing()\n", ("*float32",), "wrong")
    with pytest.raises(DeviceError, match=r"kernel 'wrong' cannot be compiled .* by numba"):
        compile_kernel(wrong, (9, 0))


def test_a_limit_of_registers_is_kept():
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
    free, limited = (compile_kernel(PLAIN, (9, 0), most) for most in (None, 16))
    assert free.cubin != limited.cubin
    assert (free.types, free.title) == (limited.types, limited.title) == (("*float32",), "doubled")

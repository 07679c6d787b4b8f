"""Every kernel of netts compiles for NVIDIA's GPUs, and does what its dtype costs and no more.

Compiling needs numba-cuda and NVIDIA's compiler libraries, but no GPU.
"""

from __future__ import annotations

import dataclasses
import functools
import re

import numpy as np
import pytest
from netts_kernels import calls
from programs import HEADER, Program

from netts.compiler.cuda.cost import ProductRule
from netts.compiler.cuda.program import GEOMETRY
from netts.compiler.cuda.specialise import CudaOperation, specialise
from netts.compiler.scalars import ELEMENT_TYPES, ROWS, VECTORISED
from netts.devices.cuda import KernelCode, compile_kernel, compile_ptx
from netts.losses.quantities import copy_values
from netts.network.kernels import take_rows

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: extra cuda12 or cuda13")

AMPERE, HOPPER = (8, 0), (9, 0)
LOOPS = ProductRule(missing="these are tests of loops")
PRODUCTS = ProductRule(least_multiply_adds=0, least_side=1)
SHORT_ROWS = dataclasses.replace(GEOMETRY, long_row=1, part_terms=1, busy_threads=8, neighbours=2)


def share_rows(bound):
    """Lower with every loop shared by blocks that can be, as if it were long."""
    return specialise(bound, SHORT_ROWS, LOOPS)


def multiply(bound):
    """Lower with every sum of products done by cuBLAS: packing, and the rest of nests."""
    return specialise(bound, GEOMETRY, PRODUCTS)


def multiply_and_share_rows(bound):
    """The same with loops of the rest shared by blocks."""
    return specialise(bound, SHORT_ROWS, PRODUCTS)


@functools.cache
def codes(dtype: type) -> dict[KernelCode, str]:
    """Return what is generated for all kernels in a dtype, with a label."""
    return {
        operation.code: f"{operation.label}-{operation.program.unit}-{number}"
        for call in calls(dtype)
        for make in (specialise, share_rows, multiply, multiply_and_share_rows)
        for number, operation in enumerate(call.kernel.specialised(call.arguments, make).operations)
        if isinstance(operation, CudaOperation)
    }


def cases(dtype: type):
    return [pytest.param(code, id=label) for code, label in codes(dtype).items()]


@pytest.mark.parametrize("target", [np.float32, np.float64])
@pytest.mark.parametrize("source", ELEMENT_TYPES, ids=str)
def test_samples_of_every_dtype_are_converted_on_the_device(source, target):
    X, rows, taken = np.zeros((9, 3), source)[::2], np.arange(4), np.zeros((4, 3), target)
    for kernel, arguments in ((copy_values, (X[:4], taken)), (take_rows, (X, rows, taken))):
        for operation in kernel.specialise_cuda(arguments).operations:
            assert ".target sm_90" in compile_ptx(operation.code, HOPPER)


REDUCED_IN_FLOAT64 = {"cos", "sin", "tan"}
"""CUDA's library takes large arguments modulo pi / 2 in float64."""


@pytest.mark.parametrize("code", cases(np.float32))
def test_float32_kernels_have_no_float64_instruction(code):
    for capability in (AMPERE, HOPPER):
        ptx = compile_ptx(code, capability)
        assert f".target sm_{capability[0]}{capability[1]}" in ptx
        if not any(f"math.{name}(" in code.text for name in REDUCED_IN_FLOAT64):
            assert ".f64" not in ptx
        assert "tanh.approx" not in ptx
        assert not re.search(r"div\.(approx|full)", ptx)
        assert "sqrt.approx" not in ptx
        # Indices of arrays this small are 32 bits wide, but for those that data decide.
        if "math.floor(" not in code.text:
            assert not re.search(r"(div|rem)\.[su]64", ptx)


@pytest.mark.slow
@pytest.mark.parametrize("capability", [AMPERE, HOPPER], ids=str)
@pytest.mark.parametrize("code", cases(np.float64))
def test_float64_kernels_compile(code, capability):
    assert ".visible .entry" in compile_ptx(code, capability)


def test_a_kernel_is_linked_to_machine_code():
    code = next(iter(codes(np.float32)))
    image = compile_kernel(code, HOPPER)
    assert image.cubin[:4] == b"\x7fELF"
    assert image.name.encode() in image.cubin
    assert image.types == code.types


# ---------------------------------------------------------------- every operator and function

FORMS = {
    "add": "{x} + {y}", "sub": "{x} - {y}", "mul": "{x} * {y}", "truediv": "{x} / {y}",
    "floordiv": "{x} // {y}", "mod": "{x} % {y}", "pow": "{x} ** {y}", "square": "{x} ** 2",
    "cube": "{x} ** 3", "neg": "-{x}", "abs": "abs({x})", "min": "min({x}, {y})",
    "max": "max({x}, {y})", "lt": "{x} < {y}", "le": "{x} <= {y}", "gt": "{x} > {y}",
    "ge": "{x} >= {y}", "eq": "{x} == {y}", "ne": "{x} != {y}", "and": "{x} < {y} and {x} < 2",
    "or": "{x} < {y} or {x} < 2", "not": "not ({x} < {y})", "select": "{x} if {x} < {y} else {y}",
    "bitand": "{n} & {m}", "bitor": "{n} | {m}", "bitxor": "{n} ^ {m}", "invert": "~{n}",
    "lshift": "{n} << {m}", "rshift": "{n} >> {m}", "int": "int({x})", "float": "float({x})",
    "bool": "bool({x})", "atan2": "math.atan2({x}, {y})", "hypot": "math.hypot({x}, {y})",
    "copysign": "math.copysign({x}, {y})", "fmod": "math.fmod({x}, {y})",
}  # fmt: skip
"""How a kernel writes each row of the table that is no function of one number."""

KERNEL = """\
from netts.compiler import functions

@accelerate
def kernel(x, y, n, m, out):
    for i in parallel(out.shape[0]):
        value = {form}
        out[i] = value
"""


@pytest.mark.parametrize("name", ROWS)
def test_every_operator_and_function_compiles(name, tmp_path):
    module = "functions" if name in VECTORISED else "math"
    form = FORMS.get(name, f"{module}.{name}({{x}})")
    form = form.format(x="x[i]", y="y[i]", n="n[i]", m="m[i]")
    kernel = Program(HEADER + KERNEL.format(form=form), ()).load(tmp_path).kernel
    x, y, out = np.ones((3, 2), np.float32)
    n, m = np.ones((2, 2), np.int64)
    (operation,) = kernel.specialise_cuda((x, y, n, m, out)).operations
    ptx = compile_ptx(operation.code, HOPPER)
    assert (".f64" in ptx) == (name in REDUCED_IN_FLOAT64)

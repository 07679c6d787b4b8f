"""What is chosen by size, chosen otherwise: small programs take the ways of large ones too."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from unittest.mock import patch

from netts.compiler import cost, cpu, interchange
from netts.compiler.cuda import products
from netts.compiler.cuda.product_plan import ProductPlan
from netts.compiler.plan import Plan


@contextlib.contextmanager
def by_blas(number: int | None = None) -> Iterator[None]:
    """Let BLAS do every contraction; a number picks one of the plans, the same in every run."""

    def picked(plan: Plan) -> int:
        parts = (
            plan.hoisted, plan.split, plan.repeated, plan.rows, plan.columns, plan.inner,
            plan.left.size, plan.right.size, plan.is_direct,
        )  # fmt: skip
        return zlib.crc32(repr((number, parts)).encode())

    with patch.object(cost, "is_direct_faster", lambda _plan: False):
        if number is None:
            yield
        else:
            with patch.object(cost, "rank", picked):
                yield


@contextlib.contextmanager
def any_gpu_plan(number: int | None) -> Iterator[None]:
    """Let a number pick one of the plans of a GPU, the same in every run."""

    def picked(plan: ProductPlan) -> int:
        parts = (
            plan.calls, plan.batch, plan.rows, plan.columns, plan.inner, plan.left.size,
            plan.right.size, plan.is_direct, plan.parts,
        )  # fmt: skip
        return zlib.crc32(repr((number, parts)).encode())

    if number is None:
        yield
    else:
        with patch.object(products, "_rank", picked):
            yield


@contextlib.contextmanager
def in_parts() -> Iterator[None]:
    """Let sums be divided, on a GPU, into as many parts as they can."""
    with patch.object(products, "_rank", lambda plan: (-plan.parts, plan.scratch_bytes)):
        yield


@contextlib.contextmanager
def as_if_large() -> Iterator[None]:
    """Let reductions be divided into blocks, and sums down columns be exchanged, of any size."""
    with patch.object(cpu, "BLOCK_ITERATIONS", 2), patch.object(interchange, "SMALL", 0):
        yield


@contextlib.contextmanager
def any_choice(seed: int) -> Iterator[None]:
    """Choose plan and size by a seed: one in 16 and one in two as it would be."""
    with by_blas(seed % 16 or None), as_if_large() if seed & 16 else contextlib.nullcontext():
        yield

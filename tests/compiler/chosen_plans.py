"""Contractions done by BLAS whatever their size, by the best plan or by any of the plans."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from unittest.mock import patch

from netts.compiler import cost
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

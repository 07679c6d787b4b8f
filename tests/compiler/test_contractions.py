"""Which nests are matrix products, for every order of subscripts and every layout of memory."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from generated_code import specialised_uncompiled
from programs import HEADER, LAYOUTS, Program, assert_same, copied, laid_out, run_reference

from netts.compiler.contraction import Contraction

ROWS, INNER, COLUMNS = 4, 3, 5


def program(left: str, right: str, out: str, axes: str, body: str = "{out} = total") -> str:
    extents = {"i": "row.shape[0]", "j": "column.shape[0]"}
    result = f"out[{', '.join(out)}]"
    return "\n".join(
        [
            HEADER,
            "@accelerate",
            "def kernel(left, right, out, row, column):",
            f"    for {axes[0]}, {axes[1]} in parallel({extents[axes[0]]}, {extents[axes[1]]}):",
            "        total = column[j]",
            f"        for k in range(left.shape[{left.index('k')}]):",
            f"            total += left[{', '.join(left)}] * right[{', '.join(right)}]",
            f"        {body.format(out=result)}",
            "",
        ]
    )


def matrix(subscripts: str, layout: str, dtype: str = "float32") -> np.ndarray:
    extents = {"i": ROWS, "j": COLUMNS, "k": INNER}
    array = laid_out(tuple(extents[one] for one in subscripts), dtype, layout)
    array[...] = np.arange(array.size).reshape(array.shape) % 7 - 3
    return array


def arguments(left: str, right: str, out: str, layouts: tuple[str, ...]) -> tuple[Any, ...]:
    matrices = [matrix(*one) for one in zip((left, right, out), layouts, strict=True)]
    return (*matrices, np.arange(4, dtype=np.float32), np.arange(5, dtype=np.float32))


FORMS = list(itertools.product(("ik", "ki"), ("kj", "jk"), ("ij", "ji"), ("ij", "ji")))


@pytest.mark.parametrize("form", FORMS, ids="-".join)
def test_every_transposition_and_layout_of_a_product_is_one(form, tmp_path):
    kernel = Program(program(*form), ()).load(tmp_path).kernel
    for layouts in itertools.product(LAYOUTS, repeat=3):
        given = arguments(*form[:3], layouts)
        expected, found = copied(given), copied(given)
        run_reference(kernel, expected)
        chosen = specialised_uncompiled(kernel, found)
        (reason,) = chosen.specialisation.reasons.values()
        has_matrices = all(one in ("C", "F", "padded") for one in layouts)
        assert isinstance(reason, Contraction) == has_matrices, (layouts, reason)
        chosen.run(found, parts=3)
        assert_same(expected, found, str(layouts))


@pytest.mark.parametrize("form", FORMS[::2], ids="-".join)
def test_blas_computes_every_transposition(form, tmp_path):
    kernel = Program(program(*form), ()).load(tmp_path).kernel
    for layouts in (("C", "padded", "F"), ("F", "C", "padded")):
        given = arguments(*form[:3], layouts)
        expected = copied(given)
        run_reference(kernel, expected)
        for threads in (1, 3):
            found = copied(given)
            kernel.specialise(found).run(found, threads=threads)
            assert_same(expected, found, f"{layouts}, {threads} parts")


@pytest.mark.parametrize(
    ("fact", "body", "reason"),
    [
        (
            "a jump",
            "if total > 0:\n            continue\n        {out} = total",
            "a jump leaves out",
        ),
        (
            "a store under a condition",
            "if total > 0:\n            {out} = total",
            "not stored once",
        ),
        ("two stores", "{out} = total\n        {out} = total + 1", "not stored once"),
        ("the old result", "{out} = total + {out}", "out is read in the nest too"),
        ("a changed sum that is added", "{out} += 2 * total", "changed before it is added"),
    ],
)
def test_what_only_looks_like_a_product_is_none(fact, body, reason, tmp_path):
    kernel = Program(program("ik", "kj", "ij", "ij", body), ()).load(tmp_path).kernel
    given = arguments("ik", "kj", "ij", ("C", "C", "C"))
    expected, found = copied(given), copied(given)
    run_reference(kernel, expected)
    chosen = specialised_uncompiled(kernel, found)
    assert reason in chosen.specialisation.reasons[0]
    chosen.run(found, parts=2)
    assert_same(expected, found, fact)


def test_operands_of_another_dtype_are_not_multiplied_by_blas(tmp_path):
    kernel = Program(program("ik", "kj", "ij", "ij"), ()).load(tmp_path).kernel
    left, right, *rest = arguments("ik", "kj", "ij", ("C", "C", "C"))
    chosen = specialised_uncompiled(kernel, (left.astype(np.int64), right, *rest))
    assert chosen.specialisation.reasons[0] == "the matrices are not of one floating dtype"


def test_a_result_that_is_an_operand_is_not_multiplied_by_blas(tmp_path):
    text = program("ik", "kj", "ij", "ij").replace("column[j]", "0.0")
    kernel = Program(text, ()).load(tmp_path).kernel
    row, column = np.zeros(3, np.float32), np.zeros(3, np.float32)
    square = np.ones((3, 3), np.float32)
    with pytest.raises(ValueError, match="are the same array, and then iterations"):
        specialised_uncompiled(kernel, (square, square.copy(), square, row, column))
    chosen = specialised_uncompiled(kernel, (square, square, square.copy(), row, column))
    assert isinstance(chosen.specialisation.reasons[0], Contraction)

"""Which nests are matrix products, for every order of subscripts and every layout of memory."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from chosen_plans import by_blas
from contracted_kernels import FORMS as KERNELS
from contracted_kernels import cases
from generated_code import specialised_uncompiled
from programs import HEADER, LAYOUTS, Program, assert_same, copied, laid_out, run_reference

from netts.compiler import in_place
from netts.compiler.plan import Plan, plans
from netts.layers import dense

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
        with by_blas():
            chosen = specialised_uncompiled(kernel, found)
        (plan,) = chosen.specialisation.reasons.values()
        assert isinstance(plan, Plan), plan
        packed = [bool(one.size) for one in (plan.left, plan.right)]
        in_place = [layout in ("C", "F", "padded") for layout in layouts]
        by_name = dict(zip(("left", "right"), in_place, strict=False))
        names = [one.operand.factors[0].array for one in (plan.left, plan.right)]
        assert packed == [not by_name[name] for name in names]
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
            with by_blas():
                kernel.specialise(found).run(found, threads=threads)
            assert_same(expected, found, f"{layouts}, {threads} parts")


SIDES = {dense.dense_forward: "ij", dense.dense_grad_weight: "kj", dense.dense_grad_input: "ik"}
"""The rows and columns of the three products of a dense layer."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", SIDES, ids=lambda one: one.__name__)
@pytest.mark.parametrize(("batch", "units"), [(64, 64), (64, 65), (65, 64)])
def test_the_longer_side_is_cut_and_of_equal_ones_that_whose_operand_is_packed_dearly(
    kernel, dtype, batch, units
):
    x, weight, grad = (np.ones(one, dtype) for one in ((batch, 64), (64, units), (batch, units)))
    given = {
        dense.dense_forward: (x, weight, np.ones(units, dtype), grad),
        dense.dense_grad_weight: (x, grad, weight),
        dense.dense_grad_input: (grad, weight, x),
    }[kernel]
    with by_blas():
        chosen = specialised_uncompiled(kernel, given)
    (plan,) = chosen.specialisation.reasons.values()
    cut = {one.split.index for one in plans(plan.frame) if one.split and not one.hoisted}
    rows, columns = SIDES[kernel]
    counts = {one: plan.frame.extents[one].count for one in (rows, columns)}
    if counts[rows] != counts[columns]:
        assert cut == {max(counts, key=counts.get)}
    elif kernel is dense.dense_grad_input and dtype == "float32":
        assert columns in cut  # rows too, of products that go into scratch
    else:
        assert cut == {rows}


def layer(dtype: str, batch: int, inputs: int, units: int) -> dict[Any, tuple[np.ndarray, ...]]:
    """Return arguments of the products of a dense layer, of whole numbers."""
    x, weight, bias, grad = (
        integers(shape).astype(dtype)
        for shape in ((batch, inputs), (inputs, units), (units,), (batch, units))
    )
    return {
        dense.dense_forward: (x, weight, bias, np.zeros_like(grad)),
        dense.dense_grad_weight: (x, grad, np.zeros_like(weight)),
        dense.dense_grad_input: (grad, weight, np.zeros_like(x)),
    }


def plan_of(kernel: Any, given: tuple[np.ndarray, ...], parts: int = 1) -> Plan:
    """Run a product by the plan that is chosen, compare it with the reference, return the plan."""
    expected, found = copied(given), copied(given)
    run_reference(kernel, expected)
    chosen = specialised_uncompiled(kernel, found)
    (plan,) = chosen.specialisation.reasons.values()
    assert isinstance(plan, Plan), plan
    chosen.run(found, parts=parts)
    assert_same(expected, found, str(plan))
    return plan


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("batch", "inputs", "units", "turned"),
    [
        (64, 10, 5, "right"),
        (16, 40, 30, "left"),
        (5, 20, 50, ""),
        (64, 4, 200, ""),
        (12, 4, 20, ""),
    ],
)
def test_the_smaller_operand_along_the_sum_is_turned_where_that_pays(
    dtype, batch, inputs, units, turned
):
    with by_blas():
        plans = {
            one: plan_of(one, given) for one, given in layer(dtype, batch, inputs, units).items()
        }
    found = {
        one: " ".join(name for name in ("left", "right") if getattr(plan, name).is_turned)
        for one, plan in plans.items()
    }
    assert found == dict.fromkeys(plans, "") | {dense.dense_grad_input: turned}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_are_cut_below_the_size_from_which_blas_packs(dtype):
    for given in (layer(dtype, 160, 64, 100), layer(dtype, 150, 64, 100)):
        for kernel, arguments in given.items():
            plan = plan_of(kernel, arguments, parts=2)
            size = math.prod(plan.counted(one) for one in (*plan.rows, *plan.columns, *plan.inner))
            assert size <= in_place.UNPACKED
            assert plan.units == (2 if len(arguments[0]) == 160 else 1)


# ---------------------------------------------------------------- every form


def integers(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(-3, 4, shape)


def reals(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(-1, 1, shape)


@pytest.mark.parametrize(("name", "shapes"), list(cases()), ids=str)
def test_every_plan_for_a_form_agrees_with_the_reference(name, shapes):
    form = KERNELS[name]
    for number, (dtype, layouts) in enumerate(
        itertools.product(("float32", "float64"), (("C",), ("F", "padded"), ("reversed", "C")))
    ):
        given = form.arguments(shapes, dtype, layouts, integers)
        expected = copied(given)
        run_reference(form.kernel, expected)
        for choice in (None, number, number + 6, number + 12):
            found = copied(given)
            with by_blas(choice):
                chosen = specialised_uncompiled(form.kernel, found)
            (plan,) = chosen.specialisation.reasons.values()
            empty = any(0 in shape for shape in shapes)
            assert isinstance(plan, Plan) or (empty and plan == "there is nothing to multiply")
            chosen.run(found, parts=choice or 1)
            assert_same(expected, found, f"{plan}, choice {choice}")


@pytest.mark.parametrize("name", KERNELS)
def test_a_form_has_the_same_bits_in_any_number_of_threads(name):
    form = KERNELS[name]
    dtype = "float32" if len(name) % 2 else "float64"
    given = form.arguments(form.shapes[0], dtype, ("C",), reals)
    exact = tuple(
        one.astype(np.float64) if isinstance(one, np.ndarray) else one for one in copied(given)
    )
    run_reference(form.kernel, exact)
    results = []
    for threads in (1, 2, 3):
        found = copied(given)
        with by_blas():
            form.kernel.specialise(found).run(found, threads=threads)
        results.append(found)
        for position, one in enumerate(found):
            if isinstance(one, np.ndarray):
                tolerance = 100 * np.finfo(dtype).eps
                np.testing.assert_allclose(one, exact[position], rtol=tolerance, atol=tolerance)
    for other in results[1:]:
        assert_same(results[0], other, "bits by threads")


def test_rows_of_a_large_product_do_not_depend_on_the_number_of_threads():
    kernel = KERNELS["summed_into_a_local"].kernel
    for n, k, m in ((33, 17, 129), (257, 64, 130)):
        a, b = reals((n, k)), reals((k, m))
        results = []
        for threads in (1, 2, 3, 5):
            out = np.zeros((n, m))
            with by_blas():
                kernel.specialise((a, b, out)).run((a, b, out), threads=threads)
            results.append(out)
        for other in results[1:]:
            np.testing.assert_array_equal(results[0], other)


# ---------------------------------------------------------------- what is left alone

NEARLY = {
    "a max instead of a sum": (
        "total = max(total, a[i, k] * b[k, j])", "does not add one product"
    ),
    "an index from data": (
        "total += a[i, index[k]] * b[k, j]", "a[i, index[k]] depend on data"
    ),
    "a factor of all indices": (
        "total += a[i, k] * b[k, j] * c[i, k, j]", None
    ),
    "one factor": ("total += a[i, k]", "no product of two factors"),
    "a sum of elements": ("total += a[i, k] + b[k, j]", "no product of two factors"),
    "the sum itself": ("total += total * a[i, k] * b[k, j]", "depends on total itself"),
    "what the nest writes": (
        "total += out[i, k % 1] * b[k, j] if k < 0 else a[i, k] * b[k, j]", None
    ),
    "a condition over all indices": (
        "if i + j > k:\n                total += a[i, k] * b[k, j]",
        "do not make two operands",
    ),
    "something beside the sum": (
        "total += a[i, k] * b[k, j]\n            total = min(total, 9.0)", "beside the sum"
    ),
    "a varying divisor": ("total += a[i, k] * b[k, j] / c[0, k, 0]", "divided by"),
}  # fmt: skip


@pytest.mark.parametrize("fact", NEARLY)
def test_what_only_looks_like_a_product_is_left_alone_and_right(fact, tmp_path):
    body, reason = NEARLY[fact]
    text = "\n".join(
        [
            HEADER, "@accelerate", "def kernel(a, b, c, index, out):",
            "    for i, j in parallel(out.shape[0], out.shape[1]):",
            "        total = 0.0",
            "        for k in range(a.shape[1]):",
            f"            {body}",
            "        out[i, j] = total", "",
        ]
    )  # fmt: skip
    try:
        kernel = Program(text, ()).load(tmp_path).kernel
    except ValueError:
        return  # refused altogether
    given = (
        integers((4, 3)).astype("f"), integers((3, 5)).astype("f"),
        np.full((4, 3, 5), 2, np.float32), np.array([2, 0, 1]), np.zeros((4, 5), np.float32),
    )  # fmt: skip
    expected, found = copied(given), copied(given)
    run_reference(kernel, expected)
    with by_blas():
        chosen = specialised_uncompiled(kernel, found)
    if reason is not None:
        assert reason in str(chosen.specialisation.reasons[0])
    chosen.run(found, parts=2)
    assert_same(expected, found, fact)


def test_operands_of_another_dtype_are_not_multiplied_by_blas(tmp_path):
    kernel = Program(program("ik", "kj", "ij", "ij"), ()).load(tmp_path).kernel
    left, right, *rest = arguments("ik", "kj", "ij", ("C", "C", "C"))
    integers = left.astype(np.int64), right.astype(np.int64), *rest
    chosen = specialised_uncompiled(kernel, integers)
    assert "floating dtype" in chosen.specialisation.reasons[0]


def test_a_result_that_is_an_operand_is_not_multiplied_by_blas(tmp_path):
    text = program("ik", "kj", "ij", "ij").replace("column[j]", "0.0")
    kernel = Program(text, ()).load(tmp_path).kernel
    row, column = np.zeros(3, np.float32), np.zeros(3, np.float32)
    square = np.ones((3, 3), np.float32)
    with pytest.raises(ValueError, match="are the same array, and then iterations"):
        specialised_uncompiled(kernel, (square, square.copy(), square, row, column))
    with by_blas():
        chosen = specialised_uncompiled(kernel, (square, square, square.copy(), row, column))
    assert isinstance(chosen.specialisation.reasons[0], Plan)


def test_the_direct_loops_are_taken_where_they_are_faster():
    kernel = KERNELS["summed_into_a_local"].kernel
    for size, is_product in ((2, False), (64, True)):
        square = np.ones((size, size), np.float32)
        reason = specialised_uncompiled(kernel, (square, square, square.copy())).specialisation
        assert isinstance(reason.reasons[0], Plan) == is_product
    assert "no contraction: loops are faster here" in _explained(kernel, 2)


def _explained(kernel: Any, size: int) -> str:
    square = np.ones((size, size), np.float32)
    chosen = specialised_uncompiled(kernel, (square, square, square.copy()))
    chosen.kernel.last = chosen.specialisation
    return chosen.kernel.explain()

"""Random programs: the interpreter, one part and several parts agree, on exact data bit for bit.

The generated code is run as Python too, which is cheap and sees every stray address, so most
programs are not compiled. Where a subscript leaves its array, every way of running raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chosen_plans import by_blas
from contraction_strategies import contraction_programs
from generated_code import run_generated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from program_strategies import exact_programs
from programs import LAYOUTS, Program, assert_same, copied, run_reference, run_shuffled
from smooth_strategies import smooth_programs
from sum_strategies import sum_programs
from wild_strategies import ALIASES, aliased, wild_programs

import netts
from netts.compiler import Kernel
from netts.errors import BoundsError, KernelError

ROUNDINGS = 8
"""Roundings in units of eps for each term of a sum: 300 random programs took up to 0.7."""

sizes = st.fixed_dictionaries({one: st.sampled_from([0, 1, 2, 3, 5, 7]) for one in "nmk"})
larger_sizes = st.fixed_dictionaries({one: st.sampled_from([0, 1, 7, 31, 64]) for one in "nmk"})
layouts = st.lists(st.sampled_from(LAYOUTS), min_size=1, max_size=5)
matrix_layouts = st.lists(
    st.sampled_from(["C", "F", "padded"] * 3 + ["strided", "reversed"]), min_size=3, max_size=6
)
seeds = st.integers(0, 2**32 - 1)
parts = st.integers(2, 5)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


def examples(count: int, **options: Any) -> settings:
    return settings(
        max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), **options
    )


FEW = examples(15, derandomize=True)
"""The same programs in every run, so that the cache has them; one takes up to a second."""

MANY = examples(1000)


def run_compiled(kernel: Kernel, arguments: tuple[Any, ...], count: int) -> None:
    kernel.specialise(arguments).run(arguments, threads=count)


Run = Callable[[Kernel, tuple[Any, ...], int], None]


def assert_agrees(
    kernel: Kernel, arguments: tuple[Any, ...], run: Run, counts: Sequence[int], seed: int
) -> None:
    """Compare the interpreted function in two orders, and a way of running in numbers of parts."""
    expected = copied(arguments)
    run_reference(kernel, expected)
    found = copied(arguments)
    run_shuffled(kernel, found, seed)
    assert_same(expected, found, "iterations shuffled")
    for count in counts:
        found = copied(arguments)
        run(kernel, found, count)
        assert_same(expected, found, f"{count} parts")


def law(
    programs: st.SearchStrategy[Program], layouts: st.SearchStrategy, run: Run, how: settings
) -> Callable[..., None]:
    """Return a test that programs agree with the interpreter, in one part and in several."""

    @how
    @given(programs, sizes, layouts, seeds, parts)
    def test(directory, program, sizes, layouts, seed, count):
        arguments = program.arguments(sizes, layouts, seed)
        with by_blas(seed % 16 or None):
            assert_agrees(program.load(directory).kernel, arguments, run, (1, count), seed)

    return test


exact = exact_programs(), layouts
products = contraction_programs(), matrix_layouts
sums = sum_programs(), layouts

test_compiled_programs_agree_exactly = law(*exact, run_compiled, FEW)
test_generated_code_agrees_exactly = law(*exact, run_generated, examples(100))
test_compiled_products_agree_exactly = law(*products, run_compiled, FEW)
test_generated_products_agree_exactly = law(*products, run_generated, examples(150))
test_compiled_sums_agree_exactly = law(*sums, run_compiled, FEW)
test_generated_sums_agree_exactly = law(*sums, run_generated, examples(150))

slow = pytest.mark.slow
test_many_compiled_programs_agree_exactly = slow(law(*exact, run_compiled, MANY))
test_many_compiled_products_agree_exactly = slow(law(*products, run_compiled, MANY))
test_many_compiled_sums_agree_exactly = slow(law(*sums, run_compiled, MANY))
test_very_many_sums_agree_exactly = slow(law(*sums, run_generated, examples(10_000)))
test_very_many_programs_agree_exactly = slow(law(*exact, run_generated, examples(10_000)))


# ---------------------------------------------------------------- subscripts that miss


def raising_law(run: Run, how: settings) -> Callable[..., None]:
    """Return a test that a program raises BoundsError if and only if checked mode does."""

    @how
    @given(exact_programs(), sizes, layouts, seeds, parts)
    def test(directory, program, sizes, layouts, seed, count):
        kernel = program.load(directory).kernel
        arguments = program.arguments(sizes, layouts, seed, stray=1)
        expected = copied(arguments)
        try:
            with netts.checked():
                kernel(*expected)
        except BoundsError:
            with pytest.raises(BoundsError, match=r"program_\w+\.py"):
                run(kernel, copied(arguments), count)
        else:
            found = copied(arguments)
            run(kernel, found, count)
            assert_same(expected, found, f"{count} parts")

    return test


test_stray_subscripts_raise_in_compiled_programs = raising_law(
    run_compiled, examples(6, derandomize=True)
)
test_stray_subscripts_raise_in_generated_code = raising_law(run_generated, examples(60))
test_many_stray_subscripts_raise = slow(raising_law(run_generated, examples(5000)))


# ---------------------------------------------------------------- programs that may be refused


def soundness_law(run: Run, how: settings) -> Callable[..., None]:
    """Return a test that what netts takes depends on no order, and stays within its arrays."""

    @how
    @given(wild_programs(), sizes, layouts, seeds, parts, st.sampled_from(ALIASES))
    def test(directory, program, sizes, layouts, seed, count, alias):
        try:
            kernel = program.load(directory).kernel
        except KernelError:
            return
        arguments = aliased(program.arguments(sizes, layouts, seed), alias)
        expected, found = copied(arguments), copied(arguments)
        error = None
        try:
            run(kernel, found, 1)
        except BoundsError as raised:
            error = raised
        except KernelError:
            return
        try:
            with netts.checked():
                kernel(*expected)
        except KernelError:
            assert error is not None
            return
        assert error is None
        assert_same(expected, found, "one part")
        assert_agrees(kernel, arguments, run, (2, count, 13), seed)

    return test


test_compiled_kernels_have_no_order = soundness_law(run_compiled, examples(40, derandomize=True))
test_generated_kernels_have_no_order = soundness_law(run_generated, examples(150))
test_many_kernels_have_no_order = slow(soundness_law(run_generated, examples(10_000)))


# ---------------------------------------------------------------- real numbers


def rounding_law(how: settings) -> Callable[..., None]:
    """Return a test that results are within c * n * eps of a float64 evaluation, n the terms.

    In how many parts they are computed does not show.
    """

    @how
    @given(smooth_programs(), larger_sizes, layouts, seeds, parts)
    def test(directory, form_and_program, sizes, layouts, seed, count):
        form, program = form_and_program
        sizes = sizes | {"k": min(sizes["k"], 7)} if form != "product" else sizes
        kernel = program.load(directory).kernel
        arguments = program.arguments(sizes, layouts, seed)
        rng = np.random.default_rng(seed)
        for one in arguments:
            if isinstance(one, np.ndarray) and one.dtype != np.int64:
                one[...] = rng.uniform(-2, 2, one.shape)
        exact = widened(arguments)
        run_reference(kernel, exact)
        expected = exact[program.result]
        terms = {"product": sizes["k"], "elementwise": 1}.get(form, expected.size)
        allowed = ROUNDINGS * max(terms, 1) * max(np.abs(expected).max(initial=0), 1)
        results = []
        for parts in (1, count):
            found = copied(arguments)
            run_compiled(kernel, found, parts)
            results.append(found[program.result])
            error = np.abs(results[-1] - expected).max(initial=0)
            assert error <= allowed * np.finfo(results[-1].dtype).eps
        np.testing.assert_array_equal(*results)

    return test


def widened(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        one.astype(np.float64) if isinstance(one, np.ndarray) and one.dtype == np.float32 else one
        for one in copied(arguments)
    )


test_real_results_are_within_rounding = rounding_law(FEW)
test_many_real_results_are_within_rounding = slow(rounding_law(MANY))

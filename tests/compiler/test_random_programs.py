"""Random programs: the interpreter, one part and several parts agree, on exact data bit for bit.

The generated code is run as Python too, which is cheap and sees every stray address, so most
programs are not compiled. Where a subscript leaves its array, every way of running raises. The
10,000 programs that run uncompiled and the 1,000 that are compiled are `pytest -m slow`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chosen_plans import any_choice
from contraction_strategies import contraction_programs
from generated_code import run_generated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws import assert_sound
from loop_strategies import loop_programs
from program_strategies import exact_programs
from programs import (
    LAYOUTS,
    assert_same,
    copied,
    run_reference,
    run_shuffled,
    with_a_twin,
)
from smooth_strategies import smooth_programs
from sum_strategies import sum_programs
from wild_strategies import ALIASES, wild_programs

import netts
from netts.compiler import Kernel
from netts.errors import AliasError, BoundsError, KernelDivisionError

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


SAME = {"derandomize": True}
"""The same programs in every run, so that the cache has them; one takes up to a second."""

FEW = examples(8, **SAME)


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


# A program is given sizes, layouts and a seed that all of its arguments come from.
inputs = (sizes, layouts, seeds, parts)
matrix_inputs = (sizes, matrix_layouts, seeds, parts)

CASES = {
    "programs": st.tuples(exact_programs(), *inputs),
    "products": st.tuples(contraction_programs(), *matrix_inputs),
    "sums": st.tuples(sum_programs(), *inputs),
    "loops": st.tuples(loop_programs(), *inputs),
}
"""Legal programs: any statements, products and what is nearly one, sums of products, and loops."""

every_case = st.one_of(*CASES.values())


def assert_runs_as_interpreted(case: tuple[Any, ...], directory: Path, run: Run) -> None:
    """Run a program: where a subscript misses or an integer is divided by zero it raises.

    Else all ways of running agree.
    """
    program, sizes, layouts, seed, count = case
    kernel = program.load(directory).kernel
    arguments = program.arguments(sizes, layouts, seed)
    with any_choice(seed):
        try:
            with netts.checked():
                kernel(*copied(arguments))
        except (BoundsError, ZeroDivisionError):
            # Either, as iterations have no order, and one may miss where another divides by zero:
            # a remainder by the extent of an array that is empty.
            with pytest.raises((BoundsError, KernelDivisionError), match=r"program_\w+\.py"):
                run(kernel, copied(arguments), count)
        else:
            assert_agrees(kernel, arguments, run, (1, count), seed)


def law(cases: st.SearchStrategy, run: Run, how: settings) -> Callable[..., None]:
    """Return a test that programs do what the interpreter does, in one part and in several."""

    @how
    @given(cases)
    def test(directory, case):
        assert_runs_as_interpreted(case, directory, run)

    return test


# In CI 32 programs are compiled here, as many for each kind, and 320 run uncompiled.
test_compiled_programs_run_as_interpreted = law(CASES["programs"], run_compiled, FEW)
test_compiled_products_run_as_interpreted = law(CASES["products"], run_compiled, FEW)
test_compiled_sums_run_as_interpreted = law(CASES["sums"], run_compiled, FEW)
test_compiled_loops_run_as_interpreted = law(CASES["loops"], run_compiled, FEW)
test_generated_programs_run_as_interpreted = law(CASES["programs"], run_generated, examples(80))
test_generated_products_run_as_interpreted = law(CASES["products"], run_generated, examples(80))
test_generated_sums_run_as_interpreted = law(CASES["sums"], run_generated, examples(80))
test_generated_loops_run_as_interpreted = law(CASES["loops"], run_generated, examples(80))

slow = pytest.mark.slow
test_10_000_programs_run_uncompiled = slow(law(every_case, run_generated, examples(10_000)))
test_1_000_programs_run_compiled = slow(law(every_case, run_compiled, examples(1000)))


# ---------------------------------------------------------------- one array under two names


def twin_law(run: Run, how: settings) -> Callable[..., None]:
    """Return a test that one array passed twice is refused, or does what the interpreter does."""

    @how
    @given(st.one_of(CASES["products"], CASES["sums"]))
    def test(directory, case):
        program, sizes, layouts, seed, count = case
        kernel = program.load(directory).kernel
        arguments = with_a_twin(program.arguments(sizes, layouts, seed), seed)
        with any_choice(seed):
            try:
                run(kernel, copied(arguments), 1)
            except AliasError:
                return
            assert_agrees(kernel, arguments, run, (1, count), seed)

    return test


test_one_array_twice_in_generated_code = twin_law(run_generated, examples(60))
test_many_arrays_twice_in_generated_code = slow(twin_law(run_generated, examples(5000)))


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
        except (BoundsError, ZeroDivisionError):
            # Either, as iterations have no order, and one may miss where another divides by zero:
            # a remainder by the extent of an array that is empty.
            with pytest.raises((BoundsError, KernelDivisionError), match=r"program_\w+\.py"):
                run(kernel, copied(arguments), count)
        else:
            found = copied(arguments)
            run(kernel, found, count)
            assert_same(expected, found, f"{count} parts")

    return test


test_stray_subscripts_raise_in_compiled_programs = raising_law(run_compiled, examples(6, **SAME))
test_stray_subscripts_raise_in_generated_code = raising_law(run_generated, examples(60))
test_many_stray_subscripts_raise = slow(raising_law(run_generated, examples(5000)))


# ---------------------------------------------------------------- programs that may be refused


def soundness_law(run: Run, how: settings) -> Callable[..., None]:
    """Return a test that what netts takes depends on no order, and stays within its arrays."""

    @how
    @given(wild_programs(), sizes, layouts, seeds, parts, st.sampled_from(ALIASES))
    def test(directory, program, sizes, layouts, seed, count, alias):
        arguments = program.arguments(sizes, layouts, seed)
        ran = assert_sound(
            lambda: program.load(directory).kernel,
            arguments,
            alias,
            lambda kernel, found: run(kernel, found, 1),
        )
        if ran is not None:
            assert_agrees(*ran, run, (2, count, 13), seed)

    return test


test_compiled_kernels_have_no_order = soundness_law(run_compiled, examples(40, **SAME))
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


test_real_results_are_within_rounding = rounding_law(examples(15, **SAME))
test_many_real_results_are_within_rounding = slow(rounding_law(examples(1000)))

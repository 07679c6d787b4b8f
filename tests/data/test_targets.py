"""The target is classes or quantities, and whole; what cannot be learned is refused."""

from __future__ import annotations

import numpy as np
import pytest

from netts.data import ReadOptions


def with_target(cells: list[str]) -> str:
    """A table whose column t has these cells."""
    return "a;t\n" + "".join(f"{row};{cell}\n" for row, cell in enumerate(cells))


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["x", "y", "x", "y"], "classification"),
        (["yes", "no", "no", "yes"], "classification"),
        (["0", "1", "0", "1"], "classification"),
        (["1.0", "2.0", "1", "2"], "classification"),
        (["0", "1", "2", "3+", "0", "1", "2", "3+"], "classification"),
        (["0.5", "1.5", "0.5", "1.5"], "regression"),
        (["0,5", "1,5", "0,5", "1,5"], "regression"),
        (["1", "2", "3", "4"], "regression"),
        ([str(row % 20) for row in range(40)], "classification"),
        ([str(row % 21) for row in range(42)], "regression"),
    ],
)
def test_text_and_few_whole_numbers_are_classes_and_all_else_is_regression(read, cells, task):
    assert read(with_target(cells)).task == task


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["x", "y", "x", "y"], ["x", "y", "x", "y"]),
        (["yes", "no", "no", "yes"], ["yes", "no", "no", "yes"]),
        (["1.0", "2", "1", "2.00"], [1, 2, 1, 2]),
        (["0,5", "1,0", "0,50", "1"], ["0.5", "1", "0.5", "1"]),
        (["1e-7", "0.0000001", "-0.0", "0"], ["1e-07", "1e-07", "0", "0"]),
        (["0.1234567", "0.1234568"] * 2, ["0.1234567", "0.1234568"] * 2),
        (["100000000000000000", "100000000000000001"] * 2, None),
    ],
)
def test_labels_that_are_the_same_number_are_the_same(read, cells, labels):
    y = read(with_target(cells), task="classification").y
    assert y.tolist() == (labels or cells)
    assert y.dtype.kind == ("i" if isinstance(y.tolist()[0], int) else "U")


def test_numbers_said_to_be_categories_are_labels_as_they_are_written(read):
    table = read(with_target(["01", "1", "01", "1"]), options=ReadOptions(categories=("t",)))
    assert table.y.tolist() == ["01", "1", "01", "1"]


def test_whole_numbers_can_be_quantities(read):
    y = read(with_target(["0", "1", "0", "1"]), task="regression").y
    assert (y.tolist(), y.dtype) == ([0, 1, 0, 1], np.float64)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["x", "", "x", "y"],
            (
                ", line 3, column 't': the cell is missing (''), and every row needs a target: "
                "fill it or leave the row out"
            ),
        ),
        (
            ["1.5", "2", "n/a", "?"],
            (
                ", line 4, column 't': the cell is missing ('n/a'), and in 1 more rows, and every "
                "row needs a target: fill it or leave the row out"
            ),
        ),
        (
            ["NA", "?", ""],
            ": target 't' has no value in any row: choose another column as the target",
        ),
        (["x", "x"], ": target 't' is 'x' in every row: there is nothing to learn"),
        (["1.5", "1.50"], ": target 't' is 1.5 in every row: there is nothing to learn"),
        (
            ["x", "y", "z", "x"],
            (
                ": target 't' has 3 different labels in 4 rows, too many to be classes: choose "
                "another column as the target"
            ),
        ),
        (
            ["2026-03-31", "2026-04-01"],
            (
                ": target 't' holds dates such as '2026-03-31', which are neither classes nor "
                "quantities: choose another column as the target"
            ),
        ),
        (
            ["0.5", "oops", "1.5"],
            (
                ", line 3, column 't': 'oops' is not a number, and most others are: correct it, or "
                "say that it stands for a missing value (--missing), that the numbers are names "
                "(--category) or that the column is to be left out (--ignore); in Python "
                "ReadOptions(missing=..., categories=..., ignored=...)"
            ),
        ),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(read, refused, cells, message):
    with refused(message):
        read(with_target(cells))


@pytest.mark.parametrize(
    ("cells", "line", "cell"),
    [
        (["x", "y", "x", "y"], 2, "x"),
        (["1", "2", "3+", "1", "2", "3+"], 4, "3+"),
        (["yes", "no", "yes"], 2, "yes"),
        (["2026-03-31", "2026-04-01"], 2, "2026-03-31"),
    ],
)
def test_text_is_no_target_of_a_regression(read, refused, cells, line, cell):
    with refused(
        f", line {line}, column 't': {cell!r} is not a number, and a regression learns quantities"
    ):
        read(with_target(cells), task="regression")


def test_a_text_too_long_for_a_label_is_refused(read, refused):
    shortened = f"{'x' * 27}...{'x' * 28}"
    with refused(
        f", line 3, column 't': '{shortened}' has 201 characters, and a label has at most 200: "
        "choose another column as the target"
    ):
        read(with_target(["a", "x" * 201, "a", "y" * 200]))


def test_a_category_is_no_target_of_a_regression(read, refused):
    with refused(": target 't' is to be a category, and a regression learns quantities"):
        read(
            with_target(["1", "2", "1", "2"]),
            task="regression",
            options=ReadOptions(categories=("t",)),
        )

"""Columns become numbers, a target and a task; each bad cell is refused where it stands."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netts.data import read_table
from netts.errors import DataError, NettsError, UnknownColumnError


@pytest.fixture
def read(tmp_path):
    """Write a CSV file called table.csv and read it as a table."""

    def read_text(content: str, *args, **kwargs):
        path = tmp_path / "table.csv"
        path.write_text(content, encoding="utf-8")
        return read_table(path, *args, **kwargs)

    return read_text


def refused(tmp_path, message: str):
    """Expect a DataError whose message is the file's name and this."""
    return pytest.raises(DataError, match=f"^{re.escape(str(tmp_path / 'table.csv'))}{message}$")


def test_the_last_column_is_the_target(read):
    table = read("a,b,kind\n1,2.5,x\n3,-4,y\n5,6,x\n7,8,y\n")
    assert (table.name, table.target_name, table.feature_names) == ("table", "kind", ("a", "b"))
    assert table.X.dtype == np.float64
    np.testing.assert_array_equal(table.X, [[1, 2.5], [3, -4], [5, 6], [7, 8]])
    assert table.y.tolist() == ["x", "y", "x", "y"]
    assert (table.n_samples, table.n_features) == (4, 2)


def test_another_column_can_be_the_target(read):
    table = read("kind,a,b\nx,1,2\ny,3,4\nx,5,6\ny,7,8\n", "kind")
    assert (table.target_name, table.feature_names) == ("kind", ("a", "b"))
    np.testing.assert_array_equal(table.X[0], [1, 2])


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["x", "y", "x", "y"], "classification"),
        (["0", "1", "0", "1"], "classification"),
        (["1.0", "2.0", "1", "2"], "classification"),
        (["0", "1", "2", "3+", "0", "1", "2", "3+"], "classification"),
        (["0.5", "1.5", "0.5", "1.5"], "regression"),
        (["1", "2", "3", "4"], "regression"),
        ([str(row % 20) for row in range(40)], "classification"),
        ([str(row % 21) for row in range(42)], "regression"),
    ],
)
def test_text_and_few_whole_numbers_are_classes_and_all_else_is_regression(read, cells, task):
    table = read("a,target\n" + "".join(f"1,{cell}\n" for cell in cells))
    assert table.task == task


def test_labels_are_text_or_int64_and_values_float64(read):
    assert read("a,t\n1,x\n2,y\n3,x\n4,y\n").y.dtype.kind == "U"
    assert read("a,t\n1,0\n2,1.0\n3,0\n4,1\n").y.dtype == np.int64
    assert read("a,t\n1,0.5\n2,1\n3,2\n").y.dtype == np.float64


def test_long_numbers_stay_different_labels(read):
    rows = "".join(f"{k},{10**17 + k % 2}\n" for k in range(6))
    assert set(read("x,t\n" + rows).y) == {str(10**17), str(10**17 + 1)}


def test_the_task_can_be_chosen(read):
    whole = "a,t\n1,0\n2,1\n3,0\n4,1\n"
    assert read(whole, task="regression").y.dtype == np.float64
    table = read("a,t\n1,0.5\n2,1.5\n3,0.50\n4,1.5\n", task="classification")
    assert table.y.tolist() == ["0.5", "1.5", "0.5", "1.5"]


def test_a_table_describes_itself(read):
    assert str(read("a,t\n1,x\n2,y\n3,x\n4,y\n5,x\n")) == (
        "table: 5 rows, 1 numeric columns\ntarget 't': 2 classes (x 3, y 2)"
    )
    assert str(read("a,t\n1,0.5\n2,1.5\n3,4\n")) == (
        "table: 3 rows, 1 numeric columns\ntarget 't': regression, 0.5 to 4, mean 2"
    )


def test_a_description_names_ten_classes_and_counts_the_rest(read):
    table = read("a,t\n" + "".join(f"{row},c{row % 12:02d}\n" for row in range(24)))
    assert str(table).endswith("c09 2, and 2 more)")


def test_an_unknown_target_lists_the_columns_nearest_first(read, tmp_path):
    with pytest.raises(UnknownColumnError, match=r"has no column 'Specis'; it has 'species', 'a'$"):
        read("a,species\n1,x\n", "Specis")


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("abc", "'abc' is not a number"),
        ("1_000", "'1_000' is not a number"),
        ("", r"the cell is missing \(''\); fill it or leave the row out"),
        ("NA", r"the cell is missing \('NA'\); fill it or leave the row out"),
        ("nan", r"the cell is missing \('nan'\); fill it or leave the row out"),
        ("-inf", "'-inf' is not a finite number"),
        ("1e999", "'1e999' is not a finite number"),
        ('"1,5"', "'1,5' is not a number; write a decimal point instead of the comma"),
    ],
)
def test_a_bad_feature_is_refused_with_line_and_column(read, tmp_path, cell, complaint):
    with refused(tmp_path, f", line 3, column 'b': {complaint}"):
        read(f"a,b,t\n1,2,x\n3,{cell},y\n5,6,x\n7,8,y\n")


@pytest.mark.parametrize("cell", ["", "?", "n/a"])
def test_a_missing_target_is_refused_with_its_line(read, tmp_path, cell):
    message = rf", line 3, column 't': the cell is missing \({re.escape(repr(cell))}\); "
    with refused(tmp_path, message + "fill it or leave the row out"):
        read(f"a,t\n1,x\n2,{cell}\n3,x\n4,y\n")


def test_text_among_quantities_is_refused_with_its_line(read, tmp_path):
    with refused(tmp_path, ", line 3, column 't': 'oops' is not a number, and most others are"):
        read("a,t\n1,0.5\n2,oops\n3,1.5\n")


def test_text_is_no_target_of_a_regression(read, tmp_path):
    with refused(tmp_path, ", line 2, column 't': 'x' is not a number"):
        read("a,t\n1,x\n2,y\n3,x\n4,y\n", task="regression")


def test_a_target_with_one_value_is_refused(read, tmp_path):
    with refused(tmp_path, ": target 't' is x in every row: there is nothing to learn"):
        read("a,t\n1,x\n2,x\n")


def test_a_target_with_a_label_for_each_row_is_refused(read, tmp_path):
    message = ": target 't' has 3 different labels in 4 rows, too many to be classes: "
    with refused(tmp_path, message + "choose another column as the target"):
        read("a,t\n1,x\n2,y\n3,z\n4,x\n")


def test_a_text_column_before_the_default_target_is_refused_with_both_ways_out(read, tmp_path):
    message = (
        r": column 'kind' is text \('x'\), and netts learns from numbers: leave it out or write it "
        r"as numbers, or choose it as the target \(it is 'a' now\)"
    )
    with refused(tmp_path, message):
        read("kind,a\nx,1\ny,2\nx,3\ny,4\n")


def test_a_text_column_beside_a_chosen_target_is_refused(read, tmp_path):
    message = r": column 'b' is text \('p'\), and netts learns from numbers: leave it out or write"
    with refused(tmp_path, message + " it as numbers"):
        read("kind,b\nx,p\ny,q\nx,p\ny,q\n", "kind")


def test_every_refusal_is_also_a_value_error():
    assert issubclass(DataError, ValueError)
    assert issubclass(DataError, NettsError)
    assert issubclass(UnknownColumnError, LookupError)


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(X=st.lists(st.tuples(finite, finite), min_size=4, max_size=20))
def test_numbers_read_back_bit_for_bit(tmp_path_factory, X):
    path = tmp_path_factory.mktemp("floats") / "table.csv"
    lines = [f"{a!r},{b!r},{'xy'[row % 2]}" for row, (a, b) in enumerate(X)]
    path.write_text("a,b,t\n" + "\n".join(lines), encoding="utf-8")
    table = read_table(path)
    np.testing.assert_array_equal(table.X, X)
    np.testing.assert_array_equal(np.signbit(table.X), np.signbit(X))

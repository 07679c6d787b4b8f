"""What a column is, told from its cells, and the values that they become."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netts.data import ReadOptions
from netts.data.cells import MISSING, as_numbers, date, is_number, number
from netts.data.kinds import infer_column, infer_rule, read_column
from netts.data.rows import AS_FOUND, Rows, read_rows


@pytest.fixture
def column(write):
    """Read a column called b of these cells, which semicolons separate from its neighbour."""

    def read(*cells: str, options: ReadOptions = AS_FOUND, delimiter: str = ";"):
        lines = [f'{row}{delimiter}"{cell}"' for row, cell in enumerate(cells)]
        rows = read_rows(write(f"a{delimiter}b\n" + "\n".join(lines)), options)
        return infer_column(rows, 1, options)

    return read


@pytest.mark.parametrize("cell", ["1", "-2.5", "+1e-3", ".5", "5.", "nan", "inf", "1E5"])
def test_what_python_reads_as_a_float_is_a_number(cell):
    assert is_number(cell)


@pytest.mark.parametrize("cell", ["", "x", "1_000", "1,5", "0x10", "1 000", "5%"])
def test_all_else_is_not_a_number(cell):
    assert not is_number(cell)
    assert as_numbers(["1", cell]) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_to_the_last_bit(value):
    assert number(repr(value)) == value
    assert number(repr(value).replace(".", ","), "decimal") == value
    assert number(f"{value:,.3f}", "thousands") == float(f"{value:.3f}")


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "2.5", "-3e2"], "number", [1, 2.5, -300]),
        (["yes", "No", "YES"], "yes/no", [True, False, True]),
        (["true", "false", "False"], "yes/no", [True, False, False]),
        (["on", "off", "on"], "yes/no", [True, False, True]),
        (["red", "blue", "red"], "category", ["red", "blue", "red"]),
        (["yes", "no", "maybe"], "category", ["yes", "no", "maybe"]),
        (["yes", "true", "no"], "category", ["yes", "true", "no"]),
        (["0", "1", "2", "3+", "0", "1", "2", "3+"], "category", None),
    ],
)
def test_a_column_is_what_all_its_cells_are(column, cells, kind, values):
    rule, found = column(*cells)
    assert rule.kind == kind
    assert found.tolist() == (values or cells)


@pytest.mark.parametrize("cells", [["A/5 21171", "113803"], ["W./C. 6608", "3"]])
def test_many_different_texts_beside_numbers_are_codes(column, cells):
    texts = [f"{cells[0]}{letter}" for letter in "abcdefghijk"]
    numbers = [f"{cells[1]}{row}" for row in range(40)]
    assert column(*texts, *numbers)[0].kind == "category"


@pytest.mark.parametrize("mark", sorted(MISSING | {"NA", "NaN", "Null", "#N/A"}))
def test_marks_of_a_missing_value_are_known_in_any_case(column, mark):
    assert np.isnan(column("1", mark, "3")[1]).tolist() == [False, True, False]
    assert column("red", mark, "blue")[1].tolist() == ["red", None, "blue"]
    assert column("yes", mark, "no")[1].tolist() == [True, None, False]
    assert np.isnat(column("2026-03-31", mark, "2026-04-01")[1]).tolist() == [False, True, False]


def test_further_marks_can_be_said_though_they_are_numbers(column):
    options = ReadOptions(missing=("-999", " Unknown "))
    _, values = column("1", "-999", "unknown", "2", options=options)
    np.testing.assert_array_equal(values, [1, np.nan, np.nan, 2])


def test_a_column_without_a_value_holds_missing_numbers(column):
    rule, values = column("", "NA", "?")
    assert rule.kind == "number"
    assert np.isnan(values).all()


@pytest.mark.parametrize(
    ("cells", "delimiter", "comma", "values"),
    [
        (["1,5", "2,25", "-3"], ";", "decimal", [1.5, 2.25, -3]),
        (["1,5", "2,25", ""], ",", "decimal", [1.5, 2.25, np.nan]),
        ([",5", "1,5e3", "+2,0"], ";", "decimal", [0.5, 1500, 2]),
        (["1.234,56", "-1.234.567,8", "9,5"], ";", "decimal", [1234.56, -1234567.8, 9.5]),
        (["1,234", "12", "1,234,567.5"], ";", "thousands", [1234, 12, 1234567.5]),
        (["1,234", "5,678", "9"], ",", "thousands", [1234, 5678, 9]),
        (["1,234", "5,678", "9"], ";", "decimal", [1.234, 5.678, 9]),
    ],
)
def test_a_comma_is_what_fits_all_numbers(column, cells, delimiter, comma, values):
    rule, found = column(*cells, delimiter=delimiter)
    assert (rule.kind, rule.comma) == ("number", comma)
    np.testing.assert_array_equal(found, values)


def test_commas_that_fit_neither_make_categories(column):
    assert column("1,5", "1,234,567", "1,5", "x")[0].kind == "category"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2026-03-31", datetime(2026, 3, 31)),
        ("2026-03-31 23:30", datetime(2026, 3, 31, 23, 30)),
        ("2026-03-31T23:30:15.5", datetime(2026, 3, 31, 23, 30, 15, 500_000)),
        ("2026-03-31T23:30Z", datetime(2026, 3, 31, 23, 30)),
        ("2026-03-31T23:30-02:00", datetime(2026, 4, 1, 1, 30)),
    ],
)
def test_dates_of_iso_8601_are_read_in_utc(column, cell, value):
    rule, values = column(cell, "2026-01-01", "")
    assert (rule.kind, values.dtype) == ("date", np.dtype("datetime64[us]"))
    assert values.tolist() == [value, datetime(2026, 1, 1), None]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("31.03.2026", datetime(2026, 3, 31)),
        ("1.4.2026", datetime(2026, 4, 1)),
        ("31.03.2026 23:30", datetime(2026, 3, 31, 23, 30)),
        ("31.03.2026 23:30:15", datetime(2026, 3, 31, 23, 30, 15)),
    ],
)
def test_dates_with_dots_begin_with_the_day(column, cell, value):
    rule, values = column(cell, "01.02.2026", "")
    assert (rule.kind, values.tolist()) == ("date", [value, datetime(2026, 2, 1), None])


@pytest.mark.parametrize(
    "cell",
    ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "2026-02-30", "30.02.2026", "3.31.2026"],
)
def test_a_date_that_no_calendar_has_is_none(cell):
    assert date(cell) is None


@pytest.mark.parametrize(
    "cell", ["31.03.26", "3/31/2026", "31-3-26", "3/31/2026 12:30", "2026/03/31", "2026.3.31"]
)
def test_other_dates_are_refused_with_the_way_to_write_them(column, refused, cell):
    message = (
        f": column 'b' holds dates such as {cell!r}, of which day, month and year could be "
        "confused: write them as 2026-03-31, or leave the column out (--ignore; in "
        "Python ReadOptions(ignored=...))"
    )
    with refused(message):
        column("", cell, cell)


@pytest.mark.parametrize("cell", ["10.0.12.5", "1.2", "1.2.345", "12:30", "2026"])
def test_what_only_resembles_a_date_is_none(column, cell):
    assert column(cell, "x")[0].kind == "category"
    assert date(cell) is None or cell == "2026"


def test_a_text_among_quantities_is_refused_with_every_way_out(column, refused):
    message = (
        ", line 3, column 'b': 'oops' is not a number, and most others are: correct it, or say "
        "that it stands for a missing value (--missing), that the "
        "numbers are names (--category) or that the column is to be left out (--ignore); in "
        "Python ReadOptions(missing=..., categories=..., ignored=...)"
    )
    with refused(message):
        column("0.5", "oops", "1.5")


def test_numbers_can_be_categories_if_it_is_said(column):
    rule, values = column("01069", "10115", "", options=ReadOptions(categories=("b",)))
    assert rule.kind == "category"
    assert values.tolist() == ["01069", "10115", None]


@pytest.mark.parametrize(
    ("cells", "cell", "complaint"),
    [
        (["1", "2"], "-inf", "'-inf' is not a finite number"),
        (["1", "2"], "1e999", "'1e999' is not a finite number"),
        (["1", "2"], "+nan", "'+nan' is not a finite number"),
        (["1", "2"], "1" * 400, f"'{'1' * 27}...{'1' * 28}' is not a finite number"),
    ],
)
def test_numbers_that_are_not_finite_are_refused(column, refused, cells, cell, complaint):
    with refused(f", line 4, column 'b': {complaint}"):
        column(*cells, cell)


@pytest.mark.parametrize(
    ("first", "cell", "complaint"),
    [
        (["1", "2"], "x", "'x' is not a number"),
        (["1", "2"], "1_000", "'1_000' is not a number"),
        (["1", "2"], "1,5", "'1,5' is not a number; write a decimal point instead of the comma"),
        (
            ["1,5", "2"],
            "1.5",
            "'1.5' is not a number with a decimal comma, as the others of this column are",
        ),
        (["1,234.5", "2"], "1,5", "'1,5' is not a number"),
        (["1", "2"], "inf", "'inf' is not a finite number"),
        (["yes", "no"], "1", "'1' is neither yes nor no, true nor false"),
        (["2026-03-31", ""], "3/31/2026", "'3/31/2026' is not a date such as 2026-03-31"),
    ],
)
def test_a_cell_of_another_kind_is_refused_with_its_line(write, refused, first, cell, complaint):
    def rows(cells: list[str]) -> Rows:
        return read_rows(write("a;b\n" + "".join(f'{cell};"{cell}"\n' for cell in cells)))

    rule = infer_rule(rows(first), 1, ReadOptions())
    second = rows([*first, cell, "?"])
    with refused(f", line 4, column 'b': {complaint}"):
        read_column(second, 1, rule)

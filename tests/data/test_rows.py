"""Text becomes rows of cells: delimiters, headers, lines, and what is not a table."""

from __future__ import annotations

import re

import pytest

from netts.data import ReadOptions
from netts.data.rows import read_rows
from netts.errors import DataError


def cells_of(rows):
    """The cells row by row."""
    return [list(row) for row in zip(*rows.columns, strict=True)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_commas_semicolons_tabs_and_bars_separate_cells(write, delimiter):
    rows = read_rows(write("a,b,label\n1,2,x\n3,4,y\n".replace(",", delimiter)))
    assert (rows.delimiter, rows.column_names) == (delimiter, ("a", "b", "label"))
    assert cells_of(rows) == [["1", "2", "x"], ["3", "4", "y"]]


def test_a_semicolon_wins_over_as_many_commas(write):
    rows = read_rows(write("width, m;height, m;kind\n1;2;x\n"))
    assert rows.column_names == ("width, m", "height, m", "kind")


def test_semicolons_separate_numbers_with_decimal_commas(write):
    rows = read_rows(write("a;b\n1,5;2,5\n3,5;4,5\n"))
    assert cells_of(rows) == [["1,5", "2,5"], ["3,5", "4,5"]]


def test_semicolons_separate_numbers_with_decimal_commas_without_a_header_too(write):
    rows = read_rows(write("5,1;3,5;setosa\n4,9;3,0;setosa\n"))
    assert cells_of(rows) == [["5,1", "3,5", "setosa"], ["4,9", "3,0", "setosa"]]


def test_commas_separate_cells_that_hold_as_many_semicolons_each(write):
    rows = read_rows(write("Bern,46.9;7.4,3\nGenf,46.2;6.1,2\n"))
    assert cells_of(rows) == [["Bern", "46.9;7.4", "3"], ["Genf", "46.2;6.1", "2"]]


def test_any_character_can_separate_cells_if_it_is_said(write):
    rows = read_rows(write("a~b\n1~2\n"), ReadOptions(delimiter="~"))
    assert (rows.column_names, cells_of(rows)) == (("a", "b"), [["1", "2"]])


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n", "\r", " "])
def test_what_cannot_separate_cells_is_refused(write, delimiter):
    message = (
        f"a delimiter is one character such as ';', no quote, space or line end, got {delimiter!r}"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        read_rows(write("a,b\n1,2\n"), ReadOptions(delimiter=delimiter))


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_one(write, line_end):
    rows = read_rows(write("a,b\n1,x\n2,y\n".replace("\n", line_end)))
    assert cells_of(rows) == [["1", "x"], ["2", "y"]]
    assert rows.line_numbers.tolist() == [2, 3]


def test_spaces_around_cells_and_quotes_do_not_count(write):
    rows = read_rows(write('a , "b, c"\n 1, "x"\n'))
    assert (rows.column_names, cells_of(rows)) == (("a", "b, c"), [["1", "x"]])


def test_a_quote_inside_quotes_is_written_twice(write):
    assert cells_of(read_rows(write('a,b\n1,"5"" pipe"\n'))) == [["1", '5" pipe']]


def test_line_numbers_count_blank_lines_and_line_ends_inside_quotes(write):
    rows = read_rows(write('a,b\n\n1,"x\ny"\n   \n2,z\n'))
    assert rows.line_numbers.tolist() == [3, 6]
    assert rows.place(1, 0).endswith("table.csv, line 6, column 'a'")


def test_what_spreadsheets_leave_at_the_end_and_at_the_right_is_left_out(write):
    rows = read_rows(write("a,b,,\n1,x,,\n,,,\n2,y,,\n,,,\n,,,\n"))
    assert rows.column_names == ("a", "b")
    assert cells_of(rows) == [["1", "x"], ["", ""], ["2", "y"]]
    assert rows.line_numbers.tolist() == [2, 3, 4]


def test_a_nameless_column_with_values_is_numbered(write):
    rows = read_rows(write("a,,c,\n1,x,3,\n2,y,4,z\n"))
    assert rows.column_names == ("a", "column_2", "c", "column_4")


@pytest.mark.parametrize(
    "content",
    [
        "5.1,3.5,setosa\n4.9,3.0,setosa\n",
        "5.1,,setosa\n4.9,3.0,setosa\n",
        "5,1;3,5;setosa\n4,9;3,0;setosa\n",
        '"1,234",a\n"5,678",b\n',
        "red,yes\nblue,no\nred,no\nblue,yes\n",
    ],
)
def test_a_first_row_with_numbers_or_values_of_its_columns_is_data(write, content):
    rows = read_rows(write(content))
    assert not rows.has_header
    assert rows.column_names[0] == "column_1"
    assert len(rows) == len(content.splitlines())
    assert ";" not in "".join(rows.columns[0])


def test_a_first_row_of_other_texts_is_a_header(write):
    rows = read_rows(write("colour,sold\nred,yes\nblue,no\nred,no\n"))
    assert (rows.has_header, rows.column_names) == (True, ("colour", "sold"))


@pytest.mark.parametrize(("has_header", "n_rows"), [(True, 2), (False, 3)])
def test_whether_there_is_a_header_can_be_said(write, has_header, n_rows):
    rows = read_rows(write("id,2019\n1,2\n3,4\n"), ReadOptions(has_header=has_header))
    assert len(rows) == n_rows
    assert (rows.column_names == ("id", "2019")) is has_header


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (";;\n;;\n", " is empty: no cell holds anything"),
        ('""\n""\n', " is empty: no cell holds anything"),
        ('\t"\t"', " is empty: no cell holds anything"),
        ("a,b\n", " has a header and no rows"),
        ("a,b\n,\n,\n", " has a header and no rows"),
        (
            "a,b\n1,2\n3\n",
            (
                ", line 3: 1 cells, but line 1 has 2 (separated by commas): correct the line, or "
                "quote a cell that holds one"
            ),
        ),
        (
            "a;b\n1;2\n\n3;4;5\n",
            (
                ", line 4: 3 cells, but line 1 has 2 (separated by semicolons): correct the line, "
                "or quote a cell that holds one"
            ),
        ),
        ("a,b,a\n1,2,3\n", ": 2 columns are named 'a'; each needs its own name"),
        (
            "id,2019,2020\n1,2,3\n",
            (
                ", line 1: this is no header, because '2019' is a number, and no data, because "
                "'id' stands above numbers: say whether it is a header (--header or --no-header, "
                "has_header in Python)"
            ),
        ),
        ('a,b\n1,"x\n', ", line 2: a quote opens here and is never closed"),
        (
            'a,b\n1,"x"y\n',
            (
                ", line 2: a quote closes before the end of its cell: write quotes inside a cell "
                'twice, ""'
            ),
        ),
        (
            'a,b\n1,"' + "x\n" * 100_000,
            ", line 2: a cell has more than 131,072 characters: is a quote not closed?",
        ),
    ],
)
def test_what_is_not_a_table_is_refused(write, refused, content, message):
    path = write(content)
    with refused(message):
        read_rows(path)


def test_a_delimiter_of_ones_own_is_named_where_rows_are_ragged(write, refused):
    path = write("a~b\n1\n")
    with refused(
        ", line 2: 1 cells, but line 1 has 2 (separated by '~'): correct the line, or quote a cell "
        "that holds one"
    ):
        read_rows(path, ReadOptions(delimiter="~"))
